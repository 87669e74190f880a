"""Reducing short rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray

__all__ = ["reduce_rows", "row_sums", "row_sums_source", "sums_by_einsum"]

_SHORT = 32
_MANY = 32
_LEAST, _MOST, _ENOUGH = 8, 1024, 1024


def reduce_rows(ufunc: np.ufunc, x: Any, axes: tuple[int, ...], *, keepdims: bool = False, **kwargs: Any) -> Array:
    """`ufunc.reduce(x, axis=axes)`, quicker where there are many short rows.

    NumPy starts its inner loop anew for every row, which costs more than the few elements in it: many short rows are
    copied into columns, over which one loop runs along all rows (three to twelve times faster).
    """
    if ufunc is np.add and sums_by_einsum(x, axes):
        out = row_sums(x)
        return out[..., np.newaxis] if keepdims else out
    last = x.ndim - 1
    if axes == (last,) and 0 < x.shape[last] <= _SHORT and x.size >= _MANY * x.shape[last] and last > 0:
        columns = np.ascontiguousarray(x.transpose((last, *range(last))))
        out = ufunc.reduce(columns, axis=0, **kwargs)
        return out[..., np.newaxis] if keepdims else out
    return ufunc.reduce(x, axis=axes, keepdims=keepdims, **kwargs)


def sums_by_einsum(x: Array | ShapedArray, axes: tuple[int, ...]) -> bool:
    """Whether to take `row_sums` for the sums over these axes.

    On rows of such lengths it is one and a half to five times as fast as `numpy.add.reduce`, and as exact (some 2 ulp).
    """
    last = x.ndim - 1
    if axes != (last,) or last < 1 or not _LEAST <= x.shape[last] <= _MOST or x.dtype not in (np.float32, np.float64):
        return False
    return x.size >= _ENOUGH


def row_sums(x: Array, out: Any = None) -> Any:
    """Sums over the last axis."""
    return np.einsum("...i->...", x, out=out)


def row_sums_source(x: str, out: str | None) -> str:
    """Source for `row_sums`."""
    return f'np.einsum("...i->...", {x}{f", out={out}" if out else ""})'
