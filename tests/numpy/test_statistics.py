"""Covariances, counts, histograms: NumPy's values, dtypes and errors; derivatives; batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ConcretizationTypeError, ShapeError
from tests.numpy.against_numpy import agree, check, gradients, online, rows, staged
from tests.numpy.test_reductions import elements

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=12) * 3, RNG.uniform(0.5, 2, 12)


@given(
    shape=st.sampled_from([(5,), (3, 4), (4, 1), (2, 3, 4)]),
    dtype=st.sampled_from([np.float64, np.float32, np.complex128, np.int32]),
    options=st.sampled_from([{}, {"bias": True}, {"ddof": 2}, {"rowvar": False}, {"dtype": np.float32}, {"ddof": 0.5}]),
)
def test_cov(shape: Any, dtype: Any, options: Any) -> None:
    if dtype is np.complex128 and "dtype" in options:
        return
    check(fnp.cov, np.cov, elements(shape, dtype, 0), **options)


def test_weighted_cov() -> None:
    x, y, a, f = RNG.normal(size=(2, 5)), RNG.normal(size=5), RNG.uniform(1, 2, 5), np.array([1, 2, 1, 3, 1])
    for options in ({}, {"ddof": 0}, {"bias": True}):
        for weights in ({"aweights": a}, {"fweights": f}, {"aweights": a, "fweights": f}):
            check(fnp.cov, np.cov, x, y, **weights, **options)
    gradients(lambda x, a: fnp.cov(x, aweights=a), x, a)
    gradients(fnp.cov, x, y)
    rows(fnp.cov, x, y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("shape", [(5,), (3, 4)])
def test_corrcoef(shape: Any, dtype: Any) -> None:
    x = RNG.normal(size=shape)
    check(fnp.corrcoef, np.corrcoef, (x + 1j * RNG.normal(size=shape) if dtype is np.complex128 else x).astype(dtype))
    check(fnp.corrcoef, np.corrcoef, RNG.normal(size=5), RNG.normal(size=5))


def test_gradients_of_corrcoef() -> None:
    gradients(lambda x: fnp.corrcoef(x)[0], RNG.normal(size=(3, 5)))


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 3.0, 4.0])])
@pytest.mark.parametrize("minlength", [0, 7])
def test_bincount(weights: Any, minlength: int) -> None:
    x = np.array([0, 3, 3, 1])
    expected = np.bincount(x, weights, minlength)
    agree(expected, staged(lambda x: fnp.bincount(x, weights, length=len(expected)), x))
    agree(expected[:2], staged(lambda x: fnp.bincount(x, weights, length=2), x))
    agree(expected, fnp.bincount(x, weights, minlength))
    if weights is not None:
        gradients(lambda w: fnp.bincount(x, w, minlength), weights)
        rows(lambda w: fnp.bincount(x, w, minlength), weights)
        agree(expected, online(lambda w: fnp.bincount(x, w, minlength), weights))


def test_many_counts() -> None:
    x = np.array([[0, 2, 2], [1, 1, 5]])
    np.testing.assert_array_equal(fgrad.vmap(lambda x: fnp.bincount(x, length=3))(x), [[1, 0, 2], [0, 2, 0]])


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("bins", [np.array([0.0, 1.0, 1.0, 2.5]), np.array([2.0, 1.0, -1.0]), np.array([0.5])])
def test_digitize(right: bool, bins: Any) -> None:
    x = np.array([[-1.0, 0.0, 0.5], [1.0, 2.5, np.inf]])
    check(lambda x: fnp.digitize(x, bins, right), lambda x: np.digitize(x, bins, right), x)
    check(lambda x, b: fnp.digitize(x, b, right), lambda x, b: np.digitize(x, b, right), x, bins)
    rows(lambda x: fnp.digitize(x, bins, right), x)


FORMS: list[dict[str, Any]] = [
    {},
    {"bins": 3},
    {"bins": np.array([-2.0, 0.0, 0.5, 4.0])},
    {"range": (-1, 2.5), "bins": 4},
    {"density": True},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("weighted", [False, True])
def test_histogram(form: Any, dtype: Any, weighted: bool) -> None:
    x = X.astype(dtype)
    weights = {"weights": W} if weighted else {}
    for k in (0, 1):

        def of(module: Any, k: int = k) -> Any:
            return lambda x: module.histogram(x, **form, **weights)[k]

        check(of(fnp), of(np), x)
    check(lambda w: fnp.histogram(x, **form, weights=w)[0], lambda w: np.histogram(x, **form, weights=w)[0], W)


def test_histograms_of_constants_and_names() -> None:
    same = np.full(4, 2.0)
    check(lambda x: fnp.histogram(x)[1], lambda x: np.histogram(x)[1], same)
    agree(np.histogram(X, "sturges")[0], online(lambda x: fnp.histogram(x, "sturges")[0], X))
    gradients(lambda w: fnp.histogram(X, 4, density=True, weights=w)[0], W)
    gradients(lambda x: fnp.histogram_bin_edges(x, 4), X)


@pytest.mark.parametrize(
    "form", [{}, {"bins": (2, 3)}, {"density": True}, {"range": ((-1, 1), (0, 3)), "bins": 3}], ids=str
)
def test_histograms_of_several_axes(form: Any) -> None:
    x, y = X, X[::-1] * 0.5
    check(lambda x, y: fnp.histogram2d(x, y, **form)[0], lambda x, y: np.histogram2d(x, y, **form)[0], x, y)
    check(lambda x, y: fnp.histogram2d(x, y, **form)[2], lambda x, y: np.histogram2d(x, y, **form)[2], x, y)
    z = np.stack([x, y], 1)
    check(lambda z: fnp.histogramdd(z, **form)[0], lambda z: np.histogramdd(z, **form)[0], z)
    gradients(lambda w: fnp.histogramdd(z, **form, weights=w)[0], W)


def test_refusals() -> None:
    with pytest.raises(ConcretizationTypeError, match=r"bincount\(x, length=n\)"):
        staged(fnp.bincount, np.array([1, 2]))
    with pytest.raises(ConcretizationTypeError, match="Give the number of bins"):
        staged(lambda x: fnp.histogram(x, "auto")[0], X)
    with pytest.raises(TypeError, match="row of whole numbers"):
        staged(lambda x: fnp.bincount(x, length=3), X)
    with pytest.raises(ArgumentError, match="counts from 0 on"):
        online(lambda w: fnp.bincount(np.array([-1]), w), np.ones(1))
    with pytest.raises(ShapeError, match="have weights of shape"):
        staged(lambda w: fnp.bincount(np.array([1]), w), np.ones(2))
    with pytest.raises(ShapeError, match="two axes at most"):
        staged(fnp.cov, np.ones((2, 2, 2)))
    with pytest.raises(ShapeError, match="for 3 observations"):
        staged(lambda x: fnp.cov(x, aweights=np.ones(2)), np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="neither ascends nor descends"):
        staged(lambda x: fnp.digitize(x, np.array([0, 2, 1])), X)
    with pytest.raises(ArgumentError, match="must be positive"):
        staged(lambda x: fnp.histogram(x, 0)[0], X)
    with pytest.raises(ArgumentError, match="greater limit comes second"):
        staged(lambda x: fnp.histogram(x, range=(2, 1))[0], X)
    with pytest.raises(ArgumentError, match="weights of shape"):
        staged(lambda x: fnp.histogram(x, weights=np.ones(2))[0], X)
    with pytest.raises(ArgumentError, match="2 bins, 1 ranges for 1 axes"):
        staged(lambda x: fnp.histogramdd(x, (2, 3))[0], X)
