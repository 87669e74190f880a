"""The primitive of loops of known length, `scan`, and all its rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.compiler.compiled import body_function
from fgrad.control.bodies import BodyPrimitive, transpose_by_linearizing
from fgrad.control.expansions import expand_scan
from fgrad.control.recompute import without_stored_inputs
from fgrad.control.scan_run import run_prepared
from fgrad.control.scan_transpose import transposed_body
from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Jaxpr, Var, eliminate_dead_code
from fgrad.core.primitive import ZERO, Zero, instantiate, is_linear_input
from fgrad.errors import JaxprError
from fgrad.primitives.shape import move_axis
from fgrad.transforms.invariant import dependent, split_invariant
from fgrad.transforms.jaxprs import (
    batch_jaxpr,
    cached,
    jvp_jaxpr,
    linearize_jaxpr,
    rows_jaxpr,
    to_front,
    zeros_like,
)

__all__ = ["linearize_scan", "scan_p"]

Mask: TypeAlias = tuple[bool, ...]
Tangents: TypeAlias = Sequence[Array | Zero]


class Scan(BodyPrimitive):
    """`scan(*consts, *init, *xs, jaxpr=, length=, reverse=, num_consts=, num_carry=)`: carries values through a loop.

    `jaxpr` takes the constants, the carry and one row of each of `xs`; it returns the new carry and one row of each
    result, which are stacked. The results are the last carry and the stacks.
    """

    def impl(
        self, *args: Array, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int
    ) -> list[Array]:
        consts, init, xs = _parts(args, num_consts, num_carry)
        split = split_invariant(jaxpr, num_consts, num_carry) if length else None
        if split is None:
            return run_prepared(jaxpr, consts, init, xs, length, reverse)
        fixed = body_function(split.outer)(*consts)
        passed = fixed[: len(split.inner.jaxpr.invars) - len(args)]
        found = run_prepared(split.inner, [*passed, *consts], init, xs, length, reverse)
        return [
            np.repeat(np.asarray(fixed[i])[None], length, 0) if taken_out else found[i] for taken_out, i in split.places
        ]

    def shape(
        self, *avals: ShapedArray, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int
    ) -> list[ShapedArray]:
        row_count = num_consts + num_carry
        rows = [ShapedArray(a.shape[1:], a.dtype) for a in avals[row_count:]]
        expected = jaxpr.in_avals
        given = [*avals[:row_count], *rows]
        if [(a.shape, a.dtype) for a in given] != [(a.shape, a.dtype) for a in expected]:
            raise JaxprError(f"`scan` applies a program of {_listed(expected)} to {_listed(given)}")
        if any(a.shape[0] != length for a in avals[row_count:]):
            raise JaxprError(f"`scan` of length {length} has {_listed(avals[row_count:])} to loop over")
        stacks = [ShapedArray((length, *a.shape), a.dtype) for a in jaxpr.out_avals[num_carry:]]
        return [*expected[num_consts:row_count], *stacks]

    def pushforward(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        num_consts, num_carry = params["num_consts"], params["num_carry"]
        pushed, nz_in, nz_out = jvp_body(params["jaxpr"], num_consts, num_carry, _nz(ts))
        full = [instantiate(t, x) if m else ZERO for x, t, m in zip(xs, ts, nz_in, strict=True)]
        args: list[Array] = []
        for x_part, t_part in zip(_parts(xs, num_consts, num_carry), _parts(full, num_consts, num_carry), strict=True):
            args += [*x_part, *(t for t in t_part if t is not ZERO)]
        counts = {"num_consts": num_consts + sum(nz_in[:num_consts]), "num_carry": num_carry + sum(nz_out[:num_carry])}
        found = iter(self.bind(*args, **{**params, "jaxpr": pushed, **counts}))
        outs, tangents = [], []
        for mask in (nz_out[:num_carry], nz_out[num_carry:]):
            outs += [next(found) for _ in mask]
            tangents += [next(found) if m else ZERO for m in mask]
        return outs, tangents

    def jet(
        self, order: int, xs: Sequence[Array], terms: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Array], list[Any]]:
        return expand_scan(self, order, xs, terms, params)

    def linearize(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        return linearize_scan(xs, ts, params)

    def transpose(
        self,
        ct: Tangents,
        *xs: Any,
        jaxpr: ClosedJaxpr,
        length: int,
        reverse: bool,
        num_consts: int,
        num_carry: int,
    ) -> list[Any]:
        middle = num_consts + num_carry
        linear = tuple(map(is_linear_input, xs))
        varying = _fixpoint(linear, num_consts, num_carry, lambda mask: dependent(jaxpr, mask))
        if not all(varying[num_consts:middle]):
            params = {"length": length, "reverse": reverse, "num_consts": num_consts, "num_carry": num_carry}
            return transpose_by_linearizing(self, ct, xs, {"jaxpr": jaxpr, **params})
        known = tuple(not m for m in varying)
        nz_ys = tuple(c is not ZERO for c in ct[num_carry:])
        back = transposed_body(jaxpr, num_consts, num_carry, known, nz_ys)
        consts, init, rows = _parts(xs, num_consts, num_carry)
        known_consts = [c for c, k in zip(consts, known, strict=False) if k]
        linear_consts = [c for c, k in zip(consts, known, strict=False) if not k]
        totals = [zeros_like(c) for c, later in zip(linear_consts, back.sums, strict=True) if later is None]
        cts = [zeros_like(c) if t is ZERO else t for t, c in zip(ct, init, strict=False)]
        given = [x for x, k in zip(rows, known[middle:], strict=True) if k]
        given += [c for c in ct[num_carry:] if c is not ZERO]
        counts = {"num_consts": len(known_consts), "num_carry": len(totals) + len(cts)}
        options = {"length": length, "reverse": not reverse, **counts}
        outs = self.bind(*known_consts, *totals, *cts, *given, jaxpr=back.jaxpr, **options)
        stacks = [*given, *outs[len(totals) + len(cts) :]]
        summed = iter(outs)
        found = [later.total(stacks, known_consts) if later else next(summed) for later in back.sums]
        cotangents = iter([*found, *summed])
        cts_in = [None if k else next(cotangents) for k in known]
        return [c if m else None for c, m in zip(cts_in, linear, strict=True)]

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        jaxpr: ClosedJaxpr,
        num_consts: int,
        num_carry: int,
        **params: Any,
    ) -> tuple[list[Array], list[int | None]]:
        consts, init, rows = _parts(xs, num_consts, num_carry)
        _, init_dims, row_dims = _parts(dims, num_consts, num_carry)
        inside = (*dims[:num_consts], *(None if d is None else 0 for d in dims[num_consts:]))
        body, mapped = batch_body(jaxpr, size, inside, num_consts, num_carry)
        args = list(consts)
        args += [to_front(x, d, size) if m else x for x, d, m in zip(init, init_dims, mapped, strict=False)]
        args += [x if d is None else move_axis(x, d, 1) for x, d in zip(rows, row_dims, strict=True)]
        outs = self.bind(*args, jaxpr=body, num_consts=num_consts, num_carry=num_carry, **params)
        where = [0 if i < num_carry else 1 for i in range(len(outs))]
        return outs, [i if m else None for i, m in zip(where, mapped, strict=True)]


scan_p = Scan()


def _parts(values: Sequence[Any], num_consts: int, num_carry: int) -> tuple[Sequence[Any], ...]:
    """Constants, carry, and rows."""
    middle = num_consts + num_carry
    return values[:num_consts], values[num_consts:middle], values[middle:]


def _listed(avals: Sequence[ShapedArray]) -> str:
    return f"({', '.join(map(str, avals))})"


def _nz(ts: Tangents) -> Mask:
    return tuple(t is not ZERO for t in ts)


@cached
def jvp_body(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, nz: Mask) -> tuple[ClosedJaxpr, Mask, Mask]:
    """The body of the loop over values and tangents; which inputs and outputs have tangents.

    A carry has one if it begins with one or is given one on the way.
    """
    nz = _fixpoint(nz, num_consts, num_carry, lambda mask: jvp_jaxpr(jaxpr, mask)[1])
    middle = num_consts + num_carry
    wanted = nz[num_consts:middle] + (False,) * (len(jaxpr.jaxpr.outvars) - num_carry)
    pushed, nz_out = jvp_jaxpr(jaxpr, nz, wanted)
    invars, outvars = pushed.jaxpr.invars, pushed.jaxpr.outvars
    ins = _interleaved(invars, nz, (num_consts, middle))
    outs = _interleaved(outvars, nz_out, (num_carry,))
    return ClosedJaxpr(Jaxpr(pushed.jaxpr.constvars, ins, outs, pushed.eqns), pushed.consts), nz, nz_out


def _fixpoint(nz: Mask, num_consts: int, num_carry: int, outputs: Callable[[Mask], Mask]) -> Mask:
    """Marks every carry that the body gives what is marked."""
    middle = num_consts + num_carry
    while True:
        carry = tuple(a or b for a, b in zip(nz[num_consts:middle], outputs(nz), strict=False))
        if carry == nz[num_consts:middle]:
            return nz
        nz = nz[:num_consts] + carry + nz[middle:]


def _interleaved(variables: Sequence[Any], nz: Mask, cuts: Sequence[int]) -> list[Any]:
    """Values in groups, each group followed by its tangents, from all values followed by all tangents."""
    tangents = iter(variables[len(nz) :])
    out: list[Any] = []
    for start, stop in zip((0, *cuts), (*cuts, len(nz)), strict=True):
        out += variables[start:stop]
        out += [next(tangents) for m in nz[start:stop] if m]
    return out


class LinearBody(NamedTuple):
    """The two loops of a linearized scan.

    Attributes:
        outer: computes from the constants what does not vary in the loop; `None` if there is nothing.
        passed: how many of its results the forward loop takes, in front of the constants.
        forward: the body of the loop over values; its last outputs are residuals, which are stacked.
        outer_linear: the same for tangents: takes constant residuals and tangents of constants; `None` if there is
            nothing.
        used: which of these, after the results of `outer_linear`, the loop over tangents takes.
        linear: the body of the loop over tangents: it takes constant residuals and tangents of constants, tangents of
            the carry, rows of residuals and tangents of rows.
        constant: where each constant residual is: `("in", i)` among the constants, `("outer", i)`.
        stacked: where each stacked residual is: `("xs", i)`, or `("out", i)` among the results of the forward loop.
        nz_in, nz_out: which inputs and outputs have tangents.
    """

    outer: ClosedJaxpr | None
    passed: int
    forward: ClosedJaxpr
    outer_linear: ClosedJaxpr | None
    used: list[int]
    linear: ClosedJaxpr
    constant: list[tuple[str, int]]
    stacked: list[tuple[str, int]]
    nz_in: Mask
    nz_out: Mask


@cached
def linear_body(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, nz: Mask) -> LinearBody:
    """Splits the body of a scan into a loop over values and a linear loop over tangents.

    What does not vary in the loop is computed before it and stored once; constants, rows and results of the loop are
    used as they are, and what is quickly had from constants and rows is computed again; everything else that the
    linear loop needs is stacked.
    """
    nz = _fixpoint(nz, num_consts, num_carry, lambda mask: linearize_jaxpr(jaxpr, mask).nz_out)
    middle = num_consts + num_carry
    count = len(jaxpr.jaxpr.outvars)
    wanted = nz[num_consts:middle] + (False,) * (count - num_carry)
    halves = linearize_jaxpr(jaxpr, nz, wanted)
    halves = without_stored_inputs(halves, count, range(num_consts, middle), range(num_consts))
    forward, linear, residuals, nz_out = halves
    outvars = list(forward.jaxpr.outvars)
    places = [_place(place, i, forward.jaxpr, outvars, num_consts, num_carry, count) for place, i in residuals]
    program = forward.jaxpr
    forward = eliminate_dead_code(
        ClosedJaxpr(Jaxpr(program.constvars, program.invars, outvars, program.eqns), forward.consts)
    )
    split = split_invariant(forward, num_consts, count)
    outer, passed = None, 0
    if split is not None:
        outer, passed = split.outer, len(split.inner.jaxpr.invars) - len(program.invars)
        forward = split.inner
        moved = {i: ("outer" if taken_out else "out", j) for i, (taken_out, j) in enumerate(split.places)}
        places = [moved[i] if place == "out" else (place, i) for place, i in places]
    fixed = [k for k, (place, _) in enumerate(places) if place in ("in", "outer")]
    varying = [k for k, (place, _) in enumerate(places) if place not in ("in", "outer")]
    inner = linear.jaxpr
    res, tangents = inner.invars[: len(places)], inner.invars[len(places) :]
    last = sum(nz[:middle])
    invars = [*(res[k] for k in fixed), *tangents[:last], *(res[k] for k in varying), *tangents[last:]]
    body = ClosedJaxpr(Jaxpr(inner.constvars, invars, inner.outvars, inner.eqns), linear.consts)
    constant, stacked = [places[k] for k in fixed], [places[k] for k in varying]
    outer_linear, used, body = _without_invariants(body, len(fixed) + sum(nz[:num_consts]))
    return LinearBody(outer, passed, forward, outer_linear, used, body, constant, stacked, nz, nz_out)


def _without_invariants(body: ClosedJaxpr, count: int) -> tuple[ClosedJaxpr | None, list[int], ClosedJaxpr]:
    """A body without what does not vary in its loop, and without constants that it does not use.

    Returns:
        What does not vary; which of its results and then of the constants the body takes; the body.
    """
    split = split_invariant(body, count, len(body.jaxpr.outvars))
    outer, inner = (None, body) if split is None else (split.outer, split.inner)
    jaxpr = inner.jaxpr
    leading = count + len(jaxpr.invars) - len(body.jaxpr.invars)
    needed = {a for eqn in jaxpr.eqns for a in eqn.invars if type(a) is Var}
    needed.update(a for a in jaxpr.outvars if type(a) is Var)
    used = [i for i, v in enumerate(jaxpr.invars[:leading]) if v in needed]
    invars = [*(jaxpr.invars[i] for i in used), *jaxpr.invars[leading:]]
    return outer, used, ClosedJaxpr(Jaxpr(jaxpr.constvars, invars, jaxpr.outvars, jaxpr.eqns), inner.consts)


def _place(
    place: str, i: int, forward: Jaxpr, outvars: list[Atom], num_consts: int, num_carry: int, count: int
) -> tuple[str, int]:
    """Where the loop over tangents finds a residual; what the loop only carries is stacked as one more output."""
    if place == "in" and i < num_consts:
        return "in", i
    if place == "in" and i >= num_consts + num_carry:
        return "xs", i - num_consts - num_carry
    if place == "out" and i >= num_carry:
        return "out", i
    atom = forward.invars[i] if place == "in" else outvars[i]
    for j in range(num_carry, len(outvars)):
        if outvars[j] is atom:
            return "out", j
    outvars.append(atom)
    return "out", len(outvars) - 1


Runner: TypeAlias = Callable[[Sequence[Array], dict[str, Any]], tuple[list[Array], int]]


def linearize_scan(
    xs: Sequence[Array], ts: Tangents, params: dict[str, Any], run: Runner | None = None
) -> tuple[list[Array], list[Any]]:
    """Results of a scan, and their tangents by a linear scan.

    Args:
        xs: constants, initial carry, and rows.
        ts: their tangents.
        params: the parameters of the scan.
        run: runs the loop over values, where its length is not among the parameters; says how many steps it took.
    """
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    body = linear_body(params["jaxpr"], num_consts, num_carry, _nz(ts))
    consts, _, rows = _parts(xs, num_consts, num_carry)
    fixed = [] if body.outer is None else body.outer(*consts)
    given = {**params, "jaxpr": body.forward, "num_consts": body.passed + num_consts}
    run = run or (lambda args, given: (scan_p.bind(*args, **given), given["length"]))
    results, length = run([*fixed[: body.passed], *xs], given)
    found = {"in": consts, "outer": fixed, "xs": rows, "out": results}
    full = [instantiate(t, x) if m else ZERO for x, t, m in zip(xs, ts, body.nz_in, strict=True)]
    t_consts, t_carry, t_rows = ([t for t in part if t is not ZERO] for part in _parts(full, num_consts, num_carry))
    constant = [found[place][i] for place, i in body.constant]
    stacked = [found[place][i] for place, i in body.stacked]
    leading = [*constant, *t_consts]
    if body.outer_linear is not None:
        leading = [*body.outer_linear(*leading), *leading]
    outs = scan_p.bind(
        *(leading[i] for i in body.used), *t_carry, *stacked, *t_rows,
        jaxpr=body.linear,
        length=length,
        reverse=params["reverse"],
        num_consts=len(body.used),
        num_carry=len(t_carry),
    )  # fmt: skip
    tangents = iter(outs)
    return results[: len(body.nz_out)], [next(tangents) if m else ZERO for m in body.nz_out]


@cached
def batch_body(
    jaxpr: ClosedJaxpr, size: int, dims: tuple[int | None, ...], num_consts: int, num_carry: int
) -> tuple[ClosedJaxpr, Mask]:
    """The body over one more axis, the first of every output that varies with it; and which outputs do."""
    middle = num_consts + num_carry
    while True:
        _, out_dims = batch_jaxpr(jaxpr, size, dims)
        mapped = tuple(d is not None for d in out_dims)
        carry = tuple(0 if d is not None or m else None for d, m in zip(dims[num_consts:middle], mapped, strict=False))
        if carry == dims[num_consts:middle]:
            break
        dims = dims[:num_consts] + carry + dims[middle:]
    mapped = tuple(d is not None for d in carry) + mapped[num_carry:]
    return rows_jaxpr(jaxpr, size, dims, mapped), mapped
