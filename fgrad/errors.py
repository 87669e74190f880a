"""Every error that fgrad raises, and how its message is built.

A message says what was got, what was needed, at which line of the user's code, and what to do about it. Frames of fgrad
itself are taken out of the traceback where a public function ends (`hide_frames`).
"""

from __future__ import annotations

import functools
import linecache
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

__all__ = [
    "ArgumentError",
    "AxesError",
    "CheckError",
    "ConcretizationTypeError",
    "ConvergenceError",
    "DegenerateWarning",
    "ExportError",
    "FgradError",
    "GraphvizError",
    "ImmutableTracerError",
    "InvalidIndexError",
    "JaxprError",
    "MatrixError",
    "MissingExtraError",
    "MissingRuleError",
    "NonConcreteBooleanIndexError",
    "NonDifferentiableError",
    "NonFiniteError",
    "NonScalarOutputError",
    "OutOfBoundsError",
    "OutputTypeError",
    "RetraceError",
    "SavedFileError",
    "ShapeError",
    "TracerArrayConversionError",
    "TracerAttributeError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "TracerUseError",
    "TreeStructureError",
    "UnexpectedTracerError",
    "UnhashableStaticError",
]

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_GENERATED = "<fgrad "
_WIDEST = 100  # characters of a line of the user's program that are shown


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


class InvalidIndexError(FgradError, IndexError, TypeError):
    """What stands between the brackets is no index of the array: too many axes, a wrong dtype or shape."""


class TreeStructureError(FgradError, ValueError, TypeError):
    """Two pytrees differ in structure."""


class UnhashableStaticError(FgradError, ValueError, TypeError):
    """A static argument of `jit` cannot be hashed."""


class RetraceError(FgradError, RuntimeError):
    """A compiled function would have been traced where `no_retrace` forbids it."""


class ExportError(FgradError, TypeError):
    """A function cannot be written as a module that needs NumPy alone."""


class SavedFileError(FgradError, ValueError):
    """A file is not one that `fgrad.io.save` wrote whole, or it holds a class that is not known here."""


class NonFiniteError(FgradError, FloatingPointError):
    """An operation in the extent of `fgrad.debug.nans` made a NaN, or an infinity."""


class CheckError(FgradError, AssertionError):
    """An identity that `fgrad.testing` was asked to check does not hold, or cannot be judged where it was checked."""


class ConvergenceError(FgradError, ArithmeticError):
    """A numerical method found no solution."""


class ConcretizationTypeError(FgradError, TypeError):
    """The value of a traced array was needed where only its shape and dtype are known."""


class TracerBoolConversionError(ConcretizationTypeError):
    """`bool()` of a traced array without a value, as in `if x > 0` under `jit` or `vmap`."""


class TracerIntegerConversionError(ConcretizationTypeError, IndexError):
    """A traced array without a value was used as a Python integer, as in `range(x)` or `[1, 2][x]`."""


class TracerArrayConversionError(ConcretizationTypeError):
    """A traced array would have become a NumPy array: `numpy.asarray(x)`, `ndarray[x]`, `ndarray[0] = x`, …"""


class TracerAttributeError(ConcretizationTypeError, AttributeError):
    """An attribute of NumPy's arrays that a traced one lacks, since it occupies no memory (`flat`, `view`)."""


class NonConcreteBooleanIndexError(ConcretizationTypeError, IndexError):
    """A mask without a value was used as an index: how many elements it selects is unknown."""


class ImmutableTracerError(FgradError, TypeError):
    """A traced array was written into."""


class TracerUseError(FgradError, TypeError):
    """A traced array was used in a way that arrays cannot be, or that only concrete ones can: hashed, pickled, …"""


class UnexpectedTracerError(FgradError, TypeError):
    """A traced value outlived the transform that made it (a leak)."""


class JaxprError(FgradError, AssertionError):
    """A jaxpr is malformed: the IR checker found an undefined variable or a type that does not fit."""


class DegenerateWarning(FgradError, UserWarning):  # noqa: N818 - a warning
    """Something was differentiated that has no derivative where values coincide, such as vectors of an eigenspace."""


class MatrixError(FgradError, np.linalg.LinAlgError):
    """An array is not the matrix, or the stack of matrices, that a function of linear algebra needs."""


