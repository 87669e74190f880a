"""What primitives do with dependences, those of linear programs above all.

Primitives that move elements are run on the numbers of the sets themselves; zeros that they put in are the number of
the empty set. Where positions are not known, an element depends on all that it could be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from fgrad.control.checkpoint_name import Name
from fgrad.core.primitive import Primitive
from fgrad.primitives.barrier import optimization_barrier
from fgrad.primitives.comparison import select
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.cumulative import Cumulative, linear_recurrence
from fgrad.primitives.elementwise import Elementwise, mul
from fgrad.primitives.fourier import fft, irfft, rfft
from fgrad.primitives.index_keys import ARRAY, GAP, Key
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.joining import concatenate, pad, split, stack, unstack
from fgrad.primitives.scattering import Scattering, scatter
from fgrad.primitives.shape import broadcast_to, convert_element_type, copy, reduce_sum, reshape, transpose
from fgrad.primitives.sorting import permute
from fgrad.sparse.dependence import Dependence, Operand, Rules
from fgrad.sparse.sets import EMPTY, Ids, Sets

__all__ = ["RULES", "Operands"]

Operands: TypeAlias = Sequence[Operand]

RULES = Rules()

_LARGEST = 1 << 24
"""Products and running unions that take more steps than this are not followed element by element."""
rule = RULES.declare


@rule(reshape, transpose, broadcast_to, split, unstack, pad, concatenate, stack)
def _moved(_: Dependence, primitive: Primitive, operands: Operands, params: dict[str, Any]) -> Any:
    return primitive.impl(*[x.sets for x in operands], **params)


@rule(copy, convert_element_type, optimization_barrier, Name)
def _same(_: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    return operands[0].ids


@rule(Elementwise)
def _elementwise(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    ids: Any = EMPTY
    for x in operands:
        if x.ids is not None:
            ids = interpreter.sets.either(ids, np.broadcast_to(x.ids, shape))
    return np.asarray(ids)


@rule(mul)
def _product(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    ids = _elementwise(interpreter, primitive, operands, params)
    for x in operands:
        if x.value is not None and np.equal(x.value, 0).any():  # what a constant 0 makes 0 depends on nothing
            ids = np.where(np.equal(interpreter.use(x), 0), EMPTY, ids)
    return ids


@rule(select)
def _select(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    condition, x, y = operands
    if condition.value is None:
        return _elementwise(interpreter, primitive, operands, params)
    return np.where(interpreter.use(condition), x.sets, y.sets)


@rule(reduce_sum)
def _sum(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    return interpreter.sets.over(operands[0].sets, params["axes"])


@rule(Cumulative)
def _cumulative(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    exclusive = params.get("exclusive", False)
    return _running(interpreter.sets, operands[0].sets, params["axis"], params.get("reverse", False), exclusive)


@rule(linear_recurrence)
def _recurrence(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    ids = interpreter.sets.either(operands[0].sets, operands[1].sets)
    return _running(interpreter.sets, ids, params["axis"], params.get("reverse", False), True)


def _running(sets: Sets, ids: Ids, axis: int, reverse: bool, exclusive: bool) -> Ids:
    """The unions of everything up to each element along an axis."""
    length = ids.shape[axis]
    if int(sets.lengths(ids).sum()) * length > 2 * _LARGEST:
        return np.broadcast_to(np.expand_dims(sets.over(ids, (axis,)), axis), ids.shape)
    out = np.moveaxis(ids, axis, 0)[:: -1 if reverse else 1]
    if exclusive:
        out = np.concatenate([np.full_like(out[:1], EMPTY), out[:-1]])
    step = 1
    while step < length:
        out = np.concatenate([out[:step], sets.either(out[step:], out[:-step])])
        step *= 2
    return np.moveaxis(out[:: -1 if reverse else 1], 0, axis)


@rule(dot_general)
def _dot(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    (contract, batch) = params["dimension_numbers"]
    ids: Any = EMPTY
    for side in (0, 1):
        if operands[side].ids is not None:
            mine = _side(interpreter, operands, side, contract, batch)
            ids = interpreter.sets.either(ids, mine)
    return ids


def _side(interpreter: Dependence, operands: Operands, side: int, contract: Any, batch: Any) -> Ids:
    """What a product depends on by one of its operands, which is brought to axes (batch, free, contracted)."""
    x, y = operands[side], operands[1 - side]
    sets = interpreter.sets
    free = [a for a in range(len(x.shape)) if a not in (*contract[side], *batch[side])]
    others = [a for a in range(len(y.shape)) if a not in (*contract[1 - side], *batch[1 - side])]
    sizes = [x.shape[a] for a in batch[side]], [x.shape[a] for a in free], [y.shape[a] for a in others]
    rows, own, other = map(math.prod, sizes)
    inner = math.prod([x.shape[a] for a in contract[side]])
    mine = x.sets.transpose(*batch[side], *free, *contract[side]).reshape(rows, own, inner)
    weights = None
    if y.value is not None:
        order = (*batch[1 - side], *contract[1 - side], *others)
        weights = np.not_equal(y.value, 0).transpose(order).reshape(rows, inner, other)
    if weights is None or weights.all() or int(np.count_nonzero(weights)) * own > _LARGEST:
        out = np.broadcast_to(sets.over(mine, (2,))[:, :, None], (rows, own, other))
    else:
        interpreter.use(y)
        out = _weighted(sets, mine, weights)
    shape = (*sizes[0], *sizes[1], *sizes[2])
    if side == 0:
        return out.reshape(shape)
    return out.transpose(0, 2, 1).reshape((*sizes[0], *sizes[2], *sizes[1]))


def _weighted(sets: Sets, ids: Ids, weights: Any) -> Ids:
    """The unions over the contracted axis where weights (rows, contracted, other) are not zero."""
    rows, own, _ = ids.shape
    other = weights.shape[2]
    row, inner, column = np.nonzero(weights)
    places = (row[:, None] * own + np.arange(own)) * other + column[:, None]
    found = ids[row, :, inner]
    return sets.union(places.reshape(-1), found.reshape(-1), rows * own * other).reshape(rows, own, other)


def _unknown_axes(key: Key, arrays: Operands) -> list[int]:
    """The axes of an indexed array that are indexed by positions which are not known."""
    given = iter(arrays)
    consuming = [entry for entry in key if entry is not None and entry != GAP]
    return [axis for axis, entry in enumerate(consuming) if entry == ARRAY and next(given).value is None]


def _positions(interpreter: Dependence, arrays: Operands) -> list[Any]:
    """Index arrays; an axis indexed by unknown positions has been shrunk to a single one."""
    return [np.zeros(a.shape, np.int64) if a.value is None else interpreter.use(a) for a in arrays]


@rule(gather)
def _gather(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    x, *arrays = operands
    ids = x.sets
    axes = tuple(_unknown_axes(params["key"], arrays))
    if axes:
        ids = np.expand_dims(interpreter.sets.over(ids, axes), axes)
    return np.asarray(primitive.impl(ids, *_positions(interpreter, arrays), **params))


@rule(place)
def _place(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    v, *arrays = operands
    return _reached(interpreter, v.sets, arrays, params["key"], params["shape"])


def _reached(interpreter: Dependence, ids: Ids, arrays: Operands, key: Key, shape: tuple[int, ...]) -> Ids:
    """What the elements of an array depend on when values with dependences are placed in it."""
    axes = _unknown_axes(key, arrays)
    shrunk = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    count = math.prod(shrunk)
    positions = _positions(interpreter, arrays)
    targets = gather.impl(np.arange(count).reshape(shrunk), *positions, key=key, unique=False)
    out = interpreter.sets.union(np.ravel(targets), np.ravel(ids), count)
    return np.broadcast_to(out.reshape(shrunk), shape)


@rule(Scattering)
def _scattering(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    x, v, *arrays = operands
    if v.ids is None:
        return x.ids
    placed = _reached(interpreter, v.sets, arrays, params["key"], x.shape)
    return interpreter.sets.either(x.sets, placed)


@rule(scatter)
def _scatter(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    x, v, *arrays = operands
    if any(a.value is None for a in arrays):
        return _scattering(interpreter, primitive, operands, params)
    return np.asarray(primitive.impl(x.sets, v.sets, *_positions(interpreter, arrays), **params))


@rule(permute)
def _permute(interpreter: Dependence, primitive: Primitive, operands: Operands, params: Any) -> Any:
    x, order = operands
    if order.value is not None:
        return primitive.impl(x.sets, interpreter.use(order), **params)
    axis = params["axis"]
    return np.broadcast_to(np.expand_dims(interpreter.sets.over(x.sets, (axis,)), axis), x.shape)


@rule(fft)
def _fourier(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    x = operands[0]
    kept = [1 if i in params["axes"] else n for i, n in enumerate(x.shape)]
    return np.broadcast_to(interpreter.sets.over(x.sets, params["axes"]).reshape(kept), x.shape)


@rule(rfft, irfft)
def _half_fourier(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    x, axis = operands[0], params["axis"]
    n = params.get("n", x.shape[axis] // 2 + 1)
    ids = np.expand_dims(interpreter.sets.over(x.sets, (axis,)), axis)
    return np.broadcast_to(ids, (*x.shape[:axis], n, *x.shape[axis + 1 :]))
