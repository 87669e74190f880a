"""Sorting, permutations, and positions in sorted arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Primitive, Sample, Zero
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import Linear, NonDifferentiable, draw, shape_of, spread
from fgrad.primitives.shape import broadcast_to, move_axis

__all__ = ["argpartition", "argsort", "permute", "searchsorted", "sort"]


class AlongAxis(Primitive):
    """Puts the elements along one axis in order."""

    samples: Sequence[Sample] = (
        Sample(spread(-2, 2, (5,)), axis=0),
        Sample(spread(-2, 2, (2, 3)), axis=1),
        Sample(spread(-2, 2, (3, 2)), axis=0),
        Sample(draw(-2, 2, (2, 0)), axis=1),
    )

    def shape(self, x: ShapedArray, *, axis: int, **params: Any) -> ShapedArray:
        if not 0 <= axis < x.ndim:
            raise ShapeError(message(f"`{self.name}` along axis {axis} of an array of shape {x.shape}."))
        return ShapedArray(x.shape, self.result_dtype(x.dtype))

    def result_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.intp)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, **params: Any
    ) -> tuple[Array, int]:
        return self.bind(xs[0], axis=axis + (axis >= dims[0]), **params), dims[0]


class Sort(AlongAxis):
    """`sort(x, axis=)`: ascending, NaNs last. The derivative goes with each element to where it is put.

    Elements that tie keep their order, as `argsort` has it: the derivative is that of one of the orders that are right.
    """

    def impl(self, x: Array, *, axis: int) -> Array:
        return np.sort(x, axis=axis)

    def result_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return dtype

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[Array, Array]:
        order = argsort(xs[0], **params)
        return permute(xs[0], order, **params), permute(ts[0], order, **params)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, axis: int) -> Array:
        return permute(ts[0], argsort(xs[0], axis=axis), axis=axis)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        return f"np.sort({names[0]}, axis={axis})"


class Argsort(NonDifferentiable, AlongAxis):
    """`argsort(x, axis=)`: the positions that sort the elements along an axis; those that tie keep their order."""

    samples = (*AlongAxis.samples, Sample(np.array([1.0, 0.0, 1.0, np.nan, 0.0]), axis=0))

    def impl(self, x: Array, *, axis: int) -> Array:
        return np.argsort(x, axis=axis, kind="stable")

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        return f"np.argsort({names[0]}, axis={axis}, kind='stable')"


class Argpartition(NonDifferentiable, AlongAxis):
    """`argpartition(x, axis=, kth=)`: positions that put the elements of ranks `kth` where sorting puts them."""

    samples = (Sample(spread(-2, 2, (5,)), axis=0, kth=(2,)), Sample(spread(-2, 2, (2, 4)), axis=1, kth=(0, 2)))

    def impl(self, x: Array, *, axis: int, kth: tuple[int, ...]) -> Array:
        return np.argpartition(x, kth, axis=axis)


class Permute(Linear):
    """`permute(x, order, axis=, inverse=)`: the elements along an axis at `order`, a permutation of its positions.

    The inverse puts them back, and is the transpose.
    """

    samples = (
        Sample(draw(-1, 1, (4,)), np.array([2, 0, 3, 1]), axis=0),
        Sample(draw(-1, 1, (2, 3)), np.array([[2, 0, 1], [1, 0, 2]]), axis=1),
        Sample(draw(-1, 1, (2, 3)), np.array([[2, 0, 1], [1, 0, 2]]), axis=1, inverse=True),
        Sample(draw(-1, 1, (0, 3)), np.zeros((0, 3), np.intp), axis=0),
    )

    def impl(self, x: Array, order: Array, *, axis: int, inverse: bool = False) -> Array:
        if not inverse:
            return x[order] if x.ndim == 1 else np.take_along_axis(x, order, axis)
        out = np.empty(x.shape, x.dtype)
        np.put_along_axis(out, order, x, axis)
        return out

    def shape(self, x: ShapedArray, order: ShapedArray, *, axis: int, inverse: bool = False) -> ShapedArray:
        if x.shape != order.shape or order.dtype.kind not in "iu" or not 0 <= axis < x.ndim:
            raise ShapeError(message(f"`permute` of {x} by {order} along axis {axis}."))
        return ShapedArray(x.shape, x.dtype)

    def transpose(self, ct: Array, x: Any, order: Array, *, axis: int, inverse: bool = False) -> Sequence[Array | None]:
        return permute(ct, order, axis=axis, inverse=not inverse), None

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, inverse: bool = False
    ) -> tuple[Array, int]:
        x, order = (_in_front(x, dim, size) for x, dim in zip(xs, dims, strict=True))
        return permute(x, order, axis=axis + 1, inverse=inverse), 0

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int, inverse: bool = False) -> str:
        if inverse:
            return super().lower(write, names, None, axis=axis, inverse=inverse)
        return f"np.take_along_axis({names[0]}, {names[1]}, {axis})"


def _in_front(x: Array, dim: int | None, size: int) -> Array:
    """The mapped axis first; what is not mapped is repeated along a new one."""
    return broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)


def _quicker_at_once(rows: int, n: int, count: int) -> bool:
    """Whether to search all rows side by side, `count` values in n elements each: NumPy searches one row a call.

    By measured times in µs, of a call and a value here, of a step and a value there.
    """
    return rows * (1.1 + 0.06 * count) > n.bit_length() * (5.0 + 0.014 * rows * count)


def _bisected(a: Any, v: Any, side: str) -> Any:
    """`searchsorted` of all rows side by side: the interval that holds an answer is halved until it is empty."""
    count, n = a.shape
    low, high = np.zeros(v.shape, np.intp), np.full(v.shape, n, np.intp)
    if not n:
        return low
    elements, first = a.reshape(-1), np.arange(0, count * n, n).reshape(count, 1)
    floating = a.dtype.kind == "f"
    for _ in range(n.bit_length()):
        middle = (low + high) >> 1
        x = elements[first + np.minimum(middle, n - 1)]
        if side == "left":
            ahead = (x < v) | (np.isnan(v) & ~np.isnan(x)) if floating else x < v
        else:
            ahead = (x <= v) | np.isnan(v) if floating else x <= v
        ahead &= low < high
        low, high = np.where(ahead, middle + 1, low), np.where(ahead, high, middle)
    return low


class Searchsorted(NonDifferentiable):
    """`searchsorted(a, v, side=)`: how many elements of the sorted `a` are below (left), not above (right), each `v`.

    The leading axes of `a` are shared with `v`: of shapes (*b, n) and (*b, *m) the result is (*b, *m).
    """

    samples = (
        Sample(np.array([1.0, 2.0, 2.0, 3.0]), draw(0, 4, (2, 3)), side="left"),
        Sample(np.array([1.0, 2.0, 2.0, 3.0]), np.array(2.0), side="right"),
        Sample(np.array([[1.0, 2.0], [5.0, 6.0]]), draw(0, 7, (2, 3)), side="left"),
    )

    def impl(self, a: Array, v: Array, *, side: str) -> Array:
        if a.ndim == 1:
            return np.searchsorted(a, v, side)  # type: ignore[call-overload]
        rows = a.shape[:-1]
        count = math.prod(rows)
        flat, wanted = a.reshape(count, a.shape[-1]), v.reshape(count, v.size // max(count, 1))
        if a.dtype == v.dtype and a.dtype.kind != "c" and _quicker_at_once(count, a.shape[-1], wanted.shape[1]):
            return _bisected(flat, wanted, side).reshape(v.shape)
        out = np.empty(wanted.shape, np.intp)
        for row, (x, y) in enumerate(zip(flat, wanted, strict=True)):
            out[row] = np.searchsorted(x, y, side)  # type: ignore[call-overload]
        return out.reshape(v.shape)

    def shape(self, a: ShapedArray, v: ShapedArray, *, side: str) -> ShapedArray:
        if a.ndim == 0 or v.shape[: a.ndim - 1] != a.shape[:-1] or side not in ("left", "right"):
            raise ShapeError(message(f"`searchsorted` of {v} in {a} from side {side!r}."))
        return ShapedArray(v.shape, np.dtype(np.intp))

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, side: str) -> tuple[Array, int]:
        a, v = xs
        if dims[0] is None and len(shape_of(a)) == 1:
            return searchsorted(a, v, side=side), dims[1]
        return searchsorted(_in_front(a, dims[0], size), _in_front(v, dims[1], size), side=side), 0


sort = Sort()
argsort = Argsort()
argpartition = Argpartition()
permute = Permute()
searchsorted = Searchsorted()
