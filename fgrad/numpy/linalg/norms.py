"""Norms of vectors and matrices, condition numbers, ranks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, MatrixError, message
from fgrad.numpy.axes import as_dtype, kept
from fgrad.numpy.dispatch import is_traced
from fgrad.numpy.linalg.factorizations import svd
from fgrad.numpy.linalg.operands import inexact
from fgrad.primitives import linalg_singular, linalg_solve
from fgrad.primitives.comparison import eq, gt, ne, select
from fgrad.primitives.elementwise import integer_pow
from fgrad.primitives.exponential import pow, square
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_stacks import real_part_of
from fgrad.primitives.reductions import reduce_max, reduce_min
from fgrad.primitives.root import root
from fgrad.primitives.rounding import absolute, imag, real
from fgrad.primitives.shape import reduce_sum, reshape, transpose

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

Axes = tuple[int, ...]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """`norm(x, ord, axis)`: a norm of vectors or matrices.

    At its kinks a norm has the derivative 0, of every order: at 0, and a p-norm with p ≤ 1 where a component is 0.
    Where several components are the largest, they share the derivative alike.

    Args:
        x: an array.
        ord: of vectors a number p, (Σ |x|ᵖ)^(1/p), 2 by default, 0 for the number of non-zeros, ±inf; of matrices
            "fro" (the default), "nuc", ±1, ±2, ±inf.
        axis: an axis of vectors, or a pair of axes of matrices. By default all elements, or, where `ord` is given,
            the axes of a vector or a matrix.
        keepdims: leave the reduced axes, with length 1.

    Raises:
        ValueError: no such norm.

    >>> norm(np.array([3.0, 4.0]))
    np.float64(5.0)
    """
    if not is_traced(x):
        return np.linalg.norm(x, ord, axis, keepdims)
    x = inexact(x)
    shape = shape_of(x)
    rank = len(shape)
    if axis is None:
        axes = tuple(range(rank))
        if ord is None or (ord in ("f", "fro") and rank == 2) or (ord == 2 and rank == 1):
            return kept(_euclidean(x, axes), shape, axes, keepdims)
    else:
        axes = tuple(normalize_axis_index(i, rank) for i in (axis if isinstance(axis, tuple) else (axis,)))
    if len(axes) == 1:
        return kept(_vector_norm(x, axes, ord), shape, axes, keepdims)
    if len(axes) == 2:
        if axes[0] == axes[1]:
            raise ArgumentError(message("norm: the two axes of matrices must be different ones."))
        return kept(_matrix_norm(x, axes[0], axes[1], ord), shape, axes, keepdims)
    raise ArgumentError(message(f"norm is one of vectors or of matrices: it takes one or two axes, got {axes}."))


def _euclidean(x: Array, axes: Axes) -> Array:
    squares = square(real(x)) + square(imag(x)) if aval_of(x).dtype.kind == "c" else square(x)
    return root(reduce_sum(squares, axes=axes))


def _extreme(primitive: Any, x: Array, axes: Axes) -> Array:
    """The largest or smallest of numbers that are not negative; the largest of none is 0."""
    shape = shape_of(x)
    if primitive is reduce_max and any(shape[a] == 0 for a in axes):
        return reduce_sum(x, axes=axes)
    return primitive(x, axes=axes)


def _vector_norm(x: Array, axes: Axes, ord: Any) -> Array:
    if isinstance(ord, str):
        raise ArgumentError(message(f"norm: {ord!r} is no order of a norm of vectors."))
    if ord is None or ord == 2:
        return _euclidean(x, axes)
    if ord == 0:
        return reduce_sum(as_dtype(ne(x, 0), real_part_of(aval_of(x).dtype)), axes=axes)
    size = absolute(x)
    if abs(ord) == math.inf:
        return _extreme(reduce_max if ord > 0 else reduce_min, size, axes)
    return reduce_sum(size, axes=axes) if ord == 1 else _p_norm(size, axes, ord)


def _p_norm(size: Array, axes: Axes, p: Any) -> Array:
    """(Σ sizeᵖ)^(1/p), kept away from the points where a power has an infinite slope."""
    dtype = aval_of(size).dtype
    if p > 1:
        powers = integer_pow(size, y=int(p)) if float(p).is_integer() else pow(size, dtype.type(p))
    else:
        zero = eq(size, 0)
        powers = select(zero, dtype.type(math.inf if p < 0 else 0), pow(select(zero, 1.0, size), dtype.type(p)))
    total = reduce_sum(powers, axes=axes)
    regular = gt(total, 0) & ne(total, math.inf)
    flat = select(eq(total, 0), 0.0 if p > 0 else math.inf, math.inf if p > 0 else 0.0)
    out = select(regular, pow(select(regular, total, 1.0), dtype.type(1 / p)), flat)
    return as_dtype(select(ne(total, total), total, out), dtype)


def _matrix_norm(x: Array, row: int, column: int, ord: Any) -> Array:
    if ord is None or ord in ("fro", "f"):
        return _euclidean(x, tuple(sorted((row, column))))
    if ord in (2, -2, "nuc"):
        s = absolute(linalg_singular.svdvals(_last(x, row, column)))  # whose slope at 0 is 0
        axes = (len(shape_of(s)) - 1,)
        if ord == "nuc":
            return reduce_sum(s, axes=axes)
        return _extreme(reduce_max if ord == 2 else reduce_min, s, axes)
    if isinstance(ord, str) or ord not in (1, -1, math.inf, -math.inf):
        raise ArgumentError(message(f"norm: {ord!r} is no order of a norm of matrices."))
    summed, other = (row, column) if abs(ord) == 1 else (column, row)
    sums = reduce_sum(absolute(x), axes=(summed,))
    return _extreme(reduce_max if ord > 0 else reduce_min, sums, (other - (other > summed),))


def _last(x: Array, row: int, column: int) -> Array:
    rank = len(shape_of(x))
    order = (*[i for i in range(rank) if i not in (row, column)], row, column)
    return x if order == tuple(range(rank)) else transpose(x, axes=order)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """`vector_norm(x)`: the norm of vectors, whose components may lie along several axes. Derivatives as of `norm`.

    Args:
        x: an array.
        axis: the axes of the components; all by default.
        keepdims: leave the reduced axes, with length 1.
        ord: the order p.

    >>> vector_norm(np.array([[3.0], [4.0]]))
    np.float64(5.0)
    """
    if not is_traced(x):
        return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
    x = inexact(x)
    shape = shape_of(x)
    axes = tuple(range(len(shape))) if axis is None else normalize_axis_tuple(axis, len(shape))
    rest = [i for i in range(len(shape)) if i not in axes]
    moved = transpose(x, axes=(*axes, *rest)) if (*axes, *rest) != tuple(range(len(shape))) else x
    rows = reshape(moved, shape=(math.prod([shape[i] for i in axes]), *[shape[i] for i in rest]))
    return kept(_vector_norm(rows, (0,), ord), shape, axes, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """`matrix_norm(x)`: the norm of matrices. Derivatives as of `norm`.

    Args:
        x: of shape (…, m, n).
        keepdims: leave the two axes, with length 1.
        ord: "fro", "nuc", ±1, ±2, ±inf.

    >>> matrix_norm(np.diag([3.0, 4.0]))
    np.float64(5.0)
    """
    if not is_traced(x):
        return np.linalg.matrix_norm(x, keepdims=keepdims, ord=ord)
    return norm(x, ord, (-2, -1), keepdims)


def cond(x: Any, p: Any = None) -> Array:
    """`cond(x)`: the condition number: a norm of x times that of its inverse; by singular values for p = ±2.

    Args:
        x: of shape (…, m, n); square, unless p is `None`, 2 or −2.
        p: the order of the norm of matrices.

    Raises:
        LinAlgError: x is empty, or not square.

    >>> cond(np.diag([2.0, 4.0]))
    np.float64(2.0)
    """
    if not is_traced(x):
        return np.linalg.cond(x, p)
    x = inexact(x)
    if 0 in shape_of(x)[-2:]:
        raise MatrixError(message(f"the condition number of empty matrices is not defined; got {aval_of(x)}."))
    if p in (None, 2, -2):
        s = linalg_singular.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    out = norm(x, p, (-2, -1)) * norm(linalg_solve.inverse(x, strict=False), p, (-2, -1))
    unknown = gt(reduce_sum(as_dtype(ne(x, x), np.int64), axes=(len(shape_of(x)) - 2, len(shape_of(x)) - 1)), 0)
    return as_dtype(select(ne(out, out) & eq(unknown, False), math.inf, out), aval_of(out).dtype)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """`matrix_rank(A)`: how many singular values are larger than a tolerance. An integer: it has no derivative.

    Args:
        A: of shape (…, m, n), or a vector.
        tol: the tolerance; by default that of the largest singular value, times `rtol`.
        hermitian: A is Hermitian.
        rtol: a tolerance relative to the largest singular value; max(m, n) times the precision of the dtype.

    >>> int(matrix_rank(np.diag([1.0, 0.0])))
    1
    """
    if not is_traced(A, tol, rtol):
        return np.linalg.matrix_rank(A, tol, hermitian, rtol=rtol)
    if tol is not None and rtol is not None:
        raise ArgumentError(message("matrix_rank: give one of `tol` and `rtol`."))
    x = inexact(A)
    shape = shape_of(x)
    if len(shape) < 2:
        found = gt(reduce_sum(as_dtype(ne(x, 0), np.int64), axes=tuple(range(len(shape)))), 0)
        return as_dtype(found, np.int64)
    s = svd(x, compute_uv=False, hermitian=hermitian)
    last = len(shape) - 2
    if tol is None:
        relative = max(shape[-2:]) * np.finfo(aval_of(s).dtype).eps if rtol is None else inexact(rtol)[..., None]
        tol = _extreme(reduce_max, s, (last,))[..., None] * relative
    else:
        tol = inexact(tol)[..., None]
    return reduce_sum(as_dtype(gt(s, tol), np.int64), axes=(last,))
