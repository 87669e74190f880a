"""Zeros of functions, and sums of squares, by SciPy's solvers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.api.jacobian import jacobian
from fgrad.core.boundary import check_callable
from fgrad.errors import ConcretizationTypeError, message, public
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.scipy.optimize.minimize import bounds_of, with_trees
from fgrad.scipy.optimize.vectors import Unknowns, argument_tuple, check_method, compiled, is_varying
from fgrad.tree import flatten

__all__ = ["least_squares", "root"]

_ROOT = (
    "hybr", "lm", "broyden1", "broyden2", "anderson", "linearmixing", "diagbroyden", "excitingmixing", "krylov",
    "df-sane",
)  # fmt: skip


def _refuse_traced(solver: str, *values: Any) -> None:
    if is_varying(*values):
        what = f"scipy.optimize.{solver} runs SciPy, and cannot be traced or differentiated."
        raise ConcretizationTypeError(message(what, cure="fgrad.implicit.root solves equations under every transform."))


@public
def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    *,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
    jit: bool = True,
) -> Any:
    """The x, near x0, where `fun(x, *args)` is 0, by a solver of `scipy.optimize.root` with compiled Jacobians.

    It is not differentiable: `fgrad.implicit.root` is.

    Args:
        fun: a function of a pytree like x0, and of `args`, that returns such a pytree.
        x0: where to start, a pytree of real floating-point arrays.
        args: further arguments, a tuple of pytrees; or the only one, if it is no tuple.
        method: as SciPy's: "hybr", "lm", …
        tol: when to stop.
        options: further options of the solver.
        jit: compile `fun` and its Jacobian. Without, `fun` may decide by values.

    Returns:
        A `scipy.optimize.OptimizeResult` whose `x` is a pytree like x0.

    Raises:
        ArgumentError: there is no such method.
        NonDifferentiableError: an array of x0 is not real.
        TreeStructureError: `fun` returns no pytree like x0.
        ConcretizationTypeError: something is traced.
        MissingExtraError: SciPy is not installed.

    >>> import fgrad, numpy as np
    >>> fgrad.scipy.optimize.root(lambda x: {"a": x["a"] ** 2 - 4.0}, {"a": 1.0}).x["a"].round(9)
    np.float64(2.0)
    """
    check_callable(fun, "scipy.optimize.root", "root(fun, x0)")
    check_method("root", method, _ROOT)
    given = argument_tuple(args)
    _refuse_traced("root", fun, x0, given)
    unknowns = Unknowns(x0, "root")

    def flat(v: Any, *args: Any) -> Any:
        return unknowns.pack_tree(fun(unknowns.tree(v), *args), "the result of fun")

    slope = compiled(jacobian(flat), jit) if method in ("hybr", "lm") else None
    found = scipy_module("optimize").root(
        compiled(flat, jit), unknowns.start, given, method, jac=slope, tol=tol, options=dict(options or {})
    )
    return with_trees(found, unknowns)


@public
def least_squares(
    fun: Callable[..., Any], x0: Any, args: Any = (), *, bounds: Any = None, jit: bool = True, **options: Any
) -> Any:
    """The x, near x0, where Σ |fun(x, *args)|² / 2 is least, by `scipy.optimize.least_squares` with compiled Jacobians.

    It is not differentiable: `fgrad.implicit.root` of the gradient is.

    Args:
        fun: a function of a pytree like x0, and of `args`, that returns residuals, a pytree of real arrays.
        x0: where to start, a pytree of real floating-point arrays.
        args: further arguments, a tuple of pytrees; or the only one, if it is no tuple.
        bounds: a pair `(lower, upper)`, each a pytree like x0 or one number for all.
        jit: compile `fun` and its Jacobian. Without, `fun` may decide by values.
        options: further arguments of SciPy's function: `method`, `ftol`, `loss`, `max_nfev`, …

    Returns:
        A `scipy.optimize.OptimizeResult` whose `x` and `grad` are pytrees like x0.

    Raises:
        ArgumentError: `bounds` are not of this form.
        NonDifferentiableError: an array of x0 is not real.
        ConcretizationTypeError: something is traced.
        MissingExtraError: SciPy is not installed.

    >>> import fgrad, numpy as np
    >>> found = fgrad.scipy.optimize.least_squares(lambda x, b: [x - b, 2.0 * x], 1.0, 5.0)
    >>> found.x.round(9)
    np.float64(1.0)
    """
    check_callable(fun, "scipy.optimize.least_squares", "least_squares(fun, x0)")
    given = argument_tuple(args)
    _refuse_traced("least_squares", fun, x0, given)
    unknowns = Unknowns(x0, "least_squares")

    def flat(v: Any, *args: Any) -> Any:
        leaves, _ = flatten(fun(unknowns.tree(v), *args))
        return fnp.concatenate([np.zeros(0), *[fnp.ravel(x) for x in leaves]])

    limits = {} if bounds is None else {"bounds": bounds_of(bounds, unknowns)}
    found = scipy_module("optimize").least_squares(
        compiled(flat, jit), unknowns.start, compiled(jacobian(flat), jit), args=given, **limits, **options
    )
    return with_trees(found, unknowns)
