"""Tracers, interpreters, and how an operation finds the interpreter that gives it its meaning.

An interpreter receives primitive applications one at a time (`step`). Running Python drives it *online*: a `Tracer`
stands for a value, its `state` is what the interpreter knows of it. A jaxpr drives it *offline* (`interpret`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import Jaxpr, Literal, Var
from fgrad.errors import (
    ConcretizationTypeError,
    ImmutableTracerError,
    SourceLine,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
    message,
)

if TYPE_CHECKING:
    from fgrad.core.primitive import Primitive

__all__ = [
    "Interpreter",
    "Tracer",
    "apply",
    "current",
    "dispatch",
    "install",
    "interpret",
    "origin",
    "replayed",
]

State = TypeVar("State")

current: ContextVar[Interpreter[Any] | None] = ContextVar("fgrad_interpreter", default=None)
"""The innermost open interpreter; its `parent` is the next one outwards."""

replayed: ContextVar[SourceLine | None] = ContextVar("fgrad_source", default=None)
"""The user's line of the equation that is being replayed from a jaxpr, for the equations recorded meanwhile."""


class Interpreter(Generic[State]):
    """What every primitive application means to a transform.

    Attributes:
        parent: the interpreter around this one; during `step` it is the current one.
        closed: takes every operation in its extent, also those on values that are not its own.
        enclosing: the nearest closed interpreter, this one or one outwards.
        verb: what the user called (`grad`, `jit`, …), for error messages.
        function: the user's function, for error messages.
    """

    def __init__(self, verb: str, function: Callable[..., Any] | None = None, *, closed: bool = False) -> None:
        self.parent = parent = current.get()
        self.closed = closed
        self.enclosing: Interpreter[Any] | None = self if closed else parent and parent.enclosing
        self.verb = verb
        self.function = function
        self._tokens: list[Token[Interpreter[Any] | None]] = []

    def step(self, primitive: Primitive, states: list[State], params: dict[str, Any]) -> Any:
        """The meaning of one equation: states of its results (a list where `primitive.multiple`)."""
        raise NotImplementedError

    def lift(self, value: Array) -> State:
        """The state of a constant: a plain value or a tracer of an outer interpreter."""
        raise NotImplementedError

    def aval(self, state: State) -> ShapedArray:
        """The abstract value that a state stands for."""
        raise NotImplementedError

    def value(self, state: State) -> Array:
        """The concrete value that a state stands for, or `None` where only the abstract value is known."""
        return None

    def describe(self) -> str:
        """Names this interpreter to the user: ``jit of `loss` (model.py:12)``."""
        code = getattr(self.function, "__code__", None)
        name = getattr(self.function, "__name__", None) or type(self.function).__name__
        place = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
        return f"{self.verb} of `{name}`{place}" if self.function is not None else self.verb

    def __enter__(self) -> Self:
        self._tokens.append(current.set(self))
        return self

    def __exit__(self, *exception: object) -> None:
        current.reset(self._tokens.pop())


class Tracer:
    """Stands for an array while a function is traced; it behaves as a NumPy array does, but is immutable."""

    __slots__ = ("__weakref__", "interpreter", "state")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, interpreter: Interpreter[Any], state: Any) -> None:
        self.interpreter = interpreter
        self.state = state

    @property
    def aval(self) -> ShapedArray:
        return self.interpreter.aval(self.state)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    @property
    def weak_type(self) -> bool:
        return self.aval.weak_type

    @property
    def ndim(self) -> int:
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    @property
    def concrete(self) -> Array:
        """The value behind this tracer, or `None` where there is none."""
        x: Array = self
        while type(x) is Tracer:
            x = x.interpreter.value(x.state)
        return x

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self._need(TracerBoolConversionError, "the truth value", _BOOL_CURE))

    def __float__(self) -> float:
        return float(self._need(ConcretizationTypeError, "the value as a Python float", _VALUE_CURE))

    def __complex__(self) -> complex:
        return complex(self._need(ConcretizationTypeError, "the value as a Python complex", _VALUE_CURE))

    def __int__(self) -> int:
        return int(self._need(TracerIntegerConversionError, "the value as a Python int", _VALUE_CURE))

    def __index__(self) -> int:
        value = self._need(TracerIntegerConversionError, "the value as an index", _INDEX_CURE)
        return operator.index(value)

    def item(self, *args: int) -> Any:
        """The value as a Python scalar; it carries no derivative."""
        return self._need(ConcretizationTypeError, "the value as a Python scalar", _VALUE_CURE).item(*args)

    def tolist(self) -> Any:
        """The value as nested Python lists; they carry no derivative."""
        return self._need(ConcretizationTypeError, "the values as a list", _VALUE_CURE).tolist()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        what = f"numpy.asarray of a traced {self.aval} would lose the trace, in {self.interpreter.describe()}."
        cure = "Use fgrad.numpy (or the array's own methods and operators), or pass the array in as a static argument."
        raise TracerArrayConversionError(message(what, cure=cure))

    def __setitem__(self, index: Any, value: Any) -> None:
        what = f"a traced {self.aval} cannot be written into, in {self.interpreter.describe()}."
        cure = "Write x = x.at[index].set(value); also .add, .multiply, .min, .max."
        raise ImmutableTracerError(message(what, cure=cure))

    def __repr__(self) -> str:
        value = self.concrete
        shown = f", value={value!r}" if value is not None else ""
        return f"Tracer<{self.aval}, {self.interpreter.verb}{shown}>"

    def __str__(self) -> str:
        value = self.concrete
        return repr(self) if value is None else str(value)

    def __format__(self, spec: str) -> str:
        value = self.concrete
        return repr(self) if value is None else format(value, spec)

    def __reduce__(self) -> Any:
        raise TypeError(message(f"a traced {self.aval} cannot be pickled, in {self.interpreter.describe()}."))

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def _need(self, error: type[Exception], what: str, cure: str) -> Array:
        value = self.concrete
        if value is None:
            text = f"{what} of a traced {self.aval} was needed, but it has none in {self.interpreter.describe()}."
            raise error(message(text + origin(self), cure=cure))
        return value


