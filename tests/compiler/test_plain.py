"""Loops over scalars run on Python's own numbers, with the results of NumPy's."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler import compiled
from fgrad.compiler.loops import CountedLoop
from fgrad.compiler.plain import is_plain
from fgrad.core import aval_of
from fgrad.transforms.stage import trace

FLOATS = [0.0, -0.0, 1.0, -1.5, 2.5, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324, 710.0]
INTS = [0, 1, -1, 3, 2**53 + 1, 2**62, -(2**63), 2**63 - 1]

EXACT: list[Callable[..., Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / y,
    lambda x, y: -x,
    lambda x, y: abs(x),
    lambda x, y: x**2,
    lambda x, y: fnp.sqrt(x),
    fnp.maximum,
    fnp.minimum,
    lambda x, y: fnp.where(x < y, x, y),
    lambda x, y: fnp.where((x <= y) & ~(x == y) | (x != 1.0), x, 0.0 * y),
    lambda x, y: fnp.where(fnp.isnan(x) ^ (y > x), y, x),
    lambda x, y: fnp.sign(x),
    lambda x, y: fnp.floor(x),
    fnp.copysign,
    lambda x, y: 1 / x,
    lambda x, y: fnp.reciprocal(y),
]
ROUNDED = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "cos", "cosh", "exp", "exp2", "expm1", "log",
    "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh",
]  # fmt: skip


def loops(f: Any, *carries: Any) -> list[tuple[list[Any], list[Any]]]:
    """One step of a body that returns its carry, as a plain loop and by its equations, for several carries."""
    closed = trace(f, [aval_of(x) for x in carries[0]])
    assert is_plain(compiled.optimize(closed))
    loop = compiled.loop_function(closed, 100, CountedLoop(0, len(carries[0])))
    assert loop is not None
    with np.errstate(all="ignore"):
        return [(list(loop(*carry, range(1))), closed(*carry)) for carry in carries]


def same(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and repr(found) == repr(expected)


@pytest.mark.parametrize("f", EXACT)
def test_arithmetic_has_numpys_bits(f: Any) -> None:
    for found, expected in loops(lambda x, y: [f(x, y), y], *product(map(np.float64, FLOATS), repeat=2)):
        assert all(map(same, found, expected)), (found, expected)


@pytest.mark.parametrize("name", ROUNDED)
def test_functions_are_numpys_up_to_rounding(name: str) -> None:
    points = [(np.float64(x),) for x in (*FLOATS, 0.3, -0.7, 1.0000001, 12.0)]
    for found, expected in loops(lambda x: [getattr(fnp, name)(x)], *points):
        assert type(found[0]) is np.float64
        np.testing.assert_array_max_ulp(found[0], expected[0], 4)


@pytest.mark.parametrize("name", ["power", "arctan2", "hypot", "fmod", "copysign", "remainder", "logaddexp"])
def test_functions_of_two_numbers(name: str) -> None:
    for found, expected in loops(
        lambda x, y: [getattr(fnp, name)(x, y), y], *product(map(np.float64, FLOATS), repeat=2)
    ):
        np.testing.assert_array_max_ulp(found[0], expected[0], 4)


WHOLE: list[Callable[..., Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: -x,
    lambda x, y: x + 1,
    lambda x, y: abs(x),
    lambda x, y: x // fnp.where(y == 0, 1, y),
    lambda x, y: fnp.where(x / 7 < y / 7.0, x, y),
    lambda x, y: fnp.where(x + 0.0 == y + 0.5, x, y),
    lambda x, y: (x * 0.75).astype(np.int64),
    lambda x, y: (x > y).astype(np.int64) + y,
    lambda x, y: fnp.maximum(x, y) ^ y,
]


@pytest.mark.parametrize("f", WHOLE)
def test_integers_have_64_bits(f: Any) -> None:
    for found, expected in loops(lambda x, y: [f(x, y), y], *product(map(np.int64, INTS), repeat=2)):
        assert all(map(same, found, expected)), (found, expected)


@given(st.lists(st.tuples(st.integers(0, len(EXACT) - 1), st.integers(0, 9), st.integers(0, 9)), max_size=9), st.data())
def test_random_bodies(steps: Any, data: Any) -> None:
    """Many steps, with rows that are read and written, through infinities and NaN, in both directions."""

    def body(carry: Any, x: Any) -> Any:
        values = [*carry, x, 0.5]
        for op, i, j in steps:
            values.append(EXACT[op](values[i % len(values)], values[j % len(values)]))
        last = [v * 1.0 for v in values[-2:]]
        return tuple(last), (values[-1], values[-1] > x)

    init = tuple(np.float64(data.draw(st.sampled_from(FLOATS))) for _ in range(2))
    xs = np.array([data.draw(st.sampled_from(FLOATS)) for _ in range(30)])[:: data.draw(st.sampled_from([1, -1, 3]))]
    reverse = data.draw(st.booleans())
    with np.errstate(all="ignore"):
        found = fgrad.lax.scan(body, init, np.concatenate([xs, xs, xs])[::-1], reverse=reverse)
        rows = list(np.concatenate([xs, xs, xs])[::-1])
        carry, ys = init, []
        for x in reversed(rows) if reverse else rows:
            carry, y = body(carry, x)
            ys.append(y)
    for a, b in zip(found[0], carry, strict=True):
        assert same(a, np.float64(b))
    for k in range(2):
        expected = np.array([y[k] for y in (reversed(ys) if reverse else ys)])
        assert found[1][k].tobytes() == expected.tobytes() or np.array_equal(found[1][k], expected, equal_nan=True)


def test_the_source_is_python() -> None:
    closed = trace(lambda x, v: [x + 0.1 * v, v - fnp.sin(x)], [aval_of(np.float64(1))] * 2)
    program = compiled.plain_program(compiled.optimize(closed))
    text = CountedLoop(0, 2).write_plain(program, ["x", "v"], lambda *args: args).text
    assert text.splitlines()[0] == "def loop(x, v, order, _sin=_sin):"
    assert [line.strip() for line in text.splitlines()[1:]] == [
        "for i in _repeat(None, len(order)):",
        "try:",
        "a = x + (0.1 * v)",
        "b = v - _sin(x)",
        "except _raised:",
        "a, b, = _step(x, v)",
        "x, v = a, b",
        "return (x, v)",
    ]


def test_other_bodies_are_not_plain() -> None:
    x = np.float64(1)
    for f, args in [
        (lambda x: [x + 1], (np.float32(1),)),
        (lambda x: [x + 1], (np.ones(2),)),
        (lambda x: [x], (x,)),
        (lambda x: [fnp.sum(x * np.ones(3))], (x,)),
        (lambda x: [x + 1j], (x,)),
    ]:
        assert not is_plain(compiled.optimize(trace(f, [aval_of(a) for a in args])))


def test_while_loops() -> None:
    def newton(a: Any) -> Any:
        def going(state: Any) -> Any:
            i, x = state
            return (abs(x * x - a) > 1e-12) & (i < 100)

        return fgrad.lax.while_loop(going, lambda s: (s[0] + 1, 0.5 * (s[1] + a / s[1])), (0, a))

    for _ in range(30):  # until the body is compiled
        count, root = newton(2.0)
    assert root == pytest.approx(math.sqrt(2))
    assert count == newton(2.0)[0]
    assert fgrad.grad(lambda a: newton(a)[1])(4.0) == pytest.approx(0.25)


def test_a_loop_goes_on_through_infinity() -> None:
    def body(x: Any, _: Any) -> Any:
        x = fnp.exp(x)
        return x, fnp.sin(x)

    with np.errstate(all="ignore"):
        last, ys = fgrad.lax.scan(body, 1.0, None, length=60)
    assert last == np.inf
    assert np.isnan(ys[-50:]).all()
    assert np.isfinite(ys[:3]).all()


def test_what_is_used_once_stands_where_it_is_used() -> None:
    def step(x: Any, y: Any) -> list[Any]:
        twice, guarded = x * y, fnp.log(y)
        return [twice * twice - 1.0, fnp.where(x > 0.0, guarded, (x + y) ** 2)]

    program = compiled.plain_program(compiled.optimize(trace(step, [aval_of(np.float64(1))] * 2)))
    text = CountedLoop(0, 2).write_plain(program, ["x", "y"], lambda *args: args).text
    lines = [line.strip() for line in text.splitlines()[3:]]
    assert lines[:7] == [
        "a = x * y",
        "b = _log(y)",  # what is chosen between is computed in any case, as NumPy does
        "c = (a * a) - 1.0",
        "d = x > 0.0",
        "e = x + y",
        "f = e * e",
        "g = b if d else f",
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_are_read_in_the_order_of_the_steps(reverse: bool) -> None:
    rows = np.arange(40.0).reshape(20, 2)[:, 0]  # not side by side

    def step(h: Any, x: Any) -> Any:
        return h * 0.9 + x[0] * x[1], None

    last, _ = fgrad.lax.scan(step, 0.0, (rows, rows + 1), reverse=reverse)
    h = 0.0
    for x in rows[::-1] if reverse else rows:
        h = h * 0.9 + x * (x + 1)
    assert last == h
    last, ys = fgrad.lax.scan(lambda h, x: (h * 0.9 + x, h), 0.0, rows, reverse=reverse)
    h, expected = 0.0, []
    for x in rows[::-1] if reverse else rows:
        expected.append(h)
        h = h * 0.9 + x
    assert last == h
    np.testing.assert_array_equal(ys, expected[::-1] if reverse else expected)
