"""Convolutions of signals, windows, and Bessel's function that one of them is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.parts import operand
from fgrad.primitives.comparison import ne
from fgrad.primitives.convolution import convolution, flipped
from fgrad.primitives.exponential import exp
from fgrad.primitives.families import shape_of
from fgrad.primitives.rounding import absolute, conj
from fgrad.primitives.shape import reshape
from fgrad.primitives.special import bessel_ie

__all__ = ["bartlett", "blackman", "convolve", "correlate", "hamming", "hanning", "i0", "kaiser"]

bartlett = np.bartlett
blackman = np.blackman
hamming = np.hamming
hanning = np.hanning

_ALONG = (((), ()), ((), ()), ((0,), (0,)))


def _rows(a: Any, v: Any, name: str) -> tuple[Array, Array]:
    rows = []
    for position, x in enumerate((a, v)):
        x = operand(x)
        shape = shape_of(x)
        if len(shape) > 1 or 0 in shape:
            what = f"{name} takes rows that are not empty; argument {position} has the shape {shape}."
            raise ShapeError(message(what, cure="For more axes there is fgrad.vmap, for images fgrad.lax.conv."))
        rows.append(x if shape else reshape(x, shape=(1,)))
    return rows[0], rows[1]


def _slid(x: Array, y: Array, mode: Any) -> Array:
    """Σₖ x[p + k]·y[k], for the longer x."""
    m = shape_of(y)[0]
    paddings = {"full": (m - 1, m - 1), "same": (m // 2, m - m // 2 - 1), "valid": (0, 0)}
    if mode not in paddings:
        raise ArgumentError(message(f"`mode` is {mode!r}.", cure="It must be 'full', 'same' or 'valid'."))
    dtype = np.result_type(aval_of(x).dtype, aval_of(y).dtype)
    wide = np.dtype(np.int64) if dtype.kind == "b" else dtype
    window = ((1, *paddings[mode], 1, 1),)
    out = convolution(as_dtype(x, wide), as_dtype(y, wide), dimension_numbers=_ALONG, window=window)
    return ne(out, 0) if dtype.kind == "b" else out


def convolve(a: Any, v: Any, mode: Any = "full") -> Array:
    """`convolve(a, v, mode)`: Σₖ a[n − k]·v[k].

    Args:
        a: a row of numbers.
        v: another one.
        mode: "full": wherever they overlap; "same": as long as the longer; "valid": where they overlap in full.

    >>> convolve([1, 2, 3], [1, 1])
    array([1, 3, 5, 3])
    """
    if type(a) is ndarray is type(v) or not is_traced(a, v):
        return np.convolve(a, v, mode)
    x, y = _rows(a, v, "convolve")
    if shape_of(y)[0] > shape_of(x)[0]:
        x, y = y, x
    return _slid(x, flipped(y, (0,)), mode)


def correlate(a: Any, v: Any, mode: Any = "valid") -> Array:
    """`correlate(a, v, mode)`: Σₙ a[n + k]·conj(v[n]), for the shifts k that `convolve` has.

    >>> correlate([1, 2, 3], [0, 1])
    array([2, 3])
    """
    if type(a) is ndarray is type(v) or not is_traced(a, v):
        return np.correlate(a, v, mode)
    if not shape_of(as_operand(a)) or not shape_of(as_operand(v)):
        raise ShapeError(message("correlate takes rows, got a number.", cure="Make it a row: x.reshape(1)."))
    x, y = _rows(a, v, "correlate")
    y = conj(y) if aval_of(y).dtype.kind == "c" else y
    if shape_of(x)[0] >= shape_of(y)[0]:
        return _slid(x, y, mode)
    return flipped(_slid(y, x, mode), (0,))


def i0(x: Any) -> Array:
    """`i0(x)`: the modified Bessel function of the first kind, of order 0. Of traced arrays it needs SciPy.

    >>> i0(0.0)
    array(1.)
    """
    if type(x) is ndarray or not is_traced(x):
        return np.i0(x)
    a = as_operand(x)
    if aval_of(a).dtype.kind == "c":
        raise TypeError(message(f"i0 takes real numbers, got {aval_of(a)}."))
    a = as_dtype(a, aval_of(a).dtype if aval_of(a).dtype.kind == "f" else np.float64)
    return exp(absolute(a)) * bessel_ie(a, order=0)


def kaiser(M: Any, beta: Any) -> Array:
    """`kaiser(M, beta)`: Kaiser's window, I₀(β·√(1 − x²)) / I₀(β) for M points x from −1 to 1.

    >>> kaiser(3, 0.0)
    array([1., 1., 1.])
    """
    if not is_traced(beta):
        return np.kaiser(M, beta)
    if M == 1:
        return np.ones(1)
    n = np.arange(M)
    alpha = (M - 1) / 2.0
    return i0(beta * np.sqrt(np.maximum(1 - ((n - alpha) / alpha) ** 2.0, 0))) / i0(
        as_dtype(as_operand(beta), np.float64)
    )
