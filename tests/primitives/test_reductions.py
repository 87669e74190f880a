"""Products, extrema and logic over axes: their rules, and their derivatives where several elements tie or are 0."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.core import ShapedArray, aval_of
from fgrad.errors import ShapeError
from fgrad.primitives.reductions import (
    argmax,
    argmin,
    reduce_and,
    reduce_max,
    reduce_min,
    reduce_or,
    reduce_prod,
)
from fgrad.transforms.jvp import jvp
from fgrad.transforms.stage import trace
from tests.primitives.rules import check_rules

shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@st.composite
def reduced(draw: Any, at_least: int = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape and some of its axes."""
    shape = draw(shapes.filter(lambda s: len(s) >= at_least))
    axes = draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=at_least)) if shape else []
    return shape, tuple(sorted(axes))


def distinct(shape: tuple[int, ...], seed: int) -> Any:
    """Elements far enough apart that a small step changes no order."""
    size = math.prod(shape)
    return (
        np.random.default_rng(seed).permutation(np.linspace(-2, 2, size) if size > 1 else np.ones(size)).reshape(shape)
    )


@pytest.mark.parametrize("primitive", [reduce_max, reduce_min, reduce_prod])
@given(case=reduced(), seed=st.integers(0, 99))
def test_rules(primitive: Any, case: Any, seed: int) -> None:
    shape, axes = case
    check_rules(primitive, [distinct(shape, seed)], {"axes": axes}, seed)


@pytest.mark.parametrize("primitive", [reduce_and, reduce_or])
@given(case=reduced(), seed=st.integers(0, 99))
def test_rules_of_logic(primitive: Any, case: Any, seed: int) -> None:
    shape, axes = case
    check_rules(primitive, [np.random.default_rng(seed).integers(0, 2, shape)], {"axes": axes}, seed)


@pytest.mark.parametrize("primitive", [argmax, argmin])
@given(case=reduced(1), seed=st.integers(0, 99))
def test_rules_of_positions(primitive: Any, case: Any, seed: int) -> None:
    shape, axes = case
    check_rules(primitive, [np.random.default_rng(seed).integers(0, 3, shape)], {"axis": axes[0]}, seed)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float32, np.complex64])
@pytest.mark.parametrize("primitive", [reduce_max, reduce_min, reduce_prod, reduce_and, reduce_or])
def test_dtypes_are_numpys(primitive: Any, dtype: Any) -> None:
    x = np.ones((2, 3), dtype)
    expected = primitive.ufunc.reduce(x, axis=(0,)).dtype
    assert primitive.shape(aval_of(x), axes=(0,)).dtype == expected


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [2.0, -1.0, 3.0], [5.0, 4.0]])
def test_derivatives_of_a_product_of_every_order(x: list[float]) -> None:
    """The derivative by distinct elements is the product of the others; by one element twice it is 0."""

    def product(v: Any) -> Any:
        return reduce_prod(v, axes=(0,))

    f: Any = product
    for order in range(1, len(x) + 2):
        f = fgrad.jacrev(f) if order % 2 else fgrad.jacfwd(f)
        found = f(np.array(x))
        for index in itertools.product(range(len(x)), repeat=order):
            others = [v for i, v in enumerate(x) if i not in index]
            expected = math.prod(others) if len(set(index)) == order else 0.0
            assert found[index] == expected


@pytest.mark.parametrize("primitive", [reduce_max, reduce_min])
def test_ties_share_the_derivative(primitive: Any) -> None:
    x = np.array([[1.0, 1.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    if primitive is reduce_min:
        x = -x
    gradient = fgrad.jacrev(lambda v: primitive(v, axes=(1,)))(x)
    np.testing.assert_array_equal(gradient[0, 0], np.array([1, 1, 0, 1]) / 3)
    np.testing.assert_array_equal(gradient[1, 1], np.full(4, 0.25))
    assert not gradient[0, 1].any()
    assert not gradient[1, 0].any()


@pytest.mark.parametrize("primitive", [reduce_max, reduce_min])
def test_nans_share_the_derivative(primitive: Any) -> None:
    x = np.array([1.0, np.nan, 3.0, np.nan])
    value, gradient = fgrad.value_and_grad(lambda v: primitive(v, axes=(0,)))(x)
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, [0, 0.5, 0, 0.5])


def test_an_infinite_tangent_of_a_lesser_element_does_no_harm() -> None:
    _, (t,) = jvp(lambda v: [reduce_max(v, axes=(0,))], [np.array([0.0, 2.0])], [np.array([np.inf, 3.0])])
    assert t == 3.0


@pytest.mark.parametrize("primitive", [reduce_max, reduce_min, reduce_prod])
def test_a_python_number(primitive: Any) -> None:
    value, gradient = fgrad.value_and_grad(lambda v: primitive(v, axes=()))(2.5)
    assert value == 2.5
    assert gradient == 1.0


@pytest.mark.parametrize("primitive", [reduce_max, reduce_min])
@pytest.mark.parametrize(("shape", "axes"), [((0,), (0,)), ((3, 0), (1,)), ((0, 0), (0,))])
def test_an_extremum_of_nothing_is_refused(primitive: Any, shape: Any, axes: Any) -> None:
    with pytest.raises(ShapeError, match="of no elements"):
        trace(lambda x: [primitive(x, axes=axes)], [ShapedArray(shape, np.dtype(np.float64))])


@pytest.mark.parametrize("axes", [(2,), (-1,), (0, 0)])
def test_axes_must_exist_once(axes: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="over the axes"):
        trace(lambda x: [reduce_prod(x, axes=axes)], [ShapedArray((2, 3), np.dtype(np.float64))])
