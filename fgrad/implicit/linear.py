"""Solutions of linear systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom_linear_solve import check_inexact, custom_linear_solve, flat_like
from fgrad.control.custom_linear_solve import linear_solve as solve_flat
from fgrad.control.functional import Flat, Transposed
from fgrad.control.numeric_solve import solve_numerically
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import flat_leaves, function_name
from fgrad.core.interpreter import Tracer, reachable
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.implicit.krylov import LINEAR, LinearMethod
from fgrad.tree.table import describe
from fgrad.tree.text import listing

__all__ = ["linear_method", "linear_solve"]


def linear_method(name: Any, option: str, verb: str, *args: Any) -> LinearMethod:
    """A linear solver by its name."""
    if not isinstance(name, str) or name not in LINEAR:
        what = f"{option} of {verb} must be one of {listing(list(LINEAR), len(LINEAR))}, got {describe(name)}."
        raise ArgumentError(message(what, cure='"auto" writes a small matrix out, and uses gmres for a large one.'))
    return LINEAR[name](*args)


@public
def linear_solve(
    matvec: Any,
    b: Any,
    *,
    solve: str | Callable[..., Any] = "auto",
    symmetric: bool = False,
    positive: bool = False,
    tol: float | None = None,
    max_iter: int | None = None,
    check: bool = True,
) -> Any:
    """The solution x of the linear system A x = b.

    Its derivatives, of every order and in both modes, are solutions of linear systems with the same matrix:
    A ẋ = ḃ − Ȧ x, and its transpose. Memory does not grow with the number of steps of the solver. The whole matrix is
    read, also where it is said to be symmetric, and has the gradient −λ xᵀ; `fgrad.scipy.linalg.solve` reads one
    triangle.

    Args:
        matvec: the matrix, of shape (n, n), or the function x ↦ A x of a pytree like `b`. It may close over values that
            are being differentiated.
        b: the right-hand side, floating-point: of shape (n,) or (n, k), or any pytree for a function.
        solve: "dense" (the matrix is written out), "cg" (for positive definite matrices), "gmres", "bicgstab"; "auto"
            is "dense" up to 512 unknowns, and "cg" or "gmres" for more; or a function: `solve(matvec, b)` returns x.
        symmetric: A is its own transpose.
        positive: A is positive definite and, if it is real, symmetric.
        tol: the norm of the residual relative to that of b. By default what the precision of b allows for.
        max_iter: how many products with the matrix are allowed, 10 n by default.
        check: raise an error where that was not enough.

    Returns:
        x, like `b`.

    Raises:
        ArgumentError: `solve` is no solver.
        NonDifferentiableError: an array of `b` is neither real nor complex.
        ShapeError: A x has not the shape of b.
        ConvergenceError: the matrix is singular, or the solver does not converge.

    >>> import fgrad, numpy as np
    >>> A = np.array([[2.0, 1.0], [0.0, 4.0]])
    >>> fgrad.implicit.linear_solve(A, np.array([4.0, 8.0]))
    array([1., 2.])
    >>> fgrad.grad(lambda b: fgrad.implicit.linear_solve(lambda x: A @ x, b, solve="gmres").sum())(np.ones(2))
    array([0.5  , 0.125])

    Source: Griewank and Walther, "Evaluating Derivatives", 2nd edition, chapter 15.
    """
    if not callable(matvec):
        _check_matrix(matvec, b)
    product = matvec if callable(matvec) else lambda x: matvec @ x
    if callable(solve):
        return custom_linear_solve(product, b, solve, symmetric=symmetric or positive)
    name = "cg" if solve == "auto" and positive and _size(b) > 512 else solve
    method = linear_method(name, "solve", "implicit.linear_solve", tol, max_iter, check)
    leaves, bdef = flat_leaves([b], ["b"], "implicit.linear_solve")
    check_inexact(leaves, [b], ["b"], "implicit.linear_solve")
    treedef = bdef.children()[0]
    avals = [ShapedArray(a.shape, a.dtype) for a in map(aval_of, leaves)]
    what = f"matvec (`{function_name(matvec)}`)" if callable(matvec) else "the matrix"

    def flat_matvec(*xs: Array) -> list[Array]:
        return flat_like(product(treedef.unflatten(xs)), treedef, avals, what, "b")

    captured = captured_tracers(product)
    values = [reachable(t) for t in captured]
    opened = with_captured(captured, flat_matvec)
    forwards = numeric(opened, len(captured), method)
    real = all(a.dtype.kind == "f" for a in avals)
    if (symmetric or positive) and real:
        backwards = forwards
    else:
        backwards = numeric(Transposed(opened, len(captured), "matvec"), len(captured), method)
    outs = solve_flat(opened, forwards, backwards, values, leaves)
    return treedef.unflatten(outs)


def numeric(matvec: Flat, count: int, method: LinearMethod) -> Flat:
    """The flat solver of a linear system by a numerical method."""

    def solve(*values: Array) -> list[Array]:
        return solve_numerically(matvec, values[:count], values[count:], method)

    return solve


def _size(b: Any) -> int:
    leaves, _ = flat_leaves([b], ["b"], "implicit.linear_solve")
    return sum(aval_of(x).size for x in leaves)


def _check_matrix(matrix: Any, b: Any) -> None:
    """Refuses what is neither a function nor a square matrix that fits the right-hand side."""
    if not isinstance(matrix, (np.ndarray, Tracer)):
        what = f"implicit.linear_solve takes a matrix or a function as its first argument, got {describe(matrix)}."
        raise ArgumentError(message(what, cure="Write linear_solve(A, b), or linear_solve(lambda x: …, b)."))
    shape: Sequence[int] = matrix.shape
    rows: tuple[int, ...] = getattr(b, "shape", ())
    if len(shape) != 2 or shape[0] != shape[1] or not 1 <= len(rows) <= 2 or rows[0] != shape[0]:
        what = (
            f"implicit.linear_solve got a matrix of shape {tuple(shape)} and a right-hand side of shape {tuple(rows)}."
        )
        raise ShapeError(message(what, cure="It needs shapes (n, n) and (n,) or (n, k); fgrad.vmap maps over others."))
