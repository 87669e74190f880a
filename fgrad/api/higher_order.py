"""Derivatives of high order that Taylor mode gives: the n-th one, and the Laplacian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from fgrad.api.common import Argnums, Selection, check_argnums, check_differentiable, fresh, select_arguments, wrap
from fgrad.api.jet import check_order, derivative, derivatives
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name, place_of
from fgrad.core.primitive import ZERO, Zero
from fgrad.errors import ArgumentError, NonDifferentiableError, ShapeError, message, public
from fgrad.primitives.shape import move_axis, reshape
from fgrad.transforms.jet import jet
from fgrad.transforms.laplacian import laplacian as forward_laplacian
from fgrad.tree import PyTreeDef
from fgrad.tree.table import describe

__all__ = ["laplacian", "nth_derivative"]

P = ParamSpec("P")


@public
def nth_derivative(fun: Callable[P, Any], n: int, argnum: int | str = 0, holomorphic: bool = False) -> Callable[P, Any]:
    """The n-th derivative dⁿf/dxⁿ of a function of a scalar, in one pass of Taylor mode.

    The cost grows with the square of n; nested first derivatives double it with every order.

    Args:
        fun: a function that takes a real scalar among its arguments. Its results are arrays, in pytrees.
        n: the order; 0 gives the function itself.
        argnum: the argument to differentiate by, by position or name.
        holomorphic: that argument is complex, and `fun` is complex differentiable.

    Returns:
        A function with the arguments of `fun`; its result is like that of `fun`.

    Raises:
        ArgumentError: `n` is no natural number or above 170, or the call has no such argument.
        ShapeError: (when it is called) the argument is not a scalar.
        NonDifferentiableError: (likewise) it is an integer, or an output is.

    >>> import fgrad, numpy as np
    >>> fgrad.nth_derivative(lambda x: x**5, 3)(2.0)
    np.float64(240.0)
    >>> fgrad.nth_derivative(np.sin, 10)(0.0)
    np.float64(-0.0)

    Source: Griewank and Walther, Evaluating Derivatives (2008), chapter 13.
    """
    verb = "nth_derivative"
    check_callable(fun, verb, "nth_derivative(f, n)")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        what = f"n of {verb} must be a natural number, got {describe(n)}."
        raise ArgumentError(message(what, cure="Write nth_derivative(f, 3)(x) for the third derivative."))
    check_argnums(argnum, verb)
    order = int(n)
    check_order(order, verb)

    @wrap(fun, verb, f"Derivative of order {order} of `{function_name(fun)}` with respect to argument {argnum!r}.")
    @public
    def derivative_fun(*args: Any, **kwargs: Any) -> Any:
        selection = select_arguments(fun, argnum, args, kwargs, verb)
        xs, treedef = flat_leaves(selection.values, selection.names, verb)
        _check_scalar(xs, selection, verb)
        check_differentiable(xs, selection.values, selection.names, verb, holomorphic, None)
        flat = _Flat(fun, selection, treedef, verb)
        direction = aval_of(xs[0]).dtype.type(1)
        terms = [direction, *[ZERO] * (order - 1)] if order else ZERO
        outs, found = jet(flat, order, xs, [terms], fun)
        flat.check_outputs(outs, holomorphic)
        if not order:
            return flat.unflatten(fresh(outs, xs))
        top = [derivatives(t, y, order)[-1] for t, y in zip(found, outs, strict=True)]
        return flat.unflatten(fresh(top, [*xs, direction]))

    return derivative_fun


@public
def laplacian(fun: Callable[P, Any], argnums: Argnums = 0, value_and_grad: bool = False) -> Callable[P, Any]:
    """The Laplacian Δf = Σᵢ ∂²f/∂xᵢ², exact, in one forward pass; no Hessian is formed.

    First derivatives along all unit directions and the sum of the second ones are carried through the program: memory
    and time are those of a Jacobian in forward mode.

    Args:
        fun: a function of real arrays. Its results are arrays, in pytrees; each element has its own Laplacian.
        argnums: the arguments whose elements are the coordinates, as for `grad`; pytrees, too.
        value_and_grad: return `(value, gradient, laplacian)`. The gradient is what `jacfwd` gives.

    Returns:
        A function with the arguments of `fun`; its result is like that of `fun`.

    Raises:
        ArgumentError: (when it is called) the call has no such argument, or an argument is not an array.
        NonDifferentiableError: (likewise) an argument is an integer or complex, or an output is an integer.

    >>> import fgrad, numpy as np
    >>> fgrad.laplacian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    np.float64(18.0)

    Source: Li et al., "A computational framework for neural network-based variational Monte Carlo with Forward
    Laplacian", 2024.
    """
    verb = "laplacian"
    check_callable(fun, verb)
    check_argnums(argnums, verb)

    @wrap(fun, verb, f"Laplacian of `{function_name(fun)}` with respect to argument {argnums!r}.")
    @public
    def laplacian_fun(*args: Any, **kwargs: Any) -> Any:
        selection = select_arguments(fun, argnums, args, kwargs, verb)
        xs, treedef = flat_leaves(selection.values, selection.names, verb)
        check_differentiable(xs, selection.values, selection.names, verb, False, None)
        _check_real(xs, selection, verb)
        flat = _Flat(fun, selection, treedef, verb)
        avals = [aval_of(x) for x in xs]
        size, directions = _unit_directions(avals)
        found = forward_laplacian(flat, xs, directions, size, fun)
        outs = [y for y, _, _ in found]
        flat.check_outputs(outs, False)
        sums = fresh([derivative(s, y, 1) for y, _, s in found], [*xs, *outs])
        if not value_and_grad:
            return flat.unflatten(sums)
        single = isinstance(argnums, (int, str, np.integer))
        gradients = [fresh(_blocks(g, y, avals), [*xs, *outs, *directions]) for y, g, _ in found]
        trees = [treedef.unflatten(blocks) for blocks in gradients]
        gradient = flat.unflatten([tree[0] if single else tree for tree in trees])
        return flat.unflatten(fresh(outs, xs)), gradient, flat.unflatten(sums)

    return laplacian_fun


class _Flat:
    """A function of some of its arguments, on flat values."""

    def __init__(self, fun: Any, selection: Selection, treedef: PyTreeDef, verb: str) -> None:
        self._fun, self._selection, self._treedef, self._verb = fun, selection, treedef, verb
        self._outdef: Any = None

    def __call__(self, *leaves: Array) -> list[Array]:
        out = self._selection.call(self._treedef.unflatten(leaves))
        outs, self._outdef = flat_outputs(out, self._verb, self._fun)
        return outs

    def unflatten(self, values: Sequence[Any]) -> Any:
        """Values in the structure of the result."""
        return self._outdef.unflatten(values)

    def check_outputs(self, outs: Sequence[Array], holomorphic: bool) -> None:
        """Refuses outputs that have no derivative."""
        for i, y in enumerate(outs):
            aval = aval_of(y)
            if is_inexact(aval.dtype) and (aval.dtype.kind == "c" or not holomorphic):
                continue
            where = place_of([self.unflatten(outs)], ["output"], i)
            needs = (
                f"{self._verb} with holomorphic=True needs complex"
                if holomorphic
                else f"{self._verb} needs real or complex"
            )
            what = f"{needs} outputs, but `{function_name(self._fun)}` returned {aval} at {where}."
            cure = "Leave holomorphic out." if holomorphic else "Return it as a float."
            raise NonDifferentiableError(message(what, cure=cure))


def _check_scalar(xs: Sequence[Array], selection: Selection, verb: str) -> None:
    name, value = selection.names[0], selection.values[0]
    if len(xs) != 1:
        what = f"{verb} needs a scalar, but {name} is {describe(value)}."
        raise ShapeError(message(what, cure="Differentiate by one number; fgrad.jet takes directions in pytrees."))
    if aval_of(xs[0]).shape:
        what = f"{verb} needs a scalar, but {name} is {aval_of(xs[0])}."
        cure = "Map over the elements: fgrad.vmap(fgrad.nth_derivative(f, n)); fgrad.jet takes directions."
        raise ShapeError(message(what, cure=cure))


def _check_real(xs: Sequence[Array], selection: Selection, verb: str) -> None:
    for i, x in enumerate(xs):
        aval = aval_of(x)
        if aval.dtype.kind == "c":
            where = place_of(selection.values, selection.names, i)
            what = f"{verb} needs real inputs, but {where} is {aval}."
            raise NonDifferentiableError(message(what, cure="Take real and imaginary parts as coordinates."))


def _unit_directions(avals: Sequence[ShapedArray]) -> tuple[int, list[Array]]:
    """All unit directions of some arrays, stacked on a new first axis, array by array."""
    size = sum(a.size for a in avals)
    ends = np.cumsum([a.size for a in avals]).tolist()
    directions = [
        np.eye(size, a.size, a.size - end, a.dtype).reshape(size, *a.shape) for a, end in zip(avals, ends, strict=True)
    ]
    return size, directions


def _blocks(g: Array | Zero, y: Array, avals: Sequence[ShapedArray]) -> list[Array]:
    """The gradient of an output with respect to each of some arrays, from its derivatives along all directions."""
    out = aval_of(y)
    if g is ZERO:
        return [np.zeros((*out.shape, *a.shape), out.dtype) for a in avals]
    last, low, blocks = move_axis(g, 0, out.ndim), 0, []
    for a in avals:
        block = last[..., low : low + a.size]
        blocks.append(reshape(block, shape=(*out.shape, *a.shape)))
        low += a.size
    return blocks
