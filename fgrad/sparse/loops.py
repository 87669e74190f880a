"""Dependences through programs within programs: calls, branches, loops.

A short loop is followed step by step: what counts its steps is then known, and so are positions computed from it. Of a
long one the carry is followed until it depends on nothing more; its rows are then taken all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.control.call import Call
from fgrad.control.cond_rows import CondRows
from fgrad.control.cond_rules import Cond
from fgrad.control.custom import CustomCall
from fgrad.control.effects import TapGrad
from fgrad.control.scan_rules import Scan
from fgrad.control.while_rows import WhileRows
from fgrad.control.while_rules import WhileLoop
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.sparse.dependence import Dependence, Operand, Rules
from fgrad.sparse.rules import Operands
from fgrad.sparse.sets import Ids, Sets
from fgrad.transforms.jaxprs import batch_jaxpr

__all__ = ["RULES"]

RULES = Rules()
rule = RULES.declare

_STEPS = 10_000
"""So many equations of a loop are followed one by one."""


@rule(Call, CustomCall)
def _call(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    return [y.ids for y in interpreter.run(params["jaxpr"], operands)]


@rule(TapGrad)
def _tap(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    return [x.ids for x in operands]


@rule(Cond)
def _cond(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    index, *args = operands
    branches = params["branches"]
    if index.value is not None:
        branches = [branches[min(max(int(interpreter.use(index)), 0), len(branches) - 1)]]
    return _any([interpreter.run(branch, args) for branch in branches], interpreter.sets)


@rule(CondRows)
def _cond_rows(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    index, *args = operands
    found = [_over_rows(interpreter, b, index.shape[0], args, params["mapped"]) for b in params["branches"]]
    return _any(found, interpreter.sets)


def _any(found: Sequence[Operands], sets: Sets) -> list[Ids | None]:
    """What the results of any of some programs depend on."""
    return [_join([y.ids for y in column], sets) for column in zip(*found, strict=True)]


def _join(parts: Sequence[Ids | None], sets: Sets) -> Ids | None:
    out: Ids | None = None
    for ids in parts:
        if ids is not None:
            out = ids if out is None else sets.either(out, ids)
    return out


def _over_rows(
    interpreter: Dependence, closed: ClosedJaxpr, size: int, operands: Operands, mapped: Sequence[bool]
) -> list[Operand]:
    """The results of a program for all rows, which stand along axis 0 of what is mapped and of every result."""
    batched, dims = batch_jaxpr(closed, size, tuple(0 if m else None for m in mapped))
    outs = []
    for y, dim, aval in zip(interpreter.run(batched, operands), dims, closed.out_avals, strict=True):
        shape = (size, *aval.shape)
        ids = y.ids
        if ids is not None:
            ids = np.broadcast_to(ids, shape) if dim is None else np.moveaxis(ids, dim, 0)
        outs.append(Operand(ShapedArray(shape, aval.dtype), ids))
    return outs


@rule(Scan)
def _scan(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    start, middle = params["num_consts"], params["num_consts"] + params["num_carry"]
    consts, carry, xs = operands[:start], list(operands[start:middle]), operands[middle:]
    closed, length = params["jaxpr"], params["length"]
    if length * (1 + len(closed.eqns)) <= _STEPS:
        order = range(length)[:: -1 if params["reverse"] else 1]
        return _step_by_step(interpreter, closed, order, consts, carry, xs)
    rows = [_any_row(x, interpreter.sets) for x in xs]
    settled = _settled(interpreter.sets, carry, lambda now: interpreter.run(closed, [*consts, *now, *rows]))
    mapped = [*[False] * middle, *[True] * len(xs)]
    outs = _over_rows(interpreter, closed, length, [*consts, *settled, *xs], mapped)
    return [x.ids for x in settled] + [y.ids for y in outs[len(carry) :]]


def _step_by_step(
    interpreter: Dependence, closed: ClosedJaxpr, order: range, consts: Operands, carry: list[Operand], xs: Operands
) -> list[Ids | None]:
    columns: list[dict[int, Operand]] = [{} for _ in closed.out_avals[len(carry) :]]
    for i in order:
        outs = interpreter.run(closed, [*consts, *carry, *[_row(x, i) for x in xs]])
        carry = outs[: len(carry)]
        for column, y in zip(columns, outs[len(carry) :], strict=True):
            column[i] = y
    stacked: list[Ids | None] = []
    for column in columns:
        rows = [column[i] for i in range(len(order))]
        stacked.append(np.stack([y.sets for y in rows]) if any(y.ids is not None for y in rows) else None)
    return [x.ids for x in carry] + stacked


def _row(x: Operand, i: int) -> Operand:
    value = None if x.value is None else x.value[i]
    ids = None if x.ids is None else np.asarray(x.ids[i])
    return Operand(ShapedArray(x.shape[1:], x.aval.dtype), ids, value, x.sources)


def _any_row(x: Operand, sets: Sets) -> Operand:
    """What any row of an array depends on."""
    return Operand(ShapedArray(x.shape[1:], x.aval.dtype), None if x.ids is None else sets.over(x.ids, (0,)))


def _settled(sets: Sets, carry: Operands, step: Callable[[list[Operand]], Operands]) -> list[Operand]:
    """What a carry depends on after any number of steps: it is added to until no step adds anything."""
    now = [Operand(x.aval, x.ids) for x in carry]
    while True:
        outs = step(now)[: len(now)]
        grown = [Operand(x.aval, _join([x.ids, y.ids], sets)) for x, y in zip(now, outs, strict=True)]
        if all(_size(a, sets) == _size(b, sets) for a, b in zip(now, grown, strict=True)):
            return grown
        now = grown


def _size(x: Operand, sets: Sets) -> int:
    return 0 if x.ids is None else int(sets.lengths(x.ids).sum())


@rule(WhileLoop)
def _while(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    body, rest = params["body_jaxpr"], operands[params["num_cond"] :]
    consts, carry = rest[: params["num_body"]], rest[params["num_body"] :]
    settled = _settled(interpreter.sets, carry, lambda now: interpreter.run(body, [*consts, *now]))
    return [x.ids for x in settled]


@rule(WhileRows)
def _while_rows(interpreter: Dependence, _: Any, operands: Operands, params: Any) -> Any:
    body, rows = params["body_jaxpr"], params["rows"]
    rest, mapped = operands[params["num_cond"] :], params["mapped"][params["num_cond"] :]
    consts, over = rest[: params["num_body"]], [*mapped[: params["num_body"]], *[True] * len(body.out_avals)]
    carry = [x if m else _repeated(x, rows) for x, m in zip(rest[len(consts) :], mapped[len(consts) :], strict=True)]
    settled = _settled(interpreter.sets, carry, lambda now: _over_rows(interpreter, body, rows, [*consts, *now], over))
    return [x.ids for x in settled]


def _repeated(x: Operand, size: int) -> Operand:
    """A value that is the same for all rows, with an axis for them."""
    shape = (size, *x.shape)
    return Operand(ShapedArray(shape, x.aval.dtype), None if x.ids is None else np.broadcast_to(x.ids, shape))
