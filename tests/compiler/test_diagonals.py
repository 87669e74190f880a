"""Products with diagonal matrices scale rows or columns, and mean what the products mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
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


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_a_vector_on_the_diagonal_scales(bad: float | None) -> None:
    v = V.copy()
    if bad is not None:
        v[3] = bad
    programs: list[Any] = [
        lambda x, v: x @ fnp.diag(v),
        lambda x, v: fnp.diag(v) @ x,
        lambda x, v: fnp.diag(v).T @ x.T,
        lambda x, v: (fnp.diag(v) * 0.5 * 3.0) @ x,
    ]
    for f in programs:
        assert "scaled" in names(f, A, v)
        assert "dot_general" not in names(f, A, v)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(fgrad.jit(f)(A, v), f(A, v), rtol=1e-12, atol=1e-12)


def test_what_is_not_a_diagonal_is_no_scale() -> None:
    places = np.arange(N)
    f = lambda v, x: fgrad.grad(lambda z: (z[places, places] * v).sum())(x) @ x  # noqa: E731
    assert "scaled" not in names(f, V, A)
    np.testing.assert_allclose(fgrad.jit(f)(V, A), np.diag(V) @ A)
    for g in (lambda v, x: fnp.diag(v, 1)[:N, :N] @ x, lambda v, x: fnp.diag(v)[::-1] @ x):
        assert "scaled" not in names(g, V, A)
        np.testing.assert_allclose(fgrad.jit(g)(V, A), g(V, A), rtol=1e-12)


@pytest.mark.parametrize("upper", [False, True])
def test_the_gradient_of_a_determinant_through_a_factor_takes_one_product(upper: bool) -> None:
    def half_logdet(a: Any) -> Any:
        return fnp.sum(fnp.log(fnp.diagonal(fnp.linalg.cholesky(a, upper=upper))))

    a = A @ A.T + N * np.eye(N)
    gradient = fgrad.grad(half_logdet)
    assert names(gradient, a).count("dot_general") == 1
    found = fgrad.jit(gradient)(a)
    np.testing.assert_allclose(found, gradient(a), rtol=1e-11, atol=1e-14)
    # The derivative by both triangles is that by the one that is read.
    np.testing.assert_allclose(found + found.T, np.linalg.inv(a), rtol=1e-10, atol=1e-13)


def test_triangles_that_meet_their_own_side_are_kept() -> None:
    """The gradient of all of a factor, not of its diagonal alone."""

    def f(a: Any) -> Any:
        return fnp.sum(fnp.linalg.cholesky(a) * A)

    a = A @ A.T + N * np.eye(N)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(a), fgrad.grad(f)(a), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("below", [False, True])
def test_triangles_are_told_apart(below: bool) -> None:
    mask = np.tri(N, k=-1, dtype=bool) if below else ~np.tri(N, dtype=bool)
    mask.flags.writeable = False

    def f(a: Any, v: Any) -> Any:
        part = fnp.where(mask, fnp.linalg.cholesky(a) @ fnp.diag(v), 0.0)
        return (part + fnp.diag(v)) @ A

    a = A @ A.T + N * np.eye(N)
    assert ("dot_general" in names(f, a, V)) == below
    np.testing.assert_allclose(fgrad.jit(f)(a, V), f(a, V), rtol=1e-12, atol=1e-12)
