"""Plain Python values as JSON and back, exactly: a closed set of types, so that what is read cannot run code."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from enum import Enum, EnumMeta
from typing import Any

import numpy as np

from fgrad.errors import FgradError
from fgrad.io.classes import ClassNameError, find_class, is_named_tuple, name_of

__all__ = [
    "Decoder",
    "Encoder",
    "MalformedError",
    "UnstorableError",
    "checked_dtype",
    "decode",
    "described",
    "encode",
    "read_dtype",
]

_DEEPEST = 100
_SAFE_INT = 1 << 53  # larger ones are not numbers of every reader of JSON
_DTYPE = re.compile(r"[<>|=]?[biufc][0-9]{1,2}")
_SIZES = {"b": {1}, "i": {1, 2, 4, 8}, "u": {1, 2, 4, 8}, "f": {2, 4, 8}, "c": {8, 16}}


class UnstorableError(FgradError, TypeError):
    """A value is not of the types that files hold: says which it is."""


class MalformedError(FgradError, ValueError):
    """What stands in the JSON is not what an `Encoder` writes, or names what is not here."""


def checked_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype, if arrays of it mean the same on every machine.

    Raises:
        UnstorableError: says why not.
    """
    if dtype.itemsize in _SIZES.get(dtype.kind, ()):
        return dtype
    if dtype.kind in "fc":
        why = "its format differs between machines: convert it to float64 or complex128"
    elif dtype.kind in "mM":
        why = "convert it to integers: x.view('int64')"
    elif dtype.hasobject:
        why = "it holds Python objects"
    else:
        why = "files hold booleans, integers, floating-point and complex numbers"
    raise UnstorableError(f"an array of dtype {dtype}: {why}")


class Encoder:
    """Writes values as JSON. Subclasses add types to `table`, by exact class."""

    def __init__(self) -> None:
        self._depth = 0
        self.table: dict[type, Callable[[Any], Any]] = {
            type(None): _itself, bool: _itself, str: _itself, int: _int, float: _float, complex: _complex,
            bytes: _bytes, tuple: self._items("tuple"), list: self._items("list"), dict: self._dict,
            frozenset: self._set, set: self._set, slice: self._slice, range: self._slice,
            type(Ellipsis): lambda _: {"ellipsis": []},
        }  # fmt: skip

    def __call__(self, value: Any) -> Any:
        """The value as JSON.

        Raises:
            UnstorableError: it is of another type.
        """
        if self._depth > _DEEPEST:
            raise UnstorableError(f"a value nested more than {_DEEPEST} levels deep")
        self._depth += 1
        try:
            return (self.table.get(type(value)) or self.other)(value)
        finally:
            self._depth -= 1

    def other(self, value: Any) -> Any:
        """A value whose class is not in the table."""
        if isinstance(value, np.dtype):
            return {"dtype": checked_dtype(value).str}
        if isinstance(value, np.generic):
            return {"scalar": [checked_dtype(value.dtype).str, _base64(value.tobytes())]}
        if isinstance(value, Enum):
            return {"enum": [name_of(type(value)), value.name]}
        if is_named_tuple(type(value)):
            return {"namedtuple": [name_of(type(value)), list(value._fields), [self(item) for item in value]]}
        raise UnstorableError(described(value))

    def _items(self, tag: str) -> Callable[[Any], Any]:
        return lambda value: {tag: [self(item) for item in value]}

    def _dict(self, value: dict[Any, Any]) -> Any:
        return {"dict": [[self(key), self(item)] for key, item in value.items()]}

    def _set(self, value: Any) -> Any:
        return {type(value).__name__: sorted((self(item) for item in value), key=repr)}

    def _slice(self, value: Any) -> Any:
        return {type(value).__name__: [self(value.start), self(value.stop), self(value.step)]}


def described(value: Any) -> str:
    """What a value is, for the error that refuses it."""
    cls = type(value)
    name = getattr(value, "__qualname__", None)
    kind = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"the {kind} `{name}`" if name else f"an object of the class {kind}"


def _itself(value: Any) -> Any:
    return value


def _int(value: int) -> Any:
    return value if -_SAFE_INT < value < _SAFE_INT else {"int": hex(value)}


def _float(value: float) -> Any:
    return {"float": repr(value)}


