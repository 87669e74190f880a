"""Eigenvalues and eigenvectors.

Where eigenvalues coincide, eigenvectors are a choice of basis (a gauge) without derivative. In the rules 1/(λⱼ−λᵢ)
is then taken to be 0: bases of eigenspaces do not turn within them. That is right for everything that does not depend
on the choice to first order, such as symmetric functions of the eigenvalues and projectors on whole eigenspaces.

Sources: Giles (2008), section 3.1; Boeddeker et al., "On the computation of complex-valued gradients with application
to statistically optimum beamforming" (2017).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Sample
from fgrad.errors import DegenerateWarning, ShapeError, message
from fgrad.primitives.comparison import eq, select
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.linalg_factors import positive
from fgrad.primitives.linalg_solve import regular, solve
from fgrad.primitives.linalg_stacks import (
    Stacked,
    across,
    adjoint,
    diagonal,
    down,
    from_triangle,
    product,
    real_part_of,
    square,
)
from fgrad.primitives.reductions import argmax
from fgrad.primitives.rounding import absolute, conj, imag, real
from fgrad.primitives.shape import convert_element_type, reduce_sum

__all__ = ["Values", "eig", "eigh", "eigvals", "eigvalsh", "over_gaps"]


class OverGaps(Stacked):
    """`over_gaps(x, w, hermitian=, cotangent=)`: xᵢⱼ / (wⱼ − wᵢ), and 0 where the two coincide, up to rounding.

    As a cotangent it says by a `DegenerateWarning` that the basis of an eigenspace is being differentiated: of
    Hermitian x where xᵢⱼ ≠ x̄ⱼᵢ there, of others where xᵢⱼ ≠ 0.
    """

    samples = (
        Sample(draw(-1, 1, (3, 3)), np.array([1.0, 2.0, 4.0]), hermitian=True, cotangent=False),
        Sample(draw(-1, 1, (3, 3)), np.array([1.0, 2.5, 4.0]), hermitian=False, cotangent=False),
        Sample(draw(-1, 1, (2, 2, 2)), np.array([[1.0, 2.0], [1.0, 3.0]]), hermitian=True, cotangent=True),
        Sample(np.zeros((0, 0)), np.zeros(0), hermitian=True, cotangent=False),
    )

    def impl(self, x: Array, w: Array, *, hermitian: bool, cotangent: bool) -> Array:
        gaps = w[..., None, :] - w[..., :, None]
        n = w.shape[-1]
        close = np.abs(gaps) <= 8 * n * np.finfo(w.dtype).eps * np.abs(w).max(-1, initial=0)[..., None, None]
        if cotangent and np.count_nonzero(close) > w.size:
            self._look(x, close & ~np.eye(n, dtype=bool), hermitian)
        gaps[close] = 1
        return np.where(close, x.dtype.type(0), x / gaps)

    def _look(self, x: Array, ties: Array, hermitian: bool) -> None:
        """Warns where what is at the ties does not cancel."""
        rest = x - np.conj(np.swapaxes(x, -1, -2)) if hermitian else x
        if np.abs(rest[ties]).max(initial=0) > np.sqrt(np.finfo(x.dtype).eps) * np.abs(x).max():
            what = (
                "eigenvectors (singular vectors) of a repeated value are being differentiated, which has no derivative:"
            )
            cure = "Use what does not depend on their choice, such as projectors on whole eigenspaces."
            warnings.warn(DegenerateWarning(message(f"{what} their part in it is left out.", cure=cure)), stacklevel=2)

    def shape(self, x: ShapedArray, w: ShapedArray, *, hermitian: bool, cotangent: bool) -> ShapedArray:
        square("over_gaps", x)
        if x.shape[:-1] != w.shape:
            raise ShapeError(message(f"`over_gaps` of {x} and {w}."))
        return ShapedArray(x.shape, np.result_type(x.dtype, w.dtype))

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[1]

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, hermitian: bool, cotangent: bool) -> Array:
        by_x, by_w = ts
        along = ZERO
        if by_x is not ZERO:
            along = over_gaps(by_x, xs[1], hermitian=hermitian, cotangent=cotangent)
        if by_w is ZERO:
            return along
        curve = over_gaps(out * (down(by_w) - across(by_w)), xs[1], hermitian=hermitian, cotangent=False)
        return curve if along is ZERO else along + curve

    def transpose(self, ct: Array, x: Any, w: Any, *, hermitian: bool, cotangent: bool) -> Sequence[Array | None]:
        ct = over_gaps(ct, w, hermitian=hermitian, cotangent=not cotangent)
        return ct if ct.dtype == x.aval.dtype else convert_element_type(ct, dtype=x.aval.dtype), None


class Eigh(Stacked):
    """`eigh(a, lower=)`: eigenvalues, ascending, and orthonormal eigenvectors of the Hermitian matrix of one triangle.

    With M = Vᴴ·dA·V: dw = Re diag M, dV = V·(M / (wⱼ − wᵢ)), off the diagonal. The other triangle is not read, and the
    derivative by it is 0.
    """

    multiple = True
    samples = (
        Sample(positive((3, 3)), lower=True),
        Sample(positive((2, 2, 2)), lower=False),
        Sample(np.zeros((0, 0)), lower=True),
    )

    def impl(self, a: Array, *, lower: bool) -> list[Array]:
        return list(np.linalg.eigh(a, "L" if lower else "U"))

    def shape(self, a: ShapedArray, *, lower: bool) -> list[ShapedArray]:
        rows, n = square("eigh", a)
        return [ShapedArray((*rows, n), real_part_of(a.dtype)), a]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Any], *, lower: bool) -> list[Array]:
        w, v = out
        inner = product(adjoint(v), from_triangle(ts[0], lower), v)
        turn = over_gaps(inner, w, hermitian=True, cotangent=False)
        return [real(diagonal(inner)), product(v, turn)]


class Values(Stacked):
    """Values alone, which are cheaper; their derivative needs the vectors, too."""

    def pushforward(self, xs: Sequence[Array], ts: Sequence[Any], params: dict[str, Any]) -> tuple[Array, Array]:
        raise NotImplementedError

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        return self.pushforward(xs, ts, params)[1]


class Eigvalsh(Values):
    """`eigvalsh(a, lower=)`: the eigenvalues of `eigh`, ascending. dwᵢ = vᵢᴴ·dA·vᵢ."""

    samples = (*Eigh.samples, Sample(positive((3, 3), np.complex128), lower=True))

    def impl(self, a: Array, *, lower: bool) -> Array:
        return np.linalg.eigvalsh(a, "L" if lower else "U")

    def shape(self, a: ShapedArray, *, lower: bool) -> ShapedArray:
        return eigh.shape(a, lower=lower)[0]

    def pushforward(self, xs: Sequence[Array], ts: Sequence[Any], params: dict[str, Any]) -> tuple[Array, Array]:
        w, v = eigh(xs[0], **params)
        moved = product(from_triangle(ts[0], params["lower"]), v)
        return w, _real_sum(conj(v) if v.dtype.kind == "c" else v, moved)


def _real_sum(x: Array, y: Array) -> Array:
    """Re Σ x·y over the rows of matrices."""
    return real(reduce_sum(x * y, axes=(len(shape_of(x)) - 2,)))


class Eig(Stacked):
    """`eig(a)`: complex eigenvalues, and eigenvectors of length 1 whose largest component is real.

    With M = V⁻¹·dA·V: dw = diag M, dV = V·(M / (wⱼ − wᵢ)) off the diagonal, which is what keeps the vectors so.
    """

    multiple = True
    samples = (
        Sample(regular((3, 3))),
        Sample(regular((2, 2, 2))),
        Sample(np.array([[1.0, -2.0, 0.5], [3.0, 1.0, 0.2], [0.1, 0.3, 5.0]])),
        Sample(np.zeros((0, 0))),
        Sample(regular((2, 2), np.complex128)),
    )

    def impl(self, a: Array) -> list[Array]:
        w, v = np.linalg.eig(a)
        dtype = np.result_type(a.dtype, np.complex64)
        return [w.astype(dtype), v.astype(dtype)]

    def shape(self, a: ShapedArray) -> list[ShapedArray]:
        rows, n = square("eig", a)
        dtype = np.result_type(a.dtype, np.complex64)
        return [ShapedArray((*rows, n), dtype), ShapedArray((*rows, n, n), dtype)]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Any]) -> list[Array]:
        w, v = out
        inner = solve(v, product(_as(ts[0], v.dtype), v))
        moved = product(v, over_gaps(inner, w, hermitian=False, cotangent=False))
        return [diagonal(inner), moved - v * across(_stretch(v, moved))]


def _as(x: Array, dtype: np.dtype[Any]) -> Array:
    return x if x.dtype == dtype else convert_element_type(x, dtype=dtype)


def _stretch(v: Array, t: Array) -> Array:
    """What has to be taken from each direction t, along v, so that v keeps its length and its real component."""
    rank, n = len(shape_of(v)), shape_of(v)[-1]
    if not n:
        return reduce_sum(v, axes=(rank - 2,))
    length = _real_sum(conj(v), t)
    largest = eq(across(argmax(absolute(v), axis=rank - 2)), np.arange(n)[:, None])
    numerator = reduce_sum(select(largest, t, 0.0), axes=(rank - 2,))
    denominator = reduce_sum(select(largest, v, 0.0), axes=(rank - 2,))
    return length + imag(numerator / denominator) * v.dtype.type(1j)


class Eigvals(Values):
    """`eigvals(a)`: the complex eigenvalues. dwᵢ = (V⁻¹·dA·V)ᵢᵢ."""

    samples = Eig.samples

    def impl(self, a: Array) -> Array:
        return np.linalg.eigvals(a).astype(np.result_type(a.dtype, np.complex64))

    def shape(self, a: ShapedArray) -> ShapedArray:
        return eig.shape(a)[0]

    def pushforward(self, xs: Sequence[Array], ts: Sequence[Any], params: dict[str, Any]) -> tuple[Array, Array]:
        w, v = eig(xs[0])
        return w, diagonal(solve(v, product(_as(ts[0], v.dtype), v)))


over_gaps = OverGaps()
eigh = Eigh()
eigvalsh = Eigvalsh()
eig = Eig()
eigvals = Eigvals()
