"""Simplification: fewer equations, the same bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.simplify import simplify
from fgrad.core import ClosedJaxpr, Literal, check_jaxpr
from fgrad.primitives.elementwise import add, mul, neg
from fgrad.primitives.exponential import exp
from fgrad.primitives.shape import broadcast_to, convert_element_type, reduce_sum, reshape, transpose
from fgrad.primitives.trigonometric import sin

X = np.array([[1.0, -0.0, 3.0], [np.inf, np.nan, -2.0]])
CONSTANT = np.array([10.0, 20.0, 30.0])


def bits(x: Any) -> Any:
    """What makes two results the same; all NaNs are one."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return x
    return np.where(np.isnan(x), np.nan, x).view(f"u{x.dtype.itemsize}")


def simplified(f: Any, *args: Any) -> ClosedJaxpr:
    """The simplified program, after a look at whether it computes the same bits."""
    closed = fgrad.make_jaxpr(f)(*args)
    small = simplify(closed)
    check_jaxpr(small)
    assert small.in_avals == closed.in_avals
    assert small.out_avals == closed.out_avals
    with np.errstate(all="ignore"):
        for got, expected in zip(small(*args), closed(*args), strict=True):
            assert np.asarray(got).dtype == np.asarray(expected).dtype
            np.testing.assert_array_equal(bits(got), bits(expected))
    assert len(small.eqns) <= len(closed.eqns) + 1
    return small


def names(closed: ClosedJaxpr) -> list[str]:
    return [eqn.primitive.name for eqn in closed.eqns]


# Dead code


def test_dead_equations_go() -> None:
    def f(x: Any) -> Any:
        y = sin(x)
        exp(y)
        return neg(x)

    assert names(simplified(f, X)) == ["neg"]


def test_dead_constants_go_and_arguments_stay() -> None:
    def f(x: Any, unused: Any) -> Any:
        add(x, CONSTANT)
        return neg(x)

    small = simplified(f, X, X)
    assert small.consts == []
    assert len(small.in_avals) == 2


def test_an_equation_of_which_one_result_is_used_stays() -> None:
    small = simplified(lambda x: fgrad.checkpoint(lambda y: (sin(y), exp(y)))(x)[1], X)
    assert names(small) == ["checkpoint"]


# Common subexpressions


def test_repeated_equations_are_computed_once() -> None:
    assert names(simplified(lambda x: (sin(x), sin(x), exp(sin(x))), X)) == ["sin", "exp"]
    assert names(simplified(lambda x: mul(add(x, 2.0), add(x, 2.0)), X)) == ["add", "square"]


def test_parameters_tell_equations_apart() -> None:
    small = simplified(lambda x: (reduce_sum(x, axes=(0,)), reduce_sum(x, axes=(1,))), X)
    assert names(small) == ["reduce_sum", "reduce_sum"]
    small = simplified(lambda x: (x**2, x**3), X)
    assert len(small.eqns) == 2


@pytest.mark.parametrize(
    ("a", "b"),
    [(0.0, -0.0), (1.0, np.float64(1.0)), (2.0, np.float32(2)), (1, True), (np.int64(3), np.int32(3))],
)
def test_numbers_that_are_equal_but_not_the_same_tell_equations_apart(a: Any, b: Any) -> None:
    x = np.array([1, -0.0, 3], np.float32)
    small = simplified(lambda x: (add(x, a), add(x, b)), x)
    assert names(small) == ["add", "add"]


def test_whole_numbers_are_the_same_to_floats_alone() -> None:
    def f(x: Any) -> Any:
        return add(x, 2), add(x, 2.0)

    assert names(simplified(f, np.ones(3, np.float32))) == ["add"]
    assert names(simplified(f, np.ones(3, np.int8))) == ["add", "add"]
    assert names(simplified(f, 1.5)) == ["add", "add"]


# Identities


@pytest.mark.parametrize(
    "f",
    [
        lambda x: mul(x, 1.0),
        lambda x: mul(1, x),
        lambda x: x / 1.0,
        lambda x: neg(neg(x)),
        lambda x: x**1,
        lambda x: transpose(transpose(x, axes=(1, 0)), axes=(1, 0)),
        lambda x: transpose(x, axes=(0, 1)),
        lambda x: reshape(x, shape=(2, 3)),
        lambda x: broadcast_to(x, shape=(2, 3)),
        lambda x: convert_element_type(x, dtype=np.dtype(np.float64)),
    ],
)
def test_what_changes_nothing_goes(f: Any) -> None:
    small = simplified(f, X)
    assert names(small) == []
    assert small.jaxpr.outvars[0] is small.jaxpr.invars[0]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: add(x, 0.0),
        lambda x: add(x, -0.0),
        lambda x: mul(x, 0.0),
        lambda x: x - x,
        lambda x: x / x,
        lambda x: 0.0 / x,
        lambda x: x**0,
        lambda x: 0.0 - x,
        lambda x: mul(x, -1.0),
        lambda x: transpose(x, axes=(1, 0)),
        lambda x: np.maximum(x, x),
    ],
)
def test_what_changes_some_number_stays(f: Any) -> None:
    # −0.0, infinities and NaN are among the arguments.
    assert len(simplified(f, X).eqns) == 1


