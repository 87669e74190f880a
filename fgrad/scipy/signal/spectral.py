"""Spectra of signals, by Fourier transforms of their segments.

Sources: Welch, "The use of the fast Fourier transform for the estimation of power spectra" (1967); Griffin and Lim,
"Signal estimation from modified short-time Fourier transform" (1984).
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.updates import at
from fgrad.primitives.families import shape_of
from fgrad.scipy.signal.segments import Segments, checked, extended, lengths, one_of, spectrum, window_of

__all__ = ["coherence", "csd", "istft", "periodogram", "stft", "welch"]


@public
def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = 256,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: Any = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> tuple[Array, Array, Array]:
    """`stft(x)`: the short-time Fourier transform. It is linear in the signal.

    Args:
        x: the signal.
        fs: how many points there are in a unit of time.
        window: its name (see `get_window`), or its points.
        nperseg: points of a segment.
        noverlap: points that neighbouring segments share; half of them, if not given.
        nfft: points of a transform; zeros are put behind.
        detrend: "constant", "linear" or a function, for each segment; false: none.
        return_onesided: for real signals: frequencies that are not negative only.
        boundary: what is put before and behind: "zeros", "even", "odd", "constant"; `None`: nothing.
        padded: put zeros behind, so that the segments hold all points.
        axis: the axis along which time runs.
        scaling: "spectrum" (magnitudes) or "psd".

    Returns:
        Frequencies, times, and the transform, with frequencies in place of `axis` and times along the last one.

    >>> f, t, Z = stft([1.0, 2.0, 1.0, 0.0], nperseg=4)
    >>> Z.shape
    (3, 3)
    """
    one_of("scaling", scaling, ("spectrum", "psd"))
    x, axis = _signal(x, axis)
    cut = _cut(x, window, nperseg, noverlap, nfft)
    x = extended(x, cut.length // 2, boundary)
    if padded:
        x = _padded(x, (-(shape_of(x)[-1] - cut.length) % cut.step) % cut.length)
    onesided = _onesided(return_onesided, x)
    z = spectrum(x, cut, detrend, onesided) * fnp.sqrt(_scale(cut.window, fs, scaling == "psd"))
    start = 0.0 if boundary is not None else cut.length / 2
    times = (start + cut.step * np.arange(shape_of(z)[-2])) / fs
    return _frequencies(cut.points, fs, onesided), times, fnp.moveaxis(fnp.moveaxis(z, -1, -2), -2, axis - 1)


@public
def istft(
    Zxx: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> tuple[Array, Array]:
    """`istft(Zxx)`: the signal whose short-time Fourier transform is closest; the inverse of `stft`.

    Args:
        Zxx: a short-time Fourier transform.
        fs, window, nperseg, noverlap, nfft, scaling: as for `stft`.
        input_onesided: it holds frequencies that are not negative only.
        boundary: `stft` has put points before and behind.
        time_axis: its axis of times.
        freq_axis: its axis of frequencies.

    Returns:
        Times and the signal.

    >>> x = [1.0, 2.0, 1.0, 0.0]
    >>> istft(stft(x, nperseg=4)[2], nperseg=4)[1].round(6) + 0.0
    array([1., 2., 1., 0.])
    """
    one_of("scaling", scaling, ("spectrum", "psd"))
    z = fnp.asarray(as_operand(Zxx))
    ndim = len(shape_of(z))
    if ndim < 2:
        raise ShapeError(message(f"istft takes an array of two axes or more, got the shape {shape_of(z)}."))
    axes = normalize_axis_index(freq_axis, ndim), normalize_axis_index(time_axis, ndim)
    if axes[0] == axes[1]:
        raise ArgumentError(message(f"istft: `freq_axis` and `time_axis` are both {axes[0]}."))
    z = fnp.moveaxis(z, axes, (-1, -2))
    count, frequencies = shape_of(z)[-2:]
    usual = 2 * (frequencies - 1) if input_onesided else frequencies
    length = usual if nperseg is None else operator.index(nperseg)
    if length < 1:
        raise ArgumentError(message(f"`nperseg` is {nperseg!r}.", cure="A segment has one point at least."))
    points = (length if input_onesided and length == usual + 1 else usual) if nfft is None else nfft
    cut = checked(window_of(window, length, _real_dtype(z)), length, noverlap, points)
    segments = fnp.fft.irfft(z, cut.points) if input_onesided else fnp.fft.ifft(z, cut.points)
    segments = segments[..., :length] * (cut.window / fnp.sqrt(_scale(cut.window, fs, scaling == "psd")))
    x = _overlapped(segments, cut)
    weight = _overlapped(fnp.broadcast_to(fnp.square(cut.window), (count, length)), cut)
    if boundary:
        ends = slice(length // 2, shape_of(x)[-1] - length // 2)
        x, weight = x[..., ends], weight[..., ends]
    covered = weight > 1e-10
    if not is_traced(weight) and not np.all(covered):
        what = "windows of istft leave points uncovered: there it is not the inverse of stft."
        warnings.warn(what, UserWarning, stacklevel=3)
    x = x / fnp.where(covered, weight, 1.0)
    lead = [a for a in range(ndim) if a not in axes]
    return np.arange(shape_of(x)[-1]) / fs, fnp.moveaxis(x, -1, sum(a < axes[1] for a in lead))


@public
def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Array, Array]:
    """`csd(x, y)`: the density of the cross spectrum of two signals, by Welch's method.

    Args:
        x: a signal.
        y: another one; the shorter of the two is filled up with zeros. `None`: the same.
        fs, window, nperseg, noverlap, nfft, detrend, return_onesided, axis: see `stft`; segments have 256 points, if
            nothing else is said.
        scaling: "density" (power by frequency) or "spectrum" (power).
        average: "mean" or "median", over the segments.

    Returns:
        Frequencies, and conj(X)·Y at these.

    >>> f, P = csd([1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0])
    >>> P.shape
    (3,)
    """
    one_of("scaling", scaling, ("density", "spectrum"))
    one_of("average", average, ("mean", "median"))
    x, along = _signal(x, axis)
    other = None if y is None else _signal(y, axis)[0]
    if other is not None:
        x, other = _as_long(x, other)
    cut = _cut(x, window, nperseg, noverlap, nfft)
    onesided = _onesided(return_onesided, x) and (other is None or _onesided(return_onesided, other))
    one = spectrum(x, cut, detrend, onesided)
    if other is None:
        power = fnp.square(fnp.real(one)) + fnp.square(fnp.imag(one))
    else:
        power = fnp.conj(one) * spectrum(other, cut, detrend, onesided)
    power = power * (_scale(cut.window, fs, scaling == "density") * _weights(cut.points, onesided, _real_dtype(x)))
    out = fnp.mean(power, -2) if average == "mean" else _median(power)
    return _frequencies(cut.points, fs, onesided), fnp.moveaxis(out, -1, along)


@public
def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Array, Array]:
    """`welch(x)`: the density of the power spectrum of a signal, by Welch's method.

    Args:
        x: the signal.
        fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average: see `csd`.

    Returns:
        Frequencies, and the density at these, which is real.

    >>> f, P = welch([1.0, -1.0, 1.0, -1.0], window="boxcar")
    >>> P
    array([0., 0., 4.])
    """
    return csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)


@public
def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[Array, Array]:
    """`periodogram(x)`: the density of the power spectrum of a signal, by one transform of all of it.

    Args:
        x: the signal.
        fs, window, nfft, detrend, return_onesided, scaling, axis: see `csd`.

    >>> f, P = periodogram([1.0, -1.0, 1.0, -1.0])
    >>> P
    array([0., 0., 4.])
    """
    x = fnp.asarray(as_operand(x))
    n = shape_of(x)[axis]
    points = n if nfft is None else operator.index(nfft)
    if points < n:
        x = fnp.moveaxis(fnp.moveaxis(x, axis, -1)[..., :points], -1, axis)
    return csd(x, None, fs, window, min(n, points), 0, points, detrend, return_onesided, scaling, axis)


@public
def coherence(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> tuple[Array, Array]:
    """`coherence(x, y)`: |Pxy|² / (Pxx·Pyy), of densities by Welch's method.

    Args:
        x, y, fs, window, nperseg, noverlap, nfft, detrend, axis: see `csd`.

    >>> x = [1.0, 2.0, 0.0, 1.0, 3.0, 1.0]
    >>> coherence(x, x, nperseg=4, noverlap=2, detrend=False)[1].round(6)
    array([1., 1., 1.])
    """
    cut = fs, window, nperseg, noverlap, nfft, detrend
    frequencies, cross = csd(x, y, *cut, axis=axis)
    power = fnp.square(fnp.real(cross)) + fnp.square(fnp.imag(cross))
    return frequencies, power / (welch(x, *cut, axis=axis)[1] * welch(y, *cut, axis=axis)[1])


def _signal(x: Any, axis: int) -> tuple[Array, int]:
    """A signal with time along its last axis, and where that was."""
    x = fnp.asarray(as_operand(x))
    dtype = aval_of(x).dtype
    x = as_dtype(x, dtype if dtype.kind in "fc" else np.float64)
    ndim = len(shape_of(x))
    if not ndim or 0 in shape_of(x):
        raise ShapeError(message(f"a signal has points; the shape is {shape_of(x)}."))
    along = normalize_axis_index(operator.index(axis), ndim)
    return fnp.moveaxis(x, along, -1), along - ndim


def _real_dtype(x: Array) -> np.dtype[Any]:
    return np.finfo(aval_of(x).dtype).dtype


def _cut(x: Array, window: Any, nperseg: Any, noverlap: Any, nfft: Any) -> Segments:
    return lengths(window, nperseg, noverlap, nfft, shape_of(x)[-1], _real_dtype(x))


def _padded(x: Array, n: int) -> Array:
    return fnp.pad(x, [(0, 0)] * (len(shape_of(x)) - 1) + [(0, n)]) if n else x


def _as_long(x: Array, y: Array) -> tuple[Array, Array]:
    n, m = shape_of(x)[-1], shape_of(y)[-1]
    return _padded(x, max(m - n, 0)), _padded(y, max(n - m, 0))


def _onesided(wanted: bool, x: Array) -> bool:
    return wanted and aval_of(x).dtype.kind != "c"


def _scale(window: Array, fs: Any, density: bool) -> Array:
    return 1 / (fs * fnp.sum(fnp.square(window))) if density else 1 / fnp.square(fnp.sum(window))


def _weights(points: int, onesided: bool, dtype: Any) -> Array:
    """2 for frequencies that stand for their opposites too."""
    if not onesided:
        return np.ones(points, dtype)
    out = np.full(points // 2 + 1, 2, dtype)
    out[0] = 1
    if points % 2 == 0:
        out[-1] = 1
    return out


def _frequencies(points: int, fs: Any, onesided: bool) -> Array:
    return (np.fft.rfftfreq(points) if onesided else np.fft.fftfreq(points)) * fs


def _median(power: Array) -> Array:
    """The median of the segments, over what it is of a mean of 1 for exponentially distributed powers."""
    n = shape_of(power)[-2]
    even = 2 * np.arange(1, (n - 1) // 2 + 1)
    bias = 1 + np.sum(1 / (even + 1) - 1 / even)
    if aval_of(power).dtype.kind == "c":
        return (fnp.median(fnp.real(power), -2) + 1j * fnp.median(fnp.imag(power), -2)) / bias
    return fnp.median(power, -2) / bias


def _overlapped(segments: Array, cut: Segments) -> Array:
    """The sum of segments, each put in its place."""
    *lead, count, length = shape_of(segments)
    places = np.arange(length) + cut.step * np.arange(count)[:, None]
    out = fnp.zeros((*lead, cut.step * (count - 1) + length), aval_of(segments).dtype)
    return at(out)[..., places].add(segments)
