"""Cauchy's distribution wrapped around the circle, with concentration c.

>>> from fgrad.scipy.stats import wrapcauchy
>>> round(float(wrapcauchy.pdf(0.0, c=0.5)), 6)
0.477465
"""

from __future__ import annotations

import math
from typing import Any

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.parameters import INSIDE_UNIT, parameters

__all__ = ["wrapcauchy"]


class Wrapcauchy(Continuous):
    """Density (1 − c²) / (2π·(1 + c² − 2c·cos y)) for 0 ≤ y ≤ 2π."""

    name = "wrapcauchy"
    shapes = parameters(c=INSIDE_UNIT)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, 2 * math.pi

    def _logpdf(self, y: Array, c: Array) -> Array:
        # 1 + c² − 2c·cos y without cancellation for c close to 1.
        below = fnp.square(1 - c) + 4 * c * fnp.square(fnp.sin(0.5 * y))
        return fnp.log1p(-c) + fnp.log1p(c) - math.log(2 * math.pi) - fnp.log(below)

    def _cdf(self, y: Array, c: Array) -> Array:
        tail, upper = _tail(y, c)
        return fnp.where(upper, 1 - tail, tail)

    def _sf(self, y: Array, c: Array) -> Array:
        tail, upper = _tail(y, c)
        return fnp.where(upper, tail, 1 - tail)

    def _ppf(self, q: Array, c: Array) -> Array:
        angle = math.pi * q
        return 2 * fnp.arctan2((1 - c) * fnp.sin(angle), (1 + c) * fnp.cos(angle))


def _tail(y: Array, c: Array) -> tuple[Array, Array]:
    """The probability between an angle and the closer end of the circle, and whether that is the upper end."""
    upper = y > math.pi
    half = 0.5 * fnp.where(upper, 2 * math.pi - y, y)
    return fnp.arctan2((1 + c) * fnp.sin(half), (1 - c) * fnp.cos(half)) / math.pi, upper


wrapcauchy = Wrapcauchy.publish()
