"""Roots found by functions of the user's: derivatives against closed forms, of every order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import implicit
from fgrad.control.custom_root import custom_root
from fgrad.control.while_loop import while_loop
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError, TreeStructureError


def newton(f: Callable[[Any], Any], x: Any) -> Any:
    for _ in range(12):
        y, t = fgrad.jvp(f, (x,), (np.ones_like(x),))
        x = x - y / t
    return x


def looping(f: Callable[[Any], Any], x: Any) -> Any:
    def step(x: Any) -> Any:
        y, t = fgrad.jvp(f, (x,), (np.ones_like(x),))
        return x - y / t

    return while_loop(lambda x: np.abs(f(x)) > 1e-13, step, x)


def divide(g: Callable[[Any], Any], b: Any) -> Any:
    return b / g(np.ones_like(b))


def power(a: Any) -> Any:
    return custom_root(lambda x: x**2 - a, 1.0, newton, divide)


def looped(a: Any) -> Any:
    return custom_root(lambda x: x**2 - a, 1.0, looping, divide)


ORDERS = [lambda a: a**0.5, lambda a: 0.5 * a**-0.5, lambda a: -0.25 * a**-1.5, lambda a: 0.375 * a**-2.5]


@pytest.mark.parametrize("f", [power, looped])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_every_order_in_every_mode(f: Callable[[Any], Any], order: int) -> None:
    reverse, forward, mixed = f, f, fgrad.jit(f)
    for k in range(order):
        reverse, forward = fgrad.grad(reverse), fgrad.jacfwd(forward)
        mixed = fgrad.jit(fgrad.grad(mixed)) if k % 2 else fgrad.jacfwd(mixed)
    points = np.array([1.0, 4.0, 6.25])
    for derivative in (reverse, forward, mixed):
        assert derivative(4.0) == pytest.approx(ORDERS[order](4.0), rel=1e-10)
    for rows in (fgrad.vmap(reverse), fgrad.jit(fgrad.vmap(forward)), fgrad.vmap(mixed)):
        np.testing.assert_allclose(rows(points), ORDERS[order](points), rtol=1e-10)


def test_gradient_of_many_at_once() -> None:
    points = np.array([1.0, 4.0, 6.25])
    gradient = fgrad.grad(lambda a: fgrad.vmap(power)(a).sum())
    np.testing.assert_allclose(gradient(points), ORDERS[1](points), rtol=1e-12)
    np.testing.assert_allclose(fgrad.jit(gradient)(points), ORDERS[1](points), rtol=1e-12)


def test_iterative_tangent_solvers_work_in_reverse_mode() -> None:
    matrix = np.array([[3.0, 1.0], [0.5, 2.0]])

    def gmres(g: Callable[[Any], Any], b: Any) -> Any:
        return implicit.linear_solve(g, b, solve="gmres")

    def f(a: Any) -> Any:
        return custom_root(lambda x: matrix @ x + x**3 - a, np.zeros(2), implicit.root, gmres)

    a = np.array([1.0, 2.0])
    x = f(a)
    expected = np.linalg.inv(matrix + np.diag(3.0 * x**2))
    for jacobian in (fgrad.jacrev(f), fgrad.jacfwd(f), fgrad.jit(fgrad.jacrev(f)), fgrad.jacrev(fgrad.jit(f))):
        np.testing.assert_allclose(jacobian(a), expected, rtol=1e-10)
    second = fgrad.jacrev(fgrad.jacrev(f))(a)
    h = 1e-6
    numeric = [(fgrad.jacrev(f)(a + h * e) - fgrad.jacrev(f)(a - h * e)) / (2.0 * h) for e in np.eye(2)]
    np.testing.assert_allclose(second, np.stack(numeric, axis=-1), rtol=1e-5, atol=1e-7)


def test_tangent_solvers_that_ignore_the_map_are_transposed() -> None:
    matrix = np.array([[3.0, 1.0], [0.5, 2.0]])
    inverse = np.linalg.inv(matrix)
    f = lambda a: custom_root(  # noqa: E731
        lambda x: matrix @ x - a, np.zeros(2), lambda g, x: x - inverse @ g(x), lambda g, b: inverse @ b
    )
    np.testing.assert_allclose(fgrad.jacrev(f)(np.ones(2)), inverse, rtol=1e-12)
    np.testing.assert_allclose(fgrad.jit(fgrad.jacrev(f))(np.ones(2)), inverse, rtol=1e-12)


def test_pytrees_closures_and_further_results() -> None:
    def f(p: Any) -> Any:
        def equations(x: Any) -> Any:
            return {"a": x["a"] * 2.0 - p["u"], "b": (x["b"] + x["a"]) / p["w"] - 1.0}

        def solve(g: Callable[[Any], Any], guess: Any) -> Any:
            a = p["u"] / 2.0
            return {"a": a, "b": p["w"] - a}, {"steps": 1}

        def tangent(g: Callable[[Any], Any], t: Any) -> Any:
            a = t["a"] / g({"a": 1.0, "b": np.zeros(2)})["a"]
            slope = g({"a": 0.0, "b": np.ones(2)})["b"]
            return {"a": a, "b": (t["b"] - g({"a": a, "b": np.zeros(2)})["b"]) / slope}

        return custom_root(equations, {"a": 0.0, "b": np.zeros(2)}, solve, tangent, has_aux=True)

    p = {"u": 4.0, "w": np.array([1.0, 3.0])}
    for wrap in (lambda h: h, fgrad.jit):
        root, aux = wrap(f)(p)
        assert root["a"] == 2.0
        np.testing.assert_allclose(root["b"], [-1.0, 1.0])
        assert aux["steps"] == 1
        (_, _), (tangent, _) = fgrad.jvp(wrap(f), (p,), ({"u": 1.0, "w": np.zeros(2)},))
        assert tangent["a"] == 0.5
        np.testing.assert_allclose(tangent["b"], [-0.5, -0.5])


def test_the_guess_has_no_derivative() -> None:
    f = lambda a, x0: custom_root(lambda x: x**2 - a, x0, newton, divide)  # noqa: E731
    assert fgrad.grad(f, argnums=(0, 1))(4.0, 1.5) == (pytest.approx(0.25), 0.0)
    assert fgrad.jit(fgrad.grad(f, argnums=(0, 1)))(4.0, 1.5) == (pytest.approx(0.25), 0.0)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: custom_root(3, 1.0, newton, divide), ArgumentError, "custom_root expects a function"),
        (lambda: custom_root(np.sin, 1.0, newton, 3), ArgumentError, "tangent_solve callable"),
        (lambda: custom_root(np.sin, 1, newton, divide), NonDifferentiableError, "but initial_guess is i64"),
        (lambda: custom_root(np.sin, 1.0, lambda f, x: (x, x), divide), TreeStructureError, "like initial_guess"),
        (lambda: custom_root(np.sin, 1.0, lambda f, x: np.ones(2), divide), ShapeError, "like initial_guess"),
        (lambda: custom_root(np.sin, 1.0, newton, divide, has_aux=True), OutputTypeError, "where has_aux is set"),
    ],
)
def test_misuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
