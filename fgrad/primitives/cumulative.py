"""Cumulative sums, products, extrema, and the first-order linear recurrence that their derivatives are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import eq, is_nan, le, logical_or, maximum, minimum, select
from fgrad.primitives.exponential import logistic
from fgrad.primitives.families import Linear, draw, shape_of, spread
from fgrad.primitives.shape import broadcast_to, move_axis

__all__ = ["cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "linear_recurrence"]


class Cumulative(Primitive):
    """Combines every element with all before it (with all behind it where `reverse`) along an axis.

    With `exclusive` an element is left out of its own result, and the first result is the identity of the operation.
    A subclass names the `ufunc` whose `accumulate` computes it.
    """

    ufunc: np.ufunc

    def __init__(self) -> None:
        super().__init__()
        self._dtypes: dict[np.dtype[Any], np.dtype[Any]] = {}

    def identity(self, dtype: np.dtype[Any]) -> Any:
        """What the first result is where elements are left out of their own."""
        return self.ufunc.identity

    def impl(self, x: Array, *, axis: int, reverse: bool = False, exclusive: bool = False) -> Array:
        if not reverse and not exclusive:
            return self.ufunc.accumulate(x, axis)
        out = np.empty(x.shape, self.result_dtype(x.dtype))
        source, target = (np.moveaxis(a, axis, 0)[:: -1 if reverse else 1] for a in (x, out))
        if exclusive:
            target[:1] = self.identity(out.dtype)
            source, target = source[:-1], target[1:]
        self.ufunc.accumulate(source, 0, out=target)
        return out

    def result_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in which NumPy accumulates elements of a dtype."""
        known = self._dtypes.get(dtype)
        if known is None:
            known = self._dtypes[dtype] = self.ufunc.accumulate(np.ones(1, dtype)).dtype
        return known

    def shape(self, x: ShapedArray, *, axis: int, **params: Any) -> ShapedArray:
        if not 0 <= axis < x.ndim:
            raise ShapeError(message(f"`{self.name}` along axis {axis} of an array of shape {x.shape}."))
        return ShapedArray(x.shape, self.result_dtype(x.dtype))

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, **params: Any
    ) -> tuple[Array, int]:
        return self.bind(xs[0], axis=axis + (axis >= dims[0]), **params), dims[0]

    def lower(
        self,
        write: Writer,
        names: Sequence[str],
        out: str | None,
        *,
        axis: int,
        reverse: bool = False,
        exclusive: bool = False,
    ) -> str:
        if reverse or exclusive:
            return super().lower(write, names, None, axis=axis, reverse=reverse, exclusive=exclusive)
        given = f", out={out}" if out else ""
        return f"{write.constant(self.ufunc, self.name)}.accumulate({names[0]}, axis={axis}{given})"

    def inplace(
        self,
        avals: Sequence[ShapedArray],
        out: ShapedArray,
        *,
        axis: int,
        reverse: bool = False,
        exclusive: bool = False,
    ) -> bool:
        return not (reverse or exclusive)


def _samples(maker: Any, low: float, high: float) -> list[Sample]:
    return [
        Sample(maker(low, high, (4,)), axis=0),
        Sample(maker(low, high, (2, 3)), axis=1, reverse=True),
        Sample(maker(low, high, (3, 2)), axis=0, exclusive=True),
        Sample(maker(low, high, (3, 2)), axis=0, reverse=True, exclusive=True),
        Sample(draw(low, high, (2, 0)), axis=1),
    ]


class Cumsum(Cumulative, Linear):
    """`cumsum(x, axis=, reverse=, exclusive=)`: the sums of x₀ … xₖ."""

    ufunc, samples = np.add, _samples(draw, -3, 3)

    def transpose(
        self, ct: Array, x: Any, *, axis: int, reverse: bool = False, exclusive: bool = False
    ) -> Sequence[Array]:
        return (cumsum(ct, axis=axis, reverse=not reverse, exclusive=exclusive),)


class Cumprod(Cumulative):
    """`cumprod(x, axis=, reverse=, exclusive=)`: the products of x₀ … xₖ.

    The derivative divides by nothing, so it is exact at zeros: with Eₖ the product before k, which obeys
    Eₖ₊₁ = xₖ·Eₖ, its tangent obeys Ėₖ₊₁ = xₖ·Ėₖ + ẋₖ·Eₖ.
    """

    ufunc = np.multiply
    samples = (
        *_samples(draw, -2, 2),
        Sample(np.array([2.0, 0.0, 3.0, 0.0, 5.0]), axis=0),
        Sample(np.array([0.0, 1.5, -2.0]), axis=0, reverse=True),
    )

    def jvp(
        self,
        out: Array,
        xs: Sequence[Array],
        ts: Sequence[Any],
        *,
        axis: int,
        reverse: bool = False,
        exclusive: bool = False,
    ) -> Array:
        x = xs[0]
        before = out if exclusive else cumprod(x, axis=axis, reverse=reverse, exclusive=True)
        return _recur(x, ts[0] * before, axis, reverse, exclusive)


