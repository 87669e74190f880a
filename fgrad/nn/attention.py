"""Attention by scaled dot products."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.operands import floating

__all__ = ["dot_product_attention"]


@public
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: Any = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
) -> Array:
    """Means of values, weighted by softmax(query·keyᵀ·scale + bias) over the keys.

    Args:
        query: shape (batch, T, heads, depth), or without the batch.
        key: shape (batch, S, key heads, depth). There may be fewer key heads than heads, by a whole factor: then
            neighbouring heads share one (grouped queries).
        value: the shape of `key`.
        bias: added to the products; broadcasts to (batch, heads, T, S).
        mask: booleans, which keys a query sees; broadcasts to (batch, heads, T, S).
        scale: left out, 1 / √depth.
        is_causal: query t sees keys 0 … t only.
        query_seq_lengths: integers of shape (batch,): what comes after so many queries is padding, and gives 0.
        key_value_seq_lengths: integers of shape (batch,): keys after so many are not seen.
        local_window_size: (left, right), or a number for both: query t sees keys t − left … t + right only.

    Returns:
        Shape and dtype of `query`. A query that sees no key gives 0, with gradient 0.

    Raises:
        ShapeError: the shapes do not fit together.
        ArgumentError: the mask is not boolean.

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 2, 1, 2)
    >>> dot_product_attention(x, x, x, is_causal=True)[0, :, 0].round(3)
    array([[0.   , 1.   ],
           [1.998, 2.998]])

    Source: Vaswani et al., "Attention is all you need" (NIPS 2017), equation 1; Ainslie et al., "GQA" (EMNLP 2023);
        Beltagy, Peters & Cohan, "Longformer" (2020), for windows.
    """
    name = "dot_product_attention"
    q, k, v = (floating(name, n, x) for n, x in (("query", query), ("key", key), ("value", value)))
    single = fnp.ndim(q) == 3
    if single:
        q, k, v = q[None], (k[None] if fnp.ndim(k) == 3 else k), (v[None] if fnp.ndim(v) == 3 else v)
    _check(q, k, v)
    batch, steps, heads, depth = fnp.shape(q)
    keys, shared = fnp.shape(k)[1:3]
    if scale is None:
        scale = depth**-0.5
    grouped = fnp.reshape(q * fnp.asarray(scale, q.dtype), (batch, steps, shared, heads // shared, depth))
    scores = fnp.einsum("btngd,bsnd->bngts", grouped, k)
    scores = fnp.reshape(scores, (batch, heads, steps, keys))
    if bias is not None:
        scores = scores + _fitting("bias", floating(name, "bias", bias), fnp.shape(scores))
    seen = _seen(fnp.shape(scores), mask, is_causal, key_value_seq_lengths, local_window_size)
    weights = fnp.softmax(scores if seen is None else fnp.where(seen, scores, -fnp.inf), axis=-1)
    weights = fnp.reshape(weights, (batch, shared, heads // shared, steps, keys))
    out = fnp.reshape(fnp.einsum("bngts,bsnd->btngd", weights, v), (batch, steps, heads, fnp.shape(v)[-1]))
    if query_seq_lengths is not None:
        there = fnp.arange(steps) < fnp.asarray(query_seq_lengths)[:, None]
        out = fnp.where(there[:, :, None, None], out, 0.0)
    return out[0] if single else out


def _seen(shape: tuple[int, ...], mask: Any, is_causal: bool, lengths: Any, window: Any) -> Array | None:
    """Which keys a query sees, or None for all."""
    t, s = fnp.arange(shape[2])[:, None], fnp.arange(shape[3])
    rules: list[Array] = []
    if mask is not None:
        mask = fnp.asarray(mask)
        if mask.dtype.kind != "b":
            cure = "A mask says which keys a query sees; numbers to add are a bias."
            what = f"dot_product_attention: `mask` must be booleans, got dtype {mask.dtype}."
            raise ArgumentError(message(what, cure=cure))
        rules.append(_fitting("mask", mask, shape))
    if is_causal:
        rules.append(s <= t)
    if window is not None:
        left, right = window if isinstance(window, tuple) else (window, window)
        rules += [s >= t - left, s <= t + right]
    if lengths is not None:
        rules.append(s < fnp.asarray(lengths)[:, None, None, None])
    if not rules:
        return None
    out = rules[0]
    for rule in rules[1:]:
        out = fnp.logical_and(out, rule)
    return out


def _check(q: Array, k: Array, v: Array) -> None:
    def refuse(what: str) -> None:
        shapes = f"query {fnp.shape(q)}, key {fnp.shape(k)}, value {fnp.shape(v)}"
        raise ShapeError(message(f"dot_product_attention: {what}; got {shapes}."))

    if not fnp.ndim(q) == fnp.ndim(k) == fnp.ndim(v) == 4:
        refuse("`query`, `key` and `value` must have the axes (batch, steps, heads, depth)")
    if fnp.shape(k)[:3] != fnp.shape(v)[:3]:
        refuse("`key` and `value` must have the same batch, steps and heads")
    if fnp.shape(q)[0] != fnp.shape(k)[0] or fnp.shape(q)[3] != fnp.shape(k)[3]:
        refuse("`query` and `key` must have the same batch and depth")
    if not fnp.shape(k)[2] or fnp.shape(q)[2] % fnp.shape(k)[2]:
        refuse("the heads of `query` must be a multiple of those of `key`")


def _fitting(name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """Refuses what does not broadcast to the scores."""
    got = fnp.shape(x)
    if len(got) > 4 or any(n not in (1, m) for n, m in zip(got[::-1], shape[::-1], strict=False)):
        what = f"dot_product_attention: `{name}` must broadcast to (batch, heads, T, S), here {shape}; got {got}."
        raise ShapeError(message(what))
    return x
