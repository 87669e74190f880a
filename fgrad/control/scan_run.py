"""Runs loops of known length with NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fgrad.compiler.compiled import body_function, loop_function, loop_stacks
from fgrad.compiler.inline import inline
from fgrad.compiler.loops import CountedLoop
from fgrad.compiler.plain import typed_numbers
from fgrad.compiler.simplify import simplify
from fgrad.control.bodies import feed, own, scalars
from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.transforms.affine import BLOCKS, Affine, affine_in_blocks
from fgrad.transforms.afterwards import split_afterwards
from fgrad.transforms.jaxprs import cached
from fgrad.transforms.rowwise import over_rows, split_rows
from fgrad.transforms.turned import turned_factors

__all__ = ["run_prepared"]


def run_prepared(
    jaxpr: ClosedJaxpr,
    consts: Sequence[Array],
    init: Sequence[Array],
    xs: Sequence[Array],
    length: int,
    reverse: bool,
) -> list[Array]:
    """Runs the loop of a scan; what needs no carry, such as the product of all rows with a matrix, is computed first.

    What it takes is at most 64 MiB.
    """
    split = split_rows(jaxpr, len(consts), len(init)) if length >= _MANY_ROWS else None
    if split is None or not split.fits(length):
        return _run_split(jaxpr, consts, init, xs, length, reverse)
    program = over_rows(split.rows, len(consts), length)
    passed = body_function(program, length)(*feed(consts, jaxpr.in_avals), *xs)
    return _run_split(split.inner, consts, init, [*passed, *(xs[i] for i in split.used)], length, reverse)


@cached
def _simplified(jaxpr: ClosedJaxpr) -> ClosedJaxpr:
    """The body without what is computed twice."""
    return simplify(inline(jaxpr))


def _run_split(
    jaxpr: ClosedJaxpr,
    consts: Sequence[Array],
    init: Sequence[Array],
    xs: Sequence[Array],
    length: int,
    reverse: bool,
) -> list[Array]:
    """Runs the loop of a scan; what is only stacked, and not needed to go on, is computed after it."""
    blocks = affine_in_blocks(_simplified(jaxpr), len(consts), len(init)) if length >= _MANY_STEPS else None
    if blocks is not None and sum(x.nbytes for x in xs) <= _MOST:
        found = _run_blocks(blocks, jaxpr, consts, init, xs, length, reverse)
        if found is not None:
            return found
    split = split_afterwards(_simplified(jaxpr), len(consts), len(init)) if length >= _MANY_ROWS else None
    if split is None or not split.fits(length):
        return run_loop(jaxpr, consts, init, xs, length, reverse)
    outs = run_loop(split.loop, consts, init, xs, length, reverse, split.before)
    carry, stacks = outs[: len(init)], outs[len(init) :]
    count = len(split.loop.jaxpr.outvars) - len(init)
    sources = {"loop": stacks, "before": stacks[count:]}
    if split.rest.jaxpr.outvars:
        program = over_rows(split.rest, len(consts), length)
        given = [*xs, *stacks[: split.taken], *sources["before"]]
        rest = body_function(program, length)(*feed(consts, jaxpr.in_avals), *given)
        sources["rest"] = own(rest, given)
    taken: set[int] = set()
    ys: list[Array] = []
    for place, i in split.places:
        y = sources[place][i]
        memory = id(y if y.base is None else y.base)
        ys.append(y.copy() if memory in taken else y)
        taken.add(memory)
    return [*carry, *ys]


_MANY_ROWS = 8


def run_loop(
    jaxpr: ClosedJaxpr,
    consts: Sequence[Array],
    init: Sequence[Array],
    xs: Sequence[Array],
    length: int,
    reverse: bool,
    before: Sequence[tuple[int, int]] = (),
) -> list[Array]:
    """Runs the loop of a scan with NumPy.

    Args:
        jaxpr: the body.
        consts, init, xs, length, reverse: as for `scan`.
        before: carries that are wanted as they are before each step, by their number, and the stacks of the same
            carries after the step. These stacks follow the others, and share their memory.

    Returns:
        The last carry, and the stacks. They own their memory, but for those in `before`.
    """
    turned = turned_factors(jaxpr, len(consts)) if length >= _MANY_ROWS else None
    if turned is not None:
        jaxpr, consts = turned.jaxpr, turned.constants([*consts])
    count = len(init)
    avals = jaxpr.in_avals
    fed = feed(consts, avals)
    carry: Sequence[Array] = feed(init, avals[len(consts) :])
    rows = [x.tolist() if a.weak_type else x for x, a in zip(xs, avals[len(consts) + count :], strict=True)]
    longer = {j for _, j in before}
    wanted = [(length + (j in longer), a) for j, a in enumerate(jaxpr.out_avals[count:])]
    blocks = loop_stacks(jaxpr, [ShapedArray((n, *a.shape), a.dtype) for n, a in wanted])
    last, first = (slice(length), slice(1, None)) if reverse else (slice(1, None), slice(length))
    stacks = [x[last] if j in longer else x for j, x in enumerate(blocks)]
    order = range(length - 1, -1, -1) if reverse else range(length)
    loop = loop_function(jaxpr, length, CountedLoop(len(consts), count))
    for k, j in before:
        blocks[j][length if reverse else 0] = carry[k]
    stacks_before = [blocks[j][first] for _, j in before]
    if loop is not None:
        carry = loop(*fed, *carry, *rows, *stacks, order)
        return [*own(carry, (*consts, *init)), *stacks, *stacks_before]
    weak = [i for i, a in enumerate(avals[len(consts) : len(consts) + count]) if a.weak_type]
    for i in order:
        outs = jaxpr(*fed, *carry, *[x[i] for x in rows])
        carry = scalars(outs[:count], weak)
        for stack, y in zip(stacks, outs[count:], strict=True):
            stack[i] = y
    return [*own(carry, (*consts, *init)), *stacks, *stacks_before]


_MANY_STEPS = 128 * BLOCKS
"""Steps from which on it pays to run an affine loop in blocks, the compilation of two more programs included."""
_MOST = 64 * 2**20
"""Bytes that a copy of all rows, block by block, may take at most."""


def _run_blocks(
    affine: Affine,
    jaxpr: ClosedJaxpr,
    consts: Sequence[Array],
    init: Sequence[Array],
    xs: Sequence[Array],
    length: int,
    reverse: bool,
) -> list[Array] | None:
    """Runs a loop over numbers whose step is affine in blocks; `None` where numbers become too large for that.

    The first steps, of which there are not enough for one of each block, are taken one by one.
    """
    count, steps = len(init), length // BLOCKS
    first = length - steps * BLOCKS
    rows = [x[::-1] if reverse else x for x in xs]
    begun = run_loop(jaxpr, consts, init, [x[:first] for x in rows], first, False)
    blocks = [np.ascontiguousarray(x[first:].reshape(BLOCKS, steps).T) for x in rows]
    units = [np.zeros((count, BLOCKS)) for _ in init]
    for k, unit in enumerate(units):
        unit[k] = 1.0
    with np.errstate(all="ignore"):
        matrices = run_loop(affine.matrix, consts, units, blocks, steps, False)
        offsets: Sequence[Array] = [np.zeros(BLOCKS)] * count
        if not affine.is_linear:
            offsets = run_loop(affine.step, consts, offsets, blocks, steps, False)[:count]
    if not all(np.isfinite(m).all() for m in (*matrices, *offsets)):
        return None
    *starts, last = _through_blocks(np.stack(matrices), np.stack(offsets[:count]), [float(c) for c in begun[:count]])
    if not np.isfinite(last).all():
        return None
    carry = typed_numbers(last, jaxpr.out_avals)
    if len(jaxpr.jaxpr.outvars) == count:
        return carry
    outs = run_loop(affine.step, consts, list(np.array(starts).T.copy()), blocks, steps, False)
    ys = [np.concatenate([y, np.ravel(block.T)]) for y, block in zip(begun[count:], outs[count:], strict=True)]
    return [*carry, *([np.ascontiguousarray(y[::-1]) for y in ys] if reverse else ys)]


def _through_blocks(matrices: Array, offsets: Array, carry: list[float]) -> list[list[float]]:
    """The carries that the blocks begin with, and the last one."""
    found = [carry]
    for matrix, offset in zip(matrices.transpose(2, 0, 1).tolist(), offsets.T.tolist(), strict=True):
        carry = [
            sum([a * c for a, c in zip(row, carry, strict=True)], p) for row, p in zip(matrix, offset, strict=True)
        ]
        found.append(carry)
    return found
