"""Forward mode: the interpreter whose states are pairs of a primal and its tangent, and linearization by it.

`Linearize` is forward mode whose tangents are tracers of an open `Stage`: what depends on primals alone happens at once
in the surrounding context, what touches a tangent is recorded. The record is the linear program, its constants are the
residuals (Radul et al., "You Only Linearize Once", POPL 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact, tangent_aval
from fgrad.core.interpreter import Interpreter, Tracer, lift
from fgrad.core.jaxpr import Equation, Literal, Var
from fgrad.core.modes import Watched, watched
from fgrad.core.primitive import ZERO, Primitive, Zero
from fgrad.transforms.stage import Stage

__all__ = ["Jvp", "LinearProgram", "Linearize", "jvp", "linearize", "record_linear"]

Pair: TypeAlias = tuple[Array, Array | Zero]


class Jvp(Interpreter[Pair]):
    """Pushes tangents forward along with the values."""

    recording = False

    def step(self, primitive: Primitive, states: list[Pair], params: dict[str, Any]) -> Any:
        xs = [x for x, _ in states]
        ts = [t for _, t in states]
        for t in ts:
            if t is not ZERO:
                break
        else:
            out = primitive.bind(*xs, **params)
            return [(y, ZERO) for y in out] if primitive.multiple else (out, ZERO)
        rule = (self.recording and primitive.linearize) or primitive.pushforward
        pair = rule(xs, ts, params)
        return list(zip(*pair, strict=True)) if primitive.multiple else pair

    def lift(self, value: Array) -> Pair:
        return value, ZERO

    def aval(self, state: Pair) -> ShapedArray:
        return aval_of(state[0])

    def value(self, state: Pair) -> Array:
        return state[0]

    def constant(self, state: Pair) -> Array:
        return state[0] if state[1] is ZERO else None

    def pair(self, x: Array) -> Pair:
        """What an output of the traced function is: value and tangent."""
        if type(x) is Tracer and x.interpreter is self:
            return x.state  # type: ignore[no-any-return]
        return lift(self, x)


class Linearize(Jvp):
    """Forward mode whose tangents are being recorded."""

    recording = True


class LinearProgram(NamedTuple):
    """A recorded linear map: the literals of its equations are the residuals."""

    invars: list[Var]
    outs: list[Var | Zero]
    eqns: list[Equation]

    def apply(self, ts: Sequence[Array]) -> list[Array | Zero]:
        """The linear map of some tangents."""
        env: dict[Var | Zero, Array | Zero] = dict(zip(self.invars, ts, strict=True))
        env[ZERO] = ZERO
        for eqn in self.eqns:
            inputs = [env[a] if type(a) is Var else a.value for a in eqn.invars]  # type: ignore[union-attr]
            out = eqn.primitive.bind(*inputs, **eqn.params)
            env.update(zip(eqn.outvars, out if eqn.primitive.multiple else (out,), strict=True))
        return [env[v] for v in self.outs]


def jvp(
    f: Callable[..., Sequence[Array]],
    xs: Sequence[Array],
    ts: Sequence[Array | Zero],
    function: Any = None,
    mode: type[Jvp] = Jvp,
) -> tuple[list[Array], list[Array | Zero]]:
    """Value and directional derivative of a function of flat arguments that returns a flat list.

    Where the tangents are being recorded, the mode is `Linearize`.
    """
    if mode is Jvp and any(map(_is_recorded, ts)):
        mode = Linearize
    extent = watched([*xs, *ts])
    if extent is not None:
        xs, ts = extent.xs[: len(xs)], extent.xs[len(xs) :]
    interpreter = mode("jvp", function or f)
    with interpreter:
        outs = f(*[x if t is ZERO else Tracer(interpreter, (x, t)) for x, t in zip(xs, ts, strict=True)])
        pairs = [interpreter.pair(y) for y in outs]
    if extent is not None:
        pairs = [(extent.value(y), extent.value(t)) for y, t in pairs]
    return [y for y, _ in pairs], [t for _, t in pairs]


def _is_recorded(t: Any) -> bool:
    """Whether a tangent is one of a linear program that is being made, as in a rule of the user's.

    An equation that computes values and tangents together would put the values into that program.
    """
    if type(t) is not Tracer:
        return False
    if type(t.interpreter) is Stage:
        return not t.interpreter.closed
    return isinstance(t.state, tuple) and any(map(_is_recorded, t.state))


def linearize(
    f: Callable[..., Sequence[Array]],
    xs: Sequence[Array],
    nz: Sequence[bool] | None = None,
    verb: str = "linearize",
    function: Any = None,
) -> tuple[list[Array], LinearProgram]:
    """Value of a flat function and its linear map of the tangents of those `xs` that `nz` marks (all, by default)."""
    stage = Stage(verb, function or f, closed=False)
    extent = watched(xs)
    if extent is not None:
        xs, stage.remembers = extent.xs, True
    with stage:
        interpreter = Linearize(verb, function or f)
        tangents = [stage.input(tangent_aval(aval_of(x))) if nz is None or nz[i] else ZERO for i, x in enumerate(xs)]
        with interpreter:
            outs = f(*[x if t is ZERO else Tracer(interpreter, (x, t)) for x, t in zip(xs, tangents, strict=True)])
            pairs = [interpreter.pair(y) for y in outs]
        recorded = [stage.atom(t) if t is not ZERO and is_inexact(aval_of(y).dtype) else ZERO for y, t in pairs]
    invars = [t.state for t in tangents if type(t) is Tracer]
    eqns = stage.eqns
    for i, atom in enumerate(recorded):
        if type(atom) is Literal:
            recorded[i] = ZERO
    if extent is not None:
        eqns, pairs = _plain_residuals(eqns, extent), [(extent.value(y), t) for y, t in pairs]
    return [y for y, _ in pairs], LinearProgram(invars, recorded, eqns)  # type: ignore[arg-type]


def _plain_residuals(eqns: Sequence[Equation], extent: Watched) -> list[Equation]:
    """Recorded equations that may outlive who looked at their operands."""
    return [
        eqn._replace(invars=[Literal(extent.value(a.value)) if type(a) is Literal else a for a in eqn.invars])
        for eqn in eqns
    ]


def record_linear(f: Callable[..., Sequence[Array]], avals: Sequence[ShapedArray], function: Any) -> LinearProgram:
    """Records a function that is linear as it stands (its inputs are taken to be tangents)."""
    stage = Stage("linear_transpose", function, closed=False)
    tangents = [stage.input(aval) for aval in avals]
    with stage:
        atoms = [stage.atom(y) for y in f(*tangents)]
    outs = [a if type(a) is Var else ZERO for a in atoms]
    return LinearProgram([t.state for t in tangents], outs, stage.eqns)
