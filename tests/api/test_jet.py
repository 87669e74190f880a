"""The public `jet`: its convention, pytrees, transforms of it and by it, errors."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import jet
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError, TreeStructureError
from tests.transforms.curves import nested_derivatives

W = np.random.default_rng(0).normal(size=(3, 3)) / 2


def network(x: Any) -> Any:
    return np.tanh(np.tanh(x @ W) @ W)


X = np.array([0.3, -0.2, 0.5])
SERIES = [np.array([1.0, 0.5, -1.0]), np.array([0.2, 0.0, 0.3]), np.array([0.0, 1.0, 0.1])]


def test_terms_are_derivatives() -> None:
    """x(t) = 2 + t + 3·t² and y = x²: y′ = 2·x·x′, y″ = 2·x′² + 2·x·x″."""
    out, terms = jet(lambda x: x**2, (2.0,), ([1.0, 6.0],))
    assert out == 4.0
    assert terms == [4.0, 26.0]
    assert all(type(t) is np.float64 for t in terms)


def test_against_nested_jvp() -> None:
    out, terms = jet(network, (X,), (SERIES,))
    expected = nested_derivatives(network, [X], [SERIES], 3)
    np.testing.assert_array_equal(out, network(X))
    for term, want in zip(terms, expected[1:], strict=True):
        np.testing.assert_allclose(term, want, rtol=1e-12)


def test_against_jax() -> None:
    jax = pytest.importorskip("jax")
    oracle = pytest.importorskip("jax.experimental.jet")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        _, expected = oracle.jet(lambda x: jax.numpy.tanh(jax.numpy.exp(x) @ W) ** 2, (X,), (SERIES,))
    finally:
        jax.config.update("jax_enable_x64", before)
    _, terms = jet(lambda x: np.tanh(np.exp(x) @ W) ** 2, (X,), (SERIES,))
    for term, want in zip(terms, expected, strict=True):
        np.testing.assert_allclose(term, want, rtol=1e-10)


def test_several_primals() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y, x / y

    series = ([1.0, 0.5], [0.3, -1.0])
    out, terms = jet(f, (0.4, 1.7), series)
    expected = nested_derivatives(lambda x, y: list(f(x, y)), [0.4, 1.7], series, 2)
    assert isinstance(out, tuple)
    for i in range(2):
        np.testing.assert_allclose(terms[i], [expected[1][i], expected[2][i]], rtol=1e-13)


def test_pytrees() -> None:
    primals = ({"a": 2.0, "b": (np.ones(2), 3)},)
    series = ({"a": [1.0, 0.0], "b": ([np.ones(2), np.zeros(2)], None)},)
    out, terms = jet(lambda p: {"y": p["a"] * p["b"][0], "n": (p["b"][1],)}, primals, series)
    np.testing.assert_array_equal(out["y"], [2.0, 2.0])
    np.testing.assert_array_equal(terms["y"][0], [3.0, 3.0])
    np.testing.assert_array_equal(terms["y"][1], [2.0, 2.0])
    assert out["n"] == (3,)
    assert terms["n"] == ([0, 0],)


def test_results_are_inputs() -> None:
    """What one jet returns another one takes: f(g(x(t)))."""
    inner, by_inner = jet(np.sin, (X,), (SERIES,))
    _, twice = jet(np.exp, (inner,), (by_inner,))
    _, once = jet(lambda x: np.exp(np.sin(x)), (X,), (SERIES,))
    np.testing.assert_allclose(twice, once, rtol=1e-12)


def test_orders_none_and_one() -> None:
    assert jet(np.sin, (0.5,), ([],)) == (np.sin(0.5), [])
    _, [term] = jet(network, (X,), ([SERIES[0]],))
    np.testing.assert_allclose(term, fgrad.jvp(network, (X,), (SERIES[0],))[1], rtol=1e-14)


def test_constants() -> None:
    _, terms = jet(lambda x, y: x * y, (2.0, 3.0), ([1.0, 0.0], None))
    assert terms == [3.0, 0.0]
    _, terms = jet(lambda x, n: x**n, (2.0, 3), ([1.0, 0.0], [0, 0]))
    assert terms == [12.0, 12.0]
    _, terms = jet(lambda x: np.ones(2), (2.0,), ([1.0],))
    np.testing.assert_array_equal(terms[0], np.zeros(2))
    assert jet(lambda x, y: x * y, (2.0, 3.0), (None, None)) == (6.0, [])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtypes(dtype: Any) -> None:
    x = X.astype(dtype)
    out, terms = jet(lambda x: np.exp(x) * 2.0, (x,), ([s.astype(dtype) for s in SERIES],))
    assert {t.dtype for t in (out, *terms)} == {np.dtype(dtype)}
    np.testing.assert_allclose(terms[0], 2 * np.exp(x) * SERIES[0], rtol=1e-6)


def test_results_are_fresh() -> None:
    x, term = np.ones(2), np.ones(2)
    out, [first] = jet(lambda x: x, (x,), ([term],))
    assert out is not x
    assert first is not term
    first += 1.0
    np.testing.assert_array_equal(term, np.ones(2))


def test_python_control_flow() -> None:
    def f(x: Any) -> Any:
        while x < 10:
            x = x * x + 1.0
        return x

    _, terms = jet(f, (1.5,), ([1.0, 0.0],))
    want = nested_derivatives(f, [1.5], [[1.0, 0.0]], 2)
    np.testing.assert_allclose(terms, want[1:])


class TestComposition:
    def test_jit_of_jet_and_jet_of_jit(self) -> None:
        _, expected = jet(network, (X,), (SERIES,))
        _, outside = fgrad.jit(lambda x, s: jet(network, (x,), (s,)))(X, SERIES)
        _, inside = jet(fgrad.jit(network), (X,), (SERIES,))
        np.testing.assert_allclose(outside, expected, rtol=1e-13)
        np.testing.assert_allclose(inside, expected, rtol=1e-13)

    def test_vmap(self) -> None:
        xs = np.stack([X, 2 * X])
        series = [np.stack([s, -s]) for s in SERIES]
        _, rows = fgrad.vmap(lambda x, s: jet(network, (x,), (s,)))(xs, series)
        _, inside = jet(fgrad.vmap(network), (xs,), (series,))
        for i in range(2):
            _, expected = jet(network, (xs[i],), ([s[i] for s in series],))
            np.testing.assert_allclose([r[i] for r in rows], expected, rtol=1e-13)
            np.testing.assert_allclose([r[i] for r in inside], expected, rtol=1e-13)

    def test_gradients_of_jets(self) -> None:
        def third(x: Any) -> Any:
            return jet(network, (x,), (SERIES,))[1][2].sum()

        gradient = fgrad.grad(third)(X)
        for i, unit in enumerate(np.eye(3)):
            step = 1e-5 * unit
            slope = (third(X + step) - third(X - step)) / 2e-5
            assert gradient[i] == pytest.approx(slope, rel=1e-6)
        np.testing.assert_allclose(fgrad.jit(fgrad.grad(third))(X), gradient, rtol=1e-12)

    def test_jets_of_gradients(self) -> None:
        def gradient(x: Any) -> Any:
            return fgrad.grad(lambda x: np.sum(network(x) ** 2))(x)

        _, terms = jet(gradient, (X,), (SERIES,))
        expected = nested_derivatives(gradient, [X], [SERIES], 3)
        for term, want in zip(terms, expected[1:], strict=True):
            np.testing.assert_allclose(term, want, rtol=1e-10)

    def test_jets_of_jets(self) -> None:
        def inner(x: Any) -> Any:
            return jet(np.sin, (x,), ([1.0, 0.0],))[1][1]  # −sin

        _, terms = jet(inner, (0.4,), ([1.0, 0.0],))
        np.testing.assert_allclose(terms, [-np.cos(0.4), np.sin(0.4)])

    def test_captured_values_vary_in_their_own_transform_only(self) -> None:
        def f(x: Any) -> Any:
            return jet(lambda y: x * y**2, (1.0,), ([1.0, 0.0],))[1][1]

        assert fgrad.grad(f)(3.0) == 2.0

    def test_jit_with_traced_terms(self) -> None:
        f = fgrad.jit(lambda x, t: jet(np.exp, (x,), ([t, 0.0 * t],)))
        _, terms = f(0.5, 1.0)
        np.testing.assert_allclose(terms, [np.exp(0.5)] * 2)


def captured(x: Any) -> Any:
    @fgrad.custom_jvp
    def scaled_sine(y: Any) -> Any:
        return np.sin(y) * x

    scaled_sine.defjvps(lambda t, out, y: t * np.cos(y) * x)
    return scaled_sine(x * 2.0)


@fgrad.custom_jvp
def tangent(x: Any) -> Any:
    return np.tan(x)


tangent.defjvps(lambda t, out, x: t * fgrad.jit(lambda out: 1 + out * out)(out))


@fgrad.custom_vjp
def weighted(x: Any) -> Any:
    return np.sin(x).sum() * x


weighted.defvjp(lambda x: (weighted(x), x), lambda x, ct: ((ct * np.sin(x).sum()) + np.cos(x) * np.sum(ct * x),))

PROGRAMS: dict[str, Any] = {
    "checkpoint that closes over a traced value": lambda x: fgrad.checkpoint(lambda y: np.tan(x * y))(x),
    "custom rule that closes over a traced value": captured,
    "custom rule with jit in it": lambda x: tangent(x) * x,
    "custom_vjp": weighted,
    "custom_vjp twice": lambda x: weighted(weighted(x) * x),
    "sorting": lambda x: np.sort(x) * np.argsort(x) + np.cumprod(x),
    "updates": lambda x: fgrad.numpy.at(x)[1].multiply(x[0]),
    "products": lambda x: (np.outer(x, x) @ np.outer(np.sin(x), x)) @ x,
    "complex numbers on the way": lambda x: np.abs(np.exp(1j * x) * x + 1),
    "steps": lambda x: x * x.shape[0] + np.floor(x) + np.round(x),
    "gradient that closes over x": lambda x: fgrad.grad(lambda y: (np.sin(y) * x).sum())(x),
    "vjp": lambda x: fgrad.vjp(np.tanh, x)[1](x)[0],
    "linearize": lambda x: fgrad.linearize(np.tanh, x)[1](x),
    "hessian": fgrad.hessian(lambda x: np.sum(np.tanh(x)) ** 2),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    f = PROGRAMS[name]
    expected = nested_derivatives(f, [X], [SERIES], 3)
    for out, terms in (jet(f, (X,), (SERIES,)), fgrad.jit(lambda x, s: jet(f, (x,), (s,)))(X, SERIES)):
        np.testing.assert_allclose(out, expected[0], rtol=1e-13)
        for term, want in zip(terms, expected[1:], strict=True):
            np.testing.assert_allclose(term, want, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(
        fgrad.laplacian(f)(X), np.trace(fgrad.hessian(f)(X), axis1=-2, axis2=-1), rtol=1e-9, atol=1e-11
    )


def test_high_order() -> None:
    _, terms = jet(np.exp, (0.0,), ([1.0, *[0.0] * 24],))
    np.testing.assert_allclose(terms, np.ones(25), rtol=1e-12)
    _, terms = jet(lambda x: 1 / (1 - x), (0.0,), ([1.0, *[0.0] * 24],))
    np.testing.assert_allclose(terms, [float(factorial(k)) for k in range(1, 26)], rtol=1e-12)


class TestErrors:
    def test_no_function(self) -> None:
        with pytest.raises(ArgumentError, match=r"jet expects a function, got(.|\n)*jet\(f, \(x,\), \(\[x1"):
            jet(3.0, (1.0,), ([1.0],))  # type: ignore[arg-type]

    def test_no_sequences(self) -> None:
        with pytest.raises(ArgumentError, match="primals of jet must be a tuple"):
            jet(np.sin, 1.0, ([1.0],))  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="series of jet must be a tuple"):
            jet(np.sin, (1.0,), {0: [1.0]})  # type: ignore[arg-type]

    def test_numbers_of_primals_and_series(self) -> None:
        with pytest.raises(ArgumentError, match="series of jet has 1 entry for 2 primals"):
            jet(lambda x, y: x * y, (1.0, 2.0), ([1.0],))

    def test_orders_that_differ(self) -> None:
        with pytest.raises(
            TreeStructureError,
            match=r"jet differ in order: series\[0\] has 2 terms, series\[1\]\['w'\] has 1",
        ):
            jet(lambda x, y: x * y["w"], (1.0, {"w": 2.0}), ([1.0, 0.0], {"w": [1.0]}))

    def test_structures_that_differ(self) -> None:
        with pytest.raises(TreeStructureError, match=r"series\[0\] of jet is not like its primal"):
            jet(lambda p: p["x"], ({"x": 1.0},), ({"y": [1.0]},))
        with pytest.raises(TreeStructureError, match=r"series\[0\]\['x'\] of jet must be a list of derivatives, got"):
            jet(lambda p: p["x"], ({"x": 1.0},), ({"x": 1.0},))

    def test_shapes_and_dtypes(self) -> None:
        with pytest.raises(ShapeError, match=r"series\[0\]\[1\] is f64\[3\], but it must be f64\[2\](.|\n)*\(2,\)"):
            jet(np.sin, (np.ones(2),), ([np.ones(2), np.ones(3)],))
        with pytest.raises(ShapeError, match=r"series\[0\]\['w'\]\[0\] is f64\[2\](.|\n)*astype\('float32'\)"):
            jet(lambda p: p["w"], ({"w": np.ones(2, np.float32)},), ({"w": [np.ones(2)]},))

    def test_integers(self) -> None:
        with pytest.raises(NonDifferentiableError, match=r"series\[0\]\[0\] of jet is not 0, but it belongs to i64"):
            jet(lambda x: x * 2.0, (3,), ([1.0],))

    def test_no_numbers(self) -> None:
        with pytest.raises(ArgumentError, match=r"series\[0\]\[0\] of jet is .*: not an array of numbers"):
            jet(np.sin, (1.0,), (["one"],))
        with pytest.raises(ArgumentError, match=r"argument .* of jet is .*: not an array of numbers"):
            jet(np.sin, ("one",), ([1.0],))
        with pytest.raises(OutputTypeError, match="in jet"):
            jet(lambda x: "text", (1.0,), ([1.0],))
