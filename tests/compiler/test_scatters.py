"""Sums with what is scattered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import optimize
from fgrad.primitives.index_kernels import opened, placed
from tests.compiler.tiling import forced_tiles

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


def test_what_falls_on_one_index_is_added_first() -> None:
    def f(x: Any) -> Any:
        return fnp.sum(np.sin(x[:3]) * x[1:] + np.exp(x[:3]) * x[:3])

    program = optimize(fgrad.make_jaxpr(fgrad.grad(f))(X))
    names = [eqn.primitive.name for eqn in program.eqns]
    assert (names.count("place"), names.count("scatter_add")) == (1, 1)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(X), fgrad.grad(f)(X), rtol=1e-12)


def test_parts_are_computed_where_they_belong() -> None:
    def f(x: Any) -> Any:
        return fnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    with forced_tiles():
        x = np.linspace(-1.0, 2.0, 40)
        compiled = fgrad.jit(fgrad.grad(f))
        text = compiled.lower(x).as_text()
        assert "_opened(" in text
        assert "_placed(" not in text
        np.testing.assert_allclose(compiled(x), fgrad.grad(f)(x), rtol=1e-12)


@pytest.mark.parametrize("index", [np.s_[1:3], np.s_[:, 1:], np.s_[1:2, :2], np.s_[2:], np.s_[0:0]])
def test_everything_beside_a_part_is_zero(index: Any) -> None:
    out = np.full((4, 3), np.nan)
    part = opened(out, index)
    part[...] = 1.0
    expected = np.zeros((4, 3))
    expected[index] = 1.0
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(placed(part.copy(), index, (4, 3), np.full((4, 3), np.nan)), expected)
