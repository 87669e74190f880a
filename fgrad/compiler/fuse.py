"""Fusing: what is computed row by row becomes one equation, which is run a few rows at a time.

A group is a set of equations whose arrays begin with the same axes, the *rows*: element-wise operations with their
broadcasts, reductions of every row, and sums (or other reductions) over all rows. A tile of rows goes through the whole
group before the next one, so that what is between stays in cache, and several threads may work at tiles of their own.

An equation may join a group if whatever it needs from outside is there before the group: groups and equations have
levels, and all that a group needs from outside is on its own level or below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, has_effect
from fgrad.core.primitive import Primitive
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.reductions import Reduction
from fgrad.primitives.shape import reduce_sum
from fgrad.primitives.softmax import Exponentials

__all__ = ["Limits", "fuse", "fused", "is_rowwise", "limits", "price"]

Shape = tuple[int, ...]


class Limits:
    """From which sizes on what is done; measured, and changed by tests.

    Attributes:
        elements: an array with fewer does not start a group.
        work: a group with less is not worth it; one unit is a simple operation on one element.
        thread: for so much work another thread is asked to help.
        tile: how many bytes the largest arrays of a tile have.
        cache: how many bytes all arrays of a tile may take together.
        members: a group has no more equations.
    """

    def __init__(self) -> None:
        self.elements = 32 * 1024
        self.work = 1024 * 1024
        self.thread = 1536 * 1024
        self.tile = 1024 * 1024
        self.cache = 2 * 1024 * 1024
        self.members = 4096


limits = Limits()


class Fused(Primitive):
    """`fused(*args, jaxpr=, axes=)`: a program that is run tile by tile; the rows are the first axes of its arrays."""

    multiple = True

    def __init__(self) -> None:
        self.name = "fused"  # made by the compiler alone: no transform ever meets it

    def impl(self, *xs: Array, jaxpr: ClosedJaxpr, axes: int) -> list[Array]:
        return jaxpr(*xs)

    def shape(self, *avals: ShapedArray, jaxpr: ClosedJaxpr, axes: int) -> list[ShapedArray]:
        return jaxpr.out_avals


fused = Fused()


def fuse(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program with groups of equations as single equations, `fused`."""
    jaxpr = closed.jaxpr
    if all([v.aval.size < limits.elements for v in _variables(jaxpr)]):
        return closed
    grouping = _Grouping()
    homes = [grouping.place(eqn) for eqn in jaxpr.eqns]
    homes = [group if group is not None and group.pays() else None for group in homes]
    if not any(homes):
        return closed
    return ClosedJaxpr(
        Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, _in_order(jaxpr, homes)),
        closed.consts,
    )


def _variables(jaxpr: Jaxpr) -> list[Var]:
    return [*jaxpr.constvars, *jaxpr.invars, *[v for eqn in jaxpr.eqns for v in eqn.outvars]]


class _Group:
    """Equations with rows in common."""

    def __init__(self, level: int, epoch: int, rows: Shape) -> None:
        self.level = level
        self.epoch = epoch
        self.rows = rows
        self.members: list[Equation] = []
        self.widest = 0  # elements of the largest array
        self.work = 0

    def pays(self) -> bool:
        """Whether to run it in tiles is worth the while."""
        return self.work >= limits.work and (len(self.members) > 1 or self.work >= 4 * limits.work)

    def add(self, eqn: Equation, rows: Shape, size: int) -> None:
        self.rows = rows
        self.members.append(eqn)
        self.widest = max(self.widest, size)
        self.work += size * price(eqn)


