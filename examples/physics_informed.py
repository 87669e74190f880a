"""A physics-informed network: the heat equation solved by a network that is told the equation, and no solution.

On a rod of length 1, whose ends are held at 0, the temperature u(x, t) obeys

    ∂u/∂t = κ ∂²u/∂x²,    u(x, 0) = sin πx + ½ sin 3πx,    u(0, t) = u(1, t) = 0.

The network u(x, t; θ) has these values at t = 0 and at the ends built in, by its form; what it must learn is to make
the residual ∂u/∂t - κ ∂²u/∂x² small at points inside (Raissi, Perdikaris & Karniadakis, 2019). The residual holds
second derivatives of the network, and its gradient by θ third ones. The exact solution is known,

    u = sin πx · exp(-κπ²t) + ½ sin 3πx · exp(-9κπ²t),

and says how good the network is, also in between the points.

    python examples/physics_informed.py
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, random
from fgrad.scipy.optimize import minimize

try:
    from matplotlib.figure import Figure
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

CONDUCTIVITY = 0.1  # κ
SIZES = (2, 20, 20, 1)

Params = list[nn.layers.DenseParams]


def exact(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    def wave(k: int) -> np.ndarray:
        return np.sin(k * np.pi * x) * np.exp(-CONDUCTIVITY * (k * np.pi) ** 2 * t)

    return wave(1) + wave(3) / 2


def init(key: np.ndarray) -> Params:
    keys = random.split(key, len(SIZES) - 1)
    glorot = nn.initializers.glorot_normal()
    return [nn.layers.init_dense(k, *sizes, weight_init=glorot) for k, sizes in zip(keys, pairwise(SIZES), strict=True)]


def temperature(x: np.ndarray, t: np.ndarray, params: Params) -> np.ndarray:
    """u(x, t) of two numbers: what is given at t = 0, and the network times what is 0 there and at the ends."""
    *hidden, last = params
    h = fnp.stack([2 * x - 1, 2 * t - 1])
    for layer in hidden:
        h = fnp.tanh(nn.layers.dense(layer, h))
    first = fnp.sin(np.pi * x) + fnp.sin(3 * np.pi * x) / 2
    return first + t * x * (1 - x) * nn.layers.dense(last, h)[0]


def residual(x: np.ndarray, t: np.ndarray, params: Params) -> np.ndarray:
    """∂u/∂t - κ ∂²u/∂x², which is 0 of a solution."""
    u_t = fgrad.grad(temperature, 1)(x, t, params)
    u_xx = fgrad.grad(fgrad.grad(temperature))(x, t, params)
    return u_t - CONDUCTIVITY * u_xx


def loss(params: Params, points: np.ndarray) -> np.ndarray:
    residuals = fgrad.vmap(residual, in_axes=(0, 0, None))(points[:, 0], points[:, 1], params)
    return fnp.mean(residuals**2)


def train(params: Params, points: np.ndarray, steps: int) -> tuple[Params, list[float]]:
    """Parameters that make the residual small at the points, by a quasi-Newton method; and the loss after each step."""
    losses = []
    with tqdm(total=steps, unit="step") as progress:

        def note(intermediate_result):
            losses.append(float(intermediate_result.fun))
            progress.set_postfix(loss=f"{losses[-1]:.1e}", refresh=False)
            progress.update()

        options = {"maxiter": steps, "maxcor": 50, "ftol": 0.0, "gtol": 0.0}
        found = minimize(loss, params, (points,), method="L-BFGS-B", callback=note, options=options)
    return found.x, losses


def relative_error(params: Params) -> float:
    """‖u - exact‖ / ‖exact‖ on a grid that the network has not seen."""
    x, t = np.linspace(0, 1, 101), np.linspace(0, 1, 101)
    wanted = exact(x[:, None], t)
    return float(np.linalg.norm(on_grid(params, x, t) - wanted) / np.linalg.norm(wanted))


def on_grid(params: Params, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    along_t = fgrad.vmap(temperature, in_axes=(None, 0, None))
    return fgrad.jit(fgrad.vmap(along_t, in_axes=(0, None, None)))(x, t, params)


def draw(params: Params, losses: list[float], points: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(12, 3.8), dpi=120, layout="constrained")
    first, second, third = figure.subplots(1, 3)
    x, t = np.linspace(0, 1, 101), np.linspace(0, 1, 101)
    filled = first.contourf(t, x, on_grid(params, x, t), levels=20, cmap="inferno")
    first.plot(points[:, 1], points[:, 0], ".", color="white", ms=1, alpha=0.6)
    figure.colorbar(filled, ax=first)
    first.set(xlabel="t", ylabel="x")
    first.set_title("The network, and where it was taught", loc="left", fontsize=10, weight="bold")
    for time, color in ((0.0, "#e0a458"), (0.1, "#d1495b"), (0.3, "#7b5ea7"), (1.0, "#2e6f95")):
        second.plot(x, exact(x, time), color=color, alpha=0.3, lw=6)
        second.plot(x, on_grid(params, x, np.array([time])), color=color, lw=1.5, label=f"t = {time:g}")
    second.legend(frameon=False)
    second.set_xlabel("x")
    second.set_title("Network (thin) and exact (broad)", loc="left", fontsize=10, weight="bold")
    third.semilogy(losses, color="#2e6f95", lw=2)
    third.set_xlabel("step")
    third.set_title("Mean square of the residual", loc="left", fontsize=10, weight="bold")
    for axes in (second, third):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Solve the heat equation with a physics-informed network.")
    parser.add_argument("--points", type=int, default=400, help="inside the rod (%(default)s)")
    parser.add_argument("--steps", type=int, default=5000, help="of training (%(default)s)")
    parser.add_argument("--out", type=Path, default="physics_informed.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    init_key, point_key = random.split(random.key(0))
    start, points = init(init_key), random.uniform(point_key, (arguments.points, 2))
    params, losses = train(start, points, arguments.steps)
    print(f"parameters       {sum(p.size for p in fgrad.tree.leaves(params))}")
    print(f"loss             {float(loss(start, points)):.1e} at first, {losses[-1]:.1e} after {len(losses)} steps")
    print(f"relative error   {relative_error(start):.4f} at first, {relative_error(params):.1e} learnt")
    draw(params, losses, points, arguments.out)
    print(f"picture          {arguments.out}")


if __name__ == "__main__":
    main()
