"""Functions of the user's with rules of their own: their arguments, and calls of them on flat values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper, wraps
from types import MethodType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import numpy as np

from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom import Flat
from fgrad.control.custom_rules import JvpRule, RuleCall, Rules, VjpRule
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
from fgrad.errors import ArgumentError, FgradError, OutputTypeError, TreeStructureError, message, public
from fgrad.tree import PyTreeDef
from fgrad.tree.nodes import LEAF
from fgrad.tree.table import node_of
from fgrad.tree.text import listing

__all__ = ["Argnums", "CustomFunction", "FlatCall", "Keep", "misfit"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
Argnums = int | str | Iterable[int | str]
Keep = Callable[[PyTreeDef], None]
"""Takes the structure of a result."""


class FlatCall(NamedTuple):
    """A call of a user's function, flattened. It keeps no array alive.

    Attributes:
        avals: the types of the arrays in the arguments that have tangents.
        treedef: the structure of these arguments (a tuple): those by position, then those by name.
        names: what these arguments are called.
        keywords: the names of those of them that can only be given by name, the last ones.
        rebuild: all arguments, by position and by name, given new leaves.
        static: the other arguments, in order.
        captured: tracers that the function or its rules close over.
    """

    avals: list[ShapedArray]
    treedef: PyTreeDef
    names: list[str]
    keywords: list[str]
    rebuild: Callable[[Sequence[Any]], tuple[Sequence[Any], dict[str, Any]]]
    static: tuple[Any, ...]
    captured: list[Tracer]

    def place(self, index: int) -> str:
        """Where an array stands in the arguments, as `params['w']`."""
        return place_of(self.treedef.unflatten(self.avals), self.names, index)

    def given(self, nz: Sequence[bool]) -> list[bool]:
        """Which arguments hold an array that `nz` marks."""
        marks = iter(nz)
        return [any([next(marks) for _ in range(child.num_leaves)]) for child in self.treedef.children()]


class CustomFunction(Generic[P, R_co]):
    """A function with derivative rules of its own.

    Attributes:
        fun: the function.
        static: the places of the arguments without tangents: positions, and names of those by name only.
    """

    kind: str
    primitive: RuleCall

    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: Argnums = (), nondiff_argnames: Argnums = ()) -> None:
        check_callable(fun, self.kind)
        update_wrapper(self, fun)
        self.fun = fun
        self.name = function_name(fun)
        self._signature = _signature(fun)
        simple = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in self._parameters())
        self._simple = [p.name for p in self._parameters()] if simple else []
        self.static = self._places(nondiff_argnums, "nondiff_argnums") | self._places(
            nondiff_argnames, "nondiff_argnames"
        )

    @public
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        call, values = self._flatten(args, kwargs)
        outdef: Any = None

        def keep(found: PyTreeDef) -> None:
            nonlocal outdef
            outdef = found

        fun = self._flat_function(call, keep)
        rules = Rules(self._flat_jvp(call, keep), self._flat_vjp(call, keep))
        if call.captured:
            rules = self.primitive.capture_rule(rules, call.captured)
        outs = self.primitive.bind(*values, fun=fun, rule=rules, captured=len(call.captured))
        return outdef.unflatten(outs)  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<fgrad.{self.kind} of {self.name}>"

    def _rules(self) -> list[Any]:
        """The rules as the user gave them.

        Raises:
            ArgumentError: there is none.
        """
        raise NotImplementedError

    def _flat_jvp(self, call: FlatCall, keep: Keep) -> JvpRule | None:
        """The forward-mode rule on flat values, if there is one; the structure of its value is handed to `keep`."""
        return None

    def _flat_vjp(self, call: FlatCall, keep: Keep) -> VjpRule | None:
        """The reverse-mode rule on flat values, if there is one; the structure of its value is handed to `keep`."""
        return None

    def _parameters(self) -> list[inspect.Parameter]:
        return [] if self._signature is None else list(self._signature.parameters.values())

    def _places(self, given: Argnums, option: str) -> frozenset[int | str]:
        """Arguments without tangents, given by position or name: positions, and names of those by name only."""
        positional = [p.name for p in self._parameters() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        named = [p.name for p in self._parameters() if p.kind == p.KEYWORD_ONLY]
        endless = self._signature is None or any(p.kind == p.VAR_POSITIONAL for p in self._parameters())
        anyhow = any(p.kind == p.VAR_KEYWORD for p in self._parameters())
        found: list[int | str] = []
        for argnum in [given] if isinstance(given, (int, str)) else given:
            if isinstance(argnum, str) and argnum in positional:
                found.append(positional.index(argnum))
            elif (isinstance(argnum, str) and (anyhow or argnum in named)) or (
                type(argnum) is int and (endless or argnum in range(len(positional)))
            ):
                found.append(argnum)
            else:
                known = [*positional, *named]
                what = f"{option} of {self.kind} names {argnum!r:.60}, which is no argument of `{self.name}`."
                raise ArgumentError(message(what, cure=f"Its arguments are {listing(known, len(known))}."))
        return frozenset(found)

    def _flatten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[FlatCall, list[Array]]:
        """A call, with defaults filled in, and what the primitive is applied to."""
        rules = self._rules()
        if not kwargs and not self.static and len(args) == len(self._simple):
            leaves, treedef = flat_leaves(args, self._simple, self.kind)
            captured = captured_tracers(self.fun, *rules)
            avals = [aval_of(x) for x in leaves]
            plain = FlatCall(avals, treedef, self._simple, [], lambda xs: (treedef.unflatten(xs), {}), (), captured)
            return plain, [*map(reachable, captured), *leaves]
        names, full = self.bound_arguments(args, kwargs)
        places = [place for place in full if place not in self.static]
        given = [names[place] for place in places]
        leaves, treedef = flat_leaves([full[place] for place in places], given, self.kind)
        fixed = {place: x for place, x in full.items() if place in self.static}
        order = list(full)

        def rebuild(values: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
            parts = {**fixed, **dict(zip(places, treedef.unflatten(values), strict=True))}
            positional = [parts[place] for place in order if isinstance(place, int)]
            return positional, {place: parts[place] for place in order if isinstance(place, str)}

        captured = captured_tracers(self.fun, *rules, *fixed.values())
        keywords = [place for place in places if isinstance(place, str)]
        avals = [aval_of(x) for x in leaves]
        call = FlatCall(avals, treedef, given, keywords, rebuild, tuple(fixed.values()), captured)
        return call, [*map(reachable, captured), *leaves]

    def bound_arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[dict[int | str, str], dict[int | str, Any]]:
        """What all arguments are called, and the arguments: by position where they can be, else by name."""
        if not kwargs and len(args) == len(self._simple):
            return dict(enumerate(self._simple)), dict(enumerate(args))
        if self._signature is None:
            if kwargs:
                what = f"the parameters of `{self.name}` are not known, so that it takes no arguments by name."
                raise ArgumentError(message(what, cure="Pass them by position."))
            return {i: f"args[{i}]" for i in range(len(args))}, dict(enumerate(args))
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            refuse_call(self.fun, args, kwargs, self.kind, str(error))
            raise
        bound.apply_defaults()
        known: list[str] = []
        for name, value in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            if kind == inspect.Parameter.VAR_POSITIONAL:
                known += [f"{name}[{i}]" for i in range(len(value))]
            elif kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
                known.append(name)
        names: dict[int | str, str] = dict(enumerate(known))
        names.update((name, name) for name in bound.kwargs)
        full: dict[int | str, Any] = dict(enumerate(bound.args))
        full.update(bound.kwargs.items())
        return names, full

    def _flat_function(self, call: FlatCall, keep: Keep) -> Flat:
        """The function on flat values; the structure of its output is handed to `keep`."""

        @wraps(self.fun)
        def fun(*xs: Array) -> list[Array]:
            args, kwargs = call.rebuild(xs)
            outs, outdef = flat_outputs(self.fun(*args, **kwargs), self.kind, self.fun)
            keep(outdef)
            return outs

        # Equal calls have this in common; whoever wraps the function copies it, but is another function.
        fun.__dict__["called"] = id(fun), self, call.treedef, tuple((type(x), x) for x in call.static)
        return with_captured(call.captured, fun)


def _signature(fun: Callable[..., Any]) -> inspect.Signature | None:
    """The parameters of a function, if they are known; those of a ufunc without its options."""
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        return None
    if isinstance(fun, np.ufunc):
        return signature.replace(parameters=list(signature.parameters.values())[: fun.nin])
    return signature


def misfit(x: Any) -> type[FgradError]:
    """The class of error for what a rule returned in place of an array: a container, or no array at all."""
    return OutputTypeError if node_of(x) is LEAF else TreeStructureError
