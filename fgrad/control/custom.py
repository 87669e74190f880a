"""What `custom_jvp` and `custom_vjp` share: calls that carry a function together with a rule for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fgrad.control.call import close_over
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.interpreter import Tracer, apply, current, leaked
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, message
from fgrad.primitives.shape import broadcast_to, move_axis
from fgrad.transforms.batch import batch
from fgrad.transforms.jaxprs import batch_jaxpr
from fgrad.transforms.stage import Stage, trace
from fgrad.tree import PyTreeDef, flatten

__all__ = ["CustomCall", "FlatCall", "batched", "flat_call", "resolve_arguments"]

Flat = Callable[..., list[Array]]


class CustomCall(Primitive):
    """Applies a function that has a rule of its own.

    Online it carries the function itself (`fun`), so that Python control flow works in it; in a jaxpr it carries the
    jaxpr
    of the function, whose captured values are leading arguments (`captured` of them). `rule` stays a callable.
    """

    multiple = True

    def bind(self, *args: Array, **params: Any) -> Any:
        taker = current.get()
        while taker is not None and not taker.closed and not any(_owned(x, taker) for x in args):
            taker = taker.parent
        if taker is None:
            for x in args:
                if type(x) is Tracer:
                    raise leaked(x)
            return _run(args, params)
        if isinstance(taker, Stage):
            if not taker.closed:
                return _run(args, params)
            args, params = _staged(args, params)
        return apply(taker, self, args, params)

    __call__ = bind

    def impl(self, *args: Array, **params: Any) -> list[Array]:
        return _run(args, params)

    def shape(self, *avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
        return jaxpr.out_avals

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
        params = {"rule": self.batch_rule(rule, size, dims[captured:]), "captured": captured, **params}
        if "jaxpr" in params:
            inner, out_dims = batch_jaxpr(params["jaxpr"], size, tuple(dims))
            params["jaxpr"] = _stacked(inner, size, out_dims)
        else:
            params["fun"] = batched(params["fun"], size, dims)
        outs = self.bind(*xs, **params)
        return outs, [0] * len(outs)

    def batch_rule(self, rule: Any, size: int, dims: Sequence[int | None]) -> Any:
        """The rule for the function over one more axis."""
        self._missing("batch_rule")


def _owned(x: Array, interpreter: Any) -> bool:
    return type(x) is Tracer and x.interpreter is interpreter


def _run(args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
    if "jaxpr" in params:
        return eval_jaxpr(params["jaxpr"].jaxpr, params["jaxpr"].consts, *args)
    return params["fun"](*args)  # type: ignore[no-any-return]


def _staged(args: tuple[Array, ...], params: dict[str, Any]) -> tuple[tuple[Array, ...], dict[str, Any]]:
    """The call with the jaxpr of the function in place of the function."""
    if "jaxpr" in params:
        return args, params
    fun = params["fun"]
    closed, captured = close_over(trace(fun, [aval_of(x) for x in args], "custom rule", fun))
    return (*captured, *args), {"jaxpr": closed, "rule": params["rule"], "captured": len(captured)}


def batched(fun: Flat, size: int, dims: Sequence[int | None]) -> Flat:
    """A flat function over one more axis, which is the first of every result."""

    def over_rows(*xs: Array) -> list[Array]:
        outs, out_dims = batch(fun, size, xs, dims)
        return [to_front(y, d, size) for y, d in zip(outs, out_dims, strict=True)]

    return over_rows


def _stacked(closed: ClosedJaxpr, size: int, dims: Sequence[int | None]) -> ClosedJaxpr:
    """A batched jaxpr with the mapped axis first in every result."""
    if all(d == 0 for d in dims):
        return closed

    def run(*xs: Array) -> list[Array]:
        outs = eval_jaxpr(closed.jaxpr, closed.consts, *xs)
        return [to_front(y, d, size) for y, d in zip(outs, dims, strict=True)]

    return trace(run, closed.in_avals)


def to_front(y: Array, dim: int | None, size: int) -> Array:
    """The mapped axis first; a value that is the same for all rows is repeated."""
    return broadcast_to(y, shape=(size, *aval_of(y).shape)) if dim is None else move_axis(y, dim, 0)


class FlatCall(NamedTuple):
    """A call of a user's function, flattened.

    Attributes:
        leaves: the arrays among the differentiable arguments.
        treedef: the structure of these arguments (a tuple).
        rebuild: all positional arguments from the differentiable ones.
        static: the other arguments, in order.
    """

    leaves: list[Array]
    treedef: PyTreeDef
    rebuild: Callable[[Sequence[Any]], tuple[Any, ...]]
    static: tuple[Any, ...]


def resolve_arguments(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments by position, defaults filled in."""
    if not kwargs:
        try:
            bound = inspect.signature(fun).bind(*args)
        except (TypeError, ValueError):
            return args
    else:
        bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        what = f"`{getattr(fun, '__name__', fun)}` has keyword-only arguments ({', '.join(bound.kwargs)})."
        raise ArgumentError(
            message(what, cure="A function with a custom rule takes its arguments by position: drop the `*`.")
        )
    return bound.args


def flat_call(args: tuple[Any, ...], static: frozenset[int]) -> FlatCall:
    """Flattens the arguments at positions that are not static."""
    places = [i for i in range(len(args)) if i not in static]
    leaves, treedef = flatten(tuple(args[i] for i in places))

    def rebuild(values: Sequence[Any]) -> tuple[Any, ...]:
        full = list(args)
        for i, value in zip(places, values, strict=True):
            full[i] = value
        return tuple(full)

    return FlatCall(leaves, treedef, rebuild, tuple(args[i] for i in sorted(static) if i < len(args)))
