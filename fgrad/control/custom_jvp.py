"""Functions with a forward-mode rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from fgrad.control.custom import CustomCall, batched, flat_call, resolve_arguments
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.primitive import ZERO, Zero, instantiate
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError, message
from fgrad.primitives.families import shape_of
from fgrad.transforms.jaxprs import jvp_jaxpr
from fgrad.tree import flatten

__all__ = ["custom_jvp"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
Rule = Callable[[Sequence[Array], Sequence[Any]], tuple[list[Array], list[Any]]]


class CustomJvpCall(CustomCall):
    """`custom_jvp_call(*args)`: a function whose tangent is what `rule(xs, ts)` says."""

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        captured = params["captured"]
        outs, tangents = params["rule"](xs[captured:], ts[captured:])
        if any(t is not ZERO for t in ts[:captured]):
            tangents = _add(tangents, captured_tangents(xs, ts, params))
        return outs, [t if is_inexact(aval_of(y).dtype) else ZERO for t, y in zip(tangents, outs, strict=True)]

    def batch_rule(self, rule: Rule, size: int, dims: Sequence[int | None]) -> Rule:
        def over_rows(xs: Sequence[Array], ts: Sequence[Any]) -> tuple[list[Array], list[Any]]:
            nz = [t is not ZERO for t in ts]

            def flat(*values: Array) -> list[Array]:
                given = iter(values[len(xs) :])
                outs, tangents = rule(values[: len(xs)], [next(given) if m else ZERO for m in nz])
                return [*outs, *[instantiate(t, y) for t, y in zip(tangents, outs, strict=True)]]

            marked = [d for d, m in zip(dims, nz, strict=True) if m]
            both = batched(flat, size, [*dims, *marked])(*xs, *[t for t in ts if t is not ZERO])
            return both[: len(both) // 2], both[len(both) // 2 :]

        return over_rows


def captured_tangents(xs: Sequence[Array], ts: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Tangents due to captured values: the rule knows nothing of them, so they come from the function itself."""
    captured = params["captured"]
    nz = tuple(i < captured and t is not ZERO for i, t in enumerate(ts))
    pushed, nz_out = jvp_jaxpr(params["jaxpr"], nz)
    found = iter(
        eval_jaxpr(pushed.jaxpr, pushed.consts, *xs, *[t for t, m in zip(ts, nz, strict=True) if m])[len(nz_out) :]
    )
    return [next(found) if m else ZERO for m in nz_out]


def _add(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    return [b if a is ZERO else a if b is ZERO else a + b for a, b in zip(left, right, strict=True)]


_custom_jvp_call = CustomJvpCall()


class custom_jvp(Generic[P, R_co]):  # noqa: N801
    """A function with its own rule for directional derivatives, in forward and in reverse mode.

    Args:
        fun: the function.
        nondiff_argnums: positions of arguments that are not arrays, or have no tangent; the rule gets them first.

    >>> import fgrad, numpy as np
    >>> @fgrad.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def _(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1 + np.exp(-x))
    >>> fgrad.grad(log1pexp)(0.0)
    np.float64(0.5)
    """

    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: Iterable[int] = ()) -> None:
        update_wrapper(self, fun)
        self.fun = fun
        self._static = frozenset([nondiff_argnums] if isinstance(nondiff_argnums, int) else nondiff_argnums)
        self._rule: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule: `jvp(*nondiff, primals, tangents)` returns value and tangent, the latter linear in
        `tangents`."""
        self._rule = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Sets one rule per argument: `jvp(t, out, *primals)` returns the tangent due to it; `None` means zero."""

        def rule(primals: Any, tangents: Any) -> Any:
            out = self(*primals)  # type: ignore[call-arg]
            terms = [jvp(t, out, *primals) for jvp, t in zip(jvps, tangents, strict=True) if jvp is not None]
            return out, sum(terms[1:], terms[0]) if terms else instantiate(ZERO, out)

        self._rule = rule

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        name = getattr(self.fun, "__name__", "function")
        if self._rule is None:
            cure = f"Define one: @{name}.defjvp."
            raise ArgumentError(message(f"custom_jvp function `{name}` was called before it had a rule.", cure=cure))
        call = flat_call(resolve_arguments(self.fun, args, kwargs), self._static)
        outdef: Any = None

        def fun(*xs: Array) -> list[Array]:
            nonlocal outdef
            outs, outdef = flatten(self.fun(*call.rebuild(call.treedef.unflatten(xs))))  # type: ignore[call-arg]
            return outs

        def rule(xs: Sequence[Array], ts: Sequence[Any]) -> tuple[list[Array], list[Any]]:
            nonlocal outdef
            tangents = [instantiate(t, x) for t, x in zip(ts, xs, strict=True)]
            unflatten = call.treedef.unflatten
            pair = self._rule(*call.static, unflatten(xs), unflatten(tangents))  # type: ignore[misc]
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
                raise ArgumentError(
                    message(f"the jvp rule of `{name}` must return a pair (out, tangent), got {pair!r:.60}.")
                )
            outs, outdef = flatten(pair[0])
            douts, tangentdef = flatten(pair[1])
            if tangentdef != outdef:
                what = f"the jvp rule of `{name}` returned a value of structure {outdef}, a tangent of {tangentdef}."
                raise TreeStructureError(message(what))
            return outs, [_checked(t, y, name) for t, y in zip(douts, outs, strict=True)]

        outs = _custom_jvp_call(*call.leaves, fun=fun, rule=rule, captured=0)
        return outdef.unflatten(outs)  # type: ignore[no-any-return]


def _checked(t: Any, y: Array, name: str) -> Array:
    """A tangent that a rule returned, of the shape and dtype of its value."""
    if shape_of(t) != shape_of(y):
        raise ShapeError(message(f"the jvp rule of `{name}` returned a tangent {aval_of(t)} for a value {aval_of(y)}."))
    dtype = aval_of(y).dtype
    return t if aval_of(t).dtype == dtype or not is_inexact(dtype) else t * dtype.type(1)
