"""The IR checker: every variable is bound once, before it is used, and every equation's types are what its shape rule
says."""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import ShapedArray, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, inner_jaxprs
from fgrad.errors import JaxprError

__all__ = ["check_jaxpr"]


def check_jaxpr(jaxpr: Jaxpr | ClosedJaxpr) -> None:
    """Verifies a jaxpr and every jaxpr inside it.

    Raises:
        JaxprError: says which equation is wrong, and why.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        _check_consts(jaxpr)
        jaxpr = jaxpr.jaxpr
    pending: list[Jaxpr] = [jaxpr]
    while pending:
        pending += _check_one(pending.pop())


def _check_consts(closed: ClosedJaxpr) -> None:
    if len(closed.consts) != len(closed.jaxpr.constvars):
        raise JaxprError(f"{len(closed.jaxpr.constvars)} constvars, but {len(closed.consts)} constants")
    for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        if not _same(var.aval, aval_of(const)):
            raise JaxprError(f"a constant of type {aval_of(const)} is bound to a variable of type {var.aval}")


def _check_one(jaxpr: Jaxpr) -> list[Jaxpr]:
    bound: set[Var] = set()
    _bind(bound, [*jaxpr.constvars, *jaxpr.invars], "the binders")
    inner: list[Jaxpr] = []
    for number, eqn in enumerate(jaxpr.eqns):
        where = f"equation {number} ({eqn.primitive.name})"
        for atom in eqn.invars:
            _check_atom(bound, atom, where)
        _check_types(eqn, where)
        _bind(bound, eqn.outvars, where)
        for _, program in inner_jaxprs(eqn.params):
            if isinstance(program, ClosedJaxpr):
                _check_consts(program)
                program = program.jaxpr
            inner.append(program)
    for atom in jaxpr.outvars:
        _check_atom(bound, atom, "the outputs")
    return inner


def _bind(bound: set[Var], variables: Any, where: str) -> None:
    for var in variables:
        if type(var) is not Var:
            raise JaxprError(f"{where}: {var!r} is bound, but is not a variable")
        if var in bound:
            raise JaxprError(f"{where}: a variable of type {var.aval} is bound twice")
        bound.add(var)


def _check_atom(bound: set[Var], atom: Atom, where: str) -> None:
    if type(atom) is Literal:
        if isinstance(atom.value, Tracer):
            raise JaxprError(f"{where}: a tracer stands as a literal")
    elif atom not in bound:
        raise JaxprError(f"{where}: reads a variable of type {atom.aval} that is not bound")


def _check_types(eqn: Equation, where: str) -> None:
    expected = eqn.primitive.shape(*[a.aval for a in eqn.invars], **eqn.params)
    avals = list(expected) if eqn.primitive.multiple else [expected]
    if len(avals) != len(eqn.outvars):
        raise JaxprError(f"{where}: binds {len(eqn.outvars)} results, its shape rule gives {len(avals)}")
    for aval, var in zip(avals, eqn.outvars, strict=True):
        if not _same(aval, var.aval):
            raise JaxprError(f"{where}: binds a result of type {var.aval}, its shape rule gives {aval}")


def _same(a: ShapedArray, b: ShapedArray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype
