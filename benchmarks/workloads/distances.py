"""All distances between two sets of points, from differences and from a matrix product."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Distances(Workload):
    """value_and_grad of the mean distance, in all points, float32; `product`: |x − y|² = |x|² + |y|² − 2xy.

    The product is quicker, and wrong for points that are close to each other, so it is for the user to choose.
    """

    product: bool
    points: int = 2000
    centres: int = 200
    width: int = 16

    def small(self) -> Self:
        return replace(self, points=5, centres=4, width=3)

    @property
    def name(self) -> str:
        return "distances.product" if self.product else "distances.difference"

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.points, self.width)).astype(np.float32)
        return x, rng.normal(1.0, size=(self.centres, self.width)).astype(np.float32)

    def loss(self, np: Any) -> Callable[[Any, Any], Any]:
        """In the names of NumPy that all libraries have."""

        def square(x: Any, y: Any) -> Any:
            if self.product:
                return (x * x).sum(-1)[:, None] + (y * y).sum(-1) - 2.0 * (x @ y.T)
            return ((x[:, None] - y) ** 2).sum(-1)

        return lambda x, y: np.mean(np.sqrt(square(x, y)))

    def program(self, lib: Library, x: Any, y: Any) -> Call:
        return partial(lib.jit(lib.value_and_grad(self.loss(lib.np), argnums=(0, 1))), x, y)

    def by_hand(self, x: np.ndarray, y: np.ndarray) -> Any:
        return (product_by_hand if self.product else difference_by_hand)(x, y)

    def in_torch(self, torch: Any, *inputs: Any) -> Call:
        leaves = [x.requires_grad_() for x in inputs]
        loss = self.loss(torch)

        def value_and_grad() -> Any:
            value = loss(*leaves)
            return value, torch.autograd.grad(value, leaves)

        return value_and_grad


def product_by_hand(x: np.ndarray, y: np.ndarray) -> Any:
    """Everything of the size of the distances in one array."""
    distance = x @ (y.T * np.float32(-2))
    distance += np.einsum("ij,ij->i", x, x)[:, None]
    distance += np.einsum("ij,ij->i", y, y)
    np.sqrt(distance, out=distance)
    value = distance.mean()
    ct = np.divide(np.float32(1 / distance.size), distance, out=distance)
    grad_x = ct.sum(axis=1, keepdims=True) * x
    grad_x -= ct @ y
    grad_y = ct.sum(axis=0)[:, None] * y
    grad_y -= ct.T @ x
    return value, (grad_x, grad_y)


def difference_by_hand(x: np.ndarray, y: np.ndarray) -> Any:
    """One coordinate after the other: arrays of the size of the distances, not of all differences."""
    columns = list(zip(np.ascontiguousarray(x.T)[:, :, None], np.ascontiguousarray(y.T), strict=True))
    distance = np.zeros((len(x), len(y)), x.dtype)
    difference = np.empty_like(distance)
    for a, b in columns:
        np.subtract(a, b, out=difference)
        difference *= difference
        distance += difference
    np.sqrt(distance, out=distance)
    value = distance.mean()
    ct = np.divide(np.float32(1 / distance.size), distance, out=distance)
    grad_x, grad_y = np.empty_like(x), np.empty_like(y)
    for k, (a, b) in enumerate(columns):
        np.subtract(a, b, out=difference)
        difference *= ct
        grad_x[:, k] = difference.sum(axis=1)
        grad_y[:, k] = -difference.sum(axis=0)
    return value, (grad_x, grad_y)


WORKLOADS = [Distances(product=False), Distances(product=True)]
