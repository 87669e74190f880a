"""fgrad: composable transformations of NumPy programs."""

from fgrad import (
    ad_checkpoint,
    core,
    custom_derivatives,
    debug,
    errors,
    flatten_util,
    implicit,
    lax,
    numpy,
    optim,
    random,
    sparse,
    tree,
    tree_util,
)
from fgrad.api.common import float0
from fgrad.api.curvature import fisher_vp, ggn_vp
from fgrad.api.grad import grad, value_and_grad
from fgrad.api.higher_order import laplacian, nth_derivative
from fgrad.api.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
from fgrad.api.jet import jet
from fgrad.api.jit import jit
from fgrad.api.linear import jvp, linear_transpose, linearize, vjp
from fgrad.api.trace import ShapeDtypeStruct, eval_shape, make_jaxpr
from fgrad.api.vmap import vmap
from fgrad.control import checkpoint_policies
from fgrad.control.checkpoint import checkpoint, remat
from fgrad.control.checkpoint_name import checkpoint_name
from fgrad.control.closure_convert import closure_convert
from fgrad.control.custom_gradient import custom_gradient
from fgrad.control.custom_jvp import custom_jvp
from fgrad.control.custom_rule import custom_rule
from fgrad.control.custom_vjp import custom_vjp
from fgrad.control.external import io_callback, pure_callback
from fgrad.control.stop_gradient import stop_gradient
from fgrad.version import __version__

__all__ = [
    "ShapeDtypeStruct",
    "__version__",
    "ad_checkpoint",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "closure_convert",
    "core",
    "custom_derivatives",
    "custom_gradient",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "debug",
    "errors",
    "eval_shape",
    "fisher_vp",
    "flatten_util",
    "float0",
    "ggn_vp",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "io_callback",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jet",
    "jit",
    "jvp",
    "laplacian",
    "lax",
    "linear_transpose",
    "linearize",
    "make_jaxpr",
    "nth_derivative",
    "numpy",
    "optim",
    "pure_callback",
    "random",
    "remat",
    "sparse",
    "stop_gradient",
    "tree",
    "tree_util",
    "value_and_grad",
    "vjp",
    "vmap",
]
