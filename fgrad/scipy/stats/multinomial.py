"""The multinomial distribution: how often each of several things comes in n trials.

>>> from fgrad.scipy.stats import multinomial
>>> round(float(multinomial.pmf([1, 1], 2, [0.5, 0.5])), 6)
0.5
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.errors import ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.primitives.families import shape_of
from fgrad.primitives.special import lgamma
from fgrad.scipy.stats.logarithms import exp_of, times_log
from fgrad.scipy.stats.parameters import real_dtype, scalar

__all__ = ["logpmf", "multinomial", "pmf"]


@public
def logpmf(x: Any, n: Any, p: Any) -> Array:
    """`logpmf(x, n, p)`: log(n!·Π pᵢ^xᵢ/xᵢ!).

    Args:
        x: how often each thing came, along the last axis.
        n: the number of trials.
        p: the probability of each, along the last axis. They should sum to 1; that is not checked, and derivatives
            are taken as if they were independent.

    Returns:
        An array without the last axis; −∞ where the numbers are not whole or do not sum to n, NaN where a probability
        is negative or more than 1.

    >>> round(float(logpmf([1, 1], 2, [0.5, 0.5])), 6)
    -0.693147
    """
    dtype = real_dtype("multinomial.logpmf", "xnp", [x, n, p])
    x, n, p = [as_dtype(fnp.asarray(v), dtype) for v in (x, n, p)]
    n = n[..., None]
    if not shape_of(p) or not shape_of(x):
        what = f"multinomial.logpmf of x of shape {shape_of(x)} and p of shape {shape_of(p)}."
        raise ShapeError(message(what, cure="The things are numbered by the last axis of both."))
    whole, trials = fnp.floor(x), fnp.floor(n)
    possible = fnp.all(fnp.logical_and(whole == x, whole >= 0), -1)
    possible = fnp.logical_and(possible, fnp.sum(whole, -1) == trials[..., 0])
    valid = fnp.all(fnp.logical_and(p >= 0, p <= 1), -1)
    valid = fnp.logical_and(valid, fnp.logical_and(n == trials, n >= 0)[..., 0])
    counts = fnp.where(possible[..., None], whole, 0.0)
    chances = fnp.where(valid[..., None], p, 0.5)
    terms = times_log(counts, chances) - lgamma(counts + 1)
    out = lgamma(fnp.maximum(trials[..., 0], 0.0) + 1) + fnp.sum(terms, -1)
    return scalar(fnp.where(valid, fnp.where(possible, out, -np.inf), np.nan))


@public
def pmf(x: Any, n: Any, p: Any) -> Array:
    """`pmf(x, n, p)`: the exponential of `logpmf`.

    >>> round(float(pmf([1, 1], 2, [0.5, 0.5])), 6)
    0.5
    """
    return exp_of(logpmf(x, n, p))


class Multinomial:
    """The multinomial distribution."""

    name = "multinomial"
    logpmf = staticmethod(logpmf)
    pmf = staticmethod(pmf)


multinomial = Multinomial()
