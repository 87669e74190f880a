"""Discrete Fourier transforms: complex to complex along several axes, real to half of the spectrum and back along one.

Pairings do not conjugate: the transpose of a linear map C is Cᵀ, and that of a map from or to real numbers takes the
real part on the real side. The matrix of the complex transform is symmetric, so it is its own transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import Sample
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import Linear, complexes, draw, shape_of
from fgrad.primitives.rounding import conj
from fgrad.primitives.shape import convert_element_type

__all__ = ["fft", "irfft", "rfft"]

_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
"""The norm under which the other direction has the same factor."""


@lru_cache(maxsize=256)
def _result_dtype(function: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    out: np.dtype[Any] = getattr(np.fft, function)(np.zeros(2, dtype)).dtype
    return out


class Transform(Linear):
    """A transform, which NumPy writes into a given array."""

    def fills(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return True


def _into(expression: str, out: str | None) -> str:
    return expression if out is None else f"{expression.removesuffix(')')}, out={out})"


@lru_cache(maxsize=256)
def _multiplicity(n: int, dtype: np.dtype[Any], after: int, more: float = 2.0) -> Any:
    """How often each frequency of half a spectrum stands in the whole: the first and a middle one once, others twice.

    Of a shape that broadcasts against an array with `after` axes behind that of the frequencies. `more` stands for the
    two.
    """
    weights = np.full(n // 2 + 1, more, dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    weights = weights.reshape(-1, *[1] * after)
    weights.flags.writeable = False
    return weights


def _real(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.empty(0, dtype).real.dtype


class Fft(Transform):
    """`fft(x, axes=, inverse=, norm=)`: the complex transform along some axes, one after the other.

    y_k = f Σ_j x_j exp(∓2πi jk/n), where the factor f is 1, n^-½ or n^-1 as NumPy's `norm` says.
    """

    samples = (
        *(Sample(*s.args, axes=(1,), inverse=False, norm="backward") for s in complexes()),
        *(Sample(*s.args, axes=(1, 0), inverse=True, norm="backward") for s in complexes()),
        *(Sample(*s.args, axes=(0,), inverse=True, norm="ortho") for s in complexes()),
        Sample(np.zeros((0, 2), np.complex128), axes=(1,), inverse=False, norm="forward"),
    )

    def impl(self, x: Array, *, axes: tuple[int, ...], inverse: bool, norm: Any) -> Array:
        transform: Any = np.fft.ifft if inverse else np.fft.fft
        for axis in axes:
            x = transform(x, axis=axis, norm=norm)
        return x

    def shape(self, x: ShapedArray, *, axes: tuple[int, ...], inverse: bool, norm: str) -> ShapedArray:
        if x.dtype.kind != "c" or any(not 0 <= a < x.ndim or not x.shape[a] for a in axes):
            what = f"a Fourier transform of {x} along axes {axes}."
            raise ShapeError(message(what, cure="It takes complex numbers, and at least one along each axis."))
        return ShapedArray(x.shape, _result_dtype("fft", x.dtype) if axes else x.dtype)

    def transpose(self, ct: Array, x: Any, **params: Any) -> Sequence[Array]:
        return (fft(ct, **params),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...], **params: Any
    ) -> tuple[Array, int]:
        return fft(xs[0], axes=tuple([a + (a >= dims[0]) for a in axes]), **params), dims[0]

    def lower(
        self, write: Writer, names: Sequence[str], out: str | None, *, axes: tuple[int, ...], inverse: bool, norm: str
    ) -> str:
        expression = names[0]
        for axis in axes:
            expression = f"np.fft.{'ifft' if inverse else 'fft'}({expression}, axis={axis}, norm={norm!r})"
        return _into(expression, out)

    def fills(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return bool(params["axes"])


class Rfft(Transform):
    """`rfft(x, axis=, norm=)`: the frequencies from 0 to n // 2 of the transform of n real numbers along an axis."""

    samples = (
        Sample(draw(-1, 1, (2, 4)), axis=1, norm="backward"),
        Sample(draw(-1, 1, (5, 2)), axis=0, norm="ortho"),
        Sample(draw(-1, 1, (1,)), axis=0, norm="forward"),
        Sample(draw(-1, 1, (0, 2)), axis=1, norm="forward"),
    )

    def impl(self, x: Array, *, axis: int, norm: Any) -> Array:
        return np.fft.rfft(x, axis=axis, norm=norm)

    def shape(self, x: ShapedArray, *, axis: int, norm: str) -> ShapedArray:
        if x.dtype.kind not in "biuf" or not 0 <= axis < x.ndim or not x.shape[axis]:
            what = f"the Fourier transform of real numbers, given {x}, along axis {axis}."
            raise ShapeError(message(what, cure="It takes real numbers, and at least one along the axis."))
        half = x.shape[axis] // 2 + 1
        return ShapedArray((*x.shape[:axis], half, *x.shape[axis + 1 :]), _result_dtype("rfft", x.dtype))

    def transpose(self, ct: Array, x: Any, *, axis: int, norm: str) -> Sequence[Array]:
        # Re Σ_k ct_k exp(-2πi jk/n) is the inverse transform, without its factor, of conj(ct), each counted once.
        shape, ct = shape_of(x), conj(ct)
        n = shape[axis]
        shares = _multiplicity(n, _real(aval_of(ct).dtype), len(shape) - axis - 1, 0.5)
        out = irfft(ct * shares, axis=axis, n=n, norm=_OPPOSITE[norm])
        return (out if aval_of(out).dtype == x.aval.dtype else convert_element_type(out, dtype=x.aval.dtype),)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, norm: str) -> tuple[Array, int]:
        return rfft(xs[0], axis=axis + (axis >= dims[0]), norm=norm), dims[0]

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int, norm: str) -> str:
        return _into(f"np.fft.rfft({names[0]}, axis={axis}, norm={norm!r})", out)


