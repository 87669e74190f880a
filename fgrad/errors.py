"""Every error that fgrad raises, and how its message is built.

A message says what was got, what was needed, at which line of the user's code, and what to do about it. Frames of fgrad
itself are taken out of the traceback where a public function ends (`hide_frames`).
"""

from __future__ import annotations

import linecache
import os
import sys
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

__all__ = [
    "ArgumentError",
    "AxesError",
    "ConcretizationTypeError",
    "FgradError",
    "ImmutableTracerError",
    "JaxprError",
    "MissingRuleError",
    "NonDifferentiableError",
    "NonScalarOutputError",
    "OutOfBoundsError",
    "OutputTypeError",
    "ShapeError",
    "TracerArrayConversionError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "TreeStructureError",
    "UnexpectedTracerError",
    "UnhashableStaticError",
]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class FgradError(Exception):
    """The base of every error class of fgrad; each also derives from the builtin class that a NumPy user expects."""


class ArgumentError(FgradError, ValueError, TypeError):
    """An argument of a transform has a wrong value or type (`argnums`, tangents, a missing argument, …)."""


class AxesError(FgradError, ValueError):
    """`in_axes`, `out_axes` or the sizes of mapped axes of `vmap` do not fit the arguments."""


class NonDifferentiableError(FgradError, TypeError):
    """A derivative was asked for with respect to an integer, boolean or other value that has no tangent."""


class NonScalarOutputError(FgradError, TypeError):
    """`grad` was given a function whose output is not a real scalar."""


class OutputTypeError(FgradError, TypeError):
    """A traced function returned something that is not an array or a number."""


class ShapeError(FgradError, ValueError, TypeError):
    """Shapes or dtypes of the arguments of an operation do not fit together."""


class OutOfBoundsError(FgradError, IndexError):
    """An index lies outside its axis."""


class TreeStructureError(FgradError, ValueError, TypeError):
    """Two pytrees differ in structure."""


class UnhashableStaticError(FgradError, ValueError, TypeError):
    """A static argument of `jit` cannot be hashed."""


class ConcretizationTypeError(FgradError, TypeError):
    """The value of a traced array was needed where only its shape and dtype are known."""


class TracerBoolConversionError(ConcretizationTypeError):
    """`bool()` of a traced array without a value, as in `if x > 0` under `jit` or `vmap`."""


class TracerIntegerConversionError(ConcretizationTypeError, IndexError):
    """A traced array without a value was used as a Python integer, as in `ndarray[x]` or `range(x)`."""


class TracerArrayConversionError(ConcretizationTypeError):
    """`numpy.asarray()` of a traced array."""


class ImmutableTracerError(FgradError, TypeError):
    """An item of a traced array was assigned to."""


class UnexpectedTracerError(FgradError, TypeError):
    """A traced value outlived the transform that made it (a leak)."""


class JaxprError(FgradError, AssertionError):
    """A jaxpr is malformed: the IR checker found an undefined variable or a type that does not fit."""


class MissingRuleError(FgradError, NotImplementedError):
    """A primitive does not declare the rule that a transform needs."""


class SourceLine(NamedTuple):
    """A place in the user's program, cheap to take (no line number is computed until it is asked for)."""

    code: CodeType
    lasti: int

    @property
    def filename(self) -> str:
        return self.code.co_filename

    @property
    def function(self) -> str:
        return self.code.co_name

    @property
    def line(self) -> int:
        return _line(self.code, self.lasti)

    def __str__(self) -> str:
        return f"{self.filename}:{self.line} ({self.function})"


@lru_cache(maxsize=4096)
def _line(code: CodeType, lasti: int) -> int:
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno


def user_line(depth: int = 1) -> SourceLine | None:
    """The innermost line outside fgrad on the stack."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            return SourceLine(code, frame.f_lasti)
        frame = frame.f_back
    return None


def message(what: str, *, at: SourceLine | None = None, cure: str = "") -> str:
    """Builds the text of an error: what is wrong, the user's line, and the remedy."""
    lines = [what]
    at = at or user_line(2)
    if at is not None:
        text = linecache.getline(at.filename, at.line).strip()
        lines.append(f"  at {at}" + (f": {text}" if text else ""))
    if cure:
        lines.append(f"  {cure}")
    return "\n".join(lines)


def hide_frames(error: BaseException) -> None:
    """Takes fgrad's own frames out of the traceback of an error that is about to leave a public function.

    Used as `except Exception as error: hide_frames(error); raise`: a bare `raise` adds no frame of its own.
    Set the environment variable FGRAD_TRACEBACK=full to see everything.
    """
    if os.environ.get("FGRAD_TRACEBACK") == "full":
        return
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if not entry.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            entries.append(entry)
        entry = entry.tb_next
    following: TracebackType | None = None
    for kept in reversed(entries):
        following = TracebackType(following, kept.tb_frame, kept.tb_lasti, kept.tb_lineno)
    error.__traceback__ = following
