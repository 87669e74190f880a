"""Element-wise functions: values of NumPy, types of `jax.lax`, no promotion."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import lax
from fgrad.errors import ArgumentError, ShapeError
from tests.lax.modes import check_modes, normal

X = normal(2, 3)
POSITIVE = np.abs(X) + 0.5
SMALL = np.tanh(X) * 0.9

UNARY: dict[str, tuple[Callable[..., Any], Any]] = {
    "neg": (np.negative, X),
    "abs": (np.abs, X),
    "sign": (np.sign, X),
    "exp": (np.exp, X),
    "exp2": (np.exp2, X),
    "expm1": (np.expm1, X),
    "log": (np.log, POSITIVE),
    "log1p": (np.log1p, POSITIVE),
    "sqrt": (np.sqrt, POSITIVE),
    "rsqrt": (lambda x: 1 / np.sqrt(x), POSITIVE),
    "cbrt": (np.cbrt, X),
    "square": (np.square, X),
    "reciprocal": (np.reciprocal, POSITIVE),
    "sin": (np.sin, X),
    "cos": (np.cos, X),
    "tan": (np.tan, SMALL),
    "asin": (np.arcsin, SMALL),
    "acos": (np.arccos, SMALL),
    "atan": (np.arctan, X),
    "sinh": (np.sinh, X),
    "cosh": (np.cosh, X),
    "tanh": (np.tanh, X),
    "asinh": (np.arcsinh, X),
    "acosh": (np.arccosh, POSITIVE + 1),
    "atanh": (np.arctanh, SMALL),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), X),
    "floor": (np.floor, X),
    "ceil": (np.ceil, X),
    "is_finite": (np.isfinite, np.array([1.0, np.inf, np.nan])),
}
BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "rem": np.fmod,
    "pow": np.power,
    "atan2": np.arctan2,
    "max": np.maximum,
    "min": np.minimum,
    "nextafter": np.nextafter,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_functions_of_one_array(name: str, dtype: Any) -> None:
    numpys, x = UNARY[name]
    x = x.astype(dtype)
    out = getattr(lax, name)(x)
    assert out.dtype == (np.bool_ if name == "is_finite" else dtype)
    np.testing.assert_allclose(out, numpys(x), rtol=1e-14 if dtype is np.float64 else 1e-6)
    np.testing.assert_allclose(fgrad.jit(getattr(lax, name))(x), out, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(UNARY) - {"sign", "floor", "ceil", "is_finite", "abs"}))
def test_derivatives_of_functions_of_one_array(name: str) -> None:
    check_modes(getattr(lax, name), UNARY[name][1])


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays(name: str) -> None:
    x, y = POSITIVE, np.roll(POSITIVE, 1)
    function = getattr(lax, name)
    np.testing.assert_allclose(function(x, y), BINARY[name](x, y), rtol=1e-14)
    np.testing.assert_allclose(function(x, 2.0), BINARY[name](x, 2.0), rtol=1e-14)
    np.testing.assert_allclose(function(2.0, y), BINARY[name](2.0, y), rtol=1e-14)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "atan2"])
def test_derivatives_of_functions_of_two_arrays(name: str) -> None:
    check_modes(getattr(lax, name), POSITIVE, np.roll(POSITIVE, 1))


@pytest.mark.parametrize("name", ["add", "mul", "sub", "max", "eq"])
def test_nothing_is_promoted(name: str) -> None:
    function = getattr(lax, name)
    with pytest.raises(
        ShapeError, match=rf"lax.{name} takes arguments of one dtype, got float32, float64(.|\n)*astype"
    ):
        function(np.ones(2, np.float32), np.ones(2))
    with pytest.raises(ShapeError, match="one dtype, got int64, float64"):
        function(np.arange(2), 1.5)
    assert function(np.ones(2, np.float32), 2).dtype == (np.bool_ if name == "eq" else np.float32)


def test_shapes_are_not_aligned() -> None:
    with pytest.raises(ShapeError, match=r"as many axes, got shapes \(3,\) and \(2, 3\)(.|\n)*broadcast_in_dim"):
        lax.add(np.ones(3), np.ones((2, 3)))
    assert lax.add(np.ones((2, 1)), np.ones((1, 3))).shape == (2, 3)


@pytest.mark.parametrize("name", ["sin", "log", "logistic", "floor", "is_finite"])
def test_integers_are_not_made_floats(name: str) -> None:
    with pytest.raises(ShapeError, match=rf"lax.{name} takes (.*)floating-point(.*) arrays, got i64\[2\](.|\n)*astype"):
        getattr(lax, name)(np.arange(2))


def test_division_of_integers_is_that_of_c() -> None:
    x = np.array([-7, 7, -7, 7, -6, 0])
    y = np.array([2, -2, -2, 2, 3, 5])
    np.testing.assert_array_equal(lax.div(x, y), [-3, -3, 3, 3, -2, 0])
    np.testing.assert_array_equal(lax.rem(x, y), [-1, 1, -1, 1, 0, 0])
    np.testing.assert_array_equal(fgrad.jit(lax.div)(x, y), lax.div(x, y))
    assert lax.div(x.astype(np.int8), y.astype(np.int8)).dtype == np.int8


def test_rounding() -> None:
    x = np.array([0.5, -0.5, 2.5, -0.3, 0.49999999999999994, np.inf, -np.inf, np.nan])
    out = lax.round(x)
    np.testing.assert_array_equal(out, [1, -1, 3, -0.0, 0, np.inf, -np.inf, np.nan])
    assert np.signbit(out[3])
    np.testing.assert_array_equal(lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), np.rint(x))


def test_powers() -> None:
    assert lax.pow(2.0, 3) == 8.0
    np.testing.assert_array_equal(lax.pow(X, np.array([[1, 2, 3]] * 2)), X ** np.array([[1, 2, 3]] * 2))
    for n in range(5):  # exact at 0, of every order
        f: Any = partial(lax.integer_pow, y=n)
        for k in range(5):
            assert f(0.0) == (math.factorial(n) if n == k else 0)
            f = fgrad.grad(f)
    with pytest.raises(ShapeError, match=r"lax.pow takes .* got i64\[2\](.|\n)*integer_pow"):
        lax.pow(np.arange(2), 2.0)
    with pytest.raises(ArgumentError, match=r"Python integer as exponent, got 2\.0"):
        lax.integer_pow(2.0, 2.0)  # type: ignore[arg-type]


def test_complex_numbers() -> None:
    z = lax.complex(X, POSITIVE)
    np.testing.assert_array_equal(z, X + 1j * POSITIVE)
    assert lax.complex(np.float32(1), np.float32(2)).dtype == np.complex64
    np.testing.assert_array_equal(lax.real(z), X)
    np.testing.assert_array_equal(lax.imag(z), POSITIVE)
    np.testing.assert_array_equal(lax.conj(z), X - 1j * POSITIVE)
    assert lax.conj(X).dtype == np.complex128
    check_modes(lambda x, y: lax.real(lax.complex(x, y) * lax.conj(lax.complex(y, x))), X, POSITIVE)
    with pytest.raises(ShapeError, match=r"lax\.real takes complex arrays"):
        lax.real(X)


def test_clamp_goes_with_the_strict_inside() -> None:
    x = np.array([-2.0, 0.0, 0.5, 1.0, 3.0, np.nan])
    np.testing.assert_array_equal(lax.clamp(0.0, x, 1.0), [0, 0, 0.5, 1, 1, np.nan])
    slopes = fgrad.grad(lambda x: lax.clamp(0.0, x, 1.0).sum())(x[:5])
    np.testing.assert_array_equal(slopes, [0, 0, 1, 0, 0])
    by_bounds = fgrad.grad(lambda low, high: lax.clamp(low, x[:5], high).sum(), (0, 1))(0.0, 1.0)
    assert by_bounds == (1.0, 1.0)
    assert lax.clamp(5.0, 4.0, 3.0) == 3.0
    with pytest.raises(ArgumentError, match=r"`min` has shape \(1, 3\), the array \(2, 3\)"):
        lax.clamp(np.zeros((1, 3)), X, 1.0)


def test_ties_with_a_constant() -> None:
    assert fgrad.grad(lambda x: lax.max(x, 0.0))(0.0) == 0.0
    assert fgrad.grad(lambda x: lax.min(1, x))(np.float32(1.0)) == 0.0
    assert fgrad.grad(lambda x: lax.max(x, np.float64(0.0)))(0.0) == 0.5
    assert lax.max(np.ones(2, np.float32), 2).dtype == np.float32


def test_choice_among_cases() -> None:
    which = np.array([0, 2, 1])
    cases = [np.full(3, float(i)) for i in range(3)]
    np.testing.assert_array_equal(lax.select_n(which, *cases), [0, 2, 1])
    np.testing.assert_array_equal(lax.select_n(which.astype(np.uint8), *cases), [0, 2, 1])
    np.testing.assert_array_equal(lax.select(which > 0, cases[1], cases[0]), [0, 1, 1])
    np.testing.assert_array_equal(lax.select(True, cases[1], cases[0]), cases[1])
    check_modes(lambda a, b, c: lax.select_n(which, a, b * b, c * a), *cases)
    with pytest.raises(ArgumentError, match=r"`which` of shape \(3,\) and cases of shapes \(2,\), \(2,\)"):
        lax.select_n(which, cases[0][:2], cases[1][:2])
    with pytest.raises(ArgumentError, match=r"3 cases by integers, got bool\[3\]"):
        lax.select_n(which > 0, *cases)
    with pytest.raises(ArgumentError, match="at least one case"):
        lax.select_n(which)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint64])
def test_bits(dtype: Any) -> None:
    width = 8 * np.dtype(dtype).itemsize
    values = [0, 1, 2, 5, 77, 127] + ([-1, -2, -77, -128] if np.dtype(dtype).kind == "i" else [200, 255])
    x = np.array(values, dtype)
    unsigned = [int(v) % 2**width for v in values]
    np.testing.assert_array_equal(lax.population_count(x), [v.bit_count() for v in unsigned])
    np.testing.assert_array_equal(lax.clz(x), [width - v.bit_length() for v in unsigned])
    for n in (0, 1, 3, width - 1, width, width + 5):
        signed = [v - 2**width if v >> (width - 1) else v for v in unsigned]
        by = np.full(len(values), n, dtype)
        logical = np.array([(v >> n) % 2**width for v in unsigned], np.uint64).astype(f"u{width // 8}").view(dtype)
        np.testing.assert_array_equal(lax.shift_right_logical(x, by), logical)
        arithmetic = np.array([v >> n for v in signed], np.int64).astype(f"i{width // 8}").view(dtype)
        np.testing.assert_array_equal(lax.shift_right_arithmetic(x, by), arithmetic)
        left = np.array([(v << n) % 2**width for v in unsigned], np.uint64).astype(f"u{width // 8}").view(dtype)
        np.testing.assert_array_equal(lax.shift_left(x, by), left)
    products = [[(a * b) >> width for b in values] for a in values]
    first, second = np.repeat(x, len(x)), np.tile(x, len(x))
    np.testing.assert_array_equal(lax.mulhi(first, second).astype(object), np.ravel(np.array(products, object)))
    np.testing.assert_array_equal(lax.bitwise_not(x), ~x)
    np.testing.assert_array_equal(lax.bitwise_xor(x, x[::-1]), x ^ x[::-1])


def test_lower_precision() -> None:
    half = np.array([1e-8, 6.2e-5, 65519.0, 65520.0, 1 / 3, -1 / 3, 2049.0, 2051.0, np.inf, np.nan])
    with np.errstate(over="ignore"):
        expected = half[1:].astype(np.float16).astype(np.float64)
    np.testing.assert_array_equal(lax.reduce_precision(half, 5, 10)[1:], expected)
    assert lax.reduce_precision(1e-8, 5, 10) == 0  # no subnormal numbers
    x = normal(50) * 1e3
    np.testing.assert_array_equal(lax.reduce_precision(x, 8, 23), x.astype(np.float32))
    np.testing.assert_array_equal(lax.reduce_precision(x, 11, 52), x)
    assert fgrad.grad(lambda v: lax.reduce_precision(v, 5, 10))(1.1) == 1.0
    with pytest.raises(ArgumentError, match="to 0 exponent and 3 other bits"):
        lax.reduce_precision(x, 0, 3)


def test_the_same_bits() -> None:
    x = np.array([1.0, -2.5], np.float32)
    np.testing.assert_array_equal(lax.bitcast_convert_type(x, np.int32), x.view(np.int32))
    parts = lax.bitcast_convert_type(x, np.uint8)
    assert parts.shape == (2, 4)
    np.testing.assert_array_equal(lax.bitcast_convert_type(parts, np.float32), x)
    np.testing.assert_array_equal(
        fgrad.vmap(lambda v: lax.bitcast_convert_type(v, np.int16))(x), x.view("i2").reshape(2, 2)
    )
    with pytest.raises(ShapeError, match=r"the bits of u8\[2,4\] do not make elements of float64(.|\n)*length 8"):
        lax.bitcast_convert_type(parts, np.float64)


def test_a_barrier_keeps_computations_apart() -> None:
    def f(x: Any) -> Any:
        return lax.sin(x) * lax.sin(lax.optimization_barrier({"x": x})["x"])

    assert fgrad.jit(f).lower(X).as_text().count("np.sin(") == 2
    check_modes(f, X)
    assert lax.optimization_barrier((1, None)) == (1, None)