_BOOL_CURE = (
    "Use fgrad.numpy.where(condition, a, b), fgrad.lax.cond, or mark the argument static (jit's static_argnums)."
)
_VALUE_CURE = "Keep the computation on arrays (fgrad.numpy), or mark the argument static (jit's static_argnums)."
_INDEX_CURE = (
    "Index a traced array instead: fgrad.numpy.asarray(array)[x] cannot see x, fgrad.numpy.take(array, x) can."
)


def install(**methods: Any) -> None:
    """Gives `Tracer` operators and methods; the modules that define the operations call it."""
    for name, method in methods.items():
        setattr(Tracer, name, method)


def origin(tracer: Tracer) -> str:
    """Where a traced value was computed, if its interpreter remembers."""
    source = getattr(tracer.interpreter, "source_of", lambda state: None)(tracer.state)
    return f"\n  It was computed at {source}." if source is not None else ""


def dispatch(primitive: Primitive, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
    """Applies a primitive: the first interpreter outwards that is closed or owns an argument takes it; else NumPy
    runs it."""
    interpreter = current.get()
    for x in args:
        if type(x) is Tracer:
            break
    else:
        closed = interpreter.enclosing if interpreter is not None else None
        return primitive.evaluate(args, params) if closed is None else apply(closed, primitive, args, params)
    while interpreter is not None:
        if interpreter.closed:
            return apply(interpreter, primitive, args, params)
        for x in args:
            if type(x) is Tracer and x.interpreter is interpreter:
                return apply(interpreter, primitive, args, params)
        interpreter = interpreter.parent
    raise leaked(next(x for x in args if type(x) is Tracer))


def apply(interpreter: Interpreter[Any], primitive: Primitive, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
    """One online step: the arguments become states, the resulting states tracers."""
    states = [x.state if type(x) is Tracer and x.interpreter is interpreter else lift(interpreter, x) for x in args]
    token = current.set(interpreter.parent)
    try:
        out = interpreter.step(primitive, states, params)
    finally:
        current.reset(token)
    if primitive.multiple:
        return [Tracer(interpreter, state) for state in out]
    return Tracer(interpreter, out)


def lift(interpreter: Interpreter[State], x: Array) -> State:
    """Lifts a value that an interpreter does not own; only plain values and tracers of its ancestors may be."""
    if type(x) is Tracer:
        ancestor = interpreter.parent
        while ancestor is not x.interpreter:
            if ancestor is None:
                raise leaked(x)
            ancestor = ancestor.parent
    return interpreter.lift(x)


def leaked(tracer: Tracer) -> UnexpectedTracerError:
    """The error for a tracer that is used outside the extent of the interpreter that owns it."""
    what = f"a traced {tracer.aval} escaped from {tracer.interpreter.describe()} and was used after it had ended."
    cure = "Return the value from the function instead of storing it in a global, an attribute or a container."
    return UnexpectedTracerError(message(what + origin(tracer), cure=cure))


def interpret(
    interpreter: Interpreter[State], jaxpr: Jaxpr, consts: Sequence[Array], states: Sequence[State]
) -> list[State]:
    """Drives an interpreter offline through a jaxpr; a state is dropped after its last use."""
    env: dict[Var, State] = dict(zip(jaxpr.invars, states, strict=True))
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        env[var] = interpreter.lift(const)
    for eqn, dying in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
        primitive = eqn.primitive
        inputs = [interpreter.lift(a.value) if isinstance(a, Literal) else env[a] for a in eqn.invars]
        token = replayed.set(eqn.source)
        try:
            out = interpreter.step(primitive, inputs, eqn.params)
        finally:
            replayed.reset(token)
        if primitive.multiple:
            env.update(zip(eqn.outvars, out, strict=True))
        else:
            env[eqn.outvars[0]] = out
        for var in dying:
            del env[var]
    return [interpreter.lift(a.value) if isinstance(a, Literal) else env[a] for a in jaxpr.outvars]
