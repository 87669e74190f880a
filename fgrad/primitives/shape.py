"""Primitives that move elements without computing: shapes, axes, dtypes; and the sum, transpose of broadcasting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import Linear, draw, shape_of
from fgrad.primitives.rows import row_sums_source, sums_by_einsum

__all__ = [
    "View",
    "broadcast_to",
    "convert_element_type",
    "copy",
    "fit",
    "grow",
    "move_axis",
    "reduce_sum",
    "reshape",
    "transpose",
]


def _shift(axes: Sequence[int], dim: int) -> tuple[int, ...]:
    """Axes of an array without its axis `dim`, as axes of the array with it."""
    return tuple(a + (a >= dim) for a in axes)


class View(Linear):
    """A linear primitive whose result is, where NumPy can, a view of its argument."""

    def is_view(self, **params: Any) -> bool:
        return True


class Reshape(View):
    """`reshape(x, shape=)`: the same elements in C order under another shape."""

    samples = (
        Sample(draw(-1, 1, (2, 3)), shape=(3, 2)),
        Sample(draw(-1, 1, (4,)), shape=(2, 1, 2)),
        Sample(draw(-1, 1), shape=(1, 1)),
    )

    def impl(self, x: Array, *, shape: tuple[int, ...]) -> Array:
        return np.reshape(x, shape)

    def shape(self, x: ShapedArray, *, shape: tuple[int, ...]) -> ShapedArray:
        if math.prod(shape) != x.size:
            what = f"cannot reshape an array of shape {x.shape} ({x.size} elements) into {shape}."
            cure = "The number of elements stays the same."
            raise ShapeError(message(what, cure=cure))
        return ShapedArray(shape, x.dtype)

    def transpose(self, ct: Array, x: Any, *, shape: tuple[int, ...]) -> Sequence[Array]:
        return (reshape(ct, shape=shape_of(x)),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, shape: tuple[int, ...]
    ) -> tuple[Array, int]:
        return reshape(move_axis(xs[0], dims[0], 0), shape=(size, *shape)), 0

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, shape: tuple[int, ...]) -> str:
        # The function takes numbers, too, and looks for overrides; the method is three times as fast.
        function = (
            write.stand_in("np.reshape", np.ndarray.reshape) if write.avals and write.avals[0].shape else "np.reshape"
        )
        return f"{function}({names[0]}, {shape})"


class Transpose(View):
    """`transpose(x, axes=)`: axis `i` of the result is axis `axes[i]` of `x`."""

    samples = (Sample(draw(-1, 1, (2, 3, 4)), axes=(2, 0, 1)), Sample(draw(-1, 1, (2, 3)), axes=(1, 0)))

    def impl(self, x: Array, *, axes: tuple[int, ...]) -> Array:
        return np.transpose(x, axes)

    def shape(self, x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        if sorted(axes) != list(range(x.ndim)):
            what = f"axes {axes} are not a permutation of the axes of an array of shape {x.shape}."
            raise ShapeError(message(what, cure="Name every axis once."))
        return ShapedArray(tuple(x.shape[a] for a in axes), x.dtype)

    def transpose(self, ct: Array, x: Any, *, axes: tuple[int, ...]) -> Sequence[Array]:
        return (transpose(ct, axes=tuple(axes.index(i) for i in range(len(axes)))),)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]) -> tuple[Array, int]:
        return transpose(xs[0], axes=(dims[0], *_shift(axes, dims[0]))), 0

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axes: tuple[int, ...]) -> str:
        return f"{names[0]}.T" if axes == (1, 0) else f"np.transpose({names[0]}, {axes})"


class BroadcastTo(View):
    """`broadcast_to(x, shape=)`: NumPy's broadcasting to a given shape."""

    samples = (
        Sample(draw(-1, 1, (3, 1)), shape=(2, 3, 4)),
        Sample(draw(-1, 1), shape=(2,)),
        Sample(draw(-1, 1, (1,)), shape=(0,)),
    )

    def impl(self, x: Array, *, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(x, shape)

    def shape(self, x: ShapedArray, *, shape: tuple[int, ...]) -> ShapedArray:
        padded = (1,) * (len(shape) - x.ndim) + x.shape
        if len(padded) != len(shape) or any(n not in (1, m) for n, m in zip(padded, shape, strict=True)):
            what = f"an array of shape {x.shape} does not broadcast to {shape}."
            cure = "Shapes are aligned at their last axes; each size must be that of the result, or 1."
            raise ShapeError(message(what, cure=cure))
        return ShapedArray(shape, x.dtype)

    def transpose(self, ct: Array, x: Any, *, shape: tuple[int, ...]) -> Sequence[Array]:
        return (_sum_to(ct, shape_of(x)),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, shape: tuple[int, ...]
    ) -> tuple[Array, int]:
        x = move_axis(xs[0], dims[0], 0)
        inner = shape_of(x)[1:]
        aligned = reshape(x, shape=(size, *(1,) * (len(shape) - len(inner)), *inner))
        return broadcast_to(aligned, shape=(size, *shape)), 0

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, shape: tuple[int, ...]) -> str:
        return f"np.broadcast_to({names[0]}, {shape})"


