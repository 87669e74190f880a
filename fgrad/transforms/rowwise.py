"""What in the body of a loop depends on rows but not on the carry: it is computed for all rows at once, before the
loop. A product of every row with a matrix, as in recurrent networks, becomes one product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fgrad.core.jaxpr import ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import Elementwise
from fgrad.transforms.jaxprs import cached, rows_jaxpr

__all__ = ["RowSplit", "over_rows", "split_rows"]

_MOST = 64 * 2**20
"""Bytes that the results for all rows may take at most."""
_LARGE = 2**17
"""Bytes of a matrix from which on it takes long to go through it for every row."""
_FEW = 8
"""Rows of a matrix that BLAS multiplies at no more than half of its speed."""
_CHEAP = 2**14
"""Elements up to which an element-wise operation takes less time than calling it does, or not much more."""
_MOVES = frozenset({"reshape", "transpose", "broadcast_to", "convert_element_type", "reduce_sum"})
_KEPT = 16
"""Numbers of rows for which a program is remembered."""


class RowSplit(NamedTuple):
    """A body in two halves.

    Attributes:
        rows: takes the constants and one row of each array; returns what the loop needs of them.
        used: which of the arrays the loop still reads.
        inner: takes the constants, the carry, the results of `rows`, and a row of each of the arrays that are used.
        size: the bytes that all results of `rows` and what they are made of take for one row.
    """

    rows: ClosedJaxpr
    used: list[int]
    inner: ClosedJaxpr
    size: int

    def fits(self, length: int) -> bool:
        """Whether there is memory for so many rows."""
        return length * self.size <= _MOST


@cached
def split_rows(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> RowSplit | None:
    """Splits the body of a loop into what depends on constants and rows alone, and the rest.

    Returns:
        The halves; `None` where no product of rows can be taken out.
    """
    jaxpr = closed.jaxpr
    middle = num_consts + num_carry
    rows = jaxpr.invars[middle:]
    known: set[Var] = {*jaxpr.constvars, *jaxpr.invars[:num_consts]}
    varying = {v for v in rows if not v.aval.weak_type}
    outer: list[Equation] = []
    inner: list[Equation] = []
    for eqn in jaxpr.eqns:
        if _can_move(eqn, known, varying):
            outer.append(eqn)
            varying.update(eqn.outvars)
        else:
            inner.append(eqn)
    if not any(_pays(eqn, varying) for eqn in outer):
        return None
    made = {v for eqn in outer for v in eqn.outvars}
    needed = {a for eqn in inner for a in eqn.invars if type(a) is Var} | {a for a in jaxpr.outvars if type(a) is Var}
    passed = [v for eqn in outer for v in eqn.outvars if v in needed]
    used = [i for i, v in enumerate(rows) if v in needed]
    size = sum(v.aval.size * v.aval.dtype.itemsize for v in made)
    return RowSplit(
        _program(closed, [*jaxpr.invars[:num_consts], *rows], passed, outer),
        used,
        _program(closed, [*jaxpr.invars[:middle], *passed, *(rows[i] for i in used)], jaxpr.outvars, inner),
        size,
    )


def _can_move(eqn: Equation, known: set[Var], varying: set[Var]) -> bool:
    """Whether an equation computes with rows, and is one that is worth computing for all of them at once."""
    operands = [a for a in eqn.invars if type(a) is not Literal]
    if not any(a in varying for a in operands) or not all(a in varying or a in known for a in operands):
        return False
    if eqn.primitive is dot_general:
        return True
    small = math.prod(eqn.outvars[0].aval.shape) <= _CHEAP
    return small and (isinstance(eqn.primitive, Elementwise) or eqn.primitive.name in _MOVES)


def _pays(eqn: Equation, varying: set[Var]) -> bool:
    """Whether products of single rows with a matrix are slow: because it is large, or the row is one of few."""
    if eqn.primitive is not dot_general:
        return False
    rows, others = ([a.aval for a in eqn.invars if (a in varying) is m] for m in (True, False))
    if len(rows) != 1:
        return False
    (matrix,) = others
    contracted = math.prod(matrix.shape[i] for i in eqn.params["dimension_numbers"][0][eqn.invars[0] in varying])
    few = rows[0].size <= _FEW * contracted
    return matrix.ndim > 1 and (few or matrix.size * matrix.dtype.itemsize >= _LARGE)


def _program(
    closed: ClosedJaxpr, invars: Sequence[Var], outvars: Sequence[Var | Literal], eqns: Sequence[Equation]
) -> ClosedJaxpr:
    return ClosedJaxpr(Jaxpr(closed.jaxpr.constvars, invars, outvars, eqns), closed.consts)


@cached
def _lengths(closed: ClosedJaxpr) -> dict[int, ClosedJaxpr]:
    """The programs for some numbers of rows."""
    return {}


def over_rows(rows: ClosedJaxpr, num_consts: int, length: int) -> ClosedJaxpr:
    """The program of rows for so many of them: its last arguments and its results have them along axis 0."""
    known = _lengths(rows)
    program = known.get(length)
    if program is None:
        count = len(rows.jaxpr.invars) - num_consts
        dims = (*[None] * num_consts, *[0] * count)
        fresh = ClosedJaxpr(rows.jaxpr, rows.consts)  # what is remembered of it goes when the program goes
        program = rows_jaxpr(fresh, length, dims, (True,) * len(rows.jaxpr.outvars))
        while len(known) >= _KEPT:
            known.pop(next(iter(known)), None)
        known[length] = program
    return program
