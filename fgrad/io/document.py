"""The JSON document of a file: what its tree consists of, and what its entries mean."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.errors import ArgumentError, SavedFileError, message
from fgrad.io.arrays import Stored, stored_as
from fgrad.io.structure import Part, listed, read_parts, shown
from fgrad.io.values import MalformedError, UnstorableError, checked_dtype, decode, described, encode, read_dtype

__all__ = ["ENTRY", "Document", "Leaf", "compose", "damaged", "parse"]

ENTRY = "fgrad.json"
FORMAT, VERSION = "fgrad.io", 1

_PLAIN = frozenset({bool, int, float, complex, str, bytes})
_UNSAFE = re.compile(r"[^\w .,'()\[\]{}=+&!#$@^~`;-]")  # in the names of files, on some system
_LONGEST = 200  # characters of the name of an entry


class Leaf(NamedTuple):
    """A leaf of a file: an array or a scalar of NumPy's, stored as an entry, or a plain value."""

    stored: Stored | None
    scalar: bool = False
    value: Any = None


class Document(NamedTuple):
    """What a file says of its contents."""

    parts: Sequence[Part]
    leaves: Sequence[Leaf]


def damaged(what: str) -> SavedFileError:
    """The error for a file that cannot be read."""
    cure = "The file is damaged, incomplete, or was not written by fgrad.io.save."
    return SavedFileError(message(f"load: {what}.", cure=cure))


def compose(tree: Any, keep_order: bool) -> tuple[str, list[tuple[Stored, np.ndarray]]]:
    """The document of a tree, and its arrays.

    Raises:
        ArgumentError: a leaf is of a type or dtype that files do not hold; says at which key path.
    """
    nodes, leaves = listed(tree)
    arrays: list[tuple[Stored, np.ndarray]] = []
    names = {"__metadata__"}  # which means something else in safetensors
    written = []
    for path, leaf in leaves:
        try:
            if type(leaf) in _PLAIN:
                written.append({"value": encode(leaf)})
                continue
            array = _array(leaf)
        except UnstorableError as error:
            what = f"save: the leaf at {shown(path)} is {error}."
            raise ArgumentError(message(what, cure="Files hold arrays, numbers, strings and bytes.")) from None
        stored = stored_as(_entry_name(path, names), array, keep_order)
        arrays.append((stored, array))
        written.append(_leaf(stored, isinstance(leaf, np.generic)))
    document = {"format": FORMAT, "version": VERSION, "nodes": nodes, "leaves": written}
    return json.dumps(document, separators=(",", ":")), arrays


def _array(leaf: Any) -> np.ndarray:
    if isinstance(leaf, np.ndarray):
        if type(leaf) not in (np.ndarray, np.memmap):
            raise UnstorableError(f"a {type(leaf).__module__}.{type(leaf).__qualname__}: convert it, np.asarray(x)")
        checked_dtype(leaf.dtype)
        return leaf
    if isinstance(leaf, np.generic):
        checked_dtype(leaf.dtype)
        return np.asarray(leaf)
    raise UnstorableError(described(leaf))


def _entry_name(path: str, names: set[str]) -> str:
    """A name for the entry of a leaf: its key path, where that can be the name of a file."""
    text = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", path) or "value"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    name, number = text, 1
    while name in names:
        number += 1
        name = f"{text}~{number}"
    names.add(name)
    return name


def _leaf(stored: Stored, scalar: bool) -> dict[str, Any]:
    if scalar:
        return {"scalar": stored.name, "dtype": stored.dtype.str}
    found = {"array": stored.name, "dtype": stored.dtype.str, "shape": list(stored.shape)}
    return {**found, "order": "F"} if stored.fortran else found


def parse(data: bytes) -> Document:
    """Reads a document.

    Raises:
        SavedFileError: it is not one, or of another version.
    """
    try:
        found = json.loads(data.decode("utf-8"))
        if type(found) is not dict or found.get("format") != FORMAT:
            raise MalformedError("what says how its tree is built is not a document of fgrad's")
        version = found.get("version")
        if version != VERSION or type(version) is not int:
            what = f"load: the file is of version {repr(version)[:20]}; this release of fgrad reads version {VERSION}."
            raise SavedFileError(message(what, cure="Read it with the release that wrote it, or a later one."))
        parts, leaves = read_parts(found.get("nodes")), found.get("leaves")
        if type(leaves) is not list or len(leaves) != sum([part.leaf for part in parts]):
            raise MalformedError("it has another number of leaves than its tree")
        return Document(parts, [_read_leaf(leaf) for leaf in leaves])
    except MalformedError as error:
        raise damaged(str(error)) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, SavedFileError):
            raise
        raise damaged(f"what says how its tree is built cannot be read: {error}") from error


def _read_leaf(found: Any) -> Leaf:
    if type(found) is dict:
        match list(found):
            case ["value"]:
                value = decode(found["value"])
                if type(value) in _PLAIN:
                    return Leaf(None, value=value)
            case ["scalar", "dtype"]:
                return Leaf(_stored(found["scalar"], found["dtype"], [], "C"), scalar=True)
            case ["array", "dtype", "shape"] | ["array", "dtype", "shape", "order"]:
                return Leaf(_stored(found["array"], found["dtype"], found["shape"], found.get("order", "C")))
    raise MalformedError(f"{repr(found)[:60]} is no leaf")


def _stored(name: Any, dtype: Any, shape: Any, order: Any) -> Stored:
    lengths = type(shape) is list and all([type(n) is int and 0 <= n < 1 << 63 for n in shape]) and len(shape) <= 64
    if type(name) is not str or not lengths or order not in ("C", "F"):
        raise MalformedError(f"an array {repr(name)[:60]} of shape {repr(shape)[:60]} and order {repr(order)[:20]}")
    return Stored(name, read_dtype(dtype), tuple(shape), order == "F")
