"""What `custom_jvp` and `custom_vjp` share: calls that carry a function together with a rule for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from fgrad.control.call import called, close_over
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.interpreter import Tracer, apply, current, owned
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Primitive, Zero, is_linear_input
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, to_front, transpose_jaxpr
from fgrad.transforms.stage import Stage, trace

__all__ = ["CustomCall", "Flat", "Tangent", "batched", "captured_tangents", "sum_tangents"]

Flat = Callable[..., list[Array]]
Tangent = Array | Zero


class CustomCall(Primitive):
    """Applies a function that has a rule of its own: `custom_call(*captured, *args, captured=, rule=, …)`.

    Online it carries the function itself (`fun`), so that Python control flow works in it; in a jaxpr it carries the
    jaxpr of the function (`jaxpr`). `rule` stays a callable. The first `captured` arguments are values of outer
    transforms that the function or its rule close over: the rule knows nothing of them, their derivatives are those of
    the function as it is written.
    """

    multiple, opaque = True, True

    def bind(self, *args: Array, **params: Any) -> Any:
        taker = current.get()
        while taker is not None and not taker.closed and not any(owned(x, taker) for x in args):
            taker = taker.parent
        if isinstance(taker, Stage):
            if not taker.closed:  # of linear maps the operations are recorded
                return _run(args, params)
            args, params = self._staged(args, params)
        return _run(args, params) if taker is None else apply(taker, self, args, params)

    __call__ = bind

    def impl(self, *args: Array, **params: Any) -> list[Array]:
        return _run(args, params)

    def shape(self, *avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
        return called(self, avals, jaxpr)

    def transpose(self, ct: Sequence[Any], *xs: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        known = tuple(not is_linear_input(x) for x in xs)
        transposed = transpose_jaxpr(jaxpr, known, tuple(c is not ZERO for c in ct))
        given = [x for x, k in zip(xs, known, strict=True) if k]
        found = iter(transposed(*given, *[c for c in ct if c is not ZERO]))
        return [None if k else next(found) for k in known]

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        rule: Any,
        captured: int,
        **params: Any,
    ) -> tuple[list[Array], list[int]]:
        if "jaxpr" in params:
            inner, out_dims = batch_jaxpr(params["jaxpr"], size, tuple(dims))
            params["jaxpr"] = _stacked(inner, size, out_dims)
        else:
            params["fun"] = batched(params["fun"], size, dims)
        rule = self.batch_rule(rule, size, dims, captured)
        outs = self.bind(*xs, rule=rule, captured=captured, **params)
        return outs, [0] * len(outs)

    def batch_rule(self, rule: Any, size: int, dims: Sequence[int | None], captured: int) -> Any:
        """The rule for the function over one more axis."""
        self._missing("batch_rule")

    def capture_rule(self, rule: Any, tracers: Sequence[Tracer]) -> Any:
        """The rule with the values of tracers that it closes over as leading arguments."""
        self._missing("capture_rule")

    def _staged(self, args: tuple[Array, ...], params: dict[str, Any]) -> tuple[tuple[Array, ...], dict[str, Any]]:
        """The call with the jaxpr of the function in place of the function."""
        if "jaxpr" in params:
            return args, params
        fun = params["fun"]
        closed, more = close_over(trace(fun, [aval_of(x) for x in args], self.name.removesuffix("_call"), fun))
        rule = self.capture_rule(params["rule"], more) if more else params["rule"]
        return (*more, *args), {"jaxpr": closed, "rule": rule, "captured": params["captured"] + len(more)}


def _run(args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
    if "jaxpr" in params:
        return eval_jaxpr(params["jaxpr"].jaxpr, params["jaxpr"].consts, *args)
    return params["fun"](*args)  # type: ignore[no-any-return]


def captured_tangents(xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]) -> list[Tangent]:
    """Tangents due to captured values: those of the function as it is written."""
    captured = params["captured"]
    nz = tuple(i < captured and t is not ZERO for i, t in enumerate(ts))
    if "jaxpr" not in params:
        return forward.jvp(params["fun"], xs, [t if m else ZERO for t, m in zip(ts, nz, strict=True)])[1]
    pushed, nz_out = jvp_jaxpr(params["jaxpr"], nz)
    tangents = iter(pushed(*xs, *[t for t, m in zip(ts, nz, strict=True) if m])[len(nz_out) :])
    return [next(tangents) if m else ZERO for m in nz_out]


def sum_tangents(left: Sequence[Any], right: Sequence[Any]) -> list[Tangent]:
    """Tangents added up, one by one."""
    return [b if a is ZERO else a if b is ZERO else a + b for a, b in zip(left, right, strict=True)]


def batched(fun: Flat, size: int, dims: Sequence[int | None]) -> Flat:
    """A flat function over one more axis, which is the first of every result."""

    @wraps(fun)
    def over_rows(*xs: Array) -> list[Array]:
        outs, out_dims = batch(fun, size, xs, dims)
        return [to_front(y, d, size) for y, d in zip(outs, out_dims, strict=True)]

    return over_rows


def _stacked(closed: ClosedJaxpr, size: int, dims: Sequence[int | None]) -> ClosedJaxpr:
    """A batched jaxpr with the mapped axis first in every result."""
    if all(d == 0 for d in dims):
        return closed
    return trace(lambda *xs: [to_front(y, d, size) for y, d in zip(closed(*xs), dims, strict=True)], closed.in_avals)
