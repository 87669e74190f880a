"""Rows looked up in a table: a gather, and in reverse a scatter with repeated rows."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Embedding(Workload):
    """value_and_grad, in the whole table, of the squared error of the rows that were looked up, float32."""

    name = "embedding"
    words: int = 50_000
    width: int = 64
    batch: int = 4096

    def small(self) -> Self:
        return replace(self, words=6, width=3, batch=9)

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        table = rng.normal(size=(self.words, self.width)).astype(np.float32)
        target = rng.normal(size=(self.batch, self.width)).astype(np.float32)
        return table, rng.integers(self.words, size=self.batch), target

    def program(self, lib: Library, table: Any, words: Any, target: Any) -> Call:
        def loss(table: Any, words: Any, target: Any) -> Any:
            return lib.np.mean((table[words] - target) ** 2)

        return partial(lib.jit(lib.value_and_grad(loss)), table, words, target)

    def by_hand(self, table: np.ndarray, words: np.ndarray, target: np.ndarray) -> Any:
        ct = table.take(words, axis=0)
        ct -= target
        value = np.vdot(ct, ct) / ct.size
        ct *= np.float32(2 / ct.size)
        grad = np.zeros_like(table)
        grad[words] = ct
        places = np.arange(len(words))
        writer = np.empty(len(table), places.dtype)
        writer[words] = places
        lost = np.flatnonzero(writer[words] != places)  # another wrote the same row after these
        np.add.at(grad, words[lost], ct[lost])
        return value, grad

    def in_torch(self, torch: Any, table: Any, words: Any, target: Any) -> Call:
        table.requires_grad_()

        def value_and_grad() -> Any:
            rows = torch.nn.functional.embedding(words, table)
            loss = torch.nn.functional.mse_loss(rows, target)
            return loss, *torch.autograd.grad(loss, table)

        return value_and_grad


WORKLOADS = [Embedding()]