class CumulativeExtremum(Cumulative):
    """The largest or smallest so far; elements that tie for it share the derivative evenly, and so do NaNs."""

    higher: Primitive

    def keeps(self, x: Array, before: Array) -> Array:
        """Where x does not beat what came before it."""
        self._missing("keeps")

    def jvp(
        self,
        out: Array,
        xs: Sequence[Array],
        ts: Sequence[Any],
        *,
        axis: int,
        reverse: bool = False,
        exclusive: bool = False,
    ) -> Array:
        x = xs[0]
        before = out if exclusive else self.bind(x, axis=axis, reverse=reverse, exclusive=True)
        best = self.higher(before, x) if exclusive else out
        number = out.dtype.type
        tied = logical_or(eq(x, best), is_nan(x))
        # A new record, and the first NaN, forget the elements that tied for the old one.
        keep = select(logical_or(self.keeps(x, before), is_nan(before)), number(1), number(0))
        count = _recur(keep, select(tied, number(1), number(0)), axis, reverse, exclusive)
        total = _recur(keep, select(tied, ts[0], number(0)), axis, reverse, exclusive)
        return total / maximum(count, number(1))


class Cummax(CumulativeExtremum):
    """`cummax(x, axis=, reverse=, exclusive=)`: the largest of x₀ … xₖ, NaN from the first NaN on."""

    ufunc, higher, samples = np.maximum, maximum, _samples(spread, -2, 2)

    def identity(self, dtype: np.dtype[Any]) -> Any:
        return -np.inf if dtype.kind in "fc" else False if dtype.kind == "b" else np.iinfo(dtype).min

    def keeps(self, x: Array, before: Array) -> Array:
        return le(x, before)


class Cummin(CumulativeExtremum):
    """`cummin(x, axis=, reverse=, exclusive=)`: the smallest of x₀ … xₖ, NaN from the first NaN on."""

    ufunc, higher, samples = np.minimum, minimum, _samples(spread, -2, 2)

    def identity(self, dtype: np.dtype[Any]) -> Any:
        return np.inf if dtype.kind in "fc" else True if dtype.kind == "b" else np.iinfo(dtype).max

    def keeps(self, x: Array, before: Array) -> Array:
        return le(before, x)


class Cumlogsumexp(Cumulative):
    """`cumlogsumexp(x, axis=, reverse=, exclusive=)`: log(eˣ⁰ + … + eˣᵏ), without overflow."""

    ufunc, samples = np.logaddexp, (*_samples(draw, -3, 3), Sample(np.array([-np.inf, 0.0, 1.0]), axis=0))

    def identity(self, dtype: np.dtype[Any]) -> Any:
        return -np.inf

    def jvp(
        self,
        out: Array,
        xs: Sequence[Array],
        ts: Sequence[Any],
        *,
        axis: int,
        reverse: bool = False,
        exclusive: bool = False,
    ) -> Array:
        x = xs[0]
        before = out if exclusive else cumlogsumexp(x, axis=axis, reverse=reverse, exclusive=True)
        # The weights of x and of all before it; the same infinity on both sides shares evenly, −∞ weighs nothing.
        same = eq(x, before)
        gap = select(same, 0.0, x) - select(same, 0.0, before)
        nothing = eq(maximum(x, before), -np.inf)
        weight, keep = (select(nothing, 0.0, logistic(d)) for d in (gap, -gap))
        return _recur(keep, weight * ts[0], axis, reverse, exclusive)


