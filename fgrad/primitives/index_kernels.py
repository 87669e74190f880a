"""The NumPy code that puts values at an index; generated programs call these functions.

They need NumPy alone. `index` is what stands between NumPy's brackets, as `index_keys` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["accumulated", "combined", "opened", "padded", "placed", "replaced", "taken"]

_PIECE = 2**15
"""Elements that a thread combines at a time."""

_SMALL = 256
"""Below so many elements NumPy's own `ufunc.at` is the shortest way."""


def taken(x: Any, rows: Any) -> Any:
    """`x[rows]` for an array of integers; `take`, of what lies in order, is up to nine times as fast."""
    if x.flags.c_contiguous and rows.dtype.kind == "i":
        return x.take(rows, 0)
    return x[rows]


def placed(v: Any, index: Any, shape: tuple[int, ...], out: Any = None) -> Any:
    """Zeros with `v` at an index that takes no position twice; `out` may be given where the index is made of slices."""
    if out is not None:
        opened(out, index)[...] = v
        return out
    out = np.zeros(shape, v.dtype)
    out[index] = v
    return out if out.ndim else out[()]


def opened(out: Any, index: Any) -> Any:
    """The view of an array at slices whose steps are one; everywhere else zeros are written."""
    inside: list[slice] = []
    for entry, size in zip(index if type(index) is tuple else (index,), out.shape, strict=False):
        start, stop, _ = entry.indices(size)
        out[(*inside, slice(None, start))] = 0
        out[(*inside, slice(stop, None))] = 0
        inside.append(entry)
    return out[tuple(inside)]


