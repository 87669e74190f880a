"""Opening the calls in a program, so that it can be drawn, and run, as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from fgrad.core.aval import Array
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.viz.names import Names
from fgrad.viz.text import call_title

__all__ = ["Flat", "Wanted", "unfolded"]

Wanted: TypeAlias = Callable[[Equation, int], bool]
"""Whether an equation that holds programs is opened, at some depth of nesting."""


class Flat(NamedTuple):
    """A program whose calls are opened as far as they are wanted.

    Attributes:
        closed: the program; every variable is bound once.
        names: what the user calls its variables.
        groups: for every equation the calls, from the outermost on, that it comes from.
    """

    closed: ClosedJaxpr
    names: Names
    groups: list[tuple[str, ...]]


def unfolded(closed: ClosedJaxpr, names: Names, wanted: Wanted) -> Flat:
    """Opens the calls in a program. Loops, branches and functions with rules of their own stay closed: the values in
    them are not those of one equation."""
    opened = _Opened(names, wanted)
    jaxpr = closed.jaxpr
    env: dict[Var, Atom] = {v: v for v in (*jaxpr.invars, *jaxpr.constvars)}
    opened.constvars += jaxpr.constvars
    opened.consts += closed.consts
    outs = opened.walk(jaxpr, env, ())
    flat = Jaxpr(opened.constvars, jaxpr.invars, outs, opened.eqns)
    return Flat(ClosedJaxpr(flat, opened.consts), opened.names, opened.groups)


class _Opened:
    def __init__(self, names: Names, wanted: Wanted) -> None:
        self.known = names
        self.names = dict(names)
        self.wanted = wanted
        self.constvars: list[Var] = []
        self.consts: list[Array] = []
        self.eqns: list[Equation] = []
        self.groups: list[tuple[str, ...]] = []
        self._titles: dict[str, int] = {}

    def walk(self, jaxpr: Jaxpr, env: dict[Var, Atom], group: tuple[str, ...]) -> list[Atom]:
        """Adds the equations of a program whose inputs are known, and returns its outputs."""
        for eqn in jaxpr.eqns:
            inputs = [a if isinstance(a, Literal) else env[a] for a in eqn.invars]
            if eqn.primitive.is_call and self.wanted(eqn, len(group)):
                env.update(zip(eqn.outvars, self._inside(eqn, inputs, group), strict=True))
                continue
            outs = [self._copy(v, bool(group)) for v in eqn.outvars]
            env.update(zip(eqn.outvars, outs, strict=True))
            self.eqns.append(eqn._replace(invars=inputs, outvars=outs))
            self.groups.append(group)
        return [a if isinstance(a, Literal) else env[a] for a in jaxpr.outvars]

    def _inside(self, eqn: Equation, inputs: Sequence[Atom], group: tuple[str, ...]) -> list[Atom]:
        inner: ClosedJaxpr = eqn.params["jaxpr"]
        env: dict[Var, Atom] = dict(zip(inner.jaxpr.invars, inputs, strict=True))
        for var, const in zip(inner.jaxpr.constvars, inner.consts, strict=True):
            copy = self._copy(var, True)
            env[var] = copy
            self.constvars.append(copy)
            self.consts.append(const)
        outs = self.walk(inner.jaxpr, env, (*group, self._numbered(call_title(eqn))))
        for var, out in zip(eqn.outvars, outs, strict=True):
            if var in self.known and isinstance(out, Var):
                self.names[out] = self.known[var]
        return outs

    def _copy(self, var: Var, inside: bool) -> Var:
        """A program may be called several times: its variables are others each time."""
        if not inside:
            return var
        copy = Var(var.aval)
        if var in self.known:
            self.names[copy] = self.known[var]
        return copy

    def _numbered(self, title: str) -> str:
        """Calls of one name are told apart."""
        count = self._titles[title] = self._titles.get(title, 0) + 1
        return title if count == 1 else f"{title} ({count})"
