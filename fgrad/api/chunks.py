"""Work done in pieces: rows that are mapped at once are limited, their results are put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fgrad.control.carry import Naming
from fgrad.control.scan import run_scan
from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, current
from fgrad.errors import ArgumentError, message
from fgrad.primitives.dynamic import dynamic_slice
from fgrad.primitives.index_keys import FULL, Entry, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import reshape
from fgrad.tree.table import describe

__all__ = ["Collected", "check_chunk_size", "cut", "in_pieces"]

_UNROLLED = 8
"""A program that is traced does so many pieces one after the other; more of them are a loop."""


def check_chunk_size(chunk_size: Any, transform: str) -> None:
    """Refuses what is no number of rows.

    Raises:
        ArgumentError: `chunk_size` is neither `None` nor a positive integer.
    """
    whole = isinstance(chunk_size, (int, np.integer)) and not isinstance(chunk_size, bool)
    if chunk_size is not None and not (whole and chunk_size > 0):
        what = f"chunk_size of {transform} must be a positive number of rows, or None, got {describe(chunk_size)}."
        raise ArgumentError(message(what, cure="Leave it out to do all rows at once."))


def in_pieces(
    run: Callable[[Array, int], list[Array]], size: int, chunk_size: int | None, verb: str, function: Any
) -> Iterator[tuple[int, int, list[Array]]]:
    """Rows, a limited number at a time; where a program is traced and there are many, as a loop.

    Args:
        run: takes the number of the first row, which may be traced, and how many are wanted; returns arrays with these
            rows along axis 0. It is called for the last piece last, with known numbers.
        size: how many rows there are.
        chunk_size: how many are computed at once, at most; `None` for all.
        verb: what the user called, for messages.
        function: the user's function, for messages.

    Returns:
        The first row of a piece, the first behind it, and the results, piece by piece.
    """
    step = size if chunk_size is None else min(int(chunk_size), size)
    lows = list(range(0, size, step)) if size else [0]
    interpreter = current.get()
    if len(lows) > _UNROLLED and interpreter is not None and interpreter.enclosing is not None:
        firsts, lows = np.array(lows[:-1]), lows[-1:]
        _, stacks = run_scan(lambda _, low: (None, run(low, step)), None, firsts, Naming(verb, function, "chunk_size"))
        yield 0, lows[0], [reshape(y, shape=(lows[0], *aval_of(y).shape[2:])) for y in stacks]
    for low in lows:
        high = min(low + step, size)
        yield low, high, run(low, high - low)


def cut(x: Array, axis: int, low: Array, count: int) -> Array:
    """So many positions of an axis from `low` on, which may be traced."""
    shape = aval_of(x).shape
    if type(low) is Tracer:
        starts: list[Array] = [np.int64(0)] * len(shape)
        starts[axis] = low
        return dynamic_slice(x, *starts, sizes=(*shape[:axis], count, *shape[axis + 1 :]))
    key: list[Entry] = [FULL] * len(shape)
    key[axis] = slice_entry(slice(low, low + count), shape[axis])
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
        shape = aval_of(part).shape
        count = shape[self.axis]
        if count == self._flat[self.axis] and (type(part) is Tracer or shape == self.shape):
            self._whole = reshape(part, shape=self.shape) if type(part) is Tracer else part
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
