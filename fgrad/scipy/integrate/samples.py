"""Integrals of functions that are known by samples."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, message, public

__all__ = ["cumulative_trapezoid", "simpson", "trapezoid"]


@public
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """`trapezoid(y, x)`: Σ (xᵢ₊₁ − xᵢ)·(yᵢ + yᵢ₊₁)/2.

    Args:
        y: an array.
        x: where it is known, of the shape of y or of its axis; `dx` apart by default.
        dx: the distance of samples.
        axis: the axis of samples.

    >>> trapezoid(np.array([1.0, 2.0, 3.0]))
    np.float64(4.0)
    """
    return fnp.trapezoid(y, x, dx, axis)


def _steps(y: Array, x: Any, dx: Any, name: str) -> Any:
    """The distances of samples along the last axis."""
    if x is None:
        return dx
    given = fnp.asarray(x)
    if given.shape[-1:] != y.shape[-1:]:
        what = f"scipy.integrate.{name}: x of shape {tuple(given.shape)} does not fit {y.shape[-1]} samples."
        raise ArgumentError(message(what, cure="If given, it has the shape of y, or the length of the axis."))
    return given[..., 1:] - given[..., :-1]


@public
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: float | None = None) -> Array:
    """`cumulative_trapezoid(y, x)`: the integrals from the first sample to each of the others, by trapezoids.

    Args:
        y: an array.
        x: where it is known, of the shape of y or of its axis; `dx` apart by default.
        dx: the distance of samples.
        axis: the axis of samples.
        initial: 0, for the integral up to the first sample to come first.

    >>> cumulative_trapezoid(np.array([1.0, 2.0, 3.0]), initial=0)
    array([0. , 1.5, 4. ])
    """
    if initial not in (None, 0):
        raise ArgumentError(message(f"scipy.integrate.cumulative_trapezoid: initial must be None or 0, got {initial}."))
    values = fnp.moveaxis(fnp.asarray(y), axis, -1)
    if x is not None and np.ndim(x) > 1:
        x = fnp.moveaxis(fnp.asarray(x), axis, -1)
    out = fnp.cumsum(_steps(values, x, dx, "cumulative_trapezoid") * (values[..., 1:] + values[..., :-1]) / 2, axis=-1)
    if initial is not None:
        out = fnp.concatenate([fnp.zeros_like(out[..., :1]), out], axis=-1)
    return fnp.moveaxis(out, -1, axis)


@public
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Array:
    """`simpson(y, x)`: the integral of parabolas through three samples each; of the last interval of an even number of
    samples, of the parabola through the last three.

    Args:
        y: an array of at least one sample.
        x: where it is known, of the shape of y or of its axis; `dx` apart by default.
        dx: the distance of samples.
        axis: the axis of samples.

    >>> simpson(np.array([0.0, 1.0, 4.0]))
    np.float64(2.6666666666666665)

    Source: Cartwright, "Simpson's rule cumulative integration with MS Excel and irregularly-spaced data" (2017).
    """
    values = fnp.moveaxis(fnp.asarray(y), axis, -1)
    if x is not None and np.ndim(x) > 1:
        x = fnp.moveaxis(fnp.asarray(x), axis, -1)
    count = values.shape[-1]
    h = fnp.broadcast_to(_steps(values, x, dx, "simpson"), (*values.shape[:-1], count - 1)) * 1.0
    if count < 3:
        return fnp.sum(h * (values[..., 1:] + values[..., :-1]) / 2, axis=-1)
    odd = count - 1 + count % 2
    a, b = h[..., 0 : odd - 1 : 2], h[..., 1 : odd - 1 : 2]
    left, middle, right = values[..., 0 : odd - 2 : 2], values[..., 1 : odd - 1 : 2], values[..., 2:odd:2]
    total, product = a + b, a * b
    panels = total / 6 * (left * (2 - b / a) + middle * total**2 / product + right * (2 - a / b))
    out = fnp.sum(panels, axis=-1)
    if count % 2 == 0:
        a, b = h[..., -2], h[..., -1]
        y0, y1, y2 = values[..., -3], values[..., -2], values[..., -1]
        out = out + y2 * (2 * b**2 + 3 * a * b) / (6 * (a + b)) + y1 * (b**2 + 3 * a * b) / (6 * a)
        out = out - y0 * b**3 / (6 * a * (a + b))
    return out
