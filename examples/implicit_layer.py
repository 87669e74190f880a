"""A layer that is defined by an equation: its output is the z for which z = tanh(W z + U x + b).

Such a layer is as deep as it needs to be (Bai, Kolter & Koltun, "Deep equilibrium models", 2019). Its gradient does not
go back through the iterations: where z - f(z, θ) = 0, the implicit function theorem says

    dz/dθ = (1 - ∂f/∂z)⁻¹ ∂f/∂θ,

one linear system, whatever found z. It is checked against back-propagation through 200 iterations and against
differences; then a network of this one layer learns to tell two moons apart.

    python examples/implicit_layer.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import implicit, lax, nn, optim, random
from fgrad.flatten_util import ravel_pytree

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import make_moons
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

HIDDEN = 16


class Params(NamedTuple):
    recurrent: np.ndarray  # W, (hidden, hidden)
    inputs: nn.layers.DenseParams  # U and b
    outputs: nn.layers.DenseParams


def init(key: np.ndarray) -> Params:
    keys = random.split(key, 3)
    recurrent = nn.initializers.orthogonal(0.5)(keys[0], (HIDDEN, HIDDEN))
    return Params(recurrent, nn.layers.init_dense(keys[1], 2, HIDDEN), nn.layers.init_dense(keys[2], HIDDEN, 1))


def update(z: np.ndarray, params: Params, x: np.ndarray) -> np.ndarray:
    """f(z, θ). W counts as W / max(1, ‖W‖₂ / 0.9): f is a contraction, so there is one solution, and it is found."""
    weight = params.recurrent / fnp.maximum(1.0, fnp.linalg.norm(params.recurrent, 2) / 0.9)
    return fnp.tanh(z @ weight + nn.layers.dense(params.inputs, x))


def equilibrium(params: Params, x: np.ndarray) -> np.ndarray:
    """The solution for one x, (2,) to (hidden,), by Anderson's acceleration of z ← f(z)."""
    return implicit.fixed_point(update, np.zeros(HIDDEN), params, x, solver="anderson")


def unrolled(params: Params, x: np.ndarray, steps: int = 200) -> np.ndarray:
    """The same by plain iteration, of which back-propagation keeps every step."""
    return lax.scan(lambda z, _: (update(z, params, x), None), np.zeros(HIDDEN), length=steps)[0]


def logits(params: Params, xs: np.ndarray, layer=equilibrium) -> np.ndarray:
    zs = fgrad.vmap(layer, in_axes=(None, 0))(params, xs)
    return nn.layers.dense(params.outputs, zs)[:, 0]


def loss(params: Params, xs: np.ndarray, ys: np.ndarray, layer=equilibrium) -> np.ndarray:
    return fnp.mean(nn.losses.sigmoid_binary_cross_entropy(logits(params, xs, layer), ys))


def check(params: Params, xs: np.ndarray, ys: np.ndarray) -> tuple[float, float]:
    """How far the implicit gradient is from that of 200 iterations; and its slope from a central difference."""
    implicit_gradient, unravel = ravel_pytree(fgrad.grad(loss)(params, xs, ys))
    unrolled_gradient, _ = ravel_pytree(fgrad.grad(loss)(params, xs, ys, unrolled))
    theta, _ = ravel_pytree(params)
    direction = np.cos(np.arange(len(theta)))  # any will do
    ahead, behind = (loss(unravel(theta + h * direction), xs, ys) for h in (1e-5, -1e-5))
    slope = float((ahead - behind) / 2e-5)
    return float(np.max(np.abs(implicit_gradient - unrolled_gradient))), abs(implicit_gradient @ direction - slope)


def train(params: Params, xs: np.ndarray, ys: np.ndarray, steps: int) -> tuple[Params, list[float]]:
    optimizer = optim.adam(optim.cosine_decay_schedule(0.05, steps))

    @fgrad.jit
    def step(params, state):
        value, grads = fgrad.value_and_grad(loss)(params, xs, ys)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state, value

    state, losses = optimizer.init(params), []
    for _ in trange(steps, unit="step"):
        params, state, value = step(params, state)
        losses.append(float(value))
    return params, losses


# The picture


def residuals(params: Params, x: np.ndarray, steps: int = 36) -> list[float]:
    """How far plain iteration is from the solution, after every step."""
    solution, z, distances = equilibrium(params, x), np.zeros(HIDDEN), []
    for _ in range(steps):
        distances.append(float(np.linalg.norm(z - solution)))
        z = update(z, params, x)
    return distances


def draw(before: Params, after: Params, xs: np.ndarray, ys: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(11, 4.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for params, color, name in ((before, "#a9b1bc", "before training"), (after, "#2e6f95", "after")):
        left.semilogy(residuals(params, xs[0]), color=color, lw=2, label=name)
    left.set_title("Distance to the solution: effective depth", loc="left", fontsize=10, weight="bold")
    left.set_xlabel("iteration")
    left.legend(frameon=False)
    left.spines[["top", "right"]].set_visible(False)

    a, b = np.linspace(-1.8, 2.8, 60), np.linspace(-1.4, 1.9, 60)
    grid = np.stack(np.meshgrid(a, b), axis=-1)
    probability = nn.sigmoid(fgrad.jit(logits)(after, grid.reshape(-1, 2))).reshape(60, 60)
    right.contourf(a, b, probability, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.45)
    for label, color in ((0, "#2e6f95"), (1, "#d1495b")):
        right.scatter(*xs[ys == label].T, color=color, s=24, edgecolor="white", linewidth=0.8)
    right.set_title("Two moons, told apart by an equilibrium", loc="left", fontsize=10, weight="bold")
    right.set_axis_off()
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a network whose layer is the solution of an equation.")
    parser.add_argument("--steps", type=int, default=150, help="of training (%(default)s)")
    parser.add_argument("--out", type=Path, default="implicit_layer.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    xs, ys = make_moons(300, noise=0.15, random_state=0)
    test_xs, test_ys = make_moons(1000, noise=0.15, random_state=1)
    start = init(random.key(0))
    against_unrolled, against_difference = check(start, xs[:20], ys[:20])
    params, losses = train(start, xs, ys, arguments.steps)
    accuracy = np.mean((logits(params, test_xs) > 0) == test_ys)

    print(f"gradient against 200 iterations   {against_unrolled:.1e}")
    print(f"gradient against differences      {against_difference:.1e}")
    print(f"loss                              {losses[0]:.4f} to {losses[-1]:.4f} in {arguments.steps} steps")
    print(f"accuracy                          {accuracy:.1%} of {len(test_ys)} new points")
    draw(start, params, xs, ys, arguments.out)
    print(f"picture                           {arguments.out}")


if __name__ == "__main__":
    main()
