"""Reductions over windows: their values by the definition, ties, and what their derivatives cost."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ShapeError
from fgrad.primitives import window_kernels
from fgrad.primitives.window_kernels import identity_of, reduced
from fgrad.primitives.windows import (
    average_window_ties,
    reduce_window_max,
    reduce_window_min,
    reduce_window_sum,
    spread_window_ties,
    window_counts,
)
from tests.primitives.convolutions import count, seen
from tests.primitives.rules import check_rules

ONE, PAIR = (1, 1, 0, 0, 1, 1), (2, 2, 0, 0, 1, 1)
EXTREMA = {reduce_window_max: max, reduce_window_min: min}


def windows_of(x: Any, windows: Any) -> tuple[tuple[int, ...], dict[tuple[int, ...], list[tuple[int, ...]]]]:
    """The shape of the result, and which elements each window has."""
    steps = [window[1:] for window in windows]
    counts = tuple(count(n, window[0], step) for n, window, step in zip(x.shape, windows, steps, strict=True))
    taps = list(itertools.product(*[range(window[0]) for window in windows]))
    found = {}
    for place in itertools.product(*map(range, counts)):
        elements = [seen(place, tap, x.shape, steps) for tap in taps]
        found[place] = [element for element in elements if element is not None]
    return counts, found


def naive(x: Any, windows: Any, combine: Callable[[list[Any]], Any]) -> Any:
    counts, found = windows_of(x, windows)
    out = np.zeros(counts, x.dtype)
    for place, elements in found.items():
        out[place] = combine([x[element] for element in elements])
    return out


@st.composite
def cases(draw: Any, most: int = 3, longest: int = 12) -> tuple[Any, Any]:
    rank = draw(st.integers(0, most))
    shape = [draw(st.integers(0, longest if rank == 1 else 5)) for _ in range(rank)]
    small, pad = st.integers(1, 3), st.integers(-2, 3)
    window = st.tuples(st.integers(1, 10 if rank == 1 else 3), small, pad, pad, small, small)
    windows = tuple(draw(st.one_of(st.just(ONE), window)) for _ in range(rank))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-2, 3, shape).astype(draw(st.sampled_from([np.float64, np.float32, np.int8])))
    return (np.asarray(x, order="F") if draw(st.booleans()) else x), windows


@given(cases(), st.sampled_from([1, 2**20]))
@settings(max_examples=120)
def test_values_are_the_definition(case: tuple[Any, Any], block: int) -> None:
    x, windows = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_kernels, "_BLOCK", block)
        np.testing.assert_array_equal(reduce_window_sum(x, windows=windows), naive(x, windows, sum))
        for primitive, extremum in EXTREMA.items():
            empty = identity_of(primitive.ufunc, x.dtype)
            expected = naive(x, windows, lambda some, e=extremum, z=empty: e(some, default=z))
            out = primitive(x, windows=windows)
            np.testing.assert_array_equal(out, expected)
            assert np.asarray(out).dtype == x.dtype


@given(cases(), st.sampled_from([1, 2**20]))
@settings(max_examples=80)
def test_ties_share_evenly(case: tuple[Any, Any], block: int) -> None:
    """Along both axes at once, although windows are reduced along one after the other."""
    x, windows = case
    counts, found = windows_of(x, windows)
    ct = np.random.default_rng(0).normal(size=counts)
    spread, average = np.zeros(x.shape), np.zeros(counts)
    for place, elements in found.items():
        ties = [e for e in elements if x[e] == max(x[e] for e in elements)]
        for element in ties:
            spread[element] += ct[place] / len(ties)
        average[place] = np.mean([element[-1] if element else 1.0 for element in ties]) if ties else 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_kernels, "_BLOCK", block)
        params = {"windows": windows, "largest": True}
        np.testing.assert_allclose(spread_window_ties(ct, x, **params), spread, atol=1e-12)
        t = np.broadcast_to(np.arange(x.shape[-1], dtype=float) if x.ndim else 1.0, x.shape)
        np.testing.assert_allclose(average_window_ties(t, x, **params), average, atol=1e-12)


@given(cases(most=2, longest=5))
@settings(max_examples=15)
def test_rules_hold(case: tuple[Any, Any]) -> None:
    x, windows = case
    if 0 in x.shape or 0 in window_counts(x.shape, windows):
        return
    apart = np.random.default_rng(1).permutation(x.size).reshape(x.shape) / 4
    if all(found for found in windows_of(x, windows)[1].values()):
        for primitive in (reduce_window_sum, reduce_window_max, reduce_window_min):
            check_rules(primitive, [apart], {"windows": windows})


@pytest.mark.parametrize(("size", "stride"), [(8, 1), (9, 1), (13, 1), (16, 1), (17, 2), (31, 3), (40, 1), (64, 5)])
@pytest.mark.parametrize("low", [0, -2, 3, 99])
def test_long_windows(size: int, stride: int, low: int) -> None:
    x = np.random.default_rng(size).integers(-99, 99, (2, 64)).astype(float)
    windows = (ONE, (size, stride, low, 1, 1, 1))
    np.testing.assert_array_equal(reduce_window_sum(x, windows=windows), naive(x, windows, sum))
    np.testing.assert_array_equal(
        reduce_window_max(x, windows=windows), naive(x, windows, lambda some: max(some, default=-np.inf))
    )


def test_a_cumulative_sum_as_a_window() -> None:
    n = 3000
    x = np.random.default_rng(0).integers(-9, 10, n).astype(float)
    windows = ((n, 1, n - 1, 0, 1, 1),)
    out, pull = fgrad.vjp(lambda x: reduce_window_sum(x, windows=windows), x)
    np.testing.assert_array_equal(out, np.cumsum(x))
    np.testing.assert_array_equal(pull(x)[0], np.cumsum(x[::-1])[::-1])
    np.testing.assert_array_equal(reduce_window_max(x, windows=windows), np.maximum.accumulate(x))


def test_long_windows_take_few_steps() -> None:
    calls = []

    class Counted:
        identity = 0

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            calls.append(args)
            return np.add(*args, **kwargs)

    x = np.arange(5000.0)
    out = window_kernels._doubled(x, Counted(), 0, 1000, 2)
    np.testing.assert_array_equal(out, np.convolve(x, np.repeat([1.0, 0.0], [1, 1]).tolist() * 1000, "full")[1998:5000])
    assert len(calls) < 20


def test_nan_goes_through_and_takes_the_gradient() -> None:
    x = np.array([1.0, np.nan, 3.0, 2.0])
    out, pull = fgrad.vjp(lambda x: reduce_window_max(x, windows=(PAIR,)), x)
    np.testing.assert_array_equal(out, [np.nan, 3.0])
    np.testing.assert_array_equal(pull(np.array([5.0, 7.0]))[0], [0.0, 5.0, 7.0, 0.0])


def test_an_infinite_cotangent_stays_where_it_belongs() -> None:
    x = np.array([1.0, 2.0, 3.0, 3.0])
    pull = fgrad.vjp(lambda x: reduce_window_max(x, windows=(PAIR,)), x)[1]
    np.testing.assert_array_equal(pull(np.array([np.inf, 4.0]))[0], [0.0, np.inf, 2.0, 2.0])


def test_a_window_without_elements_has_no_derivative() -> None:
    windows = ((2, 1, 3, 0, 1, 1),)
    x = np.array([1.0, 2.0])
    out, pull = fgrad.vjp(lambda x: reduce_window_max(x, windows=windows), x)
    np.testing.assert_array_equal(out, [-np.inf, -np.inf, 1.0, 2.0])
    np.testing.assert_array_equal(pull(np.array([np.inf, 9.0, 5.0, 7.0]))[0], [5.0, 7.0])


def test_ties_are_those_of_the_whole_reduction() -> None:
    x = np.array([[2.0, 1.0, 2.0], [2.0, 0.0, 1.0]])
    whole = fgrad.grad(fgrad.numpy.max)(x)
    windows = ((2, 1, 0, 0, 1, 1), (3, 1, 0, 0, 1, 1))
    window = fgrad.grad(lambda x: fgrad.numpy.sum(reduce_window_max(x, windows=windows)))(x)
    np.testing.assert_allclose(window, whole)
    np.testing.assert_allclose(window, (x == 2) / 3)


def test_many_ties() -> None:
    x = np.zeros((20, 20))
    windows = ((20, 1, 0, 0, 1, 1),) * 2
    gradient = fgrad.grad(lambda x: fgrad.numpy.sum(reduce_window_max(x, windows=windows)))(x)
    np.testing.assert_allclose(gradient, np.full((20, 20), 1 / 400), rtol=1e-12)


def test_gradient_of_a_sum_is_a_sum() -> None:
    jaxpr = fgrad.make_jaxpr(fgrad.grad(lambda x: np.sum(reduce_window_sum(x, windows=(PAIR, PAIR)))))(np.ones((4, 6)))
    assert [eqn.primitive.name for eqn in jaxpr.eqns].count("reduce_window_sum") == 2


def test_results_do_not_alias() -> None:
    x = np.ones((2, 3))
    for primitive in (reduce_window_sum, reduce_window_max):
        assert not np.shares_memory(primitive(x, windows=(ONE, ONE)), x)
        assert not np.shares_memory(primitive(x, windows=(ONE, (1, 2, 0, 0, 1, 1))), x)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, np.bool_])
def test_identities(dtype: Any) -> None:
    some = np.array([0, 1], dtype)
    for ufunc in (np.add, np.maximum, np.minimum):
        identity = identity_of(ufunc, np.dtype(dtype))
        np.testing.assert_array_equal(ufunc(some, identity), some)
        assert identity.dtype == dtype
    assert reduced(some, np.maximum, ((1, 1, 1, 0, 1, 1),), (3,)).dtype == dtype


def test_refused() -> None:
    x = np.ones((2, 3))
    with pytest.raises(ShapeError, match="each axis has one, of positive size"):
        fgrad.eval_shape(lambda x: reduce_window_sum(x, windows=(ONE,)), x)
    with pytest.raises(ShapeError, match="each axis has one, of positive size"):
        fgrad.eval_shape(lambda x: reduce_window_sum(x, windows=(ONE, (0, 1, 0, 0, 1, 1))), x)
    params = {"windows": (ONE, PAIR), "largest": True}
    with pytest.raises(ShapeError, match=r"`average_window_ties` takes values of shape \(2, 3\), got f64\[2\]"):
        fgrad.eval_shape(lambda t, x: average_window_ties(t, x, **params), np.ones(2), x)
    with pytest.raises(ShapeError, match=r"`spread_window_ties` takes values of shape \(2, 1\), got f64\[2\]"):
        fgrad.eval_shape(lambda t, x: spread_window_ties(t, x, **params), np.ones(2), x)
