"""fgrad: composable transformations of NumPy programs."""

from fgrad import core, errors, flatten_util, numpy, optim, random, tree, tree_util
from fgrad.api.common import float0
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
    "core",
    "custom_jvp",
    "custom_vjp",
    "errors",
    "eval_shape",
    "flatten_util",
    "float0",
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
    "optim",
    "random",
    "remat",
    "stop_gradient",
    "tree",
    "tree_util",
    "value_and_grad",
    "vjp",
    "vmap",
]
