"""What two programs have in common that compute the same, equation by equation, at the same lines."""

from __future__ import annotations

from collections.abc import Hashable
from types import FunctionType
from typing import Any

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Jaxpr, Literal, Var

__all__ = ["fingerprint"]


def fingerprint(jaxpr: Jaxpr) -> Hashable:
    """A key that is equal for equal programs; it takes the constants for arguments.

    Raises:
        TypeError: an equation may hold arrays of the user's: it is not to be remembered.
    """
    number: dict[Var, int] = {v: i for i, v in enumerate((*jaxpr.constvars, *jaxpr.invars))}

    def atom(a: Atom) -> Hashable:
        return (type(a.value), repr(a.value)) if isinstance(a, Literal) else number[a]

    key: list[Hashable] = [len(jaxpr.constvars), *(v.aval for v in number)]
    for eqn in jaxpr.eqns:
        inputs = tuple(map(atom, eqn.invars))
        for v in eqn.outvars:
            number[v] = len(number)
        params = tuple((name, _parameter(value)) for name, value in eqn.params.items())
        key.append((eqn.primitive, inputs, params, len(eqn.outvars), eqn.source))
    key.append(tuple(map(atom, jaxpr.outvars)))
    return tuple(key)


def _parameter(value: Any) -> Hashable:
    """What two equal parameters have in common.

    Raises:
        TypeError: the parameter may hold arrays of the user's, in a program or a closure.
    """
    if isinstance(value, tuple):
        return (type(value), *map(_parameter, value))
    if isinstance(value, ClosedJaxpr) and not len(value.consts):
        return fingerprint(value.jaxpr)
    if isinstance(value, ClosedJaxpr) or (callable(value) and not isinstance(value, type) and not _is_plain(value)):
        raise TypeError(f"{type(value).__name__} is not remembered")
    return (type(value), repr(value)) if isinstance(value, (int, float, complex)) else value


def _is_plain(function: Any) -> bool:
    """Whether a callable is a function that closes over nothing."""
    return isinstance(function, FunctionType) and function.__closure__ is None
