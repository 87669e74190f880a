"""Linear equations, inverses, determinants, least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, MatrixError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.linalg.operands import broadcast_rows, inexact, same_dtype
from fgrad.primitives import linalg_singular, linalg_solve
from fgrad.primitives.exponential import square
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_stacks import product
from fgrad.primitives.rounding import imag, real
from fgrad.primitives.shape import broadcast_to, reduce_sum, reshape, transpose

__all__ = ["det", "inv", "lstsq", "pinv", "slogdet", "solve", "tensorinv", "tensorsolve"]

_ABSENT: Any = np._NoValue
_SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


def solve(a: Any, b: Any) -> Array:
    """`solve(a, b)`: the x with a·x = b.

    Linear in b; its derivative by a is −a⁻¹·da·x, and cotangents are solved for with the transpose of a.

    Args:
        a: square matrices, of shape (…, n, n).
        b: a vector of shape (n,), or matrices of shape (…, n, k).

    Returns:
        The solutions, of the shape of b, broadcast.

    Raises:
        LinAlgError: a matrix is singular, or not square.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])

    Source: Giles (2008), section 2.3.1.
    """
    if not is_traced(a, b):
        return np.linalg.solve(a, b)
    x, y = same_dtype(a, b)
    if len(shape_of(y)) == 1:
        column = reshape(y, shape=(*shape_of(y), 1))
        out = linalg_solve.solve(*broadcast_rows("solve", x, column))
        return reshape(out, shape=shape_of(out)[:-1])
    return linalg_solve.solve(*broadcast_rows("solve", x, y))


def inv(a: Any) -> Array:
    """`inv(a)`: the inverse of square matrices. da⁻¹ = −a⁻¹·da·a⁻¹.

    Args:
        a: of shape (…, n, n).

    Raises:
        LinAlgError: a matrix is singular, or not square.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return linalg_solve.inverse(inexact(a)) if is_traced(a) else np.linalg.inv(a)


def det(a: Any) -> Array:
    """`det(a)`: the determinants of square matrices.

    The derivative is tr(adj(a)·da) with the adjugate by singular values: it and the second derivative are right at
    singular matrices, too. Those beyond need matrices that are not singular.

    Args:
        a: of shape (…, n, n).

    Raises:
        LinAlgError: a matrix is not square.

    >>> float(round(det(np.array([[1.0, 2.0], [3.0, 4.0]])), 12))
    -2.0
    """
    return linalg_solve.det(inexact(a)) if is_traced(a) else np.linalg.det(a)


