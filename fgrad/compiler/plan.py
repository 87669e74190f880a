"""Planning: which array each equation may overwrite, and when each array is let go."""

from __future__ import annotations

from typing import NamedTuple

from fgrad.core.jaxpr import Equation, Jaxpr, Literal, Var

__all__ = ["Plan", "Step", "plan"]


_SMALL = 4 * 2**20
"""A program whose arrays all together take no more bytes lets them go when it returns: giving memory back to the
system in between, and taking it again, costs more than small operations do."""


class Step(NamedTuple):
    """One equation, the operand whose memory takes the result, and the variables that are dropped after it."""

    eqn: Equation
    overwrite: int | None
    drop: list[Var]


class Plan(NamedTuple):
    """The order of work.

    Attributes:
        steps: the equations.
        copies: which outputs have to be copied, because they would share memory with an argument, a constant, or each
            other.
    """

    steps: list[Step]
    copies: list[bool]


def plan(jaxpr: Jaxpr) -> Plan:
    """Plans a jaxpr. Arguments and constants are never written into; results own their memory."""
    owner: dict[Var, Var] = {v: v for v in (*jaxpr.constvars, *jaxpr.invars)}
    foreign = set(owner)
    kept = set(owner)
    views: set[Var] = set()
    sharers: dict[Var, int] = {}
    steps: list[Step] = []
    for eqn, dying in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
        overwrite = _overwritable(eqn, dying, owner, kept, views, sharers)
        shared = eqn.primitive.is_view(**eqn.params) or eqn.primitive.opaque
        if eqn.primitive.opaque:
            kept.update(owner[a] for a in eqn.invars if type(a) is Var)
        for v in eqn.outvars:
            owner[v] = _owner(eqn, owner, overwrite) or v
            sharers[owner[v]] = sharers.get(owner[v], 0) + 1
            if overwrite is None and shared:
                views.add(v)
        for v in dying:
            if v in owner and owner[v] in sharers:
                sharers[owner[v]] -= 1
        steps.append(Step(eqn, overwrite, [v for v in dying if v.aval.shape and v not in foreign]))
    if _bytes(jaxpr) <= _SMALL:
        steps = [step._replace(drop=[]) for step in steps]
    return Plan(steps, _copies(jaxpr, owner, foreign, views))


def _bytes(jaxpr: Jaxpr) -> int:
    """What all results together take."""
    return sum(v.aval.size * v.aval.dtype.itemsize for eqn in jaxpr.eqns for v in eqn.outvars)


def _owner(eqn: Equation, owner: dict[Var, Var], overwrite: int | None) -> Var | None:
    """Whose memory a result may be in: that of an operand, for views and for what is computed in place."""
    index = overwrite if overwrite is not None else 0 if eqn.primitive.is_view(**eqn.params) else None
    if index is None or not eqn.invars:
        return None
    atom = eqn.invars[index]
    return None if type(atom) is Literal else owner[atom]  # type: ignore[index]


def _overwritable(
    eqn: Equation,
    dying: list[Var],
    owner: dict[Var, Var],
    kept: set[Var],
    views: set[Var],
    sharers: dict[Var, int],
) -> int | None:
    """The operand whose array can take the result: of the same type, its own, and needed by nobody afterwards."""
    if eqn.primitive.multiple:
        return None
    out = eqn.outvars[0].aval
    if not out.shape or not eqn.primitive.inplace([a.aval for a in eqn.invars], out, **eqn.params):
        return None
    for i, atom in enumerate(eqn.invars):
        if type(atom) is not Var or atom not in dying or atom in views or owner[atom] in kept:
            continue
        if sharers[owner[atom]] == 1 and atom.aval.shape == out.shape and atom.aval.dtype == out.dtype:
            return i
    return None


def _copies(jaxpr: Jaxpr, owner: dict[Var, Var], foreign: set[Var], views: set[Var]) -> list[bool]:
    seen: set[Var] = set()
    copies = []
    for atom in jaxpr.outvars:
        if type(atom) is Literal or not atom.aval.shape:
            copies.append(type(atom) is Var and owner[atom] in foreign and not atom.aval.weak_type)
            continue
        memory = owner[atom]  # type: ignore[index]
        copies.append(memory in foreign or memory in seen or atom in views)
        seen.add(memory)
    return copies
