"""Gumbel's distribution of smallest values: that of −y, where y has the one of largest values.

>>> from fgrad.scipy.stats import gumbel_l
>>> round(float(gumbel_l.sf(0.0)), 6)
0.367879
"""

from __future__ import annotations

from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.gumbel_r import gumbel_r

__all__ = ["gumbel_l"]


class GumbelL(Continuous):
    """Density exp(y − eʸ)."""

    name = "gumbel_l"

    def _logpdf(self, y: Array) -> Array:
        return gumbel_r._logpdf(-y)

    def _pdf(self, y: Array) -> Array:
        return gumbel_r._pdf(-y)

    def _cdf(self, y: Array) -> Array:
        return gumbel_r._sf(-y)

    def _logcdf(self, y: Array) -> Array:
        return gumbel_r._logsf(-y)

    def _sf(self, y: Array) -> Array:
        return gumbel_r._cdf(-y)

    def _logsf(self, y: Array) -> Array:
        return gumbel_r._logcdf(-y)

    def _ppf(self, q: Array) -> Array:
        return -gumbel_r._isf(q)

    def _isf(self, q: Array) -> Array:
        return -gumbel_r._ppf(q)


gumbel_l = GumbelL.publish()
