"""Values of outer transforms that a function closes over: finding them, and giving them other values.

The rule of a custom function runs later than the function was written: when the transform whose values it closes over
has ended, or at the level below. So these values become arguments, and while the function runs an `Environment` says
what each of them stands for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, current, reachable
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr
from fgrad.core.primitive import Primitive
from fgrad.tree import PyTreeDef

__all__ = ["Environment", "captured_tracers", "with_captured"]

Result = TypeVar("Result")

_MOST = 10_000  # objects looked at
_CLOSED = (type, ModuleType, Jaxpr, ClosedJaxpr, Interpreter, PyTreeDef)  # these are not looked into


class Environment(Interpreter[Array]):
    """Says what the tracers that a function closes over stand for while the function runs.

    It takes all operations, puts values in place of these tracers, and hands the operations on.
    """

    def __init__(self, tracers: Sequence[Tracer], values: Sequence[Array]) -> None:
        super().__init__("closure", closed=True)
        self.encloses = False  # nothing is recorded here
        self._tracers = tracers
        self._values = {id(t): v for t, v in zip(tracers, values, strict=True)}

    def adopt(self, tracer: Tracer) -> Array:
        return self._values.get(id(tracer))

    def step(self, primitive: Primitive, states: list[Array], params: dict[str, Any]) -> Any:
        return primitive.bind(*states, **params)

    def lift(self, value: Array) -> Array:
        return value

    def aval(self, state: Array) -> ShapedArray:
        return aval_of(state)

    def value(self, state: Array) -> Array:
        return state

    constant = value

    def outside(self, result: Any) -> Any:
        """What the function returned, lists of values, as it is outside."""
        if isinstance(result, (list, tuple)):
            return type(result)([self.outside(x) for x in result])
        if type(result) is not Tracer:
            return result
        x = reachable(result)
        return x.state if type(x) is Tracer and x.interpreter is self else x


def captured_tracers(*functions: object) -> list[Tracer]:
    """The tracers of open transforms that some functions close over.

    The search goes through closures, defaults, `functools.partial`, bound methods, containers and the attributes of
    instances, not through globals: a tracer there has leaked.
    """
    if current.get() is None:
        return []
    found: list[Tracer] = []
    seen: set[int] = set()
    stack: list[Any] = list(reversed(functions))
    while stack and len(seen) < _MOST:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if type(x) is Tracer:
            found.append(x)
        elif gc.is_tracked(x):
            stack.extend(_parts(x))
    return [x for x in found if _is_open(x)]


def _is_open(tracer: Tracer) -> bool:
    interpreter = current.get()
    while interpreter is not None:
        if interpreter is tracer.interpreter or interpreter.adopt(tracer) is not None:
            return True
        interpreter = interpreter.parent
    return False


def _parts(x: Any) -> Iterable[Any]:
    """What an object refers to, as far as a function that has it in its closure may use it."""
    if isinstance(x, FunctionType):
        cells = [c.cell_contents for c in x.__closure__ or () if _is_filled(c)]
        return [*cells, *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
    if isinstance(x, MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, partial):
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, dict):
        return x.values()
    if isinstance(x, (list, tuple, set, frozenset)):
        return x
    if isinstance(x, _CLOSED):
        return ()
    slots = [name for cls in type(x).__mro__ for name in getattr(cls, "__slots__", ()) if hasattr(x, name)]
    return [*getattr(x, "__dict__", {}).values(), *[getattr(x, name) for name in slots]]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def with_captured(tracers: Sequence[Tracer], function: Callable[..., Result]) -> Callable[..., Result]:
    """A function that takes the values of the tracers it closes over as leading arguments."""
    if not tracers:
        return function
    count = len(tracers)

    @wraps(function)
    def open_function(*args: Any) -> Result:
        with Environment(tracers, args[:count]) as environment:
            return environment.outside(function(*args[count:]))  # type: ignore[no-any-return]

    return open_function
