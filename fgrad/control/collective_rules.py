"""The primitives of collectives, which `vmap` over a named axis gives their meaning."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import Primitive
from fgrad.errors import AxesError, message
from fgrad.primitives.comparison import eq, is_nan, logical_or, select
from fgrad.primitives.families import Linear, NonDifferentiable, shape_of
from fgrad.primitives.index_keys import ARRAY, FULL
from fgrad.primitives.indexing import gather
from fgrad.primitives.reductions import reduce_max, reduce_min
from fgrad.primitives.shape import broadcast_to, convert_element_type, grow, move_axis, reduce_sum, reshape, transpose
from fgrad.transforms.batch import named_axes
from fgrad.transforms.jaxprs import to_front
from fgrad.tree.text import listing

__all__ = [
    "Pextremum",
    "all_gather_p",
    "all_to_all_p",
    "axis_index_p",
    "permute_rows_p",
    "pmax_p",
    "pmin_p",
    "psum_p",
    "sum_scatter_p",
    "unknown_axis",
]

Dim = int | None


def unknown_axis(name: Any, verb: str) -> AxesError:
    """The error for a name that no axis has."""
    known = named_axes()
    what = f"{verb} names the axis {name!r}, but no vmap around it has one of that name."
    names = listing([repr(n) for n, _ in known], len(known))
    cure = f"The named axes here: {names}." if known else f"Give it the name: vmap(f, axis_name={name!r})."
    return AxesError(message(what, cure=cure))


class Collective(Primitive):
    """`collective(x, axis_name=, axis_size=)`: an operation between the rows of the mapped axis of that name."""

    def impl(self, *xs: Array, axis_name: Hashable, axis_size: int, **params: Any) -> Array:
        raise unknown_axis(axis_name, self.name)

    def shape(self, *avals: Any, **params: Any) -> ShapedArray:
        return ShapedArray(avals[0].shape, avals[0].dtype)

    def batch(self, *args: Any, **params: Any) -> tuple[Array, Dim]:
        _, xs, dims = args
        return self.bind(xs[0], **params), dims[0]


def _sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return reduce_sum.shape(ShapedArray((1,), dtype), axes=(0,)).dtype


def _times(x: Array, size: int) -> Array:
    """The sum of `size` rows that are the same."""
    dtype = aval_of(x).dtype
    return convert_element_type(x, dtype=_sum_dtype(dtype)) * _sum_dtype(dtype).type(size)


class Psum(Collective, Linear):
    """`psum(x, axis_name=, axis_size=)`: the sum over the rows. It is its own transpose."""

    def shape(self, x: ShapedArray, **params: Any) -> ShapedArray:
        return ShapedArray(x.shape, _sum_dtype(x.dtype))

    def transpose(self, ct: Array, x: Any, **params: Any) -> Sequence[Array]:
        return (psum_p(ct, **params),)

    def over_axis(self, size: int, xs: Sequence[Array], dims: Sequence[Dim], **params: Any) -> tuple[Array, Dim]:
        if dims[0] is None:
            return _times(xs[0], size), None
        return reduce_sum(xs[0], axes=(dims[0],)), None


class Pextremum(Collective):
    """The largest or smallest of the rows, element by element; those that tie for it share the derivative evenly."""

    reduce: Primitive

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        tied = logical_or(eq(xs[0], out), is_nan(xs[0]))
        count = psum_p(convert_element_type(tied, dtype=aval_of(out).dtype), **params)
        return grow(psum_p(select(tied, ts[0], 0.0), **params) / count, out)

    def over_axis(self, size: int, xs: Sequence[Array], dims: Sequence[Dim], **params: Any) -> tuple[Array, Dim]:
        return (xs[0] if dims[0] is None else self.reduce(xs[0], axes=(dims[0],))), None


class Pmax(Pextremum):
    """`pmax(x, axis_name=, axis_size=)`: the largest of the rows."""

    reduce = reduce_max


class Pmin(Pextremum):
    """`pmin(x, axis_name=, axis_size=)`: the smallest of the rows."""

    reduce = reduce_min


class AllGather(Collective, Linear):
    """`all_gather(x, axis_name=, axis_size=, axis=)`: all rows, stacked along a new axis."""

    def shape(self, x: ShapedArray, *, axis_size: int, axis: int, **params: Any) -> ShapedArray:
        return ShapedArray((*x.shape[:axis], axis_size, *x.shape[axis:]), x.dtype)

    def transpose(self, ct: Array, x: Any, **params: Any) -> Sequence[Array]:
        return (sum_scatter_p(ct, **params),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, **params: Any
    ) -> tuple[Array, Dim]:
        return all_gather_p(move_axis(xs[0], dims[0], 0), axis=axis + 1, **params), 0

    def over_axis(
        self, size: int, xs: Sequence[Array], dims: Sequence[Dim], *, axis: int, **params: Any
    ) -> tuple[Array, Dim]:
        if dims[0] is not None:
            return move_axis(xs[0], dims[0], axis), None
        shape = shape_of(xs[0])
        widened = reshape(xs[0], shape=(*shape[:axis], 1, *shape[axis:]))
        return broadcast_to(widened, shape=(*shape[:axis], size, *shape[axis:])), None


class SumScatter(Collective, Linear):
    """`sum_scatter(x, axis_name=, axis_size=, axis=)`: the sum over the rows, of which row i keeps position i."""

    def shape(self, x: ShapedArray, *, axis: int, **params: Any) -> ShapedArray:
        return ShapedArray((*x.shape[:axis], *x.shape[axis + 1 :]), _sum_dtype(x.dtype))

    def transpose(self, ct: Array, x: Any, **params: Any) -> Sequence[Array]:
        return (all_gather_p(ct, **params),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, **params: Any
    ) -> tuple[Array, Dim]:
        return sum_scatter_p(move_axis(xs[0], dims[0], 0), axis=axis + 1, **params), 0

    def over_axis(
        self, size: int, xs: Sequence[Array], dims: Sequence[Dim], *, axis: int, **params: Any
    ) -> tuple[Array, Dim]:
        if dims[0] is None:
            return _times(xs[0], size), axis
        return reduce_sum(xs[0], axes=(dims[0],)), axis


class PermuteRows(Collective, Linear):
    """`permute_rows(x, axis_name=, axis_size=, perm=)`: row `dst` is row `src`, for each pair; others are 0."""

    def transpose(self, ct: Array, x: Any, *, perm: tuple[tuple[int, int], ...], **params: Any) -> Sequence[Array]:
        return (permute_rows_p(ct, perm=tuple((dst, src) for src, dst in perm), **params),)

    def over_axis(
        self, size: int, xs: Sequence[Array], dims: Sequence[Dim], *, perm: tuple[tuple[int, int], ...], **params: Any
    ) -> tuple[Array, Dim]:
        x = to_front(xs[0], dims[0], size)
        sources = np.zeros(size, np.int64)
        filled = np.zeros(size, np.bool_)
        for src, dst in perm:
            sources[dst], filled[dst] = src, True
        rank = len(shape_of(x))
        moved = gather(x, sources, key=(ARRAY, *[FULL] * (rank - 1)), unique=bool(filled.all()))
        if filled.all():
            return moved, 0
        return select(filled.reshape(size, *(1,) * (rank - 1)), moved, aval_of(x).dtype.type(0)), 0


class AllToAll(Collective, Linear):
    """`all_to_all(x, axis_name=, axis_size=, split=, concat=)`: swaps the rows with an axis of as many positions."""

    def shape(self, x: ShapedArray, *, axis_size: int, split: int, concat: int, **params: Any) -> ShapedArray:
        shape = [n for i, n in enumerate(x.shape) if i != split]
        shape.insert(concat, axis_size)
        return ShapedArray(tuple(shape), x.dtype)

    def transpose(self, ct: Array, x: Any, *, split: int, concat: int, **params: Any) -> Sequence[Array]:
        return (all_to_all_p(ct, split=concat, concat=split, **params),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, split: int, concat: int, **params: Any
    ) -> tuple[Array, Dim]:
        return all_to_all_p(move_axis(xs[0], dims[0], 0), split=split + 1, concat=concat + 1, **params), 0

    def over_axis(
        self, size: int, xs: Sequence[Array], dims: Sequence[Dim], *, split: int, concat: int, **params: Any
    ) -> tuple[Array, Dim]:
        x = to_front(xs[0], dims[0], size)
        axes = [i for i in range(1, len(shape_of(x))) if i != split + 1]
        axes.insert(concat, 0)
        return transpose(x, axes=(split + 1, *axes)), 0


class AxisIndex(Collective, NonDifferentiable):
    """`axis_index(axis_name=, axis_size=)`: the number of the row."""

    def shape(self, *xs: ShapedArray, **params: Any) -> ShapedArray:
        return ShapedArray((), np.dtype(np.int64))

    def over_axis(self, size: int, xs: Sequence[Array], dims: Sequence[Dim], **params: Any) -> tuple[Array, Dim]:
        return np.arange(size), 0


psum_p = Psum()
pmax_p = Pmax()
pmin_p = Pmin()
all_gather_p = AllGather()
sum_scatter_p = SumScatter()
permute_rows_p = PermuteRows()
all_to_all_p = AllToAll()
axis_index_p = AxisIndex()
