"""Derivatives, of any order, of functions whose own formulas for them lose all digits somewhere.

Next to a removable singularity they are summed as power series; where a recurrence cancels, as continued fractions or
asymptotic series. All take and return arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "dawson_derivative",
    "erfcx_derivative",
    "exprel_derivative",
    "log1p_quotient_derivative",
    "scaled_bessel_derivative",
    "sine_quotient_derivative",
]

_TERMS = 60


def _chosen(near: Any, f: Callable[..., Any], g: Callable[..., Any], *xs: Any) -> Any:
    """f of the numbers where `near` holds, g of the others."""
    out = np.empty(np.shape(near))
    for where, function in ((near, f), (~near, g)):
        if where.any():
            out[where] = function(*[x[where] for x in xs])
    return out


def _wide(*xs: Any) -> Any:
    return [np.asarray(x, np.float64) for x in xs]


def _quotient(x: Any, order: int, slopes: Callable[[Any, int], Any]) -> Any:
    """The derivative of f(x)/x away from 0, by Leibniz' rule for f = x·(f/x), given those of f."""
    out = slopes(x, 0) / x
    for n in range(1, order + 1):
        out = (slopes(x, n) - n * out) / x
    return out


def exprel_derivative(x: Any, order: int) -> Any:
    """Of (eˣ − 1)/x = ∫₀¹ eˣᵗ dt."""
    (x,) = _wide(x)

    def series(x: Any) -> Any:  # every term is positive: of negative x it is eˣ times a series in −x
        size, positive = np.abs(x), x >= 0
        term = np.full(x.shape, 1 / (order + 1))
        total = term.copy()
        for k in range(1, _TERMS + 4 * order):
            term = term * size / np.where(positive, k * (order + k + 1) / (order + k), order + k + 1)
            total += term
        return np.where(positive, total, total * np.exp(x))

    def far(x: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            out = _quotient(x, order, lambda x, n: np.exp(x) if n else np.expm1(x))
        return np.where(np.isposinf(x) | np.isnan(out) & (x > 0), np.inf, np.where(np.isneginf(x), 0.0, out))

    return _chosen(np.abs(x) < order + 4, series, far, x)


def log1p_quotient_derivative(x: Any, order: int) -> Any:
    """Of log(1 + x)/x."""
    (x,) = _wide(x)

    def series(x: Any) -> Any:
        total, power = np.zeros(x.shape), np.ones(x.shape)
        for k in range(_TERMS):
            total += math.perm(k + order, order) * (-1) ** (k + order) / (k + order + 1) * power
            power = power * x
        return total

    def slopes(x: Any, n: int) -> Any:
        return (-1) ** (n - 1) * math.factorial(n - 1) * (1 + x) ** -n if n else np.log1p(x)

    def far(x: Any) -> Any:
        infinite = np.isposinf(x)
        return np.where(infinite, 0.0, _quotient(np.where(infinite, 1.0, x), order, slopes))

    return _chosen(np.abs(x) < 0.4, series, far, x)


def sine_quotient_derivative(x: Any, order: int) -> Any:
    """Of sin(x)/x = ∫₀¹ cos(xt) dt."""
    (x,) = _wide(x)

    def series(x: Any) -> Any:
        total, power = np.zeros(x.shape), np.ones(x.shape)
        for k in range(_TERMS):
            if (k + order) % 2 == 0:
                total += (-1) ** ((k + order) // 2) / (k + order + 1) * power
            power = power * x / (k + 1)
        return total

    def slopes(x: Any, n: int) -> Any:
        return (np.sin(x), np.cos(x), -np.sin(x), -np.cos(x))[n % 4]

    def far(x: Any) -> Any:
        infinite = np.isinf(x)
        return np.where(infinite, 0.0, _quotient(np.where(infinite, 1.0, x), order, slopes))

    return _chosen(np.abs(x) < order + 1, series, far, x)


def erfcx_derivative(out: Any, x: Any, order: int) -> Any:
    """Of exp(x²)·erfc(x), whose value is `out`: (−2)ⁿn! times exp(x²)·iⁿerfc(x) (DLMF 7.18.3).

    The repeated integrals iⁿerfc obey a recurrence, which is run upwards on the left, and backwards, as a continued
    fraction, on the right.
    """
    out, x = _wide(out, x)

    with np.errstate(over="ignore"):
        return (
            (-2.0) ** order
            * math.factorial(order)
            * _chosen(
                x <= 1,
                lambda out, x: _upwards(out, x, order)[1],
                lambda out, x: out * math.prod(_ratios(x, order)),
                out,
                x,
            )
        )


def erfc_ratio_at(out: Any, x: Any, order: int) -> Any:
    """iⁿerfc(x)/iⁿ⁻¹erfc(x) for n = order, given exp(x²)·erfc(x) as `out`."""

    def near(out: Any, x: Any) -> Any:
        below, current = _upwards(out, x, order)
        return current / below

    out, x = _wide(out, x)
    return _chosen(x <= 1, near, lambda out, x: _ratios(x, order)[order - 1], out, x)


def _upwards(out: Any, x: Any, order: int) -> tuple[Any, Any]:
    """The last two of exp(x²)·iⁿerfc(x), n ≤ order (DLMF 7.18.7)."""
    below, current = out, 1 / math.sqrt(math.pi) - x * out
    for n in range(2, order + 1):
        below, current = current, (below / 2 - x * current) / n
    return below, current


def _ratios(x: Any, order: int) -> list[Any]:
    """iⁿerfc(x)/iⁿ⁻¹erfc(x) for n from 1 to `order`, by the continued fraction (DLMF 7.18.13)."""
    last = order + 3 * _TERMS
    ratio = 1 / (x + np.sqrt(x * x + 2 * last))
    found = []
    for n in range(last - 1, 0, -1):
        ratio = 1 / (2 * x + 2 * (n + 1) * ratio)
        if n <= order:
            found.append(ratio)
    return found[::-1]


def dawson_derivative(out: Any, x: Any, order: int) -> Any:
    """Of Dawson's integral, whose value is `out`: by F′ = 1 − 2xF, or far out by its asymptotic series.

    Where they meet, around 6, what the first one loses shows: some 10⁻¹⁴, 10⁻¹² and 10⁻¹¹ for the first three orders.
    """
    out, x = _wide(out, x)

    def direct(out: Any, x: Any) -> Any:
        below, current = out, 1 - 2 * x * out
        for n in range(1, order):
            below, current = current, -2 * (x * current + n * below)
        return current

    def asymptotic(out: Any, x: Any) -> Any:
        term = math.factorial(order) * (-1 / x) ** order / (2 * x)
        total = np.zeros(x.shape)
        for k in range(40):
            total += term
            term = term * ((2 * k + 2 + order) * (2 * k + 1 + order) / ((4 * k + 4) * x * x))
        return total

    return _chosen(np.abs(x) < 6.3 + order / 6, direct, asymptotic, out, x)


def scaled_bessel_derivative(function: Callable[[int, Any], Any], x: Any, n: int, order: int, sign: int) -> Any:
    """The derivative of some order of e^∓ˣ·Iₙ(x) or e^±ˣ·Kₙ(x) for x ≥ 0, given these as `function(n, x)`.

    `sign` is 1 for Iₙ and −1 for Kₙ. The recurrence Iₙ′ = (Iₙ₋₁ + Iₙ₊₁)/2, where terms cancel more and more, ends where
    the asymptotic series (DLMF 10.40.1) is right. At the kink of e^−|x| at 0 its derivative counts as 0.
    """
    (x,) = _wide(x)

    def direct(x: Any) -> Any:
        total = np.zeros(x.shape)
        for j in range(order + 1):
            scale = math.comb(order, j) * (-sign) ** (order - j) * (sign / 2) ** j
            slope = sum(math.comb(j, i) * function(abs(n - j + 2 * i), x) for i in range(j + 1))
            total += np.where((x != 0) | (j == order), scale * slope, 0.0)
        return total

    def asymptotic(x: Any) -> Any:
        finite = np.where(np.isposinf(x), 1.0, x)
        term = np.sqrt((1 / (2 * math.pi) if sign > 0 else math.pi / 2) / finite)
        for _ in range(order):  # a power would overflow
            term = term / finite
        total = np.zeros(x.shape)
        for m in range(_TERMS // 2):
            falling = math.prod(-(m + 0.5 + i) for i in range(order))
            total += falling * term
            term = term * (-sign * (4 * n * n - (2 * m + 1) ** 2) / (8 * (m + 1))) / finite
        return np.where(np.isposinf(x), 0.0, total)

    return _chosen(x < 30 + n * n, direct, asymptotic, x)
