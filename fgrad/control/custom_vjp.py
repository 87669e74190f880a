"""Functions with a reverse-mode rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import numpy as np

from fgrad.control.custom import CustomCall, batched, flat_call, resolve_arguments
from fgrad.control.custom_jvp import captured_tangents
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.interpreter import Tracer, apply, current
from fgrad.core.primitive import ZERO, Primitive, Zero, instantiate, is_linear_input
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError, message
from fgrad.primitives.shape import convert_element_type, move_axis, reduce_sum
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.stage import Stage
from fgrad.transforms.transpose import transpose
from fgrad.tree import flatten

__all__ = ["custom_vjp"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class VjpRule(NamedTuple):
    """A reverse-mode rule on flat values: `fwd(*xs)` gives results and residuals, `bwd(*res, *cts)` cotangents of
    xs."""

    fwd: Callable[..., tuple[list[Array], list[Array]]]
    bwd: Callable[..., list[Array]]


class CustomLinear(Primitive):
    """`custom_linear(*res, *ts)`: the linear map of tangents whose transpose is `bwd(*res, *cts)`.

    Where its transpose is asked for, that is the rule; elsewhere the rule, linear in its cotangents, is traced and
    transposed.
    """

    multiple = True

    def bind(self, *args: Array, **params: Any) -> Any:
        taker = current.get()
        while taker is not None and not taker.closed:
            if any(type(x) is Tracer and x.interpreter is taker for x in args):
                if isinstance(taker, Stage):
                    return apply(taker, self, args, params)
                break
            taker = taker.parent
        return self.impl(*args, **params)

    __call__ = bind

    def impl(
        self, *args: Array, bwd: Callable[..., list[Array]], count: int, avals: tuple[ShapedArray, ...]
    ) -> list[Array]:
        res, ts = args[:count], args[count:]
        program = forward.record_linear(lambda *cts: bwd(*res, *cts), avals, bwd)
        return [instantiate(t, v) for t, v in zip(transpose(program, ts), program.invars, strict=True)]

    def shape(self, *args: ShapedArray, avals: tuple[ShapedArray, ...], **params: Any) -> list[ShapedArray]:
        return list(avals)

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        return forward.jvp(lambda *args: self.impl(*args, **params), xs, ts)

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        interpreter = forward.Linearize("linearize")
        pairs = [(x, t) for x, t in zip(xs, ts, strict=True)]
        with interpreter:
            outs = self.impl(*[x if t is ZERO else Tracer(interpreter, (x, t)) for x, t in pairs], **params)
            states = [interpreter.pair(y) for y in outs]
        return [y for y, _ in states], [t for _, t in states]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any
    ) -> tuple[list[Array], list[int | None]]:
        return batch(lambda *args: self.impl(*args, **params), size, xs, dims)

    def transpose(self, ct: Sequence[Any], *xs: Any, bwd: Any, count: int, avals: tuple[ShapedArray, ...]) -> list[Any]:
        if any(is_linear_input(x) for x in xs[:count]):
            raise ArgumentError(message("a custom_vjp function was transposed in its residuals."))
        cts = [np.zeros(a.shape, a.dtype) if c is ZERO else c for c, a in zip(ct, avals, strict=True)]
        found = bwd(*xs[:count], *cts)
        return [
            *[None] * count,
            *[c if is_linear_input(x) else None for c, x in zip(found, xs[count:], strict=True)],
        ]


custom_linear = CustomLinear()


class CustomVjpCall(CustomCall):
    """`custom_vjp_call(*args)`: a function whose cotangents are what `rule` says."""

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        captured, rule = params["captured"], params["rule"]
        given = list(zip(xs[captured:], ts[captured:], strict=True))
        outs, res = rule.fwd(*xs[captured:])
        avals = tuple(aval_of(y) for y in outs)
        tangents: list[Any] = [ZERO] * len(outs)
        if any(t is not ZERO for _, t in given):
            full = [instantiate(t, x) for x, t in given]
            tangents = custom_linear(*res, *full, bwd=rule.bwd, count=len(res), avals=avals)
        if any(t is not ZERO for t in ts[:captured]):
            more = captured_tangents(xs, ts, params)
            tangents = [b if a is ZERO else a if b is ZERO else a + b for a, b in zip(tangents, more, strict=True)]
        return outs, [t if is_inexact(a.dtype) else ZERO for t, a in zip(tangents, avals, strict=True)]

    def batch_rule(self, rule: VjpRule, size: int, dims: Sequence[int | None]) -> VjpRule:
        count = 0

        def fwd(*xs: Array) -> tuple[list[Array], list[Array]]:
            def flat(*values: Array) -> list[Array]:
                nonlocal count
                outs, res = rule.fwd(*values)
                count = len(outs)
                return [*outs, *res]

            both = batched(flat, size, dims)(*xs)
            return both[:count], both[count:]

        def bwd(*values: Array) -> list[Array]:
            cts = batched(rule.bwd, size, [0] * len(values))(*values)
            return [_unmapped(ct, dim) for ct, dim in zip(cts, dims, strict=True)]

        return VjpRule(fwd, bwd)


def _unmapped(ct: Array, dim: int | None) -> Array:
    """The cotangent of an argument from those of its rows: their sum where it was not mapped."""
    return reduce_sum(ct, axes=(0,)) if dim is None else move_axis(ct, 0, dim)


_custom_vjp_call = CustomVjpCall()


class custom_vjp(Generic[P, R_co]):  # noqa: N801
    """A function with its own rule for reverse mode; forward mode transposes that rule.

    Args:
        fun: the function.
        nondiff_argnums: positions of arguments that are not arrays, or have no cotangent; `bwd` gets them first.

    >>> import fgrad, numpy as np
    >>> @fgrad.custom_vjp
    ... def clip_gradient(x):
    ...     return x
    >>> clip_gradient.defvjp(lambda x: (x, None), lambda res, ct: (np.clip(ct, -1.0, 1.0),))
    >>> fgrad.grad(lambda x: 5.0 * clip_gradient(x))(2.0)
    np.float64(1.0)
    """

    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: Iterable[int] = ()) -> None:
        update_wrapper(self, fun)
        self.fun = fun
        self._static = frozenset([nondiff_argnums] if isinstance(nondiff_argnums, int) else nondiff_argnums)
        self._fwd: Callable[..., Any] | None = None
        self._bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Sets the rule.

        Args:
            fwd: takes the arguments of the function; returns `(out, res)`, the residuals any pytree of arrays.
            bwd: `bwd(*nondiff, res, ct)` returns a tuple with the cotangent of every other argument; `None` means zero.
        """
        self._fwd, self._bwd = fwd, bwd

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        name = getattr(self.fun, "__name__", "function")
        if self._fwd is None or self._bwd is None:
            cure = f"Define one: {name}.defvjp(fwd, bwd)."
            raise ArgumentError(message(f"custom_vjp function `{name}` was called before it had a rule.", cure=cure))
        call = flat_call(resolve_arguments(self.fun, args, kwargs), self._static)
        avals = [aval_of(x) for x in call.leaves]
        outdef: Any = None
        resdef: Any = None

        def fun(*xs: Array) -> list[Array]:
            nonlocal outdef
            outs, outdef = flatten(self.fun(*call.rebuild(call.treedef.unflatten(xs))))  # type: ignore[call-arg]
            return outs

        def fwd(*xs: Array) -> tuple[list[Array], list[Array]]:
            nonlocal outdef, resdef
            pair = self._fwd(*call.rebuild(call.treedef.unflatten(xs)))  # type: ignore[misc]
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise ArgumentError(
                    message(f"the forward rule of `{name}` must return a pair (out, res), got {pair!r:.60}.")
                )
            outs, outdef = flatten(pair[0])
            res, resdef = flatten(pair[1])
            return outs, res

        def bwd(*values: Array) -> list[Array]:
            count = resdef.num_leaves
            res, ct = resdef.unflatten(values[:count]), outdef.unflatten(values[count:])
            cts = self._bwd(*call.static, res, ct)  # type: ignore[misc]
            expected = call.treedef.children()
            if not isinstance(cts, (tuple, list)) or len(cts) != len(expected):
                what = (
                    f"the backward rule of `{name}` must return a tuple of {len(expected)} cotangents, got {cts!r:.60}."
                )
                raise TreeStructureError(message(what, cure="One entry per differentiable argument; None for zero."))
            flat: list[Any] = []
            for c, treedef in zip(cts, expected, strict=True):
                flat += [None] * treedef.num_leaves if c is None else treedef.flatten_up_to(c)
            return [_checked(c, a, name) for c, a in zip(flat, avals, strict=True)]

        outs = _custom_vjp_call(*call.leaves, fun=fun, rule=VjpRule(fwd, bwd), captured=0)
        return outdef.unflatten(outs)  # type: ignore[no-any-return]


def _checked(ct: Any, aval: ShapedArray, name: str) -> Array:
    """A cotangent that a rule returned, of the shape of its argument; zeros for `None` and for integers."""
    if ct is None or not is_inexact(aval.dtype):
        return np.zeros(aval.shape, aval.dtype)
    got = aval_of(ct)
    if got.shape != aval.shape:
        what = f"the backward rule of `{name}` returned a cotangent {got} for an argument {aval}."
        raise ShapeError(message(what))
    return ct if got.dtype == aval.dtype else convert_element_type(ct, dtype=aval.dtype)
