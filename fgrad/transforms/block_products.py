"""Products of blocks (see `blocks.py`) with arrays that are the same along all directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Primitive
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import reshape
from fgrad.transforms.blocks import Block, boxed, free, is_plain, ordered, sides, weighed

__all__ = ["product"]

Pairs = Sequence[tuple[int, int]]
"""Contracted axes: of the array, and of the box."""


def product(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    """The rule of `dot_general`."""
    contract, batch = params["dimension_numbers"]
    at = 0 if type(operands[0]) is tuple else 1
    if batch[0] or type(operands[1 - at]) is tuple:
        return None
    w, pairs = operands[1 - at], list(zip(contract[1 - at], contract[at], strict=True))
    return [_times(block, w, pairs, at == 1) for block in operands[at]]


def _times(block: Block, w: Array, pairs: Pairs, behind: bool) -> Block:
    """One block times an array, or, where it stands `behind`, an array times the block."""
    w = boxed(w, block, pairs)
    if is_plain(block) and block.along:
        if not pairs and block.weights is None and shape_of(w):
            return _outer(block, w, behind)
        if pairs and block.weights is not None and _may_wait(block, w, pairs):
            return _weighted(block, w, pairs, behind)
    return _contracted(weighed(block), w, pairs, behind)


def _outer(block: Block, w: Array, behind: bool) -> Block:
    """An outer product, which may wait for a product that sums over its axes."""
    before, shape, lengths = free(block), shape_of(block.x), shape_of(w)
    mine, theirs = (1,) * len(block.starts), (1,) * len(lengths)
    zeros = (0,) * len(lengths)
    box = (*theirs, *shape[before:]) if behind else (*shape[before:], *theirs)
    return block._replace(
        starts=zeros + block.starts if behind else block.starts + zeros,
        x=reshape(block.x, shape=(*shape[:before], *box)),
        weights=reshape(w, shape=lengths + mine if behind else mine + lengths),
    )


def _may_wait(block: Block, w: Array, pairs: Pairs) -> bool:
    """Whether weights can be multiplied with the other factor, and that has no more elements than the block."""
    lengths, own, given = sides(block), shape_of(block.x)[free(block) :], shape_of(block.weights)
    met = {axis for _, axis in pairs}
    moved = [axis for axis, n in enumerate(given) if n != 1 and axis not in met]
    if any(own[axis] != lengths[axis] for axis in met) or any(own[axis] != 1 for axis in moved):
        return False
    return math.prod(shape_of(w)) * math.prod([given[axis] for axis in moved]) <= block.size * math.prod(lengths)


def _weighted(block: Block, w: Array, pairs: Pairs, behind: bool) -> Block:
    """A product in which the weights are multiplied with the other factor: Σ x·v·w as Σ x·(v·w)."""
    before, given = free(block), shape_of(block.weights)
    theirs, inner = [i for i, _ in pairs], [axis for _, axis in pairs]
    kept = [axis for axis in range(len(given)) if axis not in inner]
    mine = [axis for axis in kept if given[axis] == 1]
    moved = [axis for axis in kept if given[axis] != 1]
    others = [i for i in range(len(shape_of(w))) if i not in theirs]
    v = ordered(block.weights, [*inner, *moved, *mine])
    v = reshape(v, shape=(*shape_of(v)[: len(inner) + len(moved)], *(1,) * len(others)))
    w = ordered(w, [*theirs, *others])
    w = reshape(w, shape=(*shape_of(w)[: len(inner)], *(1,) * len(moved), *shape_of(w)[len(inner) :]))
    first = before + len(mine)
    x = ordered(block.x, [*range(before), *[before + axis for axis in (*mine, *inner, *moved)]])
    x = reshape(x, shape=shape_of(x)[: first + len(inner)])
    numbers = (tuple(range(first, first + len(inner))), tuple(range(len(inner)))), ((), ())
    x = dot_general(x, v * w, dimension_numbers=numbers)
    found = (*mine, *moved)
    order = [*range(before), *[before + found.index(axis) for axis in kept]]
    return _result(block, x, order, kept, len(others), behind)


def _contracted(block: Block, w: Array, pairs: Pairs, behind: bool) -> Block:
    """A product without weights; a contracted axis along which the block is diagonal becomes one of directions."""
    before, met = free(block), {axis: mine for mine, axis in pairs}
    diagonal = [axis for axis in met if axis in block.along]
    inner = [axis for axis in met if axis not in block.along]
    kept = [axis for axis in range(len(block.starts)) if axis not in met]
    others = [i for i in range(len(shape_of(w))) if i not in met.values()]
    n = len(diagonal)
    if inner or not diagonal:
        numbers = (
            (tuple([before + a for a in inner]), tuple([met[a] for a in inner])),
            (tuple([before + a for a in diagonal]), tuple([met[a] for a in diagonal])),
        )
        x = dot_general(block.x, w, dimension_numbers=numbers)
    else:  # nothing is summed
        x = ordered(block.x, [*[before + a for a in diagonal], *range(before), *[before + a for a in kept]])
        x = reshape(x, shape=(*shape_of(x), *(1,) * len(others)))
        w = ordered(w, [*[met[a] for a in diagonal], *others])
        x = x * reshape(w, shape=(*shape_of(w)[:n], *(1,) * (before + len(kept)), *shape_of(w)[n:]))
    # Its axes: the diagonal ones, those of directions, the box's, those of w.
    free_axes = iter(range(n, n + before))
    order = []
    for axis in block.along:
        if axis is None:
            order.append(next(free_axes))
        elif axis in met:
            order.append(diagonal.index(axis))
    return _result(block, x, [*order, *range(n + before, n + before + len(kept))], kept, len(others), behind)


def _result(block: Block, x: Array, order: list[int], kept: list[int], others: int, behind: bool) -> Block:
    """The block of a product.

    Args:
        block: the factor.
        x: the product.
        order: which of its axes are those of directions, in order, then which are the kept ones of the box.
        kept: the axes of the box that are kept.
        others: how many axes there are from the other factor; the last ones of `x`.
        behind: whether these stand in front of those of the box.
    """
    end = len(order) - len(kept)
    theirs = [*range(len(order), len(order) + others)]
    shift = others if behind else 0
    starts, zeros = tuple([block.starts[axis] for axis in kept]), (0,) * others
    return block._replace(
        along=tuple([kept.index(axis) + shift if axis in kept else None for axis in block.along]),
        starts=zeros + starts if behind else starts + zeros,
        x=ordered(x, order[:end] + (theirs + order[end:] if behind else order[end:] + theirs)),
        weights=None,
    )
