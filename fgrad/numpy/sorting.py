"""Sorting and searching. Given only concrete arrays each function is NumPy's own."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype, one_axis
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.numpy.parts import part
from fgrad.primitives import sorting
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL
from fgrad.primitives.indexing import gather

__all__ = ["argpartition", "argsort", "lexsort", "partition", "searchsorted", "sort", "sort_complex"]


def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: bool = False
) -> Array:
    """`sort(a, axis)`: the elements in ascending order; NaNs come last.

    Args:
        a: an array.
        axis: the axis to sort along; `None` for all elements in a row.
        kind: means nothing for traced arrays.
        order: refused for traced arrays.
        stable: elements that tie keep their order; traced arrays are always sorted so.
        descending: the greatest first, as the array API has it; NaNs come first then.

    >>> sort([3, 1, 2])
    array([1, 2, 3])
    >>> sort([3, 1, 2], descending=True)
    array([3, 2, 1])
    """
    if type(a) is ndarray or not is_traced(a):
        out = np.sort(a, axis, kind, order, stable=stable)
        return np.flip(out, -1 if axis is None else axis) if descending else out
    refuse("sort", order=order)
    x, along = one_axis(as_operand(a), axis, of_numbers=False)
    out = sorting.sort(x, axis=along)
    return _backwards(out, along) if descending else out


def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: bool = False
) -> Array:
    """`argsort(a, axis)`: the positions that put the elements in ascending order, or in descending order.

    >>> argsort([3, 1, 2])
    array([1, 2, 0])
    >>> argsort([3, 1, 3], descending=True, stable=True)
    array([0, 2, 1])
    """
    if type(a) is ndarray or not is_traced(a):
        if descending:
            return _falling(np.asarray(a), axis, kind, order, stable)
        return np.argsort(a, axis, kind, order, stable=stable)
    refuse("argsort", order=order)
    x, along = one_axis(as_operand(a), axis)
    if not descending:
        return sorting.argsort(x, axis=along)
    positions = _backwards(sorting.argsort(_backwards(x, along), axis=along), along)
    return shape_of(x)[along] - 1 - positions


def _backwards(x: Array, axis: int) -> Array:
    return part(x, axis, slice(None, None, -1))


def _falling(x: Any, axis: Any, kind: Any, order: Any, stable: Any) -> Any:
    """Of the array read backwards the stable order, read backwards: elements that tie keep their order."""
    x, axis = (x.reshape(-1), 0) if axis is None or not x.ndim else (x, axis)
    positions = np.argsort(np.flip(x, axis), axis, kind, order, stable=stable)
    return x.shape[axis] - 1 - np.flip(positions, axis)


def sort_complex(a: Any) -> Array:
    """`sort_complex(a)`: along the last axis, by the real part, then by the imaginary part; the result is complex.

    >>> sort_complex([2, 1])
    array([1.+0.j, 2.+0.j])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.sort_complex(a)
    x = as_operand(a)
    dtype = aval_of(x).dtype
    if dtype.kind != "c":
        dtype = np.dtype(np.complex64 if dtype.char in "bhBH" else np.complex128)
    return sort(as_dtype(x, dtype))


def _ranks(kth: Any, size: int) -> tuple[int, ...]:
    ranks = tuple(operator.index(k) for k in (kth if np.ndim(kth) else (kth,)))
    if not all(-size <= k < size for k in ranks):
        raise ArgumentError(message(f"`kth` is {kth}, out of bounds for {size} elements."))
    return tuple(k % size for k in ranks)


def argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Array:
    """`argpartition(a, kth)`: positions that put the element of rank kth in its place, lesser ones before it.

    >>> int(argpartition([3, 1, 2], 1)[1])
    2
    """
    if type(a) is ndarray or not is_traced(a):
        return np.argpartition(a, kth, axis, kind, order)
    refuse("argpartition", order=order)
    x, along = one_axis(as_operand(a), axis)
    return sorting.argpartition(x, axis=along, kth=_ranks(kth, shape_of(x)[along]))


def partition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Array:
    """`partition(a, kth)`: the element of rank kth in its place, lesser ones before it, greater ones behind it.

    >>> int(partition([3, 1, 2], 1)[1])
    2
    """
    if type(a) is ndarray or not is_traced(a):
        return np.partition(a, kth, axis, kind, order)
    refuse("partition", order=order)
    x, along = one_axis(as_operand(a), axis, of_numbers=False)
    return sorting.permute(x, argpartition(x, kth, along), axis=along)


def lexsort(keys: Any, axis: int = -1) -> Array:
    """`lexsort(keys)`: the positions that sort by the last key, then by the last but one where that ties, and so on.

    Args:
        keys: several arrays of one shape, or the rows of one array.
        axis: the axis to sort along.

    >>> lexsort(([1, 2, 3], [1, 0, 0]))
    array([1, 2, 0])
    """
    kind = type(keys)
    if not (is_traced(*keys) if kind is list or kind is tuple else kind is Tracer):
        return np.lexsort(keys, axis)
    rows = [as_operand(k) for k in keys] if isinstance(keys, (list, tuple)) else _rows(keys)
    if not rows or len({shape_of(row) for row in rows}) > 1:
        raise ShapeError(message(f"lexsort takes keys of one shape, got {', '.join(str(shape_of(r)) for r in rows)}."))
    if not shape_of(rows[0]):
        return np.intp(0)
    along = normalize_axis_index(axis, len(shape_of(rows[0])))
    order = sorting.argsort(rows[0], axis=along)
    for row in rows[1:]:
        finer = sorting.argsort(sorting.permute(row, order, axis=along), axis=along)
        order = sorting.permute(order, finer, axis=along)
    return order


def _rows(x: Array) -> list[Array]:
    n, *rest = shape_of(x)
    return [gather(x, key=(i, *[FULL] * len(rest)), unique=True) for i in range(n)]


def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Array:
    """`searchsorted(a, v)`: where in the sorted `a` each `v` would have to be put to keep the order.

    Args:
        a: a sorted array of one axis.
        v: values.
        side: `left`: before elements that are equal, `right`: behind them.
        sorter: the positions that sort `a`, where it is not sorted.

    >>> searchsorted([1, 2, 3], 2, side="right")
    np.int64(2)
    """
    if type(a) is not Tracer and not is_traced(a, v, sorter):
        return np.searchsorted(a, v, side, sorter)
    x, values = as_operand(a), as_operand(v)
    if len(shape_of(x)) != 1:
        raise ShapeError(message(f"searchsorted looks into arrays of one axis, got one of shape {shape_of(x)}."))
    if side not in ("left", "right"):
        raise ArgumentError(message(f"`side` is {side!r}, not 'left' or 'right'."))
    if sorter is not None:
        x = sorting.permute(x, as_operand(sorter), axis=0)
    dtype = np.result_type(aval_of(x).dtype, aval_of(values).dtype)
    return sorting.searchsorted(as_dtype(x, dtype), as_dtype(values, dtype), side=side)
