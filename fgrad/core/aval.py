"""Abstract values: what is known of an array without its numbers."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Array", "ShapedArray", "aval_of", "dtype_name", "is_inexact", "tangent_aval"]

Array: TypeAlias = Any
"""A NumPy array, a NumPy or Python scalar, or a tracer that stands for one."""

_WEAK = {
    bool: np.dtype(np.bool_),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(np.complex128),
}
_PREFIX = {"f": "f", "i": "i", "u": "u", "c": "c"}


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The short name of a dtype: `f32`, `i64`, `c128`, `bool`."""
    prefix = _PREFIX.get(dtype.kind)
    return dtype.name if prefix is None else f"{prefix}{8 * dtype.itemsize}"


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether values of this dtype have tangents: floating-point and complex ones do."""
    return dtype.kind in "fc"


def tangent_aval(aval: ShapedArray) -> ShapedArray:
    """The type of the tangents of a value, which are arrays even where the value is a Python scalar."""
    return ShapedArray(aval.shape, aval.dtype) if aval.weak_type else aval


class ShapedArray:
    """The shape and dtype of an array, and whether it is weakly typed.

    A weakly typed value is a Python scalar (NEP 50): it takes the dtype of the array it meets. Results of Python's
    arithmetic operators on weak values alone are weak again, as they are in Python.

    >>> ShapedArray((3, 4), np.dtype('float32'))
    f32[3,4]
    """

    __slots__ = ("dtype", "shape", "weak_type")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], weak_type: bool = False) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak_type = weak_type

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def key(self) -> type | np.dtype[Any]:
        """What NumPy's promotion takes for this value: a Python type where the value is weak, the dtype otherwise."""
        return _PYTHON[self.dtype.kind] if self.weak_type else self.dtype

    def __eq__(self, other: object) -> bool:
        if type(other) is not ShapedArray:
            return NotImplemented
        return self.shape == other.shape and self.dtype == other.dtype and self.weak_type == other.weak_type

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))

    def __repr__(self) -> str:
        return f"{dtype_name(self.dtype)}[{','.join(map(str, self.shape))}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return ShapedArray, (self.shape, self.dtype, self.weak_type)


_PYTHON: dict[str, type] = {"b": bool, "i": int, "f": float, "c": complex}


def aval_of(x: Array) -> ShapedArray:
    """The abstract value of an array, scalar or tracer.

    Raises:
        TypeError: `x` is none of these.
    """
    kind = type(x)
    if kind is np.ndarray:
        return ShapedArray(x.shape, x.dtype)
    weak = _WEAK.get(kind)
    if weak is not None:
        return ShapedArray((), weak, True)
    aval = getattr(x, "aval", None)
    if type(aval) is ShapedArray:
        return aval
    if isinstance(x, (np.ndarray, np.generic)):
        return ShapedArray(x.shape, x.dtype)
    raise TypeError(f"{kind.__name__} is not an array type")
