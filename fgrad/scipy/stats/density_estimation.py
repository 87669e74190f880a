"""Densities estimated from samples: a normal distribution about each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.primitives.families import shape_of
from fgrad.primitives.softmax import reduce_logsumexp
from fgrad.primitives.special_normal import ndtr
from fgrad.random import choice, normal, split
from fgrad.scipy.stats.logarithms import log_of
from fgrad.scipy.stats.multivariate_normal import multivariate_normal
from fgrad.scipy.stats.parameters import scalar
from fgrad.tree import register_pytree_node_class

__all__ = ["gaussian_kde"]


@register_pytree_node_class
class gaussian_kde:  # noqa: N801 (SciPy's name)
    """The density Σᵢ wᵢ·N(x; xᵢ, h²·C), where C is the covariance of the samples.

    It is a pytree and a smooth function of the samples, the weights, and the points at which it is taken.

    Args:
        dataset: samples, of shape (n,), or (d, n) in d dimensions.
        bw_method: the bandwidth h: "scott" (or `None`), n^(−1/(d + 4)); "silverman", (n·(d + 2)/4)^(−1/(d + 4)); a
            number; or a function of the estimate.
        weights: of the samples, of shape (n,); they are divided by their sum.

    Attributes:
        dataset: of shape (d, n).
        weights: they sum to 1.
        neff: how many samples of equal weight these are worth, 1/Σ wᵢ².
        factor: the bandwidth h.
        covariance: h²·C.
        inv_cov: its inverse.

    Raises:
        ShapeError: there are less than two samples, or not as many weights as samples.
        ArgumentError: there is no such bandwidth.

    >>> kde = gaussian_kde([0.0, 1.0])
    >>> round(float(kde([0.5])[0]), 6)
    0.46598
    """

    dataset: Array
    weights: Array
    neff: Array
    factor: Array
    covariance: Array
    inv_cov: Array

    @public
    def __init__(
        self, dataset: Any, bw_method: str | float | Callable[[Any], Any] | None = None, weights: Any = None
    ) -> None:
        x = fnp.atleast_2d(dataset)
        dtype = aval_of(x).dtype
        if dtype.kind not in "biuf":
            raise ShapeError(message(f"gaussian_kde takes real numbers; `dataset` is {aval_of(x)}."))
        self.dataset = x = as_dtype(x, dtype if dtype.kind == "f" else np.float64)
        if len(shape_of(x)) != 2 or shape_of(x)[1] < 2:
            what = f"gaussian_kde of samples of shape {shape_of(x)}."
            raise ShapeError(message(what, cure="There must be two at least: (n,), or (d, n) in d dimensions."))
        self.weights = self._weights(weights)
        self.neff = 1 / fnp.sum(fnp.square(self.weights))
        self.factor = self._bandwidth(bw_method)
        centred = x - fnp.matmul(x, self.weights)[:, None]
        covariance = fnp.matmul(centred * self.weights, centred.T) / (1 - 1 / self.neff)
        self.covariance = covariance * fnp.square(self.factor)
        self.inv_cov = fnp.linalg.inv(covariance) / fnp.square(self.factor)

    def _weights(self, weights: Any) -> Array:
        dtype = aval_of(self.dataset).dtype
        if weights is None:
            return np.full(self.n, 1 / self.n, dtype)
        w = fnp.atleast_1d(weights)
        if shape_of(w) != (self.n,):
            raise ShapeError(message(f"gaussian_kde: {self.n} samples, and weights of shape {shape_of(w)}."))
        w = as_dtype(w, dtype)
        return w / fnp.sum(w)

    def _bandwidth(self, bw_method: Any) -> Array:
        if bw_method is None or (isinstance(bw_method, str) and bw_method == "scott"):
            return self.scotts_factor()
        if isinstance(bw_method, str) and bw_method == "silverman":
            return self.silverman_factor()
        if callable(bw_method):
            bw_method = bw_method(self)
        if isinstance(bw_method, str) or np.ndim(bw_method):
            cure = "It must be 'scott', 'silverman', a number, or a function of the estimate."
            raise ArgumentError(message(f"`bw_method` of gaussian_kde is {bw_method!r}.", cure=cure))
        return as_dtype(fnp.asarray(bw_method), aval_of(self.dataset).dtype)

    def tree_flatten(self) -> tuple[tuple[Array, ...], None]:
        """The attributes as children of a pytree."""
        return (self.dataset, self.weights, self.neff, self.factor, self.covariance, self.inv_cov), None

    @classmethod
    def tree_unflatten(cls, aux_data: None, children: tuple[Any, ...]) -> Self:
        """The estimate with these attributes."""
        out = cls.__new__(cls)
        out.dataset, out.weights, out.neff, out.factor, out.covariance, out.inv_cov = children
        return out

    @property
    def d(self) -> int:
        """How many dimensions there are."""
        return shape_of(self.dataset)[0]

    @property
    def n(self) -> int:
        """How many samples there are."""
        return shape_of(self.dataset)[1]

    def scotts_factor(self) -> Array:
        """Scott's bandwidth."""
        return fnp.power(self.neff, -1.0 / (self.d + 4))

    def silverman_factor(self) -> Array:
        """Silverman's bandwidth."""
        return fnp.power(self.neff * ((self.d + 2) / 4), -1.0 / (self.d + 4))

    @public
    def evaluate(self, points: Any) -> Array:
        """The density at points of shape (m,) or (d, m)."""
        return fnp.exp(self._logpdf(points))

    __call__ = evaluate
    pdf = evaluate

    @public
    def logpdf(self, points: Any) -> Array:
        """The logarithm of the density at points of shape (m,) or (d, m), accurate far from all samples too."""
        return self._logpdf(points)

    def _logpdf(self, points: Any) -> Array:
        at = self._points(points)
        factor = fnp.linalg.cholesky(self.covariance, symmetrize_input=True)
        samples, at = fnp.linalg.solve(factor, self.dataset), fnp.linalg.solve(factor, at)
        distance = fnp.sum(fnp.square(at[:, :, None] - samples[:, None, :]), 0)
        constant = fnp.sum(fnp.log(fnp.diagonal(factor))) + 0.5 * self.d * math.log(2 * math.pi)
        return reduce_logsumexp(log_of(self.weights) - 0.5 * distance, axes=(1,)) - constant

    def _points(self, points: Any) -> Array:
        at = fnp.atleast_2d(points)
        if shape_of(at)[0] != self.d and shape_of(at) == (1, self.d):
            at = at.T
        if shape_of(at)[0] != self.d or len(shape_of(at)) != 2:
            what = f"points of shape {shape_of(at)} for samples in {self.d} dimensions."
            raise ShapeError(message(what, cure=f"Their shape must be ({self.d}, m)."))
        return as_dtype(at, np.result_type(aval_of(at).dtype, aval_of(self.dataset).dtype))

    @public
    def integrate_gaussian(self, mean: Any, cov: Any) -> Array:
        """The integral of the density times that of a normal distribution."""
        centre, spread = fnp.atleast_1d(mean), fnp.atleast_2d(cov)
        if shape_of(centre) != (self.d,) or shape_of(spread) != (self.d, self.d):
            what = f"a mean of shape {shape_of(centre)} and a covariance of shape {shape_of(spread)}"
            raise ShapeError(message(f"{what} for samples in {self.d} dimensions."))
        return self._overlap(centre[:, None], np.ones(1), spread)

    @public
    def integrate_kde(self, other: gaussian_kde) -> Array:
        """The integral of the density times another one."""
        if other.d != self.d:
            raise ShapeError(message(f"integrate_kde of densities in {self.d} and {other.d} dimensions."))
        return self._overlap(other.dataset, other.weights, other.covariance)

    def _overlap(self, centres: Array, weights: Array, cov: Array) -> Array:
        gaps = fnp.moveaxis(self.dataset[:, :, None] - centres[:, None, :], 0, -1)
        density = multivariate_normal.pdf(gaps, np.zeros(self.d), self.covariance + cov)
        return scalar(fnp.matmul(fnp.matmul(self.weights, density), weights))

    @public
    def integrate_box_1d(self, low: Any, high: Any) -> Array:
        """The probability between two bounds, in one dimension."""
        if self.d != 1:
            raise ShapeError(message(f"integrate_box_1d of a density in {self.d} dimensions."))
        if np.ndim(low) or np.ndim(high):
            raise ShapeError(message("the bounds of integrate_box_1d must be numbers."))
        width = fnp.sqrt(self.covariance[0, 0])
        below, above = (low - self.dataset[0]) / width, (high - self.dataset[0]) / width
        return scalar(fnp.sum(self.weights * (ndtr(above) - ndtr(below))))

    @public
    def resample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Random samples of the density, of shape (d, *shape), drawn with a key of `fgrad.random`."""
        which, noise = split(key)
        picked = choice(which, self.n, shape=shape, p=self.weights)
        moved = normal(noise, (self.d, *shape), aval_of(self.dataset).dtype)
        factor = fnp.linalg.cholesky(self.covariance, symmetrize_input=True)
        return self.dataset[:, picked] + fnp.tensordot(factor, moved, 1)
