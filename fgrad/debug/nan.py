"""Where a NaN or an infinity comes from: an interpreter that computes values and follows those that are not finite."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import call, check_callable, flat_leaves, flat_outputs, parameter_names, place_of
from fgrad.core.interpreter import Interpreter, Tracer, current, interpret, replayed
from fgrad.core.jaxpr import ClosedJaxpr, Var
from fgrad.core.primitive import ZERO, Primitive
from fgrad.errors import ConvergenceError, SourceLine, public, user_line
from fgrad.transforms import jvp as forward
from fgrad.transforms.jvp import LinearProgram
from fgrad.transforms.stage import Stage
from fgrad.transforms.transpose import transpose

__all__ = ["NonFinite", "explain_nan"]


class NonFinite(NamedTuple):
    """The operation that made the first value that is not finite, of those that a result depends on.

    Attributes:
        operation: the primitive; "argument" if it was given.
        phase: "forward"; or, where only the gradient is not finite, "derivative" (a coefficient of it) or "transpose"
            (the way back).
        source: the line of the user's program.
        operands: what it was applied to.
        result: what came out.
        steps: the loops it was in, and the number of the step, from the outermost inwards.
    """

    operation: str
    phase: str
    source: SourceLine | None
    operands: tuple[Any, ...]
    result: Any
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.operation == "argument":
            return f"{self.steps[0]} is not finite: {_shown(self.result)}"
        of = {"derivative": "the derivative of ", "transpose": "the way back: "}.get(self.phase, "")
        lines = [f"The first value that is not finite comes from {of}`{self.operation}`."]
        if self.source is not None:
            text = linecache.getline(self.source.filename, self.source.line).strip()
            lines.append(f"  at {self.source}" + (f": {text}" if text else ""))
        if self.steps:
            lines.append(f"  in {', '.join(self.steps)}")
        lines += [f"  operand {i}: {_shown(x)}" for i, x in enumerate(self.operands)]
        lines.append(f"  result: {_shown(self.result)}")
        return "\n".join(lines)


def _shown(x: Any) -> str:
    """A value, and where it is not finite if it has many elements."""
    array = np.asarray(x)
    if array.size <= 8:
        return np.array2string(array, separator=", ", max_line_width=100)
    bad: Any = np.argwhere(~np.isfinite(array)) if is_inexact(array.dtype) else []
    text = f"{aval_of(array)}"
    if len(bad):
        first = tuple(map(int, bad[0]))
        text += f", {len(bad)} of {array.size} not finite, the first at {first}: {array[first]}"
    elif array.dtype.kind in "biuf":
        text += f" from {array.min()} to {array.max()}"
    return text


State = tuple[Array, NonFinite | None]

_CALLS = ("jit", "checkpoint")


class Watch(Interpreter[State]):
    """Computes every operation. The states are pairs of a value and what made it, or what it depends on, not finite."""

    def __init__(self, function: Callable[..., Any] | None) -> None:
        super().__init__("explain_nan", function, closed=True)
        self.phase = "forward"
        self.rule: tuple[str, Sequence[Array]] | None = None
        self.first: NonFinite | None = None
        self._steps: list[str] = []

    def step(self, primitive: Primitive, states: list[State], params: dict[str, Any]) -> Any:
        inside = self._inside(primitive, states, params)
        if inside is not None:
            return inside
        values = [x for x, _ in states]
        with np.errstate(all="ignore"):
            out = primitive.bind(*values, **params)
        found = next((origin for _, origin in states if origin is not None), None)
        results = list(out) if primitive.multiple else [out]
        pairs = [(y, self._origin(primitive, values, y, found)) for y in results]
        return pairs if primitive.multiple else pairs[0]

    def lift(self, value: Array) -> State:
        return value, None

    def aval(self, state: State) -> ShapedArray:
        return aval_of(state[0])

    def value(self, state: State) -> Array:
        return state[0]

    constant = value

    def state(self, x: Array) -> State:
        """What is known of a result."""
        return x.state if type(x) is Tracer and x.interpreter is self else (x, None)

    def _origin(
        self, primitive: Primitive, values: Sequence[Array], y: Array, found: NonFinite | None
    ) -> NonFinite | None:
        if not is_inexact(aval_of(y).dtype) or np.isfinite(y).all():
            return None
        if found is not None:
            return found
        name, operands, phase = primitive.name, values, self.phase
        if self.rule is not None and self.phase == "derivative":
            name, operands = self.rule[0], [self._plain(x) for x in self.rule[1]]
        found = NonFinite(name, phase, replayed.get() or user_line(), tuple(operands), y, tuple(self._steps))
        self.first = self.first or found
        return found

    def _plain(self, x: Array) -> Array:
        return x.concrete if type(x) is Tracer else x

    def _inside(self, primitive: Primitive, states: list[State], params: dict[str, Any]) -> Any:
        """The results of a primitive that runs programs, followed into these; `None` for others."""
        if primitive.name == "scan":
            return self._scan(states, **params)
        if primitive.name == "while_loop":
            return self._while_loop(states, **params)
        if primitive.name == "cond":
            branches = params["branches"]
            index = min(max(int(states[0][0]), 0), len(branches) - 1)
            return self._program(branches[index], states[1:])
        if "jaxpr" in params and (primitive.is_call or "fun" not in params):
            return self._program(params["jaxpr"], states)
        if callable(params.get("fun")) and ("rule" in params or "captured" in params):
            with self:
                outs = params["fun"](*[Tracer(self, state) for state in states])
                return [self.state(y) for y in outs]
        return None

    def _program(self, closed: ClosedJaxpr, states: Sequence[State]) -> list[State]:
        return interpret(self, closed.jaxpr, closed.consts, states)

    def _scan(
        self,
        states: list[State],
        *,
        jaxpr: ClosedJaxpr,
        length: int,
        reverse: bool,
        num_consts: int,
        num_carry: int,
        **params: Any,
    ) -> list[State]:
        middle = num_consts + num_carry
        consts, carry, xs = states[:num_consts], states[num_consts:middle], states[middle:]
        rows: list[list[State]] = []
        for i in reversed(range(length)) if reverse else range(length):
            self._steps.append(f"step {i} of scan")
            outs = self._program(jaxpr, [*consts, *carry, *((x[i], origin) for x, origin in xs)])
            self._steps.pop()
            carry = outs[:num_carry]
            rows.append(outs[num_carry:])
        if reverse:
            rows.reverse()
        stacks = []
        for k, aval in enumerate(jaxpr.out_avals[num_carry:]):
            stack = np.array([row[k][0] for row in rows], aval.dtype).reshape(length, *aval.shape)
            stacks.append((stack, next((row[k][1] for row in rows if row[k][1] is not None), None)))
        return [*carry, *stacks]

    def _while_loop(
        self,
        states: list[State],
        *,
        cond_jaxpr: ClosedJaxpr,
        body_jaxpr: ClosedJaxpr,
        num_cond: int,
        num_body: int,
        **params: Any,
    ) -> list[State]:
        middle = num_cond + num_body
        carry, count = states[middle:], 0
        while self._program(cond_jaxpr, [*states[:num_cond], *carry])[0][0]:
            self._steps.append(f"step {count} of while_loop")
            carry = self._program(body_jaxpr, [*states[num_cond:middle], *carry])
            self._steps.pop()
            count += 1
        return carry


@public
def explain_nan(f: Callable[..., Any], *args: Any, **kwargs: Any) -> NonFinite | None:
    """The operation that makes the value of a function, or its gradient, NaN or infinite.

    The function is run once, then its gradient (of the sum of all results), operation by operation. What is not finite
    but is left out again (by `numpy.where`, say) does not count.

    Args:
        f: a function of arrays; it may be, or use, what `jit`, `grad`, `vmap` and loops make.
        args: its arguments, with which something goes wrong.
        kwargs: its arguments by name.

    Returns:
        What made the first value, of those that a result depends on, that is not finite, with the line of the program,
        the operands, and whether it was on the way forward or back; `None` if value and gradient are finite.

    >>> import fgrad, numpy as np
    >>> def loss(x):
    ...     return np.sum(np.log(x - 1.0))
    >>> found = fgrad.debug.explain_nan(loss, np.array([2.0, 1.0]))
    >>> found.operation, found.phase, found.operands
    ('log', 'forward', (array([1., 0.]),))
    """
    check_callable(f, "debug.explain_nan", "debug.explain_nan(f, x)")
    names = [*parameter_names(f, len(args)), *map(str, kwargs)]
    trees = (*args, *kwargs.values())
    leaves, treedef = flat_leaves(trees, names, "debug.explain_nan")
    leaves = [np.asarray(x)[()] if type(x) is not Tracer else x for x in leaves]
    for i, x in enumerate(leaves):
        if is_inexact(aval_of(x).dtype) and not np.isfinite(np.asarray(x)).all():
            return NonFinite("argument", "forward", None, (x,), x, (place_of(trees, names, i),))

    def flat(*xs: Array) -> list[Array]:
        values = treedef.unflatten(xs)
        named = dict(zip(kwargs, values[len(args) :], strict=True))
        return flat_outputs(call(f, values[: len(args)], named, "debug.explain_nan"), "debug.explain_nan", f)[0]

    watch = Watch(f)
    try:
        return _followed(watch, flat, leaves)
    except ConvergenceError:  # a solver has met what is not finite
        if watch.first is None:
            raise
        return watch.first


def _followed(watch: Watch, flat: Callable[..., list[Array]], leaves: Sequence[Array]) -> NonFinite | None:
    """What is found by running a function, and its gradient."""
    with watch:
        outs = [watch.state(y) for y in flat(*[Tracer(watch, (x, None)) for x in leaves])]
        found = next((origin for _, origin in outs if origin is not None), None)
        if found is None:
            cts = [watch.state(ct) for ct in _gradient(watch, flat, leaves) if ct is not ZERO]
            found = next((origin for _, origin in cts if origin is not None), None)
    return found


def _gradient(watch: Watch, flat: Callable[..., list[Array]], leaves: Sequence[Array]) -> list[Any]:
    """The cotangents of all arguments, for cotangents of 1 of the results."""

    class Noting(forward.Linearize):
        """Tells the watch whose derivative is being computed."""

        def step(self, primitive: Primitive, states: list[Any], params: dict[str, Any]) -> Any:
            if primitive.name in _CALLS:  # the derivative of every operation in it
                return interpret(self, params["jaxpr"].jaxpr, params["jaxpr"].consts, states)
            outer, watch.rule = watch.rule, (primitive.name, [x for x, _ in states])
            try:
                return super().step(primitive, states, params)
            finally:
                watch.rule = outer

    stage = Stage("explain_nan", None, closed=False)
    with stage:
        tangents = [stage.input(aval_of(x)) if is_inexact(aval_of(x).dtype) else ZERO for x in leaves]
        watch.phase = "derivative"
        outs, douts = forward.jvp(flat, [Tracer(watch, (x, None)) for x in leaves], tangents, mode=Noting)
        atoms = [stage.atom(t) if t is not ZERO else ZERO for t in douts]
    watch.phase, watch.rule = "transpose", None
    recorded: list[Any] = [a if type(a) is Var else ZERO for a in atoms]
    program = LinearProgram([t.state for t in tangents if type(t) is Tracer], recorded, stage.eqns)
    cts = [np.ones(aval_of(y).shape, aval_of(y).dtype)[()] for y in outs]
    assert current.get() is watch
    return list(transpose(program, cts))
