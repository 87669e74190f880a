"""Loading what was saved, whole or in parts, and listing what a file holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import aval_of
from fgrad.errors import ArgumentError, SavedFileError, TreeStructureError, message, public
from fgrad.io.document import Document, Leaf, damaged, parse
from fgrad.io.npz import NpzReader
from fgrad.io.safetensors import SafetensorsReader
from fgrad.io.saving import path_text
from fgrad.io.structure import built, located, paths, shown
from fgrad.io.values import MalformedError
from fgrad.tree import flatten_with_path, keystr
from fgrad.tree.text import listing, plural, short

__all__ = ["Contents", "Entry", "describe", "load"]

Reader = NpzReader | SafetensorsReader


@public
def load(path: str | os.PathLike[str], *, only: str | Sequence[str] | None = None, like: Any = None) -> Any:
    """Reads a pytree that `save` wrote.

    No template is needed: containers come back as what they were. Classes are looked up among those of modules that are
    imported already, and must be NamedTuples or registered as pytrees; nothing else that a file names is imported or
    called. Everything read is checked against checksums.

    Args:
        path: the file.
        only: what to read; nothing else is. A key path, such as `"['params']"`, gives what stands there; a pattern, in
            which `*` stands for any characters, a dict from the key paths of the leaves that fit it to these leaves; a
            sequence of key paths and patterns, a dict from key paths to what stands there.
        like: a tree with the same key paths, such as freshly initialised parameters or the result of `eval_shape`: its
            containers and static data are taken, and what the file says of them is ignored. Shapes and dtypes
            of its leaves must be those of the file.

    Returns:
        The tree. Arrays are new, and can be written into.

    Raises:
        SavedFileError: the file is damaged, incomplete, of another version or not written by `save`, or its tree holds
            a class that is not known here (it says where).
        ArgumentError: `only` leads nowhere.
        TreeStructureError: the file does not fit `like`; says at which key paths.
        FileNotFoundError: there is no file.

    >>> import numpy as np, os, tempfile
    >>> from fgrad import io
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> io.save(path, {"params": {"w": np.ones(2), "b": 0.5}, "step": 7})
    >>> io.load(path, only="['params']['w']")
    array([1., 1.])
    >>> io.load(path, only="*['b']")
    {"['params']['b']": 0.5}
    """
    if only is not None and not isinstance(only, str) and not _are_strings(only):
        raise ArgumentError(message(f"load: only must be a key path or a sequence of key paths, got {short(only)}."))
    with _opened(path, "load") as (reader, document):
        if only is None:
            return _loaded(reader, document, like)
        if isinstance(only, str) and (part := _part(document, only)) is not None:
            return _loaded(reader, part, like, only)
        if like is not None:
            raise ArgumentError(message("load: like needs the whole file, or one key path as `only`."))
        return _selected(reader, document, [only] if isinstance(only, str) else only)


@public
def describe(path: str | os.PathLike[str]) -> Contents:
    """What a file that `save` wrote holds; no array is read.

    Args:
        path: the file.

    Returns:
        A sequence with an `Entry` (path, shape, dtype, nbytes, value) for every leaf, which prints as a table. The
        `value` is that of a Python number or string, otherwise `None`.

    Raises:
        SavedFileError: the file is damaged, or was not written by `save`.
        FileNotFoundError: there is no file.

    >>> import numpy as np, os, tempfile
    >>> from fgrad import io
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> io.save(path, {"w": np.ones((2, 3)), "step": 7})
    >>> io.describe(path)
    ['step']  int 7
    ['w']     float64[2,3]
    2 leaves, 48 bytes of arrays
    """
    with _opened(path, "describe") as (_, document):
        return Contents(map(_entry, _paths(document), document.leaves))


class Entry(NamedTuple):
    """A leaf of a file. `shape` and `dtype` are `None` for a plain value of Python's."""

    path: str
    shape: tuple[int, ...] | None
    dtype: np.dtype[Any] | None
    nbytes: int
    value: Any = None

    @property
    def text(self) -> str:
        """Its type in words."""
        if self.dtype is None or self.shape is None:
            return f"{type(self.value).__name__} {short(self.value)}"
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


class Contents(tuple[Entry, ...]):
    """The leaves of a file, in order."""

    __slots__ = ()

    def __repr__(self) -> str:
        width = max([len(entry.path) for entry in self], default=0)
        lines = [f"{entry.path:{width}}  {entry.text}" for entry in self]
        size = sum(entry.nbytes for entry in self)
        return "\n".join([*lines, f"{plural(len(self), 'leaf', 'leaves')}, {size:,} bytes of arrays"])


def _entry(path: str, leaf: Leaf) -> Entry:
    if leaf.stored is None:
        return Entry(path, None, None, 0, leaf.value)
    return Entry(path, leaf.stored.shape, leaf.stored.dtype, leaf.stored.nbytes)


