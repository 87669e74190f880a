"""Loops: what their derivatives cost, from tracing on, and as compiled programs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Recurrent(Workload):
    """A tanh network of one layer over a sequence of float32 rows, as a scan."""

    steps: int = 100
    width: int = 32

    def small(self) -> Self:
        return replace(self, steps=3, width=4)

    def inputs(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(0)
        w = rng.normal(size=(self.width, self.width)) / np.sqrt(self.width)
        return w.astype(np.float32), rng.normal(size=(self.steps, self.width)).astype(np.float32)

    def loss(self, lib: Library) -> Callable[[Any, Any], Any]:
        """A new function every time, so that no cache knows it."""

        def step(w: Any, h: Any, x: Any) -> tuple[Any, None]:
            return lib.np.tanh(w @ h + x), None

        def loss(w: Any, xs: Any) -> Any:
            h, _ = lib.lax.scan(partial(step, w), lib.np.zeros_like(xs[0]), xs)
            return lib.np.sum(h)

        return loss

    def by_hand(self, w: np.ndarray, xs: np.ndarray) -> Any:
        states = [np.zeros_like(xs[0])]
        for x in xs:
            states.append(np.tanh(w @ states[-1] + x))
        ct = np.ones_like(states[-1])
        slopes = np.empty_like(xs)
        for i in reversed(range(len(xs))):
            slopes[i] = ct * (1 - states[i + 1] ** 2)
            ct = w.T @ slopes[i]
        return slopes.T @ np.stack(states[:-1])


@dataclass(frozen=True, kw_only=True)
class FirstGradient(Recurrent):
    """The first gradient: traced, compiled, run once."""

    name, mode = "scan.first_grad", "jit"
    peers: tuple[str, ...] = ("numpy", "jax")

    def program(self, lib: Library, w: Any, xs: Any) -> Call:
        return lambda: lib.jit(lib.grad(self.loss(lib)))(w, xs)


@dataclass(frozen=True, kw_only=True)
class WarmGradient(Recurrent):
    """A gradient that has been compiled."""

    name = "scan.grad"
    peers: tuple[str, ...] = ("numpy", "jax")

    def program(self, lib: Library, w: Any, xs: Any) -> Call:
        return partial(lib.jit(lib.grad(self.loss(lib))), w, xs)


@dataclass(frozen=True, kw_only=True)
class EagerGradient(Recurrent):
    """A gradient without `jit` around it, of the same function at every call."""

    name, mode = "scan.eager_grad", "eager"
    peers: tuple[str, ...] = ("numpy", "jax")

    def program(self, lib: Library, w: Any, xs: Any) -> Call:
        return partial(lib.grad(self.loss(lib)), w, xs)


@dataclass(frozen=True, kw_only=True)
class WhileLoop(Workload):
    """A loop of some hundred steps on 1,000 float64 elements that ends by a condition; no peer has its gradient."""

    size: int = 1_000
    end: float = 300.0

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, size=5, end=3.0)

    def inputs(self) -> tuple[np.ndarray]:
        return (np.linspace(0.1, 1.0, self.size),)

    def loss(self, lib: Library) -> Callable[[Any], Any]:
        """The sum of the last value."""

        def loss(x: Any) -> Any:
            def body(c: Any) -> Any:
                return c[0] + lib.np.sin(c[0] * x), c[1] + 1.0

            return lib.np.sum(lib.lax.while_loop(lambda c: c[1] < self.end, body, (x, 0.0))[0])

        return loss


@dataclass(frozen=True, kw_only=True)
class WhileForward(WhileLoop):
    """Its value alone, to compare the gradient with."""

    name = "while.forward"
    peers: tuple[str, ...] = ("numpy", "jax")

    def program(self, lib: Library, x: Any) -> Call:
        return partial(lib.jit(self.loss(lib)), x)

    def by_hand(self, x: np.ndarray) -> Any:
        v, n = x, 0.0
        while n < self.end:
            step = v * x
            np.sin(step, out=step)
            step += v
            v, n = step, n + 1.0
        return np.sum(v)


@dataclass(frozen=True, kw_only=True)
class WhileGradient(WhileLoop):
    """Reverse mode through it."""

    name = "while.grad"
    peers: tuple[str, ...] = ("numpy",)

    def program(self, lib: Library, x: Any) -> Call:
        return partial(lib.jit(lib.grad(self.loss(lib))), x)

    def by_hand(self, x: np.ndarray) -> Any:
        values = [x]
        n = 0.0
        while n < self.end:
            values.append(values[-1] + np.sin(values[-1] * x))
            n += 1.0
        ct, total = np.ones_like(x), np.zeros_like(x)
        for v in reversed(values[:-1]):
            slope = ct * np.cos(v * x)
            total += slope * v
            ct = ct + slope * x
        return total + ct


@dataclass(frozen=True, kw_only=True)
class UnevenRows(Workload):
    """vmap of a while loop over 1,000 rows of 16 float64 elements, of which one takes 500 steps and the others one."""

    name = "while.uneven_rows"
    rows: int = 1_000
    longest: int = 500
    peers: tuple[str, ...] = ("numpy", "jax")

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, rows=4, longest=3)

    def inputs(self) -> tuple[Any, ...]:
        trips = np.ones(self.rows)
        trips[self.rows // 2] = self.longest
        return np.linspace(0.1, 1.0, self.rows * 16).reshape(self.rows, 16), trips

    def program(self, lib: Library, x: Any, trips: Any) -> Call:
        def row(x: Any, trips: Any) -> Any:
            def body(c: Any) -> Any:
                return lib.np.sin(c[0]) + 0.1 * x, c[1] + 1.0

            return lib.lax.while_loop(lambda c: c[1] < trips, body, (x, 0.0))[0]

        return partial(lib.jit(lib.vmap(row, (0, 0))), x, trips)

    def by_hand(self, x: np.ndarray, trips: np.ndarray) -> np.ndarray:
        out = x.copy()
        for n in np.unique(trips):
            rows = trips == n
            v, step = x[rows], 0.1 * x[rows]
            for _ in range(int(n)):
                np.sin(v, out=v)
                v += step
            out[rows] = v
        return out


WORKLOADS = [FirstGradient(), WarmGradient(), EagerGradient(), WhileForward(), WhileGradient(), UnevenRows()]
