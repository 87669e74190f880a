"""Colourings: which columns (rows, for a reverse pass) of a sparse matrix can be computed in one pass.

Columns that share no row can: their sum still shows every entry. A symmetric matrix needs fewer passes, since an entry
may be read from its own column or from its mirror image.

Source: Curtis, Powell and Reid, "On the estimation of sparse Jacobian matrices" (1974); Coleman and Moré, "Estimation
of sparse Jacobian matrices and graph coloring problems" (1983); Gebremedhin, Manne and Pothen, "What color is your
Jacobian?" (2005).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fgrad.errors import ArgumentError, message
from fgrad.sparse.matrix import Pattern
from fgrad.sparse.sets import ascending
from fgrad.tree.table import describe

__all__ = ["Colors", "as_colors", "color_columns", "color_symmetric", "lower_bound", "mirrored"]

Colors = NDArray[np.int64]
"""One colour, from 0 on, for each column."""


_TRIES = 4
"""So many numbers of colours in turn are tried beyond the least one: grids often need one or two more."""


_PAIRS = 1 << 21
"""Orders that look at all pairs of columns with a common row are made for so many pairs at most."""


def lower_bound(pattern: Pattern) -> int:
    """As many colours as the fullest row has entries are needed."""
    return int(np.bincount(pattern.rows).max()) if pattern.nse else 0


def color_columns(pattern: Pattern) -> Colors:
    """Colours such that no two columns of one colour have an entry in the same row.

    Tries what is best for banded matrices, colours in turn; then greedy colourings with the columns in several orders.
    It stops where the lower bound is met.
    """
    count, least = pattern.shape[1], lower_bound(pattern)
    if least == 0:
        return np.zeros(count, np.int64)
    in_turn = np.arange(count) % least
    if least >= count or _clash(pattern, in_turn) is None:
        return in_turn
    best = _greedy(pattern, range(count))
    for number in range(least + 1, min(int(best.max()), least + _TRIES) + 1):
        if _clash(pattern, np.arange(count) % number) is None:
            best = np.arange(count) % number
            break
    for order in _orders(pattern):
        if best.max() + 1 == least:
            break
        best = min(best, _greedy(pattern, order), key=np.max)
    return best


def _orders(pattern: Pattern) -> Iterator[list[int]]:
    """Orders of the columns in which greedy colourings are often good.

    In front are those that share rows with most others ("largest first"), with most of those in front of them
    ("incidence degree"), or with more of those in front than of those behind ("smallest last").
    """
    crowd = np.bincount(pattern.rows, minlength=pattern.shape[0])
    sharing = np.bincount(pattern.columns, weights=crowd[pattern.rows], minlength=pattern.shape[1]).astype(np.int64)
    yield np.argsort(-sharing, kind="stable").tolist()
    if int((crowd**2).sum()) <= _PAIRS:
        yield _by_degree(pattern, np.full(len(sharing), sharing.max(initial=0)))
        yield _by_degree(pattern, sharing)[::-1]


def _by_degree(pattern: Pattern, degrees: NDArray[np.int64]) -> list[int]:
    """Takes a column of the least degree again and again; the degrees of those that share rows with it fall by one."""
    by_column = _neighbours(pattern.columns, pattern.rows, pattern.shape[1])
    by_row = _neighbours(pattern.rows, pattern.columns, pattern.shape[0])
    degree: list[int] = degrees.tolist()
    left: list[set[int]] = [set() for _ in range(int(degrees.max(initial=0)) + 1)]
    for column, number in enumerate(degree):
        left[number].add(column)
    order: list[int] = []
    least = 0
    for _ in degree:
        while not left[least]:
            least += 1
        taken = left[least].pop()
        degree[taken] = -1
        order.append(taken)
        for row in by_column[taken]:
            for other in by_row[row]:
                number = degree[other]
                if number > 0:
                    left[number].discard(other)
                    left[number - 1].add(other)
                    degree[other] = number - 1
                    least = min(least, number - 1)
    return order


def _greedy(pattern: Pattern, order: Iterable[int]) -> Colors:
    """Gives every column the first colour that its rows have not seen; these are kept as bits of one integer a row."""
    by_column = _neighbours(pattern.columns, pattern.rows, pattern.shape[1])
    seen = [0] * pattern.shape[0]
    colors = [0] * pattern.shape[1]
    for column in order:
        rows = by_column[column]
        taken = 0
        for row in rows:
            taken |= seen[row]
        bit = ~taken & (taken + 1)
        for row in rows:
            seen[row] |= bit
        colors[column] = bit.bit_length() - 1
    return np.array(colors, np.int64)


def color_symmetric(pattern: Pattern) -> Colors:
    """Colours of a symmetric pattern such that each entry can be read from its column or from its mirror image.

    It is a star colouring: neighbours differ, and every path of four has three colours. Found greedily: of two vertices
    with a common neighbour, both may have the same colour only where that of the neighbour is lower. A colouring of the
    columns will do as well where it has fewer colours.
    """
    count = pattern.shape[1]
    columns = color_columns(pattern)
    neighbours = _neighbours(pattern.columns, pattern.rows, count)
    degrees = np.bincount(pattern.columns, minlength=count)
    best = _star(neighbours, np.argsort(-degrees, kind="stable").tolist())
    for order in chain((range(count),), _orders(pattern)):
        if best.max(initial=0) <= 2:  # two colours are enough for stars alone, which the first order finds
            break
        best = min(best, _star(neighbours, order), key=np.max)
    return best if best.max(initial=0) <= columns.max(initial=0) else columns


def _star(neighbours: list[list[int]], order: Iterable[int]) -> Colors:
    around = [0] * len(neighbours)  # the colours of the neighbours, as bits
    own = [0] * len(neighbours)  # the colour, as a bit; 0 while there is none
    for vertex in order:
        taken = 0
        for other in neighbours[vertex]:
            bit = own[other]
            taken |= bit | (around[other] & (bit - 1)) if bit else around[other]
        bit = ~taken & (taken + 1)
        own[vertex] = bit
        for other in neighbours[vertex]:
            if other != vertex:
                around[other] |= bit
    return np.array([bit.bit_length() - 1 for bit in own], np.int64)


def mirrored(pattern: Pattern, colors: Colors) -> NDArray[np.bool_]:
    """Which entries of a symmetric pattern cannot be read from their own column, but from their mirror image's.

    Raises:
        ArgumentError: some entry can be read from neither.
    """
    count = int(colors.max(initial=-1)) + 1
    rows, columns = pattern.rows, pattern.columns
    keys = rows * count + colors[columns]
    alone = _once(keys)
    image = _once_at(keys, columns * count + colors[rows])
    if not (alone | image).all():
        row, column = pattern.indices[int(np.argmin(alone | image))].tolist()
        what = f"coloring of sparse_hessian hides entry ({row}, {column}): another entry of its row has its colour,"
        what += " and so it is with its mirror image."
        raise ArgumentError(message(what, cure="Leave coloring out, or give a star colouring."))
    return ~alone


def _once(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which numbers come once."""
    return _once_at(keys, keys)


