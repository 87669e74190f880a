"""The intermediate representation: a typed straight-line program of primitive applications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.errors import SourceLine

if TYPE_CHECKING:
    from fgrad.core.primitive import Primitive

__all__ = [
    "Atom",
    "ClosedJaxpr",
    "Equation",
    "Jaxpr",
    "Literal",
    "Var",
    "eliminate_dead_code",
    "has_effect",
    "inline_literals",
    "inner_jaxprs",
    "without_effects",
]


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

    __slots__ = ("__weakref__", "_effect", "_last_uses", "constvars", "eqns", "invars", "outvars")

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
        self._effect: bool | None = None

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

    @property
    def effect(self) -> bool:
        """Whether an equation, at any depth, does something besides computing its results."""
        if self._effect is None:
            self._effect = _contains_effect(self)
        return self._effect

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


def inner_jaxprs(params: dict[str, Any]) -> list[tuple[str, Jaxpr | ClosedJaxpr]]:
    """The programs among the parameters of an equation, with their names: `branches[1]`, or `form.jaxpr`."""
    found: list[tuple[str, Jaxpr | ClosedJaxpr]] = []
    for key, value in params.items():
        if isinstance(value, (Jaxpr, ClosedJaxpr)):
            found.append((key, value))
        elif hasattr(value, "_asdict"):
            found += [(f"{key}.{name}", program) for name, program in inner_jaxprs(value._asdict())]
        elif type(value) is tuple and value and isinstance(value[0], (Jaxpr, ClosedJaxpr)):
            found += [(f"{key}[{i}]", program) for i, program in enumerate(value)]
    return found


def has_effect(eqn: Equation) -> bool:
    """Whether an equation does something besides computing its results, itself or in a program it holds: then it is
    never dropped, repeated, merged with another, or moved past another such equation."""
    primitive = eqn.primitive
    # What holds a program has several results.
    return primitive.effect or (primitive.multiple and any([program.effect for program in _programs(eqn)]))


def _programs(eqn: Equation) -> list[Jaxpr]:
    return [p.jaxpr if isinstance(p, ClosedJaxpr) else p for _, p in inner_jaxprs(eqn.params)]


def _contains_effect(jaxpr: Jaxpr) -> bool:
    """Looks into a jaxpr and the programs it holds, without recursion."""
    pending = [jaxpr]
    while pending:
        for eqn in pending.pop().eqns:
            inner = _programs(eqn)
            if eqn.primitive.effect or any([program._effect for program in inner]):
                return True
            pending += [program for program in inner if program._effect is None]
    return False


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
    """Drops equations and constants that no output depends on, unless they have an effect."""
    return _pruned(closed, closed.eqns, keep_effects=True)


def without_effects(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program for the sake of its outputs alone: without equations, at any depth, that only have an effect."""
    if not closed.jaxpr.effect:
        return closed
    known = _without_effects.get(closed)
    if known is None:
        eqns = [e._replace(params=_params_without_effects(e.params)) if has_effect(e) else e for e in closed.eqns]
        known = _without_effects[closed] = _pruned(closed, eqns, keep_effects=False)
    return known


_without_effects: WeakKeyDictionary[ClosedJaxpr, ClosedJaxpr] = WeakKeyDictionary()


def _params_without_effects(params: dict[str, Any]) -> dict[str, Any]:
    return {key: _value_without_effects(value) for key, value in params.items()}


def _value_without_effects(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return without_effects(value)
    if isinstance(value, Jaxpr):
        return without_effects(ClosedJaxpr(value, ())).jaxpr if not value.constvars else value
    return tuple(map(_value_without_effects, value)) if type(value) is tuple else value


def _pruned(closed: ClosedJaxpr, eqns: Sequence[Equation], *, keep_effects: bool) -> ClosedJaxpr:
    jaxpr = closed.jaxpr
    live = {a for a in jaxpr.outvars if type(a) is Var}
    kept: list[Equation] = []
    for eqn in reversed(eqns):
        if not live.isdisjoint(eqn.outvars) or (keep_effects and has_effect(eqn)):
            kept.append(eqn)
            live.update(a for a in eqn.invars if type(a) is Var)
    kept.reverse()
    used = [(v, c) for v, c in zip(jaxpr.constvars, closed.consts, strict=True) if v in live]
    return ClosedJaxpr(Jaxpr([v for v, _ in used], jaxpr.invars, jaxpr.outvars, kept), [c for _, c in used])


_SCALARS = frozenset({bool, int, float, complex})
