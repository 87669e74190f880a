"""Dirichlet's distribution, of probabilities that sum to 1.

>>> from fgrad.scipy.stats import dirichlet
>>> round(float(dirichlet.pdf([0.25, 0.75], [1.0, 1.0])), 6)
1.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ShapeError, message, public
from fgrad.primitives.families import shape_of
from fgrad.primitives.special import digamma, lgamma
from fgrad.scipy.stats.logarithms import exp_of, times_log
from fgrad.scipy.stats.parameters import numbers, scalar

__all__ = ["dirichlet", "entropy", "logpdf", "pdf"]

_ROUNDING = 64  # in units of the last place: how far a sum may be from 1


@public
def logpdf(x: Any, alpha: Any) -> Array:
    """`logpdf(x, alpha)`: log(Γ(Σ αᵢ)/Π Γ(αᵢ) · Π xᵢ^(αᵢ − 1)).

    Args:
        x: probabilities along the first axis, of which the last may be left out.
        alpha: a row of positive concentrations.

    Returns:
        An array without the first axis; −∞ where a probability is negative or they do not sum to 1, NaN where a
        concentration is not positive. Derivatives are taken as if all probabilities given were independent.

    Raises:
        ShapeError: x has neither as many probabilities as alpha nor one less.

    >>> round(float(logpdf([0.25, 0.75], [2.0, 1.0])), 6)
    -0.693147
    """
    x, alpha = _arguments(x, alpha)
    k = shape_of(alpha)[0]
    if shape_of(x)[0] == k - 1:
        x = fnp.concatenate([x, 1 - fnp.sum(x, 0, keepdims=True)], 0)
    concentrations = fnp.reshape(alpha, (k, *[1] * (len(shape_of(x)) - 1)))
    close = fnp.abs(fnp.sum(x, 0) - 1) <= _ROUNDING * k * np.finfo(aval_of(x).dtype).eps
    inside = fnp.logical_and(fnp.all(x >= 0, 0), close)
    valid = fnp.all(alpha > 0)
    concentrations = fnp.where(valid, concentrations, 1.0)
    terms = times_log(concentrations - 1, fnp.where(inside, x, 0.5)) - lgamma(concentrations)
    out = fnp.sum(terms, 0) + lgamma(fnp.sum(fnp.where(valid, alpha, 1.0)))
    out = fnp.where(inside, out, -np.inf)
    known = fnp.logical_not(fnp.any(fnp.isnan(x), 0))
    return scalar(fnp.where(fnp.logical_and(valid, known), out, np.nan))


@public
def pdf(x: Any, alpha: Any) -> Array:
    """`pdf(x, alpha)`: the exponential of `logpdf`.

    >>> round(float(pdf([0.25, 0.75], [2.0, 1.0])), 6)
    0.5
    """
    return exp_of(logpdf(x, alpha))


@public
def entropy(alpha: Any) -> Array:
    """`entropy(alpha)`: the differential entropy.

    Args:
        alpha: a row of positive concentrations.

    >>> float(entropy([1.0, 1.0]))
    0.0
    """
    (alpha,) = numbers("dirichlet.entropy", ["alpha"], [alpha])
    total = fnp.sum(alpha)
    log_beta = fnp.sum(lgamma(alpha)) - lgamma(total)
    return scalar(log_beta + (total - shape_of(alpha)[0]) * digamma(total) - fnp.sum((alpha - 1) * digamma(alpha)))


def _arguments(x: Any, alpha: Any) -> tuple[Array, Array]:
    (given,) = numbers("dirichlet.logpdf", ["x"], [fnp.asarray(x)])
    (concentrations,) = numbers("dirichlet.logpdf", ["alpha"], [fnp.asarray(alpha)])
    shapes = shape_of(given), shape_of(concentrations)
    if len(shapes[1]) != 1 or not shapes[0] or shapes[0][0] not in (shapes[1][0], shapes[1][0] - 1):
        what = f"dirichlet.logpdf of x of shape {shapes[0]} and alpha of shape {shapes[1]}."
        cure = "alpha is a row; the first axis of x is as long, or one less. For rows of alpha there is fgrad.vmap."
        raise ShapeError(message(what, cure=cure))
    dtype = np.result_type(aval_of(given).dtype, aval_of(concentrations).dtype)
    return fnp.astype(given, dtype), fnp.astype(concentrations, dtype)


class Dirichlet:
    """Dirichlet's distribution."""

    name = "dirichlet"
    logpdf = staticmethod(logpdf)
    pdf = staticmethod(pdf)
    entropy = staticmethod(entropy)


dirichlet = Dirichlet()
