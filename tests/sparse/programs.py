"""Programs with sparse derivatives, and operations to make more of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import vmap
from fgrad.primitives.cumulative import cummax

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 1.5, 12)
BAND = np.triu(np.tril(RNG.normal(size=(12, 12)), 2), -1)
INDEX = np.array([3, 0, 0, 11, -2])
MASK = np.arange(12) % 3 == 0


EXACT: dict[str, Callable[[Any], Any]] = {
    "element-wise": lambda x: np.sin(x) * x + 2.0,
    "forward differences": np.diff,
    "stencil": lambda x: x[:-2] * x[2:] - 2 * x[1:-1],
    "second differences": lambda x: np.diff(np.diff(x) ** 2),
    "periodic stencil": lambda x: np.roll(x, 1) + np.roll(x, -1) - 2 * x,
    "banded product": lambda x: BAND @ x,
    "banded product of two": lambda x: np.tanh(BAND @ x) @ BAND,
    "reversed": lambda x: x[::-1] ** 2,
    "fixed positions": lambda x: x[INDEX] * 2.0,
    "placed": lambda x: fnp.at(np.zeros(12))[INDEX].add(x[:5]),
    "replaced": lambda x: fnp.at(x)[INDEX].set(x[:5] ** 2),
    "multiplied in place": lambda x: fnp.at(x)[1:4].multiply(2.0),
    "fixed mask": lambda x: np.where(MASK, x**2, x[::-1]),
    "zeros in a factor": lambda x: x * MASK,
    "sum": np.sum,
    "sums of blocks": lambda x: (x.reshape(3, 4) ** 2).sum(1),
    "columns": lambda x: x.reshape(3, 4).T.mean(1),
    "means and products": lambda x: (x.reshape(3, 4) - x.reshape(3, 4).mean(0)) ** 2,
    "running sums": lambda x: np.cumsum(x.reshape(4, 3), axis=1),
    "running sums backwards": lambda x: np.cumsum(x[::-1])[::-1],
    "running products": lambda x: np.cumprod(x.reshape(3, 4), axis=0),
    "products": lambda x: np.prod(x.reshape(3, 4), axis=0),
    "padded": lambda x: np.pad(x, 2)[1:-1] ** 2,
    "joined": lambda x: np.concatenate([x[:2], x[-2:] * x[:2], np.ones(2)]),
    "stacked": lambda x: np.stack([x[:3], x[3:6] ** 2]),
    "split": lambda x: np.split(x, 3)[1] * np.split(x, 3)[0],
    "outer": lambda x: np.outer(x[:3], x[3:6]),
    "batched product": lambda x: x.reshape(3, 2, 2) @ x.reshape(3, 2, 2),
    "broadcast": lambda x: x[:, None] * np.ones(2),
    "batched": lambda x: vmap(lambda r: np.sin(r).sum() * r)(x.reshape(4, 3)),
    "softmax of rows": lambda x: vmap(fnp.logsumexp)(x.reshape(4, 3)),
    "constant": lambda x: np.ones(3),
    "scalar steps": lambda x: fnp.stack([x[i] * x[i - 1] for i in range(5)]),
    "jitted": fgrad.jit(lambda x: x[1:] - fgrad.jit(np.sin)(x[:-1])),
    "checkpointed": fgrad.checkpoint(lambda x: np.sin(x[1:]) * x[:-1]),
    "complex parts": lambda x: np.real(x * np.exp(1j * x)),
    "rounded": lambda x: np.ceil(x) * x[::-1],
    "stopped": lambda x: fgrad.stop_gradient(x[::-1]) * x,
}


LOOSE: dict[str, Callable[[Any], Any]] = {
    "sorted": np.sort,
    "maximum": lambda x: np.max(x.reshape(3, 4), axis=1) * x[:3],
    "running maximum": lambda x: cummax(x, axis=0),
    "either": lambda x: np.where(x > 1, x, x[::-1]),
    "positions from values": lambda x: x[np.argsort(x)[:4]],
    "placed by values": lambda x: fnp.at(np.zeros((12, 2)))[np.argsort(x)[:3], 1].set(x[:3]),
    "absolute": np.abs,
    "solve": lambda x: x / x.sum(),
}


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


HESSIANS: dict[str, Callable[[Any], Any]] = {
    "Rosenbrock": rosenbrock,
    "linear": lambda x: (BAND @ x).sum(),
    "chain": lambda x: ((x[1:] - x[:-1]) ** 2).sum(),
    "separable": lambda x: np.sum(np.sin(x) ** 2),
    "separable in blocks": lambda x: (x.reshape(3, 4).prod(1)).sum(),
    "partly linear": lambda x: x[0] ** 2 * x[1] + x[2:].sum(),
    "arrow": lambda x: (x[0] * x[1:] ** 2).sum(),
    "product": lambda x: x @ BAND @ x,
    "norm": lambda x: np.sum(x**2) ** 2,
    "per example": lambda x: vmap(fnp.logsumexp)(x.reshape(4, 3)).sum(),
    "banded energy": lambda x: np.sum(np.tanh(BAND @ x)),
}


OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: np.sin(a),
    lambda a, b: a[::-1],
    lambda a, b: np.roll(a, 2),
    lambda a, b: np.concatenate([a[2:], b[:2]]),
    lambda a, b: fnp.at(a)[1:3].set(b[2:4]),
    lambda a, b: np.where(MASK, a, b),
    lambda a, b: BAND @ a,
    lambda a, b: np.cumsum(a.reshape(3, 4), 1).reshape(12),
    lambda a, b: a.reshape(3, 4).T.reshape(12) * 0.5,
    lambda a, b: a[INDEX].sum() * b,
    np.maximum,
    lambda a, b: a / (2.0 + b**2),
    lambda a, b: a * MASK,
    lambda a, b: np.pad(a[3:9], 3),
]
