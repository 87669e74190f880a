"""What the user's line does with a value, where only that tells one mistake from another.

Python calls the same method of a tracer for `array[x]`, for `array[0] = x` and for `numpy.asarray(x)`; the instruction
that is running in the caller tells them apart.
"""

from __future__ import annotations

import opcode
import sys
from types import FrameType

from fgrad.errors import is_own

__all__ = ["assigning", "indexing"]

_STORES = frozenset({"STORE_SUBSCR", "STORE_SLICE"})
_SUBSCRIPT = next((i for i, (name, _) in enumerate(getattr(opcode, "_nb_ops", ())) if name == "NB_SUBSCR"), None)


def _instruction() -> tuple[str, int]:
    """The instruction that is running in the innermost frame outside fgrad: its name and argument."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and is_own(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or frame.f_lasti < 0:
        return "", 0
    code = frame.f_code.co_code
    return opcode.opname[code[frame.f_lasti]], code[frame.f_lasti + 1]


def indexing() -> bool:
    """Whether the user's line is looking something up: `array[x]`."""
    name, argument = _instruction()
    return name == "BINARY_SUBSCR" or (name == "BINARY_OP" and argument == _SUBSCRIPT)


def assigning() -> bool:
    """Whether the user's line is assigning to an item: `array[x] = y`."""
    return _instruction()[0] in _STORES
