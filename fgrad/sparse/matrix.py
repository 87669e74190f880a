"""Sparse matrices and patterns, as coordinates: just enough to hand derivatives on."""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, MissingExtraError, ShapeError, message, public
from fgrad.sparse.sets import ascending
from fgrad.tree import register_pytree_with_keys
from fgrad.tree.keys import GetAttrKey
from fgrad.tree.table import describe

__all__ = ["Coordinates", "Pattern", "SparseMatrix", "as_pattern"]

Coordinates: TypeAlias = NDArray[np.int64]
"""An array of shape (entries, 2): row and column of every entry."""


class SparseMatrix:
    """A matrix of which only some entries are stored.

    It is a pytree of `data` and `indices`, which goes through every transform.

    Attributes:
        data: the values of the entries, shape (nse,).
        indices: their rows and columns, shape (nse, 2), integers, row by row.
        shape: the shape of the matrix.

    >>> m = SparseMatrix(np.array([2.0, 3.0]), np.array([[0, 1], [1, 0]]), (2, 2))
    >>> m.todense()
    array([[0., 2.],
           [3., 0.]])
    """

    __slots__ = ("data", "indices", "shape")

    def __init__(self, data: Array, indices: Array, shape: tuple[int, int]) -> None:
        self.data = data
        self.indices = indices
        self.shape = shape

    @property
    def nse(self) -> int:
        """The number of stored entries."""
        return self.data.shape[0]  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return aval_of(self.data).dtype

    @property
    def T(self) -> SparseMatrix:  # noqa: N802 (NumPy's name)
        """The transpose."""
        return SparseMatrix(self.data, self.indices[:, ::-1], (self.shape[1], self.shape[0]))

    @public
    def todense(self) -> Array:
        """The matrix as an array."""
        dense = fnp.zeros(self.shape, self.dtype)
        return fnp.at(dense)[self.indices[:, 0], self.indices[:, 1]].add(self.data)

    @public
    def to_scipy(self) -> Any:
        """The matrix as a `scipy.sparse.coo_array`.

        Raises:
            MissingExtraError: SciPy is not installed.
        """
        sparse = _scipy_sparse()
        indices = np.asarray(self.indices)
        return sparse.coo_array((np.asarray(self.data), (indices[:, 0], indices[:, 1])), shape=self.shape)

    @public
    def __matmul__(self, other: Array) -> Array:
        """The product with a vector or a matrix; it can be differentiated."""
        shape = fnp.shape(other)
        if len(shape) not in (1, 2) or shape[0] != self.shape[1]:
            what = f"a sparse matrix of shape {self.shape} cannot be multiplied by an array of shape {shape}."
            raise ShapeError(message(what, cure=f"It takes vectors and matrices with {self.shape[1]} rows."))
        data = self.data if len(shape) == 1 else self.data[:, None]
        terms = data * fnp.take(other, self.indices[:, 1], axis=0)
        zeros = fnp.zeros((self.shape[0], *shape[1:]), fnp.result_type(terms))
        return fnp.at(zeros)[self.indices[:, 0]].add(terms)

    __array_ufunc__ = None  # products with arrays on the left come here

    @public
    def __rmatmul__(self, other: Array) -> Array:
        """The product of a vector or a matrix with this one."""
        return fnp.transpose(self.T @ fnp.transpose(other))

    def __repr__(self) -> str:
        return f"SparseMatrix(shape={self.shape}, nse={self.nse}, dtype={self.dtype})"


def _with_keys(m: SparseMatrix) -> tuple[list[tuple[Any, Any]], tuple[int, int]]:
    return [(GetAttrKey("data"), m.data), (GetAttrKey("indices"), m.indices)], m.shape


register_pytree_with_keys(
    SparseMatrix, _with_keys, lambda shape, children: SparseMatrix(children[0], children[1], shape)
)


class Pattern:
    """Where a matrix may have entries that are not zero.

    Attributes:
        indices: rows and columns, shape (nse, 2), row by row, each entry once.
        shape: the shape of the matrix.
    """

    __slots__ = ("indices", "shape")

    def __init__(self, indices: Coordinates, shape: tuple[int, int]) -> None:
        self.indices = indices
        self.shape = shape

    @classmethod
    def of(cls, rows: Any, columns: Any, shape: tuple[int, int]) -> Pattern:
        """A pattern of entries in any order."""
        keys = ascending(np.asarray(rows, np.int64) * shape[1] + np.asarray(columns, np.int64))
        width = max(shape[1], 1)
        return cls(np.stack([keys // width, keys % width], 1), shape)

    @property
    def nse(self) -> int:
        """The number of entries."""
        return len(self.indices)

    @property
    def rows(self) -> NDArray[np.int64]:
        return self.indices[:, 0]

    @property
    def columns(self) -> NDArray[np.int64]:
        return self.indices[:, 1]

    @property
    def T(self) -> Pattern:  # noqa: N802 (NumPy's name)
        """The pattern of the transpose."""
        return Pattern.of(self.columns, self.rows, (self.shape[1], self.shape[0]))

    def symmetrized(self) -> Pattern:
        """The entries and their mirror images."""
        rows, columns = self.rows, self.columns
        return Pattern.of(np.concatenate([rows, columns]), np.concatenate([columns, rows]), self.shape)

    def todense(self) -> NDArray[np.bool_]:
        """The pattern as an array of booleans."""
        dense = np.zeros(self.shape, np.bool_)
        dense[self.rows, self.columns] = True
        return dense

    @public
    def to_scipy(self) -> Any:
        """The pattern as a `scipy.sparse.coo_array` of booleans.

        Raises:
            MissingExtraError: SciPy is not installed.
        """
        return _scipy_sparse().coo_array((np.ones(self.nse, np.bool_), (self.rows, self.columns)), shape=self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.indices, other.indices)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Pattern(shape={self.shape}, nse={self.nse})"


def _scipy_sparse() -> Any:
    try:
        return importlib.import_module("scipy.sparse")
    except ImportError:
        cure = "Install it (pip install 'fgrad[scipy]'), or use .data and .indices."
        raise MissingExtraError(message("to_scipy needs SciPy, which is not installed.", cure=cure)) from None


def as_pattern(given: Any, shape: tuple[int, int], verb: str) -> Pattern:
    """The pattern that the user gave: a `Pattern`, a `SparseMatrix` or matrix of SciPy's (what is stored), or a dense
    one (what is not zero).

    Raises:
        ArgumentError: it is none of these, or has another shape than the derivative.
    """
    if isinstance(given, (Pattern, SparseMatrix)):
        indices = np.asarray(given.indices)
        pattern = Pattern.of(indices[:, 0], indices[:, 1], given.shape)
    elif hasattr(given, "tocoo"):
        stored = given.tocoo()
        pattern = Pattern.of(stored.row, stored.col, (int(given.shape[0]), int(given.shape[1])))
    elif isinstance(given, np.ndarray) and given.ndim == 2:
        rows, columns = np.nonzero(given)
        pattern = Pattern.of(rows, columns, (given.shape[0], given.shape[1]))
    else:
        what = f"sparsity of {verb} must be a pattern, got {describe(given)}."
        cure = "Give what fgrad.sparse.jacobian_sparsity returns, a SciPy sparse matrix, or a boolean array."
        raise ArgumentError(message(what, cure=cure))
    if pattern.shape != shape:
        what = f"sparsity of {verb} has shape {pattern.shape}, but the derivative has shape {shape}."
        cure = "Rows are the elements of the output, columns those of the input, flattened and one after the other."
        raise ArgumentError(message(what, cure=cure))
    return pattern
