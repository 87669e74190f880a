"""Per-example gradients: vmap of grad."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload
from benchmarks.workloads import mlp


@dataclass(frozen=True, kw_only=True)
class PerExample(Workload):
    """vmap(grad) of the MLP 64-128-128-10 over a batch of 256, float32."""

    name = "mlp.per_example_grad"
    sizes: tuple[int, ...] = (64, 128, 128, 10)
    batch: int = 256

    def small(self) -> Self:
        return replace(self, sizes=(4, 5, 3), batch=6)

    def inputs(self) -> tuple[Any, ...]:
        return mlp.data(self.sizes, self.batch)

    def program(self, lib: Library, params: mlp.Params, x: Any, y: Any) -> Call:
        per_example = lib.vmap(lib.grad(mlp.cross_entropy(lib)), in_axes=(None, 0, 0))
        return partial(lib.jit(per_example), params, x, y)

    def by_hand(self, params: mlp.Params, x: np.ndarray, y: np.ndarray) -> mlp.Params:
        inputs, logits = mlp.forward_by_hand(params, x)
        _, ct = mlp.softmax_by_hand(logits, y)
        grads: mlp.Params = []
        for layer, a in zip(reversed(params), reversed(inputs), strict=True):
            grads.append({"w": a[:, :, None] * ct[:, None, :], "b": ct})
            if a is not x:
                ct = ct @ layer["w"].T
                ct *= a > 0
        return grads[::-1]

    def in_torch(self, torch: Any, params: mlp.Params, x: Any, y: Any) -> Call:
        def loss(params: mlp.Params, x: Any, y: Any) -> Any:
            *hidden, last = params
            for layer in hidden:
                x = torch.relu(x @ layer["w"] + layer["b"])
            return torch.nn.functional.cross_entropy(x @ last["w"] + last["b"], y)

        return partial(torch.func.vmap(torch.func.grad(loss), (None, 0, 0)), params, x, y.argmax(1))


WORKLOADS = [PerExample()]
