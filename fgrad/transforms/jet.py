"""Taylor mode: the interpreter whose states are a value and its Taylor coefficients.

Values depend on a parameter; coefficients are normalised, yₖ = y⁽ᵏ⁾(0) / k!, so that products are convolutions. They
are ordinary values of the surrounding context. For elementary functions the cost is quadratic in the order.

Source: Griewank and Walther, Evaluating Derivatives (2008), chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, interpret, lift
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Primitive
from fgrad.primitives.coefficients import Constant
from fgrad.transforms.jaxprs import cached, zeros_like
from fgrad.transforms.series import Terms, solve
from fgrad.transforms.stage import trace

__all__ = ["Jet", "Pattern", "expand_call", "filled", "jet", "jet_jaxpr", "packed", "pattern_of", "unpacked"]

Expansion: TypeAlias = tuple[Array, Terms]
Pattern: TypeAlias = tuple[bool, ...]
"""Which coefficients of a value there are, from the first on; the others are zero."""


class Jet(Interpreter[Expansion]):
    """Carries the Taylor coefficients of values along with them.

    Attributes:
        order: how many coefficients.
    """

    def __init__(self, order: int, verb: str = "jet", function: Callable[..., Any] | None = None) -> None:
        super().__init__(verb, function)
        self.order = order

    def step(self, primitive: Primitive, states: list[Expansion], params: dict[str, Any]) -> Any:
        xs = [x for x, _ in states]
        terms = [t for _, t in states]
        if all(t is ZERO for t in terms):
            out = primitive.bind(*xs, **params)
            return [(y, ZERO) for y in out] if primitive.multiple else (out, ZERO)
        out, found = self._expand(primitive, xs, terms, params)
        if primitive.multiple:
            return [(y, _trimmed(t)) for y, t in zip(out, found, strict=True)]
        return out, _trimmed(found)

    def _expand(self, primitive: Primitive, xs: list[Array], terms: list[Any], params: dict[str, Any]) -> Any:
        if primitive.jet is not None:
            return primitive.jet(self.order, xs, terms, params)
        if primitive.is_call:
            if "jaxpr" in params:
                return expand_call(primitive, self.order, xs, terms, params)
            return jet(params["fun"], self.order, xs, terms)
        if primitive.is_affine([t is not ZERO for t in terms]):
            out = primitive.bind(*xs, **params)
            return out, _images(primitive, self.order, out, xs, terms, params)
        if primitive.series is not None:
            out = primitive.bind(*xs, **params)
            given = [Constant(x) if t is ZERO else [x, *t] for x, t in zip(xs, terms, strict=True)]
            following = primitive.series(out, *given, **params)
            if following is not None:
                return out, list(islice(following, self.order))
        return solve(primitive, self.order, xs, terms, params)

    def lift(self, value: Array) -> Expansion:
        return value, ZERO

    def aval(self, state: Expansion) -> ShapedArray:
        return aval_of(state[0])

    def value(self, state: Expansion) -> Array:
        return state[0]

    def constant(self, state: Expansion) -> Array:
        return state[0] if state[1] is ZERO else None

    def expansion(self, x: Array) -> Expansion:
        """What an output of the traced function is: value and coefficients."""
        if type(x) is Tracer and x.interpreter is self:
            return x.state  # type: ignore[no-any-return]
        return lift(self, x)


def _trimmed(terms: Terms) -> Terms:
    return ZERO if terms is ZERO or all(t is ZERO for t in terms) else terms  # type: ignore[union-attr]


def _images(
    primitive: Primitive, order: int, out: Any, xs: list[Array], terms: list[Any], params: dict[str, Any]
) -> Any:
    """The coefficients that an affine primitive makes: it acts on every one by itself."""
    none: Any = [ZERO] * len(out) if primitive.multiple else ZERO
    found = []
    for k in range(order):
        ts = [ZERO if t is ZERO else t[k] for t in terms]
        found.append(none if all(t is ZERO for t in ts) else primitive.jvp(out, xs, ts, **params))
    return list(zip(*found, strict=True)) if primitive.multiple else found


def expand_call(
    primitive: Primitive, order: int, xs: Sequence[Array], terms: Sequence[Terms], params: dict[str, Any]
) -> tuple[list[Array], list[Terms]]:
    """A call of the program that computes all coefficients."""
    expanded, patterns = jet_jaxpr(params["jaxpr"], order, tuple(pattern_of(t, order) for t in terms))
    results = primitive.bind(*xs, *packed(terms), **{**params, "jaxpr": expanded})
    return results[: len(patterns)], unpacked(results[len(patterns) :], patterns)


def jet(
    f: Callable[..., Sequence[Array]], order: int, xs: Sequence[Array], terms: Sequence[Terms], function: Any = None
) -> tuple[list[Array], list[Terms]]:
    """Value and Taylor coefficients of a function of flat arguments that returns a flat list."""
    interpreter = Jet(order, function=function or f)
    with interpreter:
        outs = f(*[x if t is ZERO else Tracer(interpreter, (x, t)) for x, t in zip(xs, terms, strict=True)])
        pairs = [interpreter.expansion(y) for y in outs]
    return [y for y, _ in pairs], [t for _, t in pairs]


def pattern_of(terms: Terms, order: int) -> Pattern:
    """Which coefficients there are."""
    return (False,) * order if terms is ZERO else tuple(t is not ZERO for t in terms)  # type: ignore[union-attr]


def packed(terms: Sequence[Terms]) -> list[Array]:
    """All coefficients that there are, value by value."""
    return [t for series in terms if series is not ZERO for t in series if t is not ZERO]  # type: ignore[union-attr]


def unpacked(flat: Sequence[Array], patterns: Sequence[Pattern]) -> list[Terms]:
    """The coefficients of each value from those that there are."""
    found: Iterator[Array] = iter(flat)
    return [[next(found) if m else ZERO for m in pattern] if any(pattern) else ZERO for pattern in patterns]


@cached
def jet_jaxpr(
    closed: ClosedJaxpr, order: int, patterns: tuple[Pattern, ...], wanted: tuple[Pattern, ...] = ()
) -> tuple[ClosedJaxpr, tuple[Pattern, ...]]:
    """The jaxpr of values and Taylor coefficients.

    Args:
        closed: the program.
        order: how many coefficients.
        patterns: which ones the inputs have. The jaxpr takes the inputs, then these (`packed`).
        wanted: which ones the outputs have in any case, zeros if need be.

    Returns:
        The jaxpr, whose outputs are the values and then the coefficients that there are, and the patterns of these.
    """
    avals = closed.in_avals
    marked = [a for a, pattern in zip(avals, patterns, strict=True) for m in pattern if m]
    found: list[Pattern] = []

    def run(*args: Array) -> list[Array]:
        xs, terms = args[: len(avals)], unpacked(args[len(avals) :], patterns)
        states = interpret(Jet(order), closed.jaxpr, closed.consts, list(zip(xs, terms, strict=True)))
        if wanted:
            states = [(y, filled(y, t, w)) for (y, t), w in zip(states, wanted, strict=True)]
        found.extend(pattern_of(t, order) for _, t in states)
        return [y for y, _ in states] + packed([t for _, t in states])

    return trace(run, [*avals, *marked]), tuple(found)


def filled(y: Array, terms: Terms, wanted: Pattern) -> Terms:
    """The coefficients of a value, zeros among them where they are wanted."""
    given: Any = [ZERO] * len(wanted) if terms is ZERO else terms
    return _trimmed([zeros_like(y) if t is ZERO and w else t for t, w in zip(given, wanted, strict=True)])
