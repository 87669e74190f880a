"""Polynomials by their coefficients, the highest power first. Given only concrete arrays each is NumPy's own."""

from __future__ import annotations

import operator
from importlib import import_module
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.creation import zeros_like
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.joining import concatenate
from fgrad.numpy.linalg.factorizations import eigvals
from fgrad.numpy.manipulation import atleast_1d
from fgrad.numpy.parts import operand, part, taken
from fgrad.numpy.signals import convolve
from fgrad.primitives.exponential import sqrt
from fgrad.primitives.families import shape_of
from fgrad.primitives.polynomial_roots import polynomial_roots
from fgrad.primitives.rounding import real
from fgrad.primitives.shape import reduce_sum

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots"]


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

    Of a square matrix: of its characteristic polynomial, whose zeros are the eigenvalues.

    >>> poly([1.0, 2.0])
    array([ 1., -3.,  2.])
    """
    if not is_traced(seq_of_zeros):
        return np.poly(seq_of_zeros)
    given = as_operand(seq_of_zeros)
    if len(shape_of(given)) == 2 and shape_of(given)[0]:
        characteristic = poly(eigvals(given))
        return characteristic if aval_of(given).dtype.kind == "c" else real(characteristic)
    zeros = _row(given, "poly")
    dtype = np.dtype(np.mintypecode(aval_of(zeros).dtype.char))
    zeros = as_dtype(zeros, dtype)
    if not shape_of(zeros)[0]:
        return np.float64(1.0)
    out: Array = np.ones(1, dtype)
    for k in np.arange(shape_of(zeros)[0]):
        out = concatenate([out, np.zeros(1, dtype)], 0) - concatenate([np.zeros(1, dtype), out * taken(zeros, k, 0)], 0)
    return out


def roots(p: Any, *, strip_zeros: bool = True) -> Array:
    """`roots(p)`: the zeros of p[0]·xⁿ + … + p[n]; complex in any case for traced coefficients.

    Simple zeros have derivatives, dr = −Σ dp[k]·rⁿ⁻ᵏ / p′(r); those of multiple ones are infinite.

    Args:
        p: the coefficients.
        strip_zeros: leave out leading zeros, which can be seen only where values are known; else the first
            coefficient must not be 0.

    >>> roots([1.0, -3.0, 2.0])
    array([2., 1.])
    """
    if not is_traced(p):
        return np.roots(p)
    x = _row(p, "roots")
    value = x.concrete if type(x) is Tracer else np.asarray(x)
    if strip_zeros and value is not None:
        nonzero = np.flatnonzero(value)
        x = part(x, 0, slice(int(nonzero[0]) if nonzero.size else len(value), None))
    dtype = aval_of(x).dtype
    x = as_dtype(x, dtype if dtype.kind in "fc" else np.dtype(np.float64))
    return polynomial_roots(x) if shape_of(x)[0] else np.zeros(0, np.result_type(x.dtype, np.complex64))


def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """`polyfit(x, y, deg)`: the coefficients of the polynomial that fits points best, by least squares.

    Differentiable in x, y and w.

    Args:
        x: where, of shape (m,).
        y: values, of shape (m,) or (m, k).
        deg: the degree.
        rcond: singular values smaller than this share of the largest one count as 0; m times the precision by default.
        full: return also residuals, rank, singular values and `rcond`.
        w: factors of the residuals, of shape (m,).
        cov: return also the covariance of the coefficients, scaled by χ² / (m − deg − 1); "unscaled": not scaled.

    Returns:
        The coefficients, of shape (deg + 1,) or (deg + 1, k), and what was asked for.

    >>> polyfit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).round(6)
    array([2., 1.])
    """
    if not is_traced(x, y, w):
        return np.polyfit(x, y, deg, rcond, full, w, cov)  # type: ignore[call-overload]
    at, values = operand(x) + 0.0, operand(y) + 0.0
    order = _order(deg, "polyfit") + 1
    shape, given = shape_of(at), shape_of(values)
    if len(shape) != 1 or not shape[0] or len(given) not in (1, 2) or given[0] != shape[0]:
        what = f"polyfit: x has shape {shape} and y {given}; it takes a row and as many values, or rows of values."
        raise TypeError(message(what))
    matrix = at[:, None] ** np.arange(order - 1, -1, -1)
    if w is not None:
        factors = operand(w) + 0.0
        if shape_of(factors) != shape:
            raise TypeError(message(f"polyfit: w has shape {shape_of(factors)}, x {shape}; they must agree."))
        matrix = matrix * factors[:, None]
        values = values * (factors[:, None] if len(given) == 2 else factors)
    linalg = import_module("fgrad.numpy.linalg")  # it is imported when it is first used
    bound = shape[0] * float(np.finfo(aval_of(at).dtype).eps) if rcond is None else rcond
    scale = sqrt(reduce_sum(matrix * matrix, axes=(0,)))
    matrix = matrix / scale
    found, residuals, rank, singular = linalg.lstsq(matrix, values, bound)
    out = found / (scale[:, None] if len(given) == 2 else scale)
    if full:
        return out, residuals, rank, singular, bound
    if not cov:
        return out
    covariance = linalg.inv(matrix.T @ matrix) / (scale[:, None] * scale)
    if cov != "unscaled":
        if shape[0] <= order:
            what = f"polyfit: {shape[0]} points for {order} coefficients leave nothing to scale the covariance by."
            raise ArgumentError(message(what, cure='Give more points, or cov="unscaled".'))
        rest = residuals / (shape[0] - order)
        return out, (covariance * rest if len(given) == 1 else covariance[:, :, None] * rest)
    return out, covariance if len(given) == 1 else covariance[:, :, None]
