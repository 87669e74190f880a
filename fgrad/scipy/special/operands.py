"""What the functions take: numbers, arrays, nested lists, and tracers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand

__all__ = ["floating", "real", "reals"]

_FLOAT64 = np.dtype(np.float64)


def real(x: Any) -> Array:
    """The argument of a function of a number, for a primitive. Python's numbers become NumPy's: they divide by 0."""
    return x if type(x) is np.ndarray and x.dtype is _FLOAT64 else _strong(_number(x))


def reals(*xs: Any) -> list[Array]:
    """The arguments of a function of several numbers; Python's beside arrays take their precision."""
    found = [_number(x) for x in xs]
    return [_strong(x) for x in found] if all([aval_of(x).weak_type for x in found]) else found


def _number(x: Any) -> Array:
    x = as_operand(x)
    aval = aval_of(x)
    if aval.dtype.kind not in "biufc":
        raise ShapeError(message(f"a special function was given {aval}.", cure="It takes numbers."))
    return x


def _strong(x: Array) -> Array:
    aval = aval_of(x)
    return as_dtype(x, aval.dtype) if aval.weak_type else x


def floating(x: Any) -> Array:
    """An argument as floating-point numbers, real or complex: others are taken as float64."""
    x = real(x)
    dtype = aval_of(x).dtype
    return as_dtype(x, dtype if dtype.kind in "fc" else np.float64)
