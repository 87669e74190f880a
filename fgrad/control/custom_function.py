"""Functions of the user's with a rule of their own: their arguments, and calls of them on flat values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper, wraps
from types import MethodType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom import CustomCall, Flat
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import (
    check_callable,
    flat_leaves,
    flat_outputs,
    function_name,
    place_of,
    refuse_call,
)
from fgrad.core.interpreter import Tracer, reachable
from fgrad.errors import ArgumentError, FgradError, OutputTypeError, TreeStructureError, message
from fgrad.tree import PyTreeDef
from fgrad.tree.nodes import LEAF
from fgrad.tree.table import node_of
from fgrad.tree.text import listing

__all__ = ["CustomFunction", "FlatCall", "misfit"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


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
        simple = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in self._parameters())
        self._simple = [p.name for p in self._parameters()] if simple else []
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
            elif type(argnum) is int and (endless or argnum in range(len(positional))):
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
        if not kwargs and len(args) == len(self._simple):
            return self._simple, args
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


def misfit(x: Any) -> type[FgradError]:
    """The class of error for what a rule returned in place of an array: a container, or no array at all."""
    return OutputTypeError if node_of(x) is LEAF else TreeStructureError