class ReduceSum(Linear):
    """`reduce_sum(x, axes=)`: the sum over some axes, which are dropped."""

    samples = (
        Sample(draw(-1, 1, (2, 3, 4)), axes=(0, 2)),
        Sample(draw(-1, 1, (3,)), axes=(0,)),
        Sample(draw(-1, 1, (2, 0)), axes=(1,)),
    )

    def impl(self, x: Array, *, axes: tuple[int, ...]) -> Array:
        return np.add.reduce(x, axis=axes)

    def shape(self, x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return ShapedArray(kept, _sum_dtype(x.dtype))

    def transpose(self, ct: Array, x: Any, *, axes: tuple[int, ...]) -> Sequence[Array]:
        shape = shape_of(x)
        if axes != tuple(range(len(axes))):
            ct = reshape(ct, shape=tuple(1 if i in axes else n for i, n in enumerate(shape)))
        return (broadcast_to(ct, shape=shape),)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]) -> tuple[Array, int]:
        dim = dims[0]
        return reduce_sum(xs[0], axes=_shift(axes, dim)), dim - sum(a < dim for a in _shift(axes, dim))

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axes: tuple[int, ...]) -> str:
        if write.avals and _is_tall(write.avals[0], axes):
            return _column_sums(write, names[0], write.avals[0], len(axes))
        if write.avals and sums_by_einsum(write.avals[0], axes):
            return row_sums_source(names[0], out)
        axis = axes[0] if len(axes) == 1 else axes
        given = f", out={out}" if out else ""
        return f"np.add.reduce({names[0]}, axis={axis}{given})"

    def fills(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return out.ndim > 0


def _is_tall(x: ShapedArray, axes: tuple[int, ...]) -> bool:
    """Whether BLAS sums over the leading axes faster than NumPy, which adds row after row: 1.1 to 15 times as fast, and
    as exactly."""
    if x.dtype not in (np.float32, np.float64) or axes != tuple(range(len(axes))) or len(axes) == x.ndim:
        return False
    rows = math.prod(x.shape[: len(axes)])
    return rows >= 16 and x.size >= 1024 and x.size > rows


def _column_sums(write: Writer, name: str, x: ShapedArray, count: int) -> str:
    """Source for sums over the leading axes as a product with ones."""
    rows, kept = math.prod(x.shape[:count]), x.shape[count:]
    table = name if x.ndim == 2 else f"np.reshape({name}, {(rows, math.prod(kept))})"
    ones = f"np.ones({rows}, np.{x.dtype.name})"
    if rows <= _FEW:
        ones = write.stand_in(ones, _ones(rows, x.dtype))
    out = f"np.dot({ones}, {table})"
    return out if len(kept) == 1 else f"np.reshape({out}, {kept})"


_FEW = 2**14


@lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype[Any]) -> Any:
    out = np.ones(count, dtype)
    out.flags.writeable = False
    return out


def _sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """NumPy sums small integers and booleans in the platform's integer."""
    if dtype.kind in "bi" and dtype.itemsize < 8:
        return np.dtype(np.int64)
    if dtype.kind == "u" and dtype.itemsize < 8:
        return np.dtype(np.uint64)
    return dtype


