"""Collectives: operations between the rows of a `vmap` whose axis has a name.

To a row, a result that is the same for all rows (a sum over them) is a value like any other; `vmap` sees that it is not
mapped. Derivatives taken inside of the `vmap` are those of the sum over the rows of what each row computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np

from fgrad.control.collective_rules import (
    Pextremum,
    all_gather_p,
    all_to_all_p,
    axis_index_p,
    permute_rows_p,
    pmax_p,
    pmin_p,
    psum_p,
    sum_scatter_p,
    unknown_axis,
)
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import flat_leaves, place_of
from fgrad.errors import ArgumentError, AxesError, ShapeError, message, public
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import reshape
from fgrad.transforms.batch import named_axes
from fgrad.tree.table import describe

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "axis_size",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "pshuffle",
    "psum",
    "psum_scatter",
    "pswapaxes",
]

T = TypeVar("T")


def _axes(axis_name: Any, verb: str) -> list[dict[str, Any]]:
    """The parameters of the axes that are named, in order."""
    known = dict(named_axes())
    found = []
    for name in axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,):
        if not isinstance(name, Hashable):
            what = f"{verb} takes the name of an axis, or a tuple of names, got {describe(name)}."
            raise AxesError(message(what, cure="Give what vmap was given as axis_name."))
        if name not in known:
            raise unknown_axis(name, verb)
        found.append({"axis_name": name, "axis_size": known[name]})
    return found


def _only(axis_name: Any, verb: str) -> dict[str, Any]:
    """The parameters of the one axis that is named."""
    found = _axes(axis_name, verb)
    if len(found) != 1:
        what = f"{verb} works between the rows of one axis, got {describe(axis_name)}."
        raise AxesError(message(what, cure="Name one axis; apply it once for each."))
    return found[0]


def _map(f: Callable[[Array, str], Array], x: T, verb: str) -> T:
    """Applies a function to every array of a pytree; it is also given the name of the array."""
    leaves, treedef = flat_leaves([x], ["x"], verb)
    outs = [f(leaf, place_of([x], ["x"], i)) for i, leaf in enumerate(leaves)]
    return treedef.unflatten(outs)[0]  # type: ignore[no-any-return]


def _axis(axis: Any, rank: int, where: str, verb: str) -> int:
    """An axis as a non-negative number."""
    if not isinstance(axis, (int, np.integer)) or not -rank <= axis < rank:
        what = f"{verb} asks for axis {axis!r}, but there are {rank} axes: {where}."
        raise AxesError(message(what, cure="Axes are counted from 0 to the number of axes - 1, or from -1 backwards."))
    return int(axis) % rank


@public
def psum(x: T, axis_name: Any) -> T:
    """The sum of all rows.

    Args:
        x: a pytree of arrays. What is the same for all rows is multiplied by their number.
        axis_name: what `vmap` was given as `axis_name`, or a tuple of such names.

    Returns:
        The sums, the same for all rows.

    Raises:
        AxesError: no `vmap` around here has an axis of that name.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: x / fgrad.lax.psum(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
    array([0.25, 0.75])
    """

    def total(leaf: Array, where: str) -> Array:
        for axis in _axes(axis_name, "psum"):
            leaf = psum_p(leaf, **axis)
        return leaf

    return _map(total, x, "psum")


@public
def pmean(x: T, axis_name: Any) -> T:
    """The mean of all rows; arguments as for `psum`.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: x - fgrad.lax.pmean(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    count = math.prod(axis["axis_size"] for axis in _axes(axis_name, "pmean"))
    return _map(lambda leaf, where: psum(leaf, axis_name) / count, x, "pmean")


@public
def pmax(x: T, axis_name: Any) -> T:
    """The largest of all rows, element by element; arguments as for `psum`. Rows that tie share the derivative.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: x == fgrad.lax.pmax(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
    array([False,  True])
    """
    return _extremum(pmax_p, x, axis_name, "pmax")


@public
def pmin(x: T, axis_name: Any) -> T:
    """The smallest of all rows, element by element; arguments as for `psum`. Rows that tie share the derivative.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: x - fgrad.lax.pmin(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
    array([0., 2.])
    """
    return _extremum(pmin_p, x, axis_name, "pmin")


def _extremum(primitive: Pextremum, x: T, axis_name: Any, verb: str) -> T:
    def best(leaf: Array, where: str) -> Array:
        for axis in _axes(axis_name, verb):
            leaf = primitive(leaf, **axis)
        return leaf

    return _map(best, x, verb)


@public
def all_gather(x: T, axis_name: Any, *, axis: int = 0, tiled: bool = False) -> T:
    """All rows, stacked.

    Args:
        x: a pytree of arrays.
        axis_name: the name of the mapped axis, or a tuple of names: then the last one varies fastest.
        axis: where the rows stand in the result.
        tiled: put them next to each other along that axis of `x`, instead of along a new one.

    Returns:
        Arrays that are the same for all rows: of shape (n, …), or (n·m, …) if `tiled`, for an axis of n rows.

    Raises:
        AxesError: no `vmap` around here has an axis of that name, or there is no such axis in the result.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: fgrad.lax.all_gather(x, "i") ** 2, axis_name="i", out_axes=None)(np.array([1.0, 3.0]))
    array([1., 9.])
    """
    names = _axes(axis_name, "all_gather")

    def gathered(leaf: Array, where: str) -> Array:
        shape = shape_of(leaf)
        at = _axis(axis, len(shape) + (not tiled), f"{where} is {aval_of(leaf)}", "all_gather")
        for name in reversed(names):
            leaf = all_gather_p(leaf, axis=at, **name)
        merged = math.prod(name["axis_size"] for name in names)
        if tiled:
            return reshape(leaf, shape=(*shape[:at], merged * shape[at], *shape[at + 1 :]))
        return leaf if len(names) == 1 else reshape(leaf, shape=(*shape[:at], merged, *shape[at:]))

    return _map(gathered, x, "all_gather")


@public
def psum_scatter(x: T, axis_name: Any, *, scatter_dimension: int = 0, tiled: bool = False) -> T:
    """The sum of all rows, of which every row keeps its part: the transpose of `all_gather`.

    Args:
        x: a pytree of arrays with an axis that has one position, or one block if `tiled`, for every row.
        axis_name: the name of the mapped axis.
        scatter_dimension: that axis.
        tiled: the axis stays, with the block of the row.

    Raises:
        AxesError: no `vmap` around here has an axis of that name, or there is no such axis in `x`.
        ShapeError: the axis has not the right length.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: fgrad.lax.psum_scatter(x, "i"), axis_name="i")(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    name = _only(axis_name, "psum_scatter")

    def scattered(leaf: Array, where: str) -> Array:
        at = _axis(scatter_dimension, len(shape_of(leaf)), f"{where} is {aval_of(leaf)}", "psum_scatter")
        return sum_scatter_p(_split(leaf, at, name["axis_size"], tiled, where, "psum_scatter"), axis=at, **name)

    return _map(scattered, x, "psum_scatter")


def _split(x: Array, axis: int, size: int, tiled: bool, where: str, verb: str) -> Array:
    """An axis with one position for each row, which the blocks of a tiled one become."""
    shape = shape_of(x)
    if shape[axis] % size if tiled else shape[axis] != size:
        needed = f"a multiple of {size}" if tiled else str(size)
        what = f"{verb}: axis {axis} of {where}, which is {aval_of(x)}, must have the length {needed}."
        raise ShapeError(message(what, cure="It is dealt out to the rows of the mapped axis."))
    return reshape(x, shape=(*shape[:axis], size, shape[axis] // size, *shape[axis + 1 :])) if tiled else x


@public
def ppermute(x: T, axis_name: Any, perm: Sequence[tuple[int, int]]) -> T:
    """Sends rows to other rows.

    Args:
        x: a pytree of arrays.
        axis_name: the name of the mapped axis.
        perm: pairs (source, destination) of row numbers. Rows that nothing is sent to get zeros.

    Raises:
        AxesError: no `vmap` around here has an axis of that name.
        ArgumentError: a pair names a row that there is not, or two have the same source or destination.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: fgrad.lax.ppermute(x, "i", [(0, 1), (1, 2)]), axis_name="i")(np.array([1.0, 2.0, 3.0]))
    array([0., 1., 2.])
    """
    name = _only(axis_name, "ppermute")
    pairs = _pairs(perm, name["axis_size"])
    return _map(lambda leaf, where: permute_rows_p(leaf, perm=pairs, **name), x, "ppermute")


def _pairs(perm: Any, size: int) -> tuple[tuple[int, int], ...]:
    """Checked pairs of row numbers."""
    try:
        pairs = tuple((int(src), int(dst)) for src, dst in perm)
    except (TypeError, ValueError):
        what = f"perm of ppermute must be pairs (source, destination) of row numbers, got {describe(perm)}."
        raise ArgumentError(message(what, cure="Write [(0, 1), (1, 0)], for example.")) from None
    for end, rows in zip(("source", "destination"), zip(*pairs, strict=True), strict=False):
        wrong = next((r for r in rows if not 0 <= r < size), None)
        if wrong is not None:
            what = f"perm of ppermute has the {end} {wrong}, but the axis has {size} rows."
            raise ArgumentError(message(what, cure=f"Rows are numbered from 0 to {size - 1}."))
        if len(set(rows)) != len(rows):
            twice = next(r for r in rows if rows.count(r) > 1)
            what = f"perm of ppermute has the {end} {twice} twice."
            raise ArgumentError(message(what, cure="Every row is sent once, to one row, at most."))
    return pairs


@public
def pshuffle(x: T, axis_name: Any, perm: Sequence[int]) -> T:
    """Takes rows from other rows: row i of the result is row `perm[i]` of `x`.

    Args:
        x: a pytree of arrays.
        axis_name: the name of the mapped axis.
        perm: a permutation of the row numbers.

    Raises:
        AxesError: no `vmap` around here has an axis of that name.
        ArgumentError: `perm` is no permutation of the row numbers.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: fgrad.lax.pshuffle(x, "i", [2, 0, 1]), axis_name="i")(np.array([1.0, 2.0, 3.0]))
    array([3., 1., 2.])
    """
    size = _only(axis_name, "pshuffle")["axis_size"]
    order = [int(i) for i in perm]
    if sorted(order) != list(range(size)):
        what = f"perm of pshuffle must hold every row number from 0 to {size - 1} once, got {order}."
        raise ArgumentError(message(what, cure="For some of the rows there is ppermute."))
    return ppermute(x, axis_name, [(source, i) for i, source in enumerate(order)])


@public
def all_to_all(x: T, axis_name: Any, split_axis: int, concat_axis: int, *, tiled: bool = False) -> T:
    """Deals an axis out to the rows, and collects the rows along another.

    Args:
        x: a pytree of arrays.
        axis_name: the name of the mapped axis, of n rows.
        split_axis: the axis of `x`, of length n, whose position i goes to row i.
        concat_axis: where the rows that it comes from stand in the result.
        tiled: axes are cut and put together instead of taken away and added: the length of `split_axis` is a multiple
            of n, and is divided by it; that of `concat_axis` is multiplied by it.

    Raises:
        AxesError: no `vmap` around here has an axis of that name, or there is no such axis in `x`.
        ShapeError: the axis has not the right length.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: fgrad.lax.all_to_all(x, "i", 0, 0), axis_name="i")(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    """
    name = _only(axis_name, "all_to_all")
    size = name["axis_size"]

    def swapped(leaf: Array, where: str) -> Array:
        rank = len(shape_of(leaf))
        where_axes = f"{where} is {aval_of(leaf)}"
        split = _axis(split_axis, rank, where_axes, "all_to_all")
        concat = _axis(concat_axis, rank, where_axes, "all_to_all")
        parts = _split(leaf, split, size, tiled, where, "all_to_all")
        out = all_to_all_p(parts, split=split, concat=concat, **name)
        if not tiled:
            return out
        shape = shape_of(out)
        return reshape(out, shape=(*shape[:concat], size * shape[concat + 1], *shape[concat + 2 :]))

    return _map(swapped, x, "all_to_all")


@public
def pswapaxes(x: T, axis_name: Any, axis: int) -> T:
    """Swaps the mapped axis with another of the same length; arguments as for `all_to_all`.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: fgrad.lax.pswapaxes(x, "i", 0), axis_name="i")(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    """
    return all_to_all(x, axis_name, axis, axis)


@public
def axis_index(axis_name: Any) -> Any:
    """The number of the row; of several axes, of which the last varies fastest, if `axis_name` is a tuple.

    Raises:
        AxesError: no `vmap` around here has an axis of that name.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: x * fgrad.lax.axis_index("i"), axis_name="i")(np.array([5.0, 5.0, 5.0]))
    array([ 0.,  5., 10.])
    """
    first, *others = _axes(axis_name, "axis_index")
    index = axis_index_p(**first)
    for axis in others:
        index = index * axis["axis_size"] + axis_index_p(**axis)
    return index


@public
def axis_size(axis_name: Any) -> int:
    """The number of rows: an `int`; the product if `axis_name` is a tuple of names.

    Raises:
        AxesError: no `vmap` around here has an axis of that name.

    >>> import fgrad, numpy as np
    >>> fgrad.vmap(lambda x: x / fgrad.lax.axis_size("i"), axis_name="i")(np.array([1.0, 3.0]))
    array([0.5, 1.5])
    """
    return math.prod(axis["axis_size"] for axis in _axes(axis_name, "axis_size"))
