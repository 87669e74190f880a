"""Derivatives of high order, by Taylor mode and by gradients of gradients."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import factorial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload

Weights = list[dict[str, np.ndarray]]

PEERS = ("numpy", "jax")  # the others have no Taylor mode


def network(np: Any, weights: Any) -> Callable[[Any], Any]:
    """A perceptron of tanh units."""

    def f(x: Any) -> Any:
        *hidden, last = weights
        for layer in hidden:
            x = np.tanh(x @ layer["w"] + layer["b"])
        return x @ last["w"] + last["b"]

    return f


def tanh_by_hand(x: np.ndarray) -> np.ndarray:
    """The coefficients of tanh from those of x, along axis 0: y′ = (1 − y²)·x′."""
    y, rate, slopes = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for k, row in enumerate(x):
        np.multiply(row, k, out=slopes[k])
    np.tanh(x[0], out=y[0])
    rate[0] = 1 - y[0] * y[0]
    for k in range(1, len(x)):
        y[k] = np.einsum("kij,kij->ij", slopes[1 : k + 1], rate[k - 1 :: -1]) / k
        rate[k] = -np.einsum("kij,kij->ij", y[: k + 1], y[k::-1])
    return y


@dataclass(frozen=True, kw_only=True)
class TaylorMode(Workload):
    """A jet of a perceptron of two hidden layers along a curve, order 8, batch 64, float32."""

    compiled: bool
    sizes: tuple[int, ...] = (2, 64, 64, 1)
    batch: int = 64
    order: int = 8
    peers: tuple[str, ...] = PEERS

    def small(self) -> Self:
        return replace(self, sizes=(2, 3, 3, 1), batch=4, order=4)

    @property
    def name(self) -> str:
        return "higher_order.jet" if self.compiled else "higher_order.jet_eager"

    @property
    def mode(self) -> str:
        return "jit" if self.compiled else "eager"

    def inputs(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(0)
        shapes = list(zip(self.sizes, self.sizes[1:], strict=False))
        weights = [{"w": rng.normal(size=s) / np.sqrt(s[0]), "b": rng.normal(size=s[1]) * 0.1} for s in shapes]
        single = [{key: value.astype(np.float32) for key, value in layer.items()} for layer in weights]
        curve = rng.normal(size=(self.order + 1, self.batch, self.sizes[0])).astype(np.float32)
        return single, curve[0], list(curve[1:])

    def program(self, lib: Library, weights: Any, x: Any, series: Any) -> Call:
        def expand(x: Any, series: Any) -> Any:
            return lib.jet(network(lib.np, weights), (x,), (series,))

        return partial(lib.jit(expand) if self.compiled else expand, x, series)

    def by_hand(self, weights: Weights, x: np.ndarray, series: list[np.ndarray]) -> Any:
        terms = np.stack([x, *[t / np.float32(factorial(k)) for k, t in enumerate(series, 1)]])
        for i, layer in enumerate(weights):
            rows, width = terms.shape[1], layer["w"].shape[1]
            terms = (terms.reshape(-1, terms.shape[-1]) @ layer["w"]).reshape(-1, rows, width)
            terms[0] += layer["b"]
            if i + 1 < len(weights):
                terms = tanh_by_hand(terms)
        return terms[0], [t * np.float32(factorial(k)) for k, t in enumerate(terms[1:], 1)]


def chain(np: Any, repeats: int) -> Callable[[Any], Any]:
    """Two operations, repeated."""

    def f(x: Any) -> Any:
        for _ in range(repeats):
            x = np.sin(x) + 0.1 * x
        return x

    return f


@dataclass(frozen=True, kw_only=True)
class DeepDerivative(Workload):
    """The derivative of order 10 of a scalar function of 75 operations, one in another, float64."""

    repeats: int = 25
    order: int = 10
    peers: tuple[str, ...] = PEERS

    name = "higher_order.tenth_derivative"
    x64, tolerance = True, 1e-6

    def small(self) -> Self:
        return replace(self, repeats=3, order=5)

    def inputs(self) -> tuple[float]:
        return (0.5,)

    def program(self, lib: Library, x: Any) -> Call:
        direction = [1.0, *[0.0] * (self.order - 1)]
        top = lib.jit(lambda x: lib.jet(chain(lib.np, self.repeats), (x,), (direction,))[1][-1])
        return partial(top, x)

    def by_hand(self, x: float) -> Any:
        terms = np.zeros(self.order + 1)
        terms[:2] = x, 1.0
        for _ in range(self.repeats):
            terms = sine_by_hand(terms) + 0.1 * terms
        return terms[-1] * factorial(self.order)


def sine_by_hand(x: np.ndarray) -> np.ndarray:
    """The coefficients of sin from those of x: s′ = c·x′, c′ = −s·x′."""
    s, c = np.empty_like(x), np.empty_like(x)
    s[0], c[0] = np.sin(x[0]), np.cos(x[0])
    slopes = x * np.arange(len(x))
    for k in range(1, len(x)):
        s[k] = slopes[1 : k + 1] @ c[k - 1 :: -1] / k
        c[k] = -(slopes[1 : k + 1] @ s[k - 1 :: -1]) / k
    return s


@dataclass(frozen=True, kw_only=True)
class ThirdDerivative(Workload):
    """The third derivative of tanh at 10⁵ points: gradient of sum, three times over, float32."""

    name = "higher_order.third_derivative"
    size: int = 100_000

    def small(self) -> Self:
        return replace(self, size=5)

    def inputs(self) -> tuple[np.ndarray]:
        return (np.random.default_rng(0).normal(size=self.size).astype(np.float32),)

    def program(self, lib: Library, x: Any) -> Call:
        def slope(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return lib.grad(lambda x: lib.np.sum(function(x)))  # type: ignore[no-any-return]

        return partial(lib.jit(slope(slope(slope(lib.np.tanh)))), x)

    def by_hand(self, x: np.ndarray) -> np.ndarray:
        square: np.ndarray = np.tanh(x)
        square *= square
        out: np.ndarray = 1.0 - square  # (1 − t²)(6t² − 2)
        square *= 6.0
        square -= 2.0
        out *= square
        return out

    def in_torch(self, torch: Any, x: Any) -> Call:
        x.requires_grad_()

        def derivative() -> Any:
            out = torch.tanh(x)
            for order in range(3):
                (out,) = torch.autograd.grad(out.sum(), x, create_graph=order < 2)
            return out

        return derivative


WORKLOADS = [TaylorMode(compiled=True), TaylorMode(compiled=False), DeepDerivative(), ThirdDerivative()]
