"""Cumulative sums and products, differences, the trapezoidal rule: NumPy's values and dtypes, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError
from fgrad.numpy import cumulative
from tests.numpy.against_numpy import agree, check, gradients, rows, staged
from tests.numpy.test_reductions import DTYPES, elements, shapes


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
@given(shape=shapes, dtype=st.sampled_from(DTYPES), axis=st.none() | st.integers(-3, 2), wide=st.booleans())
def test_cumulative(name: str, shape: Any, dtype: Any, axis: Any, wide: bool) -> None:
    x = elements(shape, dtype, 0, missing=name.startswith("nan"))
    options = {"dtype": np.complex128} if wide else {}
    check(getattr(cumulative, name), getattr(np, name), x, axis=axis, **options)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_newer_functions_on_any_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are there also where NumPy does not have them yet."""
    monkeypatch.delattr(np, name, raising=False)
    found = getattr(cumulative, name)([1, 2, 3], include_initial=True)
    np.testing.assert_array_equal(found, [0, 1, 3, 6] if name == "cumulative_sum" else [1, 1, 2, 6])


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy 2.1 has them first")
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@given(shape=shapes, dtype=st.sampled_from(DTYPES), axis=st.none() | st.integers(-3, 2), initial=st.booleans())
def test_standard_forms(name: str, shape: Any, dtype: Any, axis: Any, initial: bool) -> None:
    if not shape:
        return
    options = {"axis": axis, "include_initial": initial}
    check(getattr(cumulative, name), getattr(np, name), elements(shape, dtype, 0), **options)


@given(
    shape=shapes,
    dtype=st.sampled_from([np.float64, np.float32, np.int8, bool]),
    axis=st.integers(-3, 2),
    n=st.integers(0, 3),
    ends=st.lists(st.sampled_from(["prepend", "append"]), unique=True),
    number=st.booleans(),
)
def test_diff(shape: Any, dtype: Any, axis: int, n: int, ends: list[str], number: bool) -> None:
    x = elements(shape, dtype, 0)
    piece = np.asarray(1.5) if number else elements(shape, np.float64, 1)
    check(cumulative.diff, np.diff, x, n=n, axis=axis, **dict.fromkeys(ends, piece))


@given(shape=shapes, begin=st.sampled_from([None, 1.0, [1.0, 2.0]]), end=st.sampled_from([None, 3, [[4.0]]]))
def test_ediff1d(shape: Any, begin: Any, end: Any) -> None:
    check(cumulative.ediff1d, np.ediff1d, elements(shape, np.float64, 0), to_begin=begin, to_end=end)


@given(shape=shapes, dtype=st.sampled_from([np.float64, np.float32, np.int64]), axis=st.integers(-3, 2))
@pytest.mark.parametrize("points", ["none", "row", "whole"])
def test_trapezoid(shape: Any, dtype: Any, axis: int, points: str) -> None:
    y = elements(shape, dtype, 0)
    if not -len(shape) <= axis < len(shape):
        with pytest.raises(np.exceptions.AxisError):
            staged(lambda y: cumulative.trapezoid(y, axis=axis), y)
        return
    x = None if points == "none" else np.cumsum(elements(shape, np.float64, 1) ** 2, axis)
    if points == "row" and x is not None:
        x = np.linspace(0, 2, shape[axis]) ** 2
    check(lambda y: cumulative.trapezoid(y, x, 0.5, axis), lambda y: np.trapezoid(y, x, 0.5, axis), y)


def test_gradients() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    gradients(lambda v: cumulative.cumsum(v, 1), x)
    gradients(cumulative.cumprod, x)
    gradients(lambda v: cumulative.cumulative_prod(v, axis=0, include_initial=True), x)
    gradients(lambda v: cumulative.diff(v, 2, 1), x)
    gradients(lambda v, w: cumulative.diff(v, prepend=w), x, np.ones((3, 1)))
    gradients(lambda y, x: cumulative.trapezoid(y, x, axis=0), x, np.cumsum(x**2, 0))


def test_rows() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    for f in (cumulative.cumsum, cumulative.cumprod, cumulative.nancumsum, cumulative.diff, cumulative.ediff1d):
        rows(f, x)
    rows(cumulative.trapezoid, x, np.arange(4.0))


def test_cumprod_at_zeros() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    expected = [[1, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 6, 0, 0, 0], [0] * 5, [0] * 5]
    np.testing.assert_array_equal(fgrad.jacfwd(cumulative.cumprod)(x), expected)


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="needs an `axis`"):
        staged(cumulative.cumulative_sum, np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="does not take `out`"):
        staged(lambda x: cumulative.cumsum(x, out=np.ones(3)), np.ones(3))
    with pytest.raises(ArgumentError, match="order -1"):
        staged(lambda x: cumulative.diff(x, -1), np.ones(3))


def test_traced_ends_and_spacing() -> None:
    agree(np.diff([1.0, 4.0], prepend=0.5), staged(lambda p: cumulative.diff([1.0, 4.0], prepend=p), np.float64(0.5)))
    agree(np.trapezoid([1.0, 4.0], dx=0.5), staged(lambda d: cumulative.trapezoid([1.0, 4.0], dx=d), np.float64(0.5)))
