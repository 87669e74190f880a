"""Statistics of samples: the most frequent value, ranks, the standard error of the mean."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype, one_axis
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.primitives.cumulative import cummax, cummin
from fgrad.primitives.families import shape_of
from fgrad.scipy.stats.parameters import scalar

__all__ = ["ModeResult", "mode", "rankdata", "sem"]

_METHODS = ("average", "min", "max", "dense", "ordinal")


class ModeResult(NamedTuple):
    """The most frequent value, and how often it comes."""

    mode: Array
    count: Array


@public
def mode(a: Any, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False) -> ModeResult:
    """`mode(a)`: the most frequent value, the least of several such, and how often it comes.

    Args:
        a: an array.
        axis: the axis along which to look; `None`: all of it.
        nan_policy: "propagate": NaN is a value like others; "omit": NaNs do not count; "raise": there must be none.
        keepdims: keep the axis, with length 1.

    Returns:
        Two arrays, `mode` and `count`. The mode has the derivatives of the element that it is.

    Raises:
        ArgumentError: `nan_policy` is none of these, or "raise" and there is a NaN, or that cannot be known.

    >>> mode([3, 1, 3, 2, 1])
    ModeResult(mode=np.int64(1), count=np.int64(2))
    """
    x = fnp.asarray(as_operand(a))
    _check_nans("mode", x, nan_policy)
    lead = shape_of(x)
    x, along = one_axis(x, axis)
    n = shape_of(x)[along]
    if not n:
        raise ShapeError(
            message(f"mode of no elements: the shape is {shape_of(x)}.", cure="There must be one at least.")
        )
    ordered = fnp.moveaxis(fnp.sort(x, along), along, -1)
    place = np.arange(n)
    count = place - _starts(ordered) + 1
    if nan_policy == "omit" and aval_of(x).dtype.kind in "fc":
        count = fnp.where(fnp.isnan(ordered), 0, count)
    at = fnp.argmax(count, -1)[..., None]
    found, times = fnp.take_along_axis(ordered, at, -1), fnp.take_along_axis(count, at, -1)
    if keepdims:
        shape = tuple([1 if axis is None or i == along else m for i, m in enumerate(lead)])
    else:
        shape = tuple([m for i, m in enumerate(lead) if not (axis is None or i == along)])
    return ModeResult(scalar(fnp.reshape(found, shape)), scalar(fnp.reshape(times, shape)))


@public
def rankdata(a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate") -> Array:
    """`rankdata(a)`: the ranks of the elements, from 1 on. They have no derivatives but 0.

    Args:
        a: an array.
        method: what equal elements share: "average", "min" or "max" of their ranks; "dense": as "min", and the next
            larger one follows without a gap; "ordinal": nothing, they are ranked in their order.
        axis: the axis along which to rank; `None`: all elements, in a row.
        nan_policy: "propagate": where there is a NaN all ranks along the axis are; "omit": NaNs have the rank NaN and
            others are ranked without them; "raise": there must be none.

    Returns:
        An array of float64, whatever the method.

    Raises:
        ArgumentError: there is no such method or policy; or "raise", and there is a NaN, or that cannot be known.

    >>> rankdata([30, 10, 30, 20])
    array([3.5, 1. , 3.5, 2. ])
    """
    if method not in _METHODS:
        known = ", ".join(map(repr, _METHODS))
        raise ArgumentError(message(f"`method` of rankdata is {method!r}.", cure=f"It must be one of {known}."))
    x = fnp.asarray(as_operand(a))
    _check_nans("rankdata", x, nan_policy)
    x, along = one_axis(x, axis)
    n = shape_of(x)[along]
    if not n:
        return np.zeros(shape_of(x))
    x = fnp.moveaxis(x, along, -1)
    order = fnp.argsort(x, -1, stable=True)
    ordered = fnp.take_along_axis(x, order, -1)
    ranks = _ranks(ordered, method)
    out = as_dtype(fnp.take_along_axis(ranks, fnp.argsort(order, -1), -1), np.float64)
    if aval_of(x).dtype.kind in "fc":
        nan = fnp.isnan(x)
        out = fnp.where(nan if nan_policy == "omit" else fnp.any(nan, -1, keepdims=True), np.nan, out)
    return fnp.moveaxis(out, -1, along)


def _ranks(ordered: Array, method: str) -> Array:
    """The ranks of elements in ascending order along the last axis."""
    n = shape_of(ordered)[-1]
    place = np.arange(n)
    if method == "ordinal":
        return fnp.broadcast_to(place + 1, shape_of(ordered))
    if method == "dense":
        return fnp.cumsum(_begins(ordered), -1)
    first = _starts(ordered) + 1
    if method == "min":
        return first
    last = _last(ordered) + 1
    return last if method == "max" else 0.5 * (first + last)


def _begins(ordered: Array) -> Array:
    """Whether elements in ascending order are the first of equal ones; NaNs, which come last, are taken as equal."""
    before, behind = ordered[..., :-1], ordered[..., 1:]
    differ = before != behind
    if aval_of(ordered).dtype.kind in "fc":
        differ = fnp.logical_and(differ, fnp.logical_not(fnp.isnan(before)))
    return fnp.concatenate([fnp.ones((*shape_of(ordered)[:-1], 1), bool), differ], -1)


def _starts(ordered: Array) -> Array:
    """The position of the first of those equal to each element."""
    place = np.arange(shape_of(ordered)[-1])
    axis = len(shape_of(ordered)) - 1
    return cummax(fnp.where(_begins(ordered), place, 0), axis=axis, reverse=False, exclusive=False)


def _last(ordered: Array) -> Array:
    """The position of the last of those equal to each element."""
    n = shape_of(ordered)[-1]
    axis = len(shape_of(ordered)) - 1
    ends = fnp.concatenate([_begins(ordered)[..., 1:], fnp.ones((*shape_of(ordered)[:-1], 1), bool)], -1)
    return cummin(fnp.where(ends, np.arange(n), n), axis=axis, reverse=True, exclusive=False)


@public
def sem(a: Any, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", keepdims: bool = False) -> Array:
    """`sem(a)`: the standard error of the mean, the standard deviation over √n.

    Args:
        a: an array.
        axis: the axis along which observations are; `None`: all of it.
        ddof: what to take off n for the standard deviation.
        nan_policy: "propagate"; "omit": NaNs do not count; "raise": there must be none.
        keepdims: keep the axis, with length 1.

    Returns:
        An array without the axis. For observations that are all the same it is 0, with derivatives 0.

    Raises:
        ArgumentError: there is no such policy; or "raise", and there is a NaN, or that cannot be known.

    >>> round(float(sem([1.0, 2.0, 3.0])), 6)
    0.57735
    """
    x = fnp.asarray(as_operand(a))
    dtype = aval_of(x).dtype
    x = as_dtype(x, dtype if dtype.kind in "fc" else np.float64)
    _check_nans("sem", x, nan_policy)
    if nan_policy == "omit":
        count = fnp.sum(fnp.logical_not(fnp.isnan(x)), axis, keepdims=keepdims)
        return fnp.nanstd(x, axis, ddof=ddof, keepdims=keepdims) / as_dtype(fnp.sqrt(count), np.finfo(x.dtype).dtype)
    n = math.prod(shape_of(x)) if axis is None else shape_of(x)[axis]
    return fnp.std(x, axis, ddof=ddof, keepdims=keepdims) / math.sqrt(n)


def _check_nans(function: str, x: Array, nan_policy: str) -> None:
    if nan_policy not in ("propagate", "omit", "raise"):
        cure = "It must be 'propagate', 'omit' or 'raise'."
        raise ArgumentError(message(f"`nan_policy` of {function} is {nan_policy!r}.", cure=cure))
    if nan_policy != "raise" or aval_of(x).dtype.kind not in "fc":
        return
    if is_traced(x):
        what = f"nan_policy='raise' of {function}: whether a traced array holds NaNs is not known."
        raise ArgumentError(message(what, cure="Check before, or take 'propagate' or 'omit'."))
    if np.any(np.isnan(x)):
        raise ArgumentError(message(f"{function} with nan_policy='raise' got an array that holds NaNs."))
