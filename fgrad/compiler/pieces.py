"""Pieces: an array that is added up from pieces which lie side by side is these pieces, joined.

The gradient of a program that takes an array apart, by slices or element by element, is made of such sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var, eliminate_dead_code
from fgrad.primitives.index_keys import FULL, Entry
from fgrad.primitives.indexing import place
from fgrad.primitives.joining import concatenate, stack
from fgrad.primitives.scattering import scatter_add

__all__ = ["joined_pieces"]


class _Piece(NamedTuple):
    """A value, and the positions that it has along an axis; `single`: it is one position, without the axis."""

    value: Atom
    axis: int
    start: int
    stop: int
    single: bool


class _Sum(NamedTuple):
    """Pieces along one axis, and how many positions they take in all."""

    pieces: list[_Piece]
    taken: int


def joined_pieces(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Writes sums of pieces that cover an array, each position once, as `concatenate` or `stack`."""
    if all(eqn.primitive is not place for eqn in closed.eqns):
        return closed
    jaxpr = closed.jaxpr
    uses = Counter(a for eqn in jaxpr.eqns for a in eqn.invars if type(a) is Var)
    uses.update(a for a in jaxpr.outvars if type(a) is Var)
    sums: dict[Var, _Sum] = {}
    eqns: list[Equation] = []
    for eqn in jaxpr.eqns:
        found = _extended(eqn, sums, uses)
        if found is not None:
            sums[eqn.outvars[0]] = found
            eqn = _join(eqn, found) or eqn
        eqns.append(eqn)
    return eliminate_dead_code(ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts))


def _extended(eqn: Equation, sums: dict[Var, _Sum], uses: Counter[Var]) -> _Sum | None:
    """The sum of pieces that an equation makes."""
    if eqn.primitive is place and len(eqn.invars) == 1:
        piece = _piece(eqn, eqn.invars[0])
        return None if piece is None else _Sum([piece], piece.stop - piece.start)
    if eqn.primitive is not scatter_add or len(eqn.invars) != 2 or type(eqn.invars[0]) is not Var:
        return None
    earlier = sums.pop(eqn.invars[0], None) if uses[eqn.invars[0]] == 1 else None
    piece = _piece(eqn, eqn.invars[1]) if earlier is not None else None
    if (
        earlier is None
        or piece is None
        or (piece.axis, piece.single) != (earlier.pieces[0].axis, earlier.pieces[0].single)
    ):
        return None
    earlier.pieces.append(piece)
    return _Sum(earlier.pieces, earlier.taken + piece.stop - piece.start)


def _piece(eqn: Equation, value: Atom) -> _Piece | None:
    """The part of an array that an equation writes, if it is one along a single axis."""
    shape, key = eqn.outvars[0].aval.shape, eqn.params["key"]
    parts = [(axis, entry) for axis, entry in enumerate(key) if entry != FULL]
    if len(parts) != 1 or len(key) != len(shape):
        return None
    axis, entry = parts[0]
    span = _span(entry, shape[axis])
    return None if span is None else _Piece(value, axis, *span, type(entry) is int)


def _span(entry: Entry, size: int) -> tuple[int, int] | None:
    if type(entry) is int:
        return entry, entry + 1
    if type(entry) is not tuple or entry[3] is not None:
        return None
    start, stop, _ = slice(*entry[1:3]).indices(size)
    return (start, stop) if start < stop else None


def _join(eqn: Equation, found: _Sum) -> Equation | None:
    """The equation that joins the pieces of a sum, where they cover the array."""
    axis = found.pieces[0].axis
    if found.taken != eqn.outvars[0].aval.shape[axis] or len(found.pieces) < 2:
        return None
    pieces: Sequence[_Piece] = sorted(found.pieces, key=lambda piece: piece.start)
    if any(a.stop != b.start for a, b in pairwise(pieces)):
        return None
    join = stack if pieces[0].single else concatenate
    return Equation(join, [piece.value for piece in pieces], eqn.outvars, {"axis": axis}, eqn.source)