class Irfft(Transform):
    """`irfft(x, axis=, n=, norm=)`: the n real numbers whose transform has the n // 2 + 1 frequencies of `x`.

    The imaginary parts of the first, and of a middle frequency, do not count.
    """

    samples = (
        *(Sample(*s.args, axis=1, n=4, norm="backward") for s in complexes()),
        *(Sample(*s.args, axis=1, n=5, norm="ortho") for s in complexes()),
        *(Sample(*s.args, axis=0, n=2, norm="forward") for s in complexes()),
        Sample(np.zeros((0, 1), np.complex128), axis=1, n=1, norm="backward"),
    )

    def impl(self, x: Array, *, axis: int, n: int, norm: Any) -> Array:
        return np.fft.irfft(x, n, axis=axis, norm=norm)

    def shape(self, x: ShapedArray, *, axis: int, n: int, norm: str) -> ShapedArray:
        if x.dtype.kind != "c" or not 0 <= axis < x.ndim or n < 1 or x.shape[axis] != n // 2 + 1:
            what = f"the {n} real numbers whose transform is {x}, along axis {axis}."
            raise ShapeError(message(what, cure="n numbers, at least one, have n // 2 + 1 complex frequencies."))
        return ShapedArray((*x.shape[:axis], n, *x.shape[axis + 1 :]), _result_dtype("irfft", x.dtype))

    def transpose(self, ct: Array, x: Any, *, axis: int, n: int, norm: str) -> Sequence[Array]:
        half = conj(rfft(ct, axis=axis, norm=_OPPOSITE[norm]))
        return (half * _multiplicity(n, _real(x.aval.dtype), x.aval.ndim - axis - 1),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, n: int, norm: str
    ) -> tuple[Array, int]:
        return irfft(xs[0], axis=axis + (axis >= dims[0]), n=n, norm=norm), dims[0]

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int, n: int, norm: str) -> str:
        return _into(f"np.fft.irfft({names[0]}, {n}, axis={axis}, norm={norm!r})", out)


fft = Fft()
rfft = Rfft()
irfft = Irfft()
