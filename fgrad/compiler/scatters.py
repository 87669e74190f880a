"""Scatters: what is added at an index is added where it belongs, instead of to zeros that are then added."""

from __future__ import annotations

from collections import Counter

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var, eliminate_dead_code
from fgrad.primitives.elementwise import add
from fgrad.primitives.indexing import place
from fgrad.primitives.scattering import scatter_add

__all__ = ["scatter_into_sums"]


def scatter_into_sums(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`x + place(v, …)` as `scatter_add(x, v, …)`: the same up to rounding, without an array of zeros."""
    jaxpr = closed.jaxpr
    placed = {eqn.outvars[0]: eqn for eqn in jaxpr.eqns if eqn.primitive is place}
    if not placed:
        return closed
    uses = Counter(a for eqn in jaxpr.eqns for a in eqn.invars) + Counter(jaxpr.outvars)
    eqns = [_into_sum(eqn, placed, uses) if eqn.primitive is add else eqn for eqn in jaxpr.eqns]
    return eliminate_dead_code(ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts))


def _into_sum(eqn: Equation, placed: dict[Var, Equation], uses: Counter[Atom]) -> Equation:
    x, y = eqn.invars
    for base, scattered in ((x, y), (y, x)):
        source = placed.get(scattered) if type(scattered) is Var else None
        if source is None or uses[scattered] != 1 or type(base) is not Var:
            continue
        if base.aval.shape == scattered.aval.shape and base.aval.dtype == scattered.aval.dtype:
            v, *arrays = source.invars
            params = {name: source.params[name] for name in ("key", "unique")}
            return eqn._replace(primitive=scatter_add, invars=[base, v, *arrays], params=params)
    return eqn
