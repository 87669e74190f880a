"""`nth_derivative` and `laplacian`."""

from __future__ import annotations

import time
from typing import Any

import mpmath
import numpy as np
import pytest

import fgrad
from fgrad import laplacian, nth_derivative
from fgrad.errors import ArgumentError, NonDifferentiableError, ShapeError
from tests.transforms.curves import nested

RNG = np.random.default_rng(0)
W = [RNG.normal(size=shape) / 2 for shape in ((3, 8), (8, 8), (8, 2))]
X = RNG.normal(size=3)


def network(x: Any) -> Any:
    for w in W[:-1]:
        x = np.tanh(x @ w)
    return x @ W[-1]


def traces(f: Any, x: Any) -> Any:
    return np.trace(fgrad.hessian(f)(x), axis1=-2, axis2=-1)


class TestNthDerivative:
    @pytest.mark.parametrize("n", range(6))
    def test_against_nested_jvp(self, n: int) -> None:
        def f(x: Any) -> Any:
            return np.exp(np.sin(x)) / (1 + x * x)

        assert nth_derivative(f, n)(0.3) == pytest.approx(nested(f, n)(0.3), rel=1e-11)

    def test_arrays_and_pytrees_come_out(self) -> None:
        out = nth_derivative(lambda x: {"p": x ** np.arange(4.0), "q": (np.sin(x), np.ones(2))}, 2)(2.0)
        np.testing.assert_allclose(out["p"], [0, 0, 2, 12])
        assert out["q"][0] == -np.sin(2.0)
        np.testing.assert_array_equal(out["q"][1], np.zeros(2))

    def test_arguments(self) -> None:
        def f(a: Any, x: Any, *, scale: float = 1.0) -> Any:
            return a * x**3 * scale

        assert nth_derivative(f, 2, argnum=1)(5.0, 2.0) == 60.0
        assert nth_derivative(f, 2, "x")(5.0, x=2.0, scale=2.0) == 120.0
        assert nth_derivative(f, 1)(5.0, 2.0) == 8.0

    def test_holomorphic(self) -> None:
        z = 0.3 + 0.4j
        assert nth_derivative(np.exp, 5, holomorphic=True)(z) == pytest.approx(np.exp(z))

    def test_order_ten_of_fifty_operations(self) -> None:
        def deep(x: Any, sin: Any = np.sin) -> Any:
            for _ in range(25):
                x = sin(x) + 0.1 * x
            return x

        with mpmath.workdps(60):
            reference = mpmath.taylor(lambda x: deep(x, mpmath.sin), mpmath.mpf(0.5), 10)[10] * mpmath.factorial(10)
        assert nth_derivative(deep, 10)(0.5) == pytest.approx(float(reference), rel=1e-8)
        times = []
        for order in (5, 10, 20):
            start = time.perf_counter()
            nth_derivative(deep, order)(0.5)
            times.append(time.perf_counter() - start)
        assert times[2] < 40 * times[0]  # 2¹⁵ times as long if it were nested

    def test_composition(self) -> None:
        f = nth_derivative(np.sin, 3)
        assert fgrad.jit(f)(0.4) == pytest.approx(-np.cos(0.4))
        assert fgrad.grad(f)(0.4) == pytest.approx(np.sin(0.4))
        np.testing.assert_allclose(fgrad.vmap(f)(X), -np.cos(X))
        assert nth_derivative(nth_derivative(np.sin, 2), 2)(0.4) == pytest.approx(np.sin(0.4))

    def test_name_and_documentation(self) -> None:
        def speed(x: Any) -> Any:
            """Of light."""
            return x

        assert nth_derivative(speed, 2).__name__ == "speed"
        assert str(nth_derivative(speed, 2).__doc__).startswith("Derivative of order 2 of `speed`")

    @pytest.mark.parametrize("n", [-1, 1.5, True, "2"])
    def test_orders_that_are_none(self, n: Any) -> None:
        with pytest.raises(ArgumentError, match="n of nth_derivative must be a natural number, got"):
            nth_derivative(np.sin, n)

    def test_orders_end_where_factorials_do(self) -> None:
        assert nth_derivative(np.sin, 170)(0.5) == pytest.approx(-np.sin(0.5), rel=1e-9)
        with pytest.raises(ArgumentError, match=r"nth_derivative goes up to order 170, .* not to 171"):
            nth_derivative(np.sin, 171)
        with pytest.raises(ArgumentError, match=r"jet goes up to order 170, .* not to 171"):
            fgrad.jet(np.sin, (0.5,), ([1.0] * 171,))

    def test_arrays_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"nth_derivative needs a scalar, but x is f64\[3\](.|\n)*vmap"):
            nth_derivative(lambda x: x, 2)(X)
        with pytest.raises(ShapeError, match="nth_derivative needs a scalar, but p is"):
            nth_derivative(lambda p: p["a"], 2)({"a": 1.0, "b": 2.0})

    def test_integers_are_refused(self) -> None:
        with pytest.raises(NonDifferentiableError, match="nth_derivative needs real or complex inputs, but x is"):
            nth_derivative(lambda x: x * 2.0, 2)(3)
        with pytest.raises(NonDifferentiableError, match="needs real or complex outputs, but `<lambda>` returned i64"):
            nth_derivative(lambda x: 3, 2)(3.0)
        with pytest.raises(NonDifferentiableError, match="holomorphic=True needs complex outputs"):
            nth_derivative(np.abs, 1, holomorphic=True)(1j)

    def test_no_function(self) -> None:
        with pytest.raises(ArgumentError, match="nth_derivative expects a function"):
            nth_derivative(3.0, 2)  # type: ignore[arg-type]


