"""Convolutions and correlations of arrays of any number of axes, directly or by Fourier transforms."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.convolution import convolution, flipped
from fgrad.primitives.families import shape_of

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve"]

Axes = tuple[int, ...]

_MODES = ("full", "same", "valid")
_METHODS = ("auto", "direct", "fft")
_BOUNDARIES = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}
_FFT_COST = 2.0
"""What a point of all three transforms costs per level, in multiplications of the direct sum. Measured at 0.25; but the
direct sum is more accurate where its terms differ in size."""


@public
def convolve(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", *, axes: Any = None, dot_axes: Any = None
) -> Array:
    """`convolve(in1, in2)`: Σₖ in1[n − k]·in2[k], along all axes.

    Args:
        in1: an array.
        in2: another one, of as many axes.
        mode: "full": wherever they overlap; "same": as large as `in1`, in the middle of that; "valid": where one
            lies in the other.
        method: "direct", "fft" (by Fourier transforms), or "auto": what takes fewer operations.
        axes: two lists, of axes of `in1` and of `in2`, to convolve along, in place of all axes. The arrays may then
            differ in their number of axes; the result has the other axes of `in1`, those of `in2`, then these.
        dot_axes: two lists of axes to sum products along, besides.

    Returns:
        An array of the dtype that NumPy promotes the two to; whole numbers stay whole.

    Raises:
        ShapeError: the arrays do not fit together.
        ArgumentError: `mode`, `method` or the axes are not of this form.

    >>> convolve([1, 2, 3], [0, 1, 2])
    array([0, 1, 4, 7, 6])
    """
    x, y = _pair(in1, in2)
    _choice("mode", mode, _MODES)
    _choice("method", method, _METHODS)
    if axes is not None or dot_axes is not None:
        return _along(x, y, axes, dot_axes, mode)
    _same_rank("convolve", x, y)
    if not shape_of(x):
        return fnp.multiply(x, y)
    if method == "direct" or (method == "auto" and not _worth_transforming(x, y, mode)):
        return _direct(x, y, mode)
    out = _transformed(x, y, mode, tuple(range(len(shape_of(x)))))
    dtype = aval_of(x).dtype
    return out if dtype.kind in "fc" else as_dtype(fnp.round(out), dtype)


@public
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    """`correlate(in1, in2)`: Σₙ in1[n + k]·conj(in2[n]), along all axes.

    Args:
        in1, in2, mode, method: see `convolve`.

    >>> correlate([1, 2, 3], [0, 1, 2])
    array([2, 5, 8, 3, 0])
    """
    x, y = _pair(in1, in2)
    _same_rank("correlate", x, y)
    return convolve(x, _reversed(y), mode, method)


@public
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Array:
    """`convolve2d(in1, in2)`: the convolution of two arrays of two axes, with a choice of what is beyond the first.

    Args:
        in1, in2, mode: see `convolve`.
        boundary: "fill": `fillvalue`; "wrap": the array again; "symm": its mirror image.
        fillvalue: a number.

    >>> convolve2d([[1, 2]], [[1, 1]], mode="same")
    array([[1, 3]])
    """
    return _two_axes("convolve2d", *_pair(in1, in2), mode, boundary, fillvalue, lambda m: (m - 1) // 2)


@public
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Array:
    """`correlate2d(in1, in2)`: the correlation of two arrays of two axes.

    Args:
        in1, in2, mode, boundary, fillvalue: see `convolve2d`.

    >>> correlate2d([[1, 2]], [[0, 1]], mode="valid")
    array([[2]])
    """
    x, y = _pair(in1, in2)
    return _two_axes("correlate2d", x, _reversed(y), mode, boundary, fillvalue, lambda m: m // 2)


@public
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    """`fftconvolve(in1, in2)`: `convolve` by Fourier transforms, along some axes; the others broadcast.

    Args:
        in1, in2, mode: see `convolve`.
        axes: the axes to convolve along; all, if not given.

    Returns:
        An array of floating-point numbers, also for whole ones.

    >>> fftconvolve([1.0, 2.0], [1.0, 1.0]).round(6)
    array([1., 3., 2.])
    """
    x, y = _pair(in1, in2)
    _choice("mode", mode, _MODES)
    _same_rank("fftconvolve", x, y)
    ndim = len(shape_of(x))
    if not ndim:
        return fnp.multiply(x, y)
    along = tuple(range(ndim)) if axes is None else _axes(axes, ndim)
    if not along:
        raise ArgumentError(message("fftconvolve: `axes` is empty.", cure="Name at least one axis."))
    for axis in set(range(ndim)) - set(along):
        if shape_of(x)[axis] != shape_of(y)[axis] and 1 not in (shape_of(x)[axis], shape_of(y)[axis]):
            what = f"fftconvolve of arrays of shapes {shape_of(x)} and {shape_of(y)} along the axes {along}"
            raise ShapeError(message(f"{what}: they differ along axis {axis}."))
    return _transformed(x, y, mode, along)


def _pair(in1: Any, in2: Any) -> tuple[Array, Array]:
    x, y = as_operand(in1), as_operand(in2)
    dtype = np.result_type(aval_of(x).dtype, aval_of(y).dtype)
    return as_dtype(fnp.asarray(x), dtype), as_dtype(fnp.asarray(y), dtype)


def _choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ArgumentError(
            message(f"`{name}` is {value!r}.", cure=f"It must be one of {', '.join(map(repr, choices))}.")
        )


def _same_rank(name: str, x: Array, y: Array) -> None:
    shapes = shape_of(x), shape_of(y)
    if len(shapes[0]) != len(shapes[1]):
        raise ShapeError(message(f"{name} takes arrays of as many axes, got the shapes {shapes[0]} and {shapes[1]}."))
    if 0 in shapes[0] or 0 in shapes[1]:
        raise ShapeError(
            message(f"{name} takes arrays that are not empty, got the shapes {shapes[0]} and {shapes[1]}.")
        )


def _axes(axes: Any, ndim: int) -> Axes:
    given = (axes,) if np.ndim(axes) == 0 else tuple(axes)
    out = tuple([operator.index(a) for a in given])
    if not all(-ndim <= a < ndim for a in out) or len({a % ndim for a in out}) != len(out):
        raise ArgumentError(message(f"the axes {out} of an array of {ndim} axes.", cure="Name different axes."))
    return tuple([a % ndim for a in out])


def _reversed(x: Array) -> Array:
    """The kernel whose convolution is the correlation with this one."""
    out = flipped(x, tuple(range(len(shape_of(x)))))
    return fnp.conj(out) if aval_of(x).dtype.kind == "c" else out


def _swaps(lengths: Sequence[Sequence[int]], mode: str) -> bool:
    """Whether the second array is the larger one, where one must lie in the other."""
    left, right = lengths
    if mode != "valid" or all(n >= m for n, m in zip(left, right, strict=True)):
        return False
    if all(n <= m for n, m in zip(left, right, strict=True)):
        return True
    what = f"mode='valid' for lengths {tuple(left)} and {tuple(right)}"
    raise ShapeError(
        message(f"{what}: neither lies in the other.", cure="One must be at least as long along every axis.")
    )


def _window(m: int, mode: str) -> tuple[int, int, int, int, int]:
    """A window of m taps: stride, paddings below and above, dilations."""
    below = {"full": m - 1, "same": m - 1 - (m - 1) // 2, "valid": 0}[mode]
    above = {"full": m - 1, "same": (m - 1) // 2, "valid": 0}[mode]
    return 1, below, above, 1, 1


def _direct(x: Array, y: Array, mode: str) -> Array:
    n, m = shape_of(x), shape_of(y)
    if len(n) == 1 and (mode != "same" or n >= m):
        return fnp.convolve(x, y, mode)  # NumPy's own for concrete rows
    return _along(x, y, None, None, mode)


def _along(x: Array, y: Array, axes: Any, dot_axes: Any, mode: str) -> Array:
    ranks = len(shape_of(x)), len(shape_of(y))
    along = _paired("axes", [range(ranks[0]), range(ranks[1])] if axes is None else axes, ranks)
    dots = _paired("dot_axes", [(), ()] if dot_axes is None else dot_axes, ranks)
    lengths = [[shape_of(v)[a] for a in side] for v, side in zip((x, y), along, strict=True)]
    swapped = _swaps(lengths, mode)
    if swapped:
        x, y = y, x
        along, dots, lengths, ranks = along[::-1], dots[::-1], lengths[::-1], ranks[::-1]
    window = tuple([_window(m, mode) for m in lengths[1]])
    out = convolution(x, flipped(y, along[1]), dimension_numbers=(dots, ((), ()), along), window=window)
    if not swapped:
        return out
    free = [rank - len(a) - len(d) for rank, a, d in zip(ranks, along, dots, strict=True)]
    return fnp.moveaxis(out, tuple(range(free[0])), tuple(range(free[1], free[1] + free[0])))


def _paired(name: str, axes: Any, ranks: tuple[int, int]) -> tuple[Axes, Axes]:
    left, right = axes
    out = _axes(tuple(left), ranks[0]), _axes(tuple(right), ranks[1])
    if len(out[0]) != len(out[1]):
        raise ArgumentError(message(f"`{name}` is {axes!r}.", cure="It must pair axes of `in1` with those of `in2`."))
    return out


def _worth_transforming(x: Array, y: Array, mode: str) -> bool:
    if aval_of(x).dtype.kind not in "fc":
        return False
    shapes = shape_of(x), shape_of(y)
    full = math.prod(n + m - 1 for n, m in zip(*shapes, strict=True))
    out = full if mode == "full" else math.prod(shapes[0])
    return out * math.prod(shapes[1]) > _FFT_COST * full * math.log2(full + 1)


def _transformed(x: Array, y: Array, mode: str, axes: Axes) -> Array:
    shapes = shape_of(x), shape_of(y)
    lengths = [[shape[a] for a in axes] for shape in shapes]
    _swaps(lengths, mode)
    full = [n + m - 1 for n, m in zip(*lengths, strict=True)]
    fast = [_fast_length(n) for n in full]
    if aval_of(x).dtype.kind == "c":
        out = fnp.fft.ifftn(fnp.fft.fftn(x, fast, axes) * fnp.fft.fftn(y, fast, axes), None, axes)
    else:
        out = fnp.fft.irfftn(fnp.fft.rfftn(x, fast, axes) * fnp.fft.rfftn(y, fast, axes), fast, axes)
    wanted = {"full": full, "same": lengths[0], "valid": [abs(n - m) + 1 for n, m in zip(*lengths, strict=True)]}[mode]
    key = [slice(None)] * len(shapes[0])
    for axis, n, total in zip(axes, wanted, full, strict=True):
        first = (total - n) // 2
        key[axis] = slice(first, first + n)
    return out[tuple(key)]


def _fast_length(n: int) -> int:
    """The least product of powers of 2, 3 and 5 that is not less than n."""
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            two = three << max(0, (-(-n // three) - 1).bit_length())
            best = min(best, two)
            three *= 3
        five *= 5
    return best


def _two_axes(
    name: str, x: Array, y: Array, mode: str, boundary: str, fillvalue: Any, middle: Callable[[int], int]
) -> Array:
    """The convolution; where it is as large as x, it begins at the middle of y in the full one."""
    _choice("mode", mode, _MODES)
    _choice("boundary", boundary, tuple(_BOUNDARIES))
    if len(shape_of(x)) != 2 or len(shape_of(y)) != 2:
        what = f"{name} takes arrays of two axes, got the shapes {shape_of(x)} and {shape_of(y)}."
        raise ShapeError(message(what, cure="For any number of axes there are convolve and correlate."))
    _same_rank(name, x, y)
    if mode == "valid":
        return _direct(x, y, mode)
    shape = shape_of(y)
    widths = [(m - 1, m - 1) if mode == "full" else (m - 1 - middle(m), middle(m)) for m in shape]
    values = {"constant_values": fillvalue} if boundary == "fill" else {}
    padded = fnp.pad(x, widths, _BOUNDARIES[boundary], **values)
    return _direct(padded, y, "valid")
