"""Products: the sum of a broadcast product is a product of matrices, which never holds all the terms at once; a product
that sums nothing is element-wise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from fgrad.compiler.simplify import only_changes_axes
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var, eliminate_dead_code
from fgrad.errors import SourceLine
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import Elementwise, mul
from fgrad.primitives.shape import reduce_sum, reshape, transpose

__all__ = ["outer_products", "sums_of_products"]

_PAIRWISE = 4096
"""Terms along the last axis up to which BLAS is as exact as NumPy, which adds those in pairs."""


def sums_of_products(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Writes `reduce_sum(mul(x, y))` as `dot_general` where one of the factors is broadcast along what remains."""
    if all(eqn.primitive is not reduce_sum for eqn in closed.eqns):
        return closed
    uses = Counter(a for eqn in closed.eqns for a in eqn.invars if type(a) is Var)
    uses.update(a for a in closed.jaxpr.outvars if type(a) is Var)
    producers: dict[Var, Equation] = {}
    eqns: list[Equation] = []
    for eqn in closed.eqns:
        terms = producers.get(eqn.invars[0]) if eqn.primitive is reduce_sum else None  # type: ignore[arg-type]
        product = None
        if terms is not None and terms.primitive is mul and uses[terms.outvars[0]] == 1:
            product = _product(eqn, terms, producers)
        for new in product or [eqn]:
            producers.update((v, new) for v in new.outvars)
            eqns.append(new)
    if len(eqns) == len(closed.eqns) and all(a is b for a, b in zip(eqns, closed.eqns, strict=True)):
        return closed
    jaxpr = closed.jaxpr
    return eliminate_dead_code(ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts))


class _Factor(NamedTuple):
    """An operand, and the axes of the terms that it has (of more than one element)."""

    atom: Atom
    axes: list[int]


def _product(eqn: Equation, terms: Equation, producers: dict[Var, Equation]) -> list[Equation] | None:
    """The equations that compute a sum of products; `None` where it is none, or better left as it is."""
    aval = terms.outvars[0].aval
    if aval.dtype.kind not in "fc" or any(a.aval.dtype != aval.dtype or a.aval.weak_type for a in terms.invars):
        return None
    summed = [i for i in eqn.params["axes"] if aval.shape[i] != 1]
    x, y = (_factor(a, aval) for a in terms.invars)
    if not summed or not aval.size or any(i not in x.axes or i not in y.axes for i in summed):
        return None
    if aval.ndim - 1 in summed and math.prod(aval.shape[i] for i in summed) > _PAIRWISE:
        return None
    kept = [i for i, n in enumerate(aval.shape) if n != 1 and i not in eqn.params["axes"]]
    if all(i in x.axes and i in y.axes for i in kept):
        return None  # nothing is broadcast
    wanted = _order(x, y, kept) != kept and _order(y, x, kept) == kept
    first, second = (y, x) if wanted else (x, y)
    return _Writer(aval, eqn, producers).write(first, second, summed, kept)


def _factor(atom: Atom, terms: ShapedArray) -> _Factor:
    shape = atom.aval.shape
    missing = terms.ndim - len(shape)
    return _Factor(atom, [missing + i for i, n in enumerate(shape) if n != 1])


def _order(x: _Factor, y: _Factor, kept: Sequence[int]) -> list[int]:
    """The axes of a product: those that run along in both, then the others of x, then those of y."""
    rows = [i for i in kept if i in x.axes and i in y.axes]
    return [*rows, *(i for i in kept if i not in y.axes), *(i for i in kept if i not in x.axes)]


