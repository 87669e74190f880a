"""reduce_window, against loops over the windows and, where it is installed, JAX."""

from __future__ import annotations

import functools
import importlib.util
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.lax.windows import reduce_window
from tests.primitives.test_windows import cases, windows_of


def by_definition(x: Any, init: Any, computation: Any, windows: Any) -> Any:
    counts, found = windows_of(x, windows)
    out = np.zeros(counts, x.dtype)
    for place, elements in found.items():
        out[place] = functools.reduce(computation, [x[element] for element in elements], init)
    return out


def arguments(windows: Any) -> list[Any]:
    """The windows of the primitives as `reduce_window` takes them."""
    size, stride, low, high, stretch, spread = zip(*windows, strict=True) if windows else [()] * 6
    return [size, stride, list(zip(low, high, strict=True)), stretch, spread]


def keep_first(x: Any, y: Any) -> Any:
    return x + 0 * y


def affine(x: Any, y: Any) -> Any:
    """Associative, not commutative: the composition of affine maps, packed as slope·1000 + offset."""
    (a, b), (c, d) = x, y
    return a * c, b * c + d


COMPUTATIONS = [
    np.add,
    operator.add,
    lambda x, y: y + x,
    np.maximum,
    max,
    min,
    fnp.minimum,
    np.multiply,
    lambda x, y: x + y + x * y,
    keep_first,
]


@given(cases(longest=8), st.sampled_from(COMPUTATIONS), st.sampled_from([-1, 0, 1, 2]))
@settings(max_examples=150)
def test_value_is_the_definition(case: tuple[Any, Any], computation: Any, init: int) -> None:
    x, windows = case
    x = x % 3
    out = reduce_window(x, init, computation, *arguments(windows))
    np.testing.assert_array_equal(out, by_definition(x, x.dtype.type(init), computation, windows))
    assert np.asarray(out).dtype == x.dtype
    np.testing.assert_array_equal(fgrad.jit(lambda x: reduce_window(x, init, computation, *arguments(windows)))(x), out)


@given(cases(most=2, longest=6))
@settings(max_examples=40)
def test_several_operands_in_order(case: tuple[Any, Any]) -> None:
    """A computation that is not commutative sees the elements of a window in C order."""
    x, windows = case
    pair = (x.astype(float) - 1, x.astype(float) * 2)
    out = reduce_window(pair, (1.0, 0.5), affine, *arguments(windows))
    counts, found = windows_of(x, windows)
    for place, elements in found.items():
        expected = functools.reduce(affine, [(pair[0][e], pair[1][e]) for e in elements], (1.0, 0.5))
        np.testing.assert_allclose([out[0][place], out[1][place]], expected, rtol=1e-12)
    assert np.shape(out[0]) == np.shape(out[1]) == counts


def test_where_the_maximum_is() -> None:
    def larger(x: Any, y: Any) -> Any:
        wins = y[0] > x[0]
        return fnp.where(wins, y[0], x[0]), fnp.where(wins, y[1], x[1])

    x = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    out, at = reduce_window((x, np.arange(6)), (-np.inf, -1), larger, (3,), (3,))
    np.testing.assert_array_equal(out, [4.0, 9.0])
    np.testing.assert_array_equal(at, [2, 5])


def test_a_computation_sees_elements_without_axes() -> None:
    """Products of 1×1 matrices: `dot` would not work element by element on whole arrays."""

    def product(x: Any, y: Any) -> Any:
        return fnp.dot(fnp.reshape(x, (1,)), fnp.reshape(y, (1,)))

    x = np.array([2.0, 3.0, 5.0, 7.0])
    np.testing.assert_array_equal(reduce_window(x, 1.0, product, (3,)), [30.0, 105.0])
    gradient = fgrad.grad(lambda x: fnp.sum(reduce_window(x, 1.0, product, (3,))))(x)
    np.testing.assert_array_equal(gradient, [15.0, 45.0, 27.0, 15.0])


@pytest.mark.parametrize("computation", [np.add, np.maximum, np.multiply, lambda x, y: x + y + x * y])
def test_derivatives_of_both_orders(computation: Any) -> None:
    x = np.array([[1.0, 2.5, -0.5, 0.75], [3.0, -2.0, 0.25, 1.5], [0.5, 4.0, -1.5, 2.0]])
    init = -np.inf if computation is np.maximum else 0.5
    weights = np.random.default_rng(0).normal(size=(2, 3))

    def loss(z: Any) -> Any:
        out = reduce_window(fnp.reshape(z, x.shape), init, computation, (2, 2), (2, 1), ((0, 1), (0, 0)))
        return fnp.sum(np.sin(out) * weights)

    def difference(f: Any, step: float = 1e-6) -> Any:
        return np.stack([(f(x.ravel() + e) - f(x.ravel() - e)) / (2 * step) for e in step * np.eye(x.size)])

    np.testing.assert_allclose(fgrad.grad(loss)(x.ravel()), difference(loss), atol=1e-7)
    np.testing.assert_allclose(fgrad.hessian(loss)(x.ravel()), difference(fgrad.grad(loss)), atol=1e-7)


