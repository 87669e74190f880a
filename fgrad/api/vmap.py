"""Vectorization over an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fgrad.api.common import (
    check_callable,
    flat_leaves,
    flat_outputs,
    fresh,
    function_name,
    parameter_names,
    place_of,
    public,
    wrap,
)
from fgrad.core.aval import Array, aval_of
from fgrad.errors import AxesError, message
from fgrad.primitives.shape import broadcast_to, move_axis
from fgrad.transforms.batch import batch
from fgrad.tree import PyTreeDef, flatten_axes

__all__ = ["vmap"]

P = ParamSpec("P")
R = TypeVar("R")


def vmap(fun: Callable[P, R], in_axes: Any = 0, out_axes: Any = 0, axis_size: int | None = None) -> Callable[P, R]:
    """A function that maps `fun` over an axis of its arguments, without a loop.

    Args:
        fun: a function of arrays or pytrees of arrays.
        in_axes: which axis of each positional argument is mapped: an integer, `None` (not mapped), or a tuple of
            these, one
            per argument, each of which may be a pytree prefix of the argument. A dict names parameters instead; those
            it
            does not name are not mapped. Keyword arguments are mapped over axis 0 unless a dict says otherwise.
        out_axes: where the mapped axis is to be in each output; a pytree prefix of the output. `None` needs an output
            that does not depend on the mapped axis.
        axis_size: the length of the mapped axis, where no argument is mapped.

    Returns:
        A function with the arguments of `fun`, each with its mapped axis added.

    Raises:
        AxesError: axes do not fit the arguments, or mapped axes differ in length; the message says which.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x, y: x @ y, in_axes=(0, None))(np.eye(3), np.array([1.0, 2.0, 3.0]))
    array([1., 2., 3.])
    """
    check_callable(fun, "vmap")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not (in_axes is None or isinstance(in_axes, (int, tuple, dict, np.integer))) or isinstance(in_axes, bool):
        raise AxesError(message(f"in_axes of vmap must be an integer, None, a tuple or a dict, got {in_axes!r:.60}."))

    @wrap(fun, "vmap", f"`{function_name(fun)}`, mapped over an axis.")
    @public
    def mapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        names: list[str] = [*parameter_names(fun, len(args)), *map(str, kwargs)]
        trees = (*args, *kwargs.values())
        xs, treedef = flat_leaves(trees, names, "vmap")
        dims = _in_dims(in_axes, trees, names, len(args), treedef, xs)
        size = _axis_size(xs, dims, trees, names, axis_size)
        outdef: Any = None

        def flat(*leaves: Array) -> list[Array]:
            nonlocal outdef
            values = treedef.unflatten(leaves)
            out = fun(*values[: len(args)], **dict(zip(kwargs, values[len(args) :], strict=True)))
            outs, outdef = flat_outputs(out, "vmap", fun)
            return outs

        outs, out_dims = batch(flat, size, xs, dims, fun)
        wanted = flatten_axes("out_axes of vmap", outdef, out_axes)
        placed = [_place(y, d, w, size, fun) for y, d, w in zip(outs, out_dims, wanted, strict=True)]
        return outdef.unflatten(fresh(placed, xs))

    return mapped


def _in_dims(
    in_axes: Any,
    trees: Sequence[Any],
    names: Sequence[str],
    positional: int,
    treedef: PyTreeDef,
    xs: Sequence[Array],
) -> list[int | None]:
    """The mapped axis of every leaf, as a non-negative number."""
    if isinstance(in_axes, dict):
        unknown = set(in_axes) - set(names)
        if unknown:
            raise AxesError(message(f"in_axes of vmap names {sorted(unknown)}, but the arguments are {list(names)}."))
        axes: Any = tuple(in_axes.get(name) for name in names)
    elif isinstance(in_axes, tuple):
        if len(in_axes) != positional:
            given = ", ".join(names[:positional]) or "none"
            what = f"in_axes of vmap has {len(in_axes)} entries for {positional} positional arguments ({given})."
            raise AxesError(
                message(what, cure="Give one entry per positional argument; use None for what is not mapped.")
            )
        axes = (*in_axes, *[0] * (len(names) - positional))
    else:
        axes = (*[in_axes] * positional, *[0] * (len(names) - positional))
    dims = flatten_axes("in_axes of vmap", treedef, axes)
    for i, (x, dim) in enumerate(zip(xs, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool):
            raise AxesError(
                message(f"in_axes of vmap must hold integers and None, got {dim!r} for {place_of(trees, names, i)}.")
            )
        aval = aval_of(x)
        if not -aval.ndim <= dim < aval.ndim:
            what = f"vmap over axis {dim} of {place_of(trees, names, i)}, which is {aval} and has {aval.ndim} axes."
            raise AxesError(message(what, cure="Use None in in_axes for an argument that is not mapped."))
        dims[i] = int(dim) % aval.ndim
    return dims


def _axis_size(
    xs: Sequence[Array],
    dims: Sequence[int | None],
    trees: Sequence[Any],
    names: Sequence[str],
    axis_size: int | None,
) -> int:
    """The common length of the mapped axes."""
    sizes: dict[int, str] = {}
    for i, (x, dim) in enumerate(zip(xs, dims, strict=True)):
        if dim is not None:
            n = aval_of(x).shape[dim]
            if n not in sizes:
                sizes[n] = f"{place_of(trees, names, i)} has {n} rows on axis {dim}"
    if axis_size is not None:
        sizes.setdefault(axis_size, f"axis_size is {axis_size}")
    if not sizes:
        cure = "Map at least one argument, or give axis_size."
        raise AxesError(message("vmap has nothing to map: every entry of in_axes is None.", cure=cure))
    if len(sizes) > 1:
        cure = "Mapped axes must be equally long; use None in in_axes for an argument that is the same for all rows."
        raise AxesError(message(f"vmap got mapped axes of different lengths: {'; '.join(sizes.values())}.", cure=cure))
    return next(iter(sizes))


def _place(y: Array, dim: int | None, wanted: int | None, size: int, fun: Any) -> Array:
    """Puts the mapped axis of an output where it was asked for."""
    if wanted is None:
        if dim is not None:
            what = f"out_axes of vmap is None for an output of `{function_name(fun)}` that depends on the mapped axis."
            raise AxesError(
                message(what, cure="Say at which axis of the output the rows are to be stacked, for example 0.")
            )
        return y
    shape = aval_of(y).shape
    if dim is None:
        y, dim, shape = broadcast_to(y, shape=(size, *shape)), 0, (size, *shape)
    if not -len(shape) <= wanted < len(shape):
        raise AxesError(
            message(f"out_axes of vmap asks for axis {wanted} of an output with {len(shape)} axes, {shape}.")
        )
    return move_axis(y, dim, wanted % len(shape))
