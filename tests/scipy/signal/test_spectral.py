"""Trends and spectra against SciPy's, and their derivatives."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import scipy.signal as reference

import fgrad
import fgrad.scipy.signal as ours
from fgrad.errors import ArgumentError, MissingExtraError, ShapeError
from fgrad.scipy.signal.segments import extended
from fgrad.testing import check_grads

X = np.random.default_rng(0).normal(size=(2, 50))
Y = np.random.default_rng(1).normal(size=(2, 44))


def agree(name: str, *args: Any, **given: Any) -> None:
    got, expected = getattr(ours, name)(*args, **given), getattr(reference, name)(*args, **given)
    if not isinstance(got, tuple):
        got, expected = (got,), (expected,)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
        assert one.dtype == other.dtype


@pytest.mark.parametrize("given", [{}, {"type": "constant"}, {"axis": 0}, {"bp": [10, 30]}, {"axis": 0, "bp": 1}])
def test_detrend(given: dict[str, Any]) -> None:
    agree("detrend", X, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"nperseg": 16},
        {"nperseg": 16, "noverlap": 4, "window": "hamming"},
        {"nperseg": 15, "nfft": 20, "boundary": "odd"},
        {"nperseg": 16, "boundary": None, "padded": False, "fs": 10.0},
        {"nperseg": 16, "boundary": "even", "detrend": "linear"},
        {"nperseg": 16, "boundary": "constant", "detrend": lambda x: x - 1},
        {"nperseg": 8, "return_onesided": False, "scaling": "psd"},
        {"nperseg": 2, "axis": 0},
    ],
)
def test_stft(given: dict[str, Any]) -> None:
    agree("stft", X, **given)


def test_stft_of_complex_signals() -> None:
    agree("stft", X + 1j * X[::-1], nperseg=8, return_onesided=False)


@pytest.mark.parametrize(
    "given",
    [
        {"nperseg": 16},
        {"nperseg": 15, "noverlap": 4, "scaling": "spectrum"},
        {"nperseg": 16, "average": "median"},
        {"nperseg": 16, "return_onesided": False, "fs": 3.0, "window": ("kaiser", 3.0)},
        {"window": np.hanning(12)},
        {"nperseg": 16, "detrend": "linear", "nfft": 32},
        {"nperseg": 8, "detrend": False},
    ],
)
def test_welch_and_csd(given: dict[str, Any]) -> None:
    agree("welch", X, **given)
    agree("csd", X, Y, **given)
    if not {"average", "scaling", "return_onesided"} & set(given):
        agree("coherence", X, X[::-1] ** 2, **given)


def test_another_axis() -> None:
    agree("welch", X.T, nperseg=16, axis=0)
    agree("csd", X.T, Y.T, nperseg=16, axis=0)


@pytest.mark.parametrize("given", [{}, {"nfft": 64, "window": "hann"}, {"nfft": 30}, {"scaling": "spectrum"}])
def test_periodogram(given: dict[str, Any]) -> None:
    agree("periodogram", X, **given)


@pytest.mark.parametrize(
    "given", [{"nperseg": 16}, {"nperseg": 16, "noverlap": 12, "fs": 10.0}, {"nperseg": 15, "noverlap": 10}]
)
@pytest.mark.parametrize("scaling", ["spectrum", "psd"])
def test_istft(given: dict[str, Any], scaling: str) -> None:
    z = reference.stft(X, **given, scaling=scaling)[2]
    times, x = ours.istft(z, **given, scaling=scaling)
    np.testing.assert_allclose(x, reference.istft(z, **given, scaling=scaling)[1], atol=1e-12)
    np.testing.assert_allclose(x[:, :50], X, atol=1e-12)
    np.testing.assert_allclose(times, np.arange(x.shape[1]) / given.get("fs", 1.0))


def test_istft_of_other_layouts() -> None:
    z = reference.stft(X, nperseg=16)[2]
    moved = np.moveaxis(z, -1, 0)
    expected = reference.istft(moved, nperseg=16, time_axis=0, freq_axis=-1)[1]
    np.testing.assert_allclose(ours.istft(moved, nperseg=16, time_axis=0, freq_axis=-1)[1], expected, atol=1e-12)
    z = reference.stft(X, nperseg=16, return_onesided=False)[2]
    np.testing.assert_allclose(ours.istft(z, nperseg=16, input_onesided=False)[1][:, :50], X, atol=1e-12)
    z = reference.stft(X, nperseg=10, boundary=None, window="boxcar")[2]
    out = ours.istft(z, nperseg=10, window="boxcar", boundary=False)[1]
    np.testing.assert_allclose(out[:, :50], X, atol=1e-12)


@pytest.mark.parametrize("window", ["hann", "hamming", "bartlett", "blackman", "boxcar", "nuttall", ("kaiser", 4.0)])
def test_windows(window: Any) -> None:
    for n in (1, 2, 5, 8):
        agree("get_window", window, n)
        agree("get_window", window, n, False)


def test_single_precision_stays() -> None:
    x = X.astype(np.float32)
    assert ours.welch(x, nperseg=16)[1].dtype == np.float32
    z = ours.stft(x, nperseg=16)[2]
    assert z.dtype == np.complex64
    assert ours.istft(z, nperseg=16)[1].dtype == np.float32
    assert ours.detrend(x).dtype == np.float32


FUNCTIONS = {
    "csd": lambda x, y: ours.csd(x, y, nperseg=8),
    "welch": lambda x, y: ours.welch(x, nperseg=8, average="median"),
    "stft": lambda x, y: ours.stft(x, nperseg=8)[2],
    "istft": lambda x, y: ours.istft(ours.stft(x, nperseg=8)[2] * y[0], nperseg=8),
    "detrend": lambda x, y: ours.detrend(x, bp=7),
    "coherence": lambda x, y: ours.coherence(x, x * x, nperseg=8)[1],
    "periodogram": lambda x, y: ours.periodogram(x, fs=y[0])[1],
    "window": lambda x, y: ours.welch(x, window=y)[1],
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_derivatives_and_transforms(f: Any) -> None:
    x, y = X[0, :20], 1 + Y[0, :8] ** 2
    check_grads(f, (x, y), order=2, modes=("rev",))
    eager, jitted = fgrad.tree.leaves(f(x, y)), fgrad.tree.leaves(fgrad.jit(f)(x, y))
    rows = fgrad.tree.leaves(fgrad.vmap(f)(np.stack([x, x]), np.stack([y, y])))
    for one, other, row in zip(eager, jitted, rows, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-12)
        np.testing.assert_allclose(row[1], one, atol=1e-12)


def test_errors() -> None:
    x = X[0]
    with pytest.raises(ArgumentError, match="`type` is 'square'"):
        ours.detrend(x, type="square")
    with pytest.raises(ArgumentError, match=r"`bp` is 60, for 50 points"):
        ours.detrend(x, bp=60)
    with pytest.raises(ArgumentError, match=r"`noverlap` is 8, a segment has 8 points"):
        ours.stft(x, nperseg=8, noverlap=8)
    with pytest.raises(ArgumentError, match=r"`nfft` is 4, a segment has 8 points"):
        ours.welch(x, nperseg=8, nfft=4)
    with pytest.raises(ArgumentError, match="`nperseg` is 0"):
        ours.welch(x, nperseg=0)
    with pytest.raises(ArgumentError, match="`average` is 'mode'"):
        ours.welch(x, average="mode")
    with pytest.raises(ArgumentError, match="`boundary` is 'other'"):
        ours.stft(x, nperseg=8, boundary="other")
    with pytest.raises(ShapeError, match=r"extends a signal of 4 points by 5(.|\n)*boundary='zeros'"):
        extended(x[:4], 5, "odd")
    with pytest.raises(ShapeError, match=r"a window of shape \(3,\) for segments of 8 points"):
        ours.welch(x, window=np.ones(3), nperseg=8)
    with pytest.raises(ArgumentError, match="a window of 60 points for a signal of 50"):
        ours.welch(x, window=np.ones(60))
    with pytest.raises(ShapeError, match="a signal has points"):
        ours.welch(x[:0])
    with pytest.raises(ShapeError, match="istft takes an array of two axes"):
        ours.istft(x)
    with pytest.raises(ArgumentError, match="`freq_axis` and `time_axis` are both 1"):
        ours.istft(X, freq_axis=-1)
    with pytest.raises(ArgumentError, match="SciPy knows no window 'pane'"):
        ours.get_window("pane", 4)


def test_short_signals_and_uncovered_points_are_told() -> None:
    with pytest.warns(UserWarning, match=r"nperseg=30 is more than the 20 points"):
        frequencies, _ = ours.welch(X[0, :20], nperseg=30)
    assert len(frequencies) == 11
    z = reference.stft(X[0], nperseg=8, noverlap=4)[2]
    with pytest.warns(UserWarning, match="leave points uncovered"):
        ours.istft(z, nperseg=8, noverlap=0)


def test_windows_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    assert ours.get_window("hann", 4)[2] == 1
    with pytest.raises(MissingExtraError, match=r"scipy.signal.get_window(.|\n)*fgrad\[scipy\]"):
        ours.get_window("nuttall", 4)
