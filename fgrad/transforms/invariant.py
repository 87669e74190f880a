"""What in a program depends on some of its inputs: masks, and the program split in two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, has_effect
from fgrad.transforms.jaxprs import cached

__all__ = ["Split", "dependent", "split_invariant"]


@cached
def dependent(closed: ClosedJaxpr, mask: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which outputs of a program depend on the inputs that are marked."""
    varying = {v for v, m in zip(closed.jaxpr.invars, mask, strict=True) if m}
    for eqn in closed.eqns:
        if any(a in varying for a in eqn.invars if type(a) is Var):
            varying.update(eqn.outvars)
    return tuple(type(a) is Var and a in varying for a in closed.jaxpr.outvars)


class Split(NamedTuple):
    """A program in two halves.

    Attributes:
        outer: takes the first inputs alone; returns what the rest needs of them.
        inner: takes those results, then all inputs; returns the outputs that depend on more than the first inputs.
        places: where each output of the whole program is: `(True, i)` among the results of `outer`, `(False, j)`
            among those of `inner`.
    """

    outer: ClosedJaxpr
    inner: ClosedJaxpr
    places: list[tuple[bool, int]]


@cached
def split_invariant(closed: ClosedJaxpr, count: int, keep: int = 0) -> Split | None:
    """Splits a program into what depends on its first `count` inputs alone, and the rest.

    Args:
        closed: the program.
        count: how many inputs do not vary.
        keep: how many outputs are those of the inner half in any case.

    Returns:
        The halves; `None` where nothing can be taken out.
    """
    jaxpr = closed.jaxpr
    fixed: set[Var] = {*jaxpr.invars[:count], *jaxpr.constvars}
    outer: list[Equation] = []
    inner: list[Equation] = []
    made: set[Var] = set()
    for eqn in jaxpr.eqns:
        if _is_fixed(eqn, fixed):
            outer.append(eqn)
            fixed.update(eqn.outvars)
            made.update(eqn.outvars)
        else:
            inner.append(eqn)
    given = {v: i for i, v in enumerate(jaxpr.invars[:count])}
    if not made and not any(a in given for a in jaxpr.outvars[keep:] if type(a) is Var):
        return None
    used = [a for eqn in inner for a in eqn.invars] + list(jaxpr.outvars[:keep])
    passed = list(dict.fromkeys(a for a in used if type(a) is Var and a in made))
    results: list[Atom] = list(passed)
    places: list[tuple[bool, int]] = []
    rest: list[Atom] = []
    for i, atom in enumerate(jaxpr.outvars):
        if i >= keep and (type(atom) is Literal or atom in fixed):
            places.append((True, len(results)))
            results.append(atom)
        else:
            places.append((False, len(rest)))
            rest.append(atom)
    return Split(
        _program(closed, jaxpr.invars[:count], results, outer),
        _program(closed, [*passed, *jaxpr.invars], rest, inner),
        places,
    )


def _is_fixed(eqn: Equation, fixed: set[Var]) -> bool:
    return not has_effect(eqn) and all(type(a) is Literal or a in fixed for a in eqn.invars)


def _program(
    closed: ClosedJaxpr, invars: Sequence[Var], outvars: Sequence[Atom], eqns: Sequence[Equation]
) -> ClosedJaxpr:
    """A part of a program, with the constants that it uses."""
    used = {a for eqn in eqns for a in eqn.invars if type(a) is Var} | {a for a in outvars if type(a) is Var}
    pairs = [(v, c) for v, c in zip(closed.jaxpr.constvars, closed.consts, strict=True) if v in used]
    return ClosedJaxpr(Jaxpr([v for v, _ in pairs], invars, outvars, eqns), [c for _, c in pairs])
