"""The gamma function and its kin. Their values are SciPy's; derivatives are made of the digamma function.

Source: NIST Digital Library of Mathematical Functions, chapters 5 and 25.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.primitives.comparison import eq, gt, le, logical_and, lt, select
from fgrad.primitives.exponential import exp
from fgrad.primitives.families import draw, floats
from fgrad.primitives.rounding import floor, rint
from fgrad.primitives.special import Special, digamma, zeta
from fgrad.primitives.special_series import zeta_derivative
from fgrad.primitives.trigonometric import cos, sin

__all__ = ["beta", "betaln", "binom", "gamma", "gammasgn", "loggamma", "poch", "rgamma", "riemann_zeta"]


class Gamma(Special):
    """`gamma(x)`: Γ(x) = ∫₀^∞ tˣ⁻¹e⁻ᵗ dt."""

    function, samples = "gamma", floats(0.5, 4, hard=(-0.5, -1.3, 12.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return out * _digamma_beside_poles(x)


def _digamma_beside_poles(x: Array) -> Array:
    """ψ(x), which keeps all digits next to its poles: ψ(1 − x) − π/tan(πx) for negative x."""
    left = lt(x, 0)
    y = select(left, x, -0.5)
    phase = math.pi * (y - rint(y))
    return select(left, digamma(1 - y) - math.pi * cos(phase) / sin(phase), digamma(select(left, 1.0, x)))


class Loggamma(Special):
    """`loggamma(x)`: log Γ(x) for x ≥ 0, NaN elsewhere."""

    function, samples = "loggamma", floats(0.5, 5, hard=(1.0, 2.0, 30.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return digamma(x)


class Gammasgn(Special):
    """`gammasgn(x)`: the sign of Γ(x)."""

    function, samples = "gammasgn", (*floats(0.5, 4, hard=(-0.5, -1.3, 12.0)), Sample(draw(-1.9, -0.1, (2, 3))))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Zero:
        return ZERO


class Rgamma(Special):
    """`rgamma(x)`: 1/Γ(x), which has neither poles nor branches."""

    function, samples = "rgamma", floats(0.5, 4, hard=(-0.5, -2.0, 0.0, -1.3, 12.0))

    def derivative(self, out: Array, x: Array) -> Array:
        right = gt(x, 0.5)
        y = select(logical_and(right, lt(x, np.inf)), x, 1.0)
        return select(right, -digamma(y) * select(right, out, 0.0), _reflected_slope(select(right, 0.0, x)))


def _reflected_slope(x: Array) -> Array:
    """The derivative of 1/Γ(x) = sin(πx)·Γ(1 − x)/π, for x below 1: exact at the poles of Γ."""
    height, nearest = gamma(1 - x), rint(x)
    phase, half = math.pi * (x - nearest), nearest / 2
    sign = 1 - 4 * (half - floor(half))
    return sign * height * (cos(phase) - sin(phase) * digamma(1 - x) / math.pi)


class Beta(Special):
    """`beta(a, b)`: B(a, b) = Γ(a)Γ(b)/Γ(a + b)."""

    function, samples = "beta", floats(0.5, 4, 2)

    def derivative(self, out: Array, a: Array, b: Array) -> Any:
        return lambda: out * (digamma(a) - digamma(a + b)), lambda: out * (digamma(b) - digamma(a + b))


class Betaln(Special):
    """`betaln(a, b)`: log |B(a, b)|."""

    function, samples = "betaln", floats(0.5, 4, 2)

    def derivative(self, out: Array, a: Array, b: Array) -> Any:
        return lambda: digamma(a) - digamma(a + b), lambda: digamma(b) - digamma(a + b)


class Binom(Special):
    """`binom(n, k)`: n over k, Γ(n + 1)/(Γ(k + 1)Γ(n − k + 1)), for real n > −1 and k."""

    function = "binom"
    samples = (
        *floats(2.0, 3.9, 2),
        Sample(np.array([5.0, 7.5, 3.0]), np.array([2.0, 3.0, 3.0])),
        Sample(np.array([2.0, 3.0]), np.array([4.0, -1.0])),
    )

    def derivative(self, out: Array, n: Array, k: Array) -> Any:
        regular = logical_and(gt(k + 1, 0), gt(n - k + 1, 0))
        n_in, k_in = select(regular, n, 2.0), select(regular, k, 1.0)
        n_out, k_out = select(regular, 2.0, n), select(regular, 1.0, k)
        out_in = select(regular, out, 0.0)

        def by_n() -> Array:
            inside = out_in * (digamma(n_in + 1) - digamma(n_in - k_in + 1))
            rest = digamma(n_out + 1) * rgamma(n_out - k_out + 1) + _slope(n_out - k_out + 1)
            return select(regular, inside, gamma(n_out + 1) * rgamma(k_out + 1) * rest)

        def by_k() -> Array:
            inside = out_in * (digamma(n_in - k_in + 1) - digamma(k_in + 1))
            low, high = k_out + 1, n_out - k_out + 1
            outside = gamma(n_out + 1) * (_slope(low) * rgamma(high) - rgamma(low) * _slope(high))
            return select(regular, inside, outside)

        return by_n, by_k


def _slope(x: Array) -> Array:
    return rgamma.derivative(rgamma(x), x)


class Poch(Special):
    """`poch(z, m)`: Pochhammer's symbol Γ(z + m)/Γ(z)."""

    function = "poch"
    samples = (*floats(0.5, 4, 2), Sample(np.array([-2.0, 0.0, -1.0]), np.array([4.5, 2.0, 3.0])))

    def derivative(self, out: Array, z: Array, m: Array) -> Any:
        def by_z() -> Array:
            pole = logical_and(le(z, 0), eq(z, rint(z)))
            at, beyond = select(pole, 1.0, z), select(pole, 1.0, z + m)
            near, end = select(pole, z, 1.0), select(pole, z + m, 1.0)
            height = gamma(end)
            exact = height * (digamma(end) * rgamma(near) + _slope(near))
            return select(pole, exact, out * (digamma(beyond) - digamma(at)))

        return by_z, lambda: out * digamma(z + m)


