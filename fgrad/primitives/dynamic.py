"""Parts of an array of a fixed size, whose places are values: read, and written.

A start outside is moved as little as it takes for the part to lie within the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero, is_linear_input
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import maximum, minimum
from fgrad.primitives.families import Linear, draw, shape_of
from fgrad.primitives.index_keys import ARRAY, FULL
from fgrad.primitives.indexing import check_index_dtypes, gather
from fgrad.primitives.scattering import scatter
from fgrad.primitives.shape import broadcast_to, convert_element_type, move_axis, reshape, transpose

__all__ = ["dynamic_slice", "dynamic_update_slice"]

Sizes = tuple[int, ...]


def sliced(x: Any, sizes: Sizes, *starts: Any) -> Any:
    """The part of an array of the given sizes that begins at `starts`, as a view."""
    return x[_slices(starts, np.shape(x), sizes)]


def updated(x: Any, update: Any, *starts: Any, copy: bool = True) -> Any:
    """An array with a part of it replaced by `update`."""
    out = np.array(x) if copy else x
    out[_slices(starts, out.shape, np.shape(update))] = update
    return out if out.ndim else out[()]


def _slices(starts: Sequence[Any], shape: Sizes, sizes: Sizes) -> tuple[slice, ...]:
    """Starts are moved so that a part of the given sizes lies within the shape."""
    firsts = [min(max(int(s), 0), m - n) for s, m, n in zip(starts, shape, sizes, strict=True)]
    return tuple([slice(s, s + n) for s, n in zip(firsts, sizes, strict=True)])


def _free(
    starts: Sequence[Array], dims: Sequence[int | None], shape: Sizes, sizes: Sizes
) -> tuple[list[Array], list[int | None]]:
    """Starts and their mapped axes, without those that make no difference: along axes that are taken as a whole."""
    whole = [n == m for n, m in zip(sizes, shape, strict=True)]
    kept = [np.intp(0) if w else s for s, w in zip(starts, whole, strict=True)]
    return kept, [None if w else d for d, w in zip(dims, whole, strict=True)]


def _check(name: str, x: ShapedArray, sizes: Sizes, starts: Sequence[ShapedArray]) -> None:
    check_index_dtypes(name, starts)
    if len(starts) != x.ndim or any(s.shape for s in starts):
        got = ", ".join(map(str, starts)) or "none"
        what = f"`{name}` of {x} takes {x.ndim} starts, integers without axes, got {got}."
        raise ShapeError(message(what, cure="Give one start for each axis."))
    if len(sizes) != x.ndim or not all(0 <= n <= m for n, m in zip(sizes, x.shape, strict=True)):
        what = f"`{name}`: a part of shape {sizes} does not fit into an array of shape {x.shape}."
        raise ShapeError(message(what, cure="It has as many axes, and no length is greater."))


class _Positions:
    """Where parts are that begin at different places in different rows: as an index of one row.

    Attributes:
        key: the key of that index.
        arrays: its index arrays.
        dims: which axis of each is the mapped one.
        order: the axes of the part that stand at the index, in the order in which they do.
    """

    def __init__(self, shape: Sizes, sizes: Sizes, starts: Sequence[Array], dims: Sequence[int | None]) -> None:
        moving = [a for a, (n, m) in enumerate(zip(sizes, shape, strict=True)) if n != m]
        self.key = tuple([ARRAY if a in moving else FULL for a in range(len(shape))])
        self.arrays: list[Array] = []
        self.dims: list[int | None] = []
        for place, a in enumerate(moving):
            inner = tuple([sizes[a] if i == place else 1 for i in range(len(moving))])
            offsets = np.arange(sizes[a]).reshape(inner)
            start = convert_element_type(starts[a], dtype=np.dtype(np.intp))
            start = minimum(maximum(start, np.intp(0)), np.intp(shape[a] - sizes[a]))
            if dims[a] is not None:
                start = reshape(start, shape=(*shape_of(start), *(1,) * len(moving)))
            self.arrays.append(start + offsets)
            self.dims.append(None if dims[a] is None else 0)
        # NumPy puts the axes of index arrays in place of the first where they are adjacent, in front otherwise.
        at = moving[0] if moving and moving == list(range(moving[0], moving[-1] + 1)) else 0
        rest = [a for a in range(len(shape)) if a not in moving]
        self.order = (*rest[:at], *moving, *rest[at:])

    def from_index(self, v: Array, dim: int) -> tuple[Array, int]:
        """Values at the index over all rows, as parts: their axes in order, the mapped one in front."""
        v = move_axis(v, dim, 0)
        axes = (0, *[1 + self.order.index(a) for a in range(len(self.order))])
        return (v if axes == tuple(range(len(axes))) else transpose(v, axes=axes)), 0

    def to_index(self, v: Array) -> Array:
        """The inverse, for parts of all rows, with the mapped axis in front; the values at a row follow it."""
        axes = (0, *[1 + a for a in self.order])
        return v if axes == tuple(range(len(axes))) else transpose(v, axes=axes)


class DynamicSlice(Linear):
    """`dynamic_slice(x, *starts, sizes=)`: the part of `x` of the given sizes that begins at `starts`."""

    samples = (
        Sample(draw(-1, 1, (4, 3)), np.int64(1), np.int64(0), sizes=(2, 3)),
        Sample(draw(-1, 1, (4, 3)), np.int64(9), np.int64(-5), sizes=(2, 2)),
        Sample(draw(-1, 1, (2, 4, 3)), np.int32(0), np.int32(2), np.int32(1), sizes=(1, 4, 2)),
        Sample(draw(-1, 1), sizes=()),
        Sample(draw(-1, 1, (3,)), np.int64(1), sizes=(0,)),
    )

    def impl(self, x: Array, *starts: Array, sizes: Sizes) -> Array:
        return sliced(x if type(x) is np.ndarray else np.asarray(x), sizes, *starts)

    def shape(self, x: ShapedArray, *starts: ShapedArray, sizes: Sizes) -> ShapedArray:
        _check(self.name, x, sizes, starts)
        return ShapedArray(sizes, x.dtype)

    def transpose(self, ct: Array, x: Any, *starts: Array, sizes: Sizes) -> Sequence[Array | None]:
        return dynamic_update_slice(_zeros(x), ct, *starts), *[None for _ in starts]

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, sizes: Sizes) -> tuple[Array, int]:
        x, dim = xs[0], dims[0]
        shape = shape_of(x) if dim is None else shape_of(move_axis(x, dim, 0))[1:]
        starts, mapped = _free(xs[1:], dims[1:], shape, sizes)
        if all(d is None for d in mapped):
            if dim is None:
                return broadcast_to(dynamic_slice(x, *starts, sizes=sizes), shape=(size, *sizes)), 0
            starts.insert(dim, np.intp(0))
            return dynamic_slice(x, *starts, sizes=(*sizes[:dim], size, *sizes[dim:])), dim
        index = _Positions(shape, sizes, starts, mapped)
        out, at = gather.batch(size, (x, *index.arrays), (dim, *index.dims), key=index.key, unique=True)
        return index.from_index(out, at)

    def is_view(self, **params: Any) -> bool:
        return True

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, sizes: Sizes) -> str:
        x = f"np.asarray({names[0]})" if write.avals and write.avals[0].weak_type else names[0]
        return f"{write.constant(sliced, 'sliced')}({', '.join([x, write.constant(sizes), *names[1:]])})"


class DynamicUpdateSlice(Primitive):
    """`dynamic_update_slice(x, update, *starts)`: `x` with the part that begins at `starts` replaced."""

    samples = (
        Sample(draw(-1, 1, (4, 3)), draw(-1, 1, (2, 3)), np.int64(1), np.int64(0)),
        Sample(draw(-1, 1, (4, 3)), draw(-1, 1, (2, 2)), np.int64(9), np.int64(-5)),
        Sample(draw(-1, 1, (2, 4, 3)), draw(-1, 1, (1, 4, 2)), np.int32(0), np.int32(2), np.int32(1)),
        Sample(draw(-1, 1), draw(-1, 1)),
        Sample(draw(-1, 1, (3,)), draw(-1, 1, (0,)), np.int64(1)),
    )

    def impl(self, x: Array, update: Array, *starts: Array) -> Array:
        return updated(x, update, *starts)

    def shape(self, x: ShapedArray, update: ShapedArray, *starts: ShapedArray) -> ShapedArray:
        _check(self.name, x, update.shape, starts)
        if update.dtype != x.dtype:
            what = f"`{self.name}`: {update} does not fit into {x}, the dtypes differ."
            raise ShapeError(message(what, cure="Convert the update: update.astype(x.dtype)."))
        return ShapedArray(x.shape, x.dtype)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Array | Zero]) -> Array:
        t, u = (_zeros(x) if t is ZERO else t for t, x in zip(ts[:2], xs[:2], strict=True))
        return dynamic_update_slice(t, u, *xs[2:])

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any, update: Any, *starts: Array) -> Sequence[Array | None]:
        by_x = by_update = None
        if is_linear_input(x):
            by_x = dynamic_update_slice(ct, _zeros(update), *starts)
        if is_linear_input(update):
            by_update = dynamic_slice(ct, *starts, sizes=shape_of(update))
        return by_x, by_update, *[None for _ in starts]

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None]) -> tuple[Array, int]:
        rows = [
            broadcast_to(v, shape=(size, *shape_of(v))) if dim is None else move_axis(v, dim, 0)
            for v, dim in zip(xs[:2], dims[:2], strict=True)
        ]
        shape, sizes = (shape_of(v)[1:] for v in rows)
        starts, mapped = _free(xs[2:], dims[2:], shape, sizes)
        if all(dim is None for dim in mapped):
            return dynamic_update_slice(*rows, np.intp(0), *starts), 0
        index = _Positions(shape, sizes, starts, mapped)
        values = index.to_index(rows[1])
        return scatter.batch(size, (rows[0], values, *index.arrays), (0, 0, *index.dims), key=index.key, unique=True)

    def lower(self, write: Writer, names: Sequence[str], out: str | None) -> str:
        given = [*names]
        if out == names[0] and names[0] not in names[1:]:
            given.append("copy=False")
        return f"{write.constant(updated, 'updated')}({', '.join(given)})"

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray) -> bool:
        return True


dynamic_slice = DynamicSlice()
dynamic_update_slice = DynamicUpdateSlice()


def _zeros(x: Any) -> Array:
    """Zeros of the shape and dtype of an array or a linear input, which take no memory."""
    aval = x.aval if is_linear_input(x) else aval_of(x)
    return np.broadcast_to(np.zeros((), aval.dtype), aval.shape)[()]
