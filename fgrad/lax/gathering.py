"""Windows of an array at places that are values: read (`gather`), written and combined (`scatter`, `scatter_add`, …).

These are XLA's general forms. An array of start positions, whose last axis holds one position for some axes of the
operand, says where windows of one size begin; dimension numbers say which axes are which. For everyday use
`x[index]`, `x.at[index].add(v)` and `fgrad.numpy.take` say the same with less.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax.operands import integers, operand, same_dtype
from fgrad.lax.window_index import GatherDimensionNumbers, Windows
from fgrad.numpy.parts import outside_transforms, part, static_shape
from fgrad.primitives import indexing, scattering
from fgrad.primitives.comparison import gt, select
from fgrad.primitives.elementwise import neg
from fgrad.primitives.families import shape_of
from fgrad.primitives.joining import pad
from fgrad.primitives.shape import reshape, transpose

__all__ = [
    "GatherDimensionNumbers",
    "GatherScatterMode",
    "ScatterDimensionNumbers",
    "gather",
    "scatter",
    "scatter_add",
    "scatter_apply",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_sub",
]


class GatherScatterMode(enum.Enum):
    """What becomes of a window that does not lie within the array.

    CLIP: it is moved as little as it takes. FILL_OR_DROP: `gather` gives a fill value, `scatter` leaves it out.
    PROMISE_IN_BOUNDS: there is none; an IndexError otherwise. ONE_HOT: as FILL_OR_DROP with 0.
    """

    CLIP = 1
    FILL_OR_DROP = 2
    PROMISE_IN_BOUNDS = 3
    ONE_HOT = 4

    @staticmethod
    def from_any(mode: str | GatherScatterMode | None) -> GatherScatterMode:
        """The mode of a name: "clip", "fill", "drop", "promise_in_bounds", "one_hot"."""
        if isinstance(mode, GatherScatterMode):
            return mode
        found = _MODES.get(mode)
        if found is None:
            names = ", ".join(repr(name) for name in _MODES if name)
            raise ArgumentError(message(f"mode={mode!r} is none of {names}."))
        return found


_MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
    "one_hot": GatherScatterMode.ONE_HOT,
}

Mode = str | GatherScatterMode | None


class ScatterDimensionNumbers(NamedTuple):
    """Which axes are which in `scatter` and its kin.

    Attributes:
        update_window_dims: the axes of the updates that run along windows, in ascending order; the others are those of
            the start positions.
        inserted_window_dims: the axes of the operand that windows (of length 1 there) do not have.
        scatter_dims_to_operand_dims: for each component of a start position the axis of the operand that it is a
            position of.
        operand_batching_dims: axes of the operand (windows do not have them) that run along with axes of the starts,
        scatter_indices_batching_dims: these.
    """

    update_window_dims: Sequence[int]
    inserted_window_dims: Sequence[int]
    scatter_dims_to_operand_dims: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    scatter_indices_batching_dims: Sequence[int] = ()

    def reading(self) -> GatherDimensionNumbers:
        """The numbers by which `gather` reads the same windows."""
        return GatherDimensionNumbers(*[tuple([int(a) for a in axes]) for axes in self])


@public
def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: Mode = None,
    fill_value: Any = None,
) -> Array:
    """Windows of an array that begin at given positions.

    With starts of shape (*rows, k) the result has the axes `rows`, and those of a window at `offset_dims`.

    Args:
        operand: an array.
        start_indices: integers of shape (*rows, k): k positions for each window.
        dimension_numbers: which axes are which.
        slice_sizes: the size of a window along each axis of the operand.
        unique_indices: promises that windows do not overlap, which makes the derivative faster.
        indices_are_sorted: has no effect.
        mode: what becomes of windows that do not lie within the array; "clip" by default.
        fill_value: what stands for them where `mode` is "fill": by default NaN, the lowest integer, the highest
            unsigned one, or true.

    >>> x = np.arange(12).reshape(4, 3)
    >>> rows = GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
    >>> gather(x, np.array([[2], [0]]), rows, slice_sizes=(1, 3))
    array([[6, 7, 8],
           [0, 1, 2]])

    Source: XLA's operation semantics, "Gather".
    """
    x, indices = _operand(operand), integers("gather", start_indices)
    how = GatherScatterMode.CLIP if mode is None else GatherScatterMode.from_any(mode)
    numbers, sizes = GatherDimensionNumbers(*dimension_numbers).normalized(), static_shape(slice_sizes)
    if not shape_of(x):
        x, numbers, sizes = reshape(x, shape=(1,)), numbers._replace(collapsed_slice_dims=(0,)), (*sizes, 1)
    windows = Windows(shape_of(x), shape_of(indices), numbers, sizes, "gather")
    with _known_at_once(indices):
        starts = windows.starts(indices)
        valid = windows.valid(starts) if how in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT) else None
        if valid is not None or how is GatherScatterMode.CLIP:
            starts = windows.clipped(starts)
        arrays = windows.arrays(starts)
    unique = unique_indices or windows.count <= 1
    out = _ordered(indexing.gather(x, *arrays, key=windows.key, unique=unique), windows.to_result)
    if valid is None:
        return out
    dtype = aval_of(x).dtype
    fill = dtype.type(0) if how is GatherScatterMode.ONE_HOT else _fill_of(dtype) if fill_value is None else fill_value
    return select(_beside(valid, windows), out, dtype.type(fill))


def _known_at_once(indices: Array) -> AbstractContextManager[None]:
    """Where nothing is recorded, for positions that are not traced."""
    return nullcontext() if type(indices) is Tracer else outside_transforms()


def _ordered(x: Array, axes: tuple[int, ...]) -> Array:
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=axes)


def _fill_of(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "fc":
        return np.nan
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max


def _beside(valid: Array, windows: Windows) -> Array:
    """Truth values for windows, in a shape that broadcasts against the result of `gather`."""
    rows = windows.row_axes
    shape = tuple([n if i in rows else 1 for i, n in enumerate(windows.result_shape)])
    return valid if shape_of(valid) == shape else reshape(valid, shape=shape)


@public
def scatter(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with windows at given positions replaced by others; where two meet, the last one stays.

    Args:
        operand: an array.
        scatter_indices: integers of shape (*rows, k): k positions for each window.
        updates: the windows: the axes `rows`, and those of a window at `update_window_dims`.
        dimension_numbers: which axes are which.
        indices_are_sorted: has no effect.
        unique_indices: promises that windows do not overlap, which is faster.
        mode: what becomes of windows that do not lie within the array; they are left out by default.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter(np.zeros(4), np.array([[3], [1]]), np.array([5.0, 6.0]), numbers)
    array([0., 6., 0., 5.])

    Source: XLA's operation semantics, "Scatter".
    """
    return _scattered("scatter", scattering.scatter, locals())


