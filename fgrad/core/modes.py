"""Modes: interpreters that take no operation, and say by being open how functions are to be run."""

from __future__ import annotations

from typing import Any

from fgrad.core.interpreter import Interpreter, current

__all__ = ["PythonMode", "runs_as_python"]


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
