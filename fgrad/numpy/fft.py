"""Fourier transforms: NumPy's module `numpy.fft`. Given only concrete arrays each function is NumPy's own.

Of traced arrays they are differentiable in every mode and to every order. Cotangents of complex arrays follow JAX's
conventions: the gradient of a real function of z = x + iy is ∂/∂x − i ∂/∂y.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import is_traced, refuse
from fgrad.numpy.dtypes import astype
from fgrad.numpy.manipulation import copy
from fgrad.numpy.padding import pad
from fgrad.numpy.parts import operand, part
from fgrad.numpy.protocols import register_namespace
from fgrad.numpy.rearranging import roll
from fgrad.numpy.ufuncs import conjugate
from fgrad.primitives import fourier
from fgrad.primitives.families import shape_of

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _norm(norm: Any) -> str:
    if norm is None:
        return "backward"
    if norm not in _OPPOSITE:
        raise ArgumentError(message(f"`norm` is {norm!r}.", cure='It must be "backward", "ortho" or "forward".'))
    return str(norm)


def _length(n: Any) -> int:
    length = operator.index(n)
    if length < 1:
        raise ShapeError(message(f"a Fourier transform of {length} points.", cure="There must be at least one."))
    return length


def _cut(x: Array, axis: int, n: int) -> Array:
    """n elements along an axis: the first ones, or with zeros behind."""
    shape = shape_of(x)
    if n <= shape[axis]:
        return x if n == shape[axis] else part(x, axis, slice(n))
    return pad(x, [(0, n - m if i == axis else 0) for i, m in enumerate(shape)])


def _complex(x: Array) -> Array:
    dtype = aval_of(x).dtype
    return x if dtype.kind == "c" else as_dtype(x, np.fft.fft(np.zeros(1, dtype)).dtype)


def _real(x: Array, name: str) -> Array:
    aval = aval_of(x)
    if aval.dtype.kind == "c":
        what = f"fgrad.numpy.fft.{name} takes real numbers, got {aval}."
        raise ShapeError(message(what, cure="Take x.real, or use the transform of complex numbers."))
    return x


def _along(x: Array, s: Any, axes: Any) -> tuple[list[int | None], tuple[int, ...]]:
    """The lengths (None: as it is) and the axes of a transform along several axes, checked."""
    ndim = len(shape_of(x))
    if axes is None:
        axes = tuple(range(ndim)) if s is None else tuple(range(-len(s), 0))
    axes = tuple([normalize_axis_index(operator.index(a), ndim) for a in axes])
    lengths = [None] * len(axes) if s is None else [None if n is None else operator.index(n) for n in s]
    if len(lengths) != len(axes):
        what = f"a Fourier transform along {len(axes)} axes with {len(lengths)} lengths in `s`."
        raise ArgumentError(message(what, cure="Give one for each axis; -1 leaves the length as it is."))
    shape = shape_of(x)
    return [shape[a] if n == -1 else n for n, a in zip(lengths, axes, strict=True)], axes


def _fitted(x: Array, lengths: Sequence[int | None], axes: Sequence[int]) -> Array:
    for n, axis in zip(lengths, axes, strict=True):
        x = _cut(x, axis, _length(shape_of(x)[axis] if n is None else n))
    return x


def _many(a: Any, s: Any, axes: Any, norm: Any, inverse: bool) -> Array:
    x = operand(a)
    norm = _norm(norm)
    lengths, along = _along(x, s, axes)
    if not along:
        return copy(x)
    return fourier.fft(_fitted(_complex(x), lengths, along), axes=along[::-1], inverse=inverse, norm=norm)


def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """`fft(a, n, axis)`: the discrete Fourier transform, y_k = Σ_j a_j exp(−2πi jk/n).

    Args:
        a: an array; real numbers are taken as complex ones.
        n: how many elements to transform; zeros are put behind where there are fewer.
        axis: the axis to transform along.
        norm: where the factor 1/n stands: with the inverse ("backward"), here ("forward"), or its root in both
            ("ortho").
        out: refused for traced arrays.

    Returns:
        An array of complex128, of complex64 for single precision.

    >>> fft([1.0, 2.0])
    array([ 3.+0.j, -1.+0.j])
    """
    if not is_traced(a):
        return np.fft.fft(a, n, axis, norm, out)
    refuse("fft.fft", out=out)
    return _many(a, None if n is None else (n,), (axis,), norm, False)


def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """`ifft(a, n, axis)`: the inverse of `fft`, a_j = 1/n Σ_k y_k exp(2πi jk/n).

    >>> ifft([3.0, -1.0])
    array([1.+0.j, 2.+0.j])
    """
    if not is_traced(a):
        return np.fft.ifft(a, n, axis, norm, out)
    refuse("fft.ifft", out=out)
    return _many(a, None if n is None else (n,), (axis,), norm, True)


def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Array:
    """`fftn(a, s, axes)`: the transform along several axes, by default along all.

    Args:
        a: an array.
        s: the length along each of the axes; -1 leaves it as it is.
        axes: the axes.
        norm: see `fft`.
        out: refused for traced arrays.

    >>> fftn([[1.0, 2.0], [3.0, 4.0]])
    array([[10.+0.j, -2.+0.j],
           [-4.+0.j,  0.+0.j]])
    """
    if not is_traced(a):
        return np.fft.fftn(a, s, axes, norm, out)
    refuse("fft.fftn", out=out)
    return _many(a, s, axes, norm, False)


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Array:
    """`ifftn(a, s, axes)`: the inverse of `fftn`.

    >>> ifftn([[4.0, 0.0], [0.0, 0.0]])
    array([[1.+0.j, 1.+0.j],
           [1.+0.j, 1.+0.j]])
    """
    if not is_traced(a):
        return np.fft.ifftn(a, s, axes, norm, out)
    refuse("fft.ifftn", out=out)
    return _many(a, s, axes, norm, True)


def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Array:
    """`fft2(a, s)`: `fftn` along the last two axes.

    >>> fft2([[1.0, 2.0]])
    array([[ 3.+0.j, -1.+0.j]])
    """
    return fftn(a, s, axes, norm, out)


def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Array:
    """`ifft2(a, s)`: `ifftn` along the last two axes.

    >>> ifft2([[3.0, -1.0]])
    array([[1.+0.j, 2.+0.j]])
    """
    return ifftn(a, s, axes, norm, out)


def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """`rfft(a, n, axis)`: the frequencies 0 to n // 2 of the transform of real numbers; the others are conjugates.

    >>> rfft([1.0, 2.0, 3.0])
    array([ 6. +0.j       , -1.5+0.8660254j])
    """
    if not is_traced(a):
        return np.fft.rfft(a, n, axis, norm, out)
    refuse("fft.rfft", out=out)
    return _real_many(a, None if n is None else (n,), (axis,), norm, "rfft")


def _real_many(a: Any, s: Any, axes: Any, norm: Any, name: str) -> Array:
    """The half spectrum along the last of the axes, then whole transforms along the others."""
    x, norm = operand(a), _norm(norm)
    lengths, along = _along(x, s, axes)
    _needs_axes(along, name)
    out = fourier.rfft(_fitted(_real(x, name), lengths, along), axis=along[-1], norm=norm)
    return fourier.fft(out, axes=along[-2::-1], inverse=False, norm=norm) if len(along) > 1 else out


def _needs_axes(axes: Sequence[int], name: str) -> None:
    if not axes:
        raise ShapeError(message(f"fgrad.numpy.fft.{name} transforms along at least one axis, got none."))


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Array:
    """`rfftn(a, s, axes)`: the transform of real numbers along several axes, half of it along the last.

    >>> rfftn([[1.0, 2.0], [3.0, 4.0]])
    array([[10.+0.j, -2.+0.j],
           [-4.+0.j,  0.+0.j]])
    """
    if not is_traced(a):
        return np.fft.rfftn(a, s, axes, norm, out)
    refuse("fft.rfftn", out=out)
    return _real_many(a, s, axes, norm, "rfftn")


def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Array:
    """`rfft2(a, s)`: `rfftn` along the last two axes.

    >>> rfft2([[1.0, 2.0]])
    array([[ 3.+0.j, -1.+0.j]])
    """
    return rfftn(a, s, axes, norm, out)


def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """`irfft(a, n, axis)`: the inverse of `rfft`: the n real numbers (by default 2(m − 1)) of m frequencies.

    >>> irfft([6.0, -1.5 + 0.8660254037844386j], 3)
    array([1., 2., 3.])
    """
    if not is_traced(a):
        return np.fft.irfft(a, n, axis, norm, out)
    refuse("fft.irfft", out=out)
    return _inverse_many(a, None if n is None else (n,), (axis,), norm, "irfft")


def _inverse_many(a: Any, s: Any, axes: Any, norm: Any, name: str) -> Array:
    given = operand(a)
    x = _complex(given)
    norm = _norm(norm)
    lengths, along = _along(x, s, axes)
    _needs_axes(along, name)
    n, axis = lengths[-1], along[-1]
    x = _fitted(x, lengths[:-1], along[:-1])
    if len(along) > 1:
        x = fourier.fft(x, axes=along[:-1], inverse=True, norm=norm)
    n = _length(2 * (shape_of(x)[axis] - 1) if n is None else n)
    out = fourier.irfft(_cut(x, axis, n // 2 + 1), axis=axis, n=n, norm=norm)
    half = aval_of(given).dtype == np.float16 and len(along) == 1
    return as_dtype(out, np.float16) if half else out  # as NumPy has it


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Array:
    """`irfftn(a, s, axes)`: the inverse of `rfftn`.

    >>> irfftn([[10.0, -2.0], [-4.0, 0.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    if not is_traced(a):
        return np.fft.irfftn(a, s, axes, norm, out)
    refuse("fft.irfftn", out=out)
    return _inverse_many(a, s, axes, norm, "irfftn")


def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Array:
    """`irfft2(a, s)`: `irfftn` along the last two axes.

    >>> irfft2([[3.0, -1.0]])
    array([[1., 2.]])
    """
    return irfftn(a, s, axes, norm, out)


def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """`hfft(a, n, axis)`: the real spectrum of a signal that is conjugate to its mirror image, half of which is given.

    >>> hfft([1.0, 2.0, 1.0])
    array([ 6.,  0., -2.,  0.])
    """
    if not is_traced(a):
        return np.fft.hfft(a, n, axis, norm, out)
    refuse("fft.hfft", out=out)
    return irfft(conjugate(a), n, axis, _OPPOSITE[_norm(norm)])


def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """`ihfft(a, n, axis)`: the inverse of `hfft`.

    >>> ihfft([6.0, 0.0, -2.0, 0.0])
    array([1.-0.j, 2.-0.j, 1.-0.j])
    """
    if not is_traced(a):
        return np.fft.ihfft(a, n, axis, norm, out)
    refuse("fft.ihfft", out=out)
    return conjugate(rfft(a, n, axis, _OPPOSITE[_norm(norm)]))


def _shifted(x: Any, axes: Any, sign: int) -> Array:
    a = operand(x)
    shape = shape_of(a)
    along = tuple(range(len(shape))) if axes is None else normalize_axis_tuple(axes, len(shape))
    return roll(a, tuple([sign * (shape[i] // 2) for i in along]), along)


def fftfreq(n: int, d: Any = 1.0, device: Any = None, *, dtype: Any = None) -> Array:
    """`fftfreq(n, d)`: the frequencies that belong to the results of `fft`, for n points at a distance d.

    >>> fftfreq(4)
    array([ 0.  ,  0.25, -0.5 , -0.25])
    """
    out = np.fft.fftfreq(n, 1.0, device) / d if is_traced(d) else np.fft.fftfreq(n, d, device)
    return out if dtype is None else astype(out, dtype)


def rfftfreq(n: int, d: Any = 1.0, device: Any = None, *, dtype: Any = None) -> Array:
    """`rfftfreq(n, d)`: the frequencies that belong to the results of `rfft`, for n points at a distance d.

    >>> rfftfreq(4)
    array([0.  , 0.25, 0.5 ])
    """
    out = np.fft.rfftfreq(n, 1.0, device) / d if is_traced(d) else np.fft.rfftfreq(n, d, device)
    return out if dtype is None else astype(out, dtype)


def fftshift(x: Any, axes: Any = None) -> Array:
    """`fftshift(x, axes)`: the frequency 0 moved to the middle.

    >>> fftshift([0, 1, 2, -2, -1])
    array([-2, -1,  0,  1,  2])
    """
    return _shifted(x, axes, 1) if is_traced(x) else np.fft.fftshift(x, axes)


def ifftshift(x: Any, axes: Any = None) -> Array:
    """`ifftshift(x, axes)`: the inverse of `fftshift`.

    >>> ifftshift([-2, -1, 0, 1, 2])
    array([ 0,  1,  2, -2, -1])
    """
    return _shifted(x, axes, -1) if is_traced(x) else np.fft.ifftshift(x, axes)


register_namespace("numpy.fft", globals())
