"""What programs hold, as JSON and back: plain values, arrays, types, programs by number; never functions."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import ShapedArray
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr
from fgrad.core.primitive import Primitive, registry
from fgrad.io.classes import ClassNameError, find_class, is_named_tuple
from fgrad.io.values import Decoder, Encoder, MalformedError, UnstorableError, checked_dtype, read_dtype

__all__ = ["ProgramDecoder", "ProgramEncoder", "aval_text", "read_aval"]

_AVAL = re.compile(r"([<>|]?[a-z][0-9]{1,2})\[([0-9,]{0,1000})\](~?)")


def aval_text(aval: ShapedArray) -> str:
    """A type: `<f8[3,4]`; with `~` at the end where it is weak."""
    return f"{checked_dtype(aval.dtype).str}[{','.join(map(str, aval.shape))}]{'~' if aval.weak_type else ''}"


def read_aval(found: Any) -> ShapedArray:
    """The inverse of `aval_text`."""
    parsed = _AVAL.fullmatch(found) if type(found) is str else None
    if parsed is None:
        raise MalformedError(f"{repr(found)[:60]} is no type")
    lengths = parsed[2].split(",") if parsed[2] else []
    if not all(lengths):
        raise MalformedError(f"{repr(found)[:60]} is no type")
    return ShapedArray(tuple(map(int, lengths)), read_dtype(parsed[1]), bool(parsed[3]))


class ProgramEncoder(Encoder):
    """Writes parameters and constants.

    Attributes:
        numbers: of the programs that are written already, by identity.
        arrays: the arrays met, each once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[int, int] = {}
        self.arrays: list[Any] = []
        self._known: dict[int, tuple[int, np.ndarray]] = {}  # keeps them alive: they are known by identity

    def other(self, value: Any) -> Any:
        if isinstance(value, (ClosedJaxpr, Jaxpr)):
            return {"program": self.numbers[id(value)]}
        if type(value) is np.ndarray:
            return {"array": self._array(value)}
        if isinstance(value, ShapedArray):
            return {"aval": aval_text(value)}
        if isinstance(value, np.ufunc) and _ufunc_name(value):
            return {"ufunc": _ufunc_name(value)}
        if isinstance(value, Primitive):
            return {"primitive": value.name}
        if isinstance(value, Tracer):
            raise UnstorableError(f"{value!r}, which has no value to write")
        if is_named_tuple(type(value)) and not type(value).__module__.startswith("fgrad."):
            raise UnstorableError(f"an object of the class {type(value).__qualname__}, which is not fgrad's")
        return super().other(value)

    def _array(self, value: np.ndarray) -> int:
        known = self._known.get(id(value))
        if known is None:
            data = base64.b64encode(value.tobytes()).decode("ascii")
            self.arrays.append([checked_dtype(value.dtype).str, list(value.shape), data])
            known = self._known[id(value)] = len(self.arrays) - 1, value
        return known[0]


class ProgramDecoder(Decoder):
    """Reads what a `ProgramEncoder` wrote.

    Attributes:
        programs: those that were read already.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        super().__init__()
        self.arrays = [_array(found) for found in arrays]
        self.programs: list[ClosedJaxpr | Jaxpr] = []
        self.table.update(
            program=lambda i: _at(self.programs, i, "program"),
            array=lambda i: _at(self.arrays, i, "array"),
            aval=read_aval,
            ufunc=_ufunc,
            primitive=lambda name: _at(registry, name, "primitive"),
            namedtuple=self._own_named_tuple,
        )

    def _own_named_tuple(self, found: Any) -> Any:
        if type(found) is list and found and type(found[0]) is str and found[0].startswith("fgrad."):
            find_class(found[0], is_named_tuple)
            return self._named_tuple(found)
        raise ClassNameError("a class that is not fgrad's")


def _at(items: Any, key: Any, what: str) -> Any:
    """An item that exists already: programs refer to earlier ones only, so that none can contain itself."""
    known = 0 <= key < len(items) if type(key) is int else type(key) is str and isinstance(items, dict) and key in items
    if not known:
        raise MalformedError(f"there is no {what} {repr(key)[:60]}")
    return items[key]


def _ufunc_name(ufunc: Any) -> str:
    """The name under which NumPy has a ufunc; empty if it has it not."""
    name = getattr(ufunc, "__name__", "")
    return name if vars(np).get(name) is ufunc else ""


def _ufunc(name: Any) -> np.ufunc:
    found = vars(np).get(name) if type(name) is str else None
    if not isinstance(found, np.ufunc):
        raise MalformedError(f"{repr(name)[:60]} is no ufunc of NumPy")
    return found


def _array(found: Any) -> np.ndarray:
    if type(found) is not list or len(found) != 3 or type(found[1]) is not list or type(found[2]) is not str:
        raise MalformedError("an array that is not a dtype, a shape, and bytes")
    dtype, shape = read_dtype(found[0]), found[1]
    try:
        data = base64.b64decode(found[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"the bytes of an array are not base64: {error}") from None
    if not all([type(n) is int and n >= 0 for n in shape]) or math.prod(shape) * dtype.itemsize != len(data):
        raise MalformedError(f"an array of dtype {dtype} and shape {repr(shape)[:60]} with {len(data):,} bytes")
    return np.frombuffer(data, dtype).reshape(shape).copy()
