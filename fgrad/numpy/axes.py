"""What functions that reduce over axes share: normalised axes, kept axes, masks, dtypes."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ShapeError, message
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.comparison import select
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import broadcast_to, convert_element_type, reduce_sum, reshape

__all__ = ["as_dtype", "count_items", "given", "kept", "mask_of", "masked", "one_axis", "reduced_axes"]

Axes = tuple[int, ...]


def given(argument: Any) -> bool:
    """Whether an argument was given, where NumPy marks its absence by `None` or by its own sentinel."""
    return argument is not None and argument is not np._NoValue


def reduced_axes(axis: Any, ndim: int, *, of_numbers: bool = False) -> Axes:
    """The axes that `axis` (an integer, a tuple, or `None` for all) names, in ascending order, not negative.

    Args:
        axis: as NumPy's functions take it.
        ndim: how many axes there are.
        of_numbers: an array without axes may be reduced along axis 0, as NumPy's ufuncs (but not its means) allow.

    Raises:
        numpy.exceptions.AxisError: there is no such axis.
        ValueError: an axis is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, tuple):
        return tuple(sorted(normalize_axis_tuple(axis, ndim, "axis")))
    axis = operator.index(axis)
    return () if of_numbers and ndim == 0 and axis in (0, -1) else (normalize_axis_index(axis, ndim),)


def one_axis(x: Array, axis: Any, *, of_numbers: bool = True) -> tuple[Array, int]:
    """An array and the one axis to work along: that of all elements in a row, where `axis` is `None`.

    An array without axes is taken as a row of one, if `of_numbers`.
    """
    if axis is None or (of_numbers and not shape_of(x)):
        if axis is not None:
            normalize_axis_index(operator.index(axis), 1)
        return reshape(x, shape=(math.prod(shape_of(x)),)), 0
    return x, normalize_axis_index(operator.index(axis), len(shape_of(x)))


def kept(out: Array, shape: Axes, axes: Axes, keepdims: Any) -> Array:
    """The result of a reduction of an array of a shape; reduced axes have length 1 where `keepdims` asks for them."""
    if not given(keepdims) or not keepdims:
        return out
    return reshape(out, shape=tuple([1 if i in axes else n for i, n in enumerate(shape)]))


def mask_of(where: Any, shape: Axes) -> Array | None:
    """`where` as an array of truth values of a shape; `None` where it leaves nothing out."""
    if not given(where) or where is True:
        return None
    mask = as_operand(where)
    try:
        fits = np.broadcast_shapes(shape_of(mask), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(message(f"`where` of shape {shape_of(mask)} does not broadcast to the array's shape {shape}."))
    return mask if aval_of(mask).dtype.kind == "b" else convert_element_type(mask, dtype=np.dtype(np.bool_))


def masked(x: Array, mask: Array | None, fill: Array) -> Array:
    """`x`, and `fill` where the mask is false."""
    return x if mask is None else as_dtype(select(mask, x, fill), aval_of(x).dtype)


def count_items(mask: Array | None, shape: Axes, axes: Axes) -> Array:
    """How many elements are reduced to one: a number, or an array where a mask leaves some out."""
    if mask is None:
        return math.prod([shape[a] for a in axes])
    return reduce_sum(broadcast_to(mask, shape=shape), axes=axes)


def as_dtype(x: Array, dtype: Any) -> Array:
    """`x` under a dtype, as it is where it has that."""
    aval = aval_of(x)
    return x if aval.dtype == dtype and not aval.weak_type else convert_element_type(x, dtype=np.dtype(dtype))
