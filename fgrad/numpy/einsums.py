"""Sums of products by Einstein's convention. Given only concrete arrays they are NumPy's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.numpy.subscripts import Labels, contraction_order, read_subscripts, split_operands
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import mul
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL
from fgrad.primitives.indexing import gather
from fgrad.primitives.shape import reduce_sum, reshape, transpose

__all__ = ["diagonal_of", "einsum", "einsum_path"]


def einsum(*operands: Any, out: Any = None, dtype: Any = None, **options: Any) -> Array:
    """`einsum("ij,jk->ik", a, b)`: sums of products over the labels that the result does not have.

    Several operands are contracted two at a time, in the order that needs the fewest operations.

    Args:
        operands: subscripts and arrays; or each array followed by its labels, a list of integers, those of the result
            last. An ellipsis stands for axes that broadcast.
        out: refused for traced arrays.
        dtype: the dtype to compute in.
        options: NumPy's others (`order`, `casting`, `optimize`); traced arrays are always contracted in the best order.

    >>> einsum("ij,j->i", np.eye(2), np.array([1.0, 2.0]))
    array([1., 2.])
    """
    if not is_traced(*operands):
        if out is None and dtype is None and not options:
            return np.einsum(*operands)
        given = {key: value for key, value in (("out", out), ("dtype", dtype)) if value is not None}
        return np.einsum(*operands, **given, **options)
    refuse("einsum", out=out)
    arrays, terms, wanted = split_operands(operands)
    xs = [as_operand(x) for x in arrays]
    dtype = np.result_type(*[aval_of(x).dtype for x in xs]) if dtype is None else np.dtype(dtype)
    inputs, output, sizes = read_subscripts(terms, wanted, tuple(shape_of(x) for x in xs))
    pool = [_reduced(as_dtype(x, dtype), labels, sizes) for x, labels in zip(xs, inputs, strict=True)]
    for step in contraction_order(tuple(labels for _, labels in pool), output, tuple(sizes.items())):
        chosen = [pool.pop(i) for i in sorted(step, reverse=True)]
        while len(chosen) > 1:
            first, second = chosen.pop(), chosen.pop()
            needed = {*output, *(label for _, labels in (*pool, *chosen) for label in labels)}
            chosen.append(_contracted(first, second, needed, output))
        pool.append(chosen[0])
    return as_dtype(_arranged(*pool[0], output), dtype)


Labelled = tuple[Array, Labels]


def _reduced(x: Array, labels: Labels, sizes: dict[int, int]) -> Labelled:
    """Diagonals for labels that come more than once; axes that broadcast are dropped."""
    for label in labels:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal_of(x, first, second)
            labels = (*[a for i, a in enumerate(labels) if i not in (first, second)], label)
    shape = shape_of(x)
    stays = [n == sizes[label] for label, n in zip(labels, shape, strict=True)]
    if all(stays):
        return x, labels
    x = reshape(x, shape=tuple(n for n, stay in zip(shape, stays, strict=True) if stay))
    return x, tuple(label for label, stay in zip(labels, stays, strict=True) if stay)


def diagonal_of(x: Array, first: int, second: int, offset: int = 0) -> Array:
    """The diagonal of two axes, `first` before `second`; it becomes the last axis."""
    rank = len(shape_of(x))
    if first > second:
        first, second, offset = second, first, -offset
    rows, columns = shape_of(x)[first], shape_of(x)[second]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    x = transpose(x, axes=(*[i for i in range(rank) if i not in (first, second)], first, second))
    steps = np.arange(count)
    key = (*[FULL] * (rank - 2), ARRAY, ARRAY)
    return gather(x, steps - min(offset, 0), steps + max(offset, 0), key=key, unique=True)


def _summed(x: Array, labels: Labels, needed: set[int]) -> Labelled:
    """Sums over the axes that nothing else needs."""
    axes = tuple(i for i, label in enumerate(labels) if label not in needed)
    if not axes:
        return x, labels
    dtype = aval_of(x).dtype
    return as_dtype(reduce_sum(x, axes=axes), dtype), tuple(label for label in labels if label in needed)


def _contracted(first: Labelled, second: Labelled, needed: set[int], output: Labels) -> Labelled:
    """The product of two operands, summed over what neither the result nor another operand needs."""
    x, x_labels = _summed(*first, needed.union(second[1]))
    y, y_labels = _summed(*second, needed.union(x_labels))
    shared = [label for label in x_labels if label in y_labels]
    summed = [label for label in shared if label not in needed]
    if not summed and (len(shared) == len(x_labels) or len(shared) == len(y_labels)):
        return _broadcast_product(x, x_labels, y, y_labels)
    rows = [label for label in shared if label in needed]
    x_free, y_free = ([a for a in labels if a not in shared] for labels in (x_labels, y_labels))
    if (*rows, *y_free, *x_free) == output:
        x, x_labels, x_free, y, y_labels, y_free = y, y_labels, y_free, x, x_labels, x_free
    x_sum, y_sum, x_rows, y_rows = (
        tuple([labels.index(a) for a in group]) for group in (summed, rows) for labels in (x_labels, y_labels)
    )
    out = dot_general(x, y, dimension_numbers=((x_sum, y_sum), (x_rows, y_rows)))
    return out, (*rows, *x_free, *y_free)


def _broadcast_product(x: Array, x_labels: Labels, y: Array, y_labels: Labels) -> Labelled:
    """One operand has all labels of the other: an element-wise product."""
    if len(x_labels) < len(y_labels):
        x, x_labels, y, y_labels = y, y_labels, x, x_labels
    ordered = tuple(a for a in x_labels if a in y_labels)
    y = _arranged(y, y_labels, ordered)
    if x_labels[len(x_labels) - len(ordered) :] != ordered:
        shape = tuple(n if a in y_labels else 1 for a, n in zip(x_labels, shape_of(x), strict=True))
        y = reshape(y, shape=shape)
    return mul(x, y), x_labels


def _arranged(x: Array, labels: Labels, wanted: Labels) -> Array:
    """Sums over the labels that are not wanted, and brings the others into order."""
    x, labels = _summed(x, labels, set(wanted))
    return x if labels == wanted else transpose(x, axes=tuple(labels.index(a) for a in wanted))


def einsum_path(*operands: Any, optimize: Any = "greedy", **options: Any) -> tuple[list[Any], str]:
    """`einsum_path(subscripts, *arrays)`: the order in which to contract, and a report. Only shapes matter.

    >>> einsum_path("ij,jk,kl->il", np.ones((2, 2)), np.ones((2, 5)), np.ones((5, 2)))[0]
    ['einsum_path', (1, 2), (0, 1)]
    """
    return np.einsum_path(*_stand_ins(operands), optimize=optimize, **options)


def _stand_ins(operands: Sequence[Any]) -> list[Any]:
    """Zeros that take no memory in place of traced arrays."""
    return [np.broadcast_to(np.float64(0), shape_of(as_operand(x))) if is_traced(x) else x for x in operands]
