"""Weights that add up to 1, and their logarithms. NumPy has no such functions; SciPy has them in `scipy.special`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.numpy.axes import as_dtype, reduced_axes
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.softmax import log_softmax as log_softmax_p
from fgrad.primitives.softmax import softmax as softmax_p

__all__ = ["log_softmax", "softmax"]


def softmax(x: Any, axis: Any = None) -> Array:
    """`softmax(x, axis)`: eˣ / Σ eˣ, without overflow; infinities are taken as limits.

    Args:
        x: an array; integers are taken as float64.
        axis: the axes along which the weights add up to 1; all of them by default.

    >>> softmax([0.0, np.log(3.0)])
    array([0.25, 0.75])
    """
    values = _operand(x)
    return softmax_p(values, axes=reduced_axes(axis, aval_of(values).ndim))


def log_softmax(x: Any, axis: Any = None) -> Array:
    """`log_softmax(x, axis)`: x − log Σ eˣ, without overflow; infinities are taken as limits.

    Every element and every derivative is right relative to itself, also where one weight is all but 1: it loses no
    digits to 1, as `x - logsumexp(x)` does.

    Args:
        x: an array of real numbers; integers are taken as float64.
        axis: the axes along which the weights add up to 1; all of them by default.

    >>> log_softmax([0.0, -40.0])
    array([-4.24835426e-18, -4.00000000e+01])
    """
    values = _operand(x)
    return log_softmax_p(values, axes=reduced_axes(axis, aval_of(values).ndim))


def _operand(x: Any) -> Array:
    x = as_operand(x)
    dtype = aval_of(x).dtype
    return as_dtype(x, dtype if dtype.kind in "fc" else np.dtype(np.float64))
