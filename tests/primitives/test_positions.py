"""Positions of what is not zero, and flat positions: against NumPy, under every rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fgrad.core.primitive import Primitive
from fgrad.primitives.positions import first_nonzeros, ravel_positions, unravel_positions
from tests.primitives.rules import check_rules


@pytest.mark.parametrize("primitive", [first_nonzeros, unravel_positions, ravel_positions], ids=str)
def test_samples(primitive: Primitive) -> None:
    for sample in primitive.samples:
        check_rules(primitive, sample.draw(np.random.default_rng(0)), sample.params)


@given(st.lists(st.integers(0, 2), max_size=6), st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_first_nonzeros(values: list[int], size: int) -> None:
    x = np.array(values, np.int64)
    found = np.flatnonzero(x)[:size]
    expected = np.concatenate([found, np.full(size - len(found), len(x))])
    np.testing.assert_array_equal(first_nonzeros(x, size=size), expected)
    check_rules(first_nonzeros, [x], {"size": size})


@pytest.mark.parametrize("order", ["C", "F"])
def test_flat_positions_there_and_back(order: Any) -> None:
    flat = np.arange(24).reshape(4, 6)
    rows, columns, layers = unravel_positions(flat, shape=(2, 3, 4), order=order)
    for found, expected in zip((rows, columns, layers), np.unravel_index(flat, (2, 3, 4), order), strict=True):
        np.testing.assert_array_equal(found, expected)
    back = ravel_positions(rows, columns, layers, shape=(2, 3, 4), mode="raise", order=order)
    np.testing.assert_array_equal(back, flat)


def test_outside() -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        unravel_positions(np.array([6]), shape=(2, 3), order="C")
    with pytest.raises(ValueError, match="invalid entry"):
        ravel_positions(np.array([2]), np.array([0]), shape=(2, 3), mode="raise", order="C")
    assert ravel_positions(np.array([2]), np.array([0]), shape=(2, 3), mode="clip", order="C").tolist() == [3]
