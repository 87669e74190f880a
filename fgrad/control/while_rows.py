"""The primitive of many loops at once: each row stops by itself, and only the rows that go on are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fgrad.compiler.compiled import body_function
from fgrad.control.all_rows import masked_loop
from fgrad.control.bodies import BodyPrimitive, block, ignoring, scalars, told, transpose_by_linearizing
from fgrad.control.cond_rows import flatten_rows, in_order
from fgrad.control.deferred import deferred_linear, equation, is_known, linearize_now
from fgrad.control.expansions import expand_while
from fgrad.control.rows import over_rows, padded, take_rows, values
from fgrad.control.scan_rules import jvp_body
from fgrad.control.while_run import run_rows, run_while
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import ZERO, Zero, instantiate, registry
from fgrad.primitives.shape import broadcast_to, reshape
from fgrad.transforms.batch import batch, uses_axis
from fgrad.transforms.invariant import dependent
from fgrad.transforms.jaxprs import cached, rows_jaxpr, to_front

__all__ = ["carried", "while_rows"]

Mask: TypeAlias = tuple[bool, ...]
Tangents: TypeAlias = Sequence[Array | Zero]


class WhileRows(BodyPrimitive):
    """`while_rows(*cond_consts, *body_consts, *init, cond_jaxpr=, body_jaxpr=, num_cond=, num_body=, rows=, mapped=)`:
    a loop for every row.

    The programs are those of one row. Arguments that `mapped` marks have rows along axis 0; a carry that it does not
    mark is the same for all rows that go on. The results have rows in any case.
    """

    def impl(
        self,
        *args: Array,
        cond_jaxpr: ClosedJaxpr,
        body_jaxpr: ClosedJaxpr,
        num_cond: int,
        num_body: int,
        rows: int,
        mapped: Mask,
    ) -> list[Array]:
        outs = [np.empty((rows, *a.shape), a.dtype) for a in body_jaxpr.in_avals[num_body:]]

        def store(numbers: Any, carry: Sequence[Array]) -> None:
            for out, y in zip(outs, carry, strict=True):
                out[numbers] = y

        programs = (cond_jaxpr, body_jaxpr, num_cond, num_body)

        def advance(count: int, consts: Sequence[Array], carry: Sequence[Array]) -> tuple[Sequence[Array], Any]:
            if count > 1:
                return run_rows(count, mapped, consts, carry, *programs)
            given = [x[0] if m else x for x, m in zip((*consts, *carry), mapped, strict=True)]
            last, _ = run_while(given, *programs, going=True)  # to the end: a loop of one row is the loop itself
            return [np.asarray(y)[None] if m else y for y, m in zip(last, mapped[len(consts) :], strict=True)], _STOPPED

        _run(args, rows, store, advance, *programs, mapped)
        return outs

    def shape(
        self, *avals: ShapedArray, body_jaxpr: ClosedJaxpr, num_body: int, rows: int, **params: Any
    ) -> list[ShapedArray]:
        return [ShapedArray((rows, *a.shape), a.dtype) for a in body_jaxpr.in_avals[num_body:]]

    def pushforward(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        num_cond, num_body, mapped = params["num_cond"], params["num_body"], params["mapped"]
        middle = num_cond + num_body
        nz = tuple(t is not ZERO for t in ts[num_cond:])
        pushed, nz, _ = jvp_body(params["body_jaxpr"], num_body, len(nz) - num_body, nz)
        full = [instantiate(t, x) if m else ZERO for x, t, m in zip(xs[num_cond:], ts[num_cond:], nz, strict=True)]
        t_consts = [t for t in full[:num_body] if t is not ZERO]
        t_carry = [t for t in full[num_body:] if t is not ZERO]
        carries = params["body_jaxpr"].in_avals[num_body:]
        cond = ignoring(params["cond_jaxpr"], tuple(a for a, m in zip(carries, nz[num_body:], strict=True) if m))
        moving = tuple(m for m, n in zip(mapped[num_cond:], nz, strict=True) if n)
        over = mapped[:middle] + moving[: len(t_consts)] + mapped[middle:] + moving[len(t_consts) :]
        counts = {"num_body": num_body + len(t_consts), "mapped": over}
        outs = self.bind(
            *xs[:middle], *t_consts, *xs[middle:], *t_carry,
            **{**params, "cond_jaxpr": cond, "body_jaxpr": pushed, **counts},
        )  # fmt: skip
        count = len(xs) - middle
        tangents = iter(outs[count:])
        return outs[:count], [next(tangents) if m else ZERO for m in nz[num_body:]]

    def jet(
        self, order: int, xs: Sequence[Array], terms: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Array], list[Any]]:
        return expand_while(self, order, xs, terms, params)

    def linearize(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        if is_known(xs):
            return linearize_now(lambda *args: _row_by_row(args, **params), xs, ts)
        form = equation(self, [aval_of(x) for x in xs], params)
        return self.bind(*xs, **params), deferred_linear(form, xs, ts)

    def transpose(self, ct: Tangents, *xs: Any, **params: Any) -> list[Any]:
        return transpose_by_linearizing(self, ct, xs, params)

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any
    ) -> tuple[list[Array], list[int]]:
        rows = params["rows"]
        middle = params["num_cond"] + params["num_body"]
        if uses_axis(size, params["cond_jaxpr"], params["body_jaxpr"]):
            return batch(lambda *args: _all_rows(args, **params), size, xs, dims)  # type: ignore[return-value]
        args, over = flatten_rows(size, rows, xs, dims, params["mapped"])
        every = over[:middle] + carried(params["body_jaxpr"], params["num_body"], over[params["num_cond"] :])
        args[middle:] = [
            x if before or not after else broadcast_to(x, shape=(size * rows, *aval_of(x).shape))
            for x, before, after in zip(args[middle:], over[middle:], every[middle:], strict=True)
        ]
        outs = self.bind(*args, **{**params, "rows": size * rows, "mapped": every})
        return [reshape(y, shape=(size, rows, *aval_of(y).shape[1:])) for y in outs], [0] * len(outs)


while_rows = WhileRows()


def _all_rows(
    args: Sequence[Array],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    num_cond: int,
    num_body: int,
    rows: int,
    mapped: Mask,
) -> list[Array]:
    """The same as one loop, in which every step is computed for all rows."""
    middle = num_cond + num_body
    cond, body = masked_loop(body_jaxpr, cond_jaxpr, rows, mapped[:middle], num_cond)
    init = [to_front(x, 0 if m else None, rows) for x, m in zip(args[middle:], mapped[middle:], strict=True)]
    counts = {"num_cond": num_cond, "num_body": middle}
    loop: list[Array] = registry["while_loop"].bind(
        *args[:num_cond], *args[:middle], *init, cond_jaxpr=cond, body_jaxpr=body, checkpoint=None, **counts
    )
    return loop


@cached
def carried(body_jaxpr: ClosedJaxpr, num_body: int, mapped: Mask) -> Mask:
    """Which carries have rows of their own: those that begin so, and those that the body makes so."""
    consts, carry = mapped[:num_body], mapped[num_body:]
    while True:
        found = tuple(a or b for a, b in zip(carry, dependent(body_jaxpr, consts + carry), strict=True))
        if found == carry:
            return carry
        carry = found


_STOPPED = np.zeros(1, np.bool_)

Advance: TypeAlias = Callable[[int, Sequence[Array], Sequence[Array]], tuple[Sequence[Array], Any]]


def _run(
    args: Sequence[Array],
    rows: int,
    store: Callable[[Any, Sequence[Array]], None],
    advance: Advance,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    num_cond: int,
    num_body: int,
    mapped: Mask,
) -> None:
    """Steps until all rows have stopped; rows that stop are stored and left behind.

    Args:
        args: constants and carries; they may be tracers that have values.
        rows: the number of rows.
        store: takes numbers of rows, and their last carries.
        advance: takes one step or more of so many rows, which all go on; returns the carry, and which rows go on.
        cond_jaxpr, body_jaxpr, num_cond, num_body, mapped: those of the primitive.
    """
    middle = num_cond + num_body
    consts, carry, over = list(args[:middle]), list(args[middle:]), mapped[middle:]
    going_on, count = np.arange(rows), rows  # those that go on are the first of the arrays
    if not rows:
        return
    going = _test(cond_jaxpr, num_cond, rows, mapped, consts, carry)
    while True:
        going = np.asarray(going)[: len(going_on)]
        if not going.all():
            stopped = np.flatnonzero(~going)
            store(going_on[stopped], [take_rows(c, stopped) if m else c for c, m in zip(carry, over, strict=True)])
            kept = np.flatnonzero(going)
            going_on = going_on[kept]
            if not going_on.size:
                break
            chosen = padded(kept, rows, body_jaxpr)
            count = len(chosen)
            consts = [take_rows(c, chosen) if m else c for c, m in zip(consts, mapped, strict=False)]
            carry = [take_rows(c, chosen) if m else c for c, m in zip(carry, over, strict=True)]
        found, going = advance(count, consts, carry)
        carry = list(found)


def _test(
    cond_jaxpr: ClosedJaxpr,
    num_cond: int,
    count: int,
    mapped: Mask,
    consts: Sequence[Array],
    carry: Sequence[Array],
) -> Any:
    """Which of so many rows go on."""
    program = over_rows(cond_jaxpr, count, mapped[:num_cond] + mapped[len(consts) :])
    return body_function(program)(*values(consts[:num_cond]), *values(carry))[0]


def _row_by_row(
    args: Sequence[Array],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    num_cond: int,
    num_body: int,
    rows: int,
    mapped: Mask,
) -> list[Array]:
    """The same for values that are traced: every step is recorded."""
    over = mapped[num_cond + num_body :]
    dims = tuple(0 if m else None for m in mapped[num_cond:])
    weak = [i for i, a in enumerate(body_jaxpr.in_avals[num_body:]) if a.weak_type and not over[i]]

    def spread(carry: Sequence[Array], count: int) -> list[Array]:
        pairs = zip(carry, over, strict=True)
        return [c if m else broadcast_to(c, shape=(count, *aval_of(c).shape)) for c, m in pairs]

    if not rows:
        return spread(args[num_cond + num_body :], 0)
    numbers: list[Any] = []
    groups: list[Sequence[Array]] = []

    def store(stopped: Any, carry: Sequence[Array]) -> None:
        numbers.append(stopped)
        groups.append(spread(carry, len(stopped)))

    def advance(count: int, consts: Sequence[Array], carry: Sequence[Array]) -> tuple[list[Array], Any]:
        step = rows_jaxpr(body_jaxpr, count, dims, over)
        carry = scalars(block.bind(*consts[num_cond:], *carry, jaxpr=step), weak)
        return carry, _test(cond_jaxpr, num_cond, count, mapped, consts, carry)

    with told():
        _run(args, rows, store, advance, cond_jaxpr, body_jaxpr, num_cond, num_body, mapped)
    return in_order(numbers, groups)
