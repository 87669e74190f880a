"""Gradients of scalar functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fgrad.api.common import (
    Argnums,
    check_argnums,
    check_differentiable,
    float0,
    fresh,
    select_arguments,
    split_aux,
    wrap,
)
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import NonScalarOutputError, message, public
from fgrad.transforms.jvp import linearize
from fgrad.transforms.transpose import transpose
from fgrad.tree import flatten
from fgrad.tree.table import describe

__all__ = ["grad", "value_and_grad"]

P = ParamSpec("P")
R = TypeVar("R")


@public
def value_and_grad(
    fun: Callable[P, R],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, tuple[R, Any]]:
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
    run = _Gradient(fun, argnums, has_aux, holomorphic, allow_int, "value_and_grad").run

    @wrap(
        fun,
        "value_and_grad",
        f"Value and gradient of `{function_name(fun)}` with respect to argument {argnums!r}.",
    )
    @public
    def value_and_grad_fun(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return run(args, kwargs)

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
    run = _Gradient(fun, argnums, has_aux, holomorphic, allow_int, "grad").run

    @wrap(fun, "grad", f"Gradient of `{function_name(fun)}` with respect to argument {argnums!r}.")
    @public
    def grad_fun(*args: Any, **kwargs: Any) -> Any:
        value, gradient = run(args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return grad_fun


class _Gradient:
    """What `grad` and `value_and_grad` do with a call, and the words for what is wrong with it."""

    def __init__(
        self,
        fun: Callable[..., Any],
        argnums: Argnums,
        has_aux: bool,
        holomorphic: bool,
        allow_int: bool,
        verb: str,
    ) -> None:
        check_callable(fun, verb)
        check_argnums(argnums, verb)
        self.fun = fun
        self.argnums = argnums
        self.has_aux = has_aux
        self.holomorphic = holomorphic
        self.allow_int = allow_int
        self.verb = verb

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """The value (with what comes along, a pair), and the gradient."""
        verb = self.verb
        chosen = select_arguments(self.fun, self.argnums, args, kwargs, verb)
        leaves, treedef = flat_leaves(chosen.values, chosen.names, verb)
        nz = check_differentiable(leaves, chosen.values, chosen.names, verb, self.holomorphic, self.allow_int)
        auxdef: Any = None

        def flat(*xs: Array) -> list[Array]:
            nonlocal auxdef
            out = chosen.call(treedef.unflatten(xs))
            aux: list[Any] = []
            if self.has_aux:
                out, extra = split_aux(out, self.fun, verb)
                aux, auxdef = flatten(extra)
            self._check_scalar(out)
            return [out, *aux]

        (value, *aux), program = linearize(flat, leaves, nz, verb, self.fun)
        seed = aval_of(value).dtype.type(1)
        found = iter(transpose(program, [seed, *[ZERO] * len(aux)], consume=True))
        gradients = [instantiate(next(found), x) if m else _no_tangent(x) for x, m in zip(leaves, nz, strict=True)]
        gradients = fresh(gradients, leaves)
        value, *aux = fresh([value, *aux], leaves + gradients)
        gradient = treedef.unflatten([_scalar(g) for g in gradients])
        if isinstance(self.argnums, (int, str, np.integer)):
            gradient = gradient[0]
        return ((value, auxdef.unflatten(aux)) if self.has_aux else value), gradient

    def _check_scalar(self, out: Any) -> None:
        """Refuses what has no gradient."""
        number = "complex" if self.holomorphic else "real"
        needs = f"{self.verb} needs `{function_name(self.fun)}` to return a {number} scalar"
        if out is None:
            what = f"{needs}, but it returned None."
            raise NonScalarOutputError(message(what, cure="Does it lack a return statement?"))
        leaves, _ = flat_outputs(out, self.verb, self.fun)
        if len(leaves) != 1 or leaves[0] is not out:
            what = f"{needs}, but it returned {describe(out)}."
            cure = "Return one number, or (number, anything else) with has_aux=True."
            raise NonScalarOutputError(message(what, cure=cure))
        aval = aval_of(out)
        cure = _scalar_cure(aval, self.holomorphic)
        if cure:
            raise NonScalarOutputError(message(f"{needs}, but it returned {aval}.", cure=cure))


def _scalar_cure(aval: ShapedArray, holomorphic: bool) -> str:
    """What to do about an output that has no gradient; empty if it has one."""
    kind = aval.dtype.kind
    if aval.shape:
        return "Sum it, or use fgrad.jacrev for the derivatives of all elements, fgrad.vjp for one combination of them."
    if kind == "c":
        if holomorphic:
            return ""
        return "Return its real part or its absolute value, or pass holomorphic=True if it is complex differentiable."
    if holomorphic:
        return "Leave holomorphic out: the gradient of a real function of complex numbers needs no such promise."
    return "" if kind == "f" else "Integers and booleans have no derivative: return what they were computed from."


def _scalar(x: Array) -> Array:
    """0-d arrays as NumPy scalars, as NumPy's own functions return them."""
    return x[()] if type(x) is np.ndarray and x.ndim == 0 else x


def _no_tangent(x: Array) -> Array:
    return np.zeros(aval_of(x).shape, float0)
