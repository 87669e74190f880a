"""Products with diagonal matrices scale rows or columns, and mean what the products mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.compiler.compiled import optimize
from fgrad.primitives.contraction import dot_general

N = 12
RNG = np.random.default_rng(0)
A, B, V = RNG.normal(size=(N, N)), RNG.normal(size=(7, N)), RNG.normal(size=N)
IDENTITY = np.eye(N)
IDENTITY.flags.writeable = False


def names(f: Any, *args: Any) -> list[str]:
    return [eqn.primitive.name for eqn in optimize(fgrad.make_jaxpr(f)(*args)).eqns]


def product(x: Any, y: Any, i: int, j: int) -> Any:
    return dot_general(x, y, dimension_numbers=(((i,), (j,)), ((), ())))


CASES = [(x, i, j) for x in (A, B, V) for i in range(x.ndim) for j in (0, 1) if x.shape[i] == N]


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
@pytest.mark.parametrize("place", ["x", "v"])
@pytest.mark.parametrize(("x", "i", "j"), CASES)
def test_scaled_is_the_product(x: Any, i: int, j: int, bad: float | None, place: str) -> None:
    x, v = x.copy(), V.copy()
    if bad is not None:
        (x if place == "x" else v)[(3,) * (x.ndim if place == "x" else 1)] = bad
    programs = [
        lambda x, v: product(x, IDENTITY, i, j),
        lambda x, v: product(x, IDENTITY * v, i, j),
        lambda x, v: product(v * IDENTITY, x, j, i),
        lambda x, v: product(IDENTITY.T, x, j, i),
    ]
    for f in programs:
        assert "scaled" in names(f, x, v)
        assert "dot_general" not in names(f, x, v)
        with np.errstate(invalid="ignore"):
            found, expected = fgrad.jit(f)(x, v), f(x, v)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        assert found.flags.writeable
        assert not np.may_share_memory(found, x)


def test_what_may_change_is_no_identity() -> None:
    eye = np.eye(N)
    f = fgrad.jit(lambda x: x @ eye)
    np.testing.assert_array_equal(f(A), A)
    eye[0, 1] = 2.0
    np.testing.assert_allclose(f(A), A @ eye)
    shown = np.eye(N)
    seen = shown.view()
    seen.flags.writeable = False
    assert "scaled" not in names(lambda x: x @ seen, A)


def test_results_of_jacobians_can_be_written_into() -> None:
    for jacobian in (fgrad.jacfwd, fgrad.jacrev):
        for f in (lambda x: x, lambda x: x[::-1], lambda x: x.reshape(3, 4), lambda x: (x, x * 2.0)):
            for g in (jacobian(f), fgrad.jit(jacobian(f))):
                assert all(leaf.flags.writeable for leaf in fgrad.tree.leaves(g(V)))
