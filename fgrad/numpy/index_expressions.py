"""What a user writes between brackets, taken apart into a key and index arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, origin
from fgrad.errors import (
    InvalidIndexError,
    NonConcreteBooleanIndexError,
    OutOfBoundsError,
    TracerIntegerConversionError,
    message,
)
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, GAP, Entry, Key, broadcast_arrays_shape, slice_entry

__all__ = ["Index", "concrete_mask", "parse_index", "static_slice"]

_VALID = "Integers, slices, `...`, `None`, and integer or boolean arrays are indices."


class Index(NamedTuple):
    """A parsed index expression.

    Attributes:
        shape: of the indexed array, with an axis of length 1 added for every boolean without axes.
        key: the static part.
        arrays: the index arrays that the key has places for.
        unique: no position comes twice.
    """

    shape: tuple[int, ...]
    key: Key
    arrays: tuple[Array, ...]
    unique: bool


def parse_index(shape: tuple[int, ...], index: Any, *, bounded: bool = True) -> Index:
    """Takes an index expression of an array of a given shape apart.

    Args:
        shape: of the array.
        index: what stands between the brackets.
        bounded: refuse integers outside their axis; otherwise they become index arrays.

    Raises:
        OutOfBoundsError: an integer lies outside its axis.
        InvalidIndexError: this is no index of such an array.
        NonConcreteBooleanIndexError: a mask has no value, so the shape of the result is unknown.
    """
    entries = [_entry(e) for e in (index if type(index) is tuple else (index,))]
    return _Parser(shape, bounded).run(_expanded(entries, shape))


def _entry(entry: Any) -> Any:
    """An entry as one of: `None`, `...`, a slice, an int, a bool, an integer array or tracer, a boolean array."""
    kind = type(entry)
    if entry is None or entry is Ellipsis or kind is slice or kind is int or kind is bool:
        return entry
    if kind is np.ndarray or kind is Tracer:
        return _array_entry(entry)
    if isinstance(entry, np.bool_):
        return bool(entry)
    if isinstance(entry, (list, tuple)):
        array = as_operand(list(entry))
        return _array_entry(array.astype(np.intp) if shape_of(array) == (0,) else array)
    try:
        return operator.index(entry)
    except TypeError:
        return _array_entry(np.asarray(entry))


def _array_entry(array: Array) -> Any:
    aval = aval_of(array)
    if aval.dtype.kind == "b":
        mask = concrete_mask(array)
        return mask if aval.ndim else bool(mask)
    if aval.dtype.kind not in "iu":
        cure = f"{_VALID} Convert with .astype(int) or .astype(bool)."
        raise InvalidIndexError(message(f"an index array must hold integers or booleans, got {aval}.", cure=cure))
    if type(array) is not Tracer and not aval.ndim:
        return int(array)
    return array


def concrete_mask(mask: Array) -> Any:
    """The value of a mask.

    Raises:
        NonConcreteBooleanIndexError: it has none.
    """
    if type(mask) is not Tracer:
        return np.asarray(mask)
    value = mask.concrete
    if value is None:
        what = f"a mask ({mask.aval}) selects an unknown number of elements: it has no value in "
        cure = (
            "Use fgrad.numpy.where(mask, x, other), or give the number of elements: "
            "x[fgrad.numpy.nonzero(mask, size=n)]."
        )
        text = f"{what}{mask.interpreter.describe()}.{origin(mask)}"
        raise NonConcreteBooleanIndexError(message(text, cure=cure))
    return np.asarray(value)


def _consumed(entry: Any) -> int:
    """How many axes an entry takes."""
    if entry is None or entry is Ellipsis or type(entry) is bool:
        return 0
    return entry.ndim if type(entry) is np.ndarray and entry.dtype == np.bool_ else 1


def _expanded(entries: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Full slices for an ellipsis, or for what is missing at the end. An ellipsis of no axes stays."""
    missing = len(shape) - sum([_consumed(e) for e in entries])
    if missing < 0:
        given = len(shape) - missing
        what = f"too many indices: an array of shape {shape} has {len(shape)} axes, {given} were indexed."
        raise InvalidIndexError(message(what, cure="Give one index per axis at most; None makes a new axis."))
    places = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(places) > 1:
        raise InvalidIndexError(message("an index can have one ellipsis (`...`) only."))
    full = [slice(None)] * missing
    if not places:
        return entries + full
    at = places[0]
    return entries[:at] + full + entries[at + 1 :] if missing else entries


