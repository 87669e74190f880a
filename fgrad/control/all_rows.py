"""Choices and loops of programs with collectives over the rows: these need all rows at once, so that every branch, and
every step, is computed for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from fgrad.control.bodies import block
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.primitives.comparison import ge, select
from fgrad.primitives.reductions import reduce_or
from fgrad.primitives.shape import convert_element_type, reshape
from fgrad.transforms.jaxprs import cached, rows_jaxpr
from fgrad.transforms.stage import trace

__all__ = ["all_branches", "masked_loop"]

Mask: TypeAlias = tuple[bool, ...]


def all_branches(
    index: Array, args: Sequence[Array], branches: Sequence[ClosedJaxpr], size: int, mapped: Mask
) -> list[Array]:
    """Every branch for all rows, of which each takes the results of its own.

    Args:
        index: the branch of every row.
        args: arguments of the branches; those that `mapped` marks have rows along axis 0, as all results do.
        branches: the programs of one row.
        size: the number of rows, with the name of their axis.
        mapped: see `args`.
    """
    numbers = convert_element_type(index, dtype=np.dtype(np.int64))
    dims = tuple(0 if m else None for m in mapped)
    chosen: list[Array] = []
    for k, branch in enumerate(branches):
        every = rows_jaxpr(branch, size, dims, (True,) * len(branch.out_avals))
        outs = block.bind(*args, jaxpr=every)
        chosen = [_where(ge(numbers, k), y, z) for y, z in zip(outs, chosen, strict=True)] if k else outs
    return chosen


@cached
def masked_loop(
    body: ClosedJaxpr, cond: ClosedJaxpr, size: int, consts: Mask, num_cond: int
) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """Condition and body of a loop over all rows, which goes on as long as any row does; rows that have stopped stay.

    Args:
        body: the body for one row.
        cond: its condition.
        size: the number of rows, with the name of their axis.
        consts: which constants, of condition and body, have rows; all carries do.
        num_cond: how many of these are the condition's.

    Returns:
        The condition, which takes its constants and the carry, and the body, which takes all constants and the carry.
    """
    carry = body.in_avals[len(consts) - num_cond :]
    over = tuple(0 if m else None for m in consts)
    test = rows_jaxpr(cond, size, (*over[:num_cond], *[0] * len(carry)), (True,))
    step = rows_jaxpr(body, size, (*over[num_cond:], *[0] * len(carry)), (True,) * len(carry))
    given = [*test.in_avals[:num_cond], *step.in_avals]

    def going_on(*args: Array) -> list[Array]:
        return [reduce_or(test(*args)[0], axes=(0,))]

    def advance(*args: Array) -> list[Array]:
        (going,) = test(*args[:num_cond], *args[len(consts) :])
        found = step(*args[num_cond:])
        return [_where(going, y, x) for y, x in zip(found, args[len(consts) :], strict=True)]

    strong = [ShapedArray(a.shape, a.dtype) for a in given]
    return trace(going_on, [*strong[:num_cond], *strong[len(consts) :]]), trace(advance, strong)


def _where(rows: Array, x: Array, y: Array) -> Array:
    """The rows of one array or another."""
    rank = aval_of(x).ndim
    return select(reshape(rows, shape=(aval_of(rows).shape[0], *(1,) * (rank - 1))), x, y)
