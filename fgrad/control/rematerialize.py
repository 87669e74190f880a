"""Splitting a linearized program in two by a policy: what is kept of the way forward, and what is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fgrad.compiler.inline import inline
from fgrad.control.checkpoint_policies import Policy
from fgrad.control.effects import recomputation
from fgrad.core.aval import Array
from fgrad.core.evaluate import Evaluate
from fgrad.core.interpreter import interpret
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, eliminate_dead_code, without_effects
from fgrad.core.primitive import ZERO, Primitive, Zero
from fgrad.transforms.jaxprs import cached
from fgrad.transforms.jvp import Linearize, LinearProgram
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose

__all__ = ["Remainder", "Rematerialized", "remainder", "rematerialize", "saveable", "transpose_remainder"]

_INLINED = frozenset({"jit"})


class Remainder(NamedTuple):
    """What is left to be done when the tangents are known.

    Attributes:
        jaxpr: takes the saved values, those inputs that it needs, and the tangents; returns the non-zero tangents.
        saved: the variables, of the program that was split, whose values are saved.
        inputs: the positions of those inputs that it needs.
    """

    jaxpr: ClosedJaxpr
    saved: list[Var]
    inputs: list[int]


class Rematerialized(NamedTuple):
    """The two halves of a linearized program, between which only some values are kept.

    Attributes:
        forward: takes the inputs; returns the outputs, and then those saved values that are no outputs. `None` if
            nothing is saved: it is the program itself.
        linear: the jaxpr of a `Remainder`.
        residuals: where each saved value is among the results of `forward`.
        inputs: the positions of the inputs that `linear` needs.
        nz_out: which outputs have a tangent.
    """

    forward: ClosedJaxpr | None
    linear: ClosedJaxpr
    residuals: list[int]
    inputs: list[int]
    nz_out: tuple[bool, ...]


@cached
def rematerialize(closed: ClosedJaxpr, nz: tuple[bool, ...], policy: Policy | None) -> Rematerialized:
    """Linearizes a jaxpr in the inputs that `nz` marks, and keeps what the policy saves, nothing if there is none."""
    program, nz_out = _linearized(closed if policy is None else inline(closed, _INLINED), nz)
    jaxpr = program.jaxpr
    count = len(closed.in_avals)
    outs, tangents = jaxpr.outvars[: len(nz_out)], jaxpr.outvars[len(nz_out) :]
    rest = remainder(
        ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, tangents, jaxpr.eqns), program.consts), count, policy
    )
    if not rest.saved:
        return Rematerialized(None, rest.jaxpr, [], rest.inputs, nz_out)
    results: list[Atom] = list(outs)
    places: dict[Atom, int] = {a: i for i, a in enumerate(results)}
    for var in rest.saved:
        if var not in places:
            places[var] = len(results)
            results.append(var)
    residuals = [places[var] for var in rest.saved]
    forward = Jaxpr(jaxpr.constvars, jaxpr.invars[:count], results, _known(jaxpr, count))
    kept = eliminate_dead_code(ClosedJaxpr(forward, program.consts))
    return Rematerialized(kept, rest.jaxpr, residuals, rest.inputs, nz_out)


def _linearized(closed: ClosedJaxpr, nz: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The jaxpr of outputs and tangents, in which every equation is either linear or of values alone."""
    avals = closed.in_avals
    nz_out: list[bool] = []

    def run(*args: Array) -> list[Array]:
        tangents = iter(args[len(avals) :])
        states: list[tuple[Array, Array | Zero]] = [
            (x, next(tangents) if m else ZERO) for x, m in zip(args, nz, strict=False)
        ]
        pairs = interpret(Linearize("checkpoint"), closed.jaxpr, closed.consts, states)
        nz_out.extend(t is not ZERO for _, t in pairs)
        return [y for y, _ in pairs] + [t for _, t in pairs if t is not ZERO]

    return trace(run, [*avals, *(a for a, m in zip(avals, nz, strict=True) if m)]), tuple(nz_out)


