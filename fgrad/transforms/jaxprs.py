"""The transforms of whole jaxprs, which the rules of higher-order primitives are made of. Each is cached per jaxpr."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.interpreter import Tracer, interpret
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr, Var, eliminate_dead_code, inline_literals
from fgrad.core.primitive import ZERO, instantiate
from fgrad.transforms.batch import Batch
from fgrad.transforms.jvp import Jvp, Linearize, linearize
from fgrad.transforms.stage import Stage, trace
from fgrad.transforms.transpose import transpose_eqns

__all__ = [
    "LinearizedJaxpr",
    "batch_jaxpr",
    "jvp_jaxpr",
    "linearize_jaxpr",
    "tangent_jaxpr",
    "transpose_jaxpr",
]

Result = TypeVar("Result")
_Transform = Callable[..., Result]


def _cached(transform: _Transform[Result]) -> _Transform[Result]:
    """Remembers the results of a transform as long as the jaxpr lives. Its other arguments are hashable."""
    memo: WeakKeyDictionary[ClosedJaxpr, dict[Hashable, Result]] = WeakKeyDictionary()

    def wrapper(closed: ClosedJaxpr, *args: Hashable) -> Result:
        known = memo.setdefault(closed, {})
        if args not in known:
            known[args] = transform(closed, *args)
        return known[args]

    wrapper.__doc__ = transform.__doc__
    wrapper.__name__ = transform.__name__
    return wrapper


@_cached
def jvp_jaxpr(closed: ClosedJaxpr, nz: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The jaxpr of value and tangent: takes the inputs, then the tangents of those that `nz` marks.

    Returns:
        The jaxpr, whose outputs are the values and then the non-zero tangents, and the mask of these.
    """
    return _pushed(closed, nz, Jvp)


@_cached
def tangent_jaxpr(closed: ClosedJaxpr, nz: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The jaxpr of the tangents alone, linear in them; every equation is either linear or of values alone.

    Returns:
        The jaxpr, which takes the inputs, then the tangents of those that `nz` marks, and the mask of its outputs.
    """
    # A call that computes values and tangents in one equation could not be transposed: Linearize keeps them apart.
    pushed, nz_out = _pushed(closed, nz, Linearize)
    jaxpr = pushed.jaxpr
    tangents = Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars[len(nz_out) :], jaxpr.eqns)
    return eliminate_dead_code(ClosedJaxpr(tangents, pushed.consts)), nz_out


def _pushed(closed: ClosedJaxpr, nz: tuple[bool, ...], mode: type[Jvp]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    avals = closed.in_avals
    marked = [a for a, m in zip(avals, nz, strict=True) if m]
    nz_out: list[bool] = []

    def run(*args: Array) -> list[Array]:
        tangents = iter(args[len(avals) :])
        states = [(x, next(tangents) if m else ZERO) for x, m in zip(args, nz, strict=False)]
        pairs = interpret(mode("jvp"), closed.jaxpr, closed.consts, states)
        nz_out.extend(t is not ZERO for _, t in pairs)
        return [y for y, _ in pairs] + [t for _, t in pairs if t is not ZERO]

    return trace(run, avals + marked), tuple(nz_out)


class LinearizedJaxpr(NamedTuple):
    """The two halves of a linearized jaxpr.

    Attributes:
        forward: takes the inputs; returns the outputs and then those residuals that are neither inputs nor outputs.
        linear: takes the residuals, then the tangents of the marked inputs; returns the non-zero tangents.
        residuals: where each residual comes from: `("in", i)`, or `("out", j)` among the results of `forward`.
        nz_out: which outputs have a tangent.
    """

    forward: ClosedJaxpr
    linear: ClosedJaxpr
    residuals: list[tuple[str, int]]
    nz_out: tuple[bool, ...]


@_cached
def linearize_jaxpr(closed: ClosedJaxpr, nz: tuple[bool, ...]) -> LinearizedJaxpr:
    """Splits a jaxpr into what is computed from primal values alone and what is linear in the tangents of the marked
    inputs."""
    stage = Stage("linearize", closed=True)
    inputs = [stage.input(aval) for aval in closed.in_avals]
    with stage:
        outs, program = linearize(lambda *xs: eval_jaxpr(closed.jaxpr, closed.consts, *xs), inputs, nz)
        out_atoms = [stage.atom(y) for y in outs]
    nz_out = tuple(v is not ZERO for v in program.outs)
    linear = inline_literals(program.invars, [v for v in program.outs if type(v) is Var], program.eqns)

    sources: dict[Any, tuple[str, int]] = {t.state: ("in", i) for i, t in enumerate(inputs)}
    for j, atom in enumerate(out_atoms):
        if type(atom) is Var:
            sources.setdefault(atom, ("out", j))
    residual_vars, residuals, constvars, consts = [], [], [], []
    for var, const in zip(linear.jaxpr.constvars, linear.consts, strict=True):
        if not (type(const) is Tracer and const.interpreter is stage):
            constvars.append(var)
            consts.append(const)
            continue
        if const.state not in sources:
            sources[const.state] = ("out", len(out_atoms))
            out_atoms.append(const.state)
        residual_vars.append(var)
        residuals.append(sources[const.state])
    jaxpr = linear.jaxpr
    linear_jaxpr = Jaxpr(constvars, [*residual_vars, *jaxpr.invars], jaxpr.outvars, jaxpr.eqns)
    forward = inline_literals([t.state for t in inputs], out_atoms, stage.eqns)
    return LinearizedJaxpr(forward, ClosedJaxpr(linear_jaxpr, consts), residuals, nz_out)


@_cached
def batch_jaxpr(closed: ClosedJaxpr, size: int, dims: tuple[int | None, ...]) -> tuple[ClosedJaxpr, list[int | None]]:
    """The jaxpr over one more axis of length `size`, at `dims` of the inputs, and where it is in the outputs."""
    out_dims: list[int | None] = []

    def run(*args: Array) -> list[Array]:
        mapped = interpret(Batch(size), closed.jaxpr, closed.consts, list(zip(args, dims, strict=True)))
        out_dims.extend(dim for _, dim in mapped)
        return [y for y, _ in mapped]

    avals = [
        a if dim is None else ShapedArray((*a.shape[:dim], size, *a.shape[dim:]), a.dtype)
        for a, dim in zip(closed.in_avals, dims, strict=True)
    ]
    return trace(run, avals), out_dims


@_cached
def transpose_jaxpr(closed: ClosedJaxpr, known: tuple[bool, ...], nz_ct: tuple[bool, ...]) -> ClosedJaxpr:
    """The transpose of a jaxpr that is linear in the inputs that `known` does not mark.

    It takes the known inputs, then the cotangents that `nz_ct` marks; it returns one cotangent per linear input.
    """
    avals = closed.in_avals
    positions = [i for i, k in enumerate(known) if k]

    def run(*args: Array) -> list[Array]:
        cts = iter(args[len(positions) :])
        values = dict(zip(positions, args, strict=False))
        out = transpose_eqns(closed, values, [next(cts) if m else ZERO for m in nz_ct])
        return [instantiate(ct, v) for ct, v, k in zip(out, closed.jaxpr.invars, known, strict=True) if not k]

    ct_avals = [a for a, m in zip(closed.out_avals, nz_ct, strict=True) if m]
    return trace(run, [avals[i] for i in positions] + ct_avals)
