"""Derivatives of samples, interpolation, unwrapped phases: NumPy's values, dtypes and errors; derivatives; batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from tests.numpy.against_numpy import check, gradients, rows, staged
from tests.numpy.test_reductions import elements

POINTS = np.array([-1.0, 0.5, 0.75, 2.0])
VALUES = np.array([3.0, -1.0, 2.0, 2.5])


@given(
    shape=st.sampled_from([(5,), (3, 4), (2, 3), (1, 3), ()]),
    dtype=st.sampled_from([np.float64, np.float32, np.complex128, np.int32]),
    axis=st.sampled_from([None, 0, -1, (0, 1), 5]),
    edge_order=st.sampled_from([1, 2, 3]),
    spacing=st.sampled_from(["none", "number", "points", "many"]),
)
def test_gradient(shape: Any, dtype: Any, axis: Any, edge_order: int, spacing: str) -> None:
    x = elements(shape, dtype, 0)
    if axis == (0, 1) or (axis is None and len(shape) != 1):
        got = {"none": (), "number": (0.5,), "points": (0.5, 2.0), "many": (0.5, 1.0, 2.0)}[spacing]
        many = len(shape) == 2 and spacing != "many" and min(shape) > edge_order and edge_order < 3

        def ours(x: Any) -> Any:
            out = fnp.gradient(x, *got, axis=axis, edge_order=edge_order)
            return fnp.stack(out) if many else out

        def numpys(x: Any) -> Any:
            out = np.gradient(x, *got, axis=axis, edge_order=edge_order)
            return np.stack(out) if many else out

        if shape:
            check(ours, numpys, x)
        return
    n = shape[axis or 0] if shape and axis != 5 else 3
    one = {"none": (), "number": (0.5,), "points": (np.arange(n) ** 1.5,), "many": (np.arange(n + 1.0),)}[spacing]
    check(
        lambda x: fnp.gradient(x, *one, axis=axis, edge_order=edge_order),
        lambda x: np.gradient(x, *one, axis=axis, edge_order=edge_order),
        x,
    )


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradients_of_gradient(edge_order: int) -> None:
    x, at = elements((4, 3), np.float64, 0), np.array([0.0, 0.5, 2.0, 2.5])
    gradients(lambda x, at, h: fnp.stack(fnp.gradient(x, at, h, edge_order=edge_order)), x, at, np.array(0.5))
    rows(lambda x, at: fnp.gradient(x, at, axis=0, edge_order=edge_order), x, at)


@pytest.mark.parametrize(
    "options",
    [{}, {"left": -7.0}, {"right": 1.0, "left": 2.0}, {"period": 1.5}, {"period": -2}],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_interp(options: Any, dtype: Any) -> None:
    x = np.concatenate([np.linspace(-3, 4, 29), POINTS]).astype(dtype)
    check(lambda x: fnp.interp(x, POINTS, VALUES, **options), lambda x: np.interp(x, POINTS, VALUES, **options), x)
    check(lambda f: fnp.interp(x, POINTS, f, **options), lambda f: np.interp(x, POINTS, f, **options), VALUES * 1j + 1)
    check(lambda p: fnp.interp(x, p, VALUES, **options), lambda p: np.interp(x, p, VALUES, **options), POINTS)


def test_interp_in_special_places() -> None:
    x = np.array([np.nan, -np.inf, np.inf, 0.5])
    check(fnp.interp, np.interp, x, POINTS, VALUES)
    check(fnp.interp, np.interp, x, POINTS[:1], VALUES[:1])
    assert np.isfinite(fgrad.grad(lambda x: fnp.interp(x, POINTS, VALUES))(np.inf))
    doubled = np.array([0.0, 1.0, 1.0, 2.0])
    assert np.isfinite(fgrad.jacrev(lambda p: fnp.interp(np.array([0.5, 1.0, 1.5]), p, VALUES))(doubled)).all()


def test_gradients_of_interp() -> None:
    x = np.array([[-2.0, 0.1, 0.6], [1.0, 1.9, 3.0]])
    gradients(fnp.interp, x, POINTS, VALUES)
    gradients(lambda x, p, f: fnp.interp(x, p, f, period=1.7), x, POINTS, VALUES)
    rows(fnp.interp, x, POINTS, VALUES)


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"discont": 4.0}, {"period": 2.0}, {"period": 4}, {"period": 5}])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_unwrap(options: Any, dtype: Any) -> None:
    x = (np.random.default_rng(0).normal(size=(5, 6)) * 8).astype(dtype)
    check(lambda x: fnp.unwrap(x, **options), lambda x: np.unwrap(x, **options), x)


def test_gradients_of_unwrap() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5)) * 8
    gradients(fnp.unwrap, x)
    rows(fnp.unwrap, x)


def test_plain_numpy() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.gradient(x) ** 2) + np.sum(np.interp(x, POINTS, VALUES) * np.unwrap(x))

    gradients(f, np.random.default_rng(0).normal(size=6) * 4)


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="`edge_order` is 3"):
        staged(lambda x: fnp.gradient(x, edge_order=3), np.ones(4))
    with pytest.raises(ShapeError, match="at least 2 elements"):
        staged(fnp.gradient, np.ones(1))
    with pytest.raises(ShapeError, match="spacings of shape"):
        staged(lambda x: fnp.gradient(x, np.ones(3)), np.ones(4))
    with pytest.raises(TypeError, match="as many spacings"):
        staged(lambda x: fnp.gradient(x, 1.0, 2.0), np.ones(4))
    with pytest.raises(ShapeError, match="interp through points"):
        staged(lambda x: fnp.interp(x, np.ones(3), np.ones(2)), np.ones(4))
    with pytest.raises(ArgumentError, match="`period` is 0"):
        staged(lambda x: fnp.interp(x, np.ones(2), np.ones(2), period=0), np.ones(4))
