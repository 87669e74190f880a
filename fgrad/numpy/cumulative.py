"""Cumulative sums and products, differences, the trapezoidal rule. Given only concrete arrays each is NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype, given, one_axis
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.primitives import cumulative
from fgrad.primitives.comparison import is_nan, ne, select
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import broadcast_to, reduce_sum, reshape

__all__ = [
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "ediff1d",
    "nancumprod",
    "nancumsum",
    "trapezoid",
]

_ABSENT: Any = np._NoValue


def _accumulated(primitive: Any, a: Any, axis: Any, dtype: Any) -> Array:
    x, along = one_axis(as_operand(a), axis)
    if dtype is not None:
        x = as_dtype(x, dtype)
    out = primitive(x, axis=along)
    return out if dtype is None else as_dtype(out, dtype)


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    """`cumsum(a, axis)`: the sums of the first elements; along all elements in a row, where `axis` is `None`.

    >>> cumsum([1, 2, 3])
    array([1, 3, 6])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.cumsum(a, axis, dtype, out)
    refuse("cumsum", out=out)
    return _accumulated(cumulative.cumsum, a, axis, dtype)


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    """`cumprod(a, axis)`: the products of the first elements. The derivative is exact also where some are 0.

    >>> cumprod([1, 2, 3])
    array([1, 2, 6])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.cumprod(a, axis, dtype, out)
    refuse("cumprod", out=out)
    return _accumulated(cumulative.cumprod, a, axis, dtype)


def _without_nan(a: Any, fill: int) -> Array:
    x = as_operand(a)
    return as_dtype(select(is_nan(x), fill, x), aval_of(x).dtype) if aval_of(x).dtype.kind in "fc" else x


def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    """`nancumsum(a, axis)`: as `cumsum`, with NaNs taken as 0.

    >>> nancumsum([1.0, np.nan, 2.0])
    array([1., 1., 3.])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.nancumsum(a, axis, dtype, out)
    refuse("nancumsum", out=out)
    return _accumulated(cumulative.cumsum, _without_nan(a, 0), axis, dtype)


def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    """`nancumprod(a, axis)`: as `cumprod`, with NaNs taken as 1.

    >>> nancumprod([2.0, np.nan, 3.0])
    array([2., 2., 6.])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.nancumprod(a, axis, dtype, out)
    refuse("nancumprod", out=out)
    return _accumulated(cumulative.cumprod, _without_nan(a, 1), axis, dtype)


def _standard(name: str, x: Any, axis: Any, dtype: Any, include_initial: bool) -> Array:
    """The array API's form: an axis must be named where there are several, and the identity may stand in front."""
    x = as_operand(x)
    if axis is None and len(shape_of(x)) != 1:
        raise ArgumentError(message(f"fgrad.numpy.{name}: an array of shape {shape_of(x)} needs an `axis`."))
    primitive, identity = (cumulative.cumsum, 0) if name == "cumulative_sum" else (cumulative.cumprod, 1)
    along = normalize_axis_index(axis or 0, len(shape_of(x)))
    out = _accumulated(primitive, x, along, dtype)
    if not include_initial:
        return out
    aval = aval_of(out)
    first = np.full((*aval.shape[:along], 1, *aval.shape[along + 1 :]), identity, aval.dtype)
    return concatenate(first, out, axis=along)


def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Array:
    """`cumulative_sum(x, axis=)`: as `cumsum`; with `include_initial` a 0 stands in front.

    >>> cumulative_sum([1, 2, 3], include_initial=True)
    array([0, 1, 3, 6])
    """
    if not is_traced(x) and hasattr(np, "cumulative_sum"):
        return np.cumulative_sum(x, axis=axis, dtype=dtype, out=out, include_initial=include_initial)
    refuse("cumulative_sum", out=out)
    return _standard("cumulative_sum", x, axis, dtype, include_initial)


def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Array:
    """`cumulative_prod(x, axis=)`: as `cumprod`; with `include_initial` a 1 stands in front.

    >>> cumulative_prod([1, 2, 3], include_initial=True)
    array([1, 1, 2, 6])
    """
    if not is_traced(x) and hasattr(np, "cumulative_prod"):
        return np.cumulative_prod(x, axis=axis, dtype=dtype, out=out, include_initial=include_initial)
    refuse("cumulative_prod", out=out)
    return _standard("cumulative_prod", x, axis, dtype, include_initial)