@contextmanager
def _opened(path: Any, function: str) -> Iterator[tuple[Reader, Document]]:
    """The reader of a file, and its document."""
    name = path_text(path, function)
    with open(name, "rb") as file:
        try:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(9)
            file.seek(0)
            if begin[:2] == b"PK":
                reader: Reader = NpzReader(file, size)
            elif begin[8:] == b"{":
                reader = SafetensorsReader(file, size)
            else:
                raise damaged("it is neither an .npz nor a safetensors file")
            document = parse(reader.document())
            yield reader, document
        except SavedFileError as error:
            error.add_note(f"The file is {name}")
            raise


def _loaded(reader: Reader, document: Document, like: Any, only: str = "") -> Any:
    """The tree of a document, or of that part of it which stands at `only`."""
    if like is not None:
        return _filled(reader, document, like, only)
    leaves = [_read(reader, leaf) for leaf in document.leaves]
    return built(document.parts, leaves)


def _read(reader: Reader, leaf: Leaf) -> Any:
    if leaf.stored is None:
        return leaf.value
    array = reader.array(leaf.stored)
    return array[()] if leaf.scalar else array


def _paths(document: Document) -> list[str]:
    try:
        return paths(document.parts)
    except MalformedError as error:
        raise damaged(str(error)) from error


# Parts


def _part(document: Document, path: str) -> Document | None:
    """The part of a document at a key path."""
    try:
        nodes = located(document.parts, path)
    except MalformedError as error:
        raise damaged(str(error)) from error
    if nodes is None:
        return None
    parts = document.parts[nodes.start : nodes.stop]
    first = sum([part.leaf for part in document.parts[: nodes.start]])
    return Document(parts, document.leaves[first : first + sum([part.leaf for part in parts])])


def _selected(reader: Reader, document: Document, wanted: Sequence[str]) -> dict[str, Any]:
    """By key path, what stands there."""
    found: dict[str, Any] = {}
    for path in wanted:
        part = _part(document, path)
        if part is not None:
            found[path] = _loaded(reader, part, None, path)
            continue
        known = _paths(document)
        pattern = re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL)
        fitting = [place for place, text in enumerate(known) if "*" in path and pattern.fullmatch(text)]
        if not fitting:
            raise _leads_nowhere(path, known)
        found.update((known[place], _read(reader, document.leaves[place])) for place in fitting)
    return found


def _leads_nowhere(path: str, known: list[str]) -> ArgumentError:
    what = f"load: nothing in the file fits only={short(path)}."
    return ArgumentError(message(what, cure=f"Its leaves are {listing(map(shown, known), len(known))}."))


def _are_strings(only: Any) -> bool:
    return isinstance(only, Sequence) and all(isinstance(path, str) for path in only)


# Templates


def _filled(reader: Reader, document: Document, like: Any, only: str) -> Any:
    """The template with the leaves of the file."""
    pairs, treedef = flatten_with_path(like)
    wanted = [keystr(path) for path, _ in pairs]
    there = _paths(document)
    places = {path: place for place, path in enumerate(there)}
    missing = [only + path for path in wanted if path not in places]
    superfluous = [only + path for path in set(there).difference(wanted)]
    if missing or superfluous or len(there) != len(wanted):
        raise _unlike(missing, sorted(superfluous))
    ordered = document.leaves if there == wanted else [document.leaves[places[path]] for path in wanted]
    for path, (_, leaf), stored in zip(wanted, pairs, ordered, strict=True):
        _check_alike(only + path, leaf, stored)
    return treedef.unflatten([_read(reader, leaf) for leaf in ordered])


def _unlike(missing: list[str], superfluous: list[str]) -> TreeStructureError:
    what = ["load: the file does not fit like"]
    if missing:
        what.append(f"it has nothing at {listing(map(shown, missing), len(missing))}")
    if superfluous:
        what.append(f"like has nothing at {listing(map(shown, superfluous), len(superfluous))}")
    cure = "fgrad.io.describe(path) lists what the file holds, and load(path, only=…) reads a part of it."
    return TreeStructureError(message(": ".join([what[0], "; ".join(what[1:])]) + ".", cure=cure))


def _shape_and_dtype(leaf: Leaf) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Those that a leaf has, or would have as an array; None for strings."""
    if leaf.stored is not None:
        return leaf.stored.shape, leaf.stored.dtype
    return None if isinstance(leaf.value, (str, bytes)) else ((), aval_of(leaf.value).dtype)


def _check_alike(path: str, leaf: Any, found: Leaf) -> None:
    """Refuses a leaf of another shape or dtype than that of the template."""
    dtype, shape = getattr(leaf, "dtype", None), getattr(leaf, "shape", None)
    if isinstance(dtype, np.dtype) and isinstance(shape, tuple):
        if _shape_and_dtype(found) == (shape, dtype):
            return
        wanted = f"{dtype.name}[{','.join(map(str, shape))}]"
    elif type(leaf) in (bool, int, float, complex) and (
        found.stored is not None or type(found.value) is not type(leaf)
    ):
        wanted = f"a Python {type(leaf).__name__}"
    else:
        return
    what = f"load: the file has {_entry(path, found).text} at {shown(path)}, where like has {wanted}."
    raise TreeStructureError(message(what))
