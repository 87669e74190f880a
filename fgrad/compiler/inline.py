"""Inlining: the equations of nested compiled functions take the place of the calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var

__all__ = ["CALLS", "inline"]

Env = dict[Var, Atom]


class _Call(NamedTuple):
    """A program that is being copied: what is left of it, what its variables stand for, where its results go."""

    eqns: Iterator[Equation]
    env: Env
    outvars: Sequence[Var]
    results: Sequence[Atom]


CALLS = frozenset({"jit", "custom_jvp_call", "custom_vjp_call"})
"""What means no more than the body of its jaxpr, once no derivative is to be taken any more."""


def inline(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Replaces every call by the body of its jaxpr, at every depth, without recursion."""
    if all(eqn.primitive.name not in CALLS for eqn in closed.eqns):
        return closed
    constvars, consts = list(closed.jaxpr.constvars), list(closed.consts)
    eqns: list[Equation] = []
    outermost: Env = {}
    calls = [_Call(iter(closed.eqns), outermost, (), ())]
    while calls:
        call = calls[-1]
        eqn = next(call.eqns, None)
        if eqn is None:
            calls.pop()
            if calls:
                calls[-1].env.update((v, _read(call.env, a)) for v, a in zip(call.outvars, call.results, strict=True))
            continue
        inputs = [_read(call.env, a) for a in eqn.invars]
        if eqn.primitive.name in CALLS:
            body: ClosedJaxpr = eqn.params["jaxpr"]
            env: Env = dict(zip(body.jaxpr.invars, inputs, strict=True))
            env.update((v, Var(v.aval)) for v in body.jaxpr.constvars)
            constvars += [env[v] for v in body.jaxpr.constvars]  # type: ignore[misc]
            consts += body.consts
            calls.append(_Call(iter(body.eqns), env, eqn.outvars, body.jaxpr.outvars))
            continue
        outs = [Var(v.aval) for v in eqn.outvars]
        call.env.update(zip(eqn.outvars, outs, strict=True))
        eqns.append(eqn._replace(invars=inputs, outvars=outs))
    outs_read = [_read(outermost, a) for a in closed.jaxpr.outvars]
    return ClosedJaxpr(Jaxpr(constvars, closed.jaxpr.invars, outs_read, eqns), consts)


def _read(env: Env, atom: Atom) -> Atom:
    return atom if type(atom) is Literal else env.get(atom, atom)  # type: ignore[arg-type]