@public
def scatter_add(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with others added to windows of it; arguments as for `scatter`.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter_add(np.zeros(3), np.array([[1], [1]]), np.array([5.0, 6.0]), numbers)
    array([ 0., 11.,  0.])
    """
    return _scattered("scatter_add", scattering.scatter_add, locals())


@public
def scatter_sub(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with others subtracted from windows of it; arguments as for `scatter`.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter_sub(np.zeros(3), np.array([[1], [1]]), np.array([5.0, 6.0]), numbers)
    array([  0., -11.,   0.])
    """

    def subtracted(x: Array, v: Array, *arrays: Array, **params: Any) -> Array:
        return scattering.scatter_add(x, neg(v), *arrays, **params)

    return _scattered("scatter_sub", subtracted, locals())


@public
def scatter_mul(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with windows of it multiplied by others; arguments as for `scatter`. Derivatives are exact at zeros.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter_mul(np.ones(3), np.array([[1], [1]]), np.array([5.0, 6.0]), numbers)
    array([ 1., 30.,  1.])
    """
    return _scattered("scatter_mul", scattering.scatter_mul, locals())


@public
def scatter_min(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with the smallest of itself and others in windows of it; arguments as for `scatter`.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter_min(np.ones(3), np.array([[1], [1]]), np.array([5.0, -6.0]), numbers)
    array([ 1., -6.,  1.])
    """
    return _scattered("scatter_min", scattering.scatter_min, locals())


@public
def scatter_max(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with the largest of itself and others in windows of it; arguments as for `scatter`.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter_max(np.ones(3), np.array([[1], [1]]), np.array([5.0, -6.0]), numbers)
    array([1., 5., 1.])
    """
    return _scattered("scatter_max", scattering.scatter_max, locals())


class _Target(NamedTuple):
    """Where a scattering goes.

    Attributes:
        x: the array, perhaps with room behind one axis for what is left out.
        windows: the windows in it.
        arrays: the index arrays that say where they are.
        valid: which of them are not left out; `None` where all of them stay.
        shape: of the operand as it was given.
    """

    x: Array
    windows: Windows
    arrays: Sequence[Array]
    valid: Array | None
    shape: tuple[int, ...]

    def finished(self, out: Array) -> Array:
        """The result without the room for what was left out, in the shape of the operand."""
        for d, n in enumerate(self.windows.shape):
            if shape_of(out)[d] != n:
                out = part(out, d, slice(0, n))
        return out if shape_of(out) == self.shape else reshape(out, shape=self.shape)


def _scattered(name: str, primitive: Callable[..., Array], given: dict[str, Any]) -> Array:
    x, updates = same_dtype(name, given["operand"], given["updates"])
    target = _target(name, x, given["scatter_indices"], shape_of(updates), given["dimension_numbers"], given["mode"])
    windows = target.windows
    if target.valid is not None:
        # What is left out is combined, too: as a one it has no infinite derivative, and the choice takes its own as 0.
        updates = select(_beside(target.valid, windows), updates, aval_of(x).dtype.type(1))
    v = _ordered(updates, windows.to_index)
    unique = windows.count <= 1 or (given["unique_indices"] and target.valid is None)
    return target.finished(primitive(target.x, v, *target.arrays, key=windows.key, unique=unique))


def _target(name: str, x: Array, indices: Any, updates: tuple[int, ...], numbers: Any, mode: Mode) -> _Target:
    indices, how = integers(name, indices), GatherScatterMode.from_any(mode)
    shape = shape_of(x)
    reading = ScatterDimensionNumbers(*numbers).reading()
    if not shape:
        x, reading = reshape(x, shape=(1,)), reading._replace(collapsed_slice_dims=(0,))
    windows = Windows(shape_of(x), shape_of(indices), reading, _window_sizes(name, shape_of(x), updates, reading), name)
    if windows.result_shape != updates:
        what = f"lax.{name}: updates of shape {updates}, where {windows.result_shape} is needed."
        cure = f"Starts of shape {shape_of(indices)} stand for windows of shape {windows.rows}, one behind the other."
        raise ShapeError(message(what, cure=cure))
    with _known_at_once(indices):
        starts = windows.starts(indices)
        valid = windows.valid(starts) if how in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT) else None
        if valid is not None or how is GatherScatterMode.CLIP:
            starts = windows.clipped(starts)
        arrays = windows.arrays(starts if valid is None else windows.behind(starts, valid))
    if valid is not None:
        x = pad(x, widths=windows.room)
    return _Target(x, windows, arrays, valid, shape)


def _window_sizes(
    name: str, shape: tuple[int, ...], updates: tuple[int, ...], numbers: GatherDimensionNumbers
) -> tuple[int, ...]:
    """The size of a window along each axis of the operand, as the updates have it."""
    if not all(0 <= a < len(updates) for a in numbers.offset_dims):
        what = f"lax.{name}: update_window_dims {numbers.offset_dims} of updates of shape {updates}."
        raise ArgumentError(message(what, cure="Name axes of the updates."))
    sizes = iter([updates[a] for a in numbers.offset_dims])
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    return tuple([1 if d in dropped else next(sizes, 1) for d in range(len(shape))])


@public
def scatter_apply(
    operand: Any,
    scatter_indices: Any,
    func: Callable[[Array], Array],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with an element-wise function applied to windows of it: as often as windows meet, where they do.

    Args:
        operand: an array.
        scatter_indices: as for `scatter`.
        func: an element-wise function, from the operand's dtype to itself.
        dimension_numbers: as for `scatter`.
        update_shape: the shape that updates would have.
        indices_are_sorted: has no effect.
        unique_indices: promises that windows do not overlap. Under `jit`, where positions have no values, it saves
            as many further applications as there are windows.
        mode: as for `scatter`.

    >>> numbers = ScatterDimensionNumbers((), (0,), (0,))
    >>> scatter_apply(np.ones(3), np.array([[1], [1]]), lambda v: v * 2, numbers, update_shape=(2,))
    array([1., 4., 1.])
    """
    x = _operand(operand)
    target = _target("scatter_apply", x, scatter_indices, static_shape(update_shape), dimension_numbers, mode)
    windows = target.windows
    unique = windows.count <= 1 or (unique_indices and target.valid is None)
    index: dict[str, Any] = {"key": windows.key, "unique": unique}
    arrays = target.arrays
    out, values = target.x, indexing.gather(target.x, *arrays, **index)
    depth = None if unique else _depth(shape_of(out), shape_of(values), arrays, index)
    rounds = 1 if depth is None else windows.count if type(depth) is Tracer else int(np.max(depth, initial=0))
    for done in range(rounds):
        new = _applied(func, values)
        if done:
            assert depth is not None
            new = select(gt(depth, done), new, values)
        values = new
    return target.finished(scattering.scatter(out, values, *arrays, **index))


def _applied(func: Callable[[Array], Array], values: Array) -> Array:
    new = _operand(func(values))
    before, after = aval_of(values), aval_of(new)
    if (before.shape, before.dtype) != (after.shape, after.dtype):
        what = f"lax.scatter_apply: `func` made {after} of {before}."
        raise ShapeError(message(what, cure="It must keep the shape and the dtype."))
    return new


def _depth(shape: tuple[int, ...], values: tuple[int, ...], arrays: Sequence[Array], index: dict[str, Any]) -> Array:
    """For each value how many windows meet where it is."""
    counts = scattering.scatter_add(np.zeros(shape, np.intp), np.ones(values, np.intp), *arrays, **index)
    return indexing.gather(counts, *arrays, **index)


_operand = operand
