"""Comparisons of whole arrays, and questions about objects. Given only concrete arrays each is NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.core.aval import Array, aval_of
from fgrad.numpy import reductions, ufuncs
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.primitives.comparison import eq, is_nan, logical_and, logical_or
from fgrad.primitives.families import shape_of

__all__ = ["allclose", "array_equal", "array_equiv", "real_if_close"]


def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """`allclose(a, b)`: whether |a − b| ≤ atol + rtol·|b| everywhere. Of traced arrays it is an array without axes.

    >>> allclose([1.0], [1.0 + 1e-9])
    True
    """
    if not is_traced(a, b, rtol, atol):
        return np.allclose(a, b, rtol, atol, equal_nan)
    return reductions.all(ufuncs.isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """`array_equal(a1, a2)`: whether two arrays have the same shape and equal elements.

    >>> array_equal([1, 2], [1, 2])
    True
    """
    if type(a1) is ndarray is type(a2) or not is_traced(a1, a2):
        return np.array_equal(a1, a2, equal_nan)
    x, y = as_operand(a1), as_operand(a2)
    if shape_of(x) != shape_of(y):
        return False
    same = eq(x, y)
    if equal_nan and aval_of(x).dtype.kind in "fc" and aval_of(y).dtype.kind in "fc":
        same = logical_or(same, logical_and(is_nan(x), is_nan(y)))
    return reductions.all(same)


def array_equiv(a1: Any, a2: Any) -> Any:
    """`array_equiv(a1, a2)`: whether two arrays that broadcast together have equal elements.

    >>> array_equiv([1, 1], 1)
    True
    """
    if type(a1) is ndarray is type(a2) or not is_traced(a1, a2):
        return np.array_equiv(a1, a2)
    x, y = as_operand(a1), as_operand(a2)
    try:
        np.broadcast_shapes(shape_of(x), shape_of(y))
    except ValueError:
        return False
    return reductions.all(eq(x, y))


def real_if_close(a: Any, tol: Any = 100) -> Array:
    """`real_if_close(a)`: the real part, where all imaginary parts are close to 0; traced arrays must have values.

    >>> real_if_close(np.array([1.0 + 1e-20j]))
    array([1.])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.real_if_close(a, tol)
    x = as_operand(a)
    dtype = aval_of(x).dtype
    if dtype.kind != "c":
        return x
    tol = tol * np.finfo(dtype).eps if tol > 1 else tol
    return ufuncs.real(x) if reductions.all(ufuncs.absolute(ufuncs.imag(x)) < tol) else x
