"""New arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, message, public
from fgrad.lax.operands import axis_index, operand
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.parts import static_shape
from fgrad.primitives.shape import broadcast_to

__all__ = ["broadcasted_iota", "empty", "full", "full_like", "iota"]


@public
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Array:
    """An array of a shape, filled with one number.

    Args:
        shape: the lengths of the axes.
        fill_value: a number, or an array without axes.
        dtype: that of the result; by default that of the number.

    >>> full((2,), 1.5)
    array([1.5, 1.5])
    """
    value = operand(fill_value)
    if aval_of(value).shape:
        what = f"lax.full fills with one number, got an array of shape {aval_of(value).shape}."
        raise ArgumentError(message(what, cure="Use fgrad.numpy.broadcast_to or lax.broadcast_in_dim."))
    lengths = static_shape(shape)
    value = value if dtype is None else as_dtype(value, np.dtype(dtype))
    if isinstance(value, (np.ndarray, np.generic)):
        return np.full(lengths, value)
    return broadcast_to(value, shape=lengths)


@public
def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Array:
    """An array filled with one number, of the shape and dtype of another where they are not given.

    >>> full_like(np.arange(3), 2.7)
    array([2, 2, 2])
    """
    aval = aval_of(operand(x))
    return full(aval.shape if shape is None else shape, fill_value, aval.dtype if dtype is None else dtype)


@public
def empty(shape: Any, dtype: Any) -> Array:
    """An array of a shape and dtype, whose elements are 0: nothing here is ever left undefined.

    >>> empty((2,), float)
    array([0., 0.])
    """
    return np.zeros(static_shape(shape), dtype)


@public
def iota(dtype: Any, size: int) -> Array:
    """The numbers 0, 1, …, size − 1.

    >>> iota(np.float32, 3)
    array([0., 1., 2.], dtype=float32)
    """
    return broadcasted_iota(dtype, (size,), 0)


@public
def broadcasted_iota(dtype: Any, shape: Any, dimension: int) -> Array:
    """An array of a shape whose elements are their own positions along one axis.

    >>> broadcasted_iota(int, (2, 3), 1)
    array([[0, 1, 2],
           [0, 1, 2]])
    """
    lengths = static_shape(shape)
    axis = axis_index("broadcasted_iota", dimension, len(lengths))
    if min(lengths) < 0:
        raise ArgumentError(message(f"lax.broadcasted_iota of shape {lengths}: a length is negative."))
    numbers = np.arange(lengths[axis]).astype(dtype)
    column = numbers.reshape([n if i == axis else 1 for i, n in enumerate(lengths)])
    return np.broadcast_to(column, lengths).copy()
