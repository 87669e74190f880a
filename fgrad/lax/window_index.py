"""XLA's windows as an index of NumPy: which axes are indexed by arrays, and which axes of the result are which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.primitives.comparison import ge, le, logical_and, maximum, minimum, select
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, Entry, Key, lead, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.shape import convert_element_type, reshape

__all__ = ["GatherDimensionNumbers", "Windows"]

Axes = tuple[int, ...]
_INTP = np.dtype(np.intp)


class GatherDimensionNumbers(NamedTuple):
    """Which axes are which in `gather`.

    Attributes:
        offset_dims: the axes of the result that run along windows, in ascending order; the others are those of the
            start positions.
        collapsed_slice_dims: the axes of the operand that windows (of length 1 there) do not have.
        start_index_map: for each component of a start position the axis of the operand that it is a position of.
        operand_batching_dims: axes of the operand (windows do not have them) that run along with axes of the starts,
        start_indices_batching_dims: these.
    """

    offset_dims: Axes
    collapsed_slice_dims: Axes
    start_index_map: Axes
    operand_batching_dims: Axes = ()
    start_indices_batching_dims: Axes = ()

    def normalized(self) -> GatherDimensionNumbers:
        """The same with tuples of integers."""
        return GatherDimensionNumbers(*[tuple([int(a) for a in axes]) for axes in self])


class Windows:
    """Windows of one size in an array of a given shape.

    Attributes:
        shape: of the operand.
        sizes: of a window, along each axis of the operand.
        rows: the shape of the array of start positions, without its last axis.
        key: the index of NumPy that takes all windows.
        indexed: the axes that index arrays stand for.
    """

    def __init__(self, shape: Axes, starts: Axes, numbers: GatherDimensionNumbers, sizes: Axes, name: str) -> None:
        self.shape, self.sizes, self.rows = shape, sizes, starts[:-1]
        self.numbers = numbers
        self.name = name
        self._check(starts)
        dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
        self.kept = [d for d in range(len(shape)) if d not in dropped]
        self.indexed = [
            d for d, (n, m) in enumerate(zip(sizes, shape, strict=True))
            if d in dropped or (n != m and d in numbers.start_index_map)
        ] or [0]  # fmt: skip
        self.key: Key = tuple([self._entry(d) for d in range(len(shape))])
        self._axes = self._permutation()

    def _check(self, starts: Axes) -> None:
        numbers, ndim = self.numbers, len(self.shape)
        dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        problems = (
            (len(self.sizes) != ndim, f"slice_sizes {self.sizes} are not one for each axis"),
            (len(starts) < 1 or starts[-1] != len(numbers.start_index_map),
             f"start positions of shape {starts} do not hold {len(numbers.start_index_map)} numbers each"),
            (not _distinct(numbers.start_index_map, ndim), f"start_index_map {numbers.start_index_map} names no axes"),
            (not _distinct(dropped, ndim), f"windows cannot do without the axes {dropped}"),
            (bool(set(numbers.operand_batching_dims) & set(numbers.start_index_map)),
             "an axis that runs along with the starts is in start_index_map, too"),
            (not _distinct(numbers.offset_dims, ndim - len(dropped) + len(starts) - 1)
             or list(numbers.offset_dims) != sorted(numbers.offset_dims)
             or len(numbers.offset_dims) != ndim - len(dropped),
             f"{numbers.offset_dims} are not, in ascending order, {ndim - len(dropped)} axes of the windows"),
            (len(numbers.operand_batching_dims) != len(numbers.start_indices_batching_dims)
             or not _distinct(numbers.start_indices_batching_dims, len(starts) - 1),
             "the axes that run along together cannot be paired"),
        )  # fmt: skip
        for wrong, why in problems:
            if wrong:
                what = f"lax.{self.name} of an array of shape {self.shape}: {why}."
                raise ArgumentError(message(what, cure=f"The dimension numbers are {numbers}."))
        for d, (n, m) in enumerate(zip(self.sizes, self.shape, strict=True)):
            if not 0 <= n <= m or (d in dropped and n != 1):
                what = f"lax.{self.name}: a window of sizes {self.sizes} of an array of shape {self.shape}."
                raise ShapeError(message(what, cure="No size is greater than the axis; axes that are dropped have 1."))
        for a, b in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True):
            if self.shape[a] != starts[b]:
                what = f"lax.{self.name}: axis {a} of {self.shape} runs along with axis {b} of the starts {starts}."
                raise ShapeError(message(what, cure="They must have the same length."))

    def _entry(self, d: int) -> Entry:
        return ARRAY if d in self.indexed else slice_entry(slice(0, self.sizes[d]), self.shape[d])

    @property
    def count(self) -> int:
        """How many windows there are."""
        return math.prod(self.rows)

    @property
    def row_axes(self) -> list[int]:
        """The axes of the result that are those of the starts."""
        return [i for i in range(len(self.rows) + len(self.kept)) if i not in self.numbers.offset_dims]

    @property
    def result_shape(self) -> Axes:
        windows, rows = iter([self.sizes[d] for d in self.kept]), iter(self.rows)
        ndim = len(self.rows) + len(self.kept)
        return tuple([next(windows) if i in self.numbers.offset_dims else next(rows) for i in range(ndim)])

    def _permutation(self) -> Axes:
        """For each axis of the result where it stands in what NumPy's index gives."""
        beside: list[Any] = [d for d in range(len(self.shape)) if d not in self.indexed]
        at = lead(self.key)
        block: list[Any] = [*[("row", i) for i in range(len(self.rows))], *[d for d in self.indexed if d in self.kept]]
        found = [*beside[:at], *block, *beside[at:]]
        windows, rows = iter(self.kept), iter([("row", i) for i in range(len(self.rows))])
        wanted = [next(windows) if i in self.numbers.offset_dims else next(rows) for i in range(len(found))]
        return tuple([found.index(label) for label in wanted])

    @property
    def to_result(self) -> Axes:
        """The order of axes that makes the result of what NumPy's index gives."""
        return self._axes

    @property
    def to_index(self) -> Axes:
        """The inverse."""
        return tuple([self._axes.index(i) for i in range(len(self._axes))])

    def starts(self, indices: Array) -> dict[int, Array]:
        """For each axis of the operand that windows move along where they begin: arrays of shape `rows`."""
        ndim = len(self.rows)
        indices = convert_element_type(indices, dtype=_INTP)
        found: dict[int, Array] = {}
        for k, d in enumerate(self.numbers.start_index_map):
            found[d] = gather(indices, key=(*[FULL] * ndim, k), unique=True)
        return found

    def valid(self, starts: dict[int, Array]) -> Array | None:
        """Which windows lie within the array: an array of shape `rows`, or `None` where it is known that all do."""
        everything: Array | None = None
        for d, start in starts.items():
            room = np.intp(self.shape[d] - self.sizes[d])
            for inside in (ge(start, np.intp(0)), le(start, room)):
                everything = inside if everything is None else logical_and(everything, inside)
        if everything is None or (type(everything) is not Tracer and np.all(everything)):
            return None
        return everything

    def clipped(self, starts: dict[int, Array]) -> dict[int, Array]:
        """Starts moved as little as it takes for windows to lie within the array."""
        limit = {d: np.intp(self.shape[d] - self.sizes[d]) for d in starts}
        return {d: minimum(maximum(s, np.intp(0)), limit[d]) for d, s in starts.items()}

    @property
    def room(self) -> tuple[tuple[int, int], ...]:
        """Widths of a padding that makes room for one more window along each axis, behind the end of one of them."""
        axis = self.indexed[0]
        needed = self.shape[axis] if axis in self.numbers.operand_batching_dims else self.sizes[axis]
        return tuple([(0, needed if d == axis else 0) for d in range(len(self.shape))])

    def behind(self, starts: dict[int, Array], valid: Array) -> dict[int, Array]:
        """Starts within the array, and behind its end, where there is `room`, for windows that are not valid."""
        axis = self.indexed[0]
        first = starts.get(axis, np.zeros(self.rows, _INTP))
        return {**starts, axis: select(valid, first, np.intp(self.shape[axis]))}

    def arrays(self, starts: dict[int, Array]) -> list[Array]:
        """The index arrays for the places in `key`."""
        depth = len(self.rows)
        moving = [d for d in self.indexed if d in self.kept]
        partner = dict(zip(self.numbers.operand_batching_dims, self.numbers.start_indices_batching_dims, strict=True))
        found = []
        for d in self.indexed:
            inner = tuple([self.sizes[d] if e == d else 1 for e in moving])
            offsets = np.arange(self.sizes[d] if d in moving else 1).reshape((*(1,) * depth, *inner))
            if d in partner:
                n = self.shape[d]
                along = tuple([n if i == partner[d] else 1 for i in range(depth)])
                offsets = offsets + np.arange(n).reshape((*along, *(1,) * len(inner)))
            if d in starts:
                start = reshape(starts[d], shape=(*shape_of(starts[d]), *(1,) * len(inner))) if inner else starts[d]
                offsets = start if shape_of(offsets) == (1,) * (depth + len(inner)) else start + offsets
            found.append(offsets)
        return self._spread(found)

    def _spread(self, arrays: list[Array]) -> list[Array]:
        """One array of the full shape, where none has it along the axes of the starts."""
        moving = [self.sizes[d] for d in self.indexed if d in self.kept]
        full = (*self.rows, *moving)
        if np.broadcast_shapes(*[shape_of(a) for a in arrays]) != full:
            arrays[0] = arrays[0] + np.zeros(full, _INTP)
        return arrays


def _distinct(axes: Sequence[int], ndim: int) -> bool:
    return len(set(axes)) == len(axes) and all(0 <= a < ndim for a in axes)
