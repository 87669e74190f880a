"""The Bernoulli distribution: 1 with probability p, otherwise 0.

>>> from fgrad.scipy.stats import bernoulli
>>> float(bernoulli.pmf(0, 0.25))
0.75
"""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.scipy.stats.discrete import Discrete
from fgrad.scipy.stats.logarithms import times_log, times_log1p
from fgrad.scipy.stats.parameters import PROBABILITY, parameters

__all__ = ["bernoulli"]


class Bernoulli(Discrete):
    """p for k = 1, 1 − p for k = 0."""

    name = "bernoulli"
    shapes = parameters(p=PROBABILITY)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, 1.0

    def _pmf(self, k: Array, p: Array) -> Array:
        return fnp.where(k == 1, p, 1 - p)

    def _logpmf(self, k: Array, p: Array) -> Array:
        return times_log(k, p) + times_log1p(1 - k, -p)

    def _cdf(self, k: Array, p: Array) -> Array:
        return 1 - p + 0.0 * k  # k = 0; NaN stays NaN

    def _sf(self, k: Array, p: Array) -> Array:
        return p + 0.0 * k

    def _ppf(self, q: Array, p: Array) -> Array:
        return fnp.where(q > 1 - p, 1.0, 0.0 * q)


bernoulli = Bernoulli.publish()
