"""Cholesky and QR factorizations.

Sources: Murray, "Differentiation of the Cholesky decomposition" (2016); Walter and Lehmann, "Algorithmic
differentiation of linear algebra functions" (2010); Seeger et al., "Auto-differentiating linear algebra" (2017);
Roberts and Roberts, "QR and LQ decomposition matrix backpropagation algorithms" (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample
from fgrad.primitives.comparison import select
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.joining import pad
from fgrad.primitives.linalg_solve import inverse
from fgrad.primitives.linalg_stacks import (
    Stacked,
    adjoint,
    columns,
    from_triangle,
    matrices_of,
    product,
    square,
    triangle,
)
from fgrad.primitives.rounding import imag

__all__ = ["cholesky", "positive", "qr"]


def positive(shape: tuple[int, ...], dtype: Any = np.float64) -> Callable[..., Any]:
    """Draws Hermitian matrices with eigenvalues that are positive, and apart from each other."""

    def sample(rng: np.random.Generator) -> Any:
        x = rng.uniform(-1, 1, shape)
        if np.dtype(dtype).kind == "c":
            x = x + 1j * rng.uniform(-1, 1, shape)
        apart = np.diag(2.0 * shape[-1] * (1 + np.arange(shape[-1])))
        return ((x + np.conj(np.swapaxes(x, -1, -2))) / 2 + apart).astype(dtype)

    return sample


class Cholesky(Stacked):
    """`cholesky(a, upper=)`: the triangle L with A = L·Lᴴ, or Lᴴ, where A is the Hermitian matrix of one triangle of a.

    That triangle is read, the lower one unless `upper`, and the real part of the diagonal; the derivative by everything
    else is 0. dL = L·Φ(L⁻¹·dA·L⁻ᴴ), where Φ takes the lower triangle and halves the diagonal.
    """

    samples = (
        Sample(positive((3, 3)), upper=False),
        Sample(positive((2, 2, 2)), upper=True),
        Sample(np.zeros((0, 0)), upper=False),
        Sample(positive((2, 2), np.complex128), upper=False),
        Sample(positive((2, 2), np.complex128), upper=True),
    )

    def impl(self, a: Array, *, upper: bool) -> Array:
        return np.linalg.cholesky(a, upper=upper)

    def shape(self, a: ShapedArray, *, upper: bool) -> ShapedArray:
        square("cholesky", a)
        return a

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, upper: bool) -> Array:
        factor = adjoint(out) if upper else out
        inverted = inverse(factor, lower=True)
        inner = product(inverted, from_triangle(ts[0], not upper), adjoint(inverted))
        slope = product(factor, triangle(inner, 0.5))
        return adjoint(slope) if upper else slope


class Qr(Stacked):
    """`qr(a, complete=)`: Q with orthonormal columns (all of them, if `complete`) and the upper triangle R, A = Q·R.

    With M = Qᴴ·dA·R⁻¹ (the leading columns, as many as R has rows): Ω = tril(M, −1) − tril(M, −1)ᴴ + i·Im diag M,
    dQ = Q·Ω + (1 − Q·Qᴴ)·dA·R⁻¹, dR = Qᴴ·dA − Ω·R. The leading columns of A must be independent.
    """

    multiple = True
    samples = (
        Sample(draw(-1, 1, (3, 3)), complete=False),
        Sample(draw(-1, 1, (2, 4, 2)), complete=False),
        Sample(draw(-1, 1, (2, 3)), complete=False),
        Sample(draw(-1, 1, (3, 2)), complete=True),
        Sample(np.zeros((0, 0)), complete=False),
        Sample(lambda rng: rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2)), complete=False),
    )

    def impl(self, a: Array, *, complete: bool) -> list[Array]:
        return list(np.linalg.qr(a, "complete" if complete else "reduced"))

    def shape(self, a: ShapedArray, *, complete: bool) -> list[ShapedArray]:
        rows, m, n = matrices_of("qr", a)
        k = m if complete else min(m, n)
        return [ShapedArray((*rows, m, k), a.dtype), ShapedArray((*rows, k, n), a.dtype)]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Any], *, complete: bool) -> list[Array]:
        (q, r), t = out, ts[0]
        m, k = shape_of(q)[-2:]
        n = min(m, shape_of(r)[-1])
        leading = columns(columns(r, 0, n), 0, n, axis=-2)
        moved = product(columns(t, 0, n), inverse(leading))
        inner = product(adjoint(q), moved)
        low = triangle(inner)
        if n < k:
            low = pad(low, widths=(*[(0, 0)] * (len(shape_of(low)) - 1), (0, k - n)))
        turn = low - adjoint(low)
        if inner.dtype.kind == "c":
            phase = imag(columns(inner, 0, n, axis=-2)) * inner.dtype.type(1j)
            phase = select(np.eye(n, dtype=bool), phase, 0.0)
            turn = turn + pad(phase, widths=(*[(0, 0)] * (len(shape_of(phase)) - 2), (0, k - n), (0, k - n)))
        by_q = product(q, turn)
        if k < m:
            by_q = by_q + (moved - product(q, inner))
        by_r = product(adjoint(q), t) - product(turn, r)
        return [by_q, select(np.tri(k, shape_of(r)[-1], -1, dtype=bool), 0.0, by_r)]


cholesky = Cholesky()
qr = Qr()