def _complex(value: complex) -> Any:
    return {"complex": [repr(value.real), repr(value.imag)]}


def _bytes(value: bytes) -> Any:
    return {"bytes": _base64(value)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class Decoder:
    """Reads what an `Encoder` wrote. Subclasses add to `table`, by tag: a function of what the tag holds."""

    def __init__(self) -> None:
        self.table: dict[str, Callable[[Any], Any]] = {
            "int": lambda x: int(_text(x), 16), "float": lambda x: float(_text(x)),
            "complex": lambda x: complex(*map(float, map(_text, _sized(x, 2)))), "bytes": _unpacked,
            "tuple": lambda x: tuple(self._all(x)), "list": self._all, "dict": self._dict,
            "frozenset": lambda x: frozenset(self._all(x)), "set": lambda x: set(self._all(x)),
            "slice": lambda x: slice(*self._all(_sized(x, 3))), "range": lambda x: range(*self._all(_sized(x, 3))),
            "ellipsis": lambda _: Ellipsis, "dtype": read_dtype, "scalar": _scalar, "enum": _enum,
            "namedtuple": self._named_tuple,
        }  # fmt: skip

    def __call__(self, found: Any) -> Any:
        """The value.

        Raises:
            MalformedError: no `Encoder` writes this.
        """
        if found is None or type(found) in (bool, str, int):
            return found
        if type(found) is dict and len(found) == 1:
            ((tag, content),) = found.items()
            if (read := self.table.get(tag)) is not None:
                try:
                    return read(content)
                except (TypeError, ValueError, OverflowError, ClassNameError) as error:
                    raise error if isinstance(error, FgradError) else MalformedError(f"a bad {tag}: {error}") from None
        raise MalformedError(f"{_excerpt(found)} is no value")

    def _all(self, found: Any) -> list[Any]:
        return [self(item) for item in _listed(found)]

    def _dict(self, found: Any) -> dict[Any, Any]:
        pairs = [(self(key), self(value)) for key, value in (_sized(item, 2) for item in _listed(found))]
        made = dict(pairs)
        if len(made) != len(pairs):
            raise MalformedError("a dict with a key twice")
        return made

    def _named_tuple(self, found: Any) -> Any:
        name, fields, items = _sized(found, 3)
        cls = find_class(_text(name), is_named_tuple)
        if list(cls._fields) != fields:
            raise MalformedError(f"{name} has the fields {', '.join(cls._fields)} here, not {_excerpt(fields)}")
        return cls._make(self._all(items))


def read_dtype(found: Any) -> np.dtype[Any]:
    """A dtype by its name."""
    if not _DTYPE.fullmatch(_text(found)):
        raise MalformedError(f"{_excerpt(found)} is no dtype that files hold")
    try:
        return checked_dtype(np.dtype(found))
    except (TypeError, UnstorableError) as error:
        raise MalformedError(f"{found!r} is no dtype that files hold") from error


def _scalar(found: Any) -> Any:
    name, data = _sized(found, 2)
    dtype, content = read_dtype(name), _unpacked(data)
    if len(content) != dtype.itemsize:
        raise MalformedError(f"{len(content)} bytes for a scalar of dtype {dtype}")
    return np.frombuffer(content, dtype)[0]


def _enum(found: Any) -> Any:
    name, member = _sized(found, 2)
    cls = find_class(_text(name), lambda cls: isinstance(cls, EnumMeta))
    if _text(member) not in cls._member_map_:
        raise MalformedError(f"{name} has no member {member!r}")
    return cls._member_map_[member]


def _unpacked(found: Any) -> bytes:
    try:
        return base64.b64decode(_text(found), validate=True)
    except binascii.Error as error:
        raise MalformedError(f"bytes that are not base64: {error}") from None


def _text(found: Any) -> str:
    if type(found) is not str:
        raise MalformedError(f"{_excerpt(found)} where a string belongs")
    return found


def _listed(found: Any) -> list[Any]:
    if type(found) is not list:
        raise MalformedError(f"{_excerpt(found)} where a list belongs")
    return found


def _sized(found: Any, size: int) -> list[Any]:
    if len(_listed(found)) != size:
        raise MalformedError(f"{len(found):,} items where {size} belong")
    return list(found)


def _excerpt(found: Any) -> str:
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:59]}…"


encode, decode = Encoder(), Decoder()
