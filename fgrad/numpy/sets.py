"""Sets: distinct elements, and where one array has those of another. Given only concrete arrays each is NumPy's own.

How many elements are distinct depends on their values. A traced array that has none (under jit or vmap) needs `size`:
so many elements are given, and `fill_value` stands for those that are missing. Elements take their derivatives along.
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.cumulative import cumsum
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.dtypes import result_type
from fgrad.numpy.joining import concatenate
from fgrad.numpy.manipulation import moveaxis
from fgrad.numpy.parts import flat, operand, part, taken, value_of
from fgrad.numpy.reductions import any as any_of
from fgrad.numpy.sorting import argsort, lexsort, searchsorted, sort
from fgrad.primitives import sorting
from fgrad.primitives.comparison import eq, ge, is_nan, logical_and, logical_not, logical_xor, minimum, ne, select
from fgrad.primitives.families import shape_of
from fgrad.primitives.positions import first_nonzeros
from fgrad.primitives.shape import reshape

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Array
    inverse_indices: Array


def _starts(rows: Array, equal_nan: bool) -> Array:
    """Of rows in order, which differ from the one before."""
    n = shape_of(rows)[0]
    if n == 0:
        return np.zeros(0, np.bool_)
    before, after = part(rows, 0, slice(None, -1)), part(rows, 0, slice(1, None))
    differ = ne(after, before)
    if equal_nan and aval_of(rows).dtype.kind in "fc":
        differ = logical_and(differ, logical_not(logical_and(is_nan(before), is_nan(after))))
    if len(shape_of(differ)) > 1:
        differ = any_of(differ, tuple(range(1, len(shape_of(differ)))))
    return concatenate([np.ones(1, np.bool_), differ], 0)


def _chosen(mask: Array, size: Any, name: str) -> Array:
    """The positions at which a mask holds; with `size` so many, the length of the mask for those that are missing."""
    if size is not None:
        return first_nonzeros(mask, size=operator.index(size))
    cure = f"Say how many elements to give: {name}(…, size=n), fill_value= for those that are missing."
    return np.flatnonzero(value_of(mask, name, cure))


def _picked(rows: Array, positions: Array, size: Any, fill_value: Any) -> Array:
    """The rows at some positions; a fill value, or the first of them, beyond the last row."""
    n = shape_of(rows)[0]
    if size is None:
        return taken(rows, positions, 0, unique=True)
    dtype = aval_of(rows).dtype
    if n == 0:
        fill = np.zeros((), dtype) if fill_value is None else as_operand(fill_value)
        return as_dtype(fill + np.zeros((*shape_of(positions), *shape_of(rows)[1:]), dtype), dtype)
    missing = ge(positions, n)
    # Where none was chosen, any row will do to fill up with.
    first = minimum(part(positions, 0, slice(0, 1)), n - 1) if fill_value is None and shape_of(positions)[0] else 0
    out = taken(rows, select(missing, first if fill_value is None else 0, positions), 0)
    if fill_value is None:
        return out
    missing = reshape(missing, shape=(*shape_of(missing), *[1] * (len(shape_of(rows)) - 1)))
    return as_dtype(select(missing, as_operand(fill_value), out), dtype)


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    size: Any = None,
    fill_value: Any = None,
    **options: Any,
) -> Any:
    """`unique(ar)`: the distinct elements in ascending order.

    Args:
        ar: an array.
        return_index: also where each stands first.
        return_inverse: also for each element of `ar` which of the distinct ones it is.
        return_counts: also how often each stands in `ar`.
        axis: distinct parts along this axis; distinct elements, where it is `None`.
        equal_nan: NaNs count as one element.
        size: how many to give: the first ones. Needed where `ar` is traced and has no value.
        fill_value: what stands for those that are missing; the first element by default.
        **options: what NumPy's newer function takes besides, for concrete arrays.

    Raises:
        ConcretizationTypeError: without `size` the length of the result is unknown.

    >>> unique([3, 1, 3])
    array([1, 3])
    >>> unique(np.array([3, 1, 3]), size=3, fill_value=-1)
    array([ 1,  3, -1])
    """
    if size is None and (type(ar) is ndarray or not is_traced(ar)):
        return np.unique(ar, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan, **options)  # type: ignore[call-overload]
    x = operand(ar)
    along = None if axis is None else normalize_axis_index(axis, len(shape_of(x)))
    rows = flat(x) if along is None else moveaxis(x, along, 0)
    order = _row_order(rows)
    ordered = taken(rows, order, 0, unique=True)
    starts = _starts(ordered, equal_nan if along is None else False)
    positions = _chosen(starts, size, "unique")
    values = _picked(ordered, positions, size, fill_value)
    outs = [values if along is None else moveaxis(values, 0, along)]
    if return_index:
        outs.append(_picked(order, positions, size, None))
    if return_inverse:
        inverse = sorting.permute(cumsum(starts) - 1, order, axis=0, inverse=True)
        outs.append(inverse if along is not None else reshape(inverse, shape=shape_of(x)))
    if return_counts:
        outs.append(_run_lengths(positions, starts))
    return outs[0] if len(outs) == 1 else tuple(outs)


def _run_lengths(positions: Array, starts: Array) -> Array:
    """How long the runs are that start at some positions; 0 for one that is beyond the last element."""
    numbers = np.arange(1, shape_of(positions)[0] + 1)
    run = cumsum(starts)
    return searchsorted(run, numbers, "right") - searchsorted(run, numbers, "left")


def _row_order(rows: Array) -> Array:
    """The stable order of elements, or of rows by their first element, then by their second, and so on."""
    n, *rest = shape_of(rows)
    if not rest:
        return argsort(rows, stable=True)
    table = reshape(rows, shape=(n, math.prod(rest)))
    count = math.prod(rest)
    return lexsort([taken(table, np.asarray(k), 1) for k in reversed(range(count))]) if count else np.arange(n)


def unique_all(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """`unique_all(x)`: distinct elements, where each stands first, which each element is, and how often it stands.

    >>> unique_all(np.array([3, 1, 3])).counts
    array([1, 2])
    """
    if size is None and (type(x) is ndarray or not is_traced(x)):
        return np.unique_all(x)
    return UniqueAll(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """`unique_counts(x)`: distinct elements, and how often each stands.

    >>> unique_counts(np.array([3, 1, 3])).counts
    array([1, 2])
    """
    if size is None and (type(x) is ndarray or not is_traced(x)):
        return np.unique_counts(x)
    return UniqueCounts(*unique(x, False, False, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """`unique_inverse(x)`: distinct elements, and which of them each element is.

    >>> unique_inverse(np.array([3, 1, 3])).inverse_indices
    array([1, 0, 1])
    """
    if size is None and (type(x) is ndarray or not is_traced(x)):
        return np.unique_inverse(x)
    return UniqueInverse(*unique(x, False, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Array:
    """`unique_values(x)`: distinct elements, each NaN for itself.

    >>> sort(unique_values(np.array([3, 1, 3])))
    array([1, 3])
    """
    if size is None and (type(x) is ndarray or not is_traced(x)):
        return np.unique_values(x)
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Array:
    """`isin(element, test_elements)`: for each element whether it is among others.

    >>> isin([1, 2, 3], [3, 1])
    array([ True, False,  True])
    """
    if type(element) is ndarray is type(test_elements) or not is_traced(element, test_elements):
        return np.isin(element, test_elements, assume_unique, invert, kind=kind)
    x, others = operand(element), flat(operand(test_elements))
    if not shape_of(others)[0]:
        return np.full(shape_of(x), invert)
    dtype = np.result_type(aval_of(x).dtype, aval_of(others).dtype)
    ordered, x = sort(as_dtype(others, dtype)), as_dtype(x, dtype)
    nearest = taken(ordered, minimum(searchsorted(ordered, x), shape_of(ordered)[0] - 1), 0)
    return ne(nearest, x) if invert else eq(nearest, x)


def _rows_of(ar1: Any, ar2: Any) -> tuple[Array, Array]:
    x, y = flat(operand(ar1)), flat(operand(ar2))
    dtype = np.result_type(aval_of(x).dtype, aval_of(y).dtype)
    return as_dtype(x, dtype), as_dtype(y, dtype)


def _distinct(rows: Array, keep: Any, size: Any, fill_value: Any, name: str) -> Array:
    """The distinct ones of some elements for which `keep` holds, in order."""
    ordered = sort(rows)
    mask = _starts(ordered, True)
    mask = mask if keep is None else logical_and(mask, keep(ordered))
    return _picked(ordered, _chosen(mask, size, name), size, fill_value)


def union1d(ar1: Any, ar2: Any, *, size: Any = None, fill_value: Any = None) -> Array:
    """`union1d(ar1, ar2)`: the distinct elements of both; `size` and `fill_value` as `unique` has them.

    >>> union1d([3, 1], [2, 3])
    array([1, 2, 3])
    """
    if size is None and not is_traced(ar1, ar2):
        return np.union1d(ar1, ar2)
    dtype = result_type(
        *[x if is_traced(x) or isinstance(x, (int, float, complex)) else np.asarray(x) for x in (ar1, ar2)]
    )
    rows = [as_dtype(flat(operand(x)), dtype) for x in (ar1, ar2)]
    return _distinct(concatenate(rows, 0), None, size, fill_value, "union1d")


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None) -> Array:
    """`setdiff1d(ar1, ar2)`: the distinct elements of ar1 that are not in ar2.

    >>> setdiff1d([3, 1, 2], [3])
    array([1, 2])
    """
    if size is None and not is_traced(ar1, ar2):
        return np.setdiff1d(ar1, ar2, assume_unique)
    x = flat(operand(ar1))
    if assume_unique:
        return _picked(x, _chosen(isin(x, ar2, invert=True), size, "setdiff1d"), size, fill_value)
    return _distinct(x, lambda rows: isin(rows, ar2, invert=True), size, fill_value, "setdiff1d")


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None) -> Array:
    """`setxor1d(ar1, ar2)`: the distinct elements that are in one of the two alone.

    >>> setxor1d([3, 1, 2], [3, 4])
    array([1, 2, 4])
    """
    if size is None and not is_traced(ar1, ar2):
        return np.setxor1d(ar1, ar2, assume_unique)
    x, y = _rows_of(ar1, ar2)
    both = concatenate([x, y], 0)
    return _distinct(both, lambda rows: logical_xor(isin(rows, x), isin(rows, y)), size, fill_value, "setxor1d")


def intersect1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: Any = None,
    fill_value: Any = None,
) -> Any:
    """`intersect1d(ar1, ar2)`: the distinct elements that are in both.

    Args:
        ar1: an array, of which the elements are taken.
        ar2: another one.
        assume_unique: means nothing for traced arrays.
        return_indices: also where each stands first in the one and in the other.
        size: see `unique`.
        fill_value: see `unique`.

    >>> intersect1d([3, 1, 2], [3, 2, 4])
    array([2, 3])
    """
    if size is None and not is_traced(ar1, ar2):
        return np.intersect1d(ar1, ar2, assume_unique, return_indices)  # type: ignore[call-overload]
    x, y = _rows_of(ar1, ar2)
    if not return_indices:
        return _distinct(x, lambda rows: isin(rows, y), size, fill_value, "intersect1d")
    order = argsort(x, stable=True)
    ordered = taken(x, order, 0, unique=True)
    positions = _chosen(logical_and(_starts(ordered, True), isin(ordered, y)), size, "intersect1d")
    values = _picked(ordered, positions, size, fill_value)
    mine = _picked(order, positions, size, shape_of(x)[0])
    behind = argsort(y, stable=True)
    found = searchsorted(taken(y, behind, 0, unique=True), _picked(ordered, positions, size, None))
    theirs = taken(behind, minimum(found, shape_of(y)[0] - 1), 0)
    return values, mine, theirs if size is None else select(ge(positions, shape_of(x)[0]), shape_of(y)[0], theirs)
