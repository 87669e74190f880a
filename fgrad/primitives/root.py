"""The square root as norms and standard deviations need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.writer import Writer
from fgrad.primitives.comparison import eq, select
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.exponential import sqrt
from fgrad.primitives.families import floats

__all__ = ["root"]


class Root(Elementwise):
    """`root(x)`: √x, with all derivatives 0 at 0: as a norm, or a standard deviation, has them at its kink."""

    samples = floats(0.5, 3, hard=(1.0, 1e-6))

    def impl(self, x: Array) -> Array:
        return np.sqrt(x)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return sqrt.result_dtype(keys, avals)

    def derivative(self, out: Array, x: Array) -> Array:
        flat = eq(out, 0)
        return select(flat, 0.0, 0.5 / select(flat, 1.0, out))

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        return f"np.sqrt({names[0]}{f', out={out}' if out else ''})"

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return True


root = Root()
