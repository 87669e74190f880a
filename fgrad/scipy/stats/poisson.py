"""Poisson's distribution, with mean mu.

>>> from fgrad.scipy.stats import poisson
>>> round(float(poisson.pmf(0, 1.0)), 6)
0.367879
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.primitives.special import igamma, igammac, lgamma
from fgrad.scipy.stats.discrete import Discrete
from fgrad.scipy.stats.logarithms import by_powers_at, exp_of, times_log
from fgrad.scipy.stats.parameters import NOT_NEGATIVE, parameters

__all__ = ["poisson"]

_LARGE = 200.0
_TERMS = 450
"""The probability of more is 1e-50 for a mean of `_LARGE`."""


class Poisson(Discrete):
    """muᵏ·e^−mu / k! for k ≥ 0."""

    name = "poisson"
    shapes = parameters(mu=NOT_NEGATIVE)
    functions = MappingProxyType({**Discrete.functions, "entropy": "entropy"})

    def _pmf(self, k: Array, mu: Array) -> Array:
        return by_powers_at(
            mu == 0,
            mu,
            1.0,
            lambda mu: fnp.exp(self._logpmf(k, mu)),
            lambda mu: fnp.power(mu, k) * fnp.exp(-mu - lgamma(k + 1)),
        )

    def _logpmf(self, k: Array, mu: Array) -> Array:
        return times_log(k, mu) - lgamma(k + 1) - mu

    def _cdf(self, k: Array, mu: Array) -> Array:
        return igammac(k + 1, mu)

    def _sf(self, k: Array, mu: Array) -> Array:
        return igamma(k + 1, mu, order=0)

    @public
    def entropy(self, mu: Any, loc: Any = 0) -> Array:
        """`entropy(mu)`: −Σ pₖ·log pₖ.

        By the sum for small means, by an asymptotic series for large ones.

        Source: Evans and Boersma, "The entropy of a Poisson distribution" (1988).

        >>> round(float(poisson.entropy(1.0)), 6)
        1.304842
        """
        at = self.point("entropy", "loc", loc, (mu,), {})
        (mu,) = at.shapes
        large = mu > _LARGE
        out = fnp.where(large, _series(fnp.where(large, mu, _LARGE)), _sum(fnp.where(large, 1.0, mu)))
        return at.finished(out)


def _sum(mu: Array) -> Array:
    k = np.arange(_TERMS, dtype=mu.dtype)
    log_p = times_log(k, mu[..., None]) - mu[..., None] - lgamma(k + 1)
    impossible = log_p == -np.inf
    return fnp.sum(fnp.where(impossible, 0.0, -exp_of(log_p) * fnp.where(impossible, 0.0, log_p)), -1)


def _series(mu: Array) -> Array:
    u = 1 / mu
    tail = u * (1 / 12 + u * (1 / 24 + u * (19 / 360 + u * 9 / 80)))
    return 0.5 * (fnp.log(mu) + math.log(2 * math.pi * math.e)) - tail


poisson = Poisson.publish()
