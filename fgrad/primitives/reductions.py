"""Reductions: extrema, products, logic, positions. The sum lives beside its transpose, `broadcast_to`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Primitive, Sample
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import eq, is_nan, logical_or, select
from fgrad.primitives.cumulative import cumprod
from fgrad.primitives.families import NonDifferentiable, draw, integers, shape_of, spread
from fgrad.primitives.shape import convert_element_type, grow, reduce_sum, reshape, transpose

__all__ = [
    "Reduction",
    "argmax",
    "argmin",
    "keep_axes",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
]


class Reduction(Primitive):
    """Combines the elements along some axes, which are dropped. A subclass names the `ufunc` that does."""

    ufunc: np.ufunc

    def __init__(self) -> None:
        super().__init__()
        self._dtypes: dict[np.dtype[Any], np.dtype[Any]] = {}

    def impl(self, x: Array, *, axes: tuple[int, ...]) -> Array:
        return self.ufunc.reduce(x, axis=axes)

    def result_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype of the result for elements of a dtype, as NumPy has it."""
        known = self._dtypes.get(dtype)
        if known is None:
            known = self._dtypes[dtype] = self.ufunc.reduce(np.ones(1, dtype)).dtype
        return known

    def shape(self, x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
            raise ShapeError(message(f"`{self.name}` over the axes {axes} of an array of shape {x.shape}."))
        if self.ufunc.identity is None and any(x.shape[a] == 0 for a in axes):
            cure = "The reduced axes must have elements; or give the value of an empty reduction as `initial`."
            raise ShapeError(message(f"`{self.name}` of no elements: shape {x.shape}, axes {axes}.", cure=cure))
        return ShapedArray(_without(x.shape, axes), self.result_dtype(x.dtype))

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]) -> tuple[Array, int]:
        dim: int = dims[0]
        moved = tuple(a + (a >= dim) for a in axes)
        return self.bind(xs[0], axes=moved), dim - sum(a < dim for a in moved)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axes: tuple[int, ...]) -> str:
        axis = axes[0] if len(axes) == 1 else axes
        given = f", out={out}" if out else ""
        return f"{write.constant(self.ufunc, self.name)}.reduce({names[0]}, axis={axis}{given})"

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return out.ndim > 0


def _without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def keep_axes(out: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """A reduction's result with its axes kept, of length 1, so that it broadcasts against what was reduced."""
    if axes == tuple(range(len(axes))):
        return out
    return reshape(out, shape=tuple([1 if i in axes else n for i, n in enumerate(shape)]))


class ReduceExtremum(Reduction):
    """The largest or smallest element; those that tie for it share the derivative evenly, and so do NaNs."""

    samples = (
        Sample(spread(-2, 2, (2, 3, 4)), axes=(0, 2)),
        Sample(spread(-2, 2, (5,)), axes=(0,)),
        Sample(spread(-2, 2, ()), axes=()),
        Sample(draw(-2, 2, (0, 3)), axes=(1,)),
    )

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, axes: tuple[int, ...]) -> Array:
        x = xs[0]
        tied = logical_or(eq(x, keep_axes(out, shape_of(x), axes)), is_nan(x))
        count = convert_element_type(reduce_sum(tied, axes=axes), dtype=out.dtype)
        # A choice, not a product with 0 and 1: an infinite tangent of an element that lost must not turn into NaN.
        return grow(reduce_sum(select(tied, ts[0], 0.0), axes=axes) / count, out)


class ReduceMax(ReduceExtremum):
    """`reduce_max(x, axes=)`: the largest element, NaN if there is one."""

    ufunc = np.maximum


class ReduceMin(ReduceExtremum):
    """`reduce_min(x, axes=)`: the smallest element, NaN if there is one."""

    ufunc = np.minimum


class ReduceProd(Reduction):
    """`reduce_prod(x, axes=)`: the product. The derivative by an element is the product of the others: no division."""

    ufunc = np.multiply
    samples = (
        Sample(draw(-2, 2, (2, 3, 2)), axes=(0, 2)),
        Sample(draw(-2, 2, (4,)), axes=(0,)),
        Sample(draw(-2, 2, (2, 3)), axes=(1,)),
        Sample(np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]]), axes=(1,)),
        Sample(draw(-2, 2, ()), axes=()),
        Sample(draw(-2, 2, (2, 0)), axes=(1,)),
    )

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, axes: tuple[int, ...]) -> Array:
        if not axes:
            return grow(ts[0] * out.dtype.type(1), out)
        return grow(reduce_sum(ts[0] * _others(xs[0], axes), axes=axes), out)


def _others(x: Array, axes: tuple[int, ...]) -> Array:
    """For every element the product of all others along the axes: of those before it and those behind it."""
    if len(axes) == 1:
        axis = axes[0]
        return cumprod(x, axis=axis, exclusive=True) * cumprod(x, axis=axis, reverse=True, exclusive=True)
    shape = shape_of(x)
    order = (*axes, *[i for i in range(len(shape)) if i not in axes])
    moved = transpose(x, axes=order)
    joined = reshape(moved, shape=(math.prod(shape[a] for a in axes), *_without(shape, axes)))
    others = reshape(_others(joined, (0,)), shape=shape_of(moved))
    return transpose(others, axes=tuple([order.index(i) for i in range(len(order))]))


class ReduceAnd(NonDifferentiable, Reduction):
    """`reduce_and(x, axes=)`: whether all elements are true."""

    ufunc = np.logical_and
    samples = tuple(Sample(*s.args, axes=axes) for s in integers(0, 2) for axes in ((0,), (0, 1)))


class ReduceOr(NonDifferentiable, Reduction):
    """`reduce_or(x, axes=)`: whether any element is true."""

    ufunc = np.logical_or
    samples = tuple(Sample(*s.args, axes=axes) for s in integers(0, 2) for axes in ((0,), (0, 1)))


class Position(NonDifferentiable):
    """The place of an extremum along an axis, which is dropped; of several the first, or that of the first NaN."""

    samples = (
        Sample(spread(-2, 2, (2, 3)), axis=1),
        Sample(spread(-2, 2, (5,)), axis=0),
        Sample(np.array([[1.0, 3.0, 3.0], [0.0, np.nan, 5.0]]), axis=1),
        Sample(draw(-2, 2, (0, 3)), axis=1),
    )

    def shape(self, x: ShapedArray, *, axis: int) -> ShapedArray:
        if not 0 <= axis < x.ndim or x.shape[axis] == 0:
            raise ShapeError(message(f"`{self.name}` along axis {axis} of an array of shape {x.shape}."))
        return ShapedArray(_without(x.shape, (axis,)), np.dtype(np.intp))

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int) -> tuple[Array, int]:
        dim: int = dims[0]
        return self.bind(xs[0], axis=axis + (axis >= dim)), dim - (axis < dim)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        return f"np.{self.name}({names[0]}, axis={axis})"


class Argmax(Position):
    """`argmax(x, axis=)`: where the largest element is."""

    def impl(self, x: Array, *, axis: int) -> Array:
        return np.argmax(x, axis=axis)


class Argmin(Position):
    """`argmin(x, axis=)`: where the smallest element is."""

    def impl(self, x: Array, *, axis: int) -> Array:
        return np.argmin(x, axis=axis)


reduce_max = ReduceMax()
reduce_min = ReduceMin()
reduce_prod = ReduceProd()
reduce_and = ReduceAnd()
reduce_or = ReduceOr()
argmax = Argmax()
argmin = Argmin()
