"""Shapes, axes and dtypes: what moves elements without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax.operands import axis_index, axis_tuple, operand, same_dtype
from fgrad.numpy.dispatch import as_operand
from fgrad.numpy.parts import static_shape
from fgrad.primitives import bits, joining, shape
from fgrad.primitives.comparison import select
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL, slice_entry, to_index
from fgrad.primitives.indexing import gather, place

__all__ = [
    "bitcast_convert_type",
    "broadcast",
    "broadcast_in_dim",
    "broadcast_like",
    "broadcast_shapes",
    "broadcast_to_rank",
    "collapse",
    "concatenate",
    "convert_element_type",
    "dtype",
    "expand_dims",
    "pad",
    "reshape",
    "rev",
    "shape_as_value",
    "split",
    "squeeze",
    "stack",
    "tile",
    "transpose",
    "unstack",
]


@public
def convert_element_type(operand: Any, new_dtype: Any) -> Array:
    """`convert_element_type(x, new_dtype)`: the same values under another dtype; complex to real takes the real part.

    >>> convert_element_type(np.array([1.7, -1.7]), int)
    array([ 1, -1])
    """
    return shape.convert_element_type(as_operand(operand), dtype=np.dtype(new_dtype))


@public
def bitcast_convert_type(operand: Any, new_dtype: Any) -> Array:
    """`bitcast_convert_type(x, new_dtype)`: the same bits as elements of another dtype.

    Where that is narrower, the elements that one becomes stand along a new last axis; where it is wider, the last axis
    holds what becomes one element. It has no derivative.

    >>> hex(bitcast_convert_type(np.float32(1.0), np.int32))
    '0x3f800000'
    """
    return bits.bitcast_convert_type(_operand(operand), dtype=np.dtype(new_dtype))


@public
def dtype(x: Any) -> np.dtype[Any]:
    """The dtype of an array or a number.

    >>> dtype(1.0)
    dtype('float64')
    """
    return aval_of(as_operand(x)).dtype


@public
def shape_as_value(shape: Any) -> Array:
    """A shape as an array of integers.

    >>> shape_as_value((2, 3))
    array([2, 3])
    """
    return np.asarray(static_shape(shape), np.int64)


@public
def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that arrays of the given shapes broadcast to.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    try:
        return np.broadcast_shapes(*[static_shape(s) for s in shapes])
    except ValueError:
        got = " and ".join(map(str, shapes))
        cure = "Shapes are aligned at their last axes; each pair of sizes must be equal, or one of them 1."
        raise ShapeError(message(f"shapes {got} do not broadcast together.", cure=cure)) from None


@public
def broadcast(operand: Any, sizes: Sequence[int]) -> Array:
    """`broadcast(x, sizes)`: x repeated along new leading axes of the given lengths.

    >>> broadcast(np.array([1, 2]), (2,))
    array([[1, 2],
           [1, 2]])
    """
    x = _operand(operand)
    return shape.broadcast_to(x, shape=(*static_shape(sizes), *shape_of(x)))


@public
def broadcast_in_dim(operand: Any, shape: Any, broadcast_dimensions: Sequence[int]) -> Array:
    """`broadcast_in_dim(x, shape, broadcast_dimensions)`: x in an array of a shape, repeated along its other axes.

    Args:
        operand: an array.
        shape: that of the result.
        broadcast_dimensions: for each axis of the operand the axis of the result that it becomes, in ascending order;
            it has the same length there, or has length 1.

    >>> broadcast_in_dim(np.array([1, 2]), (2, 3), (0,))
    array([[1, 1, 1],
           [2, 2, 2]])
    """
    x, lengths = _operand(operand), static_shape(shape)
    given = tuple([axis_index("broadcast_in_dim", a, len(lengths)) for a in broadcast_dimensions])
    have = shape_of(x)
    if len(given) != len(have) or list(given) != sorted(set(given)):
        what = f"lax.broadcast_in_dim of an array of shape {have}: broadcast_dimensions are {given}."
        raise ArgumentError(message(what, cure="Name one axis of the result for each of the array's, in order."))
    if any(n not in (1, lengths[a]) for n, a in zip(have, given, strict=True)):
        what = f"lax.broadcast_in_dim: an array of shape {have} does not fit into the axes {given} of {lengths}."
        raise ShapeError(message(what, cure="Each length must be that of the result, or 1."))
    column = [1] * len(lengths)
    for n, a in zip(have, given, strict=True):
        column[a] = n
    return _repeated(x, tuple(column), lengths)


def _repeated(x: Array, column: tuple[int, ...], lengths: tuple[int, ...]) -> Array:
    x = _reshaped(x, column)
    return x if column == lengths else shape.broadcast_to(x, shape=lengths)


@public
def broadcast_like(arr: Any, like_arr: Any) -> Array:
    """`broadcast_like(x, y)`: x broadcast to the shape of y."""
    return shape.broadcast_to(_operand(arr), shape=shape_of(_operand(like_arr)))


@public
def broadcast_to_rank(x: Any, rank: int) -> Array:
    """`broadcast_to_rank(x, rank)`: x with as many leading axes of length 1 as it takes to have `rank` axes.

    >>> broadcast_to_rank(np.zeros(3), 3).shape
    (1, 1, 3)
    """
    x = _operand(x)
    have = shape_of(x)
    if len(have) > rank:
        raise ArgumentError(message(f"lax.broadcast_to_rank: an array of shape {have} has more than {rank} axes."))
    return _reshaped(x, (*(1,) * (rank - len(have)), *have))


def _reshaped(x: Array, lengths: tuple[int, ...]) -> Array:
    return x if shape_of(x) == lengths else shape.reshape(x, shape=lengths)


@public
def reshape(operand: Any, new_sizes: Any, dimensions: Sequence[int] | None = None) -> Array:
    """`reshape(x, new_sizes, dimensions)`: the same elements under another shape.

    Args:
        operand: an array.
        new_sizes: the lengths of the axes of the result.
        dimensions: the order in which the axes are read, the last one fastest; by default their own.

    >>> reshape(np.array([[0, 1, 2], [3, 4, 5]]), (6,), dimensions=(1, 0))
    array([0, 3, 1, 4, 2, 5])
    """
    x, lengths = _operand(operand), static_shape(new_sizes)
    if min(lengths, default=0) < 0:
        cure = "Every length must be given; fgrad.numpy.reshape takes −1."
        raise ArgumentError(message(f"lax.reshape to {lengths}: a length is negative.", cure=cure))
    if dimensions is not None and tuple(dimensions) != tuple(range(len(shape_of(x)))):
        x = transpose(x, dimensions)
    return _reshaped(x, lengths)


@public
def transpose(operand: Any, permutation: Sequence[int]) -> Array:
    """`transpose(x, permutation)`: axis i of the result is axis `permutation[i]` of x.

    >>> transpose(np.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = _operand(operand)
    axes = tuple([int(a) for a in permutation])
    return x if axes == tuple(range(len(shape_of(x)))) else shape.transpose(x, axes=axes)


@public
def rev(operand: Any, dimensions: Sequence[int]) -> Array:
    """`rev(x, dimensions)`: the elements in the opposite order along some axes.

    >>> rev(np.array([1, 2, 3]), (0,))
    array([3, 2, 1])
    """
    x = _operand(operand)
    lengths = shape_of(x)
    axes = axis_tuple("rev", dimensions, len(lengths))
    backwards = slice(None, None, -1)
    key = tuple([slice_entry(backwards, n) if i in axes else FULL for i, n in enumerate(lengths)])
    return gather(x, key=key, unique=True) if axes else x


@public
def squeeze(array: Any, dimensions: Sequence[int]) -> Array:
    """`squeeze(x, dimensions)`: x without some axes of length 1.

    >>> squeeze(np.zeros((1, 5, 1)), (0, -1)).shape
    (5,)
    """
    x = _operand(array)
    lengths = shape_of(x)
    axes = axis_tuple("squeeze", dimensions, len(lengths))
    if any(lengths[a] != 1 for a in axes):
        what = f"lax.squeeze of the axes {axes} of an array of shape {lengths}."
        raise ShapeError(message(what, cure="Only axes of length 1 can be dropped."))
    return _reshaped(x, tuple([n for i, n in enumerate(lengths) if i not in axes]))


@public
def expand_dims(array: Any, dimensions: Sequence[int]) -> Array:
    """`expand_dims(x, dimensions)`: x with new axes of length 1, which stand at these places of the result.

    >>> expand_dims(np.zeros(5), (0, -1)).shape
    (1, 5, 1)
    """
    x = _operand(array)
    ndim = len(shape_of(x)) + len(tuple(dimensions))
    axes = axis_tuple("expand_dims", dimensions, ndim)
    remaining = iter(shape_of(x))
    return _reshaped(x, tuple([1 if i in axes else next(remaining) for i in range(ndim)]))


@public
def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Array:
    """`collapse(x, start_dimension, stop_dimension)`: the axes from one up to another (without it) made one.

    >>> collapse(np.zeros((2, 3, 4)), 0, 2).shape
    (6, 4)
    """
    x = _operand(operand)
    lengths = shape_of(x)
    start, stop, _ = slice(start_dimension, stop_dimension).indices(len(lengths))
    if start >= stop:
        what = f"lax.collapse of the axes from {start_dimension} to {stop_dimension} of an array of shape {lengths}."
        raise ArgumentError(message(what, cure="There must be at least one."))
    return _reshaped(x, (*lengths[:start], math.prod(lengths[start:stop]), *lengths[stop:]))


@public
def concatenate(operands: Sequence[Any], dimension: int) -> Array:
    """`concatenate(operands, dimension)`: arrays of one dtype one behind the other along an axis.

    >>> concatenate([np.array([1, 2]), np.array([3])], 0)
    array([1, 2, 3])
    """
    xs = same_dtype("concatenate", *operands) if len(operands) else ()
    if not xs:
        raise ArgumentError(message("lax.concatenate takes at least one array."))
    axis = axis_index("concatenate", dimension, len(shape_of(xs[0])))
    return xs[0] if len(xs) == 1 else joining.concatenate(*xs, axis=axis)


@public
def stack(operands: Sequence[Any], axis: int = 0) -> Array:
    """`stack(operands, axis)`: arrays of one shape and dtype along a new axis.

    >>> stack([np.array([1, 2]), np.array([3, 4])], axis=1)
    array([[1, 3],
           [2, 4]])
    """
    xs = same_dtype("stack", *operands) if len(operands) else ()
    if not xs:
        raise ArgumentError(message("lax.stack takes at least one array."))
    return joining.stack(*xs, axis=axis_index("stack", axis, len(shape_of(xs[0])) + 1))


@public
def unstack(x: Any, axis: int = 0) -> tuple[Array, ...]:
    """`unstack(x, axis)`: the parts of an array at every position of an axis.

    >>> unstack(np.array([[1, 2], [3, 4]]))
    (array([1, 2]), array([3, 4]))
    """
    x = _operand(x)
    return tuple(joining.unstack(x, axis=axis_index("unstack", axis, len(shape_of(x)))))


@public
def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Array]:
    """`split(x, sizes, axis)`: consecutive parts of the given lengths along an axis, which they cover.

    >>> split(np.arange(5), (2, 3))
    [array([0, 1]), array([2, 3, 4])]
    """
    x = _operand(operand)
    return list(joining.split(x, axis=axis_index("split", axis, len(shape_of(x))), sizes=static_shape(sizes)))


