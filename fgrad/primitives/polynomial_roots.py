"""The zeros of a polynomial as functions of its coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, is_inexact
from fgrad.core.primitive import Primitive, Sample
from fgrad.errors import ShapeError, message
from fgrad.primitives.cumulative import cumprod
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import broadcast_to, convert_element_type, move_axis, reduce_sum, reshape

__all__ = ["polynomial_roots"]


class PolynomialRoots(Primitive):
    """`polynomial_roots(p)`: the zeros of p₀·xⁿ + … + pₙ, complex, along the last axis; p₀ is not 0.

    They are the eigenvalues of the companion matrix. Where r is a simple zero, dr = −Σ dpₖ·rⁿ⁻ᵏ / p′(r).
    """

    samples = (
        Sample(np.array([1.0, -6.0, 11.0, -6.0])),
        Sample(np.array([[2.0, 1.0, 3.0], [1.0, -1.0, -5.0]])),
        Sample(np.array([1.0 + 1j, 2.0, 0.5j])),
        Sample(draw(1, 2, (2,))),
        Sample(draw(1, 2, (1,))),
    )

    def impl(self, p: Array) -> Array:
        p = np.asarray(p)
        n = p.shape[-1] - 1
        companion = np.zeros((*p.shape[:-1], n, n), p.dtype)
        if n:
            companion[..., 0, :] = -p[..., 1:] / p[..., :1]
            companion[..., np.arange(1, n), np.arange(n - 1)] = 1
        return np.linalg.eigvals(companion).astype(_complex(p.dtype))

    def shape(self, p: ShapedArray) -> ShapedArray:
        if not p.ndim or not p.shape[-1] or not is_inexact(p.dtype):
            raise ShapeError(message(f"`{self.name}` takes rows of floating-point coefficients, got {p}."))
        return ShapedArray((*p.shape[:-1], p.shape[-1] - 1), _complex(p.dtype))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        *lead, n = shape_of(out)
        moved = reduce_sum(_powers(out, n) * _beside(ts[0]), axes=(len(lead) + 1,))
        # One power less for each coefficient; that of the last one is not looked at.
        lower = concatenate(_powers(out, n - 1), np.zeros((*lead, n, 1), out.dtype), axis=len(lead) + 1)
        slope = reduce_sum(lower * _beside(xs[0] * np.arange(n, -1, -1)), axes=(len(lead) + 1,))
        return convert_element_type(-moved / slope, dtype=out.dtype)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any]) -> tuple[Array, int]:
        return polynomial_roots(move_axis(xs[0], dims[0], 0)), 0


def _complex(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.result_type(dtype, np.complex64)


def _powers(r: Array, most: int) -> Array:
    """The powers of some numbers along a new last axis, from the highest down to 0."""
    shape = shape_of(r)
    repeated = broadcast_to(reshape(r, shape=(*shape, 1)), shape=(*shape, max(most + 1, 0)))
    return cumprod(repeated, axis=len(shape), reverse=True, exclusive=True)


def _beside(p: Array) -> Array:
    """Coefficients as rows that broadcast against the powers of each zero."""
    *lead, n = shape_of(p)
    return reshape(p, shape=(*lead, 1, n))


polynomial_roots = PolynomialRoots()
