"""The interpreter that carries, for every element of every value, the set of inputs that it may depend on.

Its subject are programs that are linear in those inputs, the derivatives of a function: so custom rules, the branches
of control flow and whatever has no derivative count by what they contribute to the derivative that will be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, current, interpret
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import Primitive
from fgrad.sparse.sets import EMPTY, Ids, Sets

__all__ = ["Dependence", "Operand", "Rule", "Rules", "dependence"]


class Operand:
    """What is known of a value.

    Attributes:
        aval: its type.
        ids: for every element the number of the set of inputs that it depends on; `None` where none does.
        value: the value itself where it comes of constants of the program alone, or `None`.
        sources: the arrays that it comes of.
    """

    __slots__ = ("aval", "ids", "sources", "value")

    def __init__(
        self, aval: ShapedArray, ids: Ids | None = None, value: Array = None, sources: tuple[Any, ...] = ()
    ) -> None:
        self.aval = aval
        self.ids = ids
        self.value = value
        self.sources = sources

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def sets(self) -> Ids:
        """The numbers of the sets, empty ones where nothing depends on an input."""
        return np.full(self.shape, EMPTY, np.int64) if self.ids is None else self.ids


Rule: TypeAlias = Callable[..., Any]
"""`rule(interpreter, primitive, operands, params)`: the `ids` of the result, `None` where there are none; a list of
these where the primitive has several results. At least one operand has some."""


class Rules(dict[type, Rule]):
    """The rules of primitives, or of whole families, by class."""

    def declare(self, *primitives: Primitive | type) -> Callable[[Rule], Rule]:
        """Declares what some primitives, or all of a family, do with dependences."""

        def declared(function: Rule) -> Rule:
            for primitive in primitives:
                self[primitive if isinstance(primitive, type) else type(primitive)] = function
            return function

        return declared

    def of(self, primitive: Primitive) -> Rule:
        """The rule of a primitive; without one everything depends on everything."""
        return next((self[cls] for cls in type(primitive).__mro__ if cls in self), everything)


class Dependence(Interpreter[Operand]):
    """Says of every element which inputs it may depend on: never too few, and no more than needed where it is easy.

    Attributes:
        sets: the numbered sets.
        rules: what primitives do.
        used: the arrays of the program whose values the answer depends on, by identity.
    """

    def __init__(self, sets: Sets, rules: Rules) -> None:
        super().__init__("sparsity")
        self.sets = sets
        self.rules = rules
        self.used: dict[int, Any] = {}

    def step(self, primitive: Primitive, states: list[Operand], params: dict[str, Any]) -> Any:
        if all(x.ids is None for x in states):
            return self._without(primitive, states, params)
        ids = self.rules.of(primitive)(self, primitive, states, params)
        avals = primitive.shape(*[x.aval for x in states], **params)
        if primitive.multiple:
            return [Operand(aval, i) for aval, i in zip(avals, ids, strict=True)]
        return Operand(avals, ids)

    def lift(self, value: Array) -> Operand:
        if type(value) is Tracer:
            return Operand(aval_of(value))
        return Operand(aval_of(value), None, value, (value,) if type(value) is np.ndarray else ())

    def use(self, x: Operand) -> Array:
        """The value of a constant, which the answer will depend on."""
        self.used.update((id(source), source) for source in x.sources)
        return x.value

    def aval(self, state: Operand) -> ShapedArray:
        return state.aval

    def run(self, closed: ClosedJaxpr, operands: Sequence[Operand]) -> list[Operand]:
        """The outputs of a program."""
        return interpret(self, closed.jaxpr, closed.consts, operands)

    def _without(self, primitive: Primitive, states: list[Operand], params: dict[str, Any]) -> Any:
        """An equation that no input goes into: constants are computed, since indices and zeros may come of them."""
        plain = not (primitive.multiple or primitive.opaque or primitive.effect)
        if plain and all(x.value is not None for x in states):
            with np.errstate(all="ignore"):
                value = primitive.evaluate([x.value for x in states], params)
            sources = {id(source): source for x in states for source in x.sources}
            return Operand(aval_of(value), None, value, tuple(sources.values()))
        avals = primitive.shape(*[x.aval for x in states], **params)
        return [Operand(aval) for aval in avals] if primitive.multiple else Operand(avals)


def everything(interpreter: Dependence, primitive: Primitive, operands: Sequence[Operand], params: Any) -> Any:
    """What is always right: every element of every result depends on all that any operand depends on."""
    sets = interpreter.sets
    parts = [x.ids.reshape(-1) for x in operands if x.ids is not None]
    all_ids = sets.over(np.concatenate(parts), (0,))
    avals = primitive.shape(*[x.aval for x in operands], **params)
    if primitive.multiple:
        return [np.broadcast_to(all_ids, aval.shape) for aval in avals]
    return np.broadcast_to(all_ids, avals.shape)


def dependence(closed: ClosedJaxpr, varying: Sequence[bool], rules: Rules) -> tuple[Dependence, list[Operand]]:
    """Which elements of the marked inputs each element of the outputs may depend on.

    Args:
        closed: a program that is linear in the marked inputs.
        varying: which inputs are marked; their elements are numbered in order, each array in C order.
        rules: what primitives do.
    """
    avals = closed.in_avals
    sets = Sets(sum(a.size for a, m in zip(avals, varying, strict=True) if m))
    operands, offset = [], 0
    for aval, marked in zip(avals, varying, strict=True):
        if marked:
            ids = np.arange(1 + offset, 1 + offset + aval.size).reshape(aval.shape)
            offset += aval.size
        operands.append(Operand(aval, ids if marked else None))
    token = current.set(None)  # constants are computed by NumPy, whatever is being traced around
    try:
        interpreter = Dependence(sets, rules)
        return interpreter, interpreter.run(closed, operands)
    finally:
        current.reset(token)
