"""Jacobians, Hessians, and products with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import hessian, hvp, jacfwd, jacobian, jacrev
from fgrad.errors import NonDifferentiableError

X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0])
A = np.arange(6.0).reshape(2, 3)


@pytest.fixture(params=[jacfwd, jacrev], ids=["jacfwd", "jacrev"])
def jac(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_vectors(jac: Any) -> None:
    np.testing.assert_array_equal(jac(lambda x: A @ x)(X), A)
    np.testing.assert_allclose(jac(np.sin)(X), np.diag(np.cos(X)))


@pytest.mark.parametrize(
    ("out", "into"), [((), ()), ((), (3,)), ((2,), ()), ((2, 2), (3, 1)), ((0,), (2,)), ((2,), (0,))]
)
def test_shapes(jac: Any, out: Any, into: Any) -> None:
    weights = np.random.default_rng(0).normal(size=(*out, *into))
    x = np.ones(into) if into else np.float64(1)

    def f(x: Any) -> Any:
        flat = weights.reshape(int(np.prod(out)), int(np.prod(into))) @ fgrad.numpy.ravel(x)
        return fgrad.numpy.reshape(flat, out)

    got = jac(f)(x)
    assert got.shape == (*out, *into)
    np.testing.assert_allclose(got, weights, rtol=1e-14)


def test_pytrees(jac: Any) -> None:
    def f(p: Any) -> Any:
        return {"u": A @ p["x"], "v": (p["y"] * 2.0, np.sum(p["x"]))}

    table = jac(f)({"x": X, "y": Y})
    np.testing.assert_array_equal(table["u"]["x"], A)
    np.testing.assert_array_equal(table["u"]["y"], np.zeros((2, 2)))
    np.testing.assert_array_equal(table["v"][0]["y"], 2 * np.eye(2))
    np.testing.assert_array_equal(table["v"][1]["x"], np.ones(3))


def test_argnums(jac: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        return np.outer(x, y)

    by_y = jac(f, argnums=1)(X, Y)
    assert by_y.shape == (3, 2, 2)
    both = jac(f, argnums=(0, 1))(X, Y)
    assert [b.shape for b in both] == [(3, 2, 3), (3, 2, 2)]
    np.testing.assert_array_equal(both[1], by_y)
    np.testing.assert_array_equal(jac(f, argnums="y")(X, y=Y), by_y)


def test_auxiliary_output(jac: Any) -> None:
    table, aux = jac(lambda x: (x * x, {"x": x}), has_aux=True)(X)
    np.testing.assert_array_equal(table, np.diag(2 * X))
    np.testing.assert_array_equal(aux["x"], X)
    assert type(aux["x"]) is np.ndarray


def test_holomorphic(jac: Any) -> None:
    z = np.array([1 + 2j, 0.5 - 1j])
    np.testing.assert_allclose(jac(lambda z: z * z, holomorphic=True)(z), np.diag(2 * z))
    with pytest.raises(NonDifferentiableError, match="holomorphic"):
        jac(lambda x: x * x, holomorphic=True)(X)
    with pytest.raises(NonDifferentiableError, match="holomorphic"):
        jac(np.abs, holomorphic=True)(z)


def test_integers_are_refused(jac: Any) -> None:
    with pytest.raises(NonDifferentiableError):
        jac(lambda x: x * 1.0)(np.arange(3))
    with pytest.raises(NonDifferentiableError):
        jac(np.argmax)(X)


def test_what_does_not_depend_on_the_argument(jac: Any) -> None:
    np.testing.assert_array_equal(jac(lambda x: np.ones(2))(X), np.zeros((2, 3)))
    np.testing.assert_array_equal(jac(np.floor)(X), np.zeros((3, 3)))


def test_dtypes(jac: Any) -> None:
    assert jac(lambda x: x * x)(X.astype(np.float32)).dtype == np.float32


def test_under_transforms(jac: Any) -> None:
    np.testing.assert_allclose(fgrad.jit(jac(np.sin))(X), np.diag(np.cos(X)))
    np.testing.assert_allclose(fgrad.vmap(jac(np.sin))(np.stack([X, 2 * X]))[1], np.diag(np.cos(2 * X)))


def test_the_function_is_evaluated_once(jac: Any) -> None:
    calls: list[int] = []
    jac(lambda x: calls.append(1) or x * x)(X)
    assert len(calls) == 1


def test_names(jac: Any) -> None:
    def energy(x: Any) -> Any:
        """The energy."""
        return x * x

    assert jac(energy).__name__ == "energy"
    assert "The energy." in jac(energy).__doc__
    assert jac(energy).__wrapped__ is energy


def test_the_general_jacobian() -> None:
    np.testing.assert_array_equal(jacobian(lambda x: A @ x)(X), A)


def test_hessian() -> None:
    got = hessian(lambda x: x[0] ** 2 * x[1] + np.sin(x[2]))(X)
    np.testing.assert_allclose(got, [[4, 2, 0], [2, 0, 0], [0, 0, -np.sin(3)]], atol=1e-15)
    vector = hessian(lambda x: x**3)(X)
    assert vector.shape == (3, 3, 3)
    np.testing.assert_allclose(np.einsum("iii->i", vector), 6 * X)


def test_hessian_of_pytrees() -> None:
    table = hessian(lambda p: np.sum(p["x"]) * np.sum(p["y"] ** 2))({"x": X, "y": Y})
    np.testing.assert_allclose(table["x"]["y"], np.tile(2 * Y, (3, 1)))
    np.testing.assert_allclose(table["y"]["y"], 2 * np.sum(X) * np.eye(2))
    both = hessian(lambda x, y: np.sum(x) * np.sum(y**2), argnums=(0, 1))(X, Y)
    np.testing.assert_allclose(both[1][0], np.tile(2 * Y[:, None], (1, 3)))


def test_hessian_with_auxiliary_output() -> None:
    got, aux = hessian(lambda x: (np.sum(x**3), x), has_aux=True)(X)
    np.testing.assert_allclose(got, np.diag(6 * X))
    np.testing.assert_array_equal(aux, X)


def test_hessian_vector_products() -> None:
    t, u = np.array([1.0, 0.0, -1.0]), np.array([2.0, 1.0])
    np.testing.assert_allclose(hvp(lambda x: np.sum(x**3), (X,), (t,)), 6 * X * t)
    x, y = hvp(lambda x, y: np.sum(x) * np.sum(y**2), (X, Y), (t, u))
    np.testing.assert_allclose(x, np.full(3, np.sum(2 * Y * u)))
    np.testing.assert_allclose(y, 2 * np.sum(X) * u + 2 * Y * np.sum(t))
    product, aux = hvp(lambda x: (np.sum(x**3), x), (X,), (t,), has_aux=True)
    np.testing.assert_allclose(product, 6 * X * t)
    np.testing.assert_array_equal(aux, X)
