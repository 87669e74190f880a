"""The .npz format: a zip archive, not compressed, of .npy files, which numpy.load reads too."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

import numpy as np

from fgrad.io.arrays import CHUNK, Stored, fill, npy_header, pieces, write_pieces
from fgrad.io.document import ENTRY, damaged

__all__ = ["NpzReader", "write_npz"]

KEEPS_ORDER = True
_LOCAL_HEADER = 30  # bytes in front of an entry's name
_FAULTS = (zipfile.BadZipFile, EOFError, OSError, ValueError, OverflowError, NotImplementedError, LookupError)


class _Entry(NamedTuple):
    """An entry of an archive, as its directory has it."""

    name: bytes
    size: int
    crc: int
    offset: int

    @property
    def large(self) -> bool:
        return max(self.size, self.offset) >= _LIMIT


def write_npz(file: BinaryIO, text: str, arrays: Iterable[tuple[Stored, np.ndarray]]) -> None:
    """Writes a document and arrays. The same tree gives the same bytes.

    (zipfile would take the checksum of a piece and write it in turns; here the one goes on beside the other.)
    """
    entries = [_add(file, ENTRY, text.encode(), np.zeros(0, np.uint8), False)]
    for stored, array in arrays:
        entries.append(_add(file, f"{stored.name}.npy", npy_header(stored), array, stored.fortran))
    start = file.tell()
    file.writelines(map(_directory_entry, entries))
    file.write(_end(len(entries), start, file.tell() - start))


def _add(file: BinaryIO, name: str, head: bytes, array: np.ndarray, fortran: bool) -> _Entry:
    """Writes an entry. A large one gets its checksum, which is known at the end, in the place left for it."""
    entry = _Entry(name.encode(), len(head) + array.nbytes, zlib.crc32(head), file.tell())
    if array.nbytes <= CHUNK:
        data = bytearray(head)
        for piece in pieces(array, fortran):
            data += piece
        entry = entry._replace(crc=zlib.crc32(data))
        file.write(_local_header(entry) + data)
        return entry
    file.write(_local_header(entry) + head)
    entry = entry._replace(crc=write_pieces(file, array, fortran, entry.crc))
    end = file.tell()
    file.seek(entry.offset)
    file.write(_local_header(entry))
    file.seek(end)
    return entry


# The records of the format. Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3; sizes and places that need more than
# 32 bits stand in an extra field.

_LIMIT = 0xFFFFFFFF
_DATE = 1 << 5 | 1  # 1 January 1980, whenever it is written
_UTF8 = 1 << 11
_MODE = 0o100644 << 16
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")


def _local_header(entry: _Entry) -> bytes:
    large = entry.size >= _LIMIT
    size = _LIMIT if large else entry.size
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if large else b""
    version = 45 if large else 20
    head = _LOCAL.pack(b"PK\x03\x04", version, _UTF8, 0, 0, _DATE, entry.crc, size, size, len(entry.name), len(extra))
    return head + entry.name + extra


def _directory_entry(entry: _Entry) -> bytes:
    large = entry.large
    size, offset = (_LIMIT, _LIMIT) if large else (entry.size, entry.offset)
    extra = struct.pack("<HHQQQ", 1, 24, entry.size, entry.size, entry.offset) if large else b""
    version = 45 if large else 20
    names = (len(entry.name), len(extra), 0, 0, 0)
    made = 3 << 8 | version  # by a Unix, which the mode is for
    head = _CENTRAL.pack(b"PK\x01\x02", made, version, _UTF8, 0, 0, _DATE, entry.crc, size, size, *names, _MODE, offset)
    return head + entry.name + extra


def _end(count: int, start: int, size: int) -> bytes:
    """What ends the archive: the place of the directory."""
    wide = b""
    if count >= 0xFFFF or max(start, size) >= _LIMIT:
        wide = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
        wide += struct.pack("<4sIQI", b"PK\x06\x07", 0, start + size, 1)
    short = (min(count, 0xFFFF), min(count, 0xFFFF), min(size, _LIMIT), min(start, _LIMIT))
    return wide + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, *short, 0)


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
