"""Log-sum-exp and softmax: their rules, and their values and derivatives at infinities."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.core import ShapedArray
from fgrad.errors import ShapeError
from fgrad.primitives.shape import reduce_sum
from fgrad.primitives.softmax import reduce_logsumexp, softmax
from fgrad.transforms.stage import trace
from tests.primitives.rules import check_rules
from tests.primitives.test_reductions import reduced

INF = np.inf


@pytest.mark.parametrize("primitive", [reduce_logsumexp, softmax])
@pytest.mark.parametrize("imaginary", [0, 1])
@given(case=reduced(), seed=st.integers(0, 99))
def test_rules(primitive: Any, imaginary: int, case: Any, seed: int) -> None:
    shape, axes = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) + (0.3j * rng.normal(size=shape) if imaginary else 0)
    check_rules(primitive, [np.asarray(x)], {"axes": axes}, seed)


CASES = [
    ([-INF, -INF], -INF, [0, 0]),
    ([-INF, 1.0], 1.0, [0, 1]),
    ([INF, 1.0], INF, [1, 0]),
    ([INF, INF, 1.0], INF, [0.5, 0.5, 0]),
    ([INF, -INF], INF, [1, 0]),
    ([1e308, -1e308], 1e308, [1, 0]),
    ([1000.0, 1000.0], 1000 + np.log(2), [0.5, 0.5]),
    ([np.nan, 1.0], np.nan, [np.nan, np.nan]),
]


@pytest.mark.parametrize(("x", "value", "weights"), CASES)
@pytest.mark.parametrize("beside", [False, True])
def test_limits(x: list[float], value: float, weights: list[float], beside: bool) -> None:
    """Alone, and beside a row of plain numbers."""
    rows = np.array([x, [0.0] * len(x)]) if beside else np.array([x])
    found = reduce_logsumexp(rows, axes=(1,))
    gradient = fgrad.grad(lambda v: reduce_sum(reduce_logsumexp(v, axes=(1,)), axes=(0,)))(rows)
    np.testing.assert_array_equal(found[0], value)
    np.testing.assert_array_equal(gradient[0], weights)
    np.testing.assert_array_equal(softmax(rows, axes=(1,))[0], weights)
    if beside:
        np.testing.assert_allclose(found[1], np.log(len(x)))
        np.testing.assert_allclose(gradient[1], 1 / len(x))


@pytest.mark.parametrize("x", [[-INF, -INF], [INF, 1.0], [-INF, 0.5]])
def test_second_derivatives_at_infinities_are_numbers(x: list[float]) -> None:
    hessian = fgrad.hessian(lambda v: reduce_logsumexp(v, axes=(0,)))(np.array(x))
    np.testing.assert_array_equal(hessian, np.zeros((2, 2)))


def test_nothing_has_no_weight() -> None:
    assert reduce_logsumexp(np.zeros(0), axes=(0,)) == -INF
    assert softmax(np.zeros(0), axes=(0,)).shape == (0,)


@pytest.mark.parametrize("x", [[0.0, -50.0], [-1e-3, -7.0, -7.0], [0.0, -1e-300], [-0.1, -2.4], [0.05, -40.0]])
@pytest.mark.parametrize("rows", [1, 2])
def test_what_the_lesser_elements_add_is_not_lost(x: list[float], rows: int) -> None:
    with mpmath.workdps(60):
        exact = float(mpmath.log(mpmath.fsum(mpmath.exp(v) for v in x)))
    found = reduce_logsumexp(np.array([x] * rows), axes=(1,))
    np.testing.assert_allclose(found, [exact] * rows, rtol=1e-14 if x[0] == 0 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
def test_dtypes_stay(dtype: Any) -> None:
    x = np.ones((2, 3), dtype)
    assert reduce_logsumexp(x, axes=(0,)).dtype == dtype
    assert softmax(x, axes=(0,)).dtype == dtype


@pytest.mark.parametrize("primitive", [reduce_logsumexp, softmax])
def test_python_numbers(primitive: Any) -> None:
    value, t = fgrad.jvp(lambda v: primitive(v, axes=()), (2.0,), (1.0,))
    assert (value, t) == ((2.0, 1.0) if primitive is reduce_logsumexp else (1.0, 0.0))


@pytest.mark.parametrize("primitive", [reduce_logsumexp, softmax])
@pytest.mark.parametrize(
    ("dtype", "axes", "words"), [(np.int64, (0,), "floating-point"), (np.float64, (1,), "over the axes")]
)
def test_what_does_not_fit_is_refused(primitive: Any, dtype: Any, axes: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        trace(lambda x: [primitive(x, axes=axes)], [ShapedArray((3,), np.dtype(dtype))])


def exact_rows(x: Any) -> tuple[Any, Any]:
    """Log-sum-exp and softmax of rows, in extended precision."""
    wide = x.astype(np.longdouble)
    top = wide.max(axis=1, keepdims=True)
    powers = np.exp(wide - top)
    total = powers.sum(axis=1, keepdims=True)
    return (np.log(total) + top)[:, 0], powers / total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shift", "scale"), [(0, 1), (0, 30), (50, 1), (-50, 1), (-700, 5), (700, 5), (3, 40), (-3, 1e-3)]
)
def test_many_rows_are_as_exact_as_few(dtype: Any, shift: float, scale: float) -> None:
    """Those whose powers are taken as they are, and those that are unlike the first row."""
    x = (shift + scale * np.random.default_rng(0).normal(size=(64, 20))).astype(dtype)
    x[40:] *= 2
    for rows in (x, x[::-1]):
        values, weights = exact_rows(rows)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(reduce_logsumexp(rows, axes=(1,)), values.astype(dtype), rtol=4 * eps, atol=4 * eps)
        tiny = np.finfo(dtype).tiny
        np.testing.assert_allclose(softmax(rows, axes=(1,)), weights.astype(dtype), rtol=300 * eps, atol=tiny)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_near_zero_among_many(dtype: Any) -> None:
    """They keep what the lesser elements add, beside rows that need no such care."""
    x = np.random.default_rng(0).normal(size=(300, 12)).astype(dtype)
    x[::3] = -60
    x[::3, 5] = 0
    x[1::6] -= 2.5
    found = reduce_logsumexp(x, axes=(1,))
    alone = np.concatenate([reduce_logsumexp(row, axes=(1,)) for row in np.split(x, 300)])
    eps = np.finfo(dtype).eps
    assert np.all(np.abs(found - alone) <= eps * (4 * np.abs(alone) + (np.abs(alone) > 1e-9)))
    np.testing.assert_allclose(found[::3], 11 * np.exp(-60.0), rtol=1e-6)
