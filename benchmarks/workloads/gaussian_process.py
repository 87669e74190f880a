"""The marginal likelihood of a Gaussian process."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class GaussianProcess(Workload):
    """value_and_grad of the negative log likelihood of 500 values, in three parameters of the kernel, float64."""

    name = "gaussian_process"
    points: int = 500
    width: int = 3

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, points=6, width=2)

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.points, self.width))
        square = ((x[:, None] - x) ** 2).sum(-1)
        return np.array([0.1, 0.2, -2.0]), square, np.sin(2.0 * x.sum(-1)) + 0.1 * rng.normal(size=self.points)

    def loss(self, np: Any, eye: Any) -> Any:
        """In the names that all libraries have; the parameters are logarithms of scale, size and noise."""

        def loss(theta: Any, square: Any, y: Any) -> Any:
            kernel = np.exp(theta[1] - square * (0.5 * np.exp(-theta[0]))) + np.exp(theta[2]) * eye
            factor = np.linalg.cholesky(kernel)
            return 0.5 * (y @ np.linalg.solve(kernel, y)) + np.sum(np.log(np.diag(factor)))

        return loss

    def program(self, lib: Library, theta: Any, square: Any, y: Any) -> Call:
        return partial(lib.jit(lib.value_and_grad(self.loss(lib.np, lib.np.eye(self.points)))), theta, square, y)

    def by_hand(self, theta: np.ndarray, square: np.ndarray, y: np.ndarray) -> Any:
        """With one inverse, K⁻¹ = L⁻ᵀ·L⁻¹, which the gradient needs anyway."""
        kernel = square * (-0.5 * np.exp(-theta[0]))
        kernel += theta[1]
        np.exp(kernel, out=kernel)
        diagonal = np.einsum("ii->i", kernel)
        noise = np.exp(theta[2])
        diagonal += noise
        factor = np.linalg.cholesky(kernel)
        inverse = np.linalg.inv(kernel)
        weights = inverse @ y
        value = 0.5 * (y @ weights) + np.log(np.diagonal(factor)).sum()
        inverse -= np.multiply.outer(weights, weights)
        traced = np.trace(inverse) * noise
        diagonal -= noise
        inverse *= kernel
        by_scale = 0.5 * np.exp(-theta[0]) * np.vdot(inverse, square)
        return value, 0.5 * np.array([by_scale, inverse.sum(), traced])

    def in_torch(self, torch: Any, theta: Any, square: Any, y: Any) -> Call:
        theta.requires_grad_()
        loss = self.loss(torch, torch.eye(self.points, dtype=torch.float64))

        def value_and_grad() -> Any:
            value = loss(theta, square, y)
            return value, *torch.autograd.grad(value, theta)

        return value_and_grad


WORKLOADS = [GaussianProcess()]
