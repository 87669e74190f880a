"""The normal distribution.

>>> from fgrad.scipy.stats import norm
>>> float(norm.cdf(3.0, loc=3.0, scale=2.0))
0.5
>>> round(float(norm.logsf(40.0)), 6)
-804.608442
"""

from __future__ import annotations

import math

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special_normal import log_ndtr, ndtr, ndtri
from fgrad.scipy.stats.symmetric import Symmetric

__all__ = ["norm"]


class Norm(Symmetric):
    """Density exp(−y²/2) / √(2π)."""

    name = "norm"

    def _logpdf(self, y: Array) -> Array:
        return -0.5 * fnp.square(y) - 0.5 * math.log(2 * math.pi)

    def _cdf(self, y: Array) -> Array:
        return ndtr(y)

    def _logcdf(self, y: Array) -> Array:
        return log_ndtr(y)

    def _ppf(self, q: Array) -> Array:
        return ndtri(q)


norm = Norm.publish()
