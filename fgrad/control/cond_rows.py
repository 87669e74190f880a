"""The primitive of a choice per row: every branch runs on the rows that take it, and on no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from fgrad.compiler.compiled import body_function
from fgrad.control.all_rows import all_branches
from fgrad.control.bodies import BodyPrimitive, block, transpose_by_linearizing
from fgrad.control.deferred import deferred_linear, equation, is_known, linearize_now
from fgrad.control.expansions import expand_cond
from fgrad.control.rows import concrete, over_rows, padded, take_rows
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Zero
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import broadcast_to, reshape
from fgrad.transforms.batch import batch, uses_axis
from fgrad.transforms.jaxprs import jvp_jaxpr, to_front

__all__ = ["cond_rows"]

Branches: TypeAlias = tuple[ClosedJaxpr, ...]
Mask: TypeAlias = tuple[bool, ...]
Tangents: TypeAlias = Sequence[Array | Zero]


class CondRows(BodyPrimitive):
    """`cond_rows(index, *args, branches=, mapped=)`: applies to every row the branch that its index names.

    Arguments that `mapped` marks have rows along axis 0, as all results do; the others are the same for all rows.
    """

    def impl(self, index: Array, *args: Array, branches: Branches, mapped: Mask) -> list[Array]:
        outs = [np.empty((len(index), *a.shape), a.dtype) for a in branches[0].out_avals]
        for branch, rows in partition(index, branches):
            chosen = padded(rows, len(index), branch)
            given = [x[chosen] if m else x for x, m in zip(args, mapped, strict=True)]
            found = body_function(over_rows(branch, len(chosen), mapped))(*given)
            for out, y in zip(outs, found, strict=True):
                out[rows] = y[: len(rows)]
        return outs

    def shape(self, index: ShapedArray, *avals: ShapedArray, branches: Branches, mapped: Mask) -> list[ShapedArray]:
        return [ShapedArray((*index.shape, *a.shape), a.dtype) for a in branches[0].out_avals]

    def pushforward(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        branches: Branches = params["branches"]
        nz = tuple(t is not ZERO for t in ts[1:])
        wanted = tuple(map(any, zip(*[jvp_jaxpr(branch, nz)[1] for branch in branches], strict=True)))
        pushed = tuple(jvp_jaxpr(branch, nz, wanted)[0] for branch in branches)
        mapped = params["mapped"] + tuple(m for m, n in zip(params["mapped"], nz, strict=True) if n)
        outs = self.bind(*xs, *[t for t in ts[1:] if t is not ZERO], branches=pushed, mapped=mapped)
        tangents = iter(outs[len(wanted) :])
        return outs[: len(wanted)], [next(tangents) if m else ZERO for m in wanted]

    def jet(
        self, order: int, xs: Sequence[Array], terms: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Array], list[Any]]:
        return expand_cond(self, order, xs, terms, params)

    def linearize(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        if is_known(xs[:1]):
            return linearize_now(lambda *args: _row_by_row(concrete(xs[0]), args, **params), xs[1:], ts[1:])
        form = equation(self, [aval_of(x) for x in xs], params)
        return self.bind(*xs, **params), deferred_linear(form, xs, ts)

    def transpose(self, ct: Tangents, *xs: Any, **params: Any) -> list[Any]:
        return transpose_by_linearizing(self, ct, xs, params)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, branches: Branches, mapped: Mask
    ) -> tuple[list[Array], list[int]]:
        rows = aval_of(xs[0]).shape[0] if dims[0] is None else aval_of(xs[0]).size // size
        if uses_axis(size, *branches):
            return batch(lambda *args: all_branches(args[0], args[1:], branches, rows, mapped), size, xs, dims)  # type: ignore[return-value]
        args, over = flatten_rows(size, rows, xs, dims, (True, *mapped))
        outs = self.bind(*args, branches=branches, mapped=over[1:])
        return [reshape(y, shape=(size, rows, *aval_of(y).shape[1:])) for y in outs], [0] * len(outs)


cond_rows = CondRows()


def partition(index: Any, branches: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Every branch that is taken, with the numbers of the rows that take it."""
    numbers = np.clip(np.asarray(index).astype(np.int64), 0, len(branches) - 1)
    found = [(branch, np.flatnonzero(numbers == k)) for k, branch in enumerate(branches)]
    return [(branch, rows) for branch, rows in found if rows.size]


def _row_by_row(index: Any, args: Sequence[Array], *, branches: Branches, mapped: Mask) -> list[Array]:
    """The same for values that are traced: the branches run one after the other, and their rows are put in order."""
    if not len(index):
        return list(over_rows(branches[0], 0, mapped)(*args))
    order, groups = [], []
    for branch, rows in partition(index, branches):
        chosen = padded(rows, len(index), branch)
        given = [take_rows(x, chosen) if m else x for x, m in zip(args, mapped, strict=True)]
        outs = block.bind(*given, jaxpr=over_rows(branch, len(chosen), mapped))
        order.append(rows)
        groups.append([take_rows(y, slice_of(rows)) for y in outs])
    return in_order(order, groups)


def slice_of(rows: Any) -> Any:
    """The numbers of the first rows, as many as are given."""
    return np.arange(len(rows))


def in_order(numbers: Sequence[Any], groups: Sequence[Sequence[Array]]) -> list[Array]:
    """Groups of rows put together, each row where its number says."""
    if len(groups) == 1 and np.array_equal(numbers[0], slice_of(numbers[0])):
        return list(groups[0])
    back = np.argsort(np.concatenate(numbers))
    return [take_rows(concatenate(*ys, axis=0), back) for ys in zip(*groups, strict=True)]


def flatten_rows(
    size: int, rows: int, xs: Sequence[Array], dims: Sequence[int | None], mapped: Mask
) -> tuple[list[Array], Mask]:
    """Rows of rows as rows: arguments that have either have `size` times `rows` rows."""
    out, over = [], []
    for x, d, m in zip(xs, dims, mapped, strict=True):
        over.append(m or d is not None)
        if not over[-1]:
            out.append(x)
            continue
        x = to_front(x, d, size)
        inner = aval_of(x).shape[2:] if m else aval_of(x).shape[1:]
        if not m:
            x = broadcast_to(reshape(x, shape=(size, 1, *inner)), shape=(size, rows, *inner))
        out.append(reshape(x, shape=(size * rows, *inner)))
    return out, tuple(over)
