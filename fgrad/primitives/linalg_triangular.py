"""Triangular systems, and the factorization into triangles by elimination.

Sources: Giles (2008), section 2.3.1; de Hoog, Anderssen and Lukas, "Differentiation of matrix functionals using
triangular factorization" (2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.errors import MissingExtraError, ShapeError, message
from fgrad.primitives.comparison import select
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.joining import concatenate
from fgrad.primitives.linalg_solve import regular
from fgrad.primitives.linalg_stacks import (
    Stacked,
    columns,
    down,
    matrices_of,
    matrix_transpose,
    product,
    square,
    triangle,
)
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.primitives.shape import broadcast_to, move_axis, reshape
from fgrad.primitives.sorting import permute

__all__ = ["lu", "order_of", "triangular_solve", "upper_triangle"]

_FEW = 64  # matrices up to which exchanges are quicker one by one than one step of all at a time
_SMALL = 48  # rows up to which a general solver for a whole stack is quicker than a triangular one for each matrix


def upper_triangle(x: Array) -> Array:
    """The diagonal and what is above it; zeros below."""
    m, n = shape_of(x)[-2:]
    return select(~np.tri(m, n, -1, dtype=bool), x, 0.0)


def _of_triangle(a: Array, lower: bool, unit: bool) -> Array:
    """The triangular matrix that is read."""
    part = matrix_transpose(upper_triangle(matrix_transpose(a))) if lower else upper_triangle(a)
    return select(np.eye(shape_of(a)[-1], dtype=bool), 1.0, part) if unit else part


class TriangularSolve(Stacked):
    """`triangular_solve(a, b, lower=, unit=)`: the X with T·X = B, where T is one triangle of A, with ones on its
    diagonal if `unit`.

    The rest of A is not read, and the derivative by it is 0. dX = T⁻¹·(dB − dT·X).
    """

    samples = (
        Sample(regular((3, 3)), draw(-1, 1, (3, 2)), lower=True, unit=False),
        Sample(regular((2, 3, 3)), draw(-1, 1, (2, 3, 1)), lower=False, unit=False),
        Sample(regular((3, 3)), draw(-1, 1, (3, 1)), lower=True, unit=True),
        Sample(np.zeros((0, 0)), np.zeros((0, 2)), lower=False, unit=False),
        Sample(regular((3, 3), np.complex128), draw(-1, 1, (3, 2), np.complex128), lower=False, unit=True),
    )

    def impl(self, a: Array, b: Array, *, lower: bool, unit: bool) -> Array:
        trtrs = _lapack("trtrs", a) if a.shape[-1] > _SMALL else None
        if trtrs is None:
            part = np.tril(a) if lower else np.triu(a)
            if unit:
                part = np.where(np.eye(a.shape[-1], dtype=bool), a.dtype.type(1), part)
            return np.linalg.solve(part, b)
        out = np.empty_like(b)
        for row in np.ndindex(a.shape[:-2]):
            # LAPACK reads columns: the other triangle of the transpose is no copy.
            out[row], fault = trtrs(a[row].T, b[row], lower=not lower, trans=1, unitdiag=unit)
            if fault > 0:
                raise np.linalg.LinAlgError("Singular matrix")
        return out

    def shape(self, a: ShapedArray, b: ShapedArray, *, lower: bool, unit: bool) -> ShapedArray:
        rows, n = square("triangular_solve", a)
        if matrices_of("triangular_solve", b)[:2] != (rows, n) or a.dtype != b.dtype:
            what = f"`triangular_solve` of {a} and {b}: matrices of as many rows, and one dtype, are needed."
            raise ShapeError(message(what))
        return b

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[0]

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, lower: bool, unit: bool) -> Array:
        by_a, by_b = ts
        if by_a is ZERO:
            return triangular_solve(xs[0], by_b, lower=lower, unit=unit)
        part = _of_triangle(by_a, lower, False)
        if unit:
            part = select(np.eye(shape_of(part)[-1], dtype=bool), 0.0, part)
        moved = product(part, out)
        return triangular_solve(xs[0], -moved if by_b is ZERO else by_b - moved, lower=lower, unit=unit)

    def transpose(self, ct: Array, a: Any, b: Any, *, lower: bool, unit: bool) -> Sequence[Array | None]:
        return None, triangular_solve(matrix_transpose(a), ct, lower=not lower, unit=unit)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        if dims[0] is not None or dims[1] is None:
            return super().batch(size, xs, dims, **params)
        # One matrix for all: they are more columns.
        b = move_axis(xs[1], dims[1], len(shape_of(xs[1])) - 1)
        shape = shape_of(b)
        out = triangular_solve(xs[0], reshape(b, shape=(*shape[:-2], shape[-2] * shape[-1])), **params)
        return reshape(out, shape=shape), len(shape) - 1


def _lapack(name: str, a: Array) -> Any:
    """A routine of LAPACK for the dtype of an array; `None` where SciPy is not installed."""
    try:
        return scipy_module("linalg.lapack").get_lapack_funcs((name,), (a,))[0]
    except MissingExtraError:
        return None


class Lu(Stacked):
    """`lu(a)`: L and U in one array, L below the diagonal and without its ones; what row each step took to its place;
    and the order of rows that results, A[order] = L·U.

    With M = L⁻¹·dA[order]·U⁻¹: dL = L·tril(M, −1), dU = triu(M)·U, where A is square; the leading columns, or rows,
    must be independent.
    """

    multiple = True
    samples = (
        Sample(regular((3, 3))),
        Sample(lambda rng: regular((2, 3, 3))(rng)[:, ::-1]),
        Sample(draw(-1, 1, (4, 2))),
        Sample(draw(-1, 1, (2, 4))),
        Sample(np.zeros((0, 2))),
        Sample(regular((3, 3), np.complex128)),
    )

    def impl(self, a: Array) -> list[Array]:
        packed, pivots = np.empty(a.shape, a.dtype), np.empty((*a.shape[:-2], min(a.shape[-2:])), np.int32)
        getrf = _lapack("getrf", a) if a.size else None
        if getrf is None:
            packed[...], pivots = _eliminated(a)
        else:
            for row in np.ndindex(a.shape[:-2]):
                packed[row], pivots[row], _ = getrf(a[row])
        return [packed, pivots, order_of(pivots, a.shape[-2])]

    def shape(self, a: ShapedArray) -> list[ShapedArray]:
        rows, m, n = matrices_of("lu", a)
        pivots, order = ShapedArray((*rows, min(m, n)), np.dtype(np.int32)), ShapedArray((*rows, m), np.dtype(np.int64))
        return [a, pivots, order]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Any]) -> list[Array | Zero]:
        packed, order = out[0], out[2]
        shape = shape_of(packed)
        m, n = shape[-2:]
        k, last = min(m, n), len(shape) - 1
        t = permute(ts[0], broadcast_to(down(order), shape=shape), axis=last - 1)
        square_part = columns(columns(packed, 0, k), 0, k, axis=-2)
        low, up = triangle(square_part) + np.eye(k, dtype=aval_of(packed).dtype), upper_triangle(square_part)
        top = columns(t, 0, k, axis=-2)
        inner = _right_solve(_left_solve(square_part, columns(top, 0, k)), square_part)
        by_low, by_up = product(low, triangle(inner)), product(upper_triangle(inner), up)
        slope = by_low + by_up
        if n > k:
            rest = columns(top, k, n) - product(by_low, columns(packed, k, n))
            slope = concatenate(slope, _left_solve(square_part, rest), axis=last)
        if m > k:
            rest = columns(t, k, m, axis=-2) - product(columns(packed, k, m, axis=-2), by_up)
            slope = concatenate(slope, _right_solve(rest, square_part), axis=last - 1)
        return [slope, ZERO, ZERO]


def _left_solve(packed: Array, x: Array) -> Array:
    """L⁻¹·X."""
    return triangular_solve(packed, x, lower=True, unit=True)


def _right_solve(x: Array, packed: Array) -> Array:
    """X·U⁻¹."""
    found = triangular_solve(matrix_transpose(packed), matrix_transpose(x), lower=True, unit=False)
    return matrix_transpose(found)


def _eliminated(a: Array) -> tuple[Array, Array]:
    """Gaussian elimination with partial pivoting of a whole stack at once, as LAPACK does it for one matrix."""
    out = a.copy()
    m, n = a.shape[-2:]
    pivots = np.zeros((*a.shape[:-2], min(m, n)), np.int32)
    for k in range(min(m, n)):
        chosen = np.abs(out[..., k:, k]).argmax(-1)[..., None, None] + k
        pivots[..., k] = chosen[..., 0, 0]
        here = out[..., k : k + 1, :].copy()
        out[..., k : k + 1, :] = np.take_along_axis(out, chosen, -2)
        np.put_along_axis(out, chosen, here, -2)
        pivot = out[..., k : k + 1, k]
        out[..., k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        out[..., k + 1 :, k + 1 :] -= out[..., k + 1 :, k : k + 1] * out[..., k : k + 1, k + 1 :]
    return out, pivots


def order_of(pivots: Array, m: int) -> Array:
    """The order of rows after exchanges."""
    order = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    if pivots.size <= _FEW * pivots.shape[-1]:
        for row in np.ndindex(pivots.shape[:-1]):
            order[row] = _exchanged(list(range(m)), pivots[row].tolist())
        return order
    for k in range(pivots.shape[-1]):
        chosen = pivots[..., k : k + 1].astype(np.intp)
        here = order[..., k : k + 1].copy()
        order[..., k : k + 1] = np.take_along_axis(order, chosen, -1)
        np.put_along_axis(order, chosen, here, -1)
    return order


def _exchanged(order: list[int], pivots: list[int]) -> list[int]:
    for k, chosen in enumerate(pivots):
        order[k], order[chosen] = order[chosen], order[k]
    return order


triangular_solve = TriangularSolve()
lu = Lu()
