"""The linear map of tangents whose transpose is a backward rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.control.capture import Environment
from fgrad.core.aval import Array, ShapedArray
from fgrad.core.interpreter import Tracer, apply, current, owned
from fgrad.core.primitive import ZERO, Primitive, Zero, instantiate, is_linear_input
from fgrad.errors import MissingRuleError, message
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.linearity import nonlinearity
from fgrad.transforms.stage import Stage
from fgrad.transforms.transpose import transpose

__all__ = ["custom_linear"]


class CustomLinear(Primitive):
    """`custom_linear(*res, *ts, bwd=, count=, avals=)`: the linear map whose transpose is `bwd(*res, *cts)`. Each of
    the cotangents `cts` may be `ZERO`.

    Where its transpose is asked for, that is the rule; elsewhere the rule, linear in its cotangents, is recorded and
    transposed.
    """

    multiple, opaque = True, True

    def bind(self, *args: Array, **params: Any) -> Any:
        taker = current.get()
        while taker is not None and not taker.closed and not any(owned(x, taker) for x in args):
            taker = taker.parent
        if isinstance(taker, Environment) or (isinstance(taker, Stage) and not taker.closed):
            return apply(taker, self, args, params)
        return self.impl(*args, **params)

    __call__ = bind

    def impl(
        self, *args: Array, bwd: Callable[..., list[Array]], count: int, avals: tuple[ShapedArray, ...]
    ) -> list[Array]:
        res, ts = args[:count], args[count:]
        program = forward.record_linear(lambda *cts: bwd(*res, *cts), avals, bwd)
        found = nonlinearity(program)
        if found is not None:
            rule = getattr(bwd, "described", "a backward rule")
            what = f"forward mode transposes {rule}, which must be linear in the cotangents, but {found[0]}."
            raise MissingRuleError(message(what, cure="Take the derivative in reverse mode, or use custom_jvp."))
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
        with interpreter:
            tracers = [x if t is ZERO else Tracer(interpreter, (x, t)) for x, t in zip(xs, ts, strict=True)]
            pairs = [interpreter.pair(y) for y in self.impl(*tracers, **params)]
        return [y for y, _ in pairs], [t for _, t in pairs]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any
    ) -> tuple[list[Array], list[int | None]]:
        return batch(lambda *args: self.impl(*args, **params), size, xs, dims)

    def transpose(
        self,
        ct: Sequence[Array | Zero],
        *xs: Any,
        bwd: Callable[..., list[Array]],
        count: int,
        avals: tuple[ShapedArray, ...],
    ) -> list[Array | None]:
        found = bwd(*xs[:count], *ct)
        return [*[None] * count, *[c if is_linear_input(x) else None for c, x in zip(found, xs[count:], strict=True)]]


custom_linear = CustomLinear()
