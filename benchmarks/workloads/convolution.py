"""A convolution over images."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Convolution(Workload):
    """value_and_grad, in images and kernel, of the mean square of a convolution with a 3 × 3 kernel, float32."""

    name = "convolution"
    batch: int = 32
    channels: int = 16
    features: int = 32
    side: int = 28
    peers: tuple[str, ...] = ("numpy", "jax", "torch")

    def small(self) -> Self:
        return replace(self, batch=2, channels=2, features=3, side=4)

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        images = rng.normal(size=(self.batch, self.channels, self.side, self.side))
        kernel = rng.normal(size=(self.features, self.channels, 3, 3)) / np.sqrt(9 * self.channels)
        return images.astype(np.float32), kernel.astype(np.float32)

    def program(self, lib: Library, images: Any, kernel: Any) -> Call:
        def loss(images: Any, kernel: Any) -> Any:
            return lib.np.mean(lib.lax.conv_general_dilated(images, kernel, (1, 1), "SAME") ** 2)

        return partial(lib.jit(lib.value_and_grad(loss, argnums=(0, 1))), images, kernel)

    def by_hand(self, images: np.ndarray, kernel: np.ndarray) -> Any:
        """One image after the other, forward and backward: what the taps see of it stays in cache."""
        side, weights = self.side, kernel.reshape(self.features, -1)
        padded, reached = np.zeros((2, self.channels, side + 2, side + 2), images.dtype)
        seen = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
        columns = np.empty(seen.shape, images.dtype)
        flat = columns.reshape(weights.shape[1], -1)
        grad_images, grad_weights = np.empty_like(images), np.zeros_like(weights)
        count = self.batch * self.features * side * side
        total = 0.0
        for image, grad_image in zip(images, grad_images, strict=True):
            padded[:, 1:-1, 1:-1] = image
            np.copyto(columns, seen)
            out = weights @ flat
            total += np.vdot(out, out)
            out *= np.float32(2 / count)
            grad_weights += out @ flat.T
            np.matmul(weights.T, out, out=flat)
            gather_taps(columns, reached)
            grad_image[...] = reached[:, 1:-1, 1:-1]
        return total / count, (grad_images, grad_weights.reshape(kernel.shape))

    def in_torch(self, torch: Any, *inputs: Any) -> Call:
        leaves = [x.requires_grad_() for x in inputs]

        def value_and_grad() -> Any:
            value = torch.nn.functional.conv2d(*leaves, padding=1).square().mean()
            return value, torch.autograd.grad(value, leaves)

        return value_and_grad


def gather_taps(columns: np.ndarray, padded: np.ndarray) -> None:
    """Sum, into a padded image, what the taps have for each of its places."""
    _, rows, cols, height, width = columns.shape
    padded[...] = 0.0
    for i in range(rows):
        for j in range(cols):
            padded[:, i : i + height, j : j + width] += columns[:, i, j]


WORKLOADS = [Convolution()]
