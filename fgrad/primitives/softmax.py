"""The logarithm of a sum of exponentials, its gradient, the softmax, and the logarithm of that.

Each is what the derivatives of the others need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, is_inexact
from fgrad.core.primitive import Primitive, Sample
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import eq, maximum, select
from fgrad.primitives.exponential import exp
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.reductions import keep_axes, reduce_max
from fgrad.primitives.rows import reduce_rows, row_sums, sums_by_einsum
from fgrad.primitives.shape import grow, reduce_sum

__all__ = ["log_softmax", "logsumexp_and_softmax", "reduce_logsumexp", "softmax"]

_SMALL = 0.125
_FAR = 2.0
"""A sum of powers from here on has a logarithm that is not near 0."""
_MANY = 8192
"""From so many elements on, one row is tried before all."""
_LEAST, _MOST = 1.0, 1e30
"""Between these, a sum of powers has lost no more to underflow than one of powers of which the largest is 1."""
_SAMPLES = (
    Sample(draw(-3, 3, (2, 3, 4)), axes=(0, 2)),
    Sample(draw(-3, 3, (2, 3)), axes=(1,)),
    Sample(draw(-9, 9, (4,)), axes=(0,)),
    Sample(np.array([[0.0, -np.inf, 1.0], [2.0, 2.0, -np.inf]]), axes=(1,)),
    Sample(draw(-3, 3, ()), axes=()),
    Sample(draw(-3, 3, (0, 2)), axes=(1,)),
)


class Exponentials(Primitive):
    """What log-sum-exp and softmax share: real or complex floating-point elements along some axes."""

    samples = _SAMPLES

    def check(self, x: ShapedArray, axes: tuple[int, ...]) -> None:
        if not is_inexact(x.dtype):
            raise ShapeError(message(f"`{self.name}` needs floating-point numbers, not {x}."))
        if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
            raise ShapeError(message(f"`{self.name}` over the axes {axes} of an array of shape {x.shape}."))

    def batched_axes(self, dim: int, axes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([a + (a >= dim) for a in axes])


class ReduceLogsumexp(Exponentials):
    """`reduce_logsumexp(x, axes=)`: log Σ eˣ over some axes, which are dropped; −∞ for no elements.

    Overflows nowhere, and keeps what the lesser elements add to the largest one. Its gradient is the softmax.
    """

    def impl(self, x: Array, *, axes: tuple[int, ...]) -> Array:
        return self.with_softmax(np.asarray(x), axes, weigh=False)[0]

    def with_softmax(
        self, x: Any, axes: tuple[int, ...], *, weigh: bool = True, out: Any = None, scale: Any = None
    ) -> tuple[Array, Array | None]:
        """The result and, where asked for, the softmax, which shares most of the work and may be written to `out`, and
        be multiplied by a `scale` that is the same along these axes."""
        top, powers, total = _exponentials(x, axes, out)
        value = np.asarray(np.log(total))
        if top is not None:
            value += top
        if x.dtype.kind == "f" and (top is not None or np.minimum.reduce(total, axis=None) < _FAR):
            near = np.less(np.abs(value), _SMALL)
            if near.any():
                _refine(value, near, x, axes)
        weights = _weights(powers, total, scale) if weigh else None
        return value.reshape(_dropped(x.shape, axes))[()], weights

    def shape(self, x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        self.check(x, axes)
        return ShapedArray(_dropped(x.shape, axes), x.dtype)

    def pushforward(self, xs: Sequence[Array], ts: Sequence[Any], params: dict[str, Any]) -> tuple[Array, Array]:
        out, weights = logsumexp_and_softmax(xs[0], **params)
        return out, grow(reduce_sum(weights * ts[0], **params), out)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]) -> tuple[Array, int]:
        moved = self.batched_axes(dims[0], axes)
        return reduce_logsumexp(xs[0], axes=moved), dims[0] - sum(a < dims[0] for a in moved)


class Softmax(Exponentials):
    """`softmax(x, axes=)`: eˣ / Σ eˣ over some axes.

    Infinities are taken as limits: what is +∞ shares the weight evenly, and elements that are all −∞ have no weight.
    The compiler alone gives a second operand, the same along these axes, by which the result is multiplied.
    """

    def impl(self, x: Array, scale: Any = None, *, axes: tuple[int, ...], out: Any = None) -> Array:
        _, powers, total = _exponentials(np.asarray(x), axes, out)
        return _weights(powers, total, scale)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axes: tuple[int, ...]) -> str:
        given = f", out={out}" if out else ""
        return f"{write.constant(self.impl, self.name)}({', '.join(names)}, axes={axes}{given})"

    def fills(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return out.ndim > 0

    def shape(self, x: ShapedArray, scale: Any = None, *, axes: tuple[int, ...]) -> ShapedArray:
        self.check(x, axes)
        return ShapedArray(x.shape, x.dtype)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, axes: tuple[int, ...]) -> Array:
        weighted = out * ts[0]
        total = reduce_sum(weighted, axes=axes)
        return weighted - out * keep_axes(total, shape_of(out), axes)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]) -> tuple[Array, int]:
        return softmax(xs[0], axes=self.batched_axes(dims[0], axes)), dims[0]


class LogSoftmax(Exponentials):
    """`log_softmax(x, axes=)`: x − log Σ eˣ over some axes, of real numbers; infinities are taken as limits.

    Relative to itself each element is right to the last digits, and so are its derivatives: the largest element is
    −log(1 + Σ of the others), and moves by what the others lose.
    """

    def check(self, x: ShapedArray, axes: tuple[int, ...]) -> None:
        super().check(x, axes)
        if x.dtype.kind != "f":
            cure = "For complex numbers write x - fgrad.numpy.logsumexp(x)."
            raise ShapeError(message(f"`{self.name}` needs real numbers, not {x}.", cure=cure))

    def impl(self, x: Array, *, axes: tuple[int, ...]) -> Array:
        x = np.asarray(x)
        top, powers, _ = _relative_powers(x, axes, None)
        largest = x == top
        ties = np.maximum(np.add.reduce(largest, axis=axes, dtype=x.dtype, keepdims=True), 1)
        lesser = np.add.reduce(np.where(largest, x.dtype.type(0), powers), axis=axes, keepdims=True)
        with np.errstate(invalid="ignore", over="ignore"):
            below = np.asarray(x - top)
        np.copyto(below, 0, where=largest)
        np.copyto(below, -np.inf, where=np.isneginf(x))
        return (below - (np.log1p(lesser / ties) + np.log(ties)))[()]

    def shape(self, x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        self.check(x, axes)
        return ShapedArray(x.shape, x.dtype)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, axes: tuple[int, ...]) -> Array:
        shape = shape_of(out)
        if 0 in shape:
            return ts[0]
        # Tangents are told relative to that of the largest element, whose weight may be 1 but for the last digit.
        largest = eq(out, keep_axes(reduce_max(out, axes=axes), shape, axes))
        count = keep_axes(reduce_sum(largest, axes=axes), shape, axes)
        share = select(largest, out.dtype.type(1), out.dtype.type(0)) / maximum(count, 1)
        t = ts[0] - keep_axes(reduce_sum(share * ts[0], axes=axes), shape, axes)
        return grow(t - keep_axes(reduce_sum(exp(out) * t, axes=axes), shape, axes), out)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]) -> tuple[Array, int]:
        return log_softmax(xs[0], axes=self.batched_axes(dims[0], axes)), dims[0]


class LogsumexpAndSoftmax(Exponentials):
    """`logsumexp_and_softmax(x, axes=)`: the two of the same x, for little more than the price of one."""

    multiple = True

    def impl(
        self, x: Array, scale: Any = None, *, axes: tuple[int, ...], out: Any = None
    ) -> tuple[Array, Array | None]:
        return reduce_logsumexp.with_softmax(np.asarray(x), axes, out=out, scale=scale)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axes: tuple[int, ...]) -> str:
        given = f", out={out}" if out else ""
        return f"{write.constant(self.impl, self.name)}({', '.join(names)}, axes={axes}{given})"

    def shape(self, x: ShapedArray, scale: Any = None, *, axes: tuple[int, ...]) -> list[ShapedArray]:
        return [reduce_logsumexp.shape(x, axes=axes), softmax.shape(x, axes=axes)]

    def jvp(self, out: Any, xs: Sequence[Array], ts: Sequence[Any], *, axes: tuple[int, ...]) -> list[Array]:
        weights = out[1]
        weighted = weights * ts[0]
        total = reduce_sum(weighted, axes=axes)
        return [grow(total, out[0]), weighted - weights * keep_axes(total, shape_of(weights), axes)]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axes: tuple[int, ...]
    ) -> tuple[list[Array], list[int]]:
        moved = self.batched_axes(dims[0], axes)
        return logsumexp_and_softmax(xs[0], axes=moved), [dims[0] - sum(a < dims[0] for a in moved), dims[0]]


reduce_logsumexp = ReduceLogsumexp()
softmax = Softmax()
log_softmax = LogSoftmax()
logsumexp_and_softmax = LogsumexpAndSoftmax()


def _dropped(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def _weights(powers: Any, total: Any, scale: Any) -> Any:
    if scale is None:
        return np.divide(powers, total, out=powers)[()]
    return np.multiply(powers, np.divide(scale, total, dtype=total.dtype), out=powers)[()]


def _refine(value: Any, near: Any, x: Any, axes: tuple[int, ...]) -> None:
    """Computes log-sum-exp anew where it is near 0, and the rounding of a total close to 1 shows: what is not the
    largest is added up by itself."""
    if axes == (x.ndim - 1,):
        x, axes = x[near[..., 0]], (1,)
    else:
        near = ...
    top, powers, _ = _relative_powers(x, axes, None)
    largest = x == top
    ties = np.maximum(np.add.reduce(largest, axis=axes, dtype=x.dtype, keepdims=True), 1)
    lesser = np.add.reduce(np.where(largest, x.dtype.type(0), powers), axis=axes, keepdims=True)
    refined = np.log1p(lesser / ties) + np.log(ties) + top
    value[near] = refined if near is ... else refined[:, 0]


def _exponentials(x: Any, axes: tuple[int, ...], out: Any) -> tuple[Any, Any, Any]:
    """The largest element and eˣ relative to that of it, or `None` and eˣ where the sums of these are fair; and the
    sums. The powers are written to `out`, if there is one."""
    direct = _plain_powers(x, out) if sums_by_einsum(x, axes) else None
    return _relative_powers(x, axes, out) if direct is None else (None, *direct)


def _relative_powers(x: Any, axes: tuple[int, ...], out: Any) -> tuple[Any, Any, Any]:
    """The largest element, eˣ relative to that of it, and the sum of these; infinities are taken as limits."""
    top = reduce_rows(np.maximum, x.real, axes, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        powers = np.asarray(np.subtract(x, top, out=out))
        np.exp(powers, out=powers)
        total = reduce_rows(np.add, powers, axes, keepdims=True)
        flat = total.ravel()
        if x.size and math.isfinite(np.dot(flat, flat).real):
            return top, powers, total
    np.copyto(powers, np.isposinf(x.real), where=np.isposinf(top))
    np.copyto(powers, 0, where=np.isneginf(top))
    total = np.add.reduce(powers, axis=axes, keepdims=True)
    np.copyto(total, 1, where=np.isneginf(top))
    return top, powers, total


def _plain_powers(x: Any, out: Any) -> tuple[Any, Any] | None:
    """eˣ itself and its sums, where these are neither small nor huge; what the first row says is tried on all.

    They are as exact as those relative to the largest element are, and neither that nor a difference is computed.
    """
    with np.errstate(over="ignore", under="ignore"):
        if x.size >= _MANY and not _LEAST <= np.add.reduce(np.exp(x[(0,) * (x.ndim - 1)])) <= _MOST:
            return None
        powers = np.exp(x, out=out)
    total = row_sums(powers)[..., np.newaxis]
    fair = np.minimum.reduce(total, axis=None) >= _LEAST and np.maximum.reduce(total, axis=None) <= _MOST
    return (powers, total) if fair else None
