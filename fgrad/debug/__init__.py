"""Looking at values, and at the cotangents that pass, from inside of traced code; finding where a NaN comes from."""

from fgrad.debug.callbacks import breakpoint, callback, print, tap_grad  # noqa: A004
from fgrad.debug.nan import NonFinite, explain_nan
from fgrad.debug.nans import nans

__all__ = ["NonFinite", "breakpoint", "callback", "explain_nan", "nans", "print", "tap_grad"]
