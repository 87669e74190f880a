"""SciPy's modules, imported when they are first needed."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

from fgrad.errors import MissingExtraError, message

__all__ = ["scipy_module"]


@cache
def scipy_module(name: str) -> ModuleType:
    """The module `scipy.<name>`.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    try:
        return importlib.import_module(f"scipy.{name}")
    except ImportError:
        what = f"this function computes with scipy.{name}, and SciPy is not installed."
        raise MissingExtraError(message(what, cure="Install it: pip install 'fgrad[scipy]'.")) from None
