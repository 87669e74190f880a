"""Checking every operation for NaNs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import debug, lax
from fgrad.errors import NonFiniteError

X = np.array([2.0, 0.5])


def loss(x: Any) -> Any:
    return np.sum(np.log(x - 1.0) * 2.0)


WAYS: dict[str, Callable[..., Any]] = {
    "jit": fgrad.jit,
    "grad": fgrad.grad,
    "jit grad": lambda f: fgrad.jit(fgrad.grad(f)),
    "grad jit": lambda f: fgrad.grad(fgrad.jit(f)),
    "hessian": fgrad.hessian,
    "jacfwd": fgrad.jacfwd,
    "vmap": lambda f: lambda x: fgrad.vmap(f)(np.stack([x, x])),
    "jvp": lambda f: lambda x: fgrad.jvp(f, (x,), (x,)),
    "checkpoint": lambda f: fgrad.grad(fgrad.checkpoint(f)),
    "scan": lambda f: fgrad.jit(lambda x: lax.scan(lambda c, _: (c + f(x), None), 0.0, None, 3)[0]),
    "compiled before": lambda f: _warm(fgrad.jit(f)),
}


def _warm(f: Any) -> Any:
    f(X + 5.0)
    return f


@pytest.mark.parametrize("way", WAYS)
def test_forward(way: str) -> None:
    f = WAYS[way](loss)
    with debug.nans():
        f(X + 5.0)
        with pytest.raises(NonFiniteError, match=r"^The first value that is not finite comes from `log`") as caught:
            f(X)
    text = str(caught.value)
    assert "test_nans.py:" in text
    assert "(loss): return np.sum(np.log(x - 1.0) * 2.0)" in text
    assert "operand 0: " in text
    assert "-0.5" in text
    assert "explain_nan" in text
    assert isinstance(caught.value, FloatingPointError)
    with np.errstate(all="ignore"):
        f(X)  # no cost, and no error, when off


def test_the_way_back() -> None:
    @fgrad.custom_vjp
    def square(x: Any) -> Any:
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, ct: (ct / (x - x) * 0.0,))
    for f in (fgrad.grad(square), fgrad.jit(fgrad.grad(square)), fgrad.grad(fgrad.jit(square))):
        with debug.nans(), pytest.raises(NonFiniteError, match="comes from the way back: `mul`") as caught:
            f(3.0)
        assert "square.defvjp(lambda x: (x * x, x), lambda x, ct: (ct / (x - x) * 0.0,))" in str(caught.value)
        with debug.nans(inf=True), pytest.raises(NonFiniteError, match=r"`div`(?s:.*)result: inf"):
            f(3.0)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit])
def test_a_derivative_that_is_infinite_makes_a_nan_on_the_way_back(wrap: Any) -> None:
    f = wrap(fgrad.grad(lambda x: np.where(x > 0.0, np.sqrt(x), 0.0)))
    with debug.nans(), pytest.raises(NonFiniteError, match="comes from the way back: `mul`") as caught:
        f(0.0)
    assert "np.where(x > 0.0, np.sqrt(x), 0.0)" in str(caught.value)
    with debug.nans(inf=True), pytest.raises(NonFiniteError, match="comes from the derivative of `sqrt`"):
        f(0.0)


def test_pulling_back_later() -> None:
    with debug.nans():
        out, pull = fgrad.vjp(lambda x: np.sqrt(x) * 3.0, 0.0)
    assert type(out) is np.float64
    with np.errstate(all="ignore"):
        assert np.isnan(pull(0.0)[0])
    with debug.nans(), pytest.raises(NonFiniteError, match=r"the way back: `mul`(?s:.*)np\.sqrt"):
        pull(0.0)


def test_in_the_step_of_a_loop() -> None:
    f = fgrad.jit(lambda x: lax.fori_loop(0, 5, lambda i, c: np.sqrt(c - i), x))
    with debug.nans(), pytest.raises(NonFiniteError, match="comes from `sqrt`"):
        f(3.0)


def test_infinities_are_refused_where_that_is_asked_for() -> None:
    f = fgrad.jit(lambda x: np.exp(x) + 1.0)
    with debug.nans():
        assert f(np.array([1e4]))[0] == np.inf
    with debug.nans(inf=True), pytest.raises(NonFiniteError, match="comes from `exp`"):
        f(np.array([1e4]))


def test_results_are_the_same_and_plain() -> None:
    def f(p: Any, x: Any) -> Any:
        return {"loss": (np.tanh(x @ p["w"]) ** 2).mean() + (0.0 if x[0, 0] > 1e9 else 1.0)}["loss"]

    args = ({"w": np.arange(6.0).reshape(3, 2)}, np.ones((4, 3)))
    for g in (fgrad.value_and_grad(f), fgrad.hessian(f), fgrad.vmap(f, in_axes=(None, None), axis_size=2)):
        expected = g(*args)
        with debug.nans():
            found = g(*args)
        for a, b in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
            assert type(a) is type(b)
            np.testing.assert_allclose(a, b)


def test_results_of_compiled_functions_are_plain() -> None:
    f = fgrad.jit(lambda x, n, flag=True: (x * n, [x], 2, n), static_argnames="flag")
    with debug.nans():
        found = f(X, n=3, flag=False)
    np.testing.assert_array_equal(found[0], 3 * X)
    assert [type(y) for y in (found[0], found[1][0])] == [np.ndarray, np.ndarray]


def test_as_a_decorator() -> None:
    @debug.nans()
    def train() -> Any:
        return fgrad.jit(loss)(X)

    for _ in range(2):
        with pytest.raises(NonFiniteError):
            train()
    with np.errstate(all="ignore"):
        assert np.isnan(fgrad.jit(loss)(X))


def test_plain_numpy_is_watched_by_numpy() -> None:
    with debug.nans(), pytest.raises(FloatingPointError, match="invalid value encountered in log"):
        np.log(X - 1.0)
    with debug.nans(inf=True), pytest.raises(FloatingPointError, match="divide by zero"):
        np.log(X * 0.0)


def test_programs_recorded_before() -> None:
    _, push = fgrad.linearize(fgrad.jit(lambda y: np.sin(y) * 2.0), 1.0)
    with debug.nans():
        push(1.0)
        with pytest.raises(FloatingPointError):
            fgrad.jit(push)(np.nan)


LOOPS: dict[str, Callable[..., Any]] = {
    "scan": lambda x: lax.scan(lambda c, row: (c * row, np.sin(c)), x[0], x)[1].sum(),
    "fori": lambda x: lax.fori_loop(0, 4, lambda i, c: c * 1.5 + i, x).sum(),
    "while": lambda x: lax.while_loop(lambda c: c.sum() < 50.0, lambda c: c * 1.5, x).sum(),
    "cond": lambda x: lax.cond(x[0] > 0, lambda x: x * x, np.sin, x).sum(),
    "map": lambda x: lax.map(lambda row: row * row, x).sum(),
    "sort": lambda x: (np.sort(x) * np.arange(2.0)).sum(),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize(
    "wrap",
    [fgrad.jit, fgrad.value_and_grad, fgrad.hessian, lambda f: lambda x: fgrad.vmap(f)(np.stack([x, x - 1.0]))],
    ids=["jit", "grad", "hessian", "vmap"],
)
def test_control_flow_has_the_same_results(name: str, wrap: Callable[..., Any]) -> None:
    expected = wrap(LOOPS[name])(X)
    with debug.nans():
        found = wrap(LOOPS[name])(X)
    for a, b in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        assert isinstance(a, (np.ndarray, np.generic))
        np.testing.assert_allclose(a, b, rtol=1e-12)
