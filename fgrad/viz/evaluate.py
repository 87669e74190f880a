"""The value of every variable of a program, and the derivative of its output by each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Literal, Var
from fgrad.core.primitive import ZERO
from fgrad.errors import ArgumentError, NonScalarOutputError, message
from fgrad.transforms.jvp import linearize
from fgrad.transforms.transpose import transpose

__all__ = ["all_gradients", "all_values"]


def all_values(closed: ClosedJaxpr, args: Sequence[Array]) -> dict[Var, Array]:
    """What every variable of a program is, for some arguments."""
    return _run(closed, _inputs(closed, args), {})


def all_gradients(closed: ClosedJaxpr, args: Sequence[Array], name: str) -> dict[Var, Array]:
    """The derivative of the output of a program by every variable that has one.

    To every intermediate value a variable is added that is zero: the derivatives are those by these.

    Raises:
        NonScalarOutputError: the output is not one real number.
    """
    _check_scalar(closed, name)
    out = closed.jaxpr.outvars[0]
    inputs = _inputs(closed, args)
    inner = [v for eqn in closed.eqns for v in eqn.outvars if is_inexact(v.aval.dtype)]
    start = {v: x for v, x in inputs.items() if is_inexact(v.aval.dtype)}
    fixed = {v: x for v, x in inputs.items() if v not in start}
    start.update((v, _nothing(v.aval)) for v in inner)

    def shifted(*xs: Array) -> list[Array]:
        given = dict(zip(start, xs, strict=True))
        env = _run(closed, fixed | {v: given[v] for v in inputs if v in given}, {v: given[v] for v in inner})
        return [_read(env, out)]

    (value,), program = linearize(shifted, list(start.values()), verb="graph")
    found = transpose(program, [aval_of(value).dtype.type(1)])
    return {v: np.zeros(v.aval.shape) if ct is ZERO else ct for v, ct in zip(start, found, strict=True)}


def _check_scalar(closed: ClosedJaxpr, name: str) -> None:
    avals = closed.out_avals
    if len(avals) != 1 or avals[0].shape or avals[0].dtype.kind != "f":
        returned = ", ".join(map(str, avals)) or "nothing"
        what = f"graph(…, gradients=True) needs `{name}` to return one real number, but it returned {returned}."
        raise NonScalarOutputError(message(what, cure="Return a loss alone, or leave gradients out."))


def _inputs(closed: ClosedJaxpr, args: Sequence[Array]) -> dict[Var, Array]:
    for x in args:
        if not isinstance(x, (np.ndarray, np.generic, bool, int, float, complex)):
            what = f"graph(…, values=True) needs the values of its arguments, but one is a {type(x).__name__}."
            raise ArgumentError(message(what, cure="Give arrays; only a graph of shapes can do without."))
    return dict(zip((*closed.jaxpr.constvars, *closed.jaxpr.invars), (*closed.consts, *args), strict=True))


def _nothing(aval: ShapedArray) -> Array:
    """−0, which changes no number it is added to; a weakly typed one must not change dtypes either."""
    zero = complex(-0.0, -0.0) if aval.dtype.kind == "c" else -0.0
    return zero if aval.weak_type else np.full(aval.shape, zero, aval.dtype)[()]


def _run(closed: ClosedJaxpr, inputs: dict[Var, Array], shifts: dict[Var, Array]) -> dict[Var, Array]:
    env = dict(inputs)
    for eqn in closed.eqns:
        out = eqn.primitive.bind(*[_read(env, a) for a in eqn.invars], **eqn.params)
        for var, y in zip(eqn.outvars, out if eqn.primitive.multiple else (out,), strict=True):
            env[var] = y + shifts[var] if var in shifts else y
    return env


def _read(env: dict[Var, Array], atom: Atom) -> Array:
    return atom.value if isinstance(atom, Literal) else env[atom]
