"""Cumulative primitives and the recurrence that their derivatives are made of."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.core import ShapedArray
from fgrad.errors import ShapeError
from fgrad.primitives.cumulative import cumlogsumexp, cummax, cummin, cumprod, cumsum, linear_recurrence
from fgrad.transforms.stage import trace
from tests.primitives.rules import check_rules
from tests.primitives.test_reductions import distinct

ALL = [cumsum, cumprod, cummax, cummin, cumlogsumexp]
UFUNCS = dict(zip(ALL, [np.add, np.multiply, np.maximum, np.minimum, np.logaddexp], strict=True))


@st.composite
def along(draw: Any) -> tuple[tuple[int, ...], int]:
    """A shape and one of its axes."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)))
    return shape, draw(st.sampled_from(range(len(shape))))


@pytest.mark.parametrize("primitive", ALL)
@given(case=along(), reverse=st.booleans(), exclusive=st.booleans(), seed=st.integers(0, 99))
def test_rules(primitive: Any, case: Any, reverse: bool, exclusive: bool, seed: int) -> None:
    shape, axis = case
    if exclusive and primitive in (cummax, cummin, cumlogsumexp):
        exclusive = shape[axis] == 0  # the first result is infinite, which central differences cannot judge
    params = {"axis": axis, "reverse": reverse, "exclusive": exclusive}
    check_rules(primitive, [distinct(shape, seed)], params, seed)


@pytest.mark.parametrize("primitive", ALL)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, np.int64, bool])
def test_values(primitive: Any, dtype: Any) -> None:
    if primitive is cumlogsumexp and dtype in (np.int8, np.int64, bool):
        pytest.skip("log-sum-exp is of floating-point numbers")
    x = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype)
    ufunc = UFUNCS[primitive]
    expected = ufunc.accumulate(x, 1)
    for reverse in (False, True):
        y = x[:, ::-1] if reverse else x
        expected = ufunc.accumulate(y, 1)
        inclusive = primitive(x, axis=1, reverse=reverse)
        exclusive = primitive(x, axis=1, reverse=reverse, exclusive=True)
        assert inclusive.dtype == exclusive.dtype == expected.dtype
        np.testing.assert_array_equal(inclusive, expected[:, ::-1] if reverse else expected)
        shifted = exclusive[:, ::-1] if reverse else exclusive
        np.testing.assert_array_equal(shifted[:, 1:], expected[:, :-1])
        np.testing.assert_array_equal(ufunc(shifted[:, 0], y[:, 0]), y[:, 0])


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [-1.0, 2.0]])
def test_derivatives_of_cumprod_of_every_order(x: list[float]) -> None:
    """The derivative of x₀⋯xₖ by distinct elements among these is the product of the others of them."""
    f: Any = lambda v: cumprod(v, axis=0)  # noqa: E731
    for order in range(1, 4):
        f = fgrad.jacrev(f) if order % 2 else fgrad.jacfwd(f)
        found = f(np.array(x))
        for k, *index in itertools.product(range(len(x)), repeat=order + 1):
            among = len(set(index)) == order and max(index) <= k
            expected = math.prod(v for i, v in enumerate(x[: k + 1]) if i not in index) if among else 0.0
            assert found[(k, *index)] == expected


def test_ties_of_the_largest_so_far() -> None:
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0, 5.0])
    expected = np.zeros((6, 6))
    expected[0, 0] = expected[1, 1] = expected[5, 5] = 1
    expected[2, [1, 2]] = expected[3, [1, 2]] = 1 / 2
    expected[4, [1, 2, 4]] = 1 / 3
    np.testing.assert_allclose(fgrad.jacrev(lambda v: cummax(v, axis=0))(x), expected, rtol=1e-15)
    np.testing.assert_allclose(fgrad.jacfwd(lambda v: cummin(v, axis=0))(-x), expected, rtol=1e-15)


def test_nan_in_the_largest_so_far() -> None:
    x = np.array([1.0, np.nan, 3.0, np.nan])
    expected = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0.5, 0, 0.5]])
    np.testing.assert_array_equal(fgrad.jacrev(lambda v: cummax(v, axis=0))(x), expected)


