"""Cosine and sine transforms of real numbers, of types 1 to 4, each by one Fourier transform.

A cosine transform is the Fourier transform of a signal continued evenly, a sine transform of one continued oddly;
where the mirrors stand makes the types. Type 1 transforms the continuation, and type 2 half of it in another order;
type 3 is the inverse of type 2, and type 4 every second number of type 2 of twice as many points.

Sources: Makhoul, "A fast cosine transform in one and two dimensions" (1980); Martucci, "Symmetric convolution and the
discrete sine and cosine transforms" (1994).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.families import shape_of

__all__ = ["dct", "dctn", "dst", "dstn", "idct", "idctn", "idst", "idstn"]

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


@public
def dct(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None) -> Array:
    """`dct(x)`: the discrete cosine transform; of type 2, y_k = 2 Σ_j x_j cos(π k (2j + 1) / 2n).

    Args:
        x: an array of real numbers.
        type: 1, 2, 3 or 4.
        n: how many points to transform; zeros are put behind where there are fewer.
        axis: the axis to transform along.
        norm: "backward" (or `None`): no factor here, 1/2n (type 1: 1/(2n − 2)) with the inverse; "forward": the other
            way round; "ortho": roots in both, and the transform is orthogonal.

    Raises:
        ArgumentError: there is no such type, norm or length.
        ShapeError: the numbers are complex.

    >>> dct([1.0, 1.0])
    array([4., 0.])
    """
    return _one(x, "dct", type, n, axis, norm)


@public
def idct(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None) -> Array:
    """`idct(x)`: the inverse of `dct`.

    Args:
        x, type, n, axis, norm: see `dct`.

    >>> idct([4.0, 0.0])
    array([1., 1.])
    """
    return _one(x, "idct", type, n, axis, norm)


@public
def dst(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None) -> Array:
    """`dst(x)`: the discrete sine transform; of type 2, y_k = 2 Σ_j x_j sin(π (k + 1) (2j + 1) / 2n).

    Args:
        x, type, n, axis, norm: see `dct`; the factor of type 1 is 1/(2n + 2).

    >>> dst([1.0, -1.0]).round(6) + 0.0
    array([0., 4.])
    """
    return _one(x, "dst", type, n, axis, norm)


@public
def idst(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None) -> Array:
    """`idst(x)`: the inverse of `dst`.

    Args:
        x, type, n, axis, norm: see `dct`.

    >>> idst([0.0, 4.0]).round(6)
    array([ 1., -1.])
    """
    return _one(x, "idst", type, n, axis, norm)


@public
def dctn(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: str | None = None) -> Array:
    """`dctn(x)`: `dct` along several axes, by default along all.

    Args:
        x, type, norm: see `dct`.
        s: the length along each of the axes.
        axes: the axes.

    >>> dctn([[1.0, 1.0]])
    array([[8., 0.]])
    """
    return _many(x, "dct", type, s, axes, norm)


@public
def idctn(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: str | None = None) -> Array:
    """`idctn(x)`: the inverse of `dctn`.

    Args:
        x, type, s, axes, norm: see `dctn`.

    >>> idctn([[8.0, 0.0]])
    array([[1., 1.]])
    """
    return _many(x, "idct", type, s, axes, norm)


@public
def dstn(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: str | None = None) -> Array:
    """`dstn(x)`: `dst` along several axes, by default along all.

    Args:
        x, type, s, axes, norm: see `dctn`.

    >>> dstn([[1.0, -1.0]]).round(6) + 0.0
    array([[0., 8.]])
    """
    return _many(x, "dst", type, s, axes, norm)


@public
def idstn(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: str | None = None) -> Array:
    """`idstn(x)`: the inverse of `dstn`.

    Args:
        x, type, s, axes, norm: see `dctn`.

    >>> idstn([[0.0, 8.0]]).round(6)
    array([[ 1., -1.]])
    """
    return _many(x, "idst", type, s, axes, norm)


def _many(x: Any, name: str, kind: int, s: Any, axes: Any, norm: str | None) -> Array:
    x = _real(x, name)
    ndim = len(shape_of(x))
    if axes is None:
        axes = range(ndim) if s is None else range(ndim - len(s), ndim)
    along = [normalize_axis_index(operator.index(a), ndim) for a in axes]
    lengths = [None] * len(along) if s is None else list(s)
    if len(lengths) != len(along) or len(set(along)) != len(along):
        what = f"{name}n along the axes {tuple(along)} with the lengths {s}."
        raise ArgumentError(message(what, cure="Name different axes, and one length for each."))
    for axis, n in zip(along, lengths, strict=True):
        x = _one(x, name, kind, n, axis, norm)
    return x


def _real(x: Any, name: str) -> Array:
    x = fnp.asarray(as_operand(x))
    dtype = aval_of(x).dtype
    if dtype.kind == "c":
        cure = f"Transform the parts: {name}(x.real) + 1j * {name}(x.imag)."
        raise ShapeError(message(f"{name} takes real numbers, got {aval_of(x)}.", cure=cure))
    return as_dtype(x, dtype if dtype.kind == "f" else np.float64)


def _one(x: Any, name: str, kind: int, n: Any, axis: int, norm: str | None) -> Array:
    """One transform along one axis: the unnormalised one of the last axis, with factors before and behind."""
    x = _real(x, name)
    if kind not in _INVERSE:
        raise ArgumentError(message(f"{name}: `type` is {kind!r}.", cure="It must be 1, 2, 3 or 4."))
    if norm not in _OPPOSITE:
        cure = "It must be None, 'backward', 'forward' or 'ortho'."
        raise ArgumentError(message(f"{name}: `norm` is {norm!r}.", cure=cure))
    if name[0] == "i":
        kind, norm, name = _INVERSE[kind], _OPPOSITE[norm], name[1:]
    axis = normalize_axis_index(operator.index(axis), len(shape_of(x)))
    x = _fitted(fnp.moveaxis(x, axis, -1), n, name)
    out = _scaled(x, name, kind, norm)
    return fnp.moveaxis(out, -1, axis)


def _fitted(x: Array, n: Any, name: str) -> Array:
    points = shape_of(x)[-1]
    wanted = points if n is None else operator.index(n)
    if wanted < 1:
        raise ArgumentError(message(f"{name} of {wanted} points.", cure="There must be at least one."))
    if wanted <= points:
        return x[..., :wanted] if wanted < points else x
    return fnp.pad(x, [(0, 0)] * (len(shape_of(x)) - 1) + [(0, wanted - points)])


def _scaled(x: Array, name: str, kind: int, norm: str | None) -> Array:
    n = shape_of(x)[-1]
    if (name, kind) == ("dct", 1) and n < 2:
        raise ArgumentError(message("dct of type 1 of one point.", cure="It needs two at least."))
    transform = _TRANSFORMS[name, kind]
    period = 2 * (n + {"dct": -1, "dst": 1}[name]) if kind == 1 else 2 * n
    if norm in (None, "backward"):
        return transform(x)
    if norm == "forward":
        return transform(x) / period
    before, behind = _orthogonal(name, kind, n)
    return transform(x * before.astype(aval_of(x).dtype)) * (behind / np.sqrt(period)).astype(aval_of(x).dtype)


def _orthogonal(name: str, kind: int, n: int) -> tuple[Any, Any]:
    """The factors of single numbers, before and behind, that make a transform orthogonal but for its length."""
    before, behind = np.ones(n), np.ones(n)
    root = np.sqrt(2)
    if name == "dct":
        if kind == 1:
            before[[0, -1]], behind[[0, -1]] = root, 1 / root
        elif kind == 2:
            behind[0] = 1 / root
        elif kind == 3:
            before[0] = root
    elif kind == 2:
        behind[-1] = 1 / root
    elif kind == 3:
        before[-1] = root
    return before, behind


def _cosine_1(x: Array) -> Array:
    return fnp.real(fnp.fft.rfft(fnp.concatenate([x, x[..., -2:0:-1]], -1)))


def _sine_1(x: Array) -> Array:
    zero = fnp.zeros_like(x[..., :1])
    odd = fnp.concatenate([zero, x, zero, -x[..., ::-1]], -1)
    return -fnp.imag(fnp.fft.rfft(odd))[..., 1:-1]


def _cosine_2(x: Array) -> Array:
    # Makhoul's order: even places upwards, odd ones downwards; half the points of the even continuation.
    n = shape_of(x)[-1]
    ordered = fnp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], -1)
    half = fnp.fft.rfft(ordered) * _turn(n, -1.0, x)[: n // 2 + 1]
    return 2 * fnp.concatenate([fnp.real(half), -fnp.imag(half)[..., 1 : (n + 1) // 2][..., ::-1]], -1)


def _cosine_3(x: Array) -> Array:
    # The inverse of type 2, step by step backwards.
    n = shape_of(x)[-1]
    mirrored = fnp.concatenate([fnp.zeros_like(x[..., :1]), x[..., :0:-1]], -1)
    whole = (x - 1j * mirrored)[..., : n // 2 + 1] * _turn(n, 1.0, x)[: n // 2 + 1]
    ordered = fnp.fft.irfft(whole, n) * n
    middle = (n + 1) // 2
    places = np.empty(n, int)
    places[::2], places[1::2] = np.arange(middle), np.arange(n - 1, middle - 1, -1)
    return ordered[..., places]


def _turn(n: int, sign: float, x: Array) -> Any:
    return np.exp(sign * 0.5j * np.pi / n * np.arange(n)).astype(np.result_type(aval_of(x).dtype, np.complex64))


def _cosine_4(x: Array) -> Array:
    n = shape_of(x)[-1]
    return _cosine_2(fnp.pad(x, [(0, 0)] * (len(shape_of(x)) - 1) + [(0, n)]))[..., 1::2]


def _alternating(x: Array) -> Array:
    return x * np.resize([1.0, -1.0], shape_of(x)[-1]).astype(aval_of(x).dtype)


def _sine_2(x: Array) -> Array:
    return _cosine_2(_alternating(x))[..., ::-1]


def _sine_3(x: Array) -> Array:
    return _alternating(_cosine_3(x[..., ::-1]))


def _sine_4(x: Array) -> Array:
    return _alternating(_cosine_4(x[..., ::-1]))


_TRANSFORMS: dict[tuple[str, int], Callable[[Array], Array]] = {
    ("dct", 1): _cosine_1,
    ("dct", 2): _cosine_2,
    ("dct", 3): _cosine_3,
    ("dct", 4): _cosine_4,
    ("dst", 1): _sine_1,
    ("dst", 2): _sine_2,
    ("dst", 3): _sine_3,
    ("dst", 4): _sine_4,
}
"""Without factors, along the last axis."""
