"""Sorting by keys, and the largest elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad import lax
from fgrad.errors import ArgumentError, ShapeError
from tests.lax.modes import check_modes, normal

X = normal(3, 5)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_array(axis: int) -> None:
    np.testing.assert_array_equal(lax.sort(X, axis), np.sort(X, axis))
    np.testing.assert_array_equal(lax.sort(np.array([2.0, np.nan, -np.inf])), [-np.inf, 2.0, np.nan])
    check_modes(lambda x: lax.sort(x * x, axis), X)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 99)), min_size=1, max_size=12))
def test_several_keys(rows: list[tuple[int, int, int]]) -> None:
    columns = tuple(np.array(column) for column in zip(*rows, strict=True))
    for keys in (1, 2, 3):
        expected = sorted(rows, key=lambda row, keys=keys: row[:keys])  # type: ignore[misc]
        for run in (lax.sort, fgrad.jit(lax.sort, static_argnames=("num_keys",))):
            out = run(columns, num_keys=keys)
            assert list(zip(*[column.tolist() for column in out], strict=True)) == expected


def test_values_go_with_their_keys() -> None:
    keys = np.array([[3, 1, 2], [0, 5, 4]])
    values = normal(2, 3)
    k, v = lax.sort_key_val(keys, values)
    np.testing.assert_array_equal(k, np.sort(keys))
    np.testing.assert_array_equal(v, np.take_along_axis(values, np.argsort(keys), 1))
    _, v = lax.sort_key_val(keys, values, 0)
    np.testing.assert_array_equal(v, np.take_along_axis(values, np.argsort(keys, 0), 0))
    check_modes(lambda x: lax.sort_key_val(keys, x * x)[1], values)
    check_modes(lambda x, y: lax.sort((x, y), num_keys=2)[1] * 2.0, values, values[::-1])


def top(x: Any, k: int) -> tuple[Any, Any]:
    """By definition: NaNs are the largest, those that tie keep their order."""
    order = sorted(range(len(x)), key=lambda i: (0, 0.0, i) if np.isnan(x[i]) else (1, -float(x[i]), i))[:k]
    return x[order], order


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, np.inf, -np.inf, np.nan]), min_size=1, max_size=40), st.data())
def test_the_largest(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(values)))
    x = np.array(values)
    for given_x in (x, x.astype(np.float32), np.nan_to_num(x, posinf=9, neginf=-9).astype(np.int8)):
        found, positions = lax.top_k(given_x, k)
        expected, order = top(given_x, k)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(positions, order)
        assert found.dtype == given_x.dtype


def test_the_largest_along_an_axis() -> None:
    x = np.random.default_rng(0).integers(0, 9, (4, 30, 3))
    for axis in (0, 1, -1):
        values, positions = lax.top_k(x, 2, axis=axis)
        np.testing.assert_array_equal(np.take_along_axis(x, positions, axis), values)
        np.testing.assert_array_equal(values, np.flip(np.sort(x, axis), axis).take([0, 1], axis))
        mapped = fgrad.vmap(lambda row, axis=axis: lax.top_k(row, 1, axis=axis)[1])(x[None])
        np.testing.assert_array_equal(mapped[0], positions.take([0], axis))
    check_modes(lambda v: lax.top_k(v * v, 3)[0], X)
    smallest, where = lax.approx_min_k(X, 2)
    np.testing.assert_array_equal(smallest, np.sort(X)[:, :2])
    np.testing.assert_array_equal(np.take_along_axis(X, where, 1), smallest)
    np.testing.assert_array_equal(lax.approx_max_k(X, 2)[0], lax.top_k(X, 2)[0])


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: lax.sort((X, X[0])), r"lax.sort takes arrays of one shape, got \(3, 5\), \(5,\)"),
        (lambda: lax.sort(()), "lax.sort takes arrays of one shape, got nothing"),
        (lambda: lax.sort((X, X), num_keys=3), "num_keys is 3, for 2 arrays"),
        (lambda: lax.sort(X, 2), "lax.sort: there is no axis 2"),
        (lambda: lax.top_k(X, 6), "k is 6, but axis 1 has 5 elements"),
        (lambda: lax.top_k(X + 1j, 1), "lax.top_k takes .* got c128"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=what):
        call()
