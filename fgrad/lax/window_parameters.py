"""What functions of windows are told: strides, dilations, paddings. Convolutions and pooling share it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from fgrad.errors import ArgumentError, message, public

__all__ = ["pads_of", "padtype_to_pads", "pairs", "positive_integers", "unknown_padding"]


@public
def padtype_to_pads(
    in_shape: Sequence[int],
    window_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
) -> list[tuple[int, int]]:
    """The pairs of zeros before and behind each axis that 'SAME', 'SAME_LOWER' or 'VALID' stand for.

    Args:
        in_shape: the lengths of the axes.
        window_shape: those of the window, dilation included.
        window_strides: its strides.
        padding: one of these names; pairs are given back.

    >>> padtype_to_pads((5, 6), (2, 3), (2, 2), 'SAME')
    [(0, 1), (0, 1)]
    """
    rank = len(in_shape)
    if len(window_shape) != rank or len(window_strides) != rank:
        what = f"padtype_to_pads of {rank} axes, {len(window_shape)} lengths of a window and {len(window_strides)}"
        raise ArgumentError(message(f"{what} strides.", cure="Give as many of each."))
    return pads_of(in_shape, window_shape, window_strides, padding, "padtype_to_pads")


def pads_of(
    lengths: Sequence[int], sizes: Sequence[int], strides: Sequence[int], padding: Any, name: str
) -> list[tuple[int, int]]:
    """The padding of every axis, as pairs.

    Args:
        lengths: those of the axes.
        sizes: the lengths of the window.
        strides: its strides.
        padding: a name, or pairs.
        name: of the function, for errors.

    Raises:
        ArgumentError: `padding` is neither.
    """
    if not isinstance(padding, str):
        return pairs(padding, len(lengths), name)
    kind = padding.upper()
    if kind == "VALID":
        return [(0, 0)] * len(lengths)
    if kind not in ("SAME", "SAME_LOWER"):
        raise unknown_padding(padding, name)
    pads = []
    for n, k, stride in zip(lengths, sizes, strides, strict=True):
        total = max((-(-n // stride) - 1) * stride + k - n, 0)
        less, more = total // 2, total - total // 2
        pads.append((more, less) if kind == "SAME_LOWER" else (less, more))
    return pads


def unknown_padding(padding: Any, name: str) -> ArgumentError:
    """The error for a padding that has no meaning."""
    cure = "Give 'SAME', 'SAME_LOWER', 'VALID', or a pair (low, high) for each axis of the window."
    return ArgumentError(message(f"{name} knows no padding {padding!r}.", cure=cure))


def positive_integers(given: Any, rank: int, argument: str, name: str) -> tuple[int, ...]:
    """One integer per axis of the window; 1 where nothing is given."""
    if given is None:
        return (1,) * rank
    try:
        values = tuple([operator.index(n) for n in given])
    except TypeError:
        values = ()
    if len(values) != rank or any(n < 1 for n in values):
        what = f"{name}: `{argument}` must be {rank} positive integers, one for each axis of the window, got {given!r}."
        raise ArgumentError(message(what))
    return values


def pairs(given: Any, rank: int, name: str) -> list[tuple[int, int]]:
    """One pair of integers per axis of the window."""
    try:
        pads = [(operator.index(low), operator.index(high)) for low, high in given]
    except (TypeError, ValueError):
        raise unknown_padding(given, name) from None
    if len(pads) != rank:
        what = f"{name}: `padding` must be {rank} pairs (low, high), one for each axis of the window, got {given!r}."
        raise ArgumentError(message(what))
    return pads
