"""Medians, quantiles, percentiles: NumPy's values and dtypes, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError
from fgrad.numpy import quantiles
from fgrad.numpy.quantiles import median, percentile, quantile
from tests.numpy.against_numpy import agree, check, gradients, rows, staged
from tests.numpy.test_reductions import Case, cases

METHODS = [*quantiles._CONTINUOUS, *quantiles._DISCRETE]
PLAIN = [np.float64, np.float32, np.int64]


@st.composite
def filled(draw: Any, missing: bool = False) -> Case:
    """An array with elements along the reduced axes."""
    return draw(
        cases(PLAIN, missing=missing).filter(lambda case: case.x.size and (case.x.ndim or case.options["axis"] is None))
    )  # type: ignore[no-any-return]


@given(case=filled(), missing=st.booleans())
def test_median(case: Case, missing: bool) -> None:
    if missing and case.x.dtype.kind == "f" and case.x.ndim:
        case.x.flat[0] = np.nan
    check(median, np.median, case.x, **case.options)


shares = (
    st.floats(0, 1) | st.lists(st.floats(0, 1), max_size=3).map(np.array) | st.just(np.array([[0.0, 0.5], [0.25, 1.0]]))
)


@given(case=filled(), q=shares, method=st.sampled_from(METHODS), missing=st.booleans())
def test_quantile(case: Case, q: Any, method: str, missing: bool) -> None:
    if missing and case.x.dtype.kind == "f" and case.x.ndim:
        case.x.flat[0] = np.nan
    check(quantile, np.quantile, case.x, q=q, method=method, **case.options)


@pytest.mark.parametrize("q", [0, 30, 62.5, [0, 50, 100]])
@pytest.mark.parametrize("dtype", PLAIN)
def test_percentile(q: Any, dtype: Any) -> None:
    check(percentile, np.percentile, np.array([[3, 1, 2], [5, 9, 4]], dtype), q=q, axis=1)


@pytest.mark.parametrize("x", [[-np.inf, 1.0, np.inf], [np.inf, np.inf], [-np.inf, -np.inf, 2.0]])
@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 1.0])
def test_infinities(x: list[float], q: float) -> None:
    position = q * (len(x) - 1)
    if position.is_integer():
        assert staged(lambda v: quantile(v, q), np.array(x)) == np.sort(x)[int(position)]
    elif x == [np.inf, np.inf]:
        assert staged(lambda v: quantile(v, q), np.array(x)) == np.inf


def test_gradients() -> None:
    x = np.random.default_rng(0).permutation(np.linspace(-1, 2, 12)).reshape(3, 4)
    gradients(lambda v: median(v, 1), x)
    gradients(lambda v: quantile(v, np.array([0.2, 0.7]), 1), x)
    gradients(quantile, x, np.array([0.21, 0.77]))
    assert fgrad.grad(lambda q: quantile(np.array([1.0, 2.0, 4.0]), q))(0.6) == 4.0


def test_rows() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    rows(median, x)
    rows(lambda v: quantile(v, np.array([0.2, 0.7]), 1), x)
    rows(lambda v, q: quantile(v, q / 2), x, np.array([0.1, 0.2]))


def test_traced_shares_of_concrete_numbers() -> None:
    agree(np.quantile([1.0, 5.0], [0.25]), staged(lambda q: quantile([1.0, 5.0], q), np.array([0.25])))


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="from 0 to 1"):
        staged(lambda x: quantile(x, 1.5), np.ones(3))
    with pytest.raises(ArgumentError, match="`method` is 'best'"):
        staged(lambda x: quantile(x, 0.5, method="best"), np.ones(3))
    for f in (median, lambda x: quantile(x, 0.5)):
        with pytest.raises(ArgumentError, match="of no elements"):
            staged(f, np.ones((2, 0)))


HOLES = np.array([[1.0, np.nan, 2.0, 4.0], [np.nan] * 4, [3.0, -1.0, 0.5, 2.0], [np.nan, np.nan, np.nan, 7.0]])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), 3])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_without_nans(axis: Any, keepdims: bool, dtype: Any) -> None:
    x = HOLES.astype(dtype) if dtype is not np.int64 else np.arange(16).reshape(4, 4)
    check(quantiles.nanmedian, np.nanmedian, x, axis=axis, keepdims=keepdims)
    for q in (0.3, np.array([0.0, 0.4, 1.0])):
        for method in ("linear", "lower", "nearest", "midpoint", "hazen"):
            check(quantiles.nanquantile, np.nanquantile, x, q=q, axis=axis, keepdims=keepdims, method=method)
    check(quantiles.nanpercentile, np.nanpercentile, x, q=30, axis=axis, keepdims=keepdims)


def test_gradients_without_nans() -> None:
    found = fgrad.grad(lambda x: fgrad.numpy.nansum(quantiles.nanmedian(x, 1)))(HOLES)
    expected = np.zeros((4, 4))
    expected[0, 2] = expected[3, 3] = 1
    expected[2, 2:] = 0.5
    np.testing.assert_array_equal(found, expected)
    rows(lambda x: quantiles.nanquantile(x, 0.3, 0), HOLES[[0, 2, 3]])
    rows(lambda x: quantiles.nanmedian(x, 1), HOLES[[0, 2, 3]])


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("q", [0.4, np.array([0.0, 0.3, 1.0])])
def test_weights(name: str, q: Any) -> None:
    x = np.array([[3.0, 1.0, 2.0, 5.0], [0.5, 4.0, 2.5, 1.0]])
    w = np.array([0.0, 2.0, 1.0, 0.5])
    options = {"axis": 1, "weights": w, "method": "inverted_cdf"}
    if name == "nanquantile":
        x[0, 3] = np.nan
    ours, numpys = getattr(fnp, name), getattr(np, name)
    wanted = numpys(x, q, **{**options, "weights": np.stack([w, w])})  # NumPy's nanquantile wants them for every row
    np.testing.assert_array_equal(fgrad.jit(lambda x: ours(x, q, **options))(x), wanted)
    np.testing.assert_array_equal(fgrad.vmap(lambda x: ours(x, q, **{**options, "axis": 0}), out_axes=-1)(x), wanted)
    full = {"weights": np.stack([w, w[::-1]]), "method": "inverted_cdf"}
    np.testing.assert_array_equal(
        fgrad.jit(lambda x, w: ours(x, q, **{**full, "weights": w}))(x, full["weights"]), numpys(x, q, **full)
    )
    gradient = fgrad.grad(lambda x, w: ours(x, q, axis=1, weights=w, method="inverted_cdf").sum(), (0, 1))(x, w)
    assert gradient[0].sum() == np.size(wanted)
    assert not gradient[1].any()


def test_weights_are_refused() -> None:
    x = np.array([3.0, 1.0])
    with pytest.raises(ValueError, match="`method` is 'linear', which takes no weights"):
        fgrad.jit(lambda x: fnp.quantile(x, 0.5, weights=np.ones(2)))(x)
    with pytest.raises(ValueError, match="the weights of a quantile must not be negative"):
        fgrad.jit(lambda x: fnp.percentile(x, 50, weights=-np.ones(2), method="inverted_cdf"))(x)
