"""Shapes and axes, of NumPy's chapter "Array manipulation routines".

Given only concrete arrays each function is NumPy's own. A traced array is always in C order: its order "A" or "K" is C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.dispatch import is_traced
from fgrad.numpy.parts import operand, static_shape
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import broadcast_to as broadcast
from fgrad.primitives.shape import copy as copy_array
from fgrad.primitives.shape import reshape as to_shape
from fgrad.primitives.shape import transpose as permute

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "copy",
    "expand_dims",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "ravel",
    "reshape",
    "rollaxis",
    "squeeze",
    "swapaxes",
    "transpose",
]

broadcast_shapes = np.broadcast_shapes


def reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Array:
    """`reshape(a, shape)`: the same elements in another shape, one length of which may be −1: what is left.

    >>> reshape(np.arange(6), (2, -1))
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.reshape(a, shape, order) if copy is None else np.reshape(a, shape, order, copy=copy)
    x = operand(a)
    given = shape_of(x)
    target = _completed(given, static_shape(shape))
    if order == "F":
        out = to_shape(permute(x, axes=tuple(range(len(given)))[::-1]), shape=target[::-1])
        return permute(out, axes=tuple(range(len(target)))[::-1])
    if order not in ("C", "A"):
        raise ArgumentError(message(f"reshape: order={order!r} is none of 'C', 'F', 'A'."))
    return x if target == given else to_shape(x, shape=target)