def test_products_have_exact_derivatives_at_zeros() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 0.0])
    gradient = fgrad.grad(lambda x: fnp.sum(reduce_window(x, 1.0, operator.mul, (2,))))(x)
    np.testing.assert_array_equal(gradient, [0.0, 5.0, 0.0, 3.0, 0.0])


def test_padding_puts_nothing_in() -> None:
    """Not even an initial value that is no identity; and an undefined computation is not met there."""
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(reduce_window(x, 10.0, np.add, (2,), (1,), ((1, 1),)), [11, 13, 16, 14])
    np.testing.assert_array_equal(reduce_window(x, 3.0, np.maximum, (2,), (1,), ((2, 1),)), [3, 3, 3, 4, 4])
    np.testing.assert_array_equal(reduce_window(x, 2.0, np.multiply, (2,), (1,), ((2, 0),)), [2, 2, 4, 16])

    def joined(a: Any, b: Any) -> Any:
        return np.exp(np.log(a) + np.log(b))

    out = fgrad.grad(lambda x: fnp.sum(reduce_window(x, 1.0, joined, (2,), (1,), "SAME")))(x)
    np.testing.assert_allclose(out, [2.0, 5.0, 3.0])


def test_batching_and_average_pooling() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 4))

    def pool(x: Any) -> Any:
        return reduce_window(x, 0.0, np.add, (1, 2, 2), (1, 2, 2), "VALID") / 4

    expected = x.reshape(3, 2, 2, 2, 2, 2).mean((3, 5))
    np.testing.assert_allclose(fgrad.vmap(pool)(x), expected, rtol=1e-12)
    jaxpr = fgrad.make_jaxpr(fgrad.vmap(pool))(x)
    assert [eqn.primitive.name for eqn in jaxpr.eqns] == ["reduce_window_sum", "div"]


def test_a_traced_initial_value() -> None:
    x = np.array([1.0, 3.0, 2.0])
    out, pull = fgrad.vjp(lambda x, init: reduce_window(x, init, np.add, (2,)), x, 0.0)
    np.testing.assert_array_equal(out, [4.0, 5.0])
    by_x, by_init = pull(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(by_x, [1.0, 11.0, 10.0])
    assert by_init == 11.0
    rows = fgrad.vmap(lambda init: reduce_window(x, init, np.maximum, (2,)))(np.array([0.0, 2.5, 9.0]))
    np.testing.assert_array_equal(rows, [[3, 3], [3, 3], [9, 9]])


def test_ties_share_as_in_the_maximum_of_an_array() -> None:
    gradient = fgrad.grad(lambda x: fnp.sum(reduce_window(x, -np.inf, np.maximum, (2, 2), (2, 2))))(np.ones((2, 4)))
    np.testing.assert_array_equal(gradient, np.full((2, 4), 0.25))


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"computation": 3}, ArgumentError, "lax.reduce_window expects a function"),
        ({"computation": lambda x, y: (x, y)}, ShapeError, "It takes two elements and gives one"),
        ({"computation": lambda x, y: x > y}, ShapeError, "It takes two elements and gives one"),
        ({"computation": lambda x, y: fnp.stack([x, y])}, ShapeError, r"gave .* of f64\[2\]"),
        ({"init_value": np.zeros(3)}, ShapeError, "the init values have no axes"),
        ({"init_value": (0.0, 0.0)}, ArgumentError, "Give one init value for each array"),
        ({"init_value": np.float32(0)}, ShapeError, "arguments of one dtype"),
        ({"window_dimensions": (2,)}, ArgumentError, "`window_dimensions` must be 2 positive integers"),
        ({"window_dimensions": None}, ArgumentError, "`window_dimensions` must be 2 positive integers"),
        ({"window_strides": (0, 1)}, ArgumentError, "`window_strides` must be 2 positive integers"),
        ({"base_dilation": (1,)}, ArgumentError, "`base_dilation` must be 2 positive integers"),
        ({"window_dilation": 2}, ArgumentError, "`window_dilation` must be 2 positive integers"),
        ({"padding": "none"}, ArgumentError, "lax.reduce_window knows no padding 'none'"),
    ],
)
def test_refused(change: dict[str, Any], error: type[Exception], told: str) -> None:
    given = {
        "operand": np.ones((3, 4)),
        "init_value": 0.0,
        "computation": np.add,
        "window_dimensions": (2, 2),
        **change,
    }
    with pytest.raises(error, match=told):
        reduce_window(**given)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize("name", ["add", "max", "min", "mul"])
@pytest.mark.parametrize("padding", ["SAME", "VALID", "SAME_LOWER", ((1, 2), (0, 3))])
def test_against_jax(name: str, padding: Any) -> None:
    import jax  # noqa: PLC0415

    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    given = np.float32(2), (2, 3), (2, 1), padding, (1, 1), (2, 1)
    expected = jax.lax.reduce_window(x, given[0], getattr(jax.lax, name), *given[1:])
    computation = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}[name]
    np.testing.assert_allclose(reduce_window(x, given[0], computation, *given[1:]), expected, rtol=1e-5, atol=1e-5)
