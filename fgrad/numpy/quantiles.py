"""Medians, quantiles and percentiles. Given only concrete arrays each is NumPy's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.control.stop_gradient import stop_gradient
from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype, given, kept, reduced_axes
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.numpy.reductions import aligned_weights
from fgrad.primitives.comparison import eq, is_inf, is_nan, logical_and, lt, maximum, minimum, select
from fgrad.primitives.cumulative import cumsum
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL
from fgrad.primitives.indexing import gather
from fgrad.primitives.rounding import ceil, floor, rint
from fgrad.primitives.shape import broadcast_to, reduce_sum, reshape, transpose
from fgrad.primitives.sorting import argsort, permute, sort

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

_ABSENT: Any = np._NoValue

_PICKING = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
"""Methods that give an element, and do not interpolate."""


def _columns(x: Array, axes: tuple[int, ...]) -> Array:
    """The reduced axes made one, in front."""
    shape = shape_of(x)
    others = [i for i in range(len(shape)) if i not in axes]
    x = transpose(x, axes=(*axes, *others))
    return reshape(x, shape=(math.prod(shape[a] for a in axes), *[shape[i] for i in others]))


def _rows(x: Array, index: Array) -> Array:
    """The rows of an array at an index array of any shape."""
    return gather(x, index, key=(ARRAY, *[FULL] * (len(shape_of(x)) - 1)), unique=False)


def _row(x: Array, position: int) -> Array:
    return gather(x, key=(position, *[FULL] * (len(shape_of(x)) - 1)), unique=True)


def _spoilt(out: Array, ordered: Array) -> Array:
    """NaN for the columns that hold one: sorting has put it last."""
    aval = aval_of(ordered)
    if aval.dtype.kind not in "fc":
        return out
    return as_dtype(select(is_nan(_row(ordered, shape_of(ordered)[0] - 1)), np.nan, out), aval_of(out).dtype)


# Where a quantile lies among n sorted elements, as a position from 0 on: Hyndman & Fan, "Sample Quantiles in
# Statistical Packages", The American Statistician 50 (1996), by its two parameters.
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _halfway(position: Array) -> Array:
    """Between two elements half of each."""
    below = floor(position)
    return select(eq(below, position), position, below + 0.5)


def _averaged(q: Array, n: Array) -> Array:
    position = q * n - 1
    return select(eq(floor(position), position), position + 0.5, ceil(position))


_DISCRETE: dict[str, Callable[[Array, Array], Array]] = {
    "inverted_cdf": lambda q, n: ceil(q * n) - 1,
    "averaged_inverted_cdf": _averaged,
    "closest_observation": lambda q, n: rint(q * n) - 1,
    "lower": lambda q, n: floor(q * (n - 1)),
    "higher": lambda q, n: ceil(q * (n - 1)),
    "midpoint": lambda q, n: _halfway(q * (n - 1)),
    "nearest": lambda q, n: rint(q * (n - 1)),
}


def _position(q: Array, n: Array, method: str) -> Array:
    if method in _DISCRETE:
        position = _DISCRETE[method](q, n)
    elif method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        position = q * n + (alpha + q * (1 - alpha - beta)) - 1 if method != "linear" else q * (n - 1)
    else:
        methods = ", ".join((*_CONTINUOUS, *_DISCRETE))
        raise ArgumentError(message(f"`method` is {method!r}.", cure=f"It must be one of {methods}."))
    return minimum(maximum(position, 0), n - 1)


def _interpolated(x: Array, q: Array, axes: tuple[int, ...], method: str) -> Array:
    """The quantiles of the elements along some axes; the axes of q come first in the result."""
    ordered = sort(_columns(x, axes), axis=0)
    n, *rest = shape_of(ordered)
    if n == 0:
        raise ArgumentError(message("quantiles of no elements: the reduced axes are empty."))
    position = _position(q, n, method)
    below = floor(position)
    start = as_dtype(below, np.intp)
    low = _rows(ordered, start)
    if method in ("lower", "higher", "nearest", "inverted_cdf", "closest_observation"):
        return _spoilt(low, ordered)
    high = _rows(ordered, minimum(start + 1, n - 1))
    part = reshape(position - below, shape=(*shape_of(q), *[1] * len(rest)))
    if aval_of(low).dtype.kind in "biu":
        low, high = as_dtype(low, np.float64), as_dtype(high, np.float64)
    return _spoilt(_toward(low, high, part), ordered)


def _toward(low: Array, high: Array, part: Array) -> Array:
    """A part of the way from low to high.

    From the nearer end, so that both ends are met exactly; infinities that are not approached are not subtracted.
    """
    same = eq(high, low)
    step = select(same, 0, high) - select(same, 0, low)
    step = select(logical_and(is_inf(step), eq(part, 0)), 0, step)
    return select(lt(part, 0.5), low + step * part, high - step * (1 - part))


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: Any = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Array:
    """`quantile(a, q, axis)`: the value below which a share q of the elements lies.

    Differentiable in `a`, and in `q` where the method interpolates.

    Args:
        a: an array of real numbers.
        q: shares from 0 to 1; their axes come first in the result.
        axis: the axes to take together.
        out: refused for traced arrays.
        overwrite_input: means nothing for traced arrays.
        method: one of NumPy's names; between two elements `linear` interpolates.
        keepdims: leave the reduced axes, with length 1.
        weights: of the elements, of the shape of `a` or of its axes `axis`; for the method "inverted_cdf" alone, whose
            result, an element, does not move with them.

    >>> quantile([1.0, 2.0, 4.0], 0.25)
    np.float64(1.5)
    """
    if type(a) is not Tracer and not is_traced(a, q, weights):
        return np.quantile(a, q, axis, out, overwrite_input, method, keepdims, weights=weights)
    refuse("quantile", out=out)
    x = as_operand(a)
    if weights is not None:
        return _of_shares(x, q, axis, method, keepdims, _weighing(x, weights, axis))
    return _of_shares(x, q, axis, method, keepdims, _interpolated)


def _of_shares(x: Array, q: Any, axis: Any, method: Any, keepdims: Any, interpolated: Callable[..., Array]) -> Array:
    aval = aval_of(x)
    if aval.dtype.kind == "c" or (aval.dtype.kind == "b" and method not in _PICKING):
        what = f"quantiles are those of real numbers, got an array of dtype {aval.dtype}"
        raise ShapeError(message(f"{what}, and the method {method!r}.", cure="Convert it: x.real, or x.astype(float)."))
    share = as_operand(q)
    if type(share) in (int, float):
        share = np.asarray(share, aval.dtype if aval.dtype.kind == "f" else np.float64)
    if not is_traced(share) and np.logical_or(np.less(share, 0), np.greater(share, 1)).any():
        raise ArgumentError(message("quantiles must be in the range from 0 to 1."))
    axes = reduced_axes(axis, aval.ndim)
    result = interpolated(x, share, axes, method)
    if not given(keepdims) or not keepdims:
        return result
    lengths = [1 if i in axes else n for i, n in enumerate(aval.shape)]
    return reshape(result, shape=(*shape_of(share), *lengths))


def _weighing(x: Array, weights: Any, axis: Any, numbers: bool = False) -> Callable[..., Array]:
    """Quantiles of weighted elements; where `numbers` is set, of those that are not NaN."""
    shape, w = shape_of(x), as_operand(weights)
    if not is_traced(w) and np.less(w, 0).any():
        raise ArgumentError(message("the weights of a quantile must not be negative."))
    w = broadcast_to(aligned_weights(w, shape, axis), shape=shape)

    def weighted(x: Array, q: Array, axes: tuple[int, ...], method: str) -> Array:
        if method != "inverted_cdf":
            cure = 'Give method="inverted_cdf", or no weights.'
            raise ArgumentError(message(f"`method` is {method!r}, which takes no weights.", cure=cure))
        columns = _columns(x, axes)
        order = argsort(columns, axis=0)
        ordered = permute(columns, order, axis=0)
        shares = stop_gradient(as_dtype(permute(_columns(w, axes), order, axis=0), np.float64))
        if numbers:
            shares = select(is_nan(ordered), 0.0, shares)
        n, *rest = shape_of(ordered)
        below = cumsum(shares, axis=0)
        below = below / _row(below, n - 1)
        below = select(eq(below, 0), -1.0, below)  # what weighs nothing is not the least element
        level = reshape(q, shape=(*shape_of(q), 1, *[1] * len(rest)))
        place = reduce_sum(as_dtype(lt(below, level), np.intp), axes=(len(shape_of(q)),))
        out = _at_each(ordered, minimum(place, n - 1))
        if not numbers:
            return _spoilt(out, ordered)
        missing = eq(reduce_sum(as_dtype(is_nan(ordered), np.intp), axes=(0,)), n)
        return as_dtype(select(missing, np.nan, out), aval_of(out).dtype)

    return weighted


def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: Any = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Array:
    """`percentile(a, q, axis)`: the value below which q per cent of the elements lie; see `quantile`.

    >>> percentile([1.0, 2.0, 4.0], 25)
    np.float64(1.5)
    """
    if type(a) is not Tracer and not is_traced(a, q, weights):
        return np.percentile(a, q, axis, out, overwrite_input, method, keepdims, weights=weights)
    return quantile(a, _hundredth(a, q), axis, out, overwrite_input, method, keepdims, weights=weights)


def _hundredth(a: Any, q: Any) -> Array:
    share = as_operand(q)
    if type(share) not in (int, float):
        return share / 100
    dtype = aval_of(as_operand(a)).dtype
    return np.true_divide(share, dtype.type(100) if dtype.kind == "f" else 100)


def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Array:
    """`median(a, axis)`: the middle element, or the mean of the two in the middle.

    >>> median([3.0, 1.0, 2.0])
    np.float64(2.0)
    """
    if type(a) is not Tracer and not is_traced(a):
        return np.median(a, axis, out, overwrite_input, keepdims)
    refuse("median", out=out)
    x = as_operand(a)
    aval = aval_of(x)
    axes = reduced_axes(axis, aval.ndim)
    ordered = sort(_columns(x, axes), axis=0)
    n = shape_of(ordered)[0]
    if n == 0:
        raise ArgumentError(message("the median of no elements: the reduced axes are empty."))
    dtype = np.dtype(np.float64) if aval.dtype.kind in "biu" else aval.dtype
    low, high = (as_dtype(_row(ordered, k), dtype) for k in ((n - 1) // 2, n // 2))
    middle = low if n % 2 else (low + high) / 2
    return kept(_spoilt(middle, ordered), aval.shape, axes, keepdims)


def _interpolated_numbers(x: Array, q: Array, axes: tuple[int, ...], method: str) -> Array:
    """The quantiles of the elements that are not NaN; NaN where there is none."""
    ordered = sort(_columns(x, axes), axis=0)
    n, *rest = shape_of(ordered)
    missing = is_nan(ordered)
    count = n - reduce_sum(missing, axes=(0,))
    ordered = as_dtype(select(missing, 0, ordered), aval_of(ordered).dtype)  # the last ones, which are not looked at
    share = reshape(q, shape=(*shape_of(q), *[1] * len(rest)))
    dtype = aval_of(share).dtype
    size = as_dtype(maximum(count, 1), dtype if dtype.kind == "f" else np.float64)
    position = broadcast_to(_position(share, size, method), shape=(*shape_of(q), *rest))
    below = floor(position)
    start = as_dtype(below, np.intp)
    low = _at_each(ordered, start)
    if method not in _PICKING:
        high = _at_each(ordered, minimum(start + 1, maximum(count - 1, 0)))
        low = _toward(low, high, position - below)
    return as_dtype(select(eq(count, 0), np.nan, low), aval_of(low).dtype)


def _at_each(ordered: Array, positions: Array) -> Array:
    """`ordered[positions[i, c], c]` for every column c."""
    rest = shape_of(ordered)[1:]
    columns = math.prod(rest)
    ahead = shape_of(positions)[: len(shape_of(positions)) - len(rest)]
    rows = reshape(positions, shape=(*ahead, columns)) * columns + np.arange(columns)
    out = gather(reshape(ordered, shape=(aval_of(ordered).size,)), rows, key=(ARRAY,), unique=False)
    return reshape(out, shape=(*ahead, *rest))


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: Any = "linear",
    keepdims: Any = _ABSENT,
    *,
    weights: Any = None,
) -> Array:
    """`nanquantile(a, q, axis)`: the quantiles of the elements that are not NaN; see `quantile`.

    Where all are NaN, so is the result; for traced arrays there is no warning, and their derivative is 0.

    >>> nanquantile([1.0, np.nan, 2.0, 4.0], 0.25)
    np.float64(1.5)
    """
    if type(a) is not Tracer and not is_traced(a, q, weights):
        return np.nanquantile(a, q, axis, out, overwrite_input, method, keepdims, weights=weights)
    x = as_operand(a)
    if aval_of(x).dtype.kind != "f" or 0 in shape_of(x):
        return quantile(x, q, axis, out, overwrite_input, method, given(keepdims) and keepdims, weights=weights)
    refuse("nanquantile", out=out)
    if weights is not None:
        return _of_shares(x, q, axis, method, keepdims, _weighing(x, weights, axis, numbers=True))
    return _of_shares(x, q, axis, method, keepdims, _interpolated_numbers)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: Any = "linear",
    keepdims: Any = _ABSENT,
    *,
    weights: Any = None,
) -> Array:
    """`nanpercentile(a, q, axis)`: the percentiles of the elements that are not NaN; see `nanquantile`.

    >>> nanpercentile([1.0, np.nan, 2.0, 4.0], 25)
    np.float64(1.5)
    """
    if type(a) is not Tracer and not is_traced(a, q, weights):
        return np.nanpercentile(a, q, axis, out, overwrite_input, method, keepdims, weights=weights)
    return nanquantile(a, _hundredth(a, q), axis, out, overwrite_input, method, keepdims, weights=weights)


def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = _ABSENT
) -> Array:
    """`nanmedian(a, axis)`: the median of the elements that are not NaN; NaN where there is none.

    >>> nanmedian([3.0, np.nan, 2.0])
    np.float64(2.5)
    """
    if type(a) is not Tracer and not is_traced(a):
        return np.nanmedian(a, axis, out, overwrite_input, keepdims)
    refuse("nanmedian", out=out)
    x = as_operand(a)
    if aval_of(x).dtype.kind != "f" or 0 in shape_of(x):
        return median(x, axis, None, overwrite_input, given(keepdims) and keepdims)
    return nanquantile(x, 0.5, axis, keepdims=keepdims)
