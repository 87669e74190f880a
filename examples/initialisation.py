"""How a deep network must begin: Xavier's and Kaiming's initial weights under tanh and relu.

A layer h ← φ(h W) with independent weights of variance v/n, n being its width, multiplies the mean square of h by

    v · E φ(z)² / E z²,    which for relu is v/2.

With v = 1 (Xavier Glorot & Bengio, 2010) tanh, nearly linear near 0, keeps its signal over many layers; relu loses half
of the mean square in every layer, 2^-30 in thirty. With v = 2 (Kaiming He et al., 2015) relu keeps it, and tanh
saturates. Gradients are multiplied by v · E φ'(z)² on their way back. Nothing is trained here: what one sees at the
start decides whether training can begin.

    python examples/initialisation.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, random

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

INITIALIZERS = {"Xavier": nn.initializers.xavier_normal(), "Kaiming": nn.initializers.kaiming_normal()}
ACTIVATIONS = {"tanh": nn.tanh, "relu": nn.relu}


class Signals(NamedTuple):
    activations: np.ndarray  # (layers, batch, width)
    gradients: np.ndarray  # of the loss by them, likewise


def forward(offsets: list[np.ndarray], weights: list[np.ndarray], x: np.ndarray, activation) -> list[np.ndarray]:
    """The activations of all layers. What is added to each, 0, is there to be differentiated by."""
    activations = []
    for weight, offset in zip(weights, offsets, strict=True):
        x = activation(x @ weight) + offset
        activations.append(x)
    return activations


def propagate(key: np.ndarray, initializer, activation, layers: int, width: int, batch: int = 128) -> Signals:
    """One batch of normal inputs forwards, and the gradient of a random linear loss backwards."""
    weight_key, input_key, loss_key = random.split(key, 3)
    weights = [initializer(k, (width, width)) for k in random.split(weight_key, layers)]
    x, direction = random.normal(input_key, (batch, width)), random.normal(loss_key, (batch, width))

    def loss(offsets):
        activations = forward(offsets, weights, x, activation)
        return fnp.sum(direction * activations[-1]), activations

    zeros = [np.zeros((batch, width))] * layers
    gradients, activations = fgrad.grad(loss, has_aux=True)(zeros)
    return Signals(np.stack(activations), np.stack(gradients))


def sizes(values: np.ndarray) -> np.ndarray:
    """The root mean square of every layer."""
    return np.sqrt(np.mean(values**2, axis=(1, 2)))


def draw(runs: dict[tuple[str, str], Signals], path: Path) -> None:
    """Histograms of every third layer: activations above, gradients below."""
    figure = Figure(figsize=(13, 6.4), dpi=110, layout="constrained")
    for column, ((activation, initializer), signals) in enumerate(runs.items()):
        for line, (name, values) in enumerate(zip(("activations", "gradients"), signals, strict=True)):
            axes = figure.add_subplot(2, 4, 4 * line + column + 1)
            ridge(axes, values, first=line == 0)
            axes.set_title(f"{activation}, {initializer}: {name}", loc="left", fontsize=9, weight="bold")
            if column == 0:
                axes.set_ylabel("layer")
    figure.savefig(path)


def ridge(axes, values: np.ndarray, *, first: bool) -> None:
    """One histogram above the other, each as high as its fullest bin; values as logarithms of their size."""
    layers = range(0, len(values), max(1, len(values) // 10))
    for place, layer in enumerate(layers):
        size = np.abs(values[layer])
        logarithms = np.log10(size[size > 0])
        edges = np.linspace(-12, 2, 141)
        counts, _ = np.histogram(logarithms, edges)
        color = (0.18, 0.44, 0.58) if first else (0.82, 0.29, 0.36)
        base, height = -place, 1.6 * counts / max(counts.max(), 1)
        axes.fill_between(edges[:-1], base, base + height, color=color, alpha=0.75, lw=0, zorder=place)
        axes.plot(edges[:-1], base + height, color="white", lw=0.8, zorder=place)
    axes.set_yticks([-p for p in range(len(layers))], [str(layer + 1) for layer in layers], fontsize=7)
    axes.set_xticks([-10, -5, 0], ["$10^{-10}$", "$10^{-5}$", "1"], fontsize=8)
    axes.set_xlim(-12, 2)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Signals and gradients in deep networks before training.")
    parser.add_argument("--layers", type=int, default=30, help="(%(default)s)")
    parser.add_argument("--width", type=int, default=256, help="of each layer (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="initialisation.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    runs, last = {}, arguments.layers
    print("                     activations            gradients              per layer")
    print(f"                 layer 1  layer {last:2d}   layer {last:2d}   layer 1   activations  gradients")
    for activation, function in ACTIVATIONS.items():
        for name, initializer in INITIALIZERS.items():
            key = random.key(arguments.seed)
            signals = propagate(key, initializer, function, arguments.layers, arguments.width)
            runs[activation, name] = signals
            a, g = sizes(signals.activations), sizes(signals.gradients)
            rates = (a[-1] / a[0]) ** (1 / (last - 1)), (g[0] / g[-1]) ** (1 / (last - 1))
            numbers = f"{a[0]:8.1e}  {a[-1]:8.1e}   {g[-1]:8.1e}  {g[0]:8.1e}      × {rates[0]:.3f}    × {rates[1]:.3f}"
            print(f"{activation}, {name:9s} {numbers}")
    draw(runs, arguments.out)
    print(f"picture           {arguments.out}")


if __name__ == "__main__":
    main()
