"""How a sparse derivative is computed: the pattern, its colours, and the passes that take all columns of a colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fgrad.numpy as fnp
from fgrad.api.jit import jit
from fgrad.api.vmap import vmap
from fgrad.core.aval import Array, ShapedArray
from fgrad.sparse.coloring import Colors, color_columns, lower_bound, mirrored
from fgrad.sparse.matrix import Pattern
from fgrad.sparse.program import Program

__all__ = ["Plan", "choose_mode"]

_ELEMENTS = 1 << 23
"""As many elements of seeds and of results are computed at once, where the user does not say how many passes."""


class Plan:
    """How a sparse derivative is computed.

    Attributes:
        pattern: where the entries are.
        mode: "forward", "reverse" or "symmetric".
        colors: the colour of every column, of every row in reverse mode.
        passes: how many derivatives along one direction are taken.
    """

    def __init__(
        self, program: Program, pattern: Pattern, mode: str, colors: Colors, used: Sequence[NDArray[Any]] = ()
    ) -> None:
        self.program = program
        self.pattern = pattern
        self.mode = mode
        self.colors = colors
        self.passes = int(colors.max(initial=-1)) + 1 if pattern.nse else 0
        rows, columns = pattern.rows, pattern.columns
        if mode == "symmetric":
            swap = mirrored(pattern, colors)
            rows, columns = np.where(swap, columns, rows), np.where(swap, rows, columns)
        if mode == "reverse":
            rows, columns = columns, rows
        self.entry_colors: Colors = colors[columns]
        self.entry_places: NDArray[np.int64] = rows
        self.checked = False
        self._together: tuple[tuple[Array, ...], NDArray[np.int64]] | None = None  # what all passes at once are given
        self._used = [(array, array.copy()) for array in used]
        self.compressed = jit(self._compressed)

    def __repr__(self) -> str:
        return f"Plan(pattern={self.pattern}, mode={self.mode!r}, passes={self.passes})"

    @property
    def current(self) -> bool:
        """Whether the arrays that the pattern depends on are what they were when it was found."""
        return all(np.array_equal(now, then, equal_nan=now.dtype.kind in "fc") for now, then in self._used)

    @property
    def directions(self) -> tuple[list[ShapedArray], int]:
        """The types of what a pass is given, and the length of what it gives."""
        program = self.program
        return (program.outputs, program.shape[1]) if self.mode == "reverse" else (program.inputs, program.shape[0])

    def entries(self, leaves: Sequence[Array], chunk_size: int | None) -> Array:
        """The values of all entries."""
        given, length = self.directions
        if not self.passes:
            return np.zeros(0, np.result_type(*[a.dtype for a in self.program.outputs] or [np.dtype(np.float64)]))
        step = chunk_size or max(1, _ELEMENTS // max(sum(a.size for a in given), length, 1))
        if self.passes <= step:
            if self._together is None:
                position = self.entry_colors * length + self.entry_places
                self._together = self._seeds(given, 0, self.passes), position
            return self.compressed(tuple(leaves), *self._together)
        parts, order = [], []
        for low in range(0, self.passes, step):
            high = min(low + step, self.passes)
            here = np.flatnonzero((self.entry_colors >= low) & (self.entry_colors < high))
            position = (self.entry_colors[here] - low) * length + self.entry_places[here]
            parts.append(self.compressed(tuple(leaves), self._seeds(given, low, high), position))
            order.append(here)
        return fnp.take(fnp.concatenate(parts), np.argsort(np.concatenate(order), kind="stable"))

    def _seeds(self, avals: Sequence[ShapedArray], low: int, high: int) -> tuple[Array, ...]:
        """For each colour the sum of the unit directions that have it."""
        seeds, offset = [], 0
        for aval in avals:
            mine = self.colors[offset : offset + aval.size]
            seed = np.equal(mine, np.arange(low, high)[:, None]).astype(aval.dtype)
            seeds.append(seed.reshape(high - low, *aval.shape))
            offset += aval.size
        return tuple(seeds)

    def _compressed(self, leaves: Sequence[Array], seeds: Sequence[Array], position: Array) -> Array:
        """The sums of columns (rows) of one colour, at some positions."""
        run = self.program.pull if self.mode == "reverse" else self.program.push
        outs = vmap(lambda directions: run(leaves, directions))(tuple(seeds))
        count = seeds[0].shape[0]
        rows = [fnp.reshape(y, (count, int(np.prod(fnp.shape(y)[1:])))) for y in outs]
        return fnp.take(fnp.reshape(fnp.concatenate(rows, 1), (-1,)), position)


def choose_mode(pattern: Pattern, mode: str) -> tuple[str, Colors]:
    """The mode that takes fewer passes, and its colouring."""
    if mode == "forward":
        return mode, color_columns(pattern)
    flipped = pattern.T
    if mode == "reverse":
        return mode, color_columns(flipped)
    by_columns, by_rows = lower_bound(pattern), lower_bound(flipped)
    if by_columns <= by_rows:
        colors = color_columns(pattern)
        if colors.max(initial=0) + 1 <= max(by_rows, 1):
            return "forward", colors
        other = color_columns(flipped)
        return ("reverse", other) if other.max(initial=0) < colors.max(initial=0) else ("forward", colors)
    other = color_columns(flipped)
    if other.max(initial=0) + 1 < by_columns:
        return "reverse", other
    colors = color_columns(pattern)
    return ("reverse", other) if other.max(initial=0) < colors.max(initial=0) else ("forward", colors)
