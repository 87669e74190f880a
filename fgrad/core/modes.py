"""Modes: interpreters that say, by being open, how functions are to be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.interpreter import Interpreter, Tracer, current

__all__ = ["PythonMode", "Watched", "runs_as_python", "watched"]


class PythonMode(Interpreter[Any]):
    """While it is open, compiled functions and control flow run as the Python that they were written in, or, again, as
    programs."""

    def __init__(self, as_python: bool) -> None:
        super().__init__("disable_jit")
        self.as_python = as_python


def runs_as_python() -> bool:
    """Whether compiled functions and control flow run as Python here: the innermost mode says so."""
    interpreter = current.get()
    while interpreter is not None:
        if interpreter.as_python is not None:
            return interpreter.as_python
        interpreter = interpreter.parent
    return False


class Watched:
    """The extent of a transform, or of a compiled function, whose operations an interpreter looks at.

    What goes in becomes tracers of that interpreter. What comes out of the outermost extent is plain again.
    """

    def __init__(self, interpreter: Interpreter[Any], xs: Sequence[Any]) -> None:
        self.interpreter = interpreter
        self.outermost = not any(type(x) is Tracer for x in xs)
        self.xs = [self._traced(x) for x in xs]

    def _traced(self, x: Any) -> Any:
        plain = isinstance(x, (np.ndarray, np.generic, bool, int, float, complex))
        return Tracer(self.interpreter, self.interpreter.lift(x)) if plain else x

    def value(self, y: Any) -> Any:
        """A result, as it is outside."""
        if self.outermost and type(y) is Tracer and y.interpreter is self.interpreter:
            return self.interpreter.value(y.state)
        return y

    def values(self, ys: Sequence[Array]) -> list[Any]:
        """Results, as they are outside."""
        return [self.value(y) for y in ys]


def watched(xs: Sequence[Any]) -> Watched | None:
    """The extent of a transform of some arguments, if somebody looks at what happens there."""
    interpreter = current.get()
    while interpreter is not None:
        if interpreter.watches:
            return Watched(interpreter, xs)
        if interpreter.closed:
            return None  # a program is made: what it computes is looked at when it is run
        interpreter = interpreter.parent
    return None
