"""Distributions that are symmetric about 0: what is above is what is below the opposite point."""

from __future__ import annotations

from fgrad.core.aval import Array
from fgrad.scipy.stats.continuous import Continuous

__all__ = ["Symmetric"]


class Symmetric(Continuous):
    """A continuous distribution whose standard member has an even density; `_cdf`, `_logcdf` and `_ppf` are enough."""

    def _sf(self, y: Array, *shapes: Array) -> Array:
        return self._cdf(-y, *shapes)

    def _logsf(self, y: Array, *shapes: Array) -> Array:
        return self._logcdf(-y, *shapes)

    def _isf(self, q: Array, *shapes: Array) -> Array:
        return -self._ppf(q, *shapes)
