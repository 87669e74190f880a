"""Eight truth values in a byte. Given only concrete arrays each function is NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, message
from fgrad.numpy import reductions
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import is_traced
from fgrad.numpy.manipulation import moveaxis
from fgrad.numpy.padding import pad
from fgrad.numpy.parts import flat, operand, part
from fgrad.primitives.comparison import bitwise_and, ne, right_shift
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import reshape

__all__ = ["packbits", "unpackbits"]


def _places(bitorder: Any) -> Any:
    if bitorder not in ("big", "little"):
        raise ArgumentError(message(f"`bitorder` is {bitorder!r}, not 'big' or 'little'."))
    places = np.arange(8, dtype=np.uint8)
    return places[::-1] if bitorder == "big" else places


def _rows(a: Any, axis: Any) -> tuple[Array, int]:
    x = operand(a)
    if axis is None:
        return flat(x), 0
    along = normalize_axis_index(axis, len(shape_of(x)))
    return moveaxis(x, along, -1), along


def _cut(bits: Array, n: int) -> Array:
    """n elements along the last axis: the first ones, or with zeros behind."""
    *rest, m = shape_of(bits)
    return part(bits, len(rest), slice(n)) if n <= m else pad(bits, [*[(0, 0)] * len(rest), (0, n - m)])


def packbits(a: Any, /, axis: Any = None, bitorder: Any = "big") -> Array:
    """`packbits(a, axis)`: eight truth values in each byte, the first one in the highest bit.

    >>> packbits([1, 0, 0, 0, 0, 0, 0, 1])
    array([129], dtype=uint8)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.packbits(a, axis, bitorder)
    if aval_of(operand(a)).dtype.kind not in "biu":
        raise TypeError(message(f"packbits takes truth values or integers, got {aval_of(operand(a))}."))
    x, along = _rows(a, axis)
    bits = as_dtype(ne(x, 0), np.uint8)
    *rest, n = shape_of(bits)
    bits = reshape(_cut(bits, -(-n // 8) * 8), shape=(*rest, -(-n // 8), 8))
    out = reductions.sum(bits << _places(bitorder), -1, np.uint8)
    return moveaxis(out, -1, along)


def unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: Any = "big") -> Array:
    """`unpackbits(a, axis, count)`: the bits of bytes, as so many zeros and ones; eight for each by default.

    >>> unpackbits(np.array([129], np.uint8))
    array([1, 0, 0, 0, 0, 0, 0, 1], dtype=uint8)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.unpackbits(a, axis, count, bitorder)
    if aval_of(operand(a)).dtype != np.uint8:
        raise TypeError(message(f"unpackbits takes bytes, of dtype uint8, got {aval_of(operand(a))}."))
    x, along = _rows(a, axis)
    *rest, n = shape_of(x)
    bits = bitwise_and(right_shift(reshape(x, shape=(*rest, n, 1)), _places(bitorder)), np.uint8(1))
    bits = reshape(bits, shape=(*rest, 8 * n))
    if count is not None:
        bits = _cut(bits, 8 * n + count if count < 0 else count)
    return moveaxis(bits, -1, along)
