"""Planning: which array each equation may overwrite, and when each array is let go."""

from __future__ import annotations

from typing import NamedTuple

from fgrad.compiler.buffers import LARGE_BYTES, Key
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, Equation, Jaxpr, Literal, Var
from fgrad.primitives.shape import reshape, transpose

__all__ = ["Plan", "Step", "is_large", "plan", "without_buffers"]


_SMALL = 4 * 2**20
"""A program whose arrays all together take no more bytes lets the small ones go when it returns: to name them once more
costs more than is won."""


class Step(NamedTuple):
    """One equation, the operand whose memory takes the result, the variables that are dropped after it, and the results
    that are written into arrays from the buffers of the function."""

    eqn: Equation
    overwrite: int | None
    drop: list[Var]
    pooled: frozenset[Var] = frozenset()


class Plan(NamedTuple):
    """The order of work.

    Attributes:
        steps: the equations.
        copies: which outputs have to be copied, because they would share memory with an argument, a constant, or each
            other.
        reserve: how many arrays of a type are in use at once, results of the call before included.
    """

    steps: list[Step]
    copies: list[bool]
    reserve: dict[Key, int]


def plan(jaxpr: Jaxpr) -> Plan:
    """Plans a jaxpr. Arguments and constants are never written into; results own their memory."""
    owner: dict[Var, Var] = {v: v for v in (*jaxpr.constvars, *jaxpr.invars)}
    foreign = set(owner)
    kept = set(owner)
    views: set[Var] = set()
    whole: set[Var] = set()
    sharers: dict[Var, int] = {}
    steps: list[Step] = []
    counted = _Reserve()
    scattered: set[Atom] = set()
    for eqn, dying in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
        overwrite = _overwritable(eqn, dying, owner, kept, views, sharers)
        shared = eqn.primitive.is_view(**eqn.params) or eqn.primitive.opaque
        if eqn.primitive.opaque:
            kept.update(owner[a] for a in eqn.invars if type(a) is Var)
        pooled = _pooled(eqn, overwrite, scattered)
        for v in eqn.outvars:
            owner[v] = _owner(eqn, owner, overwrite) or v
            sharers[owner[v]] = sharers.get(owner[v], 0) + 1
            if overwrite is None and shared:
                views.add(v)
                if eqn.primitive in (reshape, transpose) and _is_whole(eqn.invars[0], views, whole):
                    whole.add(v)
            if v in pooled:
                counted.begin(v)
        for v in dying:
            if v in owner and owner[v] in sharers:
                sharers[owner[v]] -= 1
                if not sharers[owner[v]]:
                    counted.end(owner[v])
        steps.append(Step(eqn, overwrite, [v for v in dying if v.aval.shape and v not in foreign], pooled))
    if _bytes(jaxpr) <= _SMALL:
        steps = [step._replace(drop=[v for v in step.drop if is_large(v.aval)]) for step in steps]
    for atom in jaxpr.outvars:
        if type(atom) is Var:
            counted.keep(owner[atom])
    return Plan(steps, _copies(jaxpr, owner, foreign, views - whole), counted.most)


def without_buffers(planned: Plan) -> Plan:
    """The plan with arrays of its own for every result."""
    return planned._replace(steps=[step._replace(pooled=frozenset()) for step in planned.steps], reserve={})


class _Reserve:
    """Counts the arrays of each type that are in use at once."""

    def __init__(self) -> None:
        self.now: dict[Key, int] = {}
        self.most: dict[Key, int] = {}
        self.live: set[Var] = set()

    def begin(self, v: Var) -> None:
        key = v.aval.shape, v.aval.dtype
        self.live.add(v)
        self.now[key] = self.now.get(key, 0) + 1
        self.most[key] = max(self.now[key], self.most.get(key, 0))

    def end(self, v: Var) -> None:
        if v in self.live:
            self.live.discard(v)
            self.now[v.aval.shape, v.aval.dtype] -= 1

    def keep(self, v: Var) -> None:
        """A result, which may still be referred to when the next one is computed."""
        if v in self.live:
            self.live.discard(v)
            self.most[v.aval.shape, v.aval.dtype] += 1


def is_large(aval: ShapedArray) -> bool:
    """Whether memory for an array is worth keeping."""
    return bool(aval.shape) and aval.size * aval.dtype.itemsize >= LARGE_BYTES


def _pooled(eqn: Equation, overwrite: int | None, scattered: set[Atom]) -> frozenset[Var]:
    """The results that are written into arrays from the buffers.

    Args:
        eqn: the equation.
        overwrite: the operand whose memory takes the result.
        scattered: variables whose elements do not lie in order; the results are added. NumPy keeps the order of
            operands, which an array from the buffers would not have.
    """
    if overwrite is not None:
        if eqn.invars[overwrite] in scattered:
            scattered.add(eqn.outvars[0])
        return frozenset()
    if eqn.primitive.name == "fused":
        return frozenset([v for v in eqn.outvars if is_large(v.aval)])
    if eqn.primitive.multiple:
        return frozenset()
    out = eqn.outvars[0]
    if eqn.primitive.name == "transpose" or any([a in scattered for a in eqn.invars]):
        scattered.add(out)
        return frozenset()
    if is_large(out.aval) and eqn.primitive.fills([a.aval for a in eqn.invars], out.aval, **eqn.params):
        return frozenset([out])
    return frozenset()


def _is_whole(atom: Atom, views: set[Var], whole: set[Var]) -> bool:
    """Whether a value is an array, or all of one in another shape: that is as good a result as the array itself."""
    return type(atom) is Var and (atom not in views or atom in whole)


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
