"""Sets of input elements, by number: equal sets have one number, so that an array of sets is an array of integers."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["EMPTY", "Ids", "Sets", "ascending"]

Ids: TypeAlias = NDArray[np.int64]
"""An array of numbers of sets."""

EMPTY = 0

_LARGEST = 1 << 25
"""Unions of more elements than this, in one step, are not computed: they are taken to be everything."""


class Sets:
    """Subsets of {0, …, count−1}: number 0 is the empty one, number i + 1 is {i}, `full` is everything.

    The elements of all sets lie one behind the other in one array, ascending in each set.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.full = count + 1 if count > 1 else count
        element = np.int32 if count < 2**31 else np.int64
        everything = np.arange(count, dtype=element)
        singles = np.arange(count, dtype=np.int64)
        more = count > 1
        self._elements = np.concatenate([everything, everything]) if more else everything
        self._starts = np.concatenate([[0], singles, [count] if more else []]).astype(np.int64)
        self._lengths = np.concatenate([[0], np.ones(count), [count] if more else []]).astype(np.int64)
        self._keys = _mixed(count)
        self._hashes = np.zeros(0, np.uint64)  # of the sets of several elements, ascending
        self._hashed = np.zeros(0, np.int64)  # the numbers of these

    def lengths(self, ids: Ids) -> NDArray[np.int64]:
        """How many elements each of some sets has."""
        return self._lengths[ids]

    def elements(self, ids: Ids) -> NDArray[Any]:
        """The elements of some sets, one behind the other."""
        return self._elements[_spread(self._starts[ids], self._lengths[ids])]

    def either(self, a: Ids, b: Ids) -> Ids:
        """The unions of two arrays of sets, element by element."""
        a, b = np.broadcast_arrays(a, b)
        out = np.where(a == EMPTY, b, a)
        open_ = (a != b) & (a != EMPTY) & (b != EMPTY)
        if open_.any():
            low, high = np.minimum(a[open_], b[open_]), np.maximum(a[open_], b[open_])
            size = len(self._lengths)
            pairs, inverse = np.unique(low * size + high, return_inverse=True)
            groups = np.repeat(np.arange(len(pairs)), 2)
            ids = np.stack([pairs // size, pairs % size], 1).reshape(-1)
            out[open_] = self.union(groups, ids, len(pairs))[inverse]
        return out

    def over(self, ids: Ids, axes: tuple[int, ...]) -> Ids:
        """The unions over some axes, which are dropped."""
        kept = [n for axis, n in enumerate(ids.shape) if axis not in axes]
        moved = np.moveaxis(ids, axes, range(-len(axes), 0)) if axes else ids
        count = int(np.prod(kept))
        rows = moved.reshape(count, -1) if count else np.zeros((0, 0), np.int64)
        if rows.shape[1] == 1:
            return rows.reshape(kept)
        groups = np.repeat(np.arange(count), rows.shape[1])
        return self.union(groups, rows.reshape(-1), count).reshape(kept)

    def union(self, groups: NDArray[np.int64], ids: Ids, count: int) -> Ids:
        """The unions over groups: of all sets `ids[k]` with `groups[k] == g`, for g from 0 to `count`."""
        out = np.full(count, EMPTY, np.int64)
        out[groups[ids == self.full]] = self.full
        keep = (ids != EMPTY) & (out[groups] != self.full)
        size = len(self._lengths)
        pairs = ascending(groups[keep] * size + ids[keep])
        groups, ids = pairs // size, pairs % size
        members = np.bincount(groups, minlength=count)
        alone = members[groups] == 1
        out[groups[alone]] = ids[alone]
        groups, ids = groups[~alone], ids[~alone]
        if not len(ids):
            return out
        lengths = self._lengths[ids]
        if int(lengths.sum()) > _LARGEST:
            out[groups] = self.full
            return out
        pairs = ascending(np.repeat(groups, lengths) * self.count + self.elements(ids))
        owner = pairs // self.count
        joined = np.flatnonzero(members > 1)
        out[joined] = self._numbers(pairs - owner * self.count, np.bincount(owner, minlength=count)[joined])
        return out

    def _numbers(self, elements: NDArray[np.int64], lengths: NDArray[np.int64]) -> Ids:
        """The numbers of sets, each of at least two elements, given one behind the other; new ones are added."""
        starts = np.cumsum(lengths) - lengths
        hashes = np.add.reduceat(self._keys[elements], starts)
        distinct, first, which = np.unique(hashes, return_index=True, return_inverse=True)
        place = np.searchsorted(self._hashes, distinct)
        known = np.zeros(len(distinct), np.bool_)
        inside = place < len(self._hashes)
        known[inside] = self._hashes[place[inside]] == distinct[inside]
        ids = np.empty(len(distinct), np.int64)
        ids[known] = self._hashed[place[known]]
        added = first[~known]
        ids[~known] = self._add(elements[_spread(starts[added], lengths[added])], lengths[added])
        self._hashes = np.insert(self._hashes, place[~known], distinct[~known])
        self._hashed = np.insert(self._hashed, place[~known], ids[~known])
        out = ids[which]
        wrong = self._differing(out, elements, lengths)
        if wrong.any():  # two sets with one hash
            spread = _spread(starts[wrong], lengths[wrong])
            out[wrong] = self._add(elements[spread], lengths[wrong])
        out[lengths == self.count] = self.full
        return out

    def _add(self, elements: NDArray[np.int64], lengths: NDArray[np.int64]) -> Ids:
        start, number = len(self._elements), len(self._lengths)
        self._starts = np.concatenate([self._starts, start + np.cumsum(lengths) - lengths])
        self._lengths = np.concatenate([self._lengths, lengths])
        self._elements = np.concatenate([self._elements, elements.astype(self._elements.dtype)])
        return np.arange(number, number + len(lengths))

    def _differing(self, ids: Ids, elements: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the numbers do not stand for the sets that they were given to."""
        wrong: NDArray[np.bool_] = self._lengths[ids] != lengths
        same = ~wrong
        starts = np.cumsum(lengths) - lengths
        if not same.any():
            return wrong
        mine = elements[_spread(starts[same], lengths[same])]
        bounds = np.cumsum(lengths[same]) - lengths[same]
        wrong[same] = np.logical_or.reduceat(mine != self.elements(ids[same]), bounds)
        return wrong


def _spread(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions of ranges, one behind the other."""
    total = int(lengths.sum())
    if total == len(starts) and (lengths == 1).all():
        return starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(total)


def ascending(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each number once, ascending. They come nearly in order: that is much faster than hashing them."""
    numbers = np.sort(numbers, kind="stable")
    return numbers[np.append(True, numbers[1:] != numbers[:-1])] if len(numbers) else numbers


def _mixed(count: int) -> NDArray[np.uint64]:
    """Numbers without pattern, one for each element: the sum of those of its elements tells a set from others.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014), the finalizer.
    """
    z = (np.arange(1, count + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
