"""Choosing between two arrays element by element, without a branch per element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray

__all__ = ["LARGE", "can_choose_into", "choose"]

LARGE = 1024
"""From this many elements on, choosing by bits beats `numpy.where`."""

_BITS = {np.dtype(f"{kind}{size}"): np.dtype(f"i{size}") for kind in "fi" for size in (4, 8)}


def choose(condition: Array, x: Array, y: Array, out: Any = None) -> Array:
    """`numpy.where(condition, x, y)`, bit for bit; `out`, if it is given, is written to, and may be `x` or `y`.

    On an irregular condition `numpy.where` mispredicts a branch at every other element, which costs ten times the work.
    Large arrays are therefore chosen by bits, y ^ ((x ^ y) & −condition), where both are of one type.
    """
    if type(condition) is not np.ndarray or condition.size < LARGE or condition.dtype != np.bool_:
        return _by_branches(condition, x, y, out)
    if _is_masked(condition, x, y):
        return _masked(np.subtract(condition.view(np.int8), 1, dtype=np.int8), y, out)
    if _is_masked(condition, y, x):
        return _masked(np.negative(condition.view(np.int8)), x, out)
    dtype = np.result_type(x, y)
    bits = _BITS.get(dtype)
    left, right = np.asarray(x, dtype), np.asarray(y, dtype)
    if bits is None or any(z.ndim and z.shape != condition.shape for z in (left, right)):
        return _by_branches(condition, x, y, out)
    mask: Any = np.negative(condition.view(np.int8)).astype(bits)
    np.bitwise_and(mask, np.bitwise_xor(left.view(bits), right.view(bits)), out=mask)
    return np.bitwise_xor(mask, right.view(bits), out=mask if out is None else out.view(bits)).view(dtype)


def _by_branches(condition: Array, x: Array, y: Array, out: Any) -> Array:
    chosen: Array = np.where(condition, x, y)
    if out is None:
        return chosen[()]
    np.copyto(out, chosen)
    return out


def _is_masked(condition: Array, zero: Any, x: Any) -> bool:
    """Whether what is to be chosen from is 0, with all its bits, and an array."""
    if type(zero) is np.ndarray or type(x) is not np.ndarray or x.dtype not in _BITS or x.shape != condition.shape:
        return False
    if zero != 0:
        return False
    if isinstance(zero, np.generic):
        same = zero.dtype == x.dtype or np.result_type(zero, x) == x.dtype
    else:
        same = type(zero) in (bool, int) or (type(zero) is float and x.dtype.kind == "f")
    return same and math.copysign(1.0, zero) > 0


def _masked(mask: Any, x: Array, out: Any) -> Array:
    """The elements of an array at which a mask of bytes is −1, and 0 where it is 0."""
    bits = _BITS[x.dtype]
    wide = mask.astype(bits)
    return np.bitwise_and(wide, x.view(bits), out=wide if out is None else out.view(bits)).view(x.dtype)


def can_choose_into(avals: Sequence[ShapedArray], out: ShapedArray) -> bool:
    """Whether `choose` does without a copy when it is to write its result somewhere."""
    same = all(a.shape in ((), out.shape) for a in avals[1:]) and avals[0].shape == out.shape
    return same and out.size >= LARGE and out.dtype in _BITS
