"""What a loop computes only to stack it, and not to go on: it is computed for all steps at once, after the loop.

The loop stacks what that is computed from, and never more than it would have stacked without.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var, has_effect
from fgrad.primitives.elementwise import Elementwise
from fgrad.transforms.jaxprs import cached

__all__ = ["Afterwards", "split_afterwards"]

_MOST = 64 * 2**20
"""Bytes that what is computed after the loop may take at most."""
_SMALL = 2**12
"""Elements up to which the call of an operation takes longer than the operation, or nearly as long."""
_MOVES = frozenset({"reshape", "transpose", "broadcast_to", "convert_element_type"})
_NUMBERS = frozenset({np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)})


class Afterwards(NamedTuple):
    """A body in two halves.

    Attributes:
        loop: takes what the body takes; returns the carry, and what is stacked.
        rest: takes the constants, a row of each array, and what is stacked, then the carries in `before`; returns
            those results that are computed after the loop.
        before: carries that are needed as they are before each step: what is stacked, shifted by one step; pairs of
            the number of the carry, and the number of the stack of the same carry after the step.
        taken: how many of the stacks `rest` takes: the first ones.
        places: where each result is: `("loop", i)` among what is stacked, `("rest", i)`, or `("before", i)`.
        size: the bytes that all that is computed after the loop takes for one step.
    """

    loop: ClosedJaxpr
    rest: ClosedJaxpr
    before: list[tuple[int, int]]
    taken: int
    places: list[tuple[str, int]]
    size: int

    def fits(self, length: int) -> bool:
        """Whether there is memory for so many steps."""
        return length * self.size <= _MOST


@cached
def split_afterwards(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> Afterwards | None:
    """Splits the body of a loop into what is needed to go on, and the rest; `None` where there is no rest."""
    jaxpr = closed.jaxpr
    split = _Splitter(jaxpr, num_consts, num_carry)
    split.run()
    if not split.moved and not split.before:
        return None
    carry, rows = jaxpr.invars[num_consts : num_consts + num_carry], jaxpr.invars[num_consts + num_carry :]
    stacked: list[Atom] = [*split.stacked]
    position = {v: i for i, v in enumerate(stacked)}
    shifted = [(k, position[jaxpr.outvars[k]]) for k in split.before]
    earlier = {carry[k]: i for i, k in enumerate(split.before)}
    made = {v for eqn in split.moved for v in eqn.outvars}
    results: list[Atom] = []
    places: list[tuple[str, int]] = []
    for y in jaxpr.outvars[num_carry:]:
        if type(y) is Var and y in position:
            places.append(("loop", position[y]))
        elif y in earlier:
            places.append(("before", earlier[y]))
        elif y in made:
            places.append(("rest", len(results)))
            results.append(y)
        else:
            places.append(("loop", len(stacked)))
            stacked.append(y)
    outs = [*jaxpr.outvars[:num_carry], *stacked]
    first = stacked[: len(position)]
    copies = {a: Var(a.aval) for a in first if type(a) is Var}  # the loop has variables of its own

    def copied(atom: Atom) -> Atom:
        return copies.get(atom, atom) if type(atom) is Var else atom

    taken = [*jaxpr.invars[:num_consts], *rows, *copies.values(), *(carry[k] for k in split.before)]
    rest = [eqn._replace(invars=[copied(a) for a in eqn.invars]) for eqn in split.moved[::-1]]
    return Afterwards(
        ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, outs, split.kept[::-1]), closed.consts),
        ClosedJaxpr(Jaxpr(jaxpr.constvars, taken, [copied(y) for y in results], rest), closed.consts),
        shifted,
        len(first),
        places,
        sum(map(_bytes, made)),
    )


class _Splitter:
    """Goes through a body from its end, and takes out what makes the stacks no larger.

    Attributes:
        stacked: what the loop stacks.
        kept, moved: the equations of both halves, the last one first.
        before: carries that are taken from what is stacked of the step before.
    """

    def __init__(self, jaxpr: Jaxpr, num_consts: int, num_carry: int) -> None:
        self.jaxpr = jaxpr
        self.known = {*jaxpr.constvars, *jaxpr.invars[:num_consts]}
        self.carry = jaxpr.invars[num_consts : num_consts + num_carry]
        self.rows = {v for v in jaxpr.invars[num_consts + num_carry :] if not v.aval.weak_type}
        self.made = {v for eqn in jaxpr.eqns for v in eqn.outvars}
        ys = jaxpr.outvars[num_carry:]
        self.stacked = {y: None for y in ys if type(y) is Var and (y in self.made or y in self.carry)}
        self.needed: set[Atom] = set(jaxpr.outvars[:num_carry])
        atoms = [*jaxpr.constvars, *jaxpr.invars, *self.made]
        self.cheap = self._from_rows()
        self.weak_too = all(v.aval.dtype in _NUMBERS for v in atoms)  # their types do not depend on it
        self.kept: list[Equation] = []
        self.moved: list[Equation] = []
        self.before: list[int] = []

    def run(self) -> None:
        for eqn in reversed(self.jaxpr.eqns):
            new = self._stacked_for(eqn)
            if new is None:
                self.kept.append(eqn)
                self.needed.update(eqn.invars)
                continue
            self.moved.append(eqn)
            for v in eqn.outvars:
                self.stacked.pop(v, None)
            self.stacked.update(dict.fromkeys(new))
        taken: set[Atom] = set()
        for k, (v, out) in enumerate(zip(self.carry, self.jaxpr.outvars, strict=False)):
            # An array is stacked where it is computed: that of the step before needs no copy.
            if v not in self.stacked or out not in self.made or out in taken or v.aval.weak_type:
                continue
            if v.aval.shape or out in self.stacked:
                taken.add(out)
                self.before.append(k)
                del self.stacked[v]
                self.stacked.setdefault(out)

    def _from_rows(self) -> set[Atom]:
        """What can be computed after the loop, or before, without anything that the loop computes."""
        found: set[Atom] = {*self.rows, *self.known}
        for eqn in self.jaxpr.eqns:
            if _is_small(eqn) and all(type(a) is not Var or a in found for a in eqn.invars):
                found.update(eqn.outvars)
        return found

    def _stacked_for(self, eqn: Equation) -> list[Var] | None:
        """What must be stacked for an equation to be taken out; `None` if it is not."""
        if not _is_small(eqn) or any(v in self.needed for v in eqn.outvars):
            return None
        given = [a for a in dict.fromkeys(eqn.invars) if type(a) is Var and a not in self.known]
        new = [v for v in given if v not in self.rows and v not in self.stacked]
        if any(v.aval.weak_type and not self.weak_too for v in given) or not given:
            return None
        if sum(_bytes(v) for v in new if v not in self.cheap) > sum(
            _bytes(v) for v in eqn.outvars if v in self.stacked
        ):
            return None
        return new


def _is_small(eqn: Equation) -> bool:
    """Whether an equation may be taken out, and takes longer to call than to compute."""
    if not (isinstance(eqn.primitive, Elementwise) or eqn.primitive.name in _MOVES) or has_effect(eqn):
        return False
    return math.prod(eqn.outvars[0].aval.shape) <= _SMALL


def _bytes(v: Atom) -> int:
    return v.aval.size * v.aval.dtype.itemsize
