"""Making arrays: NumPy's chapter "Array creation routines"."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ConcretizationTypeError, ShapeError, message
from fgrad.numpy.dispatch import as_operand, check_device, is_traced, refuse
from fgrad.numpy.dtypes import astype, result_type, shape
from fgrad.numpy.ufuncs import power
from fgrad.primitives.comparison import select
from fgrad.primitives.exponential import log10
from fgrad.primitives.rounding import floor
from fgrad.primitives.shape import broadcast_to, convert_element_type, reshape
from fgrad.primitives.shape import copy as copy_array

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "empty",
    "empty_like",
    "eye",
    "frombuffer",
    "fromfunction",
    "fromiter",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "linspace",
    "logspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tri",
    "vander",
    "zeros",
    "zeros_like",
]

Shape = int | Sequence[int]

empty = np.empty
eye = np.eye
frombuffer = np.frombuffer
fromiter = np.fromiter
identity = np.identity
ones = np.ones
tri = np.tri
zeros = np.zeros
_linspace: Any = np.linspace


def array(object: Any, dtype: Any = None, *, copy: bool | None = True, ndmin: int = 0, **kwargs: Any) -> Array:
    """An array of its own from numbers, nested lists, arrays, and traced values among them.

    >>> array([1.0, 2.0])
    array([1., 2.])
    """
    if type(object) is ndarray and dtype is None and copy is True and ndmin == 0 and not kwargs:
        return np.array(object)
    if not is_traced(object):
        return np.array(object, dtype, copy=copy, ndmin=ndmin, **kwargs)
    refuse("array", **kwargs)
    x = as_operand(object)
    x = astype(x, aval_of(x).dtype if dtype is None else dtype, copy=bool(copy))
    rank = aval_of(x).ndim
    return x if rank >= ndmin else reshape(x, shape=(*[1] * (ndmin - rank), *aval_of(x).shape))


def asarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Array:
    """An array from numbers, nested lists, arrays, and traced values among them; not copied where it need not be."""
    if type(a) is ndarray and dtype is None and order is None and device is None and copy is None and like is None:
        return a
    if not is_traced(a):
        return np.asarray(a, dtype, order, device=device, copy=copy, like=like)
    check_device(device)
    refuse("asarray", order=order, like=like)
    return array(a, dtype, copy=copy)


def asanyarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Array:
    """As `asarray`; concrete arrays of a subclass stay such.

    >>> asanyarray([1, 2])
    array([1, 2])
    """
    return asarray(a, dtype, order, **kwargs) if is_traced(a) else np.asanyarray(a, dtype, order, **kwargs)


def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Array:
    """As `asarray`, with one axis at least; concrete arrays are laid out row by row, traced ones have no layout.

    >>> ascontiguousarray([1, 2])
    array([1, 2])
    """
    return array(a, dtype, ndmin=1, like=like) if is_traced(a) else np.ascontiguousarray(a, dtype, like=like)


def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Array:
    """As `asarray`, with one axis at least; concrete arrays are laid out column by column, traced ones have no layout.

    >>> asfortranarray([1, 2])
    array([1, 2])
    """
    return array(a, dtype, ndmin=1, like=like) if is_traced(a) else np.asfortranarray(a, dtype, like=like)


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Array:
    """As `asarray`, and refuses what is infinite or NaN, where the values of a traced array are known.

    >>> asarray_chkfinite([1, 2])
    array([1, 2])
    """
    if not is_traced(a):
        return np.asarray_chkfinite(a, dtype, order)
    x = asarray(a, dtype, order)
    value = x.concrete if type(x) is Tracer else x
    if value is not None and not np.isfinite(value).all():
        raise ArgumentError(message("asarray_chkfinite: the array has infinities or NaNs."))
    return x


def _static_shape(shape: Any) -> tuple[int, ...]:
    entries = (shape,) if isinstance(shape, (int, np.integer, Tracer)) else tuple(shape)
    return tuple(int(n) for n in entries)


def full(
    shape: Shape, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None
) -> Array:
    """An array of a shape, every entry `fill_value` (which broadcasts).

    >>> full((2, 2), 7.0)
    array([[7., 7.],
           [7., 7.]])
    """
    if type(fill_value) is float or not is_traced(fill_value):
        return np.full(shape, fill_value, dtype, order, device=device, like=like)
    check_device(device)
    refuse("full", order=None if order == "C" else order, like=like)
    value = array(fill_value, dtype, copy=False)
    return broadcast_to(value, shape=_static_shape(shape))


def _like(a: Any, dtype: Any, shape: Any, device: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    check_device(device)
    aval = aval_of(as_operand(a))
    return aval.shape if shape is None else _static_shape(shape), aval.dtype if dtype is None else np.dtype(dtype)


def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Array:
    """Zeros of the shape and dtype of an array."""
    if type(a) is ndarray or not is_traced(a):
        return np.zeros_like(a, dtype, order, subok, shape, device=device)
    return np.zeros(*_like(a, dtype, shape, device))


def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Array:
    """Ones of the shape and dtype of an array."""
    if type(a) is ndarray or not is_traced(a):
        return np.ones_like(a, dtype, order, subok, shape, device=device)
    return np.ones(*_like(a, dtype, shape, device))


def empty_like(
    prototype: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Array:
    """An array of the shape and dtype of another; its entries mean nothing."""
    if type(prototype) is ndarray or not is_traced(prototype):
        return np.empty_like(prototype, dtype, order, subok, shape, device=device)
    return np.empty(*_like(prototype, dtype, shape, device))


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`fill_value` in the shape and dtype of an array."""
    if not is_traced(a, fill_value):
        return np.full_like(a, fill_value, dtype, order, subok, shape, device=device)
    kept, kind = _like(a, dtype, shape, device)
    if not is_traced(fill_value):
        return np.full(kept, fill_value, kind)
    return broadcast_to(convert_element_type(as_operand(fill_value), dtype=kind), shape=kept)


