"""Loops over a range of integers: `fori_loop`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fgrad.control.carry import Naming
from fgrad.control.scan import run_scan
from fgrad.control.while_loop import run_while_loop
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message, public
from fgrad.tree.table import describe

__all__ = ["fori_loop"]

T = TypeVar("T")


@public
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, T], T],
    init_val: T,
    *,
    unroll: int | bool | None = None,
    checkpoint: str | int | None = None,
) -> T:
    """`for i in range(lower, upper): val = body_fun(i, val)`, from `init_val` on.

    Bounds may be traced: then the number of steps is known only when the loop is run, as in `while_loop`. Both kinds
    can be differentiated in both modes, to any order.

    Args:
        lower: the first integer.
        upper: the integer to stop before.
        body_fun: a function of the integer and the value; it returns a new value, of the structure, shapes and dtypes
            of the old one.
        init_val: the first value, a pytree of arrays.
        unroll: so many steps are written out as one; `True` for all. Only where the bounds are plain integers.
        checkpoint: as for `scan`.

    Returns:
        The last value; `init_val` if `upper <= lower`.

    Raises:
        ArgumentError: a bound is not an integer.
        ShapeError: the value changes its shape or dtype.
        TreeStructureError: the value changes its structure.

    >>> import fgrad
    >>> fgrad.lax.fori_loop(0, 5, lambda i, total: total + i, 0)
    10
    >>> fgrad.grad(lambda x: fgrad.lax.fori_loop(0, 3, lambda i, y: y * x, 1.0))(2.0)
    np.float64(12.0)
    """
    check_callable(body_fun, "fori_loop", "fori_loop(lower, upper, body_fun, init_val)")
    first, last = _bound(lower, "lower"), _bound(upper, "upper")
    if isinstance(first, int) and isinstance(last, int):

        def step(carry: tuple[Any, T], _: None) -> tuple[tuple[Any, T], None]:
            i, value = carry
            return (i + 1, body_fun(i, value)), None

        naming = Naming("fori_loop", body_fun, "init_val", "value", "[1]")
        options: dict[str, Any] = {"length": max(0, last - first), "unroll": unroll or 1, "checkpoint": checkpoint}
        return run_scan(step, (first, init_val), None, naming, **options)[0][1]  # type: ignore[no-any-return]
    if unroll:
        what = "fori_loop cannot unroll a loop whose bounds are traced."
        raise ArgumentError(message(what, cure="Leave unroll out, or give the bounds as plain integers."))

    def unfinished(carry: tuple[Any, Any, T]) -> Array:
        return carry[0] < carry[1]

    def advance(carry: tuple[Any, Any, T]) -> tuple[Any, Any, T]:
        i, end, value = carry
        return i + 1, end, body_fun(i, value)

    naming = Naming("fori_loop", body_fun, "init_val", "value", "[2]")
    return run_while_loop(unfinished, advance, (first, last, init_val), checkpoint, naming)[2]


def _bound(x: Any, name: str) -> Any:
    """A bound: a plain integer where it is known, a tracer elsewhere."""
    if type(x) is Tracer and not x.shape and x.dtype.kind in "iu":
        return x
    if not isinstance(x, (bool, np.bool_)) and not getattr(x, "shape", ()) and type(x) is not Tracer:
        try:
            return operator.index(x)
        except TypeError:
            pass
    shown = f"{aval_of(x)}" if type(x) is Tracer else describe(x)
    what = f"fori_loop counts by integers, but {name} is {shown}."
    raise ArgumentError(message(what, cure="Give a scalar integer; convert with int(...) or .astype(int)."))
