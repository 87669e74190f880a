"""Loops that end by a condition: `while_loop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fgrad.control.bodies import Body, flat_tree, trace_body
from fgrad.control.carry import Carry, Naming, fit_numbers, flat_carry, settle
from fgrad.control.python_loops import python_while
from fgrad.control.segments import check_segments
from fgrad.control.while_rules import while_p
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, flat_outputs, function_name
from fgrad.core.modes import runs_as_python
from fgrad.errors import OutputTypeError, ShapeError, message, public
from fgrad.tree import flatten
from fgrad.tree.table import describe

__all__ = ["run_while_loop", "while_loop"]

T = TypeVar("T")


@public
def while_loop(
    cond_fun: Callable[[T], Any], body_fun: Callable[[T], T], init_val: T, *, checkpoint: str | int | None = None
) -> T:
    """Applies `body_fun` to a value as long as `cond_fun` of it is true.

    Both functions are traced once; the loop runs their compiled program. It can be differentiated in both modes, to
    any order, however many steps it takes. Under `vmap` every row stops by itself, and only the rows that go on are
    computed.

    Args:
        cond_fun: a function of the value that returns a scalar boolean.
        body_fun: a function of the value that returns a new one, of the structure, shapes and dtypes of the old one.
        init_val: the first value, a pytree of arrays.
        checkpoint: what reverse mode keeps of long loops, in place of the residuals of every step: `"sqrt"` keeps
            states in proportion to √n, `"binomial"` to log₂ n, a number k one every k steps. The rest is computed
            again. Where the condition differs from row to row, under `vmap`, every step is kept all the same.

    Returns:
        The first value for which `cond_fun` is false.

    Raises:
        ShapeError: the condition is no scalar, or the value changes its shape or dtype.
        TreeStructureError: the value changes its structure.

    >>> import fgrad, numpy as np
    >>> def sqrt(a):
    ...     def unfinished(x):
    ...         return abs(x * x - a) > 1e-12 * a
    ...     return fgrad.lax.while_loop(unfinished, lambda x: (x + a / x) / 2, a)
    >>> sqrt(2.0), fgrad.grad(sqrt)(2.0)
    (1.41421356237..., np.float64(0.3535533905...))

    Source: for `"sqrt"` and `"binomial"`, Griewank and Walther, "Algorithm 799: Revolve", 2000.
    """
    check_callable(cond_fun, "while_loop", "while_loop(cond_fun, body_fun, init_val)")
    check_callable(body_fun, "while_loop", "while_loop(cond_fun, body_fun, init_val)")
    return run_while_loop(cond_fun, body_fun, init_val, checkpoint, Naming("while_loop", body_fun, "init_val", "value"))


def run_while_loop(
    cond_fun: Callable[[T], Any], body_fun: Callable[[T], T], init_val: T, checkpoint: str | int | None, naming: Naming
) -> T:
    """`while_loop`, for functions that are made of it: messages speak of them."""
    verb = naming.verb
    check_segments(checkpoint, None, 1, verb)
    if runs_as_python():
        init_val, ended = python_while(lambda value: _truth(cond_fun(value), cond_fun), body_fun, init_val)
        if ended:
            return init_val
    leaves, treedef = flat_tree(init_val, naming.parameter, verb)

    def trace(carry: Carry, avals: list[ShapedArray]) -> Body:
        def flat(*xs: Array) -> list[Array]:
            return fit_numbers(flat_carry(body_fun(treedef.unflatten(xs)), carry), avals)

        return trace_body(flat, avals, verb, naming.fun)

    def condition(*xs: Array) -> list[Array]:
        return [_truth(cond_fun(treedef.unflatten(xs)), cond_fun)]

    carry, body = settle(Carry(leaves, treedef, naming), trace)
    cond = trace_body(condition, body.jaxpr.in_avals[len(body.consts) :], verb, cond_fun)
    counts = {"num_cond": len(cond.consts), "num_body": len(body.consts)}
    programs = {"cond_jaxpr": cond.jaxpr, "body_jaxpr": body.jaxpr}
    outs = while_p.bind(*cond.consts, *body.consts, *carry.leaves, **programs, **counts, checkpoint=checkpoint)
    return treedef.unflatten(outs)  # type: ignore[no-any-return]


def _truth(out: Any, cond_fun: Any) -> Array:
    """What a condition returned: a scalar boolean."""
    leaves, _ = flatten(out)
    if len(leaves) != 1 or leaves[0] is not out:
        what = f"while_loop: the condition `{function_name(cond_fun)}` must return a boolean, got {describe(out)}."
        raise OutputTypeError(message(what, cure="Return one comparison, such as x > 0; join several by & and |."))
    [truth], _ = flat_outputs(out, "while_loop", cond_fun)
    aval = aval_of(truth)
    if aval.shape:
        what = f"while_loop: the condition `{function_name(cond_fun)}` must return a scalar boolean, got {aval}."
        raise ShapeError(message(what, cure="Reduce it by .any() or .all()."))
    return truth if aval.dtype.kind == "b" else truth != 0
