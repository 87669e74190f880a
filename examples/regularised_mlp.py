"""One hidden layer with L2 regularisation: the gradient by hand, the graphs, and what training costs in memory.

    z = W₁x,   h = tanh(z),   o = W₂h,   L = ½‖o − y‖²,   s = λ/2 (‖W₁‖² + ‖W₂‖²),   J = L + s
    ∂J/∂W₂ = ∂J/∂o hᵀ + λW₂,   ∂J/∂W₁ = ∂J/∂z xᵀ + λW₁

The derivatives by the intermediate values o and z are read off the graph of the traced program. Then deeper networks:
prediction forgets every layer as it goes, training keeps them all until it has come back, unless `checkpoint` computes
them again.

    python examples/regularised_mlp.py

Source: A. Zhang, Z. Lipton, M. Li and A. Smola, *Dive into Deep Learning*, 2023, section 5.3.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import random, viz

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

LAMBDA = 0.1

# One hidden layer


class Weights(NamedTuple):
    w1: np.ndarray  # (hidden, inputs)
    w2: np.ndarray  # (outputs, hidden)


def objective(w1: np.ndarray, w2: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    z = w1 @ x
    h = fnp.tanh(z)
    o = w2 @ h
    L = fnp.sum((o - y) ** 2) / 2
    s = LAMBDA / 2 * (fnp.sum(w1**2) + fnp.sum(w2**2))
    J = L + s
    return J


def example(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """W₁ (4, 3), W₂ (2, 4), x (3,) and y (2,)."""
    keys = random.split(random.key(seed), 4)
    return tuple(random.normal(k, shape) for k, shape in zip(keys, ((4, 3), (2, 4), (3,), (2,)), strict=True))


def gradient_by_hand(graph: viz.Graph) -> Weights:
    """From ∂J/∂o and ∂J/∂z and the values, as they stand at the nodes of the graph."""
    o, z, h, x, w1, w2 = (graph.node(name) for name in ("o", "z", "h", "x", "w1", "w2"))
    return Weights(
        np.outer(z.gradient, x.value) + LAMBDA * w1.value,
        np.outer(o.gradient, h.value) + LAMBDA * w2.value,
    )


# Deep networks and their memory

WIDTH = 128


def layer(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return fnp.tanh(x @ w)


def predict(ws: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    for w in ws:
        x = layer(w, x)
    return x


def predict_in_parts(ws: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """The same in about √depth parts; between them alone are values kept for the way back."""
    size = max(1, round(len(ws) ** 0.5))
    for start in range(0, len(ws), size):
        x = fgrad.checkpoint(predict)(ws[start : start + size], x)
    return x


def memory(depth: int, batch: int) -> dict[str, int]:
    """Bytes besides arguments and results that compiled programs need, in float32."""
    ws = [fgrad.ShapeDtypeStruct((WIDTH, WIDTH), np.float32)] * depth
    x = fgrad.ShapeDtypeStruct((batch, WIDTH), np.float32)
    programs = {
        "prediction": predict,
        "training": fgrad.grad(lambda ws, x: fnp.sum(predict(ws, x) ** 2)),
        "training, checkpointed": fgrad.grad(lambda ws, x: fnp.sum(predict_in_parts(ws, x) ** 2)),
    }
    return {
        name: fgrad.jit(program).lower(ws, x).memory_analysis().temp_size_in_bytes for name, program in programs.items()
    }


# The pictures

COLORS = {"prediction": "#4c9f70", "training": "#d1495b", "training, checkpointed": "#2e6f95"}
DEPTHS, BATCHES = (2, 4, 8, 16, 32, 64), (256, 512, 1024, 2048, 4096, 8192)


def second_derivative_graph(w: float = 0.7) -> viz.Graph:
    """That of a network so small that it can be drawn: ½ (tanh w)² + λ/2 w², twice differentiated by w."""

    def small(w):
        return fnp.tanh(w) ** 2 / 2 + LAMBDA / 2 * w**2

    return viz.graph(fgrad.grad(fgrad.grad(small)), np.float64(w), values=True, simplify=True, shapes=False)


def draw(path: Path) -> None:
    figure = Figure(figsize=(15, 11), dpi=150, layout="constrained")
    axes = figure.subplot_mosaic("AA;BB;CD", height_ratios=(1, 1, 1.4))
    viz.graph(objective, *example(), values=True, gradients=True).draw(axes["A"], dpi=200)
    axes["A"].set_title("the objective, its values (green) and gradients (amber)", loc="left", weight="bold")
    second_derivative_graph().draw(axes["B"], dpi=200)
    axes["B"].set_title("a second derivative", loc="left", weight="bold")
    for key, label, at, points in (
        ("C", "depth", [(d, 256) for d in DEPTHS], DEPTHS),
        ("D", "batch", [(16, b) for b in BATCHES], BATCHES),
    ):
        measured = [memory(depth, batch) for depth, batch in at]
        for name, color in COLORS.items():
            axes[key].loglog(points, [m[name] / 2**20 for m in measured], "o-", base=2, color=color, label=name)
        axes[key].set_title(f"MiB besides arguments and results, by {label}", loc="left", weight="bold")
        axes[key].set_xlabel(label)
        axes[key].spines[["top", "right"]].set_visible(False)
    axes["C"].legend(frameon=False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A regularised network: gradients, graphs and memory.")
    parser.add_argument("--out", type=Path, default="regularised_mlp.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    at = example()
    graph = viz.graph(objective, *at, values=True, gradients=True)
    by_hand, gradient = gradient_by_hand(graph), fgrad.grad(objective, argnums=(0, 1))(*at)
    print(f"J = {graph.node('J').value:.6f} = L + s = {graph.node('L').value:.6f} + {graph.node('s').value:.6f}")
    for name, g, h in zip(("∂J/∂W₁ = ∂J/∂z xᵀ + λW₁", "∂J/∂W₂ = ∂J/∂o hᵀ + λW₂"), gradient, by_hand, strict=True):
        print(f"{name}: the greatest difference is {np.abs(g - h).max():.1e}")
    print("KiB of memory   depth  batch  prediction  training  checkpointed")
    for depth, batch in ((4, 256), (16, 256), (64, 256), (16, 1024), (16, 4096)):
        used = [bytes_ / 1024 for bytes_ in memory(depth, batch).values()]
        print(f"                {depth:5}  {batch:5}  {used[0]:10.0f}  {used[1]:8.0f}  {used[2]:12.0f}")
    draw(arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
