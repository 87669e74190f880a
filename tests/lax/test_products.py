"""Products: axes by number, dtypes of results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import lax
from fgrad.errors import ArgumentError, ShapeError
from tests.lax.modes import check_modes, normal

X, Y = normal(2, 5, 3), normal(5, 3, 4, seed=1)
NUMBERS = (((2,), (1,)), ((1,), (0,)))


def test_general_products() -> None:
    np.testing.assert_allclose(lax.dot_general(X, Y, NUMBERS), np.einsum("bik,ikj->ibj", X, Y))
    np.testing.assert_allclose(lax.dot_general(X, Y, (((-1,), (-2,)), ((-2,), (0,)))), np.einsum("bik,ikj->ibj", X, Y))
    np.testing.assert_allclose(lax.dot_general(X, Y, ([[], []], [[], []])), np.multiply.outer(X, Y))
    check_modes(lambda x, y: lax.dot_general(x, y, NUMBERS), X, Y)


def test_products_of_vectors_and_matrices() -> None:
    a, b, v, w = X[:, 0], Y[0], X[0, 0], Y[0, 0]
    np.testing.assert_allclose(lax.dot(a, b), a @ b)
    np.testing.assert_allclose(lax.dot(a, v), a @ v)
    np.testing.assert_allclose(lax.dot(v, b), v @ b)
    np.testing.assert_allclose(lax.dot(w, w), w @ w)
    np.testing.assert_allclose(lax.dot(X, Y, dimension_numbers=NUMBERS), lax.dot_general(X, Y, NUMBERS))
    np.testing.assert_allclose(lax.batch_matmul(X[0][:, None], Y), X[0][:, None] @ Y)
    check_modes(lax.batch_matmul, X[0][:, None], Y)


def test_dtypes_of_products() -> None:
    x = np.full((2, 3), 100, np.int8)
    assert lax.dot(x, x.T, preferred_element_type=np.int32).dtype == np.int32
    assert lax.dot(x, x.T, preferred_element_type=np.int32)[0, 0] == 30_000
    assert lax.dot(x.astype(np.float32), x.T.astype(np.float64)).dtype == np.float64
    half = np.full(4096, 1.0, np.float16)
    assert lax.dot(half, half, preferred_element_type=np.float32) == 4096
    assert lax.dot(X[:, 0], Y[0], preferred_element_type=np.float32).dtype == np.float32
    gradient = fgrad.grad(lambda h: lax.dot(h, h, preferred_element_type=np.float32))(half)
    assert gradient.dtype == np.float16
    np.testing.assert_array_equal(gradient, 2 * half)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: lax.dot(X, Y), r"lax.dot of arrays of shapes \(2, 5, 3\) and \(5, 3, 4\)(.|\n)*dimension_numbers"),
        (lambda: lax.dot(np.ones(3), np.ones(4)), r"lax.dot of arrays of shapes \(3,\) and \(4,\)"),
        (lambda: lax.dot_general(X, Y, ((0,), (0,))), r"dimension_numbers are \(\(0,\), \(0,\)\)"),
        (lambda: lax.dot_general(X, Y, (((0,), (0,)), ((), ()))), "pairs axis 0 of length 2 with axis 0 of length 5"),
        (lambda: lax.dot_general(X, Y, (((3,), (0,)), ((), ()))), "there is no axis 3 in an array of 3 axes"),
        (lambda: lax.batch_matmul(X, Y), r"lax.batch_matmul of arrays of shapes \(2, 5, 3\) and \(5, 3, 4\)"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=what):
        call()
