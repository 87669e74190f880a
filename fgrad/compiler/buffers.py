"""Buffers: memory of large arrays that a compiled function keeps for its next call.

Fresh memory has to be given by the system page by page, which costs more than most arithmetic does. A compiled function
therefore remembers the large arrays that it made, results among them, and takes those again that nobody refers to any
more. A view refers to its base, so whoever holds a view holds the array.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict, deque
from typing import Any, TypeAlias
from weakref import getweakrefcount, ref

import numpy as np

from fgrad import config

__all__ = ["LARGE_BYTES", "Buffers", "held_bytes"]

LARGE_BYTES = 96 * 1024
"""Smaller arrays are allocated anew: their memory is quickly had."""

Key: TypeAlias = tuple[tuple[int, ...], np.dtype[Any]]


class _Held:
    """What all compiled functions hold together; those that were used least recently give back first."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.bytes = 0
        self.owners: OrderedDict[int, ref[Buffers]] = OrderedDict()


_held = _Held()


def _after_fork() -> None:
    """Another thread may have held the lock; it is not in the child."""
    _held.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def held_bytes() -> int:
    """How many bytes of arrays compiled functions remember, those included that somebody still refers to."""
    return _held.bytes


class Buffers:
    """The large arrays of one compiled function.

    Thread-safe and re-entrant: an array is taken out before it is looked at, so that no two calls get the same.

    Args:
        reserve: how many arrays of a type are remembered.
    """

    __slots__ = ("__weakref__", "_arrays", "_bytes", "_reserve")

    def __init__(self, reserve: dict[Key, int]) -> None:
        self._reserve = reserve
        self._arrays: dict[Key, deque[Any]] = {}
        self._bytes = 0

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """An array whose elements are not set, that nobody else refers to."""
        key = shape, dtype
        arrays = self._arrays.get(key)
        if arrays is not None:
            for _ in range(len(arrays)):
                try:
                    array = arrays.popleft()
                except IndexError:  # other threads have taken what was there
                    break
                if sys.getrefcount(array) == _ALONE and _is_untouched(array, shape, dtype):
                    arrays.append(array)
                    return array
                arrays.append(array)
                del array
        return self._remember(key, np.empty(shape, dtype))

    def clear(self) -> None:
        """Gives everything back."""
        with _held.lock:
            self._arrays = {}
            _held.bytes -= self._bytes
            self._bytes = 0
            _held.owners.pop(id(self), None)

    def __del__(self) -> None:
        self.clear()

    def _remember(self, key: Key, array: Any) -> Any:
        if not _COUNTS:
            return array
        size, bound = array.nbytes, config.buffer_bytes
        with _held.lock:
            arrays = self._arrays.setdefault(key, deque())
            while len(arrays) >= self._reserve.get(key, 1):
                self._forget(arrays.popleft())
            if size > bound:
                return array
            self._make_room(bound - size)
            arrays = self._arrays.setdefault(key, deque())
            arrays.append(array)
            self._bytes += size
            _held.bytes += size
            _held.owners[id(self)] = ref(self)
            _held.owners.move_to_end(id(self))
        return array

    def _forget(self, array: Any) -> None:
        self._bytes -= array.nbytes
        _held.bytes -= array.nbytes

    def _make_room(self, bound: int) -> None:
        """Lets functions give back until no more than so many bytes are held: others first, then this one."""
        while _held.bytes > bound and _held.owners:
            owner = next(iter(_held.owners.values()))()
            if owner is None:
                _held.owners.popitem(last=False)
            else:
                owner.clear()


def _is_untouched(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array is as it was made, and no weak reference will notice that it lives on."""
    flags = array.flags
    return (
        array.shape == shape
        and array.dtype is dtype
        and flags.c_contiguous
        and flags.writeable
        and flags.owndata
        and not getweakrefcount(array)
    )


def _references(arrays: deque[Any]) -> int:
    """What `sys.getrefcount` says, where `Buffers.empty` asks, of an array that nobody else refers to."""
    array = arrays.popleft()
    return sys.getrefcount(array)


def _alone() -> int:
    return _references(deque([np.empty(1)]))


def _counted() -> bool:
    """Whether the interpreter counts references exactly: another one must show."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)() or not hasattr(sys, "getrefcount"):
        return False
    array = np.empty(1)
    other = array[:]
    return _alone() == _ALONE and _references(deque([array])) > _ALONE and other.base is array


_ALONE = _alone() if hasattr(sys, "getrefcount") else 0
_COUNTS = _counted()
