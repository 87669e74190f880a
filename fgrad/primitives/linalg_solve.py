"""Linear equations, inverses and determinants.

Source: Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), sections 2.2.3 and 2.2.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.linalg_stacks import (
    Stacked,
    matrices_of,
    matrix_transpose,
    product,
    real_part_of,
    square,
    trace_of_product,
    triangle,
)
from fgrad.primitives.rounding import imag, real
from fgrad.primitives.shape import move_axis, reshape

__all__ = ["adjugate", "det", "inverse", "regular", "slogdet", "solve"]


def regular(shape: tuple[int, ...], dtype: Any = np.float64, offset: float = 2.0) -> Callable[..., Any]:
    """Draws matrices that are far from singular ones."""

    def sample(rng: np.random.Generator) -> Any:
        x = rng.uniform(-1, 1, shape)
        if np.dtype(dtype).kind == "c":
            x = x + 1j * rng.uniform(-1, 1, shape)
        return (x + offset * np.diag(1 + np.arange(shape[-1]))).astype(dtype)

    return sample


class Solve(Stacked):
    """`solve(a, b)`: the X with A·X = B, for square matrices A and matrices B of as many rows; linear in B.

    dX = A⁻¹·(dB − dA·X); the transpose solves with Aᵀ.
    """

    samples = (
        Sample(regular((3, 3)), draw(-1, 1, (3, 2))),
        Sample(regular((2, 3, 3)), draw(-1, 1, (2, 3, 1))),
        Sample(regular((1, 1)), draw(-1, 1, (1, 1))),
        Sample(np.zeros((0, 0)), np.zeros((0, 2))),
        Sample(regular((4, 4), np.complex128), draw(-1, 1, (4, 4), np.complex128)),
    )

    def impl(self, a: Array, b: Array) -> Array:
        return np.linalg.solve(a, b)

    def shape(self, a: ShapedArray, b: ShapedArray) -> ShapedArray:
        rows, n = square("solve", a)
        if matrices_of("solve", b)[:2] != (rows, n) or a.dtype != b.dtype:
            raise ShapeError(message(f"`solve` of {a} and {b}: matrices of as many rows, and one dtype, are needed."))
        return b

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[0]

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        by_a, by_b = ts
        if by_a is ZERO:
            return solve(xs[0], by_b)
        moved = product(by_a, out)
        return solve(xs[0], -moved if by_b is ZERO else by_b - moved)

    def transpose(self, ct: Array, a: Any, b: Any) -> Sequence[Array | None]:
        return None, solve(matrix_transpose(a), ct)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        if dims[0] is not None or dims[1] is None:
            return super().batch(size, xs, dims)
        # One matrix for all: they are more columns, and it is factored once.
        b = move_axis(xs[1], dims[1], len(shape_of(xs[1])) - 1)
        shape = shape_of(b)
        out = solve(xs[0], reshape(b, shape=(*shape[:-2], shape[-2] * shape[-1])))
        return reshape(out, shape=shape), len(shape) - 1


class Inverse(Stacked):
    """`inverse(a, strict=, lower=)`: A⁻¹; if not `strict`, NaN in place of an error where A is singular.

    If `lower`, only the lower triangle of A is read: the rest counts as zeros. dA⁻¹ = −A⁻¹·dA·A⁻¹.
    """

    samples = (
        Sample(regular((3, 3))),
        Sample(regular((3, 3)), lower=True),
        Sample(regular((2, 2, 2), np.complex128), lower=True),
        Sample(regular((2, 2, 2)), strict=False),
        Sample(np.zeros((0, 0))),
        Sample(regular((2, 2), np.complex128)),
    )

    def impl(self, a: Array, *, strict: bool = True, lower: bool = False) -> Array:
        if lower:
            out = np.zeros_like(a)
            _invert_lower(a, out)
            return out
        try:
            return np.linalg.inv(a)
        except np.linalg.LinAlgError:
            if strict:
                raise
        singular = ~(np.abs(np.linalg.slogdet(a)[1]) < np.inf)
        out = np.linalg.inv(np.where(singular[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a))
        return np.where(singular[..., None, None], a.dtype.type(np.nan), out)

    def shape(self, a: ShapedArray, **params: bool) -> ShapedArray:
        square("inverse", a)
        return a

    def jvp(
        self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, strict: bool = True, lower: bool = False
    ) -> Array:
        t = triangle(ts[0], 1.0) if lower else ts[0]
        return -product(out, t, out)


_BLOCK = 32
"""Rows up to which a triangle is inverted as any matrix is: products of smaller blocks are no faster."""


def _invert_lower(a: Any, out: Any) -> None:
    """Writes the inverses of lower triangles into zeros: (A 0; B C)⁻¹ = (A⁻¹ 0; −C⁻¹·B·A⁻¹ C⁻¹).

    Most of the work is in the products of blocks, which BLAS does at full speed: a quarter of what the inverse of a
    full matrix takes.
    """
    n = a.shape[-1]
    if n <= _BLOCK:
        out[...] = np.tril(np.linalg.inv(np.tril(a)))
        return
    head, tail = slice(None, n // 2), slice(n // 2, None)
    _invert_lower(a[..., head, head], out[..., head, head])
    _invert_lower(a[..., tail, tail], out[..., tail, tail])
    below = np.matmul(a[..., tail, head], out[..., head, head])
    np.negative(np.matmul(out[..., tail, tail], below), out=out[..., tail, head])


class Slogdet(Stacked):
    """`slogdet(a)`: sign (of a complex matrix, phase) and logarithm of the absolute value of the determinant.

    With z = tr(A⁻¹·dA): d log|det A| = Re z, d sign = i·sign·Im z. At a singular matrix there is no derivative.
    """

    multiple = True
    samples = (
        Sample(regular((3, 3))),
        Sample(regular((2, 2, 2))),
        Sample(np.zeros((0, 0))),
        Sample(regular((2, 2), np.complex128)),
    )

    def impl(self, a: Array) -> list[Array]:
        return list(np.linalg.slogdet(a))

    def shape(self, a: ShapedArray) -> list[ShapedArray]:
        rows, _ = square("slogdet", a)
        return [ShapedArray(rows, a.dtype), ShapedArray(rows, real_part_of(a.dtype))]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Any]) -> list[Array | Zero]:
        z = trace_of_product(inverse(xs[0]), ts[0])
        if xs[0].dtype.kind != "c":
            return [ZERO, z]
        return [out[0] * (xs[0].dtype.type(1j) * imag(z)), real(z)]


class Det(Stacked):
    """`det(a)`: the determinant. d det A = tr(adj A·dA), also where A is singular (Jacobi's formula)."""

    samples = (
        Sample(regular((3, 3))),
        Sample(regular((2, 2, 2))),
        Sample(np.zeros((0, 0))),
        Sample(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])),
        Sample(regular((2, 2), np.complex128)),
    )

    def impl(self, a: Array) -> Array:
        return np.linalg.det(a)

    def shape(self, a: ShapedArray) -> ShapedArray:
        rows, _ = square("det", a)
        return ShapedArray(rows, a.dtype)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return trace_of_product(adjugate(xs[0]), ts[0])


