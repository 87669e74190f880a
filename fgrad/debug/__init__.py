"""Looking at values, and at the cotangents that pass, from inside of traced code; finding where a NaN comes from."""

from fgrad.debug.callbacks import breakpoint, callback, print, tap_grad  # noqa: A004

__all__ = ["breakpoint", "callback", "print", "tap_grad"]
