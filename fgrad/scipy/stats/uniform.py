"""The uniform distribution, from loc to loc + scale.

>>> from fgrad.scipy.stats import uniform
>>> float(uniform.cdf(3.0, loc=2.0, scale=4.0))
0.25
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous

__all__ = ["uniform"]


class Uniform(Continuous):
    """Density 1 for 0 ≤ y ≤ 1."""

    name, anchor = "uniform", 0.5

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        return 0.0, 1.0

    def _logpdf(self, y: Array) -> Array:
        return 0.0 * y  # NaN stays NaN

    def _cdf(self, y: Array) -> Array:
        return y

    def _sf(self, y: Array) -> Array:
        return 1 - y

    def _ppf(self, q: Array) -> Array:
        return q


uniform = Uniform.publish()
