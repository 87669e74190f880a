"""The gamma distribution, with shape a.

>>> from fgrad.scipy.stats import gamma
>>> round(float(gamma.cdf(2.0, a=1.0, scale=2.0)), 6)
0.632121
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.primitives.special import igamma, igammac, lgamma
from fgrad.primitives.special_inverse import gammainccinv, gammaincinv
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import times_log
from fgrad.scipy.stats.parameters import POSITIVE, parameters

__all__ = ["gamma"]


class Gamma(Continuous):
    """Density yᵃ⁻¹·e⁻ʸ / Γ(a) for y ≥ 0."""

    name = "gamma"
    shapes = parameters(a=POSITIVE)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, np.inf

    def _logpdf(self, y: Array, a: Array) -> Array:
        return times_log(a - 1, y) - y - lgamma(a)

    def _cdf(self, y: Array, a: Array) -> Array:
        return igamma(a, y, order=0)

    def _sf(self, y: Array, a: Array) -> Array:
        return igammac(a, y)

    def _ppf(self, q: Array, a: Array) -> Array:
        return gammaincinv(a, q)

    def _isf(self, q: Array, a: Array) -> Array:
        return gammainccinv(a, q)


gamma = Gamma.publish()
