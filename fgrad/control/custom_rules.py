"""The primitives that carry a function together with rules for its derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

from fgrad.control.capture import Environment, with_captured
from fgrad.control.custom import CustomCall, Flat, Tangent, batched, captured_tangents, sum_tangents
from fgrad.control.custom_linear import custom_linear
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, instantiate
from fgrad.primitives.shape import move_axis, reduce_sum
from fgrad.transforms.batch import batch
from fgrad.transforms.jaxprs import to_front

__all__ = [
    "Forward",
    "JvpRule",
    "RuleCall",
    "Rules",
    "VjpRule",
    "custom_jvp_call",
    "custom_rule_call",
    "custom_vjp_call",
]

JvpRule = Callable[[Sequence[Array], Sequence[Tangent]], tuple[list[Array], list[Tangent]]]
"""Values and tangents of the results, from the values of all arguments and the tangents of those not captured."""


class Forward(NamedTuple):
    """What the forward half of a reverse-mode rule returns.

    Attributes:
        outs: the results.
        res: the residuals.
        bwd: `bwd(*res, *cts)` gives the cotangents of those arguments that are not captured. Each of `cts` may be
            `ZERO`.
    """

    outs: list[Array]
    res: list[Array]
    bwd: Flat


VjpRule = Callable[[Sequence[Array], Sequence[bool]], Forward]
"""`rule(xs, nz)`: the values of all arguments, those captured first; which of the others have a tangent."""


class Rules(NamedTuple):
    """The rules of a function, one of which may be missing: forward mode takes that for forward mode if there is one,
    reverse mode that for reverse mode."""

    jvp: JvpRule | None
    vjp: VjpRule | None


class RuleCall(CustomCall):
    """A function whose derivative is what its rules say."""

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        rules: Rules = params["rule"]
        return self._derivative(xs, ts, params, rules.jvp or _linearized(rules))

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        rules: Rules = params["rule"]
        rule = rules.jvp if rules.vjp is None else None
        return self._derivative(xs, ts, params, rule or _linearized(rules))

    def _derivative(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any], rule: JvpRule
    ) -> tuple[list[Array], list[Tangent]]:
        captured = params["captured"]
        if any(t is not ZERO for t in ts[captured:]):
            outs, tangents = rule(xs, ts[captured:])
        else:
            outs = self.bind(*xs, **params)
            tangents = [ZERO for _ in outs]
        if any(t is not ZERO for t in ts[:captured]):
            tangents = sum_tangents(tangents, captured_tangents(xs, ts, params))
        return outs, [t if is_inexact(aval_of(y).dtype) else ZERO for t, y in zip(tangents, outs, strict=True)]

    def batch_rule(self, rule: Rules, size: int, dims: Sequence[int | None], captured: int) -> Rules:
        return Rules(
            rule.jvp and _batched_jvp(rule.jvp, size, dims, captured),
            rule.vjp and _batched_vjp(rule.vjp, size, dims, captured),
        )

    def capture_rule(self, rule: Rules, tracers: Sequence[Tracer]) -> Rules:
        return Rules(rule.jvp and _open_jvp(rule.jvp, tracers), rule.vjp and _open_vjp(rule.vjp, tracers))


class CustomJvpCall(RuleCall):
    """`custom_jvp_call(*args)`: a function with a forward-mode rule."""


class CustomVjpCall(RuleCall):
    """`custom_vjp_call(*args)`: a function with a reverse-mode rule."""


class CustomRuleCall(RuleCall):
    """`custom_rule_call(*args)`: a function with a rule for either mode."""


custom_jvp_call = CustomJvpCall()
custom_vjp_call = CustomVjpCall()
custom_rule_call = CustomRuleCall()


def _linearized(rules: Rules) -> JvpRule:
    """The tangents of a function with a reverse-mode rule: linear maps whose transpose is the rule."""
    rule = rules.vjp
    assert rule is not None

    def pushed(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
        nz = [t is not ZERO for t in ts]
        outs, res, bwd = rule(xs, nz)
        varying = [t for t in ts if t is not ZERO]
        avals = tuple(aval_of(y) for y in outs)
        return outs, custom_linear(*res, *varying, bwd=_selected(bwd, nz), count=len(res), avals=avals)

    return pushed


def _selected(bwd: Flat, nz: Sequence[bool]) -> Flat:
    """A backward rule that returns only the cotangents that `nz` marks."""
    if all(nz):
        return bwd

    @wraps(bwd)
    def selected(*values: Array) -> list[Array]:
        return [ct for ct, m in zip(bwd(*values), nz, strict=True) if m]

    return selected


def _batched_jvp(rule: JvpRule, size: int, dims: Sequence[int | None], captured: int) -> JvpRule:
    def over_rows(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
        nz = [t is not ZERO for t in ts]

        @wraps(rule)
        def flat(*values: Array) -> list[Array]:
            outs, tangents = rule(values[: len(xs)], _with_zeros(values[len(xs) :], nz))
            return [*outs, *[instantiate(t, y) for t, y in zip(tangents, outs, strict=True)]]

        marked = [d for d, m in zip(dims[captured:], nz, strict=True) if m]
        both = batched(flat, size, [*dims, *marked])(*xs, *[t for t in ts if t is not ZERO])
        return both[: len(both) // 2], list(both[len(both) // 2 :])

    return over_rows


def _with_zeros(values: Sequence[Array], nz: Sequence[bool]) -> list[Tangent]:
    """The given values at the places that `nz` marks, and zeros elsewhere."""
    given = iter(values)
    return [next(given) if m else ZERO for m in nz]


def _batched_vjp(rule: VjpRule, size: int, dims: Sequence[int | None], captured: int) -> VjpRule:
    def over_rows(xs: Sequence[Array], nz: Sequence[bool]) -> Forward:
        count = 0
        row_bwd: Any = None

        @wraps(rule)
        def flat(*values: Array) -> list[Array]:
            nonlocal count, row_bwd
            outs, res, row_bwd = rule(values, nz)
            count = len(outs)
            return [*outs, *res]

        both, both_dims = batch(flat, size, xs, dims)
        outs = [to_front(y, d, size) for y, d in zip(both[:count], both_dims, strict=False)]
        return Forward(outs, both[count:], _batched_bwd(row_bwd, size, both_dims[count:], dims[captured:]))

    return over_rows


def _batched_bwd(bwd: Flat, size: int, res_dims: Sequence[int | None], dims: Sequence[int | None]) -> Flat:
    """A backward rule over rows, whose mapped axis is the first one of every cotangent."""

    @wraps(bwd)
    def over_rows(*values: Array) -> list[Array]:
        res, cts = values[: len(res_dims)], values[len(res_dims) :]
        nz = [ct is not ZERO for ct in cts]

        @wraps(bwd)
        def row(*given: Array) -> list[Array]:
            return bwd(*given[: len(res)], *_with_zeros(given[len(res) :], nz))

        marked = [ct for ct in cts if ct is not ZERO]
        found = batched(row, size, [*res_dims, *[0] * len(marked)])(*res, *marked)
        return [
            reduce_sum(ct, axes=(0,)) if d is None else move_axis(ct, 0, d) for ct, d in zip(found, dims, strict=True)
        ]

    return over_rows


def _open_jvp(rule: JvpRule, tracers: Sequence[Tracer]) -> JvpRule:
    count = len(tracers)

    def open_rule(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
        with Environment(tracers, xs[:count]) as environment:
            return environment.outside(rule(xs[count:], ts))  # type: ignore[no-any-return]

    return open_rule


def _open_vjp(rule: VjpRule, tracers: Sequence[Tracer]) -> VjpRule:
    count = len(tracers)

    def open_rule(xs: Sequence[Array], nz: Sequence[bool]) -> Forward:
        with Environment(tracers, xs[:count]) as environment:
            outs, res, bwd = rule(xs[count:], nz)
            outs, res = environment.outside([outs, res])
        return Forward(outs, [*xs[:count], *res], with_captured(tracers, bwd))

    return open_rule
