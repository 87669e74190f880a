"""Work done in pieces: rows that are mapped at once are limited, their results are put together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message
from fgrad.primitives.index_keys import FULL, Entry, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import reshape
from fgrad.tree.table import describe

__all__ = ["Collected", "check_chunk_size", "cut", "pieces"]


def check_chunk_size(chunk_size: Any, transform: str) -> None:
    """Refuses what is no number of rows.

    Raises:
        ArgumentError: `chunk_size` is neither `None` nor a positive integer.
    """
    whole = isinstance(chunk_size, (int, np.integer)) and not isinstance(chunk_size, bool)
    if chunk_size is not None and not (whole and chunk_size > 0):
        what = f"chunk_size of {transform} must be a positive number of rows, or None, got {describe(chunk_size)}."
        raise ArgumentError(message(what, cure="Leave it out to do all rows at once."))


def pieces(size: int, chunk_size: int | None) -> list[tuple[int, int]]:
    """Where the pieces begin and end; a single, empty one where there is nothing."""
    step = size if chunk_size is None else int(chunk_size)
    return [(low, min(low + step, size)) for low in range(0, size, step)] if size else [(0, 0)]


def cut(x: Array, axis: int, low: int, high: int) -> Array:
    """The positions from `low` to `high` of an axis."""
    shape = aval_of(x).shape
    key: list[Entry] = [FULL] * len(shape)
    key[axis] = slice_entry(slice(low, high), shape[axis])
    return gather(x, key=tuple(key), unique=True)


class Collected:
    """An array put together from pieces along an axis, in order.

    Concrete pieces are written where they belong as they come: no more than the result and one piece is held.

    Attributes:
        shape: the shape of the result.
        axis: where the axis of the pieces is.
        span: how many axes of the result are that one axis of the pieces.
    """

    def __init__(self, shape: tuple[int, ...], axis: int, span: int = 1) -> None:
        self.shape = shape
        self.axis = axis
        end = axis + span
        self._flat = (*shape[:axis], math.prod(shape[axis:end]), *shape[end:])
        self._filled = 0
        self._whole: Any = None
        self._traced: list[Array] = []

    def add(self, part: Array) -> None:
        """Appends a piece."""
        count = aval_of(part).shape[self.axis]
        if count == self._flat[self.axis]:
            self._whole = reshape(part, shape=self.shape)
            return
        if type(part) is Tracer or self._traced:
            if self._whole is not None:
                self._traced.append(self._rows(0, self._filled))
                self._whole = None
            self._traced.append(part)
        else:
            if self._whole is None:
                self._whole = np.empty(self.shape, part.dtype)
            self._rows(self._filled, self._filled + count)[...] = part
        self._filled += count

    def get(self) -> Array:
        """The result, once everything is there."""
        if self._traced:
            return reshape(concatenate(*self._traced, axis=self.axis), shape=self.shape)
        return self._whole

    def _rows(self, low: int, high: int) -> Any:
        view = self._whole.reshape(self._flat)
        return view[(*[slice(None)] * self.axis, slice(low, high))]
