"""Student's distribution, with df degrees of freedom.

>>> from fgrad.scipy.stats import t
>>> round(float(t.cdf(0.0, df=3.0)), 6)
0.5
"""

from __future__ import annotations

import math

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import betainc, lgamma
from fgrad.primitives.special_inverse import betaincinv
from fgrad.scipy.stats.parameters import POSITIVE, parameters
from fgrad.scipy.stats.symmetric import Symmetric

__all__ = ["t"]


class T(Symmetric):
    """Density Γ((df+1)/2) / (√(π·df)·Γ(df/2)) · (1 + y²/df)^(−(df+1)/2)."""

    name = "t"
    shapes = parameters(df=POSITIVE)

    def _logpdf(self, y: Array, df: Array) -> Array:
        half = 0.5 * df
        constant = lgamma(half + 0.5) - lgamma(half) - 0.5 * (fnp.log(df) + math.log(math.pi))
        return constant - (half + 0.5) * fnp.log1p(y * y / df)

    def _cdf(self, y: Array, df: Array) -> Array:
        # I(z; df/2, df/2) with z = (1 + y/√(df + y²))/2 is smooth at 0, other forms are not; the lesser of z, 1 − z.
        below = y < 0
        size = fnp.where(below, -y, y)
        root = fnp.sqrt(df + size * size)
        half = 0.5 * df
        tail = betainc(half, half, 0.5 * (df / root) / (root + size), order=(0, 0))
        return fnp.where(below, tail, 1 - tail)

    def _ppf(self, q: Array, df: Array) -> Array:
        low = q < 0.5
        z = betaincinv(0.5 * df, 0.5 * df, fnp.where(low, q, 1 - q))
        size = fnp.sqrt(df) * (0.5 - z) / fnp.sqrt(z * (1 - z))
        return fnp.where(low, -size, size)


t = T.publish()
