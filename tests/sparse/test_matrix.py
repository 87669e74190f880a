"""Sparse matrices and patterns."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, MissingExtraError, ShapeError
from fgrad.sparse import Pattern, SparseMatrix
from fgrad.sparse.matrix import as_pattern

DENSE = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])
MATRIX = SparseMatrix(DENSE[DENSE != 0], np.argwhere(DENSE), (2, 3))


def test_conversions() -> None:
    np.testing.assert_array_equal(MATRIX.todense(), DENSE)
    np.testing.assert_array_equal(MATRIX.T.todense(), DENSE.T)
    scipy = MATRIX.to_scipy()
    np.testing.assert_array_equal(scipy.toarray(), DENSE)
    assert scipy.nnz == MATRIX.nse == 3
    assert repr(MATRIX) == "SparseMatrix(shape=(2, 3), nse=3, dtype=float64)"


def test_products_are_differentiable() -> None:
    x, other = np.array([1.0, 2.0, 3.0]), np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(MATRIX @ x, DENSE @ x)
    np.testing.assert_array_equal(MATRIX @ other, DENSE @ other)
    np.testing.assert_array_equal(other[:2] @ MATRIX, other[:2] @ DENSE)
    np.testing.assert_array_equal(x[:2] @ MATRIX, x[:2] @ DENSE)
    np.testing.assert_array_equal(fgrad.jacrev(lambda x: MATRIX @ x)(x), DENSE)

    def by_data(data: Any) -> Any:
        return (SparseMatrix(data, MATRIX.indices, MATRIX.shape) @ x).sum()

    np.testing.assert_array_equal(fgrad.grad(by_data)(MATRIX.data), x[MATRIX.indices[:, 1]])
    with pytest.raises(ShapeError, match=r"of shape \(2, 3\) cannot be multiplied by an array of shape \(2,\)"):
        MATRIX @ np.ones(2)


def test_it_is_a_pytree() -> None:
    doubled = fgrad.jit(lambda m: fgrad.tree.map(lambda x: 2 * x if x.dtype == float else x, m))(MATRIX)
    assert isinstance(doubled, SparseMatrix)
    np.testing.assert_array_equal(doubled.todense(), 2 * DENSE)
    paths = [fgrad.tree.keystr(path) for path, _ in fgrad.tree.leaves_with_path(MATRIX)]
    assert paths == [".data", ".indices"]


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    for thing in (MATRIX, Pattern(MATRIX.indices, MATRIX.shape)):
        with pytest.raises(MissingExtraError, match=r"needs SciPy, which is not installed.\n.*\n.*fgrad\[scipy\]"):
            thing.to_scipy()


def test_patterns() -> None:
    pattern = Pattern.of([1, 0, 1, 1], [2, 1, 0, 0], (2, 3))
    np.testing.assert_array_equal(pattern.indices, [[0, 1], [1, 0], [1, 2]])
    np.testing.assert_array_equal(pattern.todense(), DENSE != 0)
    np.testing.assert_array_equal(pattern.T.todense(), DENSE.T != 0)
    np.testing.assert_array_equal(pattern.to_scipy().toarray(), DENSE != 0)
    assert pattern == Pattern.of(*np.nonzero(DENSE), (2, 3))
    assert pattern != Pattern.of(*np.nonzero(DENSE), (3, 3))
    assert pattern != "pattern"
    assert repr(pattern) == "Pattern(shape=(2, 3), nse=3)"
    assert Pattern.of([], [], (0, 0)).todense().shape == (0, 0)


@pytest.mark.parametrize("given", [MATRIX, MATRIX.to_scipy(), MATRIX.to_scipy().tocsr(), DENSE, DENSE != 0])
def test_patterns_that_are_given(given: Any) -> None:
    assert as_pattern(given, (2, 3), "sparse_jacobian") == Pattern.of(*np.nonzero(DENSE), (2, 3))


def test_zeros_that_are_stored_belong_to_a_pattern() -> None:
    stored = SparseMatrix(np.zeros(3), MATRIX.indices, MATRIX.shape)
    for given in (stored, stored.to_scipy()):
        assert as_pattern(given, (2, 3), "sparse_jacobian").nse == 3


def test_refused_patterns() -> None:
    with pytest.raises(ArgumentError, match=r"sparsity of sparse_jacobian must be a pattern, got a str"):
        as_pattern("dense", (2, 3), "sparse_jacobian")
    with pytest.raises(ArgumentError, match=r"has shape \(2, 3\), but the derivative has shape \(3, 3\)"):
        as_pattern(DENSE, (3, 3), "sparse_jacobian")
