"""Series that are computed on demand, and the interpreter of derivative rules that builds them.

A primitive without a recurrence of its own is solved as a differential equation: yₖ is the (k−1)-st coefficient of
y′ = jvp(y, x, x′), divided by k. The rule runs once, on values that stand for series; coefficient k−1 of what it
returns needs no more than the coefficients of y below k. Equal operations on equal series are one series, so that the
derivatives of derivatives that are asked for on the way close up: sin, cos, sin.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.interpreter import Interpreter, Tracer
from fgrad.core.primitive import ZERO, Primitive, Zero, instantiate
from fgrad.primitives.coefficients import Coefficient, Constant, divided, times

__all__ = ["Expand", "LazySeries", "Terms", "solve"]

Terms: TypeAlias = Sequence[Coefficient] | Zero
"""The coefficients of a value from the first on; `ZERO` if it does not vary."""


class LazySeries:
    """A series whose coefficients are computed when they are asked for, in order.

    Attributes:
        value: the coefficient 0.
        base: the series that this one is the derivative of, if it is that of one.
    """

    __slots__ = ("_compute", "_terms", "base", "derivative", "value")

    def __init__(self, value: Array, compute: Callable[[int], Coefficient], terms: Sequence[Coefficient] = ()) -> None:
        self.value = value
        self.base: LazySeries | None = None
        self.derivative: LazySeries | None = None
        self._compute = compute
        self._terms = list(terms)

    def __getitem__(self, k: int) -> Any:
        if k == 0:
            return self.value
        terms = self._terms
        while len(terms) < k:
            terms.append(self._compute(len(terms) + 1))
        return terms[k - 1]

    def become(self, other: LazySeries) -> None:
        """Takes the coefficients of a series that is known to be equal."""
        self._compute = other.__getitem__
        self._terms = []

    def forget(self) -> None:
        """Drops what the coefficients are computed from: series that define each other hold each other."""
        del self._compute, self.base, self.derivative


State: TypeAlias = LazySeries | Array


class Expand(Interpreter[State]):
    """Applies operations to series. The state of a value that does not vary is the value."""

    def __init__(self) -> None:
        super().__init__("jet")
        self._known: dict[Hashable, tuple[Any, list[State]]] = {}
        self._made: list[LazySeries] = []

    def lift(self, value: Array) -> State:
        return value

    def aval(self, state: State) -> ShapedArray:
        return aval_of(_value(state))

    def value(self, state: State) -> Array:
        return _value(state)

    def constant(self, state: State) -> Array:
        return None if type(state) is LazySeries else state

    def step(self, primitive: Primitive, states: list[State], params: dict[str, Any]) -> Any:
        key = _key(primitive, states, params)
        if key is None:
            return self._apply(primitive, states, params)
        if key not in self._known:  # with the arguments, whose identity the key is made of
            self._known[key] = self._apply(primitive, states, params), states
        elif "fun" in params:  # whoever calls it waits for it to be called
            primitive.bind(*map(_value, states), **params)
        return self._known[key][0]

    def given(self, x: Array, terms: Terms) -> State:
        """The state of a value whose coefficients are known."""
        return x if terms is ZERO else self._make(x, lambda k: ZERO, terms)  # type: ignore[arg-type]

    def close(self) -> None:
        """Forgets everything but the coefficients computed so far."""
        for series in self._made:
            series.forget()
        self._made.clear()
        self._known.clear()

    def _make(self, value: Array, compute: Callable[[int], Coefficient], terms: Sequence[Any] = ()) -> LazySeries:
        series = LazySeries(value, compute, terms)
        self._made.append(series)
        return series

    def _apply(self, primitive: Primitive, states: list[State], params: dict[str, Any]) -> Any:
        varying = [type(s) is LazySeries for s in states]
        if primitive.is_call and any(varying):
            return self._states(self.run(params["jaxpr"] if "jaxpr" in params else params["fun"], states))
        xs = [_value(s) for s in states]
        out = primitive.bind(*xs, **params)
        if not any(varying):
            return out
        if primitive.is_affine(varying):
            return self._image(primitive, states, xs, out, params)
        if primitive.series is not None:
            following = primitive.series(out, *map(_series, states), **params)
            if following is not None:
                return self._make(out, lambda k: next(following))
        if primitive.jet is not None:
            return self._all_at_once(primitive, states, xs, out, params)
        return self._solution(primitive, states, out, params)

    def run(self, f: Callable[..., Any], states: Sequence[State]) -> Any:
        """Calls a function of Python's on tracers."""
        with self:
            return f(*[Tracer(self, s) if type(s) is LazySeries else s for s in states])

    def _states(self, values: Sequence[Array]) -> list[Any]:
        return [x.state if type(x) is Tracer and x.interpreter is self else x for x in values]

    def _image(
        self, primitive: Primitive, states: list[State], xs: list[Array], out: Any, params: dict[str, Any]
    ) -> Any:
        """The series that an affine primitive makes: it acts on every coefficient by itself.

        Of derivatives it makes the derivative of what it makes of their bases: integrated, that is the latter.
        """
        outs = out if primitive.multiple else [out]
        bases = [s.base if type(s) is LazySeries else s for s in states]
        integrable = all(b is not None for b in bases)
        sources = bases if integrable else states

        @cache
        def image(k: int) -> Any:
            ts = [s[k] if type(s) is LazySeries else ZERO for s in sources]
            if all(t is ZERO for t in ts):
                return [ZERO] * len(outs)
            found = primitive.jvp(out, xs, ts, **params)
            return found if primitive.multiple else [found]

        def make(i: int, y: Array) -> State:
            if not is_inexact(aval_of(y).dtype):
                return y
            if integrable:
                return self._derivative(self._make(None, lambda k: image(k)[i], (y,)))
            return self._make(y, lambda k: image(k)[i])

        made = [make(i, y) for i, y in enumerate(outs)]
        return made if primitive.multiple else made[0]

    def _derivative(self, base: LazySeries) -> LazySeries:
        if base.derivative is None:
            slope = base[1]
            value = instantiate(slope, base.value) if slope is ZERO else slope
            base.derivative = self._make(value, lambda k: times(base[k + 1], k + 1))
            base.derivative.base = base
        return base.derivative

    def _all_at_once(
        self, primitive: Primitive, states: list[State], xs: list[Array], out: Any, params: dict[str, Any]
    ) -> Any:
        """The series of a primitive whose rule gives all coefficients up to some order: for each order it runs anew."""
        rule: Any = primitive.jet

        @cache
        def terms(k: int) -> Any:
            given = [[s[i + 1] for i in range(k)] if type(s) is LazySeries else ZERO for s in states]
            found = rule(k, xs, given, params)[1]
            return found if primitive.multiple else [found]

        def make(i: int) -> LazySeries:
            return self._make(outs[i], lambda k: ZERO if terms(k)[i] is ZERO else terms(k)[i][k - 1])

        outs = out if primitive.multiple else [out]
        made = [make(i) if is_inexact(aval_of(y).dtype) else y for i, y in enumerate(outs)]
        return made if primitive.multiple else made[0]

    def _solution(self, primitive: Primitive, states: list[State], out: Any, params: dict[str, Any]) -> Any:
        """The series of a primitive that has nothing but its derivative rule."""
        outs = out if primitive.multiple else [out]
        made: list[Any] = []

        @cache
        def rates() -> list[Any]:
            return self._rates(primitive, states, made, params)

        def make(i: int, y: Array) -> State:
            if not is_inexact(aval_of(y).dtype):
                return y
            return self._make(y, lambda k: _integral(rates()[i], k))

        made += [make(i, y) for i, y in enumerate(outs)]
        return made if primitive.multiple else made[0]

    def _rates(self, primitive: Primitive, states: list[State], made: list[State], params: dict[str, Any]) -> list[Any]:
        """What the derivative rule gives for the derivatives of the arguments."""
        ts = [self._derivative(s) if type(s) is LazySeries else ZERO for s in states]

        def rule(*tracers: Array) -> Any:
            count = len(states)
            tangents = iter(tracers[count:])
            return primitive.pushforward(tracers[:count], [ZERO if t is ZERO else next(tangents) for t in ts], params)

        known = len(self._made)
        outs, rates = self.run(rule, [*states, *[t for t in ts if t is not ZERO]])
        values = outs if primitive.multiple else [outs]
        for y, found in zip(made, self._states(values), strict=True):
            # Functions with rules of their own are called anew in these: what comes out is what is being computed.
            new = type(found) is LazySeries and found is not y and found in self._made[known:]
            if new and type(y) is LazySeries:
                found.become(y)
        return self._states(rates if primitive.multiple else [rates])


