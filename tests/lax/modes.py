"""What holds of a function in every mode: derivatives, compilation, mapping over an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad
from fgrad.testing import check_grads, check_jit, check_vmap

__all__ = ["check_modes", "normal", "stacked"]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def stacked(x: Any, rows: int = 3) -> Any:
    """Rows that differ: an array and what rolling its elements makes of it."""
    x = np.asarray(x)
    return np.stack([np.roll(x, i) for i in range(rows)])


def check_modes(f: Callable[..., Any], *xs: Any, order: int = 2) -> None:
    """Derivatives in both modes against numerical ones, `jit` against none, `vmap` against a loop, and these nested."""
    rows = [stacked(x) for x in xs]
    check_grads(f, xs, order)
    check_jit(f, xs)
    check_vmap(f, rows)
    check_jit(fgrad.vmap(f), rows)
    slope = fgrad.grad(lambda *args: np.sum(f(*args) * f(*args)))
    check_jit(slope, xs)
    check_vmap(slope, rows)
    check_vmap(fgrad.jit(slope), rows)
    if len(xs) > 1:
        check_vmap(f, [stacked(xs[0]), *xs[1:]], in_axes=(0, *[None] * (len(xs) - 1)))
