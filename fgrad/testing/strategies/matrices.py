"""Matrices of known condition: orthogonal ones, and symmetric positive definite ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.testing.strategies.needed import st

__all__ = ["orthogonal_matrices", "spd_matrices"]

_ROTATIONS = 8


@public
def orthogonal_matrices(size: Any = None, dtype: Any = np.float64) -> st.SearchStrategy[Array]:
    """Orthogonal matrices: Qᵀ·Q = 1, of either determinant; unitary ones of a complex dtype.

    Args:
        size: n of the n×n matrices, or a strategy of it; by default 1 to 5.
        dtype: a floating-point or complex dtype.

    Returns:
        A strategy: products of rotations in two coordinates (Givens) and of a diagonal of signs. It shrinks to the
        unit matrix.

    >>> from hypothesis import find
    >>> find(orthogonal_matrices(2), lambda q: np.linalg.det(q) < 0)
    array([[-1.,  0.],
           [ 0.,  1.]])
    """
    return _orthogonal(size, np.dtype(dtype))


@st.composite
def _orthogonal(draw: st.DrawFn, size: Any, dtype: np.dtype[Any]) -> Array:
    n = _drawn_size(draw, size)
    kind = np.result_type(dtype, np.float64)
    q = np.eye(n, dtype=kind)
    place, angle = st.integers(0, max(n - 1, 0)), st.integers(-12, 12)
    for i, j, k in draw(st.lists(st.tuples(place, place, angle), max_size=_ROTATIONS if n > 1 else 0)):
        if i != j:
            cos, sin = np.cos(k * np.pi / 12), np.sin(k * np.pi / 12)
            q[:, [i, j]] = np.stack([cos * q[:, i] + sin * q[:, j], cos * q[:, j] - sin * q[:, i]], axis=1)
    for i in draw(st.lists(place, max_size=2, unique=True)) if n else []:
        phase = np.exp(1j * np.pi * draw(st.integers(1, 7)) / 4) if kind.kind == "c" else -1.0
        q[:, i] = q[:, i] * phase
    return (q + 0).astype(dtype)  # no -0


@public
def spd_matrices(size: Any = None, dtype: Any = np.float64, *, max_condition: float = 1e3) -> st.SearchStrategy[Array]:
    """Symmetric positive definite matrices (Hermitian ones of a complex dtype) of bounded condition.

    Args:
        size: n of the n×n matrices, or a strategy of it; by default 1 to 5.
        dtype: a floating-point or complex dtype.
        max_condition: how many times larger the largest eigenvalue may be than the smallest. Eigenvalues may coincide.

    Returns:
        A strategy: Q·Λ·Qᵀ with orthogonal Q, and eigenvalues between 1 and `max_condition`. It shrinks to the unit
        matrix.

    >>> from hypothesis import find
    >>> find(spd_matrices(2), lambda a: a.max() > 1)
    array([[1.        , 0.        ],
           [0.        , 2.37137371]])
    """
    if not max_condition >= 1:
        raise ArgumentError(message(f"max_condition of spd_matrices must be at least 1, got {max_condition!r:.80}."))
    return _spd(size, np.dtype(dtype), float(max_condition))


@st.composite
def _spd(draw: st.DrawFn, size: Any, dtype: np.dtype[Any], max_condition: float) -> Array:
    n = _drawn_size(draw, size)
    q = draw(_orthogonal(n, np.result_type(dtype, np.float64)))
    exponents = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    a = (q * max_condition ** (np.array(exponents, float) / 8)) @ q.conj().T
    return ((a + a.conj().T) / 2).astype(dtype)


def _drawn_size(draw: st.DrawFn, size: Any) -> int:
    if size is None:
        size = st.integers(1, 5)
    return int(draw(size) if isinstance(size, st.SearchStrategy) else size)
