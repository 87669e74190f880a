"""Recording what a function does while it runs on values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.control.checkpoint_policies import Policy
from fgrad.control.rematerialize import Remainder, remainder, saveable
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, interpret, reachable
from fgrad.core.jaxpr import Atom, Equation, Literal, Var, inline_literals
from fgrad.core.primitive import Primitive
from fgrad.transforms.jvp import LinearProgram

__all__ = ["Record"]

Recorded = tuple[Array, Atom]


class Record(Interpreter[Recorded]):
    """Computes every operation, records it, and keeps those results that a policy saves.

    The states are pairs of a value and the variable that stands for it in the record.

    Attributes:
        saved: the values that are kept.
    """

    def __init__(self, verb: str, function: Callable[..., Any], policy: Policy) -> None:
        super().__init__(verb, function)
        self.saved: dict[Atom, Array] = {}
        self._policy = policy
        self._eqns: list[Equation] = []

    def input(self, x: Array) -> Tracer:
        """An argument of the function."""
        return Tracer(self, (x, Var(aval_of(x))))

    def step(self, primitive: Primitive, states: list[Recorded], params: dict[str, Any]) -> Any:
        if primitive.name == "jit":  # the policy is asked of the operations in it
            return interpret(self, params["jaxpr"].jaxpr, params["jaxpr"].consts, states)
        out = primitive.bind(*[x for x, _ in states], **params)
        values = out if primitive.multiple else [out]
        outvars = [Var(aval_of(y)) for y in values]
        eqn = Equation(primitive, [atom for _, atom in states], outvars, params, None)
        self._eqns.append(eqn)
        if saveable(self._policy, eqn):
            named = primitive.name == "name"  # a value and the same value under a name are one
            self.saved.update([states[0][::-1]] if named else zip(outvars, values, strict=True))
        results = list(zip(values, outvars, strict=True))
        return results if primitive.multiple else results[0]

    def lift(self, value: Array) -> Recorded:
        return value, Literal(value)

    def aval(self, state: Recorded) -> ShapedArray:
        return aval_of(state[0])

    def value(self, state: Recorded) -> Array:
        return state[0]

    constant = value

    def outside(self, x: Array) -> Array:
        """A result of the function, as it is outside."""
        if type(x) is not Tracer:
            return x
        x = reachable(x)
        return x.state[0] if type(x) is Tracer and x.interpreter is self else x

    def remainder(self, inputs: Sequence[Tracer], program: LinearProgram) -> Remainder:
        """What is left to be done, given the linear program of the tangents, when these are known."""
        given = [t.state[1] for t in inputs]
        linear = [eqn._replace(invars=[self._atom(a) for a in eqn.invars]) for eqn in program.eqns]
        outs = [v for v in program.outs if type(v) is Var]
        closed = inline_literals([*given, *program.invars], outs, [*self._eqns, *linear])
        return remainder(closed, len(given), self._policy)

    def _atom(self, atom: Atom) -> Atom:
        value = atom.value if type(atom) is Literal else None
        return value.state[1] if type(value) is Tracer and value.interpreter is self else atom
