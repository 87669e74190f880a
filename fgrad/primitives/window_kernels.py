"""The NumPy code of reductions over windows; generated programs call it. It needs NumPy alone.

Windows are reduced axis by axis, every tap by one call on strided views: for k×k taps 2k calls in place of k², and none
of them loops over the few elements of a window, as reducing a view of all windows would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.primitives.choice import choose

__all__ = ["Tap", "Windows", "averaged", "identity_of", "reduced", "spread", "taps_along"]

Windows: TypeAlias = tuple[tuple[int, int, int, int, int, int], ...]
"""Along each axis `(size, stride, low padding, high padding, dilation of x, dilation of the window)`."""

_ALONE = (1, 1, 0, 0, 1, 1)
"""The windows along an axis that has none."""

_BLOCK = 2**19
"""The bytes of an array that are worked on at once."""

_LONG = 8
"""From windows of so many elements on, doubling may be shorter than one call for every tap."""


class Tap(NamedTuple):
    """The elements of x that one tap of a window sees along an axis, and the positions at which it sees them."""

    source: slice
    target: slice


def identity_of(ufunc: np.ufunc, dtype: np.dtype[Any]) -> Any:
    """What changes nothing: 0 for sums, the lowest number for maxima, the highest for minima."""
    if ufunc is np.add:
        return dtype.type(0)
    if dtype.kind in "fc":
        return dtype.type(-np.inf if ufunc is np.maximum else np.inf)
    if dtype.kind == "b":
        return dtype.type(ufunc is np.minimum)
    return dtype.type(np.iinfo(dtype).min if ufunc is np.maximum else np.iinfo(dtype).max)


def reduced(x: Any, ufunc: np.ufunc, windows: Windows, counts: Sequence[int]) -> Any:
    """Every window reduced by an associative and commutative ufunc; what lies beside x is left out.

    Args:
        x: the array.
        ufunc: combines two arrays.
        windows: the windows.
        counts: how many of them there are along each axis.
    """
    x = np.asarray(x)
    out = np.empty_like(x, shape=tuple(counts))
    for block in _blocks(x, windows):
        part = x[block]
        for axis, (window, count) in enumerate(zip(windows, counts, strict=True)):
            if window != _ALONE:
                part = _reduced_along(part, ufunc, axis, window, count)
        out[block] = part
    return out[()]


def _reduced_along(x: Any, ufunc: np.ufunc, axis: int, window: tuple[int, ...], count: int) -> Any:
    size, stride, low, _, stretch, spread_by = window
    length = x.shape[axis]
    if count and stretch == 1 and size >= _LONG and size > 2 * stride * math.log2(size):
        part = _reached(x, ufunc, axis, -low, (count - 1) * stride + (size - 1) * spread_by + 1)
        if count == 1 and spread_by == 1:
            return ufunc.reduce(part, axis=axis, keepdims=True, dtype=x.dtype)
        return _doubled(part, ufunc, axis, size, spread_by)[_along(axis, slice(None, None, stride))]
    taps = [tap for tap in taps_along(length, count, window) if tap is not None]
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    whole = [tap for tap in taps if tap.target == slice(0, count, 1)]
    if len(whole) > 1:
        first, second = (x[_along(axis, tap.source)] for tap in whole[:2])
        out = ufunc(first, second)
        taps = [tap for tap in taps if tap not in whole[:2]]
    elif whole:
        out = np.array(x[_along(axis, whole[0].source)])
        taps = [tap for tap in taps if tap is not whole[0]]
    else:
        out = np.full_like(x, identity_of(ufunc, x.dtype), shape=shape)
    for tap in taps:
        into = out[_along(axis, tap.target)]
        ufunc(into, x[_along(axis, tap.source)], out=into)
    return out


def _reached(x: Any, ufunc: np.ufunc, axis: int, start: int, reach: int) -> Any:
    """So many elements along an axis; those that x lacks change nothing."""
    length = x.shape[axis]
    first, last = min(max(start, 0), length), max(min(start + reach, length), 0)
    part = x[_along(axis, slice(first, last))]
    if last - first == reach:
        return part
    out = np.full_like(x, identity_of(ufunc, x.dtype), shape=(*x.shape[:axis], reach, *x.shape[axis + 1 :]))
    if first < last:
        out[_along(axis, slice(first - start, last - start))] = part
    return out


def _doubled(x: Any, ufunc: np.ufunc, axis: int, size: int, step: int) -> Any:
    """Windows of stride 1, from windows of sizes that are powers of two."""
    count = x.shape[axis] - (size - 1) * step
    out, done, width, part = None, 0, 1, x
    while True:
        if size & width:
            here = part[_along(axis, slice(done * step, done * step + count))]
            out = np.array(here) if out is None else ufunc(out, here, out=out)
            done += width
        width *= 2
        if width > size:
            return out
        half = width // 2 * step
        part = ufunc(part[_along(axis, slice(None, -half))], part[_along(axis, slice(half, None))])


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, part)


@lru_cache(maxsize=4096)
def taps_along(length: int, count: int, window: tuple[int, ...]) -> list[Tap | None]:
    """What every tap of a window sees along an axis of a length, at so many positions; `None` if nothing.

    Position p and tap k see element i where p·stride + k·dilation − low = i·stretch.
    """
    size, stride, low, _, stretch, spread_by = window
    common = math.gcd(stride, stretch)
    far, near = stretch // common, stride // common  # positions and elements from one that is seen to the next
    taps: list[Tap | None] = []
    for k in range(size):
        start = k * spread_by - low
        place = next((p for p in range(far) if (p * stride + start) % stretch == 0), None)
        if place is None:
            taps.append(None)
            continue
        element = (place * stride + start) // stretch
        late = max(0, -(element // near))  # until the first element that exists
        place, element = place + late * far, element + late * near
        many = min((count - 1 - place) // far, (length - 1 - element) // near) + 1
        if many < 1:
            taps.append(None)
            continue
        source = slice(element, element + (many - 1) * near + 1, near)
        taps.append(Tap(source, slice(place, place + (many - 1) * far + 1, far)))
    return [tap and Tap(_whole(tap.source), _whole(tap.target)) for tap in taps]


def _whole(part: slice) -> slice:
    """The same part of an axis; one element has step 1."""
    return slice(part.start, part.stop, 1) if part.stop - part.start == 1 else part


def averaged(t: Any, x: Any, ufunc: np.ufunc, windows: Windows, counts: Sequence[int]) -> Any:
    """For every window the mean of `t` over the elements of x that tie for its extremum; 0 where it has no elements."""
    t, x = np.asarray(t), np.asarray(x)
    out = np.empty_like(x, t.dtype, shape=tuple(counts))
    for block in _blocks(x, windows):
        steps = _steps(x[block], ufunc, windows, counts)
        sums = t[block]
        for step in steps:
            sums = _gathered(step, sums)
        np.divide(sums, _number(steps, x[block]), out=out[block])
    return out[()]


def spread(ct: Any, x: Any, ufunc: np.ufunc, windows: Windows, counts: Sequence[int]) -> Any:
    """The transpose of `averaged`: every window shares its `ct` among the elements of x that tie for its extremum."""
    ct, x = np.asarray(ct), np.asarray(x)
    out = np.empty_like(x, ct.dtype)
    for block in _blocks(x, windows):
        steps = _steps(x[block], ufunc, windows, counts)
        shares = np.asarray(ct[block] / _number(steps, x[block]), ct.dtype)
        for step in reversed(steps):
            shares = _scattered(step, shares)
        out[block] = shares
    return out[()]


class _Step(NamedTuple):
    """A reduction along one axis.

    Attributes:
        given: the array that is reduced.
        shape: the shape of the result.
        ties: for every tap where it looks, where the result is, and where the two are equal.
    """

    given: Any
    shape: tuple[int, ...]
    ties: list[tuple[tuple[slice, ...], tuple[slice, ...], Any]]


def _steps(x: Any, ufunc: np.ufunc, windows: Windows, counts: Sequence[int]) -> list[_Step]:
    """The reductions along one axis after the other.

    An element ties for the extremum of its window if it does so along the first axis, its row's extremum does along
    the next one, and so on: for k×k taps 2k comparisons find out which do.
    """
    steps = []
    for axis, (window, count) in enumerate(zip(windows, counts, strict=True)):
        if window == _ALONE:
            continue
        out = _reduced_along(x, ufunc, axis, window, count)
        nans = out.dtype.kind in "fc" and bool(np.isnan(out).any())
        ties = []
        for tap in taps_along(x.shape[axis], count, window):
            if tap is not None:
                source, target = _along(axis, tap.source), _along(axis, tap.target)
                tied = np.equal(x[source], out[target])
                if nans:
                    np.logical_or(tied, np.isnan(x[source]), out=tied)
                ties.append((source, target, tied))
        steps.append(_Step(x, out.shape, ties))
        x = out
    return steps


def _number(steps: list[_Step], x: Any) -> Any:
    """How many elements tie for the extremum of each window; 1 where it has none."""
    small = math.prod([len(step.ties) for step in steps]) < 256
    number = np.ones_like(x, np.uint8 if small else np.intp)
    for step in steps:
        total = np.zeros_like(step.given, number.dtype, shape=step.shape)
        for source, target, tied in step.ties:
            into = total[target]
            np.add(into, tied if step is steps[0] else tied.view(np.uint8) * number[source], out=into)
        number = total
    return np.maximum(number, 1)


def _gathered(step: _Step, values: Any) -> Any:
    total = np.zeros_like(step.given, values.dtype, shape=step.shape)
    for source, target, tied in step.ties:
        into = total[target]
        np.add(into, choose(tied, values[source], values.dtype.type(0)), out=into)
    return total


def _scattered(step: _Step, values: Any) -> Any:
    total = np.zeros_like(step.given, values.dtype)
    for source, target, tied in step.ties:
        into = total[source]
        np.add(into, choose(tied, values[target], values.dtype.type(0)), out=into)
    return total


def _blocks(x: Any, windows: Windows) -> Iterator[tuple[Any, ...]]:
    """Parts of an array, cut along an axis that has no windows, that fit into the cache with what is made of them."""
    alone = [axis for axis, window in enumerate(windows) if window == _ALONE]
    if not alone or x.nbytes <= _BLOCK:
        yield (...,)
        return
    axis = max(alone, key=lambda a: abs(x.strides[a]))
    step = max(1, x.shape[axis] * _BLOCK // x.nbytes)
    for i in range(0, x.shape[axis], step):
        yield (*_along(axis, slice(i, i + step)), ...)
