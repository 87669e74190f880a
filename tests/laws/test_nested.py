"""Derivatives inside derivatives: no perturbation is confused with another, and all routes to a Hessian meet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import grad, hessian, jacfwd, jacrev, jit, jvp, linearize, vjp, vmap

X = np.array([0.4, -0.7, 1.1])
A = np.array([[0.5, -0.3, 0.8], [0.2, 0.9, -0.6], [-0.4, 0.1, 0.7]])


def forward(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: jvp(f, (x,), (1.0,))[1]


def by_linearize(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: linearize(f, x)[1](1.0)


def by_vjp(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: vjp(f, x)[1](1.0)[0]


DERIVATIVES = [grad, forward, by_linearize, by_vjp, jacfwd, jacrev]
WRAPPERS = [lambda f: f, jit, fgrad.checkpoint]


@pytest.fixture(params=DERIVATIVES, ids=["grad", "jvp", "linearize", "vjp", "jacfwd", "jacrev"])
def outer(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=DERIVATIVES, ids=["grad", "jvp", "linearize", "vjp", "jacfwd", "jacrev"])
def inner(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=WRAPPERS, ids=["plain", "jit", "checkpoint"])
def wrap(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_inner_derivative_does_not_see_the_outer_variable(outer: Any, inner: Any, wrap: Any) -> None:
    # d/dx x·(d/dy (x + y)) = 1, and 2 if the two perturbations are taken for one (Siskind and Pearlmutter, 2005).
    assert outer(wrap(lambda x: x * inner(wrap(lambda y: x + y))(2.0)))(3.0) == 1.0


def test_the_inner_derivative_may_depend_on_the_outer_variable(outer: Any, inner: Any, wrap: Any) -> None:
    # d/dx x·(d/dy x·y²)(x) = d/dx 2x³
    assert outer(wrap(lambda x: x * inner(wrap(lambda y: x * y * y))(x)))(3.0) == pytest.approx(54.0, rel=1e-14)


def test_an_inner_derivative_that_ignores_its_variable(outer: Any, inner: Any) -> None:
    assert outer(lambda x: inner(lambda y: x * 1.0)(x) + x)(3.0) == 1.0
    assert outer(inner(lambda y: 5.0 + 0.0 * y))(3.0) == 0.0


def test_three_levels_that_share_their_variables(outer: Any, inner: Any) -> None:
    def f(x: Any) -> Any:
        return grad(lambda y: inner(lambda z: x * y * y * z * z)(x) * y)(x)

    # ∂z: 2·x·y²·z at z = x is 2x²y²; times y, ∂y: 6x²y² at y = x is 6x⁴; ∂x: 24x³
    assert outer(f)(2.0) == pytest.approx(24 * 8.0, rel=1e-14)


def test_a_function_returned_from_an_outer_level(outer: Any) -> None:
    # Manzyuk et al., "Perturbation confusion in forward automatic differentiation of higher-order functions", 2019.
    def shifted(u: Any) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        return lambda f: lambda x: f(x + u)

    slope = outer(lambda u: shifted(u)(shifted(u)(np.sin))(0.5))(0.0)
    assert slope == pytest.approx(2 * math.cos(0.5), rel=1e-14)


def test_an_outer_value_that_is_stored_and_used_by_an_inner_level() -> None:
    held: list[Any] = []

    def f(x: Any) -> Any:
        held[:] = [x]
        return grad(lambda y: held[0] * y * y)(x)

    assert grad(f)(3.0) == 12.0


def test_vectors_with_shared_closures() -> None:
    def f(x: Any) -> Any:
        return np.sum(grad(lambda y: np.sum(x * y * y))(x) * x)  # Σ 2x³

    np.testing.assert_allclose(grad(f)(X), 6 * X**2, rtol=1e-14)
    np.testing.assert_allclose(jit(grad(jit(f)))(X), 6 * X**2, rtol=1e-14)


def energy(x: Any) -> Any:
    return np.sum(np.sin(A @ x) * x) + np.exp(x[0] * x[1])


def energy_hessian(x: Any) -> Any:
    y = A @ x
    out = -(A.T * np.sin(y) * x) @ A + A.T * np.cos(y) + A * np.cos(y)[:, None]
    e = np.exp(x[0] * x[1])
    out[:2, :2] += e * np.array([[x[1] ** 2, 1 + x[0] * x[1]], [1 + x[0] * x[1], x[0] ** 2]])
    return out


ROUTES: dict[str, Callable[..., Any]] = {
    "hessian": hessian,
    "jacfwd(grad)": lambda f: jacfwd(grad(f)),
    "jacrev(grad)": lambda f: jacrev(grad(f)),
    "jacrev(jacfwd)": lambda f: jacrev(jacfwd(f)),
    "jacrev(jacrev)": lambda f: jacrev(jacrev(f)),
    "jacfwd(jacfwd)": lambda f: jacfwd(jacfwd(f)),
    "jacfwd(jacrev)": lambda f: jacfwd(jacrev(f)),
    "columns by hvp": lambda f: lambda x: np.stack([fgrad.hvp(f, (x,), (unit,)) for unit in np.eye(3)]),
    "rows by grad of grad": lambda f: lambda x: np.stack([grad(lambda y, i=i: grad(f)(y)[i])(x) for i in range(3)]),
    "vmap of hvp": lambda f: lambda x: vmap(lambda t: fgrad.hvp(f, (x,), (t,)))(np.eye(3)),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("wrapped", ["f", "route", "both"])
def test_routes_to_the_hessian(route: str, wrapped: str) -> None:
    f = energy if wrapped == "route" else jit(energy)
    make = ROUTES[route](f)
    got = (make if wrapped == "f" else jit(make))(X)
    np.testing.assert_allclose(got, energy_hessian(X), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(got, got.T, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("x", [0.3, -1.2, 0.0])
def test_five_derivatives_of_tanh(x: float) -> None:
    # tanh⁗′ = 16 s − 120 s t² + 120 s t⁴ with t = tanh x and s = 1 − t²
    t = math.tanh(x)
    s = 1 - t * t
    expected = 16 * s - 120 * s * t**2 + 120 * s * t**4
    f: Any = np.tanh
    for _ in range(5):
        f = grad(f)
    assert f(x) == pytest.approx(expected, rel=1e-12)
    assert jit(f)(x) == pytest.approx(expected, rel=1e-12)
    g: Any = np.tanh
    for transform in (forward, grad, jit, by_linearize, forward, jit, grad):
        g = transform(g)
    assert g(x) == pytest.approx(expected, rel=1e-12)


def test_ten_derivatives_of_exp() -> None:
    f: Any = lambda x: np.exp(2.0 * x)  # noqa: E731
    for _ in range(10):
        f = forward(f)
    assert f(0.5) == pytest.approx(1024 * math.e, rel=1e-12)


ROWS = np.stack([X, 2 * X, X[::-1]])


def test_vmap_of_grad_of_jit() -> None:
    got = vmap(grad(jit(energy)))(ROWS)
    np.testing.assert_allclose(got, np.stack([grad(energy)(row) for row in ROWS]), rtol=1e-13)


def test_jit_of_vmap_of_hessian() -> None:
    got = jit(vmap(hessian(energy)))(ROWS)
    np.testing.assert_allclose(got, np.stack([energy_hessian(row) for row in ROWS]), rtol=1e-12, atol=1e-13)


def test_grad_of_vmap() -> None:
    got = grad(lambda rows: np.sum(vmap(energy)(rows) ** 2))(ROWS)
    expected = np.stack([2 * energy(row) * grad(energy)(row) for row in ROWS])
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_jit_under_grad_under_vmap_under_jit() -> None:
    f = jit(vmap(grad(lambda x, scale: scale * jit(energy)(x)), in_axes=(0, None)))
    np.testing.assert_allclose(f(ROWS, 3.0), 3 * np.stack([grad(energy)(row) for row in ROWS]), rtol=1e-13)


def test_vmap_inside_vmap() -> None:
    got = vmap(lambda x: vmap(lambda y: energy(x * y))(ROWS))(ROWS)
    np.testing.assert_allclose(got, [[energy(x * y) for y in ROWS] for x in ROWS], rtol=1e-14)


@pytest.mark.parametrize("transform", [grad, forward, by_linearize, by_vjp, jit, fgrad.checkpoint])
def test_jit_closes_over_traced_values(transform: Any) -> None:
    def f(x: Any) -> Any:
        scale = x * 2.0
        return jit(lambda y: np.sin(y) * scale + x)(3.0)

    expected = {jit: 2 * math.sin(3.0) * 0.7 + 0.7, fgrad.checkpoint: 2 * math.sin(3.0) * 0.7 + 0.7}
    assert transform(f)(0.7) == pytest.approx(expected.get(transform, 2 * math.sin(3.0) + 1), rel=1e-14)


def test_jit_closes_over_a_mapped_value() -> None:
    got = vmap(lambda x: jit(lambda y: y * x)(2.0))(X)
    np.testing.assert_array_equal(got, 2 * X)


def test_a_jitted_function_is_not_stale_when_what_it_closes_over_is_traced_again() -> None:
    def f(x: Any) -> Any:
        return jit(lambda y: y * x)(5.0)

    assert [grad(f)(1.0), f(2.0), grad(f)(3.0), f(4.0)] == [5.0, 10.0, 5.0, 20.0]
    inner_jit = jit(lambda y, x: y * x)
    assert [grad(lambda x: inner_jit(5.0, x))(1.0), inner_jit(5.0, 2.0)] == [5.0, 10.0]


def test_control_flow_on_values_under_nested_derivatives() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        while x < 5:
            x = x * x if x > 2 else x + 1
            total = total + x
        return total

    # 1.5 → 2.5 → 6.25: total = (x + 1) + (x + 1)²
    assert grad(f)(1.5) == pytest.approx(1 + 2 * 2.5)
    assert grad(grad(f))(1.5) == pytest.approx(2.0)
    assert forward(grad(f))(1.5) == pytest.approx(2.0)


def test_a_chain_of_two_neurons() -> None:
    # Two sigmoid neurons in a row, loss ½(a − t)²; derivatives by hand.
    def sigmoid(x: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-x))

    def loss(params: dict[str, Any]) -> Any:
        hidden = sigmoid(params["w1"] * 1.5 + params["b1"])
        return 0.5 * (sigmoid(params["w2"] * hidden + params["b2"]) - 0.2) ** 2

    params = {"w1": 0.6, "b1": -0.1, "w2": 0.9, "b2": 0.3}
    hidden = 1 / (1 + math.exp(-(0.6 * 1.5 - 0.1)))
    out = 1 / (1 + math.exp(-(0.9 * hidden + 0.3)))
    at_out = (out - 0.2) * out * (1 - out)
    at_hidden = at_out * 0.9 * hidden * (1 - hidden)
    expected = {"w1": at_hidden * 1.5, "b1": at_hidden, "w2": at_out * hidden, "b2": at_out}
    for f in (grad(loss), jit(grad(loss)), grad(jit(loss))):
        got = f(params)
        assert list(got) == list(params)
        assert got == pytest.approx(expected, rel=1e-14)


def test_a_network_with_two_hidden_units() -> None:
    # The worked example of a 2-2-2 network with sigmoid units and quadratic loss, one step of gradient descent.
    inputs, targets = np.array([0.05, 0.10]), np.array([0.01, 0.99])
    params = {
        "hidden": {"w": np.array([[0.15, 0.20], [0.25, 0.30]]), "b": np.array([0.35, 0.35])},
        "output": {"w": np.array([[0.40, 0.45], [0.50, 0.55]]), "b": np.array([0.60, 0.60])},
    }

    def layer(p: dict[str, Any], x: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-(p["w"] @ x + p["b"])))

    def predict(p: dict[str, Any]) -> Any:
        return layer(p["output"], layer(p["hidden"], inputs))

    def loss(p: dict[str, Any]) -> Any:
        return 0.5 * np.sum((targets - predict(p)) ** 2)

    np.testing.assert_allclose(predict(params), [0.75136507, 0.772928465], atol=5e-9)
    assert loss(params) == pytest.approx(0.298371109, abs=5e-10)
    for f in (grad(loss), jit(grad(loss)), grad(jit(loss)), lambda p: vjp(loss, p)[1](1.0)[0]):
        gradient = f(params)
        step = fgrad.tree.map(lambda p, g: p - 0.5 * g, params, gradient)
        expected_output = [[0.35891648, 0.408666186], [0.511301270, 0.561370121]]
        expected_hidden = [[0.149780716, 0.19956143], [0.24975114, 0.29950229]]
        np.testing.assert_allclose(step["output"]["w"], expected_output, atol=5e-9)
        np.testing.assert_allclose(step["hidden"]["w"], expected_hidden, atol=5e-9)
