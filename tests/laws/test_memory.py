"""Calls leave no memory behind, however many: also without the collector, which only finds cycles.

FGRAD_LONG makes a million calls of each; otherwise there are some hundreds.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

LONG = bool(os.environ.get("FGRAD_LONG"))
X = np.linspace(0, 1, 16)


def energy(x: Any) -> Any:
    return (np.sin(x) * x).sum()


GRADIENT, COMPILED = fgrad.grad(energy), fgrad.jit(energy)
ROWS = fgrad.jit(fgrad.vmap(fgrad.grad(lambda x: np.sin(x) * x)))
CALLS: dict[str, tuple[Callable[[int], Any], int]] = {
    "grad": (lambda i: GRADIENT(X), 10**6),
    "jit": (lambda i: COMPILED(X), 10**6),
    "jit of rows of gradients": (lambda i: ROWS(X), 10**6),
    "vjp": (lambda i: fgrad.vjp(energy, X)[1](1.0), 10**6),
    "a new function each time": (lambda i: fgrad.jit(lambda x: x * float(i))(X), 10**4),
    "new shapes for a new function": (lambda i: fgrad.jit(energy)(np.ones(i % 7 + 2)), 10**4),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_leave_nothing_behind(name: str) -> None:
    call, count = CALLS[name]
    rounds = count if LONG else 300
    for i in range(600):  # caches of bounded size fill up
        call(i)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for i in range(rounds):
            call(i)
        assert gc.collect() == 0  # nothing waited for the collector, which now empties Python's lists of free objects
    finally:
        gc.enable()
    assert sys.getallocatedblocks() - before < 200
