"""The normal distribution between two bounds: loc + a·scale and loc + b·scale.

>>> from fgrad.scipy.stats import truncnorm
>>> round(float(truncnorm.cdf(0.0, -1.0, 1.0)), 6)
0.5
>>> float(truncnorm.logpdf(2.0, -1.0, 1.0))
-inf
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import erf
from fgrad.primitives.special_normal import log_ndtr, ndtr, ndtri
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import exp_of, log1mexp, log_of
from fgrad.scipy.stats.parameters import ANY, parameters

__all__ = ["truncnorm"]


class Truncnorm(Continuous):
    """Density exp(−y²/2) / (√(2π)·(Φ(b) − Φ(a))) for a ≤ y ≤ b; the bounds may be infinite."""

    name = "truncnorm"
    shapes = parameters(a=ANY, b=ANY._replace(stand_in=1.0))

    def consistent(self, *shapes: Array) -> Any:
        return shapes[0] < shapes[1]

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return shapes

    def inner(self, *shapes: Array) -> Any:
        return fnp.maximum(shapes[0], fnp.minimum(shapes[1], 0.0))

    def _logpdf(self, y: Array, a: Array, b: Array) -> Array:
        return -0.5 * fnp.square(y) - 0.5 * math.log(2 * math.pi) - _log_mass(a, b)

    def _cdf(self, y: Array, a: Array, b: Array) -> Array:
        return exp_of(_log_mass(a, y) - _log_mass(a, b))

    def _sf(self, y: Array, a: Array, b: Array) -> Array:
        return exp_of(_log_mass(y, b) - _log_mass(a, b))

    def _logcdf(self, y: Array, a: Array, b: Array) -> Array:
        return _share(_log_mass(a, y) - _log_mass(a, b), self._sf(y, a, b))

    def _logsf(self, y: Array, a: Array, b: Array) -> Array:
        return _share(_log_mass(y, b) - _log_mass(a, b), self._cdf(y, a, b))

    def _ppf(self, q: Array, a: Array, b: Array) -> Array:
        below = (1 - q) * ndtr(a) + q * ndtr(b)
        above = (1 - q) * ndtr(-a) + q * ndtr(-b)
        left = below < above
        quantile = ndtri(fnp.where(left, below, above))
        return fnp.where(left, quantile, -quantile)

    def _isf(self, q: Array, a: Array, b: Array) -> Array:
        return -self._ppf(q, -b, -a)


def _share(log_p: Array, rest: Array) -> Array:
    """log p, by what is left of 1 where p is most of it."""
    most = rest < 0.5
    return fnp.where(most, fnp.log1p(-fnp.where(most, rest, 0.0)), log_p)


def _log_mass(a: Array, b: Array) -> Array:
    """log(Φ(b) − Φ(a)) for a ≤ b, without cancellation: on one side of 0 by logarithms, across it by a sum."""
    right = a > 0
    low, high = fnp.where(right, -b, a), fnp.where(right, -a, b)
    across = high > 0
    root = math.sqrt(2)
    sum_ = 0.5 * (erf(fnp.where(across, high, 1.0) / root) - erf(fnp.where(across, low, 0.0) / root))
    # Below 0; an infinite bound takes nothing off, and has no slope.
    high = fnp.where(across, 0.0, high)
    whole = low == -np.inf
    log_high = log_ndtr(high)
    log_low = log_ndtr(fnp.where(fnp.logical_or(across, whole), high - 1, low))
    one_side = log_high + fnp.where(whole, 0.0, log1mexp(log_high - log_low))
    return fnp.where(across, log_of(sum_), one_side)


truncnorm = Truncnorm.publish()
