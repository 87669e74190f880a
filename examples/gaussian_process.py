"""A Gaussian process whose hyperparameters are learnt by the gradient of the marginal likelihood.

The prior says that targets y at inputs X are normal with covariance K + σ²·1, where K has the elements

    k(x, x') = a² exp(-½ Σ_d (x_d - x'_d)² / l_d²),

with one length l_d for each feature: how far one must go along it before the target changes. The marginal likelihood

    log p(y | X, θ) = -½ yᵀ (K + σ²·1)⁻¹ y - ½ log det(K + σ²·1) - n/2 log 2π

is maximised over θ = (log a, log l_1, …, log l_D, log σ); a feature that says nothing is given a long length.
The data are the 442 patients of scikit-learn's diabetes study.

    python examples/gaussian_process.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import random
from fgrad.scipy.linalg import cho_solve
from fgrad.scipy.optimize import minimize

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_diabetes
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

NAMES = ("age", "sex", "body mass", "blood pressure", "s1", "s2", "s3", "s4", "s5", "s6")


class Hyper(NamedTuple):
    """Logarithms of what must be positive."""

    amplitude: np.ndarray  # ()
    lengths: np.ndarray  # (features,)
    noise: np.ndarray  # ()


class Data(NamedTuple):
    x: np.ndarray  # (n, features), each with mean 0 and deviation 1
    y: np.ndarray  # (n,), likewise


def load(tests: int = 142) -> tuple[Data, Data]:
    """Patients to learn from, and others to be tested on."""
    x, y = load_diabetes(return_X_y=True)
    order = random.permutation(random.key(0), len(y))
    data = Data((x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std())
    return Data(*(a[order[tests:]] for a in data)), Data(*(a[order[:tests]] for a in data))


def kernel(hyper: Hyper, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The covariances of two sets of points, (n, features) and (m, features): (n, m)."""
    a, b = a / fnp.exp(hyper.lengths), b / fnp.exp(hyper.lengths)
    squares = fnp.sum(a * a, axis=1)[:, None] + fnp.sum(b * b, axis=1) - 2 * a @ b.T
    return fnp.exp(2 * hyper.amplitude - squares / 2)


def covariance(hyper: Hyper, x: np.ndarray) -> np.ndarray:
    return kernel(hyper, x, x) + fnp.exp(2 * hyper.noise) * np.eye(len(x))


def log_likelihood(hyper: Hyper, data: Data) -> np.ndarray:
    """log p(y | X, θ). With LLᵀ = K + σ²·1, the determinant is that of L, squared."""
    chol = fnp.linalg.cholesky(covariance(hyper, data.x))
    fit = data.y @ cho_solve((chol, True), data.y)
    return -fit / 2 - fnp.sum(fnp.log(fnp.diag(chol))) - len(data.y) / 2 * np.log(2 * np.pi)


def gradient_by_hand(hyper: Hyper, data: Data) -> Hyper:
    """½ tr((ααᵀ - C⁻¹) ∂C/∂θ) with C = K + σ²·1 and α = C⁻¹y (Rasmussen & Williams, 2006, equation 5.9)."""
    inverse, k = np.linalg.inv(covariance(hyper, data.x)), kernel(hyper, data.x, data.x)
    alpha = inverse @ data.y
    weights = (np.outer(alpha, alpha) - inverse) / 2
    distances = (data.x[:, None] - data.x) ** 2 / np.exp(2 * hyper.lengths)  # ∂k/∂log l_d = k (x_d - x'_d)² / l_d²
    noise = 2 * np.exp(2 * hyper.noise) * np.trace(weights)
    return Hyper(2 * np.sum(weights * k), np.einsum("ij,ijd->d", weights * k, distances), noise)


