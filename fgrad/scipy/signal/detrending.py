"""Trends taken off signals."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, message, public
from fgrad.numpy.axes import as_dtype, one_axis
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.families import shape_of

__all__ = ["detrend"]


@public
def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False) -> Array:
    """`detrend(data)`: what is left of a signal when its trend is taken off. It is linear in the signal.

    Args:
        data: an array.
        axis: the axis along which time runs.
        type: "linear": a line of least squares; "constant": the mean.
        bp: where lines begin anew: positions along the axis.
        overwrite_data: for SciPy's sake; nothing is overwritten.

    Returns:
        An array of the same shape, of floating-point numbers.

    Raises:
        ArgumentError: there is no such type of trend, or a position is outside the signal.

    >>> detrend([1.0, 3.0, 5.0, 7.0]).round(6) + 0.0
    array([0., 0., 0., 0.])
    """
    if type not in ("linear", "l", "constant", "c"):
        raise ArgumentError(message(f"`type` is {type!r}.", cure="It must be 'linear' or 'constant'."))
    x = fnp.asarray(as_operand(data))
    dtype = aval_of(x).dtype
    x, axis = one_axis(as_dtype(x, dtype if dtype.kind in "fc" else np.float64), axis)
    if type in ("constant", "c"):
        return x - fnp.mean(x, axis, keepdims=True)
    n = shape_of(x)[axis]
    ends = np.unique(np.append(np.ravel(bp), [0, n])).astype(int)
    if ends[0] < 0 or ends[-1] > n:
        raise ArgumentError(message(f"`bp` is {bp!r}, for {n} points in time.", cure="Positions are from 0 to that."))
    x = fnp.moveaxis(x, axis, -1)
    pieces = [_off_line(x[..., a:b]) for a, b in pairwise(ends)]
    return fnp.moveaxis(fnp.concatenate(pieces, -1) if len(pieces) > 1 else pieces[0], -1, axis)


def _off_line(x: Array) -> Array:
    """Takes off the projection to constants and lines, which has an orthonormal basis."""
    n = shape_of(x)[-1]
    basis = np.linalg.qr(np.stack([np.ones(n), np.arange(n) - (n - 1) / 2], -1))[0] if n > 1 else np.ones((1, 1))
    basis = basis.astype(np.finfo(aval_of(x).dtype).dtype)
    return x - fnp.matmul(fnp.matmul(x, basis), basis.T)
