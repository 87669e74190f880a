"""Laplace's distribution. Its density has a kink at loc: the derivative by x there is 0.

>>> from fgrad.scipy.stats import laplace
>>> float(laplace.cdf(0.0))
0.5
"""

from __future__ import annotations

import math

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.symmetric import Symmetric

__all__ = ["laplace"]


class Laplace(Symmetric):
    """Density ½·e^−|y|."""

    name = "laplace"

    def _logpdf(self, y: Array) -> Array:
        return -fnp.abs(y) - math.log(2)

    def _cdf(self, y: Array) -> Array:
        below = y < 0
        tail = 0.5 * fnp.exp(-fnp.where(below, -y, y))
        return fnp.where(below, tail, 1 - tail)

    def _logcdf(self, y: Array) -> Array:
        below = y < 0
        return fnp.where(below, y - math.log(2), fnp.log1p(-0.5 * fnp.exp(-fnp.where(below, 0.0, y))))

    def _ppf(self, q: Array) -> Array:
        low = q < 0.5
        tail = fnp.log(2 * fnp.where(low, q, 1 - q))
        return fnp.where(low, tail, -tail)


laplace = Laplace.publish()
