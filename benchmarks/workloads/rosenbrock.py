"""Rosenbrock's function: element-wise work on slices that overlap."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload
from benchmarks.workloads.sparse import rosenbrock


@dataclass(frozen=True, kw_only=True)
class Rosenbrock(Workload):
    """value_and_grad in 10⁶ dimensions, float64."""

    name = "rosenbrock"
    size: int = 1_000_000

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, size=6)

    def inputs(self) -> tuple[np.ndarray]:
        return (np.random.default_rng(0).normal(size=self.size),)

    def program(self, lib: Library, x: Any) -> Call:
        return partial(lib.jit(lib.value_and_grad(rosenbrock)), x)

    def by_hand(self, x: np.ndarray) -> tuple[np.floating, np.ndarray]:
        head = x[:-1]
        residual = head * head
        np.subtract(x[1:], residual, out=residual)
        offset = 1.0 - head
        value = 100.0 * np.dot(residual, residual) + np.dot(offset, offset)
        residual *= 200.0
        slope = np.empty_like(x)
        np.add(offset, np.multiply(residual, head, out=slope[:-1]), out=slope[:-1])
        slope[:-1] *= -2.0
        slope[-1] = 0.0
        slope[1:] += residual
        return value, slope

    def in_torch(self, torch: Any, x: Any) -> Call:
        x.requires_grad_()

        def value_and_grad() -> Any:
            value = rosenbrock(x)
            return value, *torch.autograd.grad(value, x)

        return value_and_grad


WORKLOADS = [Rosenbrock()]
