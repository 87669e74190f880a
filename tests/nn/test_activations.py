"""Activations: their formulas, derivatives to second order, dtypes, compilation and batching."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import fgrad
from fgrad import nn
from fgrad.errors import ArgumentError, AxesError, ShapeError
from fgrad.testing import check_grads, check_jit, check_vmap

X = np.array([-7.3, -2.4, -1.1, -0.3, 0.2, 0.9, 1.7, 4.4])
EXTREME = np.array([-np.inf, -1e300, -700.0, -40.0, -1e-300, 0.0, 1e-300, 40.0, 700.0, 1e300, np.inf])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


REFERENCES: dict[str, Callable[[Any], Any]] = {
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "identity": lambda x: x,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "log_sigmoid": lambda x: np.log(sigmoid(x)),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "relu": lambda x: np.where(x > 0, x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "soft_sign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "sparse_plus": lambda x: np.where(x < -1, 0, np.where(x > 1, x, (x + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "tanh": np.tanh,
}


def function(name: str) -> Callable[..., Any]:
    f: Callable[..., Any] = getattr(nn, name)
    return f


@pytest.mark.parametrize("name", REFERENCES)
def test_values_and_derivatives(name: str) -> None:
    f = function(name)
    np.testing.assert_allclose(f(X), REFERENCES[name](X), rtol=1e-12, atol=1e-15)
    check_grads(f, (X,), order=2)
    check_jit(f, (X,))
    check_vmap(f, (X,))


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(name: str, dtype: Any) -> None:
    f, x = function(name), X.astype(dtype)
    assert f(x).dtype == dtype
    assert fgrad.jit(f)(x).dtype == dtype
    assert fgrad.grad(lambda x: f(x).sum())(x).dtype == dtype


@pytest.mark.parametrize("name", REFERENCES)
def test_nothing_becomes_nan_but_what_is(name: str) -> None:
    f = function(name)
    finite = EXTREME[1:-1] if name != "gelu" else np.clip(EXTREME[1:-1], -1e50, 1e50)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for order in range(3):
            derivative: Callable[..., Any] = f
            for _ in range(order):
                derivative = fgrad.grad(derivative)
            assert not np.isnan([derivative(x) for x in finite]).any(), order
        assert np.isnan(f(np.nan))


@pytest.mark.parametrize("name", sorted(set(REFERENCES) - {"relu", "identity", "hard_tanh", "relu6"}))
def test_integers_become_floating(name: str) -> None:
    np.testing.assert_allclose(function(name)([0, 1]), REFERENCES[name](np.array([0.0, 1.0])), rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (nn.relu, 0.0, 0.0),
        (nn.relu6, 0.0, 0.0),
        (nn.relu6, 6.0, 0.0),
        (nn.hard_tanh, 1.0, 0.0),
        (nn.leaky_relu, 0.0, 0.01),
        (nn.elu, 0.0, 1.0),
        (nn.soft_sign, 0.0, 1.0),
    ],
)
def test_derivatives_at_kinks(f: Callable[..., Any], x: float, expected: float) -> None:
    assert fgrad.grad(f)(x) == fgrad.jit(fgrad.grad(f))(x) == expected


def test_parameters() -> None:
    np.testing.assert_allclose(nn.celu(X, 2.0), np.where(X > 0, X, 2 * (np.exp(X / 2) - 1)))
    np.testing.assert_allclose(nn.elu(X, 2.0), np.where(X > 0, X, 2 * (np.exp(X) - 1)))
    np.testing.assert_allclose(nn.leaky_relu(X, 0.5), np.where(X > 0, X, X / 2))
    np.testing.assert_allclose(nn.squareplus(X, 1.0), (X + np.sqrt(X**2 + 1)) / 2)
    np.testing.assert_allclose(nn.gelu(X, approximate=False), X * special.ndtr(X), rtol=1e-12)
    check_grads(lambda x: nn.gelu(x, approximate=False), (X,), order=2)
    check_grads(nn.celu, (X, 1.5), order=2)


def test_exact_gelu_keeps_its_tail() -> None:
    np.testing.assert_allclose(nn.gelu(-30.0, approximate=False), -30 * special.ndtr(-30.0), rtol=1e-12)


def test_prelu_has_a_gradient_by_its_slope() -> None:
    x, slope = np.array([[-1.0, 2.0, -3.0], [4.0, -5.0, 6.0]]), np.array([0.1, 0.2, 0.3])
    gradient = fgrad.grad(lambda s: nn.prelu(x, s).sum())(slope)
    np.testing.assert_array_equal(gradient, [-1.0, -5.0, -3.0])
    np.testing.assert_array_equal(nn.prelu(x, slope[:2], axis=0), np.where(x > 0, x, x * slope[:2, None]))
    assert fgrad.grad(lambda s: nn.prelu(x, s).sum())(0.25) == -9.0
    check_grads(nn.prelu, (x, slope), order=2)
    with pytest.raises(ShapeError, match=r"prelu: `slope` must be a number or have shape \(3,\).*axis 1, got \(2,\)"):
        nn.prelu(x, slope[:2])


def test_glu() -> None:
    x = np.arange(12.0).reshape(2, 6) / 7 - 1
    np.testing.assert_allclose(nn.glu(x), x[:, :3] * sigmoid(x[:, 3:]))
    np.testing.assert_allclose(nn.glu(x, axis=0), x[:1] * sigmoid(x[1:]))
    check_grads(nn.glu, (x,), order=2)
    with pytest.raises(ShapeError, match=r"glu: axis 1 of `x`, of shape \(2, 3\), must have an even length"):
        nn.glu(x[:, :3])
    with pytest.raises(AxesError, match=r"glu: `axis` must be one of the 2 axes of `x`, of shape \(2, 6\); got 2"):
        nn.glu(x, axis=2)


def test_log1mexp() -> None:
    x = np.array([1e-300, 1e-20, 0.1, 0.69, 0.7, 5.0, 50.0, 700.0])
    exact = [math.log(-math.expm1(-v)) if v < 0.69 else math.log1p(-math.exp(-v)) for v in x]
    np.testing.assert_allclose(nn.log1mexp(x), exact, rtol=1e-14)
    check_grads(nn.log1mexp, (x[2:6],), order=2)
    np.testing.assert_allclose([fgrad.grad(nn.log1mexp)(v) for v in x], 1 / np.expm1(x), rtol=1e-12)


def test_sigmoid_and_tanh_take_complex_numbers() -> None:
    z = np.array([0.3 + 0.4j])
    np.testing.assert_allclose(nn.sigmoid(z), sigmoid(z))
    np.testing.assert_allclose(nn.tanh(z), np.tanh(z))


def test_complex_numbers_have_no_order() -> None:
    with pytest.raises(ArgumentError, match="leaky_relu: `x` must hold real numbers, got dtype complex128"):
        nn.leaky_relu(1j)


def test_names_of_jax() -> None:
    jax_nn = pytest.importorskip("jax.nn")
    left_out = {"scaled_dot_general", "scaled_matmul", "get_scaled_dot_general_config"}  # of accelerators' formats
    assert {n for n in dir(jax_nn) if not n.startswith("_")} - left_out <= set(dir(nn))
