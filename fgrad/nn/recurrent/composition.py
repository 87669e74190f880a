"""Cells made of cells, and two of them over one sequence."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad import random
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.nn.recurrent.cells import Cell
from fgrad.nn.recurrent.unroll import unroll

__all__ = ["bidirectional", "stacked"]


@public
def stacked(*cells: Cell) -> Cell:
    """Cells on top of each other: the output of each is the input of the next.

    Args:
        cells: one or more, of any kinds; the inputs of each are the outputs of the one before.

    Returns:
        A `Cell` whose parameters and states are tuples of those of the cells.

    Raises:
        ArgumentError: there are none, or something is not a cell.

    >>> import fgrad, numpy as np
    >>> from fgrad.nn.recurrent import gru, lstm
    >>> cell = stacked(lstm(3, 4), gru(4, 2))
    >>> params = cell.init(fgrad.random.key(0))
    >>> unroll(cell, params, np.ones((5, 3)))[1].shape
    (5, 2)

    Source: Graves, Mohamed & Hinton, "Speech recognition with deep recurrent neural networks" (ICASSP 2013).
    """
    if not cells:
        raise ArgumentError(message("stacked: there are no cells."))
    for i, cell in enumerate(cells):
        if not isinstance(cell, Cell):
            raise ArgumentError(message(f"stacked: argument {i} is not a Cell, got {cell!r:.60}."))

    def init(key: Any, dtype: Any = float) -> tuple[Any, ...]:
        return tuple([c.init(k, dtype) for c, k in zip(cells, random.split(key, len(cells)), strict=True)])

    def start(params: tuple[Any, ...], shape: tuple[int, ...] = ()) -> tuple[Any, ...]:
        return tuple([c.start(p, shape) for c, p in zip(cells, params, strict=True)])

    def step(params: tuple[Any, ...], state: tuple[Any, ...], x: Array) -> tuple[tuple[Any, ...], Array]:
        states = []
        for cell, p, s in zip(cells, params, state, strict=True):
            s, x = cell.step(p, s, x)
            states.append(s)
        return tuple(states), x

    return Cell(init, start, step)


@public
def bidirectional(
    forward: Cell,
    backward: Cell,
    params: tuple[Any, Any],
    xs: Any,
    *,
    mask: Any = None,
    time_axis: int = 0,
    checkpoint: Any = None,
) -> tuple[tuple[Any, Any], Array]:
    """One cell over the sequences, another one over them from the end; their outputs side by side.

    Args:
        forward: a cell.
        backward: a cell; of shorter sequences (see `mask`) it begins at their last step.
        params: the parameters of both.
        xs: inputs, shape (steps, …, inputs).
        mask: which steps there are, as in `unroll`.
        time_axis: the axis of the steps.
        checkpoint: as in `unroll`.

    Returns:
        The last states of both, and the outputs, shape (steps, …, outputs of both).

    Raises:
        ShapeError: the mask does not fit the sequences.

    >>> import fgrad, numpy as np
    >>> from fgrad.nn.recurrent import gru
    >>> cell = gru(3, 2)
    >>> params = tuple(cell.init(k) for k in fgrad.random.split(fgrad.random.key(0)))
    >>> bidirectional(cell, cell, params, np.ones((5, 3)))[1].shape
    (5, 4)

    Source: Schuster & Paliwal, "Bidirectional recurrent neural networks" (1997).
    """
    ahead, first = unroll(forward, params[0], xs, mask=mask, time_axis=time_axis, checkpoint=checkpoint)
    back, second = unroll(backward, params[1], xs, mask=mask, time_axis=time_axis, checkpoint=checkpoint, reverse=True)
    return (ahead, back), fnp.concatenate([first, second], axis=-1)
