"""What reductions of no elements are."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["identity_of"]


def identity_of(name: str, dtype: np.dtype[Any]) -> Any:
    """What a reduction (`reduce_sum`, …) of no elements of a dtype is."""
    if name in ("reduce_sum", "reduce_or", "reduce_xor"):
        return dtype.type(0)
    if name == "reduce_prod":
        return dtype.type(1)
    if name == "reduce_and":
        return np.True_ if dtype.kind == "b" else ~dtype.type(0)
    least = name == "reduce_max"
    if dtype.kind in "fc":
        return dtype.type(-np.inf if least else np.inf)
    if dtype.kind == "b":
        return np.bool_(not least)
    info = np.iinfo(dtype)
    return dtype.type(info.min if least else info.max)
