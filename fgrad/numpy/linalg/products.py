"""The products that NumPy's linear algebra has names of its own for, with the array API's stricter arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import MatrixError, ShapeError, message
from fgrad.numpy import products
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.einsums import diagonal_of
from fgrad.primitives import linalg_stacks
from fgrad.primitives.families import shape_of

__all__ = ["cross", "diagonal", "matmul", "matrix_transpose", "outer", "tensordot", "trace", "vecdot"]


def _matrices(name: str, x: Any) -> Array:
    given = as_operand(x)
    if len(shape_of(given)) < 2:
        raise MatrixError(message(f"{name} takes matrices, in the last two axes; got {aval_of(given)}."))
    return given


def matmul(x1: Any, x2: Any, /) -> Array:
    """`matmul(x1, x2)`: the product of matrices; see `fgrad.numpy.matmul`.

    >>> matmul(np.eye(2), np.array([1.0, 2.0]))
    array([1., 2.])
    """
    return products.matmul(x1, x2)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Array:
    """`tensordot(x1, x2, axes=)`: sums over pairs of axes; see `fgrad.numpy.tensordot`.

    >>> tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    return products.tensordot(x1, x2, axes)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """`vecdot(x1, x2)`: Σ x̄1·x2 along an axis; see `fgrad.numpy.vecdot`.

    >>> vecdot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    return products.vecdot(x1, x2, axis=axis)


def outer(x1: Any, x2: Any, /) -> Array:
    """`outer(x1, x2)`: the products of all components of two vectors.

    Raises:
        ValueError: an argument is no vector.

    >>> outer(np.array([1, 2]), np.array([3, 4]))
    array([[3, 4],
           [6, 8]])
    """
    if not is_traced(x1, x2):
        return np.linalg.outer(x1, x2)
    x, y = as_operand(x1), as_operand(x2)
    if len(shape_of(x)) != 1 or len(shape_of(y)) != 1:
        what = f"outer takes two vectors, got arrays of shapes {shape_of(x)} and {shape_of(y)}."
        raise ShapeError(message(what, cure="fgrad.numpy.outer takes arrays of any shape."))
    return products.outer(x, y)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """`cross(x1, x2)`: the vector product of vectors of three components.

    Raises:
        ValueError: the axis does not have three.

    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    if not is_traced(x1, x2):
        return np.linalg.cross(x1, x2, axis=axis)
    x, y = as_operand(x1), as_operand(x2)
    if shape_of(x)[axis] != 3 or shape_of(y)[axis] != 3:
        what = f"cross takes vectors of three components, got arrays of shapes {shape_of(x)} and {shape_of(y)}."
        raise ShapeError(message(what, cure="Pad them with zeros, or use fgrad.numpy.cross."))
    return products.cross(x, y, axis=axis)


def diagonal(x: Any, /, *, offset: int = 0) -> Array:
    """`diagonal(x)`: the diagonals of matrices.

    >>> diagonal(np.array([[1, 2], [3, 4]]))
    array([1, 4])
    """
    if not is_traced(x):
        return np.linalg.diagonal(x, offset=offset)
    given = _matrices("diagonal", x)
    rank = len(shape_of(given))
    return diagonal_of(given, rank - 2, rank - 1, offset)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """`trace(x)`: the sums of the diagonals of matrices.

    >>> trace(np.eye(3))
    np.float64(3.0)
    """
    if not is_traced(x):
        return np.linalg.trace(x, offset=offset, dtype=dtype)
    return products.trace(_matrices("trace", x), offset, -2, -1, dtype)


def matrix_transpose(x: Any, /) -> Array:
    """`matrix_transpose(x)`: matrices with rows and columns exchanged.

    >>> matrix_transpose(np.array([[1, 2], [3, 4]]))
    array([[1, 3],
           [2, 4]])
    """
    return linalg_stacks.matrix_transpose(_matrices("matrix_transpose", x)) if is_traced(x) else np.matrix_transpose(x)
