"""Settings: how many threads compiled functions may use, and how much memory they may keep between calls.

>>> import fgrad
>>> with fgrad.config.using(num_threads=1):
...     fgrad.config.num_threads
1
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from fgrad.errors import ArgumentError, message, public

__all__ = ["update", "using"]

num_threads: int
"""How many threads a compiled function may use, that of the caller included.

At first what `FGRAD_NUM_THREADS` in the environment says, or the number of cores that the process may run on. Results
do not depend on it.
"""

buffer_bytes: int
"""How many bytes all compiled functions together may keep for their next calls (`FGRAD_BUFFER_BYTES`)."""


def _cores() -> int:
    count = getattr(os, "process_cpu_count", None)
    if count is not None:
        return count() or 1
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _from_environment(name: str, default: int, least: int) -> int:
    """A whole number from the environment; what is none, or too small, is passed over."""
    text = os.environ.get(name, "").strip()
    return int(text) if text.isdecimal() and int(text) >= least else default


_LEAST = {"num_threads": 1, "buffer_bytes": 0}
_values: dict[str, int] = {
    "num_threads": _from_environment("FGRAD_NUM_THREADS", _cores(), 1),
    "buffer_bytes": _from_environment("FGRAD_BUFFER_BYTES", 512 * 2**20, 0),
}
_overridden: ContextVar[dict[str, int] | None] = ContextVar("fgrad_config", default=None)


def _checked(name: str, value: Any) -> int:
    if name not in _LEAST:
        what = f"there is no setting {name!r}."
        raise ArgumentError(message(what, cure=f"The settings are {', '.join(sorted(_LEAST))}."))
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < _LEAST[name]:
        what = f"the setting `{name}` must be a whole number, at least {_LEAST[name]}, got {value!r}."
        raise ArgumentError(message(what))
    return number


@public
def update(name: str, value: int) -> None:
    """Changes a setting for the whole process.

    Args:
        name: `"num_threads"` or `"buffer_bytes"`.
        value: the new value.

    Raises:
        ArgumentError: there is no such setting, or it cannot have this value.

    >>> import fgrad
    >>> fgrad.config.update("num_threads", fgrad.config.num_threads)
    """
    _values[name] = _checked(name, value)


@contextmanager
def using(**settings: int) -> Iterator[None]:
    """A context in which settings have other values, in this thread (and in tasks started in it) alone.

    Args:
        settings: names and values.

    Raises:
        ArgumentError: there is no such setting, or it cannot have this value.

    >>> import fgrad
    >>> with fgrad.config.using(num_threads=2, buffer_bytes=0):
    ...     fgrad.config.num_threads
    2
    """
    checked = {name: _checked(name, value) for name, value in settings.items()}
    token = _overridden.set({**(_overridden.get() or {}), **checked})
    try:
        yield
    finally:
        _overridden.reset(token)


class _Config(ModuleType):
    """Gives the settings as attributes of the module, which may be assigned to."""

    def __getattr__(self, name: str) -> int:
        values = _overridden.get()
        if values is not None and name in values:
            return values[name]
        try:
            return _values[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _values:
            update(name, value)
        else:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Config
