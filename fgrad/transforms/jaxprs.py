"""The transforms of whole jaxprs, which the rules of higher-order primitives are made of. Each is cached per jaxpr."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from fgrad.core.aval import Array, ShapedArray, aval_of, tangent_aval
from fgrad.core.evaluate import eval_jaxpr
from fgrad.core.interpreter import Tracer, interpret
from fgrad.core.jaxpr import (
    ClosedJaxpr,
    Equation,
    Jaxpr,
    Literal,
    Var,
    eliminate_dead_code,
    inline_literals,
    without_effects,
)
from fgrad.core.primitive import ZERO, Zero
from fgrad.primitives.shape import broadcast_to, move_axis
from fgrad.transforms.batch import AxisSize, Batch
from fgrad.transforms.jvp import Jvp, Linearize, LinearProgram, linearize
from fgrad.transforms.stage import Stage, trace
from fgrad.transforms.transpose import transpose_eqns

__all__ = [
    "LinearizedJaxpr",
    "batch_jaxpr",
    "cached",
    "jvp_jaxpr",
    "linearize_jaxpr",
    "rows_jaxpr",
    "tangent_jaxpr",
    "to_front",
    "transpose_jaxpr",
    "zeros_like",
]

Result = TypeVar("Result")
_Transform = Callable[..., Result]


def cached(transform: _Transform[Result]) -> _Transform[Result]:
    """Remembers the results of a transform as long as the jaxpr lives. Its other arguments are hashable."""
    memo: WeakKeyDictionary[ClosedJaxpr, dict[Hashable, Result]] = WeakKeyDictionary()

    def wrapper(closed: ClosedJaxpr, *args: Hashable) -> Result:
        known = memo.setdefault(closed, {})
        key = (*args, *[a.name for a in args if type(a) is AxisSize])
        if key not in known:
            known[key] = transform(closed, *args)
        return known[key]

    wrapper.__doc__ = transform.__doc__
    wrapper.__name__ = transform.__name__
    return wrapper


@cached
def jvp_jaxpr(
    closed: ClosedJaxpr, nz: tuple[bool, ...], wanted: tuple[bool, ...] = ()
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The jaxpr of value and tangent: takes the inputs, then the tangents of those that `nz` marks.

    Args:
        closed: the program.
        nz: which inputs have a tangent.
        wanted: which outputs have one in any case, of zeros if need be.

    Returns:
        The jaxpr, whose outputs are the values and then the non-zero tangents, and the mask of these.
    """
    return _pushed(closed, nz, Jvp, wanted)


@cached
def tangent_jaxpr(closed: ClosedJaxpr, nz: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The jaxpr of the tangents alone, linear in them; every equation is either linear or of values alone.

    Returns:
        The jaxpr, which takes the inputs, then the tangents of those that `nz` marks, and the mask of its outputs.
    """
    # A call that computes values and tangents in one equation could not be transposed: Linearize keeps them apart.
    # What has an effect had it when the values were computed for the first time.
    pushed, nz_out = _pushed(without_effects(closed), nz, Linearize)
    jaxpr = pushed.jaxpr
    tangents = Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars[len(nz_out) :], jaxpr.eqns)
    return eliminate_dead_code(ClosedJaxpr(tangents, pushed.consts)), nz_out


def _pushed(
    closed: ClosedJaxpr, nz: tuple[bool, ...], mode: type[Jvp], wanted: tuple[bool, ...] = ()
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    avals = closed.in_avals
    marked = [tangent_aval(a) for a, m in zip(avals, nz, strict=True) if m]
    nz_out: list[bool] = []

    def run(*args: Array) -> list[Array]:
        tangents = iter(args[len(avals) :])
        states = [(x, next(tangents) if m else ZERO) for x, m in zip(args, nz, strict=False)]
        pairs = interpret(mode("jvp"), closed.jaxpr, closed.consts, states)
        if wanted:
            pairs = [(y, zeros_like(y) if t is ZERO and w else t) for (y, t), w in zip(pairs, wanted, strict=True)]
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


@cached
def linearize_jaxpr(closed: ClosedJaxpr, nz: tuple[bool, ...], wanted: tuple[bool, ...] = ()) -> LinearizedJaxpr:
    """Splits a jaxpr into what is computed from primal values alone and what is linear in the tangents of the marked
    inputs. Outputs that `wanted` marks have a tangent in any case."""
    stage = Stage("linearize", closed=True)
    inputs = [stage.input(aval) for aval in closed.in_avals]
    with stage:
        outs, program = linearize(lambda *xs: eval_jaxpr(closed.jaxpr, closed.consts, *xs), inputs, nz)
        out_atoms = [stage.atom(y) for y in outs]
    program.outs[:] = _with_zeros(program, [aval_of(y) for y in outs], wanted)
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


def _with_zeros(program: LinearProgram, avals: Sequence[ShapedArray], wanted: tuple[bool, ...]) -> list[Var | Zero]:
    """The outputs of a linear program, zeros among them where they are wanted."""
    outs = list(program.outs)
    for i, (out, aval) in enumerate(zip(outs, avals, strict=True)):
        if out is ZERO and wanted and wanted[i]:
            outs[i] = var = Var(ShapedArray(aval.shape, aval.dtype))
            zero = Literal(aval.dtype.type(0))
            program.eqns.append(Equation(broadcast_to, [zero], [var], {"shape": aval.shape}, None))
    return outs


@cached
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


@cached
def rows_jaxpr(closed: ClosedJaxpr, size: int, dims: tuple[int | None, ...], mapped: tuple[bool, ...]) -> ClosedJaxpr:
    """As `batch_jaxpr`, with the new axis the first of every output that `mapped` marks.

    The others must not depend on what is mapped.
    """
    batched, out_dims = batch_jaxpr(closed, size, dims)
    if all(d == 0 if m else d is None for d, m in zip(out_dims, mapped, strict=True)):
        return batched

    def run(*args: Array) -> list[Array]:
        found = zip(batched(*args), out_dims, mapped, strict=True)
        return [to_front(y, d, size) if m else y for y, d, m in found]

    return trace(run, batched.in_avals)


def to_front(y: Array, dim: int | None, size: int) -> Array:
    """The mapped axis first; a value that is the same for all rows is repeated."""
    return broadcast_to(y, shape=(size, *aval_of(y).shape)) if dim is None else move_axis(y, dim, 0)


def zeros_like(x: Array | ShapedArray) -> Array:
    """Zeros of the shape and dtype of a value or a type, as a broadcast scalar: a program that needs them holds no
    array."""
    aval = x if type(x) is ShapedArray else aval_of(x)
    return broadcast_to(aval.dtype.type(0), shape=aval.shape)


@cached
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
        found = zip(out, closed.jaxpr.invars, known, strict=True)
        return [zeros_like(v) if ct is ZERO else ct for ct, v, k in found if not k]

    ct_avals = [tangent_aval(a) for a, m in zip(closed.out_avals, nz_ct, strict=True) if m]
    return trace(run, [avals[i] for i in positions] + ct_avals)
