"""Roots and fixed points by the library's own solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import implicit
from fgrad.errors import ArgumentError, ConvergenceError, NonDifferentiableError, ShapeError, TreeStructureError
from fgrad.implicit.iterations import FIXED_POINT, ROOT

WRAPS: list[Callable[..., Any]] = [lambda f: f, fgrad.jit]
CUBE = [
    lambda a: a ** (1 / 3),
    lambda a: a ** (-2 / 3) / 3,
    lambda a: -2 / 9 * a ** (-5 / 3),
    lambda a: 10 / 27 * a ** (-8 / 3),
]


@pytest.mark.parametrize("solver", ROOT)
@pytest.mark.parametrize("wrap", WRAPS)
def test_every_order(solver: str, wrap: Callable[..., Any]) -> None:
    reverse = forward = lambda a: implicit.root(lambda x, a: x**3 - a, 1.0, a, solver=solver)
    points = np.array([1.0, 8.0, 3.0])
    for closed in CUBE:
        for f in (reverse, forward):
            assert wrap(f)(8.0) == pytest.approx(closed(8.0), rel=1e-10)
            np.testing.assert_allclose(wrap(fgrad.vmap(f))(points), closed(points), rtol=1e-10)
        reverse, forward = fgrad.grad(wrap(reverse)), fgrad.jacfwd(forward)


FIXED: list[Any] = [*FIXED_POINT, *ROOT, lambda f, x: [x := f(x) for _ in range(80)][-1]]


@pytest.mark.parametrize("solver", FIXED)
@pytest.mark.parametrize("wrap", WRAPS)
def test_fixed_points(solver: Any, wrap: Callable[..., Any]) -> None:
    f = lambda a: implicit.fixed_point(lambda x, a: np.cos(x * a), 0.5, a, solver=solver)  # noqa: E731
    a = 0.8
    x = f(a)
    assert x == pytest.approx(np.cos(x * a), abs=1e-11)

    def slope(a: float) -> float:
        x = f(a)
        return float(-x * np.sin(a * x) / (1.0 + a * np.sin(a * x)))

    assert wrap(fgrad.grad(f))(a) == pytest.approx(slope(a), rel=1e-9)
    assert wrap(fgrad.jacfwd(f))(a) == pytest.approx(slope(a), rel=1e-9)
    h = 1e-5
    assert wrap(fgrad.grad(fgrad.grad(f)))(a) == pytest.approx((slope(a + h) - slope(a - h)) / (2 * h), rel=1e-6)
    points = np.array([0.1, 0.5, 0.8])
    np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.grad(f)))(points), [slope(p) for p in points], rtol=1e-9)


def equations(x: Any, p: Any, power: str) -> Any:
    assert power == "two"
    return {"a": x["a"] ** 2 + x["b"].sum() - p["u"], "b": x["b"] * p["w"] - x["a"]}


def test_pytrees_and_static_arguments() -> None:
    f = lambda p: implicit.root(equations, {"a": 1.0, "b": np.ones(2)}, p, "two")  # noqa: E731
    p = {"u": 4.0, "w": np.array([1.0, 2.0])}
    x = f(p)
    a = x["a"]
    assert a**2 + 1.5 * a == pytest.approx(4.0)
    np.testing.assert_allclose(x["b"], [a, a / 2.0])
    for jacobian in (fgrad.jacrev(f), fgrad.jacfwd(f), fgrad.jit(fgrad.jacrev(f)), fgrad.jacfwd(fgrad.jit(f))):
        found = jacobian(p)
        assert found["a"]["u"] == pytest.approx(1.0 / (2.0 * a + 1.5))
        np.testing.assert_allclose(found["a"]["w"], a / np.array([1.0, 4.0]) / (2.0 * a + 1.5))


def test_closures_over_traced_values() -> None:
    n = 4
    rng = np.random.default_rng(3)
    w, b, direction = 0.3 * rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=(n, n))

    def loss(w: Any) -> Any:
        return (implicit.fixed_point(lambda z: np.tanh(w @ z + b), np.zeros(n)) ** 2).sum()

    h = 1e-6
    numeric = (loss(w + h * direction) - loss(w - h * direction)) / (2 * h)
    gradient = fgrad.grad(loss)(w)
    assert (gradient * direction).sum() == pytest.approx(numeric, rel=1e-7)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(loss))(w), gradient, rtol=1e-9)
    hvp = fgrad.jvp(fgrad.grad(loss), (w,), (direction,))[1]
    numeric = (fgrad.grad(loss)(w + h * direction) - fgrad.grad(loss)(w - h * direction)) / (2 * h)
    np.testing.assert_allclose(hvp, numeric, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(fgrad.grad(lambda w: (fgrad.grad(loss)(w) * direction).sum())(w), hvp, rtol=1e-8)


@pytest.mark.parametrize("linear", ["dense", "gmres", "bicgstab"])
def test_linear_solvers_of_the_derivative(linear: str) -> None:
    matrix = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.5, 0.0, 2.0]])
    f = lambda a: implicit.root(lambda x: matrix @ x + x**3 - a, np.zeros(3), linear_solver=linear)  # noqa: E731
    a = np.array([1.0, 2.0, -1.0])
    expected = np.linalg.inv(matrix + np.diag(3.0 * f(a) ** 2))
    for jacobian in (fgrad.jacrev(f), fgrad.jacfwd(f), fgrad.jit(fgrad.jacrev(f))):
        np.testing.assert_allclose(jacobian(a), expected, rtol=1e-9)


def test_python_control_flow_and_inner_optimization() -> None:
    def f(x: Any, a: Any) -> Any:
        if x > 0:
            return x**2 - a
        return x - 1.0

    assert fgrad.grad(lambda a: implicit.root(f, 1.0, a))(4.0) == pytest.approx(0.25)

    data = np.array([1.0, 2.0, 6.0])

    def fit(ridge: Any) -> Any:  # argmin of an inner objective
        objective = lambda m: ((data - m) ** 2).sum() + ridge * m**2  # noqa: E731
        return implicit.root(fgrad.grad(objective), 0.0)

    assert fit(1.0) == pytest.approx(9.0 / 4.0)
    assert fgrad.grad(fit)(1.0) == pytest.approx(-9.0 / 16.0)
    assert fgrad.jit(fgrad.grad(fgrad.grad(fit)))(1.0) == pytest.approx(18.0 / 64.0)


def test_newton_halves_steps_that_lead_away() -> None:
    f = np.arctan
    assert implicit.root(f, 20.0) == pytest.approx(0.0, abs=1e-10)
    rows = fgrad.vmap(lambda x0: implicit.root(f, x0))(np.array([0.5, 20.0, -3.0, 1e3]))
    np.testing.assert_allclose(rows, 0.0, atol=1e-9)


def test_complex_and_single_precision() -> None:
    z = implicit.root(lambda z: z**2 + 1.0, 0.5 + 0.5j)
    assert z == pytest.approx(1j)
    x = implicit.root(lambda x: x**2 - np.float32(2.0), np.float32(1.0))
    assert x.dtype == np.float32
    assert x == pytest.approx(2**0.5, rel=1e-6)


def test_the_start_has_no_derivative() -> None:
    assert fgrad.grad(lambda x0: implicit.root(lambda x: x**2 - 4.0, x0))(1.0) == 0.0
    assert implicit.root(lambda x: x, np.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: implicit.root(lambda x: x**2 + 1.0, 1.0), ConvergenceError, "newton found no solution"),
        (lambda: implicit.root(lambda x: x**2 + 1.0, 0.0), ConvergenceError, "newton found no solution"),
        (lambda: implicit.root(lambda x: x**2 + 1.0, 1.0, solver="broyden"), ConvergenceError, "found no solution"),
        (lambda: implicit.fixed_point(lambda x: 2.0 * x + 1.0, 1.0, max_iter=9), ConvergenceError, "in 9 steps"),
        (
            lambda: fgrad.vmap(lambda a: implicit.root(lambda x: x**2 - a, 1.0))(np.array([1.0, -1.0])),
            ConvergenceError,
            "for 1 of 2 rows",
        ),
        (lambda: implicit.root(lambda x: x, 1), NonDifferentiableError, "implicit.root solves for real or complex"),
        (lambda: implicit.root(lambda x: x[:1], np.ones(2)), ShapeError, "must return something like x0"),
        (lambda: implicit.root(lambda x: (x, x), np.ones(2)), TreeStructureError, "must return something like x0"),
        (lambda: implicit.root(3, 1.0), ArgumentError, "implicit.root expects a function"),
        (lambda: implicit.root(np.sin, 1.0, solver="magic"), ArgumentError, "'newton', 'broyden', or a function"),
        (lambda: implicit.root(np.sin, 1.0, linear_solver="magic"), ArgumentError, "linear_solver of implicit.root"),
        (lambda: implicit.root(lambda x, a: x, 1.0), ArgumentError, "arguments that it does not take"),
    ],
)
def test_misuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def scanned(a: Any) -> Any:
    return fgrad.lax.scan(lambda c, _: (implicit.root(lambda x: x**3 + x - c - a, c), None), a, None, length=3)[0]


def looped(a: Any) -> Any:
    step = lambda c: (implicit.root(lambda x: x**3 + x - c[0] - a, c[0]), c[1] + 1.0)  # noqa: E731
    return fgrad.lax.while_loop(lambda c: c[1] < 3.0, step, (a, 0.0))[0]


def chosen(a: Any) -> Any:
    return fgrad.lax.cond(a > 0.0, lambda a: implicit.root(lambda x: x**3 + x - a, 1.0), lambda a: a, a)


@pytest.mark.parametrize("f", [scanned, looped, chosen])
def test_in_control_flow(f: Callable[[Any], Any]) -> None:
    h = 1e-5
    slopes = [(f(a + h) - f(a - h)) / (2 * h) for a in (1.0, 2.0)]
    assert fgrad.grad(f)(1.0) == pytest.approx(slopes[0], rel=1e-8)
    assert fgrad.jit(fgrad.grad(f))(1.0) == pytest.approx(slopes[0], rel=1e-8)
    np.testing.assert_allclose(fgrad.vmap(fgrad.grad(f))(np.array([1.0, 2.0])), slopes, rtol=1e-8)
    second = (fgrad.grad(f)(1.0 + h) - fgrad.grad(f)(1.0 - h)) / (2 * h)
    assert fgrad.grad(fgrad.grad(f))(1.0) == pytest.approx(second, rel=1e-6)
    assert fgrad.grad(fgrad.checkpoint(f))(1.0) == pytest.approx(slopes[0], rel=1e-8)


def test_equations_between_rows() -> None:
    row = lambda a: implicit.root(lambda x: 2.0 * x - fgrad.lax.psum(a, "i"), 0.0)  # noqa: E731
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(fgrad.vmap(row, axis_name="i")(a), [1.5, 1.5])
    np.testing.assert_allclose(fgrad.vmap(fgrad.grad(row), axis_name="i")(a), [1.0, 1.0])
    np.testing.assert_allclose(fgrad.grad(lambda a: fgrad.vmap(row, axis_name="i")(a)[0])(a), [0.5, 0.5])


def test_taylor_series() -> None:
    f = lambda a: implicit.root(lambda x, a: x**3 - a, 1.0, a)  # noqa: E731
    for wrap in WRAPS:
        value, series = wrap(lambda a: fgrad.jet(f, (a,), ((1.0, 0.0, 0.0),)))(8.0)
        np.testing.assert_allclose([value, *series], [closed(8.0) for closed in CUBE], rtol=1e-10)
