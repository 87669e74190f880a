"""A differential equation of two numbers: loops whose steps do next to nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import cos, sin
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload

STEP = 1e-3


@dataclass(frozen=True, kw_only=True)
class Pendulum(Workload):
    """Where a damped pendulum is after 10⁵ steps, as a scan, float64: angle, or its gradient in start and damping."""

    gradient: bool
    steps: int = 100_000
    peers: tuple[str, ...] = ("numpy", "jax")  # without a loop of their own the others take seconds

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, steps=5)

    @property
    def name(self) -> str:
        return "pendulum.grad" if self.gradient else "pendulum.forward"

    def inputs(self) -> tuple[np.ndarray, ...]:
        return tuple(np.array(x) for x in (1.0, 0.5, 0.01))

    def angle(self, lib: Library) -> Callable[[Any, Any, Any], Any]:
        """The last angle."""

        def angle(theta: Any, omega: Any, damping: Any) -> Any:
            def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
                theta, omega = carry
                omega = omega - STEP * (lib.np.sin(theta) + damping * omega)
                return (theta + STEP * omega, omega), None

            return lib.lax.scan(step, (theta, omega), None, length=self.steps)[0][0]

        return angle

    def program(self, lib: Library, *inputs: Any) -> Call:
        angle = self.angle(lib)
        return partial(lib.jit(lib.value_and_grad(angle, argnums=(0, 1, 2)) if self.gradient else angle), *inputs)

    def by_hand(self, *inputs: np.ndarray) -> Any:
        """On Python's floats: a ufunc on one number takes several times as long."""
        theta, omega, damping = (x.item() for x in inputs)
        return (value_and_grad_by_hand if self.gradient else angle_by_hand)(theta, omega, damping, self.steps)


def angle_by_hand(theta: float, omega: float, damping: float, steps: int) -> float:
    """The last angle."""
    for _ in range(steps):
        omega -= STEP * (sin(theta) + damping * omega)
        theta += STEP * omega
    return theta


def value_and_grad_by_hand(theta: float, omega: float, damping: float, steps: int) -> tuple[float, tuple[float, ...]]:
    """The last angle and its gradient."""
    thetas, omegas = [], []  # of floats, not of pairs: the garbage collector visits those
    for _ in range(steps):
        thetas.append(theta)
        omegas.append(omega)
        omega -= STEP * (sin(theta) + damping * omega)
        theta += STEP * omega
    last = theta
    ct_theta, ct_omega, ct_damping = 1.0, 0.0, 0.0
    keep = 1.0 - STEP * damping
    for theta, omega in zip(reversed(thetas), reversed(omegas), strict=True):
        ct_omega += STEP * ct_theta
        ct_damping += ct_omega * omega
        ct_theta -= STEP * ct_omega * cos(theta)
        ct_omega *= keep
    return last, (ct_theta, ct_omega, -STEP * ct_damping)


WORKLOADS = [Pendulum(gradient=False), Pendulum(gradient=True)]
