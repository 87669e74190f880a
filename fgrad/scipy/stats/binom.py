"""The binomial distribution: how many of n attempts succeed, each with probability p. It has derivatives by p.

>>> from fgrad.scipy.stats import binom
>>> round(float(binom.pmf(1, 2, 0.25)), 6)
0.375
"""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import betainc
from fgrad.primitives.special_gamma import betaln
from fgrad.primitives.special_inverse import betaincc
from fgrad.scipy.stats.discrete import Discrete
from fgrad.scipy.stats.logarithms import by_powers_at, times_log, times_log1p
from fgrad.scipy.stats.parameters import COUNT, PROBABILITY, parameters

__all__ = ["binom", "log_binomial"]


class Binom(Discrete):
    """n over k times pᵏ·(1 − p)ⁿ⁻ᵏ for 0 ≤ k ≤ n."""

    name = "binom"
    shapes = parameters(n=COUNT, p=PROBABILITY)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, shapes[0]

    def _pmf(self, k: Array, n: Array, p: Array) -> Array:
        # At p = 0 or 1 only the first or last few have derivatives of low orders; others overflow.
        few = fnp.minimum(k, n - k) < 8
        return by_powers_at(
            fnp.logical_or(p == 0, p == 1),
            p,
            0.5,
            lambda p: fnp.exp(self._logpmf(k, n, p)),
            lambda p: fnp.exp(fnp.where(few, log_binomial(n, k), 0.0)) * fnp.power(p, k) * fnp.power(1 - p, n - k),
        )

    def _logpmf(self, k: Array, n: Array, p: Array) -> Array:
        return log_binomial(n, k) + times_log(k, p) + times_log1p(n - k, -p)

    def _cdf(self, k: Array, n: Array, p: Array) -> Array:
        return betaincc(k + 1, fnp.maximum(n - k, 1.0), p)

    def _sf(self, k: Array, n: Array, p: Array) -> Array:
        return betainc(k + 1, fnp.maximum(n - k, 1.0), p, order=(0, 0))


def log_binomial(n: Array, k: Array) -> Array:
    """The logarithm of n over k."""
    return -fnp.log1p(n) - betaln(n - k + 1, k + 1)


binom = Binom.publish()