def arange(
    start: Any = None, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None, like: Any = None
) -> Array:
    """Evenly spaced values in a half-open interval; its length must be known, so the bounds need values.

    >>> arange(3)
    array([0, 1, 2])
    """
    if type(start) is Tracer or type(stop) is Tracer or type(step) is Tracer:
        start, stop, step = _known(start), _known(stop), _known(step)
    if start is None and stop is not None:
        start = 0
    return np.arange(start, stop, step, dtype, device=device, like=like)  # type: ignore[call-overload]


def _known(bound: Any) -> Any:
    """The value of a bound.

    Raises:
        ConcretizationTypeError: it is traced and has none.
    """
    value = bound.concrete if type(bound) is Tracer else bound
    if value is None and type(bound) is Tracer:
        cure = "Its length is a shape: pass it as a static argument (jit's static_argnums), or use linspace."
        raise ConcretizationTypeError(
            message(f"arange needs values for its bounds, got a traced {bound.aval}.", cure=cure)
        )
    return value


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`num` evenly spaced values from `start` to `stop`, differentiable in both.

    >>> linspace(0.0, 1.0, 3)
    array([0. , 0.5, 1. ])
    """
    if not is_traced(start, stop):
        return _linspace(start, stop, num, endpoint, retstep, dtype, axis, device=device)
    check_device(device)
    kind = result_type(start, stop, 1.0)
    first, last = (convert_element_type(as_operand(x), dtype=kind) for x in (start, stop))
    places, intervals = _places(num, endpoint, len(np.broadcast_shapes(shape(first), shape(last))), axis)
    first, last = (_expanded(x, places.ndim, axis) for x in (first, last))
    width = last - first
    step = width / intervals if intervals > 0 else width * np.nan
    out = first + (step if intervals > 0 else width) * places.astype(kind)
    if endpoint and num > 1:
        out = select(places == num - 1, last, out)
    if dtype is not None:
        out = astype(floor(out) if np.dtype(dtype).kind in "iu" else out, dtype)
    return (out, _dropped(step, axis)) if retstep else out


def _places(num: int, endpoint: bool, rank: int, axis: int) -> tuple[Any, int]:
    """The numbers 0, …, num − 1 along a new axis of arrays of some rank, and how many intervals they make."""
    count = operator.index(num)
    if count < 0:
        raise ArgumentError(message(f"the number of samples must not be negative, got {count}."))
    place = normalize_axis_index(axis, rank + 1)
    shape = tuple(count if i == place else 1 for i in range(rank + 1))
    return np.arange(count).reshape(shape), count - 1 if endpoint else count


def _expanded(x: Array, rank: int, axis: int) -> Array:
    """An array with a new axis of length 1 at `axis`, and axes in front to make up the rank."""
    inner = shape(x)
    padded = (*[1] * (rank - 1 - len(inner)), *inner)
    place = normalize_axis_index(axis, rank)
    return reshape(x, shape=(*padded[:place], 1, *padded[place:]))


def _dropped(x: Array, axis: int) -> Array:
    """An array without its axis `axis`, of length 1."""
    full_shape = shape(x)
    place = normalize_axis_index(axis, len(full_shape))
    return reshape(x, shape=(*full_shape[:place], *full_shape[place + 1 :]))


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Values evenly spaced on a logarithmic scale, from base**start to base**stop."""
    if not is_traced(start, stop, base):
        return np.logspace(start, stop, num, endpoint, base, dtype, axis)
    if shape(base):
        rank = len(np.broadcast_shapes(*[shape(x) for x in (start, stop, base)]))
        start, stop = (_padded(as_operand(x), rank) for x in (start, stop))
        base = _expanded(as_operand(base), rank + 1, axis)
    out = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else astype(out, dtype)


