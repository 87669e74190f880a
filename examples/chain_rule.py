"""The chain rule, seen: a product of a sum, one linear neuron, and two in a row.

Each derivative is worked out by hand and compared with `fgrad.grad`; then the neuron is fitted by gradient descent, and
the computation graphs are drawn, with the forward value (green) and the gradient (amber) at every node.

    python examples/chain_rule.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import viz

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

# z = (x + y)·w


def product(x: float, y: float, w: float) -> float:
    q = x + y
    z = q * w
    return z


def product_by_hand(x: float, y: float, w: float) -> tuple[float, float, float]:
    """∂z/∂q = w and ∂q/∂x = ∂q/∂y = 1, so ∂z/∂x = ∂z/∂y = w; ∂z/∂w = q."""
    return w, w, x + y


# One linear neuron, and its loss L = ½(wx + b − y)²


class Neuron(NamedTuple):
    w: float
    b: float


def loss(neuron: Neuron, x: float, y: float) -> float:
    out = neuron.w * x + neuron.b
    error = out - y
    return error**2 / 2


def loss_by_hand(neuron: Neuron, x: float, y: float) -> Neuron:
    """∂L/∂out = out − y; ∂out/∂w = x and ∂out/∂b = 1."""
    error = neuron.w * x + neuron.b - y
    return Neuron(error * x, error)


XS, YS = np.array([-1.0, 0.0, 1.0, 2.0]), np.array([-1.0, 1.0, 3.0, 5.0])  # y = 2x + 1
RATE = 0.3


def mean_loss(neuron: Neuron) -> float:
    return fnp.mean(fgrad.vmap(loss, in_axes=(None, 0, 0))(neuron, XS, YS))


def mean_by_hand(neuron: Neuron) -> Neuron:
    each = loss_by_hand(neuron, XS, YS)
    return Neuron(np.mean(each.w), np.mean(each.b))


def fit(steps: int) -> list[tuple[Neuron, float]]:
    """Gradient descent from (0, 0): every neuron on the way, and its loss. Each gradient is checked by hand."""
    value_and_grad = fgrad.jit(fgrad.value_and_grad(mean_loss))
    neuron, way = Neuron(0.0, 0.0), []
    for _ in range(steps):
        value, gradient = value_and_grad(neuron)
        np.testing.assert_allclose(gradient, mean_by_hand(neuron), rtol=1e-12, atol=1e-14)
        way.append((neuron, float(value)))
        neuron = Neuron(*(float(p - RATE * g) for p, g in zip(neuron, gradient, strict=True)))
    return [*way, (neuron, float(mean_loss(neuron)))]


# A chain of two neurons


def chain(w1: float, b1: float, w2: float, b2: float, x: float, y: float) -> float:
    h = w1 * x + b1
    out = w2 * h + b2
    return (out - y) ** 2 / 2


def chain_by_hand(w1: float, b1: float, w2: float, b2: float, x: float, y: float) -> tuple[float, ...]:
    """From the back: δ₂ = ∂L/∂out = out − y, then δ₁ = ∂L/∂h = δ₂ w₂."""
    h = w1 * x + b1
    delta2 = w2 * h + b2 - y
    delta1 = delta2 * w2
    return delta1 * x, delta1, delta2 * h, delta2


PRODUCT_AT = (-2.0, 5.0, -4.0)
NEURON_AT = (Neuron(0.5, -1.0), 3.0, 2.0)
CHAIN_AT = (0.5, 1.0, -2.0, 1.5, 2.0, -1.0)


def graphs() -> dict[str, viz.Graph]:
    return {
        "z = (x + y)·w": viz.graph(product, *PRODUCT_AT, values=True, gradients=True),
        "a linear neuron and its loss": viz.graph(loss, *NEURON_AT, values=True, gradients=True),
        "two neurons in a row": viz.graph(chain, *CHAIN_AT, values=True, gradients=True),
    }


def draw(path: Path) -> None:
    figure = Figure(figsize=(13, 8.5), dpi=150, layout="constrained")
    pictures = graphs()
    for axes, (title, graph) in zip(
        figure.subplots(len(pictures), height_ratios=(1, 1.2, 1.2)), pictures.items(), strict=True
    ):
        graph.draw(axes)
        axes.set_title(title, loc="left", weight="bold", color="#22262e")
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Show the chain rule at work.")
    parser.add_argument("--steps", type=int, default=100, help="of gradient descent (%(default)s)")
    parser.add_argument("--out", type=Path, default="chain_rule.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    print(f"z = (x + y)·w at {PRODUCT_AT}: {product(*PRODUCT_AT):g}")
    print("  gradient         ", *map(float, fgrad.grad(product, argnums=(0, 1, 2))(*PRODUCT_AT)))
    print("  by hand          ", *product_by_hand(*PRODUCT_AT))
    print(f"two neurons: loss {chain(*CHAIN_AT):g}")
    print("  gradient         ", *map(float, fgrad.grad(chain, argnums=(0, 1, 2, 3))(*CHAIN_AT)))
    print("  by hand          ", *chain_by_hand(*CHAIN_AT))
    print("one neuron, fitted to y = 2x + 1:")
    for step, (neuron, value) in enumerate(fit(arguments.steps)):
        if step in (0, 1, 2, 3, 10, 30, arguments.steps):
            print(f"  step {step:4}   w {neuron.w:8.5f}   b {neuron.b:8.5f}   loss {value:.2e}")
    draw(arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