@pytest.mark.parametrize(
    ("x", "f"),
    [
        (np.arange(3), lambda x: mul(x, 1.0)),
        (np.arange(3), lambda x: x / 1),
        (np.ones(3, np.float32), lambda x: mul(x, np.float64(1))),
        (np.ones(3, np.float32), lambda x: mul(x, np.ones(()))),
        (np.array([True, False]), lambda x: mul(x, 1)),
        (2.0, lambda x: mul(x, np.float64(1))),
        (2.0, lambda x: convert_element_type(x, dtype=np.dtype(np.float64))),
    ],
)
def test_an_identity_that_changes_the_type_stays(x: Any, f: Any) -> None:
    assert len(simplified(f, x).eqns) == 1


# Numbers


def folded(f: Any) -> Any:
    small = simplify(fgrad.make_jaxpr(lambda x: f())(X))
    assert names(small) == []
    (out,) = small.jaxpr.outvars
    assert type(out) is Literal
    return out.value


def test_numbers_are_folded() -> None:
    assert folded(lambda: mul(add(1.0, 2.0), 4.0)) == 12.0
    assert type(folded(lambda: add(1, 2))) is int
    assert type(folded(lambda: add(np.float32(1), 2.0))) is np.float32


def test_signs_of_zeros_infinities_and_nan_are_kept() -> None:
    assert math.copysign(1, folded(lambda: mul(-1.0, 0.0))) == -1
    assert math.copysign(1, folded(lambda: neg(0.0))) == -1
    assert folded(lambda: mul(np.inf, -1.0)) == -np.inf
    with np.errstate(invalid="ignore"):
        assert math.isnan(folded(lambda: mul(np.inf, 0.0)))


# Broadcasts


def test_broadcasts_move_behind_elementwise_operations() -> None:
    row = np.array([1.0, 2.0, 3.0])
    small = simplified(lambda x: sin(mul(broadcast_to(x, shape=(4, 3)), 2.0)), row)
    assert names(small) == ["mul", "sin", "broadcast_to"]
    small = simplified(lambda x, y: mul(broadcast_to(x, shape=(2, 3)), y), row, X)
    assert names(small) == ["mul"]
    small = simplified(lambda x: reduce_sum(mul(broadcast_to(x, shape=(4, 3)), 2.0), axes=(0,)), row)
    assert [v.aval.shape for v in small.eqns[0].outvars] == [(3,)]


def test_two_broadcasts_that_meet_in_one_operation() -> None:
    column, row = np.ones((2, 1)), np.ones(3)
    small = simplified(lambda x, y: add(broadcast_to(x, shape=(2, 3)), broadcast_to(y, shape=(2, 3))), column, row)
    assert names(small) == ["add"]


def test_broadcasts_of_numbers_keep_the_promotion() -> None:
    narrow = np.ones(3, np.float32)
    small = simplified(lambda x: mul(broadcast_to(2.0, shape=(3,)), x), narrow)
    assert small.out_avals[0].dtype == np.float64


UNARY = [neg, sin, exp, np.floor, np.abs, lambda x: x * 1.0, lambda x: x + 0.0, lambda x: x * 0.0, lambda x: neg(-x)]
BINARY = [add, mul, np.subtract, np.divide, np.maximum, lambda x, y: fnp.where(x > y, x, y), lambda x, y: x - x + y]
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-310, 1e308, 2.5]


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12),
    st.lists(st.sampled_from(SPECIAL), min_size=3, max_size=3),
    st.sampled_from([np.float64, np.float32]),
)
def test_random_programs_keep_their_bits(steps: list[tuple[int, int, int]], numbers: list[float], dtype: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        values = [x, y, broadcast_to(y, shape=(2, 3)), 1.0, -0.0, np.float64(2)]
        for op, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(UNARY[op](a) if op < len(UNARY) else BINARY[op - len(UNARY)](a, b))
        return values[-1], values[len(values) // 2 + 3] if len(values) > 8 else values[-1]

    with np.errstate(all="ignore"):
        simplified(f, X.astype(dtype), np.array(numbers, dtype))
