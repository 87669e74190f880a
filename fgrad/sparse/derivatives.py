"""Sparse Jacobians and Hessians: few passes, each of which computes many columns or rows at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.chunks import check_chunk_size
from fgrad.api.common import Argnums, check_argnums
from fgrad.api.grad import grad
from fgrad.core.aval import Array
from fgrad.core.boundary import check_callable, function_name
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, CheckError, message, public
from fgrad.sparse.coloring import as_colors, color_symmetric
from fgrad.sparse.matrix import Pattern, SparseMatrix, as_pattern
from fgrad.sparse.plan import Plan, choose_mode
from fgrad.sparse.program import Arguments, Found, Program, bind_arguments, find_pattern, trace_program
from fgrad.tree.table import describe

__all__ = ["SparseDerivative", "hessian_sparsity", "jacobian_sparsity", "sparse_hessian", "sparse_jacobian"]


@public
def jacobian_sparsity(fun: Callable[..., Any], *args: Any, argnums: Argnums = 0, **kwargs: Any) -> Pattern:
    """Where the Jacobian of `fun` may have entries that are not zero, whatever the values of the arguments.

    It is found from the program of the derivative, which is traced once: entries that the program can make are never
    left out. Those of stencils, slices, sums, products with constant matrices, and batches are exact; what depends on
    positions that are not known before (`x[index]` of an index that is an argument) counts as if it took all.

    Args:
        fun: any function of arrays; it must be traceable, as for `jit`.
        args: its arguments; only their shapes and dtypes matter.
        argnums: as for `grad`.
        kwargs: its arguments by name.

    Returns:
        A `Pattern`. Rows are the elements of the output, columns those of the chosen arguments: leaf after leaf, each
        in C order.

    Raises:
        NonDifferentiableError: an input or output is an integer or a boolean.
        ArgumentError: the Jacobian is large, and not sparse.

    >>> import fgrad, numpy as np
    >>> fgrad.sparse.jacobian_sparsity(lambda x: x[1:] * x[:-1], np.ones(4)).todense().astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])

    Source: Griewank and Walther, "Evaluating derivatives" (2008), section 7.1.
    """
    verb = "jacobian_sparsity"
    check_callable(fun, verb, f"{verb}(f, x)")
    check_argnums(argnums, verb)
    arguments = bind_arguments(fun, argnums, args, kwargs, verb)
    return find_pattern(trace_program(fun, arguments, verb), verb).pattern


@public
def hessian_sparsity(fun: Callable[..., Any], *args: Any, argnums: Argnums = 0, **kwargs: Any) -> Pattern:
    """Where the Hessian of a scalar function may have entries that are not zero: the sparsity of its gradient.

    Arguments and result as for `jacobian_sparsity`; the pattern is symmetric.

    >>> import fgrad, numpy as np
    >>> fgrad.sparse.hessian_sparsity(lambda x: x[0] ** 2 * x[1] + x[2], np.ones(3)).todense().astype(int)
    array([[1, 1, 0],
           [1, 0, 0],
           [0, 0, 0]])
    """
    verb = "hessian_sparsity"
    check_callable(fun, verb, f"{verb}(f, x)")
    check_argnums(argnums, verb)
    arguments = bind_arguments(fun, argnums, args, kwargs, verb)
    return find_pattern(trace_program(grad(fun, argnums), arguments, verb), verb).pattern.symmetrized()


@public
def sparse_jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    sparsity: Any = None,
    coloring: Any = None,
    mode: str = "auto",
    *,
    chunk_size: int | None = None,
    check: bool | None = None,
) -> SparseDerivative:
    """The Jacobian function of `fun` for Jacobians with few entries: one forward pass for many columns at once.

    Columns that share no row are computed together: J·(e₁ + e₄ + …) shows the entries of all of them. How many passes
    that takes depends on the pattern, not on the size: three for a tridiagonal Jacobian. Pattern, colouring and
    compiled passes are made at the first call, and kept for arguments of the same shapes and dtypes.

    Args:
        fun: any function of arrays; it must be traceable, as for `jit`.
        argnums: as for `grad`.
        sparsity: the pattern, where it is known better than `jacobian_sparsity` finds it: a `Pattern`, a matrix of
            SciPy's, or a dense array whose entries are not zero there. Entries that are left out are wrong.
        coloring: one colour, from 0 on, for each column (each row in mode "reverse"), where a better one is known.
        mode: "forward" (columns), "reverse" (rows), or "auto": what takes fewer passes.
        chunk_size: how many passes are made at once, at most. As many as memory is reasonable for, if left out.
        check: compare with a product J·v of a vector without pattern; `None` does so at the first call where
            `sparsity` is given.

    Returns:
        A function with the arguments of `fun` that returns a `SparseMatrix`, rows and columns as for
        `jacobian_sparsity`. Its method `plan(*args)` tells pattern, colours and number of passes.

    Raises:
        ArgumentError: `sparsity`, `coloring`, `mode` or `chunk_size` is not what it should be.
        CheckError: the Jacobian has entries that `sparsity` has not.

    >>> import fgrad, numpy as np
    >>> jacobian = fgrad.sparse.sparse_jacobian(lambda x: np.diff(x) ** 2)
    >>> jacobian(np.array([0.0, 1.0, 3.0, 6.0])).todense()
    array([[-2.,  2.,  0.,  0.],
           [ 0., -4.,  4.,  0.],
           [ 0.,  0., -6.,  6.]])
    >>> jacobian.plan(np.ones(1000)).passes
    2

    Source: Coleman and Moré, "Estimation of sparse Jacobian matrices and graph coloring problems" (1983).
    """
    if mode not in ("auto", "forward", "reverse"):
        what = f"mode of sparse_jacobian must be 'auto', 'forward' or 'reverse', got {describe(mode)}."
        raise ArgumentError(message(what, cure="Leave it out to take fewer passes."))
    options = _Options("sparse_jacobian", argnums, sparsity, coloring, mode, chunk_size, check)
    return SparseDerivative(fun, fun, options)


@public
def sparse_hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    sparsity: Any = None,
    coloring: Any = None,
    *,
    chunk_size: int | None = None,
    check: bool | None = None,
) -> SparseDerivative:
    """The Hessian function of a scalar function for Hessians with few entries: few Hessian-vector products.

    Arguments and result as for `sparse_jacobian`; the colouring is a star colouring, which makes use of the symmetry.

    >>> import fgrad, numpy as np
    >>> def chain(x):
    ...     return ((x[1:] - x[:-1]) ** 2).sum()
    >>> fgrad.sparse.sparse_hessian(chain)(np.zeros(3)).todense()
    array([[ 2., -2.,  0.],
           [-2.,  4., -2.],
           [ 0., -2.,  2.]])

    Source: Gebremedhin, Manne and Pothen, "What color is your Jacobian?" (2005), section 4.
    """
    options = _Options("sparse_hessian", argnums, sparsity, coloring, "symmetric", chunk_size, check)
    check_callable(fun, options.verb)
    return SparseDerivative(fun, grad(fun, argnums), options)


class _Options(NamedTuple):
    verb: str
    argnums: Argnums
    sparsity: Any
    coloring: Any
    mode: str
    chunk_size: int | None
    check: bool | None


class SparseDerivative:
    """A function that computes a sparse derivative, as `sparse_jacobian` and `sparse_hessian` return it."""

    def __init__(self, fun: Callable[..., Any], derived: Callable[..., Any], options: _Options) -> None:
        verb = options.verb
        check_callable(fun, verb)
        check_argnums(options.argnums, verb)
        check_chunk_size(options.chunk_size, verb)
        functools.update_wrapper(self, fun)
        self._fun = fun
        self._derived = derived
        self._options = options
        self._plans: dict[Any, Plan] = {}

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> SparseMatrix:
        """The derivative at some arguments."""
        arguments = self._bind(args, kwargs)
        plan = self._plan(arguments)
        data = plan.entries(arguments.leaves, self._options.chunk_size)
        out = SparseMatrix(data, plan.pattern.indices.copy(), plan.pattern.shape)
        wanted = self._options.check
        if wanted or (wanted is None and self._options.sparsity is not None and not plan.checked):
            self._check(plan, arguments.leaves, out)
        return out

    @public
    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """How the derivative is computed for arguments of such shapes and dtypes."""
        return self._plan(self._bind(args, kwargs))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return bind_arguments(self._fun, self._options.argnums, args, kwargs, self._options.verb)

    def _plan(self, arguments: Arguments) -> Plan:
        key = arguments.signature
        plan = self._plans.get(key)
        if plan is None or not plan.current:
            plan = self._make(trace_program(self._derived, arguments, self._options.verb))
            if plan.program.lasting:
                self._plans[key] = plan
        return plan

    def _make(self, program: Program) -> Plan:
        verb, mode = self._options.verb, self._options.mode
        if self._options.sparsity is None:
            pattern, used = find_pattern(program, verb)
        else:
            pattern, used = Found(as_pattern(self._options.sparsity, program.shape, verb), [])
        if mode == "symmetric":
            pattern = pattern.symmetrized()
        colors = None
        if self._options.coloring is not None:
            mode = "forward" if mode == "auto" else mode
            seen = pattern.T if mode == "reverse" else pattern
            colors = as_colors(self._options.coloring, seen, verb, mode == "symmetric")
        elif mode == "symmetric":
            colors = color_symmetric(pattern)
        else:
            mode, colors = choose_mode(pattern, mode)
        return Plan(program, pattern, mode, colors, used)

    def _check(self, plan: Plan, leaves: Sequence[Array], out: SparseMatrix) -> None:
        """Compares with one product with a vector of no pattern, where values are known."""
        if any(type(x) is Tracer for x in (*leaves, out.data)):
            return
        plan.checked = True
        avals = plan.program.inputs
        vector = np.cos(np.arange(1.0, plan.pattern.shape[1] + 1) ** 2)
        ends = np.cumsum([a.size for a in avals])
        parts = [v.reshape(a.shape).astype(a.dtype) for v, a in zip(np.split(vector, ends[:-1]), avals, strict=True)]
        product = np.concatenate([np.ravel(t) for t in plan.program.push(leaves, parts)])
        size = SparseMatrix(np.abs(out.data), out.indices, out.shape) @ np.abs(vector)
        wrong = np.abs(product - out @ vector) > np.finfo(product.dtype).eps ** 0.5 * (size + np.abs(product))
        if wrong.any():
            row = int(np.argmax(wrong))
            what = (
                f"{self._options.verb} of `{function_name(self._fun)}`: row {row} has entries where the pattern that "
            )
            what += "was given has none, so the values are wrong."
            cure = "Leave sparsity out: the pattern is then found from the program."
            raise CheckError(message(what, cure=cure))
