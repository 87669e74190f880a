"""What spectra of segments share: lengths, overlaps, windows, extensions, Fourier transforms of the segments."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.primitives.families import shape_of
from fgrad.scipy.signal.detrending import detrend
from fgrad.scipy.signal.windows import get_window

__all__ = ["Segments", "checked", "extended", "lengths", "one_of", "spectrum", "window_of"]

_USUAL = 256


class Segments(NamedTuple):
    """How a signal is cut: the window, points a segment, points that neighbours share, and of a transform."""

    window: Array
    length: int
    overlap: int
    points: int

    @property
    def step(self) -> int:
        return self.length - self.overlap


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuses what is no choice."""
    if not any(value is c or value == c for c in choices):
        raise ArgumentError(
            message(f"`{name}` is {value!r}.", cure=f"It must be one of {', '.join(map(repr, choices))}.")
        )


def lengths(window: Any, nperseg: Any, noverlap: Any, nfft: Any, total: int, dtype: Any) -> Segments:
    """How a signal of `total` points is cut.

    Raises:
        ArgumentError: the lengths do not fit together.
    """
    if nperseg is not None:
        length = operator.index(nperseg)
    else:
        length = _USUAL if isinstance(window, (str, tuple)) else len(window)
    if length < 1:
        raise ArgumentError(message(f"`nperseg` is {nperseg!r}.", cure="A segment has one point at least."))
    if length > total and isinstance(window, (str, tuple)):
        if length != _USUAL:
            what = f"nperseg={length} is more than the {total} points of the signal, which are taken instead."
            warnings.warn(what, UserWarning, stacklevel=5)
        length = total
    win = window_of(window, length, dtype)
    if length > total:
        what = f"a window of {length} points for a signal of {total}."
        raise ArgumentError(message(what, cure="It must not be longer than the signal."))
    return checked(win, length, noverlap, nfft)


def checked(window: Array, length: int, noverlap: Any, nfft: Any) -> Segments:
    """Segments of a known length."""
    points = length if nfft is None else operator.index(nfft)
    if points < length:
        raise ArgumentError(message(f"`nfft` is {nfft}, a segment has {length} points.", cure="It must not be less."))
    overlap = length // 2 if noverlap is None else operator.index(noverlap)
    if not 0 <= overlap < length:
        what = f"`noverlap` is {overlap}, a segment has {length} points."
        raise ArgumentError(message(what, cure="It must be less, and not negative."))
    return Segments(window, length, overlap, points)


def window_of(window: Any, length: int, dtype: Any) -> Array:
    """A window by name or as it is given, in the precision of the signal."""
    if isinstance(window, (str, tuple)):
        return np.asarray(get_window(window, length), np.finfo(dtype).dtype)
    given = fnp.asarray(window)
    if shape_of(given) != (length,):
        what = f"a window of shape {shape_of(given)} for segments of {length} points."
        raise ShapeError(message(what, cure="Give one row, as long as a segment."))
    return given


def extended(x: Array, n: int, boundary: Any) -> Array:
    """A signal with n more points at both ends."""
    one_of("boundary", boundary, ("even", "odd", "constant", "zeros", None))
    if boundary is None or n < 1:
        return x
    widths = [(0, 0)] * (len(shape_of(x)) - 1) + [(n, n)]
    if boundary in ("zeros", "constant"):
        return fnp.pad(x, widths, "constant" if boundary == "zeros" else "edge")
    if n > shape_of(x)[-1] - 1:
        what = f"boundary={boundary!r} extends a signal of {shape_of(x)[-1]} points by {n}."
        raise ShapeError(message(what, cure="It needs one point more than that; take boundary='zeros'."))
    before, behind = x[..., n:0:-1], x[..., -2 : -(n + 2) : -1]
    if boundary == "odd":
        before, behind = 2 * x[..., :1] - before, 2 * x[..., -1:] - behind
    return fnp.concatenate([before, x, behind], -1)


def _detrended(kind: Any) -> Callable[[Array], Array] | None:
    if kind is False or kind is None:
        return None
    return kind if callable(kind) else lambda segments: detrend(segments, -1, kind)


def spectrum(x: Array, cut: Segments, kind: Any, onesided: bool) -> Array:
    """The Fourier transforms of the windowed segments of a signal along its last axis: segments, then frequencies."""
    count = (shape_of(x)[-1] - cut.overlap) // cut.step
    places = np.arange(cut.length) + cut.step * np.arange(count)[:, None]
    segments = x[..., places]
    off_trend = _detrended(kind)
    if off_trend is not None:
        segments = off_trend(segments)
    segments = segments * cut.window
    return fnp.fft.rfft(segments, cut.points) if onesided else fnp.fft.fft(segments, cut.points)
