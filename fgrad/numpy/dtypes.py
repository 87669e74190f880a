"""Dtypes and what is known of an array without its numbers: NumPy's chapter "Data type routines"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.numpy.dispatch import as_operand, check_device, is_traced
from fgrad.primitives.shape import convert_element_type
from fgrad.primitives.shape import copy as copy_array

__all__ = [
    "astype",
    "can_cast",
    "iscomplexobj",
    "isrealobj",
    "isscalar",
    "issubdtype",
    "ndim",
    "promote_types",
    "result_type",
    "shape",
    "size",
]

can_cast = np.can_cast
issubdtype = np.issubdtype
promote_types = np.promote_types


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """`astype(x, dtype)`: the same values under another dtype; complex to real takes the real part.

    >>> astype(np.array([1.7, -1.7]), int)
    array([ 1, -1])
    """
    check_device(device)
    if type(x) is not Tracer:
        out = np.asarray(x).astype(dtype, copy=copy)
        return out if isinstance(x, np.ndarray) else out[()]
    dtype = np.dtype(dtype)
    aval = x.aval
    if aval.dtype == dtype and not aval.weak_type:
        return copy_array(x) if copy else x
    return convert_element_type(x, dtype=dtype)


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that operands promote to (NEP 50)."""
    return np.result_type(*[_representative(x) if is_traced(x) else x for x in arrays_and_dtypes])


def _representative(x: Any) -> Any:
    aval = aval_of(as_operand(x))
    key = aval.key
    return key(0) if isinstance(key, type) else key


def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes of an array."""
    return aval_of(as_operand(a)).shape if type(a) is not ndarray and is_traced(a) else np.shape(a)


def ndim(a: Any) -> int:
    """The number of axes of an array."""
    return aval_of(as_operand(a)).ndim if type(a) is not ndarray and is_traced(a) else np.ndim(a)


def size(a: Any, axis: int | None = None) -> int:
    """The number of elements of an array, or the length of an axis."""
    if type(a) is ndarray or not is_traced(a):
        return np.size(a, axis)
    aval = aval_of(as_operand(a))
    return aval.size if axis is None else aval.shape[axis]


def iscomplexobj(x: Any) -> bool:
    """Whether an array has a complex dtype."""
    return aval_of(as_operand(x)).dtype.kind == "c" if type(x) is not ndarray and is_traced(x) else np.iscomplexobj(x)


def isrealobj(x: Any) -> bool:
    """Whether an array has a dtype that is not complex."""
    return not iscomplexobj(x)


def isscalar(element: Any) -> bool:
    """Whether something is a scalar: a number, or a traced one without axes."""
    return element.ndim == 0 if type(element) is Tracer else np.isscalar(element)