class MissingExtraError(FgradError, ImportError):
    """Something needs a package that fgrad can do without otherwise, and it is not installed."""


class GraphvizError(FgradError, RuntimeError):
    """Graphviz, which draws graphs where it is installed, gave up."""


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

    def __reduce__(self) -> tuple[Any, ...]:
        return _same_place, (self.filename, self.line, self.function)


def _same_place(filename: str, line: int, function: str) -> SourceLine:
    """A place as it is known in another process, where its code is not."""
    code = compile("", filename, "exec").replace(co_name=function, co_firstlineno=line)
    return SourceLine(code, -1)


@lru_cache(maxsize=4096)
def _line(code: CodeType, lasti: int) -> int:
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno


class _Libraries(dict[str, bool]):
    """By file name: whether the code is of fgrad, NumPy or the standard library."""

    def __missing__(self, filename: str) -> bool:
        known = is_own(filename) or filename.startswith((_NUMPY, "<frozen "))
        if filename.startswith(_STANDARD):
            known = "-packages" not in filename[len(_STANDARD) :]
        self[filename] = known
        return known


def is_own(filename: str) -> bool:
    """Whether the code is of fgrad, or generated by it."""
    return filename.startswith((_PACKAGE, _GENERATED))


_libraries = _Libraries()
is_library = _libraries.__getitem__
"""Whether the code in a file is not the user's: `is_library(filename)`."""


def user_line(depth: int = 1) -> SourceLine | None:
    """The innermost line of the user's program on the stack."""
    frame: FrameType | None = sys._getframe(depth)
    libraries = _libraries  # the tracing of every equation comes by here
    while frame is not None:
        code = frame.f_code
        if not libraries[code.co_filename]:
            return SourceLine(code, frame.f_lasti)
        frame = frame.f_back
    return None


def message(what: str, *, at: SourceLine | None = None, cure: str = "") -> str:
    """Builds the text of an error: what is wrong, the user's line, and the remedy."""
    lines = [what]
    at = at or user_line(2)
    if at is not None:
        text = linecache.getline(at.filename, at.line).strip()
        if len(text) > _WIDEST:
            text = text[: _WIDEST - 1] + "…"
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
    entries = _users_entries(error)
    if isinstance(error, FgradError) and error.__context__ is not None and not _users_entries(error.__context__):
        error.__suppress_context__ = True  # it tells how fgrad found out
    following: TracebackType | None = None
    for kept in reversed(entries):
        following = TracebackType(following, kept.tb_frame, kept.tb_lasti, kept.tb_lineno)
    error.__traceback__ = following


def _users_entries(error: BaseException) -> list[TracebackType]:
    """The entries of a traceback that are not fgrad's own."""
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if not is_own(entry.tb_frame.f_code.co_filename):
            entries.append(entry)
        entry = entry.tb_next
    return entries


def unveil(error: Exception) -> None:
    """Raises our error where NumPy has put a shorter one of its own in its place."""
    if type(error) is ValueError and isinstance(error.__cause__, FgradError):
        raise error.__cause__.with_traceback(error.__traceback__) from None
    if type(error) is TypeError and (length := _TRACED_LENGTH.fullmatch(str(error))):
        what = f"a shape needs numbers, but it was given {length[1]}."
        cure = "Take lengths from the shapes of arrays, or mark the argument static (static_argnums)."
        told = TracerIntegerConversionError(message(what, at=_last_line(error.__traceback__), cure=cure))
        raise told.with_traceback(error.__traceback__) from None


_TRACED_LENGTH = re.compile(r"expected a sequence of integers or a single integer, got '(Tracer<.*>)'", re.DOTALL)
"""What NumPy says in place of the error of `Tracer.__index__`."""


def _last_line(entry: TracebackType | None) -> SourceLine | None:
    """The innermost line of the user's program in a traceback."""
    line = None
    while entry is not None:
        if not is_library(entry.tb_frame.f_code.co_filename):
            line = SourceLine(entry.tb_frame.f_code, entry.tb_lasti)
        entry = entry.tb_next
    return line


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Marks where fgrad begins for the user: errors that pass through show no frame of fgrad."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            try:
                return function(*args, **kwargs)
            except (TypeError, ValueError) as error:
                unveil(error)
                raise
        except Exception as error:
            hide_frames(error)
            raise

    return wrapper
