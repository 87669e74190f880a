"""Taylor mode: derivatives of high order along a curve, in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fgrad.api.common import fresh
from fgrad.api.linear import check_arguments
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import call, check_callable, flat_leaves, flat_outputs, parameter_names, place_of
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO
from fgrad.errors import ArgumentError, NonDifferentiableError, ShapeError, TreeStructureError, message, public
from fgrad.primitives.coefficients import Coefficient
from fgrad.transforms import jet as taylor
from fgrad.transforms.series import Terms
from fgrad.tree import PyTreeDef
from fgrad.tree.table import describe
from fgrad.tree.text import plural

__all__ = ["check_order", "derivative", "derivatives", "jet"]

_HIGHEST = 170


@public
def jet(fun: Callable[..., Any], primals: Sequence[Any], series: Sequence[Any]) -> tuple[Any, Any]:
    """Value and higher derivatives along a curve: y(0), and [y′(0), y″(0), …] of y(t) = f(x(t)), in one forward pass.

    The cost grows with the square of the order, not exponentially, as that of nested `jvp` does. Control flow, custom
    rules and compiled functions are gone through.

    Args:
        fun: a function of the primals.
        primals: its arguments x(0), a tuple or list of pytrees.
        series: one entry per primal: where that has an array, a list of the derivatives [x′(0), x″(0), …] of the curve,
            each of the shape and dtype of the array, as many for all arrays. `None` in place of a list means that the
            array is constant; integers are.

    Returns:
        `(out, series_out)`: the result, and the same with a list of derivatives in place of every array, zeros for
        integers.

    Raises:
        ArgumentError: primals or series are not tuples or lists, not one entry per primal is given, or there are more
            than 170 derivatives.
        TreeStructureError: there is no list of derivatives for an array, or their numbers differ.
        ShapeError: the shape or dtype of a derivative differs from its primal's.

    >>> import fgrad, numpy as np
    >>> fgrad.jet(lambda x: x**3, (2.0,), ([1.0, 0.0, 0.0],))
    (8.0, [np.float64(12.0), np.float64(12.0), np.float64(6.0)])

    Source: Griewank and Walther, Evaluating Derivatives (2008), chapter 13.
    """
    check_callable(fun, "jet", "jet(f, (x,), ([x1, x2],))")
    check_arguments(primals, "primals", "jet")
    check_arguments(series, "series", "jet")
    names = parameter_names(fun, len(primals))
    xs, treedef = flat_leaves(primals, names, "jet")
    order, terms = _coefficients(primals, series, xs, treedef)
    outdef: Any = None

    def flat(*leaves: Array) -> list[Array]:
        nonlocal outdef
        outs, outdef = flat_outputs(call(fun, treedef.unflatten(leaves), {}, "jet"), "jet", fun)
        return outs

    outs, found = taylor.jet(flat, order, xs, terms, fun)
    taken = [*xs, *(t for rows in terms if rows is not ZERO for t in rows)]  # type: ignore[union-attr]
    outs = fresh(outs, taken)
    rows = [derivatives(t, y, order) for t, y in zip(found, outs, strict=True)]
    own = iter(fresh([t for row in rows for t in row], [*taken, *outs]))
    return outdef.unflatten(outs), outdef.unflatten([[next(own) for _ in row] for row in rows])


def check_order(order: int, verb: str) -> None:
    """Refuses orders whose factorials are no numbers of double precision.

    Raises:
        ArgumentError: the order is higher than 170.
    """
    if order > _HIGHEST:
        what = f"{verb} goes up to order {_HIGHEST}, whose factorial is the last that float64 has, not to {order}."
        raise ArgumentError(message(what, cure="Ask for fewer derivatives."))


def derivatives(terms: Terms, y: Array, order: int) -> list[Array]:
    """The derivatives that some Taylor coefficients of a value stand for."""
    given: Sequence[Coefficient] = [ZERO] * order if terms is ZERO else terms  # type: ignore[assignment]
    return [derivative(c, y, k) for k, c in enumerate(given, 1)]


def derivative(c: Coefficient, y: Array, k: int) -> Array:
    """The k-th derivative of a value, from the Taylor coefficient."""
    if c is not ZERO:
        out = c if k < 2 else c * float(math.factorial(k))
        return out[()] if type(out) is np.ndarray and out.ndim == 0 else out
    aval = aval_of(y)
    return np.zeros(aval.shape, aval.dtype)[()]


def _coefficients(
    primals: Sequence[Any], series: Sequence[Any], xs: list[Array], treedef: PyTreeDef
) -> tuple[int, list[Terms]]:
    """The order, and the Taylor coefficients of every array."""
    if len(series) != len(primals):
        given, needed = plural(len(series), "entry", "entries"), plural(len(primals), "primal")
        what = f"series of jet has {given} for {needed}."
        raise ArgumentError(message(what, cure="Give one per argument; None for one that is constant."))
    names = [f"series[{i}]" for i in range(len(primals))]
    lists: list[Any] = []
    for x, part, name in zip(treedef.children(), series, names, strict=True):
        fault = f"{name} of jet is not like its primal,"
        lists += [None] * x.num_leaves if part is None else x.flatten_up_to(part, fault=fault)
    places = [partial(place_of, primals, names, i) for i in range(len(xs))]
    order = _order(lists, places)
    check_order(order, "jet")
    return order, [_terms(g, x, where) for g, x, where in zip(lists, xs, places, strict=True)]


def _order(lists: Sequence[Any], places: Sequence[Callable[[], str]]) -> int:
    """How many derivatives every list has; those that are `None` may have any number."""
    found: tuple[int, Callable[[], str]] | None = None
    for given, where in zip(lists, places, strict=True):
        if given is None:
            continue
        if not isinstance(given, (list, tuple)):
            what = f"{where()} of jet must be a list of derivatives, got {describe(given)}."
            raise TreeStructureError(message(what, cure="Give [x1, x2, …]: one entry per order; None for a constant."))
        if found is None:
            found = len(given), where
        elif len(given) != found[0]:
            first = f"{found[1]()} has {plural(found[0], 'term')}"
            what = f"series of jet differ in order: {first}, {where()} has {len(given)}."
            raise TreeStructureError(message(what, cure="Give as many for every array; zeros where a curve has none."))
    return found[0] if found else 0


def _terms(given: Sequence[Any] | None, x: Array, where: Callable[[], str]) -> Terms:
    """The Taylor coefficients that the derivatives of a primal stand for."""
    terms = [_coefficient(t, x, k, where) for k, t in enumerate(given or (), 1)]
    return ZERO if all(t is ZERO for t in terms) else terms


def _coefficient(t: Any, x: Array, k: int, where: Callable[[], str]) -> Coefficient:
    """The Taylor coefficient that a derivative of a primal stands for; `ZERO` for what are zeros."""
    aval = aval_of(x)
    try:
        got = aval_of(t)
    except TypeError:
        place = f"{where()}[{k - 1}]"
        what = f"{place} of jet is {describe(t)}: not an array of numbers."
        raise ArgumentError(message(what, cure="Derivatives are arrays and numbers.")) from None
    zero = type(t) is not Tracer and (got.dtype.kind == "V" or not np.any(t))
    if not is_inexact(aval.dtype):
        if not zero:
            what = f"{where()}[{k - 1}] of jet is not 0, but it belongs to {aval} in primals."
            raise NonDifferentiableError(
                message(what, cure="Integers and booleans do not vary: give None, or make it a float.")
            )
        return ZERO
    if got.shape != aval.shape or not (got.dtype == aval.dtype or got.weak_type):
        raise ShapeError(_misfit(got, aval, f"{where()}[{k - 1}]"))
    if zero:
        return ZERO
    if got.weak_type and type(t) is not Tracer:
        t = aval.dtype.type(t)
    return t if k == 1 else t / float(math.factorial(k))


def _misfit(got: ShapedArray, aval: ShapedArray, where: str) -> str:
    what = f"jet: {where} is {got}, but it must be {aval} as in primals."
    if got.shape == aval.shape:
        return message(what, cure=f"Convert it: {where}.astype({aval.dtype.name!r}).")
    return message(what, cure=f"Nothing is broadcast here: give it the shape {aval.shape}.")
