"""The logistic distribution.

>>> from fgrad.scipy.stats import logistic
>>> float(logistic.cdf(0.0))
0.5
>>> float(logistic.logcdf(-1000.0))
-1000.0
"""

from __future__ import annotations

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.exponential import logistic as sigmoid
from fgrad.scipy.stats.symmetric import Symmetric

__all__ = ["logistic"]


class Logistic(Symmetric):
    """Density e⁻ʸ / (1 + e⁻ʸ)²."""

    name = "logistic"

    def _logpdf(self, y: Array) -> Array:
        return self._logcdf(y) + self._logcdf(-y)

    def _cdf(self, y: Array) -> Array:
        return sigmoid(y)

    def _logcdf(self, y: Array) -> Array:
        below = y < 0
        return fnp.where(below, y, 0.0) - fnp.log1p(fnp.exp(fnp.where(below, y, -y)))

    def _ppf(self, q: Array) -> Array:
        return fnp.log(q) - fnp.log1p(-q)


logistic = Logistic.publish()
