"""Running a program on some of many rows.

The programs of rows are made per number of rows. There are only so many numbers: others are rounded up, and the rows
that are missing are copies of the first, so that no program ever sees a row that should not be run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.primitives.index_keys import ARRAY, FULL
from fgrad.primitives.indexing import gather
from fgrad.transforms.jaxprs import rows_jaxpr

__all__ = ["concrete", "over_rows", "padded", "take_rows", "values"]

Mask: TypeAlias = tuple[bool, ...]


def padded(rows: Any, size: int, program: ClosedJaxpr) -> Any:
    """Row numbers, the first repeated until there is a program for so many.

    Args:
        rows: at least one row number.
        size: the number of all rows.
        program: what is run on them; if it has an effect, no row is run twice.
    """
    wanted = len(rows) if program.jaxpr.effect else _program_size(len(rows), size)
    if wanted == len(rows):
        return rows
    return np.concatenate([rows, np.full(wanted - len(rows), rows[0])])


def _program_size(count: int, size: int) -> int:
    """Powers of two, and one and a half times these: at most a third of the rows are copies."""
    power = 1 << (count - 1).bit_length()
    return min(size, power * 3 // 4 if count <= power * 3 // 4 else power)


def over_rows(jaxpr: ClosedJaxpr, count: int, mapped: Mask) -> ClosedJaxpr:
    """A program over so many rows of those arguments that are marked; every result has them along axis 0."""
    return rows_jaxpr(jaxpr, count, tuple(0 if m else None for m in mapped), (True,) * len(jaxpr.jaxpr.outvars))


def take_rows(x: Array, rows: Any) -> Array:
    """Some rows of an array; it may be a tracer."""
    if type(x) is not Tracer:
        return x[rows]
    return gather(x, rows, key=(ARRAY, *[FULL] * (aval_of(x).ndim - 1)), unique=False)


def concrete(x: Array) -> Array:
    """The value of an array that may be a tracer, or `None`."""
    return x.concrete if type(x) is Tracer else x


def values(xs: Sequence[Array]) -> list[Array]:
    """The values of arrays that may be tracers and have values."""
    return [concrete(x) for x in xs]
