"""Gumbel's distribution of largest values.

>>> from fgrad.scipy.stats import gumbel_r
>>> round(float(gumbel_r.cdf(0.0)), 6)
0.367879
"""

from __future__ import annotations

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import log1mexp

__all__ = ["gumbel_r"]

_FAR = 11.0
"""exp(−exp(y)) is 0 in every floating-point format from less on, and its derivatives are."""


class GumbelR(Continuous):
    """Density exp(−y − e⁻ʸ)."""

    name = "gumbel_r"

    def _logpdf(self, y: Array) -> Array:
        return -y - fnp.exp(-y)

    def _pdf(self, y: Array) -> Array:
        return fnp.exp(self._logpdf(fnp.where(y < -_FAR, -_FAR, y)))

    def _cdf(self, y: Array) -> Array:
        return fnp.exp(-fnp.exp(-fnp.where(y < -_FAR, -_FAR, y)))

    def _logcdf(self, y: Array) -> Array:
        return -fnp.exp(-y)

    def _sf(self, y: Array) -> Array:
        return -fnp.expm1(-fnp.exp(-fnp.where(y < -_FAR, -_FAR, y)))

    def _logsf(self, y: Array) -> Array:
        # For large y the probability is e⁻ʸ, less its half square.
        far = y > 2 * _FAR
        near = log1mexp(fnp.exp(-fnp.clip(fnp.where(far, 0.0, y), -_FAR, None)))
        return fnp.where(far, -y + fnp.log1p(-0.5 * fnp.exp(-fnp.where(far, y, 1.0))), near)

    def _ppf(self, q: Array) -> Array:
        return -fnp.log(-fnp.log(q))

    def _isf(self, q: Array) -> Array:
        return -fnp.log(-fnp.log1p(-q))


gumbel_r = GumbelR.publish()
