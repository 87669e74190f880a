"""Telling whether a recorded program is linear."""

from __future__ import annotations

import numpy as np

from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import Atom, Equation, Literal
from fgrad.core.primitive import Primitive
from fgrad.transforms.jvp import LinearProgram

__all__ = ["nonlinearity"]

_SUMS = frozenset({"add", "sub"})
_PRODUCTS = frozenset({"mul", "dot_general", "convolution"})
_QUOTIENTS = frozenset({"div"})


def nonlinearity(program: LinearProgram) -> tuple[str, Equation] | None:
    """Why a program is not linear in its inputs, in words, and the equation; `None` if nothing speaks against it."""
    for eqn in program.eqns:
        why = _fault(eqn)
        if why:
            return f"`{eqn.primitive.name}` {why}", eqn
    return None


def _fault(eqn: Equation) -> str:
    if not eqn.outvars:  # it only looks
        return ""
    name = eqn.primitive.name
    constant = [type(a) is Literal for a in eqn.invars]
    if type(eqn.primitive).transpose is Primitive.transpose:
        return "is not linear"
    if name in _SUMS and any(c and not _is_zero(a) for c, a in zip(constant, eqn.invars, strict=True)):
        return "of a constant is affine, not linear"
    if name in _PRODUCTS and constant.count(False) > 1:
        return "of two values that both depend on the inputs is not linear"
    if name in _QUOTIENTS and not constant[1]:
        return "by a value that depends on the inputs is not linear"
    return ""


def _is_zero(atom: Atom) -> bool:
    value = atom.value if isinstance(atom, Literal) else None
    return value is not None and type(value) is not Tracer and not np.any(value)
