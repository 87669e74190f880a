"""Matrices of a special form, made of vectors; and constant ones, which are SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, message, public
from fgrad.primitives.families import shape_of
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.scipy.linalg.operands import check_option

__all__ = [
    "block_diag",
    "circulant",
    "companion",
    "convolution_matrix",
    "dft",
    "fiedler",
    "fiedler_companion",
    "hadamard",
    "hankel",
    "helmert",
    "hilbert",
    "invhilbert",
    "invpascal",
    "khatri_rao",
    "leslie",
    "pascal",
    "toeplitz",
]


def _vectors(a: Any, name: str, least: int = 1) -> Array:
    x = fnp.asarray(a)
    if not shape_of(x) or shape_of(x)[-1] < least:
        what = f"scipy.linalg.{name} takes vectors of at least {least} numbers in the last axis, got {aval_of(x)}."
        raise ArgumentError(message(what))
    return x


def _placed(x: Array, where: Any, index: Any) -> Array:
    """Elements along the last axis by a table of their indices, and 0 where there are none."""
    return fnp.where(where, x[..., np.where(where, index, 0)], 0)


def _square(n: int) -> tuple[Any, Any]:
    i = np.arange(n)
    return i[:, None], i


@public
def block_diag(*arrs: Any) -> Array:
    """`block_diag(a, b, …)`: matrices along a diagonal, zeros elsewhere.

    Args:
        arrs: matrices of shapes (…, m, n); vectors are single rows, numbers matrices of one.

    >>> block_diag(np.eye(1), np.array([2.0, 3.0]))
    array([[1., 0., 0.],
           [0., 2., 3.]])
    """
    blocks = [fnp.atleast_2d(x) for x in arrs]
    if not blocks:
        return np.zeros((1, 0))
    rows = np.broadcast_shapes(*[shape_of(x)[:-2] for x in blocks])
    width, offset, parts = sum(shape_of(x)[-1] for x in blocks), 0, []
    for x in blocks:
        n = shape_of(x)[-1]
        x = fnp.broadcast_to(x, (*rows, *shape_of(x)[-2:]))
        parts.append(fnp.pad(x, [*[(0, 0)] * (len(rows) + 1), (offset, width - offset - n)]))
        offset += n
    return fnp.concatenate(parts, axis=-2)


@public
def toeplitz(c: Any, r: Any = None) -> Array:
    """`toeplitz(c, r)`: constant diagonals, with first column c and first row r (the conjugate of c by default).

    Args:
        c: of shape (…, m).
        r: of shape (…, n); its first number is not read.

    >>> toeplitz(np.array([1, 2, 3]))
    array([[1, 2, 3],
           [2, 1, 2],
           [3, 2, 1]])
    """
    column = _vectors(c, "toeplitz", 0)
    row = fnp.conj(column) if r is None else _vectors(r, "toeplitz", 0)
    lead = np.broadcast_shapes(shape_of(column)[:-1], shape_of(row)[:-1])
    m, n = shape_of(column)[-1], shape_of(row)[-1]
    column, row = fnp.broadcast_to(column, (*lead, m)), fnp.broadcast_to(row, (*lead, n))
    values = fnp.concatenate([column[..., ::-1], row[..., 1:]], axis=-1)
    return values[..., np.arange(n) - np.arange(m)[:, None] + m - 1]


@public
def hankel(c: Any, r: Any = None) -> Array:
    """`hankel(c, r)`: constant antidiagonals, with first column c and last row r (zeros by default).

    Args:
        c: of shape (…, m).
        r: of shape (…, n); its first number is not read.

    >>> hankel(np.array([1, 2, 3]))
    array([[1, 2, 3],
           [2, 3, 0],
           [3, 0, 0]])
    """
    column = _vectors(c, "hankel", 0)
    row = fnp.zeros_like(column) if r is None else _vectors(r, "hankel", 0)
    values = fnp.concatenate([column, row[..., 1:]], axis=-1)
    return values[..., np.arange(shape_of(column)[-1])[:, None] + np.arange(shape_of(row)[-1])]


@public
def circulant(c: Any) -> Array:
    """`circulant(c)`: every column is the one before it, moved down by one and around.

    Args:
        c: the first column, of shape (…, n).

    >>> circulant(np.array([1, 2, 3]))
    array([[1, 3, 2],
           [2, 1, 3],
           [3, 2, 1]])
    """
    x = _vectors(c, "circulant", 0)
    i, j = _square(shape_of(x)[-1])
    return x[..., (i - j) % max(len(j), 1)]


@public
def companion(a: Any) -> Array:
    """`companion(a)`: the matrix whose eigenvalues are the roots of the polynomial a, highest power first.

    Args:
        a: of shape (…, n + 1), n ≥ 1, the first not 0.

    >>> companion(np.array([1.0, -3.0, 2.0]))
    array([[ 3., -2.],
           [ 1.,  0.]])
    """
    x = _vectors(a, "companion", 2)
    first = -x[..., 1:] / x[..., :1]
    i, j = _square(shape_of(x)[-1] - 1)
    return fnp.where(i == 0, first[..., None, :], fnp.astype(i == j + 1, aval_of(first).dtype))


@public
def convolution_matrix(a: Any, n: int, mode: str = "full") -> Array:
    """`convolution_matrix(a, n)`: the matrix whose product with a vector v of n numbers is convolve(a, v, mode).

    Args:
        a: of shape (…, m).
        n: the number of columns.
        mode: "full", "same" or "valid".

    >>> convolution_matrix(np.array([1, 2]), 2)
    array([[1, 0],
           [2, 1],
           [0, 2]])
    """
    check_option("convolution_matrix", "mode", mode, ("full", "same", "valid"))
    x = _vectors(a, "convolution_matrix")
    if n <= 0:
        raise ArgumentError(message(f"scipy.linalg.convolution_matrix: n must be a positive integer, got {n}."))
    m = shape_of(x)[-1]
    index = np.arange(m + n - 1)[:, None] - np.arange(n)
    if mode == "same":
        index = index[(min(n, m) - 1) // 2 :][: max(n, m)]
    elif mode == "valid":
        index = index[min(n, m) - 1 : max(n, m)]
    return _placed(x, (index >= 0) & (index < m), index)


@public
def fiedler(a: Any) -> Array:
    """`fiedler(a)`: |aᵢ − aⱼ|.

    Args:
        a: of shape (…, n).

    >>> fiedler(np.array([1.0, 4.0]))
    array([[0., 3.],
           [3., 0.]])
    """
    x = _vectors(a, "fiedler", 0)
    return fnp.abs(x[..., :, None] - x[..., None, :])


@public
def fiedler_companion(a: Any) -> Array:
    """`fiedler_companion(a)`: a pentadiagonal matrix whose eigenvalues are the roots of the polynomial a.

    Args:
        a: of shape (…, n + 1), highest power first, the first not 0.

    >>> fiedler_companion(np.array([1.0, -3.0, 2.0]))
    array([[ 3., -2.],
           [ 1.,  0.]])
    """
    x = _vectors(a, "fiedler_companion", 2)
    x = x / x[..., :1]
    n = shape_of(x)[-1] - 1
    i, j = _square(n)
    even = i % 2 == 0
    ones = (even & (j == i + 2)) | (~even & (j == i - 2)) | ((i == 1) & (j == 0))
    out = fnp.astype(ones, aval_of(x).dtype)
    for where, ahead in (((i == 0) & (j == 0), 1), (even & (j == i - 1), 1), (even & (j == i + 1), 2)):
        out = out - _placed(x, where, np.broadcast_to(i + ahead, (n, n)))
    return out


@public
def leslie(f: Any, s: Any) -> Array:
    """`leslie(f, s)`: the matrix of a population: birth rates f in the first row, survival rates s below the diagonal.

    Args:
        f: of shape (…, n).
        s: of shape (…, n − 1).

    >>> leslie(np.array([0.1, 2.0]), np.array([0.5]))
    array([[0.1, 2. ],
           [0.5, 0. ]])
    """
    x, y = _vectors(f, "leslie", 2), _vectors(s, "leslie")
    n = shape_of(x)[-1]
    if shape_of(y)[-1] != n - 1:
        what = f"scipy.linalg.leslie: s must have one number less than f, got {aval_of(x)} and {aval_of(y)}."
        raise ArgumentError(message(what))
    i, j = _square(n)
    first = fnp.where(i == 0, x[..., None, :], 0)
    return first + _placed(y, i == j + 1, np.broadcast_to(j, (n, n)))


@public
def khatri_rao(a: Any, b: Any) -> Array:
    """`khatri_rao(a, b)`: the Kronecker products of the columns of two matrices.

    Args:
        a: of shape (n, k).
        b: of shape (m, k).

    >>> khatri_rao(np.array([[1, 2]]), np.array([[3, 4], [5, 6]]))
    array([[ 3,  8],
           [ 5, 12]])
    """
    x, y = fnp.asarray(a), fnp.asarray(b)
    if len(shape_of(x)) != 2 or len(shape_of(y)) != 2 or shape_of(x)[1] != shape_of(y)[1]:
        what = f"scipy.linalg.khatri_rao takes two matrices of as many columns, got {aval_of(x)} and {aval_of(y)}."
        raise ArgumentError(message(what))
    return fnp.reshape(x[:, None, :] * y, (-1, shape_of(x)[1]))


def _constant(name: str, doc: str) -> Callable[..., Any]:
    @public
    def make(*args: Any, **options: Any) -> Any:
        return getattr(scipy_module("linalg"), name)(*args, **options)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc} It is `scipy.linalg.{name}`, a constant.\n"
    return make


dft = _constant("dft", "`dft(n, scale=None)`: the matrix of the discrete Fourier transform.")
hadamard = _constant("hadamard", "`hadamard(n, dtype=int)`: Hadamard's matrix of ±1, n a power of 2.")
helmert = _constant("helmert", "`helmert(n, full=False)`: Helmert's matrix.")
hilbert = _constant("hilbert", "`hilbert(n)`: Hilbert's matrix 1/(i + j + 1).")
invhilbert = _constant("invhilbert", "`invhilbert(n, exact=False)`: the inverse of Hilbert's matrix.")
invpascal = _constant("invpascal", "`invpascal(n, kind='symmetric', exact=True)`: the inverse of Pascal's matrix.")
pascal = _constant("pascal", "`pascal(n, kind='symmetric', exact=True)`: Pascal's matrix of binomial coefficients.")
