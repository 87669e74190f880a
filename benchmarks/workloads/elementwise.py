"""An element-wise chain: what fusing, reusing buffers and threads are worth."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Chain(Workload):
    """Value and gradient of the sum of tanh(sin(x) exp(-x²/2)) sqrt(1 + x²), float32."""

    size: int

    def small(self) -> Self:
        return replace(self, size=5)

    @property
    def name(self) -> str:
        return f"chain.{self.size:.0e}".replace("+0", "")

    def inputs(self) -> tuple[np.ndarray]:
        # Not centred at 0: the chain is odd, and what is left of a sum that cancels cannot be compared.
        return (np.random.default_rng(0).normal(1.0, size=self.size).astype(np.float32),)

    def program(self, lib: Library, x: Any) -> Call:
        def chain(x: Any) -> Any:
            bump = lib.np.tanh(lib.np.sin(x) * lib.np.exp(x * x * -0.5))
            return lib.np.sum(bump * lib.np.sqrt(x * x + 1.0))

        return partial(lib.jit(lib.value_and_grad(chain)), x)

    def by_hand(self, x: np.ndarray) -> tuple[np.floating, np.ndarray]:
        square = x * x
        bell = np.exp(square * -0.5)
        u = np.sin(x)
        u *= bell
        root = np.sqrt(np.add(square, 1.0, out=square), out=square)
        t = np.tanh(u)
        value = np.dot(t, root)
        slope = np.cos(x)  # of u: cos(x) bell - x u
        slope *= bell
        u *= x
        slope -= u
        slope *= 1.0 - t * t
        slope *= root
        t *= x
        t /= root
        slope += t
        return value, slope

    def in_torch(self, torch: Any, x: Any) -> Call:
        x.requires_grad_()

        def value_and_grad() -> Any:
            bump = torch.tanh(torch.sin(x) * torch.exp(x * x * -0.5))
            value = torch.sum(bump * torch.sqrt(x * x + 1.0))
            return value, *torch.autograd.grad(value, x)

        return value_and_grad


WORKLOADS = [Chain(size=size) for size in (1_000, 100_000, 1_000_000, 10_000_000)]
