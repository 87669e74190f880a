"""Windows by their names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, MissingExtraError, message, public

__all__ = ["get_window"]

_OWN: dict[str, Callable[[int], Any]] = {
    **dict.fromkeys(["boxcar", "box", "ones", "rect", "rectangular"], np.ones),
    **dict.fromkeys(["hann", "han"], np.hanning),
    **dict.fromkeys(["hamming", "hamm", "ham"], np.hamming),
    **dict.fromkeys(["bartlett", "bart", "brt"], np.bartlett),
    **dict.fromkeys(["blackman", "black", "blk"], np.blackman),
}


@public
def get_window(window: Any, Nx: int, fftbins: bool = True) -> Array:
    """`get_window(window, Nx)`: Nx points of a window.

    Args:
        window: its name, or a tuple of its name and parameters. The plainest are made here, all others by SciPy.
        Nx: how many points.
        fftbins: one period of a window that is periodic, for spectra; otherwise a symmetric one, for filters.

    Raises:
        MissingExtraError: SciPy is needed and not installed.

    >>> get_window("hann", 4)
    array([0. , 0.5, 1. , 0.5])
    """
    name = window[0] if isinstance(window, tuple) and len(window) == 1 else window
    if isinstance(name, str) and name in _OWN:
        return _OWN[name](Nx + 1)[:-1] if fftbins and Nx > 1 else _OWN[name](Nx)
    try:
        signal = importlib.import_module("scipy.signal")
    except ImportError:
        what = f"the window {window!r} is made by scipy.signal.get_window, and SciPy is not installed."
        raise MissingExtraError(message(what, cure="Install it: pip install 'fgrad[scipy]'.")) from None
    try:
        return signal.get_window(window, Nx, fftbins)
    except ValueError as error:
        raise ArgumentError(message(f"SciPy knows no window {window!r}: {error}")) from None
