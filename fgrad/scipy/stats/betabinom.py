"""The beta-binomial distribution: how many of n attempts succeed, with a probability that has a beta distribution.

>>> from fgrad.scipy.stats import betabinom
>>> round(float(betabinom.pmf(1, 2, 1.0, 1.0)), 6)
0.333333
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.primitives.special_gamma import betaln
from fgrad.scipy.stats.binom import log_binomial
from fgrad.scipy.stats.discrete import Discrete
from fgrad.scipy.stats.parameters import COUNT, POSITIVE, parameters

__all__ = ["betabinom"]


class Betabinom(Discrete):
    """n over k times B(k + a, n − k + b) / B(a, b) for 0 ≤ k ≤ n."""

    name = "betabinom"
    shapes = parameters(n=COUNT, a=POSITIVE, b=POSITIVE)

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, shapes[0]

    def _logpmf(self, k: Array, n: Array, a: Array, b: Array) -> Array:
        return log_binomial(n, k) + betaln(k + a, n - k + b) - betaln(a, b)


betabinom = Betabinom.publish()
