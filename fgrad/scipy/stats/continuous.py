"""Continuous distributions: location, scale, support and what follows from each other, in one place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import public
from fgrad.scipy.stats.distribution import Distribution, Point
from fgrad.scipy.stats.logarithms import exp_of, log_of
from fgrad.scipy.stats.parameters import everywhere, nowhere, scalar

__all__ = ["Continuous"]


class Continuous(Distribution):
    """A continuous distribution with a location and a scale.

    A subclass gives formulas of the standard member, for y inside the support and shapes in their domains: `_logpdf`;
    where it has them, `_pdf`, `_cdf`, `_sf`, `_logcdf`, `_logsf`, `_ppf`, `_isf`; and `support`.

    Outside the support the density is 0, its logarithm −∞, and the derivatives of both are 0; so for the others. At
    an end of the support the formulas hold as they do inside; where the density is 0 or ∞ there, derivatives are 0.
    """

    affine: ClassVar[Mapping[str, float]] = {"loc": 0.0, "scale": 1.0}
    functions: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(["pdf", "logpdf"], "_logpdf"),
        **dict.fromkeys(["cdf", "logcdf", "sf", "logsf"], "_cdf"),
        **dict.fromkeys(["ppf", "isf"], "_ppf"),
    }
    steep_ends: ClassVar[bool] = False
    """Whether the density may be infinite at an end: there, cumulative functions have derivatives 0."""
    anchor: ClassVar[float] = 1.0
    """What `inner` is, where that does not depend on the shapes."""

    def support(self, *shapes: Array) -> tuple[Any, Any]:
        """The ends of the support of the standard member."""
        return -np.inf, np.inf

    def inner(self, *shapes: Array) -> Any:
        """A point of the support, for which the formulas are computed where y is outside."""
        return self.anchor

    @public
    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """`pdf(x, *shapes, loc=0, scale=1)`: the probability density."""
        at = self.point("pdf", "x", x, args, kwargs)
        out = self._masked(self._pdf, at, 0.0, 0.0)
        return out if at.scale is None else scalar(out / at.scale)

    @public
    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """`logpdf(x, *shapes, loc=0, scale=1)`: the logarithm of the probability density."""
        at = self.point("logpdf", "x", x, args, kwargs)
        out = self._masked(self._logpdf, at, -np.inf, -np.inf)
        return out if at.scale is None else scalar(out - fnp.log(at.scale))

    @public
    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """`cdf(x, *shapes, loc=0, scale=1)`: the probability of at most x."""
        at = self.point("cdf", "x", x, args, kwargs)
        return self._masked(self._cdf, at, 0.0, 1.0)

    @public
    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """`logcdf(x, *shapes, loc=0, scale=1)`: the logarithm of the probability of at most x."""
        at = self.point("logcdf", "x", x, args, kwargs)
        return self._masked(self._logcdf, at, -np.inf, 0.0)

    @public
    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """`sf(x, *shapes, loc=0, scale=1)`: the probability of more than x, accurate where it is small."""
        at = self.point("sf", "x", x, args, kwargs)
        return self._masked(self._sf, at, 1.0, 0.0)

    @public
    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """`logsf(x, *shapes, loc=0, scale=1)`: the logarithm of the probability of more than x."""
        at = self.point("logsf", "x", x, args, kwargs)
        return self._masked(self._logsf, at, 0.0, -np.inf)

    @public
    def ppf(self, q: Any, *args: Any, **kwargs: Any) -> Array:
        """`ppf(q, *shapes, loc=0, scale=1)`: the x whose cdf is q; NaN unless 0 ≤ q ≤ 1."""
        at = self.point("ppf", "q", q, args, kwargs)
        return self._quantile(self._ppf, at, *self.support(*at.shapes))

    @public
    def isf(self, q: Any, *args: Any, **kwargs: Any) -> Array:
        """`isf(q, *shapes, loc=0, scale=1)`: the x whose sf is q, accurate for small q; NaN unless 0 ≤ q ≤ 1."""
        at = self.point("isf", "q", q, args, kwargs)
        return self._quantile(self._isf, at, *self.support(*at.shapes)[::-1])

    def _masked(self, f: Callable[..., Array], at: Point, below: float, above: float) -> Array:
        """A formula inside the support, constants below and above it; NaN stays NaN."""
        ends_too = self.steep_ends and below != above
        # An infinite x must not come into (x − loc)/scale: it has an infinite derivative by the scale.
        beyond = fnp.isinf(at.x)
        y = at.standard(at.x if nowhere(beyond) else fnp.where(beyond, 0.0, at.x))
        low, high = self.support(*at.shapes)
        if not _infinite(low):
            beyond = fnp.logical_or(beyond, y <= low if ends_too else y < low)
        if not _infinite(high):
            beyond = fnp.logical_or(beyond, y >= high if ends_too else y > high)
        if nowhere(beyond):
            return at.finished(f(y, *at.shapes))
        inner = self.inner(*at.shapes)
        out = f(fnp.where(beyond, inner, y) if not (_infinite(low) and _infinite(high)) else y, *at.shapes)
        first, last = aval_of(out).dtype.type(below), aval_of(out).dtype.type(above)
        elsewhere = first if below == above else fnp.where(at.x > at.affine(inner), last, first)
        return at.finished(out, beyond, elsewhere)

    def _quantile(self, f: Callable[..., Array], at: Point, first: Any, last: Any) -> Array:
        q = at.x
        inside = fnp.logical_and(q > 0, q < 1)
        if everywhere(inside):
            return at.finished(at.affine(f(q, *at.shapes)))
        out = f(fnp.where(inside, q, 0.5), *at.shapes)
        out = fnp.where(q == 0, first, fnp.where(q == 1, last, fnp.where(inside, out, np.nan)))
        return at.finished(at.affine(out))

    @abstractmethod
    def _logpdf(self, y: Array, *shapes: Array) -> Array: ...

    def _pdf(self, y: Array, *shapes: Array) -> Array:
        return exp_of(self._logpdf(y, *shapes))

    def _sf(self, y: Array, *shapes: Array) -> Array:
        return 1 - self._cdf(y, *shapes)

    def _logcdf(self, y: Array, *shapes: Array) -> Array:
        return log_of(self._cdf(y, *shapes), self._sf(y, *shapes))

    def _logsf(self, y: Array, *shapes: Array) -> Array:
        return log_of(self._sf(y, *shapes), self._cdf(y, *shapes))

    def _isf(self, q: Array, *shapes: Array) -> Array:
        return self._ppf(1 - q, *shapes)


def _infinite(end: Any) -> bool:
    """Whether an end of the support is known to be infinite."""
    return isinstance(end, float) and abs(end) == np.inf