def accumulated(v: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros to which `v` is added at an index: values that fall on the same position are summed."""
    index = index if type(index) is tuple else (index,)
    layout = _layout(index, len(shape)) if np.size(v) >= _SMALL else None
    if layout is None:
        out = np.zeros(shape, v.dtype)
        np.add.at(out, index, v)
        return out if out.ndim else out[()]
    # Rows are added many times as fast where they are contiguous: so the result is laid out in memory.
    order = [*layout.chosen, *layout.kept]
    sizes = [shape[a] for a in order]
    depth = np.ndim(v) - len(layout.kept)
    v = np.moveaxis(v, range(layout.lead, layout.lead + depth), range(depth))
    if not layout.kept and _is_counted(v, math.prod(shape)):
        sums = np.bincount(_flat_positions(layout, sizes), np.reshape(v, -1), math.prod(shape))
        return np.transpose(sums.astype(v.dtype, copy=False).reshape(sizes), np.argsort(order))
    rows = np.zeros(sizes, v.dtype)
    _combine_rows(np.add, rows, layout, v, fresh=True)
    return np.transpose(rows, np.argsort(order))


def replaced(x: Any, index: Any, v: Any, unique: bool, copy: bool = True) -> Any:
    """`x` with `v` at an index. Where a position comes twice, the last value in C order stays."""
    out = np.array(x) if copy else x
    if not unique:
        index, v = _in_order(index if type(index) is tuple else (index,), v)
    out[index] = v
    return out if out.ndim else out[()]


def combined(
    ufunc: np.ufunc, x: Any, index: Any, v: Any, unique: bool, copy: bool = True, run: Callable[..., None] | None = None
) -> Any:
    """`x` with every value of `v` combined into the position that it falls on.

    Args:
        ufunc: what combines two values.
        x: the array.
        index: the positions.
        v: the values.
        unique: no position comes twice.
        copy: the array is left alone; else it is written into.
        run: `run(work, count)` calls `work` with every number below `count`, perhaps on several threads.
    """
    out = np.array(x) if copy else x
    if unique:
        part = out[index]
        if type(part) is np.ndarray and part.base is (out if out.base is None else out.base):  # a view
            if run is None:
                ufunc(part, v, out=part)
            else:
                step = max(1, _PIECE * len(part) // part.size)
                pieces = [slice(i, i + step) for i in range(0, len(part), step)]
                run(lambda k: ufunc(part[pieces[k]], v[pieces[k]], out=part[pieces[k]]), len(pieces))
        else:
            out[index] = ufunc(part, v)
        return out if out.ndim else out[()]
    index = index if type(index) is tuple else (index,)
    layout = _layout(index, out.ndim) if np.size(v) >= _SMALL and out.flags.c_contiguous else None
    # `np.maximum.at` warns of NaNs, which `np.maximum` does not.
    with np.errstate(invalid="ignore" if ufunc in (np.minimum, np.maximum) else None):
        if layout is None or layout.chosen != list(range(len(layout.chosen))):
            ufunc.at(out, index, v)
        else:
            _combine_rows(ufunc, out, layout, v)
    return out if out.ndim else out[()]


def padded(x: Any, widths: tuple[tuple[int, int], ...]) -> Any:
    """`x` with zeros before and behind it along each axis."""
    sizes = [low + n + high for n, (low, high) in zip(np.shape(x), widths, strict=True)]
    inside = tuple([slice(low, low + n) for n, (low, _) in zip(np.shape(x), widths, strict=True)])
    return placed(x, inside, tuple(sizes))


class _Layout(NamedTuple):
    """An index that takes positions of some axes, `chosen`, and all of the others.

    Attributes:
        chosen: the axes that positions are given for.
        kept: the other axes.
        positions: one integer or array for each chosen axis.
        lead: how many axes of a value stand before those of the positions.
    """

    chosen: list[int]
    kept: list[int]
    positions: list[Any]
    lead: int


def _layout(index: tuple[Any, ...], ndim: int) -> _Layout | None:
    chosen: list[int] = []
    kept: list[int] = []
    where: list[int] = []
    for i, entry in enumerate(index):
        if entry is None or (type(entry) is slice and entry != slice(None)):
            return None
        if entry is Ellipsis:
            continue
        axis = len(chosen) + len(kept)
        if type(entry) is slice:
            kept.append(axis)
        else:
            chosen.append(axis)
            where.append(i)
    kept += range(len(chosen) + len(kept), ndim)
    if not chosen:
        return None
    together = where[-1] - where[0] + 1 == len(where)
    return _Layout(chosen, kept, [index[i] for i in where], chosen[0] if together else 0)


def _combine_rows(ufunc: np.ufunc, rows: Any, layout: _Layout, v: Any, fresh: bool = False) -> None:
    """`ufunc.at` on a contiguous array whose leading axes, like those of `v`, are the chosen ones.

    Args:
        ufunc: what combines two values.
        rows: the array, which is written into.
        layout: what the index takes.
        v: the values.
        fresh: the array holds zeros, and the values are added.
    """
    count = len(layout.chosen)
    sizes, width = rows.shape[:count], math.prod(rows.shape[count:])
    flat = _flat_positions(layout, sizes)
    v = np.reshape(v, (flat.size, width))
    size = math.prod(sizes)
    if width == 1:
        _combine_numbers(ufunc, rows.reshape(-1), flat, v[:, 0])
        return
    if fresh and size >= flat.size:  # few values, if any, meet: all are written, and those that were lost are added
        rows.reshape(-1, width)[flat] = v
        lost = _lost(flat, size)
        if not lost.size:
            return
        flat, v = flat[lost], v[lost]
    elif size >= flat.size:  # those that come first are combined all at once
        first = _come_first(flat, size)
        every = bool(first.all())
        now, values = (flat, v) if every else (flat[first], v[first])
        table = rows.reshape(-1, width)
        table[now] = ufunc(table[now], values)
        if every:
            return
        flat, v = flat[~first], v[~first]
    # NumPy combines along one axis several times as fast as it does row by row.
    cells = flat[:, None] * width + np.arange(width)
    ufunc.at(rows.reshape(-1), cells.reshape(-1), v.reshape(-1))


def _combine_numbers(ufunc: np.ufunc, out: Any, flat: Any, v: Any) -> None:
    """`ufunc.at` along one axis."""
    if ufunc is np.add and _is_counted(v, out.size):
        out += np.bincount(flat, v, out.size)
    else:
        ufunc.at(out, flat, v)


def _is_counted(v: Any, size: int) -> bool:
    """Whether values are added up by `np.bincount`: real ones, and not few for so many places."""
    return v.dtype in (np.float32, np.float64) and size <= 10 * v.size


def _flat_positions(layout: _Layout, sizes: Sequence[int]) -> Any:
    """Where positions along several axes are in the flattened array."""
    flat: Any = 0
    for axis, position, size in zip(layout.chosen, layout.positions, sizes, strict=True):
        flat = flat * size + _checked(np.asarray(position), axis, size)
    return np.reshape(flat, -1)


def _checked(position: Any, axis: int, size: int) -> Any:
    """Positions that are not negative, within their axis."""
    low, high = position.min(), position.max()
    if low < -size or high >= size:
        wrong = low if low < -size else high
        raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {size}")
    position = position.astype(np.intp, copy=False)
    return np.where(position < 0, position + size, position) if low < 0 else position


def _lost(flat: Any, size: int) -> Any:
    """Which values another one is written over, where they are written in order."""
    if size <= 64 * flat.size:
        number = np.arange(flat.size)
        latest = np.empty(size, np.intp)
        latest[flat] = number
        return np.flatnonzero(latest[flat] != number)
    order = np.argsort(flat, kind="stable")
    sorted_ = flat[order]
    return np.sort(order[:-1][sorted_[:-1] == sorted_[1:]])


def _come_first(flat: Any, size: int) -> Any:
    """Which positions have not come before."""
    if size <= 64 * flat.size:
        number = np.arange(flat.size)
        earliest = np.empty(size, np.intp)
        earliest[flat[::-1]] = number[::-1]
        return earliest[flat] == number
    order = np.argsort(flat, kind="stable")
    sorted_ = flat[order]
    out = np.ones(flat.size, np.bool_)
    out[order[1:]] = sorted_[1:] != sorted_[:-1]
    return out


def _in_order(index: tuple[Any, ...], v: Any) -> tuple[tuple[Any, ...], Any]:
    """The same assignment such that NumPy makes it in C order: for arrays of several axes it goes by strides."""
    positions = [e for e in index if isinstance(e, (np.ndarray, np.generic))]
    shape = np.broadcast_shapes(*[np.shape(e) for e in positions])
    if len(shape) < 2:
        return index, v
    flat = [np.ravel(np.broadcast_to(e, shape)) for e in positions]
    remaining = iter(flat)
    where = [i for i, e in enumerate(index) if isinstance(e, (int, np.ndarray, np.generic))]
    together = where[-1] - where[0] + 1 == len(where)
    lead = sum(e is not Ellipsis for e in index[: where[0]]) if together else 0
    v = np.reshape(v, (*v.shape[:lead], math.prod(shape), *v.shape[lead + len(shape) :]))
    return tuple([next(remaining) if isinstance(e, (np.ndarray, np.generic)) else e for e in index]), v
