"""Solutions of linear systems, which are differentiated as such, however they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.control.capture import Environment, captured_tracers, with_captured
from fgrad.control.functional import Flat, Functional, Transposed, push
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name, place_of
from fgrad.core.interpreter import Tracer, reachable
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Zero, instantiate, is_linear_input
from fgrad.errors import NonDifferentiableError, OutputTypeError, ShapeError, TreeStructureError, message, public
from fgrad.primitives.shape import convert_element_type
from fgrad.transforms import jvp as forward
from fgrad.transforms.jaxprs import to_front
from fgrad.transforms.linearity import nonlinearity
from fgrad.transforms.transpose import transpose
from fgrad.tree import PyTreeDef
from fgrad.tree.table import describe
from fgrad.tree.treedef import difference

__all__ = [
    "UserSolve",
    "check_inexact",
    "custom_linear_solve",
    "flat_like",
    "in_closure",
    "linear_solve",
    "solve_transposed",
    "split_solution",
]

UserSolve = Callable[[Flat, Sequence[Array]], list[Array]]
"""Solves a flat linear map for a flat right-hand side."""


class LinearSolve(Functional):
    """`linear_solve(*captured, *b, matvec=, solve=, transpose_solve=, count=, aux=)`: the x with
    `matvec(*captured, *x) = b`, which `solve(*captured, *b)` returns, with further values if `aux`.

    It is linear in b. Its derivative is the solution of another system with the same matrix:
    A x = b gives A ẋ = ḃ − Ȧ x.
    """

    runs = "solve"
    holds = ("matvec", "transpose_solve")

    def evaluate(self, args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
        return self.run(args, params)

    def impl(self, *args: Array, **params: Any) -> list[Array]:
        return self.run(args, params)

    def shape(self, *avals: ShapedArray, solve: Any, count: int, **params: Any) -> list[ShapedArray]:
        if isinstance(solve, ClosedJaxpr):
            return solve.out_avals
        return [ShapedArray(a.shape, a.dtype) for a in avals[count:]]

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        count, matvec = params["count"], params["matvec"]
        outs = self.bind(*xs, **params)
        solution, aux = outs[: len(xs) - count], outs[len(xs) - count :]
        rhs: list[Array | Zero] = list(ts[count:])
        if any(t is not ZERO for t in ts[:count]):
            moved = push(lambda *captured: matvec(*captured, *solution), xs[:count], ts[:count])
            rhs = [_difference(t, m) for t, m in zip(rhs, moved, strict=True)]
        if all(t is ZERO for t in rhs):
            return outs, [ZERO for _ in outs]
        full = [instantiate(t, x) for t, x in zip(rhs, solution, strict=True)]
        return outs, [*self._tangent_solve(xs[:count], full, params), *[ZERO for _ in aux]]

    def transpose(self, ct: Sequence[Array | Zero], *xs: Any, count: int, **params: Any) -> list[Any]:
        captured, rhs = xs[:count], xs[count:]
        full = [instantiate(c, x) for c, x in zip(ct, rhs, strict=False)]
        matvec, solve, transpose_solve = (params[key] for key in ("matvec", "solve", "transpose_solve"))
        system = {"matvec": Transposed(matvec, count, "matvec"), "solve": transpose_solve, "transpose_solve": solve}
        if transpose_solve is solve:  # it is symmetric
            system["matvec"] = matvec
        found = self.bind(*captured, *full, count=count, aux=False, **system)
        return [*[None] * count, *[c if is_linear_input(x) else None for c, x in zip(found, rhs, strict=True)]]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, count: int, aux: bool, **params: Any
    ) -> tuple[list[Array], list[int]]:
        changed = self.over_rows(size, dims[:count], params)
        if params["transpose_solve"] is params["solve"]:
            changed["transpose_solve"] = changed["solve"]
        given = [to_front(x, d, size) for x, d in zip(xs[count:], dims[count:], strict=True)]
        outs = self.bind(*xs[:count], *given, count=count, aux=aux, **changed)
        return outs, [0] * len(outs)

    def _tangent_solve(self, captured: Sequence[Array], rhs: Sequence[Array], params: dict[str, Any]) -> list[Array]:
        """The solution for another right-hand side."""
        system = {**params, "aux": False}
        if params["aux"]:
            symmetric = params["transpose_solve"] is params["solve"]
            system["solve"] = _first(params["solve"], len(rhs))
            if symmetric:
                system["transpose_solve"] = system["solve"]
        return self.bind(*captured, *rhs, **system)  # type: ignore[no-any-return]

    def _staged(self, args: tuple[Array, ...], params: dict[str, Any]) -> tuple[tuple[Array, ...], dict[str, Any]]:
        staged, changed = super()._staged(args, params)
        if params["transpose_solve"] is params["solve"]:
            changed["transpose_solve"] = changed["solve"]
        return staged, changed


_linear_solve = LinearSolve()


def _difference(t: Any, moved: Any) -> Array | Zero:
    return t if moved is ZERO else -moved if t is ZERO else t - moved


def _first(solve: Flat, count: int) -> Flat:
    """A solver without what it returns besides the solution."""
    return lambda *values: list(solve(*values))[:count]


def linear_solve(
    matvec: Flat,
    solve: Flat,
    transpose_solve: Flat,
    captured: Sequence[Array],
    b: Sequence[Array],
    aux: bool = False,
) -> list[Array]:
    """The solution of a linear system, all flat; `transpose_solve` is `solve` where the matrix is symmetric."""
    functions = {"matvec": matvec, "solve": solve, "transpose_solve": transpose_solve}
    return _linear_solve(*captured, *b, count=len(captured), aux=aux, **functions)  # type: ignore[no-any-return]


def solve_transposed(solve: UserSolve, matvec: Flat, count: int, transpose_solve: UserSolve | None = None) -> Flat:
    """The solver of the transposed system: `(*captured, *cts) ↦ A⁻ᵀ cts`.

    Args:
        solve: the solver of the system.
        matvec: its linear map.
        count: how many values that closes over.
        transpose_solve: what to solve it with. By default `solve` is given the transposed map; if it does not use it,
            it is itself transposed.
    """
    transposed = Transposed(matvec, count, "matvec")

    def run(*values: Array) -> list[Array]:
        captured, cts = values[:count], values[count:]
        used = False

        def vecmat(*xs: Array) -> list[Array]:
            nonlocal used
            used = True
            return transposed(*captured, *xs)

        found = (transpose_solve or solve)(vecmat, cts)
        if used or transpose_solve is not None:
            return found
        avals = [aval_of(c) for c in cts]
        program = forward.record_linear(lambda *b: solve(lambda *xs: matvec(*captured, *xs), b), avals, solve)
        if nonlinearity(program) is not None:
            what = "the solver uses neither the linear map that it is given nor operations that can be transposed."
            cure = "Let it solve for the map it is given, or give transpose_solve."
            raise NonDifferentiableError(message(what, cure=cure))
        return [instantiate(c, v) for c, v in zip(transpose(program, cts), program.invars, strict=True)]

    return run


def in_closure(captured: Sequence[Tracer], run: Flat) -> Flat:
    """A function of the values of captured tracers, which stand for these while it runs."""
    if not captured:
        return run

    def closed(*values: Array) -> list[Array]:
        with Environment(captured, values[: len(captured)]) as environment:
            return environment.outside(run(*values))  # type: ignore[no-any-return]

    return closed


def check_inexact(leaves: Sequence[Array], trees: Sequence[Any], names: Sequence[str], verb: str) -> None:
    """Refuses unknowns that are neither real nor complex."""
    for i, x in enumerate(leaves):
        if not is_inexact(aval_of(x).dtype):
            where = place_of(trees, names, i)
            what = f"{verb} solves for real or complex numbers, but {where} is {aval_of(x)}."
            raise NonDifferentiableError(message(what, cure=f"Convert it: numpy.asarray({where}, float)."))


def flat_like(out: Any, treedef: PyTreeDef, avals: Sequence[ShapedArray], what: str, like: str) -> list[Array]:
    """The arrays of what a function of the user's returned, which must be like others.

    Args:
        out: what it returned.
        treedef: the structure it must have.
        avals: the types that its arrays must have, as far as conversion within a kind does not help.
        what: the beginning of a message: what returned it.
        like: what it must be like.
    """
    leaves, found = flat_outputs(out, what, None)
    if found != treedef:
        fault = f"{what} must return something like {like}: {difference(treedef, found)}."
        raise TreeStructureError(message(fault, cure="Return a pytree of the same structure."))
    for i, (x, aval) in enumerate(zip(leaves, avals, strict=True)):
        got = aval_of(x)
        if got.shape != aval.shape or (got.dtype.kind == "c" and aval.dtype.kind != "c"):
            where = place_of([out], ["result"], i)
            fault = f"{what} must return something like {like}, but {where} is {got}, which must be {aval}."
            raise ShapeError(message(fault, cure="Shapes and kinds of dtypes must be the same."))
        if got.weak_type and type(x) is not Tracer:
            leaves[i] = aval.dtype.type(x)
        elif got.dtype != aval.dtype or got.weak_type:
            leaves[i] = convert_element_type(x, dtype=aval.dtype)
    return leaves


def split_solution(out: Any, has_aux: bool, solver: str) -> tuple[Any, Any]:
    """Solution and further results of a solver."""
    if not has_aux:
        return out, ()
    if not (isinstance(out, tuple) and len(out) == 2):
        what = f"{solver} must return (solution, aux) where has_aux is set, but it returned {describe(out)}."
        raise OutputTypeError(message(what, cure="Return a pair, or leave has_aux out."))
    return out


@public
def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[..., Any],
    transpose_solve: Callable[..., Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """The solution of `matvec(x) = b`, with the derivatives of the mathematical solution, however it is computed.

    Derivatives, of every order and in both modes, are solutions of linear systems with the same map, or its transpose;
    the steps of `solve` are not differentiated.

    Args:
        matvec: a linear function; x and its result are like `b`. It may close over values that are being
            differentiated.
        b: the right-hand side, a pytree of floating-point arrays.
        solve: `solve(matvec, b)` returns the solution.
        transpose_solve: `transpose_solve(vecmat, b)` solves the transposed system. By default `solve` is applied to the
            transposed map; if it makes no use of the map that it is given, its operations are transposed.
        symmetric: the map is its own transpose: `solve` is used for both.
        has_aux: `solve` returns `(x, aux)`; `aux` has no derivative.

    Returns:
        x, or `(x, aux)`.

    Raises:
        NonDifferentiableError: an array of `b` is neither real nor complex.
        TreeStructureError: the solution, or what `matvec` returns, has not the structure of `b`.
        ShapeError: likewise, but the shapes.

    >>> import fgrad, numpy as np
    >>> def solve(a, b):
    ...     return fgrad.lax.custom_linear_solve(lambda x: a * x, b, lambda matvec, b: b / matvec(1.0))
    >>> fgrad.grad(solve, argnums=(0, 1))(2.0, 3.0)
    (np.float64(-0.75), np.float64(0.5))
    """
    for function, name in ((matvec, "matvec"), (solve, "solve")):
        check_callable(function, "custom_linear_solve", f"custom_linear_solve(matvec, b, solve), with {name} callable")
    leaves, bdef = flat_leaves([b], ["b"], "custom_linear_solve")
    check_inexact(leaves, [b], ["b"], "custom_linear_solve")
    treedef = bdef.children()[0]
    avals = [ShapedArray(a.shape, a.dtype) for a in map(aval_of, leaves)]
    captured = captured_tracers(matvec, solve, transpose_solve)
    count, name = len(captured), function_name(matvec)
    auxdef: Any = None

    def flat_matvec(*xs: Array) -> list[Array]:
        return flat_like(matvec(treedef.unflatten(xs)), treedef, avals, f"matvec (`{name}`)", "b")

    def user_solve(solver: Callable[..., Any], keep_aux: bool) -> UserSolve:
        def run(linear_map: Flat, rhs: Sequence[Array]) -> list[Array]:
            def on_trees(x: Any) -> Any:
                return treedef.unflatten(
                    linear_map(*flat_like(x, treedef, avals, "the argument of matvec in solve", "b"))
                )

            nonlocal auxdef
            found, aux = split_solution(solver(on_trees, treedef.unflatten(rhs)), has_aux, "solve")
            extra, auxdef = flat_outputs(aux, "custom_linear_solve", solver)
            solution = flat_like(found, treedef, avals, f"solve (`{function_name(solver)}`)", "b")
            return [*solution, *extra] if keep_aux else solution

        return run

    opened = with_captured(captured, flat_matvec)
    first, plain = user_solve(solve, True), user_solve(solve, False)
    other = user_solve(transpose_solve, False) if transpose_solve is not None else None

    def solve_at(*values: Array) -> list[Array]:
        return first(lambda *xs: opened(*values[:count], *xs), values[count:])

    forward_solve = in_closure(captured, solve_at)
    backward = forward_solve if symmetric else in_closure(captured, solve_transposed(plain, opened, count, other))
    values = [reachable(t) for t in captured]
    outs = linear_solve(opened, forward_solve, backward, values, leaves, aux=has_aux)
    solution = treedef.unflatten(outs[: len(leaves)])
    return (solution, auxdef.unflatten(outs[len(leaves) :])) if has_aux else solution
