"""What keeps the compiler from seeing that two values are the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample
from fgrad.core.writer import Writer
from fgrad.primitives.families import Linear, draw

__all__ = ["new_region", "optimization_barrier"]

_regions = count(1)


def new_region() -> int:
    """A number that no other region of a program has."""
    return next(_regions)


class OptimizationBarrier(Linear):
    """`optimization_barrier(x, region=)`: x, of which simplification knows nothing.

    What is computed from it is computed where it stands, although the same may have been computed from x before.
    Barriers of the same region and the same x are one.
    """

    preserves_weak = True
    samples = (
        Sample(draw(-1, 1, (2, 3)), region=1),
        Sample(draw(-1, 1), region=1),
        Sample(draw(-1, 1, (0,)), region=1),
    )

    def impl(self, x: Array, *, region: int) -> Array:
        return x

    def shape(self, x: ShapedArray, *, region: int) -> ShapedArray:
        return x

    def transpose(self, ct: Array, x: Any, *, region: int) -> Sequence[Array]:
        return (optimization_barrier(ct, region=-region),)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, region: int) -> tuple[Array, int]:
        return optimization_barrier(xs[0], region=region), dims[0]

    def is_view(self, **params: Any) -> bool:
        return True

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, region: int) -> str:
        # A Python scalar is read out of the result, as out of that of a ufunc.
        return f"np.asarray({names[0]})" if write.avals and write.avals[0].weak_type else names[0]


optimization_barrier = OptimizationBarrier()
