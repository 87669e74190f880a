"""Hypothesis, or the error that says that it is missing."""

from __future__ import annotations

from fgrad.errors import MissingExtraError, message

try:
    import hypothesis
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError:
    _what = "fgrad.testing.strategies draws with Hypothesis, which is not installed."
    _cure = "Install it: pip install 'fgrad[testing]'. The checks of fgrad.testing work without."
    raise MissingExtraError(message(_what, cure=_cure)) from None

__all__ = ["hnp", "hypothesis", "st"]
