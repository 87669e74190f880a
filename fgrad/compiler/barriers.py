"""Barriers have done their work once a program is simplified: they are taken out of it."""

from __future__ import annotations

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var

__all__ = ["without_barriers"]


def without_barriers(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program with the values themselves in place of those that came out of barriers."""
    if all(eqn.primitive.name != "optimization_barrier" for eqn in closed.eqns):
        return closed
    env: dict[Var, Atom] = {}

    def read(atom: Atom) -> Atom:
        return atom if type(atom) is Literal else env.get(atom, atom)  # type: ignore[arg-type]

    eqns: list[Equation] = []
    for eqn in closed.eqns:
        inputs = [read(a) for a in eqn.invars]
        if eqn.primitive.name == "optimization_barrier":
            env[eqn.outvars[0]] = inputs[0]
        else:
            eqns.append(eqn._replace(invars=inputs))
    jaxpr = closed.jaxpr
    outs = [read(a) for a in jaxpr.outvars]
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, outs, eqns), closed.consts)