class _Grouping:
    """Assigns equations, given in order, to groups."""

    def __init__(self) -> None:
        self.level: dict[Atom, int] = {}
        self.home: dict[Atom, _Group] = {}
        self.latest: dict[Shape, _Group] = {}
        self.scattered: set[Atom] = set()
        self.epoch = 0

    def place(self, eqn: Equation) -> _Group | None:
        """The group of an equation, an old one or a new one, if it can be in any."""
        level = max([self.level.get(a, 0) for a in eqn.invars], default=0)
        if has_effect(eqn):
            self.epoch += 1  # nothing is moved past it
        frame = _frame(eqn)
        if eqn.primitive.is_view(**eqn.params) and eqn.primitive.name != "reshape":
            self.scattered.update(eqn.outvars)
        elif frame is not None and any([a in self.scattered for a in eqn.invars]):
            frame = frame._replace(axes=min(frame.axes, 1))  # to merge more axes, it would have to be copied
        group = self._group(eqn, level, frame) if frame is not None else None
        for v in eqn.outvars:
            self.level[v] = level if group is None else group.level + 1
            if group is not None and not _is_total(eqn):
                self.home[v] = group
        if group is not None and frame is not None:
            self.latest[frame.shape] = group
        return group

    def _group(self, eqn: Equation, level: int, frame: _Frame) -> _Group | None:
        size = math.prod(frame.shape)
        known = [self.home[a] for a in eqn.invars if a in self.home]
        known.sort(key=lambda group: -group.level)
        if frame.shape in self.latest:
            known.append(self.latest[frame.shape])
        for group in dict.fromkeys(known):
            rows = self._joined(eqn, group, frame)
            if rows is not None:
                group.add(eqn, rows, size)
                return group
        rows = frame.shape[: frame.axes]
        if size < limits.elements or eqn.primitive.is_view(**eqn.params) or not _is_cut(rows, size):
            return None
        group = _Group(level, self.epoch, rows)
        group.add(eqn, rows, size)
        return group

    def _joined(self, eqn: Equation, group: _Group, frame: _Frame) -> Shape | None:
        """The rows of a group with one more equation, if it can join."""
        if group.epoch != self.epoch or len(group.members) >= limits.members:
            return None
        axes = min(len(group.rows), frame.axes)
        rows = group.rows[:axes]
        if frame.shape[:axes] != rows:
            return None
        if not _is_cut(rows, max(math.prod(frame.shape), group.widest)):
            return None
        inside = False
        for a in eqn.invars:
            if self.home.get(a) is group:
                inside = True
                if eqn.primitive.name != "reshape" and not is_rowwise(a.aval.shape, frame.shape, axes):
                    return None
            elif self.level.get(a, 0) > group.level:
                return None
        if eqn.primitive.is_view(**eqn.params) and not inside:
            return None
        return rows


def _is_cut(rows: Shape, size: int) -> bool:
    """Whether there are rows enough, and none is too long, for tiles that fit into a cache."""
    count = math.prod(rows)
    return count > 1 and size <= limits.tile * count


class _Frame(NamedTuple):
    """The shape that an equation runs over, and how many of its first axes may be the rows."""

    shape: Shape
    axes: int


def _frame(eqn: Equation) -> _Frame | None:
    """What an equation demands of the rows; `None` if it cannot be run row by row."""
    primitive = eqn.primitive
    if not eqn.invars or not eqn.outvars or any(not a.aval.size for a in (*eqn.invars, *eqn.outvars)):
        return None
    out, x = eqn.outvars[0].aval, eqn.invars[0].aval
    axes = 0
    if isinstance(primitive, Elementwise):
        if primitive.is_view(**eqn.params) or has_effect(eqn):
            return None
        axes = min([_alike(a.aval.shape, out.shape) for a in eqn.invars])
    elif primitive.name == "broadcast_to":
        axes = _alike(x.shape, out.shape)
    elif primitive.name == "reshape":
        axes = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(x.shape, out.shape, strict=False))))
    elif primitive.name == "convert_element_type":
        axes = out.ndim if x.dtype.kind != "c" or out.dtype.kind == "c" else 0
    elif primitive.name == "copy":
        axes = out.ndim
    elif _is_reduction(primitive):
        over = sorted(eqn.params["axes"])
        if not over or x.dtype == np.float16:
            return None
        axes = len(list(takewhile(lambda pair: pair[0] == pair[1], enumerate(over)))) or over[0]
        return _Frame(x.shape, axes)
    elif isinstance(primitive, Exponentials):
        axes = min(eqn.params["axes"], default=0)
        return _Frame(x.shape, axes) if axes else None
    return _Frame(out.shape, axes) if axes else None


def _is_reduction(primitive: Primitive) -> bool:
    return primitive is reduce_sum or isinstance(primitive, Reduction)


