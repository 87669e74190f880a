"""The .npz format: a zip archive, not compressed, of .npy files, which numpy.load reads too."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from fgrad.io.arrays import Stored, fill, npy_header, pieces
from fgrad.io.document import ENTRY, damaged

__all__ = ["NpzReader", "write_npz"]

KEEPS_ORDER = True
_LOCAL_HEADER = 30  # bytes in front of an entry's name
_FAULTS = (zipfile.BadZipFile, EOFError, OSError, ValueError, OverflowError, NotImplementedError, LookupError)


def write_npz(file: BinaryIO, text: str, arrays: Iterable[tuple[Stored, np.ndarray]]) -> None:
    """Writes a document and arrays. The same tree gives the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, ENTRY, [memoryview(text.encode())], len(text))
        for stored, array in arrays:
            header = npy_header(stored)
            parts = _chain(header, pieces(array, stored.fortran))
            _add(archive, f"{stored.name}.npy", parts, len(header) + stored.nbytes)


def _chain(header: bytes, rest: Iterable[memoryview]) -> Iterable[memoryview]:
    yield memoryview(header)
    yield from rest


def _add(archive: zipfile.ZipFile, name: str, parts: Iterable[memoryview], size: int) -> None:
    info = zipfile.ZipInfo(name)  # dated 1980, whenever it is written
    info.external_attr = 0o644 << 16
    info.file_size = size
    with archive.open(info, "w", force_zip64=size >= 1 << 31) as entry:
        for part in parts:
            entry.write(part)


class NpzReader:
    """Reads entries of an archive, each once.

    Raises:
        SavedFileError: the archive is not one that `write_npz` made.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
        except (*_FAULTS, RuntimeError) as error:
            raise damaged(f"its directory cannot be read: {error}") from error
        self.entries = {info.filename: info for info in infos}
        if len(self.entries) != len(infos):
            raise damaged("two of its entries have one name")
        if sum(info.file_size for info in infos) > size:
            raise damaged("its entries would be larger than the file")

    def document(self) -> bytes:
        """The document."""
        if ENTRY not in self.entries:
            raise damaged(f"it has no entry {ENTRY} that says how its tree is built (numpy.load reads its arrays)")
        stored = Stored(ENTRY, np.dtype(np.uint8), (self.entries[ENTRY].file_size,))
        return self._read(ENTRY, stored, b"").tobytes()

    def array(self, stored: Stored) -> np.ndarray:
        """An array."""
        return self._read(f"{stored.name}.npy", stored, npy_header(stored))

    def _read(self, name: str, stored: Stored, header: bytes) -> np.ndarray:
        """The array behind a header that is known beforehand: nothing in it is believed."""
        info = self.entries.get(name)
        if info is None:
            raise damaged(f"its entry {name} is missing")
        if info.compress_type or info.flag_bits & 0x2041 or info.compress_size != info.file_size:
            raise damaged(f"its entry {name} is compressed or encrypted, which save never does")
        if info.file_size != len(header) + stored.nbytes:
            what = f"an array of shape {stored.shape} and dtype {stored.dtype}"
            raise damaged(f"its entry {name} has {info.file_size:,} bytes, too few or too many for {what}")
        try:
            self._seek(info)
            if self.file.read(len(header)) != header:
                raise ValueError("its header is not that of the array it should hold")
            array, crc = fill(self.file, stored, zlib.crc32(header))
        except (*_FAULTS, MemoryError) as error:
            raise damaged(f"its entry {name} cannot be read: {error}") from error
        if crc != info.CRC:
            raise damaged(f"the checksum of its entry {name} does not fit")
        return array

    def _seek(self, info: zipfile.ZipInfo) -> None:
        """Goes to the first byte of an entry."""
        self.file.seek(info.header_offset)
        head = self.file.read(_LOCAL_HEADER)
        if len(head) < _LOCAL_HEADER or head[:4] != b"PK\x03\x04":
            raise ValueError("it does not begin where the directory says")
        name, extra = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        if self.file.read(name) != info.orig_filename.encode():
            raise ValueError("it has another name than in the directory")
        self.file.seek(extra, 1)