class Adjugate(Stacked):
    """`adjugate(a)`: det(A)·A⁻¹, the transposed cofactors, which singular matrices have, too.

    From the singular values: with A = U·S·Vᴴ it is det(U)·det(Vᴴ)·V·adj(S)·Uᴴ.
    """

    samples = (
        Sample(regular((3, 3))),
        Sample(regular((2, 2, 2))),
        Sample(np.zeros((0, 0))),
        Sample(regular((2, 2), np.complex128)),
    )

    def impl(self, a: Array) -> Array:
        f = _Diagonalized(a)
        return f.back(f.without_one()[..., None] * np.eye(a.shape[-1], dtype=a.dtype))

    def shape(self, a: ShapedArray) -> ShapedArray:
        square("adjugate", a)
        return a

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return adjugate_slope(xs[0], ts[0])


class AdjugateSlope(Stacked):
    """`adjugate_slope(a, t)`: the derivative of the adjugate of A along T, also where A is singular; linear in T.

    Where A is diagonal the entry (i, j) is −Πₖ≠ᵢⱼ aₖ·tᵢⱼ, and Σⱼ Πₖ≠ᵢⱼ aₖ·tⱼⱼ on the diagonal.
    """

    samples = (
        Sample(regular((4, 4)), draw(-1, 1, (4, 4))),
        Sample(regular((2, 4, 4)), draw(-1, 1, (2, 4, 4))),
        Sample(np.zeros((0, 0)), np.zeros((0, 0))),
        Sample(regular((4, 4), np.complex128), draw(-1, 1, (4, 4), np.complex128)),
    )

    def impl(self, a: Array, t: Array) -> Array:
        f = _Diagonalized(a)
        weights = f.without_two()
        turned = f.adjoint_u @ t @ f.v
        sums = np.vecdot(weights, np.diagonal(turned, axis1=-2, axis2=-1)[..., None, :])
        return f.back(sums[..., None] * np.eye(a.shape[-1]) - weights * turned)

    def shape(self, a: ShapedArray, t: ShapedArray) -> ShapedArray:
        square("adjugate_slope", a)
        if a != t:
            raise ShapeError(message(f"`adjugate_slope` of {a} along {t}: they must have one shape and dtype."))
        return a

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[0]

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        a, t = xs
        by_a, by_t = ts
        along = ZERO if by_t is ZERO else adjugate_slope(a, by_t)
        if by_a is ZERO:
            return along
        # With X = A⁻¹ the slope is det(A)·(tr(X·T)·X − X·T·X): the rest needs an A that is not singular.
        x = inverse(a)
        y, z = product(x, t), product(x, by_a)
        tr_y, tr_z = _numbers(trace_of_product(x, t)), _numbers(trace_of_product(x, by_a))
        within = product(z, y) + product(y, z) - tr_z * y - tr_y * z
        curve = _numbers(det(a)) * ((tr_y * tr_z - _numbers(trace_of_product(z, y))) * x + product(within, x))
        return curve if along is ZERO else along + curve

    def transpose(self, ct: Array, a: Any, t: Any) -> Sequence[Array | None]:
        # tr(C·(tr(X·T)·X − X·T·X)) is symmetric in C and T.
        return None, matrix_transpose(adjugate_slope(a, matrix_transpose(ct)))


