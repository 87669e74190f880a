"""Dependences through windows: convolutions, pooling, and parts of arrays whose places are values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fgrad.primitives.convolution import convolution
from fgrad.primitives.convolution_kernels import positions
from fgrad.primitives.dynamic import dynamic_slice, dynamic_update_slice
from fgrad.primitives.windows import average_window_ties, reduce_window_sum, spread_window_ties, window_counts
from fgrad.sparse.dependence import Dependence, Operand, Rules
from fgrad.sparse.rules import Operands
from fgrad.sparse.sets import EMPTY, Ids, Sets

__all__ = ["RULES"]

RULES = Rules()
rule = RULES.declare


def _taps(length: int, count: int, window: tuple[int, ...]) -> NDArray[np.int64]:
    """The positions along an axis that each of `count` windows sees; `length` stands for none.

    Args:
        length: of the axis.
        count: the number of windows.
        window: `(size, stride, low padding, high padding, dilation, window dilation)`.
    """
    size, stride, low, _, stretch, apart = window
    place = np.arange(count)[:, None] * stride + np.arange(size) * apart - low
    inside = (place >= 0) & (place % stretch == 0) & (place < length * stretch)
    return np.where(inside, place // stretch, length)


def _seen(values: Any, axes: Sequence[int], taps: Sequence[NDArray[np.int64]], none: int) -> Any:
    """What windows along some axes see: each of these becomes two, the windows and what is in them."""
    for axis, places in reversed(list(zip(axes, taps, strict=True))):  # those behind first: they do not move others
        beside = np.full((*values.shape[:axis], 1, *values.shape[axis + 1 :]), none, np.int64)
        values = np.take(np.concatenate([values, beside], axis), places, axis)
    return values


def _window_taps(shape: tuple[int, ...], windows: Any) -> list[NDArray[np.int64]]:
    counts = window_counts(shape, windows)
    return [_taps(n, count, window) for n, count, window in zip(shape, counts, windows, strict=True)]


@rule(reduce_window_sum, average_window_ties)
def _pool(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    x = operands[0]
    axes = range(len(x.shape))
    seen = _seen(x.sets, axes, _window_taps(x.shape, params["windows"]), EMPTY)
    return interpreter.sets.over(seen, tuple(2 * a + 1 for a in axes))


@rule(spread_window_ties)
def _unpool(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    ct, x = operands
    axes, count = range(len(x.shape)), math.prod(x.shape)
    numbers = np.arange(count).reshape(x.shape)
    places = _seen(numbers, axes, _window_taps(x.shape, params["windows"]), count)
    given = np.broadcast_to(np.expand_dims(ct.sets, tuple(2 * a + 1 for a in axes)), places.shape)
    return interpreter.sets.union(places.reshape(-1), given.reshape(-1), count + 1)[:count].reshape(x.shape)


@rule(convolution)
def _convolve(interpreter: Dependence, primitive: Any, operands: Operands, params: Any) -> Any:
    (x, y), sets = operands, interpreter.sets
    ids: Any = EMPTY
    if x.ids is not None:
        ids = sets.either(ids, _by_input(sets, x, y, params))
    if y.ids is not None:
        ids = sets.either(ids, _by_kernel(sets, x, y, params))
    return np.broadcast_to(ids, primitive.shape(x.aval, y.aval, **params).shape)


def _free(x: Operand, *used: tuple[int, ...]) -> list[int]:
    taken = {a for axes in used for a in axes}
    return [a for a in range(len(x.shape)) if a not in taken]


def _by_input(sets: Sets, x: Operand, y: Operand, params: Any) -> Ids:
    """(batch, free of x, features of y, positions): the windows of x, over what is contracted."""
    contract, batch, along = params["dimension_numbers"]
    free = _free(x, contract[0], batch[0], along[0])
    moved = x.sets.transpose(*batch[0], *free, *contract[0], *along[0])
    lead, depth = len(batch[0]) + len(free), len(contract[0])
    sizes = [y.shape[a] for a in along[1]]
    taps = [
        _taps(x.shape[a], positions(x.shape[a], size, dim), (size, *dim))
        for a, size, dim in zip(along[0], sizes, params["window"], strict=True)
    ]
    first = lead + depth
    seen = _seen(moved, range(first, first + len(taps)), taps, EMPTY)
    axes = (*range(lead, first), *range(first + 1, first + 2 * len(taps), 2))
    out = sets.over(seen, axes)
    features = len(_free(y, contract[1], batch[1], along[1]))
    return np.expand_dims(out, tuple(range(lead, lead + features))) if features else out


def _by_kernel(sets: Sets, x: Operand, y: Operand, params: Any) -> Ids:
    """(batch, free of x, features of y, positions): all of y that a feature has."""
    contract, batch, along = params["dimension_numbers"]
    features = _free(y, contract[1], batch[1], along[1])
    moved = y.sets.transpose(*batch[1], *features, *contract[1], *along[1])
    rows, lead = len(batch[1]), len(batch[1]) + len(features)
    out = sets.over(moved, tuple(range(lead, moved.ndim)))
    free, places = len(_free(x, contract[0], batch[0], along[0])), len(along[0])
    return np.expand_dims(out, (*range(rows, rows + free), *range(lead + free, lead + free + places)))


def _moving(starts: Operands, sizes: Sequence[int], shape: Sequence[int]) -> list[int]:
    """The axes along which it is not known where a part begins."""
    known = [s.value is not None or n == m for s, n, m in zip(starts, sizes, shape, strict=True)]
    return [axis for axis, k in enumerate(known) if not k]


def _starts(interpreter: Dependence, starts: Operands) -> list[Any]:
    return [np.int64(0) if s.value is None else interpreter.use(s) for s in starts]


@rule(dynamic_slice)
def _slice(interpreter: Dependence, primitive: Any, operands: Operands, params: Any) -> Any:
    x, *starts = operands
    ids = x.sets
    for axis in _moving(starts, params["sizes"], x.shape):
        ids = np.broadcast_to(np.expand_dims(interpreter.sets.over(ids, (axis,)), axis), ids.shape)
    return np.asarray(primitive.impl(ids, *_starts(interpreter, starts), **params))


@rule(dynamic_update_slice)
def _update(interpreter: Dependence, primitive: Any, operands: Operands, params: Any) -> Any:
    x, update, *starts = operands
    moving = _moving(starts, update.shape, x.shape)
    if not moving:
        return np.asarray(primitive.impl(x.sets, update.sets, *_starts(interpreter, starts), **params))
    ids = update.sets
    for axis in moving:
        whole = (*ids.shape[:axis], x.shape[axis], *ids.shape[axis + 1 :])
        ids = np.broadcast_to(np.expand_dims(interpreter.sets.over(ids, (axis,)), axis), whole)
    placed = primitive.impl(np.full(x.shape, EMPTY, np.int64), ids, *_starts(interpreter, starts), **params)
    return interpreter.sets.either(x.sets, np.asarray(placed))
