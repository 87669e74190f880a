"""Diagonals: a product with a diagonal matrix scales rows or columns.

The matrix of all directions in which a Jacobian is taken is an identity, so that the first product on the way, forwards
or backwards, is one with a diagonal matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var, eliminate_dead_code
from fgrad.core.primitive import Primitive
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import mul
from fgrad.primitives.shape import transpose

__all__ = ["products_with_diagonals"]

_LEAST = 8
"""Rows from which on it pays."""


class Scaled(Primitive):
    """`scaled(x, *weights, turned=, first=, across=)`: the product of a vector or matrix x with a diagonal matrix.

    That is an identity, or one whose columns are multiplied by weights. `turned`: x is transposed; `first`: the
    diagonal matrix is the first factor; `across`: it is transposed. In the product every element meets zeros, too,
    which make NaN of infinities: where there are any, it is computed.
    """

    def __init__(self) -> None:
        self.name = "scaled"  # made by the compiler alone: no transform ever meets it

    def impl(self, x: Array, *weights: Array, turned: bool, first: bool, across: bool) -> Array:
        if turned:
            x = x.T
        if not weights:
            out = x.copy()
        else:
            column = first and x.ndim == 2
            out = np.multiply(x, weights[0][:, None] if column else weights[0])
        if np.isfinite(out).all():
            return out
        n = x.shape[0] if first else x.shape[-1]
        diagonal = np.eye(n, dtype=x.dtype)
        for v in weights:
            diagonal = (diagonal * v).T if across else diagonal * v
        return np.dot(diagonal, x) if first else np.dot(x, diagonal)

    def shape(self, x: ShapedArray, *weights: ShapedArray, turned: bool, first: bool, across: bool) -> ShapedArray:
        return ShapedArray(x.shape[::-1] if turned else x.shape, x.dtype)


scaled = Scaled()


def products_with_diagonals(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Writes products with the identity, and with an identity whose columns are scaled, as `scaled`."""
    jaxpr = closed.jaxpr
    diagonals: dict[Atom, tuple[Atom, ...]] = {
        v: () for v, c in zip(jaxpr.constvars, closed.consts, strict=True) if _is_identity(c)
    }
    if not diagonals:
        return closed
    eqns = [_followed(eqn, diagonals) for eqn in jaxpr.eqns]
    return eliminate_dead_code(ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts))


def _is_identity(constant: Any) -> bool:
    """Whether a constant is an identity, and will be: nobody can write into it."""
    if type(constant) is not np.ndarray or constant.flags.writeable or constant.dtype.kind != "f":
        return False
    base, n = constant.base, len(constant) if constant.ndim == 2 else 0
    if n < _LEAST or constant.shape != (n, n) or (isinstance(base, np.ndarray) and base.flags.writeable):
        return False
    return bool((np.diagonal(constant) == 1).all()) and np.count_nonzero(constant) == n


def _followed(eqn: Equation, diagonals: dict[Atom, tuple[Atom, ...]]) -> Equation:
    """The equation, or what it comes to; it is noted where the result is a diagonal matrix."""
    found = [i for i, a in enumerate(eqn.invars) if type(a) is Var and a in diagonals]
    if len(found) != 1:
        return eqn
    (at,) = found
    diagonal = diagonals[eqn.invars[at]]
    if eqn.primitive is mul and not diagonal:
        v = eqn.invars[1 - at]
        if v.aval.ndim == 1 and v.aval.dtype == eqn.outvars[0].aval.dtype and type(v) is Var:
            diagonals[eqn.outvars[0]] = (v,)
    elif eqn.primitive is transpose and not diagonal:
        diagonals[eqn.outvars[0]] = ()
    elif eqn.primitive is dot_general:
        return _scaled(eqn, at, diagonal) or eqn
    return eqn


def _scaled(eqn: Equation, at: int, diagonal: Iterable[Atom]) -> Equation | None:
    contract, batch = eqn.params["dimension_numbers"]
    x = eqn.invars[1 - at]
    if batch[0] or len(contract[0]) != 1 or x.aval.ndim not in (1, 2) or type(x) is not Var:
        return None
    first = at == 0
    axis = contract[1 - at][0]
    # The other axis of the diagonal matrix stands where the contracted one of x was brought to: last, or first.
    turned = x.aval.ndim == 2 and axis == (1 if first else 0)
    params = {"turned": turned, "first": first, "across": contract[at][0] != (1 if first else 0)}
    return Equation(scaled, [x, *diagonal], eqn.outvars, params, eqn.source)
