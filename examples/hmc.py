"""Hamiltonian Monte Carlo: many chains at once, that follow the gradient of a log density.

A sample x is given a random momentum p and moves like a ball on the surface U(x) = -log π(x): x' = p, p' = -∇U(x),
in leapfrog steps. It goes far, and energy is nearly conserved, so nearly every move is accepted (with probability
min(1, e^(H before - H after)), which makes the distribution exact). The target is a banana whose moments are known:

    x ~ N(0, 1),   y | x ~ N(b (x² - 1), s²):   E y = 0,   var y = 2b² + s²,   E x²y = 2b.

One chain is a `scan` of moves, a move is a `fori_loop` of leapfrog steps, and `vmap` makes it all chains.

    python examples/hmc.py
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import lax, random
from fgrad.scipy import stats

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

BEND, DEVIATION = 0.5, 0.5  # b and s
STEP, LEAPS = 0.2, 12


def log_density(q: np.ndarray) -> np.ndarray:
    x, y = q
    return stats.norm.logpdf(x) + stats.norm.logpdf(y, BEND * (x * x - 1), DEVIATION)


def leapfrog(q: np.ndarray, p: np.ndarray, steps: int = LEAPS) -> tuple[np.ndarray, np.ndarray]:
    """The ball after some time; exactly reversible, and it keeps volumes."""
    force = fgrad.grad(log_density)

    def leap(_, state):
        q, p = state
        q = q + STEP * p
        return q, p + STEP * force(q)

    q, p = lax.fori_loop(0, steps, leap, (q, p + STEP / 2 * force(q)))
    return q, p - STEP / 2 * force(q)  # the last kick was half a step too long


def move(q: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The next sample of a chain; and itself, with whether it was accepted."""
    momentum_key, chance_key = random.split(key)
    p = random.normal(momentum_key, q.shape)
    new_q, new_p = leapfrog(q, p)
    gain = log_density(new_q) - log_density(q) - fnp.sum(new_p**2 - p**2) / 2
    accepted = fnp.log(random.uniform(chance_key)) < gain
    q = fnp.where(accepted, new_q, q)
    return q, (q, accepted)


def sample(key: np.ndarray, chains: int, samples: int, warmup: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Samples, (chains, samples, 2), and whether each was a new one."""

    def chain(key):
        start_key, move_key = random.split(key)
        start = random.normal(start_key, (2,))
        _, (qs, accepted) = lax.scan(move, start, random.split(move_key, warmup + samples))
        return qs[warmup:], accepted[warmup:]

    return fgrad.jit(fgrad.vmap(chain))(random.split(key, chains))


def mixing(values: np.ndarray) -> float:
    """R̂ of (chains, samples): 1 when chains cannot be told apart (Gelman & Rubin, 1992)."""
    count = values.shape[1]
    within, between = values.var(axis=1, ddof=1).mean(), values.mean(axis=1).var(ddof=1)
    return float(np.sqrt((count - 1) / count + between / within))


MOMENTS = {  # name: (function of x and y, its exact mean)
    "E x": (lambda x, y: x, 0.0),
    "E x²": (lambda x, y: x**2, 1.0),
    "E y": (lambda x, y: y, 0.0),
    "E y²": (lambda x, y: y**2, 2 * BEND**2 + DEVIATION**2),
    "E x²y": (lambda x, y: x**2 * y, 2 * BEND),
}


def estimate(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error, from the means of independent chains."""
    means = values.mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


def draw(qs: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(10, 4.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    x, y = np.linspace(-3.4, 3.4, 200), np.linspace(-2.2, 4.6, 200)
    density = np.exp(log_density((x[:, None], y[None, :])))
    for axes in (left, right):
        axes.contour(
            x, y, density.T, levels=density.max() * np.exp([-8, -4.5, -2, -0.5]), colors="#8a94a3", linewidths=1.2
        )
        axes.set(xlim=x[[0, -1]], ylim=y[[0, -1]])
        axes.spines[["top", "right"]].set_visible(False)
    q, p = np.array([-1.8, 2.5]), np.array([1.2, -1.0])
    path_of_ball = np.array([leapfrog(q, p, steps)[0] for steps in range(3 * LEAPS)])
    left.plot(*path_of_ball.T, "o-", color="#d1495b", ms=3, lw=1)
    left.plot(*q, "o", color="#22262e", ms=7)
    left.set_title("The path of one ball", loc="left", weight="bold")
    shown = qs.reshape(-1, 2)[:: max(1, qs[..., 0].size // 3000)]
    right.plot(*shown.T, ".", color="#2e6f95", ms=2, alpha=0.5)
    right.set_title(f"{len(shown):,} samples of {len(qs)} chains", loc="left", weight="bold")
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Sample a banana by Hamiltonian Monte Carlo.")
    parser.add_argument("--chains", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--samples", type=int, default=500, help="of each chain (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="hmc.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    start = time.perf_counter()
    qs, accepted = sample(random.key(arguments.seed), arguments.chains, arguments.samples)
    seconds = time.perf_counter() - start
    x, y = np.moveaxis(qs, -1, 0)
    print(f"{accepted.size:,} samples in {seconds:.1f} s; accepted {accepted.mean():.1%}; R̂ {mixing(x):.4f}")
    print("moment     exact   sampled   standard error")
    for name, (function, exact) in MOMENTS.items():
        mean, error = estimate(function(x, y))
        print(f"{name:8s} {exact:7.4f}   {mean:7.4f}   {error:.4f}")
    draw(qs, arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
