"""What transforming a long program costs per equation: the same at every length, if it is linear."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class LongProgram(Workload):
    """A straight line of element-wise equations on three float64 elements."""

    size: int

    unit, x64, tolerance = "equation", True, 1e-9

    def small(self) -> Self:
        return replace(self, size=8)

    @property
    def family(self) -> str:
        """What is done to the program."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return f"{self.family}.{self.size:.0e}".replace("+0", "")

    @property
    def count(self) -> int:
        return self.size

    def inputs(self) -> tuple[np.ndarray]:
        return (np.array([0.5, -0.2, 0.9]),)

    def function(self, np: Any) -> Callable[[Any], Any]:
        """A new function every time, so that no cache knows it."""

        def f(x: Any) -> Any:
            for _ in range(self.size // 2):
                x = np.sin(x) * -1.0  # its derivative stays far from 0
            return x

        return f

    def scalar_function(self, np: Any) -> Callable[[Any], Any]:
        """The same, and a sum."""
        f = self.function(np)
        return lambda x: np.sum(f(x))

    def slope(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value and derivative, element by element, by hand."""
        slopes = []
        for _ in range(self.size // 2):
            slopes.append(-np.cos(x))
            x = -np.sin(x)
        ct = np.ones_like(x)
        for slope in reversed(slopes):
            ct *= slope
        return x, ct


@dataclass(frozen=True, kw_only=True)
class Trace(LongProgram):
    """make_jaxpr; the numbers of equations are compared."""

    family, mode = "trace", "trace"

    def program(self, lib: Library, x: Any) -> Call:
        return lambda: lib.make_jaxpr(self.function(lib.np))(x)

    def outcome(self, result: Any) -> int:
        return len(result.jaxpr.eqns)


@dataclass(frozen=True, kw_only=True)
class Linearize(LongProgram):
    """linearize at concrete values."""

    family, mode = "linearize", "eager"

    def program(self, lib: Library, x: Any) -> Call:
        return lambda: lib.linearize(self.function(lib.np), x)

    def outcome(self, result: Any) -> Any:
        out, linear = result
        return out, linear(np.ones(3))


@dataclass(frozen=True, kw_only=True)
class Transpose(LongProgram):
    """Calling a pullback that vjp has made: the backward pass alone."""

    family, mode = "transpose", "eager"

    def program(self, lib: Library, x: Any) -> Call:
        _, pullback = lib.vjp(self.function(lib.np), x)
        return partial(pullback, lib.array(np.ones(3)))


@dataclass(frozen=True, kw_only=True)
class Gradient(LongProgram):
    """value_and_grad from scratch."""

    family, mode = "gradient", "eager"

    def program(self, lib: Library, x: Any) -> Call:
        return lambda: lib.value_and_grad(self.scalar_function(lib.np))(x)

    def by_hand(self, x: np.ndarray) -> Any:
        out, slope = self.slope(x)
        return np.sum(out), slope

    def in_torch(self, torch: Any, x: Any) -> Call:
        x.requires_grad_()

        def value_and_grad() -> Any:
            value = self.scalar_function(torch)(x)
            return value, *torch.autograd.grad(value, x)

        return value_and_grad


@dataclass(frozen=True, kw_only=True)
class Compile(LongProgram):
    """The first call of a jitted function: tracing, lowering, compiling, running."""

    family, mode = "compile", "jit"

    def program(self, lib: Library, x: Any) -> Call:
        return lambda: lib.jit(self.function(lib.np))(x)


WORKLOADS = [
    *(Trace(size=size, peers=("jax",)) for size in (1_000, 10_000, 100_000)),
    *(Linearize(size=size, peers=("jax",)) for size in (1_000, 10_000)),
    Linearize(size=100_000, peers=()),  # JAX takes 20 s
    *(Transpose(size=size, peers=("jax", "autograd")) for size in (1_000, 10_000)),
    Transpose(size=100_000, peers=("autograd",)),
    *(Gradient(size=size) for size in (1_000, 10_000)),
    Gradient(size=100_000, peers=("numpy", "autograd", "torch")),
    *(Compile(size=size, peers=("jax",)) for size in (1_000, 10_000)),
    Compile(size=100_000, peers=()),
]
