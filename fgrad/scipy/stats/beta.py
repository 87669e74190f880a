"""The beta distribution, with shapes a and b.

>>> from fgrad.scipy.stats import beta
>>> float(beta.cdf(0.25, a=1.0, b=1.0))
0.25
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.primitives.special import betainc
from fgrad.primitives.special_gamma import betaln
from fgrad.primitives.special_inverse import betaincc, betaincinv
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import times_log, times_log1p
from fgrad.scipy.stats.parameters import POSITIVE, parameters

__all__ = ["beta"]


class Beta(Continuous):
    """Density yᵃ⁻¹·(1 − y)ᵇ⁻¹ / B(a, b) for 0 ≤ y ≤ 1."""

    name, anchor, steep_ends = "beta", 0.5, True
    shapes = parameters(a=POSITIVE, b=POSITIVE)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, 1.0

    def _logpdf(self, y: Array, a: Array, b: Array) -> Array:
        return times_log(a - 1, y) + times_log1p(b - 1, -y) - betaln(a, b)

    def _cdf(self, y: Array, a: Array, b: Array) -> Array:
        return betainc(a, b, y, order=(0, 0))

    def _sf(self, y: Array, a: Array, b: Array) -> Array:
        return betaincc(a, b, y)

    def _ppf(self, q: Array, a: Array, b: Array) -> Array:
        return betaincinv(a, b, q)

    def _isf(self, q: Array, a: Array, b: Array) -> Array:
        return 1 - betaincinv(b, a, q)


beta = Beta.publish()
