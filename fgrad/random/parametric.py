"""Distributions with parameters, made of standard numbers: what is drawn is differentiable in the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.primitives.shape import convert_element_type
from fgrad.random.standard import Shape, draw, parameter, real_dtype, refuse, split, static_shape

__all__ = [
    "double_sided_maxwell",
    "geometric",
    "lognormal",
    "maxwell",
    "multivariate_normal",
    "pareto",
    "rayleigh",
    "triangular",
    "wald",
    "weibull_min",
]


def _sized(
    function: str, shape: Shape | None, dtype: Any, **parameters: Any
) -> tuple[tuple[int, ...], np.dtype[Any], list[Array]]:
    """The shape and dtype of the result, and the parameters in that dtype."""
    kind = real_dtype(dtype, function)
    if shape is None:
        size = fnp.broadcast_shapes(*map(fnp.shape, parameters.values()))
    else:
        size = static_shape(shape, "shape", function)
    return size, kind, [parameter(x, name, size, kind, function) for name, x in parameters.items()]


def lognormal(key: Array, sigma: Any = 1.0, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Log-normal numbers: exp(σ·z), with z standard normal.

    Args:
        key: a key.
        sigma: σ, the standard deviation of the logarithm.
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> random.lognormal(random.key(0)).shape
    ()
    """
    size, kind, (scale,) = _sized("lognormal", shape, dtype, sigma=sigma)
    return fnp.exp(scale * draw("normal", key, size, kind, "lognormal"))


