"""Stacks of matrices: what the primitives of linear algebra, and their derivative rules, are written in.

A stack has the shape (*rows, m, n): matrices in its last two axes, one for every index of the leading ones. NumPy
computes a whole stack in one call, so that an axis that is mapped becomes one more leading axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import Primitive
from fgrad.errors import MatrixError, ShapeError, message
from fgrad.primitives.comparison import le, select
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.reductions import reduce_max
from fgrad.primitives.rounding import absolute, conj, real
from fgrad.primitives.shape import broadcast_to, move_axis, reduce_sum, reshape, transpose

__all__ = [
    "Stacked",
    "across",
    "adjoint",
    "columns",
    "diagonal",
    "down",
    "from_triangle",
    "matrices_of",
    "matrix_transpose",
    "near_singular",
    "on_diagonal",
    "product",
    "real_part_of",
    "square",
    "trace_of_product",
    "triangle",
]


class Stacked(Primitive):
    """A primitive of stacks of matrices, all of whose arguments have the same leading axes."""

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        out = self.bind(*[_rows_first(x, d, size) for x, d in zip(xs, dims, strict=True)], **params)
        return out, ([0] * len(out) if self.multiple else 0)


def _rows_first(x: Array, dim: int | None, size: int) -> Array:
    return broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)


def matrices_of(name: str, x: ShapedArray) -> tuple[tuple[int, ...], int, int]:
    """The leading axes of a stack, and the numbers of rows and columns of its matrices.

    Raises:
        MatrixError: there are fewer than two axes.
        ShapeError: NumPy has no linear algebra for the dtype.
    """
    if x.ndim < 2:
        what = f"`{name}` takes matrices, in the last two axes of an array; it got one of shape {x.shape}."
        raise MatrixError(message(what, cure="A single matrix has the shape (m, n)."))
    if x.dtype.char not in "fdFD":
        what = f"`{name}` computes in single or double precision, not in {x.dtype}."
        raise ShapeError(message(what, cure="Convert first: x.astype(numpy.float64)."))
    return x.shape[:-2], x.shape[-2], x.shape[-1]


def square(name: str, x: ShapedArray) -> tuple[tuple[int, ...], int]:
    """The leading axes of a stack of square matrices, and their size.

    Raises:
        MatrixError: they are not square.
    """
    rows, m, n = matrices_of(name, x)
    if m != n:
        raise MatrixError(message(f"`{name}` takes square matrices; the last two axes of {x.shape} differ in length."))
    return rows, n


def real_part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real and imaginary parts."""
    return np.dtype(dtype.char.lower())


def product(*factors: Array) -> Array:
    """The product of matrices, stack by stack, from the left to the right."""
    out = factors[0]
    for x in factors[1:]:
        rank = len(shape_of(out)) - 2
        rows = tuple(range(rank))
        out = dot_general(out, x, dimension_numbers=(((rank + 1,), (rank,)), (rows, rows)))
    return out


def matrix_transpose(x: Array) -> Array:
    """Xᵀ."""
    rank = len(shape_of(x))
    return transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def adjoint(x: Array) -> Array:
    """Xᴴ, the conjugate of the transpose."""
    turned = matrix_transpose(x)
    return conj(turned) if aval_of(x).dtype.kind == "c" else turned


def across(v: Array) -> Array:
    """Vectors as rows of one line: they broadcast over the rows of matrices, and scale columns."""
    shape = shape_of(v)
    return reshape(v, shape=(*shape[:-1], 1, shape[-1]))


def down(v: Array) -> Array:
    """Vectors as single columns: they broadcast over the columns of matrices, and scale rows."""
    return reshape(v, shape=(*shape_of(v), 1))


def columns(x: Array, start: int, stop: int, axis: int = -1) -> Array:
    """The columns from `start` to `stop` (the rows, along axis −2)."""
    shape = shape_of(x)
    if (start, stop) == (0, shape[axis]):
        return x
    key: list[Any] = [FULL] * len(shape)
    key[axis] = slice_entry(slice(start, stop), shape[axis])
    return gather(x, key=tuple(key), unique=True)


def _on(m: int, n: int) -> Array:
    """Where the diagonal is. The compiler may rely on what it is: nobody can write into it."""
    mask = np.eye(m, n, dtype=bool)
    mask.flags.writeable = False
    return mask


def _below(m: int, n: int) -> Array:
    """What is below the diagonal, likewise."""
    mask = np.tri(m, n, -1, dtype=bool)
    mask.flags.writeable = False
    return mask


def on_diagonal(v: Array) -> Array:
    """Diagonal matrices of vectors."""
    n = shape_of(v)[-1]
    return select(_on(n, n), down(v), 0.0)


def diagonal(x: Array) -> Array:
    """The diagonals of square matrices."""
    rank, n = len(shape_of(x)), shape_of(x)[-1]
    return reduce_sum(select(_on(n, n), x, 0.0), axes=(rank - 1,))


def triangle(x: Array, weight: float = 0.0) -> Array:
    """What is below the diagonal, and the diagonal times a weight; zeros above."""
    m, n = shape_of(x)[-2:]
    low = select(_below(m, n), x, 0.0)
    return low + select(_on(m, n), weight * x, 0.0) if weight else low


def from_triangle(x: Array, lower: bool) -> Array:
    """The Hermitian matrices that have a given triangle, and the real part of a given diagonal."""
    n = shape_of(x)[-1]
    kept = _below(n, n)
    if aval_of(x).dtype.kind != "c":
        return select(kept if lower else kept.T, x, select(_on(n, n), x, matrix_transpose(x)))
    middle = select(_on(n, n), real(x), adjoint(x))
    return select(kept if lower else kept.T, x, middle)


def trace_of_product(x: Array, y: Array) -> Array:
    """tr(X·Y) without the product."""
    rank = len(shape_of(x))
    return reduce_sum(matrix_transpose(x) * y, axes=(rank - 2, rank - 1))


def near_singular(s: Array) -> Array:
    """Which of some singular values are zero, up to rounding of the largest."""
    shape, dtype = shape_of(s), aval_of(s).dtype
    if not shape[-1]:
        return np.zeros(shape, bool)
    largest = reduce_max(s, axes=(len(shape) - 1,))
    bound = dtype.type(4 * shape[-1] * np.finfo(dtype).eps) * down(largest)
    return le(absolute(s), bound)
