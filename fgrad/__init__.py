"""fgrad: composable transformations of NumPy programs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fgrad import config, core, errors, flatten_util, numpy, tree, tree_util
from fgrad.api.common import float0
from fgrad.api.grad import grad, value_and_grad
from fgrad.api.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
from fgrad.api.jit import jit
from fgrad.api.linear import jvp, linear_transpose, linearize, vjp
from fgrad.api.retracing import disable_jit, no_retrace
from fgrad.api.trace import ShapeDtypeStruct, eval_shape, make_jaxpr
from fgrad.api.vmap import vmap
from fgrad.control.checkpoint import checkpoint, remat
from fgrad.control.custom_jvp import custom_jvp
from fgrad.control.custom_vjp import custom_vjp
from fgrad.control.stop_gradient import stop_gradient
from fgrad.version import __version__

if TYPE_CHECKING:
    from fgrad import (
        ad_checkpoint,
        custom_derivatives,
        debug,
        export,
        extend,
        implicit,
        io,
        lax,
        nn,
        optim,
        random,
        scipy,
        sparse,
        testing,
        viz,
    )
    from fgrad.api.curvature import fisher_vp, ggn_vp
    from fgrad.api.higher_order import laplacian, nth_derivative
    from fgrad.api.jet import jet
    from fgrad.control import checkpoint_policies
    from fgrad.control.checkpoint_name import checkpoint_name
    from fgrad.control.closure_convert import closure_convert
    from fgrad.control.custom_gradient import custom_gradient
    from fgrad.control.custom_rule import custom_rule
    from fgrad.control.external import io_callback, pure_callback

__all__ = [
    "ShapeDtypeStruct",
    "__version__",
    "ad_checkpoint",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "closure_convert",
    "config",
    "core",
    "custom_derivatives",
    "custom_gradient",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "debug",
    "disable_jit",
    "errors",
    "eval_shape",
    "export",
    "extend",
    "fisher_vp",
    "flatten_util",
    "float0",
    "ggn_vp",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "io",
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
    "nn",
    "no_retrace",
    "nth_derivative",
    "numpy",
    "optim",
    "pure_callback",
    "random",
    "remat",
    "scipy",
    "sparse",
    "stop_gradient",
    "testing",
    "tree",
    "tree_util",
    "value_and_grad",
    "viz",
    "vjp",
    "vmap",
]

# These are imported when they are first used: `import fgrad` stays quick.
_ROOMS = {
    "ad_checkpoint": "fgrad.ad_checkpoint",
    "checkpoint_policies": "fgrad.control.checkpoint_policies",
    "custom_derivatives": "fgrad.custom_derivatives",
    "debug": "fgrad.debug",
    "export": "fgrad.export",
    "extend": "fgrad.extend",
    "implicit": "fgrad.implicit",
    "io": "fgrad.io",
    "lax": "fgrad.lax",
    "nn": "fgrad.nn",
    "optim": "fgrad.optim",
    "random": "fgrad.random",
    "scipy": "fgrad.scipy",
    "sparse": "fgrad.sparse",
    "testing": "fgrad.testing",
    "viz": "fgrad.viz",
}
_FUNCTIONS = {
    "checkpoint_name": "fgrad.control.checkpoint_name",
    "closure_convert": "fgrad.control.closure_convert",
    "custom_gradient": "fgrad.control.custom_gradient",
    "custom_rule": "fgrad.control.custom_rule",
    "fisher_vp": "fgrad.api.curvature",
    "ggn_vp": "fgrad.api.curvature",
    "io_callback": "fgrad.control.external",
    "jet": "fgrad.api.jet",
    "laplacian": "fgrad.api.higher_order",
    "nth_derivative": "fgrad.api.higher_order",
    "pure_callback": "fgrad.control.external",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        value: Any = import_module(_ROOMS[name])
    elif name in _FUNCTIONS:
        value = getattr(import_module(_FUNCTIONS[name]), name)
    else:
        raise AttributeError(f"module 'fgrad' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
