"""Parts of arrays: at places that are fixed, and at places that are values."""

from __future__ import annotations

import operator as numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, OutOfBoundsError, ShapeError, message, public
from fgrad.lax.operands import axis_index, check_kinds, operand, same_dtype
from fgrad.numpy.parts import static_shape, taken
from fgrad.primitives import dynamic
from fgrad.primitives.comparison import lt, select
from fgrad.primitives.elementwise import add
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.shape import reshape, transpose

__all__ = [
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
    "index_in_dim",
    "index_take",
    "slice",
    "slice_in_dim",
]

_builtin_slice = slice
Starts = Sequence[Any]


@public
def slice(
    operand: Any, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None = None
) -> Array:
    """`slice(x, start_indices, limit_indices, strides)`: x[start:limit:stride] along every axis.

    Args:
        operand: an array.
        start_indices: for each axis the first position, from 0 on.
        limit_indices: for each axis the position behind the last one, at most its length.
        strides: for each axis the distance of positions; 1 by default.

    >>> slice(np.arange(6), (1,), (6,), (2,))
    array([1, 3, 5])
    """
    x = _operand(operand)
    lengths = shape_of(x)
    starts, limits = static_shape(start_indices), static_shape(limit_indices)
    steps = (1,) * len(lengths) if strides is None else static_shape(strides)
    if not len(starts) == len(limits) == len(steps) == len(lengths):
        what = f"lax.slice of an array of shape {lengths} from {starts} to {limits} by {steps}."
        raise ArgumentError(message(what, cure="Give one number for each axis."))
    if not all(0 <= a <= b <= n and s > 0 for a, b, s, n in zip(starts, limits, steps, lengths, strict=True)):
        what = f"lax.slice of an array of shape {lengths} from {starts} to {limits} by {steps}."
        cure = "Positions go up from 0 to the length of the axis, by positive strides; x[a:b:s] takes others, too."
        raise ArgumentError(message(what, cure=cure))
    cuts = [_builtin_slice(a, b, s) for a, b, s in zip(starts, limits, steps, strict=True)]
    key = tuple([slice_entry(cut, n) for cut, n in zip(cuts, lengths, strict=True)])
    return x if all(entry == FULL for entry in key) else gather(x, key=key, unique=True)


