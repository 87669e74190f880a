"""Polynomials by their coefficients, the highest power first. Given only concrete arrays each is NumPy's own."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.creation import zeros_like
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.joining import concatenate
from fgrad.numpy.manipulation import atleast_1d
from fgrad.numpy.parts import operand, part, taken
from fgrad.numpy.signals import convolve
from fgrad.primitives.families import shape_of

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyint", "polymul", "polysub", "polyval"]


def _row(p: Any, name: str) -> Array:
    x = atleast_1d(operand(p))
    if len(shape_of(x)) != 1:
        raise ShapeError(message(f"{name}: coefficients are a row, got an array of shape {shape_of(x)}."))
    return x


def polyval(p: Any, x: Any) -> Array:
    """`polyval(p, x)`: p[0]·xⁿ⁻¹ + … + p[n−1], by Horner's rule.

    >>> polyval([1, 0, 2], 3)
    np.int64(11)
    """
    if not is_traced(p, x):
        return np.polyval(p, x)
    if not shape_of(as_operand(p)):
        raise ShapeError(message("polyval: coefficients are a row, got a number.", cure="Write [p] for a constant."))
    coefficients, at = _row(p, "polyval"), operand(x)
    out = zeros_like(at)
    for k in np.arange(shape_of(coefficients)[0]):
        out = out * at + taken(coefficients, k, 0)
    return out


def _ahead(x: Array, count: int) -> Array:
    return concatenate([np.zeros(count, aval_of(x).dtype), x], 0) if count > 0 else x


def _of_one_length(a1: Any, a2: Any, name: str) -> tuple[Array, Array]:
    x, y = _row(a1, name), _row(a2, name)
    n, m = shape_of(x)[0], shape_of(y)[0]
    return _ahead(x, m - n), _ahead(y, n - m)


def polyadd(a1: Any, a2: Any) -> Array:
    """`polyadd(a1, a2)`: the coefficients of the sum of two polynomials.

    >>> polyadd([1, 2], [9, 5, 4])
    array([9, 6, 6])
    """
    if not is_traced(a1, a2):
        return np.polyadd(a1, a2)
    x, y = _of_one_length(a1, a2, "polyadd")
    return x + y


def polysub(a1: Any, a2: Any) -> Array:
    """`polysub(a1, a2)`: the coefficients of the difference of two polynomials.

    >>> polysub([2, 10, -2], [3, 10, -4])
    array([-1,  0,  2])
    """
    if not is_traced(a1, a2):
        return np.polysub(a1, a2)
    x, y = _of_one_length(a1, a2, "polysub")
    return x - y


def polymul(a1: Any, a2: Any) -> Array:
    """`polymul(a1, a2)`: the coefficients of the product of two polynomials.

    Leading zeros of traced coefficients are kept, since their number is not known.

    >>> polymul([1, 2], [1, 3])
    array([1, 5, 6])
    """
    if not is_traced(a1, a2):
        return np.polymul(a1, a2)
    return convolve(_row(a1, "polymul"), _row(a2, "polymul"))


def polyder(p: Any, m: Any = 1) -> Array:
    """`polyder(p, m)`: the coefficients of the m-th derivative.

    >>> polyder([1, 1, 1, 1])
    array([3, 2, 1])
    """
    if not is_traced(p):
        return np.polyder(p, m)
    x = _row(p, "polyder")
    for _ in range(_order(m, "polyder")):
        n = shape_of(x)[0]
        x = part(x, 0, slice(0, max(n - 1, 0))) * np.arange(n - 1, 0, -1)
    return x


def _order(m: Any, name: str) -> int:
    order = operator.index(m)
    if order < 0:
        raise ArgumentError(message(f"{name}: the order is {order}.", cure="It is not negative."))
    return order


def polyint(p: Any, m: Any = 1, k: Any = None) -> Array:
    """`polyint(p, m, k)`: the coefficients of the m-th integral, with the constants k of each (0 by default).

    >>> polyint([3, 2, 1])
    array([1., 1., 1., 0.])
    """
    if not is_traced(p, k):
        return np.polyint(p, m, k)
    x, order = _row(p, "polyint"), _order(m, "polyint")
    constants = np.zeros(order) if k is None else _row(k, "polyint")
    if shape_of(constants) == (1,):
        constants = constants * np.ones(order)
    if shape_of(constants)[0] < order:
        what = f"polyint: {shape_of(constants)[0]} constants for an integral of order {order}."
        raise ArgumentError(message(what, cure="Give one for all, or one for each."))
    for i in range(order):
        x = x / np.arange(shape_of(x)[0], 0, -1)
        x = concatenate([x, part(constants, 0, slice(i, i + 1))], 0)
    return x


def polydiv(u: Any, v: Any) -> tuple[Array, Array]:
    """`polydiv(u, v)`: quotient and remainder of two polynomials.

    Leading zeros of a traced remainder are kept, since their number is not known: it has one coefficient less than v.

    >>> polydiv(np.array([3.0, 5.0, 2.0]), np.array([2.0, 1.0]))
    (array([1.5 , 1.75]), array([0.25]))
    """
    if not is_traced(u, v):
        return np.polydiv(u, v)
    x, y = _row(u, "polydiv") + 0.0, _row(v, "polydiv") + 0.0
    dtype = np.result_type(aval_of(x).dtype, aval_of(y).dtype)
    x, y = as_dtype(x, dtype), as_dtype(y, dtype)
    n, m = shape_of(x)[0], shape_of(y)[0]
    if n < m:
        return np.zeros(1, dtype), x
    lead = taken(y, np.asarray(0), 0)
    quotient = []
    for k in range(n - m + 1):
        factor = part(x, 0, slice(0, 1)) / lead
        quotient.append(factor)
        x = part(x, 0, slice(1, None)) - _behind(part(y, 0, slice(1, None)) * factor, n - m - k)
    rest = x if m > 1 else np.zeros(1, dtype)
    return concatenate(quotient, 0), rest


def _behind(x: Array, count: int) -> Array:
    return concatenate([x, np.zeros(count, aval_of(x).dtype)], 0) if count else x


def poly(seq_of_zeros: Any) -> Array:
    """`poly(zeros)`: the coefficients of the polynomial with given zeros, Π (x − zᵢ).

    >>> poly([1.0, 2.0])
    array([ 1., -3.,  2.])
    """
    if not is_traced(seq_of_zeros):
        return np.poly(seq_of_zeros)
    zeros = _row(seq_of_zeros, "poly")
    dtype = np.dtype(np.mintypecode(aval_of(zeros).dtype.char))
    zeros = as_dtype(zeros, dtype)
    if not shape_of(zeros)[0]:
        return np.float64(1.0)
    out: Array = np.ones(1, dtype)
    for k in np.arange(shape_of(zeros)[0]):
        out = concatenate([out, np.zeros(1, dtype)], 0) - concatenate([np.zeros(1, dtype), out * taken(zeros, k, 0)], 0)
    return out
