"""Solutions of nonlinear equations, which are differentiated as such, however they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom_linear_solve import (
    check_inexact,
    flat_like,
    in_closure,
    linear_solve,
    solve_transposed,
    split_solution,
)
from fgrad.control.functional import Derivative, Flat, Functional, push
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name
from fgrad.core.interpreter import reachable
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Zero, instantiate
from fgrad.errors import public
from fgrad.transforms.jaxprs import to_front

__all__ = ["custom_root", "find_root"]


class ImplicitRoot(Functional):
    """`implicit_root(*captured, *x0, residual=, solve=, tangent_solve=, cotangent_solve=, count=)`: the x where
    `residual(*captured, *x)` is 0, which `solve(*captured, *x0)` returns, perhaps with further values.

    Its derivative is that of an implicit function: f(θ, x) = 0 gives ∂f/∂x ẋ = −∂f/∂θ θ̇, whatever `x0` is.
    `tangent_solve(*captured, *x, *b)` solves such systems, `cotangent_solve` the transposed ones.
    """

    runs = "solve"
    holds = ("residual", "tangent_solve", "cotangent_solve")

    def evaluate(self, args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
        return self.run(args, params)

    def impl(self, *args: Array, **params: Any) -> list[Array]:
        return self.run(args, params)

    def shape(self, *avals: ShapedArray, solve: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
        return solve.out_avals

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        count, residual = params["count"], params["residual"]
        outs = self.bind(*xs, **params)
        captured, solution = xs[:count], outs[: len(xs) - count]
        tangents: list[Array | Zero] = [ZERO for _ in outs]
        if all(t is ZERO for t in ts[:count]):
            return outs, tangents
        moved = push(lambda *values: residual(*values, *solution), captured, ts[:count])
        if any(t is not ZERO for t in moved):
            rhs = [-instantiate(t, x) for t, x in zip(moved, solution, strict=True)]
            system = Derivative(residual, count), params["tangent_solve"], params["cotangent_solve"]
            tangents[: len(solution)] = linear_solve(*system, [*captured, *solution], rhs)
        return outs, tangents

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, count: int, **params: Any
    ) -> tuple[list[Array], list[int]]:
        changed = self.over_rows(size, dims[:count], params)
        given = [to_front(x, d, size) for x, d in zip(xs[count:], dims[count:], strict=True)]
        outs = self.bind(*xs[:count], *given, count=count, **changed)
        return outs, [0] * len(outs)


_implicit_root = ImplicitRoot()


def find_root(
    residual: Flat,
    solve: Flat,
    tangent_solve: Flat,
    cotangent_solve: Flat,
    captured: Sequence[Array],
    x0: Sequence[Array],
) -> list[Array]:
    """The root of a flat function; what `solve` returns after it goes along."""
    functions = {"residual": residual, "solve": solve}
    solvers = {"tangent_solve": tangent_solve, "cotangent_solve": cotangent_solve}
    return _implicit_root(*captured, *x0, count=len(captured), **functions, **solvers)  # type: ignore[no-any-return]


@public
def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """The root of a function, with the derivatives of an implicit function, however it is found.

    If f(θ, x) = 0 defines x(θ), then ∂f/∂x ẋ = −∂f/∂θ θ̇. Derivatives of every order and in both modes follow; the
    steps of `solve` are not differentiated.

    Args:
        f: a function whose result is like its argument. It may close over values θ that are being differentiated.
        initial_guess: where to start, a pytree of floating-point arrays. The root does not depend on it.
        solve: `solve(f, initial_guess)` returns the root.
        tangent_solve: `tangent_solve(g, b)` returns the x with g(x) = b for a linear function g: the derivative of f,
            or, in reverse mode, its transpose. If it makes no use of g, its own operations are transposed.
        has_aux: `solve` returns `(root, aux)`; `aux` has no derivative.

    Returns:
        The root, or `(root, aux)`.

    Raises:
        NonDifferentiableError: an array of `initial_guess` is neither real nor complex.
        TreeStructureError: the root, or what `f` returns, has not the structure of `initial_guess`.
        ShapeError: likewise, but the shapes.

    >>> import fgrad, numpy as np
    >>> def newton(f, x):
    ...     for _ in range(20):
    ...         y, t = fgrad.jvp(f, (x,), (1.0,))
    ...         x = x - y / t
    ...     return x
    >>> def square_root(a):
    ...     return fgrad.lax.custom_root(lambda x: x**2 - a, 1.0, newton, lambda g, b: b / g(1.0))
    >>> fgrad.grad(square_root)(4.0)
    np.float64(0.25)

    Source: Christianson, "Reverse accumulation and attractive fixed points", 1994; Blondel et al., "Efficient and
    modular implicit differentiation", 2022.
    """
    for function, name in ((f, "f"), (solve, "solve"), (tangent_solve, "tangent_solve")):
        check_callable(
            function, "custom_root", f"custom_root(f, initial_guess, solve, tangent_solve), with {name} callable"
        )
    leaves, guessdef = flat_leaves([initial_guess], ["initial_guess"], "custom_root")
    check_inexact(leaves, [initial_guess], ["initial_guess"], "custom_root")
    treedef = guessdef.children()[0]
    avals = [ShapedArray(a.shape, a.dtype) for a in map(aval_of, leaves)]
    like = partial(flat_like, treedef=treedef, avals=avals, like="initial_guess")
    auxdef: Any = None

    def flat_f(*xs: Array) -> list[Array]:
        return like(f(treedef.unflatten(xs)), what=f"f (`{function_name(f)}`)")

    def flat_solve(*values: Array) -> list[Array]:
        nonlocal auxdef

        def at(x: Any) -> Any:
            xs = like(x, what="the argument of f in solve")
            return treedef.unflatten(residual(*values[: len(captured)], *xs))

        found, aux = split_solution(solve(at, treedef.unflatten(values[len(captured) :])), has_aux, "solve")
        extra, auxdef = flat_outputs(aux, "custom_root", solve)
        return [*like(found, what=f"solve (`{function_name(solve)}`)"), *extra]

    def flat_tangent_solve(linear_map: Flat, rhs: Sequence[Array]) -> list[Array]:
        def on_trees(x: Any) -> Any:
            return treedef.unflatten(linear_map(*like(x, what="the argument of g in tangent_solve")))

        found = tangent_solve(on_trees, treedef.unflatten(rhs))
        return like(found, what=f"tangent_solve (`{function_name(tangent_solve)}`)")

    captured = captured_tracers(f, solve, tangent_solve)
    residual = with_captured(captured, flat_f)
    slope, count = Derivative(residual, len(captured)), len(captured) + len(leaves)

    def forwards(*values: Array) -> list[Array]:
        return flat_tangent_solve(lambda *ts: slope(*values[:count], *ts), values[count:])

    outs = find_root(
        residual,
        in_closure(captured, flat_solve),
        in_closure(captured, forwards),
        in_closure(captured, solve_transposed(flat_tangent_solve, slope, count)),
        [reachable(t) for t in captured],
        leaves,
    )
    root = treedef.unflatten(outs[: len(leaves)])
    return (root, auxdef.unflatten(outs[len(leaves) :])) if has_aux else root
