"""Discrete distributions: location, support and what follows from each other, in one place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.scipy.stats.distribution import Distribution, Point
from fgrad.scipy.stats.logarithms import exp_of, log_of
from fgrad.scipy.stats.parameters import nowhere

__all__ = ["Discrete"]


class Discrete(Distribution):
    """A distribution of whole numbers, with a location.

    A subclass gives formulas of the standard member, for whole k in the support and shapes in their domains: `_logpmf`;
    where it has them, `_cdf`, `_sf`, `_logcdf`, `_logsf`, `_ppf`; and `support`.

    Between whole numbers and outside the support the probability is 0, and its logarithm −∞. There are derivatives
    by the shapes, where they are not whole numbers themselves; those by k and by the location are 0.
    """

    functions: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(["pmf", "logpmf"], "_logpmf"),
        **dict.fromkeys(["cdf", "logcdf", "sf", "logsf"], "_cdf"),
        "ppf": "_ppf",
    }
    anchor: ClassVar[float] = 0.0
    """A point of the support, for which the formulas are computed where k is outside."""

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        """The least and the largest number that can be."""
        return 0.0, np.inf

    @public
    def pmf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """`pmf(k, *shapes, loc=0)`: the probability of k."""
        at = self.point("pmf", "k", k, args, kwargs)
        return at.finished(self._mass(self._pmf, at, 0.0))

    @public
    def logpmf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """`logpmf(k, *shapes, loc=0)`: the logarithm of the probability of k."""
        at = self.point("logpmf", "k", k, args, kwargs)
        return at.finished(self._mass(self._logpmf, at, -np.inf))

    @public
    def cdf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """`cdf(k, *shapes, loc=0)`: the probability of at most k."""
        at = self.point("cdf", "k", k, args, kwargs)
        return at.finished(self._sum(self._cdf, at, 0.0, 1.0))

    @public
    def logcdf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """`logcdf(k, *shapes, loc=0)`: the logarithm of the probability of at most k."""
        at = self.point("logcdf", "k", k, args, kwargs)
        return at.finished(self._sum(self._logcdf, at, -np.inf, 0.0))

    @public
    def sf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """`sf(k, *shapes, loc=0)`: the probability of more than k, accurate where it is small."""
        at = self.point("sf", "k", k, args, kwargs)
        return at.finished(self._sum(self._sf, at, 1.0, 0.0))

    @public
    def logsf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """`logsf(k, *shapes, loc=0)`: the logarithm of the probability of more than k."""
        at = self.point("logsf", "k", k, args, kwargs)
        return at.finished(self._sum(self._logsf, at, 0.0, -np.inf))

    @public
    def ppf(self, q: Any, *args: Any, **kwargs: Any) -> Array:
        """`ppf(q, *shapes, loc=0)`: the least k whose cdf is q or more; NaN unless 0 ≤ q ≤ 1.

        For q = 0 it is the number below the support. It has no derivatives but 0.
        """
        at = self.point("ppf", "q", q, args, kwargs)
        low, high = self.support(*at.shapes)
        q = at.x
        inside = fnp.logical_and(q > 0, q < 1)
        out = self._ppf(fnp.where(inside, q, 0.5), *at.shapes)
        out = fnp.where(q == 0, low - 1, fnp.where(q == 1, high, fnp.where(inside, out, np.nan)))
        return at.finished(at.affine(out))

    def _mass(self, f: Callable[..., Array], at: Point, elsewhere: float) -> Array:
        y = at.standard(at.x)
        k = fnp.floor(y)
        low, high = self.support(*at.shapes)
        outside = fnp.logical_or(fnp.logical_or(k != y, y < low), fnp.logical_or(y > high, fnp.isinf(y)))
        if nowhere(outside):
            return f(k, *at.shapes)
        out = fnp.where(outside, elsewhere, f(fnp.where(outside, self.anchor, k), *at.shapes))
        return fnp.where(fnp.isnan(y), np.nan, out)

    def _sum(self, f: Callable[..., Array], at: Point, below: float, above: float) -> Array:
        k = fnp.floor(at.standard(at.x))
        low, high = self.support(*at.shapes)
        under, over = k < low, k >= high
        outside = fnp.logical_or(under, over)
        if nowhere(outside):
            return f(k, *at.shapes)
        out = f(fnp.where(outside, self.anchor, k), *at.shapes)
        return fnp.where(under, below, fnp.where(over, above, out))

    @abstractmethod
    def _logpmf(self, k: Array, *shapes: Array) -> Array: ...

    def _pmf(self, k: Array, *shapes: Array) -> Array:
        return exp_of(self._logpmf(k, *shapes))

    def _sf(self, k: Array, *shapes: Array) -> Array:
        return 1 - self._cdf(k, *shapes)

    def _logcdf(self, k: Array, *shapes: Array) -> Array:
        return log_of(self._cdf(k, *shapes), self._sf(k, *shapes))

    def _logsf(self, k: Array, *shapes: Array) -> Array:
        return log_of(self._sf(k, *shapes), self._cdf(k, *shapes))
