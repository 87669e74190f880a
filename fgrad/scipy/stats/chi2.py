"""The distribution χ² with df degrees of freedom: the gamma distribution of shape df/2 and scale 2.

>>> from fgrad.scipy.stats import chi2
>>> round(float(chi2.sf(2.0, df=2.0)), 6)
0.367879
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.gamma import gamma
from fgrad.scipy.stats.parameters import POSITIVE, parameters

__all__ = ["chi2"]


class Chi2(Continuous):
    """Density y^(df/2 − 1)·e^(−y/2) / (2^(df/2)·Γ(df/2)) for y ≥ 0."""

    name, steep_ends = "chi2", True
    shapes = parameters(df=POSITIVE)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, np.inf

    def _logpdf(self, y: Array, df: Array) -> Array:
        return gamma._logpdf(0.5 * y, 0.5 * df) - math.log(2)

    def _cdf(self, y: Array, df: Array) -> Array:
        return gamma._cdf(0.5 * y, 0.5 * df)

    def _logcdf(self, y: Array, df: Array) -> Array:
        return gamma._logcdf(0.5 * y, 0.5 * df)

    def _sf(self, y: Array, df: Array) -> Array:
        return gamma._sf(0.5 * y, 0.5 * df)

    def _logsf(self, y: Array, df: Array) -> Array:
        return gamma._logsf(0.5 * y, 0.5 * df)

    def _ppf(self, q: Array, df: Array) -> Array:
        return 2 * gamma._ppf(q, 0.5 * df)

    def _isf(self, q: Array, df: Array) -> Array:
        return 2 * gamma._isf(q, 0.5 * df)


chi2 = Chi2.publish()
