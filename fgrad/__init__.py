"""fgrad: composable transformations of NumPy programs."""

from fgrad import errors, numpy, tree
from fgrad.api.grad import grad, value_and_grad
from fgrad.api.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
from fgrad.api.jit import jit
from fgrad.api.linear import jvp, linear_transpose, linearize, vjp
from fgrad.api.trace import ShapeDtypeStruct, eval_shape, make_jaxpr
from fgrad.api.vmap import vmap
from fgrad.control.checkpoint import checkpoint, remat
from fgrad.control.custom_jvp import custom_jvp
from fgrad.control.custom_vjp import custom_vjp
from fgrad.control.stop_gradient import stop_gradient
from fgrad.version import __version__

__all__ = [
    "ShapeDtypeStruct",
    "__version__",
    "checkpoint",
    "custom_jvp",
    "custom_vjp",
    "errors",
    "eval_shape",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_jaxpr",
    "numpy",
    "remat",
    "stop_gradient",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
]
