"""Tracers, interpreters, and how an operation finds the interpreter that gives it its meaning.

An interpreter receives primitive applications one at a time (`step`). Running Python drives it *online*: a `Tracer`
stands for a value, its `state` is what the interpreter knows of it. A jaxpr drives it *offline* (`interpret`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.holders import holder
from fgrad.core.jaxpr import Jaxpr, Literal, Var
from fgrad.core.usage import assigning, indexing, looping, math_function
from fgrad.errors import (
    ConcretizationTypeError,
    ImmutableTracerError,
    ShapeError,
    SourceLine,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    TracerUseError,
    UnexpectedTracerError,
    message,
    public,
    user_line,
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
    "install_operators",
    "interpret",
    "leaked",
    "lift",
    "origin",
    "owned",
    "reachable",
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
        encloses: takes, while it is open, operations on plain values, too: closed interpreters do, as a rule.
        enclosing: the nearest interpreter that does, this one or one outwards.
        verb: what the user called (`grad`, `jit`, …), for error messages.
        function: the user's function, for error messages.
        as_python: whether compiled functions and control flow run as Python in its extent; `None`: as they do around.
        watches: looks at every operation in the extents of transforms and compiled functions (`core/modes.py`).
    """

    as_python: bool | None = None
    watches = False

    def __init__(self, verb: str, function: Callable[..., Any] | None = None, *, closed: bool = False) -> None:
        self.parent = parent = current.get()
        self.closed = closed
        self.encloses = closed
        self.enclosing: Interpreter[Any] | None = parent and parent.enclosing
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

    def constant(self, state: State) -> Array:
        """The value of a state where nothing is lost in taking it for the traced one, or `None`."""
        return None

    def adopt(self, tracer: Tracer) -> Array:
        """What stands, in the extent of this interpreter, for a tracer that is not its own, or `None`. Only closed
        ones are asked."""
        return None

    @property
    def open(self) -> bool:
        """Whether the traced function is running."""
        return bool(self._tokens)

    def describe(self) -> str:
        """Names this interpreter to the user: ``jit of `loss` (model.py:12)``."""
        function = self.function
        if function is None:
            return self.verb
        name = getattr(function, "__name__", None) or type(function).__name__
        while (inner := getattr(function, "__wrapped__", None) or getattr(function, "func", None)) is not None:
            function = inner
        code = getattr(function, "__code__", None)
        place = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
        return f"{self.verb} of `{name}`{place}"

    def __enter__(self) -> Self:
        if self.encloses:
            self.enclosing = self
        self._tokens.append(current.set(self))
        return self

    def __exit__(self, *exception: object) -> None:
        current.reset(self._tokens.pop())
        if self.encloses and not self._tokens:
            self.enclosing = None  # no cycle keeps recorded arrays alive until the collector runs