def _numbers(z: Array) -> Array:
    """Numbers, one for each matrix of a stack, that multiply the matrices."""
    return reshape(z, shape=(*shape_of(z), 1, 1))


class _Diagonalized:
    """Square matrices by their singular values."""

    def __init__(self, a: Array) -> None:
        u, self.s, vh = np.linalg.svd(a)
        self.adjoint_u, self.v = (np.conj(np.swapaxes(x, -1, -2)) for x in (u, vh))
        self.phase = np.asarray(np.linalg.det(u) * np.linalg.det(vh))

    def back(self, middle: Array) -> Array:
        return (self.phase[..., None, None] * (self.v @ middle @ self.adjoint_u)).astype(self.v.dtype, copy=False)

    def without_one(self) -> Array:
        """The product of all singular values but one."""
        return _others(self.s)

    def without_two(self) -> Array:
        """The product of all singular values but two; 0 on the diagonal."""
        n = self.s.shape[-1]
        rest = np.where(np.eye(n, dtype=bool), 1.0, self.s[..., None, :]).astype(self.s.dtype)
        return np.where(np.eye(n, dtype=bool), 0.0, _others(rest)).astype(self.s.dtype)


def _others(s: Array) -> Array:
    """Along the last axis, the product of the elements before and behind each."""
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], -1), -1)
    behind = np.cumprod(np.concatenate([ones, s[..., :0:-1]], -1), -1)[..., ::-1]
    return (before * behind)[..., : s.shape[-1]]


solve = Solve()
inverse = Inverse()
slogdet = Slogdet()
det = Det()
adjugate = Adjugate()
adjugate_slope = AdjugateSlope()
