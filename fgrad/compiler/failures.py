"""Errors while generated code runs: they are told at the line of the user's program that the code comes from."""

from __future__ import annotations

from collections.abc import Sequence

from fgrad.core.primitive import BOUNDS_CURE
from fgrad.errors import FgradError, OutOfBoundsError, SourceLine, message

__all__ = ["explain", "forget_lines", "register_lines"]

_lines: dict[str, Sequence[SourceLine | None]] = {}


def register_lines(filename: str, lines: Sequence[SourceLine | None]) -> None:
    """Remembers where each line of some generated code comes from."""
    _lines[filename] = lines


def forget_lines(filename: str) -> None:
    """Forgets the lines of some generated code."""
    _lines.pop(filename, None)


def explain(error: Exception) -> None:
    """Names the user's line in an error that generated code met.

    Raises:
        OutOfBoundsError: in place of an `IndexError` of NumPy's.
    """
    if isinstance(error, FgradError):
        return
    found, entry = None, error.__traceback__
    while entry is not None:  # the innermost: bodies of control flow are programs of their own
        if entry.tb_frame.f_code.co_filename in _lines:
            found = entry
        entry = entry.tb_next
    if found is None:
        return
    source = _lines[found.tb_frame.f_code.co_filename][found.tb_lineno - 1]
    if isinstance(error, IndexError):
        raise OutOfBoundsError(message(f"{error}.", at=source, cure=BOUNDS_CURE)) from None
    if source is not None and not hasattr(error, "__notes__"):
        error.add_note(message("It was met in a compiled function,", at=source))
