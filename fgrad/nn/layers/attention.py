"""Multi-head attention."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import random
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.nn.attention import dot_product_attention
from fgrad.nn.initializers import Initializer, glorot_uniform
from fgrad.nn.layers.dense import DenseParams, dense, init_dense
from fgrad.nn.operands import positive

__all__ = ["AttentionParams", "init_attention", "multi_head_attention"]


class AttentionParams(NamedTuple):
    """Four affine maps: to queries, keys and values, and from all heads to the result."""

    query: DenseParams
    key: DenseParams
    value: DenseParams
    out: DenseParams


@public
def init_attention(
    key: Any,
    features: int,
    heads: int,
    *,
    inputs: int | None = None,
    bias: bool = True,
    weight_init: Initializer | None = None,
    dtype: Any = float,
) -> AttentionParams:
    """The parameters of `multi_head_attention`.

    Args:
        key: a key.
        features: of what comes out, and of all heads together.
        heads: how many; they divide the features.
        inputs: features of what goes in, if they are others.
        bias: whether the maps have one.
        weight_init: `glorot_uniform()` by default.
        dtype: of the parameters.

    Raises:
        ArgumentError: a size is not a positive integer, or the heads do not divide the features.

    >>> import fgrad
    >>> init_attention(fgrad.random.key(0), 8, 2).query.weight.shape
    (8, 8)
    """
    inputs = features if inputs is None else inputs
    positive("init_attention", features=features, heads=heads, inputs=inputs)
    _depth("init_attention", features, heads)
    keys = random.split(key, 4)
    init = weight_init or glorot_uniform()
    sizes = [(inputs, features)] * 3 + [(features, features)]
    return AttentionParams(
        *[init_dense(k, a, b, bias=bias, weight_init=init, dtype=dtype) for k, (a, b) in zip(keys, sizes, strict=True)]
    )


@public
def multi_head_attention(
    params: AttentionParams,
    query: Any,
    key: Any = None,
    value: Any = None,
    *,
    heads: int,
    mask: Any = None,
    bias: Any = None,
    is_causal: bool = False,
) -> Array:
    """Several attentions side by side, each on its share of the features, and an affine map of them all.

    Args:
        params: an `AttentionParams`.
        query: shape (batch, T, inputs), or without the batch.
        key: shape (batch, S, inputs); left out, `query` (self-attention).
        value: the shape of `key`; left out, `key`.
        heads: how many.
        mask: booleans that broadcast to (batch, heads, T, S): which keys a query sees.
        bias: added to the products; broadcasts to (batch, heads, T, S).
        is_causal: query t sees keys 0 … t only.

    Returns:
        Shape (batch, T, features).

    Raises:
        ShapeError: the shapes do not fit together.
        ArgumentError: the heads do not divide the features.

    >>> import fgrad, numpy as np
    >>> params = init_attention(fgrad.random.key(0), 8, 2)
    >>> multi_head_attention(params, np.ones((1, 3, 8)), heads=2).shape
    (1, 3, 8)

    Source: Vaswani et al., "Attention is all you need" (NIPS 2017), section 3.2.2.
    """
    key = query if key is None else key
    value = key if value is None else value
    positive("multi_head_attention", heads=heads)
    maps = ((params.query, query), (params.key, key), (params.value, value))
    parts = []
    for map_, x in maps:
        y = dense(map_, x)
        parts.append(fnp.reshape(y, (*fnp.shape(y)[:-1], heads, _depth("multi_head_attention", y.shape[-1], heads))))
    q, k, v = parts
    out = dot_product_attention(q, k, v, mask=mask, bias=bias, is_causal=is_causal)
    return dense(params.out, fnp.reshape(out, (*fnp.shape(out)[:-2], -1)))


def _depth(function: str, features: int, heads: int) -> int:
    if features % heads:
        raise ArgumentError(message(f"{function}: `heads`={heads} do not divide the {features} features."))
    return features // heads
