"""Running a cell over sequences."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad import lax, tree
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.operands import axis_of, floating
from fgrad.nn.recurrent.cells import Cell

__all__ = ["unroll"]


@public
def unroll(
    cell: Cell,
    params: Any,
    xs: Any,
    start: Any = None,
    *,
    mask: Any = None,
    reverse: bool = False,
    time_axis: int = 0,
    checkpoint: Any = None,
) -> tuple[Any, Array]:
    """Runs a cell over sequences, step by step, in one `scan`; its gradient is back-propagation through time.

    Args:
        cell: what `rnn`, `gru`, `lstm`, `stacked` and the like return.
        params: its parameters.
        xs: inputs, shape (steps, …, inputs).
        start: the first state; zeros if left out.
        mask: booleans of shape (steps, …), or a number of steps per sequence, integers of shape (…): sequences may be
            shorter than the array. Where a step is padding the state stays, and the output is 0.
        reverse: from the last step to the first.
        time_axis: which axis of `xs` (and of a boolean mask, and of the outputs) is that of the steps.
        checkpoint: as for `fgrad.lax.scan`: what is kept for the gradient, such as `"sqrt"`, to save memory.

    Returns:
        The last state, and the outputs of all steps, shape (steps, …, outputs).

    Raises:
        ShapeError: the mask does not fit the sequences.
        ArgumentError: the mask is neither boolean nor integer.

    >>> import fgrad, numpy as np
    >>> from fgrad.nn.recurrent import rnn
    >>> cell = rnn(3, 2)
    >>> params = cell.init(fgrad.random.key(0))
    >>> state, outs = unroll(cell, params, np.ones((4, 5, 3)), mask=np.array([4, 4, 1, 0, 2]))
    >>> outs.shape, bool((outs[1:, 2] == 0).all())
    ((4, 5, 2), True)

    Source: Werbos, "Backpropagation through time" (1990).
    """
    xs = floating("unroll", "xs", xs)
    axis = axis_of("unroll", xs, time_axis, "xs")
    xs = fnp.moveaxis(xs, axis, 0)
    shape = fnp.shape(xs)
    if len(shape) < 2:
        raise ShapeError(message(f"unroll: `xs` must have shape (steps, …, inputs), got {shape}."))
    if start is None:
        zeros = cell.start(params, shape[1:-1])
        start = tree.map(lambda s: fnp.astype(s, fnp.result_type(s, xs)), zeros)
    there = None if mask is None else _mask(mask, shape[:-1], axis)

    def step(state: Any, inputs: tuple[Array, Array | None]) -> tuple[Any, Array]:
        x, there = inputs
        new, out = cell.step(params, state, x)
        if there is None:
            return new, out
        kept = there[..., None]
        return tree.map(lambda a, b: fnp.where(kept, a, b), new, state), fnp.where(kept, out, 0.0)

    state, outs = lax.scan(step, start, (xs, there), length=shape[0], reverse=reverse, checkpoint=checkpoint)
    return state, fnp.moveaxis(outs, 0, axis)


def _mask(mask: Any, shape: tuple[int, ...], axis: int) -> Array:
    """Booleans of shape (steps, …): which steps there are."""
    mask = fnp.asarray(mask)
    kind = mask.dtype.kind
    if kind not in "biu":
        what = f"unroll: `mask` must be booleans, or integers (a number of steps per sequence), got dtype {mask.dtype}."
        raise ArgumentError(message(what))
    if kind == "b":
        mask = fnp.moveaxis(mask, axis, 0) if fnp.ndim(mask) > axis else mask
    wanted = shape if kind == "b" else shape[1:]
    if fnp.shape(mask) != wanted:
        meaning = "that of `xs` without its features" if kind == "b" else "one number of steps per sequence"
        raise ShapeError(message(f"unroll: `mask` must have shape {wanted}, {meaning}; got {fnp.shape(mask)}."))
    return mask if kind == "b" else fnp.arange(shape[0]).reshape((-1, *[1] * (len(shape) - 1))) < mask
