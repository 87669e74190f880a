"""What back-propagation computes, by hand: one neuron, two layers, and how outputs and costs go together.

One neuron: ŷ = σ(wx + b), L = ½(y − ŷ)², with ∂L/∂w = (ŷ − y) ŷ(1 − ŷ) x and ∂L/∂b = (ŷ − y) ŷ(1 − ŷ).
Two layers: δ₂ = ∂L/∂z₂ at the output, δ₁ = (W₂ᵀδ₂) ⊙ σ′(z₁) behind it, and ∂L/∂W = δ hᵀ, ∂L/∂b = δ for each.
Four costs: the error δ at the output of sigmoid and softmax units under the quadratic cost and the cross entropy, which
take the slope of the output out of it, so that a unit which is badly wrong learns quickest.

    python examples/neuron.py

Source: M. Nielsen, *Neural Networks and Deep Learning*, 2015, chapters 2 and 3.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, random, viz

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

# One neuron


def neuron_loss(w: float, b: float, x: float, y: float) -> float:
    z = w * x + b
    out = nn.sigmoid(z)
    loss = (y - out) ** 2 / 2
    return loss


def neuron_by_hand(w: float, b: float, x: float, y: float) -> tuple[float, float, float, float]:
    """The partial derivatives by w, b, x and y."""
    out = 1 / (1 + np.exp(-(w * x + b)))
    delta = (out - y) * out * (1 - out)
    return delta * x, delta, delta * w, y - out


# Two layers


class Network(NamedTuple):
    w1: np.ndarray  # (hidden, inputs)
    b1: np.ndarray  # (hidden,)
    w2: np.ndarray  # (outputs, hidden)
    b2: np.ndarray  # (outputs,)


def init(key: np.ndarray, inputs: int = 3, hidden: int = 4, outputs: int = 3) -> Network:
    keys = random.split(key, 4)
    shapes = ((hidden, inputs), (hidden,), (outputs, hidden), (outputs,))
    return Network(*(random.normal(k, shape) for k, shape in zip(keys, shapes, strict=True)))


def output_sum(net: Network, x: np.ndarray) -> np.ndarray:
    """z₂: what the output units see."""
    return net.w2 @ nn.sigmoid(net.w1 @ x + net.b1) + net.b2


# Costs of the output sums z and the targets y, and their δ = ∂C/∂z by hand. As a formula, or as it stands in
# fgrad.nn.losses, the cross entropy takes z: the logarithm of a sigmoid that is nearly 0 would be lost.


def sigmoid_quadratic(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return fnp.sum((nn.sigmoid(z) - y) ** 2) / 2


def sigmoid_cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -fnp.sum(y * nn.log_sigmoid(z) + (1 - y) * nn.log_sigmoid(-z))


def softmax_quadratic(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return fnp.sum((nn.softmax(z) - y) ** 2) / 2


def softmax_cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -fnp.sum(y * nn.log_softmax(z))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def delta_sigmoid_quadratic(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = sigmoid(z)
    return (out - y) * out * (1 - out)


def delta_sigmoid_cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return sigmoid(z) - y


def delta_softmax_quadratic(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """∂pᵢ/∂zⱼ = pᵢ(1[i = j] − pⱼ)."""
    p = softmax(z)
    return p * ((p - y) - p @ (p - y))


def delta_softmax_cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """p − y, as for sigmoids, where the targets sum to 1."""
    return softmax(z) - y


Cost = Callable[[np.ndarray, np.ndarray], np.ndarray]
COSTS: dict[str, tuple[Cost, Cost]] = {
    "sigmoid, quadratic": (sigmoid_quadratic, delta_sigmoid_quadratic),
    "sigmoid, cross entropy": (sigmoid_cross_entropy, delta_sigmoid_cross_entropy),
    "softmax, quadratic": (softmax_quadratic, delta_softmax_quadratic),
    "softmax, cross entropy": (softmax_cross_entropy, delta_softmax_cross_entropy),
}


def network_by_hand(net: Network, x: np.ndarray, y: np.ndarray, delta: Cost) -> Network:
    """The gradient of a cost, layer by layer from the back."""
    h = sigmoid(net.w1 @ x + net.b1)
    delta2 = delta(net.w2 @ h + net.b2, y)
    delta1 = (net.w2.T @ delta2) * h * (1 - h)
    return Network(np.outer(delta1, x), delta1, np.outer(delta2, h), delta2)


def compare(seed: int = 0) -> dict[str, float]:
    """For every cost, how far `fgrad.grad` and the derivation by hand differ at most."""
    net_key, x_key = random.split(random.key(seed))
    net, x, y = init(net_key), random.normal(x_key, (3,)), np.array([0.0, 1.0, 0.0])
    found = {}
    for name, (cost, delta) in COSTS.items():
        gradient = fgrad.grad(lambda net, cost=cost: cost(output_sum(net, x), y))(net)
        by_hand = network_by_hand(net, x, y, delta)
        found[name] = max(float(np.abs(g - h).max()) for g, h in zip(gradient, by_hand, strict=True))
    return found


NEURON_AT = (0.6, 0.9, 1.0, 0.0)


def draw(path: Path) -> None:
    figure = Figure(figsize=(13, 8), dpi=150, layout="constrained")
    above, below = figure.subplots(2, height_ratios=(1, 1.5))
    viz.graph(neuron_loss, *map(np.float64, NEURON_AT), values=True, gradients=True).draw(above)
    above.set_title("one neuron: values (green) and ∂loss/∂node (amber)", loc="left", weight="bold")
    z = np.linspace(-6, 6, 201)
    for name, color in (("quadratic", "#d1495b"), ("cross_entropy", "#2e6f95")):
        cost = {"quadratic": sigmoid_quadratic, "cross_entropy": sigmoid_cross_entropy}[name]
        slopes = fgrad.vmap(fgrad.grad(cost), in_axes=(0, None))(z, 0.0)
        below.plot(z, slopes, color=color, lw=2, label=name.replace("_", " "))
    below.set_title("how fast a sigmoid that should be 0 learns: ∂C/∂z", loc="left", weight="bold")
    below.set_xlabel("z")
    below.legend(frameon=False)
    below.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Back-propagation by hand, and by fgrad.")
    parser.add_argument("--seed", type=int, default=0, help="of the network (%(default)s)")
    parser.add_argument("--out", type=Path, default="neuron.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    w, b, x, y = NEURON_AT
    print(f"one neuron, w = {w}, b = {b}, x = {x}, y = {y}: loss {neuron_loss(*NEURON_AT):.6f}")
    gradient = fgrad.grad(neuron_loss, argnums=(0, 1, 2, 3))(*NEURON_AT)
    for name, by_fgrad, by_hand in zip("wbxy", gradient, neuron_by_hand(*NEURON_AT), strict=True):
        print(f"  ∂L/∂{name} {by_fgrad:9.6f}, by hand {by_hand:9.6f}")
    print("two layers, the greatest difference between grad and δ₂, δ₁ by hand:")
    for name, difference in compare(arguments.seed).items():
        print(f"  {name:23} {difference:.1e}")
    draw(arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
