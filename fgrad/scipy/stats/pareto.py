"""Pareto's distribution, with exponent b.

>>> from fgrad.scipy.stats import pareto
>>> float(pareto.sf(2.0, b=3.0))
0.125
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.logarithms import log1mexp
from fgrad.scipy.stats.parameters import POSITIVE, parameters

__all__ = ["pareto"]


class Pareto(Continuous):
    """Density b·y^−(b+1) for y ≥ 1."""

    name, anchor = "pareto", 2.0
    shapes = parameters(b=POSITIVE)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 1.0, np.inf

    def _logpdf(self, y: Array, b: Array) -> Array:
        return fnp.log(b) - (b + 1) * fnp.log(y)

    def _cdf(self, y: Array, b: Array) -> Array:
        return -fnp.expm1(-b * fnp.log(y))

    def _logcdf(self, y: Array, b: Array) -> Array:
        return log1mexp(b * fnp.log(y))

    def _sf(self, y: Array, b: Array) -> Array:
        return fnp.power(y, -b)

    def _logsf(self, y: Array, b: Array) -> Array:
        return -b * fnp.log(y)

    def _ppf(self, q: Array, b: Array) -> Array:
        return fnp.exp(-fnp.log1p(-q) / b)

    def _isf(self, q: Array, b: Array) -> Array:
        return fnp.exp(-fnp.log(q) / b)


pareto = Pareto.publish()
