"""Rematerialization: what a function computes on the way is computed again when its derivative is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fgrad.control.call import Call, close_over
from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom import CustomCall, Tangent
from fgrad.control.custom_linear import custom_linear
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import call, check_callable, flat_leaves, flat_outputs, parameter_names
from fgrad.core.interpreter import current, reachable
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import public
from fgrad.transforms import jvp as forward
from fgrad.transforms.jaxprs import tangent_jaxpr
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose

__all__ = ["checkpoint", "remat"]

P = ParamSpec("P")
R = TypeVar("R")
Flat = Callable[..., list[Array]]


class Checkpoint(Call):
    """`checkpoint(*args, jaxpr=)`: applies a jaxpr; its linearization keeps the arguments alone.

    The linear equation holds the jaxpr of the tangents, which computes the values that it needs from the arguments;
    transposing it runs that part again.
    """

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        outs = self.bind(*xs, **params)
        tangents, nz_out = tangent_jaxpr(params["jaxpr"], tuple(t is not ZERO for t in ts))
        found = iter(self.bind(*xs, *[t for t in ts if t is not ZERO], **{**params, "jaxpr": tangents}))
        return outs, [next(found) if m else ZERO for m in nz_out]


class CheckpointCall(CustomCall):
    """`checkpoint_call(*args, fun=)`: the same for a function that runs on values, as Python code."""

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        return forward.jvp(params["fun"], xs, ts)

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        outs = self.bind(*xs, **params)
        nz = [t is not ZERO for t in ts]
        avals = tuple(aval_of(y) for y in outs)
        varying = [t for t in ts if t is not ZERO]
        tangents = custom_linear(*xs, *varying, bwd=_derivative(params["fun"], nz), count=len(xs), avals=avals)
        return outs, [t if is_inexact(a.dtype) else ZERO for t, a in zip(tangents, avals, strict=True)]

    def batch_rule(self, rule: Any, size: int, dims: Sequence[int | None], captured: int) -> None:
        return None


_checkpoint = Checkpoint()
_checkpoint_call = CheckpointCall()


def _derivative(fun: Flat, nz: Sequence[bool]) -> Flat:
    """`bwd(*xs, *cts)`: the cotangents of those `xs` that `nz` marks; `fun` is evaluated for it."""

    @wraps(fun)
    def bwd(*values: Array) -> list[Array]:
        xs, cts = values[: len(nz)], values[len(nz) :]
        _, program = forward.linearize(fun, xs, nz, "checkpoint", fun)
        varying = [x for x, m in zip(xs, nz, strict=True) if m]
        return [instantiate(ct, x) for ct, x in zip(transpose(program, cts, consume=True), varying, strict=True)]

    return bwd


@public
def checkpoint(fun: Callable[P, R]) -> Callable[P, R]:
    """A function equal to `fun` whose reverse-mode derivative stores nothing but the arguments, and computes the rest
    again.

    Memory falls by what `fun` computes on the way; time grows by one more evaluation.

    Args:
        fun: a function of arrays and numbers, in pytrees. It may decide by values where these are known, as under
            `grad` alone; under `jit` it is traced.

    Returns:
        A function with the arguments and results of `fun`.

    Raises:
        ArgumentError: (when it is called) an argument is not an array.
        OutputTypeError: (likewise) a result is not an array.

    >>> import fgrad, numpy as np
    >>> fgrad.grad(fgrad.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)

    Source: Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
    differentiation", 1992.
    """
    check_callable(fun, "checkpoint")

    @wraps(fun)
    @public
    def checkpointed(*args: P.args, **kwargs: P.kwargs) -> R:
        names = [*parameter_names(fun, len(args)), *map(str, kwargs)]
        trees = (*args, *kwargs.values())
        leaves, treedef = flat_leaves(trees, names, "checkpoint")
        count, keys = len(args), tuple(kwargs)
        outdef: Any = None

        @wraps(fun)
        def flat(*xs: Array) -> list[Array]:
            nonlocal outdef
            values = treedef.unflatten(xs)
            out = call(fun, values[:count], dict(zip(keys, values[count:], strict=True)), "checkpoint")
            outs, outdef = flat_outputs(out, "checkpoint", fun)
            return outs

        outs = _apply(flat, leaves, fun)
        return outdef.unflatten(outs)  # type: ignore[no-any-return]

    return checkpointed


def _apply(flat: Flat, leaves: list[Array], fun: Any) -> list[Array]:
    """Applies a flat function: as a jaxpr where one is being made around it, as Python code elsewhere."""
    interpreter = current.get()
    if interpreter is not None and interpreter.enclosing is not None:
        closed, more = close_over(trace(flat, [aval_of(x) for x in leaves], "checkpoint", fun))
        return _checkpoint(*more, *leaves, jaxpr=closed)  # type: ignore[no-any-return]
    captured = captured_tracers(fun)
    opened = with_captured(captured, flat)
    xs = [*map(reachable, captured), *leaves]
    return _checkpoint_call(*xs, fun=opened, rule=None, captured=0)  # type: ignore[no-any-return]


remat = checkpoint
