"""Loops in pieces: written out, or with checkpoints between which reverse mode computes again.

Every scheme is a nest of plain loops: the body of the outer loop is a piece, and pieces that are to be computed again
are checkpointed calls, so that all derivatives of all orders follow from the rules of `scan` and `checkpoint`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fgrad.control.bodies import trace_body
from fgrad.control.checkpoint import checkpoint
from fgrad.control.scan_rules import scan_p
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.errors import ArgumentError, message
from fgrad.primitives.index_keys import FULL
from fgrad.primitives.indexing import gather
from fgrad.primitives.joining import concatenate, stack
from fgrad.primitives.shape import reshape
from fgrad.tree.table import describe

__all__ = ["check_segments", "rows_of", "segmented", "unrolled"]

Step = Callable[..., list[Array]]


def check_segments(checkpoint: Any, every: Any, unroll: Any, verb: str) -> None:
    """Refuses what says no way to cut a loop.

    Raises:
        ArgumentError: says what there is.
    """
    if checkpoint is not None and every is not None:
        what = f"{verb} was given both checkpoint and every."
        raise ArgumentError(message(what, cure="checkpoint=k and every=k mean the same: give one of them."))
    name, given = ("every", every) if every is not None else ("checkpoint", checkpoint)
    schemes = () if name == "every" else ("sqrt", "binomial")
    if given is not None and given not in schemes and not _is_count(given):
        shown = repr(given) if isinstance(given, (str, int, float)) else describe(given)
        cure = 'Write checkpoint="sqrt", checkpoint="binomial", or checkpoint=k for a state every k steps.'
        raise ArgumentError(message(f"{verb}: {name} does not know {shown}.", cure=cure))
    if unroll is not True and unroll is not False and not _is_count(unroll):
        what = f"{verb}: unroll must be a number of steps, or True for all, got {unroll!r}."
        raise ArgumentError(message(what, cure="Leave it out: 1 is as quick as a rule."))


def _is_count(x: Any) -> bool:
    return not isinstance(x, (bool, str)) and hasattr(x, "__index__") and x >= 1


def unrolled(jaxpr: ClosedJaxpr, args: Sequence[Array], length: int, steps: int, **params: Any) -> list[Array]:
    """The loop with so many steps written out as one."""
    loop = _Loop(jaxpr, args, **params)
    return loop.pieces(lambda n: _written(loop, n), length, steps)


def segmented(jaxpr: ClosedJaxpr, args: Sequence[Array], length: int, scheme: Any, **params: Any) -> list[Array]:
    """The loop with checkpoints."""
    loop = _Loop(jaxpr, args, **params)
    if scheme == "binomial":
        return loop.halved(length)(*args)
    steps = max(1, math.isqrt(length)) if scheme == "sqrt" else int(scheme)
    return loop.pieces(lambda n: checkpoint(loop.plain(n)), length, steps)


class _Loop:
    """A loop that is to be put together from pieces; a piece of n steps takes constants, carry, and n rows."""

    def __init__(
        self, jaxpr: ClosedJaxpr, args: Sequence[Array], *, reverse: bool, num_consts: int, num_carry: int
    ) -> None:
        self.jaxpr = jaxpr
        self.args = args
        self.reverse = reverse
        self.num_consts = num_consts
        self.num_carry = num_carry

    def avals(self, steps: int) -> list[ShapedArray]:
        """The types of the arguments of a piece."""
        cut = self.num_consts + self.num_carry
        avals = self.jaxpr.in_avals
        return [*avals[:cut], *(ShapedArray((steps, *a.shape), a.dtype) for a in avals[cut:])]

    def plain(self, steps: int) -> Step:
        """So many steps as a loop."""
        counts = {"num_consts": self.num_consts, "num_carry": self.num_carry}
        params = {"jaxpr": self.jaxpr, "length": steps, "reverse": self.reverse, **counts}
        return lambda *args: scan_p.bind(*args, **params)

    def halved(self, steps: int) -> Step:
        """So many steps as two halves, each of two halves, …: one state per level is kept."""
        if steps <= 2:
            return self.plain(steps)
        half = steps // 2
        inner = checkpoint(self.halved(half))
        return lambda *args: self._repeat(inner, half, steps, args)

    def pieces(self, make: Callable[[int], Step], length: int, steps: int) -> list[Array]:
        """The whole loop in pieces of so many steps; the last is shorter if need be."""
        steps = max(1, min(steps, length))
        return self._repeat(make(steps), steps, length, self.args, make)

    def _repeat(
        self,
        piece: Step,
        steps: int,
        length: int,
        args: Sequence[Array],
        make: Callable[[int], Step] | None = None,
    ) -> list[Array]:
        """A loop over pieces, and the steps that are left over."""
        count, rest = divmod(length, steps)
        cut = self.num_consts + self.num_carry
        consts, carry, xs = args[: self.num_consts], args[self.num_consts : cut], args[cut:]
        first = rest if self.reverse else 0  # the steps left over come last in the order of work
        blocks = [
            reshape(rows_of(x, first, first + count * steps), shape=(count, steps, *aval_of(x).shape[1:])) for x in xs
        ]
        body = trace_body(piece, self.avals(steps), "scan")
        outs = scan_p.bind(
            *body.consts, *consts, *carry, *blocks,
            jaxpr=body.jaxpr,
            length=count,
            reverse=self.reverse,
            num_consts=len(body.consts) + self.num_consts,
            num_carry=self.num_carry,
        )  # fmt: skip
        carry, ys = outs[: self.num_carry], outs[self.num_carry :]
        ys = [reshape(y, shape=(count * steps, *aval_of(y).shape[2:])) for y in ys]
        if not rest:
            return [*carry, *ys]
        start = 0 if self.reverse else count * steps
        last = (make or self.plain)(rest)(*consts, *carry, *[rows_of(x, start, start + rest) for x in xs])
        pairs = zip(ys, last[self.num_carry :], strict=True)
        joined = [concatenate(*((b, a) if self.reverse else (a, b)), axis=0) for a, b in pairs]
        return [*last[: self.num_carry], *joined]


def _written(loop: _Loop, steps: int) -> Step:
    """So many steps, one after the other."""
    cut = loop.num_consts + loop.num_carry

    def run(*args: Array) -> list[Array]:
        consts, carry, xs = list(args[: loop.num_consts]), list(args[loop.num_consts : cut]), args[cut:]
        collected: list[list[Array]] = []
        for i in reversed(range(steps)) if loop.reverse else range(steps):
            outs = loop.jaxpr(*consts, *carry, *[_row(x, i) for x in xs])
            carry = outs[: loop.num_carry]
            collected.append(outs[loop.num_carry :])
        if loop.reverse:
            collected.reverse()
        return [*carry, *[stack(*ys, axis=0) for ys in zip(*collected, strict=True)]]

    return run


def _row(x: Array, i: int) -> Array:
    return gather(x, key=(i, *[FULL] * (aval_of(x).ndim - 1)), unique=True)


def rows_of(x: Array, start: int, stop: int) -> Array:
    """Rows of an array; it may be a tracer."""
    if (start, stop) == (0, aval_of(x).shape[0]):
        return x
    return gather(x, key=(("slice", start, stop, None), *[FULL] * (aval_of(x).ndim - 1)), unique=True)
