"""The threads that tiles run on, and the memory that they work in.

Which tiles there are never depends on the number of threads; which thread runs which does, and nothing else.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from fgrad import config

__all__ = ["Tiling", "run_pieces", "run_tiles"]

Tile = Callable[..., None]
"""`tile(number, start, stop, *scratch)` works on the rows from `start` to `stop`."""


class Tiling(NamedTuple):
    """How rows are cut into tiles.

    Attributes:
        rows: how many rows there are.
        step: how many rows a tile has; the last one may have fewer.
        threads: more are not worth while.
        scratch: shapes (of one row) and dtypes of the arrays that a tile works in.
    """

    rows: int
    step: int
    threads: int = 1
    scratch: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...] = ()

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return -(-self.rows // self.step)


def run_tiles(tile: Tile, tiling: Tiling) -> None:
    """Runs all tiles, on several threads where there are several tiles."""
    helpers = 0 if _local.inside or tiling.threads < 2 else min(config.num_threads, tiling.threads) - 1
    job = _Job(tile, tiling)
    if helpers > 0:
        helpers = _pool.ask(job, helpers)
    _local.inside += 1
    try:
        job.work()
    finally:
        _local.inside -= 1
        if helpers > 0:
            job.finish()
    if job.error is not None:
        error, job.error = job.error, None
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame


def run_pieces(work: Callable[[int], None], count: int) -> None:
    """Calls `work` with every number below `count`, on the threads that there are."""
    run_tiles(lambda number, start, stop: work(number), Tiling(count, 1, count))


class _Job:
    """Tiles that are being run by whoever comes along."""

    def __init__(self, tile: Tile, tiling: Tiling) -> None:
        self.tile: Tile | None = tile
        self.tiling = tiling
        self.numbers = deque(range(tiling.tiles))
        self.error: BaseException | None = None
        self.lock = threading.Lock()
        self.active = 0
        self.done: threading.Lock | None = None

    def work(self) -> None:
        """Runs tiles as long as there are any."""
        tile, (rows, step, _, scratch) = self.tile, self.tiling
        assert tile is not None
        last = self.tiling.tiles - 1
        memory = _local.take()
        views = _views(memory, min(step, rows), scratch)
        while self.numbers:
            try:
                number = self.numbers.popleft()
            except IndexError:  # another thread has taken the last one
                break
            start = number * step
            if number == last:
                views = _views(memory, rows - start, scratch)
            tile(number, start, min(start + step, rows), *views)
        _local.give(memory)

    def help(self) -> None:
        """Works in a thread of the pool, unless everything is done already."""
        with self.lock:
            if self.tile is None:
                return
            self.active += 1
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 (the caller raises it)
            self.error = error
            self.numbers.clear()
        with self.lock:
            self.active -= 1
            if self.done is not None and not self.active:
                self.done.release()

    def finish(self) -> None:
        """Waits for the threads that are still at it; those that have not begun never will."""
        self.numbers.clear()
        with self.lock:
            self.tile = None
            if self.active:
                self.done = threading.Lock()
                self.done.acquire()
        if self.done is not None:
            self.done.acquire()


class _Pool:
    """Threads that are started when they are first needed, and wait for jobs."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Any] = SimpleQueue()
        self.size = 0
        self.lock = threading.Lock()

    def ask(self, job: _Job, helpers: int) -> int:
        """Asks some threads to help; how many there are to be asked."""
        if self.size < helpers:
            self._grow(helpers)
        helpers = min(helpers, self.size)
        for _ in range(helpers):
            # Every thread works in a copy of the caller's context: what numpy.errstate says holds there, too.
            self.jobs.put((copy_context(), job))
        return helpers

    def _grow(self, size: int) -> None:
        with self.lock:
            while self.size < size:
                thread = threading.Thread(target=_serve, args=(self.jobs,), name=f"fgrad-{self.size}", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no threads to be had, here or now
                    return
                self.size += 1


def _serve(jobs: SimpleQueue[Any]) -> None:
    _local.inside = 1
    while True:
        context, job = jobs.get()
        context.run(job.help)
        del context, job


class _Local(threading.local):
    """What belongs to a thread: whether it is at tiles already, and its memory for them."""

    def __init__(self) -> None:
        self.inside = 0
        self.memory: Any = None

    def take(self) -> Any:
        """The memory of this thread, which is nobody else's until it is given back."""
        memory, self.memory = self.memory, None
        return _Memory() if memory is None else memory

    def give(self, memory: Any) -> None:
        if memory.size <= _KEPT:
            self.memory = memory


class _Memory:
    """Memory for one tile's scratch arrays, which grows as needed."""

    __slots__ = ("block", "size")

    def __init__(self) -> None:
        self.size = 0
        self.block: Any = None

    def at_least(self, size: int) -> Any:
        if self.size < size:
            raw = np.empty(size + _LINE, np.uint8)
            start = -raw.ctypes.data % _LINE
            self.block, self.size = raw[start : start + size], size
        return self.block


_LINE = 64
_KEPT = 16 * 2**20


def _views(memory: _Memory, rows: int, scratch: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> list[Any]:
    """Arrays of so many rows, side by side in memory."""
    sizes = [rows * math.prod(shape) * dtype.itemsize for shape, dtype in scratch]
    block = memory.at_least(sum([size + -size % _LINE for size in sizes]))
    views, start = [], 0
    for (shape, dtype), size in zip(scratch, sizes, strict=True):
        views.append(np.ndarray((rows, *shape), dtype, block, start))
        start += size + -size % _LINE
    return views


_local = _Local()
_pool = _Pool()


def _after_fork() -> None:
    """Threads do not survive a fork: the child starts its own."""
    _pool.__init__()  # type: ignore[misc]
    _local.inside = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
