"""The transpose of a scan: a loop that runs the other way.

It carries the cotangents of the carry, and sums up those of the constants. Where a constant's cotangent is a product
in every step, as that of a weight matrix is, the loop stacks the factors, which are smaller, and the sum of all
products is one contraction over all steps, made after the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from fgrad.core.aval import Array
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, eliminate_dead_code
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.shape import reduce_sum
from fgrad.transforms.jaxprs import cached, transpose_jaxpr
from fgrad.transforms.stage import trace

__all__ = ["TransposedBody", "transposed_body"]

Mask: TypeAlias = tuple[bool, ...]

_UNARY = frozenset({"transpose", "reshape", "neg", "convert_element_type"})


class Sum(NamedTuple):
    """A sum over all steps that is made after the loop.

    Attributes:
        factors: the operands of the last equation of each step: places among the rows that the loop takes and stacks.
        product: that equation; `None` if the operand itself is summed.
        rest: linear equations that are applied to the sum, with the constants among their operands.
    """

    factors: list[int]
    product: Equation | None
    rest: list[tuple[Equation, list[int | None]]]

    def total(self, stacks: Sequence[Array], consts: Sequence[Array]) -> Array:
        """The sum, from the stacked operands of all steps."""
        out = self._sum([stacks[i] for i in self.factors])
        for eqn, places in self.rest:
            atoms = zip(eqn.invars, places, strict=True)
            args = [
                out if place == -1 else consts[place] if place is not None else atom.value  # type: ignore[union-attr]
                for atom, place in atoms
            ]
            out = eqn.primitive.bind(*args, **eqn.params)
        return out

    def _sum(self, operands: list[Array]) -> Array:
        if self.product is None:
            return reduce_sum(operands[0], axes=(0,))
        if self.product.primitive is reduce_sum:
            axes = self.product.params["axes"]
            return reduce_sum(operands[0], axes=(0, *(a + 1 for a in axes)))
        params = dict(self.product.params)
        (left, right), (left_batch, right_batch) = params["dimension_numbers"]
        shifted = ((_with_steps(left), _with_steps(right)), (_shifted(left_batch), _shifted(right_batch)))
        return dot_general(*operands, **{**params, "dimension_numbers": shifted})


def _shifted(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + 1 for a in axes)


def _with_steps(axes: Sequence[int]) -> tuple[int, ...]:
    return (0, *_shifted(axes))


class TransposedBody(NamedTuple):
    """The body of the transposed loop.

    Attributes:
        jaxpr: takes the known constants, sums and the cotangents of the carry, known rows and the cotangents of rows.
        sums: how the cotangent of each linear constant comes about: `None` if it is summed up in the loop.
        extra: how many stacks the loop returns besides the cotangents of linear rows.
    """

    jaxpr: ClosedJaxpr
    sums: list[Sum | None]
    extra: int


@cached
def transposed_body(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, known: Mask, nz_ys: Mask) -> TransposedBody:
    """The body of the transposed loop of a body that is linear in its carry, and in the inputs not known."""
    avals = jaxpr.in_avals
    middle = num_consts + num_carry
    known_consts = [a for a, k in zip(avals[:num_consts], known, strict=False) if k]
    summed = [a for a, k in zip(avals[:num_consts], known, strict=False) if not k]
    known_rows = [a for a, k in zip(avals[middle:], known[middle:], strict=True) if k]
    ct_rows = [a for a, m in zip(jaxpr.out_avals[num_carry:], nz_ys, strict=True) if m]
    back = transpose_jaxpr(jaxpr, known, (True,) * num_carry + nz_ys)

    def step(*args: Array) -> list[Array]:
        consts, rest = args[: len(known_consts)], args[len(known_consts) :]
        cts, rows = rest[:num_carry], rest[num_carry:]
        return back(*consts, *rows[: len(known_rows)], *cts, *rows[len(known_rows) :])

    whole = trace(step, [*known_consts, *avals[num_consts:middle], *known_rows, *ct_rows])
    sums, extra = _Planner(whole, len(known_consts), num_carry, len(summed)).plan()
    kept = [k for k, s in enumerate(sums) if s is None]
    outs = whole.jaxpr.outvars
    wanted = [*(outs[k] for k in kept), *outs[len(summed) :], *extra]
    program = Jaxpr(whole.jaxpr.constvars, whole.jaxpr.invars, wanted, whole.eqns)
    part = eliminate_dead_code(ClosedJaxpr(program, whole.consts))

    def run(*args: Array) -> list[Array]:
        first = len(known_consts)
        totals = args[first : first + len(kept)]
        found = part(*args[:first], *args[first + len(kept) :])
        added = [total + ct for total, ct in zip(totals, found, strict=False)]
        return [*added, *found[len(kept) :]]

    given = [*known_consts, *(summed[k] for k in kept), *avals[num_consts:middle], *known_rows, *ct_rows]
    return TransposedBody(trace(run, given), sums, len(extra))


class _Planner:
    """Finds the sums that can be made after the loop.

    Attributes:
        extra: variables that the loop stacks for them.
    """

    def __init__(self, step: ClosedJaxpr, num_consts: int, num_carry: int, num_sums: int) -> None:
        jaxpr = step.jaxpr
        self.contributions = jaxpr.outvars[:num_sums]
        self.producers = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
        self.consts = {v: i for i, v in enumerate(jaxpr.invars[:num_consts])}
        rows = jaxpr.invars[num_consts + num_carry :]
        stacked = [*rows, *jaxpr.outvars[num_sums + num_carry :]]
        self.places: dict[Var, int] = {}
        for i, v in enumerate(stacked):
            if type(v) is Var:
                self.places.setdefault(v, i)
        self.next_place = len(stacked)
        self.extra: list[Var] = []

    def plan(self) -> tuple[list[Sum | None], list[Var]]:
        """The sums, one per contribution, and the variables to stack."""
        products = [self._sum(atom, stacking=True) for atom in self.contributions]
        pairs = zip(products, self.contributions, strict=True)  # what is stacked by now can be summed, too
        return [found or self._sum(atom, stacking=False) for found, atom in pairs], self.extra

    def _sum(self, atom: Atom, stacking: bool) -> Sum | None:
        rest: list[tuple[Equation, list[int | None]]] = []
        while type(atom) is Var:
            if atom in self.places:
                return Sum([self.places[atom]], None, rest[::-1])
            eqn = self.producers.get(atom)
            if eqn is None:
                return None
            if eqn.primitive is dot_general:
                return self._product(eqn, rest[::-1]) if stacking else None
            if eqn.primitive is reduce_sum:
                place = self.places.get(eqn.invars[0]) if type(eqn.invars[0]) is Var else None
                return None if place is None else Sum([place], eqn, rest[::-1])
            through = self._linear_operand(eqn)
            if through is None:
                return None
            rest.append((eqn, [-1 if i == through else self._const(a) for i, a in enumerate(eqn.invars)]))
            atom = eqn.invars[through]
        return None

    def _linear_operand(self, eqn: Equation) -> int | None:
        """The operand that an equation is linear in and keeps the size of, if the others are constants."""
        if eqn.primitive.name in _UNARY:
            return 0
        if eqn.primitive.name != "mul":
            return None
        varying = [i for i, a in enumerate(eqn.invars) if type(a) is Var and a not in self.consts]
        if len(varying) != 1 or eqn.invars[varying[0]].aval.shape != eqn.outvars[0].aval.shape:
            return None
        return varying[0]

    def _const(self, atom: Atom) -> int | None:
        return None if type(atom) is Literal else self.consts[atom]  # type: ignore[index]

    def _product(self, eqn: Equation, rest: list[tuple[Equation, list[int | None]]]) -> Sum | None:
        """The sum of products, if their factors take less memory than they do."""
        factors = [a for a in eqn.invars if type(a) is Var]
        if len(factors) != 2 or any(v in self.consts for v in factors):
            return None
        new = [v for v in dict.fromkeys(factors) if v not in self.places]
        if sum(v.aval.size for v in new) > eqn.outvars[0].aval.size:
            return None
        for v in new:
            self.places[v] = self.next_place
            self.next_place += 1
            self.extra.append(v)
        return Sum([self.places[v] for v in factors], eqn, rest)
