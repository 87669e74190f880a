"""Primitives that apply a jaxpr. Their rules transform the jaxpr with the same interpreters, offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr
from fgrad.core.primitive import ZERO, Primitive, Zero, is_linear_input
from fgrad.errors import JaxprError
from fgrad.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, linearize_jaxpr, transpose_jaxpr

__all__ = ["Call", "called", "close_over"]


def close_over(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Array]]:
    """Turns the constants of a jaxpr that are tracers into leading arguments; returns these, too."""
    jaxpr = closed.jaxpr
    pairs = list(zip(jaxpr.constvars, closed.consts, strict=True))
    captured = [(v, c) for v, c in pairs if type(c) is Tracer]
    if not captured:
        return closed, []
    plain = [(v, c) for v, c in pairs if type(c) is not Tracer]
    lifted = Jaxpr([v for v, _ in plain], [*(v for v, _ in captured), *jaxpr.invars], jaxpr.outvars, jaxpr.eqns)
    return ClosedJaxpr(lifted, [c for _, c in plain]), [c for _, c in captured]


def called(primitive: Primitive, avals: Sequence[ShapedArray], jaxpr: ClosedJaxpr) -> list[ShapedArray]:
    """The types of the outputs of a jaxpr that is applied to arguments of some types, which must be its own."""
    expected = jaxpr.in_avals
    if [(a.shape, a.dtype) for a in avals] != [(a.shape, a.dtype) for a in expected]:
        given, needed = (", ".join(map(str, types)) for types in (avals, expected))
        raise JaxprError(f"`{primitive.name}` applies a program of ({needed}) to ({given})")
    return jaxpr.out_avals


class Call(Primitive):
    """Applies the closed jaxpr `jaxpr` to its arguments. Other parameters are handed on to what its rules apply."""

    multiple, opaque, is_call = True, True, True

    def impl(self, *xs: Array, jaxpr: ClosedJaxpr, **params: Any) -> list[Array]:
        return eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *xs)

    def shape(self, *avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
        return called(self, avals, jaxpr)

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        pushed, nz_out = jvp_jaxpr(params["jaxpr"], tuple(t is not ZERO for t in ts))
        outs = self.bind(*xs, *[t for t in ts if t is not ZERO], **{**params, "jaxpr": pushed})
        tangents = iter(outs[len(nz_out) :])
        return outs[: len(nz_out)], [next(tangents) if m else ZERO for m in nz_out]

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        forward, linear, residuals, nz_out = linearize_jaxpr(params["jaxpr"], tuple(t is not ZERO for t in ts))
        results = self.bind(*xs, **{**params, "jaxpr": forward})
        known = [xs[i] if place == "in" else results[i] for place, i in residuals]
        outs = self.bind(*known, *[t for t in ts if t is not ZERO], **{**params, "jaxpr": linear})
        tangents = iter(outs)
        return results[: len(nz_out)], [next(tangents) if m else ZERO for m in nz_out]

    def transpose(self, ct: Sequence[Any], *xs: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        known = tuple(not is_linear_input(x) for x in xs)
        transposed = transpose_jaxpr(jaxpr, known, tuple(c is not ZERO for c in ct))
        given = [x for x, k in zip(xs, known, strict=True) if k]
        found = iter(self.bind(*given, *[c for c in ct if c is not ZERO], jaxpr=transposed, **params))
        return [None if k else next(found) for k in known]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, jaxpr: ClosedJaxpr, **params: Any
    ) -> tuple[list[Array], list[int | None]]:
        batched, out_dims = batch_jaxpr(jaxpr, size, tuple(dims))
        return self.bind(*xs, jaxpr=batched, **params), out_dims
