"""Why a compiled function was traced again, and how to forbid it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

from fgrad.core.aval import ShapedArray
from fgrad.core.modes import PythonMode
from fgrad.errors import RetraceError, message
from fgrad.tree import PyTreeDef
from fgrad.tree.treedef import difference

__all__ = [
    "CacheEntry",
    "CacheInfo",
    "Miss",
    "Signature",
    "disable_jit",
    "explain_miss",
    "forbid_retrace",
    "no_retrace",
]


class Signature(NamedTuple):
    """What a compiled function is traced for.

    Attributes:
        trees: the structure of every traced argument, by name.
        leaves: the type of every array, by argument, and by its place, as `params['w']`.
        static: the values of static arguments, by name.
        axes: the named axes that are being mapped around the call, with their lengths.
    """

    trees: dict[str, PyTreeDef]
    leaves: dict[str, dict[str, ShapedArray]]
    static: dict[str, Any]
    axes: tuple[tuple[Hashable, int], ...]

    def __str__(self) -> str:
        parts = [f"{place}: {_shown(aval)}" for leaves in self.leaves.values() for place, aval in leaves.items()]
        parts += [f"{name}={value!r}" for name, value in self.static.items()]
        parts += [f"axis {name!r} of {size}" for name, size in self.axes]
        return ", ".join(parts) or "no arguments"

    def differences(self, known: Signature) -> list[str]:
        """In what this signature differs from a known one, in words."""
        found = [f"{name} is given, which it was not" for name in _new(self, known)]
        found += [f"{name} is not given, which it was" for name in _new(known, self)]
        for name in (name for name in self.trees if name in known.trees):
            found += self._differences_in(name, known)
        for name, value in self.static.items():
            if name in known.static and not _same(value, known.static[name]):
                found.append(f"the static argument {name} is {_value(value, known.static[name])}")
        if self.axes != known.axes:
            found.append(f"it is called under {_axes(self.axes)}, where it was under {_axes(known.axes)}")
        return found

    def _differences_in(self, name: str, known: Signature) -> list[str]:
        treedef, other = self.trees[name], known.trees[name]
        if treedef != other:
            return [f"{name} has another structure, {difference(other, treedef) or treedef}"]
        before = known.leaves[name]
        return [text for place, aval in self.leaves[name].items() for text in _changes(place, aval, before[place])]


def _new(one: Signature, other: Signature) -> list[str]:
    names = [*one.trees, *(f"the static argument {name}" for name in one.static)]
    known = {*other.trees, *(f"the static argument {name}" for name in other.static)}
    return [name for name in names if name not in known]


def _changes(place: str, aval: ShapedArray, before: ShapedArray) -> list[str]:
    """How the type of one array differs."""
    if aval.weak_type != before.weak_type:
        return [f"{place} is {_kind(aval)}, where it was {_kind(before)}"]
    if aval.weak_type and aval.dtype != before.dtype:
        return [f"{place} is {_kind(aval)}, where it was {_kind(before)}"]
    found = []
    if aval.shape != before.shape:
        found.append(f"{place} has shape {aval.shape}, where it had {before.shape}")
    if aval.dtype != before.dtype:
        found.append(f"{place} has dtype {aval.dtype}, where it had {before.dtype}")
    return found


_PYTHON = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}


def _kind(aval: ShapedArray) -> str:
    return f"a Python {_PYTHON[aval.dtype.kind]}" if aval.weak_type else f"an array {aval}"


def _shown(aval: ShapedArray) -> str:
    return _PYTHON[aval.dtype.kind] if aval.weak_type else str(aval)


def _same(x: Any, y: Any) -> bool:
    return type(x) is type(y) and bool(x == y)


def _value(value: Any, before: Any) -> str:
    if repr(value) == repr(before):
        return f"another {type(value).__name__}, not equal to the one it was ({value!r})"
    return f"{value!r}, where it was {before!r}"


def _axes(axes: tuple[tuple[Hashable, int], ...]) -> str:
    return " and ".join(f"a mapped axis {name!r} of length {size}" for name, size in axes) or "no named axis"


@dataclass(frozen=True, repr=False)
class Miss:
    """Why a call had to be traced; it is meant to be printed.

    Attributes:
        function: the name of the function.
        signature: what it was called with.
        reasons: in what that differs from the nearest signature that was known, one sentence each.
        nearest: that signature; `None` if there was none.
        captured: the transforms whose traced values the function closes over: then no program can be kept.
    """

    function: str
    signature: Signature
    reasons: tuple[str, ...] = ()
    nearest: Signature | None = None
    captured: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.captured:
            owners = ", ".join(self.captured)
            return (
                f"`{self.function}` is traced in every call: it closes over values that are being traced by {owners}."
            )
        if self.nearest is None:
            return f"`{self.function}` was traced: first call, with {self.signature}."
        lines = [f"`{self.function}` was traced again:", *(f"  {reason}" for reason in self.reasons)]
        return "\n".join([*lines, f"  (the nearest known signature: {self.nearest})"])

    __repr__ = __str__


def explain_miss(function: str, signature: Signature, known: Sequence[Signature]) -> Miss:
    """Compares a new signature with the nearest of those that are known."""
    if not known:
        return Miss(function, signature)
    found = [(signature.differences(other), other) for other in reversed(known)]
    reasons, nearest = min(found, key=lambda pair: len(pair[0]))
    return Miss(function, signature, tuple(reasons or [_ORDER]), nearest)


_ORDER = "the arguments, or the keys of a dict, are in another order, or given by name instead of by position"


class CacheEntry(NamedTuple):
    """One signature that a compiled function knows.

    Attributes:
        signature: the arguments, in words.
        hits: how many calls found it.
        equations: how long the traced program is.
        compiled: whether it has been compiled (within a transform it need not be).
    """

    signature: str
    hits: int
    equations: int
    compiled: bool


class CacheInfo(NamedTuple):
    """What a compiled function has in its cache.

    Attributes:
        hits: calls that found their program.
        misses: calls that were traced.
        currsize: how many programs are kept.
        entries: one for each of them.
    """

    hits: int
    misses: int
    currsize: int
    entries: tuple[CacheEntry, ...]

    def __str__(self) -> str:
        lines = [f"{self.hits} hits, {self.misses} misses, {self.currsize} programs"]
        for entry in self.entries:
            state = "" if entry.compiled else ", not compiled"
            lines.append(f"  {entry.signature}: {entry.hits} hits, {entry.equations} equations{state}")
        return "\n".join(lines)


_forbidden: ContextVar[bool] = ContextVar("fgrad_no_retrace", default=False)


@contextmanager
def no_retrace() -> Iterator[None]:
    """In its extent no compiled function may be traced anew: a call with an unknown signature is an error.

    Use it around the loop that should be fast, after a first step. Calls from other threads are not watched.

    Raises:
        RetraceError: a function compiled by `jit` was called with a new signature; the message says what is new.

    >>> import fgrad, numpy as np
    >>> step = fgrad.jit(lambda x: x * 2)
    >>> x = step(np.ones(3))
    >>> with fgrad.no_retrace():
    ...     for _ in range(3):
    ...         x = step(x)
    >>> with fgrad.no_retrace():
    ...     step(x[:2])
    Traceback (most recent call last):
    fgrad.errors.RetraceError: ...
      x has shape (2,), where it had (3,)
    ...
    """
    token = _forbidden.set(True)
    try:
        yield
    finally:
        _forbidden.reset(token)


def forbid_retrace(miss: Miss) -> None:
    """Refuses a new trace where that is forbidden.

    Raises:
        RetraceError: it is.
    """
    if _forbidden.get():
        cure = "Call it once with such arguments before, or make them alike: pad arrays, convert dtypes."
        raise RetraceError(message(f"no_retrace: {miss}", cure=cure))


@contextmanager
def disable_jit(disable: bool = True) -> Iterator[None]:
    """In its extent functions made by `jit` run as the Python that they are, for debugging: every value is there, one
    can print and set breakpoints.

    `fgrad.lax.scan`, `fori_loop`, `map`, `while_loop`, `cond` and `switch` run as Python loops and choices, too, as far
    as conditions are known (under `vmap` they may not be).

    Args:
        disable: False compiles again, within an extent where that is disabled.

    >>> import fgrad, numpy as np
    >>> @fgrad.jit
    ... def double(x):
    ...     print(x)
    ...     return 2 * x
    >>> with fgrad.disable_jit():
    ...     y = double(np.arange(3))
    [0 1 2]
    """
    with PythonMode(bool(disable)):
        yield
