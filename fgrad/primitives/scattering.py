"""Arrays with some elements replaced by, or combined with, other values: what `x.at[index]` is made of.

Keys, index arrays and `unique` are as in `indexing`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Primitive, Sample, is_linear_input
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import eq, is_nan, logical_or, select
from fgrad.primitives.families import draw, shape_of, spread
from fgrad.primitives.index_kernels import combined, replaced
from fgrad.primitives.index_keys import (
    ARRAY,
    FULL,
    GAP,
    Entry,
    Key,
    index_source,
    indexed_shape,
    is_box,
    lead,
    slice_entry,
    to_index,
)
from fgrad.primitives.indexing import IndexRows, check_index_dtypes, gather, place
from fgrad.primitives.shape import reshape, transpose
from fgrad.primitives.sorting import argsort

__all__ = ["scatter", "scatter_add", "scatter_max", "scatter_min", "scatter_mul"]

_REPEATED = np.array([1, 0, 1])

_LARGE = 2**18
"""Values from which on threads pay."""


def _samples(x: Any, v: Any) -> tuple[Sample, ...]:
    return (
        Sample(x((4, 3)), v((3, 1)), key=(("slice", 1, None, None), None, 2), unique=True),
        Sample(x((3,)), v(()), key=(1,), unique=True),
        Sample(x((4, 3)), v((2, 3)), np.array([3, -4]), key=(ARRAY, FULL), unique=True),
        Sample(x((4, 2)), v((3, 2)), _REPEATED, key=(ARRAY, FULL), unique=False),
        Sample(x((2, 4)), v((2, 3)), _REPEATED, key=(FULL, ARRAY), unique=False),
        Sample(x((2, 4, 3)), v((3, 4)), _REPEATED, key=(ARRAY, FULL, 2), unique=False),
        Sample(x((3,)), draw(-1, 1, (0,)), np.zeros(0, np.int64), key=(ARRAY,), unique=True),
    )


class Scattering(Primitive):
    """Takes an array `x`, values `v` of the shape of `x[key]` and the dtype of `x`, and index arrays."""

    ufunc: np.ufunc | None = None
    samples: Sequence[Sample] = _samples(lambda shape: draw(-1, 1, shape), lambda shape: draw(-1, 1, shape))

    def impl(self, x: Array, v: Array, *arrays: Array, key: Key, unique: bool) -> Array:
        if self.ufunc is None:
            return replaced(x, to_index(key, arrays), v, unique)
        return combined(self.ufunc, x, to_index(key, arrays), v, unique)

    def shape(self, x: ShapedArray, v: ShapedArray, *arrays: ShapedArray, key: Key, unique: bool) -> ShapedArray:
        check_index_dtypes(self.name, arrays)
        needed = ShapedArray(indexed_shape(x.shape, key, [a.shape for a in arrays]), x.dtype)
        if v.shape != needed.shape or v.dtype != needed.dtype:
            raise ShapeError(message(f"`{self.name}` into {x} at an index of it takes values {needed}, got {v}."))
        return ShapedArray(x.shape, x.dtype)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, key: Key, unique: bool
    ) -> tuple[Array, int]:
        whole = IndexRows(size, key, xs[2:], dims[2:])
        x = whole.whole(xs[0], dims[0])
        v = whole.values(xs[1], dims[1])
        return self.bind(x, v, *whole.arrays, key=whole.key, unique=unique), 0

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, key: Key, unique: bool) -> str:
        x, v, *arrays = names
        given = [x, f"np.s_[{index_source(key, arrays)}]", v, repr(unique)]
        if out == x and x not in (v, *arrays):
            given.append("copy=False")
        if self.ufunc is None:
            return f"{write.constant(replaced, 'replaced')}({', '.join(given)})"
        if write.run is not None and write.avals[1].size >= _LARGE and is_box(key):
            given.append(f"run={write.constant(write.run, 'run')}")
        given.insert(0, write.constant(self.ufunc, self.name))
        return f"{write.constant(combined, 'combined')}({', '.join(given)})"

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, *, key: Key, unique: bool) -> bool:
        return True


class Scatter(Scattering):
    """`scatter(x, v, *arrays, key=, unique=)`: `x` with `v` at an index; where values meet, the last one stays.

    Linear in x and v together. The derivative goes to the value that stays.
    """

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        x, v, *arrays = xs
        return scatter(_tangent(ts[0], x), _tangent(ts[1], v), *arrays, **params)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any, v: Any, *arrays: Array, key: Key, unique: bool) -> Sequence[Array | None]:
        by_x = by_v = None
        if is_linear_input(x):
            by_x = scatter(ct, _zeros(v, ct), *arrays, key=key, unique=unique)
        if is_linear_input(v):
            by_v = gather(ct, *arrays, key=key, unique=unique)
            if not unique:
                stays = _stays(arrays, key, shape_of(x), len(shape_of(v)))
                by_v = select(stays, by_v, ct.dtype.type(0))
        return by_x, by_v, *[None for _ in arrays]


class ScatterAdd(Scattering):
    """`scatter_add(x, v, *arrays, key=, unique=)`: `x` with `v` added at an index; linear in both together."""

    ufunc = np.add

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        t, u = ts[:2]
        arrays = xs[2:]
        if t is ZERO:
            return place(u, *arrays, shape=shape_of(out), **params)
        return t if u is ZERO else scatter_add(t, u, *arrays, **params)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any, v: Any, *arrays: Array, **params: Any) -> Sequence[Array | None]:
        by_v = gather(ct, *arrays, **params) if is_linear_input(v) else None
        return ct if is_linear_input(x) else None, by_v, *[None for _ in arrays]


class ScatterMul(Scattering):
    """`scatter_mul(x, v, *arrays, key=, unique=)`: `x` multiplied by `v` at an index.

    The derivative by a value is the product of `x` and all others there, without division: exact at zeros.
    """

    ufunc = np.multiply

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, key: Key, unique: bool) -> Array:
        x, v, *arrays = xs
        t, u = ts[:2]
        by_x = by_v = None
        if t is not ZERO:
            by_x = scatter_mul(t, v, *arrays, key=key, unique=unique)
        if u is not ZERO:
            others = gather(x, *arrays, key=key, unique=unique)
            if not unique:
                others = others * _other_values(v, arrays, key, shape_of(x))
            by_v = place(u * others, *arrays, key=key, unique=unique, shape=shape_of(x))
        return by_v if by_x is None else by_x if by_v is None else by_x + by_v

    def transpose(self, ct: Array, x: Any, v: Any, *arrays: Array, **params: Any) -> Sequence[Array | None]:
        return scatter_mul(ct, v, *arrays, **params), None, *[None for _ in arrays]


class ScatterExtremum(Scattering):
    """Those that tie for the result share the derivative evenly, and so do NaNs."""

    samples = _samples(lambda shape: spread(-1, 1, shape), lambda shape: spread(-0.93, 1.11, shape))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        x, v, *arrays = xs
        t, u = ts[:2]
        mine = logical_or(eq(x, out), is_nan(x))
        theirs = logical_or(eq(v, gather(out, *arrays, **params)), is_nan(v))
        one, zero = out.dtype.type(1), out.dtype.type(0)
        count = scatter_add(select(mine, one, zero), select(theirs, one, zero), *arrays, **params)
        total = None if t is ZERO else select(mine, t, zero) / count
        if u is ZERO:
            return total
        shares = select(theirs, u, zero) / gather(count, *arrays, **params)
        if total is None:
            return place(shares, *arrays, shape=shape_of(x), **params)
        return scatter_add(total, shares, *arrays, **params)


class ScatterMin(ScatterExtremum):
    """`scatter_min(x, v, *arrays, key=, unique=)`: the smaller of `x` and `v` at an index."""

    ufunc = np.minimum


class ScatterMax(ScatterExtremum):
    """`scatter_max(x, v, *arrays, key=, unique=)`: the larger of `x` and `v` at an index."""

    ufunc = np.maximum


scatter = Scatter()
scatter_add = ScatterAdd()
scatter_mul = ScatterMul()
scatter_min = ScatterMin()
scatter_max = ScatterMax()


def _zeros(x: Any, like: Array) -> Array:
    """Zeros of the shape of one array and the dtype of another, which take no memory."""
    return np.broadcast_to(np.zeros((), aval_of(like).dtype), shape_of(x))


def _tangent(t: Any, x: Array) -> Array:
    return _zeros(x, x) if t is ZERO else t


def _positions(key: Key, shape: tuple[int, ...]) -> tuple[Key, tuple[int, ...]]:
    """What of a key gives single positions, and the lengths of the axes that it takes them from."""
    consuming = [entry for entry in key if entry is not None and entry != GAP]
    chosen = [(e, n) for e, n in zip(consuming, shape, strict=True) if type(e) is not tuple]
    return tuple(e for e, _ in chosen), tuple(n for _, n in chosen)


def _stays(arrays: Sequence[Array], key: Key, shape: tuple[int, ...], ndim: int) -> Array:
    """Which values are not overwritten by later ones, in a shape that broadcasts against the values."""
    positions, sizes = _positions(key, shape)
    depths = np.broadcast_shapes(*[shape_of(a) for a in arrays])
    number = np.arange(math.prod(depths)).reshape(depths)
    last = scatter(np.zeros(sizes, number.dtype), number, *arrays, key=positions, unique=False)
    stays = eq(gather(last, *arrays, key=positions, unique=False), number)
    behind = ndim - lead(key) - len(depths)
    return reshape(stays, shape=(*depths, *(1,) * behind)) if behind else stays


def _other_values(v: Array, arrays: Sequence[Array], key: Key, shape: tuple[int, ...]) -> Array:
    """For each value the product of all others on its position: of those before it and those behind it."""
    positions, sizes = _positions(key, shape)
    cells = np.arange(math.prod(sizes)).reshape(sizes)
    cell = gather(cells, *arrays, key=positions, unique=False)
    at, depth, ndim = lead(key), len(shape_of(cell)), len(shape_of(v))
    axes = (*range(at, at + depth), *range(at), *range(at + depth, ndim))
    moved = transpose(v, axes=axes)
    count = math.prod(shape_of(cell))
    rows = reshape(moved, shape=(count, math.prod(shape_of(moved)[depth:])))
    cell = reshape(cell, shape=(count,))
    order = argsort(cell, axis=0)
    rows, cell = _take(rows, order), _take(cell, order)
    others = _earlier(rows, cell) * _flip(_earlier(_flip(rows), _flip(cell)))
    others = reshape(_take(others, argsort(order, axis=0)), shape=shape_of(moved))
    return transpose(others, axes=tuple(axes.index(i) for i in range(ndim)))


def _earlier(v: Array, cell: Array) -> Array:
    """The product of all rows before each row that have the same number; equal numbers stand together.

    Hillis and Steele, "Data parallel algorithms" (1986): after k rounds, the products of up to 2ᵏ rows.
    """
    count = shape_of(v)[0]
    out = _shifted(v, cell, 1)
    step = 1
    while step < count:
        out = out * _shifted(out, cell, step)
        step *= 2
    return out


def _shifted(v: Array, cell: Array, step: int) -> Array:
    """The row `step` places earlier where it has the same number, ones elsewhere."""
    count = shape_of(v)[0]
    until, since = slice_entry(slice(count - step), count), slice_entry(slice(step, None), count)
    same = eq(_part(cell, since), _part(cell, until))
    factor = select(reshape(same, shape=(*shape_of(same), 1)), _part(v, until), v.dtype.type(1))
    ones = np.ones(shape_of(v), v.dtype)
    return scatter(ones, factor, key=(since, FULL), unique=True)


def _part(x: Array, entry: Entry) -> Array:
    return gather(x, key=(entry, *[FULL] * (len(shape_of(x)) - 1)), unique=True)


def _flip(x: Array) -> Array:
    return _part(x, slice_entry(slice(None, None, -1), shape_of(x)[0]))


def _take(x: Array, order: Array) -> Array:
    return gather(x, order, key=(ARRAY, *[FULL] * (len(shape_of(x)) - 1)), unique=True)
