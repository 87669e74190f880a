"""Sums and extrema over windows: what pooling is made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Primitive, Sample
from fgrad.errors import ShapeError, message
from fgrad.primitives.convolution_kernels import dilated, positions
from fgrad.primitives.families import Linear, draw, shape_of, spread
from fgrad.primitives.shape import broadcast_to, move_axis
from fgrad.primitives.window_kernels import Windows, averaged, reduced
from fgrad.primitives.window_kernels import spread as spread_out

__all__ = [
    "Windows",
    "average_window_ties",
    "reduce_window_max",
    "reduce_window_min",
    "reduce_window_sum",
    "spread_window_ties",
    "window_counts",
]

_ONE = (1, 1, 0, 0, 1, 1)
_PAIR = (2, 2, 0, 0, 1, 1)
_WIDE = (3, 2, 1, 2, 1, 2)
_STRETCHED = (3, 2, 1, 1, 3, 2)
_CUT = (2, 1, -1, 1, 1, 1)
_LONG = (9, 1, 0, 0, 1, 1)


@lru_cache(maxsize=4096)
def window_counts(shape: tuple[int, ...], windows: Windows) -> tuple[int, ...]:
    """How many windows there are along each axis of an array of a shape."""
    if len(windows) != len(shape) or any(min(window[0], window[1], *window[4:]) < 1 for window in windows):
        what = f"windows {windows} of an array of shape {shape}"
        raise ShapeError(message(f"{what}: each axis has one, of positive size, stride and dilations."))
    return tuple([positions(n, window[0], window[1:]) for n, window in zip(shape, windows, strict=True)])


class WindowReduction(Primitive):
    """Reduces all windows of an array; what lies beside its elements or between them is left out.

    `windows` has `(size, stride, low padding, high padding, x dilation, window dilation)` for every axis of x; paddings
    may be negative. A subclass names the `ufunc` that combines two elements.
    """

    ufunc: np.ufunc

    def impl(self, x: Array, *, windows: Windows) -> Array:
        return reduced(x, self.ufunc, windows, window_counts(np.shape(x), windows))

    def shape(self, x: ShapedArray, *, windows: Windows) -> ShapedArray:
        return ShapedArray(window_counts(x.shape, windows), x.dtype)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, windows: Windows) -> tuple[Array, int]:
        dim: int = dims[0]
        return self.bind(xs[0], windows=(*windows[:dim], _ONE, *windows[dim:])), dim


class ReduceWindowSum(Linear, WindowReduction):
    """`reduce_window_sum(x, windows=)`: the sum of every window; its transpose is such a sum again."""

    ufunc = np.add
    samples = (
        Sample(draw(-1, 1, (4, 6)), windows=(_PAIR, _PAIR)),
        Sample(draw(-1, 1, (2, 5)), windows=(_ONE, _WIDE)),
        Sample(draw(-1, 1, (5,)), windows=(_STRETCHED,)),
        Sample(draw(-1, 1, (4, 2)), windows=(_CUT, _ONE)),
        Sample(draw(-1, 1, (2, 15)), windows=(_ONE, _LONG)),
        Sample(draw(-1, 1, (9,)), windows=(_LONG,)),
        Sample(draw(-1, 1), windows=()),
        Sample(draw(-1, 1, (0, 3)), windows=(_ONE, _PAIR)),
        Sample(draw(-1, 1, (5,), np.complex128), windows=(_WIDE,)),
    )

    def transpose(self, ct: Array, x: Any, *, windows: Windows) -> Sequence[Array]:
        shape = shape_of(x)
        if 0 in shape or 0 in shape_of(ct):
            return (np.zeros(shape, x.aval.dtype),)
        return (reduce_window_sum(ct, windows=_transposed(shape, windows)),)


@lru_cache(maxsize=4096)
def _transposed(shape: tuple[int, ...], windows: Windows) -> Windows:
    """The windows over a cotangent that see the results that an element has gone into."""
    found = []
    for n, count, (size, stride, low, _, stretch, apart) in zip(
        shape, window_counts(shape, windows), windows, strict=True
    ):
        before = dilated(size, apart) - 1 - low
        found.append((size, stretch, before, dilated(n, stretch) - dilated(count, stride) + low, stride, apart))
    return tuple(found)


class ReduceWindowExtremum(WindowReduction):
    """The extremum of every window. Elements that tie for it share the derivative evenly, and so do NaNs.

    That is what `reduce_max` does: the derivative is then the same, whatever the order of the elements.
    A window without elements gives what changes no extremum, an infinity, with derivative 0.
    """

    samples = (
        Sample(spread(-2, 2, (4, 6)), windows=(_PAIR, _PAIR)),
        Sample(spread(-2, 2, (2, 5)), windows=(_ONE, _WIDE)),
        Sample(spread(-2, 2, (5,)), windows=((3, 1, 1, 1, 1, 1),)),
        Sample(spread(-2, 2, (5,)), windows=((3, 2, 0, 0, 2, 1),)),
        Sample(spread(-2, 2, (4, 2)), windows=((2, 1, -1, 0, 1, 1), _ONE)),
        Sample(spread(-2, 2, (2, 15)), windows=(_ONE, _LONG)),
        Sample(spread(-2, 2, ()), windows=()),
        Sample(draw(-1, 1, (0, 3)), windows=(_ONE, _PAIR)),
    )

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, windows: Windows) -> Array:
        return average_window_ties(ts[0], xs[0], windows=windows, largest=self.ufunc is np.maximum)


class ReduceWindowMax(ReduceWindowExtremum):
    """`reduce_window_max(x, windows=)`: the largest element of every window, NaN if there is one."""

    ufunc = np.maximum


class ReduceWindowMin(ReduceWindowExtremum):
    """`reduce_window_min(x, windows=)`: the smallest element of every window, NaN if there is one."""

    ufunc = np.minimum


_TIED = np.array([3.0, 3.0, 1.0, 2.0, np.nan, 2.0])
_EVEN = np.array([[1.0, 1.0, 0.0, 2.0], [1.0, 0.0, 2.0, 2.0]])


class WindowTies(Linear):
    """What runs over the elements of each window of x that tie for its extremum: that of `np.maximum`, if `largest`."""

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, windows: Windows, largest: bool
    ) -> tuple[Array, int]:
        rows = [
            broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)
            for x, dim in zip(xs, dims, strict=True)
        ]
        return self.bind(*rows, windows=(_ONE, *windows), largest=largest), 0


def _tie_samples(*shapes: tuple[int, ...]) -> tuple[Sample, ...]:
    line, table, point = (draw(-1, 1, shape) for shape in shapes)
    return (
        Sample(line, _TIED, windows=(_PAIR,), largest=True),
        Sample(table, _EVEN, windows=((2, 1, 1, 0, 1, 1), _PAIR), largest=True),
        Sample(table, _EVEN, windows=((2, 1, 1, 0, 1, 1), _PAIR), largest=False),
        Sample(point, np.ones(()), windows=(), largest=False),
    )


class AverageWindowTies(WindowTies):
    """`average_window_ties(t, x, windows=, largest=)`: for each window the mean of t over the elements that tie."""

    samples = _tie_samples((6,), (2, 4), ())

    def impl(self, t: Array, x: Array, *, windows: Windows, largest: bool) -> Array:
        return averaged(t, x, _UFUNC[largest], windows, window_counts(np.shape(x), windows))

    def shape(self, t: ShapedArray, x: ShapedArray, *, windows: Windows, largest: bool) -> ShapedArray:
        _check_shape(self.name, t, x.shape)
        return ShapedArray(window_counts(x.shape, windows), t.dtype)

    def transpose(self, ct: Array, t: Any, x: Array, **params: Any) -> Sequence[Array | None]:
        return spread_window_ties(ct, x, **params), None


class SpreadWindowTies(WindowTies):
    """`spread_window_ties(ct, x, windows=, largest=)`: each window shares its ct among the elements that tie.

    The transpose of `average_window_ties`.
    """

    samples = _tie_samples((3,), (2, 2), ())

    def impl(self, ct: Array, x: Array, *, windows: Windows, largest: bool) -> Array:
        return spread_out(ct, x, _UFUNC[largest], windows, window_counts(np.shape(x), windows))

    def shape(self, ct: ShapedArray, x: ShapedArray, *, windows: Windows, largest: bool) -> ShapedArray:
        _check_shape(self.name, ct, window_counts(x.shape, windows))
        return ShapedArray(x.shape, ct.dtype)

    def transpose(self, ct: Array, t: Any, x: Array, **params: Any) -> Sequence[Array | None]:
        return average_window_ties(ct, x, **params), None


_UFUNC = {True: np.maximum, False: np.minimum}


def _check_shape(name: str, given: ShapedArray, expected: tuple[int, ...]) -> None:
    if given.shape != expected:
        raise ShapeError(message(f"`{name}` takes values of shape {expected}, got {given}."))


reduce_window_sum = ReduceWindowSum()
reduce_window_max = ReduceWindowMax()
reduce_window_min = ReduceWindowMin()
average_window_ties = AverageWindowTies()
spread_window_ties = SpreadWindowTies()
