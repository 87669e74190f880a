"""Convolutions by their definition, in plain loops, and random ones to try."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Window = tuple[int, int, int, int, int]


def count(length: int, taps: int, window: Window) -> int:
    """How often a kernel fits: every place is tried."""
    stride, low, high, stretch, spread = window
    room = (max(length - 1, 0) * stretch + (length > 0)) + low + high
    reach = max(taps - 1, 0) * spread + (taps > 0)
    return len([p for p in range(0, max(room, 0) + 1, stride) if p + reach <= room])


def naive(x: Any, w: Any, window: tuple[Window, ...]) -> Any:
    """(groups, rows, channels, *lengths) with (groups, features, channels, *taps), position by position, tap by tap."""
    lengths, taps = x.shape[3:], w.shape[3:]
    counts = [count(n, k, dim) for n, k, dim in zip(lengths, taps, window, strict=True)]
    out = np.zeros((*x.shape[:2], w.shape[1], *counts), x.dtype)
    for place in itertools.product(*map(range, counts)):
        for tap in itertools.product(*map(range, taps)):
            element = seen(place, tap, lengths, window)
            if element is not None:
                part = np.einsum("gnc,goc->gno", x[:, :, :, *element], w[:, :, :, *tap])
                out[:, :, :, *place] += part
    return out


def seen(place: Any, tap: Any, lengths: Any, window: Any) -> tuple[int, ...] | None:
    """The element that a tap sees from a place; `None` beside and between the elements."""
    found = []
    for p, k, n, (stride, low, _, stretch, spread) in zip(place, tap, lengths, window, strict=True):
        element, rest = divmod(p * stride + k * spread - low, stretch)
        if rest or not 0 <= element < n:
            return None
        found.append(element)
    return tuple(found)


class Case(NamedTuple):
    """Operands of a convolution in the form of the kernel, and its window."""

    x: Any
    w: Any
    window: tuple[Window, ...]


@st.composite
def cases(draw: Any, dtype: Any = np.float64, *, small_and_filled: bool = False) -> Case:
    """Random shapes, strides, paddings, dilations and groups, in every order in memory.

    Where `small_and_filled`, operands have few elements, but some, and so has the result.
    """
    rank = draw(st.integers(0, 2 if small_and_filled else 3))
    small = st.integers(1, 3)
    least, largest = (2, 3) if small_and_filled else (0, 6)
    groups = draw(st.sampled_from([1, 1, 2, 8]))
    rows, channels = draw(st.integers(min(least, 1), 3)), draw(st.sampled_from([1, 2, 4, 9]))
    features = draw(st.sampled_from([1, 1, 2, 3]))
    lengths = [draw(st.integers(least, largest)) for _ in range(rank)]
    taps = [draw(st.integers(0 if k == 2 else 1, largest)) for k in range(rank)]
    low, high = (st.integers(-1, 2), st.integers(6, 7)) if small_and_filled else (st.integers(-2, 4),) * 2
    window = tuple((draw(small), draw(low), draw(high), draw(small), draw(small)) for _ in range(rank))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.integers(-3, 4, (groups, rows, channels, *lengths)).astype(dtype)
    w = rng.integers(-3, 4, (groups, features, channels, *taps)).astype(dtype)
    if draw(st.booleans()):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 2, -1)), -1, 2)
    if draw(st.booleans()):
        x, w = np.repeat(x, 2, -1)[..., ::2], w[..., ::-1]
    return Case(x, w, window)
