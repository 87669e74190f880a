"""Taylor mode: every primitive against nested forward mode, recurrences against closed forms, hard points, costs."""

from __future__ import annotations

import gc
import importlib
import pkgutil
from functools import partial
from math import factorial
from typing import Any

import mpmath
import numpy as np
import pytest

import fgrad
from fgrad.core import ZERO, check_jaxpr, registry
from fgrad.core.aval import aval_of
from fgrad.primitives.coefficients import Slopes, convolution, half_square, power, square_term
from fgrad.primitives.trigonometric import sin, tan
from fgrad.transforms.jet import jet, jet_jaxpr
from fgrad.transforms.series import Expand, LazySeries, solve
from fgrad.transforms.stage import trace
from tests.transforms.curves import nested, nested_derivatives

for room in ("primitives", "control"):
    package = importlib.import_module(f"fgrad.{room}")
    for module in pkgutil.iter_modules(package.__path__, f"fgrad.{room}."):
        importlib.import_module(module.name)

REFERENCES: dict[str, tuple[Any, Any, float]] = {
    "exp": (np.exp, mpmath.exp, 0.7),
    "exp2": (np.exp2, lambda x: mpmath.mpf(2) ** x, 0.7),
    "expm1": (np.expm1, mpmath.expm1, 1e-3),
    "log": (np.log, mpmath.log, 0.7),
    "log2": (np.log2, lambda x: mpmath.log(x, 2), 0.7),
    "log10": (np.log10, mpmath.log10, 0.7),
    "log1p": (np.log1p, lambda x: mpmath.log(1 + x), 0.3),
    "sin": (np.sin, mpmath.sin, 1.1),
    "cos": (np.cos, mpmath.cos, 1.1),
    "tan": (np.tan, mpmath.tan, 0.4),
    "sinh": (np.sinh, mpmath.sinh, 1.1),
    "cosh": (np.cosh, mpmath.cosh, 1.1),
    "tanh": (np.tanh, mpmath.tanh, 0.9),
    "arctan": (np.arctan, mpmath.atan, 0.4),
    "arcsin": (np.arcsin, mpmath.asin, 0.4),
    "arcsinh": (np.arcsinh, mpmath.asinh, 0.4),
    "sqrt": (np.sqrt, mpmath.sqrt, 1.3),
    "cbrt": (np.cbrt, mpmath.cbrt, 1.3),
    "power": (lambda x: x**2.7, lambda x: x ** mpmath.mpf(2.7), 1.3),
    "negative power": (lambda x: x**-3, lambda x: x**-3, 1.3),
    "quotient": (lambda x: np.sin(x) / (1 + x * x), lambda x: mpmath.sin(x) / (1 + x * x), 0.6),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, 1.3),
    "logaddexp": (lambda x: np.logaddexp(x, -x), lambda x: mpmath.log(2 * mpmath.cosh(x)), 0.6),
    "composition": (
        lambda x: np.exp(np.sin(x * x)) * np.log1p(x),
        lambda x: mpmath.exp(mpmath.sin(x * x)) * mpmath.log(1 + x),
        0.5,
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_coefficients_against_mpmath(name: str) -> None:
    f, reference, x = REFERENCES[name]
    with mpmath.workdps(60):
        expected = [float(c) for c in mpmath.taylor(reference, mpmath.mpf(x), 10)]
    _, [terms] = jet(lambda x: [f(x)], 10, [np.float64(x)], [[np.float64(1), *[ZERO] * 9]])
    np.testing.assert_allclose(np.asarray(terms, float), expected[1:], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("x", [-30.0, -1.0, 0.0, 1.0, 30.0])
def test_saturated_sigmoids_keep_their_relative_accuracy(x: float) -> None:
    logistic = registry["logistic"]
    with mpmath.workdps(80):
        expected = [float(c) for c in mpmath.taylor(lambda t: 1 / (1 + mpmath.exp(-t)), mpmath.mpf(x), 6)]
    _, [terms] = jet(lambda x: [logistic.bind(x)], 6, [np.float64(x)], [[np.float64(1), *[ZERO] * 5]])
    np.testing.assert_allclose(np.asarray(terms[:3], float), expected[1:4], rtol=1e-12, atol=1e-300)


HARD: dict[str, tuple[Any, list[float]]] = {
    "x**3": (lambda x: x**3, [0, 0, 6, 0, 0]),
    "x**3.0": (lambda x: np.power(x, np.float64(3.0)), [0, 0, 6, 0, 0]),
    "x**0": (lambda x: x**0, [0, 0, 0, 0, 0]),
    "x*x*x": (lambda x: x * x * x, [0, 0, 6, 0, 0]),
    "square": (lambda x: np.square(x) ** 2, [0, 0, 0, 24, 0]),
    "|x|": (np.abs, [0, 0, 0, 0, 0]),
    "max(x, 0)": (lambda x: np.maximum(x, 0.0) * 2, [0, 0, 0, 0, 0]),
    "prod": (lambda x: np.prod(fgrad.numpy.stack([x, x, x + 1])), [0, 2, 6, 0, 0]),
    "where": (lambda x: fgrad.numpy.where(x > 0, np.sqrt(fgrad.numpy.where(x > 0, x, 1.0)), x), [1, 0, 0, 0, 0]),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_points(name: str) -> None:
    f, expected = HARD[name]
    _, terms = fgrad.jet(f, (0.0,), ([1.0, 0.0, 0.0, 0.0, 0.0],))
    np.testing.assert_array_equal(np.asarray(terms, float), expected)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5, 3.0, np.array([0.0, 1.0, 2.0, 3.0, 2.5, -1.5])])
@pytest.mark.parametrize("x", [0.0, 1.3])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_constant_powers(exponent: Any, x: float) -> None:
    """At 0, too, also where it is not known that the base is 0; infinite only where the derivative is."""

    def f(x: Any) -> Any:
        return np.power(x, exponent)

    for k in range(5):
        expected = nested(f, k)(x)
        known = np.isfinite(expected)
        for g in (fgrad.nth_derivative(f, k), fgrad.jit(fgrad.nth_derivative(f, k))):
            np.testing.assert_allclose(np.asarray(g(x))[known], np.asarray(expected)[known], rtol=1e-12)


def test_powers_of_varying_exponents() -> None:
    f = fgrad.nth_derivative(lambda x: x**x, 3)
    assert f(1.2) == pytest.approx(nested(lambda x: x**x, 3)(1.2), rel=1e-12)


def test_orders_beyond_the_depth_of_the_stack() -> None:
    f = fgrad.nth_derivative(lambda x: np.tan(np.arctan(x * 0.1) ** 1.5) / np.cosh(x), 120)
    assert np.isfinite(f(0.3))
    assert np.isfinite(fgrad.jit(fgrad.nth_derivative(lambda x: np.power(x, 1.5), 30))(1.3))


def test_no_nan_from_infinite_values_beside() -> None:
    _, terms = fgrad.jet(np.exp, (np.array([-np.inf, 0.0]),), ([np.ones(2), np.zeros(2)],))
    np.testing.assert_array_equal(terms[1], [0.0, 1.0])


def test_linear_operations_act_on_every_coefficient_without_rounding() -> None:
    x = np.array([0.1, 0.7, 0.3])
    series = [np.array([0.1, 0.2, 0.3]), np.array([1 / 3, 0.7, 1 / 7])]
    for f in (np.sort, np.abs, lambda x: -x, fgrad.numpy.cumsum, lambda x: np.maximum(x, 0.2), np.max):
        _, terms = fgrad.jet(f, (x,), (series,))
        for k, term in enumerate(terms):
            expected = fgrad.jvp(f, (x,), (series[k] / factorial(k + 1),))[1] * factorial(k + 1)
            np.testing.assert_array_equal(term, expected)


def test_constants_are_not_expanded() -> None:
    [y, z], [by_y, by_z] = jet(lambda x: [np.floor(x), np.ones(2)], 3, [np.ones(2)], [[np.ones(2), ZERO, ZERO]])
    assert by_y is ZERO
    assert by_z is ZERO
    np.testing.assert_array_equal(y, z)


def test_polynomials_end() -> None:
    closed = trace(lambda x: [x * x * x], [aval_of(np.ones(2))])
    order = 6
    _, patterns = jet_jaxpr(closed, order, ((True, False, False, False, False, False),))
    assert patterns == ((True, True, True, False, False, False),)


def test_a_product_with_weights_is_one_product() -> None:
    w = np.ones((3, 4))
    closed = trace(lambda x: [x @ w], [aval_of(np.ones((2, 3)))])
    expanded, _ = jet_jaxpr(closed, 8, ((True,) * 8,))
    assert [e.primitive.name for e in expanded.eqns].count("dot_general") == 1
    check_jaxpr(expanded)


def test_programs_can_be_asked_for_zeros() -> None:
    closed = trace(lambda x, y: [x * 2.0, y], [aval_of(1.5), aval_of(np.ones(2))])
    expanded, patterns = jet_jaxpr(closed, 2, ((True, False), (False, False)), ((True, True), (False, True)))
    assert patterns == ((True, True), (False, True))
    outs = expanded(np.float64(3.0), np.ones(2), np.float64(1.0))
    np.testing.assert_array_equal(outs[2], 2.0)
    np.testing.assert_array_equal(outs[3], 0.0)
    np.testing.assert_array_equal(outs[4], np.zeros(2))
    inputs = (True, False), (False, False)
    assert jet_jaxpr(closed, 2, inputs) is jet_jaxpr(closed, 2, inputs)


def test_the_cost_is_polynomial_in_the_order() -> None:
    def size(order: int) -> int:
        closed = trace(lambda x: [np.tan(np.arctan(np.tan(x * 0.5)) ** 1.5)], [aval_of(np.float64(0.5))])
        return len(jet_jaxpr(closed, order, ((True, *[False] * (order - 1)),))[0].eqns)

    sizes = [size(order) for order in (4, 8, 16)]
    assert sizes[1] < 8 * sizes[0]
    assert sizes[2] < 8 * sizes[1]


def test_rules_close_up() -> None:
    """The derivative of a derivative comes back to series that are known."""
    expand = Expand()
    state = expand.given(np.float64(0.4), [np.float64(1.0), *[ZERO] * 29])
    y = expand.step(registry["arctan"], [state], {})
    before = None
    for k in range(1, 30):
        assert np.isfinite(y[k])
        if k == 5:
            before = len(expand._made)
    assert len(expand._made) == before


def test_solving_the_derivative_rule_agrees_with_recurrences() -> None:
    terms = [np.float64(v) for v in (0.3, -0.2, 0.5, 0.1)]
    out, found = solve(sin, 4, [np.float64(0.7)], [terms], {})
    _, [expected] = jet(lambda x: [np.sin(x)], 4, [np.float64(0.7)], [terms])
    assert out == np.sin(0.7)
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-14)


