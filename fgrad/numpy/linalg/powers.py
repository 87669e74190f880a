"""Products of many matrices."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, MatrixError, message
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.numpy.linalg.equations import inv
from fgrad.numpy.products import dot, matmul
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import broadcast_to

__all__ = ["matrix_power", "multi_dot"]


def matrix_power(a: Any, n: int) -> Array:
    """`matrix_power(a, n)`: aⁿ, by repeated squaring; of the inverse for negative n.

    Args:
        a: square matrices, of shape (…, m, m).
        n: an integer.

    Raises:
        LinAlgError: the matrices are not square, or, for negative n, singular.
        TypeError: n is no integer.

    >>> matrix_power(np.array([[1, 1], [0, 1]]), 3)
    array([[1, 3],
           [0, 1]])
    """
    if not is_traced(a):
        return np.linalg.matrix_power(a, n)
    x = as_operand(a)
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise MatrixError(message(f"matrix_power takes square matrices, got {aval_of(x)}."))
    try:
        n = operator.index(n)
    except TypeError:
        what = f"matrix_power: the exponent must be an integer, got {n!r}."
        raise ArgumentError(message(what)) from None
    if n == 0:
        return broadcast_to(np.eye(shape[-1], dtype=aval_of(x).dtype), shape=shape)
    square = inv(x) if n < 0 else x
    result, n = None, abs(n)
    while True:
        n, odd = divmod(n, 2)
        if odd:
            result = square if result is None else matmul(result, square)
        if not n:
            return result
        square = matmul(square, square)


def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Array:
    """`multi_dot([a, b, c, …])`: the product of two or more matrices, in the order that takes the fewest operations.

    Args:
        arrays: matrices; the first may be a row, the last a column, as vectors.
        out: refused for traced arrays.

    Raises:
        LinAlgError: another one is not a matrix.
        ValueError: fewer than two arrays, or shapes that do not fit.

    >>> multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    if not is_traced(*arrays):
        return np.linalg.multi_dot(arrays, out=out)
    refuse("linalg.multi_dot", out=out)
    xs = [as_operand(x) for x in arrays]
    if len(xs) < 2:
        raise ArgumentError(message("multi_dot takes two arrays or more."))
    ranks = [len(shape_of(x)) for x in xs]
    if any(r != 2 for r in ranks[1:-1]) or not {ranks[0], ranks[-1]} <= {1, 2}:
        what = f"multi_dot takes matrices, and vectors at either end; got arrays of shapes {[shape_of(x) for x in xs]}."
        raise MatrixError(message(what))
    sizes = [1 if ranks[0] == 1 else shape_of(xs[0])[0], *[shape_of(x)[0] for x in xs[1:]], shape_of(xs[-1])[-1]]
    if ranks[-1] == 1:
        sizes[-1] = 1
    return _ordered(xs, _splits(sizes), 0, len(xs) - 1)


def _splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each part of a chain (Cormen et al., Introduction to Algorithms, section 15.2)."""
    count = len(sizes) - 1
    costs = {(i, i): 0 for i in range(count)}
    splits = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = {k: costs[i, k] + costs[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            splits[i, j] = min(options, key=options.__getitem__)
            costs[i, j] = options[splits[i, j]]
    return splits


def _ordered(xs: Sequence[Array], splits: dict[tuple[int, int], int], i: int, j: int) -> Array:
    if i == j:
        return xs[i]
    k = splits[i, j]
    return dot(_ordered(xs, splits, i, k), _ordered(xs, splits, k + 1, j))
