"""Derivatives along a curve by nested forward mode: what Taylor mode is held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial
from typing import Any

import numpy as np

import fgrad

__all__ = ["directions", "nested", "nested_derivatives"]


def nested(f: Callable[..., Any], order: int) -> Callable[..., Any]:
    """The derivative of some order of a function of a scalar, by forward mode of forward mode."""
    for _ in range(order):
        f = _pushed(f)
    return f


def _pushed(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda t: fgrad.jvp(f, (t,), (1.0,))[1]


def nested_derivatives(f: Callable[..., Any], xs: Sequence[Any], series: Sequence[Any], order: int) -> list[Any]:
    """The derivatives, from order 0 on, of t ↦ f(x(t)) at 0, where `series` are the derivatives of x, or `None`."""

    def along(t: Any) -> Any:
        points = []
        for x, terms in zip(xs, series, strict=True):
            for k, term in enumerate(terms or (), 1):
                x = x + np.asarray(term)[()] * t**k / factorial(k)
            points.append(x)
        return f(*points)

    return [nested(along, k)(0.0) for k in range(order + 1)]


def directions(xs: Sequence[Any], order: int, rng: np.random.Generator) -> list[Any]:
    """Random derivatives of a curve through some arrays; `None` for those that are not of real or complex numbers."""
    series: list[Any] = []
    for x in map(np.asarray, xs):
        if x.dtype.kind not in "fc":
            series.append(None)
            continue
        terms = [rng.normal(size=x.shape) for _ in range(order)]
        if x.dtype.kind == "c":
            terms = [term + 1j * rng.normal(size=x.shape) for term in terms]
        series.append([np.asarray(term, x.dtype)[()] for term in terms])
    return series
