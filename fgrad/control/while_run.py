"""Runs loops that end by a condition with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from fgrad.compiler.compiled import body_function, loop_function, loop_stacks
from fgrad.compiler.loops import EndlessLoop
from fgrad.control.bodies import feed, own, scalars
from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.transforms.invariant import split_invariant
from fgrad.transforms.jaxprs import cached, rows_jaxpr
from fgrad.transforms.stage import trace

__all__ = ["run_rows", "run_while"]

Mask: TypeAlias = tuple[bool, ...]


@cached
def _step(body_jaxpr: ClosedJaxpr, cond_jaxpr: ClosedJaxpr, num_cond: int, num_body: int) -> ClosedJaxpr:
    """One step: takes the constants of both programs and the carry; returns the new carry, whether to go on, and what
    else the body returns."""
    count = len(body_jaxpr.in_avals) - num_body
    strong = body_jaxpr.in_avals[num_body:]

    def run(*args: Array) -> list[Array]:
        outs = body_jaxpr(*args[num_cond:])
        (going,) = cond_jaxpr(*args[:num_cond], *outs[:count])
        return [*outs[:count], going, *outs[count:]]

    return trace(run, [*cond_jaxpr.in_avals[:num_cond], *body_jaxpr.in_avals[:num_body], *strong])


_lengths: WeakKeyDictionary[ClosedJaxpr, int] = WeakKeyDictionary()
"""How many steps each loop whose values were collected took the last time: the next time it may be as many."""


def run_while(
    args: Sequence[Array],
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    num_cond: int,
    num_body: int,
    going: Any = None,
) -> tuple[list[Array], int]:
    """Runs a loop with NumPy.

    What the body returns besides the carry is collected.

    Args:
        args: the constants of the condition and of the body, and the first carry.
        cond_jaxpr: the condition.
        body_jaxpr: the body.
        num_cond: how many constants the condition has.
        num_body: how many the body has.
        going: what the condition says of the first carry, if that is known.

    Returns:
        The last carry, the collected values stacked along a new axis 0; and the number of steps.
    """
    middle = num_cond + num_body
    avals = [*cond_jaxpr.in_avals[:num_cond], *body_jaxpr.in_avals]
    consts, carry = feed(args[:middle], avals), feed(args[middle:], avals[middle:])
    step = _step(body_jaxpr, cond_jaxpr, num_cond, num_body)
    rows = _rows(step, body_jaxpr.out_avals[len(carry) :], _lengths.get(step, 0))
    if going is None:
        (going,) = body_function(cond_jaxpr)(*consts[:num_cond], *carry)
    steps = 0
    if going:
        carry, _, steps = _run(step, consts, carry, rows)
    if rows:
        _lengths[step] = steps
    return [*own(carry, args), *[row.array() for row in rows]], steps


def run_rows(
    count: int,
    mapped: Mask,
    consts: Sequence[Array],
    carry: Sequence[Array],
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    num_cond: int,
    num_body: int,
) -> tuple[list[Array], Any]:
    """Takes steps with so many rows, at least one, as long as all of them go on.

    Args:
        count: the number of rows.
        mapped: which constants and carries have rows.
        consts: the constants of the condition and of the body.
        carry: the carry.
        cond_jaxpr, body_jaxpr, num_cond, num_body: as for `run_while`, of one row.

    Returns:
        The new carry, and which rows go on.
    """
    carried = mapped[len(consts) :]
    dims = tuple(0 if m else None for m in mapped)
    step = rows_jaxpr(_step(body_jaxpr, cond_jaxpr, num_cond, num_body), count, dims, (*carried, True))
    carry, going, _ = _run(step, consts, carry, [])
    return carry, going


def _run(
    step: ClosedJaxpr, consts: Sequence[Array], carry: Sequence[Array], rows: Sequence[Any]
) -> tuple[list[Array], Any, int]:
    """Takes steps, at least one, as long as the condition holds, of all rows if there are rows.

    What does not vary is computed once.
    """
    count, fixed = len(carry), len(consts)
    weak = [i for i, v in enumerate(step.jaxpr.invars[fixed:]) if v.aval.weak_type]
    split = split_invariant(step, fixed, len(step.jaxpr.outvars))
    if split is not None:
        step, consts = split.inner, [*body_function(split.outer)(*consts), *consts]
    steps, going = 0, True
    while going:
        loop = loop_function(step, 1, EndlessLoop(len(consts), count))
        if loop is not None:
            *carry, going, more = loop(*consts, *carry, True, *rows)
            return list(carry), going, steps + more
        outs = step(*consts, *carry)
        carry, mask = scalars(outs[:count], weak), outs[count]
        for row, y in zip(rows, outs[count + 1 :], strict=True):
            row.append(y)
        steps += 1
        going = bool(np.all(mask))
    return list(carry), mask, steps


def _rows(step: ClosedJaxpr, avals: Sequence[ShapedArray], expected: int) -> list[_Rows | _Numbers]:
    """What the values of all steps are collected in; there may be as many steps as are expected."""
    blocks = iter(loop_stacks(step, [ShapedArray((expected, *a.shape), a.dtype) for a in avals if a.shape]))
    return [_Rows(next(blocks)) if a.shape else _Numbers(a) for a in avals]


class _Rows:
    """An array that grows row by row.

    Args:
        block: where the first rows go; it is somebody else's memory.
    """

    __slots__ = ("_array", "_count", "_owned")

    def __init__(self, block: Array) -> None:
        self._array = block
        self._owned = False
        self._count = 0

    def append(self, y: Array) -> None:
        count = self._count
        if count == len(self._array):
            self._grow(count)
        self._array[count] = y
        self._count = count + 1

    def _grow(self, count: int) -> None:
        """Makes room for half as many again, in place where the system can extend the memory."""
        shape = (max(8, count + count // 2), *self._array.shape[1:])
        if self._owned:
            self._array.resize(shape, refcheck=False)
            return
        array = np.empty(shape, self._array.dtype)
        array[:count] = self._array
        self._array, self._owned = array, True

    def array(self) -> Array:
        """All rows; nothing can be appended any more."""
        if self._owned and self._count < len(self._array):
            self._array.resize((self._count, *self._array.shape[1:]), refcheck=False)
        return self._array[: self._count] if self._count < len(self._array) else self._array


class _Numbers(list[Any]):
    """The same for scalars, of which a list takes less time."""

    def __init__(self, aval: ShapedArray) -> None:
        super().__init__()
        self._dtype = aval.dtype

    def array(self) -> Array:
        """All numbers."""
        return np.array(self, self._dtype)
