"""Derivatives and functions of sampled data. Given only concrete arrays each function is NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.cumulative import cumsum, diff
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.joining import concatenate
from fgrad.numpy.parts import operand, part, taken
from fgrad.numpy.sorting import argsort, searchsorted
from fgrad.primitives.comparison import eq, gt, logical_and, logical_or, lt, maximum, minimum, select
from fgrad.primitives.families import shape_of
from fgrad.primitives.rounding import absolute, remainder
from fgrad.primitives.shape import reshape

__all__ = ["gradient", "interp", "unwrap"]


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """`gradient(f, *spacings)`: derivatives of sampled values, by central differences that are exact for parabolas.

    Args:
        f: values.
        *varargs: how far apart they are: nothing (1), one number, or for each axis a number or the points themselves.
        axis: the axes to differentiate along; all, where it is `None`.
        edge_order: 1 or 2, the order of the one-sided differences at both ends.

    Returns:
        An array; a tuple of one for each axis where there are several.

    >>> gradient([1.0, 4.0, 9.0])
    array([3., 4., 5.])
    """
    if not is_traced(f, *varargs):
        return np.gradient(f, *varargs, axis=axis, edge_order=edge_order)
    x = operand(f)
    shape = shape_of(x)
    axes = tuple(range(len(shape))) if axis is None else normalize_axis_tuple(axis, len(shape))
    if edge_order not in (1, 2):
        raise ArgumentError(message(f"`edge_order` is {edge_order!r}, not 1 or 2."))
    dtype = aval_of(x).dtype
    if dtype.kind == "b":
        raise ShapeError(message("gradient of truth values is not defined.", cure="Convert them: x.astype(float)."))
    if dtype.kind not in "fc":
        x = as_dtype(x, np.float64)
    for a in axes:
        if shape[a] < edge_order + 1:
            what = f"gradient along axis {a} of length {shape[a]} of an array of shape {shape}."
            raise ShapeError(message(what, cure=f"There must be at least {edge_order + 1} elements."))
    widths = _spacings(varargs, shape, axes)
    outs = tuple([_along(x, w, a, edge_order) for w, a in zip(widths, axes, strict=True)])
    return outs[0] if len(outs) == 1 else outs


def _spacings(varargs: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> list[Array]:
    """For each axis the distance of neighbours: a number, or an array."""
    given = [as_operand(v) for v in varargs] or [1.0]
    if len(given) == 1 and not shape_of(given[0]):
        given *= len(axes)
    if len(given) != len(axes):
        raise TypeError(
            message(f"gradient along {len(axes)} axes takes no, one or as many spacings, got {len(given)}.")
        )
    for v, axis in zip(given, axes, strict=True):
        if shape_of(v) not in ((), (shape[axis],)):
            what = f"gradient: spacings of shape {shape_of(v)} for axis {axis} of length {shape[axis]}."
            raise ShapeError(message(what, cure="Give a number, or the coordinate of every element."))
    return [diff(_floating(v)) if shape_of(v) else v for v in given]


def _floating(v: Array) -> Array:
    return v if aval_of(v).dtype.kind in "fc" else as_dtype(v, np.float64)


def _along(x: Array, h: Array, axis: int, edge_order: int) -> Array:
    n = shape_of(x)[axis]
    start, end = _ends(h, n, edge_order)
    middle = _central(x, h, axis)
    first = _combined(x, start, range(len(start)), axis)
    last = _combined(x, end, range(n - len(end), n), axis)
    out = [first, middle, last] if n > 2 else [first, last]
    return concatenate([as_dtype(o, aval_of(x).dtype) for o in out], axis)


def _central(x: Array, h: Array, axis: int) -> Array:
    if not shape_of(h):
        return (part(x, axis, slice(2, None)) - part(x, axis, slice(None, -2))) / (2.0 * h)
    before, after = part(h, 0, slice(None, -1)), part(h, 0, slice(1, None))
    column = tuple([shape_of(before)[0] if i == axis else 1 for i in range(len(shape_of(x)))])
    before, after = reshape(before, shape=column), reshape(after, shape=column)
    left = -after / (before * (before + after))
    here = (after - before) / (before * after)
    right = before / (after * (before + after))
    ahead, behind = part(x, axis, slice(2, None)), part(x, axis, slice(None, -2))
    return left * behind + here * part(x, axis, slice(1, -1)) + right * ahead


def _ends(h: Array, n: int, edge_order: int) -> tuple[list[Array], list[Array]]:
    """The coefficients of the first elements in the derivative at the first, and of the last ones at the last."""
    a, b = (h, h) if not shape_of(h) else (taken(h, np.asarray(0), 0), taken(h, np.asarray(n - 2), 0))
    if edge_order == 1:
        return [-1.0 / a, 1.0 / a], [-1.0 / b, 1.0 / b]
    if not shape_of(h):
        return [-1.5 / h, 2.0 / h, -0.5 / h], [0.5 / h, -2.0 / h, 1.5 / h]
    c, d = taken(h, np.asarray(1), 0), taken(h, np.asarray(n - 3), 0)
    start = [-(2.0 * a + c) / (a * (a + c)), (a + c) / (a * c), -a / (c * (a + c))]
    return start, [b / (d * (d + b)), -(b + d) / (d * b), (2.0 * b + d) / (b * (d + b))]


def _combined(x: Array, factors: list[Array], positions: range, axis: int) -> Array:
    out: Array = 0
    for factor, k in zip(factors, positions, strict=True):
        out = out + factor * part(x, axis, slice(k, k + 1))
    return out


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Array:
    """`interp(x, xp, fp)`: the piecewise linear function through the points (xp, fp), at x.

    Differentiable in all arguments; at a point of `xp` the slope is that of the piece behind it.

    Args:
        x: where to evaluate.
        xp: ascending coordinates of the points; with `period` in any order.
        fp: the values there, real or complex.
        left: what it is below the first point, `fp[0]` by default.
        right: what it is above the last point, `fp[-1]` by default.
        period: the period of the function, if it has one.

    >>> interp(1.5, [1.0, 2.0], [10.0, 20.0])
    np.float64(15.0)
    """
    if not is_traced(x, xp, fp, left, right, period):
        return np.interp(x, xp, fp, left, right, period)
    for name, places in (("x", operand(x)), ("xp", operand(xp))):
        if aval_of(places).dtype.kind == "c" and period is None:
            what = f"interp takes real coordinates, `{name}` is {aval_of(places)}."
            raise ShapeError(message(what, cure="Take the real part: x.real."))
    at, points, values = as_dtype(operand(x), np.float64), as_dtype(operand(xp), np.float64), operand(fp)
    values = as_dtype(values, np.complex128 if aval_of(values).dtype.kind == "c" else np.float64)
    if len(shape_of(points)) != 1 or shape_of(points) != shape_of(values) or not shape_of(points)[0]:
        what = f"interp through points with coordinates of shape {shape_of(points)} and values of {shape_of(values)}."
        raise ShapeError(message(what, cure="Both have one axis, of one length that is not 0."))
    if period is not None:
        at, points, values = _periodic(at, points, values, period)
        left = right = None
    n = shape_of(points)[0]
    first, last = (taken(values, np.asarray(k), 0) for k in (0, n - 1))
    low, high = (taken(points, np.asarray(k), 0) for k in (0, n - 1))
    out = _between(at, points, values) if n > 1 else first
    out = select(lt(at, low), first if left is None else as_operand(left), out)
    return as_dtype(select(gt(at, high), last if right is None else as_operand(right), out), aval_of(values).dtype)


def _between(x: Array, xp: Array, fp: Array) -> Array:
    n = shape_of(xp)[0]
    behind = minimum(maximum(searchsorted(xp, x, "right"), 1), n - 1)
    x0, x1, f0, f1 = taken(xp, behind - 1, 0), taken(xp, behind, 0), taken(fp, behind - 1, 0), taken(fp, behind, 0)
    flat = eq(x0, x1)
    # Beyond the ends the piece is not followed: what is not taken stays finite.
    inside = select(logical_or(lt(x, x0), gt(x, x1)), x0, x)
    return select(flat, f1, f0 + (f1 - f0) / select(flat, 1.0, x1 - x0) * (inside - x0))


def _periodic(x: Array, xp: Array, fp: Array, period: Any) -> tuple[Array, Array, Array]:
    if not is_traced(period) and period == 0:
        raise ArgumentError(message("`period` is 0.", cure="It must be another number."))
    period = absolute(as_operand(period))
    x, xp = remainder(x, period), remainder(xp, period)
    order = argsort(xp)
    xp, fp = taken(xp, order, 0, unique=True), taken(fp, order, 0, unique=True)
    end, start = slice(-1, None), slice(0, 1)
    xp = concatenate([part(xp, 0, end) - period, xp, part(xp, 0, start) + period])
    return x, xp, concatenate([part(fp, 0, end), fp, part(fp, 0, start)])


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Array:
    """`unwrap(p)`: with multiples of a period added so that neighbours differ by at most half of it.

    Args:
        p: angles.
        discont: the smallest difference that is mended; not less than half the period, its default.
        axis: the axis to go along.
        period: the period.

    >>> unwrap([0.0, 4.0], period=4.0)
    array([0., 0.])
    """
    if not is_traced(p, discont, period):
        return np.unwrap(p, discont, axis, period=period)
    x, period = operand(p), as_operand(period)
    axis = normalize_axis_index(axis, len(shape_of(x)))
    steps = diff(x, axis=axis)
    whole = aval_of(steps + period).dtype.kind in "iu"
    half = period // 2 if whole else period / 2
    low = -half
    wrapped = remainder(steps - low, period) + low
    ambiguous = eq(remainder(period, 2), 0) if whole else np.True_
    high = low + period if whole else half
    at_edge = logical_and(ambiguous, logical_and(eq(wrapped, low), gt(steps, 0)))
    wrapped = select(at_edge, high, wrapped)
    limit = half if discont is None else as_operand(discont)
    mended = select(lt(absolute(steps), limit), 0, wrapped - steps)
    dtype = aval_of(mended).dtype
    x = as_dtype(x, dtype)
    rest = as_dtype(part(x, axis, slice(1, None)) + cumsum(mended, axis), dtype)
    return concatenate([part(x, axis, slice(0, 1)), rest], axis)
