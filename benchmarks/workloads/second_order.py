"""Second derivatives of perceptrons."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload
from benchmarks.workloads import mlp


def squared_error(np: Any, hidden: int, features: int) -> Callable[[Any, Any, Any], Any]:
    """Of one hidden layer of tanh units, its parameters in one vector: weights (hidden, features), v, c."""

    def loss(theta: Any, x: Any, y: Any) -> Any:
        w = theta[: hidden * features].reshape(hidden, features)
        v, c = theta[hidden * features : -1], theta[-1]
        return np.mean((np.tanh(x @ w.T) @ v + c - y) ** 2)

    return loss


@dataclass(frozen=True, kw_only=True)
class Hessian(Workload):
    """The Hessian of a perceptron with 301 parameters, 32 examples, float64."""

    name = "second_order.hessian"
    hidden: int = 25
    features: int = 11
    batch: int = 32

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, hidden=2, features=3, batch=4)

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        theta = rng.normal(size=self.hidden * self.features + self.hidden + 1) * 0.3
        return theta, rng.normal(size=(self.batch, self.features)), rng.normal(size=self.batch)

    def program(self, lib: Library, theta: Any, x: Any, y: Any) -> Call:
        hessian = lib.hessian(squared_error(lib.np, self.hidden, self.features))
        return partial(lib.jit(hessian), theta, x, y)

    def by_hand(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
        k, n = self.hidden, self.features
        weights = k * n
        v = theta[weights:-1]
        h = np.tanh(x @ theta[:weights].reshape(k, n).T)
        slope = 1.0 - h * h
        error = (h @ v + theta[-1] - y)[:, None] * (2 / len(x))
        jacobian = np.concatenate(
            [((slope * v)[:, :, None] * x[:, None, :]).reshape(len(x), weights), h, np.ones((len(x), 1))], 1
        )
        out = jacobian.T @ jacobian
        out *= 2 / len(x)
        blocks = (error * slope * h * v * -2.0).T[:, None, :] * x.T @ x  # (hidden, features, features)
        mixed = (error * slope).T @ x  # (hidden, features)
        for unit in range(k):
            rows = slice(unit * n, (unit + 1) * n)
            out[rows, rows] += blocks[unit]
            out[rows, weights + unit] += mixed[unit]
            out[weights + unit, rows] += mixed[unit]
        return out

    def in_torch(self, torch: Any, theta: Any, x: Any, y: Any) -> Call:
        return partial(torch.func.hessian(squared_error(torch, self.hidden, self.features)), theta, x, y)


def tanh_cross_entropy(np: Any, logsumexp: Callable[..., Any]) -> Callable[[Any, Any, Any], Any]:
    """A twice differentiable loss of the same perceptron as the other files use."""

    def loss(params: mlp.Params, x: Any, y: Any) -> Any:
        *hidden, last = params
        for layer in hidden:
            x = np.tanh(x @ layer["w"] + layer["b"])
        logits = x @ last["w"] + last["b"]
        return np.mean(logsumexp(logits, -1) - np.sum(logits * y, -1))

    return loss


@dataclass(frozen=True, kw_only=True)
class HessianVector(Workload):
    """The Hessian of the MLP 128-512-512-10 (tanh, batch 128, float32) times a vector."""

    name = "second_order.hvp"
    sizes: tuple[int, ...] = (128, 512, 512, 10)
    batch: int = 128

    def small(self) -> Self:
        return replace(self, sizes=(4, 5, 3), batch=6)

    def inputs(self) -> tuple[Any, ...]:
        params, x, y = mlp.data(self.sizes, self.batch)
        direction = [{key: np.cos(3 * leaf) * 0.1 for key, leaf in layer.items()} for layer in params]
        return params, direction, x, y

    def program(self, lib: Library, params: mlp.Params, direction: mlp.Params, x: Any, y: Any) -> Call:
        loss = tanh_cross_entropy(lib.np, lib.logsumexp)

        def product(params: mlp.Params, direction: mlp.Params, x: Any, y: Any) -> Any:
            return lib.hvp(lambda params: loss(params, x, y), params, direction)

        return partial(lib.jit(product), params, direction, x, y)

    def by_hand(self, params: mlp.Params, direction: mlp.Params, x: np.ndarray, y: np.ndarray) -> mlp.Params:
        """Pearlmutter's R operator: every quantity `a` with its derivative `ra` along the direction."""
        inputs: list[tuple[Any, Any]] = []
        a, ra = x, np.zeros_like(x)
        for layer, t in zip(params, direction, strict=True):
            if inputs:
                np.tanh(a, out=a)
                ra *= 1.0 - a * a
            inputs.append((a, ra))
            a, ra = (
                a @ layer["w"] + layer["b"],
                (ra @ layer["w"] if a is not x else 0.0) + a @ t["w"] + t["b"],
            )
        a = np.exp(a - a.max(axis=1, keepdims=True))
        a /= a.sum(axis=1, keepdims=True)
        rct = a * (ra - np.einsum("ij,ij->i", a, ra)[:, None]) / np.float32(len(x))
        ct = (a - y) / np.float32(len(x))
        out: mlp.Params = []
        for layer, t, (a, ra) in zip(reversed(params), reversed(direction), reversed(inputs), strict=True):
            grad = a.T @ rct
            out.append({"w": grad, "b": rct.sum(axis=0)})
            if a is not x:
                grad += ra.T @ ct
                slope = 1.0 - a * a
                rct = rct @ layer["w"].T + ct @ t["w"].T
                ct = ct @ layer["w"].T
                rct -= 2.0 * ct * a * ra / slope
                rct *= slope
                ct *= slope
        return out[::-1]

    def in_torch(self, torch: Any, params: mlp.Params, direction: mlp.Params, x: Any, y: Any) -> Call:
        loss = tanh_cross_entropy(torch, torch.logsumexp)
        gradient = torch.func.grad(lambda params: loss(params, x, y))
        return lambda: torch.func.jvp(gradient, (params,), (direction,))[1]


WORKLOADS = [Hessian(), HessianVector()]
