"""The error function's kin and the normal distribution. Their values are SciPy's.

Source: NIST Digital Library of Mathematical Functions, chapter 7; Owen, "Tables for computing bivariate normal
probabilities" (1956).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.primitive import Sample
from fgrad.primitives.comparison import gt, select
from fgrad.primitives.exponential import exp, square
from fgrad.primitives.families import complexes, floats
from fgrad.primitives.rounding import absolute
from fgrad.primitives.special import Special, bell, erf, scipy_function
from fgrad.primitives.special_quotients import dawson_derivative, erfc_ratio_at, erfcx_derivative

__all__ = ["dawsn", "erfc_ratio", "erfcinv", "erfcx", "erfi", "log_ndtr", "ndtr", "ndtri", "owens_t", "wofz"]

_ROOT_2, _ROOT_PI, _ROOT_2PI = math.sqrt(2), math.sqrt(math.pi), math.sqrt(2 * math.pi)


class Erfcinv(Special):
    """`erfcinv(x)`: the number whose `erfc` is x, accurate where x is small."""

    function, samples = "erfcinv", floats(0.1, 1.9, hard=(1.0, 1e-6))

    def derivative(self, out: Array, x: Array) -> Array:
        return (-_ROOT_PI / 2) * exp(square(out))


class Erfi(Special):
    """`erfi(x)`: −i·erf(ix)."""

    function, samples = "erfi", floats(-2, 2, hard=(0.0, -0.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return (2 / _ROOT_PI) * exp(square(x))


class Erfcx(Special):
    """`erfcx(x, order=)`: the derivative of some order of exp(x²)·erfc(x)."""

    function = "erfcx"
    samples = tuple(Sample(*s.args, order=n) for n in (0, 2) for s in floats(-1, 3, hard=(0.0, -2.0, 30.0)))

    def compute(self, *xs: Any, order: int = 0) -> Any:
        out = super().compute(*xs)
        return erfcx_derivative(out, xs[0], order) if order else out

    def derivative(self, out: Array, x: Array, *, order: int = 0) -> Array:
        return erfcx(x, order=order + 1)


class Dawsn(Special):
    """`dawsn(x, order=)`: the derivative of some order of exp(−x²)·∫₀ˣ exp(t²) dt."""

    function = "dawsn"
    samples = tuple(Sample(*s.args, order=n) for n in (0, 2) for s in floats(-3, 3, hard=(0.0, -8.0, 30.0)))

    def compute(self, *xs: Any, order: int = 0) -> Any:
        out = super().compute(*xs)
        return dawson_derivative(out, xs[0], order) if order else out

    def derivative(self, out: Array, x: Array, *, order: int = 0) -> Array:
        return dawsn(x, order=order + 1)


class Ndtr(Special):
    """`ndtr(x)`: the probability that a standard normal number is below x."""

    function, samples = "ndtr", floats(-3, 3, hard=(0.0, -6.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return _density(x)


def _density(x: Array) -> Array:
    """That of a standard normal number; 0 far out, so that no derivative is a product of 0 with infinity."""
    far = gt(absolute(x), _FAR)
    return exp(square(select(far, _FAR, x)) / -2) / _ROOT_2PI


_FAR = 64.0


class ErfcRatio(Special):
    """`erfc_ratio(x, order=)`: iⁿerfc(x)/iⁿ⁻¹erfc(x), of repeated integrals of `erfc`, n = order ≥ 1, for x ≥ 0.

    2·erfc_ratio(x, order=1) is minus the derivative of log erfcx(x).
    """

    samples = tuple(Sample(*s.args, order=n) for n in (1, 2) for s in floats(0, 4, hard=(0.9, 1.1, 30.0)))

    def compute(self, *xs: Any, order: int) -> Any:
        return erfc_ratio_at(scipy_function("erfcx")(xs[0]), xs[0], order)

    def derivative(self, out: Array, x: Array, *, order: int) -> Array:
        return 2 * out * (order * out - (order + 1) * erfc_ratio(x, order=order + 1))


class LogNdtr(Special):
    """`log_ndtr(x)`: log ndtr(x), accurate where that is tiny. Its derivative is −x nearly, there."""

    function, samples = "log_ndtr", floats(-3, 3, hard=(0.0, -40.0, 6.0))

    def derivative(self, out: Array, x: Array) -> Array:
        right = gt(x, 0)
        y = select(right, x, 0.0)
        left = select(right, 0.0, x)
        return select(right, _density(y) / ndtr(y), _ROOT_2 * erfc_ratio(left / -_ROOT_2, order=1) - left)


class Ndtri(Special):
    """`ndtri(x)`: the quantile of the standard normal distribution; the inverse of `ndtr`."""

    function, samples = "ndtri", floats(0.1, 0.9, hard=(0.5, 1e-6))

    def derivative(self, out: Array, x: Array) -> Array:
        return _ROOT_2PI * exp(square(out) / 2)


class OwensT(Special):
    """`owens_t(h, a)`: Owen's T, ∫₀ᵃ exp(−h²(1 + t²)/2)/(1 + t²) dt / 2π."""

    function, samples = "owens_t", (*floats(-2, 2, 2), Sample(np.array([0.0, 1.0]), np.array([2.0, 0.0])))

    def derivative(self, out: Array, h: Array, a: Array) -> Any:
        return (
            lambda: -erf(a * h / _ROOT_2) * bell(h / _ROOT_2) / (2 * _ROOT_2PI),
            lambda: exp(-square(h) * (1 + square(a)) / 2) / (2 * math.pi * (1 + square(a))),
        )


class Wofz(Special):
    """`wofz(z)`: the Faddeeva function exp(−z²)·erfc(−iz) of complex numbers."""

    function, samples = "wofz", complexes(scale=2.0)

    def _dtype(self, keys: Sequence[Any]) -> np.dtype[Any]:
        dtype = np.result_type(*[key(0) if isinstance(key, type) else key for key in keys])
        return np.result_type(dtype, np.complex64)

    def derivative(self, out: Array, z: Array) -> Array:
        return (2j / _ROOT_PI) - 2 * z * out


erfcinv = Erfcinv()
erfi = Erfi()
erfcx = Erfcx()
dawsn = Dawsn()
ndtr = Ndtr()
erfc_ratio = ErfcRatio()
log_ndtr = LogNdtr()
ndtri = Ndtri()
owens_t = OwensT()
wofz = Wofz()
