"""Programs to take along: functions as source that needs NumPy alone, and jaxprs as JSON."""

from fgrad.export.json_text import from_json, to_json
from fgrad.export.module import to_numpy_source

__all__ = ["from_json", "to_json", "to_numpy_source"]
