"""Arguments of SciPy's linear algebra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.control.external import pure_callback
from fgrad.control.rows import concrete
from fgrad.control.stop_gradient import stop_gradient
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.errors import ArgumentError, MatrixError, message
from fgrad.numpy.linalg.operands import inexact, same_dtype
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_stacks import from_triangle, matrix_transpose
from fgrad.primitives.linalg_triangular import upper_triangle
from fgrad.tree.table import describe

__all__ = ["check_option", "finite", "matrix", "on_host", "right_hand_side", "square_matrix", "triangle_of"]


def matrix(a: Any, name: str, check_finite: bool = True) -> Array:
    """A matrix, or a stack of them, in floating point.

    Raises:
        MatrixError: there are fewer than two axes.
        ValueError: the values are known, and not all finite.
    """
    x = inexact(a)
    if len(shape_of(x)) < 2:
        what = f"scipy.linalg.{name} takes matrices, in the last two axes of an array; it got {aval_of(x)}."
        raise MatrixError(message(what, cure="A single matrix has the shape (m, n)."))
    return finite(x, name) if check_finite else x


def square_matrix(a: Any, name: str, check_finite: bool = True) -> Array:
    """Square matrices.

    Raises:
        MatrixError: they are not square.
    """
    x = matrix(a, name, check_finite)
    if shape_of(x)[-1] != shape_of(x)[-2]:
        raise MatrixError(message(f"scipy.linalg.{name} takes square matrices, got {aval_of(x)}."))
    return x


def finite(x: Array, name: str) -> Array:
    """The argument, whose values are finite, as far as they are known.

    Raises:
        ArgumentError: they are not.
    """
    value = concrete(x)
    if value is not None and not np.isfinite(value).all():
        what = f"scipy.linalg.{name}: array must not contain infs or NaNs."
        raise ArgumentError(message(what, cure="Give check_finite=False to compute with them all the same."))
    return x


def right_hand_side(a: Array, b: Any, name: str, check_finite: bool = True) -> tuple[Array, Array, bool]:
    """Matrices and right-hand sides in one dtype, the latter with an axis of columns; and whether that was added.

    Raises:
        ShapeError: there are not as many rows.
    """
    x, y = same_dtype(a, b)
    if check_finite:
        finite(y, name)
    shape, given = shape_of(x), shape_of(y)
    vector = len(given) == 1
    if not given or given[0 if vector else -2] != shape[-2]:
        what = f"scipy.linalg.{name}: incompatible dimensions: matrices {aval_of(x)}, right-hand sides {aval_of(y)}."
        raise ArgumentError(message(what, cure="They need as many rows: shapes (n, n) and (n,) or (n, k)."))
    if vector:
        y = y[:, None]
    rows = np.broadcast_shapes(shape[:-2], shape_of(y)[:-2])
    return (
        fnp.broadcast_to(x, (*rows, *shape[-2:])),
        fnp.broadcast_to(y, (*rows, *shape_of(y)[-2:])),
        vector,
    )


def triangle_of(a: Array, lower: bool, conjugate: bool) -> Array:
    """The Hermitian, or, unless `conjugate`, the symmetric matrices of one triangle."""
    if conjugate or aval_of(a).dtype.kind != "c":
        return from_triangle(a, lower)
    upper = upper_triangle(matrix_transpose(a) if lower else a)
    strict = upper - upper * np.eye(shape_of(a)[-1], dtype=aval_of(a).dtype)
    return upper + matrix_transpose(strict)


def check_option(name: str, option: str, value: Any, known: Sequence[Any]) -> None:
    """Refuses what is no value of an option.

    Raises:
        ArgumentError: it is none.
    """
    if value not in known:
        listed = ", ".join(map(repr, known))
        raise ArgumentError(message(f"scipy.linalg.{name}: {option} must be one of {listed}, got {describe(value)}."))


def on_host(fun: Callable[..., Any], results: Sequence[ShapedArray], *args: Array) -> Any:
    """The tuple that a function of stacks in NumPy returns; it is constant to derivatives."""
    return pure_callback(fun, tuple(results), *[stop_gradient(x) for x in args], vmap_method="broadcast_all")
