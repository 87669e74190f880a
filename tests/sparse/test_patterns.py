"""Patterns found from programs: never too small, exact for common programs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad import hessian, jacfwd
from fgrad.errors import ArgumentError, ConcretizationTypeError, NonDifferentiableError
from fgrad.sparse import hessian_sparsity, jacobian_sparsity
from tests.sparse.programs import BAND, EXACT, HESSIANS, INDEX, LOOSE, OPERATIONS, X


def numeric(f: Any, x: Any, points: int = 3) -> Any:
    """Where the dense Jacobian is not zero at some points."""
    found = 0.0
    for k in range(points):
        found = found + np.abs(jacfwd(f, flat=True)(fgrad.tree.map(lambda v, k=k: v * (1 + 0.37 * k), x)))
    return found != 0


@pytest.mark.parametrize("name", EXACT)
def test_exact_patterns(name: str) -> None:
    f = EXACT[name]
    np.testing.assert_array_equal(jacobian_sparsity(f, X).todense(), numeric(f, X))


@pytest.mark.parametrize("name", LOOSE)
def test_patterns_are_never_too_small(name: str) -> None:
    f = LOOSE[name]
    found = jacobian_sparsity(f, X).todense()
    for seed in range(4):
        assert (found | ~numeric(f, np.random.default_rng(seed).permutation(X), 1)).all()


def test_what_is_not_known_counts_as_all_that_it_can_reach() -> None:
    def f(x: Any, index: Any) -> Any:
        table = x.reshape(3, 4)
        return table[1, index], table[index, 2], fnp.at(np.zeros((3, 2)))[index, 0].add(x[:2])

    found = jacobian_sparsity(f, X, np.array([0, 1])).todense()
    expected = np.zeros((2 + 2 + 6, 12), bool)
    expected[:2, 4:8] = True
    expected[2:4, 2::4] = True
    expected[4::2, :2] = True
    np.testing.assert_array_equal(found, expected)


def test_rows_of_a_batch_stay_apart_where_positions_are_not_known() -> None:
    def f(x: Any, index: Any) -> Any:
        return fgrad.vmap(lambda r, i: r[i] * r[0])(x.reshape(4, 3), index)

    found = jacobian_sparsity(f, X, np.array([0, 2, 1, 1])).todense()
    np.testing.assert_array_equal(found, np.kron(np.eye(4), np.ones((1, 3))))


def test_custom_rules_count_and_not_what_they_replace() -> None:
    """Straight-through estimators: the function itself has no derivative."""

    @fgrad.custom_jvp
    def through(x: Any) -> Any:
        return np.rint(x)

    through.defjvp(lambda primals, tangents: (through(primals[0]), tangents[0]))
    np.testing.assert_array_equal(jacobian_sparsity(through, X).todense(), np.eye(12))
    np.testing.assert_array_equal(jacobian_sparsity(fgrad.jit(through), X).todense(), np.eye(12))

    @fgrad.custom_vjp
    def shifted(x: Any) -> Any:
        return x * 1.0

    shifted.defvjp(lambda x: (x, None), lambda res, ct: (np.roll(ct, 1),))
    np.testing.assert_array_equal(jacobian_sparsity(shifted, X).todense(), np.roll(np.eye(12), -1, axis=0))


def test_pytrees_in_order_of_leaves() -> None:
    def f(p: Any, scale: Any) -> Any:
        return {"u": p["a"][::-1] * scale, "v": (p["b"].sum(), p["a"][0])}

    tree = {"b": np.ones((2, 2)), "a": np.ones(3)}
    for argnums, args in ((0, tree), ((1, 0), None)):
        pattern = jacobian_sparsity(f, tree, 2.0, argnums=argnums)
        wanted = jacfwd(f, argnums=argnums, flat=True)(tree, 2.0) != 0
        np.testing.assert_array_equal(pattern.todense(), wanted)
        assert args is None or pattern.shape == (5, 7)
    by_name = jacobian_sparsity(f, p=tree, scale=2.0, argnums="scale")
    np.testing.assert_array_equal(by_name.todense()[:, 0], [1, 1, 1, 0, 0])


@pytest.mark.parametrize("name", HESSIANS)
def test_hessian_patterns(name: str) -> None:
    f = HESSIANS[name]
    exact = sum(np.abs(hessian(f)(X * (1 + 0.3 * k))) for k in range(3)) > 1e-12
    np.testing.assert_array_equal(hessian_sparsity(f, X).todense(), exact)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6),
    st.integers(0, 100),
)
def test_random_programs(program: Any, seed: int) -> None:
    def f(x: Any) -> Any:
        values = [x]
        for operation, i, j in program:
            values.append(operation(values[i % len(values)], values[j % len(values)]))
        return values[-1]

    x = np.random.default_rng(seed).uniform(-1, 1, 12)
    found = jacobian_sparsity(f, x).todense()
    assert (found | (jacfwd(f)(x) == 0)).all()
    second = hessian_sparsity(lambda x: f(x).sum(), x).todense()
    assert (second | (hessian(lambda x: f(x).sum())(x) == 0)).all()


def test_large_patterns_are_quick() -> None:
    x = np.linspace(0.5, 1.5, 100_000)

    def f(x: Any) -> Any:
        return np.concatenate([x[:1], x[:-2] - 2 * x[1:-1] ** 2 + x[2:], x[-1:]])

    start = time.perf_counter()
    pattern = jacobian_sparsity(f, x)
    assert pattern.nse == 3 * 100_000 - 4
    assert time.perf_counter() - start < 3.0  # 0.3 s on a machine at rest


def test_what_is_dense_is_said_to_be() -> None:
    x = np.ones(20_000)
    with pytest.raises(ArgumentError, match=r"20000 x 20000, has up to 400000000 entries \(100%\).*not sparse"):
        jacobian_sparsity(lambda x: x / x.sum(), x)
    assert jacobian_sparsity(lambda x: (x / x.sum()).sum(), x).nse == 20_000


def test_errors() -> None:
    with pytest.raises(NonDifferentiableError, match="jacobian_sparsity needs real or complex inputs, but x is i64"):
        jacobian_sparsity(lambda x: x, np.arange(3))
    with pytest.raises(NonDifferentiableError, match=r"needs real or complex outputs, but .* returned i64\[\] at"):
        jacobian_sparsity(np.argmax, X)
    with pytest.raises(ConcretizationTypeError, match="the truth value"):
        jacobian_sparsity(lambda x: x if x[0] > 0 else -x, X)
    with pytest.raises(ArgumentError, match="jacobian_sparsity expects a function"):
        jacobian_sparsity(3, X)  # type: ignore[arg-type]


def test_patterns_within_other_transforms() -> None:
    """Constants are computed by NumPy even while something else is traced."""

    def f(x: Any) -> Any:
        assert jacobian_sparsity(fgrad.jit(lambda y: y[INDEX] * BAND[0, :5]), X).nse == 3
        return x.sum()

    for transform in (fgrad.jit, fgrad.grad):
        transform(f)(X)
