"""Linear systems by the library's own solvers: values against NumPy's, derivatives against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import implicit
from fgrad.errors import ArgumentError, ConvergenceError, NonDifferentiableError, ShapeError
from fgrad.implicit.krylov import LINEAR

RNG = np.random.default_rng(2)
N = 6
A = RNG.normal(size=(N, N)) + 6.0 * np.eye(N)
P = A @ A.T / 6.0
B = RNG.normal(size=N)
C = RNG.normal(size=N)
WRAPS: list[Callable[..., Any]] = [lambda f: f, fgrad.jit]


def systems(name: str) -> tuple[Any, dict[str, Any]]:
    """A matrix for a solver, and what it is told about it."""
    return (P, {"positive": True}) if name == "cg" else (A, {})


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("wrap", WRAPS)
def test_values_and_derivatives(name: str, free: bool, wrap: Callable[..., Any]) -> None:
    matrix, facts = systems(name)

    def loss(a: Any, b: Any) -> Any:
        return (C * implicit.linear_solve((lambda x: a @ x) if free else a, b, solve=name, **facts)).sum()

    x, adjoint = np.linalg.solve(matrix, B), np.linalg.solve(matrix.T, C)
    assert wrap(loss)(matrix, B) == pytest.approx(C @ x, rel=1e-9)
    expected = (-np.outer(adjoint, x), adjoint)
    for gradient in (wrap(fgrad.grad(loss, (0, 1))), fgrad.grad(wrap(loss), (0, 1)), wrap(fgrad.jacfwd(loss, (0, 1)))):
        for found, wanted in zip(gradient(matrix, B), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("wrap", WRAPS)
def test_second_derivatives(name: str, wrap: Callable[..., Any]) -> None:
    matrix, facts = systems(name)
    loss = lambda s: (C * implicit.linear_solve(s * matrix, s * s * B, solve=name, **facts)).sum()  # noqa: E731
    value = C @ np.linalg.solve(matrix, B)  # the loss is s · value
    assert wrap(fgrad.grad(loss))(1.5) == pytest.approx(value, rel=1e-8)
    other = lambda s: (C * implicit.linear_solve(s * matrix, B, solve=name, **facts)).sum()  # noqa: E731
    second = 2.0 * value / 1.5**3
    for hessian in (fgrad.grad(fgrad.grad(other)), fgrad.jacfwd(fgrad.grad(other)), fgrad.grad(fgrad.jacfwd(other))):
        assert wrap(hessian)(1.5) == pytest.approx(second, rel=1e-8)
    assert wrap(fgrad.grad(fgrad.grad(fgrad.grad(other))))(1.5) == pytest.approx(-6.0 * value / 1.5**4, rel=1e-7)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("wrap", WRAPS)
def test_rows(name: str, wrap: Callable[..., Any]) -> None:
    matrix, facts = systems(name)
    solve = lambda a, b: implicit.linear_solve(lambda x: a @ x, b, solve=name, **facts)  # noqa: E731
    rows, matrices = RNG.normal(size=(5, N)), np.stack([matrix + 0.1 * k * np.eye(N) for k in range(5)])
    expected = np.linalg.solve(matrices, rows[:, :, None])[:, :, 0]
    np.testing.assert_allclose(wrap(fgrad.vmap(solve))(matrices, rows), expected, rtol=1e-8)
    found = wrap(fgrad.vmap(solve, (None, 1), 1))(matrix, rows.T)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, rows.T), rtol=1e-8)
    nested = fgrad.vmap(fgrad.vmap(solve, (None, 0)), (0, None))
    all_pairs = np.linalg.solve(matrices[:, None], rows[None, :, :, None])[..., 0]
    np.testing.assert_allclose(wrap(nested)(matrices, rows), all_pairs, rtol=1e-8)
    gradient = wrap(fgrad.grad(lambda a: (fgrad.vmap(solve, (None, 0))(a, rows) * C).sum()))(matrix)
    adjoint, solutions = np.linalg.solve(matrix.T, C), np.linalg.solve(matrix, rows.T).T
    np.testing.assert_allclose(gradient, -np.outer(adjoint, solutions.sum(0)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", LINEAR)
def test_complex_and_single_precision(name: str) -> None:
    matrix, facts = systems(name)
    spin = RNG.normal(size=(N, N))
    hermitian = matrix + 1j * (spin - spin.T) / 10.0 if name == "cg" else matrix + 1j * spin / 3.0
    rhs = B + 1j * C
    np.testing.assert_allclose(
        implicit.linear_solve(hermitian, rhs, solve=name, **facts), np.linalg.solve(hermitian, rhs), rtol=1e-8
    )
    weights = C - 2j * B
    _, pull = fgrad.vjp(lambda b: implicit.linear_solve(hermitian, b, solve=name, **facts), rhs)
    np.testing.assert_allclose(pull(weights)[0], np.linalg.solve(hermitian.T, weights), rtol=1e-8)
    single = implicit.linear_solve(matrix.astype(np.float32), B.astype(np.float32), solve=name, **facts)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, np.linalg.solve(matrix, B), rtol=1e-3)


def test_pytrees_and_matrices_of_right_hand_sides() -> None:
    def matvec(p: Any) -> Any:
        return {"u": 4.0 * p["u"] + p["v"].sum(), "v": 3.0 * p["v"] - p["u"]}

    x = implicit.linear_solve(matvec, {"u": 1.0, "v": np.ones((2, 2))}, solve="gmres")
    np.testing.assert_allclose(matvec(x)["u"], 1.0, rtol=1e-10)
    np.testing.assert_allclose(matvec(x)["v"], np.ones((2, 2)), rtol=1e-10)
    several = RNG.normal(size=(N, 3))
    np.testing.assert_allclose(implicit.linear_solve(A, several), np.linalg.solve(A, several), rtol=1e-10)
    assert implicit.linear_solve(np.zeros((0, 0)), np.zeros(0)).shape == (0,)


def test_large_systems_never_see_a_matrix() -> None:
    n = 3000
    ones = np.ones(n)

    def laplacian(x: Any) -> Any:
        padded = np.concatenate([np.zeros(1), x, np.zeros(1)])
        return 2.5 * x - padded[2:] - padded[:-2]

    for options in ({"positive": True}, {"symmetric": True}, {"solve": "bicgstab"}):
        loss = lambda s, o=options: implicit.linear_solve(lambda x: s * laplacian(x), ones, **o).sum()  # noqa: E731
        value = loss(1.0)
        assert fgrad.grad(loss)(2.0) == pytest.approx(-value / 4.0, rel=1e-7)
        assert fgrad.jit(fgrad.grad(loss))(2.0) == pytest.approx(-value / 4.0, rel=1e-7)
    np.testing.assert_allclose(laplacian(implicit.linear_solve(laplacian, ones)), ones, rtol=1e-9)


def test_solvers_that_break_down_begin_anew() -> None:
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    b = np.array([1.0, 0.0])
    np.testing.assert_allclose(implicit.linear_solve(skew, b, solve="gmres"), [0.0, 1.0], atol=1e-12)
    identity = np.eye(4)
    for name in LINEAR:
        np.testing.assert_allclose(implicit.linear_solve(identity, np.ones(4), solve=name), np.ones(4), rtol=1e-12)
        np.testing.assert_array_equal(implicit.linear_solve(identity, np.zeros(4), solve=name), np.zeros(4))


def test_a_solver_of_the_user() -> None:
    def by_numpy(matvec: Any, b: Any) -> Any:
        return np.linalg.solve(np.stack([matvec(e) for e in np.eye(N)], axis=1), b)

    loss = lambda a: (C * implicit.linear_solve(a, B, solve=by_numpy)).sum()  # noqa: E731
    expected = -np.outer(np.linalg.solve(A.T, C), np.linalg.solve(A, B))
    np.testing.assert_allclose(fgrad.grad(loss)(A), expected, rtol=1e-9)


def test_memory_does_not_depend_on_the_steps() -> None:
    program = fgrad.make_jaxpr(fgrad.grad(lambda b: implicit.linear_solve(lambda x: P @ x, b, solve="cg").sum()))(B)
    names = [eqn.primitive.name for eqn in program.eqns]
    assert names.count("linear_solve") == 2
    assert len(names) < 8


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: implicit.linear_solve(A, B, solve="magic"), ArgumentError, "must be one of auto, dense, cg"),
        (lambda: implicit.linear_solve(3.0, B), ArgumentError, "takes a matrix or a function"),
        (lambda: implicit.linear_solve(A[:3], B), ShapeError, r"a matrix of shape \(3, 6\)"),
        (lambda: implicit.linear_solve(A, B[:3]), ShapeError, r"a right-hand side of shape \(3,\)"),
        (lambda: implicit.linear_solve(lambda x: x[:3], B), ShapeError, "must return something like b"),
        (lambda: implicit.linear_solve(np.eye(2), np.ones(2, int)), NonDifferentiableError, "real or complex numbers"),
        (lambda: implicit.linear_solve(np.zeros((2, 2)), np.ones(2)), ConvergenceError, "is singular"),
        (lambda: implicit.linear_solve(P, B, solve="cg", max_iter=1), ConvergenceError, "cg did not solve"),
        (lambda: implicit.linear_solve(lambda x: A @ x + 1.0, B), ConvergenceError, "See that matvec is linear"),
    ],
)
def test_misuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_an_inexact_solution_may_be_accepted() -> None:
    rough = implicit.linear_solve(P, B, solve="cg", max_iter=1, check=False)
    assert 0.0 < np.linalg.norm(P @ rough - B) < np.linalg.norm(B)
