"""Choices between functions, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.api.vmap import vmap
from fgrad.control.cond import cond
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable, flat_leaves, parameter_names, place_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax.operands import operand
from fgrad.primitives.shape import broadcast_to, reshape
from fgrad.tree.functions import tree_map

__all__ = ["select_fn"]


@public
def select_fn(pred: Any, f: Callable[..., Any], g: Callable[..., Any], *xs: Any) -> Any:
    """`f(x)` where a condition holds and `g(x)` elsewhere, element by element: `where` without its trap.

    `where(pred, f(x), g(x))` computes both functions everywhere, and a derivative that is infinite or NaN on the side
    that is not taken spoils the gradient: 0·∞ is NaN. Here each function is run, and differentiated to any order, on
    those elements alone that take it. It is `vmap` of `cond` over all elements.

    Args:
        pred: truth values, or numbers, which are true unless they are 0.
        f: a function of single elements; arrays of which it needs more than one element it takes from around it.
        g: another, whose results have the same structure, shapes and dtypes.
        xs: pytrees of arrays, which broadcast with `pred`.

    Returns:
        The results; in front of their axes stand those of `pred` and `xs`, broadcast together.

    Raises:
        ShapeError: the arrays do not broadcast together, or the results of the functions differ in shape or dtype.
        ArgumentError: the condition is not a number.

    >>> import fgrad, numpy as np
    >>> def f(x):
    ...     return select_fn(x > 0, np.sqrt, lambda x: 0.0 * x, x)
    >>> f(np.array([4.0, 0.0, -1.0]))
    array([ 2.,  0., -0.])
    >>> fgrad.vmap(fgrad.grad(f))(np.array([4.0, 0.0, -1.0]))
    array([0.25, 0.  , 0.  ])
    """
    written = "select_fn(pred, f, g, *xs)"
    check_callable(f, "select_fn", written)
    check_callable(g, "select_fn", written)
    condition = operand(pred)
    if aval_of(condition).dtype.kind not in "biufc":
        what = f"select_fn chooses by truth values, but pred is {aval_of(condition)}."
        raise ArgumentError(message(what, cure="Compare: x > 0."))
    names = parameter_names(f, len(xs))
    leaves, treedef = flat_leaves(xs, names, "select_fn")
    shape = _common_shape(condition, leaves, xs, names)
    if not shape:
        return cond(condition, f, g, *xs)

    def chosen(c: Array, *given: Array) -> Any:
        return cond(c, f, g, *treedef.unflatten(given))

    if aval_of(condition).dtype.kind != "b":
        condition = condition != 0
    mapped = [condition, *leaves]
    axes = (0, *[0 if aval_of(x).shape else None for x in leaves])
    flat = [x if a is None else _flat(x, shape) for x, a in zip(mapped, axes, strict=True)]
    outs = vmap(chosen, in_axes=axes)(*flat)
    return tree_map(lambda y: reshape(y, shape=(*shape, *aval_of(y).shape[1:])), outs)


def _flat(x: Array, shape: tuple[int, ...]) -> Array:
    """The elements of an array, as often as broadcasting repeats them."""
    full = x if aval_of(x).shape == shape else broadcast_to(x, shape=shape)
    return reshape(full, shape=(int(np.prod(shape)),))


def _common_shape(condition: Array, leaves: list[Array], xs: Any, names: list[str]) -> tuple[int, ...]:
    shape = aval_of(condition).shape
    for i, x in enumerate(leaves):
        own = aval_of(x).shape
        try:
            shape = np.broadcast_shapes(shape, own)
        except ValueError:
            what = f"select_fn: {place_of(xs, names, i)} has shape {own}, which does not broadcast with {shape}."
            cure = "What is not chosen element by element the functions take from around them, not as an argument."
            raise ShapeError(message(what, cure=cure)) from None
    return shape
