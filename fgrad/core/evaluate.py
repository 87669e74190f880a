"""Running a jaxpr: the interpreter whose states are the values themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, interpret
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr
from fgrad.core.primitive import Primitive

__all__ = ["Evaluate", "eval_jaxpr", "jaxpr_as_fun"]


class Evaluate(Interpreter[Array]):
    """Every equation is applied, in the current context, to the values of its inputs."""

    def step(self, primitive: Primitive, states: list[Array], params: dict[str, Any]) -> Any:
        return primitive.bind(*states, **params)

    def lift(self, value: Array) -> Array:
        return value

    def aval(self, state: Array) -> ShapedArray:
        return aval_of(state)


def eval_jaxpr(jaxpr: Jaxpr, consts: Sequence[Array], *args: Array) -> list[Array]:
    """Evaluates a jaxpr at the given constants and arguments (which may be tracers)."""
    return interpret(Evaluate("eval_jaxpr"), jaxpr, consts, args)


def jaxpr_as_fun(closed: ClosedJaxpr) -> Any:
    """The flat function that a closed jaxpr denotes."""
    return lambda *args: eval_jaxpr(closed.jaxpr, closed.consts, *args)


def _call(self: ClosedJaxpr, *args: Array) -> list[Array]:
    """The outputs at some arguments, which may be tracers."""
    return eval_jaxpr(self.jaxpr, self.consts, *args)


ClosedJaxpr.__call__ = _call  # type: ignore[method-assign]
