"""Primitives that hold functions of the user's, and what is derived from such functions: linear maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.compiler.compiled import compiled_function
from fgrad.control.bodies import BodyPrimitive
from fgrad.control.call import close_over
from fgrad.control.custom import batched
from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, apply, current, owned
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Zero, instantiate
from fgrad.errors import ArgumentError, message
from fgrad.transforms import jvp as forward
from fgrad.transforms.jaxprs import rows_jaxpr
from fgrad.transforms.linearity import nonlinearity
from fgrad.transforms.stage import Stage, trace
from fgrad.transforms.transpose import transpose

__all__ = ["Derivative", "Flat", "Functional", "Transposed", "push"]

Flat = Callable[..., list[Array]]

_SCALARS = frozenset({bool, int, float, complex})


class Functional(BodyPrimitive):
    """`functional(*captured, *xs, count=, …)`: runs a function whose leading `count` arguments are values that it, or
    another function among the parameters, closes over.

    While a jaxpr is being made, the function that is run is replaced by its jaxpr; the others stay callables.

    Attributes:
        runs: the parameter that holds the function that is run.
        holds: those that hold others; all take the same leading arguments.
    """

    opaque = True
    runs: str
    holds: tuple[str, ...] = ()

    def bind(self, *args: Array, **params: Any) -> Any:
        taker = current.get()
        while taker is not None and not taker.closed and not any(owned(x, taker) for x in args):
            taker = taker.parent
        if taker is None:
            return self.evaluate(args, params)
        if isinstance(taker, Stage) and taker.closed:
            args, params = self._staged(args, params)
        return apply(taker, self, args, params)

    __call__ = bind

    def run(self, args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
        """The results of the function that is run."""
        fun = params[self.runs]
        outs = compiled_function(fun, self.name)(*args) if isinstance(fun, ClosedJaxpr) else fun(*args)
        return [np.asarray(y)[()] if type(y) in _SCALARS else y for y in outs]

    def over_rows(self, size: int, dims: Sequence[int | None], params: dict[str, Any]) -> dict[str, Any]:
        """Parameters with functions over one more axis: at `dims` of the captured values, in front of everything
        else."""
        changed = dict(params)
        for key in (self.runs, *self.holds):
            fun = params[key]
            if isinstance(fun, ClosedJaxpr):
                rest = len(fun.in_avals) - len(dims)
                changed[key] = rows_jaxpr(fun, size, (*dims, *[0] * rest), (True,) * len(fun.out_avals))
            elif fun is not None:
                changed[key] = _over_rows(fun, size, tuple(dims))
        return changed

    def _staged(self, args: tuple[Array, ...], params: dict[str, Any]) -> tuple[tuple[Array, ...], dict[str, Any]]:
        fun = params[self.runs]
        if isinstance(fun, ClosedJaxpr):
            return args, params
        closed, more = close_over(trace(fun, [aval_of(x) for x in args], self.name, fun))
        changed = {key: _later(params[key], len(more)) for key in self.holds} if more else {}
        return (*more, *args), {**params, **changed, self.runs: closed, "count": params["count"] + len(more)}


def _over_rows(fun: Flat, size: int, dims: tuple[int | None, ...]) -> Flat:
    def over_rows(*values: Array) -> list[Array]:
        return batched(fun, size, [*dims, *[0] * (len(values) - len(dims))])(*values)

    return over_rows


def _later(fun: Flat | None, count: int) -> Flat | None:
    """A function that ignores its first arguments."""
    return fun and (lambda *values: fun(*values[count:]))


def push(fun: Flat, xs: Sequence[Array], ts: Sequence[Array | Zero]) -> list[Array | Zero]:
    """The tangents of a flat function. They may be tangents that are being recorded: values are computed apart."""
    interpreter = forward.Linearize("jvp")
    with interpreter:
        tracers = [x if t is ZERO else Tracer(interpreter, (x, t)) for x, t in zip(xs, ts, strict=True)]
        return [interpreter.pair(y)[1] for y in fun(*tracers)]


class Derivative:
    """`(*captured, *xs, *ts)` ↦ the derivative of `fun(*captured, *xs)` by the `xs`, along `ts`.

    Attributes:
        fun: the function.
        count: how many values it closes over.
    """

    def __init__(self, fun: Flat, count: int) -> None:
        self.fun = fun
        self.count = count

    def __call__(self, *values: Array) -> list[Array]:
        captured, rest = values[: self.count], values[self.count :]
        xs, ts = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        found = push(lambda *ys: self.fun(*captured, *ys), xs, ts)
        return [instantiate(t, x) for t, x in zip(found, xs, strict=True)]

    def at(self, *values: Array) -> Flat:
        """The linear map at some values, all but `ts`."""
        captured, xs = values[: self.count], values[self.count :]
        _, program = forward.linearize(lambda *ys: self.fun(*captured, *ys), xs, None, "jvp", self.fun)
        return lambda *ts: [instantiate(t, x) for t, x in zip(program.apply(ts), xs, strict=True)]


class Transposed:
    """`(*captured, *cts)` ↦ the transpose of a map that is linear in its other arguments, like which its results are.

    Attributes:
        fun: the linear map.
        count: how many values it closes over.
        described: what it is called in messages.
    """

    def __init__(self, fun: Flat, count: int, described: str = "the linear map") -> None:
        self.fun = fun
        self.count = count
        self.described = described

    def __call__(self, *values: Array) -> list[Array]:
        return self._transposed(values[: self.count], values[self.count :])(*values[self.count :])

    def at(self, *values: Array) -> Flat:
        """The transposed map at some captured values; it is recorded once."""
        recorded: Flat | None = None

        def run(*cts: Array) -> list[Array]:
            nonlocal recorded
            recorded = recorded or self._transposed(values, cts)
            return recorded(*cts)

        return run

    def _transposed(self, captured: Sequence[Array], likes: Sequence[Array]) -> Flat:
        avals = [aval_of(x) for x in likes]
        program = forward.record_linear(lambda *xs: self.fun(*captured, *xs), avals, self.fun)
        found = nonlinearity(program)
        if found is not None:
            why, eqn = found
            what = f"{self.described} must be linear to be transposed, but {why}."
            raise ArgumentError(message(what, cure="It must map 0 to 0: no constant may be added.", at=eqn.source))
        return lambda *cts: [instantiate(ct, v) for ct, v in zip(transpose(program, cts), program.invars, strict=True)]
