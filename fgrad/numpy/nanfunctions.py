"""Reductions that leave NaNs out. Given only concrete arrays each is NumPy's own.

For traced arrays a slice of NaNs alone gives NaN without a warning; an element that is left out has derivative 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.numpy import reductions
from fgrad.numpy.axes import as_dtype, given, kept, mask_of, masked, reduced_axes
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.primitives.comparison import gt, is_nan, logical_and, logical_not, select
from fgrad.primitives.families import shape_of
from fgrad.primitives.root import root

__all__ = [
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]

_ABSENT: Any = np._NoValue


def _numbers(x: Array, where: Any = None) -> Array | None:
    """The mask of the elements that are numbers (and that `where` leaves); `None` where all are."""
    aval = aval_of(x)
    mask = mask_of(where, aval.shape)
    if aval.dtype.kind not in "fc":
        return mask
    numbers = logical_not(is_nan(x))
    return numbers if mask is None else logical_and(numbers, mask)


def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`nansum(a, axis)`: the sum of the elements that are not NaN.

    >>> nansum([1.0, np.nan])
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.nansum(a, axis, dtype, out, keepdims, initial, where)
    refuse("nansum", out=out)
    x = as_operand(a)
    return reductions.sum(masked(x, _numbers(x), 0), axis, dtype, None, keepdims, initial, where)


def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`nanprod(a, axis)`: the product of the elements that are not NaN.

    >>> nanprod([2.0, np.nan])
    np.float64(2.0)
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.nanprod(a, axis, dtype, out, keepdims, initial, where)
    refuse("nanprod", out=out)
    x = as_operand(a)
    return reductions.prod(masked(x, _numbers(x), 1), axis, dtype, None, keepdims, initial, where)


def _nan_extremum(name: str, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any) -> Array:
    x = as_operand(a)
    function, least = (reductions.max, -np.inf) if name == "nanmax" else (reductions.min, np.inf)
    numbers = _numbers(x)
    if numbers is None:
        return function(x, axis, None, keepdims, initial, where)
    out = function(masked(x, numbers, least), axis, None, keepdims, initial, where)
    if given(initial):
        return out
    return masked(out, reductions.any(numbers, axis, keepdims=keepdims), np.nan)


def nanmax(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`nanmax(a, axis)`: the largest element that is not NaN.

    >>> nanmax([1.0, np.nan])
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.nanmax(a, axis, out, keepdims, initial, where)
    refuse("nanmax", out=out)
    return _nan_extremum("nanmax", a, axis, keepdims, initial, where)


def nanmin(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`nanmin(a, axis)`: the smallest element that is not NaN.

    >>> nanmin([1.0, np.nan])
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.nanmin(a, axis, out, keepdims, initial, where)
    refuse("nanmin", out=out)
    return _nan_extremum("nanmin", a, axis, keepdims, initial, where)


def _nan_position(name: str, a: Any, axis: Any, keepdims: Any) -> Array:
    x = as_operand(a)
    function, least = (reductions.argmax, -np.inf) if name == "nanargmax" else (reductions.argmin, np.inf)
    numbers = _numbers(x)
    out = function(masked(x, numbers, least), axis, keepdims=keepdims)
    return out if numbers is None else masked(out, reductions.any(numbers, axis, keepdims=keepdims), -1)


def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _ABSENT) -> Array:
    """`nanargmax(a, axis)`: where the largest element that is not NaN is; −1 for traced NaNs alone.

    >>> nanargmax([1.0, np.nan])
    np.int64(0)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.nanargmax(a, axis, out, keepdims=keepdims)
    refuse("nanargmax", out=out)
    return _nan_position("nanargmax", a, axis, keepdims)


def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _ABSENT) -> Array:
    """`nanargmin(a, axis)`: where the smallest element that is not NaN is; −1 for traced NaNs alone.

    >>> nanargmin([1.0, np.nan])
    np.int64(0)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.nanargmin(a, axis, out, keepdims=keepdims)
    refuse("nanargmin", out=out)
    return _nan_position("nanargmin", a, axis, keepdims)


def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    *,
    where: Any = _ABSENT,
) -> Array:
    """`nanmean(a, axis)`: the mean of the elements that are not NaN.

    >>> nanmean([1.0, np.nan, 3.0])
    np.float64(2.0)
    """
    if type(a) is not Tracer and not is_traced(a, where):
        return np.nanmean(a, axis, dtype, out, keepdims, where=where)
    refuse("nanmean", out=out)
    x = as_operand(a)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    return kept(reductions.mean_over(x, axes, dtype, _numbers(x, where)), shape, axes, keepdims)


def _nan_variance(
    a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any, where: Any, center: Any, correction: Any
) -> Array:
    ddof = correction if given(correction) else ddof
    x = as_operand(a)
    if aval_of(x).dtype.kind not in "fc":
        return reductions.var(x, axis, dtype, None, ddof, keepdims, where=where, mean=center)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    numbers = _numbers(x, where)
    middle = as_operand(center) if given(center) else None
    total, count = reductions.squares_over(x, axes, dtype, numbers, middle)
    dtype = aval_of(total).dtype
    enough = gt(count, ddof)
    freedom = as_dtype(select(enough, count - ddof, 1), reductions.real_dtype(dtype))
    return kept(masked(as_dtype(total / freedom, dtype), enough, np.nan), shape, axes, keepdims)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = _ABSENT,
    *,
    where: Any = _ABSENT,
    mean: Any = _ABSENT,
    correction: Any = _ABSENT,
) -> Array:
    """`nanvar(a, axis)`: the variance of the elements that are not NaN.

    >>> nanvar([1.0, np.nan, 3.0])
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, where, mean):
        return np.nanvar(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)
    refuse("nanvar", out=out)
    return _nan_variance(a, axis, dtype, ddof, keepdims, where, mean, correction)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = _ABSENT,
    *,
    where: Any = _ABSENT,
    mean: Any = _ABSENT,
    correction: Any = _ABSENT,
) -> Array:
    """`nanstd(a, axis)`: the standard deviation of the elements that are not NaN.

    >>> nanstd([1.0, np.nan, 3.0])
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, where, mean):
        return np.nanstd(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)
    refuse("nanstd", out=out)
    return root(_nan_variance(a, axis, dtype, ddof, keepdims, where, mean, correction))
