"""The exponential distribution.

>>> from fgrad.scipy.stats import expon
>>> float(expon.logsf(1000.0, scale=2.0))
-500.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import log1mexp

__all__ = ["expon"]


class Expon(Continuous):
    """Density e⁻ʸ for y ≥ 0."""

    name = "expon"

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, np.inf

    def _logpdf(self, y: Array) -> Array:
        return -y

    def _cdf(self, y: Array) -> Array:
        return -fnp.expm1(-y)

    def _logcdf(self, y: Array) -> Array:
        return log1mexp(y)

    def _sf(self, y: Array) -> Array:
        return fnp.exp(-y)

    def _logsf(self, y: Array) -> Array:
        return -y

    def _ppf(self, q: Array) -> Array:
        return -fnp.log1p(-q)

    def _isf(self, q: Array) -> Array:
        return -fnp.log(q)


expon = Expon.publish()
