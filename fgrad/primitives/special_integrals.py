"""Integrals of elementary functions: exponential, sine, cosine, Fresnel's, and the dilogarithm. Values are SciPy's.

Source: NIST Digital Library of Mathematical Functions, chapters 6 and 7, 8.19.13, 25.12.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.primitive import Sample
from fgrad.primitives.comparison import eq, lt, select
from fgrad.primitives.exponential import exp, log, square
from fgrad.primitives.families import draw, floats
from fgrad.primitives.special import Special, scipy_function, without_scipy
from fgrad.primitives.special_quotients import (
    exprel_derivative,
    log1p_quotient_derivative,
    sine_quotient_derivative,
)
from fgrad.primitives.trigonometric import cos, sin

__all__ = [
    "cosine_integral",
    "exp1",
    "expi",
    "expn",
    "exprel",
    "fresnel_c",
    "fresnel_s",
    "log1p_quotient",
    "sine_integral",
    "sine_quotient",
    "spence",
]


class Quotient(Special):
    """A quotient with a removable singularity at 0: its derivatives are primitives of their own."""

    def derivative(self, out: Array, x: Array, *, order: int) -> Array:
        return self(x, order=order + 1)


class Exprel(Quotient):
    """`exprel(x, order=)`: the derivative of some order of (eˣ − 1)/x."""

    function = "exprel"
    samples = tuple(Sample(*s.args, order=n) for n in (0, 2) for s in floats(-3, 3, hard=(0.0, 1e-9, 9.0, -9.0)))

    def compute(self, *xs: Any, order: int) -> Any:
        return exprel_derivative(xs[0], order) if order else super().compute(*xs)


class Log1pQuotient(Quotient):
    """`log1p_quotient(x, order=)`: the derivative of some order of log(1 + x)/x."""

    samples = tuple(Sample(*s.args, order=n) for n in (0, 2) for s in floats(-0.6, 3, hard=(0.0, 1e-9, 0.39, 0.41)))

    def compute(self, *xs: Any, order: int) -> Any:
        return log1p_quotient_derivative(xs[0], order)


class SineQuotient(Quotient):
    """`sine_quotient(x, order=)`: the derivative of some order of sin(x)/x."""

    samples = tuple(Sample(*s.args, order=n) for n in (0, 2) for s in floats(-4, 4, hard=(0.0, 1e-9, 2.9, 3.1)))

    def compute(self, *xs: Any, order: int) -> Any:
        return sine_quotient_derivative(xs[0], order)


class Exp1(Special):
    """`exp1(x)`: E₁(x) = ∫ₓ^∞ e⁻ᵗ/t dt for x > 0."""

    function, samples = "exp1", floats(0.2, 4, hard=(1e-6, 30.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return -exp(-x) / x


class Expi(Special):
    """`expi(x)`: Ei(x), the principal value of ∫ eᵗ/t dt from −∞ to x."""

    function, samples = "expi", floats(0.2, 4, hard=(0.01, 30.0, -2.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return exp(x) / select(eq(x, np.inf), 1.0, x)


class Expn(Special):
    """`expn(n, x)`: Eₙ(x) = ∫₁^∞ e⁻ˣᵗ/tⁿ dt for integers n from 0 on and x ≥ 0; it has a derivative by x."""

    function, whole = "expn", ("n",)
    samples = (
        Sample(np.array([0, 1, 2, 5]), draw(0.5, 4, (4,))),
        Sample(np.int64(3), draw(0.5, 4, (2, 3))),
        Sample(np.int64(2), draw(0.5, 4)),
        Sample(np.int64(3), draw(0.5, 4, (0,))),
    )

    def derivative(self, out: Array, n: Array, x: Array) -> Any:
        def by_x() -> Array:
            last = eq(n, 0)
            y = select(last, x, 1.0)
            return select(last, -exp(-y) * (1 + 1 / y) / y, -expn(select(last, 1, n) - 1, select(last, 1.0, x)))

        return 0.0, by_x


class Spence(Special):
    """`spence(x)`: Li₂(1 − x) = −∫₁ˣ log(t)/(t − 1) dt, for x ≥ 0."""

    function, samples = "spence", floats(0.2, 4, hard=(1.0, 1.4, 0.01, 30.0))

    def derivative(self, out: Array, x: Array) -> Array:
        low = lt(x, 0.5)  # where x − 1 would round
        y = select(low, x, 0.5)
        return select(low, log(y) / (1 - y), -log1p_quotient(select(low, 1.0, x) - 1, order=0))


class SineIntegral(Special):
    """`sine_integral(x)`: Si(x) = ∫₀ˣ sin(t)/t dt."""

    samples = floats(-4, 4, hard=(0.0, 30.0))

    def compute(self, *xs: Any) -> Any:
        return scipy_function("sici")(*xs)[0]

    def derivative(self, out: Array, x: Array) -> Array:
        return sine_quotient(x, order=0)


class CosineIntegral(Special):
    """`cosine_integral(x)`: Ci(x) = −∫ₓ^∞ cos(t)/t dt, for x > 0."""

    samples = floats(0.2, 4, hard=(1e-3, 30.0))

    def compute(self, *xs: Any) -> Any:
        return scipy_function("sici")(*xs)[1]

    def derivative(self, out: Array, x: Array) -> Array:
        far = eq(x, np.inf)
        return select(far, 0.0, cos(select(far, 0.0, x))) / x


class Fresnel(Special):
    """A Fresnel integral."""

    position: int

    def compute(self, *xs: Any) -> Any:
        return scipy_function("fresnel")(*xs)[self.position]


class FresnelS(Fresnel):
    """`fresnel_s(x)`: S(x) = ∫₀ˣ sin(πt²/2) dt."""

    position, samples = 0, floats(-3, 3, hard=(0.0, 6.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return sin((math.pi / 2) * square(x))


class FresnelC(Fresnel):
    """`fresnel_c(x)`: C(x) = ∫₀ˣ cos(πt²/2) dt."""

    position, samples = 1, floats(-3, 3, hard=(0.0, 6.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return cos((math.pi / 2) * square(x))


exprel = Exprel()
log1p_quotient = Log1pQuotient()
sine_quotient = SineQuotient()
exp1 = Exp1()
expi = Expi()
expn = Expn()
spence = Spence()
sine_integral = SineIntegral()
cosine_integral = CosineIntegral()
fresnel_s = FresnelS()
fresnel_c = FresnelC()

without_scipy(exprel=lambda x: exprel_derivative(x, 0))