class TestLaplacian:
    def test_against_the_hessian(self) -> None:
        np.testing.assert_allclose(laplacian(network)(X), traces(network, X), rtol=1e-11)

    @pytest.mark.parametrize(
        "f",
        [
            lambda x: np.sum(x**2) ** 1.5,
            lambda x: np.sin(x).prod(),
            lambda x: np.sort(np.exp(x))[0] * x[1],
            lambda x: np.log(np.sum(np.exp(x))),
            lambda x: np.sum(np.outer(x, np.sin(x)) @ x),
            lambda x: fgrad.numpy.concatenate([x, np.tan(x)]).sum(),
            lambda x: fgrad.numpy.where(x > 0, x**3, x**2).sum(),
            fgrad.jit(network),
            fgrad.checkpoint(network),
            lambda x: fgrad.vmap(network)(fgrad.numpy.stack([x, x * x])).sum(),
            fgrad.grad(lambda x: np.sum(network(x) ** 2)),
        ],
    )
    def test_programs(self, f: Any) -> None:
        np.testing.assert_allclose(laplacian(f)(X), traces(f, X), rtol=1e-10)

    def test_control_flow(self) -> None:
        def f(x: Any) -> Any:
            return fgrad.lax.fori_loop(0, 3, lambda i, h: np.tanh(h * h[::-1] + x), x).sum()

        np.testing.assert_allclose(laplacian(f)(X), traces(f, X), rtol=1e-10)

    def test_harmonic_functions(self) -> None:
        def newton(x: Any) -> Any:
            return 1 / np.sqrt(np.sum(x**2))

        assert abs(laplacian(newton)(X)) < 1e-12

    def test_value_and_gradient(self) -> None:
        value, gradient, out = laplacian(network, value_and_grad=True)(X)
        np.testing.assert_array_equal(value, network(X))
        np.testing.assert_allclose(gradient, fgrad.jacfwd(network)(X), rtol=1e-12)
        np.testing.assert_allclose(out, traces(network, X), rtol=1e-11)

    def test_pytrees_and_argnums(self) -> None:
        def f(p: Any, scale: Any, q: Any) -> Any:
            return {"y": np.sum(np.sin(p["a"]) * p["b"]) ** 2 * q * scale}

        p = {"a": RNG.normal(size=(2, 2)), "b": RNG.normal(size=2)}
        value, gradient, out = laplacian(f, argnums=(0, 2), value_and_grad=True)(p, 2.0, 1.5)
        blocks = fgrad.hessian(lambda p: f(p, 2.0, 1.5)["y"])(p)
        expected = np.trace(blocks["a"]["a"].reshape(4, 4)) + np.trace(blocks["b"]["b"])
        assert out["y"] == pytest.approx(expected)  # linear in q
        assert value["y"] == f(p, 2.0, 1.5)["y"]
        by_p, by_q = gradient["y"]
        assert by_p["a"].shape == (2, 2)
        assert by_q == pytest.approx(value["y"] / 1.5)

    def test_scalars_constants_and_empty_arrays(self) -> None:
        assert laplacian(np.sin)(0.4) == pytest.approx(-np.sin(0.4))
        assert laplacian(lambda x: 3.0)(X) == 0.0
        _, gradient, out = laplacian(lambda x: (np.ones(2), x[0]), value_and_grad=True)(X)
        np.testing.assert_array_equal(gradient[0], np.zeros((2, 3)))
        np.testing.assert_array_equal(out[0], np.zeros(2))
        assert out[1] == 0.0
        assert laplacian(lambda x: x.sum())(np.zeros(0)) == 0.0

    def test_composition(self) -> None:
        f = laplacian(network)
        np.testing.assert_allclose(fgrad.jit(f)(X), f(X), rtol=1e-12)
        rows = np.stack([X, 2 * X])
        np.testing.assert_allclose(fgrad.vmap(f)(rows), [f(x) for x in rows], rtol=1e-12)
        gradient = fgrad.grad(lambda x: f(x).sum())(X)
        for i, unit in enumerate(np.eye(3)):
            step = 1e-5 * unit
            assert gradient[i] == pytest.approx((f(X + step) - f(X - step)).sum() / 2e-5, rel=1e-6)
        bilaplacian = laplacian(laplacian(lambda x: np.sum(x**2) ** 2))(X)
        assert bilaplacian == pytest.approx(120.0)

    def test_no_hessian_is_formed(self) -> None:
        shapes = {
            v.aval.shape
            for eqn in fgrad.make_jaxpr(laplacian(lambda x: np.sum(np.sin(x) ** 2)))(np.ones(50)).eqns
            for v in eqn.outvars
        }
        assert (50, 50, 50) not in shapes

    def test_single_precision(self) -> None:
        out = laplacian(lambda x: np.sum(x**3))(X.astype(np.float32))
        assert out.dtype == np.float32

    def test_errors(self) -> None:
        with pytest.raises(NonDifferentiableError, match=r"laplacian needs real inputs, but x is c128\[3\]"):
            laplacian(lambda x: x.sum())(X + 0j)
        with pytest.raises(NonDifferentiableError, match="laplacian needs real or complex inputs, but x is"):
            laplacian(lambda x: x.sum())(np.arange(3))
        with pytest.raises(NonDifferentiableError, match="laplacian needs real or complex outputs, but"):
            laplacian(lambda x: 3)(X)
        with pytest.raises(ArgumentError, match="laplacian expects a function"):
            laplacian(3.0)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="has argnums=2"):
            laplacian(np.sin, argnums=2)(X)
