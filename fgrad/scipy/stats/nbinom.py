"""The negative binomial distribution: how many attempts fail before n succeed, each with probability p.

>>> from fgrad.scipy.stats import nbinom
>>> round(float(nbinom.pmf(1, 2, 0.5)), 6)
0.25
"""

from __future__ import annotations

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import betainc
from fgrad.primitives.special_gamma import betaln
from fgrad.primitives.special_inverse import betaincc
from fgrad.scipy.stats.discrete import Discrete
from fgrad.scipy.stats.logarithms import times_log1p
from fgrad.scipy.stats.parameters import POSITIVE, POSITIVE_PROBABILITY, parameters

__all__ = ["nbinom"]


class Nbinom(Discrete):
    """Γ(n + k)/(Γ(n)·k!)·pⁿ·(1 − p)ᵏ for k ≥ 0; n may be any positive number."""

    name = "nbinom"
    shapes = parameters(n=POSITIVE, p=POSITIVE_PROBABILITY)

    def _logpmf(self, k: Array, n: Array, p: Array) -> Array:
        return n * fnp.log(p) + times_log1p(k, -p) - fnp.log(n + k) - betaln(n, k + 1)

    def _cdf(self, k: Array, n: Array, p: Array) -> Array:
        return betainc(n, k + 1, p, order=(0, 0))

    def _sf(self, k: Array, n: Array, p: Array) -> Array:
        return betaincc(n, k + 1, p)


nbinom = Nbinom.publish()
