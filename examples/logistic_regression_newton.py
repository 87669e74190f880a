"""Logistic regression by Newton's method: the Hessian is worth its price.

The probability that a tumour is benign is σ(w·x + b), and the loss is convex:

    J(w, b) = mean of [log(1 + e^z) - y z] + λ/2 |w|²,    z = w·x + b.

Gradient descent creeps along the flat directions of J. Newton's step solves H·step = -g and knows how flat they are:
the number of right digits doubles with every step. The data are the 569 tumours of the Wisconsin study, with 30
measurements each, that come with scikit-learn.

    python examples/logistic_regression_newton.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import lax, nn, random
from fgrad.flatten_util import ravel_pytree

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_breast_cancer
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

STRENGTH = 1e-3  # λ


class Data(NamedTuple):
    x: np.ndarray  # (n, 30), each measurement with mean 0 and deviation 1
    y: np.ndarray  # (n,), 1 is benign


def load(tests: int = 142) -> tuple[Data, Data]:
    """Tumours to learn from, and others to be tested on."""
    x, y = load_breast_cancer(return_X_y=True)
    order = random.permutation(random.key(0), len(y))
    data = Data((x - x.mean(0)) / x.std(0), y.astype(float))
    return Data(*(a[order[tests:]] for a in data)), Data(*(a[order[:tests]] for a in data))


def loss(params: nn.layers.DenseParams, data: Data) -> np.ndarray:
    logits = nn.layers.dense(params, data.x)[:, 0]
    errors = nn.losses.sigmoid_binary_cross_entropy(logits, data.y)
    return fnp.mean(errors) + nn.losses.l2_regularization(params.weight, STRENGTH)


def accuracy(params: nn.layers.DenseParams, data: Data) -> float:
    return float(np.mean((nn.layers.dense(params, data.x)[:, 0] > 0) == data.y))


def newton(theta: np.ndarray, objective, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The last θ, and the length of the gradient before each step."""

    def step(theta, _):
        slope = fgrad.grad(objective)(theta)
        return theta - fnp.linalg.solve(fgrad.hessian(objective)(theta), slope), fnp.linalg.norm(slope)

    return fgrad.jit(lambda theta: lax.scan(step, theta, length=steps))(theta)


def descent(theta: np.ndarray, objective, steps: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The same by gradient descent."""

    def step(theta, _):
        slope = fgrad.grad(objective)(theta)
        return theta - rate * slope, fnp.linalg.norm(slope)

    return fgrad.jit(lambda theta: lax.scan(step, theta, length=steps))(theta)


def draw(by_newton: np.ndarray, by_descent: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(7.5, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    for lengths, color, name in ((by_descent, "#d1495b", "gradient descent"), (by_newton, "#2e6f95", "Newton")):
        axes.loglog(np.arange(1, len(lengths) + 1), np.maximum(lengths, 1e-17), "o-", ms=4, color=color, markevery=0.05)
        axes.text(len(lengths) * 1.3, lengths[len(lengths) * 3 // 4], name, color=color, va="center")
    axes.set_xlim(0.8, 2e5)
    axes.set_xlabel("step")
    axes.set_title("Length of the gradient", loc="left", weight="bold")
    axes.grid(color="#a9b1bc", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Newton's method against gradient descent.")
    parser.add_argument("--steps", type=int, default=10_000, help="of gradient descent (%(default)s)")
    parser.add_argument("--out", type=Path, default="logistic_regression_newton.png", help="picture (%(default)s)")
    arguments = parser.parse_args(argv)

    train, test = load()
    zeros, unravel = ravel_pytree(nn.layers.DenseParams(np.zeros((30, 1)), np.zeros(1)))

    def objective(theta):
        return loss(unravel(theta), train)

    curvatures = np.linalg.eigvalsh(fgrad.hessian(objective)(zeros))
    found, by_newton = newton(zeros, objective, 12)
    crept, by_descent = descent(zeros, objective, arguments.steps, rate=1 / curvatures[-1])
    best = float(objective(found))

    print(f"curvatures at the start   {curvatures[0]:.4f} to {curvatures[-1]:.2f}")
    print("                          step   gradient   loss above the least")
    for name, lengths, theta in (("gradient descent", by_descent, crept), ("Newton", by_newton, found)):
        print(f"{name:25s} {len(lengths):5d}   {lengths[-1]:.1e}    {float(objective(theta)) - best:.1e}")
    print(f"accuracy                  {accuracy(unravel(found), test):.1%} of {len(test.y)} held-out tumours")
    draw(by_newton, by_descent, arguments.out)
    print(f"picture                   {arguments.out}")


if __name__ == "__main__":
    main()
