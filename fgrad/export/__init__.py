"""Programs to take along: functions as source that needs NumPy alone."""

from fgrad.export.module import to_numpy_source

__all__ = ["to_numpy_source"]
