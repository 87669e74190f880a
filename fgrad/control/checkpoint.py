"""Rematerialization: what a function computes on the way is computed again when its derivative is taken."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from fgrad.compiler.compiled import compiled_function
from fgrad.compiler.failures import explain
from fgrad.control.call import Call, close_over
from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.checkpoint_policies import Policy
from fgrad.control.custom import CustomCall, Tangent
from fgrad.control.custom_linear import custom_linear
from fgrad.control.effects import recomputation
from fgrad.control.record import Record
from fgrad.control.rematerialize import rematerialize, transpose_remainder
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import (
    call,
    check_callable,
    flat_leaves,
    flat_outputs,
    function_name,
    parameter_names,
)
from fgrad.core.interpreter import current, reachable
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import ArgumentError, message, public
from fgrad.transforms import jvp as forward
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose
from fgrad.tree.table import describe
from fgrad.tree.text import listing

__all__ = ["checkpoint", "remat"]

P = ParamSpec("P")
R = TypeVar("R")
Flat = Callable[..., list[Array]]


class Checkpoint(Call):
    """`checkpoint(*args, jaxpr=, policy=, prevent_cse=)`: applies a jaxpr; its linearization keeps the arguments and
    what the policy saves.

    The linear equation holds the jaxpr of the tangents, which computes the values that it needs from these;
    transposing it runs that part again.
    """

    def impl(self, *xs: Array, jaxpr: ClosedJaxpr, **params: Any) -> list[Array]:
        try:
            return list(compiled_function(jaxpr, "checkpoint")(*xs))
        except Exception as error:
            explain(error)
            raise

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        nz = tuple(t is not ZERO for t in ts)
        halves = rematerialize(params["jaxpr"], nz, params["policy"])
        results = self.bind(*xs, **{**params, "jaxpr": halves.forward or params["jaxpr"]})
        known = [*(results[i] for i in halves.residuals), *(xs[i] for i in halves.inputs)]
        found = iter(self.bind(*known, *[t for t in ts if t is not ZERO], **{**params, "jaxpr": halves.linear}))
        return results[: len(halves.nz_out)], [next(found) if m else ZERO for m in halves.nz_out]


class CheckpointCall(CustomCall):
    """`checkpoint_call(*args, fun=, policy=, prevent_cse=)`: the same for a function that runs on values, as Python
    code."""

    def bind(self, *args: Array, **params: Any) -> Any:
        if _is_staging():
            return _staged(params["fun"], args, {key: params[key] for key in ("policy", "prevent_cse")})
        return super().bind(*args, **params)

    __call__ = bind

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        return forward.jvp(params["fun"], xs, ts)

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        nz = [t is not ZERO for t in ts]
        if params["policy"] is None:
            outs, known, bwd = self.bind(*xs, **params), list(xs), _derivative(params["fun"], nz)
        else:
            outs, known, bwd = _recorded(params["fun"], xs, nz, params["policy"])
        avals = tuple(aval_of(y) for y in outs)
        varying = [t for t in ts if t is not ZERO]
        tangents = custom_linear(*known, *varying, bwd=bwd, count=len(known), avals=avals)
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
        with recomputation():
            _, program = forward.linearize(fun, xs, nz, "checkpoint", fun)
        varying = [x for x, m in zip(xs, nz, strict=True) if m]
        return [instantiate(ct, x) for ct, x in zip(transpose(program, cts, consume=True), varying, strict=True)]

    return bwd


def _recorded(
    fun: Flat, xs: Sequence[Array], nz: Sequence[bool], policy: Policy
) -> tuple[list[Array], list[Array], Flat]:
    """Results, the values that are kept, and `bwd(*kept, *cts)`: the cotangents of those `xs` that `nz` marks.

    What the function does on the way is recorded, so that only what the policy does not save is done again.
    """
    record = Record("checkpoint", fun, policy)
    with record:
        inputs = [record.input(x) for x in xs]
        results, program = forward.linearize(fun, inputs, nz, "checkpoint", fun)
        outs = [record.outside(y) for y in results]
    rest = record.remainder(inputs, program)
    known = [*(record.saved[v] for v in rest.saved), *(xs[i] for i in rest.inputs)]
    count, closed, nz_out = len(known), rest.jaxpr, [v is not ZERO for v in program.outs]

    @wraps(fun)
    def bwd(*values: Array) -> list[Array]:
        cts = [ct for ct, m in zip(values[count:], nz_out, strict=True) if m]
        found = transpose_remainder(closed, values[:count], cts)
        return [instantiate(ct, v) for ct, v in zip(found, closed.jaxpr.invars[count:], strict=True)]

    return outs, known, bwd


@overload
def checkpoint(
    fun: Callable[P, R],
    *,
    prevent_cse: bool = ...,
    policy: Policy | None = ...,
    static_argnums: int | str | Iterable[int | str] = ...,
) -> Callable[P, R]: ...


@overload
def checkpoint(
    fun: None = ...,
    *,
    prevent_cse: bool = ...,
    policy: Policy | None = ...,
    static_argnums: int | str | Iterable[int | str] = ...,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


@public
def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: int | str | Iterable[int | str] = (),
) -> Any:
    """A function equal to `fun` whose reverse-mode derivative stores nothing but the arguments, and computes the rest
    again.

    Memory falls by what `fun` computes on the way; time grows by one more evaluation. A policy chooses what is stored
    all the same.

    Args:
        fun: a function of arrays and numbers, in pytrees. It may decide by values where these are known, as under
            `grad` alone; under `jit` it is traced. Left out, `checkpoint(...)` is a decorator.
        prevent_cse: compiled code does compute again what it has computed before, even where that is still known.
            `False` lets the compiler choose: it keeps what it finds.
        policy: `policy(primitive, *avals, **params)` says of every operation whether its result is stored; see
            `fgrad.checkpoint_policies`.
        static_argnums: arguments, by position or name, that are handed on as they are: no arrays, or arrays by whose
            values the function decides.

    Returns:
        A function with the arguments and results of `fun`.

    Raises:
        ArgumentError: (when it is called) an argument is not an array.
        OutputTypeError: (likewise) a result is not an array.

    >>> import fgrad, numpy as np
    >>> fgrad.grad(fgrad.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    >>> @fgrad.checkpoint(policy=fgrad.checkpoint_policies.dots_saveable)
    ... def layer(w, x):
    ...     return np.tanh(w @ x)
    >>> fgrad.grad(lambda w: layer(w, np.ones(2)).sum())(np.zeros((1, 2)))
    array([[1., 1.]])

    Source: Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
    differentiation", 1992.
    """
    if fun is None:
        return lambda f: checkpoint(f, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums)
    check_callable(fun, "checkpoint")
    if policy is not None and not callable(policy):
        what = f"policy of checkpoint must be a function, got {describe(policy)}."
        raise ArgumentError(message(what, cure="fgrad.checkpoint_policies has some; they are passed uncalled."))
    static = _static_places(fun, static_argnums)

    @wraps(fun)
    @public
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        names = parameter_names(fun, len(args))
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs.items())
        places = [place for place in given if place not in static]
        called = [names[place] if isinstance(place, int) else place for place in places]
        leaves, treedef = flat_leaves([given[place] for place in places], called, "checkpoint")
        fixed = {place: x for place, x in given.items() if place in static}
        count, keys = len(args), tuple(kwargs)
        outdef: Any = None

        @wraps(fun)
        def flat(*xs: Array) -> list[Array]:
            nonlocal outdef
            full = {**fixed, **dict(zip(places, treedef.unflatten(xs), strict=True))}
            positional, named = [full[i] for i in range(count)], {k: full[k] for k in keys}
            outs, outdef = flat_outputs(call(fun, positional, named, "checkpoint"), "checkpoint", fun)
            return outs

        outs = _apply(flat, leaves, {"policy": policy, "prevent_cse": prevent_cse}, (fun, fixed))
        return outdef.unflatten(outs)

    return checkpointed


def _static_places(fun: Callable[..., Any], static_argnums: Any) -> frozenset[int | str]:
    """The positions and the names of the arguments that are not traced."""
    parameters, named, endless = _known_parameters(fun)
    places: set[int | str] = set()
    for argnum in [static_argnums] if isinstance(static_argnums, (int, str)) else static_argnums:
        place: Any = argnum
        if isinstance(argnum, str) and argnum in parameters:
            place = parameters.index(argnum)
        elif isinstance(argnum, int) and argnum < 0:
            place = argnum + len(parameters)
        if not endless and place not in range(len(parameters)) and place not in named:
            known = [*parameters, *named]
            what = f"static_argnums of checkpoint names {argnum!r:.60}, which is no argument of `{function_name(fun)}`."
            raise ArgumentError(message(what, cure=f"Its arguments are {listing(known, len(known))}."))
        places.add(place)
        if isinstance(place, int) and place < len(parameters):
            places.add(parameters[place])
    return frozenset(places)


def _known_parameters(fun: Callable[..., Any]) -> tuple[list[str], list[str], bool]:
    """The names of positional parameters and of those by name only, and whether there may be more arguments."""
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return [], [], True
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    endless = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
    return positional, [p.name for p in parameters if p.kind == p.KEYWORD_ONLY], endless


def _apply(flat: Flat, leaves: list[Array], options: dict[str, Any], holders: Sequence[Any]) -> list[Array]:
    """Applies a flat function: as a jaxpr where one is being made around it, as Python code elsewhere."""
    if _is_staging():
        return _staged(flat, leaves, options)
    captured = captured_tracers(*holders)
    opened = with_captured(captured, flat)
    xs = [*map(reachable, captured), *leaves]
    return _checkpoint_call(*xs, fun=opened, rule=None, captured=0, **options)  # type: ignore[no-any-return]


def _is_staging() -> bool:
    """Whether a jaxpr is being made around here."""
    interpreter = current.get()
    return interpreter is not None and interpreter.enclosing is not None


def _staged(flat: Flat, xs: Sequence[Array], options: dict[str, Any]) -> list[Array]:
    closed, captured = close_over(trace(flat, [aval_of(x) for x in xs], "checkpoint", flat))
    return _checkpoint(*captured, *xs, jaxpr=closed, **options)  # type: ignore[no-any-return]


remat = checkpoint
