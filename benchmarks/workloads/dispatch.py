"""Calls of jitted functions that do next to nothing: what a call costs."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Add(Workload):
    """a + b on three float32 elements."""

    name = "dispatch.add"

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
        return a, b

    def program(self, lib: Library, a: Any, b: Any) -> Call:
        return partial(lib.jit(lambda a, b: a + b), a, b)

    def by_hand(self, a: np.ndarray, b: np.ndarray) -> Any:
        return a + b

    def in_torch(self, torch: Any, a: Any, b: Any) -> Call:
        return partial(self.by_hand, a, b)


@dataclass(frozen=True, kw_only=True)
class Pytree(Workload):
    """Twice every leaf of a tree of 50 leaves with three float32 elements each: 25 dictionaries in a list."""

    name = "dispatch.pytree"
    layers: int = 25

    def small(self) -> Self:
        return replace(self, layers=2)

    def inputs(self) -> tuple[Any]:
        leaves = np.random.default_rng(0).normal(size=(self.layers, 2, 3)).astype(np.float32)
        return ([{"w": w.copy(), "b": b.copy()} for w, b in leaves],)

    def program(self, lib: Library, tree: Any) -> Call:
        return partial(lib.jit(self.by_hand), tree)

    def by_hand(self, tree: Any) -> Any:
        return [{"w": layer["w"] * 2.0, "b": layer["b"] * 2.0} for layer in tree]

    def in_torch(self, torch: Any, tree: Any) -> Call:
        return partial(self.by_hand, tree)


WORKLOADS = [Add(), Pytree()]
