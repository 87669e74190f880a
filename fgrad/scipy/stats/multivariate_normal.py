"""The multivariate normal distribution.

>>> from fgrad.scipy.stats import multivariate_normal
>>> round(float(multivariate_normal.logpdf([0.0, 0.0], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])), 6)
-1.837877
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.primitives.families import shape_of
from fgrad.scipy.stats.logarithms import exp_of
from fgrad.scipy.stats.parameters import real_dtype, scalar

__all__ = ["entropy", "logpdf", "multivariate_normal", "pdf"]

_LOG_2PI = math.log(2 * math.pi)


@public
def logpdf(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
    """`logpdf(x, mean, cov)`: −½·(x − μ)ᵀΣ⁻¹(x − μ) − ½·log det 2πΣ.

    Args:
        x: points, of shape (…, n); for one dimension just numbers.
        mean: of shape (…, n), or a number; 0, if not given.
        cov: of shape (…, n, n), a row of variances, or one variance. Of a matrix it is the symmetric part that counts,
            so that its gradient is symmetric.
        allow_singular: with the pseudo-inverse and the product of the eigenvalues that are not 0; outside of what
            their eigenvectors span the density is 0.

    Returns:
        An array of the shape that the leading axes broadcast to.

    Raises:
        LinAlgError: cov is not positive definite, and `allow_singular` is not set.
        ShapeError: the shapes do not fit together.

    >>> round(float(logpdf([1.0, 0.0], [0.0, 0.0], 2.0)), 6)
    -2.781024
    """
    x, centre, cov = _arguments("multivariate_normal.logpdf", x, mean, cov)
    if not shape_of(centre):
        variance = fnp.reshape(cov, ())
        return scalar(-0.5 * (fnp.square(x - centre) / variance + fnp.log(variance) + _LOG_2PI))
    n = shape_of(centre)[-1]
    if n == 1 and shape_of(x)[-1:] != (1,):
        x = x[..., None]
    if shape_of(x)[-1:] != (n,):
        what = f"multivariate_normal.logpdf of points of shape {shape_of(x)} in {n} dimensions."
        raise ShapeError(message(what, cure=f"Their last axis must have the length {n}."))
    distance, log_det, rank = _form(x - centre, cov, n, allow_singular)
    return scalar(-0.5 * (distance + log_det + rank * _LOG_2PI))


@public
def pdf(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
    """`pdf(x, mean, cov)`: the exponential of `logpdf`.

    Args:
        x, mean, cov, allow_singular: see `logpdf`.

    >>> round(float(pdf([0.0, 0.0], [0.0, 0.0], 1.0)), 6)
    0.159155
    """
    return exp_of(logpdf(x, mean, cov, allow_singular))


@public
def entropy(mean: Any = None, cov: Any = 1) -> Array:
    """`entropy(mean, cov)`: ½·log det 2πeΣ.

    Args:
        mean: what says how many dimensions there are, where cov does not.
        cov: see `logpdf`.

    >>> round(float(entropy(cov=[[1.0, 0.0], [0.0, 1.0]])), 6)
    2.837877
    """
    _, centre, cov = _arguments("multivariate_normal.entropy", 0.0, mean, cov)
    if not shape_of(centre):
        return scalar(0.5 * (fnp.log(fnp.reshape(cov, ())) + _LOG_2PI + 1))
    n = shape_of(centre)[-1]
    _, log_det, _ = _form(fnp.zeros_like(centre), cov, n, allow_singular=False)
    return scalar(0.5 * (log_det + n * (_LOG_2PI + 1)))


def _arguments(place: str, x: Any, mean: Any, cov: Any) -> tuple[Array, Array, Array]:
    """Points, mean and covariance in one precision; a mean of 0 where none is given."""
    absent = mean is None
    if absent:
        mean = np.zeros(np.shape(cov)[-1:]) if np.ndim(cov) else 0.0
    dtype = real_dtype(place, ("x", "cov", "mean"), [x, cov] if absent else [x, cov, mean])
    x, mean, cov = [as_dtype(fnp.asarray(v), dtype) for v in (x, mean, cov)]
    n = shape_of(mean)[-1] if shape_of(mean) else 1
    sizes = shape_of(cov)[-2:] or (n,)
    if set(sizes) != {n}:
        what = f"{place} with a mean of shape {shape_of(mean)} and a covariance of shape {shape_of(cov)}."
        raise ShapeError(message(what, cure=f"In {n} dimensions a covariance has the shape (…, {n}, {n})."))
    return x, mean, cov


def _form(y: Array, cov: Array, n: int, allow_singular: bool) -> tuple[Array, Array, Any]:
    """yᵀΣ⁻¹y, log det Σ and the rank of Σ."""
    if len(shape_of(cov)) < 2 and not allow_singular:
        log_det = n * fnp.log(cov) if not shape_of(cov) else fnp.sum(fnp.log(cov))
        return fnp.sum(fnp.square(y) / cov, -1), log_det, n
    if len(shape_of(cov)) < 2:
        cov = fnp.diag(fnp.broadcast_to(cov, (n,)))
    if allow_singular:
        return _singular_form(y, cov)
    factor = fnp.linalg.cholesky(cov, symmetrize_input=True)
    whitened = fnp.linalg.solve(factor, y[..., None])[..., 0]
    log_det = 2 * fnp.sum(fnp.log(fnp.diagonal(factor, 0, -2, -1)), -1)
    return fnp.sum(fnp.square(whitened), -1), log_det, n


def _singular_form(y: Array, cov: Array) -> tuple[Array, Array, Array]:
    values, vectors = fnp.linalg.eigh(cov, symmetrize_input=True)
    dtype = aval_of(values).dtype
    limit = {"f": 1e3, "d": 1e6}.get(dtype.char, 1e6) * np.finfo(dtype).eps
    limit = limit * fnp.max(fnp.abs(values), -1, keepdims=True)
    kept = values > limit
    safe = fnp.where(kept, values, 1.0)
    along = fnp.matmul(y[..., None, :], vectors)[..., 0, :]
    outside = fnp.sum(fnp.where(kept, 0.0, fnp.square(along)), -1) > fnp.square(limit[..., 0])
    distance = fnp.sum(fnp.where(kept, fnp.square(along) / safe, 0.0), -1)
    return fnp.where(outside, np.inf, distance), fnp.sum(fnp.log(safe), -1), fnp.sum(kept, -1)


class MultivariateNormal:
    """The multivariate normal distribution."""

    name = "multivariate_normal"
    logpdf = staticmethod(logpdf)
    pdf = staticmethod(pdf)
    entropy = staticmethod(entropy)


multivariate_normal = MultivariateNormal()
