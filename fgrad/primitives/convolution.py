"""The general convolution: every convolution, and every derivative of one, is one `convolution`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample, is_linear_input
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.contraction import Bilinear
from fgrad.primitives.convolution_kernels import Run, Window, convolved, dilated, fills, one_by_one, positions
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.index_keys import FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.shape import transpose

__all__ = ["ConvolvedAxes", "Window", "convolution", "flipped"]

Axes: TypeAlias = tuple[int, ...]
ConvolvedAxes: TypeAlias = tuple[tuple[Axes, Axes], tuple[Axes, Axes], tuple[Axes, Axes]]
"""`((contracted axes of x, of y), (batch axes of x, of y), (window axes of x, of y))`."""

_REVERSE = slice(None, None, -1)

_MANY_TERMS = 2**23
"""Products from which on threads pay."""


def _numbers(contract: tuple[Axes, Axes], batch: tuple[Axes, Axes], window: tuple[Axes, Axes]) -> ConvolvedAxes:
    return contract, batch, window


_ONE_AXIS = _numbers(((1,), (1,)), ((), ()), ((2,), (2,)))
_IMAGES = _numbers(((1,), (1,)), ((), ()), ((2, 3), (2, 3)))
_LAST = _numbers(((3,), (2,)), ((), ()), ((1, 2), (0, 1)))
_GROUPS = _numbers(((2,), (2,)), ((1,), (0,)), ((3,), (3,)))


def _sample(x: Axes, y: Axes, numbers: ConvolvedAxes, *window: Window, dtype: Any = np.float64) -> Sample:
    return Sample(draw(-1, 1, x, dtype), draw(-1, 1, y, dtype), dimension_numbers=numbers, window=window)


class Convolution(Bilinear):
    """`convolution(x, y, dimension_numbers=(contract, batch, window), window=)`: `dot_general` along windows.

    Each entry of `dimension_numbers` pairs axes of x with axes of y. Sums x·y over contracted axes and, at every
    position p of the result, over the taps k of the window axes:

        out[…, p] = Σₖ x[…, (p·stride + k·kernel dilation − low padding) / x dilation] · y[…, k]

    where x is zero beside its elements and between them. `window` has `(stride, low padding, high padding, x dilation,
    kernel dilation)` for each pair of window axes; paddings may be negative. The axes of the result are the batch axes,
    the remaining axes of x, those of y, then the positions. Both operands have the same dtype.
    """

    samples = (
        _sample((2, 2, 5), (3, 2, 3), _ONE_AXIS, (1, 1, 1, 1, 1)),
        _sample((1, 1, 6), (1, 1, 2), _ONE_AXIS, (2, 0, 1, 1, 3)),
        _sample((2, 1, 3), (2, 1, 3), _ONE_AXIS, (2, 2, 1, 3, 2)),
        _sample((1, 2, 5), (2, 2, 2), _ONE_AXIS, (1, -1, -2, 1, 1)),
        _sample((1, 2, 3), (2, 2, 1), _ONE_AXIS, (2, 1, 0, 1, 1)),
        _sample((1, 4, 4), (1, 4, 2), _ONE_AXIS, (1, 1, 0, 1, 1)),
        _sample((2, 1, 2), (1, 1, 4), _ONE_AXIS, (1, 0, 0, 1, 1)),
        _sample((0, 2, 3), (2, 2, 2), _ONE_AXIS, (1, 0, 0, 1, 1)),
        _sample((1, 2, 4, 3), (2, 2, 2, 2), _IMAGES, (1, 0, 1, 2, 1), (2, 1, 1, 1, 1)),
        _sample((1, 3, 4, 2), (2, 2, 2, 3), _LAST, (1, 0, 1, 1, 1), (2, 1, 1, 1, 1)),
        _sample((2, 2, 1, 4), (2, 2, 1, 2), _GROUPS, (1, 0, 1, 1, 1)),
        _sample((1, 8, 1, 4), (8, 1, 1, 2), _GROUPS, (1, 0, 1, 1, 1)),
        _sample((2, 3), (4, 3), _numbers(((1,), (1,)), ((), ()), ((), ()))),
        _sample((3,), (3,), _numbers(((0,), (0,)), ((), ()), ((), ()))),
        _sample((4,), (2,), _numbers(((), ()), ((), ()), ((0,), (0,))), (1, 1, 1, 1, 1)),
        _sample((1, 2, 3), (2, 2, 2), _ONE_AXIS, (1, 1, 0, 1, 1), dtype=np.complex128),
    )

    def impl(
        self,
        x: Array,
        y: Array,
        *,
        dimension_numbers: ConvolvedAxes,
        window: tuple[Window, ...],
        out: Array | None = None,
        run: Run = one_by_one,
    ) -> Array:
        recipe = _recipe(x.shape, y.shape, dimension_numbers)
        left = x.transpose(recipe.x_axes).reshape(recipe.x_shape)
        right = y.transpose(recipe.y_axes).reshape(recipe.y_shape)
        if out is not None:
            depth = len(recipe.lead)
            convolved(left, right, window, out.reshape(*left.shape[:2], right.shape[1], *out.shape[depth:]), run)
            return out
        out = convolved(left, right, window, run=run)
        return out.reshape((*recipe.lead, *out.shape[3:]))[()]

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        given = [super().lower(write, names, out, **params).removesuffix(")")]
        if out is not None:
            given.append(f"out={out}")
        recipe = _recipe(write.avals[0].shape, write.avals[1].shape, params["dimension_numbers"])
        positions = self.shape(*write.avals, **params).shape[len(recipe.lead) :]
        terms = math.prod(recipe.x_shape[:3]) * math.prod(recipe.y_shape[1:2] + recipe.y_shape[3:] + positions)
        if write.run is not None and terms >= _MANY_TERMS:
            given.append(f"run={write.constant(write.run, 'run')}")
        return f"{', '.join(given)})"

    def fills(
        self,
        avals: Sequence[ShapedArray],
        out: ShapedArray,
        *,
        dimension_numbers: ConvolvedAxes,
        window: tuple[Window, ...],
    ) -> bool:
        x, y = avals
        recipe = _recipe(x.shape, y.shape, dimension_numbers)
        in_order = recipe.x_axes == tuple(range(x.ndim))  # else the features had better lie last, as the channels do
        return in_order and out.dtype != np.float16 and fills(recipe.x_shape, recipe.y_shape, window)

    def shape(
        self, x: ShapedArray, y: ShapedArray, *, dimension_numbers: ConvolvedAxes, window: tuple[Window, ...]
    ) -> ShapedArray:
        if x.dtype != y.dtype:
            cure = "Convert one of them: x.astype(dtype)."
            raise ShapeError(message(f"convolution of {x} and {y}: the dtypes differ.", cure=cure))
        return ShapedArray(_result_shape(x.shape, y.shape, dimension_numbers, window), x.dtype)

    def transpose(
        self, ct: Array, x: Any, y: Any, *, dimension_numbers: ConvolvedAxes, window: tuple[Window, ...]
    ) -> Sequence[Array | None]:
        shapes = shape_of(x), shape_of(y)
        if is_linear_input(x):
            return _cotangent_of_x(ct, y, shapes, x.aval.dtype, dimension_numbers, window), None
        return None, _cotangent_of_y(ct, x, shapes, y.aval.dtype, dimension_numbers, window)

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        dimension_numbers: ConvolvedAxes,
        window: tuple[Window, ...],
    ) -> tuple[Array, int]:
        dim_x, dim_y = dims
        contract, rows, along = [(_shift(a, dim_x), _shift(b, dim_y)) for a, b in dimension_numbers]
        if dim_x is not None and dim_y is not None:
            numbers = contract, ((dim_x, *rows[0]), (dim_y, *rows[1])), along
            return convolution(*xs, dimension_numbers=numbers, window=window), 0
        out = convolution(*xs, dimension_numbers=(contract, rows, along), window=window)
        # The mapped axis is one more free axis: rows of x, or features of y.
        if dim_x is not None:
            return out, len(rows[0]) + _rank_below(dim_x, contract[0], rows[0], along[0])
        assert dim_y is not None
        lead = len(shape_of(xs[0])) - len(contract[0]) - len(along[0])
        return out, lead + _rank_below(dim_y, contract[1], rows[1], along[1])


convolution = Convolution()


def flipped(x: Array, axes: Axes) -> Array:
    """The elements of an array in reverse order along some axes."""
    shape = shape_of(x)
    if all(shape[a] < 2 for a in axes):
        return x
    key = tuple([slice_entry(_REVERSE, n) if a in axes else FULL for a, n in enumerate(shape)])
    return gather(x, key=key, unique=True)


def _shift(axes: Axes, dim: int | None) -> Axes:
    return axes if dim is None else tuple([a + (a >= dim) for a in axes])


def _rank_below(dim: int, *used: Axes) -> int:
    """The place of an axis among those that are not used."""
    return dim - sum(a < dim for axes in used for a in axes)


def _free(rank: int, *used: Axes) -> Axes:
    taken = {a for axes in used for a in axes}
    return tuple([a for a in range(rank) if a not in taken])


class _Recipe(NamedTuple):
    """How operands are brought to the form that the kernel takes, and the first axes of the result."""

    x_axes: Axes
    x_shape: Axes
    y_axes: Axes
    y_shape: Axes
    lead: Axes


@lru_cache(maxsize=4096)
def _recipe(x: Axes, y: Axes, numbers: ConvolvedAxes) -> _Recipe:
    (x_contract, y_contract), (x_batch, y_batch), (x_window, y_window) = numbers
    x_free = _free(len(x), x_contract, x_batch, x_window)
    y_free = _free(len(y), y_contract, y_batch, y_window)
    groups, rows, features = ([s[a] for a in axes] for s, axes in ((x, x_batch), (x, x_free), (y, y_free)))
    sizes = [math.prod(lengths) for lengths in (groups, rows, features, [x[a] for a in x_contract])]
    return _Recipe(
        (*x_batch, *x_free, *x_contract, *x_window),
        (sizes[0], sizes[1], sizes[3], *[x[a] for a in x_window]),
        (*y_batch, *y_free, *y_contract, *y_window),
        (sizes[0], sizes[2], sizes[3], *[y[a] for a in y_window]),
        (*groups, *rows, *features),
    )


@lru_cache(maxsize=4096)
def _result_shape(x: Axes, y: Axes, numbers: ConvolvedAxes, window: tuple[Window, ...]) -> Axes:
    """The shape of a convolution; paired axes must exist, once each, and all but window axes have the same length."""
    contract, batch, along = numbers
    for shape, used in ((x, [pair[0] for pair in numbers]), (y, [pair[1] for pair in numbers])):
        axes = [a for part in used for a in part]
        if len(set(axes)) != len(axes) or not all(0 <= a < len(shape) for a in axes):
            raise ShapeError(message(f"convolution: {axes} are not distinct axes of an array of shape {shape}."))
    if any(len(a) != len(b) for a, b in numbers) or len(window) != len(along[0]):
        raise ShapeError(message(f"convolution: the axes in {numbers} cannot be paired for the window {window}."))
    for i, j in (*zip(*contract, strict=True), *zip(*batch, strict=True)):
        if x[i] != y[j]:
            what = (
                f"a convolution of shapes {x} and {y} pairs axis {i} of length {x[i]} with axis {j} of length {y[j]}."
            )
            raise ShapeError(message(what, cure="Only window axes may differ in length."))
    if any(min(stride, stretch, spread) < 1 for stride, _, _, stretch, spread in window):
        what = f"convolution: strides and dilations in the window {window} must be positive."
        raise ShapeError(message(what))
    counts = [positions(x[i], y[j], dim) for i, j, dim in zip(*along, window, strict=True)]
    return (*_recipe(x, y, numbers).lead, *counts)


class _Backwards(NamedTuple):
    """How the cotangent of an operand is a convolution again; `axes` puts those of its result in order."""

    dimension_numbers: ConvolvedAxes
    window: tuple[Window, ...]
    axes: Axes


def _cotangent_of_x(
    ct: Array, y: Array, shapes: tuple[Axes, Axes], dtype: Any, numbers: ConvolvedAxes, window: tuple[Window, ...]
) -> Array:
    """ẋ[i] = Σ ct[p]·y[k] over p·stride + k·spread = i·stretch + low: the flipped kernel runs over a stretched ct."""
    if 0 in shapes[0] or 0 in shapes[1] or 0 in shape_of(ct):
        return np.zeros(shapes[0], dtype)
    plan = _back_to_x(*shapes, numbers, window)
    kernel = flipped(y, numbers[2][1])
    return _ordered(convolution(ct, kernel, dimension_numbers=plan.dimension_numbers, window=plan.window), plan.axes)


def _cotangent_of_y(
    ct: Array, x: Array, shapes: tuple[Axes, Axes], dtype: Any, numbers: ConvolvedAxes, window: tuple[Window, ...]
) -> Array:
    """ẏ[k] = Σ x[i]·ct[p] over the same: ct is the kernel, with strides and kernel dilations exchanged."""
    if 0 in shapes[0] or 0 in shapes[1] or 0 in shape_of(ct):
        return np.zeros(shapes[1], dtype)
    plan = _back_to_y(*shapes, numbers, window)
    return _ordered(convolution(x, ct, dimension_numbers=plan.dimension_numbers, window=plan.window), plan.axes)


def _ordered(x: Array, axes: Axes) -> Array:
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=axes)


def _result_axes(x: Axes, y: Axes, numbers: ConvolvedAxes) -> tuple[Axes, Axes, Axes, Axes]:
    """Which axes of the result are of the batch, free in x, free in y, and positions."""
    (x_contract, y_contract), (x_batch, _), (x_window, y_window) = numbers
    groups = len(x_batch)
    rows = groups + len(x) - len(x_contract) - groups - len(x_window)
    features = rows + len(y) - len(y_contract) - groups - len(y_window)
    ends = (0, groups, rows, features, features + len(x_window))
    batch, left, right, places = (tuple(range(a, b)) for a, b in itertools.pairwise(ends))
    return batch, left, right, places


@lru_cache(maxsize=4096)
def _back_to_x(x: Axes, y: Axes, numbers: ConvolvedAxes, window: tuple[Window, ...]) -> _Backwards:
    (x_contract, y_contract), (x_batch, y_batch), (x_window, y_window) = numbers
    batch, _, right, places = _result_axes(x, y, numbers)
    y_free = _free(len(y), y_contract, y_batch, y_window)
    dims = []
    for i, j, dim in zip(x_window, y_window, window, strict=True):
        stride, low, _, stretch, spread = dim
        seen = dilated(positions(x[i], y[j], dim), stride)
        before = dilated(y[j], spread) - 1 - low
        dims.append((stretch, before, dilated(x[i], stretch) - seen + low, stride, spread))
    x_free = _free(len(x), x_contract, x_batch, x_window)
    # What was contracted is free in y now, in the order of the axes of y.
    summed = [x_contract[y_contract.index(a)] for a in sorted(y_contract)]
    placed = (*x_batch, *x_free, *summed, *x_window)
    return _Backwards(((right, y_free), (batch, y_batch), (places, y_window)), tuple(dims), _inverse(placed))


@lru_cache(maxsize=4096)
def _back_to_y(x: Axes, y: Axes, numbers: ConvolvedAxes, window: tuple[Window, ...]) -> _Backwards:
    (x_contract, y_contract), (x_batch, y_batch), (x_window, y_window) = numbers
    batch, left, _, places = _result_axes(x, y, numbers)
    x_free = _free(len(x), x_contract, x_batch, x_window)
    dims = []
    for i, j, dim in zip(x_window, y_window, window, strict=True):
        stride, low, _, stretch, spread = dim
        seen = dilated(positions(x[i], y[j], dim), stride)
        after = dilated(y[j], spread) - 1 + seen - dilated(x[i], stretch) - low
        dims.append((spread, low, after, stretch, stride))
    y_free = _free(len(y), y_contract, y_batch, y_window)
    summed = [y_contract[x_contract.index(a)] for a in sorted(x_contract)]
    placed = (*y_batch, *summed, *y_free, *y_window)
    return _Backwards(((x_free, left), (x_batch, batch), (x_window, places)), tuple(dims), _inverse(placed))


def _inverse(placed: Axes) -> Axes:
    """The permutation that brings axes, given by where each belongs, in order."""
    return tuple([placed.index(a) for a in range(len(placed))])