def rayleigh(key: Array, scale: Any, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Rayleigh numbers: scale·√(2e), with e standard exponential; density x/scale²·exp(−x²/(2·scale²)).

    Args:
        key: a key.
        scale: the mode, positive.
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> random.rayleigh(random.key(0), 2.0).shape
    ()
    """
    size, kind, (factor,) = _sized("rayleigh", shape, dtype, scale=scale)
    return factor * fnp.sqrt(2 * draw("exponential", key, size, kind, "rayleigh"))


def weibull_min(key: Array, scale: Any, concentration: Any, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Weibull numbers: scale·e^(1/concentration), with e standard exponential.

    Args:
        key: a key.
        scale: a positive factor.
        concentration: the exponent within the distribution function, 1 − exp(−(x/scale)^concentration).
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> random.weibull_min(random.key(0), 1.0, [1.0, 2.0]).shape
    (2,)
    """
    size, kind, (factor, power) = _sized("weibull_min", shape, dtype, scale=scale, concentration=concentration)
    return factor * draw("exponential", key, size, kind, "weibull_min") ** (1 / power)


def pareto(key: Array, b: Any, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Pareto numbers: exp(e/b), with e standard exponential; density b·x^(−b−1) for x ≥ 1.

    Args:
        key: a key.
        b: the exponent of the tail, positive.
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> bool(random.pareto(random.key(0), 3.0) >= 1)
    True
    """
    size, kind, (power,) = _sized("pareto", shape, dtype, b=b)
    return fnp.exp(draw("exponential", key, size, kind, "pareto") / power)


def triangular(key: Array, left: Any, mode: Any, right: Any, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Numbers with a triangular density, by inversion of the distribution function.

    Args:
        key: a key.
        left: where the density begins.
        mode: where it is largest.
        right: where it ends.
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> 0 <= random.triangular(random.key(0), 0.0, 1.0, 3.0) <= 3
    np.True_
    """
    size, kind, (low, peak, high) = _sized("triangular", shape, dtype, left=left, mode=mode, right=right)
    u = draw("uniform", key, size, kind, "triangular")
    rising = u * (high - low) < peak - low
    # A root that is not taken has no derivative at 0.
    up = fnp.sqrt(fnp.where(rising, u * (high - low) * (peak - low), 1))
    down = fnp.sqrt(fnp.where(rising, 1, (1 - u) * (high - low) * (high - peak)))
    return fnp.where(rising, low + up, high - down)


def wald(key: Array, mean: Any, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Wald, or inverse Gaussian, numbers of scale 1: density (2πx³)^(−1/2)·exp(−(x − mean)²/(2·mean²·x)).

    Args:
        key: a key.
        mean: the mean, positive.
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> bool(random.wald(random.key(0), 2.0) > 0)
    True

    Source: Michael, Schucany & Haas, "Generating random variates using transformations with multiple roots" (1976).
    """
    size, kind, (mu,) = _sized("wald", shape, dtype, mean=mean)
    first, second = split(key)
    y = mu * draw("normal", first, size, kind, "wald") ** 2
    # The smaller root of the quadratic equation, as a quotient: a difference would cancel.
    x = 2 * mu / (2 + y + fnp.sqrt(y * (4 + y)))
    return fnp.where(draw("uniform", second, size, kind, "wald") * (mu + x) <= mu, x, mu * mu / x)


def maxwell(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Maxwell numbers: the length of a vector of three standard normal numbers.

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> bool(random.maxwell(random.key(0)) > 0)
    True
    """
    size, kind, _ = _sized("maxwell", shape, dtype)
    return fnp.linalg.norm(draw("normal", key, (*size, 3), kind, "maxwell"), axis=-1)


def double_sided_maxwell(key: Array, loc: Any, scale: Any, shape: Shape | None = None, dtype: Any = float) -> Array:
    """Maxwell numbers with a random sign, scaled and shifted.

    Args:
        key: a key.
        loc: the centre.
        scale: the factor.
        shape: the shape of the result; left out, that of the parameters.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in the parameters.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> random.double_sided_maxwell(random.key(0), 0.0, 1.0, (3,)).shape
    (3,)
    """
    size, kind, (center, factor) = _sized("double_sided_maxwell", shape, dtype, loc=loc, scale=scale)
    first, second = split(key)
    sign = fnp.where(draw("uniform", first, size, kind, "double_sided_maxwell") < 0.5, -1, 1)
    return center + factor * sign * maxwell(second, size, kind)


def geometric(key: Array, p: Any, shape: Shape | None = None, dtype: Any = int) -> Array:
    """The number of trials up to the first success, 1, 2, …: ⌈ln u / ln(1 − p)⌉ by inversion.

    Args:
        key: a key.
        p: the chance of success, in (0, 1].
        shape: the shape of the result; left out, that of the parameters.
        dtype: an integer dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> int(random.geometric(random.key(0), 1.0))
    1
    """
    size, kind, (chance,) = _sized("geometric", shape, float, p=p)
    e = draw("exponential", key, size, kind, "geometric")
    unsure = chance < 1  # ln 0 is not taken
    trials = fnp.where(unsure, fnp.ceil(e / -fnp.log1p(-fnp.where(unsure, chance, 0.5))), 1)
    integer: np.dtype[Any] = np.dtype(dtype)
    if integer.kind not in "iu":
        refuse("geometric", f"`dtype` is {integer}", "Give an integer dtype.")
    return convert_element_type(fnp.clip(trials, 1, np.iinfo(integer).max // 2), dtype=integer)


def multivariate_normal(
    key: Array, mean: Any, cov: Any, shape: Shape | None = None, dtype: Any = float, method: str = "cholesky"
) -> Array:
    """Normal vectors with a mean and a covariance matrix: mean + A·z, with A·Aᵀ = cov and z standard normal.

    Args:
        key: a key.
        mean: shape (..., n).
        cov: shape (..., n, n), symmetric; positive definite for "cholesky", semi-definite for the others.
        shape: the shape of the result without its last axis; left out, that of the parameters.
        dtype: float32 or float64.
        method: how A is found: "cholesky" (the quickest), "eigh", or "svd".

    Returns:
        An array of shape (*shape, n), differentiable in `mean` and `cov`.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad import random
    >>> random.multivariate_normal(random.key(0), np.zeros(2), np.eye(2), (3,)).shape
    (3, 2)
    """
    kind = real_dtype(dtype, "multivariate_normal")
    center, spread = (convert_element_type(fnp.asarray(x), dtype=kind) for x in (mean, cov))
    sizes = aval_of(center).shape, aval_of(spread).shape
    if not sizes[0] or len(sizes[1]) < 2 or sizes[1][-2:] != (sizes[0][-1],) * 2:
        need = "`mean` of shape (..., n) needs `cov` of shape (..., n, n)"
        refuse("multivariate_normal", f"`mean` has shape {sizes[0]} and `cov` {sizes[1]}", f"{need}.")
    size = fnp.broadcast_shapes(sizes[0][:-1], sizes[1][:-2])
    if shape is not None:
        size = static_shape(shape, "shape", "multivariate_normal")
    z = draw("normal", key, (*size, sizes[0][-1]), kind, "multivariate_normal")
    return center + (_factor(spread, method) @ z[..., None])[..., 0]


def _factor(cov: Array, method: str) -> Array:
    """A matrix A with A·Aᵀ = cov."""
    if method == "cholesky":
        return fnp.linalg.cholesky(cov)
    if method == "eigh":
        w, v = fnp.linalg.eigh(cov)
        return v * fnp.sqrt(fnp.maximum(w, 0))[..., None, :]
    if method == "svd":
        u, s, _ = fnp.linalg.svd(cov)
        return u * fnp.sqrt(s)[..., None, :]
    return refuse("multivariate_normal", f"`method` is {method!r:.60}", "It is 'cholesky', 'eigh' or 'svd'.")
