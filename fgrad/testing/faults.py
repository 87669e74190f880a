"""Wrong rules: what people get wrong in derivatives, planted in the rules of a user's functions (`mutation_score`).

Faults in the rules of fgrad's own primitives are in fgrad/testing/rule_faults.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fgrad.control.custom_function import CustomFunction, FlatCall, Keep
from fgrad.control.custom_rules import Forward, JvpRule, VjpRule
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, instantiate
from fgrad.extend import ExtendedElementwise
from fgrad.primitives.rounding import conj
from fgrad.primitives.shape import reshape, transpose
from fgrad.testing.points import random_like

__all__ = ["Fault", "Planted", "Seen", "planted", "possible_faults"]


class Seen(NamedTuple):
    """What was seen of an argument, or of a residual, in the calls of a rule.

    Attributes:
        place: where it stands: `params['w']`, `res[0]`.
        avals: its types.
        outs: the types of the results, once for each of these.
    """

    place: str
    avals: list[ShapedArray]
    outs: list[list[ShapedArray]]


class Fault(NamedTuple):
    """A way to be wrong.

    Attributes:
        rule: which rule is: "jvp", "vjp" or "derivative".
        what: what is wrong.
        place: of which argument or residual.
        other: of which other one, if there are two.
    """

    rule: str
    what: str
    place: str
    other: str = ""

    def __str__(self) -> str:
        return f"{self.what}, {self.place}{f' and {self.other}' if self.other else ''}"


SIGN, FACTOR, LOST = "wrong sign", "a factor of 2", "forgotten"
TERM, AXES, CONJUGATE = "missing broadcast sum", "transposed axes", "dropped conjugate"
STALE, SWAPPED = "stale residual", "swapped"


def possible_faults(rule: str, arguments: Sequence[Seen], residuals: Sequence[Seen]) -> Iterator[Fault]:
    """The faults that a rule can have, of the arguments and residuals that it was seen with."""
    for seen in arguments:
        for what in (SIGN, FACTOR, LOST):
            yield Fault(rule, what, seen.place)
        if any(a.dtype.kind == "c" for a in seen.avals):
            yield Fault(rule, CONJUGATE, seen.place)
        if rule == "derivative":
            continue
        if any(_wide_axes(a, y) for a, outs in zip(seen.avals, seen.outs, strict=True) for y in outs):
            yield Fault(rule, TERM, seen.place)
        if any(len(a.shape) > 1 and min(a.shape[-2:]) > 1 for a in seen.avals):
            yield Fault(rule, AXES, seen.place)
    for seen in residuals:
        yield Fault(rule, STALE, seen.place)
    for i, one in enumerate(arguments):
        for two in arguments[i + 1 :]:
            if [a.shape for a in one.avals] == [a.shape for a in two.avals]:
                yield Fault(rule, SWAPPED, one.place, two.place)


class Planted:
    """A fault in a rule; or none, to see what the rule is called with.

    Attributes:
        ran: whether the rule was called.
        changed: whether its result was another than without the fault, or may have been, in a program being traced.
    """

    def __init__(self, fault: Fault | None) -> None:
        self.fault = fault
        self.ran = self.changed = False
        self.arguments: dict[str, dict[str, Seen]] = {"jvp": {}, "vjp": {}, "derivative": {}}
        self.residuals: dict[str, dict[str, Seen]] = {"jvp": {}, "vjp": {}, "derivative": {}}

    def concerns(self, rule: str) -> bool:
        return self.fault is not None and self.fault.rule == rule

    def see(self, into: dict[str, Seen], place: str, x: Array | ShapedArray, outs: Sequence[Array]) -> None:
        aval = x if isinstance(x, ShapedArray) else aval_of(x)
        if is_inexact(aval.dtype):
            seen = into.setdefault(place, Seen(place, [], []))
            seen.avals.append(aval)
            seen.outs.append([aval_of(y) for y in outs])

    def compare(self, right: Sequence[Any], wrong: Sequence[Any]) -> None:
        """Notes whether the fault makes a difference."""
        self.ran = True
        for x, y in zip(right, wrong, strict=True):
            x, y = _value(x), _value(y)
            unknown = x is None or y is None or (x is ZERO) != (y is ZERO)
            if unknown or (x is not ZERO and not np.array_equal(x, y, equal_nan=True)):
                self.changed = True

    # Rules on flat values, as fgrad/control/custom_rules.py describes them.

    def pushing(self, rule: JvpRule, call: FlatCall) -> JvpRule:
        places = [call.place(i) for i in range(len(call.avals))]

        def wrong(xs: Sequence[Array], ts: Sequence[Any]) -> tuple[list[Array], list[Any]]:
            outs, tangents = rule(xs, ts)
            for place, x in zip(places, xs, strict=True):
                self.see(self.arguments["jvp"], place, x, outs)
                self.see(self.residuals["jvp"], place, x, outs)
            if not self.concerns("jvp"):
                return outs, tangents
            found = self._pushed(rule, places, xs, ts, outs, tangents)
            known, along = [_value(x) for x in xs], [_any_value(t, x) for t, x in zip(ts, xs, strict=True)]
            if any(type(t) is Tracer for t in ts) and all(x is not None for x in known):
                # The tangents are being recorded. What the fault does is seen along others.
                right = rule(known, along)
                self.compare(right[1], self._pushed(rule, places, known, along, *right))
            else:
                self.compare(tangents, found)
            return outs, found

        return wrong

    def _pushed(
        self, rule: JvpRule, places: list[str], xs: Sequence[Array], ts: Sequence[Any], outs: Any, tangents: Any
    ) -> list[Any]:
        fault = self.fault
        if fault is None or fault.place not in places:
            return list(tangents)
        i, full = places.index(fault.place), list(ts)
        if fault.what == STALE:
            return rule([_stale(x) if k == i else x for k, x in enumerate(xs)], ts)[1]
        if fault.what == SWAPPED:
            j = places.index(fault.other)
            full[i], full[j] = ts[j], ts[i]
            return rule(xs, full)[1]
        if ts[i] is ZERO:
            return list(tangents)
        if fault.what == TERM:
            alone = rule(xs, [t if k == i else _nothing(x) for k, (t, x) in enumerate(zip(ts, xs, strict=True))])[1]
            rest = rule(xs, [_nothing(x) if k == i else t for k, (t, x) in enumerate(zip(ts, xs, strict=True))])[1]
            return [
                instantiate(r, y) + instantiate(a, y) * _first_only(aval_of(xs[i]), aval_of(y))
                for a, r, y in zip(alone, rest, outs, strict=True)
            ]
        full[i] = _CHANGES[fault.what](ts[i])
        return rule(xs, full)[1]

    def pulling(self, rule: VjpRule, call: FlatCall) -> VjpRule:
        places = [call.place(i) for i in range(len(call.avals))]

        def wrong(xs: Sequence[Array], nz: Sequence[bool]) -> Forward:
            outs, res, bwd = rule(xs, nz)
            for place, aval in zip(places, call.avals, strict=True):
                self.see(self.arguments["vjp"], place, aval, outs)
            for k, x in enumerate(res):
                self.see(self.residuals["vjp"], f"res[{k}]", x, outs)
            if not self.concerns("vjp"):
                return Forward(outs, res, bwd)

            def wrong_bwd(*values: Any) -> list[Array]:
                right = bwd(*values)
                found = self._pulled(bwd, places, call.avals, values, len(res), outs, right)
                known = [_value(x) for x in values[: len(res)]]
                cts = [_any_value(ct, y) for ct, y in zip(values[len(res) :], outs, strict=True)]
                if any(type(ct) is Tracer for ct in values[len(res) :]) and all(x is not None for x in known):
                    given = [*known, *cts]
                    probed = bwd(*given)
                    self.compare(probed, self._pulled(bwd, places, call.avals, given, len(res), outs, probed))
                else:
                    self.compare(right, found)
                return found

            wrong_bwd.__dict__.update(bwd.__dict__)
            return Forward(outs, res, wrong_bwd)

        wrong.__dict__.update(rule.__dict__)
        return wrong

    def _pulled(
        self, bwd: Any, places: list[str], avals: Any, values: Sequence[Any], count: int, outs: Any, right: list[Array]
    ) -> list[Array]:
        fault = self.fault
        assert fault is not None
        if fault.what == STALE:
            k = int(fault.place[4:-1])
            if k >= count:
                return right
            return bwd(*[_stale(x) if i == k else x for i, x in enumerate(values)])  # type: ignore[no-any-return]
        if fault.place not in places:
            return right
        i, found = places.index(fault.place), list(right)
        if fault.what == SWAPPED:
            j = places.index(fault.other)
            found[i], found[j] = right[j], right[i]
        elif fault.what == TERM:
            cts = [
                ct if ct is ZERO else ct * _first_only(avals[i], aval_of(y))
                for ct, y in zip(values[count:], outs, strict=True)
            ]
            found[i] = bwd(*values[:count], *cts)[i]
        else:
            found[i] = _CHANGES[fault.what](right[i])
        return found

    def partial(self, rule: Callable[..., Array], k: int, rules: Sequence[Any]) -> Callable[..., Array]:
        """The derivative of an element-wise primitive by its argument `k`."""

        def wrong(out: Array, *xs: Array) -> Array:
            right = rule(out, *xs)
            self.see(self.arguments["derivative"], f"args[{k}]", xs[k], [out])
            self.see(self.residuals["derivative"], f"args[{k}]", xs[k], [out])
            fault = self.fault
            if fault is None or f"args[{k}]" not in (fault.place, fault.other):
                return right
            if fault.what == SWAPPED:
                other = fault.other if fault.place == f"args[{k}]" else fault.place
                found = rules[int(other[5:-1])](out, *xs)
            elif fault.what == STALE:
                found = rule(out, *[_stale(x) if i == k else x for i, x in enumerate(xs)])
            else:
                found = _CHANGES[fault.what](right)
            self.compare([right], [found])
            return found

        return wrong


@contextmanager
def planted(f: Any, fault: Fault | None) -> Iterator[Planted]:
    """Within it a custom function, or an element-wise primitive, has a wrong rule."""
    plant = Planted(fault)
    if isinstance(f, CustomFunction):
        flat_jvp, flat_vjp = f._flat_jvp, f._flat_vjp

        def with_jvp(call: FlatCall, keep: Keep) -> JvpRule | None:
            rule = flat_jvp(call, keep)
            return None if rule is None else plant.pushing(rule, call)

        def with_vjp(call: FlatCall, keep: Keep) -> VjpRule | None:
            rule = flat_vjp(call, keep)
            return None if rule is None else plant.pulling(rule, call)

        vars(f).update(_flat_jvp=with_jvp, _flat_vjp=with_vjp)
        try:
            yield plant
        finally:
            del vars(f)["_flat_jvp"], vars(f)["_flat_vjp"]
    else:
        made: ExtendedElementwise = f.primitive
        rules = made.rules or []
        made.rules = [None if rule is None else plant.partial(rule, k, rules) for k, rule in enumerate(rules)]
        try:
            yield plant
        finally:
            made.rules = rules


def _value(x: Any) -> Any:
    """The value of what may be traced; `None` if it has none yet."""
    return x.concrete if type(x) is Tracer else x


def _any_value(t: Any, x: Array) -> Any:
    """A tangent or cotangent of the type of `x`, in place of one that is being recorded."""
    if type(t) is not Tracer:
        return t
    return random_like(np.random.default_rng(0), x) if is_inexact(aval_of(x).dtype) else ZERO


def _transposed(t: Array) -> Array:
    """With the last two axes swapped; in the same shape, so that no other check finds out."""
    aval = aval_of(t)
    n = len(aval.shape)
    if n < 2:
        return t
    return reshape(transpose(t, axes=(*range(n - 2), n - 1, n - 2)), shape=aval.shape)


def _conjugated(t: Array) -> Array:
    return conj(t) if aval_of(t).dtype.kind == "c" else t


_CHANGES: dict[str, Callable[[Array], Array]] = {
    SIGN: lambda t: -t,
    FACTOR: lambda t: t * 2,
    LOST: lambda t: t * 0,
    CONJUGATE: _conjugated,
    AXES: _transposed,
}


def _stale(x: Array) -> Array:
    """A value as it was before something else happened to it."""
    return x * 1.25 + 0.5 if is_inexact(aval_of(x).dtype) else x


def _nothing(x: Array) -> Array:
    aval = aval_of(x)
    return np.zeros(aval.shape, aval.dtype)


def _wide_axes(x: ShapedArray, out: ShapedArray) -> tuple[int, ...]:
    """The axes of a result along which an argument is repeated, or summed over in its cotangent."""
    lead = len(out.shape) - len(x.shape)
    axes = [i for i, n in enumerate(out.shape) if n > 1 and (i < lead or (i - lead >= 0 and x.shape[i - lead] == 1))]
    return tuple(axes)


def _first_only(x: ShapedArray, out: ShapedArray) -> Array:
    """Ones at the first place along these axes, zeros elsewhere: of a sum over them one term is left."""
    mask = np.zeros(out.shape, out.dtype)
    axes = _wide_axes(x, out)
    mask[tuple(slice(0, 1) if i in axes else slice(None) for i in range(len(out.shape)))] = 1
    return mask
