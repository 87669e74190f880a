"""Positions of elements: where an array is not zero, and the same place by one number or by one for each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import Sample
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import NonDifferentiable, integers, shape_of
from fgrad.primitives.shape import broadcast_to, move_axis

__all__ = ["first_nonzeros", "ravel_positions", "unravel_positions"]

_INTP = np.dtype(np.intp)


class FirstNonzeros(NonDifferentiable):
    """`first_nonzeros(x, size=)`: the positions along the last axis of the first `size` elements that are not zero.

    Where there are fewer, the rest is the length of the axis, which is no position in it.
    """

    samples = (
        Sample(np.array([0, 1, 0, 2]), size=3),
        Sample(lambda rng: rng.integers(0, 2, (2, 4)), size=3),
        Sample(np.array([[True, False, True], [False, False, True]]), size=2),
        Sample(np.zeros((2, 0)), size=2),
    )

    def impl(self, x: Array, *, size: int) -> Array:
        length = x.shape[-1]
        nonzero = np.not_equal(x, 0)
        order = np.argsort(~nonzero, axis=-1, kind="stable")[..., :size]
        out = np.full((*x.shape[:-1], size), length, _INTP)
        found = np.take_along_axis(nonzero, order, -1)
        out[..., : order.shape[-1]] = np.where(found, order, length)
        return out

    def shape(self, x: ShapedArray, *, size: int) -> ShapedArray:
        if not x.ndim or size < 0:
            raise ShapeError(message(f"`first_nonzeros` of {x}, {size} of them."))
        return ShapedArray((*x.shape[:-1], size), _INTP)

    def batch(self, rows: int, xs: Sequence[Array], dims: Sequence[Any], *, size: int) -> tuple[Array, int]:
        return first_nonzeros(move_axis(xs[0], dims[0], 0), size=size), 0


class UnravelPositions(NonDifferentiable):
    """`unravel_positions(x, shape=, order=)`: for each axis of a shape the positions of flat positions.

    A position outside is a `ValueError` when the program runs, as it is in NumPy.
    """

    multiple = True
    samples = tuple(Sample(*s.args, shape=(4, 3), order=order) for s in integers(0, 12) for order in "CF")

    def impl(self, x: Array, *, shape: tuple[int, ...], order: Any) -> list[Array]:
        return list(np.unravel_index(x, shape, order))

    def shape(self, x: ShapedArray, *, shape: tuple[int, ...], order: str) -> list[ShapedArray]:
        return [ShapedArray(x.shape, _INTP)] * len(shape)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, shape: tuple[int, ...], order: str
    ) -> tuple[list[Array], list[int]]:
        return unravel_positions(xs[0], shape=shape, order=order), [dims[0]] * len(shape)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, shape: tuple[int, ...], order: str) -> str:
        return f"np.unravel_index({names[0]}, {shape}, {order!r})"


class RavelPositions(NonDifferentiable):
    """`ravel_positions(*xs, shape=, mode=, order=)`: flat positions of positions along each axis, arrays of one shape.

    What lies outside is a `ValueError` when the program runs, or taken in (`mode` "clip", "wrap"), as it is in NumPy.
    """

    samples = tuple(
        Sample(*s.args, shape=(4, 3), mode="raise", order=order) for s in integers(0, 3, 2) for order in "CF"
    )

    def impl(self, *xs: Array, shape: tuple[int, ...], mode: Any, order: Any) -> Array:
        return np.ravel_multi_index(xs, shape, mode, order)

    def shape(self, *xs: ShapedArray, shape: tuple[int, ...], mode: Any, order: str) -> ShapedArray:
        if len(xs) != len(shape) or any(x.shape != xs[0].shape for x in xs):
            got = ", ".join(map(str, xs))
            raise ShapeError(message(f"positions along {len(shape)} axes are arrays of one shape, got {got}."))
        return ShapedArray(xs[0].shape, _INTP)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Array, int]:
        rows = [
            broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)
            for x, dim in zip(xs, dims, strict=True)
        ]
        return ravel_positions(*rows, **params), 0

    def lower(
        self,
        write: Writer,
        names: Sequence[str],
        out: str | None,
        *,
        shape: tuple[int, ...],
        mode: str,
        order: str,
    ) -> str:
        return f"np.ravel_multi_index(({', '.join(names)},), {shape}, {mode!r}, {order!r})"


first_nonzeros = FirstNonzeros()
unravel_positions = UnravelPositions()
ravel_positions = RavelPositions()
