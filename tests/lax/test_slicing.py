"""Parts of arrays at places that are values."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax
from fgrad.errors import ArgumentError, OutOfBoundsError, ShapeError
from tests.lax.modes import check_modes, normal

X = normal(4, 3)
U = normal(2, 2, seed=1)


def start_of(start: int, size: int, n: int) -> int:
    """Negative starts count from the end; then the part is moved into the array."""
    return min(max(start + n if start < 0 else start, 0), n - size)


def test_parts_are_moved_into_the_array() -> None:
    for i, j in itertools.product(range(-7, 7), range(-5, 5)):
        a, b = start_of(i, 2, 4), start_of(j, 2, 3)
        expected = X[a : a + 2, b : b + 2]
        np.testing.assert_array_equal(lax.dynamic_slice(X, (i, j), (2, 2)), expected)
        replaced = X.copy()
        replaced[a : a + 2, b : b + 2] = U
        np.testing.assert_array_equal(lax.dynamic_update_slice(X, U, (i, j)), replaced)


def test_starts_of_every_kind() -> None:
    expected = X[1:3, :]
    for start in (1, np.int32(1), np.array(1), np.uint8(1)):
        np.testing.assert_array_equal(lax.dynamic_slice(X, (start, 0), (2, 3)), expected)
        np.testing.assert_array_equal(fgrad.jit(lambda s: lax.dynamic_slice(X, (s, 0), (2, 3)))(start), expected)
    np.testing.assert_array_equal(lax.dynamic_slice(X, np.array([1, 0]), (2, 3)), expected)
    np.testing.assert_array_equal(fgrad.jit(lambda s: lax.dynamic_slice(X, s, (2, 3)))(np.array([1, 0])), expected)
    np.testing.assert_array_equal(lax.dynamic_slice(X, (-1, 0), (2, 3), allow_negative_indices=False), X[:2])
    assert lax.dynamic_slice(1.5, (), ()) == 1.5


def test_one_axis() -> None:
    np.testing.assert_array_equal(lax.dynamic_slice_in_dim(X, 1, 2, axis=1), X[:, 1:3])
    np.testing.assert_array_equal(lax.dynamic_index_in_dim(X, 2, axis=-1), X[:, 2:])
    np.testing.assert_array_equal(lax.dynamic_index_in_dim(X, 9, keepdims=False), X[3])
    np.testing.assert_array_equal(lax.dynamic_update_slice_in_dim(X, X[:2] * 2, 1, 0)[1:3], X[:2] * 2)
    for update in (np.zeros(3), np.zeros((1, 3))):
        np.testing.assert_array_equal(lax.dynamic_update_index_in_dim(X, update, 1, 0)[1], np.zeros(3))
    np.testing.assert_array_equal(lax.slice(X, (0, 1), (4, 3), (2, 1)), X[0:4:2, 1:3])
    np.testing.assert_array_equal(lax.slice_in_dim(X, -3, None, 2), X[-3::2])
    np.testing.assert_array_equal(lax.index_in_dim(X, -1, 1), X[:, -1:])
    positions = (np.array([0, 3]), np.array([1, 2]))
    np.testing.assert_array_equal(lax.index_take(X, positions, (0, 1)), X[positions])
    np.testing.assert_array_equal(lax.index_take(X, positions[1:], (1,)), X[:, positions[1]].T)


@pytest.mark.parametrize("start", [(1, 0), (3, -1), (-2, 9)])
def test_derivatives(start: tuple[int, int]) -> None:
    check_modes(lambda x: lax.dynamic_slice(x * x, start, (2, 2)), X)
    check_modes(lambda x, u: lax.dynamic_update_slice(x * x, u * u, start), X, U)
    check_modes(lambda x: lax.index_take(x * x, (np.array([0, 3, 0]), np.array([1, 2, 1])), (0, 1)), X)


def test_starts_that_differ_from_row_to_row() -> None:
    starts = np.array([[0, 0], [3, 1], [-1, -1], [1, 5], [2, 0]])

    def part(x: Any, s: Any) -> Any:
        return lax.dynamic_slice(x, s, (2, 2))

    def update(x: Any, u: Any, s: Any) -> Any:
        return lax.dynamic_update_slice(x, u, s)

    rows, parts = normal(5, 4, 3), normal(5, 2, 2, seed=2)
    np.testing.assert_array_equal(
        fgrad.vmap(part)(rows, starts), [part(x, s) for x, s in zip(rows, starts, strict=True)]
    )
    np.testing.assert_array_equal(fgrad.vmap(part, (None, 0))(X, starts), [part(X, s) for s in starts])
    np.testing.assert_array_equal(
        fgrad.vmap(update, (None, 0, 0))(X, parts, starts),
        [update(X, u, s) for u, s in zip(parts, starts, strict=True)],
    )
    np.testing.assert_array_equal(
        fgrad.vmap(update, (2, None, 0), 1)(np.moveaxis(rows, 0, 2), U, starts),
        np.stack([update(x, U, s) for x, s in zip(rows, starts, strict=True)], 1),
    )
    one_axis = fgrad.vmap(lambda s: lax.dynamic_slice_in_dim(X, s, 2, 1))(np.array([0, 1, 7]))
    np.testing.assert_array_equal(one_axis, [X[:, 0:2], X[:, 1:3], X[:, 1:3]])


def test_derivatives_over_rows_sum_where_parts_overlap() -> None:
    starts = np.array([0, 1, 1, 3])

    def f(x: Any) -> Any:
        return fgrad.vmap(lambda s: lax.dynamic_slice_in_dim(x, s, 2, 0))(starts)

    check_modes(f, X)
    counts = fgrad.grad(lambda x: f(x).sum())(X)[:, 0]
    np.testing.assert_array_equal(counts, [1, 3, 3, 1])


def test_compiled_it_is_one_slice() -> None:
    lowered = fgrad.jit(lambda x, i: lax.dynamic_slice_in_dim(x, i, 2)).lower(X, 1)
    assert lowered.as_text().count("_sliced(") == 1
    assert "take" not in lowered.as_text()


def test_in_a_scan_with_a_traced_position() -> None:
    def step(total: Any, i: Any) -> tuple[Any, Any]:
        return total + lax.dynamic_index_in_dim(X, i, keepdims=False), None

    total, _ = lax.scan(step, np.zeros(3), np.arange(4))
    np.testing.assert_allclose(total, X.sum(0))

    def filled(x: Any) -> Any:
        def body(i: Any, out: Any) -> Any:
            row = lax.dynamic_index_in_dim(x, i, keepdims=False)
            return lax.dynamic_update_index_in_dim(out, fnp.sin(row), 3 - i, 0)

        return lax.fori_loop(0, 4, body, np.zeros((4, 3)))

    np.testing.assert_allclose(filled(X), np.sin(X)[::-1])
    check_modes(filled, X)


def test_arguments_are_left_alone() -> None:
    x = X.copy()
    out = fgrad.jit(lambda x, u: lax.dynamic_update_slice(x, u, (0, 0)))(x, U)
    np.testing.assert_array_equal(x, X)
    assert not np.shares_memory(out, x)
    chained = fgrad.jit(lambda x, u: lax.dynamic_update_slice(lax.dynamic_update_slice(x, u, (0, 0)), u, (1, 1)))
    np.testing.assert_array_equal(
        chained(x, U), lax.dynamic_update_slice(lax.dynamic_update_slice(X, U, (0, 0)), U, (1, 1))
    )
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: lax.slice(X, (0, 0), (5, 3)), r"from \(0, 0\) to \(5, 3\) by \(1, 1\)(.|\n)*x\[a:b:s\]"),
        (lambda: lax.slice(X, (0,), (4,)), "Give one number for each axis"),
        (lambda: lax.index_in_dim(X, 4), "index 4 is out of bounds for axis 0 of size 4"),
        (lambda: lax.dynamic_slice(X, (0,), (2, 2)), r"takes 2 starts for an array of shape \(4, 3\), got 1"),
        (lambda: lax.dynamic_slice(X, (0.5, 0), (2, 2)), r"lax.dynamic_slice takes integer.* got f64\[\]"),
        (lambda: lax.dynamic_slice(X, (np.arange(2), 0), (2, 2)), r"one integer, got an array of shape \(2,\)"),
        (lambda: lax.dynamic_slice(X, (0, 0), (5, 2)), r"a part of shape \(5, 2\) does not fit into"),
        (lambda: lax.dynamic_update_slice(X, np.ones((5, 1)), (0, 0)), r"an update of shape \(5, 1\) does not fit"),
        (lambda: lax.dynamic_update_slice(X, np.ones((1, 1), int), (0, 0)), "one dtype, got float64, int64"),
        (lambda: lax.index_take(X, (np.arange(2),), (0, 1)), "along 2 axes takes as many arrays"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError, OutOfBoundsError), match=what):
        call()