def _value(state: State) -> Array:
    return state.value if type(state) is LazySeries else state


def _series(state: State) -> Any:
    return state if type(state) is LazySeries else Constant(state)


def _integral(rate: Any, k: int) -> Coefficient:
    """The k-th coefficient of what has the given derivative."""
    if type(rate) is not LazySeries:
        return ZERO if k > 1 else rate
    return divided(rate[k - 1], k) if rate.base is None else rate.base[k]


def _key(primitive: Primitive, states: Sequence[State], params: dict[str, Any]) -> Hashable:
    """What equal operations on the same series have in common; `None` if that cannot be told."""
    if primitive.effect:
        return None
    called = getattr(params.get("fun"), "called", (None,))
    if called[0] == id(params.get("fun")):  # a function with rules of its own, which are made anew at every call
        params = {"called": called[1:]}
    key = primitive, tuple(map(_identity, states)), tuple(params.items())
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _identity(state: State) -> Hashable:
    return (type(state), repr(state)) if isinstance(state, (int, float, complex, np.generic)) else id(state)


def solve(
    primitive: Primitive, order: int, xs: Sequence[Array], terms: Sequence[Terms], params: dict[str, Any]
) -> tuple[Any, Any]:
    """Result and coefficients of a primitive from its derivative rule.

    Args:
        primitive: which one.
        order: the number of coefficients.
        xs: its arguments.
        terms: their coefficients.
        params: its parameters.
    """
    expand = Expand()
    try:
        states = expand.step(primitive, [expand.given(x, t) for x, t in zip(xs, terms, strict=True)], params)
        series = states if primitive.multiple else [states]
        found = [[s[k + 1] for k in range(order)] if type(s) is LazySeries else ZERO for s in series]
        outs = [_value(s) for s in series]
    finally:
        expand.close()
    return (outs, found) if primitive.multiple else (outs[0], found[0])