def _padded(x: Array, rank: int) -> Array:
    inner = shape(x)
    return x if len(inner) == rank else reshape(x, shape=(*[1] * (rank - len(inner)), *inner))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Array:
    """A geometric progression from `start` to `stop`, which have the same sign."""
    if type(start) is ndarray is type(stop) or not is_traced(start, stop):
        return np.geomspace(start, stop, num, endpoint, dtype, axis)
    kind = result_type(start, stop, np.float64)
    first, last = (convert_element_type(as_operand(x), dtype=kind) for x in (start, stop))
    places, intervals = _places(num, endpoint, len(np.broadcast_shapes(shape(first), shape(last))), axis)
    first, last = (_expanded(x, places.ndim, axis) for x in (first, last))
    out = first * 10.0 ** (log10(last / first) * (places / max(intervals, 1)).astype(kind))
    if endpoint and num > 1:
        out = select(places == num - 1, last, out)
    return out if dtype is None else astype(out, dtype)


def fromfunction(function: Any, shape: Sequence[int], *, dtype: Any = float, **kwargs: Any) -> Any:
    """A function of the coordinates of every entry.

    >>> fromfunction(lambda i, j: i + j, (2, 2))
    array([[0., 1.],
           [1., 2.]])
    """
    return function(*np.indices(shape, dtype=dtype), **kwargs)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Coordinate matrices from coordinate vectors."""
    if not is_traced(*xi):
        return np.meshgrid(*xi, copy=copy, sparse=sparse, indexing=indexing)  # type: ignore[call-overload]
    if indexing not in ("xy", "ij"):
        raise ArgumentError(message(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}."))
    vectors = [reshape(asarray(x), shape=(aval_of(asarray(x)).size,)) for x in xi]
    lengths = [aval_of(v).shape[0] for v in vectors]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    shape = tuple(lengths[i] for i in order)
    grids = []
    for i, v in enumerate(vectors):
        column = reshape(v, shape=tuple(lengths[i] if j == order.index(i) else 1 for j in range(len(order))))
        grids.append(column if sparse else copy_array(broadcast_to(column, shape=shape)))
    return tuple(grids)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Array:
    """The Vandermonde matrix of a vector: its powers as columns, the highest first unless `increasing`."""
    if type(x) is ndarray or not is_traced(x):
        return np.vander(x, N, increasing)
    x = asarray(x)
    aval = aval_of(x)
    if aval.ndim != 1:
        raise ShapeError(message(f"vander takes a vector, got an array of shape {aval.shape}."))
    dtype = np.promote_types(aval.dtype, int)
    count = aval.shape[0] if N is None else N
    powers = range(count) if increasing else range(count - 1, -1, -1)
    columns = [astype(x, dtype, copy=False) ** p for p in powers]
    return asarray(columns).T if columns else np.zeros((aval.shape[0], 0), dtype)
