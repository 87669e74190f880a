"""The primitive of a choice between programs, `cond`, and all its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from fgrad.compiler.compiled import body_function
from fgrad.control.all_rows import all_branches
from fgrad.control.bodies import BodyPrimitive, block, own
from fgrad.control.cond_rows import cond_rows
from fgrad.control.expansions import expand_cond
from fgrad.core.aval import Array, ShapedArray
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr, Var
from fgrad.core.primitive import ZERO, Zero, is_linear_input
from fgrad.errors import JaxprError
from fgrad.transforms.batch import uses_axis
from fgrad.transforms.jaxprs import (
    batch_jaxpr,
    jvp_jaxpr,
    linearize_jaxpr,
    rows_jaxpr,
    to_front,
    transpose_jaxpr,
    zeros_like,
)
from fgrad.transforms.stage import trace

__all__ = ["cond_p"]

Branches: TypeAlias = tuple[ClosedJaxpr, ...]
Mask: TypeAlias = tuple[bool, ...]
Tangents: TypeAlias = Sequence[Array | Zero]


class Cond(BodyPrimitive):
    """`cond(index, *args, branches=)`: applies the branch that a scalar names, a boolean or an integer.

    An integer out of range names the nearest branch.
    """

    def impl(self, index: Array, *args: Array, branches: Branches) -> list[Array]:
        return own(body_function(branches[taken(index, branches)])(*args), args)

    def shape(self, index: ShapedArray, *avals: ShapedArray, branches: Branches) -> list[ShapedArray]:
        if index.shape or index.dtype.kind not in "biu":
            raise JaxprError(f"`cond` chooses by a scalar boolean or integer, not by {index}")
        for branch in branches:
            if [(a.shape, a.dtype) for a in avals] != [(a.shape, a.dtype) for a in branch.in_avals]:
                raise JaxprError(f"`cond` applies programs of {branch.in_avals} to {list(avals)}")
        return branches[0].out_avals

    def pushforward(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        branches: Branches = params["branches"]
        chosen = known_branch(xs[0], branches)
        if chosen is not None:
            return block.pushforward(xs[1:], ts[1:], {"jaxpr": chosen})
        nz = tuple(t is not ZERO for t in ts[1:])
        wanted = union([jvp_jaxpr(branch, nz)[1] for branch in branches])
        pushed = tuple(jvp_jaxpr(branch, nz, wanted)[0] for branch in branches)
        outs = self.bind(*xs, *[t for t in ts[1:] if t is not ZERO], branches=pushed)
        tangents = iter(outs[len(wanted) :])
        return outs[: len(wanted)], [next(tangents) if m else ZERO for m in wanted]

    def jet(
        self, order: int, xs: Sequence[Array], terms: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Array], list[Any]]:
        return expand_cond(self, order, xs, terms, params, known_branch(xs[0], params["branches"]))

    def linearize(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        branches: Branches = params["branches"]
        chosen = known_branch(xs[0], branches)
        if chosen is not None:
            return block.linearize(xs[1:], ts[1:], {"jaxpr": chosen})
        index, *args = xs
        halves = linear_branches(branches, tuple(t is not ZERO for t in ts[1:]))
        results = self.bind(index, *args, branches=halves.forward)
        known = [*(args[i] for i in halves.inputs), *(results[i] for i in halves.outputs)]
        outs = self.bind(index, *known, *[t for t in ts[1:] if t is not ZERO], branches=halves.linear)
        tangents = iter(outs)
        return results[: len(halves.nz_out)], [next(tangents) if m else ZERO for m in halves.nz_out]

    def transpose(self, ct: Tangents, index: Array, *xs: Any, branches: Branches) -> list[Any]:
        known = tuple(not is_linear_input(x) for x in xs)
        nz = tuple(c is not ZERO for c in ct)
        back = tuple(transpose_jaxpr(branch, known, nz) for branch in branches)
        given = [x for x, k in zip(xs, known, strict=True) if k]
        found = iter(self.bind(index, *given, *[c for c in ct if c is not ZERO], branches=back))
        return [None, *(None if k else next(found) for k in known)]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, branches: Branches
    ) -> tuple[list[Array], list[int | None]]:
        index, *args = xs
        if dims[0] is not None:
            mapped = tuple(d is not None for d in dims[1:])
            rows = [to_front(x, d, size) if d is not None else x for x, d in zip(args, dims[1:], strict=True)]
            if uses_axis(size, *branches):
                outs = all_branches(index, rows, branches, size, mapped)
            else:
                outs = cond_rows.bind(index, *rows, branches=branches, mapped=mapped)
            return outs, [0] * len(outs)
        inside = tuple(dims[1:])
        wanted = union([tuple(d is not None for d in batch_jaxpr(b, size, inside)[1]) for b in branches])
        over = tuple(rows_jaxpr(branch, size, inside, wanted) for branch in branches)
        return self.bind(*xs, branches=over), [0 if m else None for m in wanted]


cond_p = Cond()


def taken(index: Array, branches: Sequence[ClosedJaxpr]) -> int:
    """The number of the branch that an index names."""
    return min(max(int(index), 0), len(branches) - 1)


def known_branch(index: Array, branches: Branches) -> ClosedJaxpr | None:
    """The branch that an index names, if its value is known."""
    value = index.concrete if type(index) is Tracer else index
    return None if value is None else branches[taken(value, branches)]


def union(masks: Sequence[Mask]) -> Mask:
    """What any of some masks marks."""
    return tuple(any(column) for column in zip(*masks, strict=True))


class LinearBranches(NamedTuple):
    """The two choices of a linearized one.

    Attributes:
        forward: branches that return the results, and then residuals; those of different branches share places.
        linear: branches that take residuals, and then tangents.
        inputs: which arguments are residuals.
        outputs: which results of `forward` are.
        nz_out: which results have tangents.
    """

    forward: Branches
    linear: Branches
    inputs: list[int]
    outputs: list[int]
    nz_out: Mask


def linear_branches(branches: Branches, nz: Mask) -> LinearBranches:
    """Splits branches into what is computed from values and what is linear in tangents.

    An argument or a result that a branch needs again is used as it is. Every other residual of a branch has a place
    among the results, of its shape and dtype; the branches that do not need the place fill it with zeros.
    """
    nz_out = union([linearize_jaxpr(branch, nz).nz_out for branch in branches])
    halves = [linearize_jaxpr(branch, nz, nz_out) for branch in branches]
    count = len(nz_out)
    inputs = sorted({i for h in halves for place, i in h.residuals if place == "in"})
    places: list[ShapedArray] = []
    chosen: list[dict[int, int]] = []
    for h in halves:
        own_places: dict[int, int] = {}
        for place, i in h.residuals:
            if place == "out" and i >= count:
                own_places[i] = _free_place(h.forward.out_avals[i], places, own_places)
        chosen.append(own_places)
    reused = sorted({i for h in halves for place, i in h.residuals if place == "out" and i < count})
    outputs = [*reused, *range(count, count + len(places))]
    forward = tuple(_filled(h.forward, count, own_places, places) for h, own_places in zip(halves, chosen, strict=True))
    linear = []
    for h, own_places in zip(halves, chosen, strict=True):
        given = {("in", i): k for k, i in enumerate(inputs)}
        given.update({("out", i): len(inputs) + k for k, i in enumerate(reused)})
        first = len(inputs) + len(reused)
        given.update({("out", i): first + place for i, place in own_places.items()})
        avals = [branches[0].in_avals[i] for i in inputs] + [branches[0].out_avals[i] for i in reused] + places
        linear.append(_rearranged(h.linear, [given[r] for r in h.residuals], avals))
    return LinearBranches(forward, tuple(linear), inputs, outputs, nz_out)


def _free_place(aval: ShapedArray, places: list[ShapedArray], used: dict[int, int]) -> int:
    """A place for a residual of some type that this branch has not used, a new one if need be."""
    for place, other in enumerate(places):
        if place not in used.values() and (other.shape, other.dtype) == (aval.shape, aval.dtype):
            return place
    places.append(ShapedArray(aval.shape, aval.dtype))
    return len(places) - 1


def _filled(forward: ClosedJaxpr, count: int, own_places: dict[int, int], places: Sequence[ShapedArray]) -> ClosedJaxpr:
    """A branch that returns its results, and something for every place."""
    at = {place: i for i, place in own_places.items()}

    def run(*xs: Array) -> list[Array]:
        found = forward(*xs)
        rest = [found[at[k]] if k in at else zeros_like(aval) for k, aval in enumerate(places)]
        return [*found[:count], *rest]

    return trace(run, forward.in_avals)


def _rearranged(linear: ClosedJaxpr, positions: Sequence[int], avals: Sequence[ShapedArray]) -> ClosedJaxpr:
    """A linear branch that takes its residuals among those of all branches."""
    jaxpr = linear.jaxpr
    own_vars = dict(zip(positions, jaxpr.invars, strict=False))
    invars = [own_vars.get(i) or Var(aval) for i, aval in enumerate(avals)]
    rest = jaxpr.invars[len(positions) :]
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, [*invars, *rest], jaxpr.outvars, jaxpr.eqns), linear.consts)
