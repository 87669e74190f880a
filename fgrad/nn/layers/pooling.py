"""Pooling over windows of one, two or three dimensions. Arrays are (batch, *lengths, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

import fgrad.numpy as fnp
from fgrad import lax
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.operands import floating

__all__ = ["Lengths", "Padding", "avg_pool", "lengths_of", "max_pool"]

Lengths: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | Sequence[tuple[int, int]]


@public
def max_pool(x: Any, window: Lengths, strides: Lengths | None = None, padding: Padding = "VALID") -> Array:
    """`max_pool(x, window)`: the largest element of each window; elements that tie share the derivative.

    Args:
        x: shape (batch, *lengths, channels).
        window: the length of a window along each axis between, or one for all.
        strides: how far one window is from the next; left out, they are side by side.
        padding: `"VALID"`, `"SAME"`, or pairs (before, after). What is padded never wins.

    Raises:
        ShapeError: x has no axes between batch and channels.
        ArgumentError: the window or the strides are not positive integers.

    >>> max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2)[0, :, 0]
    array([3., 2.])
    """
    x, window, strides, padding = _arguments("max_pool", x, window, strides, padding)
    return lax.reduce_window(x, -fnp.inf, lax.max, window, strides, padding)


@public
def avg_pool(
    x: Any,
    window: Lengths,
    strides: Lengths | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
) -> Array:
    """`avg_pool(x, window)`: the mean of each window.

    Args:
        x: shape (batch, *lengths, channels).
        window: the length of a window along each axis between, or one for all.
        strides: how far one window is from the next; left out, they are side by side.
        padding: `"VALID"`, `"SAME"`, or pairs (before, after).
        count_include_pad: whether what is padded counts, as 0; or not at all.

    Raises:
        ShapeError: x has no axes between batch and channels.
        ArgumentError: the window or the strides are not positive integers.

    >>> avg_pool([[[1.0], [3.0], [2.0], [0.0]]], 2)[0, :, 0]
    array([2., 1.])
    """
    x, window, strides, padding = _arguments("avg_pool", x, window, strides, padding)
    total = lax.reduce_window(x, 0.0, lax.add, window, strides, padding)
    if count_include_pad:
        return total / int(np.prod(window))
    ones = np.ones((1, *fnp.shape(x)[1:-1], 1), x.dtype)
    return total / lax.reduce_window(ones, 0.0, lax.add, window, strides, padding)


def lengths_of(function: str, name: str, given: Lengths, count: int) -> tuple[int, ...]:
    """One positive integer for each axis between batch and channels.

    Raises:
        ArgumentError: there are others.
    """
    whole = (int, np.integer)
    values = (given,) * count if isinstance(given, whole) else tuple(given)
    if len(values) != count or not all(isinstance(n, whole) and not isinstance(n, bool) and n > 0 for n in values):
        what = f"{function}: `{name}` must be a positive integer, or {count} of them, got {given!r:.60}."
        raise ArgumentError(message(what))
    return tuple([int(n) for n in values])


def _arguments(
    function: str, x: Any, window: Lengths, strides: Lengths | None, padding: Padding
) -> tuple[Array, tuple[int, ...], tuple[int, ...], Padding]:
    x = floating(function, "x", x)
    count = fnp.ndim(x) - 2
    if count < 1:
        raise ShapeError(message(f"{function}: `x` must have shape (batch, *lengths, channels), got {fnp.shape(x)}."))
    sizes = lengths_of(function, "window", window, count)
    steps = sizes if strides is None else lengths_of(function, "strides", strides, count)
    around = padding if isinstance(padding, str) else [(0, 0), *padding, (0, 0)]
    return x, (1, *sizes, 1), (1, *steps, 1), around
