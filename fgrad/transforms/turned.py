"""Constant matrices that a loop's products take transposed: they are laid in order once, before the loop, and not read
against their order in every step, which takes BLAS up to three times as long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import ClosedJaxpr, Equation, Jaxpr, Var
from fgrad.primitives.contraction import dot_general
from fgrad.transforms.jaxprs import cached

__all__ = ["Turned", "turned_factors"]


class Turned(NamedTuple):
    """A body that takes some constants transposed as well.

    Attributes:
        jaxpr: takes the constants, then those that are turned, transposed; the rest as before.
        turned: which constants these are.
    """

    jaxpr: ClosedJaxpr
    turned: list[int]

    def constants(self, consts: list[Array]) -> list[Array]:
        """What the body takes in place of its constants."""
        return [*consts, *(np.ascontiguousarray(np.transpose(consts[i])) for i in self.turned)]


@cached
def turned_factors(closed: ClosedJaxpr, num_consts: int) -> Turned | None:
    """The body with products of constant matrices as they lie; `None` where they lie well already."""
    place = {v: i for i, v in enumerate(closed.jaxpr.invars[:num_consts])}
    turned: dict[Var, Var] = {}
    eqns = [_straight(eqn, place, turned) for eqn in closed.eqns]
    if not turned:
        return None
    jaxpr = closed.jaxpr
    invars = [*jaxpr.invars[:num_consts], *turned.values(), *jaxpr.invars[num_consts:]]
    program = ClosedJaxpr(Jaxpr(jaxpr.constvars, invars, jaxpr.outvars, eqns), closed.consts)
    return Turned(program, [place[v] for v in turned])


def _straight(eqn: Equation, place: dict[Var, int], turned: dict[Var, Var]) -> Equation:
    """The equation, with its constant factor transposed where it would be read against its order."""
    if eqn.primitive is not dot_general or eqn.params["dimension_numbers"][1] != ((), ()):
        return eqn
    contract, _ = eqn.params["dimension_numbers"]
    for side, axis in ((0, 0), (1, 1)):
        v = eqn.invars[side]
        if v not in place or v.aval.ndim != 2 or contract[side] != (axis,) or eqn.invars[1 - side] in place:
            continue
        other = turned.setdefault(v, Var(ShapedArray(v.aval.shape[::-1], v.aval.dtype)))
        invars = [other if i == side else a for i, a in enumerate(eqn.invars)]
        numbers = tuple((1 - axis,) if i == side else c for i, c in enumerate(contract))
        return eqn._replace(invars=invars, params={**eqn.params, "dimension_numbers": (numbers, ((), ()))})
    return eqn
