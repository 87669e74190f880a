"""A loss in the frequencies of a signal."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Spectrum(Workload):
    """value_and_grad of the mean square of a signal's filtered spectrum less a wanted one, 2¹⁸ values, float64."""

    name = "fft_loss"
    size: int = 2**18

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, size=8)

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        half = self.size // 2 + 1
        wanted = rng.normal(size=half) + 1j * rng.normal(size=half)
        return rng.normal(size=self.size), 1.0 / (1.0 + np.linspace(0.0, 3.0, half)), wanted

    def loss(self, np: Any) -> Any:
        """In the names that all libraries have."""

        def loss(x: Any, weights: Any, wanted: Any) -> Any:
            rest = np.fft.rfft(x) * weights - wanted
            return np.mean(np.real(rest) ** 2 + np.imag(rest) ** 2)

        return loss

    def program(self, lib: Library, x: Any, weights: Any, wanted: Any) -> Call:
        return partial(lib.jit(lib.value_and_grad(self.loss(lib.np))), x, weights, wanted)

    def by_hand(self, x: np.ndarray, weights: np.ndarray, wanted: np.ndarray) -> Any:
        rest = np.fft.rfft(x)
        rest *= weights
        rest -= wanted
        parts = rest.view(x.dtype)
        value = np.vdot(parts, parts) / len(rest)
        # Each frequency but the first and the middle one counts for itself and its mirror image in the inverse.
        rest *= weights
        rest[1:-1] *= 0.5
        out = np.fft.irfft(rest, len(x), norm="forward")
        out *= 2.0 / len(rest)
        return value, out

    def in_torch(self, torch: Any, x: Any, weights: Any, wanted: Any) -> Call:
        x.requires_grad_()
        loss = self.loss(torch)

        def value_and_grad() -> Any:
            value = loss(x, weights, wanted)
            return value, *torch.autograd.grad(value, x)

        return value_and_grad


WORKLOADS = [Spectrum()]