def _once_at(keys: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the numbers asked for come exactly once among the keys."""
    known = np.sort(keys, kind="stable")
    found: NDArray[np.bool_] = np.searchsorted(known, asked, "right") - np.searchsorted(known, asked, "left") == 1
    return found


def as_colors(given: Any, pattern: Pattern, verb: str, symmetric: bool) -> Colors:
    """The colouring that the user gave.

    Raises:
        ArgumentError: it is no colour per column, or two columns of one colour have an entry in the same row.
    """
    colors = np.asarray(given)
    count = pattern.shape[1]
    if colors.shape != (count,) or colors.dtype.kind not in "iu" or colors.min(initial=0) < 0:
        what = f"coloring of {verb} must be one integer from 0 on for each of {count} columns, got {describe(given)}."
        raise ArgumentError(message(what, cure="Leave it out: a colouring is found from the pattern."))
    colors = colors.astype(np.int64)
    clash = None if symmetric else _clash(pattern, colors)
    if clash is not None:
        first, second, row = clash
        what = f"coloring of {verb} gives columns {first} and {second} the same colour, but both have entries"
        raise ArgumentError(message(f"{what} in row {row}.", cure="Leave it out: one is found from the pattern."))
    return colors


def _clash(pattern: Pattern, colors: Colors) -> tuple[int, int, int] | None:
    """Two columns of one colour with an entry in the same row, and that row."""
    count = int(colors.max(initial=-1)) + 1
    keys = pattern.rows * count + colors[pattern.columns]
    if len(ascending(keys)) == len(keys):
        return None
    order = np.argsort(keys, kind="stable")
    twice = int(np.flatnonzero(keys[order][1:] == keys[order][:-1])[0])
    first, second = pattern.columns[order[twice]], pattern.columns[order[twice + 1]]
    return int(first), int(second), int(pattern.rows[order[twice]])


def _neighbours(of: NDArray[np.int64], to: NDArray[np.int64], count: int) -> list[list[int]]:
    """For each number from 0 to `count` what stands beside it."""
    order = np.argsort(of, kind="stable")
    ends = np.cumsum(np.bincount(of, minlength=count)).tolist()
    flat = to[order].tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
