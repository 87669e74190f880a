"""Cauchy's distribution.

>>> from fgrad.scipy.stats import cauchy
>>> float(cauchy.cdf(1.0))
0.75
"""

from __future__ import annotations

import math

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.symmetric import Symmetric

__all__ = ["cauchy"]


class Cauchy(Symmetric):
    """Density 1 / (π·(1 + y²))."""

    name = "cauchy"

    def _logpdf(self, y: Array) -> Array:
        return -math.log(math.pi) - fnp.log1p(y * y)

    def _cdf(self, y: Array) -> Array:
        return fnp.arctan2(1.0, -y) / math.pi

    def _ppf(self, q: Array) -> Array:
        # tan is accurate near 0, its poles are not: there, by the cotangent of the distance to them.
        low, high = q < 0.25, q > 0.75
        middle = fnp.tan(math.pi * (fnp.where(fnp.logical_or(low, high), 0.5, q) - 0.5))
        outer = 1 / fnp.tan(math.pi * fnp.where(low, q, fnp.where(high, 1 - q, 0.25)))
        return fnp.where(low, -outer, fnp.where(high, outer, middle))


cauchy = Cauchy.publish()
