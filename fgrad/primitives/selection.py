"""Where the largest elements are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import NonDifferentiable, draw, spread
from fgrad.primitives.shape import move_axis

__all__ = ["top_positions"]

_FEW = 8
"""Selecting pays where at most one of so many elements is wanted."""


class TopPositions(NonDifferentiable):
    """`top_positions(x, k=)`: along the last axis the positions of the k largest elements, the largest first.

    NaNs count as larger than all numbers. Of elements that tie the first ones are taken, and come first.
    """

    samples = (
        Sample(spread(-2, 2, (3, 5)), k=2),
        Sample(np.array([1.0, 3.0, 3.0, np.nan, 0.0]), k=3),
        Sample(np.array([3, 1, 3, 3, 2, 0, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0]), k=2),
        Sample(draw(-2, 2, (2, 3)), k=0),
        Sample(draw(-2, 2, (0, 3)), k=1),
    )

    def impl(self, x: Array, *, k: int) -> Array:
        x = np.asarray(x)
        if _FEW * k <= x.shape[-1] and k and x.size and not (x.dtype.kind == "f" and np.isnan(x).any()):
            return _selected(x, k)
        return _sorted(x)[..., :k]

    def shape(self, x: ShapedArray, *, k: int) -> ShapedArray:
        if not x.ndim or not 0 <= k <= x.shape[-1]:
            what = f"the {k} largest elements along the last axis of {x}."
            raise ShapeError(message(what, cure="There must be an axis with at least as many elements."))
        return ShapedArray((*x.shape[:-1], k), np.dtype(np.intp))

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, k: int) -> tuple[Array, int]:
        return top_positions(move_axis(xs[0], dims[0], 0), k=k), 0


top_positions = TopPositions()


def _sorted(x: Any) -> Any:
    """All positions, the largest element first: what a stable order gives of the elements from behind, from behind."""
    order = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    return x.shape[-1] - 1 - order


def _selected(x: Any, k: int) -> Any:
    """In linear time: the elements above the k-th largest, and as many as are wanting of those that equal it."""
    n = x.shape[-1]
    bound = np.partition(x, n - k, axis=-1)[..., n - k, None]
    taken = x >= bound
    if np.count_nonzero(taken) > bound.size * k:
        above, tied = x > bound, x == bound
        wanting = k - np.count_nonzero(above, axis=-1, keepdims=True)
        taken = above | (tied & (np.cumsum(tied, axis=-1) <= wanting))
    positions = np.nonzero(taken)[-1].reshape(*x.shape[:-1], k)
    return np.take_along_axis(positions, _sorted(np.take_along_axis(x, positions, -1)), -1)
