"""The square root with derivative 0 at 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.primitives.root import root


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_all_derivatives_are_zero_at_zero(order: int) -> None:
    f: Any = root
    for _ in range(order):
        f = fgrad.grad(f)
    assert f(0.0) == 0.0
    assert f(np.float32(0)) == 0.0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_elsewhere_they_are_those_of_the_square_root(order: int) -> None:
    f: Any = root
    for _ in range(order):
        f = fgrad.grad(f)
    expected = {1: 0.5 * 2.0**-0.5, 2: -0.25 * 2.0**-1.5, 3: 0.375 * 2.0**-2.5}[order]
    np.testing.assert_allclose(f(2.0), expected, rtol=1e-15)


def test_values_and_source() -> None:
    x = np.array([0.0, 4.0, np.inf])
    np.testing.assert_array_equal(root(x), [0, 2, np.inf])
    assert "np.sqrt(" in fgrad.jit(root).lower(x).as_text()
