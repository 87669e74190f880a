"""The most frequent value, ranks and standard errors, against SciPy's."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.stats as reference

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.scipy.stats import mode, rankdata, sem
from fgrad.testing import check_grads

NAN = float("nan")
TABLE = np.random.default_rng(0).integers(0, 4, (3, 6))
POLICIES = ("propagate", "omit")


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("keepdims", [False, True])
def test_mode(axis: int | None, keepdims: bool) -> None:
    for x in (TABLE, TABLE.astype(float)):
        got, expected = mode(x, axis, keepdims=keepdims), reference.mode(x, axis, keepdims=keepdims)
        np.testing.assert_array_equal(got.mode, expected.mode)
        np.testing.assert_array_equal(got.count, expected.count)
        jitted = fgrad.jit(lambda x: mode(x, axis, keepdims=keepdims))(x)
        np.testing.assert_array_equal(jitted.mode, expected.mode)


@pytest.mark.parametrize("x", [[1, 1, NAN], [NAN, NAN, 1], [1, NAN, NAN, 1, 1], [2.0]])
@pytest.mark.parametrize("policy", POLICIES)
def test_mode_with_nans(x: Any, policy: str) -> None:
    got, expected = mode(x, nan_policy=policy), reference.mode(x, nan_policy=policy)
    np.testing.assert_array_equal(got.mode, expected.mode)
    np.testing.assert_array_equal(got.count, expected.count)


def test_mode_is_an_element() -> None:
    gradient = fgrad.grad(lambda x: mode(x).mode)(np.array([3.0, 5.0, 4.0, 5.0]))
    assert gradient[0] == gradient[2] == 0
    assert gradient.sum() == 1
    np.testing.assert_array_equal(fgrad.vmap(lambda x: mode(x).mode)(TABLE), mode(TABLE, 1).mode)


@pytest.mark.parametrize("method", ["average", "min", "max", "dense", "ordinal"])
def test_ranks(method: str) -> None:
    for x in ([3, 1, 3, 2], [3, 1, NAN, 2, NAN], [5.0], []):
        for policy in POLICIES:
            expected = reference.rankdata(x, method, nan_policy=policy)
            np.testing.assert_array_equal(rankdata(x, method, nan_policy=policy), expected)
    for axis in (0, -1, None):
        expected = reference.rankdata(TABLE, method, axis=axis)
        np.testing.assert_array_equal(rankdata(TABLE, method, axis=axis), expected)
        np.testing.assert_array_equal(fgrad.jit(partial(rankdata, method=method, axis=axis))(TABLE), expected)
    np.testing.assert_array_equal(fgrad.vmap(lambda x: rankdata(x, method))(TABLE), rankdata(TABLE, method, axis=1))
    gradient = fgrad.grad(lambda x: fnp.sum(rankdata(x, method) * x))(np.array([3.0, 1.0, 2.0]))
    np.testing.assert_array_equal(gradient, [3, 1, 2])


@pytest.mark.parametrize("policy", POLICIES)
def test_standard_errors(policy: str) -> None:
    x = np.array([[1.0, 2.0, NAN], [3.0, 4.0, 5.0]])
    np.testing.assert_allclose(sem(x, 1, nan_policy=policy), reference.sem(x, 1, nan_policy=policy))
    np.testing.assert_allclose(
        sem(x[:, :2], None, 0, policy, True), reference.sem(x[:, :2], None, 0, policy, keepdims=True)
    )
    assert sem(np.float32([1, 2]), nan_policy=policy).dtype == np.float32
    check_grads(lambda x: sem(x, nan_policy=policy), (np.array([1.0, 2.5, 4.0]),), order=2)
    np.testing.assert_array_equal(fgrad.grad(sem)(np.ones(3)), np.zeros(3))


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"`nan_policy` of mode is 'drop'"):
        mode([1.0], nan_policy="drop")
    with pytest.raises(ArgumentError, match=r"sem with nan_policy='raise' got an array that holds NaNs"):
        sem([1.0, NAN], nan_policy="raise")
    with pytest.raises(ArgumentError, match=r"nan_policy='raise' of rankdata(.|\n)*traced array"):
        fgrad.jit(lambda x: rankdata(x, nan_policy="raise"))(np.ones(3))
    assert sem([1, 2], nan_policy="raise") == 0.5
    with pytest.raises(ArgumentError, match="`method` of rankdata is 'mean'"):
        rankdata([1.0], "mean")
    with pytest.raises(ShapeError, match="mode of no elements"):
        mode([])
