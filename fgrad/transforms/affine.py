"""Loops over a few numbers whose step is affine in what it carries, as the loops of reverse mode are: they are run in
many blocks at once.

A step takes the carry c to A·c + p, where A and p may differ from step to step. What a block of steps does to the unit
vectors is its matrix, and what it does to zero its offset; all blocks are run side by side, as arrays. Then every block
is known to begin where the one before has ended.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr, Var, eliminate_dead_code
from fgrad.primitives.elementwise import Elementwise
from fgrad.transforms.jaxprs import cached, rows_jaxpr, tangent_jaxpr

__all__ = ["BLOCKS", "Affine", "affine_in_blocks"]

BLOCKS = 256
"""So many that an operation takes about as long for all of them as the call of it."""
_CARRIES = 4
_DOUBLE = np.dtype(np.float64)


class Affine(NamedTuple):
    """The programs of an affine body.

    Attributes:
        matrix: takes constants, a carry of unit vectors (numbered along axis 0; blocks along axis 1) and rows (of a
            number per block); returns the carry after the step, but for the offset.
        step: the body itself for all blocks.
        is_linear: whether there is no offset.
    """

    matrix: ClosedJaxpr
    step: ClosedJaxpr
    is_linear: bool


@cached
def affine_in_blocks(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> Affine | None:
    """The programs for a body of numbers that is affine in its carry; `None` if it is not, or carries too much."""
    jaxpr = closed.jaxpr
    middle = num_consts + num_carry
    carry, rows = jaxpr.invars[num_consts:middle], jaxpr.invars[middle:]
    if not 0 < num_carry <= _CARRIES or not jaxpr.eqns or any(v.aval.dtype != _DOUBLE for v in carry):
        return None
    atoms = [*jaxpr.constvars, *jaxpr.invars, *jaxpr.outvars, *(v for eqn in jaxpr.eqns for v in eqn.outvars)]
    if any(a.aval.shape for a in atoms) or any(v.aval.weak_type for v in rows):
        return None
    offsets = _offsets(jaxpr, set(carry))
    if offsets is None:
        return None
    matrix, nz = tangent_jaxpr(closed, tuple(v in carry for v in jaxpr.invars))
    if not all(nz[:num_carry]):
        return None
    given, tangents = matrix.jaxpr.invars[: len(jaxpr.invars)], matrix.jaxpr.invars[len(jaxpr.invars) :]
    invars = [*given[:num_consts], *tangents, *given[middle:]]
    outs = matrix.jaxpr.outvars[:num_carry]
    linear = eliminate_dead_code(ClosedJaxpr(Jaxpr(matrix.jaxpr.constvars, invars, outs, matrix.eqns), matrix.consts))
    if {a for eqn in linear.eqns for a in eqn.invars} & set(given[num_consts:middle]):
        return None
    dims = (*[None] * num_consts, *[0] * (len(invars) - num_consts))
    over = (*[None] * num_consts, *[0] * num_carry, *[None] * len(rows))
    every = (True,) * num_carry
    sides = rows_jaxpr(rows_jaxpr(linear, BLOCKS, dims, every), num_carry, over, every)
    return Affine(sides, rows_jaxpr(closed, BLOCKS, dims, (True,) * len(jaxpr.outvars)), not offsets)


def _offsets(jaxpr: Jaxpr, varying: set[Var]) -> bool | None:
    """Whether something is added to what is linear in the varying inputs; `None` where the rest is not linear."""
    found = False
    for eqn in jaxpr.eqns:
        given = [type(a) is Var and a in varying for a in eqn.invars]
        if not any(given):
            continue
        if eqn.outvars[0].aval.dtype != _DOUBLE or not isinstance(eqn.primitive, Elementwise):
            return None
        if not eqn.primitive.is_affine(given):
            return None
        found = found or (eqn.primitive.name in ("add", "sub", "select") and not all(given[-2:]))
        varying = varying | set(eqn.outvars)
    return found
