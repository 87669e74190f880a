"""The NumPy code of convolutions; generated programs call it. It needs NumPy alone.

Arrays come in one form: x of shape (groups, rows, channels, *lengths), w of shape (groups, features, channels, *taps),
the result of shape (groups, rows, features, *positions). Of any form, the work is done by one of

* a plain product, where the kernel has one tap;
* windows copied side by side into a matrix, then one product (*im2col*). Whichever of positions and taps are more
  make its rows, so that the gradient by the weights, whose "taps" are all positions of an image, is the same
  product with the same matrix, transposed. It is built in parts that stay in the cache;
* the same image by image, where images lie in memory channel after channel and are big enough;
* one product with all taps, then a sum of shifted parts (*col2im*), where features are few: it moves less;
* multiplication and addition along the groups, where every group has one channel and one feature.

Results of what is not done image by image lie in memory with the features last, whatever the order of their axes: the
next convolution's windows are then copied in long runs. Windows are copied into memory that every thread keeps: fresh
memory costs more than copying does. A stretched x (`lhs_dilation`) is never filled with zeros: positions that see the
same taps make one convolution without stretching.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

__all__ = ["Run", "Window", "convolved", "dilated", "fills", "one_by_one", "positions"]

Window: TypeAlias = tuple[int, int, int, int, int]
"""Along one axis: `(stride, low padding, high padding, dilation of x, dilation of the kernel)`."""

_PART = 2**20
"""The bytes of a matrix of windows that is built at once: it stays in the cache until it is multiplied."""

_KEPT = 4 * 2**20
"""The bytes that a thread keeps for the next such matrix."""

_ALONE = 2**19 - 1
"""Products of so many terms BLAS computes on the thread that asks for them, at full speed: it waits for nobody."""

_RUN = 8
"""Positions along the last axis from which on windows of images are copied as they lie."""

_IMAGE = 64
"""Positions of an image from which on it makes a product of its own."""

_SUMS = 2**17
"""Elements of a result that is summed over images up to which every image makes a product of its own."""

_PIECES = 16
"""Partial sums of such a result at most."""

_LARGE = 2**13
"""From matrices of so many elements on, calls cost little beside copies."""

_MANY_GROUPS = 8
"""From so many groups of one channel on, loops along the groups beat one product for each."""

_FEW_FEATURES = 2
"""Where features are fewer than channels by this factor, products are summed after shifting."""


class _Scratch(threading.local):
    """Memory of a thread for what it is about to multiply."""

    def __init__(self) -> None:
        self.blocks: dict[str, Any] = {}

    def empty(self, use: str, shape: Sequence[int], dtype: Any) -> Any:
        """An array whose elements are not set, good until the next one for the same use is asked for."""
        size = math.prod(shape) * dtype.itemsize
        if size > _KEPT:
            return np.empty(shape, dtype)
        block = self.blocks.get(use)
        if block is None or block.nbytes < size:
            block = self.blocks[use] = np.empty(size, np.uint8)
        return np.ndarray(shape, dtype, block)


_scratch = _Scratch()

Run: TypeAlias = Callable[[Callable[[int], None], int], None]
"""`run(work, count)` calls `work` with every number below `count`, in any order, perhaps on several threads."""


def one_by_one(work: Callable[[int], None], count: int) -> None:
    """The simplest way to do pieces of work."""
    for number in range(count):
        work(number)


def dilated(length: int, dilation: int) -> int:
    """The length of an axis when `dilation` − 1 elements are put between any two."""
    return (length - 1) * dilation + 1 if length else 0


def positions(length: int, taps: int, window: Window) -> int:
    """How many places a kernel has along an axis."""
    stride, low, high, stretch, spread = window
    room = dilated(length, stretch) + low + high - dilated(taps, spread)
    return room // stride + 1 if room >= 0 else 0


def convolved(x: Any, w: Any, window: tuple[Window, ...], out: Any = None, run: Run = one_by_one) -> Any:
    """out[g, n, o, y] = Σ x[g, n, c, (y·stride + k·dilation − low) / stretch] · w[g, o, c, k], over c and k.

    Positions beside x, and between its elements where it is stretched, count as zeros.

    Args:
        x: of shape (groups, rows, channels, *lengths).
        w: of shape (groups, features, channels, *taps).
        window: stride, paddings and dilations along each axis.
        out: an array that lies in order; it may be given where `fills` says so.
        run: does independent pieces of work. The result does not depend on it.
    """
    if x.dtype == np.float16:  # BLAS knows no half precision
        return convolved(x.astype(np.float32), w.astype(np.float32), window).astype(np.float16)
    plan = _plan(x.shape[3:], w.shape[3:], window)
    shape = (*x.shape[:2], w.shape[1], *plan.positions)
    if not plan.parts or not math.prod(shape) or not x.size or not w.size:
        return np.zeros(shape, x.dtype)
    if plan.whole:
        return _part(x, w, plan.parts[0], out, run)
    out = _features_last(shape, x.dtype)
    for part in plan.parts:
        out[:, :, :, *part.places] = _part(x, w[:, :, :, *part.taps], part)
    return out


class _Axis(NamedTuple):
    """A convolution along one axis of x that is not stretched.

    Attributes:
        places: which positions of the result it makes.
        taps: which taps of the kernel it uses.
        used: which elements of x.
        pads: how many zeros are put before and behind them.
        number: of positions.
        stride: the distance of neighbouring positions.
        spread: the distance of neighbouring taps.
    """

    places: slice
    taps: slice
    used: slice
    pads: tuple[int, int]
    number: int
    stride: int
    spread: int


class _Part(NamedTuple):
    """As `_Axis`, for all axes."""

    places: tuple[slice, ...]
    taps: tuple[slice, ...]
    used: tuple[slice, ...]
    pads: tuple[tuple[int, int], ...]
    counts: tuple[int, ...]
    strides: tuple[int, ...]
    spreads: tuple[int, ...]


class _Plan(NamedTuple):
    """How a convolution is computed.

    Attributes:
        positions: the lengths of the result.
        parts: convolutions that are not stretched; each makes some positions of the result, the others are zero.
        whole: there is one part, which makes all.
    """

    positions: tuple[int, ...]
    parts: list[_Part]
    whole: bool


@lru_cache(maxsize=1024)
def _plan(lengths: tuple[int, ...], taps: tuple[int, ...], window: tuple[Window, ...]) -> _Plan:
    counts = tuple([positions(n, k, dim) for n, k, dim in zip(lengths, taps, window, strict=True)])
    axes = [list(_phases(*each)) for each in zip(lengths, taps, counts, window, strict=True)]
    parts = [_Part(*map(tuple, zip(*axis, strict=True))) for axis in itertools.product(*axes) if axis]
    if not window:
        parts = [_Part((), (), (), (), (), (), ())]
    return _Plan(counts, parts, len(parts) == 1 and all(dim[3] == 1 for dim in window))


def _phases(length: int, taps: int, count: int, window: Window) -> Iterator[_Axis]:
    """The convolutions without stretching that make one with: places that are `stretch` apart see the same taps."""
    stride, low, _, stretch, spread = window
    step = stretch // math.gcd(stride, stretch)
    tap_step = stretch // math.gcd(spread, stretch)
    for place in range(min(step, count)):
        for tap in range(min(tap_step, taps)):
            start = place * stride + tap * spread - low
            if start % stretch == 0:
                near, far = step * stride // stretch, tap_step * spread // stretch
                number, used_taps = -(-(count - place) // step), -(-(taps - tap) // tap_step)
                begin = start // stretch
                end = begin + (number - 1) * near + (used_taps - 1) * far + 1
                first, last = min(max(begin, 0), length), max(min(end, length), 0)
                if first < last:
                    used, pads = slice(first, last), (first - begin, end - last)
                    yield _Axis(slice(place, None, step), slice(tap, None, tap_step), used, pads, number, near, far)


def fills(x: tuple[int, ...], w: tuple[int, ...], window: tuple[Window, ...]) -> bool:
    """Whether the convolution of an array `x` that lies in order can be written into an array that does so too."""
    plan = _plan(x[3:], w[3:], window)
    return plan.whole and _way(x, w, plan.parts[0]) in ("image", "scattered") and 0 not in (*x, *w)


def _part(x: Any, w: Any, part: _Part, out: Any = None, run: Run = one_by_one) -> Any:
    way = _way(x.shape, w.shape, part)
    x = x[:, :, :, *part.used]
    match way:
        case "image" if out is not None or _lies(x, range(x.ndim)):
            return _by_image(x, w, part, out, run)
        case "channel" if _in_images(x) and _in_images(w):
            return _by_channel(x, w, part, run)
        case "scattered":
            return _scattered(x, w, part, out, run)
        case "pointwise":
            return _pointwise(x, w, part)
        case "groups":
            return _along_groups(x, w, part)
        case "gathered" | "image":
            return _gathered(x, w, part)
        case _:
            return _correlated(x, w, part)


def _way(x: tuple[int, ...], w: tuple[int, ...], part: _Part) -> str:
    """How operands of given shapes are convolved."""
    groups, rows, channels = x[:3]
    features, lengths = w[1], w[3:]
    taps, count = math.prod(lengths), math.prod(part.counts)
    if taps == 1:
        return "pointwise"
    if features == 1 and groups >= _MANY_GROUPS and 1 in (rows, channels):
        return "groups"
    if taps > count:
        alone = taps >= _IMAGE and lengths[-1] >= _RUN and groups * rows * count * features <= _SUMS
        return "channel" if alone else "correlated"
    if channels >= _FEW_FEATURES * features and set(part.strides) == {1}:
        return "scattered"
    return "image" if count >= _IMAGE and part.counts[-1] >= _RUN else "gathered"


def _features_last(shape: Sequence[int], dtype: Any) -> Any:
    """Zeros for a result, laid out in memory with the features last."""
    return _features_third(np.zeros((*shape[:2], *shape[3:], shape[2]), dtype))


def _features_third(out: Any) -> Any:
    """The result (groups, rows, *positions, features) with its axes in order."""
    last = out.ndim - 1
    return out.transpose(0, 1, last, *range(2, last))


def _laid_out(x: Any, pads: Sequence[tuple[int, int]], order: Sequence[int]) -> Any:
    """`x` between zeros along its last axes, with its axes in memory in a given order; itself where it is that."""
    if not any(map(any, pads)) and _lies(x, order):
        return x
    offset = x.ndim - len(pads)
    widths = [(0, 0)] * offset + list(pads)
    shape = [low + n + high for n, (low, high) in zip(x.shape, widths, strict=True)]
    buffer = np.zeros([shape[a] for a in order], x.dtype)
    inside = tuple([slice(widths[a][0], widths[a][0] + x.shape[a]) for a in order])
    buffer[inside] = x.transpose(order)
    return buffer.transpose([order.index(a) for a in range(x.ndim)])


def _lies(x: Any, order: Sequence[int]) -> bool:
    """Whether the axes of an array have strides that fall in a given order, the last one without gaps."""
    strides = [x.strides[a] for a in order if x.shape[a] > 1]
    return strides == sorted(strides, reverse=True) and strides[-1:] in ([], [x.itemsize])


def _windows(x: Any, taps: Sequence[int], part: _Part) -> Any:
    """The view of shape (groups, rows, channels, *positions, *taps) of what the taps see at every position."""
    steps = x.strides[3:]
    strides = [
        *x.strides[:3],
        *[s * step for s, step in zip(part.strides, steps, strict=True)],
        *[s * step for s, step in zip(part.spreads, steps, strict=True)],
    ]
    return as_strided(x, (*x.shape[:3], *part.counts, *taps), strides)


def _pointwise(x: Any, w: Any, part: _Part) -> Any:
    x = _laid_out(x, part.pads, range(x.ndim)) if any(map(any, part.pads)) else x
    x = x[:, :, :, *[slice(None, None, s) for s in part.strides]]
    groups, rows, channels = x.shape[:3]
    features, size = w.shape[1], math.prod(part.counts)
    w = w.reshape(groups, features, channels)
    if x.strides[2] == x.itemsize or channels == 1:
        matrix = np.moveaxis(x, 2, -1).reshape(groups, rows * size, channels)
        out = np.matmul(matrix, w.swapaxes(1, 2)).reshape(groups, rows, *part.counts, features)
        return _features_third(out)
    out = np.matmul(w[:, None], x.reshape(groups, rows, channels, size))
    return out.reshape(groups, rows, features, *part.counts)


def _along_groups(x: Any, w: Any, part: _Part) -> Any:
    rank = x.ndim - 3
    x = _laid_out(x, part.pads, (1, *range(3, x.ndim), 2, 0))
    taps = w.shape[3:]
    kernel = np.ascontiguousarray(np.moveaxis(w[:, 0], 0, -1))  # (channels, *taps, groups)
    group, row, channel = 0, 1, 2
    places, offsets = range(3, 3 + rank), range(3 + rank, 3 + 2 * rank)
    view = _windows(x, taps, part)
    labels, kernel_labels = [group, row, channel, *places, *offsets], [channel, *offsets, group]
    out = np.einsum(view, labels, kernel, kernel_labels, [row, *places, group])
    return np.moveaxis(out, -1, 0)[:, :, None]


def _scattered(x: Any, w: Any, part: _Part, out: Any = None, run: Run = one_by_one) -> Any:
    """One product with all taps at every element of x, then every tap's part, shifted, added to the result."""
    groups, rows, channels, *lengths = x.shape
    features, taps = w.shape[1], w.shape[3:]
    # Where rows do not lie side by side, every row's own matrix needs no copy.
    together = out is None and _lies(x, (0, 1, *range(3, x.ndim), 2))
    if together:
        out = np.empty((groups, features, rows, *part.counts), x.dtype).swapaxes(1, 2)
    elif out is None:
        out = np.empty((groups, rows, features, *part.counts), x.dtype)
    kernel = w.transpose(0, *range(3, w.ndim), 1, 2).reshape(groups, -1, channels)
    shifts = [_shift(tap, lengths, part) for tap in itertools.product(*map(range, taps))]
    size = math.prod(lengths)
    count = _fitting(groups * kernel.shape[1] * size * x.itemsize, rows)

    def work(number: int) -> None:
        some = slice(number * count, (number + 1) * count)
        block, into = x[:, some], out[:, some]
        if together:
            matrix = np.moveaxis(block, 2, -1).reshape(groups, -1, channels).swapaxes(1, 2)
            products = np.matmul(kernel, matrix).reshape(groups, len(shifts), features, -1, *lengths)
            products = np.moveaxis(products, 3, 1)
        else:
            products = _scratch.empty("products", (groups, block.shape[1], kernel.shape[1], size), x.dtype)
            _multiply(kernel[:, None], block.reshape(groups, -1, channels, size), products)
            products = products.reshape(groups, -1, len(shifts), features, *lengths)
        into[...] = 0
        for tap, (source, target) in enumerate(shifts):
            seen = into[:, :, :, *target]
            np.add(seen, products[:, :, tap, :, *source], out=seen)

    (one_by_one if together else _at_once(run, kernel.shape[1], channels, size))(work, -(-rows // count))
    return out


def _fitting(unit: int, number: int) -> int:
    """How many rows of so many bytes are worked on at once: what fits the cache."""
    return min(max(1, _PART // max(unit, 1)), max(number, 1))


def _width(rows: int, terms: int, columns: int) -> int:
    """The most columns of a product that BLAS computes alone, of those that divide it; 0 if they are too few."""
    most = min(_ALONE // (rows * terms), columns)
    return max((n for n in range(most, _RUN - 1, -1) if not columns % n), default=0)


def _multiply(x: Any, y: Any, out: Any) -> None:
    """Stacks of products `x @ y`, cut into so few columns that BLAS does not start threads for each."""
    width = _width(x.shape[-2], x.shape[-1], y.shape[-1])
    if 0 < width < y.shape[-1]:
        x = x[..., None, :, :]
        y, out = (np.moveaxis(a.reshape(*a.shape[:-1], -1, width), -2, -3) for a in (y, out))
    np.matmul(x, y, out=out)


def _at_once(run: Run, rows: int, terms: int, columns: int) -> Run:
    """How pieces of work are done that multiply matrices: those for which BLAS starts threads, one after the other."""
    return run if _width(rows, terms, columns) else one_by_one


def _shift(tap: Sequence[int], lengths: Sequence[int], part: _Part) -> tuple[list[slice], list[slice]]:
    """The elements of x that a tap sees, and the positions at which it does."""
    source, target = [], []
    for k, n, count, spread, (low, _) in zip(tap, lengths, part.counts, part.spreads, part.pads, strict=True):
        offset = k * spread - low  # position y sees element y + offset
        first = max(0, -offset)
        last = max(min(count, n - offset), first)
        target.append(slice(first, last))
        source.append(slice(first + offset, last + offset))
    return source, target


def _by_image(x: Any, w: Any, part: _Part, out: Any = None, run: Run = one_by_one) -> Any:
    """The kernel's matrix, features by (channels, taps), times that of the windows of every row."""
    groups, rows = x.shape[:2]
    features, taps, places = w.shape[1], w.shape[3:], math.prod(part.counts)
    if out is None:
        out = np.empty((groups, rows, features, *part.counts), x.dtype)
    kernel = w.reshape(groups, 1, features, -1)
    terms = kernel.shape[3]
    first, line = part.counts[0], places // part.counts[0]
    unit = x.itemsize * groups * terms * line
    count, lines = _fitting(unit * first, rows), _fitting(unit, first)

    def work(number: int) -> None:
        some = slice(number * count, (number + 1) * count)
        view = _windows(_padded(x[:, some], part.pads), taps, part)
        view = np.moveaxis(view, range(-len(taps), 0), range(3, 3 + len(taps)))
        for start in range(0, first, lines):
            seen = slice(start, start + lines)
            block = view[:, :, :, *[slice(None)] * len(taps), seen]
            windows = _scratch.empty("windows", block.shape, x.dtype)
            np.copyto(windows, block)
            result = out[:, some, :, seen]
            result = result.reshape(*result.shape[:3], -1)
            _multiply(kernel, windows.reshape(groups, -1, terms, result.shape[3]), result)

    _at_once(run, features, terms, lines * line)(work, -(-rows // count))
    return out


def _by_channel(x: Any, w: Any, part: _Part, run: Run = one_by_one) -> Any:
    """The same matrices of windows, (rows, positions) by taps, times those of the kernel, taps by features, summed over
    channels: the gradient by the weights, for which channels are images."""
    groups, rows, channels = x.shape[:3]
    features, taps = w.shape[1], w.shape[3:]
    size, places = math.prod(taps), rows * math.prod(part.counts)
    few = _fitting(x.itemsize * groups * places * size, channels)
    blocks = -(-channels // few)
    share = -(-blocks // _PIECES) * few
    pieces = -(-channels // share)
    sums = np.zeros((pieces, groups, places, features), x.dtype)
    kernel = w.reshape(groups, features, channels, size).transpose(0, 2, 3, 1)
    images = x.swapaxes(1, 2)

    def work(number: int) -> None:
        for start in range(number * share, min((number + 1) * share, channels), few):
            some = slice(start, min(start + few, (number + 1) * share))
            view = _windows(_padded(images[:, some], part.pads), taps, part)
            windows = _scratch.empty("windows", view.shape, x.dtype)
            np.copyto(windows, view)
            windows = windows.reshape(groups, -1, places, size)
            products = _scratch.empty("products", (groups, windows.shape[1], places, features), x.dtype)
            _multiply(kernel[:, some].mT, windows.mT, products.mT)
            sums[number] += np.add.reduce(products, axis=1)

    _at_once(run, features, size, places)(work, pieces)
    out = np.add.reduce(sums, axis=0) if pieces > 1 else sums[0]
    last = 2 + len(part.counts)
    return out.reshape(groups, rows, *part.counts, features).transpose(0, 1, last, *range(2, last))


def _in_images(x: Any) -> bool:
    """Whether the axes of an image lie in memory without gaps, in order."""
    return _lies(x[0, 0, 0], range(x.ndim - 3))


def _padded(x: Any, pads: Sequence[tuple[int, int]]) -> Any:
    """Images between zeros; themselves where none are needed."""
    if not any(map(any, pads)):
        return x
    offset = x.ndim - len(pads)
    shape = [*x.shape[:offset], *[low + n + high for n, (low, high) in zip(x.shape[offset:], pads, strict=True)]]
    out = _scratch.empty("padded", shape, x.dtype)
    inside: list[slice] = [slice(None)] * offset
    for (low, _), n in zip(pads, x.shape[offset:], strict=True):
        out[(*inside, slice(None, low))] = 0
        out[(*inside, slice(low + n, None))] = 0
        inside.append(slice(low, low + n))
    out[tuple(inside)] = x
    return out


def _gathered(x: Any, w: Any, part: _Part) -> Any:
    """The matrix of windows, (rows, positions) by (taps, channels), times that of the kernel, part by part."""
    view, turned = _seen(x, w.shape[3:], part, True)
    rank = x.ndim - 3
    lengths, features = view.shape[1:2] + view.shape[3 : 3 + rank], w.shape[1]
    windows = view.transpose(0, 1, *range(3, view.ndim), 2)
    kernel = w.transpose(0, *range(3, w.ndim), 2, 1).reshape(w.shape[0], -1, features)
    out = np.empty((w.shape[0], *lengths, features), x.dtype)
    for i, j in _parts(lengths, x.itemsize * kernel.size // features):
        matrix, target = _copied(windows[:, i, j], rank + 1, turned), out[:, i, j]
        if target.flags.c_contiguous:
            np.matmul(matrix, kernel, out=target.reshape(*matrix.shape[:2], features))
        else:
            target[...] = np.matmul(matrix, kernel).reshape(target.shape)
    return _features_third(out)


def _correlated(x: Any, w: Any, part: _Part) -> Any:
    """As `_gathered`, where taps are more than positions: the matrix, transposed, is (channels, taps) by (positions,
    rows)."""
    view, turned = _seen(x, w.shape[3:], part, False)
    rank = x.ndim - 3
    places, offsets = range(3, 3 + rank), range(3 + rank, view.ndim)
    windows = view.transpose(0, 2, *offsets, *places, 1)
    kernel = w.transpose(0, *range(2, w.ndim), 1)
    groups, features = w.shape[:2]
    count = math.prod(part.counts) * view.shape[1]
    out = np.zeros((groups, count, features), x.dtype)
    taps = math.prod(w.shape[3:])
    # Of one channel the kernel's matrix is a view in any layout: worth it where copying it costs more than adding.
    alone = kernel.strides[-1] != x.itemsize and taps > count and taps * features >= _LARGE
    most = 1 if alone else kernel.shape[1]
    for i, j in _parts(kernel.shape[1:-1], x.itemsize * groups * count, most):
        matrix = _copied(windows[:, i, j], rank + 1, turned)
        out += np.matmul(matrix.swapaxes(1, 2), kernel[:, i, j].reshape(groups, -1, features))
    out = out.reshape(groups, *part.counts, view.shape[1], features)
    return out.transpose(0, rank + 1, rank + 2, *range(1, rank + 1))


def _seen(x: Any, taps: Sequence[int], part: _Part, forwards: bool) -> tuple[Any, bool]:
    """The view of what the taps see, on memory laid out for copying it in long runs.

    Args:
        x: the array.
        taps: the lengths of the kernel.
        part: the convolution.
        forwards: rows and positions make the long side of the matrix; else channels and taps do.

    Returns:
        The view, and whether the matrix is copied with its long side last in memory.
    """
    outer, inner = (1, 2) if forwards else (2, 1)
    (many, step), (few, tap_step) = (part.counts, part.strides), (tuple(taps), part.spreads)
    if not forwards:
        many, step, few, tap_step = few, tap_step, many, step
    along_short = x.shape[inner] * (few[-1] if tap_step[-1] == 1 else 1)
    along_long = many[-1] if step[-1] == 1 else many[-1] / 4
    turned = along_long > along_short
    order = (*range(x.ndim),) if turned else (0, outer, *range(3, x.ndim), inner)
    return _windows(_laid_out(x, part.pads, order), taps, part), turned


def _copied(block: Any, short: int, turned: bool) -> Any:
    """The matrices (groups, long side, short side) of a block of windows, as copied in one of two orders."""
    groups, *lengths = block.shape
    split = len(lengths) - short
    long_side, short_side = math.prod(lengths[:split]), math.prod(lengths[split:])
    if turned:
        block = block.transpose(0, *range(1 + split, block.ndim), *range(1, 1 + split))
    matrix = _scratch.empty("windows", block.shape, block.dtype)
    np.copyto(matrix, block)
    if not turned:
        return matrix.reshape(groups, long_side, short_side)
    return matrix.reshape(groups, short_side, long_side).swapaxes(1, 2)


def _parts(lengths: Sequence[int], unit: int, most: int | None = None) -> Iterator[tuple[slice, slice]]:
    """Ranges of the first two axes of the long side whose windows fit into the cache.

    Args:
        lengths: of the long side's axes.
        unit: the bytes that one element of the long side takes.
        most: the largest part of the first axis, if there is a limit.
    """
    outer, first = lengths[0], lengths[1]
    whole = unit * math.prod(lengths[1:])
    if whole <= _PART:
        count = min(_PART // whole, most or outer)
        for i in range(0, outer, count):
            yield slice(i, i + count), slice(None)
        return
    count = max(1, _PART // (whole // first))
    for i in range(outer):
        for j in range(0, first, count):
            yield slice(i, i + 1), slice(j, j + count)
