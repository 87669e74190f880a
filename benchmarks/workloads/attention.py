"""Attention: batched products around a softmax."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Attention(Workload):
    """value_and_grad of the mean square of attention, in queries, keys and values, float32."""

    name = "attention"
    batch: int = 4
    heads: int = 4
    length: int = 256
    width: int = 64

    def small(self) -> Self:
        return replace(self, batch=2, heads=2, length=5, width=3)

    def inputs(self) -> tuple[np.ndarray, ...]:
        shape = (3, self.batch, self.heads, self.length, self.width)
        return tuple(np.random.default_rng(0).normal(size=shape).astype(np.float32))

    def program(self, lib: Library, q: Any, k: Any, v: Any) -> Call:
        def loss(q: Any, k: Any, v: Any) -> Any:
            weights = lib.softmax(q @ lib.np.swapaxes(k, -1, -2) / sqrt(self.width))
            return lib.np.mean((weights @ v) ** 2)

        return partial(lib.jit(lib.value_and_grad(loss, argnums=(0, 1, 2))), q, k, v)

    def by_hand(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Any:
        """One head after the other: its weights stay in cache, and all heads share two buffers."""
        grads = np.empty_like(q), np.empty_like(k), np.empty_like(v)
        buffers = np.empty((2, self.length, self.length), q.dtype)
        scale = np.float32(2 / v.size)
        total = 0.0
        for head in np.ndindex(self.batch, self.heads):
            total += head_by_hand((q[head], k[head], v[head]), [grad[head] for grad in grads], buffers, scale)
        return total / v.size, grads

    def in_torch(self, torch: Any, *inputs: Any) -> Call:
        leaves = [x.requires_grad_() for x in inputs]

        def value_and_grad() -> Any:
            value = torch.nn.functional.scaled_dot_product_attention(*leaves).square().mean()
            return value, torch.autograd.grad(value, leaves)

        return value_and_grad


def head_by_hand(
    inputs: Sequence[np.ndarray], grads: Sequence[np.ndarray], buffers: np.ndarray, scale: np.float32
) -> Any:
    """The sum of squares of one head's results; to the gradients goes what follows from a cotangent `scale * out`."""
    q, k, v = inputs
    grad_q, grad_k, grad_v = grads
    weights, ct = buffers
    shrink = np.float32(1 / sqrt(q.shape[1]))
    np.matmul(q * shrink, k.T, out=weights)
    weights -= weights.max(axis=1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=1, keepdims=True)
    out = weights @ v
    total = np.vdot(out, out)
    ct_out = out * scale
    np.matmul(weights.T, ct_out, out=grad_v)
    np.matmul(ct_out, v.T, out=ct)
    ct -= np.einsum("ij,ij->i", ct_out, out)[:, None]
    ct *= weights
    ct *= shrink
    np.matmul(ct, k, out=grad_q)
    np.matmul(ct.T, q, out=grad_k)
    return total


WORKLOADS = [Attention()]