def _completed(given: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape whose unknown length, written −1, is what the number of elements leaves."""
    unknown = [i for i, n in enumerate(shape) if n == -1]
    size, known = math.prod(given), math.prod([n for n in shape if n != -1])
    if len(unknown) > 1 or any([n < -1 for n in shape]):
        raise ShapeError(message(f"reshape to {shape}: one length may be unknown (-1), the others are not negative."))
    if unknown:
        if not known or size % known:
            _refuse_reshape(given, size, shape)
        return tuple([size // known if n == -1 else n for n in shape])
    if known != size:
        _refuse_reshape(given, size, shape)
    return shape


def _refuse_reshape(given: tuple[int, ...], size: int, shape: tuple[int, ...]) -> NoReturn:
    what = f"cannot reshape an array of shape {given} ({size} elements) into {shape}."
    cure = "The number of elements stays the same; one length may be -1, which stands for what is left."
    raise ShapeError(message(what, cure=cure))


def ravel(a: Any, order: Any = "C") -> Array:
    """`ravel(a)`: the elements in a row.

    >>> ravel([[1, 2], [3, 4]])
    array([1, 2, 3, 4])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.ravel(a, order)
    return reshape(a, -1, "F" if order == "F" else "C")


def transpose(a: Any, axes: Any = None) -> Array:
    """`transpose(a, axes)`: axis i of the result is axis axes[i] of `a`; the reverse order by default.

    >>> transpose(np.ones((2, 3, 4)), (1, 0, 2)).shape
    (3, 2, 4)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.transpose(a, axes)
    x = operand(a)
    ndim = len(shape_of(x))
    order = tuple(range(ndim))[::-1] if axes is None else normalize_axis_tuple(axes, ndim)
    if len(order) != ndim:
        raise ShapeError(message(f"transpose: axes {axes} of an array of shape {shape_of(x)}: all must be named."))
    return permute(x, axes=tuple(order))


permute_dims = transpose


def matrix_transpose(x: Any, /) -> Array:
    """`matrix_transpose(x)`: the last two axes exchanged."""
    if type(x) is ndarray or not is_traced(x):
        return np.matrix_transpose(x)
    if len(shape_of(operand(x))) < 2:
        raise ShapeError(message(f"matrix_transpose takes two axes or more, got shape {shape_of(operand(x))}."))
    return swapaxes(x, -1, -2)


def moveaxis(a: Any, source: Any, destination: Any) -> Array:
    """`moveaxis(a, source, destination)`: axes moved to other places; the rest keep their order.

    >>> moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.moveaxis(a, source, destination)
    x = operand(a)
    ndim = len(shape_of(x))
    sources = normalize_axis_tuple(source, ndim, "source")
    places = normalize_axis_tuple(destination, ndim, "destination")
    if len(sources) != len(places):
        raise ArgumentError(message(f"moveaxis: {len(sources)} axes cannot go to {len(places)} places."))
    order = [i for i in range(ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute(x, axes=tuple(order))


def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """`rollaxis(a, axis, start)`: an axis moved before another one; `moveaxis` is easier to read."""
    if type(a) is ndarray or not is_traced(a):
        return np.rollaxis(a, axis, start)
    ndim = len(shape_of(operand(a)))
    axis = normalize_axis_index(axis, ndim)
    start = normalize_axis_index(start + ndim if start < 0 else start, ndim + 1)
    return moveaxis(a, axis, start - 1 if axis < start else start)


def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """`swapaxes(a, axis1, axis2)`: two axes exchanged."""
    if type(a) is ndarray or not is_traced(a):
        return np.swapaxes(a, axis1, axis2)
    x = operand(a)
    order = list(range(len(shape_of(x))))
    i, j = normalize_axis_index(axis1, len(order)), normalize_axis_index(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return permute(x, axes=tuple(order))


def squeeze(a: Any, axis: Any = None) -> Array:
    """`squeeze(a, axis)`: without axes of length 1: all of them, or those named.

    >>> squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.squeeze(a, axis)
    x = operand(a)
    shape = shape_of(x)
    dropped = [i for i, n in enumerate(shape) if n == 1]
    if axis is not None:
        named = normalize_axis_tuple(axis, len(shape), "axis")
        if not set(named) <= set(dropped):
            what = f"squeeze takes axes of length 1, got axis {axis} of an array of shape {shape}."
            raise ShapeError(message(what))
        dropped = list(named)
    return to_shape(x, shape=tuple([n for i, n in enumerate(shape) if i not in dropped]))


def expand_dims(a: Any, axis: Any) -> Array:
    """`expand_dims(a, axis)`: with new axes of length 1, at the given places of the result.

    >>> expand_dims(np.ones(3), (0, 2)).shape
    (1, 3, 1)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.expand_dims(a, axis)
    x = operand(a)
    count = 1 if np.ndim(axis) == 0 else len(axis)
    ndim = len(shape_of(x)) + count
    places = normalize_axis_tuple(axis, ndim)
    lengths = iter(shape_of(x))
    return to_shape(x, shape=tuple([1 if i in places else next(lengths) for i in range(ndim)]))


def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Array:
    """`broadcast_to(array, shape)`: the array repeated along new axes and those of length 1.

    >>> broadcast_to([1, 2], (2, 2))
    array([[1, 2],
           [1, 2]])
    """
    if type(array) is ndarray or not is_traced(array):
        return np.broadcast_to(array, shape, subok)
    return broadcast(operand(array), shape=static_shape(shape))


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Array, ...]:
    """`broadcast_arrays(*args)`: the arrays in the shape that they broadcast to together."""
    if not is_traced(*args):
        return np.broadcast_arrays(*args, subok=subok)
    xs = [operand(a) for a in args]
    shape = np.broadcast_shapes(*[shape_of(x) for x in xs])
    return tuple([broadcast(x, shape=shape) for x in xs])


def _at_least(rank: int, args: Sequence[Any], function: Any) -> Any:
    if not is_traced(*args):
        return function(*args)
    outs = tuple([_expanded_to(operand(a), rank) for a in args])
    return outs[0] if len(outs) == 1 else outs


def _expanded_to(x: Array, rank: int) -> Array:
    """At least `rank` axes: new ones in front, but a third one behind."""
    shape = shape_of(x)
    if len(shape) >= rank:
        return x
    if rank == 3:
        return to_shape(x, shape=(1, 1, 1) if not shape else (1, *shape, 1) if len(shape) == 1 else (*shape, 1))
    return to_shape(x, shape=(*[1] * (rank - len(shape)), *shape))


def atleast_1d(*arys: Any) -> Any:
    """`atleast_1d(*arys)`: numbers as arrays of one axis."""
    if len(arys) == 1 and type(arys[0]) is ndarray:
        return np.atleast_1d(arys[0])
    return _at_least(1, arys, np.atleast_1d)


def atleast_2d(*arys: Any) -> Any:
    """`atleast_2d(*arys)`: with at least two axes; new ones stand in front."""
    if len(arys) == 1 and type(arys[0]) is ndarray:
        return np.atleast_2d(arys[0])
    return _at_least(2, arys, np.atleast_2d)


def atleast_3d(*arys: Any) -> Any:
    """`atleast_3d(*arys)`: with at least three axes; a vector becomes (1, n, 1), a matrix (m, n, 1)."""
    if len(arys) == 1 and type(arys[0]) is ndarray:
        return np.atleast_3d(arys[0])
    return _at_least(3, arys, np.atleast_3d)


def copy(a: Any, order: Any = "K", subok: bool = False) -> Array:
    """`copy(a)`: an array of its own."""
    return copy_array(operand(a)) if type(a) is not ndarray and is_traced(a) else np.copy(a, order, subok)  # type: ignore[call-overload]
