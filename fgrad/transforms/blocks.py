"""Blocks: what is not zero of an array over all unit directions.

Along unit directions most of what a program computes is zero: a direction of one array leaves the others alone, and an
element meets the one direction that is its own. A block holds the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, Entry, Key, slice_entry
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.joining import concatenate
from fgrad.primitives.scattering import scatter_add
from fgrad.primitives.shape import broadcast_to, reshape, transpose

__all__ = [
    "Block",
    "boxed",
    "cut_axis",
    "dense",
    "free",
    "is_plain",
    "meet",
    "ordered",
    "place_of",
    "sides",
    "total",
    "unit_blocks",
    "united",
    "weighed",
]


class Block(NamedTuple):
    """Values for some directions in a row, and for a box of the positions of an array; all others are zero.

    Attributes:
        low: the number of the first direction.
        counts: how many directions there are, along several axes.
        along: for each of these axes, the axis of the array along which its number is the position (counted from the
            beginning of the box; the block is diagonal in both, and `x` has only the latter), or `None`.
        starts: where the box begins, along each axis of the array.
        x: the values: along axes of directions that are not diagonal, then along those of the box.
        weights: what they are still to be multiplied with, for every position of the box; `x` has then length 1 along
            some of its axes. `None`: nothing.
    """

    low: int
    counts: tuple[int, ...]
    along: tuple[int | None, ...]
    starts: tuple[int, ...]
    x: Array
    weights: Array = None

    @property
    def size(self) -> int:
        """How many directions there are."""
        return math.prod(self.counts)


def unit_blocks(offset: int, aval: ShapedArray) -> tuple[Block, ...]:
    """The unit directions of an array, of which the first has the number `offset`."""
    shape = aval.shape
    if not aval.size:
        return ()
    ones = broadcast_to(aval.dtype.type(1), shape=shape)
    return (Block(offset, shape, tuple(range(len(shape))), (0,) * len(shape), ones),)


def free(block: Block) -> int:
    """How many axes of directions the values have."""
    return block.along.count(None)


def sides(block: Block) -> tuple[int, ...]:
    """The lengths of the box."""
    lengths = shape_of(block.x)[free(block) :]
    if block.weights is None:
        return lengths
    return tuple([max(m, n) for m, n in zip(lengths, shape_of(block.weights), strict=True)])


def weighed(block: Block) -> Block:
    """The same block without weights that wait."""
    return block if block.weights is None else block._replace(x=block.x * block.weights, weights=None)


def place_of(block: Block) -> tuple[Any, ...]:
    """Where a block is: blocks with the same place can be added number by number."""
    return *block[:-2], shape_of(block.x), id(block.weights)


def meet(x: Block, y: Block) -> bool:
    """Whether two blocks may have an element in common."""
    if x.low >= y.low + y.size or y.low >= x.low + x.size:
        return False
    for a, m, b, n in zip(x.starts, sides(x), y.starts, sides(y), strict=True):
        if a >= b + n or b >= a + m:
            return False
    if len(x.along) == 1 and x.along == y.along and x.along[0] is not None:  # parallel diagonals
        axis = x.along[0]
        return x.low - x.starts[axis] == y.low - y.starts[axis]
    return True


def united(x: Block, y: Block) -> Block | None:
    """The sum of two blocks on one diagonal, as one block; `None` for others."""
    axis = x.along[0] if len(x.along) == 1 and x.along == y.along else None
    if axis is None or x.low - x.starts[axis] != y.low - y.starts[axis]:
        return None
    if any(sides(x)[i] != sides(y)[i] or x.starts[i] != y.starts[i] for i in range(len(x.starts)) if i != axis):
        return None
    low, high = min(x.low, y.low), max(x.low + x.size, y.low + y.size)
    shape = list(sides(x))
    shape[axis] = high - low
    starts = list(x.starts)
    starts[axis] += low - x.low
    keys = []
    for block in (x, y):
        box = zip(block.starts, starts, sides(block), shape, strict=True)
        keys.append(tuple([slice_entry(slice(a - b, a - b + n), m) for a, b, n, m in box]))
    out = place(x.x, key=keys[0], unique=True, shape=tuple(shape))
    out = scatter_add(out, y.x, key=keys[1], unique=True)
    return Block(low, (high - low,), x.along, tuple(starts), out)


def cut_axis(x: Array, axis: int, start: int, stop: int) -> Array:
    """Some positions of an axis."""
    shape = shape_of(x)
    if (start, stop) == (0, shape[axis]):
        return x
    key: list[Entry] = [FULL] * len(shape)
    key[axis] = slice_entry(slice(start, stop), shape[axis])
    return gather(x, key=tuple(key), unique=True)


def boxed(w: Array, block: Block, axes: Sequence[tuple[int, int]]) -> Array:
    """The part of an array that meets a box, for pairs of axes of the array and of the box."""
    lengths = sides(block)
    for mine, axis in axes:
        w = cut_axis(w, mine, block.starts[axis], block.starts[axis] + lengths[axis])
    return w


def dense(block: Block, at: int | None = None) -> Block:
    """The same block with one axis of directions and nothing diagonal.

    Args:
        block: any.
        at: the axis that must not be diagonal; nothing is done if none is. `None`: whichever.
    """
    if at is not None and at not in block.along:
        return block
    if is_plain(block):
        if len(block.counts) == 1:
            return block
        x = reshape(block.x, shape=(block.size, *sides(block)))
    else:
        here = block._replace(low=0, starts=(0,) * len(block.starts))
        v, key, arrays = _address(here, (block.size, *sides(block)))
        x = place(v, *arrays, key=key, unique=True, shape=(block.size, *sides(block)))
    return Block(block.low, (block.size,), (None,), block.starts, x)


def total(blocks: Sequence[Block], size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The array over all directions, with their axis in front."""
    whole = (size, *shape)
    blocks = sorted(map(weighed, blocks), key=_by_size)
    out, rest = _joined(blocks, size, shape)
    for block in rest:
        v, key, arrays = _address(block, whole)
        if out is None:
            out = place(v, *arrays, key=key, unique=True, shape=whole)
        else:
            out = scatter_add(out, v, *arrays, key=key, unique=True)
    return np.zeros(whole, dtype) if out is None else out