def test_solutions_leave_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        solve(tan, 6, [np.float64(0.3)], [[np.float64(1.0), *[ZERO] * 5]], {})
        assert not [x for x in gc.get_objects() if type(x) is LazySeries]
    finally:
        gc.enable()


def test_arithmetic_of_coefficients() -> None:
    x, y = [1.0, 2.0, 3.0], [4.0, ZERO, 6.0]
    assert convolution(x, y, 2) == 1 * 6 + 3 * 4
    assert convolution(x, y, 1) == 2 * 4
    assert convolution([1.0, ZERO], [ZERO, ZERO], 1) is ZERO
    assert square_term(x, 2) == 2 * 1 * 3 + 2 * 2
    assert half_square(x, 2, 1) == 2.0
    assert [Slopes(x, -2.0)[k] for k in (1, 2)] == [-4.0, -12.0]
    assert Slopes(x)[0] is ZERO
    cube = power([2.0, 1.0, ZERO, ZERO, ZERO], 3)
    assert [cube[k] for k in range(4)] == [8.0, 12.0, 6.0, 1.0]
    assert cube[4] is ZERO


def test_custom_rules_are_used() -> None:
    @fgrad.custom_jvp
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    softplus.defjvps(lambda t, out, x: 2.0 * t * (1 - np.exp(-out)))  # twice the true slope
    f = fgrad.nth_derivative(softplus, 4)
    assert f(0.3) == pytest.approx(nested(softplus, 4)(0.3), rel=1e-10)

    @fgrad.custom_vjp
    def growing(x: Any) -> Any:
        return np.exp(x) * x

    growing.defvjp(lambda x: (growing(x), x), lambda x, ct: (3.0 * ct * (np.exp(x) + growing(x)),))
    assert fgrad.nth_derivative(growing, 4)(0.3) == pytest.approx(nested(growing, 4)(0.3), rel=1e-10)


