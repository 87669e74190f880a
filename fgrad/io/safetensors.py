"""The safetensors format: the length of a header, the header in JSON, and the bytes of the tensors.

fgrad writes and reads it by itself; the package of that name, which other libraries use, reads the same files.
Source: https://github.com/huggingface/safetensors, section "Format".
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from fgrad.io.arrays import Stored, fill, write_pieces
from fgrad.io.document import damaged

__all__ = ["SafetensorsReader", "write_safetensors"]

KEEPS_ORDER = False
_LONGEST = 100_000_000  # bytes of a header, by the format
_NAMES = {
    "b1": "BOOL", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64",
    "f2": "F16", "f4": "F32", "f8": "F64",
}  # fmt: skip


def write_safetensors(file: BinaryIO, text: str, arrays: Sequence[tuple[Stored, np.ndarray]]) -> None:
    """Writes a document and arrays. The checksums, known at the end, go where room was left for them."""
    file.write(_header(text, arrays, {}))
    crcs = {"": zlib.crc32(text.encode())}
    for stored, array in arrays:
        crcs[stored.name] = write_pieces(file, array.astype(_little(stored.dtype), copy=False), fortran=False)
    file.seek(0)
    file.write(_header(text, arrays, crcs))


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _header(text: str, arrays: Sequence[tuple[Stored, np.ndarray]], crcs: dict[str, int]) -> bytes:
    checks = {name: f"{crcs.get(name, 0):08x}" for name in ("", *(stored.name for stored, _ in arrays))}
    header: dict[str, Any] = {"__metadata__": {"fgrad": text, "crc32": json.dumps(checks)}}
    start = 0
    for stored, _ in arrays:
        name, shape = _tensor(stored)
        header[stored.name] = {"dtype": name, "shape": shape, "data_offsets": [start, start + stored.nbytes]}
        start += stored.nbytes
    data = json.dumps(header, separators=(",", ":")).encode()
    data += b" " * (-len(data) % 8)
    return len(data).to_bytes(8, "little") + data


def _tensor(stored: Stored) -> tuple[str, list[int]]:
    """What the format calls an array: a complex one is real, with one more axis for its two parts."""
    dtype, shape = stored.dtype, list(stored.shape)
    if dtype.kind == "c":
        return f"F{4 * dtype.itemsize}", [*shape, 2]
    return _NAMES[dtype.str[1:]], shape


class SafetensorsReader:
    """Reads tensors of a file.

    Raises:
        SavedFileError: the file is not one that `write_safetensors` made.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        length = int.from_bytes(file.read(8), "little")
        self.start = 8 + length
        if length > min(_LONGEST, size - 8):
            raise damaged(f"its header would have {length:,} bytes")
        try:
            self.header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise damaged(f"its header cannot be read: {error}") from error
        if type(self.header) is not dict:
            raise damaged("its header is not a dict")
        self.tensors = {name: found for name, found in self.header.items() if name != "__metadata__"}
        if sum(self._offsets(name)[1] for name in self.tensors) != size - self.start:
            raise damaged("its tensors are larger or smaller than the file")
        self.crcs: dict[str, int] = {}

    def document(self) -> bytes:
        """The document."""
        metadata = self.header.get("__metadata__")
        if type(metadata) is not dict or type(metadata.get("fgrad")) is not str:
            what = "nothing in it says how its tree is built"
            raise damaged(f"{what} (safetensors.numpy.load_file reads its arrays)")
        try:
            checks = json.loads(metadata.get("crc32", ""))
            self.crcs = {name: int(checks[name], 16) for name in ("", *self.tensors)}
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise damaged("its checksums are missing") from error
        data: bytes = metadata["fgrad"].encode("utf-8", "surrogatepass")
        if zlib.crc32(data) != self.crcs[""]:
            raise damaged("the checksum of what says how its tree is built does not fit")
        return data

    def array(self, stored: Stored) -> np.ndarray:
        """An array."""
        found = self.tensors.get(stored.name)
        if found is None:
            raise damaged(f"its tensor {stored.name} is missing")
        offset, size = self._offsets(stored.name)
        name, shape = _tensor(stored)
        if found.get("dtype") != name or found.get("shape") != shape or size != stored.nbytes:
            what = f"{stored.dtype} of shape {stored.shape}"
            raise damaged(f"its tensor {stored.name} is not what the tree says of it, {what}")
        self.file.seek(self.start + offset)
        try:
            array, crc = fill(self.file, stored._replace(dtype=_little(stored.dtype), fortran=False))
        except (EOFError, OSError, ValueError, MemoryError) as error:
            raise damaged(f"its tensor {stored.name} cannot be read: {error}") from error
        if crc != self.crcs[stored.name]:
            raise damaged(f"the checksum of its tensor {stored.name} does not fit")
        return array.astype(stored.dtype, copy=False)

    def _offsets(self, name: str) -> tuple[int, int]:
        """Where a tensor begins, behind the header, and how many bytes it has."""
        found = self.tensors[name]
        offsets = found.get("data_offsets") if type(found) is dict else None
        if type(offsets) is not list or len(offsets) != 2 or not all([type(n) is int for n in offsets]):
            raise damaged(f"its tensor {name[:60]} has no place")
        start, end = offsets
        if not 0 <= start <= end:
            raise damaged(f"its tensor {name[:60]} has no place")
        return start, end - start


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands in it twice")
    return made
