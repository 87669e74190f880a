"""jvp, linearize, vjp, linear_transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import jvp, linear_transpose, linearize, vjp
from fgrad.api.common import float0
from fgrad.errors import ArgumentError, NonDifferentiableError, ShapeError, TreeStructureError

X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0])
T, U = np.array([1.0, 0.0, -1.0]), np.array([2.0, 1.0, 0.5])


def f(params: Any, y: Any) -> Any:
    """A product of parts."""
    return {"product": params["a"] * y, "sum": np.sum(params["b"]) * 2.0}


PARAMS, TANGENTS = {"a": X, "b": Y}, {"a": T, "b": U}


def test_jvp() -> None:
    out, tangent = jvp(f, (PARAMS, Y), (TANGENTS, U))
    np.testing.assert_array_equal(out["product"], X * Y)
    np.testing.assert_array_equal(tangent["product"], T * Y + X * U)
    assert tangent["sum"] == 2 * np.sum(U)
    assert list(tangent) == ["product", "sum"]


def test_jvp_with_auxiliary_output() -> None:
    out, tangent, aux = jvp(lambda x: (x * x, [x]), (X,), (T,), has_aux=True)
    np.testing.assert_array_equal(out, X * X)
    np.testing.assert_array_equal(tangent, 2 * X * T)
    np.testing.assert_array_equal(aux[0], X)


def test_jvp_with_lists() -> None:
    assert jvp(lambda x: x * x, [3.0], [1.0]) == (9.0, 6.0)


def test_tangents_of_integers() -> None:
    out, tangent = jvp(lambda x, n: (x * n, n + 1), (2.0, 3), (1.0, np.zeros((), float0)))
    assert out == (6.0, 4)
    assert tangent[0] == 3.0
    assert tangent[1].dtype == float0


def test_tangents_that_vanish() -> None:
    _, tangent = jvp(lambda x: (np.floor(x), 1.0, X), (X,), (T,))
    np.testing.assert_array_equal(tangent[0], np.zeros(3))
    assert tangent[1] == 0.0
    np.testing.assert_array_equal(tangent[2], np.zeros(3))


@pytest.mark.parametrize(
    ("primals", "tangents", "error"),
    [
        (X, T, ArgumentError),
        ((X,), T, ArgumentError),
        ((X,), (T, U), (ArgumentError, TreeStructureError)),
        ((X,), (T[:2],), ShapeError),
        ((X,), (T.astype(np.float32),), ShapeError),
        ((X,), ("t",), ArgumentError),
        ((X,), ({"t": T},), (ArgumentError, TreeStructureError)),
    ],
)
def test_tangents_that_do_not_fit(primals: Any, tangents: Any, error: Any) -> None:
    with pytest.raises(error):
        jvp(lambda x: x, primals, tangents)


def test_linearize() -> None:
    out, push = linearize(f, PARAMS, Y)
    np.testing.assert_array_equal(out["product"], X * Y)
    for _ in range(2):
        tangent = push(TANGENTS, U)
        np.testing.assert_array_equal(tangent["product"], T * Y + X * U)
    jitted, mapped = fgrad.jit(push), fgrad.vmap(push)
    np.testing.assert_array_equal(jitted(TANGENTS, U)["product"], T * Y + X * U)
    rows = fgrad.tree.map(lambda t: np.stack([t, 2 * t]), (TANGENTS, U))
    np.testing.assert_array_equal(mapped(*rows)["product"][1], 2 * (T * Y + X * U))


def test_linearize_evaluates_once() -> None:
    calls: list[int] = []

    def g(x: Any) -> Any:
        calls.append(1)
        return np.sin(x)

    _, push = linearize(g, X)
    push(T)
    push(U)
    assert len(calls) == 1


def test_linearize_with_auxiliary_output() -> None:
    _, push, aux = linearize(lambda x: (x * x, x + 1), X, has_aux=True)
    np.testing.assert_array_equal(aux, X + 1)
    np.testing.assert_array_equal(push(T), 2 * X * T)


def test_linear_maps_check_their_tangents() -> None:
    _, push = linearize(lambda x: x * x, X)
    with pytest.raises((ArgumentError, TreeStructureError)):
        push(T, U)
    with pytest.raises(ShapeError):
        push(T[:2])


def test_vjp() -> None:
    out, pull = vjp(f, PARAMS, Y)
    params, y = pull({"product": T, "sum": 3.0})
    np.testing.assert_array_equal(params["a"], T * Y)
    np.testing.assert_array_equal(params["b"], np.full(3, 6.0))
    np.testing.assert_array_equal(y, T * X)
    assert out["sum"] == 2 * np.sum(Y)


def test_vjp_under_transforms() -> None:
    _, pull = vjp(np.sin, X)
    np.testing.assert_allclose(fgrad.jit(pull)(T)[0], np.cos(X) * T)
    np.testing.assert_allclose(fgrad.vmap(pull)(np.stack([T, U]))[0][1], np.cos(X) * U)
    assert fgrad.grad(lambda t: np.sum(pull(t)[0] * U))(T) == pytest.approx(np.cos(X) * U)
    closed_over = fgrad.grad(lambda x: np.sum(vjp(np.sin, x)[1](T)[0]))(X)
    np.testing.assert_allclose(closed_over, -np.sin(X) * T)


def test_vjp_with_auxiliary_output_and_integers() -> None:
    out, pull, aux = vjp(lambda x, n: (x * n, {"n": n}), X, 3, has_aux=True)
    np.testing.assert_array_equal(out, 3 * X)
    assert aux == {"n": 3}
    x, n = pull(T)
    np.testing.assert_array_equal(x, 3 * T)
    assert n.dtype == float0


def test_cotangents_of_integer_outputs_are_not_asked_for() -> None:
    _, pull = vjp(lambda x: (x * 2.0, np.argmax(x)), X)
    np.testing.assert_array_equal(pull((T, np.zeros((), float0)))[0], 2 * T)


@pytest.mark.parametrize(
    ("ct", "error"), [(T[:2], ShapeError), ((T,), (ArgumentError, TreeStructureError)), ("ct", ArgumentError)]
)
def test_cotangents_that_do_not_fit(ct: Any, error: Any) -> None:
    _, pull = vjp(lambda x: x * 2.0, X)
    with pytest.raises(error):
        pull(ct)


def test_python_numbers_as_cotangents() -> None:
    assert vjp(lambda x: x * x, np.float32(3))[1](1.0)[0].dtype == np.float32
    assert vjp(lambda x: x * x, 3.0)[1](1)[0] == 6.0


def test_arguments_that_are_not_used() -> None:
    x, y = vjp(lambda x, y: x * 2.0, X, Y)[1](T)
    np.testing.assert_array_equal(y, np.zeros(3))
    np.testing.assert_array_equal(x, 2 * T)


def test_no_arguments() -> None:
    out, pull = vjp(lambda: 3.0)
    assert out == 3.0
    assert pull(1.0) == ()


def test_linear_transpose() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    transposed = linear_transpose(lambda x: matrix @ x, X)
    np.testing.assert_array_equal(transposed(np.array([1.0, 2.0]))[0], matrix.T @ [1.0, 2.0])
    struct = fgrad.ShapeDtypeStruct((3,), np.float64)
    a, b = linear_transpose(lambda p, y: p["w"][::-1] + 2.0 * y, {"w": struct}, struct)(T)
    np.testing.assert_array_equal(a["w"], T[::-1])
    np.testing.assert_array_equal(b, 2 * T)


def test_linear_transpose_refuses_what_is_not_linear() -> None:
    with pytest.raises((ArgumentError, NotImplementedError)):
        linear_transpose(np.sin, X)(X)
    with pytest.raises((ArgumentError, NonDifferentiableError)):
        linear_transpose(lambda n: n, np.arange(3))


def test_complex_conventions() -> None:
    z, t = np.array([1 + 2j, 0.5 - 1j]), np.array([0.3 - 0.2j, 1j])
    _, tangent = jvp(np.abs, (z,), (t,))
    np.testing.assert_allclose(tangent, np.real(np.conj(z) * t) / np.abs(z))
    _, pull = vjp(np.conj, z)
    np.testing.assert_array_equal(pull(t)[0], np.conj(t))
    _, pull = vjp(np.imag, z)
    np.testing.assert_array_equal(pull(np.array([1.0, 2.0]))[0], [-1j, -2j])


def test_functions_keep_their_names_in_messages() -> None:
    def rebuild(x: Any) -> Any:
        return x + np.ones(2)

    for call in (lambda: jvp(rebuild, (X,), (T,)), lambda: vjp(rebuild, X), lambda: linearize(rebuild, X)):
        with pytest.raises(ShapeError, match="do not broadcast"):
            call()


def test_a_convolution_of_the_input_with_itself_is_not_linear() -> None:
    def squared(x: Any) -> Any:
        return fgrad.lax.conv(x, x, (1, 1), "VALID")

    with pytest.raises(fgrad.errors.ArgumentError, match="two values that both depend on the inputs"):
        fgrad.linear_transpose(squared, np.ones((1, 1, 2, 2)))(np.ones((1, 1, 1, 1)))
