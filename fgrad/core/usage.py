"""What the user's line does with a value, where only that tells one mistake from another.

Python calls the same method of a tracer for `array[x]`, for `array[0] = x` and for `numpy.asarray(x)`, and the same for
`float(x)` and for `math.exp(x)`. The instruction that is running in the caller tells them apart.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import opcode
import sys
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

from fgrad.errors import is_own, user_line

__all__ = ["assigning", "indexing", "looping", "math_function"]

_STORES = frozenset({"STORE_SUBSCR", "STORE_SLICE"})
_CONSTANT = frozenset({"ceil", "floor", "isclose", "isfinite", "isinf", "isnan", "trunc"})
_SUBSCRIPT = next((i for i, (name, _) in enumerate(getattr(opcode, "_nb_ops", ())) if name == "NB_SUBSCR"), None)


def _caller() -> FrameType | None:
    """The innermost frame outside fgrad."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and (is_own(frame.f_code.co_filename) or frame.f_lasti < 0):
        frame = frame.f_back
    return frame


def indexing() -> bool:
    """Whether the user's line is looking something up: `array[x]`."""
    frame = _caller()
    if frame is None:
        return False
    code = frame.f_code.co_code
    name, argument = opcode.opname[code[frame.f_lasti]], code[frame.f_lasti + 1]
    return name == "BINARY_SUBSCR" or (name == "BINARY_OP" and argument == _SUBSCRIPT)


def assigning() -> bool:
    """Whether the user's line is assigning to an item: `array[x] = y`."""
    frame = _caller()
    return frame is not None and opcode.opname[frame.f_code.co_code[frame.f_lasti]] in _STORES


def looping() -> bool:
    """Whether the user's line is the head of a `while` loop."""
    line = user_line(2)
    return line is not None and linecache.getline(line.filename, line.line).lstrip().startswith("while ")


def math_function() -> str:
    """The function of Python's math, such as `math.exp`, that the user's line is calling; empty if it is none, or one
    that has no derivative to lose."""
    frame = _caller()
    if frame is None:
        return ""
    names = _called_names(frame.f_code, frame.f_lasti)
    if not names:
        return ""
    found = frame.f_locals.get(names[0], frame.f_globals.get(names[0], getattr(builtins, names[0], None)))
    for name in names[1:]:
        found = getattr(found, name, None)
    module, name = getattr(found, "__module__", None), getattr(found, "__name__", "")
    return f"{module}.{name}" if module in ("math", "cmath") and name not in _CONSTANT else ""


@lru_cache(maxsize=1024)
def _called_names(code: CodeType, lasti: int) -> tuple[str, ...]:
    """The names by which an instruction finds the function that it calls: `("math", "exp")`, if the source tells."""
    first, last, start, end = next(islice(code.co_positions(), lasti // 2, None))
    if first is None or last is None or start is None or end is None:
        return ()
    lines = [line.encode() for line in linecache.getlines(code.co_filename)[first - 1 : last]]
    if len(lines) != last - first + 1:
        return ()
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        node: ast.AST = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except SyntaxError:
        return ()
    names: list[str] = []
    if isinstance(node, ast.Call):
        node = node.func
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            return (node.id, *reversed(names))
    return ()
