"""Reductions of axes, positions of extrema, and what is accumulated along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, message, public
from fgrad.lax.identities import identity_of
from fgrad.lax.operands import NUMBERS, axis_index, axis_tuple, check_kinds, operand
from fgrad.numpy.axes import as_dtype
from fgrad.primitives import bits, cumulative, reductions, shape
from fgrad.primitives.families import shape_of

__all__ = [
    "argmax",
    "argmin",
    "cumlogsumexp",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
    "reduce_sum",
    "reduce_xor",
]


def _reduction(name: str, primitive: Primitive, kinds: str, doc: str) -> Callable[[Any, Sequence[int]], Array]:
    @public
    def function(operand: Any, axes: Sequence[int]) -> Array:
        x = _operand(operand)
        aval = aval_of(x)
        check_kinds(name, aval, kinds)
        along = axis_tuple(name, axes, aval.ndim)
        if not along:
            return x
        logical = _LOGICAL.get(name) if aval.dtype.kind == "b" else None
        if any(aval.shape[a] == 0 for a in along):
            kept = tuple([n for a, n in enumerate(aval.shape) if a not in along])
            return np.full(kept, identity_of(name, aval.dtype), aval.dtype)[()]
        return as_dtype((logical or primitive)(x, axes=along), aval.dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


_LOGICAL = {"reduce_and": reductions.reduce_and, "reduce_or": reductions.reduce_or}


reduce_sum = _reduction(
    "reduce_sum",
    shape.reduce_sum,
    NUMBERS,
    """`reduce_sum(x, axes)`: the sum over some axes, in the dtype of x.

    >>> reduce_sum(np.ones((2, 3)), (0,))
    array([2., 2., 2.])
    """,
)
reduce_prod = _reduction(
    "reduce_prod",
    reductions.reduce_prod,
    NUMBERS,
    "`reduce_prod(x, axes)`: the product over some axes, in the dtype of x. Its derivative divides by nothing.",
)
reduce_max = _reduction(
    "reduce_max",
    reductions.reduce_max,
    NUMBERS + "b",
    "`reduce_max(x, axes)`: the largest over some axes, NaN if there is one; of no elements the lowest number.",
)
reduce_min = _reduction(
    "reduce_min",
    reductions.reduce_min,
    NUMBERS + "b",
    "`reduce_min(x, axes)`: the smallest over some axes, NaN if there is one; of no elements the highest number.",
)
reduce_and = _reduction(
    "reduce_and",
    bits.reduce_bitwise_and,
    "biu",
    "`reduce_and(x, axes)`: whether all over some axes are true; of integers the bits that all have.",
)
reduce_or = _reduction(
    "reduce_or",
    bits.reduce_bitwise_or,
    "biu",
    "`reduce_or(x, axes)`: whether any over some axes is true; of integers the bits that any has.",
)
reduce_xor = _reduction(
    "reduce_xor",
    bits.reduce_bitwise_xor,
    "biu",
    "`reduce_xor(x, axes)`: whether an odd number over some axes is true; of integers so for each bit.",
)


def _position(name: str, primitive: Primitive, doc: str) -> Callable[[Any, int, Any], Array]:
    @public
    def function(operand: Any, axis: int, index_dtype: Any) -> Array:
        x = _operand(operand)
        check_kinds(name, aval_of(x), "biuf")
        along = axis_index(name, axis, len(shape_of(x)))
        dtype = np.dtype(index_dtype)
        if dtype.kind not in "iu":
            raise ArgumentError(message(f"lax.{name}: index_dtype is {dtype}.", cure="Positions are integers."))
        return as_dtype(primitive(x, axis=along), dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


argmax = _position(
    "argmax",
    reductions.argmax,
    """`argmax(x, axis, index_dtype)`: where along an axis the largest element is: the first one, or the first NaN.

    >>> argmax(np.array([1.0, 3.0, 3.0]), 0, np.int32)
    np.int32(1)
    """,
)
argmin = _position(
    "argmin",
    reductions.argmin,
    "`argmin(x, axis, index_dtype)`: where along an axis the smallest element is: the first one, or the first NaN.",
)


def _cumulative(name: str, primitive: Primitive, kinds: str, doc: str) -> Callable[..., Array]:
    @public
    def function(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
        x = _operand(operand)
        aval = aval_of(x)
        check_kinds(name, aval, kinds)
        along = axis_index(name, axis, aval.ndim)
        return as_dtype(primitive(x, axis=along, **({"reverse": True} if reverse else {})), aval.dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


cumsum = _cumulative(
    "cumsum",
    cumulative.cumsum,
    NUMBERS,
    """`cumsum(x, axis, reverse)`: for every element the sum of it and all before it (behind it, if `reverse`).

    >>> cumsum(np.array([1, 2, 3]), reverse=True)
    array([6, 5, 3])
    """,
)
cumprod = _cumulative(
    "cumprod",
    cumulative.cumprod,
    NUMBERS,
    "`cumprod(x, axis, reverse)`: for every element the product of it and all before it (behind it, if `reverse`).",
)
cummax = _cumulative(
    "cummax",
    cumulative.cummax,
    NUMBERS,
    "`cummax(x, axis, reverse)`: for every element the largest of it and all before it (behind it, if `reverse`).",
)
cummin = _cumulative(
    "cummin",
    cumulative.cummin,
    NUMBERS,
    "`cummin(x, axis, reverse)`: for every element the smallest of it and all before it (behind it, if `reverse`).",
)
cumlogsumexp = _cumulative(
    "cumlogsumexp",
    cumulative.cumlogsumexp,
    "f",
    "`cumlogsumexp(x, axis, reverse)`: log Σ eˣ of every element and all before it (behind it, if `reverse`).",
)

_operand = operand
