"""Comparing numbers: where two arrays differ most, by more than can be excused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.testing.references import Reference

__all__ = ["Difference", "Judgement", "different_types", "judge", "rounding", "unequal", "worst"]


class Difference(NamedTuple):
    """Where two arrays differ most.

    Attributes:
        element: where.
        expected: what it should be.
        got: what it is.
        allowed: how much they may differ.
    """

    element: tuple[int, ...]
    expected: Any
    got: Any
    allowed: float

    def __str__(self) -> str:
        at = f"[{', '.join(map(str, self.element))}]" if self.element else ""
        numbers = f"{at}: expected {_text(self.expected)}, got {_text(self.got)}"
        size = max(abs(self.expected), abs(self.got))
        if not 0 < size < np.inf:
            return numbers
        off, allowed = abs(self.got - self.expected) / size, self.allowed / size
        return f"{numbers}: relative error {off:.2g}, allowed {allowed:.2g}"


def _text(x: Any) -> str:
    return f"{x:.10g}" if isinstance(x, (float, complex, np.inexact)) else str(x)


def worst(expected: Array, got: Array, allowed: Array) -> Difference | None:
    """The element that is off by the largest multiple of what is allowed; `None` where all are within it.

    Two NaNs are equal, and so are two equal infinities.
    """
    expected, got = np.asarray(expected), np.asarray(got)
    if expected.size == 0:
        return None
    with np.errstate(all="ignore"):
        same = (expected == got) | ((expected != expected) & (got != got))
        distance = np.abs(np.subtract(got, expected, dtype=np.result_type(got, expected, np.float64)))
        excess = np.where(same, -np.inf, distance - allowed)
        excess = np.where(np.isnan(excess), np.inf, excess)
        index = np.unravel_index(int(np.argmax(excess)), expected.shape)
        if not excess[index] > 0:
            return None
        ratio = np.where(excess > 0, distance / np.maximum(allowed, 1e-300), -1.0)
        index = np.unravel_index(int(np.argmax(np.where(np.isnan(ratio), np.inf, ratio))), expected.shape)
    place = tuple(int(i) for i in index)
    return Difference(place, expected[place], got[place], float(np.broadcast_to(allowed, expected.shape)[place]))


def rounding(x: Array, eps: float, *, elementwise: bool = False) -> Array:
    """How far an array may be off by rounding: a multiple of its elements, and a smaller one of the largest."""
    size = np.where(np.isfinite(x), np.abs(x), 0.0)
    largest = 0.0 if elementwise else size.max(initial=0.0)
    return np.asarray(2**12 * eps * size + 2**6 * eps * largest)


def different_types(expected: Array, got: Array, *, strict: bool = False) -> str | None:
    """How the types of two arrays differ: in dtype or shape, or in that one is a Python number and the other is not.

    A NumPy scalar and an array without axes differ if this is `strict`: NumPy itself makes no rule of which it returns.
    """
    a, b = aval_of(expected), aval_of(got)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"expected {a}, got {b}"
    scalars = isinstance(expected, np.ndarray) != isinstance(got, np.ndarray)
    if a.weak_type != b.weak_type or (strict and scalars):
        return f"expected a {type(expected).__name__}, got a {type(got).__name__}, of type {b}"
    return None


def unequal(
    expected: Array, got: Array, atol: float | None = None, rtol: float | None = None, *, strict: bool = False
) -> str | None:
    """How two arrays that should agree up to rounding do not; exact for integers and booleans."""
    types = different_types(expected, got, strict=strict)
    if types is not None:
        return f" has another type: {types}"
    dtype = aval_of(expected).dtype
    if not is_inexact(dtype):
        return _first_other(np.asarray(expected), np.asarray(got))
    allowed = rounding(expected, float(np.finfo(dtype).eps))
    if atol is not None or rtol is not None:
        allowed = (atol or 0.0) + (rtol or 0.0) * np.abs(expected)
    difference = worst(expected, got, allowed)
    return None if difference is None else str(difference)


def _first_other(expected: Array, got: Array) -> str | None:
    """The first element at which two arrays of integers or booleans differ."""
    places = np.argwhere(np.atleast_1d(expected != got))
    if not len(places):
        return None
    place = tuple(int(i) for i in places[0])[: expected.ndim]
    return str(Difference(place, int(expected[place]), int(got[place]), 0.0))


class Judgement(NamedTuple):
    """What a reference says of some derivative: the wrong output and element, if any, and what could not be judged."""

    output: int
    difference: Difference | None
    doubtful: bool


def judge(
    reference: Reference,
    got: Sequence[Array],
    allowance: Callable[[Array], Array],
    safety: float = 10.0,
    at_kinks: Literal["doubt", "between"] = "doubt",
) -> Judgement | None:
    """Holds tangents against a reference; `None` where all of them are right.

    Args:
        reference: numerical derivatives.
        got: one tangent per output.
        allowance: how much rounding to excuse, on top of the error of the reference.
        safety: how many times its own estimate of its error the reference may be off.
        at_kinks: whether a kink is a doubt, or the tangent may be anything between the one-sided derivatives.
    """
    doubt = None
    for i, (value, error, t) in enumerate(zip(reference.values, reference.errors, got, strict=True)):
        trusted = reference.reliable[i] & ~reference.kinks[i]
        if at_kinks == "between" and value.dtype.kind != "c":
            low, high = np.sort([reference.left[i], reference.right[i]], axis=0)
            value = np.where(reference.kinks[i], np.clip(t, low, high), value)
            trusted |= reference.kinks[i]
        allowed = safety * np.abs(error) + allowance(value)
        difference = worst(np.where(trusted, value, 0), np.where(trusted, t, 0), np.where(trusted, allowed, 0))
        if difference is not None:
            return Judgement(i, difference, False)
        if not trusted.all() and doubt is None:
            doubt = Judgement(i, None, True)
    return doubt
