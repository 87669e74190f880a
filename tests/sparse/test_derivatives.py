"""Sparse Jacobians and Hessians, against dense ones."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad import hessian, jacfwd, jit, vmap
from fgrad.errors import ArgumentError, CheckError, NonScalarOutputError
from fgrad.sparse import Pattern, SparseMatrix, sparse_hessian, sparse_jacobian
from tests.sparse.programs import BAND, EXACT, HESSIANS, LOOSE, OPERATIONS, X, rosenbrock


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("name", [*EXACT, *LOOSE])
def test_jacobians(name: str, mode: str) -> None:
    f = (EXACT | LOOSE)[name]
    found = sparse_jacobian(f, mode=mode)(X)
    np.testing.assert_allclose(found.todense(), jacfwd(f, flat=True)(X), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", HESSIANS)
def test_hessians(name: str) -> None:
    f = HESSIANS[name]
    np.testing.assert_allclose(sparse_hessian(f)(X).todense(), hessian(f)(X), rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5),
    st.sampled_from([None, 1, 2, 5]),
)
def test_random_programs(program: Any, chunk: int | None) -> None:
    def f(x: Any) -> Any:
        values = [x]
        for operation, i, j in program:
            values.append(operation(values[i % len(values)], values[j % len(values)]))
        return values[-1]

    def g(x: Any) -> Any:
        return np.sum(f(x))

    jacobian = sparse_jacobian(f, chunk_size=chunk)(X)
    np.testing.assert_allclose(jacobian.todense(), jacfwd(f)(X), rtol=1e-11, atol=1e-11)
    dense = hessian(g)(X)
    scale = max(1.0, float(np.max(np.abs(dense))))
    np.testing.assert_allclose(sparse_hessian(g, chunk_size=chunk)(X).todense(), dense, atol=1e-11 * scale)


TREE = {"a": np.ones(3), "b": np.arange(4.0).reshape(2, 2), "c": np.float64(2.0)}


def of_tree(p: Any, scale: Any) -> Any:
    return {"u": p["a"][::-1] ** 2 * scale, "v": (p["b"] @ p["b"], p["c"] * p["a"][0])}


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0), "scale"])
def test_pytrees(mode: str, argnums: Any) -> None:
    expected = jacfwd(of_tree, argnums=argnums, flat=True)(TREE, 3.0)
    found = sparse_jacobian(of_tree, argnums=argnums, mode=mode)(TREE, 3.0)
    np.testing.assert_allclose(found.todense(), expected)
    np.testing.assert_allclose(sparse_jacobian(of_tree, argnums, mode=mode)(TREE, scale=3.0).todense(), expected)


def test_dtypes() -> None:
    single = X.astype(np.float32)
    assert sparse_jacobian(np.sin)(single).dtype == np.float32
    both = sparse_jacobian(lambda x, y: (x * 2, y), argnums=(0, 1))(single, X)
    assert both.dtype == np.float64
    z = X + 1j * X[::-1]
    expected = jacfwd(lambda z: z[1:] * z[:-1] ** 2, holomorphic=True)(z)
    for mode in ("forward", "reverse"):
        found = sparse_jacobian(lambda z: z[1:] * z[:-1] ** 2, mode=mode)(z)
        np.testing.assert_allclose(found.todense(), expected)


def test_nothing() -> None:
    assert sparse_jacobian(lambda x: np.ones(3))(X).todense().tolist() == np.zeros((3, 12)).tolist()
    assert sparse_jacobian(lambda x: x)(np.zeros(0)).todense().shape == (0, 0)
    assert sparse_jacobian(lambda x: ())(X).shape == (0, 12)
    assert sparse_hessian(lambda x: x.sum())(X).nse == 0


def tridiagonal(x: Any) -> Any:
    left, right = np.pad(x[:-1], (1, 0)), np.pad(x[1:], (0, 1))
    return left - 2 * np.sin(x) + right**2


def test_passes_do_not_depend_on_the_size() -> None:
    jacobian = sparse_jacobian(tridiagonal)
    for n in (10, 1000, 100_000):
        plan = jacobian.plan(np.zeros(n))
        assert (plan.passes, plan.mode, plan.pattern.nse) == (3, "forward", 3 * n - 2)
    x = np.linspace(0, 1, 100_000)
    found = jacobian(x)
    scipy = found.to_scipy()
    np.testing.assert_allclose(scipy.diagonal(), -2 * np.cos(x))
    np.testing.assert_allclose(scipy.diagonal(1), 2 * x[1:])
    np.testing.assert_array_equal(scipy.diagonal(-1), 1.0)


def test_modes_take_what_is_cheaper() -> None:
    def few_rows(x: Any) -> Any:
        return x.reshape(3, 4).sum(1)

    assert sparse_jacobian(few_rows).plan(X).passes == 1
    assert sparse_jacobian(few_rows).plan(X).mode == "reverse"
    assert sparse_jacobian(few_rows, mode="forward").plan(X).passes == 4
    assert sparse_jacobian(lambda x: np.outer(x[:2], np.ones(5))).plan(X).mode == "forward"
    assert repr(sparse_jacobian(few_rows).plan(X)) == (
        "Plan(pattern=Pattern(shape=(3, 12), nse=12), mode='reverse', passes=1)"
    )


def test_arrow_shaped_hessians_take_two_passes() -> None:
    plan = sparse_hessian(lambda x: (x[-1] * x[:-1] ** 2).sum()).plan(np.ones(50))
    assert (plan.mode, plan.passes) == ("symmetric", 2)


def test_the_function_is_traced_once_per_signature() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sin(x) * x[::-1]

    for derivative in (sparse_jacobian(f), sparse_jacobian(f, mode="reverse"), sparse_hessian(lambda x: f(x).sum())):
        calls.clear()
        for _ in range(3):
            derivative(X)
        assert len(calls) == 1
        derivative(X[:6])
        derivative(X)
        assert len(calls) == 2


def test_passes_are_made_together_or_in_chunks() -> None:
    def dense(x: Any) -> Any:
        return np.sort(np.sin(fnp.outer(x, x)), axis=0).sum(0)

    x = np.linspace(0, 1, 200)
    expected = jacfwd(dense)(x)

    def peak(chunk: int | None) -> int:
        jacobian = sparse_jacobian(dense, chunk_size=chunk)
        np.testing.assert_allclose(jacobian(x).todense(), expected)
        tracemalloc.start()
        jacobian(x)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(2) < 0.25 * peak(None)


def test_captured_arrays_may_change() -> None:
    weights = np.eye(12)
    jacobian = sparse_jacobian(lambda x: weights @ x)
    np.testing.assert_array_equal(jacobian(X).todense(), weights)
    weights[3, 5] = 2.0
    np.testing.assert_array_equal(jacobian(X).todense(), weights)
    where = np.arange(3)
    picked = fgrad.jit(lambda x: fnp.take(x, where) ** 2)
    jacobian = sparse_jacobian(picked)
    jacobian(X)
    where[:] = [5, 5, 0]
    np.testing.assert_array_equal(jacobian(X).todense(), jacfwd(picked)(X))


def test_captured_arrays_that_the_pattern_does_not_depend_on_are_not_looked_at() -> None:
    found = sparse_jacobian(lambda x: (X * x) + np.ones((12, 12)) @ x).plan(X)
    assert found.current
    assert not found._used


def test_results_own_their_indices() -> None:
    jacobian = sparse_jacobian(np.sin)
    jacobian(X).indices[:] = 0
    np.testing.assert_array_equal(jacobian(X).indices[:, 0], np.arange(12))


def test_within_other_transforms() -> None:
    def total(x: Any) -> Any:
        return (sparse_jacobian(tridiagonal)(x).data ** 2).sum()

    def total_dense(x: Any) -> Any:
        return (jacfwd(tridiagonal)(x) ** 2).sum()

    np.testing.assert_allclose(jit(total)(X), total_dense(X))
    np.testing.assert_allclose(fgrad.grad(total)(X), fgrad.grad(total_dense)(X), rtol=1e-12)
    np.testing.assert_allclose(jit(fgrad.grad(total))(X), fgrad.grad(total_dense)(X), rtol=1e-12)
    rows = np.stack([X, 2 * X])
    np.testing.assert_allclose(vmap(total)(rows), [total_dense(r) for r in rows])
    many = vmap(sparse_hessian(rosenbrock))(rows)
    assert many.data.shape == (2, 34)
    newton = jit(lambda x: sparse_hessian(rosenbrock)(x) @ x)
    np.testing.assert_allclose(newton(X), hessian(rosenbrock)(X) @ X)


def test_hessians_by_several_arguments() -> None:
    def f(p: Any, y: Any, scale: Any) -> Any:
        return scale * (p["a"] * p["a"][::-1] * y).sum() + p["b"] ** 3 * y[0]

    args = {"a": np.array([1.0, 2.0, 3.0]), "b": 0.5}, np.array([0.3, -1.0, 2.0]), 2.0
    for argnums in (0, 1, (0, 1), (1, 0)):
        expected = hessian(f, argnums=argnums, flat=True)(*args)
        np.testing.assert_allclose(sparse_hessian(f, argnums=argnums)(*args).todense(), expected, atol=1e-14)


def test_closing_over_traced_values() -> None:
    scaled = vmap(lambda s: sparse_jacobian(lambda x: s * x[1:] * x[:-1])(X).data)(np.array([1.0, 2.0]))
    np.testing.assert_allclose(scaled[1], 2 * scaled[0])

    def of_scale(s: Any) -> Any:
        return sparse_jacobian(lambda x: s * x[1:] * x[:-1])(X).data.sum()

    np.testing.assert_allclose(fgrad.grad(of_scale)(2.0), X[1:].sum() + X[:-1].sum())
    jacobian = sparse_jacobian(lambda x: fgrad.grad(lambda s: (s**2 * x).sum())(3.0) * x)
    np.testing.assert_allclose(jacobian(X).todense(), jacfwd(lambda x: 6.0 * x.sum() * x)(X))


def test_a_second_sparse_derivative() -> None:
    def trace(x: Any) -> Any:
        return (sparse_hessian(rosenbrock)(x) @ np.ones(12)).sum()

    np.testing.assert_allclose(
        sparse_jacobian(fgrad.grad(trace))(X).todense(),
        hessian(lambda x: hessian(rosenbrock)(x).sum())(X),
        atol=1e-9,
    )


@pytest.mark.parametrize("kind", [lambda p: p, lambda p: p.todense(), lambda p: p.to_scipy().tocsc()])
def test_patterns_by_hand(kind: Callable[[Pattern], Any]) -> None:
    pattern = Pattern.of(*np.nonzero(BAND), BAND.shape)
    jacobian = sparse_jacobian(lambda x: BAND @ x, sparsity=kind(pattern), check=True)
    np.testing.assert_array_equal(jacobian(X).todense(), BAND)


def test_wrong_patterns_by_hand_are_found_out() -> None:
    narrow = np.eye(12, dtype=bool)
    with pytest.raises(CheckError, match=r"sparse_jacobian of `tridiagonal`: row 0 has entries where the"):
        sparse_jacobian(tridiagonal, sparsity=narrow)(X)
    with pytest.raises(CheckError, match=r"sparse_hessian of `rosenbrock`: row 0 has entries"):
        sparse_hessian(rosenbrock, sparsity=narrow)(X)
    with pytest.raises(CheckError, match="Leave sparsity out"):
        sparse_jacobian(tridiagonal, sparsity=narrow, mode="reverse")(X)
    unchecked = sparse_jacobian(tridiagonal, sparsity=narrow, check=False)(X)
    assert unchecked.nse == 12


def test_checks_come_once_or_always() -> None:
    weights = np.triu(np.ones((12, 12)))
    wide = np.ones((12, 12), bool)

    def f(x: Any, w: Any) -> Any:
        return w @ x

    upper = wide & (weights != 0)
    once, always = (sparse_jacobian(f, sparsity=upper, check=c) for c in (None, True))
    for jacobian in (once, always):
        jacobian(X, weights)
    once(X, weights.T)
    with pytest.raises(CheckError):
        always(X, weights.T)


def test_colors_by_hand() -> None:
    found = sparse_jacobian(tridiagonal, coloring=np.arange(12) % 4)
    assert found.plan(X).passes == 4
    np.testing.assert_allclose(found(X).todense(), jacfwd(tridiagonal)(X))
    by_rows = sparse_jacobian(tridiagonal, coloring=np.arange(12) % 3, mode="reverse")
    np.testing.assert_allclose(by_rows(X).todense(), jacfwd(tridiagonal)(X))
    second = sparse_hessian(rosenbrock, coloring=np.arange(12) % 3)
    np.testing.assert_allclose(second(X).todense(), hessian(rosenbrock)(X), atol=1e-12)
    with pytest.raises(ArgumentError, match="gives columns 0 and 2 the same colour"):
        sparse_jacobian(tridiagonal, coloring=np.arange(12) % 2)(X)
    with pytest.raises(ArgumentError, match="hides entry"):
        sparse_hessian(rosenbrock, coloring=np.zeros(12, int))(X)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="mode of sparse_jacobian must be 'auto', 'forward' or 'reverse', got"):
        sparse_jacobian(np.sin, mode="backward")
    with pytest.raises(ArgumentError, match="chunk_size of sparse_hessian must be a positive number"):
        sparse_hessian(np.sin, chunk_size=0)
    with pytest.raises(ArgumentError, match="sparse_jacobian expects a function"):
        sparse_jacobian(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="sparse_hessian expects a function"):
        sparse_hessian(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="argnums=3"):
        sparse_jacobian(np.sin, argnums=3)(X)
    with pytest.raises(NonScalarOutputError):
        sparse_hessian(np.sin)(X)
    assert isinstance(sparse_jacobian(np.sin)(X), SparseMatrix)


def test_names_are_those_of_the_function() -> None:
    assert sparse_jacobian(tridiagonal).__name__ == "tridiagonal"
    assert sparse_jacobian(tridiagonal).__wrapped__ is tridiagonal
