"""Numerical recipes: interpolation, quadrature, roots, differential equations, series."""

from __future__ import annotations

import numpy as np


def lagrange(x, y, at):
    """Value of the interpolating polynomial."""
    total = 0.0
    for i in range(len(x)):
        others = np.delete(x, i)
        total = total + y[i] * np.prod((at - others) / (x[i] - others))
    return total


def newton_divided_differences(x, y):
    table = [y]
    for k in range(1, len(x)):
        table.append((table[-1][1:] - table[-1][:-1]) / (x[k:] - x[:-k]))
    return np.stack([row[0] for row in table])


def barycentric(x, y, at):
    gaps = x[:, None] - x[None, :] + np.eye(x.size)
    w = 1.0 / np.prod(gaps, axis=1)
    q = w / (at[:, None] - x)
    return (q @ y) / q.sum(axis=1)


def natural_cubic_spline(x, y, at):
    """Second derivatives from a tridiagonal system, then evaluation by bisection."""
    h = np.diff(x)
    inner = np.diag(2 * (h[:-1] + h[1:])) + np.diag(h[1:-1], 1) + np.diag(h[1:-1], -1)
    slope = np.diff(y) / h
    m = np.concatenate(([0.0], np.linalg.solve(inner, 6 * np.diff(slope)), [0.0]))
    i = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    t = at - x[i]
    step = h[i]
    return (
        y[i]
        + t * (slope[i] - step * (2 * m[i] + m[i + 1]) / 6)
        + t**2 * m[i] / 2
        + t**3 * (m[i + 1] - m[i]) / (6 * step)
    )


def simpson(y, h):
    return h / 3 * (y[0] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum() + y[-1])


def romberg(a, b):
    """Extrapolated trapezoids of exp(-x²)."""
    rows = []
    for k in range(5):
        x = np.linspace(a, b, 2**k + 1)
        y = np.exp(-(x**2))
        rows.append(np.trapezoid(y, x))
    for order in range(1, 5):
        rows = [(4**order * rows[k + 1] - rows[k]) / (4**order - 1) for k in range(len(rows) - 1)]
    return rows[0]


def gauss_legendre(a, b, c):
    nodes, weights = np.polynomial.legendre.leggauss(6)
    x = 0.5 * (b - a) * nodes + 0.5 * (a + b)
    return 0.5 * (b - a) * np.sum(weights * np.cos(c * x) * np.sqrt(1 + x**2))


def newton_root(a):
    """Cube roots, by a fixed number of steps."""
    x = np.ones_like(a)
    for _ in range(20):
        x = x - (x**3 - a) / (3 * x**2)
    return x


def bisection(a):
    """The x with x + sin(x)/2 = a; sharpened by one step of Newton, which carries the derivative."""
    low, high = np.zeros_like(a), 10 + np.zeros_like(a)
    for _ in range(40):
        middle = 0.5 * (low + high)
        below = middle + 0.5 * np.sin(middle) < a
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    x = 0.5 * (low + high)
    return x - (x + 0.5 * np.sin(x) - a) / (1 + 0.5 * np.cos(x))


def runge_kutta(y0, rates):
    """Lotka and Volterra's equations."""

    def f(y):
        prey, predator = y
        return np.stack(
            [rates[0] * prey - rates[1] * prey * predator, rates[2] * prey * predator - rates[3] * predator]
        )

    y, h = y0, 0.05
    for _ in range(10):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def clenshaw(c, x):
    """A Chebyshev series."""
    b1, b2 = np.zeros_like(x), np.zeros_like(x)
    for ck in c[:0:-1]:
        b1, b2 = 2 * x * b1 - b2 + ck, b1
    return x * b1 - b2 + c[0]


def continued_fraction(a):
    value = a[-1]
    for k in reversed(range(len(a) - 1)):
        value = a[k] + 1 / value
    return value


def aitken(s):
    """Accelerated limits of a sequence."""
    first = np.diff(s)
    second = np.diff(s, 2)
    return s[:-2] - first[:-1] ** 2 / second


def thomas(lower, diagonal, upper, right):
    """A tridiagonal system, by elimination."""
    n = len(diagonal)
    c, d = [upper[0] / diagonal[0]], [right[0] / diagonal[0]]
    for i in range(1, n):
        pivot = diagonal[i] - lower[i - 1] * c[-1]
        if i < n - 1:
            c.append(upper[i] / pivot)
        d.append((right[i] - lower[i - 1] * d[-1]) / pivot)
    x = [d[-1]]
    for i in range(n - 2, -1, -1):
        x.append(d[i] - c[i] * x[-1])
    return np.stack(x[::-1])


X = np.array([0.1, 0.7, 1.6, 2.2, 3.1])
Y = np.array([1.0, 0.2, -0.7, 0.4, 0.9])

CASES = [
    (lagrange, (X, Y, np.float64(1.1))),
    (newton_divided_differences, (X, Y)),
    (barycentric, (X, Y, np.array([0.3, 1.9]))),
    (natural_cubic_spline, (X, Y, np.array([0.3, 1.2, 2.9]))),
    (simpson, (Y, np.float64(0.2))),
    (romberg, (np.float64(0.1), np.float64(1.3))),
    (gauss_legendre, (np.float64(0.1), np.float64(1.3), np.float64(2.0))),
    (newton_root, (np.array([2.0, 5.0]),)),
    (bisection, (np.array([1.0, 2.5]),)),
    (runge_kutta, (np.array([2.0, 1.0]), np.array([1.1, 0.4, 0.1, 0.4]))),
    (clenshaw, (Y, np.array([-0.4, 0.3]))),
    (continued_fraction, (np.array([1.0, 2.0, 1.5, 3.0]),)),
    (aitken, (np.array([1.0, 1.5, 1.65, 1.72, 1.74]),)),
    (thomas, (Y[:3], 4 + X[:4], X[:3], Y[:4])),
]
