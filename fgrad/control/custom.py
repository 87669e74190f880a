"""What `custom_jvp` and `custom_vjp` share: calls that carry a function together with a rule for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper, wraps
from types import MethodType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from fgrad.control.call import called, close_over
from fgrad.control.capture import captured_tracers, with_captured
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import (
    check_callable,
    flat_leaves,
    flat_outputs,
    function_name,
    place_of,
    refuse_call,
)
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.interpreter import Tracer, apply, current, owned, reachable
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Primitive, Zero, is_linear_input
from fgrad.errors import ArgumentError, FgradError, OutputTypeError, TreeStructureError, message
from fgrad.primitives.shape import broadcast_to, move_axis
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, transpose_jaxpr
from fgrad.transforms.stage import Stage, trace
from fgrad.tree import PyTreeDef
from fgrad.tree.nodes import LEAF
from fgrad.tree.table import node_of
from fgrad.tree.text import listing

__all__ = [
    "CustomCall",
    "CustomFunction",
    "FlatCall",
    "batched",
    "captured_tangents",
    "misfit",
    "sum_tangents",
    "to_front",
]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
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


def misfit(x: Any) -> type[FgradError]:
    """The class of error for what a rule returned in place of an array: a container, or no array at all."""
    return OutputTypeError if node_of(x) is LEAF else TreeStructureError


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


def to_front(y: Array, dim: int | None, size: int) -> Array:
    """The mapped axis first; a value that is the same for all rows is repeated."""
    return broadcast_to(y, shape=(size, *aval_of(y).shape)) if dim is None else move_axis(y, dim, 0)


class FlatCall(NamedTuple):
    """A call of a user's function, flattened. It keeps no array alive.

    Attributes:
        avals: the types of the arrays in the arguments that have tangents.
        treedef: the structure of these arguments (a tuple).
        names: what these arguments are called.
        rebuild: all positional arguments, given new leaves.
        static: the other arguments, in order.
        captured: tracers that the function or its rule close over.
    """

    avals: list[ShapedArray]
    treedef: PyTreeDef
    names: list[str]
    rebuild: Callable[[Sequence[Array]], tuple[Any, ...]]
    static: tuple[Any, ...]
    captured: list[Tracer]

    def place(self, index: int) -> str:
        """Where an array stands in the arguments, as `params['w']`."""
        return place_of(self.treedef.unflatten(self.avals), self.names, index)


class CustomFunction(Generic[P, R_co]):
    """A function with a derivative rule of its own.

    Attributes:
        fun: the function.
    """

    kind: str
    primitive: CustomCall

    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: int | str | Iterable[int | str] = ()) -> None:
        check_callable(fun, self.kind)
        update_wrapper(self, fun)
        self.fun = fun
        self.name = function_name(fun)
        try:
            self._signature: inspect.Signature | None = inspect.signature(fun)
        except (TypeError, ValueError):
            self._signature = None
        self._static = self._positions(nondiff_argnums)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """The value of the function."""
        raise NotImplementedError

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<fgrad.{self.kind} of {self.name}>"

    def _parameters(self) -> list[inspect.Parameter]:
        return [] if self._signature is None else list(self._signature.parameters.values())

    def _positions(self, nondiff_argnums: Any) -> frozenset[int]:
        """The positions of the arguments without tangents, given by position or name."""
        positional = [p.name for p in self._parameters() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        endless = self._signature is None or any(p.kind == p.VAR_POSITIONAL for p in self._parameters())
        given = [nondiff_argnums] if isinstance(nondiff_argnums, (int, str)) else list(nondiff_argnums)
        found = []
        for argnum in given:
            if isinstance(argnum, str) and argnum in positional:
                found.append(positional.index(argnum))
            elif (
                isinstance(argnum, int)
                and not isinstance(argnum, bool)
                and (endless or argnum in range(len(positional)))
            ):
                found.append(argnum)
            else:
                what = f"nondiff_argnums of {self.kind} names {argnum!r:.60}, which is no argument of `{self.name}`."
                raise ArgumentError(message(what, cure=f"Its arguments are {listing(positional, len(positional))}."))
        return frozenset(found)

    def _flatten(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], rules: Sequence[Any]
    ) -> tuple[FlatCall, list[Array]]:
        """A call, with all arguments by position and defaults filled in, and what the primitive is applied to."""
        names, args = self._bound(args, kwargs)
        places = [i for i in range(len(args)) if i not in self._static]
        given = [names[i] for i in places]
        leaves, treedef = flat_leaves([args[i] for i in places], given, self.kind)

        template = [x if i in self._static else None for i, x in enumerate(args)]

        def rebuild(values: Sequence[Array]) -> tuple[Any, ...]:
            full = template.copy()
            for i, value in zip(places, treedef.unflatten(values), strict=True):
                full[i] = value
            return tuple(full)

        static = tuple(args[i] for i in range(len(args)) if i in self._static)
        captured = captured_tracers(self.fun, *rules, static)
        call = FlatCall([aval_of(x) for x in leaves], treedef, given, rebuild, static, captured)
        return call, [*map(reachable, captured), *leaves]

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[str], tuple[Any, ...]]:
        """The names of all arguments, and the arguments."""
        if self._signature is None:
            if kwargs:
                what = f"the parameters of `{self.name}` are not known, so that it takes no arguments by name."
                raise ArgumentError(message(what, cure="Pass them by position."))
            return [f"args[{i}]" for i in range(len(args))], args
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            refuse_call(self.fun, args, kwargs, self.kind, str(error))
            raise
        bound.apply_defaults()
        if bound.kwargs:
            names = listing(bound.kwargs, len(bound.kwargs))
            what = f"`{self.name}` has arguments that can only be given by name ({names})."
            cure = f"A {self.kind} function takes its arguments by position: drop the `*`."
            raise ArgumentError(message(what, cure=cure))
        known = []
        for name, value in bound.arguments.items():
            rest = self._signature.parameters[name].kind == inspect.Parameter.VAR_POSITIONAL
            known += [f"{name}[{i}]" for i in range(len(value))] if rest else [name]
        return known, bound.args

    def _flat_function(self, call: FlatCall, keep: Callable[[PyTreeDef], None]) -> Flat:
        """The function on flat values; the structure of its output is handed to `keep`."""

        @wraps(self.fun)
        def fun(*xs: Array) -> list[Array]:
            outs, outdef = flat_outputs(self.fun(*call.rebuild(xs)), self.kind, self.fun)  # type: ignore[call-arg]
            keep(outdef)
            return outs

        return with_captured(call.captured, fun)
