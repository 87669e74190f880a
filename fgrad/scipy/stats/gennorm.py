"""The generalised normal distribution, with exponent beta.

>>> from fgrad.scipy.stats import gennorm
>>> float(gennorm.cdf(0.0, beta=1.5))
0.5
"""

from __future__ import annotations

import math

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import igammac, lgamma
from fgrad.primitives.special_inverse import gammainccinv
from fgrad.scipy.stats.parameters import POSITIVE, parameters
from fgrad.scipy.stats.symmetric import Symmetric

__all__ = ["gennorm"]


class Gennorm(Symmetric):
    """Density beta / (2·Γ(1/beta)) · exp(−|y|^beta)."""

    name = "gennorm"
    shapes = parameters(beta=POSITIVE)

    def _logpdf(self, y: Array, beta: Array) -> Array:
        return _log_peak(beta) - _power(y, beta)

    def _cdf(self, y: Array, beta: Array) -> Array:
        centre, below = y == 0, y < 0
        size = fnp.where(centre, 1.0, fnp.abs(y))
        tail = 0.5 * igammac(1 / beta, _power(size, beta))
        # In the middle the tail is no smooth function of |y|^beta, but one of y: ½ + y·density.
        return fnp.where(centre, 0.5 + y * fnp.exp(_log_peak(beta)), fnp.where(below, tail, 1 - tail))

    def _ppf(self, q: Array, beta: Array) -> Array:
        centre, low = q == 0.5, q < 0.5
        power = gammainccinv(1 / beta, 2 * fnp.where(low, q, fnp.where(centre, 0.25, 1 - q)))
        size = fnp.exp(fnp.log(power) / beta)
        return fnp.where(centre, (q - 0.5) * fnp.exp(-_log_peak(beta)), fnp.where(low, -size, size))


def _log_peak(beta: Array) -> Array:
    return fnp.log(beta) - math.log(2) - lgamma(1 / beta)


def _power(y: Array, beta: Array) -> Array:
    """|y|^beta; 0 at 0, with derivatives that are 0 too."""
    centre = y == 0
    return fnp.where(centre, 0.0, fnp.exp(beta * fnp.log(fnp.where(centre, 1.0, fnp.abs(y)))))


gennorm = Gennorm.publish()
