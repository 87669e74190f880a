"""Vectorization over an axis."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fgrad.api.chunks import Collected, check_chunk_size, cut, in_pieces
from fgrad.api.common import fresh, wrap
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import (
    argument_list,
    call,
    check_callable,
    flat_leaves,
    flat_outputs,
    function_name,
    parameter_names,
    place_of,
)
from fgrad.errors import ArgumentError, AxesError, message, public
from fgrad.primitives.shape import broadcast_to, move_axis
from fgrad.transforms.batch import AxisSize, batch
from fgrad.tree import PyTreeDef, flatten_axes
from fgrad.tree.table import describe
from fgrad.tree.text import listing, plural

__all__ = ["vmap"]

P = ParamSpec("P")
R = TypeVar("R")


@public
def vmap(
    fun: Callable[P, R],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    *,
    axis_name: Hashable = None,
    chunk_size: int | None = None,
) -> Callable[P, R]:
    """A function that maps `fun` over an axis of its arguments, without a loop.

    Args:
        fun: a function of arrays or pytrees of arrays.
        in_axes: which axis of each positional argument is mapped: an integer, `None` (not mapped), or a tuple of
            these, one per argument, each of which may be a pytree prefix of the argument. A dict names parameters
            instead; those it does not name are not mapped. Keyword arguments are mapped over axis 0 unless a dict
            says otherwise.
        out_axes: where the mapped axis is to be in each output; a pytree prefix of the output. `None` needs an output
            that does not depend on the mapped axis.
        axis_size: the length of the mapped axis, where no argument is mapped.
        axis_name: what the collectives of `fgrad.lax` (`psum`, `all_gather`, `axis_index`, …) in `fun` call the mapped
            axis.
        chunk_size: how many rows are worked through at once, at most; what is computed on the way takes memory for so
            many rows. All of them, if it is left out.

    Returns:
        A function with the arguments of `fun`, each with its mapped axis added.

    Raises:
        ArgumentError: `chunk_size` is not a positive integer.
        AxesError: axes do not fit the arguments, or mapped axes differ in length; the message says which.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x, y: x @ y, in_axes=(0, None))(np.eye(3), np.array([1.0, 2.0, 3.0]))
    array([1., 2., 3.])
    """
    check_callable(fun, "vmap")
    check_chunk_size(chunk_size, "vmap")
    _check_name(axis_name, chunk_size)
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not (_is_axis(in_axes) or isinstance(in_axes, (tuple, dict))):
        what = f"in_axes of vmap must be an axis, None, or a tuple or dict of these, got {describe(in_axes)}."
        raise AxesError(message(what, cure="Write in_axes=0, or in_axes=(0, None) with one entry per argument."))
    if axis_size is not None and (not _is_axis(axis_size) or axis_size < 0):
        what = f"axis_size of vmap must be the number of rows, got {describe(axis_size)}."
        raise AxesError(message(what, cure="Leave it out where an argument is mapped."))

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
            named = dict(zip(kwargs, values[len(args) :], strict=True))
            out = call(fun, values[: len(args)], named, "vmap")
            outs, outdef = flat_outputs(out, "vmap", fun)
            return outs

        if chunk_size is None or size <= chunk_size:
            rows = size if axis_name is None else AxisSize(size, axis_name)
            outs, out_dims = batch(flat, rows, xs, dims, fun)
        else:
            outs, out_dims = _in_chunks(flat, size, xs, dims, fun, chunk_size)
        wanted = flatten_axes("vmap: out_axes", outdef, out_axes, error=AxesError)
        placed = []
        for i, (y, dim, axis) in enumerate(zip(outs, out_dims, wanted, strict=True)):
            try:
                placed.append(_place(y, dim, axis, size))
            except _Misplaced as misplaced:
                where = place_of([outdef.unflatten(outs)], ["output"], i)
                what = misplaced.what.format(where=where, of=f"of `{function_name(fun)}`")
                raise AxesError(message(what, cure=misplaced.cure)) from None
        return outdef.unflatten(fresh(placed, xs))

    return mapped


def _in_chunks(
    flat: Callable[..., list[Array]],
    size: int,
    xs: Sequence[Array],
    dims: Sequence[int | None],
    fun: Any,
    chunk_size: int,
) -> tuple[list[Array], list[int | None]]:
    """As `batch`, a limited number of rows at a time."""
    last: list[tuple[Array, int | None]] = []

    def run(low: Array, count: int) -> list[Array]:
        rows = [x if dim is None else cut(x, dim, low, count) for x, dim in zip(xs, dims, strict=True)]
        last[:] = zip(*batch(flat, count, rows, dims, fun), strict=True)
        return [move_axis(y, dim, 0) for y, dim in last if dim is not None]

    collected: list[Collected] = []
    for _, _, parts in in_pieces(run, size, chunk_size, "vmap", fun):
        collected = collected or [Collected((size, *aval_of(y).shape[1:]), 0) for y in parts]
        for whole, part in zip(collected, parts, strict=True):
            whole.add(part)
    found = iter(collected)
    return [y if dim is None else next(found).get() for y, dim in last], [None if dim is None else 0 for _, dim in last]


def _check_name(axis_name: Any, chunk_size: int | None) -> None:
    """Refuses what collectives cannot name."""
    try:
        hash(axis_name)
    except TypeError:
        axis_name = ()
    if isinstance(axis_name, tuple):
        what = f"axis_name of vmap must be one name, got {describe(axis_name)}."
        raise AxesError(message(what, cure='Write axis_name="rows"; a vmap in a vmap has another.'))
    if axis_name is not None and chunk_size is not None:
        what = f"vmap was given axis_name={axis_name!r} and chunk_size={chunk_size}: collectives need all rows at once."
        raise ArgumentError(message(what, cure="Leave chunk_size out."))


def _is_axis(axis: Any) -> bool:
    return axis is None or (isinstance(axis, (int, np.integer)) and not isinstance(axis, bool))


def _in_dims(
    in_axes: Any,
    trees: Sequence[Any],
    names: Sequence[str],
    positional: int,
    treedef: PyTreeDef,
    xs: Sequence[Array],
) -> list[int | None]:
    """The mapped axis of every leaf, as a non-negative number."""
    axes = _per_argument(in_axes, names, positional)
    dims: list[Any] = []
    for axis, name, argument in zip(axes, names, treedef.children(), strict=True):
        if _is_axis(axis):
            dims += [axis] * argument.num_leaves
        else:
            dims += flatten_axes(f"vmap: the entry of in_axes for {name}", argument, axis, error=AxesError)
    for i, (x, dim) in enumerate(zip(xs, dims, strict=True)):
        if dim is None:
            continue
        where = place_of(trees, names, i) if not _is_axis(dim) or not -aval_of(x).ndim <= dim < aval_of(x).ndim else ""
        if not _is_axis(dim):
            what = f"in_axes of vmap must hold axes and None, got {describe(dim)} for {where}."
            raise AxesError(message(what, cure="An axis is an integer, such as 0."))
        if where:
            aval = aval_of(x)
            rank = plural(aval.ndim, "axis", "axes")
            what = f"in_axes of vmap asks for axis {dim} of {where}, which is {aval} and has {rank}."
            raise AxesError(message(what, cure=f"Use None in in_axes for {where} if it is the same for all rows."))
        dims[i] = int(dim) % aval_of(x).ndim
    return dims


def _per_argument(in_axes: Any, names: Sequence[str], positional: int) -> Sequence[Any]:
    """The entry of `in_axes` for each argument."""
    if isinstance(in_axes, dict):
        unknown = [str(name) for name in in_axes if name not in names]
        if unknown:
            what = f"in_axes of vmap names {listing(unknown, len(unknown))}, which the call has no argument for."
            raise AxesError(message(what, cure=f"The arguments are {argument_list(names)}."))
        return [in_axes.get(name) for name in names]
    given = [0] * (len(names) - positional)
    if not isinstance(in_axes, tuple):
        return [in_axes] * positional + given
    if len(in_axes) != positional:
        arguments = plural(positional, "positional argument") + f" ({argument_list(names[:positional])})"
        what = f"in_axes of vmap has {plural(len(in_axes), 'entry', 'entries')} for {arguments}."
        cure = "Give one entry per positional argument, None for what is not mapped."
        if len(names) > positional:
            cure += " A dict of names is for arguments by name."
        raise AxesError(message(what, cure=cure))
    return [*in_axes, *given]


def _axis_size(
    xs: Sequence[Array],
    dims: Sequence[int | None],
    trees: Sequence[Any],
    names: Sequence[str],
    axis_size: int | None,
) -> int:
    """The common length of the mapped axes."""
    sizes: dict[int, list[int]] = {}
    for i, (x, dim) in enumerate(zip(xs, dims, strict=True)):
        if dim is not None:
            sizes.setdefault(aval_of(x).shape[dim], []).append(i)
    if axis_size is not None:
        sizes.setdefault(int(axis_size), [])
    if not sizes:
        what = "vmap has nothing to map: " + ("every entry of in_axes is None." if xs else "there are no arguments.")
        raise AxesError(message(what, cure="Map an argument (0 in in_axes), or give axis_size."))
    if len(sizes) > 1:
        parts = [_rows(size, places, dims, trees, names) for size, places in sizes.items()]
        cure = "Mapped axes must be equally long; use None in in_axes for what is the same for all rows."
        raise AxesError(message(f"vmap got mapped axes of different lengths: {'; '.join(parts)}.", cure=cure))
    return next(iter(sizes))


def _rows(
    size: int, places: Sequence[int], dims: Sequence[int | None], trees: Sequence[Any], names: Sequence[str]
) -> str:
    """Which leaves have so many rows: `x has 3 (axis 0)`."""
    if not places:
        return f"axis_size is {size}"
    shown = [f"{place_of(trees, names, i)} (axis {dims[i]})" for i in places[:3]]
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"{size} for {', '.join(shown)}{more}"


class _Misplaced(Exception):  # noqa: N818 (it never leaves this file)
    """The mapped axis of an output cannot be put where `out_axes` says."""

    def __init__(self, what: str, cure: str) -> None:
        self.what = what
        self.cure = cure


def _place(y: Array, dim: int | None, wanted: Any, size: int) -> Array:
    """Puts the mapped axis of an output where it was asked for."""
    if wanted is None:
        if dim is not None:
            what = "out_axes of vmap is None for {where} {of}, which is not the same for all rows."
            raise _Misplaced(what, "Say at which of its axes the rows are to be stacked: out_axes=0, for example.")
        return y
    if not _is_axis(wanted):
        what = f"out_axes of vmap must hold axes and None, got {describe(wanted)}"
        raise _Misplaced(what + " for {where} {of}.", "An axis is an integer, such as 0.")
    shape = aval_of(y).shape
    if dim is None:
        y, dim, shape = broadcast_to(y, shape=(size, *shape)), 0, (size, *shape)
    if not -len(shape) <= wanted < len(shape):
        rank = plural(len(shape), "axis", "axes")
        what = (
            f"out_axes of vmap asks for axis {wanted} of {{where}} {{of}}, which has {rank}, that of the rows included."
        )
        raise _Misplaced(what, "Give an axis of the stacked output.")
    return move_axis(y, dim, wanted % len(shape))
