"""Linear equations of matrices that are given by their diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.control.custom_linear_solve import custom_linear_solve
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.errors import ArgumentError, message, public
from fgrad.numpy.linalg.operands import same_dtype
from fgrad.primitives.families import shape_of
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.scipy.linalg.operands import finite, on_host
from fgrad.tree.table import describe

__all__ = ["solve_banded"]


@public
def solve_banded(
    l_and_u: tuple[int, int],
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """`solve_banded((l, u), ab, b)`: the x with a·x = b, where ab[u + i − j, j] = a[i, j].

    What of `ab` stands for no element of a is not read, and the derivative by it is 0.

    Args:
        l_and_u: how many diagonals there are below and above the main one.
        ab: the diagonals, of shape (l + u + 1, n).
        b: of shape (n,) or (n, k).
        overwrite_ab: without effect, as is `overwrite_b`.
        check_finite: refuse infinities and NaN, where values are known.

    Raises:
        LinAlgError: the matrix is singular.
        ValueError: shapes do not fit.
        MissingExtraError: SciPy is not installed.

    >>> solve_banded((0, 1), np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([4.0, 8.0]))
    array([1., 2.])

    Source: Golub and Van Loan, "Matrix Computations" (2013), section 4.3.
    """
    low, up = l_and_u
    x, y = same_dtype(ab, b)
    shape, given = shape_of(x), shape_of(y)
    if len(shape) != 2 or shape[0] != low + up + 1 or len(given) not in (1, 2) or given[0] != shape[1]:
        what = f"scipy.linalg.solve_banded got {describe((low, up))}, {aval_of(x)} and {aval_of(y)}."
        raise ArgumentError(message(what, cure="It needs (l, u), shape (l + u + 1, n), and shape (n,) or (n, k)."))
    if check_finite:
        finite(x, "solve_banded")
        finite(y, "solve_banded")
    right = y[:, None] if len(given) == 1 else y
    turned = _transposed(x, low, up)
    out = custom_linear_solve(
        lambda z: _product(x, z, up),
        right,
        lambda _, c: _solve(low, up, x, c),
        lambda _, c: _solve(up, low, turned, c),
    )
    return out[:, 0] if len(given) == 1 else out


def _product(ab: Array, x: Array, up: int) -> Array:
    """The product of the matrix with others: every diagonal, moved to its rows."""
    n = shape_of(ab)[1]
    total: Any = 0.0
    for row in range(shape_of(ab)[0]):
        term, down = ab[row][:, None] * x, row - up
        term = term[: n - down] if down > 0 else term[-down:]
        total = total + fnp.pad(term, [(max(down, 0), max(-down, 0)), (0, 0)])
    return total


def _transposed(ab: Array, low: int, up: int) -> Array:
    """The diagonals of the transpose."""
    rows, n = shape_of(ab)
    moved = np.arange(n) + np.arange(rows)[:, None] - low
    inside = (moved >= 0) & (moved < n)
    return fnp.where(inside, ab[np.arange(rows)[::-1, None], np.where(inside, moved, 0)], 0)


def _solve(low: int, up: int, ab: Array, b: Array) -> Array:
    def run(ab: Any, b: Any) -> tuple[Any]:
        out = np.empty_like(b)
        for row in np.ndindex(b.shape[:-2]):
            out[row] = scipy_module("linalg").solve_banded((low, up), ab[row], b[row])
        return (out,)

    return on_host(run, [ShapedArray(shape_of(b), aval_of(b).dtype)], ab, b)[0]
