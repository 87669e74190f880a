"""Products of arrays."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax.operands import axis_index, operand
from fgrad.numpy.axes import as_dtype
from fgrad.primitives import contraction
from fgrad.primitives.families import shape_of

__all__ = ["DotDimensionNumbers", "Precision", "PrecisionLike", "batch_matmul", "dot", "dot_general"]

Axes = Sequence[int]
DotDimensionNumbers = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]
"""`((contracted axes of x, of y), (batch axes of x, of y))`."""


class Precision(enum.Enum):
    """How precisely products are computed: here always in the dtype of the operands, whichever is named."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


PrecisionLike = str | Precision | tuple[str | Precision, str | Precision] | None


@public
def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: DotDimensionNumbers,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """The general product of two arrays: sums over pairs of axes, side by side along others.

    The axes of the result are the batch axes, then the remaining axes of `lhs`, then those of `rhs`.

    Args:
        lhs: an array.
        rhs: an array.
        dimension_numbers: `((contracted axes of lhs, of rhs), (batch axes of lhs, of rhs))`.
        precision: has no effect.
        preferred_element_type: the dtype of the result, in which products are summed.

    >>> numbers = (((1,), (0,)), ((), ()))
    >>> dot_general(np.ones((2, 3)), np.ones((3,)), numbers)
    array([3., 3.])
    """
    x, y = operand(lhs), operand(rhs)
    common = np.result_type(aval_of(x).dtype, aval_of(y).dtype)
    wanted = common if preferred_element_type is None else np.dtype(preferred_element_type)
    # Sums in a wider dtype are more precise, and do not overflow; into a narrower one they are rounded at the end.
    computed = np.result_type(common, wanted)
    numbers = _numbers(dimension_numbers, len(shape_of(x)), len(shape_of(y)))
    out = contraction.dot_general(as_dtype(x, computed), as_dtype(y, computed), dimension_numbers=numbers)
    return as_dtype(out, wanted)


def _numbers(numbers: Any, x_rank: int, y_rank: int) -> Any:
    try:
        (x_sum, y_sum), (x_rows, y_rows) = numbers
    except (TypeError, ValueError):
        cure = "They are ((contracted axes of lhs, of rhs), (batch axes of lhs, of rhs))."
        raise ArgumentError(message(f"lax.dot_general: dimension_numbers are {numbers!r}.", cure=cure)) from None
    x, y = ([tuple([axis_index("dot_general", a, rank) for a in axes]) for axes in pair]
            for pair, rank in (((x_sum, x_rows), x_rank), ((y_sum, y_rows), y_rank)))  # fmt: skip
    return (x[0], y[0]), (x[1], y[1])


@public
def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: DotDimensionNumbers | None = None,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """The product of two vectors, a matrix and a vector, or two matrices; with dimension numbers as `dot_general`.

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    x, y = operand(lhs), operand(rhs)
    if dimension_numbers is None:
        shapes = shape_of(x), shape_of(y)
        if not all(1 <= len(s) <= 2 for s in shapes) or shapes[0][-1] != shapes[1][0]:
            what = f"lax.dot of arrays of shapes {shapes[0]} and {shapes[1]}."
            cure = "It takes vectors and matrices that fit; with dimension_numbers any arrays."
            raise ShapeError(message(what, cure=cure))
        dimension_numbers = (((len(shapes[0]) - 1,), (0,)), ((), ()))
    return dot_general(x, y, dimension_numbers, precision, preferred_element_type)


@public
def batch_matmul(lhs: Any, rhs: Any, precision: PrecisionLike = None) -> Array:
    """Products of matrices side by side: of shapes (*b, n, k) and (*b, k, m) the result is (*b, n, m).

    >>> batch_matmul(np.ones((2, 1, 3)), np.ones((2, 3, 1))).ravel()
    array([3., 3.])
    """
    x, y = operand(lhs), operand(rhs)
    shapes = shape_of(x), shape_of(y)
    if len(shapes[0]) < 2 or len(shapes[0]) != len(shapes[1]) or shapes[0][:-2] != shapes[1][:-2]:
        what = f"lax.batch_matmul of arrays of shapes {shapes[0]} and {shapes[1]}."
        raise ShapeError(message(what, cure="Both have the same leading axes; fgrad.numpy.matmul broadcasts them."))
    last = len(shapes[0]) - 1
    rows = tuple(range(last - 1))
    return dot_general(x, y, (((last,), (last - 1,)), (rows, rows)), precision)
