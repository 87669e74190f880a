"""Reductions by name and by any function, positions of extrema, cumulative operations."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError
from tests.lax.modes import check_modes, normal

X = normal(3, 4)
I = np.random.default_rng(0).integers(-9, 9, (3, 4))  # noqa: E741

NAMED: dict[str, Any] = {
    "reduce_sum": np.add,
    "reduce_prod": np.multiply,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
    "reduce_and": np.bitwise_and,
    "reduce_or": np.bitwise_or,
    "reduce_xor": np.bitwise_xor,
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (-1,), ()])
def test_reductions_by_name(name: str, axes: tuple[int, ...]) -> None:
    bitwise = "and" in name or "or" in name
    for x in (
        (I, I.astype(np.int32), I.astype(np.uint8), I > 0)
        if bitwise
        else (X, X.astype(np.float32), I, I.astype(np.int8))
    ):
        out = getattr(lax, name)(x, axes)
        expected = NAMED[name].reduce(x, axis=axes, dtype=x.dtype) if axes else x
        assert out.dtype == x.dtype
        np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_reductions_of_nothing() -> None:
    empty = np.zeros((0, 2))
    np.testing.assert_array_equal(lax.reduce_max(empty, (0,)), [-np.inf] * 2)
    np.testing.assert_array_equal(lax.reduce_min(empty.astype(np.int8), (0,)), [127] * 2)
    np.testing.assert_array_equal(lax.reduce_prod(empty, (0,)), [1.0] * 2)
    np.testing.assert_array_equal(lax.reduce_and(empty.astype(np.uint8), (0,)), [255] * 2)
    np.testing.assert_array_equal(lax.reduce_and(empty > 0, (0,)), [True] * 2)
    np.testing.assert_array_equal(lax.reduce_xor(empty > 0, (0,)), [False] * 2)


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_derivatives_of_reductions(name: str) -> None:
    check_modes(lambda x: getattr(lax, name)(x * x, (1,)), X)


@pytest.mark.parametrize(("name", "numpys"), [("cumsum", np.cumsum), ("cumprod", np.cumprod)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cumulative_operations(name: str, numpys: Any, axis: int) -> None:
    function = getattr(lax, name)
    np.testing.assert_allclose(function(X, axis), numpys(X, axis))
    np.testing.assert_allclose(function(X, axis, reverse=True), np.flip(numpys(np.flip(X, axis), axis), axis))
    assert function(I.astype(np.int8), axis).dtype == np.int8
    check_modes(lambda x: function(x * x, axis, reverse=True), X)


def test_cumulative_extrema() -> None:
    np.testing.assert_array_equal(lax.cummax(X, 1), np.maximum.accumulate(X, 1))
    np.testing.assert_array_equal(lax.cummin(X, 0, True), np.minimum.accumulate(X[::-1], 0)[::-1])
    np.testing.assert_allclose(lax.cumlogsumexp(X, 1), np.logaddexp.accumulate(X, 1))
    for name in ("cummax", "cummin", "cumlogsumexp"):
        check_modes(getattr(lax, name), X)


def test_positions() -> None:
    x = np.array([[1.0, 3.0, 3.0], [0.0, np.nan, 5.0]])
    np.testing.assert_array_equal(lax.argmax(x, 1, np.int32), [1, 1])
    assert lax.argmax(x, 1, np.int32).dtype == np.int32
    np.testing.assert_array_equal(lax.argmin(x, -1, np.uint8), [0, 1])
    with pytest.raises(ArgumentError, match="index_dtype is float64"):
        lax.argmax(x, 1, float)


MONOIDS: dict[str, tuple[Any, float]] = {
    "reduce_sum": (lax.add, 0.0),
    "reduce_prod": (operator.mul, 1.0),
    "reduce_max": (fnp.maximum, -np.inf),
    "reduce_min": (lax.min, np.inf),
}


@pytest.mark.parametrize("name", MONOIDS)
def test_known_combinations_are_recognised(name: str) -> None:
    computation, init = MONOIDS[name]
    out = lax.reduce(X, init, computation, (0,))
    np.testing.assert_allclose(out, getattr(lax, name)(X, (0,)))
    text = str(fgrad.make_jaxpr(lambda x: lax.reduce(x, init, computation, (0,)))(X))
    assert len(fgrad.make_jaxpr(lambda x: lax.reduce(x, init, computation, (0,)))(X).eqns) == 1
    assert name in text
    check_modes(lambda x: lax.reduce(x, init, computation, (1,)), X)


def test_an_initial_value_that_is_no_identity() -> None:
    np.testing.assert_allclose(lax.reduce(X, 2.0, lax.add, (0, 1)), X.sum() + 2)
    np.testing.assert_allclose(lax.reduce(X, 0.5, lax.max, (1,)), np.maximum(X.max(1), 0.5))
    check_modes(lambda x, start: lax.reduce(x, start, lax.mul, (0,)), X, np.float64(0.7))


def test_combinations_of_integers_and_truth_values() -> None:
    assert lax.reduce(I, 0, lax.bitwise_or, (0, 1)) == np.bitwise_or.reduce(I.ravel())
    assert lax.reduce(I > 0, True, lax.bitwise_and, (0, 1)) == (I > 0).all()
    assert lax.reduce(I > 8, False, fnp.logical_or, (0, 1)) == (I > 8).any()
    assert lax.reduce(I > 0, False, lax.bitwise_xor, (0, 1)) == bool(np.count_nonzero(I > 0) % 2)
    assert lax.reduce(I.astype(np.int8), 0, lax.add, (0,)).dtype == np.int8


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8, 13])
def test_any_other_combination(n: int) -> None:
    def computation(x: Any, y: Any) -> Any:
        return x + y + x * y  # 1 + result = ∏ (1 + x)

    x = normal(n, 3) * 0.3
    np.testing.assert_allclose(lax.reduce(x, 0.0, computation, (0,)), np.prod(1 + x, 0) - 1)
    if n:
        check_modes(lambda x: lax.reduce(x, 0.1, computation, (0,)), x)
        check_modes(lambda x: lax.reduce(x, 0.1, computation, (0, 1)), x)


def test_order_is_kept() -> None:
    digits = np.array([1, 2, 3, 4, 5])
    value, _ = lax.reduce((digits, np.full(5, 10)), (0, 1), lambda x, y: (x[0] * y[1] + y[0], x[1] * y[1]), (0,))
    assert value == 12345


def test_several_arrays_together() -> None:
    def larger(x: Any, y: Any) -> Any:
        keep = x["value"] >= y["value"]
        return {"value": fnp.where(keep, x["value"], y["value"]), "at": fnp.where(keep, x["at"], y["at"])}

    operands = {"value": X, "at": np.broadcast_to(np.arange(4), (3, 4))}
    out = lax.reduce(operands, {"value": -np.inf, "at": -1}, larger, (1,))
    np.testing.assert_array_equal(out["value"], X.max(1))
    np.testing.assert_array_equal(out["at"], X.argmax(1))
    check_modes(lambda x: lax.reduce({**operands, "value": x}, {"value": -9.0, "at": -1}, larger, (1,))["value"], X)


def test_a_computation_may_be_written_for_single_elements() -> None:
    def computation(x: Any, y: Any) -> Any:
        return lax.cond(x > y, lambda: x, lambda: y)

    np.testing.assert_array_equal(lax.reduce(X, -np.inf, computation, (0,)), X.max(0))


def test_few_applications() -> None:
    sizes = []

    def computation(x: Any, y: Any) -> Any:
        sizes.append(1)
        return x + y + x * y

    lax.reduce(np.zeros(1000), 0.0, computation, (0,))
    assert len(sizes) <= 12  # one to record it, ten halvings, the initial value


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: lax.reduce(X, (0.0, 1.0), lax.add, (0,)), "init_values .* one init value for each"),
        (lambda: lax.reduce(X, 0.0, lambda x, y: (x, y), (0,)), "the computation gave the structure"),
        (lambda: lax.reduce(X, 0.0, lambda x, y: x > y, (0,)), r"the computation gave bool\[\], for f64\[\]"),
        (lambda: lax.reduce((X, X), (0.0, 0.0), lambda x, y: (x[0], x[1] > 1), (0,)), r"bool\[\] at output\[1\], for"),
        (lambda: lax.reduce((X, X[0]), (0.0, 0.0), lambda x, y: x, (0,)), "The operands have one shape"),
        (lambda: lax.reduce(X, 0.0, lax.add, (2,)), "there is no axis 2"),
        (lambda: lax.reduce(X, 0.0, lax.add, (0, 0)), "an axis comes twice"),
        (lambda: lax.reduce(X, 0.0, "add", (0,)), "expects a function"),
        (lambda: lax.reduce(X, 0.0, lambda x, y: "x", (0,)), "returned"),
        (lambda: lax.reduce(I, 0.5, lax.add, (0,)), "one dtype, got int64, float64"),
        (lambda: lax.reduce_and(X, (0,)), r"lax.reduce_and takes boolean, integer, unsigned arrays, got f64"),
        (lambda: lax.cumsum(X, 2), "lax.cumsum: there is no axis 2"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError, OutputTypeError), match=f"(?s){what}"):
        call()