class _Parser:
    def __init__(self, shape: tuple[int, ...], bounded: bool) -> None:
        self.sizes = shape
        self.bounded = bounded
        self.axis = 0
        self.shape: list[int] = []
        self.key: list[Entry] = []
        self.arrays: list[Array] = []
        self.masks: list[int] = []

    def run(self, entries: Sequence[Any]) -> Index:
        for entry in entries:
            self._take(entry)
        key = tuple(self.key)
        if not self.arrays:
            return Index(tuple(self.shape), tuple([e for e in key if e != GAP]), (), True)
        common = broadcast_arrays_shape([shape_of(a) for a in self.arrays])
        # One mask takes every position once; so does a single position.
        unique = math.prod(common) <= 1 or any([common == (n,) for n in self.masks])
        return Index(tuple(self.shape), key, tuple(self.arrays), unique)

    def _take(self, entry: Any) -> None:
        kind = type(entry)
        if entry is None:
            self.key.append(None)
        elif entry is Ellipsis:
            self.key.append(GAP)
        elif kind is bool:
            self.shape.append(1)
            self._place(np.zeros(int(entry), np.intp))
        elif kind is slice:
            size = self._next()
            self.key.append(FULL if entry == _ALL else slice_entry(static_slice(entry), size))
        elif kind is int:
            self._integer(entry)
        elif kind is np.ndarray and entry.dtype == np.bool_:
            self._mask(entry)
        else:
            self._next()
            self._place(entry)

    def _next(self) -> int:
        size = self.sizes[self.axis]
        self.axis += 1
        self.shape.append(size)
        return size

    def _place(self, array: Array) -> None:
        self.key.append(ARRAY)
        self.arrays.append(array)

    def _integer(self, position: int) -> None:
        size = self._next()
        if -size <= position < size:
            self.key.append(position + size if position < 0 else position)
        elif self.bounded:
            what = f"index {position} is out of bounds for axis {self.axis - 1} of an array of shape {self.sizes}."
            cure = f"Valid are {-size} to {size - 1}." if size else "The axis has no elements."
            raise OutOfBoundsError(message(what, cure=cure))
        else:
            self._place(np.array(position))

    def _mask(self, mask: Any) -> None:
        sizes = self.sizes[self.axis : self.axis + mask.ndim]
        if mask.shape != sizes:
            what = f"a mask of shape {mask.shape} stands at axes of lengths {sizes} of an array of shape {self.sizes}."
            raise InvalidIndexError(
                message(what, cure="A mask must have the lengths of the axes that it selects from.")
            )
        for positions in mask.nonzero():
            self._next()
            self._place(positions)
        self.masks.append(int(np.count_nonzero(mask)))


_ALL = slice(None)


def static_slice(s: slice) -> slice:
    """A slice whose bounds have values.

    Raises:
        TracerIntegerConversionError: one has none.
    """
    if Tracer in (type(s.start), type(s.stop), type(s.step)):
        for bound in (s.start, s.stop, s.step):
            if type(bound) is Tracer and bound.concrete is None:
                what = f"a slice needs values for its bounds, got a traced {bound.aval} without one, in "
                cure = (
                    "Its length would be unknown: take n elements at a traced position with "
                    "x[start + numpy.arange(n)], or mark the bound static (static_argnums)."
                )
                text = f"{what}{bound.interpreter.describe()}.{origin(bound)}"
                raise TracerIntegerConversionError(message(text, cure=cure))
    return s
