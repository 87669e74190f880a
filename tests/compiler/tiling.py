"""Lets small arrays go through tiles and buffers, on several threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import fgrad
from fgrad.compiler import plan, shared
from fgrad.compiler.fuse import limits

__all__ = ["forced_tiles", "whole_arrays"]


@contextmanager
def forced_tiles(tile: int = 48, threads: int = 3) -> Iterator[None]:
    """Programs that are compiled in here run in tiles of so many bytes, and keep every array."""
    small = {"elements": 1, "work": 0, "thread": 1, "tile": tile}
    with (
        patch.multiple(limits, **small),
        patch.object(plan, "LARGE_BYTES", 1),
        patch.object(shared, "_known", OrderedDict()),
        fgrad.config.using(num_threads=threads),
    ):
        yield


@contextmanager
def whole_arrays() -> Iterator[None]:
    """Programs that are compiled in here run without tiles, and keep no memory: what they take can be measured."""
    with (
        patch.object(limits, "elements", 2**60),
        patch.object(shared, "_known", OrderedDict()),
        fgrad.config.using(buffer_bytes=0),
    ):
        yield
