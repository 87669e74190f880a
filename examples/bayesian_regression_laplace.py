"""Laplace's approximation: a posterior from one Hessian, and the prior learnt through it.

Near its maximum w* the logarithm of a posterior is a parabola, -½ (w - w*)ᵀ H (w - w*) with H the Hessian of
-log p(D, w), so the posterior is nearly normal with covariance H⁻¹, and the evidence is nearly

    log p(D | α) = log p(D, w*) + d/2 log 2π - ½ log det H.

For linear regression with normal noise all this is exact: a test of the program against the closed formula. For
logistic regression the integral over w is done on a grid, and says how good the approximation is. The precision α of
the prior is then learnt by the gradient of the evidence, which goes *through* the maximum w*(α), by the implicit
function theorem, and through the Hessian there: third derivatives of the likelihood.

    python examples/bayesian_regression_laplace.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import implicit, nn
from fgrad.scipy import stats
from fgrad.scipy.optimize import minimize

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_breast_cancer, load_diabetes
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None


def log_prior(w: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """log N(w | 0, 1/α)."""
    return fnp.sum(stats.norm.logpdf(w, 0.0, 1 / fnp.sqrt(alpha)))


def linear(w: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """log p(y | x, w) with noise of deviation 0.7."""
    x, y = data
    return fnp.sum(stats.norm.logpdf(y, x @ w, 0.7))


def logistic(w: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """log p(y | x, w) for targets 0 and 1."""
    x, y = data
    return -fnp.sum(nn.losses.sigmoid_binary_cross_entropy(x @ w, y))


def laplace(log_likelihood, data, alpha):
    """The most probable w, the Hessian there, and the logarithm of the evidence: all differentiable in α."""

    def energy(w, alpha):
        return -log_likelihood(w, data) - log_prior(w, alpha)

    w = implicit.root(fgrad.grad(energy), np.zeros(data[0].shape[1]), alpha)
    hessian = fgrad.hessian(energy)(w, alpha)
    evidence = -energy(w, alpha) + len(w) / 2 * np.log(2 * np.pi) - fnp.linalg.slogdet(hessian)[1] / 2
    return w, hessian, evidence


def learn_alpha(log_likelihood, data) -> float:
    """The α of the greatest evidence, by quasi-Newton steps on log α."""

    def badness(log_alpha):
        return -laplace(log_likelihood, data, fnp.exp(log_alpha))[2]

    return float(np.exp(minimize(badness, 0.0, method="BFGS").x))


def exact_linear_evidence(data: tuple[np.ndarray, np.ndarray], alpha: float) -> float:
    """log N(y | 0, 0.49·1 + xxᵀ/α), the closed formula."""
    x, y = data
    return float(stats.multivariate_normal.logpdf(y, np.zeros(len(y)), 0.49 * np.eye(len(y)) + x @ x.T / alpha))


def on_a_grid(log_likelihood, data, alpha: float, w: np.ndarray, width: np.ndarray, points: int = 160):
    """log p(D, w) at the points of a grid of 6 deviations about w, of which two are varied; and the log evidence."""
    axes = [np.linspace(c - 6 * s, c + 6 * s, points) for c, s in zip(w, width, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    values = fgrad.jit(fgrad.vmap(lambda w: log_likelihood(w, data) + log_prior(w, alpha)))(grid)
    cell = np.prod([a[1] - a[0] for a in axes])
    return axes, values.reshape(points, points), float(fnp.logsumexp(values) + np.log(cell))


def load_tumours(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A few tumours, so that the posterior is wide: mean radius and texture, about their means; 1 is malignant."""
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, :2]
    return ((x - x.mean(0)) / x.std(0))[:: len(y) // count], 1.0 - y[:: len(y) // count]


def load_patients() -> tuple[np.ndarray, np.ndarray]:
    """The first hundred patients of the diabetes study."""
    x, y = load_diabetes(return_X_y=True)
    x, y = x[:100] / x.std(0), y[:100]
    return x, (y - y.mean()) / y.std()


def draw(data, alpha: float, path: Path) -> None:
    w, hessian, _ = laplace(logistic, data, alpha)
    covariance = np.linalg.inv(hessian)
    (a, b), values, _ = on_a_grid(logistic, data, alpha, w, np.sqrt(np.diag(covariance)))
    offsets = np.stack(np.meshgrid(a - w[0], b - w[1], indexing="ij"), axis=-1)
    parabola = -np.einsum("...i,ij,...j", offsets, hessian, offsets) / 2
    figure = Figure(figsize=(11, 4.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    levels = [-4.5, -2.0, -0.5]  # 3, 2 and 1 deviations of a normal distribution
    left.contourf(a, b, (values - values.max()).T, levels=[*levels, 0.1], cmap="Blues")
    left.contour(a, b, parabola.T, levels=levels, colors="#d1495b", linewidths=1.5, linestyles="solid")
    left.set(xlim=w[0] + np.array([-3, 5]) * np.sqrt(covariance[0, 0]), xlabel="weight of the radius")
    left.set(ylim=w[1] + np.array([-3, 5]) * np.sqrt(covariance[1, 1]), ylabel="weight of the texture")
    left.set_title("The posterior (blue) and Laplace's (red)", loc="left", fontsize=10, weight="bold")

    line = np.linspace(-3.5, 3.5, 100)
    grid = np.stack(np.meshgrid(line, line), axis=-1)
    spread = 1 + np.pi / 8 * np.einsum("...i,ij,...j", grid, covariance, grid)
    filled = right.contourf(line, line, nn.sigmoid(grid @ w / np.sqrt(spread)), np.linspace(0, 1, 11), cmap="RdBu_r")
    figure.colorbar(filled, ax=right)
    x, y = data
    for value, color in ((1, "#d1495b"), (0, "#2e6f95")):
        right.scatter(*x[y == value].T, color=color, edgecolor="white", s=36)
    right.set(xlabel="radius", ylabel="texture", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
    right.set_title("Probability of malignancy, the doubt in w included", loc="left", fontsize=10, weight="bold")
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Laplace's approximation of posterior and evidence.")
    parser.add_argument("--out", type=Path, default="bayesian_regression_laplace.png", help="picture (%(default)s)")
    arguments = parser.parse_args(argv)

    patients, tumours = load_patients(), load_tumours()
    best_linear, best = learn_alpha(linear, patients), learn_alpha(logistic, tumours)
    print("log evidence           α        Laplace      exact")
    for alpha in (1.0, best_linear):
        approximate = float(laplace(linear, patients, alpha)[2])
        print(f"linear regression    {alpha:7.4f}  {approximate:10.4f} {exact_linear_evidence(patients, alpha):10.4f}")
    for alpha in (1.0, best):
        w, hessian, evidence = laplace(logistic, tumours, alpha)
        _, _, exact = on_a_grid(logistic, tumours, alpha, w, np.sqrt(np.diag(np.linalg.inv(hessian))))
        print(f"logistic regression  {alpha:7.4f}  {float(evidence):10.4f} {exact:10.4f}")
    print("(the second α of each is the one of greatest evidence)")
    draw(tumours, best, arguments.out)
    print(f"picture              {arguments.out}")


if __name__ == "__main__":
    main()
