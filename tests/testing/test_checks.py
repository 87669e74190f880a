"""Checks for users: they pass where derivatives are right, and say what is wrong where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core import Tracer
from fgrad.errors import ArgumentError
from fgrad.primitives.elementwise import Sub
from fgrad.testing import (
    CheckError,
    check_adjoint,
    check_grads,
    check_jit,
    check_jvp,
    check_linear,
    check_tangent_linearity,
    check_vjp,
    check_vmap,
)

X = np.array([0.3, -1.2, 0.8])


def loss(params: dict[str, Any], scale: float) -> dict[str, Any]:
    hidden = np.tanh(params["w"] @ X + params["b"])
    return {"value": scale * (hidden * hidden), "steps": 3}


PARAMS = {"w": np.linspace(-1, 1, 6).reshape(2, 3), "b": np.array([0.1, -0.2])}


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives_pass(order: int) -> None:
    check_grads(lambda x: np.sin(x) * np.exp(-x * x), (X,), order=order)


def test_pytrees_and_integers() -> None:
    check_grads(loss, (PARAMS, 1.5), order=2)
    check_grads(lambda x, n: x * n, (X, np.arange(3)), order=1)


def test_complex_arguments() -> None:
    z = np.array([1 + 2j, 0.5 - 1j])
    check_grads(lambda z: np.exp(z) * z, (z,), order=2)
    check_grads(lambda z: np.real(z * np.conj(z)), (z,), order=2)


def test_single_precision() -> None:
    check_grads(lambda x: np.exp(x) * np.sin(x), (X.astype(np.float32),), order=2)


@pytest.mark.parametrize("transform", [fgrad.jit, fgrad.checkpoint])
def test_transformed_functions(transform: Callable[..., Any]) -> None:
    check_grads(transform(lambda x, y: np.exp(x) * y), (X, X + 2), order=2)


def test_a_tiny_error_is_found() -> None:
    check_jvp(np.sin, lambda xs, ts: (np.sin(xs[0]), np.cos(xs[0]) * ts[0]), (X,))
    with pytest.raises(CheckError, match="the tangent is wrong"):
        check_jvp(np.sin, lambda xs, ts: (np.sin(xs[0]), np.cos(xs[0]) * ts[0] * (1 + 1e-10)), (X,))


def test_tolerances_can_be_given() -> None:
    def f_jvp(xs: Any, ts: Any) -> Any:
        return np.sin(xs[0]), np.cos(xs[0]) * ts[0] * (1 + 1e-4)

    check_jvp(np.sin, f_jvp, (X,), rtol=1e-3)
    with pytest.raises(CheckError):
        check_jvp(np.sin, f_jvp, (X,), rtol=1e-5)
    check_jvp(np.sin, f_jvp, (X,), atol=1e-3)


def product(x: Any, y: Any) -> Any:
    return x["left"] * y


@fgrad.custom_vjp
def wrong_product(x: Any, y: Any) -> Any:
    return product(x, y)


wrong_product.defvjp(
    lambda x, y: (product(x, y), (x, y)),
    lambda res, ct: ({"left": ct * res[1]}, -ct * res[0]["left"]),
)


def test_the_message_names_the_argument_and_the_numbers() -> None:
    x, y = {"left": np.array([1.0, 2.0])}, np.array([3.0, 4.0])
    with pytest.raises(CheckError) as caught:
        check_grads(wrong_product, (x, y), order=1, modes=("rev",))
    text = str(caught.value)
    lines = text.splitlines()
    assert lines[0] == "check_grads of `wrong_product`: the cotangent is wrong."
    assert "relative error" in lines[1]
    assert lines[2].strip() == "wrong with respect to y; right with respect to x['left']"
    assert lines[3].strip().startswith("at y[0]: expected ")
    assert "direction: x['left'] = [" in text
    assert "reference: complex step, itself off by about" in text


def test_forward_mode_names_the_argument_too() -> None:
    def f_jvp(xs: Any, ts: Any) -> Any:
        return xs[0] * xs[1], ts[0] * xs[1] + 2 * ts[1] * xs[0]

    with pytest.raises(CheckError) as caught:
        check_jvp(lambda a, b: a * b, f_jvp, (X, X + 1))
    assert "wrong with respect to b; right with respect to a" in str(caught.value)
    assert "at output[" in str(caught.value)


def test_only_the_second_derivative_is_wrong() -> None:
    def f(x: Any) -> Any:
        return fgrad.stop_gradient(np.cos(x)) * x + fgrad.stop_gradient(np.sin(x) - np.cos(x) * x)

    np.testing.assert_allclose(f(X), np.sin(X))
    check_grads(f, (X,), order=1)
    with pytest.raises(CheckError, match=r"of `jvp\(f\)`: the tangent is wrong"):
        check_grads(f, (X,), order=2)


def test_a_wrong_value_is_found() -> None:
    with pytest.raises(CheckError, match="another value at output"):
        check_jvp(np.sin, lambda xs, ts: (np.cos(xs[0]), np.cos(xs[0]) * ts[0]), (X,))
    with pytest.raises(CheckError, match="another value at output"):
        check_vjp(np.sin, lambda x: (np.cos(x), lambda ct: (ct * np.cos(x),)), (X,))


def test_wrong_types_are_found() -> None:
    with pytest.raises(CheckError, match=r"another type than the value.*expected f64\[3\], got f32\[3\]"):
        check_jvp(np.sin, lambda xs, ts: (np.sin(xs[0]), (np.cos(xs[0]) * ts[0]).astype(np.float32)), (X,))
    with pytest.raises(CheckError, match=r"cotangent of x has another type.*expected f64\[3\], got f64\[\]"):
        check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: ((ct * np.cos(x)).sum(),)), (X,))
    with pytest.raises(CheckError, match="structure"):
        check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: (ct, ct)), (X,))
    with pytest.raises(CheckError, match="structure"):
        check_jvp(np.sin, lambda xs, ts: (np.sin(xs[0]), [ts[0]]), (X,))


@pytest.mark.parametrize(
    ("f", "x", "what"),
    [
        (abs, 0.0, "has a kink here"),
        (lambda x: np.maximum(x, 0.0), np.array([1.0, 0.0]), "has a kink here"),
        (np.floor, 1.0, r"jumps here.*\n  at output: 1, and 0 just below it"),
        (np.sqrt, 0.0, r"edge of its domain|without bound"),
        (np.cbrt, np.float64(0.0), "slope of the function grows without bound here"),
        (lambda x: x + 1e-3 * np.sin(1e12 * x), 1.0, "do not converge: noise, or changes quicker than `eps`"),
        (lambda x: x * np.nan, 1.0, "is not finite here"),
        (lambda x: x / 0.0, np.float64(1.0), "is not finite here"),
    ],
)
@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_what_cannot_be_judged_says_so(f: Callable[..., Any], x: Any, what: str, mode: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(CheckError, match=what):
        check_grads(f, (x,), order=1, modes=(mode,))


def test_a_function_that_is_not_deterministic_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(CheckError, match=r"two calls .* different values at output\['y'\]"):
        check_grads(lambda x: {"y": x + rng.normal()}, (X,), order=1)


def test_bad_requests() -> None:
    with pytest.raises(ArgumentError, match="modes of check_grads"):
        check_grads(np.sin, (X,), order=1, modes=("forward",))
    with pytest.raises(ArgumentError, match="order of check_grads"):
        check_grads(np.sin, (X,), order=0)
    with pytest.raises(ArgumentError, match="no argument is a floating-point or complex array"):
        check_grads(lambda n: n * 2.0, (np.arange(3),), order=1)


def test_adjoint(monkeypatch: pytest.MonkeyPatch) -> None:
    check_adjoint(loss, (PARAMS, 1.5))
    check_adjoint(lambda z: z * np.conj(z), (np.array([1 + 2j]),))
    monkeypatch.setattr(Sub, "transpose", lambda self, ct, x, y: (ct, ct))
    with pytest.raises(CheckError) as caught:
        check_adjoint(lambda x, y: x - y, (X, X))
    assert "reverse mode is not the transpose of forward mode" in str(caught.value)
    assert "wrong with respect to y: " in str(caught.value)
    assert "wrong with respect to x" not in str(caught.value)


def traced(x: Any) -> bool:
    return type(x) is Tracer


def test_linearity_in_the_tangent() -> None:
    check_tangent_linearity(loss, (PARAMS, 1.5))

    @fgrad.custom_jvp
    def squared(x: Any) -> Any:
        return x * x

    squared.defjvp(lambda xs, ts: (xs[0] * xs[0], 2 * xs[0] * abs(ts[0])))
    with pytest.raises(CheckError, match="it is not linear"):
        check_tangent_linearity(squared, (X,))


def test_linear_functions() -> None:
    check_linear(lambda x, y: 2 * x[::-1] - y, (X, X))
    for f in (lambda x: x + 1, lambda x: x * x, abs):
        with pytest.raises(CheckError, match="it is not linear"):
            check_linear(f, (X,))


def test_jit() -> None:
    check_jit(loss, (PARAMS, 1.5))

    def traced_differently(x: Any) -> Any:
        return x * 2 if traced(x) else x * 3

    with pytest.raises(CheckError, match=r"jit gives another result \(the first call\)"):
        check_jit(traced_differently, (X,))
    with pytest.raises(CheckError, match="structure"):
        check_jit(lambda x: [x] if traced(x) else (x,), (X,))
    with pytest.raises(CheckError, match="another type"):
        check_jit(lambda x: x if traced(x) else x.astype(np.float32), (X,))


def test_vmap() -> None:
    check_vmap(lambda x, y: x * y, (np.ones((4, 3)), np.ones((3, 4))), in_axes=(0, 1), out_axes=1)
    check_vmap(lambda p, x: {"y": p["w"] * x}, ({"w": X}, np.ones((4, 3))), in_axes=(None, 0))
    with pytest.raises(CheckError, match="vmap and a loop differ"):
        check_vmap(lambda x: x if traced(x) else -x, (X,))


def test_what_cancels_may_leave_rounding() -> None:
    # The derivative is 0 along every direction, which differences in extended precision know to 18 digits.
    check_grads(lambda x: (x @ x) / np.linalg.norm(x) ** 2, (X,), order=1)
