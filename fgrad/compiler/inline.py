"""Inlining: the equations of nested compiled functions take the place of the calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.errors import SourceLine
from fgrad.primitives.barrier import new_region, optimization_barrier

__all__ = ["CALLS", "inline"]

Env = dict[Var, Atom]


class _Call(NamedTuple):
    """A program that is being copied: what is left of it, what its variables stand for, where its results go, and the
    region of the barriers around it (0: none)."""

    eqns: Iterator[Equation]
    env: Env
    outvars: Sequence[Var]
    results: Sequence[Atom]
    region: int


CALLS = frozenset({"jit", "checkpoint", "custom_jvp_call", "custom_vjp_call", "custom_rule_call"})
"""What means no more than the body of its jaxpr, once no derivative is to be taken any more."""


def inline(closed: ClosedJaxpr, calls: frozenset[str] = CALLS) -> ClosedJaxpr:
    """Replaces every call by the body of its jaxpr, at every depth, without recursion.

    What goes into the body of a call with `prevent_cse` goes through barriers: what it computes, it computes, although
    the program may have computed the same before.
    """
    if all(eqn.primitive.name not in calls for eqn in closed.eqns):
        return closed
    constvars, consts = list(closed.jaxpr.constvars), list(closed.consts)
    eqns: list[Equation] = []
    outermost: Env = {}
    open_calls = [_Call(iter(closed.eqns), outermost, (), (), 0)]
    while open_calls:
        call = open_calls[-1]
        eqn = next(call.eqns, None)
        if eqn is None:
            open_calls.pop()
            if open_calls:
                outs = [_read(call.env, a) for a in call.results]
                open_calls[-1].env.update(zip(call.outvars, outs, strict=True))
            continue
        inputs = [_read(call.env, a) for a in eqn.invars]
        if eqn.primitive.name in calls:
            body: ClosedJaxpr = eqn.params["jaxpr"]
            held: list[Atom] = [Var(v.aval) for v in body.jaxpr.constvars]
            constvars += held  # type: ignore[arg-type]
            consts += body.consts
            region = call.region
            if eqn.params.get("prevent_cse"):
                region = new_region()
                inputs = _behind_barriers(inputs, region, eqns, eqn.source)
            if region:
                held = _behind_barriers(held, region, eqns, eqn.source)
            env: Env = dict(zip([*body.jaxpr.invars, *body.jaxpr.constvars], [*inputs, *held], strict=True))
            open_calls.append(_Call(iter(body.eqns), env, eqn.outvars, body.jaxpr.outvars, region))
            continue
        copies = [Var(v.aval) for v in eqn.outvars]
        call.env.update(zip(eqn.outvars, copies, strict=True))
        eqns.append(eqn._replace(invars=inputs, outvars=copies))
    outs_read = [_read(outermost, a) for a in closed.jaxpr.outvars]
    return ClosedJaxpr(Jaxpr(constvars, closed.jaxpr.invars, outs_read, eqns), consts)


def _behind_barriers(atoms: Sequence[Atom], region: int, eqns: list[Equation], source: SourceLine | None) -> list[Atom]:
    """Other variables for the same values; the barriers are added to the equations."""
    behind: list[Atom] = []
    for atom in atoms:
        if type(atom) is Literal:
            behind.append(atom)
            continue
        out = Var(atom.aval)
        eqns.append(Equation(optimization_barrier, [atom], (out,), {"region": region}, source))
        behind.append(out)
    return behind


def _read(env: Env, atom: Atom) -> Atom:
    return atom if type(atom) is Literal else env.get(atom, atom)  # type: ignore[arg-type]
