"""Hypergeometric functions, Legendre functions and spherical harmonics. Their values are SciPy's.

Source: NIST Digital Library of Mathematical Functions, chapters 13 to 15, 18.9 and 14.30.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.primitive import Sample
from fgrad.primitives.comparison import eq, gt, logical_and, lt, maximum, select
from fgrad.primitives.elementwise import integer_pow
from fgrad.primitives.exponential import exp, exp2, pow, sqrt
from fgrad.primitives.families import draw
from fgrad.primitives.rounding import absolute, rint
from fgrad.primitives.special import Special
from fgrad.primitives.special_gamma import gamma, poch
from fgrad.primitives.special_sums import hyp1f1_derivative, hyp2f1_derivative

__all__ = ["gegenbauer", "hyp1f1", "hyp2f1", "lpmv", "sph_harm_y"]


class Hypergeometric(Special):
    """A function of parameters and of x: Σ (a)ₖ…/((b)ₖ… k!)·xᵏ; `order` says how often each parameter is derived by."""

    upper: int
    """How many of the parameters stand above: the factors (a)ₖ."""

    by_parameters: Callable[..., Any]

    def compute(self, *xs: Any, order: tuple[int, ...]) -> Any:
        return type(self).by_parameters(xs[:-1], xs[-1], order) if any(order) else super().compute(*xs)

    def derivative(self, out: Array, *xs: Array, order: tuple[int, ...]) -> Any:
        def raised(i: int) -> Array:
            return self(*xs, order=(*order[:i], order[i] + 1, *order[i + 1 :]))

        return (*[lambda i=i: raised(i) for i in range(len(order))], lambda: self._by_x(xs[:-1], xs[-1], order))

    def _by_x(self, parameters: Sequence[Array], x: Array, order: tuple[int, ...]) -> Array:
        """By Leibniz' rule: without `order` it is a…/(b…)·F(a + 1, …; b + 1, …; x)."""
        total: Any = 0.0
        following = [parameter + 1 for parameter in parameters]
        taken = [range(1 + (min(n, 1) if i < self.upper else n)) for i, n in enumerate(order)]
        for taken_here in product(*taken):
            weight: Any = math.prod(map(math.comb, order, taken_here))
            for i, (parameter, n) in enumerate(zip(parameters, taken_here, strict=True)):
                if i >= self.upper:
                    weight = weight * (-1) ** n * math.factorial(n) / integer_pow(parameter, y=n + 1)
                elif n == 0:
                    weight = weight * parameter
            rest = tuple([n - k for n, k in zip(order, taken_here, strict=True)])
            total = total + weight * self(*following, x, order=rest)
        return total


class Hyp1f1(Hypergeometric):
    """`hyp1f1(a, b, x, order=)`: Kummer's function M(a, b, x), and its derivatives by a and b."""

    function, upper, by_parameters = "hyp1f1", 1, hyp1f1_derivative
    samples = (
        Sample(draw(0.5, 2, (2, 1)), draw(1, 3), draw(-2, 2, (2, 2)), order=(0, 0)),
        Sample(draw(0.5, 2), draw(1, 3), draw(0.5, 2), order=(0, 0)),
        Sample(draw(0.5, 2), draw(1, 3), np.array([-2.0, 1.0]), order=(1, 1)),
        Sample(draw(0.5, 2), draw(1, 3), draw(1, 2, (0,)), order=(0, 1)),
    )


class Hyp2f1(Hypergeometric):
    """`hyp2f1(a, b, c, x, order=)`: Gauss' function F(a, b; c; x), and its derivatives by a, b and c for x < 1."""

    function, upper, by_parameters = "hyp2f1", 2, hyp2f1_derivative
    samples = (
        Sample(draw(0.5, 2, (2, 1)), draw(0.5, 2), draw(1, 3), draw(-0.9, 0.5, (2, 2)), order=(0, 0, 0)),
        Sample(draw(0.5, 2), draw(0.5, 2), draw(1, 3), draw(0.2, 0.5), order=(0, 0, 0)),
        Sample(draw(0.5, 2), draw(0.5, 2), draw(1, 3), draw(0, 0.5, (0,)), order=(0, 1, 0)),
    )


class Gegenbauer(Special):
    """`gegenbauer(n, alpha, x)`: the Gegenbauer function of degree n; it has a derivative by x."""

    function, whole = "eval_gegenbauer", ("n", "alpha")
    samples = (
        Sample(np.array([0, 1, 2, 5]), np.array([0, 1, 1, 2]), draw(-0.9, 0.9, (4,))),
        Sample(np.int64(3), np.int64(1), draw(-0.9, 0.9)),
        Sample(np.int64(3), np.int64(1), draw(-0.9, 0.9, (0,))),
        Sample(np.int64(3), np.int64(2), np.array([-1.0, 0.0, 1.0])),
    )

    def compute(self, *xs: Any) -> Any:
        n, alpha, x = xs
        return super().compute(n, np.asarray(alpha, x.dtype if x.dtype.kind == "f" else np.float64), x)

    def derivative(self, out: Array, n: Array, alpha: Array, x: Array) -> Any:
        def by_x() -> Array:
            flat = eq(n, 0)
            return 2 * alpha * select(flat, 0.0, gegenbauer(select(flat, 1, n) - 1, alpha + 1, x))

        return 0.0, 0.0, by_x


