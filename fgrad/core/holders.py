"""Where the user's program keeps an object: a search backwards through the references to it."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Iterator
from types import CellType, FrameType, FunctionType
from typing import Any

from fgrad.errors import is_library
from fgrad.tree.text import an

__all__ = ["holder"]

_DEPTH = 3  # containers within containers
_MOST = 100  # objects looked at on each level
_SEQUENCES = (list, tuple, deque)


def holder(x: object) -> str:
    """Words for the variable or attribute that keeps an object, itself or in containers; empty if none is found.

    It is slow (the garbage collector goes through all objects), and only meant for error messages.
    """
    level: list[tuple[object, str]] = [(x, "")]
    for depth in range(_DEPTH + 1):
        wider: list[tuple[object, str]] = []
        for target, inside in level[:_MOST]:
            for referrer in gc.get_referrers(target):
                name = _named(referrer, target, inside)
                if name:
                    return name
                if isinstance(referrer, (*_SEQUENCES, dict, set)):
                    wider.append((referrer, _step(referrer, target) + inside))
            if depth and (name := _local(target)):
                return f"the variable `{name}{inside}`"
        level = wider
    return ""


def _named(referrer: Any, target: object, inside: str) -> str:
    """What a referrer calls the object, if it is a namespace: a module, an instance, a class, a closure."""
    if isinstance(referrer, CellType):
        name = _closure_name(referrer)
        return f"the variable `{name}{inside}`" if name else ""
    if isinstance(referrer, dict):
        name = next((key for key, value in referrer.items() if value is target and isinstance(key, str)), "")
        if not name:
            return ""
        if "__builtins__" in referrer:
            return f"the global `{name}{inside}`"
        for owner in gc.get_referrers(referrer):
            if isinstance(owner, type) and vars(owner).get(name) is target:
                return f"the attribute `{name}{inside}` of the class {owner.__name__}"
            if _is_users(owner) and getattr(owner, "__dict__", None) is referrer:
                return f"the attribute `{name}{inside}` of {an(type(owner).__name__)}"
        return ""
    if _is_users(referrer):
        for name, value in _attributes(referrer):
            if value is target:
                return f"the attribute `{name}{inside}` of {an(type(referrer).__name__)}"
    return ""


def _is_users(x: object) -> bool:
    module = sys.modules.get(type(x).__module__)
    return module is not None and not is_library(getattr(module, "__file__", None) or "<frozen >")


def _attributes(x: object) -> Iterator[tuple[str, object]]:
    """Attributes of an instance: of its dict, and those with slots."""
    yield from getattr(x, "__dict__", {}).items()
    for cls in type(x).__mro__:
        for name in getattr(cls, "__slots__", ()):
            if not name.startswith("__") and hasattr(x, name):
                yield name, getattr(x, name)


def _closure_name(cell: CellType) -> str:
    """The name under which functions know a cell of theirs."""
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__closure__ is not None:
            for name, known in zip(function.__code__.co_freevars, function.__closure__, strict=True):
                if known is cell:
                    return name
    return ""


def _local(x: object) -> str:
    """The name of an object in the user's functions that are running."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            for name, value in frame.f_locals.items():
                if value is x:
                    return name
        frame = frame.f_back
    return ""


def _step(container: Any, target: object) -> str:
    """The index or key of an item: `[0]`, `['h']`."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    key = next((key for key, value in items if value is target), None)
    return "" if key is None or isinstance(container, set) else f"[{key!r:.40}]"