def slogdet(a: Any) -> Any:
    """`slogdet(a)`: sign (of complex matrices, phase) and log |det a|. d log |det a| = Re tr(a⁻¹·da).

    Args:
        a: of shape (…, n, n).

    Returns:
        The pair `(sign, logabsdet)`.

    Raises:
        LinAlgError: a matrix is not square; or, when it is differentiated, singular: log 0 has no derivative.

    >>> float(slogdet(np.diag([1.0, -1.0])).sign)
    -1.0
    """
    return _SlogdetResult(*linalg_solve.slogdet(inexact(a))) if is_traced(a) else np.linalg.slogdet(a)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _ABSENT) -> Array:
    """`pinv(a)`: the pseudo-inverse of matrices. Its derivative is that of matrices of the same rank.

    Args:
        a: of shape (…, m, n).
        rcond: singular values of at most so much of the largest one count as 0; 1e-15 by default.
        hermitian: take a as Hermitian; of the lower triangle, for the value.
        rtol: the same as `rcond`; `None` stands for max(m, n) times the precision of the dtype.

    Returns:
        Matrices of shape (…, n, m).

    >>> pinv(np.array([[2.0, 0.0], [0.0, 0.0]]))
    array([[0.5, 0. ],
           [0. , 0. ]])

    Source: Golub and Pereyra (1973), equation 4.12.
    """
    if not is_traced(a, rcond):
        return np.linalg.pinv(a, rcond, hermitian, rtol=rtol)
    x = inexact(a)
    shape = shape_of(x)
    if len(shape) < 2:
        raise MatrixError(message(f"pinv takes matrices, in the last two axes; it got one array of shape {shape}."))
    if rcond is not None and rtol is not _ABSENT:
        raise ArgumentError(message("pinv: `rtol` and `rcond` are the same; give one of them."))
    bound = rcond if rtol is _ABSENT else rtol
    if bound is None:
        bound = 1e-15 if rtol is _ABSENT else max(shape[-2:]) * np.finfo(aval_of(x).dtype).eps
    return linalg_singular.pinv(x, broadcast_to(inexact(bound), shape=shape[:-2]), hermitian=bool(hermitian))


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """`lstsq(a, b)`: the x of least norm that minimizes |a·x − b|², by the pseudo-inverse.

    Args:
        a: a matrix of shape (m, n).
        b: a vector of shape (m,), or a matrix of shape (m, k).
        rcond: as `rtol` of `pinv`; the precision of the dtype times max(m, n) by default.

    Returns:
        Solution, sums of squared residuals, rank, singular values. Residuals are an empty array where the rank is
        less than n or m ≤ n; where the rank is not known while tracing, it is taken to be n for this.

    Raises:
        LinAlgError: the arguments are not a matrix and a vector or a matrix of as many rows.

    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))[0]
    array([2.])
    """
    if not is_traced(a, b, rcond):
        return np.linalg.lstsq(a, b, rcond)
    shape, given = shape_of(as_operand(a)), shape_of(as_operand(b))
    if len(shape) != 2 or len(given) not in (1, 2) or given[0] != shape[0]:
        what = f"lstsq takes a matrix and a vector or a matrix of as many rows, got shapes {shape} and {given}."
        raise MatrixError(message(what))
    x, y = same_dtype(a, b)
    dtype = aval_of(x).dtype
    bound = max(shape) * float(np.finfo(np.result_type(dtype, np.float64)).eps) if rcond is None else rcond
    right = reshape(y, shape=(given[0], 1)) if len(given) == 1 else y
    out = product(linalg_singular.pinv(x, inexact(bound), hermitian=False), right)
    s = linalg_singular.svdvals(x)
    if min(shape):
        rank = as_dtype(reduce_sum(s > inexact(bound) * _first(s), axes=(0,)), np.int32)
    else:
        rank = np.int32(0)
    known = rank.concrete if type(rank) is Tracer else rank
    rest = right - product(x, out)
    squares = square(real(rest)) + square(imag(rest)) if dtype.kind == "c" else square(rest)
    residuals = reduce_sum(squares, axes=(0,))
    if shape[0] <= shape[1] or (known is not None and int(known) != shape[1]):
        residuals = np.zeros(0, aval_of(residuals).dtype)
    return reshape(out, shape=(shape[1], *given[1:])), residuals, rank, s


def _first(s: Array) -> Array:
    return s[0]


def _flat_size(name: str, x: Array, shape: Sequence[int], split: int) -> int:
    size = math.prod(shape[split:])
    if size * size != math.prod(shape):
        what = f"{name}: an array of shape {tuple(shape)} is no square matrix when its first {split} axes are the rows."
        raise MatrixError(message(what))
    return size


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Array:
    """`tensorsolve(a, b)`: the x with tensordot(a, x, x.ndim) = b.

    Args:
        a: of shape b.shape + x.shape, whose two halves have as many elements.
        b: an array.
        axes: axes of a to move to the end before.

    >>> tensorsolve(2 * np.eye(4).reshape(2, 2, 4), np.ones((2, 2)))
    array([0.5, 0.5, 0.5, 0.5])
    """
    if not is_traced(a, b):
        return np.linalg.tensorsolve(a, b, axes)
    x, y = same_dtype(a, b)
    order = list(range(len(shape_of(x))))
    for k in axes or ():
        order.remove(k)
        order.append(k)
    x = transpose(x, axes=tuple(order))
    split = len(shape_of(y))
    size = _flat_size("tensorsolve", x, shape_of(x), split)
    out = linalg_solve.solve(reshape(x, shape=(size, size)), reshape(y, shape=(size, 1)))
    return reshape(out, shape=shape_of(x)[split:])


def tensorinv(a: Any, ind: int = 2) -> Array:
    """`tensorinv(a, ind)`: the inverse of the linear map that tensordot(a, x, ind) is.

    Args:
        a: whose first `ind` axes have as many elements together as the others.
        ind: how many axes are those of the results.

    >>> tensorinv(2 * np.eye(4).reshape(4, 2, 2), ind=1).shape
    (2, 2, 4)
    """
    if not is_traced(a):
        return np.linalg.tensorinv(a, ind)
    if ind <= 0:
        raise ArgumentError(message(f"tensorinv takes a positive number of axes, got ind={ind}."))
    x = inexact(a)
    shape = shape_of(x)
    size = _flat_size("tensorinv", x, shape, ind)
    out = linalg_solve.inverse(reshape(x, shape=(size, size)))
    return reshape(out, shape=(*shape[ind:], *shape[:ind]))
