"""Keys: what is static of an index expression.

A key has one entry for each axis of the indexed array, in order, and one for each new axis:

    ("slice", start, stop, step)    a part of the axis, canonical (`slice_entry`)
    5                               one position, not negative
    ARRAY                           the positions in the next index array, an operand
    None                            a new axis
    GAP                             an ellipsis of no axes: all it does is to set index arrays apart

NumPy's rule for the shape of the result: the index arrays (and the integers, if there are arrays) broadcast
together; their axes stand where they were if nothing stands between them, in front otherwise. Where all arrays have
no axes, they count as integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import InvalidIndexError, OutOfBoundsError, ShapeError, message

__all__ = [
    "ARRAY",
    "FULL",
    "GAP",
    "Entry",
    "Key",
    "broadcast_arrays_shape",
    "index_source",
    "indexed_shape",
    "is_basic",
    "is_box",
    "lead",
    "slice_entry",
    "to_index",
]

Entry: TypeAlias = tuple[str, int | None, int | None, int | None] | int | str | None
Key: TypeAlias = tuple[Entry, ...]

ARRAY: Final = "array"
GAP: Final = "..."
FULL: Final = ("slice", None, None, None)


def slice_entry(s: slice, size: int) -> Entry:
    """The canonical entry of a slice of an axis: it is the same for slices that take the same positions."""
    start, stop, step = s.indices(size)
    count = len(range(start, stop, step))
    if count == 0:
        return ("slice", 0, 0, None)
    if step > 0:
        return (
            "slice",
            start or None,
            None if stop >= size else stop,
            None if step == 1 else step,
        )
    return ("slice", None if start == size - 1 else start, None if stop < 0 else stop, step)


def is_basic(key: Key) -> bool:
    """Whether a key takes no index arrays: the result is then a view, and no position comes twice."""
    return ARRAY not in key


def is_box(key: Key) -> bool:
    """Whether a key is made of slices without steps."""
    return all([type(entry) is tuple and entry[3] is None for entry in key])


@lru_cache(maxsize=4096)
def lead(key: Key) -> int:
    """How many axes of the result stand before those of the index arrays."""
    chosen = [i for i, entry in enumerate(key) if type(entry) is int or entry == ARRAY]
    if chosen[-1] - chosen[0] + 1 != len(chosen):
        return 0
    return sum(1 for entry in key[: chosen[0]] if entry != GAP)


def indexed_shape(shape: tuple[int, ...], key: Key, arrays: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of what an array of a given shape is at a key.

    Args:
        shape: of the indexed array.
        key: the index.
        arrays: the shapes of its index arrays.

    Raises:
        ShapeError: the key is not one for such an array.
        InvalidIndexError: the index arrays do not broadcast together.
        OutOfBoundsError: an integer lies outside its axis.
    """
    rest: list[int] = []
    axis = 0
    for entry in key:
        if entry is None:
            rest.append(1)
        elif entry != GAP:
            if axis == len(shape):
                raise _misfit(shape, key)
            if type(entry) is tuple:
                rest.append(len(range(*slice(*entry[1:]).indices(shape[axis]))))
            elif type(entry) is not int:
                if entry != ARRAY:
                    raise _misfit(shape, key)
            elif not 0 <= entry < shape[axis]:
                raise OutOfBoundsError(message(f"index {entry} is out of bounds for axis {axis} of shape {shape}."))
            axis += 1
    if axis != len(shape) or key.count(ARRAY) != len(arrays):
        raise _misfit(shape, key)
    if not arrays:
        return tuple(rest)
    at = lead(key)
    return (*rest[:at], *broadcast_arrays_shape(arrays), *rest[at:])


def _misfit(shape: tuple[int, ...], key: Key) -> ShapeError:
    return ShapeError(message(f"the key {key} with its index arrays does not index an array of shape {shape}."))


def broadcast_arrays_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that index arrays have together."""
    first = shapes[0]
    if all([s == first for s in shapes]):
        return first
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = " and ".join(map(str, shapes))
        cure = "Index arrays are paired element by element; fgrad.numpy.ix_ takes every combination."
        raise InvalidIndexError(
            message(f"index arrays of shapes {text} do not broadcast together.", cure=cure)
        ) from None


@lru_cache(maxsize=4096)
def _template(key: Key) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    parts = [_part(entry) for entry in key]
    while len(parts) > 1 and parts[-1] == slice(None) and GAP not in key:
        parts.pop()
    return tuple(parts), tuple(i for i, entry in enumerate(key) if entry == ARRAY)


def _part(entry: Entry) -> Any:
    if type(entry) is tuple:
        return slice(*entry[1:])
    return ... if entry == GAP else entry


def to_index(key: Key, arrays: Sequence[Array]) -> tuple[Any, ...]:
    """What NumPy takes between the brackets."""
    parts, slots = _template(key)
    if not slots:
        return parts
    if len(slots) == 1:
        return (*parts[: slots[0]], arrays[0], *parts[slots[0] + 1 :])
    filled = list(parts)
    for slot, array in zip(slots, arrays, strict=True):
        filled[slot] = array
    return tuple(filled)


def index_source(key: Key, names: Sequence[str]) -> str:
    """The text between the brackets: `1:, None, idx`."""
    remaining = iter(names)
    parts = [_entry_source(entry, remaining.__next__) for entry in key]
    while len(parts) > 1 and parts[-1] == ":" and GAP not in key:
        parts.pop()
    return ", ".join(parts) or "()"


def _entry_source(entry: Entry, next_name: Callable[[], str]) -> str:
    if type(entry) is tuple:
        start, stop, step = ("" if value is None else repr(value) for value in entry[1:])
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return next_name() if entry == ARRAY else "..." if entry == GAP else repr(entry)