def remainder(closed: ClosedJaxpr, count: int, policy: Policy | None) -> Remainder:
    """What is left of a program of `count` inputs and tangents to be done when the tangents are known."""
    jaxpr = closed.jaxpr
    saved = _chosen(jaxpr, count, policy)
    eqns = [eqn for eqn in jaxpr.eqns if not all(v in saved for v in eqn.outvars)]
    fresh = {v: Var(v.aval) for eqn in eqns for v in eqn.outvars if v in saved}
    eqns = [eqn._replace(outvars=[fresh.get(v, v) for v in eqn.outvars]) for eqn in eqns]
    body = ClosedJaxpr(Jaxpr(jaxpr.constvars, [*saved, *jaxpr.invars], jaxpr.outvars, eqns), closed.consts)
    body = eliminate_dead_code(without_effects(body))  # effects took place on the way forward
    read = {a for eqn in body.eqns for a in eqn.invars if type(a) is Var} | {a for a in jaxpr.outvars if type(a) is Var}
    needed = [v for v in saved if v in read]
    inputs = [i for i, v in enumerate(jaxpr.invars[:count]) if v in read]
    invars = [*needed, *(jaxpr.invars[i] for i in inputs), *jaxpr.invars[count:]]
    rest = Jaxpr(body.jaxpr.constvars, invars, jaxpr.outvars, body.eqns)
    return Remainder(ClosedJaxpr(rest, body.consts), needed, inputs)


def saveable(policy: Policy | None, eqn: Equation) -> bool:
    """Whether a policy saves the results of an equation; those of what has an effect are saved in any case."""
    if eqn.primitive.effect:
        return True
    return policy is not None and bool(policy(eqn.primitive, *[a.aval for a in eqn.invars], **eqn.params))


def _chosen(jaxpr: Jaxpr, count: int, policy: Policy | None) -> dict[Var, None]:
    """The variables, in order, that a policy saves.

    A value and the same value under a name are one: it is saved, or not, as the policy says of the name.
    """
    chosen: dict[Var, None] = {}
    given = {*jaxpr.constvars, *jaxpr.invars}
    for eqn in _known(jaxpr, count):
        named = eqn.primitive.name == "name"
        values = [a for a in eqn.invars if type(a) is Var] if named else list(eqn.outvars)
        if saveable(policy, eqn):
            chosen.update((v, None) for v in values if v not in given)
        elif named:
            for v in values:
                chosen.pop(v, None)
    return chosen


def _known(jaxpr: Jaxpr, count: int) -> list[Equation]:
    """The equations that do not depend on the inputs after the first `count`."""
    unknown = set(jaxpr.invars[count:])
    known = []
    for eqn in jaxpr.eqns:
        if any(a in unknown for a in eqn.invars):
            unknown.update(eqn.outvars)
        else:
            known.append(eqn)
    return known


class _Again(Evaluate):
    """Applies what was recorded while a function ran on values: calls in it carry Python functions."""

    def step(self, primitive: Primitive, states: list[Array], params: dict[str, Any]) -> Any:
        return primitive.bind(*states, **params)


def transpose_remainder(closed: ClosedJaxpr, values: Sequence[Array], cts: Sequence[Array]) -> list[Array | Zero]:
    """The transpose of what is left of a program; each value is let go after its last use.

    Args:
        closed: the jaxpr of a `Remainder`.
        values: those of its inputs that are known.
        cts: cotangents of its outputs.
    """
    jaxpr = closed.jaxpr
    count = len(values)
    known = _known(jaxpr, count)
    computed = {v for eqn in known for v in eqn.outvars} | {*jaxpr.constvars, *jaxpr.invars[:count]}
    linear = [eqn for eqn in jaxpr.eqns if not all(v in computed for v in eqn.outvars)]
    residuals = list(dict.fromkeys(a for eqn in linear for a in eqn.invars if a in computed))
    first = eliminate_dead_code(
        ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars[:count], residuals, known), closed.consts)
    )
    with recomputation():
        again = interpret(_Again("checkpoint"), first.jaxpr, first.consts, values)
    found = dict(zip(residuals, again, strict=True))
    eqns = [eqn._replace(invars=[Literal(found[a]) if a in found else a for a in eqn.invars]) for eqn in linear]
    del found, again
    outs = [v if type(v) is Var else ZERO for v in jaxpr.outvars]
    return transpose(LinearProgram(list(jaxpr.invars[count:]), outs, eqns), cts, consume=True)
