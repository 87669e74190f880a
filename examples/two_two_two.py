"""A network of two inputs, two hidden and two output units, in numbers that were published.

The worked example of back-propagation that many have followed by hand: sigmoid units, quadratic loss, one step of
gradient descent with rate 0.5. Here it is one call of `fgrad.grad`; then it is trained on until the loss is below a
tolerance, the whole loop compiled.

    python examples/two_two_two.py
    python examples/two_two_two.py --tolerance 1e-4

Source: M. Mazur, "A Step by Step Backpropagation Example", 2015.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import lax, nn, tree, viz

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

INPUTS, TARGETS = np.array([0.05, 0.10]), np.array([0.01, 0.99])
HIDDEN_BIAS, OUTPUT_BIAS = 0.35, 0.60  # these two are not trained, as in the published example
RATE = 0.5


class Weights(NamedTuple):
    hidden: np.ndarray  # w1 w2, w3 w4: a row for every hidden unit
    output: np.ndarray  # w5 w6, w7 w8


START = Weights(np.array([[0.15, 0.20], [0.25, 0.30]]), np.array([[0.40, 0.45], [0.50, 0.55]]))


def predict(weights: Weights) -> np.ndarray:
    h = nn.sigmoid(weights.hidden @ INPUTS + HIDDEN_BIAS)
    return nn.sigmoid(weights.output @ h + OUTPUT_BIAS)


def loss(weights: Weights) -> np.ndarray:
    return fnp.sum((TARGETS - predict(weights)) ** 2) / 2


def step(weights: Weights) -> Weights:
    """One step of gradient descent."""
    return tree.map(lambda w, g: w - RATE * g, weights, fgrad.grad(loss)(weights))


@fgrad.jit
def train(weights: Weights, tolerance: float, most: int = 1_000_000) -> tuple[Weights, int]:
    """Steps until the loss is below a tolerance; the weights, and how many steps they took."""

    def unfinished(state: tuple[Weights, int]) -> bool:
        weights, count = state
        return (loss(weights) > tolerance) & (count < most)

    return lax.while_loop(unfinished, lambda state: (step(state[0]), state[1] + 1), (weights, 0))


@partial(fgrad.jit, static_argnums=(1, 2))
def curve(weights: Weights, points: int, every: int) -> np.ndarray:
    """The loss before every so many steps."""

    def many(weights: Weights, _: None) -> tuple[Weights, np.ndarray]:
        return lax.fori_loop(0, every, lambda _, w: step(w), weights), loss(weights)

    return lax.scan(many, weights, None, length=points)[1]


def unit_by_unit(w1, w2, w3, w4, w5, w6, w7, w8):  # the same network, one number at a time, for the picture
    i1, i2 = INPUTS
    h1 = nn.sigmoid(w1 * i1 + w2 * i2 + HIDDEN_BIAS)
    h2 = nn.sigmoid(w3 * i1 + w4 * i2 + HIDDEN_BIAS)
    out1 = nn.sigmoid(w5 * h1 + w6 * h2 + OUTPUT_BIAS)
    out2 = nn.sigmoid(w7 * h1 + w8 * h2 + OUTPUT_BIAS)
    error = (TARGETS[0] - out1) ** 2 / 2 + (TARGETS[1] - out2) ** 2 / 2
    return error


def graph() -> viz.Graph:
    weights = map(float, np.concatenate([np.ravel(w) for w in START]))
    return viz.graph(unit_by_unit, *weights, values=True, gradients=True, shapes=False)


def draw(tolerance: float, path: Path) -> None:
    figure = Figure(figsize=(15, 7), dpi=150, layout="constrained")
    above, below = figure.subplots(2, height_ratios=(2.2, 1))
    graph().draw(above, dpi=200)
    above.set_title("values (green) and ∂error/∂node (amber) before the first step", loc="left", weight="bold")
    every = 100
    losses = curve(START, 400, every)
    below.loglog(np.arange(1, len(losses)) * every, losses[1:], color="#2e6f95", lw=2)
    below.axhline(tolerance, color="#b45309", lw=1, ls="--")
    below.set_title("the error while training", loc="left", weight="bold")
    below.set_xlabel("steps")
    below.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a 2-2-2 network, from published numbers on.")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="of the loss (%(default)s)")
    parser.add_argument("--out", type=Path, default="two_two_two.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    np.set_printoptions(precision=9, suppress=True)
    after = step(START)
    print("outputs            ", predict(START))
    print(f"error               {loss(START):.9f}")
    print("w1 to w4 after one step", np.ravel(after.hidden))
    print("w5 to w8 after one step", np.ravel(after.output))
    print(f"error after one step {loss(after):.9f}")
    trained, steps = train(START, arguments.tolerance)
    print(f"error {loss(trained):.3e} after {steps} steps, outputs", predict(trained))
    draw(arguments.tolerance, arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
