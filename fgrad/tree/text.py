"""Words for error messages: short, whatever the size of what they describe."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

__all__ = ["an", "function_name", "listing", "plural", "short"]

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_MOST = 6


def short(value: Any) -> str:
    """The repr of a value, in one line of bounded length."""
    return " ".join(_SHORT.repr(value).split())


def listing(items: Iterable[str], count: int) -> str:
    """The first few of `count` items, with commas, and how many more there are."""
    shown = ", ".join(islice(items, _MOST))
    return shown if count <= _MOST else f"{shown} and {count - _MOST:,} more"


def an(name: str) -> str:
    """The name with its article."""
    return f"an {name}" if name[:1] in "AEIOUaeiou" else f"a {name}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """The count with its noun: `1 leaf`, `2 leaves`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {nouns or noun + 's'}"


def function_name(function: Callable[..., Any]) -> str:
    """The name of a callable, for an error that blames it."""
    return getattr(function, "__qualname__", None) or short(function)