@public
def tile(operand: Any, reps: Sequence[int]) -> Array:
    """`tile(x, reps)`: x repeated as a whole, so many times along each of its axes.

    >>> tile(np.array([1, 2]), (2,))
    array([1, 2, 1, 2])
    """
    x, counts = _operand(operand), static_shape(reps)
    lengths = shape_of(x)
    if len(counts) != len(lengths):
        what = f"lax.tile of an array of shape {lengths} by {counts}."
        raise ArgumentError(message(what, cure="Give one number for each axis; fgrad.numpy.tile adds axes."))
    apart = tuple([m for n in lengths for m in (1, n)])
    repeated = tuple([m for n, r in zip(lengths, counts, strict=True) for m in (r, n)])
    whole = tuple([n * r for n, r in zip(lengths, counts, strict=True)])
    return _reshaped(_repeated(x, apart, repeated), whole)


@public
def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Array:
    """`pad(x, padding_value, padding_config)`: x with a number before, behind and between its elements.

    Args:
        operand: an array.
        padding_value: a number of the same dtype.
        padding_config: for each axis how many to put before, behind, and between any two elements. The first two may
            be negative: so many are then taken away (after those between have been put in).

    >>> pad(np.array([1, 2, 3]), 0, [(1, -1, 1)])
    array([0, 1, 0, 2, 0])
    """
    x, value = same_dtype("pad", operand, padding_value)
    config = [tuple([int(n) for n in entry]) for entry in padding_config]
    lengths = shape_of(x)
    if len(config) != len(lengths) or any(len(entry) != 3 or entry[2] < 0 for entry in config):
        what = f"lax.pad of an array of shape {lengths}: padding_config is {config}."
        raise ArgumentError(
            message(what, cure="Give (before, behind, between) for each axis; `between` is at least 0.")
        )
    if shape_of(value):
        raise ArgumentError(message(f"lax.pad puts in one number, got an array of shape {shape_of(value)}."))
    sizes = tuple(
        [low + high + n + between * max(n - 1, 0) for n, (low, high, between) in zip(lengths, config, strict=True)]
    )
    if min(sizes, default=0) < 0:
        what = f"lax.pad of an array of shape {lengths} by {config} takes away more than there is."
        raise ShapeError(message(what, cure=f"The result would have shape {sizes}."))
    return _padded(x, value, config, sizes)


def _padded(x: Array, value: Array, config: Sequence[tuple[int, ...]], sizes: tuple[int, ...]) -> Array:
    source, target = [], []
    for n, size, (low, _, between) in zip(shape_of(x), sizes, config, strict=True):
        step = between + 1
        first = max(0, -(low // step))  # the first element that is not taken away, and the first behind the last
        last = max(min(n, -((low - size) // step)), first)
        source.append(slice_entry(slice(first, last), n))
        start = low + first * step
        target.append(slice_entry(slice(start, start + (last - first - 1) * step + 1, step), size))
        if last == first:
            target[-1] = slice_entry(slice(0, 0), size)
    kept = x if all(entry == FULL for entry in source) else gather(x, key=tuple(source), unique=True)
    if all(entry == FULL for entry in target):
        return kept
    filled = place(kept, key=tuple(target), unique=True, shape=sizes)
    if isinstance(value, (np.ndarray, np.generic)) and not value and not np.signbit(np.real(value)):
        return filled
    inside = np.zeros(sizes, np.bool_)
    inside[to_index(tuple(target), ())] = True
    return select(inside, filled, value)


_operand = operand
