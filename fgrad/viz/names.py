"""What the user calls the values of a program: names of arguments, and of local variables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import Var
from fgrad.errors import is_library

__all__ = ["Names", "local_names"]

Names = dict[Var, str]


@contextmanager
def local_names() -> Iterator[Names]:
    """The names of the local variables that hold traced values when the user's functions return.

    Where several functions name a value, the one does that began first: what is `x` to a sigmoid may be a `z` to who
    calls it, and what a rule calls its residuals does not matter to who computed them.
    """
    names: Names = {}
    named_by: dict[Var, int] = {}
    running: dict[FrameType, int] = {}
    calls = count()

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if is_library(frame.f_code.co_filename):
            return
        if event == "call":
            running[frame] = next(calls)
        elif event == "return":
            call = running.pop(frame, -1)
            for name, value in frame.f_locals.items():
                var = _variable(value) if type(value) is Tracer and name.isidentifier() else None
                if var is not None and call <= named_by.get(var, call):
                    names[var], named_by[var] = name, call

    previous = sys.getprofile()
    sys.setprofile(look)
    try:
        yield names
    finally:
        sys.setprofile(previous)
        running.clear()


def _variable(x: Any) -> Var | None:
    """The variable that stands for a traced value where transforms lie between it and the recorded program."""
    while type(x) is Tracer:
        state = x.state
        x = state[0] if isinstance(state, tuple) else state
    return x if type(x) is Var else None
