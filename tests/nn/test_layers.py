"""Layers: by definition, in derivatives, in dtypes, and in what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import nn, random
from fgrad.errors import ArgumentError, ShapeError
from fgrad.nn import layers
from fgrad.testing import check_grads, check_jit, check_vmap

KEY = random.key(5)
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def check(f: Callable[..., Any], *args: Any, order: int = 2) -> None:
    check_grads(f, args, order=order)
    check_jit(f, args)


def test_dense() -> None:
    params = layers.init_dense(KEY, 3, 4, dtype=np.float32)
    assert params.weight.dtype == params.bias.dtype == np.float32
    x = normal(2, 5, 3)
    np.testing.assert_allclose(layers.dense(params, x), x @ params.weight + params.bias)
    check(layers.dense, layers.init_dense(KEY, 3, 4), x)
    check_vmap(lambda x: layers.dense(params, x), (x,))
    plain = layers.init_dense(KEY, 3, 4, bias=False, weight_init=nn.initializers.ones)
    np.testing.assert_allclose(layers.dense(plain, x), x.sum(-1, keepdims=True).repeat(4, -1))
    with pytest.raises(
        ShapeError, match=r"dense: `x` must have shape \(…, 3\), for a weight of shape \(3, 4\); got \(2,"
    ):
        layers.dense(params, x[..., :2])
    with pytest.raises(ArgumentError, match="init_dense: `outputs` must be a positive integer, got 0"):
        layers.init_dense(KEY, 3, 0)


def test_embedding() -> None:
    params = layers.init_embedding(KEY, 6, 3)
    ids = np.array([[0, 5], [2, 2]])
    np.testing.assert_array_equal(layers.embedding(params, ids), params.table[ids])
    gradient = fgrad.grad(lambda p: layers.embedding(p, ids).sum())(params)
    np.testing.assert_array_equal(gradient.table[:, 0], [1, 0, 2, 0, 0, 1])
    check(lambda p: layers.embedding(p, ids), params)
    with pytest.raises(IndexError):
        layers.embedding(params, 6)
    with pytest.raises(ArgumentError, match="embedding: `ids` must be integers, got dtype float64"):
        layers.embedding(params, 1.0)


def convolved(kernel: Any, x: Any, stride: int, before: int, after: int, dilation: int, groups: int) -> Any:
    """A convolution in one dimension, by definition."""
    x = np.pad(x, ((0, 0), (before, after), (0, 0)))
    taps, inputs, outputs = kernel.shape
    count = (x.shape[1] - (taps - 1) * dilation - 1) // stride + 1
    out = np.zeros((x.shape[0], count, outputs))
    for i in range(count):
        for k in range(taps):
            for o in range(outputs):
                group = o // (outputs // groups)
                part = x[:, i * stride + k * dilation, group * inputs : (group + 1) * inputs]
                out[:, i, o] += part @ kernel[k, :, o]
    return out


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, (0, 0), 1, 1), (2, (1, 2), 1, 2), (1, (2, 0), 2, 1), (3, (1, 1), 2, 2)],
)
def test_convolution(stride: int, padding: tuple[int, int], dilation: int, groups: int) -> None:
    params = layers.init_convolution(KEY, 4, 6, (3,), groups=groups, bias_init=nn.initializers.ones)
    x = normal(2, 9, 4)

    def f(params: Any, x: Any) -> Any:
        return layers.convolution(params, x, strides=stride, padding=[padding], dilation=dilation, groups=groups)

    expected = convolved(params.kernel, x, stride, *padding, dilation, groups) + 1
    np.testing.assert_allclose(f(params, x), expected, atol=1e-13)
    check(f, params, x, order=1)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_convolutions_in_all_dimensions(dimensions: int) -> None:
    params = layers.init_convolution(KEY, 2, 3, 3, dimensions=dimensions, bias=False)
    x = normal(2, *[4, 5, 6][:dimensions], 2)
    out = layers.convolution(params, x)
    assert out.shape == (*x.shape[:-1], 3)
    middle = tuple([slice(1, 4)] * dimensions)
    expected = np.tensordot(x[(slice(None), *middle)], params.kernel, dimensions + 1)
    np.testing.assert_allclose(out[(slice(None), *[2] * dimensions)], expected, atol=1e-13)
    larger = layers.transposed_convolution(params, x, strides=2)
    assert larger.shape == (2, *[2 * n for n in x.shape[1:-1]], 3)
    check(lambda p, x: layers.transposed_convolution(p, x, strides=2), params, x, order=1)


def test_a_transposed_convolution_is_the_transpose() -> None:
    kernel = normal(3, 2, 4)
    turned = layers.ConvolutionParams(np.swapaxes(kernel[::-1], 1, 2), None)
    x = normal(1, 8, 2)
    y, transpose = fgrad.vjp(
        lambda x: layers.convolution(layers.ConvolutionParams(kernel, None), x, strides=2, padding="VALID"), x
    )
    back = layers.transposed_convolution(turned, y, strides=2, padding="VALID")
    np.testing.assert_allclose(transpose(y)[0][:, :7], back, atol=1e-13)


def test_pooling() -> None:
    x = normal(2, 6, 4, 3)
    blocks = x.reshape(2, 3, 2, 2, 2, 3)
    np.testing.assert_array_equal(layers.max_pool(x, 2), blocks.max((2, 4)))
    np.testing.assert_allclose(layers.avg_pool(x, 2), blocks.mean((2, 4)))
    y = np.arange(1.0, 6.0).reshape(1, 5, 1)
    np.testing.assert_allclose(layers.avg_pool(y, 3, 2, "SAME")[0, :, 0], [1, 3, 3])
    np.testing.assert_allclose(layers.avg_pool(y, 3, 2, "SAME", count_include_pad=False)[0, :, 0], [1.5, 3, 4.5])
    np.testing.assert_allclose(layers.max_pool(-y, 3, 2, [(1, 1)])[0, :, 0], [-1, -2, -4])
    np.testing.assert_array_equal(fgrad.grad(lambda y: layers.max_pool(y, 2).sum())(0 * y)[0, :, 0], [0.5] * 4 + [0])
    check(lambda x: layers.max_pool(x, (2, 2), (1, 2), "SAME"), x, order=1)
    check(lambda x: layers.avg_pool(x, (2, 2), (1, 2), "SAME"), x, order=1)
    with pytest.raises(ShapeError, match=r"max_pool: `x` must have shape \(batch, \*lengths, channels\), got \(6, 3\)"):
        layers.max_pool(x[0, :, 0], 2)
    with pytest.raises(ArgumentError, match=r"avg_pool: `window` must be a positive integer, or 2 of them, got \(2,\)"):
        layers.avg_pool(x, (2,))


def test_layer_rms_and_group_norm() -> None:
    x = normal(2, 3, 6)
    params = layers.NormParams(normal(6), normal(6))
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layers.layer_norm(params, x), scaled * params.scale + params.bias)
    rms = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layers.rms_norm(layers.init_norm(6, bias=False), x), rms)
    grouped = x.reshape(2, 3, 2, 3)
    grouped = (grouped - grouped.mean((1, 3), keepdims=True)) / np.sqrt(grouped.var((1, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(layers.group_norm(layers.init_norm(6), x, 2), grouped.reshape(x.shape))
    for f in (layers.layer_norm, layers.rms_norm, lambda p, x: layers.group_norm(p, x, 3)):
        check(f, params, x)
    check_vmap(lambda x: layers.layer_norm(params, x), (x,))
    np.testing.assert_array_equal(fgrad.grad(lambda x: layers.rms_norm(params, x).sum())(np.zeros(6)) > -1e9, True)
    with pytest.raises(ArgumentError, match="group_norm: `groups`=4 do not divide the 6 channels"):
        layers.group_norm(params, x, 4)
    with pytest.raises(ShapeError, match=r"layer_norm: `x` must have shape \(…, 6\), one channel for each scale"):
        layers.layer_norm(params, x[..., :5])


def test_batch_norm() -> None:
    x = normal(8, 5, 3) * 3 + 1
    params, state = layers.init_norm(3), layers.init_batch_norm(3)
    mean, variance = x.mean((0, 1)), x.var((0, 1))
    y, after = layers.batch_norm(params, state, x, training=True, momentum=0.75)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5))
    np.testing.assert_allclose(after.mean, mean / 4)
    np.testing.assert_allclose(after.variance, 0.75 + variance / 4)
    y, same = layers.batch_norm(params, after, x, training=False)
    np.testing.assert_allclose(y, (x - after.mean) / np.sqrt(after.variance + 1e-5))
    assert same is after
    check(lambda p, x: layers.batch_norm(p, state, x, training=True)[0], params, x)
    gradient = fgrad.grad(lambda x: sum(layers.batch_norm(params, state, x, training=True)[1]).sum())(x)
    assert not gradient.any()
    single = layers.init_batch_norm(3, np.float32)
    _, single = layers.batch_norm(params, single, x, training=True)
    assert single.mean.dtype == np.float32
    with pytest.raises(
        ShapeError, match=r"batch_norm: `x` must have shape \(batch, …, 3\), as the state has; got \(3,\)"
    ):
        layers.batch_norm(params, state, x[0, 0], training=True)


def test_dropout() -> None:
    x = np.ones((400, 50), np.float32)
    y = layers.dropout(KEY, x, 0.2)
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {np.float32(0), np.float32(1.25)}
    assert abs(y.mean() - 1) < 0.01
    rows = layers.dropout(KEY, x, 0.5, shared_axes=(1,))
    assert (rows == rows[:, :1]).all()
    assert layers.dropout(None, x, 0.5, training=False) is x
    assert not layers.dropout(KEY, x, 1.0).any()
    np.testing.assert_array_equal(layers.dropout(KEY, x, 0.0), x)
    np.testing.assert_array_equal(fgrad.grad(lambda x: layers.dropout(KEY, x, 0.2).sum())(x), y)
    np.testing.assert_array_equal(fgrad.jit(layers.dropout)(KEY, x, 0.2), y)
    with pytest.raises(ArgumentError, match=r"dropout: `rate` must be from 0 to 1, got 1\.5"):
        layers.dropout(KEY, x, 1.5)


def test_multi_head_attention() -> None:
    params = layers.init_attention(KEY, 6, 2, inputs=4)
    x, y = normal(2, 3, 4), normal(2, 5, 4)
    out = layers.multi_head_attention(params, x, y, heads=2)
    q, k, v = (layers.dense(p, z).reshape(2, -1, 2, 3) for p, z in zip(params[:3], (x, y, y), strict=True))
    expected = layers.dense(params.out, nn.dot_product_attention(q, k, v).reshape(2, 3, 6))
    np.testing.assert_allclose(out, expected)
    causal = layers.multi_head_attention(params, x, heads=2, is_causal=True)
    np.testing.assert_allclose(causal[:, :2], layers.multi_head_attention(params, x[:, :2], heads=2, is_causal=True))
    check(lambda p, x: layers.multi_head_attention(p, x, heads=2), params, x, order=1)
    with pytest.raises(ArgumentError, match="multi_head_attention: `heads`=4 do not divide the 6 features"):
        layers.multi_head_attention(params, x, heads=4)
    with pytest.raises(ArgumentError, match="init_attention: `heads`=4 do not divide the 6 features"):
        layers.init_attention(KEY, 6, 4)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: layers.init_convolution(KEY, 3, 4, 2, groups=2),
            ArgumentError,
            "`groups`=2 must divide the inputs, 3,",
        ),
        (lambda: layers.init_convolution(KEY, 3, 4, (2,) * 4), ArgumentError, "1, 2 or 3 dimensions, not 4"),
        (lambda: layers.init_convolution(KEY, 3, 4, (2, 0)), ArgumentError, r"`window` must be .* got \(2, 0\)"),
        (
            lambda: layers.convolution(layers.init_convolution(KEY, 3, 4, 2), np.ones((2, 5, 3))),
            ShapeError,
            r"`x` must have shape \(batch, \*lengths, 3\) with 2 lengths, for a kernel of shape \(2, 2, 3, 4\)",
        ),
        (
            lambda: layers.convolution(layers.ConvolutionParams(np.ones((3, 4)), None), np.ones((2, 5, 3))),
            ShapeError,
            r"the kernel must have shape \(\*window, inputs, outputs\) with 1, 2 or 3 lengths, got \(3, 4\)",
        ),
    ],
)
def test_mistakes_in_convolutions(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
