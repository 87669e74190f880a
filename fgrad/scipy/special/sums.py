"""Exponentials added up along axes. They work without SciPy."""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.numpy.axes import kept, reduced_axes
from fgrad.numpy.reductions import logsumexp
from fgrad.primitives.families import shape_of
from fgrad.primitives.softmax import reduce_logsumexp
from fgrad.primitives.softmax import softmax as softmax_over
from fgrad.scipy.special.operands import floating

__all__ = ["log_softmax", "logsumexp", "softmax"]


@public
def softmax(x: Any, axis: Any = None) -> Array:
    """`softmax(x, axis)`: eˣ / Σ eˣ over some axes, all of them by default.

    Infinities are taken as limits: what is +∞ shares the weight evenly.

    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    x = floating(x)
    return softmax_over(x, axes=reduced_axes(axis, len(shape_of(x))))


@public
def log_softmax(x: Any, axis: Any = None) -> Array:
    """`log_softmax(x, axis)`: x − log Σ eˣ over some axes, all of them by default.

    >>> log_softmax([0.0, 0.0]).round(6)
    array([-0.693147, -0.693147])
    """
    x = floating(x)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    return x - kept(reduce_logsumexp(x, axes=axes), shape, axes, True)