class Lpmv(Special):
    """`lpmv(m, v, x)`: the associated Legendre function of whole order m and degree v; it has a derivative by x.

    It is (1 − x²)^(m/2) times a Gegenbauer function, whose derivatives are right at x = ±1 too.
    """

    function, whole = "lpmv", ("m", "v")
    samples = (
        Sample(np.array([0, 1, 2, -1]), np.array([2, 3, 2, 4]), draw(-0.9, 0.9, (4,))),
        Sample(np.int64(1), np.int64(3), draw(-0.9, 0.9)),
        Sample(np.array([[3], [-2]]), np.int64(2), draw(-0.9, 0.9, (2,))),
        Sample(np.int64(0), np.int64(3), draw(-0.9, 0.9, (0,))),
    )

    def compute(self, *xs: Any) -> Any:
        m, v, x = xs
        wide = x.dtype if x.dtype.kind == "f" else np.float64
        return super().compute(np.asarray(m, wide), np.asarray(v, wide), x)

    def derivative(self, out: Array, m: Array, v: Array, x: Array) -> Any:
        def by_x() -> Array:
            order = absolute(m)
            none = logical_and(gt(order, v), eq(v, rint(v * 1.0)))
            size, degree = select(none, 0, order), select(none, 0, v)
            odd = order - 2 * rint(order / 2)
            falling = lt(m, 0)
            # Γ(v − |m| + 1)/Γ(v + |m| + 1) for negative m, (−1)ᵐ for others
            scale = select(falling, 1 / poch(degree - size + 1.0, 2.0 * size), 1 - 2 * absolute(odd))
            scale = select(none, 0.0, scale * exp2(size * 1.0) * gamma(size + 0.5) / math.sqrt(math.pi))
            plane = (1 - x) * (1 + x)
            value, flat = gegenbauer(degree - size, size + 0.5, x), eq(size, 0)
            last = eq(degree, size)
            rest = select(last, 0.0, gegenbauer(select(last, 0, degree - size - 1), size + 1.5, x))
            steep = select(flat, 0.0, size * x * pow(plane, select(flat, 1.0, size / 2 - 1)) * value)
            return scale * ((2 * size + 1) * pow(plane, size / 2) * rest - steep)

        return 0.0, 0.0, by_x


class SphHarmY(Special):
    """`sph_harm_y(n, m, theta, phi)`: the spherical harmonic of degree n and order m, a complex number."""

    function, whole = "sph_harm_y", ("n", "m")
    samples = (
        Sample(np.array([2, 3, 3]), np.array([0, 1, -3]), draw(0.3, 2, (3,)), draw(-2, 2, (3,))),
        Sample(np.int64(2), np.int64(1), draw(0.3, 2), draw(-2, 2)),
        Sample(np.int64(2), np.int64(2), draw(0.3, 2, (0,)), draw(-2, 2)),
        Sample(np.array([1, 2]), np.int64(1), np.array([0.0, 1.0]), draw(-2, 2)),
    )

    def _dtype(self, keys: Sequence[Any]) -> np.dtype[Any]:
        return np.result_type(super()._dtype(keys), np.complex64)

    def impl(self, *xs: Array, **params: Any) -> Array:
        kinds = [type(x) if isinstance(x, (int, float)) else np.asarray(x).dtype for x in xs]
        return np.asarray(self.compute(*xs)).astype(self._dtype(kinds), copy=False)[()]

    def inplace(self, *args: Any, **params: Any) -> bool:
        return False

    def derivative(self, out: Array, n: Array, m: Array, theta: Array, phi: Array) -> Any:
        def by_theta() -> Array:  # the ladder operators, which nowhere divide by sin θ
            up = sqrt(maximum((n - m) * (n + m + 1), 0) * 1.0) * exp(-1j * phi) * sph_harm_y(n, m + 1, theta, phi)
            down = sqrt(maximum((n + m) * (n - m + 1), 0) * 1.0) * exp(1j * phi) * sph_harm_y(n, m - 1, theta, phi)
            return 0.5 * (up - down)

        return 0.0, 0.0, by_theta, lambda: 1j * m * out


hyp1f1 = Hyp1f1()
hyp2f1 = Hyp2f1()
gegenbauer = Gegenbauer()
lpmv = Lpmv()
sph_harm_y = SphHarmY()
