"""Normalisation, by statistics of a layer, of groups of channels, or of a batch. Channels are along the last axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.control.stop_gradient import stop_gradient
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.normalization import standardize
from fgrad.nn.operands import floating, positive

__all__ = [
    "BatchNormState",
    "NormParams",
    "batch_norm",
    "group_norm",
    "init_batch_norm",
    "init_norm",
    "layer_norm",
    "rms_norm",
]


class NormParams(NamedTuple):
    """What follows the normalisation: times `scale`, plus `bias`, one of each per channel, or `None`."""

    scale: Array | None
    bias: Array | None


class BatchNormState(NamedTuple):
    """Running `mean` and `variance` of each channel."""

    mean: Array
    variance: Array


@public
def init_norm(channels: int, *, scale: bool = True, bias: bool = True, dtype: Any = float) -> NormParams:
    """The parameters of all functions here: ones and zeros.

    Args:
        channels: how many there are.
        scale: whether to have scales.
        bias: whether to have biases.
        dtype: of the parameters.

    Raises:
        ArgumentError: `channels` is not a positive integer.

    >>> init_norm(2)
    NormParams(scale=array([1., 1.]), bias=array([0., 0.]))
    """
    positive("init_norm", channels=channels)
    return NormParams(np.ones(channels, dtype) if scale else None, np.zeros(channels, dtype) if bias else None)


@public
def layer_norm(params: NormParams, x: Any, epsilon: float = 1e-5) -> Array:
    """`layer_norm(params, x)`: x with mean 0 and variance 1 along the last axis, times scale, plus bias.

    Args:
        params: a `NormParams`.
        x: shape (…, channels).
        epsilon: added to the variance.

    >>> layer_norm(init_norm(2), [1.0, 3.0], epsilon=0.0)
    array([-1.,  1.])

    Source: Ba, Kiros & Hinton, "Layer normalization" (2016).
    """
    x = _channels("layer_norm", params, x)
    return _affine(params, standardize(x, epsilon=epsilon))


@public
def rms_norm(params: NormParams, x: Any, epsilon: float = 1e-5) -> Array:
    """`rms_norm(params, x)`: x / √(mean(x²) + ε) along the last axis, times scale, plus bias if there is one.

    Args:
        params: a `NormParams`, most often with `bias=False`.
        x: shape (…, channels).
        epsilon: ε.

    >>> rms_norm(init_norm(2, bias=False), [1.0, 1.0], epsilon=0.0)
    array([1., 1.])

    Source: Zhang & Sennrich, "Root mean square layer normalization" (NeurIPS 2019).
    """
    x = _channels("rms_norm", params, x)
    return _affine(params, x / fnp.sqrt(fnp.mean(fnp.square(x), -1, keepdims=True) + epsilon))


@public
def group_norm(params: NormParams, x: Any, groups: int, epsilon: float = 1e-5) -> Array:
    """`group_norm(params, x, groups)`: each example and group of neighbouring channels gets mean 0 and variance 1.

    With one group per channel this is instance normalisation.

    Args:
        params: a `NormParams`.
        x: shape (batch, …, channels).
        groups: how many; they divide the channels.
        epsilon: added to the variances.

    Raises:
        ArgumentError: the groups do not divide the channels.
        ShapeError: x has less than two axes.

    >>> group_norm(init_norm(4), [[1.0, 3.0, 10.0, 30.0]], 2, epsilon=0.0)
    array([[-1.,  1., -1.,  1.]])

    Source: Wu & He, "Group normalization" (ECCV 2018).
    """
    x = _channels("group_norm", params, x)
    positive("group_norm", groups=groups)
    shape = fnp.shape(x)
    if len(shape) < 2:
        raise ShapeError(message(f"group_norm: `x` must have shape (batch, …, channels), got {shape}."))
    if shape[-1] % groups:
        raise ArgumentError(message(f"group_norm: `groups`={groups} do not divide the {shape[-1]} channels of `x`."))
    apart = fnp.reshape(x, (shape[0], -1, groups, shape[-1] // groups))
    return _affine(params, fnp.reshape(standardize(apart, (1, 3), epsilon=epsilon), shape))


@public
def init_batch_norm(channels: int, dtype: Any = float) -> BatchNormState:
    """The first state of `batch_norm`: means 0, variances 1.

    Args:
        channels: how many there are.
        dtype: of the state.

    Raises:
        ArgumentError: `channels` is not a positive integer.

    >>> init_batch_norm(2)
    BatchNormState(mean=array([0., 0.]), variance=array([1., 1.]))
    """
    positive("init_batch_norm", channels=channels)
    return BatchNormState(np.zeros(channels, dtype), np.ones(channels, dtype))


@public
def batch_norm(
    params: NormParams,
    state: BatchNormState,
    x: Any,
    *,
    training: bool,
    momentum: Any = 0.9,
    epsilon: float = 1e-5,
) -> tuple[Array, BatchNormState]:
    """Each channel gets mean 0 and variance 1 over the batch, or by the running statistics.

    Training, the state becomes momentum·state + (1 − momentum)·(statistics of the batch), with the variance divided by
    n, not n − 1. No gradient flows through the state.

    Args:
        params: a `NormParams`.
        state: a `BatchNormState`.
        x: shape (batch, …, channels).
        training: whether the statistics are those of the batch; otherwise those of the state, which stays.
        momentum: how much of the state is kept.
        epsilon: added to the variances.

    Returns:
        The pair of result and next state.

    Raises:
        ShapeError: x has less than two axes, or other channels.

    >>> y, state = batch_norm(init_norm(1), init_batch_norm(1), [[1.0], [3.0]], training=True, epsilon=0.0)
    >>> y, state.mean, state.variance
    (array([[-1.],
           [ 1.]]), array([0.2]), array([1.]))

    Source: Ioffe & Szegedy, "Batch normalization" (ICML 2015).
    """
    x = _channels("batch_norm", params, x)
    if fnp.ndim(x) < 2 or fnp.shape(state.mean) != fnp.shape(x)[-1:]:
        what = f"batch_norm: `x` must have shape (batch, …, {fnp.shape(state.mean)[0]}), as the state has; got "
        raise ShapeError(message(f"{what}{fnp.shape(x)}."))
    if not training:
        return _affine(params, standardize(x, mean=state.mean, variance=state.variance, epsilon=epsilon)), state
    axes = tuple(range(fnp.ndim(x) - 1))
    mean = fnp.mean(x, axes)
    variance = fnp.mean(fnp.square(x - mean), axes)
    y = _affine(params, standardize(x, mean=mean, variance=variance, epsilon=epsilon))
    kept = [
        fnp.astype(momentum * old + (1 - momentum) * stop_gradient(new), old.dtype)
        for old, new in zip(state, (mean, variance), strict=True)
    ]
    return y, BatchNormState(*kept)


def _channels(function: str, params: NormParams, x: Any) -> Array:
    x = floating(function, "x", x)
    for name, given in params._asdict().items():
        if given is not None and fnp.shape(given) != fnp.shape(x)[-1:]:
            what = (
                f"{function}: `x` must have shape (…, {fnp.shape(given)[0]}), one channel for each {name} of `params`; "
            )
            raise ShapeError(message(f"{what}got {fnp.shape(x)}."))
    return x


def _affine(params: NormParams, x: Array) -> Array:
    if params.scale is not None:
        x = x * params.scale
    return x if params.bias is None else x + params.bias
