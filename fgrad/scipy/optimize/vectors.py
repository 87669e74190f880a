"""Pytrees of unknowns as the vectors that SciPy's solvers work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.api.jit import jit
from fgrad.control.capture import captured_tracers
from fgrad.control.custom_linear_solve import check_inexact
from fgrad.control.rows import concrete
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import flat_leaves, place_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, ConcretizationTypeError, NonDifferentiableError, TreeStructureError, message
from fgrad.tree import PyTreeDef, flatten
from fgrad.tree.table import describe
from fgrad.tree.treedef import difference

__all__ = ["Unknowns", "argument_tuple", "check_method", "compiled", "is_varying"]


class Unknowns:
    """How a pytree of real arrays becomes a vector in double precision, and back.

    Attributes:
        solver: what it is for, for messages.
        treedef: the structure of the pytree.
        size: the length of the vector.
        is_array: the pytree is a single array.
    """

    def __init__(self, x0: Any, solver: str) -> None:
        self.solver = f"scipy.optimize.{solver}"
        leaves, treedef = flat_leaves([x0], ["x0"], self.solver)
        check_inexact(leaves, [x0], ["x0"], self.solver)
        self.treedef: PyTreeDef = treedef.children()[0]
        self._avals = [aval_of(x) for x in leaves]
        for i, aval in enumerate(self._avals):
            if aval.dtype.kind == "c":
                where = place_of([x0], ["x0"], i)
                what = f"{self.solver} takes real unknowns, but {where} is {aval}."
                raise NonDifferentiableError(message(what, cure="Make real and imaginary parts the unknowns."))
        self.is_array = self.treedef == flatten(0.0)[1]
        self.size = sum(aval.size for aval in self._avals)
        self._x0 = leaves

    @property
    def start(self) -> Array:
        """The vector of `x0`."""
        return self.pack([self._known(x) for x in self._x0])

    def _known(self, x: Array) -> Array:
        value = concrete(x)
        if value is None:
            what = f"{self.solver} runs SciPy, which needs values, but x0 or an argument is traced without one."
            cure = (
                "Call it outside of jit and vmap; or solve for a zero of the gradient with fgrad.implicit.root,"
                " which works there."
            )
            raise ConcretizationTypeError(message(what, cure=cure))
        return value

    def pack(self, leaves: Any) -> Array:
        """Arrays as one vector."""
        parts = [fnp.astype(fnp.ravel(x), np.float64) for x in leaves]
        return fnp.concatenate(parts) if parts else np.zeros(0)

    def pack_tree(self, x: Any, name: str) -> Array:
        """A pytree like `x0` as a vector; `name` says in messages what it is."""
        leaves, found = flatten(x)
        if found != self.treedef:
            what = f"{name} of {self.solver} must be like x0: {difference(self.treedef, found)}."
            raise TreeStructureError(message(what, cure="Return a pytree of the same structure."))
        return self.pack(leaves)

    def tree(self, vector: Array) -> Any:
        """A vector as a pytree like `x0`, of its shapes and dtypes."""
        leaves, offset = [], 0
        for aval in self._avals:
            part = fnp.astype(fnp.reshape(vector[offset : offset + aval.size], aval.shape), aval.dtype)
            leaves.append(part if aval.shape else part[()])
            offset += aval.size
        return self.treedef.unflatten(leaves)

    def spread(self, x: Any, name: str) -> Array:
        """Numbers for all unknowns: of a pytree like `x0` whose arrays broadcast, or of one number for all."""
        if isinstance(x, (int, float, np.number)):
            return np.full(self.size, float(x))
        leaves, found = flatten(x)
        if found != self.treedef:
            what = f"{name} of {self.solver} must be like x0, or one number: {difference(self.treedef, found)}."
            raise TreeStructureError(message(what, cure="Give -numpy.inf or numpy.inf where there is no bound."))
        try:
            return np.concatenate(
                [np.zeros(0), *[np.broadcast_to(y, a.shape).ravel() for y, a in zip(leaves, self._avals, strict=True)]]
            )
        except ValueError:
            what = f"{name} of {self.solver} does not broadcast to the shapes of x0."
            raise ArgumentError(message(what, cure="Give arrays of the shapes of x0, or numbers.")) from None


def argument_tuple(args: Any) -> tuple[Any, ...]:
    """Further arguments, as SciPy takes them: a tuple, or the only one."""
    return args if isinstance(args, tuple) else (args,)


def is_varying(*values: Any) -> bool:
    """Whether something is traced: an array in pytrees, or what a function closes over."""
    for value in values:
        if callable(value):
            if captured_tracers(value):
                return True
        elif any(type(x) is Tracer for x in flatten(value)[0]):
            return True
    return False


def compiled(fun: Callable[..., Any], use_jit: bool) -> Callable[..., Any]:
    """The function, compiled if it is to be."""
    return jit(fun) if use_jit else fun


def check_method(solver: str, method: Any, known: Any) -> None:
    """Refuses the name of a method that is none.

    Raises:
        ArgumentError: it is none.
    """
    if isinstance(method, str) and method.lower() not in known:
        what = f"method of scipy.optimize.{solver} must be one of {', '.join(known)}, got {describe(method)}."
        raise ArgumentError(message(what))