class Tracer:
    """Stands for an array while a function is traced; it behaves as a NumPy array does, but is immutable."""

    __slots__ = ("__weakref__", "interpreter", "state")

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

    @public
    def __len__(self) -> int:
        if not self.shape:
            what = f"a traced {self.aval} has no length: it has no axes."
            raise TracerUseError(message(what, cure="Only arrays with axes have one; .size is the number of elements."))
        return self.shape[0]

    @public
    def __bool__(self) -> bool:
        return bool(self._known(TracerBoolConversionError, "the truth value", _LOOP_CURE if looping() else _BOOL_CURE))

    @public
    def __float__(self) -> float:
        return float(self._number("the value (as a Python float)"))

    @public
    def __complex__(self) -> complex:
        return complex(self._number("the value (as a Python complex)"))

    @public
    def __int__(self) -> int:
        return int(self._known(TracerIntegerConversionError, "the value (as a Python int)", _VALUE_CURE))

    @public
    def __index__(self) -> int:
        cure = _ITEM_CURE if indexing() else _SIZE_CURE
        return operator.index(self._known(TracerIntegerConversionError, "the value (as a Python integer)", cure))

    @public
    def item(self, *args: int) -> Any:
        """The value as a Python scalar; it carries no derivative."""
        return np.asarray(self._known(ConcretizationTypeError, "the value (as a Python scalar)", _VALUE_CURE)).item(
            *args
        )

    @public
    def tolist(self) -> Any:
        """The value as nested Python lists; they carry no derivative."""
        return np.asarray(self._known(ConcretizationTypeError, "the value (as a list)", _VALUE_CURE)).tolist()

    @public
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        x = self._constant()
        if x is None:
            raise self._no_array()
        return np.array(x, dtype, copy=copy)

    @public
    def __setitem__(self, index: Any, value: Any) -> None:
        what = f"a traced {self.aval} cannot be written into, in {self.interpreter.describe()}."
        cure = "Write x = x.at[index].set(value); there are .add, .multiply, .min and .max, too."
        raise ImmutableTracerError(message(what, cure=cure))

    @public
    def __hash__(self) -> int:
        what = f"a traced {self.aval} cannot be hashed, in {self.interpreter.describe()}."
        cure = (
            "Arrays are no keys of dicts, members of sets or arguments of cached functions: take the shape or a name."
        )
        raise TracerUseError(message(what, cure=cure))

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

    @public
    def __reduce__(self) -> Any:
        what = f"a traced {self.aval} cannot be pickled, in {self.interpreter.describe()}."
        cure = "Return it from the traced function, and save what comes back."
        raise TracerUseError(message(what, cure=cure))

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def _number(self, what: str) -> Array:
        """The value for `float(x)`. `array[0] = x` and `math.exp(x)` ask for it, too: they would silently lose the
        derivative."""
        x = self._constant()
        if x is not None:
            return x
        if assigning():
            raise self._no_array()
        function = math_function()
        if function:
            raise self._no_number(function)
        return self._known(ConcretizationTypeError, what, _VALUE_CURE)

    def _constant(self) -> Array:
        """The value where nothing is lost in taking it, or `None`."""
        x = reachable(self)
        while type(x) is Tracer:
            x = x.interpreter.constant(x.state)
        return x

    def _known(self, error: type[Exception], what: str, cure: str) -> Array:
        """The value; an error where there is none, or where this tracer has no business any more."""
        x = reachable(self)
        unknown = None
        while type(x) is Tracer:
            unknown = x.interpreter
            x = x.interpreter.value(x.state)
        if x is not None:
            return x
        assert unknown is not None
        why, static = _REASONS.get(unknown.verb, _OTHERWISE)
        text = f"{what} of a traced {self.aval} is not known in {unknown.describe()}: {why}."
        raise error(message(text + origin(self), cure=cure.format(static=static)))

    def _no_number(self, function: str) -> ConcretizationTypeError:
        what = f"{function} takes numbers, not a traced {self.aval}, in {self.interpreter.describe()}."
        name = function.rpartition(".")[2]
        name = _NAMES_IN_NUMPY.get(name, name)
        better = f"numpy.{name}" if isinstance(getattr(np, name, None), np.ufunc) else "functions of NumPy"
        cure = f"Write {better}; or {function}(float(x)) where the value is known and no derivative is wanted."
        return ConcretizationTypeError(message(what + origin(self), cure=cure))

    def _no_array(self) -> TracerArrayConversionError:
        traced, where = f"a traced {self.aval}", f"in {self.interpreter.describe()}"
        if indexing():
            what = f"a NumPy array cannot be indexed by {traced}, {where}."
            cure = _MASK_CURE if self.dtype.kind == "b" else _TAKE_CURE
        elif assigning():
            what = f"`array[index] = value` on a NumPy array does not take {traced}, {where}."
            cure = "Write array = fgrad.numpy.at(array)[index].set(value), or collect values in a list and stack them."
        else:
            what = f"{traced} cannot become a NumPy array, {where}."
            cure = _ARRAY_CURE
        return TracerArrayConversionError(message(what + origin(self), cure=cure))


