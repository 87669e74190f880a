"""Five optimizers on two valleys: what momentum and adaptive steps are for.

    rosenbrock(x, y) = (1 - x)² + 100 (y - x²)²      a bent, flat valley, with its minimum at (1, 1)
    bowl(x, y)       = ½ (x² + 50 y²)                straight, but fifty times as steep across as along

Gradient descent must take steps that are short enough for the steep direction, and creeps along the flat one. Momentum
adds up what is common to many gradients. AdaGrad, RMSProp and Adam divide each coordinate by the size of its own
gradients, and so do not feel that y is scaled. A whole run is one `scan` of updates, compiled; a learning rate is a
leaf of the optimizer's state, so `vmap` tries many at once, and each optimizer is shown with the best of those whose
path stays in the picture.

    python examples/optimizers.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
from fgrad import lax, optim

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None


class Surface(NamedTuple):
    function: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    minimum: np.ndarray
    window: tuple[tuple[float, float], tuple[float, float]]


def rosenbrock(point: np.ndarray) -> np.ndarray:
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def bowl(point: np.ndarray) -> np.ndarray:
    x, y = point
    return (x**2 + 50 * y**2) / 2


SURFACES = {
    "Rosenbrock": Surface(rosenbrock, np.array([-1.2, 1.0]), np.array([1.0, 1.0]), ((-1.8, 1.6), (-0.7, 2.2))),
    "bowl": Surface(bowl, np.array([-4.0, 0.8]), np.array([0.0, 0.0]), ((-4.6, 1.5), (-1.4, 1.4))),
}
OPTIMIZERS = {
    "SGD": (optim.sgd, "#22262e"),
    "momentum": (lambda rate: optim.sgd(rate, momentum=0.9), "#2e6f95"),
    "AdaGrad": (optim.adagrad, "#e0a458"),
    "RMSProp": (optim.rmsprop, "#7b5ea7"),
    "Adam": (optim.adam, "#d1495b"),
}
RATES = np.logspace(-4, 1, 41)


def descend(optimizer: optim.GradientTransformation, surface: Surface, steps: int, rate: float) -> np.ndarray:
    """The parameters after each step, (steps, 2)."""

    def step(carry, _):
        point, state = carry
        updates, state = optimizer.update(fgrad.grad(surface.function)(point), state, point)
        point = optim.apply_updates(point, updates)
        return (point, state), point

    state = optimizer.init(surface.start)
    state = state._replace(hyper=state.hyper._replace(learning_rate=rate))
    _, points = lax.scan(step, (surface.start, state), length=steps)
    return points


def best_path(
    make: Callable[..., optim.GradientTransformation], surface: Surface, steps: int
) -> tuple[float, np.ndarray]:
    """The learning rate whose path ends lowest, of those that stay in the window; and that path, from the start on."""
    optimizer = make(RATES[0])
    with np.errstate(all="ignore"):  # rates that are too large diverge
        paths = fgrad.jit(fgrad.vmap(lambda rate: descend(optimizer, surface, steps, rate)))(RATES)
        low, high = np.transpose(surface.window)
        inside = np.all((low < paths) & (paths < high), axis=(1, 2))
        ends = np.where(inside, fgrad.vmap(surface.function)(paths[:, -1]), np.inf)
    best = int(np.argmin(ends))
    return float(RATES[best]), np.vstack([surface.start, paths[best]])


def steps_until(path: np.ndarray, surface: Surface, distance: float = 0.01) -> int | None:
    """After how many steps the path has come so near to the minimum, and stays there."""
    far = np.flatnonzero(np.linalg.norm(path - surface.minimum, axis=1) > distance)
    return None if far[-1] == len(path) - 1 else int(far[-1]) + 1


def draw(paths: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    figure = Figure(figsize=(12, 5), dpi=110, layout="constrained")
    for axes, (name, runs) in zip(figure.subplots(1, 2), paths.items(), strict=True):
        surface = SURFACES[name]
        x, y = (np.linspace(*limits, 300) for limits in surface.window)
        height = surface.function((x[:, None], y[None, :]))
        axes.contourf(x, y, np.log10(height.T + 1e-2), levels=40, cmap="Blues", vmax=9)
        for run, points in runs.items():
            axes.plot(*points.T, ".-", color=OPTIMIZERS[run][1], lw=1.5, ms=4, label=run)
        axes.plot(*surface.minimum, "*", color="#22262e", ms=14, zorder=5)
        axes.plot(*surface.start, "o", color="#22262e", ms=7, zorder=5)
        axes.set(xlim=surface.window[0], ylim=surface.window[1], xticks=[], yticks=[])
        axes.set_title(name, loc="left", weight="bold")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Five optimizers on two valleys.")
    parser.add_argument("--steps", type=int, default=300, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="optimizers.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    paths: dict[str, dict[str, np.ndarray]] = {}
    for name, surface in SURFACES.items():
        print(f"{name:12s} best rate   value after {arguments.steps}   steps to within 0.01")
        for run, (make, _) in OPTIMIZERS.items():
            rate, points = best_path(make, surface, arguments.steps)
            paths.setdefault(name, {})[run] = points
            steps = steps_until(points, surface)
            value = float(surface.function(points[-1]))
            print(f"  {run:9s}  {rate:8.4f}   {value:15.1e}   {steps or 'not reached'!s:>11s}")
    draw(paths, arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
