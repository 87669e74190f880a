"""Python's own numbers are arguments like others: where NumPy gives an infinity, so do rules, at every order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp

POINTS = (0.0, -0.0, 1.0, -1.0, 2.0, 1e-300, 1e300)
UNARY = sorted(
    name for name in dir(fnp) if isinstance(getattr(np, name, None), np.ufunc) and getattr(np, name).nin == 1
)
BINARY = sorted(
    name for name in dir(fnp) if isinstance(getattr(np, name, None), np.ufunc) and getattr(np, name).nin == 2
)


def derivatives(f: Callable[..., Any], *xs: float) -> None:
    """Two orders, in both modes, of every argument."""
    for argnum in range(len(xs)):
        first = fgrad.grad(f, argnum)
        np.asarray(first(*xs))
        np.asarray(fgrad.jacfwd(f, argnum)(*xs))
        np.asarray(fgrad.grad(first, argnum)(*xs))


def tried(f: Callable[..., Any], *xs: float) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", fgrad.errors.DegenerateWarning)
        try:
            derivatives(f, *xs)
        except (fgrad.errors.FgradError, TypeError):  # whole numbers, truth values: no derivative by nature
            pass


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name: str) -> None:
    for x in POINTS:
        tried(getattr(fnp, name), x)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name: str) -> None:
    for x, y in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1e300, 1e300), (-2.0, 0.5)):
        tried(getattr(fnp, name), x, y)


@pytest.mark.parametrize(
    "f", [lambda x: 1 / x, lambda x: x**-1, lambda x: x**-0.5, lambda x: 2.0**x / x, lambda x: x // x]
)
def test_operators(f: Callable[[Any], Any]) -> None:
    for x in POINTS:
        tried(f, x)


def test_the_derivative_of_the_logarithm_at_0_is_infinite() -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        assert fgrad.grad(fnp.log)(0.0) == np.inf
        assert fgrad.grad(lambda x: 1 / x)(0.0) == -np.inf
        assert fgrad.jit(fgrad.grad(fnp.log))(0.0) == np.inf
        assert fgrad.grad(lambda x: x**-2)(0.0) == -np.inf
