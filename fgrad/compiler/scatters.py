"""Scatters: what is added at an index is added where it belongs, instead of to zeros that are then added."""

from __future__ import annotations

from collections import Counter

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var, eliminate_dead_code
from fgrad.primitives.elementwise import add
from fgrad.primitives.indexing import place
from fgrad.primitives.scattering import scatter_add

__all__ = ["scatter_into_sums"]


def scatter_into_sums(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`x + place(v, …)` as `scatter_add(x, v, …)`: the same up to rounding, without an array of zeros.

    Values that are placed at one index, one after the other or with one other index in between, are added first.
    """
    jaxpr = closed.jaxpr
    if all(eqn.primitive is not place and eqn.primitive is not scatter_add for eqn in jaxpr.eqns):
        return closed
    uses = Counter(a for eqn in jaxpr.eqns for a in eqn.invars) + Counter(jaxpr.outvars)
    made: dict[Atom, Equation] = {}
    eqns: list[Equation] = []
    for eqn in jaxpr.eqns:
        for new in _added(_into_sum(eqn, made, uses), made, uses):
            eqns.append(new)
            if new.primitive is place or new.primitive is scatter_add:
                made[new.outvars[0]] = new
                uses[new.outvars[0]] = uses[new.outvars[0]] or 1
    return eliminate_dead_code(ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts))


def _into_sum(eqn: Equation, made: dict[Atom, Equation], uses: Counter[Atom]) -> Equation:
    if eqn.primitive is not add:
        return eqn
    x, y = eqn.invars
    for base, scattered in ((x, y), (y, x)):
        source = made.get(scattered)
        if source is None or source.primitive is not place or uses[scattered] != 1 or type(base) is not Var:
            continue
        if base.aval.shape == scattered.aval.shape and base.aval.dtype == scattered.aval.dtype:
            return eqn._replace(primitive=scatter_add, invars=[base, *source.invars], params=_where(source))
    return eqn


def _added(eqn: Equation, made: dict[Atom, Equation], uses: Counter[Atom]) -> list[Equation]:
    """An equation, where it adds something at an index at which something was added just before, as one that does so
    with the sum of the two."""
    last = made.get(eqn.invars[0]) if eqn.primitive is scatter_add and uses[eqn.invars[0]] == 1 else None
    if last is None:
        return [eqn]
    if _same_place(last, eqn):
        return _merged(last, eqn)
    before = made.get(last.invars[0]) if last.primitive is scatter_add and uses[last.invars[0]] == 1 else None
    if before is None or not _same_place(before, eqn):
        return [eqn]
    middle = Var(eqn.outvars[0].aval)
    return [
        *_merged(before, eqn._replace(outvars=[middle])),
        last._replace(invars=[middle, *last.invars[1:]], outvars=eqn.outvars),
    ]


def _merged(earlier: Equation, later: Equation) -> list[Equation]:
    """The equations that place, or scatter, the sum of what an earlier one does and a later one."""
    at = 0 if earlier.primitive is place else 1
    both = Var(earlier.invars[at].aval)
    terms: list[Atom] = [earlier.invars[at], later.invars[1]]
    invars = [*earlier.invars[:at], both, *earlier.invars[at + 1 :]]
    return [
        later._replace(primitive=add, invars=terms, outvars=[both], params={}),
        earlier._replace(invars=invars, outvars=later.outvars),
    ]


def _same_place(earlier: Equation, later: Equation) -> bool:
    """Whether two equations put values at the same index."""
    arrays = earlier.invars[1 if earlier.primitive is place else 2 :]
    same = _where(earlier) == _where(later) and arrays == later.invars[2:]
    return same and earlier.outvars[0].aval == later.outvars[0].aval


def _where(eqn: Equation) -> dict[str, object]:
    return {name: eqn.params[name] for name in ("key", "unique")}