class _Writer:
    """Writes the equations of one product."""

    def __init__(self, terms: ShapedArray, eqn: Equation, producers: dict[Var, Equation]) -> None:
        self.terms, self.eqn, self.producers = terms, eqn, producers
        self.source: SourceLine | None = eqn.source
        self.eqns: list[Equation] = []

    def write(self, x: _Factor, y: _Factor, summed: Sequence[int], kept: Sequence[int]) -> list[Equation]:
        rows = [i for i in kept if i in x.axes and i in y.axes]
        paired = (tuple(tuple(f.axes.index(i) for i in axes) for f in (x, y)) for axes in (summed, rows))
        operands = [self._reshaped(f.atom, tuple(self.terms.shape[i] for i in f.axes)) for f in (x, y)]
        out: Atom = self._add(dot_general, operands, dimension_numbers=tuple(paired))
        order = _order(x, y, kept)
        if order != kept:
            out = self._add(transpose, [out], axes=tuple(order.index(i) for i in kept))
        out = self._reshaped(out, self.eqn.outvars[0].aval.shape)
        self.eqns[-1] = self.eqns[-1]._replace(outvars=list(self.eqn.outvars))
        return self.eqns

    def _reshaped(self, atom: Atom, shape: tuple[int, ...]) -> Atom:
        """A factor without the axes that it does not have."""
        if atom.aval.shape == shape:
            return atom
        earlier = self.producers.get(atom) if type(atom) is Var else None
        if earlier is not None and only_changes_axes(earlier):
            return self._reshaped(earlier.invars[0], shape)
        return self._add(reshape, [atom], shape=shape)

    def _add(self, primitive: object, operands: Sequence[Atom], **params: object) -> Var:
        out = Var(primitive.shape(*[a.aval for a in operands], **params))  # type: ignore[attr-defined]
        self.eqns.append(Equation(primitive, list(operands), [out], params, self.source))  # type: ignore[arg-type]
        return out


def outer_products(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Writes a `dot_general` that sums nothing as a broadcast product, the axes of its result in the order in which
    they are wanted, where an element-wise operation takes it: the two are computed together."""
    jaxpr = closed.jaxpr
    if not any(eqn.primitive is dot_general and _is_outer(eqn) for eqn in jaxpr.eqns):
        return closed
    uses = Counter(a for eqn in jaxpr.eqns for a in eqn.invars) + Counter(jaxpr.outvars)
    turned = {eqn.invars[0]: eqn for eqn in jaxpr.eqns if eqn.primitive is transpose and uses[eqn.invars[0]] == 1}
    joined = {a for eqn in jaxpr.eqns if isinstance(eqn.primitive, Elementwise) for a in eqn.invars}
    eqns: list[Equation] = []
    done: set[Var] = set()
    for eqn in jaxpr.eqns:
        later = turned.get(eqn.outvars[0]) if eqn.outvars else None
        wanted = eqn if later is None else later
        if eqn.primitive is dot_general and _is_outer(eqn) and wanted.outvars[0] in joined:
            axes = None if later is None else later.params["axes"]
            eqns += _outer_product(eqn, wanted.outvars[0], axes or tuple(range(eqn.outvars[0].aval.ndim)))
            done.update(wanted.outvars)
        elif not eqn.outvars or eqn.outvars[0] not in done:
            eqns.append(eqn)
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts)


def _is_outer(eqn: Equation) -> bool:
    plain = not any(a.aval.weak_type or a.aval.dtype.kind == "b" for a in eqn.invars)
    return plain and not eqn.params["dimension_numbers"][0][0]


def _outer_product(eqn: Equation, out: Var, axes: Sequence[int]) -> list[Equation]:
    """The equations of a product; `axes` are those of the `dot_general` in the order of the result's."""
    x, y = eqn.invars
    _, (x_rows, y_rows) = eqn.params["dimension_numbers"]
    rows = len(x_rows)
    x_order = [*x_rows, *(i for i in range(x.aval.ndim) if i not in x_rows)]
    y_order = [*y_rows, *(i for i in range(y.aval.ndim) if i not in y_rows)]
    free = x.aval.ndim - rows
    places = [[*range(rows + free)], [*range(rows), *range(rows + free, rows + free + y.aval.ndim - rows)]]
    eqns: list[Equation] = []
    operands: list[Atom] = []
    for operand, order, where in zip((x, y), (x_order, y_order), places, strict=True):
        # Its axes in the order in which the result has them, and ones between.
        at = {axes.index(place): axis for axis, place in zip(order, where, strict=True)}
        moved = tuple([at[i] for i in sorted(at)])
        first = min(at, default=len(axes))
        shape = tuple([operand.aval.shape[at[i]] if i in at else 1 for i in range(first, len(axes))])
        for primitive, params in ((transpose, {"axes": moved}), (reshape, {"shape": shape})):
            if moved != tuple(range(len(moved))) if primitive is transpose else shape != operand.aval.shape:
                var = Var(primitive.shape(operand.aval, **params))
                eqns.append(Equation(primitive, [operand], [var], params, eqn.source))
                operand = var
        operands.append(operand)
    return [*eqns, Equation(mul, operands, [out], {}, eqn.source)]
