"""The parallel prefix of an associative function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name, place_of
from fgrad.errors import ShapeError, message, public
from fgrad.lax.operands import axis_index
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.parts import operand as as_array
from fgrad.numpy.parts import part
from fgrad.primitives.families import shape_of
from fgrad.primitives.joining import concatenate, stack
from fgrad.primitives.shape import reshape
from fgrad.tree import PyTreeDef, difference, flatten_with_path, keystr, structure

__all__ = ["associative_scan"]


@public
def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The combinations of the first 1, 2, …, n elements along an axis, by an associative function.

    `fn` is applied about 2·log₂ n times, to parts of the arrays that hold many elements: it takes arrays with the axis
    along which is scanned, and combines them element by element. All in all about 2·n pairs are combined.

    Args:
        fn: takes two pytrees like `elems`, of some length along the axis, and gives one of the same length.
        elems: an array, or a pytree of arrays of the same length along the axis.
        reverse: begin at the end.
        axis: the axis.

    Returns:
        A pytree like `elems`.

    Raises:
        ShapeError: `fn` changes the structure, a shape or a dtype; lengths differ.

    >>> import numpy as np
    >>> associative_scan(np.add, np.array([1, 2, 3, 4]))
    array([ 1,  3,  6, 10])
    >>> associative_scan(np.matmul, np.array([[[1, 1], [1, 0]]] * 5))[:, 0, 1]
    array([1, 1, 2, 3, 5])

    Source: Blelloch, "Prefix sums and their applications" (1990), section 1.3.
    """
    check_callable(fn, "associative_scan", "associative_scan(fn, elems)")
    leaves, _ = flat_leaves((elems,), ("elems",), "associative_scan")
    treedef = structure(elems)
    xs = [as_array(x) for x in leaves]
    if not xs:
        return elems
    scan = _Scan(fn, treedef, [_axis(x, axis, elems, i) for i, x in enumerate(xs)])
    if len({shape_of(x)[a] for x, a in zip(xs, scan.axes, strict=True)}) > 1:
        got = ", ".join(str(shape_of(x)) for x in xs)
        what = f"associative_scan along axis {axis} of arrays of shapes {got}: the lengths differ."
        raise ShapeError(message(what, cure="All arrays have the same length along the axis."))
    if not shape_of(xs[0])[scan.axes[0]]:
        return elems
    if reverse:
        return treedef.unflatten(scan.flipped(scan.run(scan.flipped(xs))))
    return treedef.unflatten(scan.run(xs))


def _axis(x: Array, axis: int, elems: Any, index: int) -> int:
    if not shape_of(x):
        where = place_of((elems,), ("elems",), index)
        what = f"associative_scan along axis {axis}: {where} is {aval_of(x)}, which has no axes."
        raise ShapeError(message(what, cure="Elements stand along an axis of the arrays."))
    return axis_index("associative_scan", axis, len(shape_of(x)))


class _Scan:
    """A function that combines elements, of a structure, along an axis of each leaf."""

    def __init__(self, fn: Callable[[Any, Any], Any], treedef: PyTreeDef, axes: Sequence[int]) -> None:
        self.fn = fn
        self.treedef = treedef
        self.axes = axes

    def run(self, xs: list[Array]) -> list[Array]:
        """All combinations from the first element on.

        Neighbours are combined, and those combinations scanned: these are the results at odd positions. Each of them
        with the element that follows it gives the others.
        """
        count = shape_of(xs[0])[self.axes[0]]
        if count == 1:
            return xs
        even = count - count % 2
        pairs = self.combine(self.parts(xs, slice(0, even, 2)), self.parts(xs, slice(1, even, 2)))
        odds = self.run(pairs)
        first = self.parts(xs, slice(0, 1))
        if count == 2:
            return self.joined(first, odds)
        before = odds if count % 2 else self.parts(odds, slice(0, -1))
        later = self.combine(before, self.parts(xs, slice(2, None, 2)))
        return [
            _interleaved(concatenate(x, y, axis=a), z, a)
            for x, y, z, a in zip(first, later, odds, self.axes, strict=True)
        ]

    def parts(self, xs: Sequence[Array], s: slice) -> list[Array]:
        return [part(x, a, s) for x, a in zip(xs, self.axes, strict=True)]

    def flipped(self, xs: Sequence[Array]) -> list[Array]:
        return self.parts(xs, slice(None, None, -1))

    def joined(self, xs: Sequence[Array], ys: Sequence[Array]) -> list[Array]:
        return [concatenate(x, y, axis=a) for x, y, a in zip(xs, ys, self.axes, strict=True)]

    def combine(self, xs: Sequence[Array], ys: Sequence[Array]) -> list[Array]:
        """Applies the function to two runs of elements.

        Raises:
            ShapeError: it does not give such a run.
        """
        out = self.fn(self.treedef.unflatten(xs), self.treedef.unflatten(ys))
        found, given = flat_outputs(out, "associative_scan", self.fn)
        if given != self.treedef:
            what = f"associative_scan: `{function_name(self.fn)}` gave the structure {given}, not {self.treedef}."
            raise ShapeError(message(f"{what} {difference(self.treedef, given)}", cure=_CURE))
        results = []
        for i, (x, y) in enumerate(zip(xs, found, strict=True)):
            need, got = aval_of(x), aval_of(y)
            if got.shape != need.shape or (got.dtype != need.dtype and not got.weak_type):
                where = keystr(flatten_with_path(out)[0][i][0])
                what = f"associative_scan: `{function_name(self.fn)}` gave {got}{f' at output{where}' if where else ''}"
                raise ShapeError(message(f"{what}, for elements {need}.", cure=_CURE))
            results.append(as_dtype(y, need.dtype))
        return results


_CURE = "It takes two runs of elements, and gives one of the same structure, shapes and dtypes."


def _interleaved(even: Array, odd: Array, axis: int) -> Array:
    """The elements of two arrays in turn; the first has as many as the second, or one more."""
    count = shape_of(odd)[axis]
    head = part(even, axis, slice(0, count))
    shape = shape_of(odd)
    pairs = reshape(stack(head, odd, axis=axis + 1), shape=(*shape[:axis], 2 * count, *shape[axis + 1 :]))
    return (
        pairs if shape_of(even)[axis] == count else concatenate(pairs, part(even, axis, slice(count, None)), axis=axis)
    )
