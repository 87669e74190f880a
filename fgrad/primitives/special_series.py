"""Derivatives by the parameters of ζ, of the incomplete gamma and of the incomplete beta function, of any order.

They have no closed form. Series and continued fractions are evaluated on truncated power series in the parameters,
u(a + ε, b + δ) = Σ uᵢⱼ εⁱ δʲ, in place of numbers: their coefficients are the derivatives. Such a series is an array
whose two leading axes number the powers of ε and δ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np

__all__ = ["beta_derivative", "gamma_derivative", "zeta_derivative"]

Polygamma = Callable[[int, Any], Any]

_EPS = float(np.finfo(np.float64).eps)
_MOST = 100_000  # terms; the number needed grows with the square root of the parameters


def _times(u: Any, v: Any) -> Any:
    out = np.zeros(np.broadcast_shapes(u.shape, v.shape))
    rows, columns = len(u), len(u[0])
    for i, j in product(range(rows), range(columns)):
        for p, q in product(range(i + 1), range(j + 1)):
            out[i, j] += u[p, q] * v[i - p, j - q]
    return out


def _powers(u: Any) -> tuple[Any, Any, int]:
    """The constant term, the rest, and how many powers of the rest are not 0."""
    rest = u.copy()
    rest[0, 0] = 0
    return u[0, 0], rest, u.shape[0] + u.shape[1] - 2


def _inverse(u: Any) -> Any:
    first, rest, count = _powers(u)
    rest = rest / first
    one = np.zeros(u.shape)
    one[0, 0] = 1
    out = one
    for _ in range(count):
        out = one - _times(rest, out)
    return out / first


def _exp(u: Any) -> Any:
    first, rest, count = _powers(u)
    one = np.zeros(u.shape)
    one[0, 0] = 1
    out = one
    for k in range(count, 0, -1):
        out = one + _times(rest, out) / k
    return out * np.exp(first)


def _constant(value: Any, like: Any) -> Any:
    out = np.zeros(like.shape)
    out[0, 0] = value
    return out


def _variable(value: Any, shape: tuple[int, int], axis: int) -> Any:
    """The series of a + ε (axis 0), or of b + δ (axis 1)."""
    out = np.zeros((*shape, *np.shape(value)))
    out[0, 0] = value
    if shape[axis] > 1:
        out[(1, 0) if axis == 0 else (0, 1)] = 1
    return out


def _fraction(first: Any, step: Callable[[int], tuple[Any, Any]]) -> Any:
    """The continued fraction 1/(b₀ + a₁/(b₁ + a₂/(b₂ + …))), with `(aₖ, bₖ) = step(k)`.

    Lentz's method: Thompson and Barnett, "Coulomb and Bessel functions of complex arguments and order" (1986).
    """
    c = _constant(1e300, first)
    d = _inverse(first)
    h = d
    for k in range(1, _MOST):
        a, b = step(k)
        d = _inverse(b + _times(a, d))
        c = b + _times(a, _inverse(c))
        new = _times(h, _times(c, d))
        change = np.abs(new - h).max(axis=(0, 1))
        h = new
        if not np.any(change > _EPS * np.abs(h).max(axis=(0, 1))):
            break
    return h


def _log_series(parts: list[tuple[tuple[int, int], Any]], shape: tuple[int, int], like: Any) -> Any:
    """The series with given derivatives."""
    out = np.zeros((*shape, *np.shape(like)))
    for (i, j), value in parts:
        if i < shape[0] and j < shape[1]:
            out[i, j] += value / (math.factorial(i) * math.factorial(j))
    return out


def _wanted(series: Any, order: tuple[int, int]) -> Any:
    return series[order] * (math.factorial(order[0]) * math.factorial(order[1]))


def _where(condition: Any, f: Callable[..., Any], out: Any, *xs: Any) -> None:
    """Writes f of the chosen numbers into `out`."""
    if condition.any():
        out[condition] = f(*[x[condition] for x in xs])


def gamma_derivative(a: Any, x: Any, order: int, log_gamma: Any, polygamma: Polygamma) -> Any:
    """The derivative of some order by a of P(a, x), the regularised lower incomplete gamma function.

    By the power series (DLMF 8.7.1) where x < a + 1, by the continued fraction (8.9.2) elsewhere.
    """
    a, x = (np.array(v, np.float64) for v in np.broadcast_arrays(a, x))
    shape = (order + 1, 1)
    out = np.where((a > 0) & (x >= 0), 0.0, np.nan)

    def front(a: Any, x: Any, shift: int) -> Any:
        """xᵃ·e⁻ˣ / Γ(a + shift)."""
        derivatives = [((0, 0), a * np.log(x) - x - log_gamma(a + shift)), ((1, 0), np.log(x))]
        derivatives += [((i, 0), -polygamma(i - 1, a + shift)) for i in range(1, order + 1)]
        return _exp(_log_series(derivatives, shape, a))

    def below(a: Any, x: Any) -> Any:
        term = front(a, x, 1)
        total, a_series = term, _variable(a, shape, 0)
        for k in range(1, _MOST):
            term = _times(term, x * _inverse(a_series + _constant(k, a_series)))
            total = total + term
            if not np.any(np.abs(term).max(axis=(0, 1)) > _EPS * np.abs(total).max(axis=(0, 1)) / 4):
                break
        return _wanted(total, (order, 0))

    def above(a: Any, x: Any) -> Any:
        series = _variable(a, shape, 0)

        def step(k: int) -> tuple[Any, Any]:
            return k * (series - _constant(k, series)), _constant(x + 2 * k + 1, series) - series

        fraction = _fraction(_constant(x + 1, series) - series, step)
        return -_wanted(_times(front(a, x, 0), fraction), (order, 0))

    inside = (a > 0) & (x > 0) & np.isfinite(x) & np.isfinite(a)
    low = x < a + 1
    _where(inside & low, below, out, a, x)
    _where(inside & ~low, above, out, a, x)
    return out


def beta_derivative(a: Any, b: Any, x: Any, order: tuple[int, int], log_gamma: Any, polygamma: Polygamma) -> Any:
    """The derivative of some orders by a and b of I(x; a, b), the regularised incomplete beta function.

    By the continued fraction (DLMF 8.17.22), and I(x; a, b) = 1 − I(1 − x; b, a).
    """
    a, b, x = (np.array(v, np.float64) for v in np.broadcast_arrays(a, b, x))
    out = np.where((a > 0) & (b > 0) & (x >= 0) & (x <= 1), 0.0, np.nan)
    inside = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(a + b)
    low = x < (a + 1) / (a + b + 2)

    def direct(a: Any, b: Any, x: Any, order: tuple[int, int] = order, y: Any = None) -> Any:
        y = 1 - x if y is None else y
        shape = (order[0] + 1, order[1] + 1)
        fraction = _beta_fraction(_variable(a, shape, 0), _variable(b, shape, 1), x)
        logs = _log_beta_power(a, b, x, y, shape, log_gamma, polygamma)
        series = _times(_exp(logs), _times(fraction, _inverse(_variable(a, shape, 0))))
        return _wanted(series, order)

    _where(inside & low, direct, out, a, b, x)
    _where(inside & ~low, lambda a, b, x: -direct(b, a, 1 - x, order[::-1], x), out, a, b, x)
    return out


def _log_beta_power(
    a: Any, b: Any, x: Any, y: Any, shape: tuple[int, int], log_gamma: Any, polygamma: Polygamma
) -> Any:
    """The series of log xᵃ·yᵇ/B(a, b)."""
    value = a * np.log(x) + b * np.log(y) + log_gamma(a + b) - log_gamma(a) - log_gamma(b)
    parts = [((0, 0), value), ((1, 0), np.log(x)), ((0, 1), np.log(y))]
    for i, j in product(range(shape[0]), range(shape[1])):
        if i + j:
            parts.append(((i, j), polygamma(i + j - 1, a + b)))
        if i and not j:
            parts.append(((i, 0), -polygamma(i - 1, a)))
        if j and not i:
            parts.append(((0, j), -polygamma(j - 1, b)))
    return _log_series(parts, shape, a)


def _beta_fraction(a: Any, b: Any, x: Any) -> Any:
    one = _constant(1, a)

    def step(k: int) -> tuple[Any, Any]:
        m = _constant(k // 2, a)
        base = a + 2 * m
        if k % 2:
            top, bottom = -_times(a + m, a + b + m), _times(base, base + one)
        else:
            top, bottom = _times(m, b - m), _times(base - one, base)
        return x * _times(top, _inverse(bottom)), one

    return _fraction(one, step)


_DIRECT = 16
_CORRECTIONS = 12


@cache
def _bernoulli(count: int) -> tuple[float, ...]:
    """B₂ₖ/(2k)! for k from 1 to `count`."""
    numbers = [Fraction(1)]
    for n in range(1, 2 * count + 1):
        numbers.append(-sum((math.comb(n + 1, k) * b for k, b in enumerate(numbers)), Fraction(0)) / (n + 1))
    return tuple([float(numbers[2 * k] / math.factorial(2 * k)) for k in range(1, count + 1)])


def zeta_derivative(s: Any, q: Any, order: int, lowest: float = 1.0) -> Any:
    """The derivative of some order by s of ζ(s, q) = Σ (q + k)⁻ˢ, for s > 1 and q > 0, by the Euler-Maclaurin formula.

    It continues the function to the left of 1, down to `lowest`, which is not below −½. What is summed is f(q + k),
    f(t) = (−log t)ⁿ·t⁻ˢ, whose derivatives are polynomials in log t times powers of t.
    """
    s, q = (np.array(v, np.float64) for v in np.broadcast_arrays(s, q))
    out = np.full(s.shape, np.nan)
    _where((s > lowest) & (s != 1) & (q > 0) & np.isfinite(s + q), lambda s, q: _summed(s, q, order), out, s, q)
    return out


def _summed(s: Any, q: Any, order: int) -> Any:
    total = np.zeros(s.shape)
    for k in range(_DIRECT):
        total += (-np.log(q + k)) ** order * (q + k) ** -s
    a = q + _DIRECT
    log = np.log(a)
    for j in range(order + 1):  # the integral from a on
        weight = math.comb(order, j) * math.factorial(j) * (-1) ** j
        total += weight * (-log) ** (order - j) * a ** (1 - s) / (s - 1) ** (j + 1)
    total += (-log) ** order * a**-s / 2
    polynomial = [np.zeros(s.shape) for _ in range(order)] + [np.full(s.shape, (-1.0) ** order)]
    for m in range(2 * _CORRECTIONS - 1):
        slope = [(k + 1) * c for k, c in enumerate(polynomial[1:])] + [np.zeros(s.shape)]
        polynomial = [d - (s + m) * c for d, c in zip(slope, polynomial, strict=True)]
        if m % 2 == 0:
            value = np.zeros(s.shape)
            for c in reversed(polynomial):
                value = value * log + c
            total -= _bernoulli(_CORRECTIONS)[m // 2] * value * a ** (-s - m - 1)
    return total
