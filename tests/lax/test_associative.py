"""The parallel prefix, against a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError
from tests.lax.modes import check_modes, normal


def affine(x: Any, y: Any) -> Any:
    """The composition of x ↦ a·x + b with another such function."""
    return {"a": x["a"] * y["a"], "b": y["a"] * x["b"] + y["b"]}


def looped(fn: Callable[[Any, Any], Any], rows: Any) -> Any:
    out = rows[:1]
    for i in range(1, len(rows)):
        out = np.concatenate([out, fn(out[-1:], rows[i : i + 1])])
    return out


@pytest.mark.parametrize("n", range(1, 18))
def test_every_length(n: int) -> None:
    x = normal(n, 2, 2)
    np.testing.assert_allclose(lax.associative_scan(np.matmul, x), looped(np.matmul, x), atol=1e-12)
    backwards = lax.associative_scan(np.matmul, x, reverse=True)
    np.testing.assert_allclose(backwards, looped(np.matmul, x[::-1])[::-1], atol=1e-12)
    np.testing.assert_allclose(lax.associative_scan(np.add, x, axis=0), np.cumsum(x, 0), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axes(axis: int) -> None:
    x = normal(5, 6, 7)
    np.testing.assert_allclose(lax.associative_scan(np.maximum, x, axis=axis), np.maximum.accumulate(x, axis))
    trees = {"a": x, "b": [x, x * 2]}
    out = lax.associative_scan(lambda p, q: fgrad.tree.map(np.add, p, q), trees, axis=axis)
    np.testing.assert_allclose(out["b"][1], np.cumsum(2 * x, axis))


def test_a_linear_recurrence_in_every_mode() -> None:
    a, b = normal(6, 2) * 0.5, normal(6, 2, seed=1)

    def states(a: Any, b: Any) -> Any:
        return lax.associative_scan(affine, {"a": a, "b": b})["b"]

    x, expected = np.zeros(2), []
    for k in range(6):
        x = a[k] * x + b[k]
        expected.append(x)
    np.testing.assert_allclose(states(a, b), expected)
    check_modes(states, a, b)


def test_few_applications_on_all_elements() -> None:
    sizes: list[int] = []

    def fn(x: Any, y: Any) -> Any:
        sizes.append(len(x))
        return x + y

    n = 1024
    lax.associative_scan(fn, np.ones(n))
    assert len(sizes) <= 2 * 10
    assert sum(sizes) <= 2 * n


def test_nothing_to_scan() -> None:
    assert lax.associative_scan(np.add, np.zeros((0, 2))).shape == (0, 2)
    assert lax.associative_scan(np.add, ()) == ()
    np.testing.assert_array_equal(lax.associative_scan(np.add, [1.5, 2.5][:0] or np.array([1.5])), [1.5])


X = normal(4, 2)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: lax.associative_scan(np.add, {"a": X, "b": X[:3]}), r"shapes \(4, 2\), \(3, 2\): the lengths differ"),
        (lambda: lax.associative_scan(np.add, X[0, 0]), r"elems is f64\[\], which has no axes"),
        (lambda: lax.associative_scan(np.add, {"a": X, "b": 1.0}), r"elems\['b'\] is f64\[\], which has no axes"),
        (lambda: lax.associative_scan(np.add, X, axis=2), "there is no axis 2"),
        (lambda: lax.associative_scan(lambda x, y: (x, y), X), r"`<lambda>` gave the structure .*expected a leaf|gave"),
        (lambda: lax.associative_scan(lambda x, y: {"a": x["a"][:1]}, {"a": X}),
         r"`<lambda>` gave f64\[1,2\] at output\['a'\], for elements f64\[2,2\]"),
        (lambda: lax.associative_scan(lambda x, y: (x > y), X), r"gave bool\[2,2\], for elements f64\[2,2\]"),
        (lambda: lax.associative_scan(X, np.add), "associative_scan expects a function"),
        (lambda: lax.associative_scan(np.add, "abc"), "not an array of numbers"),
        (lambda: lax.associative_scan(lambda x, y: "x", X), "returned"),
    ],
)  # fmt: skip
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError, OutputTypeError), match=what):
        call()


def test_a_number_may_be_given_back() -> None:
    out = lax.associative_scan(lambda x, y: fnp.maximum(x, y) * 1, np.array([1, 3, 2], np.int8))
    assert out.dtype == np.int8
    np.testing.assert_array_equal(out, [1, 3, 3])
