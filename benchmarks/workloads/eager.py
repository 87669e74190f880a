"""Un-jitted gradients of 100 operations on next to no data: what the library itself costs per operation."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


def chain(np: Any, repeats: int, x: Any) -> Any:
    """Four operations, repeated."""
    for _ in range(repeats):
        x = np.tanh(np.sin(x) * 1.1 + 0.2)
    return x


def chain_by_hand(repeats: int, x: Any) -> tuple[Any, Any]:
    """The chain's value and its derivative."""
    slopes = []
    for _ in range(repeats):
        slopes.append(np.cos(x))
        x = np.tanh(np.sin(x) * 1.1 + 0.2)
        slopes[-1] *= 1.1 * (1.0 - x * x)
    ct = 1.0
    for slope in reversed(slopes):
        ct = ct * slope
    return x, ct


@dataclass(frozen=True, kw_only=True)
class Overhead(Workload):
    """Un-jitted value_and_grad of 100 element-wise operations on three elements, or on a Python float."""

    scalar: bool
    repeats: int = 25

    mode, unit, x64, tolerance = "eager", "operation", True, 1e-9

    def small(self) -> Self:
        return replace(self, repeats=2)

    @property
    def name(self) -> str:
        return "eager.scalar" if self.scalar else "eager.elementwise"

    @property
    def count(self) -> int:
        return 4 * self.repeats

    def inputs(self) -> tuple[Any]:
        return (0.5 if self.scalar else np.array([0.5, -0.2, 0.9]),)

    def program(self, lib: Library, x: Any) -> Call:
        def total(x: Any) -> Any:
            out = chain(lib.np, self.repeats, x)
            return out if self.scalar else lib.np.sum(out)

        return partial(lib.value_and_grad(total), x)

    def by_hand(self, x: Any) -> Any:
        out, ct = chain_by_hand(self.repeats, x)
        return out if self.scalar else np.add.reduce(out), ct

    def in_torch(self, torch: Any, x: Any) -> Call:
        x = torch.as_tensor(x, dtype=torch.float64).requires_grad_()

        def value_and_grad() -> Any:
            value = torch.sum(chain(torch, self.repeats, x))
            return value, *torch.autograd.grad(value, x)

        return value_and_grad


WORKLOADS = [Overhead(scalar=False), Overhead(scalar=True)]