def learn(data: Data, steps: int) -> tuple[Hyper, float]:
    """The hyperparameters of the highest likelihood, and its logarithm."""
    start = Hyper(np.array(0.0), np.ones(data.x.shape[1]), np.array(0.0))
    with tqdm(unit="step", desc="marginal likelihood") as progress:
        found = minimize(
            lambda hyper: -log_likelihood(hyper, data),
            start,
            method="L-BFGS-B",
            bounds=(-3.0, 8.0),
            options={"maxiter": steps},
            callback=lambda _: progress.update(),
        )
    return found.x, -float(found.fun)


def predict(hyper: Hyper, data: Data, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of new targets, given the data."""
    chol = fnp.linalg.cholesky(covariance(hyper, data.x))
    cross = kernel(hyper, data.x, x)
    mean = cross.T @ cho_solve((chol, True), data.y)
    explained = fnp.sum(cross * cho_solve((chol, True), cross), axis=0)
    return mean, fnp.sqrt(fnp.exp(2 * hyper.amplitude) + fnp.exp(2 * hyper.noise) - explained)


def least_squares(data: Data, x: np.ndarray) -> np.ndarray:
    """What a linear model says of new targets."""
    weights, *_ = np.linalg.lstsq(np.c_[np.ones(len(data.y)), data.x], data.y)
    return np.c_[np.ones(len(x)), x] @ weights


def relative_error(given: Hyper, wanted: Hyper) -> float:
    a, b = (fgrad.flatten_util.ravel_pytree(h)[0] for h in (given, wanted))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


# The picture


def draw(hyper: Hyper, data: Data, path: Path) -> None:
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for feature, color in ((8, "#2e6f95"), (2, "#d1495b")):
        line = np.linspace(-2.5, 3.5, 200)
        points = np.zeros((200, data.x.shape[1]))  # all other features at their means
        points[:, feature] = line
        mean, deviation = predict(hyper, data, points)
        certain = np.sqrt(np.maximum(deviation**2 - np.exp(2 * hyper.noise), 0))  # of the mean: without the noise
        left.plot(line, mean, color=color, lw=2, label=NAMES[feature])
        left.fill_between(line, mean - 2 * certain, mean + 2 * certain, color=color, alpha=0.15, lw=0)
    left.set_xlabel("deviations from the mean patient")
    left.set_title("Progression of the disease: mean and ±2 deviations", loc="left", fontsize=10, weight="bold")
    left.legend(frameon=False)
    order = np.argsort(hyper.lengths)[::-1]
    right.barh([NAMES[d] for d in order], np.exp(-hyper.lengths[order]), color="#2e6f95")
    right.set_title("Relevance 1 / length of each feature, learnt", loc="left", fontsize=10, weight="bold")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Learn the hyperparameters of a Gaussian process.")
    parser.add_argument("--steps", type=int, default=60, help="at most, of learning (%(default)s)")
    parser.add_argument("--out", type=Path, default="gaussian_process.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    train, test = load()
    start = Hyper(np.array(0.0), np.ones(10), np.array(0.0))
    gradient = fgrad.grad(log_likelihood)(start, train)
    hyper, value = learn(train, arguments.steps)
    mean, deviation = predict(hyper, train, test.x)
    inside = np.mean(np.abs(test.y - mean) < 1.96 * deviation)

    print(f"gradient against the formula   {relative_error(gradient, gradient_by_hand(start, train)):.1e} (relative)")
    print(f"log marginal likelihood        {float(log_likelihood(start, train)):.2f} at first, {value:.2f} learnt")
    print(f"noise                          {np.exp(hyper.noise):.3f} of the deviation of the targets")
    print("root mean square error         of held-out patients")
    print(f"  the mean of all              {np.sqrt(np.mean((test.y - train.y.mean()) ** 2)):.4f}")
    print(f"  linear model                 {np.sqrt(np.mean((test.y - least_squares(train, test.x)) ** 2)):.4f}")
    print(f"  Gaussian process             {np.sqrt(np.mean((test.y - mean) ** 2)):.4f}")
    print(f"inside the 95 % intervals      {inside:.1%} of them")
    draw(hyper, train, arguments.out)
    print(f"picture                        {arguments.out}")


if __name__ == "__main__":
    main()
