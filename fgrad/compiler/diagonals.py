"""Diagonals: a product with a diagonal matrix scales rows or columns.

A matrix is known to be diagonal where a vector is placed on the diagonal, and where a triangle is cut out of the other
triangle: so it is in the gradient of the logarithm of a determinant, through a Cholesky factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, eliminate_dead_code
from fgrad.core.primitive import Primitive
from fgrad.primitives.comparison import select
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import add, mul
from fgrad.primitives.index_keys import ARRAY
from fgrad.primitives.indexing import place
from fgrad.primitives.linalg_factors import cholesky
from fgrad.primitives.linalg_solve import inverse
from fgrad.primitives.shape import transpose

__all__ = ["products_with_diagonals"]

_LEAST = 8
"""Rows from which on it pays."""


class Scaled(Primitive):
    """`scaled(x, *weights, turned=, first=, across=, exact=)`: a vector or matrix x times a diagonal matrix.

    That is an identity, or one whose columns are multiplied by weights. `turned`: x is transposed; `first`: the
    diagonal matrix is the first factor; `across`: it is transposed; `exact`: the weights were placed in zeros (an
    identity times an infinite weight holds NaN beside the diagonal). In the product every element meets zeros, too,
    which make NaN of infinities: where there are any, it is computed.
    """

    def __init__(self) -> None:
        self.name = "scaled"  # made by the compiler alone: no transform ever meets it

    def impl(self, x: Array, *weights: Array, turned: bool, first: bool, across: bool, exact: bool) -> Array:
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
        diagonal = np.diag(weights[0]) if exact and weights else np.eye(n, dtype=x.dtype)
        for v in () if exact else weights:
            diagonal = (diagonal * v).T if across else diagonal * v
        return np.dot(diagonal, x) if first else np.dot(x, diagonal)

    def shape(
        self, x: ShapedArray, *weights: ShapedArray, turned: bool, first: bool, across: bool, exact: bool
    ) -> ShapedArray:
        return ShapedArray(x.shape[::-1] if turned else x.shape, x.dtype)


class DiagonalOf(Primitive):
    """`diagonal_of(x)`: the diagonal of a matrix."""

    def __init__(self) -> None:
        self.name = "diagonal_of"  # made by the compiler alone, too

    def impl(self, x: Array) -> Array:
        return np.diagonal(x).copy()

    def shape(self, x: ShapedArray) -> ShapedArray:
        return ShapedArray(x.shape[:1], x.dtype)


scaled = Scaled()
diagonal_of = DiagonalOf()

_SOURCES = frozenset((place, cholesky))


def products_with_diagonals(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Writes products with diagonal matrices, with known numbers or others on the diagonal, as `scaled`."""
    jaxpr = closed.jaxpr
    constants = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    diagonals: dict[Atom, tuple[Atom, ...]] = {v: () for v, c in constants.items() if _is_identity(c)}
    if not diagonals and not any(eqn.primitive in _SOURCES for eqn in jaxpr.eqns):
        return closed
    walk = _Walk(constants, diagonals)
    for eqn in jaxpr.eqns:
        walk.follow(eqn)
    return eliminate_dead_code(
        ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, walk.eqns), closed.consts)
    )


def _is_fixed(constant: Any) -> bool:
    """Whether nobody can write into a constant."""
    if type(constant) is not np.ndarray or constant.flags.writeable:
        return False
    base = constant.base
    return not (isinstance(base, np.ndarray) and base.flags.writeable)


def _is_identity(constant: Any) -> bool:
    """Whether a constant is an identity, and will be: nobody can write into it."""
    if not _is_fixed(constant) or constant.dtype.kind not in "fb":
        return False
    n = len(constant) if constant.ndim == 2 else 0
    if n < _LEAST or constant.shape != (n, n):
        return False
    return bool((np.diagonal(constant) == 1).all()) and np.count_nonzero(constant) == n


