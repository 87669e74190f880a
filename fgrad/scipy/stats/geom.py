"""The geometric distribution: which attempt is the first to succeed, each with probability p.

>>> from fgrad.scipy.stats import geom
>>> float(geom.pmf(2, 0.5))
0.25
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.discrete import Discrete
from fgrad.scipy.stats.logarithms import by_powers_at, exp_of, log1mexp, times_log1p
from fgrad.scipy.stats.parameters import POSITIVE_PROBABILITY, parameters

__all__ = ["geom"]


class Geom(Discrete):
    """p·(1 − p)ᵏ⁻¹ for k ≥ 1."""

    name, anchor = "geom", 1.0
    shapes = parameters(p=POSITIVE_PROBABILITY)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 1.0, np.inf

    def _pmf(self, k: Array, p: Array) -> Array:
        return by_powers_at(
            p == 1,
            p,
            0.5,
            lambda p: fnp.exp(self._logpmf(k, p)),
            lambda p: p * fnp.power(1 - p, k - 1),
        )

    def _logpmf(self, k: Array, p: Array) -> Array:
        return fnp.log(p) + times_log1p(k - 1, -p)

    def _cdf(self, k: Array, p: Array) -> Array:
        return -fnp.expm1(self._logsf(k, p))

    def _logcdf(self, k: Array, p: Array) -> Array:
        return log1mexp(-self._logsf(k, p))

    def _sf(self, k: Array, p: Array) -> Array:
        return exp_of(self._logsf(k, p))

    def _logsf(self, k: Array, p: Array) -> Array:
        return times_log1p(k, -p)

    def _ppf(self, q: Array, p: Array) -> Array:
        certain = p == 1
        k = fnp.ceil(fnp.log1p(-q) / fnp.log1p(-fnp.where(certain, 0.5, p)))
        k = fnp.maximum(fnp.where(certain, 1.0, k), 1.0)
        # Rounding may have taken it one too far.
        return fnp.where(fnp.logical_and(k > 1, self._cdf(k - 1, p) >= q), k - 1, k)


geom = Geom.publish()