def _is_total(eqn: Equation) -> bool:
    """Whether it reduces over all rows, so that its result is there when all tiles are done."""
    return _is_reduction(eqn.primitive) and 0 in eqn.params["axes"]


def _alike(shape: Shape, out: Shape) -> int:
    """Along how many of the first axes of a result an operand runs along, or along how many it does not."""
    missing = len(out) - len(shape)
    along = False if missing else None
    for i, n in enumerate(out):
        if n == 1:
            continue
        here = i >= missing and shape[i - missing] == n
        if along is None:
            along = here
        elif here != along:
            return i
    return len(out)


def is_rowwise(shape: Shape, out: Shape, axes: int) -> bool:
    """Whether an operand has the rows of a result, its first axes; otherwise it has none of them."""
    return len(shape) == len(out) and shape[:axes] == out[:axes]


_CHEAP = frozenset(
    {
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "square",
        "sqrt",
        "maximum",
        "minimum",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "select",
        "logical_and",
        "logical_or",
        "logical_not",
        "absolute",
        "reciprocal",
        "positive",
        "sign",
        "convert_element_type",
        "copy",
        "reduce_sum",
        "reduce_max",
        "reduce_min",
    }
)


def price(eqn: Equation) -> int:
    """What an equation costs per element, as a multiple of a simple operation on float32."""
    if eqn.primitive.is_view(**eqn.params):
        return 0
    wide = max([a.aval.dtype.itemsize for a in (*eqn.invars, *eqn.outvars) if a.aval.shape], default=4) > 4
    simple = eqn.primitive.name in _CHEAP or (eqn.primitive.name == "integer_pow" and eqn.params["y"] == 2)
    return (2 if wide else 1) if simple else (12 if wide else 3)


def _in_order(jaxpr: Jaxpr, homes: Sequence[_Group | None]) -> list[Equation]:
    """Groups as equations, where their last member stood, or before what needs them, if that came earlier."""
    producer = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.outvars}
    needed = _needed(jaxpr, homes)
    last = {group: i for i, group in enumerate(homes) if group is not None}
    eqns: list[Equation] = []
    done: set[Any] = set()

    def unit(i: int) -> Any:
        return homes[i] if homes[i] is not None else i

    def members(one: Any) -> Sequence[Equation]:
        return one.members if isinstance(one, _Group) else (jaxpr.eqns[one],)

    for i, group in enumerate(homes):
        if group is not None and last[group] != i:
            continue
        pending = [unit(i)]
        while pending:
            one = pending[-1]
            if one in done:
                pending.pop()
                continue
            sources = [unit(producer[a]) for e in members(one) for a in e.invars if a in producer]
            missing = [s for s in dict.fromkeys(sources) if s is not one and s not in done]
            if missing:
                pending += missing
                continue
            pending.pop()
            done.add(one)
            eqns.append(_as_equation(one, needed) if isinstance(one, _Group) else jaxpr.eqns[one])
    return eqns


def _needed(jaxpr: Jaxpr, homes: Sequence[_Group | None]) -> set[Var]:
    """Variables that are read outside of the group that makes them."""
    maker: dict[Atom, _Group | None] = {v: g for eqn, g in zip(jaxpr.eqns, homes, strict=True) for v in eqn.outvars}
    needed = {a for a in jaxpr.outvars if type(a) is Var}
    for eqn, group in zip(jaxpr.eqns, homes, strict=True):
        needed.update(a for a in eqn.invars if type(a) is Var and maker.get(a) is not group)
    return needed


def _as_equation(group: _Group, needed: set[Var]) -> Equation:
    made = {v for eqn in group.members for v in eqn.outvars}
    given = dict.fromkeys(a for eqn in group.members for a in eqn.invars if type(a) is not Literal and a not in made)
    outs = [v for eqn in group.members for v in eqn.outvars if v in needed]
    body = ClosedJaxpr(Jaxpr([], list(given), outs, group.members), [])  # type: ignore[arg-type]
    params = {"jaxpr": body, "axes": len(group.rows)}
    return Equation(fused, list(given), outs, params, group.members[0].source)
