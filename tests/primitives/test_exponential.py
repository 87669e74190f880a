"""Exponentials of large arrays, which are computed in steps of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax
from fgrad.primitives.exponential import logaddexp, logistic

INF = np.inf
HARD = [0.0, -0.0, 1e-300, -1e-300, 1.0, -1.0, 40.0, -40.0, 700.0, -700.0, INF, -INF, np.nan]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.bool_])
@pytest.mark.parametrize("other", [0.0, 2, -INF, np.array(0.5, np.float32), None])
def test_logaddexp_of_many_elements(dtype: Any, other: Any) -> None:
    with np.errstate(all="ignore"):
        x = np.repeat(np.array(HARD), 60).astype(dtype)
    y = x[::-1].copy() if other is None else other
    with np.errstate(all="ignore"):
        expected = np.logaddexp(x, y)
        results = logaddexp(x, y), fgrad.jit(logaddexp)(x, y), fgrad.jit(logaddexp)(y, x)
    for found in results:
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(found.dtype).eps, atol=np.finfo(found.dtype).tiny)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [5, 2000])
def test_logistic(dtype: Any, size: int) -> None:
    edge = -np.log(np.finfo(dtype).tiny)
    x = np.linspace(-edge, edge, size).astype(dtype)
    expected = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    for found in (logistic(x), fgrad.jit(lambda x: logistic(x + 0))(x)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected.astype(dtype), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(logistic(np.array([-INF, -1e9, INF, np.nan], dtype)), [0, 0, 1, np.nan])


@pytest.mark.parametrize("number", [0.0, 1, -3.5])
def test_a_finite_number_needs_no_care_for_infinities(number: float) -> None:
    slope = fgrad.grad(lambda x: fnp.sum(fnp.logaddexp(x, number) + fnp.logaddexp(number, x)))
    assert not {"is_inf", "select"} & {eqn.primitive.name for eqn in fgrad.make_jaxpr(slope)(np.ones(3)).eqns}
    x = np.array([*HARD[:-1]])
    np.testing.assert_allclose(slope(x), 2 * lax.logistic(x - number), rtol=1e-14)


def test_two_infinities_share_the_weight() -> None:
    x = np.array([INF])
    grads = fgrad.grad(lambda x, y: fnp.max(fnp.logaddexp(x, y)), argnums=(0, 1))(x, x)
    np.testing.assert_array_equal(grads, [[0.5]] * 2)
