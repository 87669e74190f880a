"""Elements in another order, repeated, added and removed, of NumPy's chapter "Array manipulation routines".

Given only concrete arrays each function is NumPy's own.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ShapeError, message
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.manipulation import moveaxis, swapaxes
from fgrad.numpy.parts import flat, operand, part, rank_of, static_shape, taken, value_of
from fgrad.primitives import joining
from fgrad.primitives.comparison import minimum
from fgrad.primitives.cumulative import cumsum
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.rounding import remainder
from fgrad.primitives.shape import broadcast_to as broadcast
from fgrad.primitives.shape import convert_element_type
from fgrad.primitives.shape import reshape as to_shape
from fgrad.primitives.sorting import searchsorted

__all__ = [
    "delete",
    "flip",
    "fliplr",
    "flipud",
    "insert",
    "repeat",
    "resize",
    "roll",
    "rot90",
    "tile",
    "trim_zeros",
]

_STATIC_POSITIONS = "Give the positions as plain integers, or select with fgrad.numpy.where."
_STATIC_LENGTH = "Give total_repeat_length=, the length of the result, or repeat by a static number."


def flip(m: Any, axis: Any = None) -> Array:
    """`flip(m, axis)`: the elements in reverse order along some axes, along all by default.

    >>> flip([1, 2, 3])
    array([3, 2, 1])
    """
    if type(m) is ndarray or not is_traced(m):
        return np.flip(m, axis)
    x = operand(m)
    shape = shape_of(x)
    axes = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape))
    key = tuple([slice_entry(slice(None, None, -1), n) if i in axes else FULL for i, n in enumerate(shape)])
    return gather(x, key=key, unique=True)


def fliplr(m: Any) -> Array:
    """`fliplr(m)`: the columns in reverse order."""
    if type(m) is ndarray or not is_traced(m):
        return np.fliplr(m)
    rank_of(m, 2, "fliplr")
    return flip(m, 1)


def flipud(m: Any) -> Array:
    """`flipud(m)`: the rows in reverse order."""
    if type(m) is ndarray or not is_traced(m):
        return np.flipud(m)
    rank_of(m, 1, "flipud")
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Array:
    """`rot90(m, k, axes)`: turned by k quarters in the plane of two axes, from the first towards the second."""
    if type(m) is ndarray or not is_traced(m):
        return np.rot90(m, k, axes)
    i, j = normalize_axis_tuple(axes, len(shape_of(operand(m))))
    k %= 4
    if k == 0:
        return operand(m)
    if k == 2:
        return flip(m, (i, j))
    return swapaxes(flip(m, j), i, j) if k == 1 else flip(swapaxes(m, i, j), j)


def roll(a: Any, shift: Any, axis: Any = None) -> Array:
    """`roll(a, shift, axis)`: moved along axes; what leaves at the end comes back at the beginning.

    Args:
        a: an array.
        shift: by how much; several for several axes. It may be traced.
        axis: along which axes; `None` for all elements in a row.

    >>> roll([1, 2, 3, 4], 1)
    array([4, 1, 2, 3])
    """
    if type(a) is ndarray is type(shift) or not is_traced(a, shift):
        return np.roll(a, shift, axis)
    x = operand(a)
    shape = shape_of(x)
    if axis is None:
        if type(shift) in (tuple, list):
            shift = sum(shift)
        return to_shape(roll(flat(x), shift, 0), shape=shape)
    axes = normalize_axis_tuple(axis, len(shape), allow_duplicate=True)
    shifts = list(shift) if type(shift) in (tuple, list) or np.ndim(shift) else [shift]
    if len(shifts) != len(axes):
        if 1 not in (len(shifts), len(axes)):
            raise ShapeError(message(f"roll: {len(shifts)} shifts do not go with {len(axes)} axes."))
        shifts, axes = shifts * max(1, len(axes) // len(shifts)), axes * max(1, len(shifts) // len(axes))
    for by, along in zip(shifts, axes, strict=True):
        x = _rolled(x, by, along)
    return x


def _rolled(x: Array, shift: Any, axis: int) -> Array:
    n = shape_of(x)[axis]
    if not n:
        return x
    if type(shift) is Tracer:
        return taken(x, remainder(np.arange(n) - shift, n), axis, unique=True)
    cut = -operator.index(shift) % n
    if not cut:
        return x
    return joining.concatenate(part(x, axis, slice(cut, None)), part(x, axis, slice(cut)), axis=axis)


def tile(A: Any, reps: Any) -> Array:
    """`tile(A, reps)`: the array repeated as a whole, along each axis so often.

    >>> tile([1, 2], 2)
    array([1, 2, 1, 2])
    """
    if type(A) is ndarray or not is_traced(A):
        return np.tile(A, reps)
    x = operand(A)
    counts = static_shape(reps)
    rank = max(len(counts), len(shape_of(x)))
    counts = (*[1] * (rank - len(counts)), *counts)
    shape = (*[1] * (rank - len(shape_of(x))), *shape_of(x))
    spread = [n for pair in zip([1] * rank, shape, strict=True) for n in pair]
    full = [n for pair in zip(counts, shape, strict=True) for n in pair]
    out = broadcast(to_shape(x, shape=tuple(spread)), shape=tuple(full))
    return to_shape(out, shape=tuple([c * n for c, n in zip(counts, shape, strict=True)]))


def repeat(a: Any, repeats: Any, axis: Any = None, *, total_repeat_length: int | None = None) -> Array:
    """`repeat(a, repeats, axis)`: every element repeated, one behind the other.

    Args:
        a: an array.
        repeats: how often: a number for all, or one for each position along the axis.
        axis: along which; `None` for all elements in a row.
        total_repeat_length: the length of the result; needed where `repeats` is traced and has no value. What is
            missing is filled by the last element, what is too much is left out.

    >>> repeat([3, 4], [1, 2])
    array([3, 4, 4])
    """
    if total_repeat_length is None and not is_traced(a, repeats):
        return np.repeat(a, repeats, axis)
    x = operand(a)
    x, along = (flat(x), 0) if axis is None else (x, normalize_axis_index(axis, len(shape_of(x))))
    n = shape_of(x)[along]
    if total_repeat_length is not None:
        counts = broadcast(as_operand(repeats), shape=(n,))
        ends = cumsum(counts, axis=0)
        source = searchsorted(ends, np.arange(total_repeat_length), side="right")
        return taken(x, minimum(source, n - 1), along, unique=False)
    counts = value_of(repeats, "repeat", _STATIC_LENGTH)
    if np.size(counts) == 1 and np.ndim(counts) == 0:
        shape = shape_of(x)
        count = operator.index(counts)
        wide = to_shape(x, shape=(*shape[: along + 1], 1, *shape[along + 1 :]))
        wide = broadcast(wide, shape=(*shape[: along + 1], count, *shape[along + 1 :]))
        return to_shape(wide, shape=(*shape[:along], n * count, *shape[along + 1 :]))
    return taken(x, np.repeat(np.arange(n), counts), along, unique=False)


def delete(arr: Any, obj: Any, axis: Any = None) -> Array:
    """`delete(arr, obj, axis)`: without the parts at some positions of an axis.

    >>> delete([10, 20, 30], 1)
    array([10, 30])
    """
    if type(arr) is ndarray is type(obj) or not is_traced(arr, obj):
        return np.delete(arr, obj, axis)
    x = operand(arr)
    x, along = (flat(x), 0) if axis is None else (x, normalize_axis_index(axis, len(shape_of(x))))
    given = obj if isinstance(obj, (slice, list)) else value_of(obj, "delete", _STATIC_POSITIONS)
    return taken(x, np.delete(np.arange(shape_of(x)[along]), given), along, unique=True)


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Array:
    """`insert(arr, obj, values, axis)`: with values put before some positions of an axis.

    >>> insert([1, 2, 3], 1, 9)
    array([1, 9, 2, 3])
    """
    if not is_traced(arr, obj, values):
        return np.insert(arr, obj, values, axis)
    x = operand(arr)
    x, along = (flat(x), 0) if axis is None else (x, normalize_axis_index(axis, len(shape_of(x))))
    shape, n = shape_of(x), shape_of(x)[along]
    given = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(value_of(obj, "insert", _STATIC_POSITIONS))
    given = np.flatnonzero(given) if given.dtype == np.bool_ else given
    new = aval_of(as_operand(values))
    if new.weak_type and new.dtype.kind == "c" and aval_of(x).dtype.kind in "iuf":
        raise ShapeError(message(f"insert: a complex number does not go into an array of dtype {aval_of(x).dtype}."))
    v = convert_element_type(operand(values), dtype=aval_of(x).dtype)
    v = to_shape(v, shape=(*[1] * (len(shape) - len(shape_of(v))), *shape_of(v)))
    if not given.ndim:
        v = moveaxis(v, 0, along)
    count = shape_of(v)[along] if given.size == 1 else given.size
    v = broadcast(v, shape=(*shape[:along], count, *shape[along + 1 :]))
    # Where the new parts go among the old ones, NumPy itself says, on their numbers.
    order = np.insert(np.arange(n), given, np.arange(n, n + count))
    return taken(joining.concatenate(x, v, axis=along), order, along, unique=True)


def resize(a: Any, new_shape: Any) -> Array:
    """`resize(a, new_shape)`: the elements in a row, again and again, until a shape is filled.

    >>> resize([1, 2, 3], (2, 2))
    array([[1, 2],
           [3, 1]])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.resize(a, new_shape)
    x = flat(operand(a))
    shape = static_shape(new_shape)
    if any([n < 0 for n in shape]):
        raise ShapeError(message(f"resize to {shape}: lengths are not negative."))
    size, total = shape_of(x)[0], math.prod(shape)
    if not size:
        return np.zeros(shape, aval_of(x).dtype)
    if total <= size:
        return to_shape(part(x, 0, slice(total)), shape=shape)
    return to_shape(taken(x, np.arange(total) % size, 0, unique=False), shape=shape)


def trim_zeros(filt: Any, trim: str = "fb") -> Array:
    """`trim_zeros(filt, trim)`: without zeros in front ("f") and behind ("b"). A traced array must have a value.

    >>> trim_zeros(np.array([0, 0, 1, 2, 0]))
    array([1, 2])
    """
    if type(filt) is ndarray or not is_traced(filt):
        return np.trim_zeros(filt, trim)  # type: ignore[arg-type]
    x = operand(filt)
    rank_of(x, 1, "trim_zeros")
    found = np.nonzero(value_of(x, "trim_zeros", "Take a slice of known length."))
    for axis, (n, positions) in enumerate(zip(shape_of(x), found, strict=True)):
        if not positions.size:
            first, last = (n, n) if "f" in trim.lower() else (0, 0) if "b" in trim.lower() else (0, n)
        else:
            first = int(positions.min()) if "f" in trim.lower() else 0
            last = int(positions.max()) + 1 if "b" in trim.lower() else n
        x = part(x, axis, slice(first, last))
    return x
