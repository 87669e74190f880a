"""A Jacobian of 100 outputs in 100 inputs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import PEERS, Call, Library
from benchmarks.workload import Workload


def two_layers(np: Any) -> Callable[[Any, Any], Any]:
    """The function."""
    return lambda x, a: np.tanh(a @ np.tanh(a @ x))


@dataclass(frozen=True, kw_only=True)
class Jacobian(Workload):
    """jacrev or jacfwd of tanh(A tanh(A x)), float32."""

    forward: bool
    size: int = 100

    def small(self) -> Self:
        return replace(self, size=4)

    @property
    def name(self) -> str:
        return "jacobian.forward" if self.forward else "jacobian.reverse"

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        a = rng.normal(size=(self.size, self.size)) / np.sqrt(self.size)
        return rng.normal(size=self.size).astype(np.float32), a.astype(np.float32)

    def program(self, lib: Library, x: Any, a: Any) -> Call:
        jacobian = lib.jacfwd if self.forward else lib.jacrev
        return partial(lib.jit(jacobian(two_layers(lib.np))), x, a)

    def by_hand(self, x: np.ndarray, a: np.ndarray) -> Any:
        inner = np.tanh(a @ x)
        outer = np.tanh(a @ inner)
        return ((1.0 - outer * outer)[:, None] * a * (1.0 - inner * inner)) @ a

    def in_torch(self, torch: Any, x: Any, a: Any) -> Call:
        jacobian = torch.func.jacfwd if self.forward else torch.func.jacrev
        return partial(jacobian(two_layers(torch)), x, a)


WORKLOADS = [
    Jacobian(forward=False),
    Jacobian(forward=True, peers=tuple(peer for peer in PEERS if peer != "autograd")),
]
