"""Signals: convolutions, trends, spectra; SciPy's module `scipy.signal`, with derivatives."""

from fgrad.scipy.signal.convolutions import convolve, convolve2d, correlate, correlate2d, fftconvolve
from fgrad.scipy.signal.detrending import detrend
from fgrad.scipy.signal.spectral import coherence, csd, istft, periodogram, stft, welch
from fgrad.scipy.signal.windows import get_window

__all__ = [
    "coherence",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "csd",
    "detrend",
    "fftconvolve",
    "get_window",
    "istft",
    "periodogram",
    "stft",
    "welch",
]
