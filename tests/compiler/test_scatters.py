"""Sums with what is scattered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import optimize

X = np.linspace(-1.0, 2.0, 12).reshape(4, 3)
ROWS, COLUMNS = np.array([0, 2, 2, -1]), np.array([1, 0, 0, 2])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: fnp.sum(np.sin(x)) + fnp.sum(x[ROWS, COLUMNS] ** 2),
        lambda x: fnp.sum(fnp.logsumexp(x, axis=1) - x[np.arange(4), COLUMNS]),
        lambda x: fnp.sum(x[1:3] ** 2) + fnp.sum(np.exp(x)),
    ],
)
def test_gradients_are_scattered_into_sums(f: Any) -> None:
    program = optimize(fgrad.make_jaxpr(fgrad.grad(f))(X))
    names = [eqn.primitive.name for eqn in program.eqns]
    assert "scatter_add" in names
    assert "place" not in names
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(X), fgrad.grad(f)(X), rtol=1e-12)


def test_what_is_needed_elsewhere_is_not() -> None:
    def f(x: Any) -> Any:
        y = fgrad.grad(lambda x: fnp.sum(x[ROWS] ** 2))(x)
        return x + y, y

    np.testing.assert_allclose(fgrad.jit(f)(X), f(X), rtol=1e-12)
    assert "place" in [eqn.primitive.name for eqn in optimize(fgrad.make_jaxpr(f)(X)).eqns]


def test_arguments_are_left_alone() -> None:
    x = X.copy()
    fgrad.jit(lambda x: x + fgrad.grad(lambda x: fnp.sum(x[ROWS] ** 2))(x))(x)
    np.testing.assert_array_equal(x, X)
