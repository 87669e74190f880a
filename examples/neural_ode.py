"""A neural ordinary differential equation learns the law behind a spiral from a few noisy points of it.

The points are seen on the path of y' = A y³ (Chen, Rubanova, Bettencourt & Duvenaud, 2018). A network f stands for the
unknown right-hand side, an adaptive solver integrates it,

    y(t_1), …, y(t_n) = odeint(f, y(t_0), (t_0, …, t_n), θ),

and the distance to the points is made small. Its gradient comes from the adjoint equation λ' = -(∂f/∂y)ᵀ λ, solved
backwards: no step of the solver is kept.

    python examples/neural_ode.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, optim, random
from fgrad.flatten_util import ravel_pytree
from fgrad.scipy.integrate import odeint

try:
    from matplotlib.figure import Figure
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

A = np.array([[-0.1, -2.0], [2.0, -0.1]])
HIDDEN, NOISE = 32, 0.01
PIECES, LENGTH = 24, 10  # the pieces of the path in a batch, and the points of each

Params = tuple[nn.layers.DenseParams, nn.layers.DenseParams]


def law(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The right-hand side that is to be found."""
    return A @ y**3


def network(y: np.ndarray, t: np.ndarray, params: Params) -> np.ndarray:
    """A network of y³, with one hidden layer."""
    first, last = params
    return nn.layers.dense(last, fnp.tanh(nn.layers.dense(first, y**3)))


def init(key: np.ndarray) -> Params:
    keys = random.split(key)
    small = nn.initializers.normal(0.1)
    return nn.layers.init_dense(keys[0], 2, HIDDEN), nn.layers.init_dense(keys[1], HIDDEN, 2, weight_init=small)


def observe(key: np.ndarray, count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, the true path, and what is seen of it."""
    ts = np.linspace(0.0, 10.0, count)
    path = odeint(law, np.array([2.0, 0.0]), ts)
    return ts, path, path + NOISE * random.normal(key, path.shape)


def loss(params: Params, ts: np.ndarray, pieces: np.ndarray, tolerance: float = 1e-4) -> np.ndarray:
    """Mean absolute distance of solutions, each begun at the first point of a piece, from the other points."""

    def solve(y0):
        return odeint(network, y0, ts, params, rtol=tolerance, atol=tolerance)

    paths = fgrad.vmap(solve)(pieces[:, 0])
    return fnp.mean(fnp.abs(paths[:, 1:] - pieces[:, 1:]))


def check(params: Params, ts: np.ndarray, pieces: np.ndarray) -> float:
    """How far the slope that the adjoint gives is from a central difference, both with tight tolerances."""
    gradient, unravel = ravel_pytree(fgrad.grad(loss)(params, ts, pieces, 1e-11))
    theta, _ = ravel_pytree(params)
    direction = np.cos(np.arange(len(theta)))  # any will do
    ahead, behind = (loss(unravel(theta + h * direction), ts, pieces, 1e-11) for h in (1e-5, -1e-5))
    return float(abs(gradient @ direction - (ahead - behind) / 2e-5))


def train(params: Params, ts: np.ndarray, seen: np.ndarray, key: np.ndarray, steps: int) -> tuple[Params, list[float]]:
    optimizer = optim.adam(optim.cosine_decay_schedule(0.02, steps))
    starts = np.arange(len(ts) - LENGTH)

    @fgrad.jit
    def step(params, state, pieces):
        value, grads = fgrad.value_and_grad(loss)(params, ts[:LENGTH], pieces)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state, value

    state, losses = optimizer.init(params), []
    with trange(steps, unit="step") as progress:
        for i in progress:
            chosen = random.choice(random.fold_in(key, i), starts, (PIECES,), replace=False)
            pieces = seen[chosen[:, None] + np.arange(LENGTH)]
            params, state, value = step(params, state, pieces)
            losses.append(float(value))
            progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    return params, losses


def whole_path(params: Params, ts: np.ndarray) -> np.ndarray:
    """What the network says from the first point on, twenty times as long as any piece that it has seen."""
    return odeint(network, np.array([2.0, 0.0]), ts, params)


def draw(params: Params, ts: np.ndarray, path: np.ndarray, seen: np.ndarray, file: Path) -> None:
    figure = Figure(figsize=(11, 4.6), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    fine = np.linspace(ts[0], ts[-1], 1000)
    learnt = whole_path(params, fine)
    for i, (color, name) in enumerate((("#2e6f95", "y₁"), ("#d1495b", "y₂"))):
        left.plot(ts, path[:, i], color=color, lw=6, alpha=0.25)
        left.plot(ts, seen[:, i], ".", color=color, ms=3)
        left.plot(fine, learnt[:, i], color=color, lw=1.5, label=name)
    left.set_xlabel("t")
    left.legend(frameon=False, loc="upper right")
    left.set_title("Learnt (thin), true (broad), seen (points)", loc="left", fontsize=10, weight="bold")
    left.spines[["top", "right"]].set_visible(False)
    line = np.linspace(-2.2, 2.2, 19)
    grid = np.stack(np.meshgrid(line, line), axis=-1)
    field = network(grid, 0.0, params)
    right.quiver(*np.moveaxis(grid, -1, 0), *np.moveaxis(field, -1, 0), color="#a9b1bc")
    right.plot(*odeint(law, path[0], fine).T, color="#2e6f95", lw=6, alpha=0.25)
    right.plot(*learnt.T, color="#d1495b", lw=1.5)
    right.set_aspect("equal")
    right.set_axis_off()
    right.set_title("The field that was learnt", loc="left", fontsize=10, weight="bold")
    figure.savefig(file)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Learn a differential equation from points of one solution.")
    parser.add_argument("--steps", type=int, default=800, help="of training (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="neural_ode.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    noise_key, init_key, train_key = random.split(random.key(arguments.seed), 3)
    ts, path, seen = observe(noise_key)
    start = init(init_key)
    error = check(start, ts[:LENGTH], np.stack([path[:LENGTH], path[50 : 50 + LENGTH]]))
    params, losses = train(start, ts, seen, train_key, arguments.steps)

    print(f"adjoint against differences      {error:.1e}")
    print(f"distance from the pieces         {np.mean(losses[:10]):.3f} at first, {np.mean(losses[-10:]):.3f} at last")
    for name, p in (("at first", start), ("learnt", params)):
        print(f"distance from the whole path     {np.mean(np.abs(whole_path(p, ts) - path)):.3f} {name}")
    draw(params, ts, path, seen, arguments.out)
    print(f"picture                          {arguments.out}")


if __name__ == "__main__":
    main()