class RiemannZeta(Special):
    """`riemann_zeta(x, order=)`: the derivative of some order of ζ(x), which is Σ k⁻ˣ for x > 1, continued to x < 1."""

    function = "zeta"
    samples = (
        *[Sample(*s.args, order=0) for s in floats(1.5, 5, hard=(0.5, -0.1, -1.5, -7.0))],
        *[Sample(*s.args, order=1) for s in floats(1.5, 5, hard=(0.5, -0.1))],
    )

    def compute(self, *xs: Any, order: int = 0) -> Any:
        return zeta_derivative(np.minimum(xs[0], _FLAT), 1.0, order, _REFLECTED) if order else super().compute(*xs)

    def derivative(self, out: Array, x: Array, *, order: int = 0) -> Array:
        if order:
            return riemann_zeta(x, order=order + 1)
        direct = gt(x, _REFLECTED)
        return select(
            direct, riemann_zeta(select(direct, x, 2.0), order=1), _reflected_zeta(1 - select(direct, _REFLECTED, x))
        )


_FLAT = 1100.0
"""From here on ζ(x) is 1: 2⁻ˣ is 0."""

_REFLECTED = -0.25
"""From here on to the left the derivative of ζ(x) is computed from ζ(1 − x)."""


def _reflected_zeta(y: Array) -> Array:
    """The derivative of ζ(1 − y) = 2(2π)⁻ʸ·cos(πy/2)·Γ(y)·ζ(y) by 1 − y (DLMF 25.4.1)."""
    phase = (math.pi / 2) * (y - 4 * rint(y / 4))
    value = zeta(y, 1.0, order=0)
    slope = zeta(y, 1.0, order=1) + value * (digamma(y) - math.log(2 * math.pi))
    scale = 2 * gamma(y) * exp(-math.log(2 * math.pi) * y)
    return scale * ((math.pi / 2) * sin(phase) * value - cos(phase) * slope)


gamma = Gamma()
loggamma = Loggamma()
gammasgn = Gammasgn()
rgamma = Rgamma()
beta = Beta()
betaln = Betaln()
binom = Binom()
poch = Poch()
riemann_zeta = RiemannZeta()
