"""Element-wise functions: NumPy's own on concrete arrays; on traced ones the same values, dtypes and errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, ShapeError
from fgrad.numpy import ufuncs

OWN = {"sigmoid"}
UNARY_FUNCTIONS = {"angle", "around", "clip", "fix", "imag", "iscomplex", "isneginf", "isposinf", "isreal"}
UNARY_FUNCTIONS |= {"nan_to_num", "real", "round", "sinc"}


def arity(name: str) -> int:
    function = getattr(np, name)
    return function.nin if isinstance(function, np.ufunc) else 1 if name in UNARY_FUNCTIONS else 2


NAMES = [name for name in ufuncs.__all__ if name not in OWN]
ALIASES = {
    **{"a" + rest: "arc" + rest for rest in ("cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh")},
    **{f"bitwise_{side}_shift": f"{side}_shift" for side in ("left", "right")},
    "abs": "absolute",
    "bitwise_invert": "bitwise_not",
    "invert": "bitwise_not",
    "conj": "conjugate",
    "mod": "remainder",
    "pow": "power",
    "true_divide": "divide",
    "around": "round",
    "degrees": "rad2deg",
    "radians": "deg2rad",
}
UNARY = [name for name in NAMES if name not in ALIASES and arity(name) == 1]
BINARY = [name for name in NAMES if name not in ALIASES and arity(name) == 2]

DTYPES = [np.dtype(t) for t in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")]
SCALARS = [True, 2, 0.5, 0.5 + 0.25j]
HARD = np.array([0.0, -0.0, 1e-300, -1e-300, 0.5, -1.0, 1.0, 2.0, -2.5, 40.0, -700.0, np.inf, -np.inf, np.nan])


def numbers(dtype: np.dtype[Any], second: bool = False) -> Any:
    """Three numbers of a dtype, where all functions are smooth."""
    if dtype.kind == "b":
        return np.array([True, False, True])
    if dtype.kind in "iu":
        return np.array([2, 1, 3] if second else [1, 2, 3], dtype)
    x = np.array([0.35, 0.65, 0.95] if second else [0.3, 0.6, 0.9])
    return (x + 1j * x[::-1] if dtype.kind == "c" else x).astype(dtype)


def outcome(f: Callable[..., Any], *args: Any) -> Any:
    """The results of a call, as a tuple, or the kind of error."""
    try:
        with np.errstate(all="ignore"):
            out = f(*args)
    except (TypeError, ValueError, OverflowError) as error:
        return error
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def kind_of(x: Any) -> Any:
    """What promotion sees of a value: the Python type of a Python number, or else the dtype."""
    return type(x) if type(x) in (int, float, complex) else np.asarray(x).dtype


def agree(got: Any, expected: Any, where: Any) -> None:
    if isinstance(expected, Exception):
        assert isinstance(got, (TypeError, ValueError, OverflowError)), (where, expected, got)
        return
    assert not isinstance(got, Exception), (where, expected, got)
    assert len(got) == len(expected), where
    for g, e in zip(got, expected, strict=True):
        assert kind_of(g) == kind_of(e), (where, g, e)
        assert np.shape(g) == np.shape(e), where
        assert isinstance(g, np.ndarray) == isinstance(e, np.ndarray), (where, type(g), type(e))
        tolerance = 4 * np.finfo(np.asarray(e).dtype).eps if np.asarray(e).dtype.kind in "fc" else 0
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance, err_msg=str(where))


def operands() -> list[Any]:
    return [*map(numbers, DTYPES), *[numbers(d)[1] for d in DTYPES], *SCALARS, [0.5, 1.0], [[True], [False]]]


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias: str) -> None:
    assert getattr(ufuncs, alias) is getattr(ufuncs, ALIASES[alias])


@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_are_numpys(name: str) -> None:
    ours, numpys = getattr(ufuncs, name), getattr(np, name)
    for x in operands():
        expected = outcome(numpys, x)
        agree(outcome(ours, x), expected, (name, x))
        if type(x) is list or (type(x) is bool and name in ("real", "imag")):
            continue  # a list is a pytree, not an array, to jit; True.real is an int
        agree(outcome(fgrad.jit(ours), x), expected, (name, "jit", x))


@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_are_numpys_on_all_pairs_of_dtypes(name: str) -> None:
    ours, numpys = getattr(ufuncs, name), getattr(np, name)
    for d, e in itertools.product(DTYPES, DTYPES):
        x, y = numbers(d), numbers(e, second=True)
        expected = outcome(numpys, x, y)
        agree(outcome(ours, x, y), expected, (name, d, e))
        agree(outcome(fgrad.jit(ours), x, y), expected, (name, "jit", d, e))


@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_are_numpys_beside_python_numbers(name: str) -> None:
    ours, numpys = getattr(ufuncs, name), getattr(np, name)
    pairs = [pair for d in DTYPES for s in SCALARS for pair in ((numbers(d), s), (s, numbers(d)))]
    for x, y in [*pairs, *itertools.product(SCALARS, SCALARS)]:
        expected = outcome(numpys, x, y)
        for label, f, args in (
            ("concrete", ours, (x, y)),
            ("both traced", fgrad.jit(ours), (x, y)),
            ("first traced", fgrad.jit(lambda t, y=y: ours(t, y)), (x,)),
            ("second traced", fgrad.jit(lambda t, x=x: ours(x, t)), (y,)),
        ):
            agree(outcome(f, *args), expected, (name, label, x, y))


@pytest.mark.parametrize("name", [n for n in UNARY if not isinstance(outcome(getattr(np, n), 0.5), Exception)])
def test_unary_functions_at_hard_points(name: str) -> None:
    same_at_hard_points(name, fgrad.jit(getattr(ufuncs, name)), HARD)


@pytest.mark.parametrize("name", [n for n in BINARY if not isinstance(outcome(getattr(np, n), 0.5, 1.5), Exception)])
def test_binary_functions_at_hard_points(name: str) -> None:
    same_at_hard_points(name, fgrad.jit(getattr(ufuncs, name)), *np.meshgrid(HARD, HARD))


def same_at_hard_points(name: str, compiled: Callable[..., Any], *xs: Any) -> None:
    for got, expected in zip(outcome(compiled, *xs), outcome(getattr(np, name), *xs), strict=True):
        np.testing.assert_array_max_ulp(*[np.where(np.isnan(z), 0, z) * 1.0 for z in (got, expected)], maxulp=4)
        assert np.array_equal(np.isnan(got), np.isnan(expected))
        real = ~np.isnan(np.asarray(expected, float))
        assert np.array_equal(np.signbit(got * 1.0)[real], np.signbit(expected * 1.0)[real]), name


MADE_OF_FUNCTIONS = [n for n in NAMES if isinstance(getattr(np, n), np.ufunc)]
ELSEWHERE = {"isnat", "matmul", "matvec", "vecdot", "vecmat"}


def test_every_ufunc_of_numpy_is_there() -> None:
    everything = {n for n in dir(np) if isinstance(getattr(np, n), np.ufunc)} - ELSEWHERE
    assert everything <= set(NAMES)


@pytest.mark.parametrize("name", MADE_OF_FUNCTIONS)
def test_numpys_ufunc_takes_tracers(name: str) -> None:
    ufunc = getattr(np, name)
    integers = (np.array([3, 5, 9]), np.array([1, 2, 3]))
    reals = (np.array([0.25, 0.5, 0.75]), np.array([0.3, 0.6, 0.9]))
    xs = next(
        xs[: ufunc.nin]
        for xs in (reals, integers, integers)
        if not isinstance(outcome(ufunc, *xs[: ufunc.nin]), Exception)
    )
    expected = outcome(ufunc, *xs)
    agree(outcome(fgrad.jit(ufunc), *xs), expected, name)
    if ufunc.nin == 2:
        agree(outcome(fgrad.jit(lambda t: ufunc(t, xs[1])), xs[0]), expected, name)
        agree(outcome(fgrad.jit(lambda t: ufunc(xs[0], t)), xs[1]), expected, name)


def test_ldexp_takes_tracers() -> None:
    got = fgrad.jit(np.ldexp)(np.array([0.5, 3.0]), np.array([1, -2]))
    assert np.array_equal(got, [1.0, 0.75])


def test_lists_of_traced_numbers_are_arrays() -> None:
    got = fgrad.jit(lambda x: fgrad.numpy.add([x, 1.0], [[x], [2.0]]))(3.0)
    assert np.array_equal(got, [[6.0, 4.0], [5.0, 3.0]])


def test_keywords_of_numpy_work_on_concrete_arrays() -> None:
    out = np.zeros(2)
    assert ufuncs.add([1.0, 2.0], 1.0, out=out) is out
    assert np.array_equal(out, [2.0, 3.0])
    assert ufuncs.exp(np.ones(2), dtype=np.float32).dtype == np.float32
    assert np.array_equal(ufuncs.clip(np.arange(4), min=1, max=2), [1, 1, 2, 2])
    assert ufuncs.clip(np.arange(4.0), 1, None, out=np.zeros(4)).sum() == 7.0
    assert np.array_equal(ufuncs.round(np.array([1.26]), 1, out=np.zeros(1)), [1.3])


@pytest.mark.parametrize("call", [lambda t: ufuncs.add(t, t, where=True), lambda t: ufuncs.exp(t, dtype=np.float32)])
def test_keywords_are_refused_on_traced_arrays(call: Callable[..., Any]) -> None:
    with pytest.raises(
        ArgumentError, match=r"fgrad\.numpy\.(add|exp) does not take `(where|dtype)`(?s:.*)test_ufuncs\.py"
    ):
        fgrad.jit(call)(np.ones(2))


def test_writing_traced_values_into_an_array_is_refused() -> None:
    def accumulate(t: Any) -> Any:
        total = np.zeros(2)
        total += t
        return total

    with pytest.raises(ArgumentError, match=r"add cannot write traced values into a NumPy array(?s:.*)x = x \+ t"):
        fgrad.jit(accumulate)(np.ones(2))
    with pytest.raises(ArgumentError, match=r"add does not take `casting`"):
        fgrad.jit(lambda t: np.add(t, t, casting="same_kind"))(np.ones(2))
    with pytest.raises(ArgumentError, match=r"clip does not take `out`"):
        fgrad.jit(lambda t: ufuncs.clip(t, 0, 1, np.zeros(2)))(np.ones(2))


@pytest.mark.parametrize(("f", "what"), [(ufuncs.isposinf, "isposinf"), (ufuncs.floor, "floor")])
def test_complex_numbers_are_refused_where_numpy_refuses_them(f: Callable[..., Any], what: str) -> None:
    with pytest.raises(ShapeError, match=rf"{what}` is not defined|{what} is not defined"):
        fgrad.jit(f)(np.ones(2, complex))


# Python's operators

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "**": lambda x, y: x**y,
    "&": lambda x, y: x & y,
    "|": lambda x, y: x | y,
    "^": lambda x, y: x ^ y,
    "<<": lambda x, y: x << y,
    ">>": lambda x, y: x >> y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "divmod": divmod,
}


@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_are_numpys(symbol: str) -> None:
    f = OPERATORS[symbol]
    # NumPy's bool ** int depends on the value of the exponent, and on whether the base is an array.
    dtypes = [d for d in DTYPES if d.kind not in "iu" or d.itemsize in (1, 8)]
    arrays = [numbers(d) for d in dtypes if not (symbol == "**" and d.kind == "b")]
    for x, y in itertools.product(arrays, [numbers(d, second=True) for d in dtypes]):
        agree(outcome(fgrad.jit(f), x, y), outcome(f, x, y), (symbol, x, y))
    operands = [*arrays, *[x[1] for x in arrays]]
    for x, y in [*itertools.product(operands, SCALARS), *itertools.product(SCALARS, operands)]:
        expected = outcome(f, x, y)
        for label, g, args in (
            ("both", fgrad.jit(f), (x, y)),
            ("left", fgrad.jit(lambda t, y=y: f(t, y)), (x,)),
            ("right", fgrad.jit(lambda t, x=x: f(x, t)), (y,)),
        ):
            agree(outcome(g, *args), expected, (symbol, label, x, y))


@pytest.mark.parametrize("exponent", [-2, -1, 0, 1, 2, 3, -1.0, 0.0, 0.5, 1.0, 2.0, 2.5])
def test_powers_by_python_numbers(exponent: float) -> None:
    for x in [*[numbers(d) for d in DTYPES], *[numbers(d)[0] for d in DTYPES], 2, 0.5, 0.5 + 1j]:
        agree(
            outcome(fgrad.jit(lambda t: ufuncs.power(t, exponent)), x),
            outcome(ufuncs.power, x, exponent),
            (x, exponent),
        )
        if np.asarray(x).dtype != bool:
            agree(outcome(fgrad.jit(lambda t: t**exponent), x), outcome(lambda t: t**exponent, x), (x, exponent))


@pytest.mark.parametrize("f", [lambda x: -x, lambda x: +x, abs, lambda x: x * 2 + 1, lambda x: 1 / (x + 1)])
def test_arithmetic_on_python_numbers_stays_weak(f: Callable[..., Any]) -> None:
    for x in (2, 0.5, 0.5 + 1j):
        got = fgrad.jit(f)(x)
        assert type(got) is type(f(x))
        assert got == f(x)


def test_parts_of_python_numbers_stay_weak() -> None:
    x = np.ones(2, np.float32)
    for part in (ufuncs.real, ufuncs.imag):
        assert fgrad.jit(lambda z, part=part: part(z) * x)(0.5 + 2j).dtype == np.float32
    assert type(fgrad.jit(np.real)(2.5)) is float
    assert fgrad.grad(lambda z: ufuncs.real(z * z))(1.0 + 2.0j) == fgrad.grad(lambda z: ufuncs.real(z * z))(
        np.complex128(1 + 2j)
    )


# Values that are computed in another way when traced


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 3])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i8", "f2", "f4", "f8", "c16", "?"])
def test_round(decimals: int, dtype: str) -> None:
    x = np.array([0, 5, 15, 25, 35, 45, 99]).astype(dtype)
    if x.dtype.kind in "fc":
        x = np.concatenate([x, x / 7, -x])
    agree(outcome(fgrad.jit(lambda t: ufuncs.round(t, decimals)), x), outcome(np.round, x, decimals), (decimals, dtype))


def test_clip() -> None:
    x = np.array([-2.0, 0.5, 3.0, np.nan])
    for bounds in ((0, 1), (None, 1), (0, None), (np.zeros(4), np.ones((2, 1))), (np.float32(0), 1)):
        agree(outcome(fgrad.jit(lambda t, b=bounds: ufuncs.clip(t, *b)), x), outcome(np.clip, x, *bounds), bounds)
    got = fgrad.jit(lambda t, low: ufuncs.clip(t, min=low, max=1.0))(x, 0.0)
    np.testing.assert_array_equal(got, np.clip(x, 0, 1))


def test_nan_to_num() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1.5])
    for options in ({}, {"nan": 7.0}, {"posinf": 8.0, "neginf": -9.0}):
        for y in (x, x.astype(np.float32), x + 2j, x[0], x[1]):
            agree(
                outcome(fgrad.jit(lambda t, o=options: ufuncs.nan_to_num(t, **o)), y),
                outcome(lambda t, o=options: np.nan_to_num(t, **o), y),
                y,
            )
    assert np.array_equal(fgrad.grad(lambda t: np.sum(ufuncs.nan_to_num(t) * 0.25))(x), [0, 0, 0, 0.25])


def test_isclose() -> None:
    x, y = np.meshgrid([0.0, 1.0, 1.0 + 1e-6, -np.inf, np.inf, np.nan], [0.0, 1.0, 1e-9, -np.inf, np.inf, np.nan])
    for options in ({}, {"rtol": 0.0}, {"atol": 1e-3}, {"equal_nan": True}):
        got = fgrad.jit(lambda a, b, o=options: ufuncs.isclose(a, b, **o))(x, y)
        assert np.array_equal(got, np.isclose(x, y, **options))


def test_modf_and_frexp() -> None:
    for f in (ufuncs.modf, ufuncs.frexp):
        for part in (0, 1):
            got, expected = fgrad.jit(f)(HARD)[part], getattr(np, f.__name__)(HARD)[part]
            np.testing.assert_array_equal(got, expected)
    assert fgrad.grad(lambda x: ufuncs.modf(x)[0])(2.0) == 1.0
    assert fgrad.grad(lambda x: ufuncs.frexp(x)[0])(12.0) == 1 / 16


def test_sigmoid() -> None:
    x = np.array([-800.0, -1.0, 0.0, 1.0, 800.0])
    np.testing.assert_allclose(ufuncs.sigmoid(x), [0.0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0], rtol=1e-15)
    assert np.array_equal(fgrad.jit(ufuncs.sigmoid)(x), ufuncs.sigmoid(x))
    assert np.array_equal(fgrad.vmap(fgrad.grad(ufuncs.sigmoid))(x)[[0, 2, 4]], [0.0, 0.25, 0.0])


# Derivatives at hard points


def derivatives(f: Callable[..., Any], count: int) -> list[Callable[..., Any]]:
    chain = [f]
    for _ in range(count):
        chain.append(fgrad.grad(chain[-1]))
    return chain


def test_sinc_at_0() -> None:
    expected = [1.0, 0.0, -(np.pi**2) / 3, 0.0, np.pi**4 / 5]
    for f, value in zip(derivatives(ufuncs.sinc, 4), expected, strict=True):
        assert float(f(0.0)) == pytest.approx(value, rel=1e-14, abs=1e-14)
        assert float(fgrad.jit(f)(0.0)) == pytest.approx(value, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("x", [1e-9, 0.0317, 0.0319, 0.3, 1.0, 2.5])
def test_sinc_near_and_far_from_0(x: float) -> None:
    with mpmath.workdps(40):
        expected = mpmath.taylor(lambda t: mpmath.sinc(mpmath.pi * t), x, 3)
    for order, f in enumerate(derivatives(ufuncs.sinc, 3)):
        value = float(expected[order] * mpmath.factorial(order))
        assert float(f(x)) == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("f", "curvature"), [(ufuncs.logaddexp, 0.25), (ufuncs.logaddexp2, np.log(2) / 4)])
def test_logaddexp(f: Callable[..., Any], curvature: float) -> None:
    slopes = fgrad.grad(f, argnums=(0, 1))
    assert slopes(3.0, 3.0) == (0.5, 0.5)
    assert float(fgrad.grad(fgrad.grad(f))(3.0, 3.0)) == pytest.approx(curvature)
    assert slopes(-np.inf, -np.inf) == (0.5, 0.5)
    assert slopes(np.inf, np.inf) == (0.5, 0.5)
    assert slopes(-np.inf, 1.0) == (0.0, 1.0)
    assert slopes(2000.0, 0.0) == (1.0, 0.0)


TIES: list[tuple[Callable[..., Any], float]] = [
    (lambda x: ufuncs.maximum(x, 0), 0.0),
    (lambda x: ufuncs.maximum(0.0, x), 0.0),
    (lambda x: ufuncs.minimum(x, 0.0), 0.0),
    (lambda x: ufuncs.minimum(0, x), 0.0),
    (lambda x: ufuncs.fmax(x, 0.0), 0.0),
    (lambda x: ufuncs.fmin(x, 0.0), 0.0),
    (lambda x: ufuncs.clip(x, 0, 1), 0.0),
    (lambda x: ufuncs.clip(x, -1.0, 0.0), 0.0),
    (lambda x: np.maximum(x, 0.0), 0.0),
    (lambda x: np.clip(x, 0, None), 0.0),
    (lambda x: ufuncs.maximum(x, np.zeros(())), 0.5),
    (lambda x: ufuncs.minimum(np.float64(0), x), 0.5),
    (lambda x: ufuncs.clip(x, np.zeros(()), 1.0), 0.5),
]


@pytest.mark.parametrize(("f", "expected"), TIES)
def test_ties(f: Callable[..., Any], expected: float) -> None:
    """½ each for two arrays; 0 beside a Python number, which is a constant."""
    slope = fgrad.grad(f)
    for x in (0.0, np.float64(0), np.zeros(())):
        assert slope(x) == expected
        assert fgrad.jit(slope)(x) == expected
        assert fgrad.grad(fgrad.jit(f))(x) == expected
        assert fgrad.jvp(f, (x,), (1.0,))[1] == expected
    assert np.array_equal(fgrad.vmap(slope)(np.zeros(2)), [expected, expected])


@pytest.mark.parametrize("f", [ufuncs.maximum, ufuncs.minimum, ufuncs.fmax, ufuncs.fmin])
def test_two_variables_share_a_tie(f: Callable[..., Any]) -> None:
    for x in (2.0, np.float64(2.0)):
        assert fgrad.grad(f, argnums=(0, 1))(x, x) == (0.5, 0.5)
    slopes = fgrad.grad(lambda x, y: np.sum(f(x, y) * np.array([1.0, 10.0, 100.0])), argnums=(0, 1))
    first, second = slopes(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    assert np.array_equal(first + second, [1.0, 10.0, 100.0])
    assert first[1] == 5.0
    assert sorted([first[0], second[0]]) == [0.0, 1.0]


def test_extrema_beside_constants_away_from_ties() -> None:
    x = np.array([-2.0, 0.5, 3.0])
    assert np.array_equal(fgrad.grad(lambda t: np.sum(ufuncs.clip(t, 0, 1)))(x), [0, 1, 0])
    assert np.array_equal(fgrad.grad(lambda t: np.sum(ufuncs.maximum(t, 0.0)))(x), [0, 1, 1])
    assert np.array_equal(fgrad.grad(lambda t: np.sum(ufuncs.fmax(t, np.nan)))(x), [1, 1, 1])
    for bounded in (lambda t: ufuncs.maximum(t, -np.inf), lambda t: ufuncs.minimum(t, np.inf)):
        assert np.array_equal(fgrad.grad(lambda t, b=bounded: np.sum(b(t)))(x), [1, 1, 1])


def test_relu_keeps_the_dtype_and_the_shape_of_cotangents() -> None:
    x = np.array([[-1.0, 0.0, 2.0]], np.float32)
    slope = fgrad.grad(lambda t, b: np.sum(ufuncs.maximum(t + b, 0)), argnums=(0, 1))(x, np.float32(0))
    assert [s.dtype for s in slope] == [np.float32, np.float32]
    assert np.array_equal(slope[0], [[0, 0, 1]])
    assert slope[1] == 1.0
    assert fgrad.grad(lambda b: np.sum(ufuncs.maximum(b, x[0].astype(float))))(np.float64(0)) == 1.5


@pytest.mark.parametrize("n", range(5))
def test_integer_powers_at_0(n: int) -> None:
    for power in (lambda x: x**n, lambda x: ufuncs.power(x, n), lambda x: np.power(x, float(n))):
        for order, f in enumerate(derivatives(power, 4)):
            assert float(f(0.0)) == (np.prod(range(1, n + 1)) if order == n else 0.0)


def test_powers_by_arrays_at_0() -> None:
    slope = fgrad.grad(lambda x, y: np.sum(ufuncs.power(x, y)), argnums=(0, 1))
    base, exponent = slope(np.zeros(4), np.array([0.0, 1.0, 2.0, 3.5]))
    assert np.array_equal(base, [0, 1, 0, 0])
    assert np.array_equal(exponent, [0, 0, 0, 0])
    with np.errstate(divide="ignore"):
        assert fgrad.grad(ufuncs.power)(0.0, np.float64(0.5)) == np.inf
    negative = fgrad.grad(ufuncs.float_power)(-2.0, 3)
    assert negative == 12.0


def test_the_origin_of_polar_coordinates() -> None:
    for f in (
        ufuncs.arctan2,
        ufuncs.hypot,
        lambda y, x: ufuncs.angle(x + 1j * y),
        lambda y, x: ufuncs.absolute(x + 1j * y),
    ):
        assert fgrad.grad(f, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
        assert fgrad.jit(fgrad.grad(f, argnums=(0, 1)))(0.0, 0.0) == (0.0, 0.0)
    y, x = fgrad.grad(ufuncs.arctan2, argnums=(0, 1))(3.0, 4.0)
    assert (float(y), float(x)) == pytest.approx((4 / 25, -3 / 25))
    assert np.allclose(fgrad.grad(ufuncs.hypot, argnums=(0, 1))(3e200, 4e200), (0.6, 0.8))


@pytest.mark.parametrize("f", [ufuncs.abs, ufuncs.fabs, abs, ufuncs.sign, ufuncs.sqrt])
def test_kinks_at_0(f: Callable[..., Any]) -> None:
    with np.errstate(divide="ignore"):
        slope = fgrad.grad(f)(0.0)
    assert slope == (np.inf if f is ufuncs.sqrt else 0.0)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (ufuncs.deg2rad, lambda x: np.pi / 180),
        (ufuncs.rad2deg, lambda x: 180 / np.pi),
        (ufuncs.reciprocal, lambda x: -1 / x**2),
        (ufuncs.positive, lambda x: 1.0),
        (lambda x: ufuncs.ldexp(x, 3), lambda x: 8.0),
        (lambda x: ufuncs.float_power(x, 3), lambda x: 3 * x**2),
        (lambda x: ufuncs.round(x, 2), lambda x: 0.0),
        (ufuncs.angle, lambda x: 0.0),
    ],
)
def test_slopes(f: Callable[..., Any], slope: Callable[..., Any]) -> None:
    for x in (0.75, np.float64(-1.5)):
        assert float(fgrad.grad(f)(x)) == pytest.approx(slope(x), rel=1e-14)
    x = np.array([0.75, 2.0], np.float32)
    got = fgrad.grad(lambda t: np.sum(f(t)))(x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [slope(t) for t in x], rtol=1e-6)
