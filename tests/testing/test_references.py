"""Numerical derivatives are right, and know how far off they may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from fgrad.testing import Reference, directional_derivative

SMOOTH: dict[str, tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda x: 1 / x),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "constant": (lambda x: 0 * x + 1, lambda x: 0 * x),
    "wild": (lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
}


def along(f: Callable[..., np.ndarray], x: object, t: object = 1.0, eps: float | None = None) -> Reference:
    x = np.asarray(x)
    return directional_derivative(lambda xs: [f(xs[0])], [x], [np.broadcast_to(t, x.shape).astype(x.dtype)], eps)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_complex_step_is_exact(name: str) -> None:
    f, derivative = SMOOTH[name]
    x, t = np.linspace(0.5, 3, 200), np.random.default_rng(0).normal(size=200)
    reference = along(f, x, t)
    assert reference.reliable[0].all()
    assert reference.exact[0].mean() > 0.98
    exact = reference.exact[0]
    np.testing.assert_allclose(reference.values[0][exact], (derivative(x) * t)[exact], rtol=5e-15, atol=1e-15)


@pytest.mark.parametrize("name", SMOOTH)
def test_differences_are_as_good_as_they_say(name: str) -> None:
    f, derivative = SMOOTH[name]
    x, t = np.linspace(0.5, 3, 200), np.random.default_rng(1).normal(size=200)

    def real_only(x: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(x):
            raise TypeError
        return f(x)

    reference = along(real_only, x, t)
    off = np.abs(reference.values[0] - derivative(x) * t)
    assert not reference.exact[0].any()
    assert not reference.kinks[0].any()
    assert reference.reliable[0].mean() > 0.95
    assert (off <= 10 * reference.errors[0])[reference.reliable[0]].all()
    size = np.abs(derivative(x) * t).max()
    assert np.median(reference.errors[0]) <= (1e-8 if name == "wild" else 1e-10) * max(size, 1e-3)


def test_a_complex_step_that_says_otherwise_than_the_values_is_not_believed() -> None:
    reference = along(lambda x: np.abs(x) ** 2 + 0 * x, [1.0, -2.0])
    assert not reference.exact[0].any()
    np.testing.assert_allclose(reference.values[0], [2, -4], rtol=1e-10)


def test_kinks_are_seen() -> None:
    reference = along(np.abs, [0.0, 1e-3, -1.0])
    assert reference.kinks[0].tolist() == [True, False, False]
    np.testing.assert_allclose(reference.left[0], [-1, 1, -1], rtol=1e-9)
    np.testing.assert_allclose(reference.right[0], [1, 1, -1], rtol=1e-9)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.floor, 2.0),
        (lambda x: np.sqrt(np.abs(x)), 0.0),
        (lambda x: np.sin(1 / x), 1e-8),
        (lambda x: x * np.nan, 1.0),
        (np.cbrt, 0.0),
    ],
)
def test_what_does_not_converge_is_not_reliable(f: Callable[..., np.ndarray], x: float) -> None:
    reference = along(f, x)
    assert not reference.reliable[0]


def test_noise_is_not_taken_for_a_derivative() -> None:
    rng = np.random.default_rng(0)
    reference = along(lambda x: np.real(x) + 1e-3 * rng.normal(size=x.shape), np.ones(50))
    assert (np.abs(reference.values[0] - 1) <= 10 * reference.errors[0]).mean() > 0.9
    assert not reference.reliable[0].any()


def test_single_precision_inside_is_noticed() -> None:
    x = np.linspace(0.5, 2, 100)
    reference = along(lambda x: np.sin(np.real(x).astype(np.float32)).astype(np.float64), x)
    off = np.abs(reference.values[0] - np.cos(x))
    assert (off <= 10 * reference.errors[0]).all()
    assert off[reference.reliable[0]].max(initial=0) < 1e-3


def test_the_boundary_of_a_domain_has_one_side() -> None:
    with np.errstate(invalid="ignore"):
        reference = along(
            lambda x: x * np.sqrt(np.sqrt(np.real(x) + 0j).real ** 4) if np.all(np.real(x) >= 0) else x * np.nan, 0.0
        )
    assert reference.reliable[0]
    np.testing.assert_allclose(reference.values[0], 0, atol=1e-9)


def test_a_function_that_raises_outside_its_domain() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(x) or x > 1.05:
            raise ValueError
        return x**2

    reference = along(f, 1.0)
    np.testing.assert_allclose(reference.values[0], 2, rtol=1e-10)


def test_complex_numbers_have_real_linear_derivatives() -> None:
    z, t = np.array([1 + 2j, 0.5 - 1j]), np.array([0.3 - 0.2j, 1j])
    reference = directional_derivative(lambda zs: [np.abs(zs[0]) ** 2, zs[0] ** 2], [z], [t])
    np.testing.assert_allclose(reference.values[0], 2 * np.real(np.conj(z) * t), rtol=1e-10)
    np.testing.assert_allclose(reference.values[1], 2 * z * t, rtol=1e-10)
    assert reference.values[1].dtype == np.complex128


def test_several_outputs_of_any_shape() -> None:
    x = np.arange(6.0).reshape(2, 3)
    reference = directional_derivative(lambda xs: [xs[0].sum(), np.zeros((0, 2)), xs[0].T * 2], [x], [np.ones((2, 3))])
    assert [v.shape for v in reference.values] == [(), (0, 2), (3, 2)]
    np.testing.assert_allclose(reference.values[0], 6)
    np.testing.assert_allclose(reference.values[2], 2)


def test_what_does_not_move() -> None:
    seen = []

    def f(xs: list[np.ndarray]) -> list[np.ndarray]:
        seen.append(xs[1])
        return [xs[0] * xs[1]]

    steady = np.array(3)
    reference = directional_derivative(f, [np.array(2.0), steady], [np.array(1.0), None])
    np.testing.assert_allclose(reference.values[0], 3)
    assert all(x == 3 for x in seen)
    assert all(x.dtype == steady.dtype for x in seen)


def test_extended_precision() -> None:
    def f(xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        if np.iscomplexobj(xs[0]):
            raise TypeError
        return [np.exp(xs[0]) * xs[0], np.sin(xs[0]).astype(np.float64)]

    x, t = np.linspace(0.5, 3, 50), np.random.default_rng(0).normal(size=50)
    plain, wide = (directional_derivative(f, [x], [t], extended=extended) for extended in (False, True))
    assert not plain.extended[0].any()
    if np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("longdouble is double here")
    exact = np.exp(x) * (1 + x) * t
    # What does not compute in it on all the way is left as it is.
    assert not wide.extended[1].any() or wide.errors[1].max() < plain.errors[1].max()
    alone = directional_derivative(lambda xs: f(xs)[:1], [x], [t], extended=True)
    assert alone.extended[0].mean() > 0.9
    assert alone.errors[0].dtype == alone.values[0].dtype == np.float64
    assert np.abs(alone.values[0] - exact).max() < 1e-3 * np.abs(plain.values[0] - exact).max() + 1e-15 * exact.max()
    assert (np.abs(alone.values[0] - exact) <= 10 * alone.errors[0] + 4e-16 * np.abs(exact)).all()
    assert np.median(alone.errors[0]) < np.median(plain.errors[0]) / 100


def test_extended_precision_of_complex_numbers_and_kinks() -> None:
    z = np.array([1 + 2j, 0.5 - 1j])
    reference = directional_derivative(lambda xs: [xs[0] * np.conj(xs[0])], [z], [z * 1j + 1], extended=True)
    np.testing.assert_allclose(reference.values[0], 2 * np.real(np.conj(z) * (z * 1j + 1)), rtol=1e-14, atol=1e-15)
    reference = directional_derivative(lambda xs: [abs(xs[0])], [np.zeros(1)], [np.ones(1)], extended=True)
    assert reference.kinks[0].all()


@pytest.mark.parametrize("power", [2, 3, 4])
def test_stationary_points_where_the_function_is_zero(power: int) -> None:
    reference = along(lambda x: x**power, np.zeros(2))
    assert reference.reliable[0].all()
    assert not reference.kinks[0].any()
    assert np.abs(reference.values[0]).max() < 1e-10
