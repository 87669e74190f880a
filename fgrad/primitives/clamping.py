"""Limiting numbers to an interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.primitives.comparison import gt, logical_and, lt, maximum, select
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.families import draw
from fgrad.primitives.shape import grow

__all__ = ["clamp"]


class Clamp(Elementwise):
    """`clamp(low, x, high)`: x limited to the interval; min(max(x, low), high).

    The derivative goes to x strictly inside, to a bound where x is strictly beyond it; at a bound it is 0.
    """

    samples = (
        Sample(draw(-1, -0.5, (2, 3)), draw(-2, 2, (2, 3)), draw(0.5, 1, (2, 3))),
        Sample(draw(-1, -0.5), draw(-2, 2, (4,)), draw(0.5, 1)),
        Sample(draw(-1, -0.5), draw(-0.4, 0.4), draw(0.5, 1)),
        Sample(draw(-1, -0.5), draw(-2, 2, (0,)), draw(0.5, 1)),
    )

    def impl(self, low: Array, x: Array, high: Array) -> Array:
        return np.minimum(np.maximum(x, low), high)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return np.result_type(*[key(0) if isinstance(key, type) else key for key in keys])

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array | Zero:
        low, x, high = xs
        wins: tuple[Callable[[], Array], ...] = (
            lambda: logical_and(gt(low, x), lt(low, high)),
            lambda: logical_and(gt(x, low), lt(x, high)),
            lambda: lt(high, maximum(x, low)),
        )
        total: Any = ZERO
        for t, where in zip(ts, wins, strict=True):
            if t is not ZERO:
                term = select(where(), t, out.dtype.type(0))
                total = term if total is ZERO else total + term
        return grow(total, out)

    def inplace(self, *args: Any, **params: Any) -> bool:
        return False


clamp = Clamp()