def _by_size(block: Block) -> tuple[bool, int]:
    """Large blocks go first, the small ones are added to them: those at slices before those at single positions."""
    return free(block) < len(block.along), -aval_of(block.x).size


def _joined(blocks: Sequence[Block], size: int, shape: tuple[int, ...]) -> tuple[Array, list[Block]]:
    """The array, as far as some blocks fill it that stand side by side, and the others; `None` where none do."""
    boxes = [(block, (block.low, *block.starts), (block.size, *sides(block))) for block in blocks if is_plain(block)]
    whole = (size, *shape)
    for axis in range(len(whole)):
        across = [
            (starts[axis], lengths[axis], block)
            for block, starts, lengths in boxes
            if all(n == whole[i] for i, n in enumerate(lengths) if i != axis)
        ]
        chosen, end = [], 0
        for start, length, block in sorted(across, key=lambda entry: entry[:2]):
            if start == end and length:
                chosen.append(block)
                end += length
        if end == whole[axis] and chosen:
            parts = [dense(block).x for block in chosen]
            out = parts[0] if len(parts) == 1 else concatenate(*parts, axis=axis)
            return out, [block for block in blocks if not any(block is other for other in chosen)]
    return None, list(blocks)


def is_plain(block: Block) -> bool:
    """Whether it is diagonal nowhere."""
    return block.along.count(None) == len(block.along)


def _address(block: Block, shape: tuple[int, ...]) -> tuple[Array, Key, list[Array]]:
    """The values of a block as they are read at an index of the array over all directions, and that index."""
    box = [
        slice_entry(slice(start, start + n), whole)
        for start, n, whole in zip(block.starts, sides(block), shape[1:], strict=True)
    ]
    if is_plain(block):
        rows = slice_entry(slice(block.low, block.low + block.size), shape[0])
        return dense(block).x, (rows, *box), []
    rank, before = len(block.counts), free(block)
    numbers = np.arange(block.low, block.low + block.size).reshape(block.counts)
    positions: dict[int, Array] = {}
    order, i = [], 0
    for j, axis in enumerate(block.along):
        if axis is None:
            order.append(i)
            i += 1
        else:
            count = block.counts[j]
            begin = block.starts[axis]
            along = [1] * rank
            along[j] = count
            positions[axis] = np.arange(begin, begin + count).reshape(along)
            order.append(before + axis)
    order += [before + axis for axis in range(len(box)) if axis not in positions]
    key = (ARRAY, *[ARRAY if axis in positions else entry for axis, entry in enumerate(box)])
    return ordered(block.x, order), key, [numbers, *[positions[axis] for axis in sorted(positions)]]


def ordered(x: Array, order: Sequence[int]) -> Array:
    """Axes in another order."""
    return x if list(order) == list(range(len(order))) else transpose(x, axes=tuple(order))
