"""`stop_gradient`: the same values, derivative 0 of every order, under every transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from tests.control.transforms import FIRST, SECOND


def half(x: Any) -> Any:
    """x², of which one factor is a constant."""
    return x * fgrad.stop_gradient(x)


@pytest.mark.parametrize("way", FIRST)
def test_first_derivatives(way: str) -> None:
    np.testing.assert_allclose(FIRST[way](half, 3.0), 3.0)
    np.testing.assert_allclose(FIRST[way](lambda x: fgrad.stop_gradient(x * x) + x, 3.0), 1.0)
    np.testing.assert_array_equal(FIRST[way](lambda x: fgrad.stop_gradient(x) * 1.0, 3.0), 0.0)


@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives(way: str) -> None:
    np.testing.assert_array_equal(SECOND[way](half, 3.0), 0.0)
    np.testing.assert_allclose(SECOND[way](lambda x: x * x * fgrad.stop_gradient(x), 3.0), 6.0)


def test_values_are_unchanged() -> None:
    x = np.array([1.0, 2.0])
    for f in (fgrad.stop_gradient, fgrad.jit(fgrad.stop_gradient), fgrad.vmap(fgrad.stop_gradient)):
        np.testing.assert_array_equal(f(x), x)
    assert fgrad.stop_gradient(3) == 3
    assert fgrad.jit(lambda x: fgrad.stop_gradient(x) + x)(np.float32(1.5)).dtype == np.float32


def test_pytrees_integers_and_what_is_no_array() -> None:
    def loss(p: Any) -> Any:
        q = fgrad.stop_gradient({**p, "n": 2, "name": "relu", "none": None})
        assert q["name"] == "relu"
        assert q["none"] is None
        return p["w"] * q["w"] * q["n"]

    assert fgrad.grad(loss)({"w": 3.0}) == {"w": 6.0}
    assert fgrad.jit(fgrad.grad(loss))({"w": 3.0}) == {"w": 6.0}


def test_results_share_no_memory_with_arguments() -> None:
    x = np.array([1.0, 2.0])
    y = fgrad.jit(fgrad.stop_gradient)(x)
    y[0] = 100.0
    assert x[0] == 1.0


def test_python_sees_the_value() -> None:
    def loss(x: Any) -> Any:
        c = np.asarray(fgrad.stop_gradient(x))
        assert type(c) is np.ndarray
        return (x * c[::-1]).sum()

    np.testing.assert_array_equal(fgrad.grad(loss)(np.array([1.0, 2.0])), [2.0, 1.0])


def test_a_straight_through_estimator() -> None:
    def rounded(x: Any) -> Any:
        return x + fgrad.stop_gradient(np.round(x) - x)

    assert fgrad.value_and_grad(lambda x: rounded(x) ** 2)(1.7) == (4.0, 4.0)


def test_in_a_linear_map_it_is_zero() -> None:
    (out,) = fgrad.linear_transpose(lambda x: 2.0 * x, 1.0)(1.0)
    assert out == 2.0
    _, pullback = fgrad.vjp(fgrad.stop_gradient, 1.0)
    assert pullback(1.0) == (0.0,)