@pytest.mark.parametrize("primitive", [cummax, cummin])
def test_exclusive_extrema(primitive: Any) -> None:
    x = np.array([2.0, 1.0, 3.0])
    inclusive = fgrad.jacrev(lambda v: primitive(v, axis=0))(x)
    exclusive = fgrad.jacrev(lambda v: primitive(v, axis=0, exclusive=True))(x)
    np.testing.assert_array_equal(exclusive[1:], inclusive[:-1])
    assert not exclusive[0].any()


def test_cumlogsumexp_at_infinities() -> None:
    x = np.array([-np.inf, -np.inf, 1.0, np.inf, np.inf])
    jacobian = fgrad.jacrev(lambda v: cumlogsumexp(v, axis=0))(x)
    expected = np.array([[0] * 5, [0] * 5, [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0.5, 0.5]])
    np.testing.assert_array_equal(jacobian, expected)


def test_cumlogsumexp_does_not_overflow() -> None:
    x = np.array([1000.0, 1000.0, -1000.0])
    value, pullback = fgrad.vjp(lambda v: cumlogsumexp(v, axis=0), x)
    np.testing.assert_allclose(value, 1000 + np.log([1, 2, 2]))
    np.testing.assert_allclose(pullback(np.ones(3))[0], [2, 1, 0])


def recurrence(a: Any, b: Any) -> Any:
    """By definition, along axis 0."""
    out = np.zeros_like(b)
    for k in range(len(b) - 1):
        out[k + 1] = a[k] * out[k] + b[k]
    return out


@pytest.mark.parametrize("shape", [(0,), (1,), (70,), (20000,), (40000,), (65, 3), (1000, 2), (101, 7), (90, 2000)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_long_recurrences(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-1, 1, shape).astype(dtype) for _ in range(2))
    out = linear_recurrence(a, b, axis=0)
    assert out.dtype == dtype
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(out, recurrence(a, b), rtol=tolerance, atol=tolerance)
    reverse = linear_recurrence(a[::-1], b[::-1], axis=0, reverse=True)
    np.testing.assert_array_equal(reverse[::-1], out)


def test_a_recurrence_overflows_only_where_it_does_by_definition() -> None:
    a = np.full((400, 2), 1e10)
    b = np.zeros((400, 2))
    b[-3:] = 1.0
    np.testing.assert_array_equal(linear_recurrence(a, b, axis=0), recurrence(a, b))


def test_a_recurrence_starts_anew_at_a_zero() -> None:
    a, b = np.ones((300, 2)), np.ones((300, 2))
    a[150] = 0.0
    out = linear_recurrence(a, b, axis=0)
    np.testing.assert_array_equal(out[:, 0], [*range(151), *range(1, 150)])


@given(case=along(), reverse=st.booleans(), seed=st.integers(0, 99))
def test_rules_of_recurrences(case: Any, reverse: bool, seed: int) -> None:
    shape, axis = case
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=shape), rng.normal(size=shape)]
    check_rules(linear_recurrence, xs, {"axis": axis, "reverse": reverse}, seed)


@pytest.mark.parametrize("primitive", ALL)
@pytest.mark.parametrize("axis", [-1, 2])
def test_the_axis_must_exist(primitive: Any, axis: int) -> None:
    with pytest.raises(ShapeError, match=f"along axis {axis}"):
        trace(lambda x: [primitive(x, axis=axis)], [ShapedArray((2, 3), np.dtype(np.float64))])


def test_a_recurrence_of_arrays_that_differ() -> None:
    avals = [ShapedArray((3,), np.dtype(np.float64)), ShapedArray((4,), np.dtype(np.float64))]
    with pytest.raises(ShapeError, match="linear_recurrence"):
        trace(lambda a, b: [linear_recurrence(a, b, axis=0)], avals)


@pytest.mark.parametrize("primitive", ALL)
@pytest.mark.parametrize("axis", [0, 1])
def test_in_place(primitive: Any, axis: int) -> None:
    """Compiled code may write the result over the array that is accumulated, in whatever order it lies."""
    x = np.random.default_rng(0).uniform(0.5, 1, (30, 40))
    for arranged in (lambda v: v + 1, lambda v: fgrad.numpy.transpose(v) + 1):
        f = fgrad.jit(lambda v, arranged=arranged: primitive(arranged(v), axis=axis))
        assert ", out=" in f.lower(x).as_text()
        np.testing.assert_array_equal(f(x), primitive(arranged(x), axis=axis))
