"""Softmaxes that are multiplied as they are normalised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import optimize
from fgrad.primitives.shape import reduce_sum
from fgrad.primitives.softmax import reduce_logsumexp, softmax
from tests.compiler.tiling import forced_tiles

X = np.random.default_rng(0).normal(size=(40, 12))
ROWS = np.random.default_rng(1).normal(size=(40, 1))


def optimized(f: Any, *args: Any) -> list[str]:
    """The names of the primitives of an optimized program, after a look at whether it computes the same."""
    closed = fgrad.make_jaxpr(f)(*args)
    small = optimize(closed)
    with forced_tiles(tile=1024):
        tiled = fgrad.jit(f)(*args)
    for got, expected in zip(small(*args), closed(*args), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)
        if not isinstance(tiled, tuple):
            np.testing.assert_allclose(tiled, expected, rtol=1e-13)
    return [eqn.primitive.name for eqn in small.eqns]


def total(x: Any) -> Any:
    return reduce_sum(reduce_logsumexp(x, axes=(1,)), axes=(0,))


def test_the_gradient_of_a_loss_is_written_once() -> None:
    assert optimized(fgrad.grad(lambda x: 0.5 * total(x)), X) == ["softmax"]


def test_what_is_used_stays_of_the_pair() -> None:
    assert "logsumexp_and_softmax" in optimized(fgrad.value_and_grad(total), X)
    assert optimized(lambda x: fgrad.value_and_grad(total)(x)[0], X) == ["reduce_logsumexp", "reduce_sum"]


@pytest.mark.parametrize("factor", [ROWS, 3.0, np.float64(2.0), np.ones((1, 1)).repeat(40, 0)])
def test_factors_that_are_the_same_along_a_row(factor: Any) -> None:
    assert optimized(lambda x, c: softmax(x, axes=(1,)) * c, X, factor) == ["softmax"]
    assert optimized(lambda x, c: c * softmax(x, axes=(1,)), X, factor) == ["softmax"]


def weighed(x: Any, c: Any) -> Any:
    return softmax(x, axes=(1,)) * c


def squared(weights: Any) -> Any:
    return weights * weights


def by_largest(weights: Any) -> Any:
    return weights * fnp.max(weights, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("f", "factor"),
    [
        (weighed, X[:1]),
        (weighed, X),
        (weighed, np.float32(0.5) * ROWS.astype(np.complex128)),
        (lambda x, c: weighed(x[:1], c), ROWS),
        (lambda x, c: weighed(x, c) + softmax(x, axes=(1,)), ROWS),
        (lambda x, c: by_largest(softmax(x, axes=(1,))), ROWS),
        (lambda x, c: squared(softmax(x, axes=(1,))), ROWS),
    ],
)
def test_other_products_stay(f: Any, factor: Any) -> None:
    assert {"mul", "square"} & set(optimized(f, X, factor))


def test_a_factor_that_depends_on_the_logarithm_comes_after_it() -> None:
    def f(x: Any) -> Any:
        return 0.5 * fnp.sum(reduce_logsumexp(x, axes=(1,)) ** 2)

    assert "mul" in optimized(fgrad.grad(f), X)


def test_one_factor_at_most() -> None:
    assert optimized(lambda x, c: c * (softmax(x, axes=(1,)) * c), X, ROWS) == ["softmax", "mul"]


@pytest.mark.parametrize("factor", [np.inf, np.nan, 0.0, -0.0, 1.7e308, 5e-324])
def test_extreme_factors(factor: float) -> None:
    x = np.vstack([X * 1e-9, [-np.inf] * 12, [np.inf] * 12, [np.nan] * 12, np.linspace(-700, 700, 12)])
    with np.errstate(invalid="ignore"):
        expected = softmax(x, axes=(1,)) * factor
        found = fgrad.jit(lambda x, c: softmax(x, axes=(1,)) * c)(x, np.float64(factor))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_array_equal(np.signbit(found[:40]), np.signbit(expected[:40]))
