"""The intermediate representation: a typed straight-line program of primitive applications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.errors import SourceLine

if TYPE_CHECKING:
    from fgrad.core.primitive import Primitive

__all__ = ["Atom", "ClosedJaxpr", "Equation", "Jaxpr", "Literal", "Var", "eliminate_dead_code", "inline_literals"]


class Var:
    """A variable of a jaxpr: bound once, compared by identity; it gets its name when it is printed."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var:{self.aval}"


class Literal:
    """A constant that stands in an equation. While a program is being recorded it may be any value."""

    __slots__ = ("value",)

    def __init__(self, value: Array) -> None:
        self.value = value

    @property
    def aval(self) -> ShapedArray:
        return aval_of(self.value)

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"


Atom: TypeAlias = Var | Literal


class Equation(NamedTuple):
    """`outvars = primitive[params](invars)`, and the line of the user's program that it comes from."""

    primitive: Primitive
    invars: Sequence[Atom]
    outvars: Sequence[Var]
    params: dict[str, Any]
    source: SourceLine | None


class Jaxpr:
    """A program: from `constvars` and `invars`, by `eqns` in order, to `outvars`. It is never changed once made."""

    __slots__ = ("__weakref__", "_last_uses", "constvars", "eqns", "invars", "outvars")

    def __init__(
        self,
        constvars: Sequence[Var],
        invars: Sequence[Var],
        outvars: Sequence[Atom],
        eqns: Sequence[Equation],
    ) -> None:
        self.constvars = constvars
        self.invars = invars
        self.outvars = outvars
        self.eqns = eqns
        self._last_uses: list[list[Var]] | None = None

    @property
    def last_uses(self) -> list[list[Var]]:
        """For each equation the variables that nothing reads after it."""
        if self._last_uses is None:
            live: set[Var] = {v for v in self.outvars if type(v) is Var}
            uses: list[list[Var]] = []
            for eqn in reversed(self.eqns):
                dying = {v for v in (*eqn.invars, *eqn.outvars) if type(v) is Var and v not in live}
                live |= dying
                uses.append(list(dying))
            uses.reverse()
            self._last_uses = uses
        return self._last_uses

    def __reduce__(self) -> tuple[Any, ...]:
        return Jaxpr, (self.constvars, self.invars, self.outvars, self.eqns)


class ClosedJaxpr:
    """A jaxpr with the values of its constants; they are held by reference. It is callable on flat arguments."""

    __slots__ = ("__weakref__", "consts", "jaxpr")

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Array]) -> None:
        self.jaxpr = jaxpr
        self.consts = consts

    @property
    def in_avals(self) -> list[ShapedArray]:
        return [v.aval for v in self.jaxpr.invars]

    @property
    def out_avals(self) -> list[ShapedArray]:
        return [v.aval for v in self.jaxpr.outvars]

    @property
    def eqns(self) -> Sequence[Equation]:
        return self.jaxpr.eqns

    if TYPE_CHECKING:  # fgrad.core.evaluate defines it

        def __call__(self, *args: Array) -> list[Array]: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return ClosedJaxpr, (self.jaxpr, self.consts)


def inline_literals(invars: Sequence[Var], outvars: Sequence[Atom], eqns: Sequence[Equation]) -> ClosedJaxpr:
    """Closes a recorded program: literals that are not plain scalars become constants, each value once."""
    constvars: dict[int, Var] = {}
    consts: list[Array] = []

    def close(atom: Atom) -> Atom:
        if isinstance(atom, Var) or type(atom.value) in _SCALARS or isinstance(atom.value, np.generic):
            return atom
        value = atom.value
        var = constvars.get(id(value))
        if var is None:
            var = constvars[id(value)] = Var(atom.aval)
            consts.append(value)
        return var

    closed = [
        eqn if all(type(a) is Var for a in eqn.invars) else eqn._replace(invars=[close(a) for a in eqn.invars])
        for eqn in eqns
    ]
    outs = [close(a) for a in outvars]
    return ClosedJaxpr(Jaxpr(list(constvars.values()), invars, outs, closed), consts)


def eliminate_dead_code(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Drops equations and constants that no output depends on."""
    jaxpr = closed.jaxpr
    live = {a for a in jaxpr.outvars if type(a) is Var}
    eqns: list[Equation] = []
    for eqn in reversed(jaxpr.eqns):
        if not live.isdisjoint(eqn.outvars):
            eqns.append(eqn)
            live.update(a for a in eqn.invars if type(a) is Var)
    eqns.reverse()
    used = [(v, c) for v, c in zip(jaxpr.constvars, closed.consts, strict=True) if v in live]
    return ClosedJaxpr(Jaxpr([v for v, _ in used], jaxpr.invars, jaxpr.outvars, eqns), [c for _, c in used])


_SCALARS = frozenset({bool, int, float, complex})
