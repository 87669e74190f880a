"""The gamma distribution, with shape a.

>>> from fgrad.scipy.stats import gamma
>>> round(float(gamma.cdf(2.0, a=1.0, scale=2.0)), 6)
0.632121
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import igamma, igammac, lgamma
from fgrad.primitives.special_inverse import gammainccinv, gammaincinv
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import log_of, times_log
from fgrad.scipy.stats.parameters import POSITIVE, parameters

__all__ = ["gamma"]

_TERMS = 48
"""Of the series and the fraction, where probabilities are too small for a number."""


class Gamma(Continuous):
    """Density yᵃ⁻¹·e⁻ʸ / Γ(a) for y ≥ 0."""

    name, steep_ends = "gamma", True
    shapes = parameters(a=POSITIVE)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, np.inf

    def _logpdf(self, y: Array, a: Array) -> Array:
        return times_log(a - 1, y) - y - lgamma(a)

    def _cdf(self, y: Array, a: Array) -> Array:
        return igamma(a, y, order=0)

    def _logcdf(self, y: Array, a: Array) -> Array:
        return log_of(self._cdf(y, a), self._sf(y, a), far=lambda y: _log_lower(a, y), y=y, inner=0.5 * a)

    def _logsf(self, y: Array, a: Array) -> Array:
        return log_of(self._sf(y, a), self._cdf(y, a), far=lambda y: _log_upper(a, y), y=y, inner=2 * a + 100)

    def _sf(self, y: Array, a: Array) -> Array:
        return igammac(a, y)

    def _ppf(self, q: Array, a: Array) -> Array:
        return gammaincinv(a, q)

    def _isf(self, q: Array, a: Array) -> Array:
        return gammainccinv(a, q)


def _log_lower(a: Array, y: Array) -> Array:
    """log P(a, y) far below a, by the series e⁻ʸyᵃ/Γ(a + 1)·(1 + y/(a + 1)·(1 + y/(a + 2)·(…))) (DLMF 8.7.1)."""
    total = fnp.ones_like(y)
    for k in range(_TERMS, 0, -1):
        total = 1 + y / (a + k) * total
    return times_log(a, y) - y - lgamma(a + 1) + fnp.log(total)


def _log_upper(a: Array, y: Array) -> Array:
    """log Q(a, y) far above a, by Legendre's continued fraction (DLMF 8.9.2)."""
    below = y + (2 * _TERMS + 1) - a
    for k in range(_TERMS, 0, -1):
        below = y + (2 * k - 1) - a - k * (k - a) / below
    return a * fnp.log(y) - y - lgamma(a) - fnp.log(below)


gamma = Gamma.publish()
