"""Residuals that a loop need not store: what is quickly computed again from what it is given."""

from __future__ import annotations

from collections.abc import Sequence

from fgrad.core.jaxpr import ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.primitives.elementwise import Elementwise
from fgrad.transforms.jaxprs import LinearizedJaxpr

__all__ = ["without_stored_inputs"]

_MOVES = frozenset({"reshape", "transpose", "broadcast_to", "convert_element_type", "copy"})
_LONGEST = 8  # equations: more are not quickly computed


def without_stored_inputs(halves: LinearizedJaxpr, count: int, carried: range, fixed: range) -> LinearizedJaxpr:
    """The halves of a loop's body with fewer residuals: those that are element by element a function of inputs which
    the loop does not carry are computed again in the linear half.

    Args:
        halves: the linearized body.
        count: how many results of the forward half are no residuals.
        carried: which inputs the loop carries.
        fixed: which inputs are the same in all steps; what depends on them alone is computed once anyway.
    """
    jaxpr = halves.forward.jaxpr
    chains: dict[int, list[Equation]] = {}
    for k, (place, i) in enumerate(halves.residuals):
        if place == "out" and i >= count:
            chain = _chain(jaxpr, jaxpr.outvars[i], carried, fixed)
            if chain is not None:
                chains[k] = chain
    if not chains:
        return halves
    kept = [k for k in range(len(halves.residuals)) if k not in chains]
    stored = sorted({halves.residuals[k][1] for k in kept if halves.residuals[k][0] == "out"} - set(range(count)))
    outvars = [*jaxpr.outvars[:count], *(jaxpr.outvars[i] for i in stored)]
    number = {i: count + n for n, i in enumerate(stored)} | {i: i for i in range(count)}
    residuals = [(p, number[i] if p == "out" else i) for p, i in (halves.residuals[k] for k in kept)]
    linear, added = _with_chains(halves, chains, kept)
    forward = ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, outvars, jaxpr.eqns), halves.forward.consts)
    return LinearizedJaxpr(forward, linear, [*residuals, *added], halves.nz_out)


def _chain(jaxpr: Jaxpr, atom: object, carried: range, fixed: range) -> list[Equation] | None:
    """The equations that compute a value from inputs that are not carried, if these are few and cheap."""
    if type(atom) is not Var:
        return None
    place = {v: i for i, v in enumerate(jaxpr.invars)}
    needed: set[Var] = {atom}
    chain: list[Equation] = []
    reached: set[int] = set()
    for eqn in reversed(jaxpr.eqns):
        if needed.isdisjoint(eqn.outvars):
            continue
        if not isinstance(eqn.primitive, Elementwise) and eqn.primitive.name not in _MOVES:
            return None
        chain.append(eqn)
        if len(chain) > _LONGEST:
            return None
        needed.update(a for a in eqn.invars if type(a) is Var)
    made = {v for eqn in chain for v in eqn.outvars}
    for v in needed - made:
        if v not in place or place[v] in carried:
            return None
        reached.add(place[v])
    return None if all(i in fixed for i in reached) else chain[::-1]


def _with_chains(
    halves: LinearizedJaxpr, chains: dict[int, list[Equation]], kept: Sequence[int]
) -> tuple[ClosedJaxpr, list[tuple[str, int]]]:
    """The linear half that computes some residuals itself; and the inputs that it takes for that."""
    forward, linear = halves.forward.jaxpr, halves.linear.jaxpr
    res = linear.invars[: len(halves.residuals)]
    tangents = linear.invars[len(halves.residuals) :]
    env: dict[Var, Var] = {}
    for k in kept:
        place, i = halves.residuals[k]
        if place == "in":
            env[forward.invars[i]] = res[k]
    for k in chains:
        env[forward.outvars[halves.residuals[k][1]]] = res[k]  # type: ignore[index]
    place_of = {v: i for i, v in enumerate(forward.invars)}
    added: list[tuple[str, int]] = []
    extra: list[Var] = []
    eqns: list[Equation] = []
    wanted = {id(eqn) for chain in chains.values() for eqn in chain}
    for eqn in forward.eqns:
        if id(eqn) not in wanted:
            continue
        for a in eqn.invars:
            if type(a) is Var and a in place_of and a not in env:
                env[a] = Var(a.aval)
                extra.append(env[a])
                added.append(("in", place_of[a]))
        for v in eqn.outvars:
            env.setdefault(v, Var(v.aval))
        inputs = [a if isinstance(a, Literal) else env[a] for a in eqn.invars]
        eqns.append(eqn._replace(invars=inputs, outvars=[env[v] for v in eqn.outvars]))
    invars = [*(res[k] for k in kept), *extra, *tangents]
    return ClosedJaxpr(
        Jaxpr(linear.constvars, invars, linear.outvars, [*eqns, *linear.eqns]), halves.linear.consts
    ), added
