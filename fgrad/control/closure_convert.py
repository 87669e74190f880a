"""Functions without closures over traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.control.call import close_over
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import call, check_callable, flat_leaves, flat_outputs, function_name, parameter_names
from fgrad.errors import ArgumentError, TreeStructureError, message, public
from fgrad.transforms.stage import trace
from fgrad.tree import flatten
from fgrad.tree.text import plural
from fgrad.tree.treedef import difference

__all__ = ["closure_convert"]


@public
def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Array]]:
    """A function that takes what `fun` closes over as further arguments, and these values.

    For functions that are handed to a rule, or to a solver, which differentiates by its arguments alone.

    Args:
        fun: a function of arrays in pytrees. It is traced: it may not decide by values.
        example_args: arguments like those that it will be called with.

    Returns:
        `(converted, values)`: `converted(*args, *values)` is `fun(*args)`, and refers to no value of an outer transform
        except by its arguments.

    >>> import fgrad, numpy as np
    >>> def solve(w):
    ...     residual, values = fgrad.closure_convert(lambda x: x * w, 1.0)
    ...     return residual(2.0, *values)
    >>> fgrad.grad(solve)(3.0)
    np.float64(2.0)
    """
    check_callable(fun, "closure_convert", "closure_convert(f, *example_args)")
    leaves, treedef = flat_leaves(example_args, parameter_names(fun, len(example_args)), "closure_convert")
    name, count = function_name(fun), len(example_args)
    outdef: Any = None

    def flat(*xs: Array) -> list[Array]:
        nonlocal outdef
        out = call(fun, treedef.unflatten(xs), {}, "closure_convert")
        outs, outdef = flat_outputs(out, "closure_convert", fun)
        return outs

    closed, captured = close_over(trace(flat, [aval_of(x) for x in leaves], "closure_convert", fun))
    needed = len(captured)

    @public
    def converted(*args: Any) -> Any:
        if len(args) != count + needed:
            takes = f"{plural(count, 'argument')} and {plural(needed, 'value')} that `{name}` closes over"
            what = f"a function made by closure_convert takes {takes}, got {plural(len(args), 'argument')}."
            raise ArgumentError(message(what, cure="Write converted(*args, *values)."))
        xs, given = flatten(args[:count])
        if given != treedef:
            what = f"the arguments of `{name}` are not like those that closure_convert was given:"
            raise TreeStructureError(message(f"{what} {difference(treedef, given)}"))
        return outdef.unflatten(closed(*args[count:], *xs))

    return converted, captured