@public
def slice_in_dim(
    operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Array:
    """`slice_in_dim(x, start_index, limit_index, stride, axis)`: x[start:limit:stride] along one axis.

    Positions may be negative, counted from the end, or `None`, as in Python.

    >>> slice_in_dim(np.arange(6), -3, None)
    array([3, 4, 5])
    """
    x = _operand(operand)
    lengths = shape_of(x)
    along = axis_index("slice_in_dim", axis, len(lengths))
    n = lengths[along]
    start = 0 if start_index is None else numbers.index(start_index)
    limit = n if limit_index is None else numbers.index(limit_index)
    starts = [start + n * (start < 0) if i == along else 0 for i in range(len(lengths))]
    limits = [limit + n * (limit < 0) if i == along else m for i, m in enumerate(lengths)]
    return slice(x, starts, limits, [numbers.index(stride) if i == along else 1 for i in range(len(lengths))])


@public
def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Array:
    """`index_in_dim(x, index, axis, keepdims)`: x at one position of an axis, which stays (with length 1) or goes.

    >>> index_in_dim(np.arange(6), -1, keepdims=False)
    np.int64(5)
    """
    x = _operand(operand)
    along = axis_index("index_in_dim", axis, len(shape_of(x)))
    n, i = shape_of(x)[along], numbers.index(index)
    if not -n <= i < n:
        raise OutOfBoundsError(message(f"lax.index_in_dim: index {i} is out of bounds for axis {along} of size {n}."))
    out = slice_in_dim(x, i % n, i % n + 1, axis=along)
    return out if keepdims else _without(out, along)


def _without(x: Array, axis: int) -> Array:
    """`x` without an axis of length 1."""
    return gather(x, key=tuple([0 if i == axis else FULL for i in range(len(shape_of(x)))]), unique=True)


@public
def dynamic_slice(
    operand: Any, start_indices: Array | Starts, slice_sizes: Sequence[int], *, allow_negative_indices: Any = True
) -> Array:
    """`dynamic_slice(x, start_indices, slice_sizes)`: the part of x of a fixed size that begins at given places.

    Args:
        operand: an array.
        start_indices: for each axis the first position; they may be traced. Negative ones count from the end. A part
            that would reach over an end is moved as little as it takes to lie within the array.
        slice_sizes: the lengths of the axes of the result.
        allow_negative_indices: whether negative positions count from the end (else they are taken for 0): for all
            axes, or for each.

    >>> dynamic_slice(np.arange(5), (1,), (2,))
    array([1, 2])
    >>> dynamic_slice(np.arange(5), (9,), (2,))
    array([3, 4])
    """
    x, sizes = _operand(operand), static_shape(slice_sizes)
    starts = _starts("dynamic_slice", start_indices, shape_of(x), allow_negative_indices)
    if len(sizes) != len(shape_of(x)) or not all(0 <= n <= m for n, m in zip(sizes, shape_of(x), strict=True)):
        what = f"lax.dynamic_slice: a part of shape {sizes} does not fit into an array of shape {shape_of(x)}."
        raise ShapeError(message(what, cure="It has as many axes, and no length is greater."))
    return dynamic.dynamic_slice(x, *starts, sizes=sizes)


def _starts(name: str, starts: Any, lengths: tuple[int, ...], from_the_end: Any) -> list[Array]:
    """One start for each axis; negative ones are counted from the end where that is wanted."""
    if type(starts) is Tracer or isinstance(starts, np.ndarray):
        starts = [gather(starts, key=(i,), unique=True) for i in range(shape_of(starts)[0])]
    given = [_operand(s) for s in starts]
    wanted = [from_the_end] * len(given) if isinstance(from_the_end, bool) else list(from_the_end)
    if len(given) != len(lengths) or len(wanted) != len(given):
        what = f"lax.{name} takes {len(lengths)} starts for an array of shape {lengths}, got {len(given)}."
        raise ArgumentError(message(what, cure="Give one for each axis; there is lax.dynamic_slice_in_dim, too."))
    for s in given:
        check_kinds(name, aval_of(s), "iu", "Starts are integers.")
        if shape_of(s):
            raise ArgumentError(message(f"lax.{name}: a start is one integer, got an array of shape {shape_of(s)}."))
    return [_wrapped(s, n) if w else s for s, n, w in zip(given, lengths, wanted, strict=True)]


def _wrapped(start: Array, length: int) -> Array:
    if aval_of(start).dtype.kind == "u":
        return start
    if type(start) is Tracer:
        return select(lt(start, 0), add(start, length), start)
    return start + length if start < 0 else start


@public
def dynamic_slice_in_dim(
    operand: Any, start_index: Any, slice_size: int, axis: int = 0, *, allow_negative_indices: bool = True
) -> Array:
    """`dynamic_slice_in_dim(x, start_index, slice_size, axis)`: as `dynamic_slice`, along one axis.

    >>> dynamic_slice_in_dim(np.arange(5), 2, 2)
    array([2, 3])
    """
    x = _operand(operand)
    along = axis_index("dynamic_slice_in_dim", axis, len(shape_of(x)))
    sizes = [numbers.index(slice_size) if i == along else n for i, n in enumerate(shape_of(x))]
    starts = _along(start_index, along, len(sizes))
    return dynamic_slice(x, starts, sizes, allow_negative_indices=allow_negative_indices)


def _along(start: Any, axis: int, ndim: int) -> list[Any]:
    return [start if i == axis else np.intp(0) for i in range(ndim)]


@public
def dynamic_index_in_dim(
    operand: Any, index: Any, axis: int = 0, keepdims: bool = True, *, allow_negative_indices: bool = True
) -> Array:
    """`dynamic_index_in_dim(x, index, axis, keepdims)`: x at one position of an axis; a position outside is moved in.

    >>> dynamic_index_in_dim(np.arange(5), 3, keepdims=False)
    np.int64(3)
    """
    x = _operand(operand)
    along = axis_index("dynamic_index_in_dim", axis, len(shape_of(x)))
    out = dynamic_slice_in_dim(x, index, 1, along, allow_negative_indices=allow_negative_indices)
    return out if keepdims else _without(out, along)


@public
def dynamic_update_slice(
    operand: Any, update: Any, start_indices: Array | Starts, *, allow_negative_indices: Any = True
) -> Array:
    """`dynamic_update_slice(x, update, start_indices)`: x with the part that begins at given places replaced.

    Args:
        operand: an array.
        update: what to put there: an array of as many axes, none longer, and of the same dtype.
        start_indices: as for `dynamic_slice`.
        allow_negative_indices: as for `dynamic_slice`.

    >>> dynamic_update_slice(np.arange(5), np.array([8, 9]), (1,))
    array([0, 8, 9, 3, 4])
    """
    x, update = same_dtype("dynamic_update_slice", operand, update)
    starts = _starts("dynamic_update_slice", start_indices, shape_of(x), allow_negative_indices)
    sizes = shape_of(update)
    if len(sizes) != len(shape_of(x)) or any(n > m for n, m in zip(sizes, shape_of(x), strict=True)):
        what = f"lax.dynamic_update_slice: an update of shape {sizes} does not fit into an array of {shape_of(x)}."
        raise ShapeError(message(what, cure="It has as many axes, and no length is greater."))
    return dynamic.dynamic_update_slice(x, update, *starts)


@public
def dynamic_update_slice_in_dim(
    operand: Any, update: Any, start_index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Array:
    """`dynamic_update_slice_in_dim(x, update, start_index, axis)`: as `dynamic_update_slice`, along one axis.

    >>> dynamic_update_slice_in_dim(np.arange(5), np.array([8, 9]), 3, 0)
    array([0, 1, 2, 8, 9])
    """
    x = _operand(operand)
    along = axis_index("dynamic_update_slice_in_dim", axis, len(shape_of(x)))
    starts = _along(start_index, along, len(shape_of(x)))
    return dynamic_update_slice(x, update, starts, allow_negative_indices=allow_negative_indices)


@public
def dynamic_update_index_in_dim(
    operand: Any, update: Any, index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Array:
    """`dynamic_update_index_in_dim(x, update, index, axis)`: x with one position of an axis replaced.

    The update may lack that axis, or have it with length 1.

    >>> dynamic_update_index_in_dim(np.zeros(3), 1.0, 1, 0)
    array([0., 1., 0.])
    """
    x, update = same_dtype("dynamic_update_index_in_dim", operand, update)
    along = axis_index("dynamic_update_index_in_dim", axis, len(shape_of(x)))
    given = shape_of(update)
    if len(given) != len(shape_of(x)):
        update = reshape(update, shape=(*given[:along], 1, *given[along:]))
    return dynamic_update_slice_in_dim(x, update, index, along, allow_negative_indices=allow_negative_indices)


@public
def index_take(src: Any, idxs: Sequence[Any], axes: Sequence[int]) -> Array:
    """`index_take(x, idxs, axes)`: x at paired positions along some axes, which make way for one in front.

    >>> index_take(np.arange(12).reshape(3, 4), (np.array([0, 2]), np.array([1, 1])), (0, 1))
    array([1, 9])
    """
    x = _operand(src)
    ndim = len(shape_of(x))
    along = [axis_index("index_take", a, ndim) for a in axes]
    arrays = [_operand(i) for i in idxs]
    if len(arrays) != len(along) or not arrays or len({shape_of(a) for a in arrays}) > 1:
        what = f"lax.index_take along {len(along)} axes takes as many arrays of one shape, got {len(arrays)}."
        raise ArgumentError(message(what, cure="Give one array of positions for each axis."))
    if len(along) == 1 and along[0] == 0:
        return taken(x, arrays[0], 0)
    order = (*along, *[i for i in range(ndim) if i not in along])
    front = x if order == tuple(range(ndim)) else transpose(x, axes=order)
    return gather(front, *arrays, key=(*[ARRAY] * len(along), *[FULL] * (ndim - len(along))), unique=False)


_operand = operand
