"""Derivatives of hypergeometric series by their parameters, of any order.

A parameter a is replaced by the polynomial a + ε, and what is beyond the wanted power of ε dropped: the coefficients of
the sum are the derivatives. Each parameter has an axis of powers, in front of those of the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

__all__ = ["hyp1f1_derivative", "hyp2f1_derivative"]

_EPS = float(np.finfo(np.float64).eps)
_MOST = 100_000
_LARGEST = 709.0  # of an exponential


def _raised(series: Any, axis: int, value: Any) -> Any:
    """The product with value + ε."""
    out = series * value
    if series.shape[axis] > 1:
        np.moveaxis(out, axis, 0)[1:] += np.moveaxis(series, axis, 0)[:-1]
    return out


def _lowered(series: Any, axis: int, value: Any) -> Any:
    """The quotient by value + ε."""
    out = series / value
    if series.shape[axis] > 1:
        target = np.moveaxis(out, axis, 0)
        for k in range(1, len(target)):
            target[k] -= target[k - 1] / value
    return out


def _series(parameters: Sequence[Any], upper: int, x: Any, order: Sequence[int]) -> Any:
    """The table of derivatives of Σ (a)ₖ…/((b)ₖ…·k!)·xᵏ by the parameters, up to the given orders."""
    shape = tuple([n + 1 for n in order])
    term = np.zeros((*shape, *x.shape))
    term[(0,) * len(shape)] = 1.0
    total = term.copy()
    axes = tuple(range(len(shape)))
    least = np.abs(x).max() + max(np.abs(p).max() for p in parameters)
    for k in range(_MOST):
        for axis, parameter in enumerate(parameters):
            term = (_raised if axis < upper else _lowered)(term, axis, parameter + k)
        term *= x / (k + 1)
        total += term
        if k > least and k % 4 == 0:
            sizes, sums = np.abs(term).max(axis=axes), np.abs(total).max(axis=axes)
            if not np.any(sizes > _EPS / 16 * sums):
                break
    for axis, n in enumerate(order):
        factorials = [math.factorial(i) for i in range(n + 1)]
        total *= np.reshape(factorials, (-1,) + (1,) * (total.ndim - axis - 1))
    return total


def _prepared(parameters: Sequence[Any], x: Any) -> Any:
    return [np.array(v, np.float64) for v in np.broadcast_arrays(*parameters, x)]


def hyp1f1_derivative(parameters: Sequence[Any], x: Any, order: tuple[int, ...]) -> Any:
    """The derivative of M(a, b, x) of given orders by a and b.

    Of negative x by Kummer's transformation M(a, b, x) = eˣ·M(b − a, b, −x), so that terms do not cancel.
    """
    a, b, x = _prepared(parameters, x)
    i, j = order
    out = np.full(x.shape, np.nan)
    right = (x >= 0) & (x < _LARGEST)
    left = (x < 0) & (x > -_LARGEST)
    if right.any():
        out[right] = _series((a[right], b[right]), 1, x[right], order)[order]
    if left.any():
        a, b, x = a[left], b[left], x[left]
        table = _series((b - a, b), 1, -x, (i + j, j))
        mixed = sum(math.comb(j, k) * table[i + k, j - k] for k in range(j + 1))
        out[left] = (-1) ** i * np.exp(x) * mixed
    return out


def hyp2f1_derivative(parameters: Sequence[Any], x: Any, order: tuple[int, ...]) -> Any:
    """The derivative of F(a, b; c; x) of given orders by a, b and c, for x < 1.

    For x < −½ by Pfaff's transformation F(a, b; c; x) = (1 − x)⁻ᵃ·F(a, c − b; c; x/(x − 1)).
    """
    a, b, c, x = _prepared(parameters, x)
    i, j, k = order
    out = np.full(x.shape, np.nan)
    right, left = (x >= -0.5) & (x < 1), (x < -0.5) & np.isfinite(x)
    if right.any():
        out[right] = _series((a[right], b[right], c[right]), 2, x[right], order)[order]
    if left.any():
        a, b, c, x = a[left], b[left], c[left], x[left]
        table = _series((a, c - b, c), 2, x / (x - 1), (i, j + k, k))
        log = np.log1p(-x)
        total = np.zeros(x.shape)
        for p, q in product(range(i + 1), range(k + 1)):
            weight = math.comb(i, p) * math.comb(k, q) * (-log) ** (i - p)
            total += weight * table[p, j + q, k - q]
        out[left] = (-1) ** j * (1 - x) ** -a * total
    return out
