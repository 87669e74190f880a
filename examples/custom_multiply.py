"""A product with a forward and a backward pass of its own.

The forward pass computes x·y and saves what the backward pass needs: its inputs. The backward pass multiplies what
comes back from behind by the other input: ∂(xy)/∂x = y and ∂(xy)/∂y = x. The rule is made of operations that can be
differentiated themselves, so that derivatives of every order, batches and compiled code come for free.

    python examples/custom_multiply.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fgrad
from fgrad import testing, viz

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

Pair = tuple[np.ndarray, np.ndarray]

calls: list[str] = []
"""Which pass ran, in order."""


@fgrad.custom_vjp
def multiply(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x * y


def forward(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Pair]:
    """The result, and what is saved for the way back."""
    calls.append("forward")
    return x * y, (x, y)


def backward(saved: Pair, ct: np.ndarray) -> Pair:
    """The gradients by both inputs, given that by the result."""
    calls.append("backward")
    x, y = saved
    return ct * y, ct * x


multiply.defvjp(forward, backward)


def cube(x: float) -> float:
    """x³, whose derivatives are 3x², 6x and 6."""
    square = multiply(x, x)
    out = multiply(square, x)
    return out


def draw(path: Path) -> None:
    figure = Figure(figsize=(12, 9), dpi=150, layout="constrained")
    axes, at = figure.subplots(3, height_ratios=(1, 1.4, 1.2)), np.float64(2)
    pictures = {
        "x³ of two products, each folded": viz.graph(cube, at, values=True, gradients=True),
        "unfolded": viz.graph(cube, at, depth=1),
        "its gradient: the backward passes": viz.graph(fgrad.grad(cube), at, simplify=True, values=True),
    }
    for ax, (title, graph) in zip(axes, pictures.items(), strict=True):
        graph.draw(ax)
        ax.set_title(title, loc="left", weight="bold")
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A product with its own forward and backward pass.")
    parser.add_argument("--out", type=Path, default="custom_multiply.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    calls.clear()
    gradient = fgrad.grad(multiply, argnums=(0, 1))(3.0, -4.0)
    print("∂(xy)/∂x, ∂(xy)/∂y at (3, -4):", *map(float, gradient), "by the passes", *calls)
    derivative = cube
    for order in (1, 2, 3):
        derivative = fgrad.grad(derivative)
        print(f"derivative {order} of x³ at 2:", float(derivative(2.0)))
    rows = fgrad.jit(fgrad.vmap(fgrad.grad(cube)))(np.arange(4.0))
    print("3x² for 0, 1, 2, 3, mapped and compiled:", rows)
    testing.check_rule(multiply, 1.5, -0.5)
    print("check_rule: the rule agrees with the function")
    draw(arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