class _Walk:
    """One pass over a program: what is known of its matrices, and the equations of the new one."""

    def __init__(self, constants: dict[Var, Any], diagonals: dict[Atom, tuple[Atom, ...]]) -> None:
        self.constants = constants
        self.diagonals = diagonals
        self.lower: dict[Atom, bool] = {}  # triangles: whether they are lower ones
        self.zeros: set[Atom] = set()
        self.exact: set[Atom] = set()  # diagonal matrices that were never multiplied: zeros beside the diagonal
        self.eqns: list[Equation] = []

    def follow(self, eqn: Equation) -> None:
        """Takes the next equation, or what it comes to, and notes what its result is known to be."""
        rule = _RULES.get(eqn.primitive)
        self.eqns.append((rule(self, eqn) if rule is not None else None) or eqn)

    def new(self, primitive: Primitive, invars: list[Atom], eqn: Equation) -> Var:
        """The result of one more equation."""
        out = Var(primitive.shape(*[a.aval for a in invars]))
        self.eqns.append(Equation(primitive, invars, [out], {}, eqn.source))
        return out

    def _constant(self, atom: Atom) -> Any:
        return None if type(atom) is Literal else self.constants.get(atom)  # type: ignore[arg-type]

    def placed(self, eqn: Equation) -> None:
        v, out = eqn.invars[0], eqn.outvars[0]
        n = out.aval.shape[0]
        if eqn.params["key"] == (ARRAY, ARRAY) and out.aval.shape == (n, n) and n >= _LEAST and type(v) is Var:
            positions = [self._constant(a) for a in eqn.invars[1:]]
            if all(_is_fixed(i) and np.array_equal(i, np.arange(n)) for i in positions):
                self._note(out, v)

    def _note(self, out: Var, v: Atom) -> None:
        self.diagonals[out] = (v,)
        self.exact.add(out)

    def factored(self, eqn: Equation) -> None:
        self.lower[eqn.outvars[0]] = not eqn.params["upper"]

    def inverted(self, eqn: Equation) -> None:
        if eqn.params.get("lower"):
            self.lower[eqn.outvars[0]] = True

    def turned(self, eqn: Equation) -> None:
        x, out = eqn.invars[0], eqn.outvars[0]
        if eqn.params["axes"] == (1, 0):
            if x in self.diagonals:
                self._same(out, x)
            elif x in self.lower:
                self.lower[out] = not self.lower[x]

    def multiplied(self, eqn: Equation) -> None:
        out = eqn.outvars[0]
        for x, v in (eqn.invars, eqn.invars[::-1]):
            diagonal = self.diagonals.get(x)
            if diagonal is None or out.aval.dtype != x.aval.dtype:
                continue
            if not diagonal and v.aval.ndim == 1 and v.aval.dtype == out.aval.dtype and type(v) is Var:
                self.diagonals[out] = (v,)
            elif x in self.exact and type(v) is Literal and np.isfinite(v.value):
                self._note(out, self.new(mul, [diagonal[0], v], eqn))

    def selected(self, eqn: Equation) -> None:
        """A triangle, or the diagonal, cut out of a matrix."""
        condition, x, y = eqn.invars
        mask, out = self._constant(condition), eqn.outvars[0]
        if type(y) is not Literal or y.value != 0 or type(x) is not Var or x.aval.ndim != 2 or not _is_fixed(mask):
            return
        if _is_identity(mask) and out.aval == x.aval:
            self._note(out, self.new(diagonal_of, [x], eqn))
        elif x in self.lower and mask.shape == x.aval.shape:
            side = np.triu(mask) if not self.lower[x] else np.tril(mask)
            if not side.any():
                self.zeros.add(out)

    def added(self, eqn: Equation) -> None:
        for x, y in (eqn.invars, eqn.invars[::-1]):
            if x in self.diagonals and y in self.zeros:
                self._same(eqn.outvars[0], x)

    def _same(self, out: Var, x: Atom) -> None:
        self.diagonals[out] = self.diagonals[x]
        if x in self.exact:
            self.exact.add(out)

    def contracted(self, eqn: Equation) -> Equation | None:
        found = [i for i, a in enumerate(eqn.invars) if type(a) is Var and a in self.diagonals]
        if len(found) != 1:
            return None
        (at,) = found
        product = _scaled(eqn, at, self.diagonals[eqn.invars[at]], eqn.invars[at] in self.exact)
        x = eqn.invars[1 - at]
        if product is not None and x in self.lower:
            self.lower[eqn.outvars[0]] = self.lower[x] is not product.params["turned"]
        return product


_RULES: dict[Primitive, Callable[[_Walk, Equation], Equation | None]] = {
    place: _Walk.placed,
    cholesky: _Walk.factored,
    inverse: _Walk.inverted,
    transpose: _Walk.turned,
    mul: _Walk.multiplied,
    select: _Walk.selected,
    add: _Walk.added,
    dot_general: _Walk.contracted,
}


def _scaled(eqn: Equation, at: int, diagonal: Iterable[Atom], exact: bool) -> Equation | None:
    contract, batch = eqn.params["dimension_numbers"]
    x = eqn.invars[1 - at]
    if batch[0] or len(contract[0]) != 1 or x.aval.ndim not in (1, 2) or type(x) is not Var:
        return None
    first = at == 0
    axis = contract[1 - at][0]
    # The other axis of the diagonal matrix stands where the contracted one of x was brought to: last, or first.
    turned = x.aval.ndim == 2 and axis == (1 if first else 0)
    params = {"turned": turned, "first": first, "across": contract[at][0] != (1 if first else 0), "exact": exact}
    return Equation(scaled, [x, *diagonal], eqn.outvars, params, eqn.source)
