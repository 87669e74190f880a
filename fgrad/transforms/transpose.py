"""Transposition: walks a linear program backwards, accumulating cotangents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, replayed
from fgrad.core.jaxpr import ClosedJaxpr, Equation, Literal, Var
from fgrad.core.modes import watched
from fgrad.core.primitive import ZERO, Zero, is_linear_input
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_kernels import combined
from fgrad.primitives.index_keys import to_index
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.scattering import scatter_add
from fgrad.transforms.jvp import LinearProgram

__all__ = ["transpose", "transpose_eqns"]


class Cotangents(dict[Var, Array]):
    """The sums of the cotangents that are known so far.

    Attributes:
        own: the variables whose sum is an array that nobody else refers to.
    """

    __slots__ = ("own",)

    def __init__(self) -> None:
        self.own: set[Var] = set()


def accumulate(cts: Cotangents, var: Var, ct: Array) -> None:
    """Adds one more cotangent of a variable."""
    known = cts.get(var)
    cts[var] = ct if known is None else known + ct
    cts.own.discard(var)


def _accumulate_piece(cts: Cotangents, eqn: Equation, ct: Array, xs: Sequence[Any]) -> None:
    """Adds the cotangent of a part of an array to that of the array: as much work as the part is large.

    Were every part placed in zeros of its own, a loop over the elements of an array would take quadratic time.
    """
    x, arrays, total = xs[0], xs[1:], cts.get(xs[0])
    if total is None:
        cts[x] = place(ct, *arrays, shape=x.aval.shape, **eqn.params)
        cts.own.add(x)
    elif shape_of(total) != x.aval.shape or aval_of(total).dtype != aval_of(ct).dtype:
        accumulate(cts, x, place(ct, *arrays, shape=x.aval.shape, **eqn.params))
    elif x in cts.own and all(type(value) is not Tracer for value in (total, ct, *arrays)) and total.shape:
        key, unique = eqn.params["key"], eqn.params["unique"]
        combined(np.add, total, to_index(key, arrays), ct, unique, copy=False)
    else:
        cts[x] = scatter_add(total, ct, *arrays, **eqn.params)
        cts.own.add(x)


def transpose(program: LinearProgram, cts_out: Sequence[Array | Zero], *, consume: bool = False) -> list[Array | Zero]:
    """The transpose of a linear program, applied to cotangents of its outputs.

    Args:
        program: what `linearize` recorded.
        cts_out: one cotangent per output.
        consume: empty the program on the way, so that residuals are freed as soon as they have been used.
    """
    extent = watched(cts_out)
    if extent is not None:
        cts_out = extent.xs
    cts = Cotangents()
    for var, ct in zip(program.outs, cts_out, strict=True):
        if type(var) is Var and ct is not ZERO:
            accumulate(cts, var, ct)
    eqns = program.eqns
    if consume:
        while eqns:
            _transpose_eqn(eqns.pop(), cts, None)
    else:
        for eqn in reversed(eqns):
            _transpose_eqn(eqn, cts, None)
    found = [cts.get(var, ZERO) for var in program.invars]
    return found if extent is None else extent.values(found)


def transpose_eqns(closed: ClosedJaxpr, known: dict[int, Array], cts_out: Sequence[Array | Zero]) -> list[Any]:
    """Transposes a jaxpr in those inputs that are not `known` (by position); equations on known values alone are run.

    Returns:
        One cotangent per input: `ZERO` where there is none, `None` at the known positions.
    """
    jaxpr = closed.jaxpr
    env: dict[Var, Array] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    env.update((jaxpr.invars[i], x) for i, x in known.items())
    linear = {v for i, v in enumerate(jaxpr.invars) if i not in known}
    backwards: list[Equation] = []
    for eqn in jaxpr.eqns:
        if any(a in linear for a in eqn.invars if type(a) is Var):
            linear.update(eqn.outvars)
            backwards.append(eqn)
            continue
        inputs = [a.value if isinstance(a, Literal) else env[a] for a in eqn.invars]
        out = eqn.primitive.bind(*inputs, **eqn.params)
        env.update(zip(eqn.outvars, out if eqn.primitive.multiple else (out,), strict=True))
    cts = Cotangents()
    for atom, ct in zip(jaxpr.outvars, cts_out, strict=True):
        if ct is not ZERO and type(atom) is Var and atom in linear:
            accumulate(cts, atom, ct)
    for eqn in reversed(backwards):
        _transpose_eqn(eqn, cts, env)
    return [None if i in known else cts.get(v, ZERO) for i, v in enumerate(jaxpr.invars)]


def _transpose_eqn(eqn: Equation, cts: Cotangents, env: dict[Var, Array] | None) -> None:
    primitive = eqn.primitive
    if primitive.multiple:
        ct: Any = [cts.pop(v, ZERO) for v in eqn.outvars]
        if all(c is ZERO for c in ct):
            return
    else:
        ct = cts.pop(eqn.outvars[0], ZERO)
        if ct is ZERO:
            return
    xs: list[Any] = [a.value if type(a) is Literal else a for a in eqn.invars]
    if env is not None:
        xs = [env.get(x, x) if type(x) is Var else x for x in xs]
    token = replayed.set(eqn.source) if eqn.source is not None else None
    try:
        if primitive is gather and is_linear_input(xs[0]):
            _accumulate_piece(cts, eqn, ct, xs)
            return
        contributions = primitive.transpose(ct, *xs, **eqn.params)
    finally:
        if token is not None:
            replayed.reset(token)
    for x, contribution in zip(xs, contributions, strict=True):
        if type(x) is Var and contribution is not None and contribution is not ZERO:
            accumulate(cts, x, contribution)
