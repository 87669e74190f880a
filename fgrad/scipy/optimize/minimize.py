"""Minima of functions by SciPy's solvers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.api.grad import grad, value_and_grad
from fgrad.api.jacobian import hessian, jacobian
from fgrad.api.linear import jvp
from fgrad.core.aval import Array
from fgrad.core.boundary import check_callable
from fgrad.errors import ArgumentError, NonDifferentiableError, message, public
from fgrad.implicit import root as implicit_root
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.scipy.optimize.vectors import Unknowns, argument_tuple, check_method, compiled, is_varying
from fgrad.tree.table import describe

__all__ = ["bounds_of", "minimize", "with_trees"]

_WITHOUT_SLOPE = {"nelder-mead", "powell", "cobyla", "cobyqa"}
_WITH_HESSIAN = {"dogleg", "trust-exact"}
_WITH_PRODUCTS = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_METHODS = (
    "nelder-mead", "powell", "cg", "bfgs", "newton-cg", "l-bfgs-b", "tnc", "cobyla", "cobyqa", "slsqp", "trust-constr",
    "dogleg", "trust-ncg", "trust-exact", "trust-krylov",
)  # fmt: skip


@public
def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str | Callable[..., Any] | None = None,
    *,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable[..., Any] | None = None,
    options: Mapping[str, Any] | None = None,
    jit: bool = True,
) -> Any:
    """The x, near x0, where `fun(x, *args)` is least, by a solver of `scipy.optimize.minimize`.

    The solver is given compiled derivatives: the gradient, for methods that take them products with the Hessian, or
    the Hessian (dogleg, trust-exact), and the Jacobians of constraints. It works in double precision.

    Without bounds and constraints the result is differentiable in `args`, and in what `fun` closes over, under `grad`
    and `jvp`: x is where the gradient of `fun` is 0, and varies as the implicit function theorem says (see
    `fgrad.implicit.root`), to any order. It does not vary with x0. Under `jit` and `vmap` there are no values for SciPy
    to work on.

    Args:
        fun: a function of a pytree like x0, and of `args`, that returns a real scalar.
        x0: where to start, a pytree of real floating-point arrays (a list of numbers is one, too, and no vector).
        args: further arguments, a tuple of pytrees; or the only one, if it is no tuple.
        method: as SciPy's: "BFGS", "L-BFGS-B", "Newton-CG", "trust-ncg", "SLSQP", "trust-constr", "Nelder-Mead", …; by
            default what fits bounds and constraints.
        bounds: a pair `(lower, upper)`, each a pytree like x0 or one number for all; if x0 is a single array also what
            SciPy takes, `scipy.optimize.Bounds` or a pair for every element.
        constraints: as SciPy's, with functions of a pytree like x0: dictionaries with "type" ("eq", "ineq"), "fun" and
            "args", or `NonlinearConstraint` and `LinearConstraint` (of the vector of all elements), or a list of them.
        tol: when to stop, as SciPy's.
        callback: called after each step as SciPy does, with pytrees in place of vectors.
        options: further options of the solver.
        jit: compile `fun` and its derivatives. Without, `fun` may decide by values.

    Returns:
        A `scipy.optimize.OptimizeResult` whose `x` and `jac` are pytrees like x0; `hess_inv` and the like refer to
        the vector of all elements (`fgrad.flatten_util.ravel_pytree`).

    Raises:
        ArgumentError: there is no such method, or `bounds` or `constraints` are not of this form.
        NonDifferentiableError: an array of x0 is not real; or the result is differentiated, with bounds or constraints.
        NonScalarOutputError: `fun` does not return a real scalar.
        ConcretizationTypeError: it is called under `jit` or `vmap`.
        MissingExtraError: SciPy is not installed.

    >>> import fgrad, numpy as np
    >>> def rosenbrock(p, a):
    ...     return (a - p["x"]) ** 2 + 100.0 * (p["y"] - p["x"] ** 2) ** 2
    >>> found = fgrad.scipy.optimize.minimize(rosenbrock, {"x": -1.0, "y": 2.0}, (1.0,), method="Newton-CG")
    >>> {k: round(float(v), 4) for k, v in found.x.items()}
    {'x': 1.0, 'y': 1.0}
    """
    check_callable(fun, "scipy.optimize.minimize", "minimize(fun, x0)")
    check_method("minimize", method, _METHODS)
    given = argument_tuple(args)
    unknowns = Unknowns(x0, "minimize")
    limited = bounds is not None or (constraints is not None and constraints not in ((), []))
    problem = _Problem(fun, unknowns, method, jit)
    further: dict[str, Any] = {"tol": tol, "options": None if options is None else dict(options)}
    further["callback"] = None if callback is None else _callback(callback, unknowns)
    further["bounds"] = bounds_of(bounds, unknowns)
    further["constraints"] = [problem.constraint(c) for c in _listed(constraints)]
    if not is_varying(fun, x0, given):
        return with_trees(problem.run(given, further), unknowns)
    if limited:
        what = "scipy.optimize.minimize is not differentiated with bounds or constraints."
        cure = "Solve the equations that hold at the minimum with fgrad.implicit.root: those are differentiable."
        raise NonDifferentiableError(message(what, cure=cure))
    return _implicit(fun, x0, given, problem, further)


def _implicit(fun: Callable[..., Any], x0: Any, args: tuple[Any, ...], problem: _Problem, further: Any) -> Any:
    """The result as a differentiable function of the arguments."""
    found: Any = None

    def solver(slope: Callable[[Any], Any], start: Any) -> Any:
        nonlocal found
        unknowns = Unknowns(start, "minimize")
        inner = _Problem(fun, unknowns, problem.method, problem.jit)
        found = with_trees(inner.run(args, further), unknowns)
        return found.x

    x = implicit_root(lambda x, args: grad(fun)(x, *args), x0, args, solver=solver)
    found.x, found.fun, found.jac = x, fun(x, *args), grad(fun)(x, *args)
    return found


class _Problem:
    """A function with its derivatives, as SciPy's solvers want them."""

    def __init__(self, fun: Callable[..., Any], unknowns: Unknowns, method: Any, jit: bool) -> None:
        self.method, self.jit, self._unknowns = method, jit, unknowns
        self._flat = self._of_vectors(fun)

    def _of_vectors(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        return lambda v, *args: fun(self._unknowns.tree(v), *args)

    def _product(self, v: Array, p: Array, *args: Any) -> Array:
        """The product of the Hessian with a vector."""
        p = fnp.astype(p, v.dtype)  # SciPy tries integers
        out: Array = jvp(lambda v: grad(self._flat)(v, *args), (v,), (p,))[1]
        return out

    def run(self, args: tuple[Any, ...], further: dict[str, Any]) -> Any:
        """SciPy's result."""
        name = self.method.lower() if isinstance(self.method, str) else self.method
        derivatives: dict[str, Any] = {}
        fun: Callable[..., Any] = compiled(self._flat, self.jit)
        if name not in _WITHOUT_SLOPE:
            fun = compiled(value_and_grad(self._flat), self.jit)
            derivatives["jac"] = True
        if name in _WITH_HESSIAN:
            derivatives["hess"] = compiled(hessian(self._flat), self.jit)
        elif name in _WITH_PRODUCTS or callable(name):
            derivatives["hessp"] = compiled(self._product, self.jit)
        return scipy_module("optimize").minimize(
            fun, self._unknowns.start, args=args, method=self.method, **derivatives, **further
        )

    def constraint(self, given: Any) -> Any:
        """A constraint on vectors, with its derivatives."""
        optimize = scipy_module("optimize")
        if isinstance(given, optimize.LinearConstraint):
            return given
        if isinstance(given, optimize.NonlinearConstraint):
            flat = self._vector_valued(given.fun)

            def weighted(v: Array, w: Array) -> Array:
                return fnp.sum(flat(v) * w)

            slope, curve = compiled(jacobian(flat), self.jit), compiled(hessian(weighted), self.jit)
            return optimize.NonlinearConstraint(compiled(flat, self.jit), given.lb, given.ub, jac=slope, hess=curve)
        if isinstance(given, Mapping) and callable(given.get("fun")) and given.get("type") in ("eq", "ineq"):
            flat = self._vector_valued(given["fun"])
            args = argument_tuple(given.get("args", ()))
            functions = {"fun": compiled(flat, self.jit), "jac": compiled(jacobian(flat), self.jit)}
            return {"type": given["type"], "args": args, **functions}
        what = f"constraints of scipy.optimize.minimize: {describe(given)} is none."
        cure = "Give {'type': 'eq' or 'ineq', 'fun': function}, a NonlinearConstraint or a LinearConstraint."
        raise ArgumentError(message(what, cure=cure))

    def _vector_valued(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        return lambda v, *args: fnp.atleast_1d(fnp.ravel(fun(self._unknowns.tree(v), *args)))


def _listed(constraints: Any) -> list[Any]:
    if constraints is None:
        return []
    return list(constraints) if isinstance(constraints, (list, tuple)) else [constraints]


def bounds_of(bounds: Any, unknowns: Unknowns) -> Any:
    """Bounds of the vector of all unknowns."""
    if bounds is None:
        return None
    optimize = scipy_module("optimize")
    if isinstance(bounds, optimize.Bounds):
        return bounds
    if unknowns.is_array and _are_pairs(bounds, unknowns.size):
        return [tuple(pair) for pair in bounds]
    if not (isinstance(bounds, (tuple, list)) and len(bounds) == 2):
        what = f"bounds of scipy.optimize.minimize must be a pair (lower, upper), got {describe(bounds)}."
        raise ArgumentError(message(what, cure="Each is a pytree like x0, or one number for all unknowns."))
    lower, upper = (
        unknowns.spread(edge, f"bounds[{i}]") if edge is not None else np.full(unknowns.size, sign * np.inf)
        for i, (edge, sign) in enumerate(zip(bounds, (-1, 1), strict=True))
    )
    return optimize.Bounds(lower, upper)


def _are_pairs(bounds: Any, size: int) -> bool:
    """Whether there is a pair of numbers (`None`: no bound) for every unknown, as SciPy takes them."""
    if not isinstance(bounds, (tuple, list, np.ndarray)) or len(bounds) != size:
        return False
    numbers = (int, float, np.number, type(None))
    return all(np.ndim(pair) == 1 and len(pair) == 2 and all(isinstance(b, numbers) for b in pair) for pair in bounds)


def _callback(callback: Callable[..., Any], unknowns: Unknowns) -> Callable[..., Any]:
    """A callback that is given pytrees; SciPy looks at the names of its parameters."""
    if set(inspect.signature(callback).parameters) == {"intermediate_result"}:

        def told(intermediate_result: Any) -> Any:
            return callback(intermediate_result=with_trees(intermediate_result, unknowns))

        return told
    return lambda x, *state: callback(unknowns.tree(x), *state)


def with_trees(result: Any, unknowns: Unknowns) -> Any:
    for name in ("x", "jac", "grad"):
        vector = result.get(name)
        if vector is not None and np.shape(vector) == (unknowns.size,):
            result[name] = unknowns.tree(np.asarray(vector))
    return result
