"""Linear systems with solvers of the user's: values and derivatives against the same by Cramer's rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.control.custom_linear_solve import custom_linear_solve
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError, TreeStructureError

RNG = np.random.default_rng(1)
A = RNG.normal(size=(3, 3)) + 3.0 * np.eye(3)
B = RNG.normal(size=3)


def cramer(matvec: Callable[[Any], Any], b: Any) -> Any:
    """Solves for any linear map of three unknowns, by operations that are differentiable themselves."""
    u, v, w = (matvec(e) for e in np.eye(3))
    minors = np.stack([np.cross(v, w), np.cross(w, u), np.cross(u, v)])
    return minors @ b / (u * np.cross(v, w)).sum()


def implicit(matrix: Any, b: Any) -> Any:
    return custom_linear_solve(lambda x: matrix @ x, b, cramer)


def explicit(matrix: Any, b: Any) -> Any:
    return cramer(lambda x: matrix @ x, b)


def _same(a: Any, b: Any) -> None:
    ours, theirs = fgrad.tree.leaves(a), fgrad.tree.leaves(b)
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-10)


BOTH = (0, 1)
WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "value": lambda f: f,
    "jit": fgrad.jit,
    "jacrev": lambda f: fgrad.jacrev(f, BOTH),
    "jacfwd": lambda f: fgrad.jacfwd(f, BOTH),
    "jit jacrev": lambda f: fgrad.jit(fgrad.jacrev(f, BOTH)),
    "jacrev jit": lambda f: fgrad.jacrev(fgrad.jit(f), BOTH),
    "jacfwd jacrev": lambda f: fgrad.jacfwd(fgrad.jacrev(f, BOTH), BOTH),
    "jacrev jacfwd": lambda f: fgrad.jacrev(fgrad.jacfwd(f, BOTH), BOTH),
    "jacrev jacrev": lambda f: fgrad.jacrev(fgrad.jacrev(f, BOTH), BOTH),
    "jit jacrev jit jacrev": lambda f: fgrad.jit(fgrad.jacrev(fgrad.jit(fgrad.jacrev(f, BOTH)), BOTH)),
    "vmap of b": lambda f: lambda a, b: fgrad.vmap(f, (None, 1))(a, np.stack([b, 2.0 * b], 1)),
    "vmap of A": lambda f: lambda a, b: fgrad.vmap(f, (0, None))(np.stack([a, 2.0 * a]), b),
    "jit vmap jacrev": lambda f: (
        lambda a, b: fgrad.jit(fgrad.vmap(fgrad.jacrev(f, BOTH), (None, 0)))(a, np.stack([b, b - 1.0]))
    ),
    "jacrev vmap": lambda f: (
        lambda a, b: fgrad.jacrev(lambda m: fgrad.vmap(f, (None, 0))(m, np.stack([b, b - 1.0])))(a)
    ),
    "checkpoint": lambda f: fgrad.jacrev(fgrad.checkpoint(f), BOTH),
}


@pytest.mark.parametrize("way", WAYS)
def test_derivatives(way: str) -> None:
    _same(WAYS[way](implicit)(A, B), WAYS[way](explicit)(A, B))


def test_the_solver_is_not_differentiated() -> None:
    def numpy_solve(matvec: Any, b: Any) -> Any:
        return np.linalg.solve(np.stack([matvec(e) for e in np.eye(3)], axis=1), b)

    def loss(a: Any) -> Any:
        return custom_linear_solve(lambda x: a @ x, B, numpy_solve).sum()

    _same(fgrad.grad(loss)(A), fgrad.grad(lambda a: explicit(a, B).sum())(A))
    second = fgrad.grad(lambda s: fgrad.grad(loss)(s * A).sum())(1.3)
    _same(second, fgrad.grad(lambda s: fgrad.grad(lambda a: explicit(a, B).sum())(s * A).sum())(1.3))


def test_solvers_that_ignore_the_map_are_transposed() -> None:
    inverse = np.linalg.inv(A)
    f = lambda b: custom_linear_solve(lambda x: A @ x, b, lambda matvec, rhs: inverse @ rhs)  # noqa: E731
    _same(fgrad.jacrev(f)(B), inverse)
    _same(fgrad.jit(fgrad.jacrev(f))(B), inverse)
    g = lambda b: custom_linear_solve(  # noqa: E731
        lambda x: A @ x, b, lambda matvec, rhs: inverse @ rhs, lambda vecmat, rhs: inverse.T @ rhs
    )
    _same(fgrad.jacrev(g)(B), inverse)
    wrong = lambda b: custom_linear_solve(lambda x: A @ x, b, lambda m, rhs: np.sin(rhs))  # noqa: E731
    with pytest.raises(NonDifferentiableError, match="uses neither the linear map that it is given"):
        fgrad.grad(lambda b: wrong(b).sum())(B)


def test_symmetric_systems_use_one_solver() -> None:
    symmetric = A + A.T
    maps: list[Any] = []

    def solve(matvec: Any, b: Any) -> Any:
        maps.append(matvec(np.ones(3)))
        return cramer(matvec, b)

    f = lambda b: custom_linear_solve(lambda x: symmetric @ x, b, solve, symmetric=True)  # noqa: E731
    _same(fgrad.jacrev(f)(B), np.linalg.inv(symmetric))
    _same(
        fgrad.vmap(fgrad.grad(lambda b: f(b).sum()))(np.stack([B, B])), np.tile(np.linalg.inv(symmetric).sum(0), (2, 1))
    )
    assert len(maps) >= 2


def test_further_results_of_the_solver() -> None:
    def solve(matvec: Any, b: Any) -> Any:
        x = cramer(matvec, b)
        return x, {"residual": np.sum((matvec(x) - b) ** 2), "n": 3}

    f = lambda a, b: custom_linear_solve(lambda x: a @ x, b, solve, has_aux=True)  # noqa: E731
    for wrap in (lambda h: h, fgrad.jit):
        x, aux = wrap(f)(A, B)
        _same(x, np.linalg.solve(A, B))
        assert aux["n"] == 3
        assert aux["residual"] < 1e-25
        rows, aux = wrap(fgrad.vmap(f, (None, 0)))(A, np.stack([B, 2.0 * B]))
        _same(rows, np.linalg.solve(A, np.stack([B, 2.0 * B]).T).T)
        assert aux["residual"].shape == (2,)
        _same(wrap(fgrad.jacrev(lambda a: f(a, B)[0]))(A), fgrad.jacrev(explicit)(A, B))
    assert fgrad.grad(lambda b: f(A, b)[1]["residual"])(B).tolist() == [0.0, 0.0, 0.0]


def test_pytrees() -> None:
    def matvec(p: Any) -> Any:
        return {"u": 2.0 * p["u"] + p["v"].sum(), "v": 3.0 * p["v"]}

    def solve(linear: Any, b: Any) -> Any:
        v = b["v"] / linear({"u": 0.0, "v": np.ones(2)})["v"]
        both = linear({"u": 0.0, "v": v})["u"]
        return {"u": (b["u"] - both) / linear({"u": 1.0, "v": np.zeros(2)})["u"], "v": v}

    f = lambda s: custom_linear_solve(matvec, {"u": s, "v": np.ones(2)}, solve)  # noqa: E731
    out = f(3.0)
    assert out["u"] == pytest.approx((3.0 - 2.0 / 3.0) / 2.0)
    assert fgrad.jvp(f, (3.0,), (1.0,))[1]["u"] == 0.5


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: custom_linear_solve(3, B, cramer), ArgumentError, "expects a function"),
        (lambda: custom_linear_solve(np.sin, B, 3), ArgumentError, "solve callable"),
        (lambda: custom_linear_solve(np.sin, 3, cramer), NonDifferentiableError, "real or complex numbers, but b is"),
        (lambda: custom_linear_solve(lambda x: x[:2], B, cramer), ShapeError, r"must return something like b, but"),
        (lambda: custom_linear_solve(lambda x: (x, x), B, cramer), TreeStructureError, "must return something like b"),
        (lambda: custom_linear_solve(np.sin, B, lambda m, b: b[0]), ShapeError, "solve"),
        (lambda: custom_linear_solve(np.sin, B, lambda m, b: b, has_aux=True), OutputTypeError, r"\(solution, aux\)"),
    ],
)
def test_misuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_a_map_that_is_not_linear() -> None:
    for matvec in (lambda x: A @ x + 1.0, lambda x: A @ (x * x)):
        with pytest.raises(ArgumentError, match="matvec must be linear to be transposed"):
            fgrad.grad(lambda b, m=matvec: custom_linear_solve(m, b, cramer).sum())(B)
