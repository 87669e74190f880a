"""Staging: the interpreter that records equations. Its states are the variables of the jaxpr it builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.interpreter import Interpreter, Tracer, lift, replayed
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Literal, Var, inline_literals
from fgrad.core.primitive import Primitive
from fgrad.errors import SourceLine, user_line

__all__ = ["Stage", "trace"]


class Stage(Interpreter[Atom]):
    """Records every equation it is given.

    Attributes:
        closed: takes all operations in its extent (the body of `jit`); an open stage takes only what depends on its
            inputs.
        eqns: the equations recorded so far. Their literals may hold any value until the program is closed.
        remembers: notes the lines of the user's program, although no program is made around.
    """

    remembers = False

    def __init__(self, verb: str, function: Callable[..., Any] | None = None, *, closed: bool) -> None:
        super().__init__(verb, function, closed=closed)
        self.eqns: list[Equation] = []

    def input(self, aval: ShapedArray) -> Tracer:
        """A new variable, as a tracer."""
        return Tracer(self, Var(aval))

    def step(self, primitive: Primitive, states: list[Atom], params: dict[str, Any]) -> Any:
        aval = primitive.shape(*[a.aval for a in states], **params)
        source = (replayed.get() or user_line(4)) if self.enclosing is not None or self.remembers else None
        if primitive.multiple:
            outs = [Var(a) for a in aval]
            self.eqns.append(Equation(primitive, states, outs, params, source))
            return outs
        out = Var(aval)
        self.eqns.append(Equation(primitive, states, (out,), params, source))
        return out

    def lift(self, value: Array) -> Atom:
        return Literal(value)

    def aval(self, state: Atom) -> ShapedArray:
        return state.aval

    def atom(self, x: Array) -> Atom:
        """What an output of the traced function is in the recorded program."""
        if type(x) is Tracer and x.interpreter is self:
            return x.state  # type: ignore[no-any-return]
        return lift(self, x)

    def source_of(self, state: Atom) -> SourceLine | None:
        """The user's line that computed a variable."""
        return next((e.source for e in self.eqns for v in e.outvars if v is state), None)


def trace(
    f: Callable[..., Sequence[Array]],
    avals: Sequence[ShapedArray],
    verb: str = "make_jaxpr",
    function: Any = None,
) -> ClosedJaxpr:
    """Records a function of flat arguments, which returns a flat list, as a jaxpr.

    Constants of the result may be tracers of outer interpreters.
    """
    stage = Stage(verb, function or f, closed=True)
    inputs = [stage.input(aval) for aval in avals]
    with stage:
        outs = [stage.atom(x) for x in f(*inputs)]
    return inline_literals([t.state for t in inputs], outs, stage.eqns)