_REASONS = {
    "jit": ("only its shape and dtype are", "or mark the argument static (static_argnums)"),
    "make_jaxpr": ("only its shape and dtype are", "or mark the argument static (static_argnums)"),
    "vmap": ("it stands for all rows at once", "or do not map the argument (None in in_axes)"),
}
_OTHERWISE = ("only its shape and dtype are", "or decide before, outside the function")
_BOOL_CURE = "Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; {static}."
_LOOP_CURE = "Write fgrad.lax.while_loop(unfinished, step, start); {static}."
_NAMES_IN_NUMPY = {"pow": "power"} | {
    f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")
}
_VALUE_CURE = "Keep it an array (NumPy's functions take it, those of math do not); {static}."
_ITEM_CURE = "Take from an array of the items: fgrad.numpy.take(fgrad.numpy.stack(items), index, axis=0); {static}."
_SIZE_CURE = "Sizes and axes must be known here: take them from shapes; loop with fgrad.lax.fori_loop; {static}."
_TAKE_CURE = "Write fgrad.numpy.take(array, index, axis=0), or fgrad.numpy.at(array)[index].get()."
_MASK_CURE = "Write fgrad.numpy.where(mask, array, 0); the number of elements that a mask selects is not known."
_ARRAY_CURE = (
    "NumPy's functions (np.sin, np.stack, …) take it as it is; write fgrad.numpy.array for np.array or np.asarray."
)


def install(**methods: Any) -> None:
    """Gives `Tracer` methods and properties; the modules that define the operations call it."""
    for name, method in methods.items():
        fget = getattr(method, "fget", None)
        setattr(Tracer, name, property(public(fget), doc=method.__doc__) if fget is not None else public(method))


def install_operators(**methods: Callable[..., Any]) -> None:
    """As `install`, for methods that are called so often that they hide fgrad's frames themselves."""
    for name, method in methods.items():
        setattr(Tracer, name, method)


def origin(tracer: Tracer) -> str:
    """Where a traced value was computed, if its interpreter remembers, and it is not where it is used."""
    source: SourceLine | None = getattr(tracer.interpreter, "source_of", lambda state: None)(tracer.state)
    return "" if source is None or str(source) == str(user_line()) else f"\n  It was computed at {source}."


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


def owned(x: Array, interpreter: Interpreter[Any]) -> bool:
    """Whether a value is a tracer of an interpreter."""
    return type(x) is Tracer and x.interpreter is interpreter


def lift(interpreter: Interpreter[State], x: Array) -> State:
    """Lifts a value that an interpreter does not own; only plain values and tracers of its ancestors may be."""
    if type(x) is Tracer:
        return interpreter.lift(_within(interpreter, x))
    if type(x) is np.ndarray and x.dtype.kind in "OSUmM":
        what = f"an array of dtype {x.dtype} cannot be combined with traced values, in {interpreter.describe()}."
        raise ShapeError(message(what, cure="Convert it to numbers first: array.astype(float)."))
    return interpreter.lift(x)


def reachable(tracer: Tracer) -> Array:
    """What a tracer stands for here: itself where the interpreter that owns it is open.

    Raises:
        UnexpectedTracerError: nothing: the tracer has leaked.
    """
    return _within(current.get(), tracer)


def _within(interpreter: Interpreter[Any] | None, x: Array) -> Array:
    """What a tracer stands for in the extent of an interpreter."""
    while type(x) is Tracer and x.interpreter is not interpreter:
        if interpreter is None:
            raise leaked(x)
        if interpreter.closed:
            value = interpreter.adopt(x)
            x = x if value is None else value
        interpreter = interpreter.parent
    return x


def leaked(tracer: Tracer, subject: str = "") -> UnexpectedTracerError:
    """The error for a tracer that is used outside the extent of the interpreter that owns it.

    Args:
        tracer: the tracer.
        subject: the beginning of a sentence about it, if there is one.
    """
    traced, owner = f"{subject}a traced {tracer.aval}", tracer.interpreter
    if owner.open:
        what = f"{traced} of {owner.describe()}: it was used where that does not reach (another thread, a custom rule)."
        cure = "Pass it to the function as an argument."
    else:
        where = holder(tracer)
        kept = f"; it was kept in {where}" if where else ""
        what = f"{traced} leaked from {owner.describe()}, which has ended{kept}."
        cure = "Return the value from that function instead of keeping it"
        cure += " (has_aux=True lets it return more than the loss)." if "grad" in owner.verb else "."
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
