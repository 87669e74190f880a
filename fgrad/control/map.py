"""Applying a function to row after row: `map`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.control.bodies import flat_tree
from fgrad.control.carry import Naming
from fgrad.control.scan import run_scan
from fgrad.control.segments import rows_of
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable, flat_outputs, place_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import reshape
from fgrad.transforms.batch import batch
from fgrad.transforms.jaxprs import to_front
from fgrad.tree.table import describe

__all__ = ["map"]


@public
def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """`f` of every row of `xs`, one after the other, stacked: `vmap` in the memory of one row.

    Args:
        f: a function of one row; it is traced once.
        xs: a pytree of arrays, all with the same number of rows along axis 0.
        batch_size: work through so many rows at once, as `vmap` does.

    Returns:
        The results, stacked along a new axis 0.

    Raises:
        ShapeError: arrays of `xs` differ in length.

    >>> import fgrad, numpy as np
    >>> fgrad.lax.map(lambda x: x.sum() ** 2, np.arange(6.0).reshape(3, 2))
    array([ 1., 25., 81.])
    """
    check_callable(f, "map", "map(f, xs)")
    leaves, treedef = flat_tree(xs, "xs", "map")
    length = _length(leaves, xs)
    if batch_size is None:
        return run_scan(lambda _, x: (None, f(x)), None, xs, Naming("map", f, "xs"))[1]
    if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__") or batch_size < 1:
        what = f"map: batch_size must be a number of rows, got {describe(batch_size)}."
        raise ArgumentError(message(what, cure="Give an integer of at least 1, or leave it out."))
    size = min(int(batch_size), max(length, 1))
    outdef: Any = None

    def flat(*rows: Array) -> list[Array]:
        nonlocal outdef
        outs, outdef = flat_outputs(f(treedef.unflatten(rows)), "map", f)
        return outs

    def together(count: int, block: list[Array]) -> list[Array]:
        outs, dims = batch(flat, count, block, [0] * len(block), f)
        return [to_front(y, d, count) for y, d in zip(outs, dims, strict=True)]

    count, rest = divmod(length, size)
    cut = count * size
    blocks = [reshape(rows_of(x, 0, cut), shape=(count, size, *aval_of(x).shape[1:])) for x in leaves]
    _, stacked = run_scan(lambda _, block: (None, together(size, block)), None, blocks, Naming("map", f, "xs"))
    joined = [reshape(y, shape=(cut, *aval_of(y).shape[2:])) for y in stacked]
    if rest:
        last = together(rest, [rows_of(x, cut, length) for x in leaves])
        joined = [concatenate(y, z, axis=0) for y, z in zip(joined, last, strict=True)]
    return outdef.unflatten(joined)


def _length(leaves: list[Array], xs: Any) -> int:
    """The number of rows of all arrays."""
    sizes: dict[Any, str] = {}
    for i, x in enumerate(leaves):
        shape = aval_of(x).shape
        sizes.setdefault(shape[0] if shape else None, place_of([xs], ["xs"], i))
    if len(sizes) != 1 or None in sizes:
        listed = ", ".join(f"{'none' if n is None else n} for {place}" for n, place in sizes.items()) or "no arrays"
        what = f"map goes through rows, of which xs must have the same number everywhere, but it has {listed}."
        raise ShapeError(message(what, cure="All arrays in xs have a leading axis of one length."))
    return int(next(iter(sizes)))
