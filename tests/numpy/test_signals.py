"""Convolutions, windows: NumPy's values, dtypes and errors; derivatives; batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from tests.numpy.against_numpy import check, gradients, rows, staged
from tests.numpy.test_reductions import elements

DTYPES = [np.float64, np.float32, np.complex128, np.int32, bool]


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@given(
    n=st.integers(0, 7),
    m=st.integers(0, 7),
    left=st.sampled_from(DTYPES),
    right=st.sampled_from(DTYPES),
    mode=st.sampled_from(["full", "same", "valid"]),
)
def test_values(name: str, n: int, m: int, left: Any, right: Any, mode: str) -> None:
    a, v = elements((n,), left, 0), elements((m,), right, 1)
    check(getattr(fnp, name), getattr(np, name), a, v, mode=mode)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_gradients(name: str, mode: str) -> None:
    a, v = elements((5,), np.float64, 0), elements((3,), np.float64, 1)
    gradients(lambda a, v: getattr(fnp, name)(a, v, mode), a, v)
    gradients(lambda a, v: getattr(np, name)(v, a, mode), a, v)
    rows(lambda a, v: getattr(fnp, name)(a, v, mode), a, v)


def test_bessel_and_kaiser() -> None:
    pytest.importorskip("scipy")
    x = np.array([-3.0, 0.0, 0.5, 8.0])
    check(fnp.i0, np.i0, x)
    gradients(fnp.i0, x)
    check(lambda b: fnp.kaiser(5, b), lambda b: np.kaiser(5, b), np.array(3.0))
    check(lambda b: fnp.kaiser(1, b), lambda b: np.kaiser(1, b), np.array(3.0))
    gradients(lambda b: fnp.kaiser(5, b), np.array(3.0))


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="`mode` is 'all'"):
        staged(lambda x: fnp.convolve(x, x, "all"), np.ones(3))
    with pytest.raises(ShapeError, match=r"argument 1 has the shape \(2, 2\)"):
        staged(lambda x: fnp.correlate(x, np.ones((2, 2))), np.ones(3))
    with pytest.raises(TypeError, match="i0 takes real numbers"):
        staged(fnp.i0, np.ones(3) * 1j)
