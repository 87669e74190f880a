"""Arrays put together and taken apart: `concatenate`, `split`, `stack`, `unstack`, `pad`. All are linear."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero, instantiate, is_linear_input
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import Linear, draw, shape_of
from fgrad.primitives.index_kernels import padded
from fgrad.primitives.index_keys import FULL, index_source, slice_entry
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.shape import broadcast_to, move_axis

__all__ = ["concatenate", "pad", "split", "stack", "unstack"]


class Joining(Primitive):
    """Makes one array of several of the same dtype; linear in all of them together."""

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Array | Zero], *, axis: int) -> Array:
        return self.bind(*[instantiate(t, x) for t, x in zip(ts, xs, strict=True)], axis=axis)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, axis: int) -> tuple[Array, int]:
        rows = [
            broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)
            for x, dim in zip(xs, dims, strict=True)
        ]
        return self.bind(*rows, axis=axis + 1), 0

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        given = f", axis={axis}" if axis else ""
        return f"np.{self.name}({_tuple(names)}{given})"

    def check(self, xs: Sequence[ShapedArray], axis: int, ndim: int) -> None:
        dtypes = {x.dtype for x in xs}
        if not xs or len(dtypes) > 1 or not 0 <= axis < ndim:
            got = ", ".join(map(str, xs)) or "nothing"
            raise ShapeError(message(f"`{self.name}` along axis {axis} takes arrays of one dtype, got {got}."))


class Concatenate(Joining):
    """`concatenate(*xs, axis=)`: the arrays one behind the other along an axis that they have."""

    samples = (
        Sample(draw(-1, 1, (2, 3)), draw(-1, 1, (1, 3)), axis=0),
        Sample(draw(-1, 1, (2, 3)), draw(-1, 1, (2, 0)), draw(-1, 1, (2, 1)), axis=1),
        Sample(draw(-1, 1, (2,)), axis=0),
    )

    def impl(self, *xs: Array, axis: int) -> Array:
        return np.concatenate(xs, axis)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        expression = super().lower(write, names, None, axis=axis)
        return expression if out is None else f"{expression.removesuffix(')')}, out={out})"

    def shape(self, *xs: ShapedArray, axis: int) -> ShapedArray:
        self.check(xs, axis, xs[0].ndim if xs else 0)
        x = xs[0]
        others = {a.shape[:axis] + a.shape[axis + 1 :] for a in xs if a.ndim == x.ndim}
        if len(others) > 1 or any(a.ndim != x.ndim for a in xs):
            got = ", ".join(str(a.shape) for a in xs)
            cure = f"All axes but axis {axis} must have the same lengths."
            raise ShapeError(message(f"arrays of shapes {got} cannot be concatenated along axis {axis}.", cure=cure))
        length = sum(a.shape[axis] for a in xs)
        return ShapedArray((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)

    def transpose(self, ct: Array, *xs: Any, axis: int) -> Sequence[Array | None]:
        parts = split(ct, axis=axis, sizes=tuple(shape_of(x)[axis] for x in xs))
        return [p if is_linear_input(x) else None for p, x in zip(parts, xs, strict=True)]


class Stack(Joining):
    """`stack(*xs, axis=)`: arrays of one shape along a new axis."""

    samples = (
        Sample(draw(-1, 1, (2, 3)), draw(-1, 1, (2, 3)), axis=1),
        Sample(draw(-1, 1), draw(-1, 1), draw(-1, 1), axis=0),
        Sample(draw(-1, 1, (0,)), axis=1),
    )

    def impl(self, *xs: Array, axis: int) -> Array:
        return np.stack(xs, axis) if axis or not xs else np.array(xs)  # the latter has a tenth of the overhead

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        return super().lower(write, names, out, axis=axis) if axis else f"np.array({_tuple(names)})"

    def shape(self, *xs: ShapedArray, axis: int) -> ShapedArray:
        self.check(xs, axis, xs[0].ndim + 1 if xs else 0)
        shape = xs[0].shape
        if any(x.shape != shape for x in xs):
            got = ", ".join(str(x.shape) for x in xs)
            raise ShapeError(message(f"arrays of shapes {got} cannot be stacked: the shapes must be the same."))
        return ShapedArray((*shape[:axis], len(xs), *shape[axis:]), xs[0].dtype)

    def transpose(self, ct: Array, *xs: Any, axis: int) -> Sequence[Array | None]:
        parts = unstack(ct, axis=axis)
        return [p if is_linear_input(x) else None for p, x in zip(parts, xs, strict=True)]


class Parting(Linear):
    """Makes several arrays of one; they are views of it."""

    multiple = True

    def jvp(self, out: Any, xs: Sequence[Array], ts: Sequence[Array | Zero], **params: Any) -> Any:
        return [ZERO for _ in out] if ts[0] is ZERO else self.bind(ts[0], **params)

    def is_view(self, **params: Any) -> bool:
        return True


class Split(Parting):
    """`split(x, axis=, sizes=)`: consecutive parts of the given lengths along an axis, which they cover."""

    samples = (
        Sample(draw(-1, 1, (4, 3)), axis=0, sizes=(1, 3)),
        Sample(draw(-1, 1, (2, 3)), axis=1, sizes=(2, 0, 1)),
        Sample(draw(-1, 1, (0,)), axis=0, sizes=(0,)),
    )

    def impl(self, x: Array, *, axis: int, sizes: tuple[int, ...]) -> list[Array]:
        before = (slice(None),) * axis
        ends = list(accumulate(sizes))
        return [x[(*before, slice(end - n, end))] for n, end in zip(sizes, ends, strict=True)]

    def shape(self, x: ShapedArray, *, axis: int, sizes: tuple[int, ...]) -> list[ShapedArray]:
        if not 0 <= axis < x.ndim or sum(sizes) != x.shape[axis] or min(sizes, default=0) < 0:
            raise ShapeError(message(f"{x} cannot be split along axis {axis} into parts of lengths {sizes}."))
        return [ShapedArray((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in sizes]

    def transpose(self, ct: Sequence[Any], x: Any, *, axis: int, sizes: tuple[int, ...]) -> Sequence[Array]:
        ends = list(accumulate(sizes))
        given = [i for i, c in enumerate(ct) if c is not ZERO]
        shape = shape_of(x)
        if len(given) == 1:
            low, high = ends[given[0]] - sizes[given[0]], shape[axis] - ends[given[0]]
            widths = tuple((low, high) if a == axis else (0, 0) for a in range(len(shape)))
            return (pad(ct[given[0]], widths=widths),)
        parts = self.shape(x.aval, axis=axis, sizes=sizes)
        return (concatenate(*[_filled(c, p) for c, p in zip(ct, parts, strict=True)], axis=axis),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int, sizes: tuple[int, ...]
    ) -> tuple[list[Array], list[int]]:
        dim: int = dims[0]
        return split(xs[0], axis=axis + (axis >= dim), sizes=sizes), [dim] * len(sizes)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int, sizes: tuple[int, ...]) -> str:
        ends = list(accumulate(sizes))
        keys = [
            (*[FULL] * axis, slice_entry(slice(end - n, end), ends[-1])) for n, end in zip(sizes, ends, strict=True)
        ]
        return _tuple([f"{names[0]}[{index_source(key, ())}]" for key in keys])


class Unstack(Parting):
    """`unstack(x, axis=)`: the parts of an array at every position of an axis, which they do not have."""

    samples = (
        Sample(draw(-1, 1, (2, 3)), axis=0),
        Sample(draw(-1, 1, (2, 3)), axis=1),
        Sample(draw(-1, 1, (3,)), axis=0),
    )

    def impl(self, x: Array, *, axis: int) -> list[Array]:
        return list(np.moveaxis(x, axis, 0) if axis else x)

    def shape(self, x: ShapedArray, *, axis: int) -> list[ShapedArray]:
        if not 0 <= axis < x.ndim:
            raise ShapeError(message(f"{x} cannot be unstacked along axis {axis}."))
        part = ShapedArray(x.shape[:axis] + x.shape[axis + 1 :], x.dtype)
        return [part] * x.shape[axis]

    def transpose(self, ct: Sequence[Any], x: Any, *, axis: int) -> Sequence[Array]:
        given = [i for i, c in enumerate(ct) if c is not ZERO]
        shape = shape_of(x)
        if len(given) == 1:
            key = (*[FULL] * axis, given[0], *[FULL] * (len(shape) - axis - 1))
            return (place(ct[given[0]], key=key, unique=True, shape=shape),)
        part = ShapedArray(shape[:axis] + shape[axis + 1 :], x.aval.dtype)
        return (stack(*[_filled(c, part) for c in ct], axis=axis),)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, axis: int) -> tuple[list[Array], list[int]]:
        dim: int = dims[0]
        outs = unstack(xs[0], axis=axis + (axis >= dim))
        return outs, [dim - (axis < dim)] * len(outs)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, axis: int) -> str:
        return f"np.moveaxis({names[0]}, {axis}, 0)" if axis else names[0]


class Pad(Linear):
    """`pad(x, widths=)`: `x` between zeros; `widths` says how many before and behind, for each axis."""

    samples = (
        Sample(draw(-1, 1, (2, 3)), widths=((1, 0), (0, 2))),
        Sample(draw(-1, 1), widths=()),
        Sample(draw(-1, 1, (0,)), widths=((2, 1),)),
    )

    def impl(self, x: Array, *, widths: tuple[tuple[int, int], ...]) -> Array:
        return padded(x, widths)

    def shape(self, x: ShapedArray, *, widths: tuple[tuple[int, int], ...]) -> ShapedArray:
        if len(widths) != x.ndim or any(low < 0 or high < 0 for low, high in widths):
            needed = f"{x.ndim} pairs of numbers that are not negative"
            raise ShapeError(message(f"{x} is padded by {needed}, got {widths}."))
        shape = tuple([low + n + high for n, (low, high) in zip(x.shape, widths, strict=True)])
        return ShapedArray(shape, x.dtype)

    def transpose(self, ct: Array, x: Any, *, widths: tuple[tuple[int, int], ...]) -> Sequence[Array]:
        key = tuple(
            slice_entry(slice(low, low + n), low + n + high) for n, (low, high) in zip(shape_of(x), widths, strict=True)
        )
        return (gather(ct, key=key, unique=True),)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, widths: tuple[tuple[int, int], ...]
    ) -> tuple[Array, int]:
        dim: int = dims[0]
        return pad(xs[0], widths=(*widths[:dim], (0, 0), *widths[dim:])), dim

    def lower(
        self,
        write: Writer,
        names: Sequence[str],
        out: str | None,
        *,
        widths: tuple[tuple[int, int], ...],
    ) -> str:
        return f"{write.constant(padded, 'padded')}({names[0]}, {widths})"


concatenate = Concatenate()
stack = Stack()
split = Split()
unstack = Unstack()
pad = Pad()


def _tuple(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _filled(ct: Array | Zero, aval: ShapedArray) -> Array:
    """A cotangent as an array; zeros take no memory."""
    return np.broadcast_to(np.zeros((), aval.dtype), aval.shape) if ct is ZERO else ct