def test_custom_rules_that_call_their_function_twice() -> None:
    """Equal calls are one series: with two new ones in every derivative, order 30 would never end."""

    @fgrad.custom_jvp
    def f(x: Any) -> Any:
        return np.exp(2 * x)

    f.defjvps(lambda t, out, x: t * (f(x) + f(x)))
    assert fgrad.nth_derivative(f, 30)(0.4) == pytest.approx(2**30 * np.exp(0.8), rel=1e-10)


def test_calls_of_custom_functions_with_other_static_arguments_are_others() -> None:
    @partial(fgrad.custom_jvp, nondiff_argnums=(0,))
    def power(n: int, x: Any) -> Any:
        return x**n

    power.defjvp(lambda n, xs, ts: (power(n, *xs), ts[0] * (n * power(n - 1, *xs) if n else 0.0 * xs[0])))
    f = fgrad.nth_derivative(lambda x: power(4, x) + power(3, x), 3)
    assert f(2.0) == pytest.approx(24 * 2.0 + 6)


def test_custom_functions_mapped_along_other_axes_are_others() -> None:
    @fgrad.custom_jvp
    def rows(x: Any) -> Any:
        return np.tan(x) * np.arange(2.0)

    rows.defjvps(lambda t, out, x: t * (1 + np.tan(x) ** 2) * np.arange(2.0))

    def f(x: Any) -> Any:
        return fgrad.vmap(rows)(x) + fgrad.vmap(rows, in_axes=1, out_axes=1)(x)

    x, series = np.array([[0.1, 0.2], [0.3, 0.4]]), [np.ones((2, 2)), np.eye(2)]
    _, terms = fgrad.jet(f, (x,), (series,))
    for term, want in zip(terms, nested_derivatives(f, [x], [series], 2)[1:], strict=True):
        np.testing.assert_allclose(term, want, rtol=1e-12)


def test_a_custom_rule_that_returns_its_argument() -> None:
    @fgrad.custom_jvp
    def doubled_slope(x: Any) -> Any:
        return x

    doubled_slope.defjvp(lambda primals, tangents: (primals[0], 2.0 * tangents[0]))
    _, terms = fgrad.jet(lambda x: doubled_slope(x) * x, (3.0,), ([1.0, 0.0],))
    np.testing.assert_allclose(terms, [2 * 3 + 3, 4.0])
