"""What the user calls the values of a program: names of arguments, and of local variables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

    Where several functions name a value, the outermost does: what is `x` to a sigmoid may be a `z` to who calls it.
    """
    names: Names = {}

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and not is_library(frame.f_code.co_filename):
            for name, value in frame.f_locals.items():
                if type(value) is Tracer and name.isidentifier():
                    var = _variable(value)
                    if var is not None:
                        names[var] = name

    previous = sys.getprofile()
    sys.setprofile(look)
    try:
        yield names
    finally:
        sys.setprofile(previous)


def _variable(x: Any) -> Var | None:
    """The variable that stands for a traced value where transforms lie between it and the recorded program."""
    while type(x) is Tracer:
        state = x.state
        x = state[0] if isinstance(state, tuple) else state
    return x if type(x) is Var else None
