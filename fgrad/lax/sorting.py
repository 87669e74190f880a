"""Order: sorting by one key or several, and the largest elements."""

from __future__ import annotations

import operator as numbers
from collections.abc import Sequence
from typing import Any

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax.operands import axis_index, check_kinds, operand
from fgrad.numpy.indexing import take_along_axis
from fgrad.numpy.sorting import lexsort
from fgrad.primitives import sorting
from fgrad.primitives.elementwise import neg
from fgrad.primitives.families import shape_of
from fgrad.primitives.selection import top_positions
from fgrad.primitives.shape import move_axis

__all__ = ["approx_max_k", "approx_min_k", "sort", "sort_key_val", "top_k"]


@public
def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Array | tuple[Array, ...]:
    """Sorts along an axis: one array, or several of one shape by the first of them.

    NaNs come last. The derivative goes with each element to where it is put.

    Args:
        operand: an array, or a sequence of arrays of one shape that are put in the same order.
        dimension: the axis.
        is_stable: has no effect: elements that tie always keep their order.
        num_keys: how many of the arrays decide, the first one first.

    Returns:
        An array, or a tuple of arrays.

    >>> import numpy as np
    >>> sort((np.array([2, 1, 1]), np.array([1.0, 5.0, 3.0])), num_keys=2)
    (array([1, 1, 2]), array([3., 5., 1.]))
    """
    if not isinstance(operand, Sequence):
        x = _operand(operand)
        return sorting.sort(x, axis=axis_index("sort", dimension, len(shape_of(x))))
    xs = [_operand(x) for x in operand]
    shapes = {shape_of(x) for x in xs}
    if len(shapes) != 1:
        got = ", ".join(str(shape_of(x)) for x in xs) or "nothing"
        raise ShapeError(message(f"lax.sort takes arrays of one shape, got {got}."))
    if not 1 <= num_keys <= len(xs):
        raise ArgumentError(message(f"lax.sort: num_keys is {num_keys}, for {len(xs)} arrays."))
    axis = axis_index("sort", dimension, len(shape_of(xs[0])))
    if num_keys == 1:
        order = sorting.argsort(xs[0], axis=axis)
    else:
        order = lexsort(tuple(reversed(xs[:num_keys])), axis)
    return tuple([sorting.permute(x, order, axis=axis) for x in xs])


@public
def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> tuple[Array, Array]:
    """Sorts keys along an axis, and puts values in the same order.

    >>> import numpy as np
    >>> sort_key_val(np.array([3, 1, 2]), np.array([10, 20, 30]))
    (array([1, 2, 3]), array([20, 30, 10]))
    """
    k, v = sort((keys, values), dimension, is_stable, 1)
    return k, v


@public
def top_k(operand: Any, k: int, *, axis: int = -1) -> tuple[Array, Array]:
    """The k largest elements along an axis, the largest first, and where they are.

    NaNs count as larger than all numbers; of elements that tie the first ones are taken.

    Args:
        operand: an array.
        k: how many.
        axis: the axis.

    Returns:
        The elements, and their positions along the axis; both have length k there.

    >>> import numpy as np
    >>> top_k(np.array([1.0, 3.0, 2.0, 3.0]), 3)
    (array([3., 3., 2.]), array([1, 3, 2]))
    """
    x = _operand(operand)
    check_kinds("top_k", aval_of(x), "biuf")
    along, count = axis_index("top_k", axis, len(shape_of(x))), numbers.index(k)
    n = shape_of(x)[along]
    if not 0 <= count <= n:
        raise ArgumentError(message(f"lax.top_k: k is {count}, but axis {along} has {n} elements."))
    last = len(shape_of(x)) - 1
    positions = move_axis(top_positions(move_axis(x, along, last), k=count), last, along)
    return take_along_axis(x, positions, along), positions


@public
def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> tuple[Array, Array]:
    """The k largest elements along an axis, as `top_k`: here they are exact, whatever recall is asked for.

    >>> import numpy as np
    >>> approx_max_k(np.array([1.0, 3.0, 2.0]), 2)
    (array([3., 2.]), array([1, 2]))
    """
    return top_k(operand, k, axis=reduction_dimension)


@public
def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> tuple[Array, Array]:
    """The k smallest elements along an axis, and where they are; exact, as `approx_max_k`.

    >>> import numpy as np
    >>> approx_min_k(np.array([1.0, 3.0, 2.0]), 2)
    (array([1., 2.]), array([0, 2]))
    """
    values, positions = top_k(neg(_operand(operand)), k, axis=reduction_dimension)
    return neg(values), positions


_operand = operand
