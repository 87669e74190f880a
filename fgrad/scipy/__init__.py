"""SciPy's functions, with derivatives. What computes with SciPy itself needs the extra `scipy`, and says so.

The modules are imported when they are first used.
"""

from importlib import import_module
from typing import Any

_MODULES = ("fft", "integrate", "linalg", "optimize", "signal", "special", "stats")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fgrad.scipy' has no attribute {name!r}")
    return import_module(f"fgrad.scipy.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
