"""Gradients of scalar functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from fgrad.api.common import (
    Argnums,
    Selection,
    check_argnums,
    check_differentiable,
    float0,
    fresh,
    select_arguments,
    split_aux,
    wrap,
)
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import NonScalarOutputError, message, public
from fgrad.transforms.jvp import linearize
from fgrad.transforms.transpose import transpose
from fgrad.tree import flatten
from fgrad.tree.table import describe

__all__ = ["grad", "value_and_grad"]

P = ParamSpec("P")


@public
def value_and_grad(
    fun: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, tuple[Any, Any]]:
    """A function that returns the value of `fun` and its gradient, for the price of a few evaluations.

    For a real function f of x the gradient is ∂f/∂x, of the shape and dtype of x. Where x is complex and f(x) real,
    it is
    ∂f/∂Re x − i ∂f/∂Im x, so that a step of gradient descent is x − η·conj(grad); with `holomorphic=True` it is the
    complex derivative f′(x).

    Args:
        fun: returns a real scalar (a complex one with `holomorphic`), or a pair of it and anything with `has_aux`.
        argnums: which arguments to differentiate with respect to: a position, a parameter name, or several of these.
            Each argument may be any pytree of arrays.
        has_aux: `fun` returns `(value, aux)`; `aux` is passed on undifferentiated.
        holomorphic: the inputs and the output are complex, and `fun` is complex differentiable.
        allow_int: integer inputs are allowed; their gradient has dtype `float0`.

    Returns:
        A function with the arguments of `fun` that returns `(value, gradient)`, or `((value, aux), gradient)`. The
        gradient has the structure of the argument; where `argnums` holds several, it is a tuple.

    Raises:
        NonScalarOutputError: the output is not a scalar.
        NonDifferentiableError: an input is an integer, or real where `holomorphic` asks for complex.
        ArgumentError: `argnums` does not fit the call.

    >>> import fgrad, numpy as np
    >>> value, slope = fgrad.value_and_grad(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    >>> float(value), slope
    (9.0, array([ 3., 12.]))

    Source: Griewank and Walther, *Evaluating Derivatives*, 2nd ed., chapter 3.
    """
    check_callable(fun, "value_and_grad")
    check_argnums(argnums, "value_and_grad")

    @wrap(
        fun,
        "value_and_grad",
        f"Value and gradient of `{function_name(fun)}` with respect to argument {argnums!r}.",
    )
    @public
    def value_and_grad_fun(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        selection = select_arguments(fun, argnums, args, kwargs, "grad")
        value, aux, gradients = _run(fun, selection, has_aux, holomorphic, allow_int)
        gradient = gradients[0] if isinstance(argnums, (int, str)) else gradients
        return ((value, aux) if has_aux else value), gradient

    return value_and_grad_fun


@public
def grad(
    fun: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, Any]:
    """The gradient function of `fun`.

    It takes the arguments of `value_and_grad`, obeys the same conventions and raises the same errors, and returns the
    gradient alone: `(gradient, aux)` with `has_aux`.

    >>> import fgrad, numpy as np
    >>> fgrad.grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> fgrad.grad(fgrad.grad(np.tanh))(0.5).round(6)
    np.float64(-0.726862)
    """
    check_callable(fun, "grad")
    check_argnums(argnums, "grad")
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int)

    @wrap(fun, "grad", f"Gradient of `{function_name(fun)}` with respect to argument {argnums!r}.")
    @public
    def grad_fun(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return grad_fun


def _run(
    fun: Callable[..., Any], selection: Selection, has_aux: bool, holomorphic: bool, allow_int: bool
) -> tuple[Array, Any, Any]:
    leaves, treedef = flat_leaves(selection.values, selection.names, "grad")
    nz = check_differentiable(leaves, selection.values, selection.names, "grad", holomorphic, allow_int)
    auxdef: Any = None

    def flat(*xs: Array) -> list[Array]:
        nonlocal auxdef
        out = selection.call(treedef.unflatten(xs))
        aux: list[Any] = []
        if has_aux:
            out, extra = split_aux(out, fun, "grad")
            aux, auxdef = flatten(extra)
        _check_scalar(out, fun, holomorphic)
        return [out, *aux]

    (value, *aux), program = linearize(flat, leaves, nz, "grad", fun)
    seed = aval_of(value).dtype.type(1)
    cts = transpose(program, [seed, *[ZERO] * len(aux)], consume=True)
    found = iter(cts)
    gradients = [instantiate(next(found), x) if m else _no_tangent(x) for x, m in zip(leaves, nz, strict=True)]
    gradients = fresh(gradients, leaves)
    value, *aux = fresh([value, *aux], leaves + gradients)
    return (
        value,
        auxdef.unflatten(aux) if has_aux else None,
        treedef.unflatten([_scalar(g) for g in gradients]),
    )


def _scalar(x: Array) -> Array:
    """0-d arrays as NumPy scalars, as NumPy's own functions return them."""
    return x[()] if type(x) is np.ndarray and x.ndim == 0 else x


def _no_tangent(x: Array) -> Array:
    return np.zeros(aval_of(x).shape, float0)


def _check_scalar(out: Any, fun: Any, holomorphic: bool) -> None:
    name = function_name(fun)
    if out is None:
        what = f"grad needs `{name}` to return a real scalar, but it returned None."
        raise NonScalarOutputError(message(what, cure="Does it lack a return statement?"))
    leaves, _ = flat_outputs(out, "grad", fun)
    if len(leaves) != 1 or leaves[0] is not out:
        what = f"grad needs `{name}` to return a real scalar, but it returned {describe(out)}."
        raise NonScalarOutputError(
            message(what, cure="Return one number, or (number, anything else) with has_aux=True.")
        )
    aval = aval_of(out)
    kind = aval.dtype.kind
    wanted = "complex" if holomorphic else "real"
    if aval.shape:
        cure = "Sum it, or use fgrad.jacrev for the derivatives of all elements, fgrad.vjp for one combination of them."
    elif kind == "c" and not holomorphic:
        cure = "Return its real part or its absolute value, or pass holomorphic=True if it is complex differentiable."
    elif kind != "c" and holomorphic:
        cure = "Leave holomorphic out: the gradient of a real function of complex numbers needs no such promise."
    elif kind in "fc":
        return
    else:
        cure = "Integers and booleans have no derivative: return what they were computed from."
    raise NonScalarOutputError(
        message(f"grad needs `{name}` to return a {wanted} scalar, but it returned {aval}.", cure=cure)
    )
