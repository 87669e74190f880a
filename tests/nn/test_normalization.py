"""Softmax and its kin, standardization, one-hot vectors, attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import fgrad
from fgrad import nn
from fgrad.errors import ArgumentError, ShapeError
from fgrad.testing import check_grads, check_jit, check_vmap

X = np.random.default_rng(0).normal(size=(3, 4))
MASK = np.array([[True, False, True, True], [True, True, False, True], [False, False, True, False]])


@pytest.mark.parametrize("axis", [-1, 0, None, (0, 1)])
def test_softmax_and_its_logarithm(axis: Any) -> None:
    np.testing.assert_allclose(nn.softmax(X, axis), special.softmax(X, axis), rtol=1e-14)
    np.testing.assert_allclose(nn.log_softmax(X, axis), special.log_softmax(X, axis), rtol=1e-13)
    np.testing.assert_allclose(nn.logmeanexp(X, axis), np.log(np.mean(np.exp(X), axis)), rtol=1e-13)
    for f in (nn.softmax, nn.log_softmax, nn.logmeanexp):
        check_grads(lambda x: f(x, axis), (X,), order=2)  # noqa: B023


def test_masks() -> None:
    weights = np.exp(X) * MASK
    np.testing.assert_allclose(nn.softmax(X, where=MASK), weights / weights.sum(-1, keepdims=True))
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(nn.log_softmax(X, where=MASK), np.log(weights / weights.sum(-1, keepdims=True)))
    np.testing.assert_allclose(nn.logmeanexp(X, -1, where=MASK), np.log(weights.sum(-1) / MASK.sum(-1)))
    gradient = fgrad.grad(lambda x: (nn.softmax(x, where=MASK) * X).sum())(X)
    assert (gradient[~MASK] == 0).all()
    np.testing.assert_array_equal(nn.softmax(X, where=np.zeros(4, bool)), np.zeros((3, 4)))


def test_standardize() -> None:
    y = nn.standardize(X, epsilon=0.0)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-15)
    np.testing.assert_allclose(y.var(-1), 1)
    np.testing.assert_allclose(nn.standardize(X, (0, 1)), (X - X.mean()) / np.sqrt(X.var() + 1e-5))
    np.testing.assert_allclose(nn.standardize(X, 0, mean=1.0, variance=4.0, epsilon=0.0), (X - 1) / 2)
    part = np.where(MASK, X, np.nan)
    mean, variance = np.nanmean(part, 1, keepdims=True), np.nanvar(part, 1, keepdims=True)
    np.testing.assert_allclose(nn.standardize(X, where=MASK), (X - mean) / np.sqrt(variance + 1e-5))
    np.testing.assert_array_equal(fgrad.grad(lambda x: nn.standardize(x).sum())(np.ones(3)), np.zeros(3))
    check_grads(nn.standardize, (X,), order=2)
    check_jit(nn.standardize, (X,))
    check_vmap(nn.standardize, (X,))


def test_one_hot() -> None:
    k = np.array([[0, 2, 5], [-1, 1, 2]])
    expected = k[..., None] == np.arange(3)
    for axis, moved in ((-1, 2), (2, 2), (1, 1), (0, 0), (-2, 1)):
        out = nn.one_hot(k, 3, axis=axis, dtype=np.float32)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out, np.moveaxis(expected, -1, moved))
    np.testing.assert_array_equal(fgrad.vmap(lambda k: nn.one_hot(k, 3))(k), expected)
    with pytest.raises(ArgumentError, match="one_hot: `x` must be integers, got dtype float64"):
        nn.one_hot(1.0, 3)
    with pytest.raises(ArgumentError, match="one_hot: `num_classes` must be a positive integer, got 0"):
        nn.one_hot(1, 0)


def attention(q: Any, k: Any, v: Any, seen: Any, bias: Any = 0.0) -> Any:
    """By definition, for one head."""
    scores = q @ k.T / np.sqrt(q.shape[1]) + bias
    weights = np.exp(scores) * seen
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-300) @ v


@pytest.fixture
def qkv() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(2, 6, 2, 3)), rng.normal(size=(2, 6, 2, 3))


def test_attention_by_definition(qkv: tuple[Any, Any, Any]) -> None:
    q, k, v = qkv
    bias = np.random.default_rng(2).normal(size=(4, 5, 6))
    mask = np.random.default_rng(3).random((2, 1, 5, 6)) < 0.7
    t, s = np.arange(5)[:, None], np.arange(6)
    out = nn.dot_product_attention(
        q, k, v, bias, mask, is_causal=True, local_window_size=(2, 1), key_value_seq_lengths=np.array([6, 3])
    )
    for b in range(2):
        for h in range(4):
            seen = mask[b, 0] & (s <= t) & (s >= t - 2) & (s <= t + 1) & (s < (6, 3)[b])
            expected = attention(q[b, :, h], k[b, :, h // 2], v[b, :, h // 2], seen, bias[h])
            np.testing.assert_allclose(out[b, :, h], expected, atol=1e-14)
    single = nn.dot_product_attention(q[0], k[0], v[0])
    np.testing.assert_allclose(single[:, 3], attention(q[0, :, 3], k[0, :, 1], v[0, :, 1], True))


def test_attention_of_padding_is_zero_and_has_no_gradient(qkv: tuple[Any, Any, Any]) -> None:
    q, k, v = qkv
    lengths = np.array([0, 4])

    def f(q: Any, k: Any, v: Any) -> Any:
        return nn.dot_product_attention(q, k, v, key_value_seq_lengths=lengths, query_seq_lengths=np.array([5, 2]))

    out = f(q, k, v)
    assert not out[0].any()
    assert not out[1, 2:].any()
    assert out[1, :2].all()
    gradients = fgrad.grad(lambda *x: (f(*x) ** 2).sum(), argnums=(0, 1, 2))(q, k, v)
    assert not any(g[0].any() for g in gradients)
    assert not gradients[1][1, 4:].any()
    check_grads(f, (q, k, v), order=2)
    check_jit(f, (q, k, v))


def test_mistakes_in_attention(qkv: tuple[Any, Any, Any]) -> None:
    q, k, v = qkv
    with pytest.raises(ShapeError, match="must have the axes"):
        nn.dot_product_attention(q[0, 0], k, v)
    with pytest.raises(ShapeError, match="`key` and `value` must have the same batch, steps and heads"):
        nn.dot_product_attention(q, k, v[:, 1:])
    with pytest.raises(ShapeError, match="`query` and `key` must have the same batch and depth"):
        nn.dot_product_attention(q[..., 1:], k, v)
    with pytest.raises(ShapeError, match="the heads of `query` must be a multiple of those of `key`"):
        nn.dot_product_attention(q[:, :, :3], k, v)
    with pytest.raises(ShapeError, match=r"`mask` must broadcast to .* here \(2, 4, 5, 6\); got \(5, 5\)"):
        nn.dot_product_attention(q, k, v, mask=np.ones((5, 5), bool))
    with pytest.raises(
        ArgumentError, match=r"(?s)`mask` must be booleans, got dtype float64.*numbers to add are a bias"
    ):
        nn.dot_product_attention(q, k, v, mask=np.ones((5, 6)))