class LinearRecurrence(Primitive):
    """`linear_recurrence(a, b, axis=, reverse=)`: r₀ = 0, rₖ₊₁ = aₖ·rₖ + bₖ along an axis.

    It is closed under differentiation, ṙₖ₊₁ = aₖ·ṙₖ + (ȧₖ·rₖ + ḃₖ), and its transpose in b is itself in reverse.
    """

    samples = (
        Sample(draw(-1, 1, (5,)), draw(-1, 1, (5,)), axis=0),
        Sample(draw(-1, 1, (2, 3)), draw(-1, 1, (2, 3)), axis=1, reverse=True),
        Sample(draw(-1, 1, (2, 0)), draw(-1, 1, (2, 0)), axis=1),
        Sample(draw(-1, 1, (200,)), draw(-1, 1, (200,)), axis=0),
    )

    def impl(self, a: Array, b: Array, *, axis: int, reverse: bool = False) -> Array:
        out = np.empty(b.shape, b.dtype)
        _iterate(*(np.moveaxis(v, axis, 0)[:: -1 if reverse else 1] for v in (a, b, out)))
        return out

    def shape(self, a: ShapedArray, b: ShapedArray, *, axis: int, reverse: bool = False) -> ShapedArray:
        if a.shape != b.shape or a.dtype != b.dtype or not 0 <= axis < a.ndim:
            raise ShapeError(message(f"`linear_recurrence` of {a} and {b} along axis {axis}."))
        return ShapedArray(b.shape, b.dtype)

    def jvp(
        self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, axis: int, reverse: bool = False
    ) -> Array | Zero:
        by_a, by_b = ts
        if by_a is ZERO:
            source = by_b
        else:
            source = by_a * out if by_b is ZERO else by_a * out + by_b
        return linear_recurrence(xs[0], source, axis=axis, reverse=reverse)

    def transpose(self, ct: Array, a: Array, b: Any, *, axis: int, reverse: bool = False) -> Sequence[Array | None]:
        return None, linear_recurrence(a, ct, axis=axis, reverse=not reverse)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, reverse: bool = False
    ) -> tuple[Array, int]:
        a, b = (
            broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)
            for x, dim in zip(xs, dims, strict=True)
        )
        return linear_recurrence(a, b, axis=axis + 1, reverse=reverse), 0


cumsum = Cumsum()
cumprod = Cumprod()
cummax = Cummax()
cummin = Cummin()
cumlogsumexp = Cumlogsumexp()
linear_recurrence = LinearRecurrence()


def _recur(a: Array, b: Array, axis: int, reverse: bool, exclusive: bool) -> Array:
    """rₖ = aₖ·rₖ₋₁ + bₖ, or, with `exclusive`, the rₖ₋₁."""
    before = linear_recurrence(a, b, axis=axis, reverse=reverse)
    return before if exclusive else b + a * before


_FEW_STEPS = 64
_WIDE_STEP = 1024
_LONG_LIST = 16384


def _iterate(a: Any, b: Any, out: Any) -> None:
    """Fills `out` with the recurrence along axis 0: as Python floats, row by row, or in pieces side by side."""
    n = len(b)
    if b.ndim == 1 and n <= _LONG_LIST:
        out[:] = _numbers(a.tolist(), b.tolist())
    elif n <= _FEW_STEPS or b[0].size >= _WIDE_STEP or not _in_pieces(a, b, out):
        out[:1] = 0
        _advance(a, b, out)


def _numbers(a: list[Any], b: list[Any]) -> list[Any]:
    r = 0.0
    out = []
    for factor, term in zip(a, b, strict=True):
        out.append(r)
        r = factor * r + term
    return out


def _advance(a: Any, b: Any, out: Any) -> None:
    """Goes on from `out[0]`."""
    for k in range(len(out) - 1):
        following = out[k + 1, ...]
        np.multiply(a[k], out[k], out=following)
        following += b[k]


def _in_pieces(a: Any, b: Any, out: Any) -> bool:
    """Runs about √n pieces of a long recurrence side by side: from 0 at first, then from where each one really starts.

    Refuses where the gain of a piece overflows, since the recurrence itself may not.
    """
    length = math.isqrt(len(b))
    pieces, rest = len(b) // length, b.shape[1:]
    cut = pieces * length
    a_cut, b_cut = (np.swapaxes(v[:cut].reshape(pieces, length, *rest), 0, 1) for v in (a, b))
    with np.errstate(over="ignore", invalid="ignore"):
        gain = np.multiply.reduce(a_cut, axis=0)
    if not np.isfinite(gain).all():
        return False
    side_by_side = np.zeros(b_cut.shape, b.dtype)
    _advance(a_cut, b_cut, side_by_side)
    starts = np.zeros((pieces + 1, *rest), b.dtype)
    _advance(gain, a_cut[-1] * side_by_side[-1] + b_cut[-1], starts)
    side_by_side[0] = starts[:-1]
    _advance(a_cut, b_cut, side_by_side)
    out[:cut] = np.swapaxes(side_by_side, 0, 1).reshape(cut, *rest)
    out[cut : cut + 1] = starts[-1]
    _advance(a[cut:], b[cut:], out[cut:])
    return True
