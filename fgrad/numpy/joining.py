"""Joining and splitting, of NumPy's chapter "Array manipulation routines".

Given only concrete arrays each function is NumPy's own.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.dispatch import is_traced, refuse, set_stack
from fgrad.numpy.manipulation import atleast_1d, atleast_2d, atleast_3d
from fgrad.numpy.parts import flat, operand, part, rank_of
from fgrad.primitives import joining
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import convert_element_type
from fgrad.primitives.shape import reshape as to_shape

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]


def _items(arrays: Any) -> list[Array]:
    """The arrays to join: of a traced array its rows."""
    if type(arrays) is Tracer:
        return joining.unstack(arrays, axis=0)  # type: ignore[no-any-return]
    return [operand(a) for a in arrays]


def _promoted(xs: Sequence[Array], dtype: Any, casting: str, name: str) -> list[Array]:
    """Arrays under one dtype: the given one, or that which they promote to."""
    if not xs:
        raise ArgumentError(message(f"{name} takes at least one array."))
    dtypes = [aval_of(x).dtype for x in xs]
    if dtype is None and all([d == dtypes[0] for d in dtypes]):
        return list(xs)
    common = np.result_type(*dtypes)
    target = common if dtype is None else np.dtype(dtype)
    if not np.can_cast(common, target, casting):  # type: ignore[arg-type]
        what = f"{name}: arrays of dtype {common} cannot be cast to {target} by the rule '{casting}'."
        raise ShapeError(message(what, cure="Convert them with .astype, or name another `casting`."))
    return [x if aval_of(x).dtype == target else convert_element_type(x, dtype=target) for x in xs]


def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Array:
    """`concatenate(arrays, axis)`: the arrays one behind the other along an axis; `None`: all elements in a row.

    Args:
        arrays: arrays of the same shape but for the axis.
        axis: along which.
        out: refused for traced arrays.
        dtype: of the result; by default that which they promote to.
        casting: which conversions to `dtype` are allowed.

    >>> concatenate([[1, 2], [3]])
    array([1, 2, 3])
    """
    kind = type(arrays)
    if not (is_traced(*arrays) if kind is list or kind is tuple else kind is Tracer):
        if out is None and dtype is None:
            return np.concatenate(arrays, axis, casting=casting)
        return np.concatenate(arrays, axis, out, dtype=dtype, casting=casting)
    refuse("concatenate", out=out)
    xs = _promoted(_items(arrays), dtype, casting, "concatenate")
    if axis is None:
        return joining.concatenate(*[flat(x) for x in xs], axis=0)
    if not all([shape_of(x) for x in xs]):
        raise ShapeError(message("arrays without axes cannot be concatenated; use fgrad.numpy.stack."))
    return joining.concatenate(*xs, axis=normalize_axis_index(operator.index(axis), len(shape_of(xs[0]))))


concat = concatenate


def stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Array:
    """`stack(arrays, axis)`: arrays of one shape along a new axis.

    >>> stack([[1, 2], [3, 4]], axis=1)
    array([[1, 3],
           [2, 4]])
    """
    if not is_traced(arrays):
        return np.stack(arrays, axis, out, dtype=dtype, casting=casting)
    refuse("stack", out=out)
    xs = _promoted(_items(arrays), dtype, casting, "stack")
    return joining.stack(*xs, axis=normalize_axis_index(operator.index(axis), len(shape_of(xs[0])) + 1))


set_stack(stack)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
    """`unstack(x, axis=)`: the parts at every position of an axis.

    >>> unstack([[1, 2], [3, 4]], axis=1)
    (array([1, 3]), array([2, 4]))
    """
    if type(x) is ndarray or not is_traced(x):
        array = np.asarray(x)
        return tuple(np.moveaxis(array, axis, 0)) if array.ndim else np.unstack(array)
    x = operand(x)
    return tuple(joining.unstack(x, axis=normalize_axis_index(axis, len(shape_of(x)))))


def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Array:
    """`vstack(tup)`: arrays one below the other; vectors are rows."""
    if not is_traced(tup):
        return np.vstack(tup, dtype=dtype, casting=casting)
    return concatenate([atleast_2d(x) for x in _items(tup)], 0, dtype=dtype, casting=casting)


def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Array:
    """`hstack(tup)`: arrays side by side: along the second axis, vectors along their only one."""
    if not is_traced(tup):
        return np.hstack(tup, dtype=dtype, casting=casting)
    xs = [atleast_1d(x) for x in _items(tup)]
    return concatenate(xs, 0 if xs and len(shape_of(xs[0])) == 1 else 1, dtype=dtype, casting=casting)


def dstack(tup: Any) -> Array:
    """`dstack(tup)`: arrays one behind the other, along a third axis."""
    return concatenate([atleast_3d(x) for x in _items(tup)], 2) if is_traced(tup) else np.dstack(tup)


def column_stack(tup: Any) -> Array:
    """`column_stack(tup)`: arrays side by side; vectors are columns."""
    if not is_traced(tup):
        return np.column_stack(tup)
    xs = [x if len(shape_of(x)) > 1 else to_shape(x, shape=(math.prod(shape_of(x)), 1)) for x in _items(tup)]
    return concatenate(xs, 1)


def block(arrays: Any) -> Array:
    """`block(arrays)`: an array from nested lists of blocks: the innermost lists go along the last axis.

    >>> block([[np.ones((1, 2)), np.zeros((1, 1))]])
    array([[1., 1., 0.]])
    """
    if not is_traced(arrays):
        return np.block(arrays)
    depth, rank = _block_depth(arrays), _block_rank(arrays)
    return _block(arrays, depth, max(depth, rank))


def _block_depth(arrays: Any) -> int:
    if type(arrays) is not list:
        return 0
    depths = {_block_depth(a) for a in arrays}
    if len(depths) != 1:
        raise ArgumentError(message("block takes lists that are nested equally deep, none of them empty."))
    return 1 + depths.pop()


def _block_rank(arrays: Any) -> int:
    if type(arrays) is list:
        return max([_block_rank(a) for a in arrays])
    return len(shape_of(operand(arrays)))


def _block(arrays: Any, depth: int, rank: int) -> Array:
    if not depth:
        x = operand(arrays)
        return to_shape(x, shape=(*[1] * (rank - len(shape_of(x))), *shape_of(x)))
    return concatenate([_block(a, depth - 1, rank) for a in arrays], -depth)


def append(arr: Any, values: Any, axis: Any = None) -> Array:
    """`append(arr, values, axis)`: values behind an array; all elements in a row where no axis is named.

    >>> append([1, 2], 3)
    array([1, 2, 3])
    """
    if type(arr) is ndarray is type(values) or not is_traced(arr, values):
        return np.append(arr, values, axis)
    if axis is None:
        return concatenate([flat(operand(arr)), flat(operand(values))])
    return concatenate([arr, values], axis)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """`array_split(ary, n, axis)`: n parts along an axis, as equal as can be; or parts that end at given positions.

    >>> array_split(np.arange(5), 2)
    [array([0, 1, 2]), array([3, 4])]
    """
    if type(ary) is ndarray or not is_traced(ary):
        return np.array_split(ary, indices_or_sections, axis)
    x = operand(ary)
    axis = normalize_axis_index(axis, len(shape_of(x)))
    n = shape_of(x)[axis]
    if np.ndim(indices_or_sections) == 0:
        count = operator.index(indices_or_sections)
        if count <= 0:
            raise ArgumentError(message(f"array_split into {count} parts: there must be at least one."))
        sizes = tuple([n // count + (i < n % count) for i in range(count)])
        return list(joining.split(x, axis=axis, sizes=sizes))
    ends = [operator.index(i) for i in indices_or_sections]
    bounds = [0, *ends, n]
    if bounds == sorted(bounds):
        sizes = tuple([b - a for a, b in pairwise(bounds)])
        return list(joining.split(x, axis=axis, sizes=sizes))
    stops: list[int | None] = [*ends, None]
    return [part(x, axis, slice(a, b)) for a, b in zip(bounds[:-1], stops, strict=True)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """`split(ary, n, axis)`: n equal parts along an axis; or parts that end at given positions.

    >>> split(np.arange(4), 2)
    [array([0, 1]), array([2, 3])]
    """
    if type(ary) is ndarray or not is_traced(ary):
        return np.split(ary, indices_or_sections, axis)
    if np.ndim(indices_or_sections) == 0:
        shape = shape_of(operand(ary))
        n = shape[normalize_axis_index(axis, len(shape))]
        if n % operator.index(indices_or_sections):
            what = f"an axis of length {n} cannot be split into {indices_or_sections} equal parts."
            raise ShapeError(message(what, cure="array_split makes parts of different lengths."))
    return array_split(ary, indices_or_sections, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """`hsplit(ary, n)`: `split` along the second axis, of a vector along its only one."""
    if type(ary) is ndarray or not is_traced(ary):
        return np.hsplit(ary, indices_or_sections)
    return split(ary, indices_or_sections, 1 if rank_of(ary, 1, "hsplit") > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """`vsplit(ary, n)`: `split` along the first axis of an array of two axes or more."""
    if type(ary) is ndarray or not is_traced(ary):
        return np.vsplit(ary, indices_or_sections)
    rank_of(ary, 2, "vsplit")
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """`dsplit(ary, n)`: `split` along the third axis of an array of three axes or more."""
    if type(ary) is ndarray or not is_traced(ary):
        return np.dsplit(ary, indices_or_sections)
    rank_of(ary, 3, "dsplit")
    return split(ary, indices_or_sections, 2)
