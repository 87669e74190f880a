"""Logarithms of what may be 0: there they are −∞, and their derivatives are 0, so that no NaN comes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.scipy.stats.parameters import nowhere

__all__ = ["by_powers_at", "exp_of", "log1mexp", "log_of", "times_log", "times_log1p"]


def log_of(
    p: Array,
    rest: Array | None = None,
    *,
    far: Callable[[Array], Array] | None = None,
    y: Array | None = None,
    inner: Array | None = None,
) -> Array:
    """log p for p ≥ 0; −∞ where p is too small for a normal number.

    Args:
        p: a probability.
        rest: 1 − p, by which the logarithm is accurate where p is close to 1.
        far: another formula for the logarithm, a function of y, for where p is too small.
        y: where p was taken.
        inner: a point that suits this other formula; it stands for y elsewhere.
    """
    tiny = p < np.finfo(aval_of(p).dtype).tiny
    known = nowhere(tiny)
    out = fnp.log(p if known else fnp.where(tiny, 1.0, p))
    if not known:
        beyond = -np.inf if far is None else far(fnp.where(tiny, y, inner))
        out = fnp.where(tiny, beyond, out)
    if rest is None:
        return out
    most = p > 0.5
    return out if nowhere(most) else fnp.where(most, fnp.log1p(-fnp.where(most, rest, 0.0)), out)


def exp_of(x: Array) -> Array:
    """eˣ, whose derivatives are 0 where x is infinite."""
    infinite = fnp.isinf(x)
    if nowhere(infinite):
        return fnp.exp(x)
    out = fnp.exp(fnp.where(infinite, 0.0, x))
    return fnp.where(x == np.inf, np.inf, fnp.where(x == -np.inf, 0.0, out))


def by_powers_at(
    edge: Array, p: Array, inner: float, logarithms: Callable[[Array], Array], powers: Callable[[Array], Array]
) -> Array:
    """A product of powers of p, by logarithms; where p is at an edge, and they are infinite, by the powers themselves.

    Args:
        edge: where p is 0, or 1.
        p: a parameter.
        inner: a value that is at no edge.
        logarithms: the product as an exponential, as a function of p.
        powers: the product itself, whose derivatives at the edges are exact.
    """
    if nowhere(edge):
        return logarithms(p)
    product = powers(fnp.where(edge, p, 0.0))
    return fnp.where(edge, product, logarithms(fnp.where(edge, inner, p)))


def log1mexp(u: Array) -> Array:
    """log(1 − e⁻ᵘ) for u ≥ 0, accurate everywhere.

    Source: Mächler, "Accurately computing log(1 − exp(−|a|))" (2012).
    """
    small = u < math.log(2)
    return fnp.where(
        small,
        log_of(-fnp.expm1(-fnp.where(small, u, 1.0))),
        fnp.log1p(-fnp.exp(-fnp.where(small, 1.0, u))),
    )


def times_log(c: Array, y: Array) -> Array:
    """c·log y for y ≥ 0; 0 where c is 0."""
    return _product(c, y == 0, lambda z: fnp.log(fnp.where(z, 1.0, y)))


def times_log1p(c: Array, y: Array) -> Array:
    """c·log(1 + y) for y ≥ −1; 0 where c is 0."""
    return _product(c, y == -1, lambda z: fnp.log1p(fnp.where(z, 0.0, y)))


def _product(c: Array, zero: Any, log: Any) -> Array:
    out = c * log(zero)
    if nowhere(zero):
        return out
    return fnp.where(zero, fnp.where(c > 0, -np.inf, fnp.where(c < 0, np.inf, 0.0 * c)), out)
