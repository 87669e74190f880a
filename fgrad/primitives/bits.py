"""Bits: other types for the same bits, leading zeros, shifts without the sign, reductions bit by bit, precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample, Zero
from fgrad.errors import ShapeError, message
from fgrad.primitives.comparison import Predicate
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.families import NonDifferentiable, draw, floats, integers
from fgrad.primitives.reductions import Reduction
from fgrad.primitives.shape import move_axis

__all__ = [
    "bitcast_convert_type",
    "count_leading_zeros",
    "reduce_bitwise_and",
    "reduce_bitwise_or",
    "reduce_bitwise_xor",
    "reduce_precision",
    "right_shift_logical",
    "round_away",
]


def _unsigned(x: Array) -> Array:
    x = np.asarray(x)
    return x.view(np.dtype(f"u{x.dtype.itemsize}"))


class BitcastConvertType(NonDifferentiable):
    """`bitcast_convert_type(x, dtype=)`: the same bits as elements of another dtype.

    Where that is narrower, the elements that one becomes stand along a new last axis; where it is wider, the last axis
    holds what becomes one element.
    """

    samples = (
        Sample(draw(-1, 1, (2, 3), np.float32), dtype=np.dtype(np.int32)),
        Sample(draw(-1, 1, (), np.float32), dtype=np.dtype(np.int32)),
        Sample(draw(-1, 1, (2,), np.float32), dtype=np.dtype(np.int16)),
        Sample(np.arange(8, dtype=np.uint8).reshape(2, 4), dtype=np.dtype(np.int32)),
        Sample(draw(-1, 1, (0, 2), np.float32), dtype=np.dtype(np.int64)),
    )

    def impl(self, x: Array, *, dtype: np.dtype[Any]) -> Array:
        x = np.asarray(x)
        if dtype.itemsize < x.dtype.itemsize:
            return np.ascontiguousarray(x)[..., None].view(dtype) if x.ndim else x.reshape(1).view(dtype)
        if dtype.itemsize > x.dtype.itemsize:
            return np.ascontiguousarray(x).view(dtype)[..., 0][()]
        return x.view(dtype)[()]

    def shape(self, x: ShapedArray, *, dtype: np.dtype[Any]) -> ShapedArray:
        have, want = x.dtype.itemsize, dtype.itemsize
        if want < have:
            return ShapedArray((*x.shape, have // want), dtype)
        if want == have:
            return ShapedArray(x.shape, dtype)
        if not x.ndim or x.shape[-1] != want // have:
            what = f"the bits of {x} do not make elements of {dtype}: its last axis must have length {want // have}."
            raise ShapeError(message(what, cure="Reshape it, or take a dtype of the same size."))
        return ShapedArray(x.shape[:-1], dtype)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, dtype: np.dtype[Any]) -> tuple[Array, int]:
        return bitcast_convert_type(move_axis(xs[0], dims[0], 0), dtype=dtype), 0

    def is_view(self, **params: Any) -> bool:
        return True


class _Computed(Elementwise):
    """An element-wise operation on one dtype, computed by several functions of NumPy."""

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return np.result_type(*[key(0) if isinstance(key, type) else key for key in keys])

    def inplace(self, *args: Any, **params: Any) -> bool:
        return False


class CountLeadingZeros(NonDifferentiable, _Computed):
    """`count_leading_zeros(x)`: how many bits of an integer stand above its highest one that is set."""

    samples = (*integers(-99, 99), *integers(0, 255, dtype=np.uint8), *integers(-128, 128, dtype=np.int8))

    def impl(self, x: Array) -> Array:
        x = np.asarray(x)
        bits, width = _unsigned(x), 8 * x.dtype.itemsize
        step = 1
        while step < width:  # every bit below the highest is set, then they are counted
            bits = bits | (bits >> np.array(step, bits.dtype))
            step *= 2
        return (width - np.bitwise_count(bits).astype(x.dtype)).astype(x.dtype)[()]


class RightShiftLogical(NonDifferentiable, _Computed):
    """`right_shift_logical(x, y)`: the bits of x, y places lower; zeros come in from above."""

    samples = (*integers(-99, 99, 2), *integers(0, 40, 2, np.int32))

    def impl(self, x: Array, y: Array) -> Array:
        dtype = np.result_type(x, y)
        shifted = np.right_shift(_unsigned(np.asarray(x, dtype)), _unsigned(np.asarray(y, dtype)))
        return np.asarray(shifted).view(dtype)[()]


class RoundAway(Predicate):
    """`round_away(x)`: the nearest integer, ties away from 0."""

    samples = floats(0.1, 0.4, hard=(-1.2, 2.7, np.inf))

    def impl(self, x: Array) -> Array:
        whole = np.trunc(x)
        with np.errstate(invalid="ignore"):  # of infinities
            away = np.abs(x - whole) >= 0.5
        return np.where(away, whole + np.copysign(whole.dtype.type(1), x), whole)[()]

    def inplace(self, *args: Any, **params: Any) -> bool:
        return False


class ReducePrecision(_Computed):
    """`reduce_precision(x, exponent_bits=, mantissa_bits=)`: the nearest number of a narrower floating-point format.

    Ties go to the even one; what is too large becomes infinite, what is too small 0. The derivative is 1.
    """

    # Numbers that the format has: others are moved, in steps, about which numerical derivatives know nothing.
    samples = tuple(Sample(*s.args, exponent_bits=8, mantissa_bits=52) for s in floats(0.5, 3, hard=(1.0, 1.5, -2.0)))

    def impl(self, x: Array, *, exponent_bits: int, mantissa_bits: int) -> Array:
        x = np.asarray(x)
        kept = np.finfo(x.dtype).nmant - mantissa_bits
        out = _rounded(x, kept) if kept > 0 else np.array(x)
        bias = 2 ** (exponent_bits - 1) - 1
        if bias >= np.finfo(x.dtype).maxexp - 1:
            return out[()]
        with np.errstate(over="ignore"):
            huge = np.abs(out) >= np.ldexp(x.dtype.type(1), bias + 1)
        tiny = np.abs(out) < np.ldexp(x.dtype.type(1), 1 - bias)
        out = np.where(huge, np.copysign(x.dtype.type(np.inf), x), np.where(tiny, np.copysign(x.dtype.type(0), x), out))
        return out[()]

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array | Zero:
        return ts[0]

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True


def _rounded(x: Any, dropped: int) -> Any:
    """Numbers whose last bits are 0: the nearest ones, ties to even. Carries go over into the exponent, rightly."""
    bits = _unsigned(x)
    number = bits.dtype.type
    half_below = number((1 << (dropped - 1)) - 1)
    odd = (bits >> number(dropped)) & number(1)
    kept = (bits + (half_below + odd)) & number(~((1 << dropped) - 1) & (2 ** (8 * bits.dtype.itemsize) - 1))
    return np.where(np.isfinite(x), kept.view(x.dtype), x)


class ReduceBitwiseAnd(NonDifferentiable, Reduction):
    """`reduce_bitwise_and(x, axes=)`: the bits that all elements have."""

    ufunc = np.bitwise_and
    samples = tuple(Sample(*s.args, axes=axes) for s in integers(-9, 99) for axes in ((0,), (0, 1)))


class ReduceBitwiseOr(NonDifferentiable, Reduction):
    """`reduce_bitwise_or(x, axes=)`: the bits that any element has."""

    ufunc = np.bitwise_or
    samples = tuple(Sample(*s.args, axes=axes) for s in integers(-9, 99) for axes in ((0,), (0, 1)))


class ReduceBitwiseXor(NonDifferentiable, Reduction):
    """`reduce_bitwise_xor(x, axes=)`: the bits that an odd number of elements have."""

    ufunc = np.bitwise_xor
    samples = tuple(Sample(*s.args, axes=axes) for s in integers(-9, 99) for axes in ((0,), (0, 1)))


bitcast_convert_type = BitcastConvertType()
count_leading_zeros = CountLeadingZeros()
right_shift_logical = RightShiftLogical()
round_away = RoundAway()
reduce_precision = ReducePrecision()
reduce_bitwise_and = ReduceBitwiseAnd()
reduce_bitwise_or = ReduceBitwiseOr()
reduce_bitwise_xor = ReduceBitwiseXor()
