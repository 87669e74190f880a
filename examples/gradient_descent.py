"""Gradient descent with pencil and paper, and the derivative of where it ends by its own step size.

Data (1, 2), (2, 4), (3, 6), the model y = wx and the loss Σ(wx − y)² / (2Σx²), whose gradient is w − 2: from w = 0 with
step 1/2 the weights are 1, 3/2, 7/4, …, 2 − 1/2ⁿ⁻¹. Then the matrix form, w ← w − η Xᵀ(Xw − y)/m, in float32. At last
the whole loop is differentiated, by its step size: "hypergradients" that would choose it.

    python examples/gradient_descent.py
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import lax

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

# One weight

XS, YS = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])


def loss(w: float) -> float:
    return fnp.sum((w * XS - YS) ** 2) / (2 * np.sum(XS**2))


def weights(step_size: float, steps: int) -> np.ndarray:
    """w₁ … wₙ, from w = 0."""

    def descend(w, _):
        w = w - step_size * fgrad.grad(loss)(w)
        return w, w

    return lax.scan(descend, 0.0, None, length=steps)[1]


def weights_by_hand(steps: int) -> list[Fraction]:
    return [2 - Fraction(1, 2 ** (n - 1)) for n in range(1, steps + 1)]


def slope_by_hand(step_size: float, steps: int) -> float:
    """The error shrinks by 1 − η at each step: wₙ = 2 − 2(1 − η)ⁿ, so dwₙ/dη = 2n(1 − η)ⁿ⁻¹."""
    return 2 * steps * (1 - step_size) ** (steps - 1)


# The matrix form

X, Y = np.array([[1, 1], [3, 1]], np.float32), np.array([2, 4], np.float32)


def gradient(w: np.ndarray) -> np.ndarray:
    return X.T @ (X @ w - Y) / np.float32(len(Y))


@fgrad.jit
def descend(step_size: np.ndarray, steps: int) -> np.ndarray:
    """The weights after some steps from zero, in float32. The number of steps need not be known when it is traced."""
    return lax.fori_loop(0, steps, lambda _, w: w - step_size * gradient(w), np.zeros(2, np.float32))


def matrix_way(step_size: np.ndarray, steps: int) -> np.ndarray:
    """The weights after each of some steps, one to a row."""

    def step(w, _):
        w = w - step_size * gradient(w)
        return w, w

    return lax.scan(step, np.zeros(2, np.float32), None, length=steps)[1]


def squares(w: np.ndarray) -> float:
    return float(np.sum((X @ w - Y) ** 2))


def matrix_slope_by_hand(step_size: float, steps: int) -> np.ndarray:
    """With A = XᵀX/m and w* = (1, 1): wₙ = w* − (I − ηA)ⁿ w*, so dwₙ/dη = nA(I − ηA)ⁿ⁻¹ w*."""
    a = (X.T @ X / len(Y)).astype(float)
    return steps * a @ np.linalg.matrix_power(np.eye(2) - step_size * a, steps - 1) @ np.ones(2)


STEP, MATRIX_STEP = 0.5, np.float32(0.01)


def draw(path: Path) -> None:
    figure = Figure(figsize=(12, 4.2), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    for step_size, color in ((0.1, "#a9b1bc"), (0.5, "#2e6f95"), (1.5, "#4c9f70"), (1.9, "#d1495b")):
        way = np.concatenate([[0.0], weights(step_size, 12)])
        left.plot(way, "o-", color=color, ms=4, label=f"η = {step_size:g}")
    left.axhline(2, color="#22262e", lw=0.8, ls=":")
    left.set_title("w after n steps", loc="left", weight="bold")
    left.legend(frameon=False)
    slopes = fgrad.jacfwd(lambda eta: matrix_way(eta, 1_000))(MATRIX_STEP)
    for line, name, color in zip(
        slopes.T, ("w[0], the slope", "w[1], the intercept"), ("#2e6f95", "#d1495b"), strict=True
    ):
        right.semilogx(np.arange(1, len(line) + 1), line, color=color, label=name)
    right.set_title("the matrix form: dw / dη after n steps", loc="left", weight="bold")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.set_xlabel("n")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Gradient descent by hand, by fgrad, and through itself.")
    parser.add_argument("--out", type=Path, default="gradient_descent.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    print("w₁ … w₇  ", *[Fraction(float(w)).limit_denominator(1000) for w in weights(STEP, 7)])
    print("by hand  ", *weights_by_hand(7))
    slope = fgrad.grad(lambda eta: weights(eta, 7)[-1])(STEP)
    print(f"dw₇/dη    {slope:.6f}, by hand {slope_by_hand(STEP, 7):.6f}")
    for steps in (1_000, 10_000):
        w = descend(MATRIX_STEP, steps)
        print(f"{steps:6} steps: w = [{w[0]:.4f}, {w[1]:.4f}], sum of squares {squares(w):.1e}")
    forward, backward = (j(descend)(MATRIX_STEP, 1_000) for j in (fgrad.jacfwd, fgrad.jacrev))
    print("dw₁₀₀₀/dη", forward, "forwards,", backward, "backwards, by hand", matrix_slope_by_hand(0.01, 1_000))
    draw(arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
