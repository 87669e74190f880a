"""Weights: a softmax of which a multiple is wanted is multiplied as it is normalised, not once more.

The gradient of a cross entropy is such a multiple: its softmax is as large as the logits are.
"""

from __future__ import annotations

from collections import Counter

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var
from fgrad.primitives.elementwise import mul
from fgrad.primitives.softmax import logsumexp_and_softmax, reduce_logsumexp, softmax

__all__ = ["scaled_weights"]


def scaled_weights(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Gives a softmax that is used once, in a product with what is the same along its axes, that factor as an operand:
    the same up to rounding. Of the pair of logarithm and softmax, only what is used is left."""
    jaxpr = closed.jaxpr
    if all(eqn.primitive not in (softmax, logsumexp_and_softmax) for eqn in jaxpr.eqns):
        return closed
    uses = Counter(a for eqn in jaxpr.eqns for a in eqn.invars if type(a) is Var)
    uses.update(a for a in jaxpr.outvars if type(a) is Var)
    place = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.outvars}
    eqns: list[Equation | None] = list(jaxpr.eqns)
    for i, eqn in enumerate(jaxpr.eqns):
        if eqn.primitive is not mul:
            continue
        for weights, factor in (eqn.invars, eqn.invars[::-1]):
            at = place.get(weights) if type(weights) is Var and uses[weights] == 1 else None
            source = eqns[at] if at is not None else None
            if at is not None and source is not None and _is_scale(factor, source, weights, at, place):
                outvars = [eqn.outvars[0] if v is weights else v for v in source.outvars]
                eqns[at] = source._replace(invars=[*source.invars, factor], outvars=outvars)
                place[eqn.outvars[0]] = at
                eqns[i] = None
                break
    rest = [_needed(eqn, uses) for eqn in eqns if eqn is not None]
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, rest), closed.consts)


def _is_scale(factor: Atom, source: Equation, weights: Atom, at: int, place: dict[Var, int]) -> bool:
    """Whether a softmax can be given a factor: it has none, and the factor is there before, and the same along its
    axes."""
    if source.primitive not in (softmax, logsumexp_and_softmax) or len(source.invars) > 1:
        return False
    if weights is not source.outvars[-1] or (type(factor) is Var and place.get(factor, -1) >= at):
        return False
    x, aval = weights.aval, factor.aval
    if (
        x.dtype.kind != "f"
        or not x.shape
        or (aval.dtype != x.dtype and not (aval.weak_type and aval.dtype.kind in "if"))
    ):
        return False
    axes = source.params["axes"]
    return not aval.shape or aval.shape == tuple([1 if i in axes else n for i, n in enumerate(x.shape)])


def _needed(eqn: Equation, uses: Counter[Var]) -> Equation:
    if eqn.primitive is not logsumexp_and_softmax:
        return eqn
    value, weights = eqn.outvars
    if not uses[value]:
        return eqn._replace(primitive=softmax, outvars=[weights])
    return eqn if uses[weights] else eqn._replace(primitive=reduce_logsumexp, outvars=[value])
