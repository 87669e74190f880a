"""Singular values, and the pseudo-inverse.

Sources: Townsend, "Differentiating the singular value decomposition" (2016); Wan and Zhang, "Automatic differentiation
for complex valued SVD" (2019); Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
problems whose variables separate" (1973).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import select
from fgrad.primitives.families import shape_of
from fgrad.primitives.joining import concatenate
from fgrad.primitives.linalg_solve import regular
from fgrad.primitives.linalg_spectra import Values, over_gaps
from fgrad.primitives.linalg_stacks import (
    Stacked,
    across,
    adjoint,
    columns,
    diagonal,
    down,
    matrices_of,
    near_singular,
    product,
    real_part_of,
)
from fgrad.primitives.rounding import real

__all__ = ["pinv", "svd", "svdvals"]


def _apart(shape: tuple[int, ...]) -> Any:
    """Draws matrices whose singular values are apart from each other and from 0."""

    def sample(rng: np.random.Generator) -> Any:
        x = rng.uniform(-1, 1, shape)
        u, s, vh = np.linalg.svd(x, full_matrices=False)
        return u * (1.0 + 0.7 * np.arange(s.shape[-1])) @ vh

    return sample


class Svd(Stacked):
    """`svd(a, full=)`: U, s, Vᴴ with A = U·diag(s)·Vᴴ, s descending; U and V square, if `full`.

    With P = Uᴴ·dA·V, its Hermitian part H and its anti-Hermitian part K: ds = diag H, dU = U·(H/(sⱼ−sᵢ) + K/(sⱼ+sᵢ)),
    dV = V·(H/(sⱼ−sᵢ) − K/(sⱼ+sᵢ)), and outside of the spaces of U and V (1 − U·Uᴴ)·dA·V/s, (1 − V·Vᴴ)·dAᴴ·U/s.
    Quotients by 0, up to rounding, are 0, as in `over_gaps`.
    """

    multiple = True
    samples = (
        Sample(_apart((3, 3)), full=False),
        Sample(_apart((2, 3, 2)), full=False),
        Sample(_apart((2, 3)), full=False),
        Sample(_apart((3, 2)), full=True),
        Sample(_apart((2, 3)), full=True),
        Sample(np.zeros((0, 2)), full=False),
    )

    def impl(self, a: Array, *, full: bool) -> list[Array]:
        return list(np.linalg.svd(a, full_matrices=full))

    def shape(self, a: ShapedArray, *, full: bool) -> list[ShapedArray]:
        rows, m, n = matrices_of("svd", a)
        k = min(m, n)
        return [
            ShapedArray((*rows, m, m if full else k), a.dtype),
            ShapedArray((*rows, k), real_part_of(a.dtype)),
            ShapedArray((*rows, n if full else k, n), a.dtype),
        ]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Any], *, full: bool) -> list[Array]:
        u_all, s, vh_all = out
        t = ts[0]
        k = shape_of(s)[-1]
        u, v = columns(u_all, 0, k), adjoint(columns(vh_all, 0, k, axis=-2))
        inner = product(adjoint(u), t, v)
        even = 0.5 * (inner + adjoint(inner))
        odd = 0.5 * (inner - adjoint(inner))
        turn = over_gaps(even, s, hermitian=True, cotangent=False)
        shear = odd * _reciprocal(down(s) + across(s), _both(near_singular(s)))
        inverse_s = across(_reciprocal(s, near_singular(s)))
        by_u = _outside(u_all, u, product(u, turn + shear), product(t, v), inner, inverse_s)
        by_v = _outside(adjoint(vh_all), v, product(v, turn - shear), product(adjoint(t), u), adjoint(inner), inverse_s)
        return [by_u, real(diagonal(inner)), adjoint(by_v)]


def _both(zero: Array) -> Array:
    return down(zero) & across(zero)


def _reciprocal(x: Array, zero: Array) -> Array:
    """1/x, and 0 where x is known to be 0."""
    return select(zero, 0.0, 1.0 / select(zero, 1.0, x))


def _outside(whole: Array, u: Array, within: Array, image: Array, inner: Array, inverse_s: Array) -> Array:
    """The slope of orthonormal columns from what it is within their space, and of those that complete them."""
    m, k = shape_of(u)[-2:]
    if m == k:
        return within
    slope = within + (image - product(u, inner)) * inverse_s
    count = shape_of(whole)[-1]
    if count == k:
        return slope
    rest = columns(whole, k, count)
    completing = -product(u, adjoint(product(adjoint(rest), slope)))
    return concatenate(slope, completing, axis=len(shape_of(u)) - 1)


class Svdvals(Values):
    """`svdvals(a)`: the singular values, descending. dsᵢ = Re uᵢᴴ·dA·vᵢ."""

    samples = (
        Sample(_apart((3, 3))),
        Sample(_apart((2, 3, 2))),
        Sample(np.zeros((0, 2))),
        Sample(regular((2, 2), np.complex128)),
    )

    def impl(self, a: Array) -> Array:
        return np.linalg.svd(a, compute_uv=False)

    def shape(self, a: ShapedArray) -> ShapedArray:
        return svd.shape(a, full=False)[1]

    def pushforward(self, xs: Sequence[Array], ts: Sequence[Any], params: dict[str, Any]) -> tuple[Array, Array]:
        u, s, vh = svd(xs[0], full=False)
        return s, real(diagonal(product(adjoint(u), ts[0], adjoint(vh))))


class Pinv(Stacked):
    """`pinv(a, rtol, hermitian=)`: the pseudo-inverse; singular values up to `rtol` times the largest count as 0.

    dP = −P·dA·P + P·Pᴴ·dAᴴ·(1 − A·P) + (1 − P·A)·dAᴴ·Pᴴ·P, for a rank that does not change.
    """

    samples = (
        Sample(_apart((3, 2)), np.array(1e-12), hermitian=False),
        Sample(_apart((2, 2, 3)), np.full(2, 1e-12), hermitian=False),
        Sample(regular((2, 2)), np.array(1e-12), hermitian=False),
        Sample(regular((2, 2), np.complex128), np.array(1e-12), hermitian=False),
        Sample(np.zeros((0, 2)), np.array(1e-12), hermitian=False),
    )

    def impl(self, a: Array, rtol: Array, *, hermitian: bool) -> Array:
        return np.linalg.pinv(a, rtol, hermitian)

    def shape(self, a: ShapedArray, rtol: ShapedArray, *, hermitian: bool) -> ShapedArray:
        rows, m, n = matrices_of("pinv", a)
        if rtol.shape != rows:
            raise ShapeError(message(f"`pinv` of {a} takes one tolerance for each matrix, got {rtol}."))
        return ShapedArray((*rows, n, m), a.dtype)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, hermitian: bool) -> Array | Zero:
        a, t = xs[0], ts[0]
        if t is ZERO:
            return ZERO
        slope = -product(out, t, out)
        mirrored, back = adjoint(t), adjoint(out)
        left = product(out, back, mirrored)
        slope = slope + left - product(left, a, out)
        right = product(mirrored, back, out)
        return slope + right - product(out, a, right)


svd = Svd()
svdvals = Svdvals()
pinv = Pinv()
