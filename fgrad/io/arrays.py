"""Arrays as bytes: what is known of them before they are read, in pieces that stay in cache."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

__all__ = ["CHUNK", "Checksum", "Stored", "fill", "npy_header", "pieces", "read_whole", "stored_as", "write_pieces"]

CHUNK = 1 << 20
_MANY = 8  # pieces from which on a thread of its own pays


class Stored(NamedTuple):
    """An array in a file: the name of its entry, and what its bytes mean."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class Checksum:
    """The CRC-32 of pieces of memory, taken while they are being read or written; used as a context.

    Attributes:
        value: the checksum, when the context has ended.
    """

    def __init__(self, size: int, value: int = 0) -> None:
        self.value = value
        self._pool: ThreadPoolExecutor | None = None
        if size >= _MANY * CHUNK:
            self._pool = ThreadPoolExecutor(1)
            try:
                self._pool.submit(int)
            except RuntimeError:  # a system without threads
                self._pool = None

    def __enter__(self) -> Checksum:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=error is not None)

    def add(self, piece: memoryview) -> None:
        """Continues over a piece, which must not change any more."""
        if self._pool is None:
            self._add(piece)
        else:
            self._pool.submit(self._add, piece)

    def _add(self, piece: memoryview) -> None:
        self.value = zlib.crc32(piece, self.value)


def write_pieces(file: BinaryIO, array: np.ndarray, fortran: bool, crc: int = 0) -> int:
    """Writes the bytes of an array; returns their checksum, which continues `crc`."""
    steady = (array.T if fortran else array).flags.c_contiguous  # the pieces are not overwritten by those that follow
    with Checksum(array.nbytes if steady else 0, crc) as checksum:
        for piece in pieces(array, fortran):
            checksum.add(piece)
            file.write(piece)
    return checksum.value


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
    with Checksum(len(data), crc) as checksum:
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            read_whole(file, piece)
            checksum.add(piece)
    return array, checksum.value


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
