"""Solutions of nonlinear equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom_linear_solve import check_inexact, flat_like, in_closure
from fgrad.control.custom_root import find_root
from fgrad.control.external import call_arguments
from fgrad.control.functional import Derivative, Flat, Transposed
from fgrad.control.numeric_solve import Method, solve_numerically
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import call, check_callable, flat_leaves, function_name
from fgrad.core.interpreter import reachable
from fgrad.errors import ArgumentError, message, public
from fgrad.implicit.iterations import FIXED_POINT, ROOT, Iteration
from fgrad.implicit.linear import linear_method, numeric
from fgrad.tree.table import describe
from fgrad.tree.text import listing

__all__ = ["fixed_point", "root"]


@public
def root(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    solver: str | Callable[..., Any] = "newton",
    linear_solver: str = "auto",
    tol: float | None = None,
    max_iter: int = 100,
) -> Any:
    """The x where f(x, *args) = 0, as a differentiable function of `args`.

    Its derivatives, of every order and in both modes, are those of the implicit function: ∂f/∂x ẋ = −∂f/∂θ θ̇. The steps
    of the solver are not differentiated, and take no memory.

    Args:
        f: a function of x and `args` whose result is like x. It may also close over values that are being
            differentiated.
        x0: where to start, a floating-point array or a pytree of them. The solution does not vary with it.
        args: what f depends on.
        solver: "newton" (the Jacobian is written out), "broyden" (written out once); or a function: `solver(g, x0)`
            returns the x where g(x) = 0.
        linear_solver: what solves the linear systems of the derivatives: as `solve` of `linear_solve`.
        tol: the length of the last step, relative to 1 + |x|. By default what the precision of x allows for.
        max_iter: how many steps are allowed.

    Returns:
        x, like `x0`.

    Raises:
        ArgumentError: `solver` or `linear_solver` is none.
        NonDifferentiableError: an array of `x0` is neither real nor complex.
        TreeStructureError: what f returns has not the structure of `x0`.
        ShapeError: likewise, but the shapes.
        ConvergenceError: the solver finds no solution.

    >>> import fgrad, numpy as np
    >>> cube_root = lambda a: fgrad.implicit.root(lambda x, a: x**3 - a, 1.0, a)
    >>> cube_root(8.0), fgrad.grad(cube_root)(8.0)
    (np.float64(2.0), np.float64(0.08333333333333333))

    Source: Blondel et al., "Efficient and modular implicit differentiation", NeurIPS 2022.
    """
    method = _method(solver, ROOT, tol, max_iter, "implicit.root")
    return _solve(f, x0, args, method, linear_solver, "implicit.root", fixed=False)


@public
def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    solver: str | Callable[..., Any] = "iterate",
    linear_solver: str = "auto",
    tol: float | None = None,
    max_iter: int = 1000,
) -> Any:
    """The x where f(x, *args) = x, as a differentiable function of `args`.

    Its derivatives, of every order and in both modes, are those of the implicit function: (1 − ∂f/∂x) ẋ = ∂f/∂θ θ̇. The
    steps of the solver are not differentiated, and take no memory.

    Args:
        f: a function of x and `args` whose result is like x. It may also close over values that are being
            differentiated.
        x0: where to start, a floating-point array or a pytree of them. The solution does not vary with it.
        args: what f depends on.
        solver: "iterate" (f is applied until nothing changes), "anderson" (which extrapolates from the last steps),
            "newton" or "broyden" (on f(x) − x); or a function: `solver(g, x0)` returns the x where g(x) = x.
        linear_solver: as for `root`.
        tol: the last change, relative to 1 + |x|. By default what the precision of x allows for.
        max_iter: how many steps are allowed.

    Returns:
        x, like `x0`.

    Raises:
        ArgumentError: `solver` or `linear_solver` is none.
        NonDifferentiableError: an array of `x0` is neither real nor complex.
        TreeStructureError: what f returns has not the structure of `x0`.
        ShapeError: likewise, but the shapes.
        ConvergenceError: the solver finds no solution.

    >>> import fgrad, numpy as np
    >>> square_root = lambda a: fgrad.implicit.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)
    >>> square_root(4.0), fgrad.grad(square_root)(4.0)
    (np.float64(2.0), np.float64(0.25))

    Source: Christianson, "Reverse accumulation and attractive fixed points", Optim. Methods Softw. 3, 1994.
    """
    method = _method(solver, {**FIXED_POINT, **ROOT}, tol, max_iter, "implicit.fixed_point")
    return _solve(f, x0, args, method, linear_solver, "implicit.fixed_point", fixed=True)


def _method(
    solver: Any, known: Mapping[str, type[Iteration]], tol: float | None, max_iter: int, verb: str
) -> Method | Callable[..., Any]:
    if callable(solver):
        return solver  # type: ignore[no-any-return]
    if not isinstance(solver, str) or solver not in known:
        names = listing([repr(name) for name in known], len(known))
        what = f"solver of {verb} must be one of {names}, or a function, got {describe(solver)}."
        raise ArgumentError(message(what, cure="A function takes (f, x0) and returns the solution."))
    return known[solver](tol, max_iter)


def _solve(
    f: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...],
    method: Any,
    linear_solver: str,
    verb: str,
    *,
    fixed: bool,
) -> Any:
    check_callable(f, verb, f"{verb}(f, x0)")
    linear = linear_method(linear_solver, "linear_solver", verb)
    leaves, guessdef = flat_leaves([x0], ["x0"], verb)
    check_inexact(leaves, [x0], ["x0"], verb)
    treedef = guessdef.children()[0]
    avals = [ShapedArray(a.shape, a.dtype) for a in map(aval_of, leaves)]
    given = call_arguments(args, {})
    extra = len(given.arrays)

    def value(*values: Array) -> list[Array]:
        positional, _ = given.rebuild(values[:extra])
        out = call(f, (treedef.unflatten(values[extra:]), *positional), {}, verb)
        return flat_like(out, treedef, avals, f"f (`{function_name(f)}`) of {verb}", "x0")

    def difference(*values: Array) -> list[Array]:
        return [y - x for y, x in zip(value(*values), values[extra:], strict=True)]

    captured = captured_tracers(f, args, method)
    count = len(captured) + extra
    opened = with_captured(captured, value)

    def by_user(*values: Array) -> list[Array]:
        def at(x: Any) -> Any:
            xs = flat_like(x, treedef, avals, f"the argument of f in solver, of {verb},", "x0")
            return treedef.unflatten(opened(*values[:count], *xs))

        out = method(at, treedef.unflatten(values[count:]))
        return flat_like(out, treedef, avals, f"solver of {verb}", "x0")

    residual = with_captured(captured, difference) if fixed else opened
    solve: Flat
    if not isinstance(method, Iteration):
        solve = in_closure(captured, by_user)
    elif fixed and type(method) in FIXED_POINT.values():
        solve = _numeric_root(opened, count, method)
    else:
        solve = _numeric_root(residual, count, method)
    slope, known = Derivative(residual, count), count + len(leaves)
    solvers = numeric(slope, known, linear), numeric(Transposed(slope, known, "the derivative of f"), known, linear)
    values: Sequence[Array] = [*(reachable(t) for t in captured), *given.arrays]
    return treedef.unflatten(find_root(residual, solve, *solvers, values, leaves))


def _numeric_root(fun: Flat, count: int, method: Iteration) -> Flat:
    def solve(*values: Array) -> list[Array]:
        return solve_numerically(fun, values[:count], values[count:], method)

    return solve