def _cut(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    """x[start:stop] along one axis."""
    shape = shape_of(x)
    key = tuple(slice_entry(slice(start, stop), n) if i == axis else FULL for i, n in enumerate(shape))
    return gather(x, key=key, unique=True)


def _joined(parts: list[Array], axis: int) -> Array:
    dtype = np.result_type(*[aval_of(p).dtype for p in parts])
    return concatenate(*[as_dtype(p, dtype) for p in parts], axis=axis)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _ABSENT, append: Any = _ABSENT) -> Array:
    """`diff(a, n, axis)`: the differences of neighbours, taken n times (of truth values: whether they differ).

    Args:
        a: an array.
        n: how often.
        axis: the axis along which.
        prepend: what to put before `a`.
        append: what to put behind it.

    >>> diff([1, 4, 9])
    array([3, 5])
    """
    if type(a) is ndarray and prepend is append is _ABSENT:
        return np.diff(a, n, axis)
    if not is_traced(a, prepend, append):
        return np.diff(a, n, axis, prepend, append)
    x = as_operand(a)
    if n == 0:
        return x
    if n < 0 or not shape_of(x):
        raise ArgumentError(message(f"fgrad.numpy.diff: order {n} of an array of shape {shape_of(x)}."))
    along = normalize_axis_index(axis, len(shape_of(x)))
    parts = [_end(part, shape_of(x), along) for part in (prepend, x, append) if given(part)]
    x = _joined(parts, along) if len(parts) > 1 else x
    difference = ne if aval_of(x).dtype.kind == "b" else _minus
    for _ in range(n):
        x = difference(_cut(x, along, 1, None), _cut(x, along, None, -1))
    return x


def _minus(x: Array, y: Array) -> Array:
    return x - y


def _end(end: Any, shape: tuple[int, ...], axis: int) -> Array:
    """What is put at an end: a number stands for a whole slice."""
    end = as_operand(end)
    return end if shape_of(end) else broadcast_to(end, shape=(*shape[:axis], 1, *shape[axis + 1 :]))


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """`ediff1d(ary)`: the differences of neighbours, of all elements in a row.

    >>> ediff1d([1, 4, 9], to_end=0)
    array([3, 5, 0])
    """
    if type(ary) is not Tracer and not is_traced(ary, to_end, to_begin):
        return np.ediff1d(ary, to_end, to_begin)
    x, _ = one_axis(as_operand(ary), None)
    dtype = aval_of(x).dtype
    for name, end in (("to_end", to_end), ("to_begin", to_begin)):
        if end is not None and not np.can_cast(aval_of(as_operand(end)).dtype, dtype, "same_kind"):
            raise ShapeError(message(f"ediff1d: `{name}` does not go into an array of dtype {dtype}."))
    parts = [to_begin, _minus(_cut(x, 0, 1, None), _cut(x, 0, None, -1)), to_end]
    row = [as_dtype(one_axis(as_operand(p), None)[0], dtype) for p in parts if p is not None]
    return concatenate(*row, axis=0) if len(row) > 1 else row[0]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """`trapezoid(y, x)`: the integral of y by the trapezoidal rule, Σ (xᵢ₊₁ − xᵢ)·(yᵢ + yᵢ₊₁) / 2.

    Args:
        y: values of the function.
        x: where they were taken: along the axis of integration, or of the shape of `y`; equally spaced otherwise.
        dx: the spacing.
        axis: the axis of integration.

    >>> trapezoid([0.0, 1.0, 4.0])
    np.float64(3.0)
    """
    if type(y) is not Tracer and not is_traced(y, x, dx):
        return np.trapezoid(y, x, dx, axis)
    y = as_operand(y)
    along = normalize_axis_index(axis, len(shape_of(y)))
    width = as_operand(dx)
    if x is not None:
        points = as_operand(x)
        width = diff(points, axis=-1 if len(shape_of(points)) == 1 else axis)
        if len(shape_of(points)) == 1:
            count = shape_of(width)[0]
            width = reshape(width, shape=tuple(count if i == along else 1 for i in range(len(shape_of(y)))))
    return reduce_sum(width * (_cut(y, along, 1, None) + _cut(y, along, None, -1)) / 2.0, axes=(along,))
