"""Arrays as bytes: what is known of them before they are read, in pieces that stay in cache."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

__all__ = ["CHUNK", "Stored", "fill", "npy_header", "pieces", "read_whole", "stored_as"]

CHUNK = 1 << 19


class Stored(NamedTuple):
    """An array in a file: the name of its entry, and what its bytes mean."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def stored_as(name: str, array: np.ndarray, keep_order: bool) -> Stored:
    """How an array is stored: in its own order if it is contiguous in that of Fortran only."""
    fortran = keep_order and array.flags.f_contiguous and not array.flags.c_contiguous
    return Stored(name, array.dtype, array.shape, fortran)


def pieces(array: np.ndarray, fortran: bool) -> Iterator[memoryview]:
    """The bytes of an array, in order. What is not contiguous is copied piece by piece."""
    if fortran:
        array = array.T
    if array.flags.c_contiguous:
        data = _bytes(array.reshape(-1))
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]
        return
    flags: Any = ["external_loop", "buffered", "zerosize_ok"]
    count = max(CHUNK // array.itemsize, 1)
    for part in np.nditer([array], flags, [["readonly"]], order="C", buffersize=count):
        yield _bytes(np.ascontiguousarray(part))


def _bytes(array: Any) -> memoryview:
    return memoryview(array.view(np.uint8))


def fill(file: BinaryIO, stored: Stored, crc: int = 0) -> tuple[np.ndarray, int]:
    """The array whose bytes come next in a file, and their checksum, which continues `crc`.

    Raises:
        EOFError: the file ends before.
    """
    array = np.empty(stored.shape, stored.dtype, order="F" if stored.fortran else "C")
    data = _bytes((array.T if stored.fortran else array).reshape(-1))
    for start in range(0, len(data), CHUNK):
        piece = data[start : start + CHUNK]
        read_whole(file, piece)
        crc = zlib.crc32(piece, crc)
    return array, crc


def read_whole(file: BinaryIO, piece: memoryview) -> None:
    """Fills a piece of memory from a file."""
    done = 0
    while done < len(piece):
        count: int = file.readinto(piece[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the file ends in the middle of an array")
        done += count


def npy_header(stored: Stored) -> bytes:
    """What stands before the bytes of an array in the .npy format, version 1.0."""
    items = f"'descr': {stored.dtype.str!r}, 'fortran_order': {stored.fortran}, 'shape': {stored.shape}, "
    text = f"{{{items}}}"
    padding = -(len(text) + 11) % 64
    return b"\x93NUMPY\x01\x00" + (len(text) + padding + 1).to_bytes(2, "little") + f"{text}{' ' * padding}\n".encode()