class ConvertElementType(Primitive):
    """`convert_element_type(x, dtype=)`: the same values under another dtype; complex to real takes the real part.

    Linear over the reals. The cotangent of a complex result is taken back to a real argument by its real part.
    """

    samples = (
        Sample(draw(-1, 1, (2, 3)), dtype=np.dtype(np.float32)),
        Sample(draw(-1, 1, (2,)), dtype=np.dtype(np.complex128)),
        Sample(draw(-9, 9, (2,)), dtype=np.dtype(np.int64)),
    )

    def impl(self, x: Array, *, dtype: np.dtype[Any]) -> Array:
        x = np.asarray(x)
        if x.dtype.kind == "c" and dtype.kind != "c":
            x = x.real
        return x.astype(dtype)[()]

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, dtype: np.dtype[Any]) -> str:
        x = write.avals[0]
        if not x.shape and x.dtype.kind in "bf" and dtype.kind == "f" and x.dtype.itemsize <= 8 >= dtype.itemsize:
            return f"np.{dtype.name}({names[0]})"
        return super().lower(write, names, out, dtype=dtype)

    def shape(self, x: ShapedArray, *, dtype: np.dtype[Any]) -> ShapedArray:
        return ShapedArray(x.shape, dtype)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, dtype: np.dtype[Any]) -> Array | Zero:
        return convert_element_type(ts[0], dtype=dtype) if is_inexact(dtype) else ZERO

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any, *, dtype: np.dtype[Any]) -> Sequence[Array]:
        return (convert_element_type(ct, dtype=x.aval.dtype),)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, dtype: np.dtype[Any]) -> tuple[Array, int]:
        return convert_element_type(xs[0], dtype=dtype), dims[0]


class Copy(Linear):
    """`copy(x)`: an array of its own with the elements of `x`."""

    samples = (Sample(draw(-1, 1, (2, 3))),)

    def impl(self, x: Array) -> Array:
        return np.array(x)[()]

    def shape(self, x: ShapedArray) -> ShapedArray:
        return ShapedArray(x.shape, x.dtype)

    def transpose(self, ct: Array, x: Any) -> Sequence[Array]:
        return (ct,)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any]) -> tuple[Array, int]:
        return copy(xs[0]), dims[0]


reshape = Reshape()
transpose = Transpose()
broadcast_to = BroadcastTo()
reduce_sum = ReduceSum()
convert_element_type = ConvertElementType()
copy = Copy()


def move_axis(x: Array, source: int, destination: int) -> Array:
    """Moves one axis of an array; the others keep their order."""
    if source == destination:
        return x
    axes = [i for i in range(len(shape_of(x))) if i != source]
    axes.insert(destination, source)
    return transpose(x, axes=tuple(axes))


def _sum_to(ct: Array, shape: tuple[int, ...]) -> Array:
    """Sums over the axes along which an array of the given shape was broadcast."""
    given = shape_of(ct)
    extra = len(given) - len(shape)
    axes = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and given[i + extra] != 1))
    if axes:
        ct = reduce_sum(ct, axes=axes)
    return ct if shape_of(ct) == shape else reshape(ct, shape=shape)


def fit(ct: Array, x: Any) -> Array:
    """Brings the cotangent of a broadcast and promoted operand `x`, a linear input, back to its shape and dtype."""
    aval = x.aval
    if ct.shape != aval.shape:
        ct = _sum_to(ct, aval.shape)
    return ct if ct.dtype is aval.dtype or ct.dtype == aval.dtype else convert_element_type(ct, dtype=aval.dtype)


def grow(t: Array, out: Array) -> Array:
    """Brings a tangent to the shape and dtype of the result that it belongs to."""
    if type(out) in (float, complex):
        out = aval_of(out)
    shape, dtype = out.shape, out.dtype
    if t.dtype is not dtype and t.dtype != dtype:
        t = convert_element_type(t, dtype=dtype)
    return t if t.shape == shape else broadcast_to(t, shape=shape)
