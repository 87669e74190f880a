"""Indexing as NumPy has it, and its transpose, which places values in zeros.

A primitive takes a static `key` (see `index_keys`) and, as operands, the index arrays that the key has places for.
`unique` says that no position comes twice. An index outside its axis is an `IndexError` when the program runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import Linear, draw, shape_of
from fgrad.primitives.index_kernels import accumulated, placed, taken
from fgrad.primitives.index_keys import (
    ARRAY,
    FULL,
    Key,
    index_source,
    indexed_shape,
    is_basic,
    is_box,
    lead,
    to_index,
)
from fgrad.primitives.shape import broadcast_to, move_axis, reshape, transpose

__all__ = ["IndexRows", "check_index_dtypes", "gather", "place"]


def check_index_dtypes(name: str, arrays: Sequence[ShapedArray]) -> None:
    """Refuses index arrays that do not hold integers."""
    for a in arrays:
        if a.dtype.kind not in "iu":
            raise ShapeError(message(f"`{name}` takes index arrays of integers, got {a}."))


class IndexRows:
    """An index over one more axis: what becomes of its key, its index arrays, and the values at it.

    Attributes:
        key: the key for an indexed array whose axis 0 is the mapped one.
        arrays: its index arrays.
    """

    def __init__(self, size: int, key: Key, arrays: Sequence[Array], dims: Sequence[int | None]) -> None:
        self.size = size
        self.depth = max((len(shape_of(a)) - (d is not None) for a, d in zip(arrays, dims, strict=True)), default=0)
        self.row_key = key
        self.mapped = any(d is not None for d in dims)
        self.row_arrays = [a if d is None else self._align(a, d) for a, d in zip(arrays, dims, strict=True)]
        if self.mapped:
            numbers = np.arange(size).reshape(size, *(1,) * self.depth)
            self.key: Key = (ARRAY, *key)
            self.arrays = [numbers, *self.row_arrays]
        else:
            self.key = (FULL, *key)
            self.arrays = self.row_arrays

    def _align(self, a: Array, dim: int) -> Array:
        a = move_axis(a, dim, 0)
        inner = shape_of(a)[1:]
        missing = self.depth - len(inner)
        return reshape(a, shape=(self.size, *(1,) * missing, *inner)) if missing else a

    def whole(self, x: Array, dim: int | None) -> Array:
        """An indexed array with its mapped axis in front; what is not mapped is repeated."""
        if dim is None:
            return broadcast_to(x, shape=(self.size, *shape_of(x)))
        return move_axis(x, dim, 0)

    def values(self, v: Array, dim: int | None) -> Array:
        """Values at the index of a row, as they are at the index of the whole."""
        v = self.whole(v, dim)
        if not self.mapped:
            return move_axis(v, 0, self._in_front())
        order = self._order(len(shape_of(v)))
        return v if order is None else transpose(v, axes=order)

    def rows(self, v: Array) -> tuple[Array, int]:
        """The inverse of `values`, and where the mapped axis is."""
        if not self.mapped:
            return v, self._in_front()
        order = self._order(len(shape_of(v)))
        if order is not None:
            v = transpose(v, axes=tuple(order.index(i) for i in range(len(order))))
        return v, 0

    def _in_front(self) -> int:
        """How many axes of index arrays go before the mapped axis, which stands between them and others."""
        return self.depth if self.depth and lead(self.key) == 0 else 0

    def _order(self, ndim: int) -> tuple[int, ...] | None:
        """The axes of index arrays stand after `lead` others in a row, behind the mapped axis in the whole."""
        at = lead(self.row_key)
        if not at or not self.depth:
            return None
        end = 1 + at + self.depth
        return (0, *range(1 + at, end), *range(1, 1 + at), *range(end, ndim))


class Gather(Linear):
    """`gather(x, *arrays, key=, unique=)`: `x[key]` as NumPy has it; the arrays take their places in `key`."""

    samples = (
        Sample(draw(-1, 1, (4, 3)), key=(("slice", 1, None, None), None, 2), unique=True),
        Sample(draw(-1, 1, (3,)), key=(1,), unique=True),
        Sample(draw(-1, 1), key=(None,), unique=True),
        Sample(draw(-1, 1, (5,)), key=(("slice", None, None, -2),), unique=True),
        Sample(draw(-1, 1, (4, 3)), np.array([0, -1, 0]), key=(ARRAY, FULL), unique=False),
        Sample(
            draw(-1, 1, (2, 4, 3)),
            np.array([[3, 0]]),
            np.array([[0], [2]]),
            key=(FULL, ARRAY, ARRAY),
            unique=True,
        ),
        Sample(draw(-1, 1, (2, 4, 3)), np.array([1, 1]), key=(ARRAY, FULL, 2), unique=False),
        Sample(draw(-1, 1, (4, 3)), np.array(2), key=(FULL, ARRAY), unique=True),
        Sample(draw(-1, 1, (3, 2)), np.zeros(0, np.int64), key=(ARRAY, FULL), unique=True),
    )

    def impl(self, x: Array, *arrays: Array, key: Key, unique: bool) -> Array:
        if type(x) is not np.ndarray:
            x = np.asarray(x)
        if len(key) > 1 and _takes_rows(key) and type(arrays[0]) is np.ndarray:
            return taken(x, arrays[0])
        return x[to_index(key, arrays)]

    def shape(self, x: ShapedArray, *arrays: ShapedArray, key: Key, unique: bool) -> ShapedArray:
        if arrays:
            check_index_dtypes("gather", arrays)
        return ShapedArray(indexed_shape(x.shape, key, [a.shape for a in arrays]), x.dtype)

    def transpose(self, ct: Array, x: Any, *arrays: Array, key: Key, unique: bool) -> Sequence[Array | None]:
        return place(ct, *arrays, key=key, unique=unique, shape=shape_of(x)), *[None for _ in arrays]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, key: Key, unique: bool
    ) -> tuple[Array, int]:
        whole = IndexRows(size, key, xs[1:], dims[1:])
        if dims[0] is None:  # two rows may take the same position
            return gather(xs[0], *whole.row_arrays, key=key, unique=False), lead(key)
        x = whole.whole(xs[0], dims[0])
        return whole.rows(gather(x, *whole.arrays, key=whole.key, unique=unique))

    def is_view(self, *, key: Key, unique: bool) -> bool:
        return is_basic(key)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, key: Key, unique: bool) -> str:
        x = f"np.asarray({names[0]})" if write.avals and write.avals[0].weak_type else names[0]
        # NumPy takes index arrays without axes as integers, and so makes a view.
        view = not is_basic(key) and all(not a.shape for a in write.avals[1:])
        if len(key) > 1 and _takes_rows(key) and not view:
            return f"{write.constant(taken, 'taken')}({x}, {names[1]})"
        return f"{x}[{index_source(key, names[1:])}]{'.copy()' if view else ''}"


def _takes_rows(key: Key) -> bool:
    """Whether it is one array of positions along the first axis."""
    return key[0] == ARRAY and all(entry == FULL for entry in key[1:])


class Place(Linear):
    """`place(v, *arrays, key=, unique=, shape=)`: zeros with `v` added at an index; the transpose of `gather`."""

    samples = (
        Sample(draw(-1, 1, (2, 1)), key=(("slice", 1, 3, None), None, 2), unique=True, shape=(4, 3)),
        Sample(draw(-1, 1), key=(0,), unique=True, shape=(3,)),
        Sample(draw(-1, 1, (3, 2)), np.array([0, -1, 0]), key=(ARRAY, FULL), unique=False, shape=(4, 2)),
        Sample(draw(-1, 1, (2, 2)), np.array([1, 1]), key=(FULL, ARRAY), unique=False, shape=(2, 3)),
        Sample(draw(-1, 1, (2, 4)), np.array([1, 1]), key=(ARRAY, FULL, 2), unique=False, shape=(2, 4, 3)),
        Sample(draw(-1, 1, (3,)), np.array([2, 0, 1]), key=(ARRAY,), unique=True, shape=(4,)),
        Sample(draw(-1, 1, (0, 2)), np.zeros(0, np.int64), key=(ARRAY, FULL), unique=True, shape=(3, 2)),
    )

    def impl(self, v: Array, *arrays: Array, key: Key, unique: bool, shape: tuple[int, ...]) -> Array:
        return (placed if unique else accumulated)(v, to_index(key, arrays), shape)

    def shape(
        self, v: ShapedArray, *arrays: ShapedArray, key: Key, unique: bool, shape: tuple[int, ...]
    ) -> ShapedArray:
        check_index_dtypes("place", arrays)
        needed = indexed_shape(shape, key, [a.shape for a in arrays])
        if v.shape != needed:
            raise ShapeError(message(f"`place` at an index of shape {needed} takes values of that shape, got {v}."))
        return ShapedArray(shape, v.dtype)

    def transpose(
        self, ct: Array, v: Any, *arrays: Array, key: Key, unique: bool, shape: tuple[int, ...]
    ) -> Sequence[Array | None]:
        return gather(ct, *arrays, key=key, unique=unique), *[None for _ in arrays]

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        key: Key,
        unique: bool,
        shape: tuple[int, ...],
    ) -> tuple[Array, int]:
        whole = IndexRows(size, key, xs[1:], dims[1:])
        v = whole.values(xs[0], dims[0])
        return place(v, *whole.arrays, key=whole.key, unique=unique, shape=(size, *shape)), 0

    def lower(
        self,
        write: Writer,
        names: Sequence[str],
        out: str | None,
        *,
        key: Key,
        unique: bool,
        shape: tuple[int, ...],
    ) -> str:
        kernel = write.constant(placed, "placed") if unique else write.constant(accumulated, "accumulated")
        target = "" if out is None else f", {out}"
        return f"{kernel}({names[0]}, np.s_[{index_source(key, names[1:])}], {shape}{target})"

    def fills(
        self, avals: Sequence[ShapedArray], out: ShapedArray, *, key: Key, unique: bool, shape: tuple[int, ...]
    ) -> bool:
        return is_box(key) and len(key) == len(shape)


gather = Gather()
place = Place()
