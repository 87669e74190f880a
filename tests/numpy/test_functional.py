"""Python functions of rows and elements: NumPy's values; derivatives; batching; only what is chosen is run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from tests.numpy.against_numpy import agree, check, gradients, online, rows, staged

X = np.random.default_rng(0).normal(size=(2, 3, 4))


@pytest.mark.parametrize("axis", [0, 1, -1, 3])
def test_along_an_axis(axis: int) -> None:
    for f in (np.sum, np.cumsum, lambda v: np.outer(v, v)):
        check(lambda x, f=f: fnp.apply_along_axis(f, axis, x), lambda x, f=f: np.apply_along_axis(f, axis, x), X)


def test_gradients_along_an_axis() -> None:
    gradients(lambda x: fnp.apply_along_axis(lambda v: np.sort(v) * v[0], 1, x), X)
    rows(lambda x: fnp.apply_along_axis(np.prod, 0, x), X[0])


@pytest.mark.parametrize("axes", [0, (0, 2), [1, -1]])
def test_over_axes(axes: Any) -> None:
    check(lambda x: fnp.apply_over_axes(np.sum, x, axes), lambda x: np.apply_over_axes(np.sum, x, axes), X)
    gradients(lambda x: fnp.apply_over_axes(np.prod, x, axes), X)


def pieces(module: Any) -> Any:
    return lambda x: module.piecewise(x, [x < 0, x >= 0.5], [lambda v: -(v**2), np.sqrt, 7.0])


def test_piecewise() -> None:
    check(pieces(fnp), pieces(np), X[0])
    for x in (X[0, 0], X[0], X[:1]):
        check(lambda x: fnp.piecewise(x, x > 0, [3]), lambda x: np.piecewise(x, x > 0, [3]), x)
    plus = [lambda v, a: v + a, lambda v, a: v - a]
    check(lambda x: fnp.piecewise(x, [x > 0], plus, 2.0), lambda x: np.piecewise(x, [x > 0], plus, 2.0), X[0])
    rows(pieces(fnp), X[0])


def test_only_the_chosen_piece_is_differentiated() -> None:
    x = np.array([-1.0, 0.0, 4.0])

    def f(x: Any) -> Any:
        return np.sum(np.piecewise(x, [x > 0], [np.sqrt, lambda v: v * 2.0]))

    for run in (fgrad.grad(f), fgrad.jit(fgrad.grad(f))):
        np.testing.assert_array_equal(run(x), [2.0, 2.0, 0.25])


def larger(x: Any, y: Any) -> Any:
    return max(y, x)


def test_vectorize() -> None:
    agree(np.vectorize(larger)(X[0], X[1]), fnp.vectorize(larger)(X[0], X[1]))

    def hyp(x: Any, y: Any) -> Any:
        assert np.ndim(x) == np.ndim(y) == 0
        return np.sqrt(x * x + y * y)

    for xs in ((X[0], X[1]), (X[0], X[0, :, :1]), (X, X[0, 0]), (X[0], np.array(2.0)), (X[:, :1, :1], X[0, :1, :1])):
        check(fnp.vectorize(hyp), np.vectorize(hyp), *xs)
    gradients(fnp.vectorize(hyp), X[0], X[0, :, :1])
    rows(fnp.vectorize(hyp), X[0], X[0, 0])


def test_vectorize_with_more() -> None:
    outs = fgrad.jit(fnp.vectorize(lambda x: (x, 2 * x)))(X)
    np.testing.assert_array_equal(outs[1], 2 * X)
    product = fnp.vectorize(np.matmul, signature="(m,n),(n)->(m)")
    check(product, np.vectorize(np.matmul, signature="(m,n),(n)->(m)"), X, X[0, 0])
    assert staged(fnp.vectorize(lambda x: x, otypes=[np.float32]), X).dtype == np.float32
    power = fnp.vectorize(lambda x, n=1: x**n, excluded={"n"})
    agree(X**3, online(lambda x: power(x, n=3), X))
    decorated = fnp.vectorize(signature="(n)->()")(np.sum)
    agree(X.sum(-1), staged(decorated, X))
    assert fnp.vectorize(larger).__name__ == "larger"
    assert fnp.vectorize(larger, doc="The larger one.").__doc__ == "The larger one."


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="1 conditions with 3 functions"):
        staged(lambda x: fnp.piecewise(x, [x > 0], [1, 2, 3]), X)
    with pytest.raises(ShapeError, match=r"condition of shape \(3, 4\) for an array of shape"):
        staged(lambda x: fnp.piecewise(x, [x[0] > 0], [1]), X)
    with pytest.raises(ShapeError, match="made an array of shape"):
        staged(lambda x: fnp.apply_over_axes(lambda v, axis: np.sum(v), x, 0), X)
    with pytest.raises(TypeError, match="is for 1 arrays, got 2"):
        staged(lambda x: fnp.vectorize(np.dot, signature="(n)->()")(x, x), X)
    with pytest.raises(ShapeError, match="needs at least 1 axes"):
        staged(fnp.vectorize(np.sum, signature="(n)->()"), np.array(1.0))
