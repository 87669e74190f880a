"""What becomes of blocks (see `blocks.py`) in linear operations.

A rule takes the primitive, its operands (a tuple of blocks, or an array that is the same along all directions), their
abstract values, that of the result, and the parameters. It returns the blocks of the result, or `None` where it does
not know them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from fgrad.core.aval import ShapedArray
from fgrad.core.primitive import Primitive
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import add, div, mul, neg, sub
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import Key
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.rounding import conj, imag, real
from fgrad.primitives.scattering import scatter_add
from fgrad.primitives.shape import broadcast_to, convert_element_type, copy, reduce_sum, reshape, transpose
from fgrad.transforms.block_products import product
from fgrad.transforms.blocks import (
    Block,
    boxed,
    cut_axis,
    dense,
    free,
    is_plain,
    meet,
    ordered,
    place_of,
    sides,
    united,
    weighed,
)

__all__ = ["BlockRule", "block_rules", "combined", "keep_weights"]

Blocks: TypeAlias = tuple[Block, ...]
BlockRule: TypeAlias = Callable[[Primitive, list[Any], list[ShapedArray], ShapedArray, dict[str, Any]], Any]


def combined(blocks: Sequence[Block]) -> list[Block]:
    """The same sum, in which no two blocks have the same place."""
    found: dict[Any, Block] = {}
    for block in blocks:
        if block.weights is None and is_plain(block):
            block = dense(block)
        place = place_of(block)
        found[place] = block._replace(x=found[place].x + block.x) if place in found else block
    return list(found.values())


def _widened(block: Block, old: tuple[int, ...], new: tuple[int, ...]) -> Block:
    """The block of an array with more axes in front; along those that will be broadcast nothing is diagonal."""
    extra = len(new) - len(old)
    for axis, n in enumerate(old):
        if n == 1 and new[axis + extra] != 1 and axis in block.along:
            block = dense(block)
    if not extra:
        return block
    before = free(block)
    shape = shape_of(block.x)
    x = reshape(block.x, shape=(*shape[:before], *(1,) * extra, *shape[before:]))
    along = tuple(None if axis is None else axis + extra for axis in block.along)
    return block._replace(along=along, starts=(0,) * extra + block.starts, x=x)


def _factor(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    """Products with an array, and quotients by one."""
    at = 0 if type(operands[0]) is tuple else 1
    blocks, w = operands[at], operands[1 - at]
    if type(w) is tuple or (at == 1 and primitive is div):
        return None
    old, rank, w_shape = avals[at].shape, len(out.shape), avals[1 - at].shape
    padded = (1,) * (rank - len(old)) + old
    skip = rank - len(w_shape)
    axes = [(i, i + skip) for i, n in enumerate(w_shape) if n != 1 and padded[i + skip] != 1]
    found = []
    for block in blocks:
        late = avals[at].dtype == out.dtype == avals[1 - at].dtype and is_plain(block)
        if block.weights is not None and (old != out.shape or not late):
            block = weighed(block)
        block = _widened(block, old, out.shape)
        part = boxed(w, block, axes)
        if block.weights is not None:
            block = block._replace(weights=primitive(block.weights, part))
        elif late and primitive is mul and math.prod(out.shape) > math.prod(old):
            block = block._replace(weights=reshape(part, shape=(*(1,) * skip, *shape_of(part))))
        else:
            x = primitive(part, block.x, **params) if at else primitive(block.x, part, **params)
            block = block._replace(x=x)
        found.append(block)
    return found


def _each(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    """What leaves zeros alone, element by element."""
    return [block._replace(x=primitive(block.x, **params)) for block in operands[0]]


def _broadcast(primitive: Primitive, operands: list[Any], avals: Any, out: ShapedArray, params: Any) -> Any:
    return [_stretched(block, avals[0].shape, out.shape) for block in operands[0]]


def _stretched(block: Block, old: tuple[int, ...], new: tuple[int, ...]) -> Block:
    if old == new:
        return block
    block = _widened(weighed(block), old, new)
    padded = (1,) * (len(new) - len(old)) + old
    lengths = [m if n == 1 else side for n, m, side in zip(padded, new, sides(block), strict=True)]
    shape = (*shape_of(block.x)[: free(block)], *lengths)
    return block if shape == shape_of(block.x) else block._replace(x=broadcast_to(block.x, shape=shape))


def _sum(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    """Sums and differences of what has one dtype."""
    if any(type(blocks) is not tuple or aval.dtype != out.dtype for blocks, aval in zip(operands, avals, strict=True)):
        return None
    first, second = [
        [_stretched(block, aval.shape, out.shape) for block in blocks]
        for blocks, aval in zip(operands, avals, strict=True)
    ]
    if primitive is sub:
        second = [block._replace(x=neg(block.x)) for block in second]
    return _added(first, second)


def _added(first: Sequence[Block], second: Sequence[Block]) -> list[Block] | None:
    """The blocks of both sums; `None` where some have elements in common, which may cancel: these are added at once.
    Only what waits for a product does not."""
    found = list(first)
    for y in second:
        met = [
            x for x in found if x.weights is None and y.weights is None and place_of(x) != place_of(y) and meet(x, y)
        ]
        if not met:
            found.append(y)
            continue
        both = united(met[0], y) if len(met) == 1 else None
        if both is None:
            return None
        found[[x is met[0] for x in found].index(True)] = both
    return found


def _transpose(primitive: Primitive, operands: list[Any], avals: Any, out: ShapedArray, params: Any) -> Any:
    axes = params["axes"]
    found = []
    for block in operands[0]:
        before = free(block)
        x = ordered(block.x, [*range(before), *[before + a for a in axes]])
        weights = None if block.weights is None else ordered(block.weights, axes)
        along = tuple(None if axis is None else axes.index(axis) for axis in block.along)
        starts = tuple(block.starts[a] for a in axes)
        found.append(block._replace(along=along, starts=starts, x=x, weights=weights))
    return found


def _summed(primitive: Primitive, operands: list[Any], avals: Any, out: ShapedArray, params: Any) -> Any:
    return [_over(block, params["axes"]) for block in operands[0]]


def _over(block: Block, axes: Sequence[int]) -> Block:
    """Sums over some axes; one along which the block is diagonal becomes one of directions."""
    before, kept = free(block), [a for a in range(len(block.starts)) if a not in axes]
    order = _of_directions(block, axes)
    rest = [before + a for a in axes if a not in block.along]
    x = ordered(block.x, [*order, *rest, *[before + a for a in kept]])
    if rest:
        x = reduce_sum(x, axes=tuple(range(len(order), len(order) + len(rest))))
    along = tuple(None if axis is None or axis in axes else kept.index(axis) for axis in block.along)
    return block._replace(along=along, starts=tuple(block.starts[a] for a in kept), x=x)


def _of_directions(block: Block, axes: Sequence[int]) -> list[int]:
    """The axes of the values that are axes of directions once nothing is diagonal along some axes."""
    before, order, i = free(block), [], 0
    for axis in block.along:
        if axis is None:
            order.append(i)
            i += 1
        elif axis in axes:
            order.append(before + axis)
    return order


def _reshape(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    groups = _groups(avals[0].shape, out.shape)
    return None if groups is None else [_regrouped(block, avals[0].shape, out.shape, groups) for block in operands[0]]


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[list[int], list[int]]] | None:
    """Which axes become which, without those of length one; `None` for empty arrays."""
    if 0 in old:
        return None
    left, right = [i for i, n in enumerate(old) if n != 1], [i for i, n in enumerate(new) if n != 1]
    groups = []
    while left:
        a, b = [left.pop(0)], [right.pop(0)]
        m, n = old[a[0]], new[b[0]]
        while m != n:
            if m < n:
                a.append(left.pop(0))
                m *= old[a[-1]]
            else:
                b.append(right.pop(0))
                n *= new[b[-1]]
        groups.append((a, b))
    return groups


def _regrouped(
    block: Block, old: tuple[int, ...], new: tuple[int, ...], groups: list[tuple[list[int], list[int]]]
) -> Block:
    """The block of an array in another shape. An axis that is split is so for the directions, too; where several become
    one, the block is the whole of them, and not diagonal."""
    for a, b in groups:
        if len(a) > 1 and any(axis in block.along for axis in a):
            block = dense(block)
        if len(a) > 1 or len(b) > 1:
            block = _full(block, a, old)
    starts, lengths = [0] * len(new), [1] * len(new)
    split: dict[int, list[int]] = {}
    for a, b in groups:
        split[a[0]] = b
        for axis in b:
            alone = len(a) == len(b) == 1
            starts[axis] = block.starts[a[0]] if alone else 0
            lengths[axis] = sides(block)[a[0]] if alone else new[axis]
    counts: list[int] = []
    along: list[int | None] = []
    for count, at in zip(block.counts, block.along, strict=True):
        # What is not split has length one, and so has its axis of directions.
        parts: Sequence[int | None] = [None] if at is None else split.get(at, [])
        along += parts
        counts += [count] if len(parts) == 1 else [lengths[p] for p in parts if p is not None]
    shape = (*shape_of(block.x)[: free(block)], *lengths)
    x = block.x if shape == shape_of(block.x) else reshape(block.x, shape=shape)
    return Block(block.low, tuple(counts), tuple(along), tuple(starts), x)


def _full(block: Block, axes: Sequence[int], shape: tuple[int, ...]) -> Block:
    """The block with some axes of the box as long as those of the array."""
    lengths = sides(block)
    if all(lengths[a] == shape[a] for a in axes):
        return block
    block = dense(block)
    wanted = tuple(shape[a] if a in axes else n for a, n in enumerate(lengths))
    key: Key = tuple(
        ("slice", s, s + n, None) if a in axes else ("slice", None, None, None)
        for a, (s, n) in enumerate(zip(block.starts, lengths, strict=True))
    )
    before = shape_of(block.x)[: free(block)]
    full = (("slice", None, None, None),) * len(before)
    x = place(block.x, key=(*full, *key), unique=True, shape=(*before, *wanted))
    return block._replace(starts=tuple(0 if a in axes else s for a, s in enumerate(block.starts)), x=x)


def _gather(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    plan = _plain_key(params["key"], avals[0].shape) if len(operands) == 1 else None
    if plan is None:
        return None
    found = [_taken(block, plan) for block in operands[0]]
    return [block for block in found if block is not None]


def _plain_key(key: Key, shape: tuple[int, ...]) -> list[tuple[int, int, bool] | None] | None:
    """For each entry of a key the positions from, to, and whether the axis stays; `None` for new axes. `None` for keys
    of another kind."""
    plan: list[tuple[int, int, bool] | None] = []
    axis = 0
    for entry in key:
        if entry is None:
            plan.append(None)
            continue
        if type(entry) is int:
            plan.append((entry, entry + 1, False))
        elif type(entry) is tuple and entry[3] is None:
            start, stop, _ = slice(*entry[1:]).indices(shape[axis])
            plan.append((start, stop, True))
        else:
            return None
        axis += 1
    return plan


def _taken(block: Block, plan: list[tuple[int, int, bool] | None]) -> Block | None:
    """A block at a key; `None` if it has nothing there."""
    for axis, (start, stop, stays) in enumerate([p for p in plan if p is not None]):
        first = block.starts[axis]
        low, high = max(start, first), min(stop, first + sides(block)[axis])
        if low >= high:
            return None
        block = _cut(block, axis, low - first, high - first)
        starts = list(block.starts)
        starts[axis] = low - start
        block = block._replace(starts=tuple(starts))
        if not stays and axis in block.along:
            block = dense(block, axis)
    lengths, before = sides(block), free(block)
    numbers = iter(range(len(lengths)))
    kept: list[int | None] = []
    for p in plan:
        number = None if p is None else next(numbers)
        if p is None or p[2]:
            kept.append(number)
    along = tuple(None if a is None else kept.index(a) for a in block.along)
    starts = [0 if a is None else block.starts[a] for a in kept]
    shape = (*shape_of(block.x)[:before], *[1 if a is None else lengths[a] for a in kept])
    x = block.x if shape == shape_of(block.x) else reshape(block.x, shape=shape)
    return block._replace(along=along, starts=tuple(starts), x=x)


def _cut(block: Block, axis: int, start: int, stop: int) -> Block:
    """Some positions of an axis; where it is diagonal, some of the directions."""
    if (start, stop) == (0, sides(block)[axis]):
        return block
    if axis in block.along and block.along[0] != axis:
        block = dense(block)
    x = cut_axis(block.x, free(block) + axis, start, stop)
    if axis in block.along:
        inner = block.size // block.counts[0]
        return block._replace(low=block.low + start * inner, counts=(stop - start, *block.counts[1:]), x=x)
    return block._replace(x=x)


def _place(primitive: Primitive, operands: list[Any], avals: list[ShapedArray], out: ShapedArray, params: Any) -> Any:
    plan = _plain_key(params["key"], out.shape) if len(operands) == 1 else None
    return None if plan is None else [_put(block, plan) for block in operands[0]]


def _put(block: Block, plan: list[tuple[int, int, bool] | None]) -> Block:
    before, lengths = free(block), sides(block)
    starts: list[int] = []
    sizes: list[int] = []
    moved: dict[int, int] = {}
    axis = 0
    for p in plan:
        if p is None:
            if axis in block.along:
                return _put(dense(block), plan)
        elif p[2]:
            moved[axis] = len(starts)
            starts.append(p[0] + block.starts[axis])
            sizes.append(lengths[axis])
        else:
            starts.append(p[0])
            sizes.append(1)
            continue
        axis += 1
    along = tuple(None if a is None else moved[a] for a in block.along)
    shape = (*shape_of(block.x)[:before], *sizes)
    x = block.x if shape == shape_of(block.x) else reshape(block.x, shape=shape)
    return block._replace(along=along, starts=tuple(starts), x=x)


def _scatter_add(primitive: Primitive, operands: list[Any], avals: Any, out: ShapedArray, params: Any) -> Any:
    if len(operands) != 2 or any(type(x) is not tuple for x in operands):
        return None
    if any(aval.dtype != out.dtype for aval in avals):
        return None
    plan = _plain_key(params["key"], out.shape)
    return None if plan is None else _added(operands[0], [_put(block, plan) for block in operands[1]])


keep_weights = frozenset((mul, div, neg, add, sub, transpose, dot_general))
"""Rules of these know of weights that wait."""

block_rules: dict[Primitive, BlockRule] = {
    mul: _factor,
    div: _factor,
    **dict.fromkeys((neg, copy, convert_element_type, real, imag, conj), _each),
    add: _sum,
    sub: _sum,
    broadcast_to: _broadcast,
    transpose: _transpose,
    reduce_sum: _summed,
    dot_general: product,
    reshape: _reshape,
    gather: _gather,
    place: _place,
    scatter_add: _scatter_add,
}
