"""Tiles: a group of equations written as a function that works on a few rows, in memory that it is given."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fgrad.compiler.bound import with_arrays_for_numbers
from fgrad.compiler.fuse import is_rowwise, limits, price
from fgrad.compiler.runtime import Tiling, run_tiles
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.core.writer import Writer
from fgrad.errors import SourceLine
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.reductions import Reduction
from fgrad.primitives.rows import row_sums_source, sums_by_einsum
from fgrad.primitives.shape import reduce_sum

if TYPE_CHECKING:
    from fgrad.compiler.source import Names

__all__ = ["Line", "empty_array", "in_several_tiles", "write_group"]

Shape = tuple[int, ...]
Type = tuple[Shape, np.dtype[Any]]


class Line(NamedTuple):
    """A line of generated code, and where it comes from."""

    text: str
    source: SourceLine | None


def empty_array(aval: ShapedArray, writer: Writer, *, pooled: bool) -> str:
    """An expression for an array whose elements are not set; `pooled`: from the buffers of the function."""
    dtype = writer.constant(aval.dtype, aval.dtype.name)
    return f"{'_empty' if pooled else 'np.empty'}({aval.shape}, {dtype})"


def write_group(
    eqn: Equation, names: Names, writer: Writer, pooled: frozenset[Var], given: Container[Atom] = ()
) -> tuple[list[Line], list[str]]:
    """The statements of a group, and the names that are to be dropped after it.

    Args:
        eqn: the group, one equation.
        names: the names of the variables of the program.
        writer: names everything else.
        pooled: the results that are taken from the buffers of the function.
        given: the results whose names already stand for arrays.
    """
    return _Group(eqn, names, writer).write(pooled, given)


def in_several_tiles(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program without the groups that make a single tile: their equations one after the other are quicker."""
    jaxpr = closed.jaxpr
    eqns = [e for eqn in jaxpr.eqns for e in (eqn.params["jaxpr"].eqns if _is_one_tile(eqn) else [eqn])]
    if len(eqns) == len(jaxpr.eqns):
        return closed
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), closed.consts)


def _is_one_tile(eqn: Equation) -> bool:
    if eqn.primitive.name != "fused":
        return False
    count, step = _rows_and_step(eqn.params["jaxpr"].jaxpr, eqn.params["axes"])
    return count <= step


def _rows_and_step(body: Jaxpr, axes: int) -> tuple[int, int]:
    """How many rows a group has, and how many of them a tile."""
    count = math.prod(_frame_shape(body.eqns[0])[:axes])
    longest = max([math.prod(_frame_shape(e)) for e in body.eqns]) // count
    return count, _step(body, longest, axes)


class _Group:
    def __init__(self, eqn: Equation, names: Names, writer: Writer) -> None:
        self.eqn = eqn
        self.body: Jaxpr = eqn.params["jaxpr"].jaxpr
        self.axes: int = eqn.params["axes"]
        self.names = names
        self.writer = writer
        self.rows = _frame_shape(self.body.eqns[0])[: self.axes]
        self.step = 1
        self.scratch = _Scratch()
        self.local: dict[Var, str] = {}
        self.setup: list[str] = []
        self.slices: list[str] = []
        self.dropped: list[str] = []
        self.number, self.start, self.stop = (names.fresh(hint) for hint in ("tile", "start", "stop"))

    def write(self, pooled: frozenset[Var], given_arrays: Container[Atom]) -> tuple[list[Line], list[str]]:
        names, writer, source = self.names, self.writer, self.eqn.source
        sizes = [math.prod(_frame_shape(e)) for e in self.body.eqns]
        count, step = _rows_and_step(self.body, self.axes)
        self.step = step
        tiles = -(-count // step)
        totals = [v for e in self.body.eqns for v in e.outvars if is_total(e)]
        for v in self.eqn.outvars:
            if v in totals:
                aval = ShapedArray((tiles, *v.aval.shape), v.aval.dtype)
                self.setup.append(f"{names[v]} = {empty_array(aval, writer, pooled=False)}")
            else:
                if v not in given_arrays:
                    self.setup.append(f"{names[v]} = {empty_array(v.aval, writer, pooled=v in pooled)}")
                self._slice(v)
        for given in self.body.invars:
            if self._has_rows(given):
                self._slice(given)
        lines = self._statements(totals)
        function = names.fresh("rows")
        work = sum([size * price(e) for size, e in zip(sizes, self.body.eqns, strict=True)])
        threads = min(tiles, 1 + work // limits.thread)
        tiling = writer.constant(Tiling(count, step, threads, tuple(self.scratch.types)), "tiling")
        scratch = "".join(f", {names_}" for names_ in self.scratch.names(names))
        head = f"def {function}({self.number}, {self.start}, {self.stop}{scratch}):"
        head += f"  # {tiles} tiles of {step} rows" if tiles > 1 else ""
        ends = [f"{writer.constant(run_tiles, 'run_tiles')}({function}, {tiling})"]
        made = {v: e for e in self.body.eqns for v in e.outvars}
        ends += [f"{names[v]} = {_ufunc(made[v], writer)}.reduce({names[v]}, axis=0)" for v in totals]
        inner = [Line("    " + text, line) for text, line in lines]
        before = [Line(text, source) for text in [*self.setup, head]]
        return [
            *before,
            *[Line("    " + text, source) for text in self.slices],
            *inner,
            *[Line(text, source) for text in ends],
        ], self.dropped

    def _has_rows(self, v: Var) -> bool:
        """Whether a variable from outside is cut into tiles: it is, where an equation takes it so."""
        return any(v in e.invars and is_rowwise(v.aval.shape, _frame_shape(e), self.axes) for e in self.body.eqns)

    def _slice(self, v: Var) -> None:
        """Names the rows of an array in a tile."""
        whole = self.names[v]
        if self.axes > 1:
            flat = self.names.fresh(f"{whole}_flat")
            shape = (math.prod(self.rows), *v.aval.shape[self.axes :])
            self.setup.append(f"{flat} = np.reshape({whole}, {shape})")
            self.dropped.append(flat)
            whole = flat
        part = self.local[v] = self.names.fresh(f"{self.names[v]}_tile")
        self.slices.append(f"{part} = {whole}[{self.start}:{self.stop}]")

    def _statements(self, totals: Sequence[Var]) -> list[Line]:
        lines: list[Line] = []
        live = _Lives(self.body)
        for e, dying in zip(self.body.eqns, self.body.last_uses, strict=True):
            lines += [Line(text, e.source) for text in self._statement(e, dying, live)]
        return lines

    def _statement(self, e: Equation, dying: Sequence[Var], live: _Lives) -> list[str]:
        self.writer.avals = [self._tile_aval(a, e) for a in e.invars]
        inputs = with_arrays_for_numbers(e, [self._operand(a, e) for a in e.invars], self.writer)
        if len(e.outvars) > 1:
            return self._several(e, inputs, dying, live)
        v = e.outvars[0]
        name = e.primitive.name
        if is_total(e):
            live.end(dying, self.scratch)
            return [f"{self.names[v]}[{self.number}] = {self._lowered(e, inputs, None)}"]
        if e.primitive.is_view(**e.params):
            text = self._viewed(e, inputs)
            if v in self.local:
                live.end(dying, self.scratch)
                return [f"{self.local[v]}[...] = {text}"]
            self.local[v] = self.names[v]
            live.share(v, e.invars[0])
            live.end(dying, self.scratch)
            return [f"{self.local[v]} = {text}"]
        out = self.local.get(v)
        fills = name in ("convert_element_type", "copy") or e.primitive.fills(
            [a.aval for a in e.invars], v.aval, **e.params
        )
        if not fills:
            text = self._lowered(e, inputs, None)
            if out is None:
                self.local[v] = out = self.names[v]
                live.end(dying, self.scratch)
                return [f"{out} = {text}"]
            live.end(dying, self.scratch)
            return [f"{out}[...] = {text}"]
        if isinstance(e.primitive, Elementwise):  # it may write over its operands
            live.end([d for d in dying if d is not v], self.scratch)
        target = self._target(v, live)
        live.end(dying, self.scratch)
        if name in ("convert_element_type", "copy"):
            self.local[v] = target
            return [f"{target}[...] = {inputs[0]}"]
        text = self._lowered(e, inputs, target)
        self.local.setdefault(v, self.names[v])
        return [f"{self.local[v]} = {text}"] if out is None else [text]

    def _target(self, v: Var, live: _Lives) -> str:
        """Where a result is written: the rows of an array of the program, or a scratch array."""
        out = self.local.get(v)
        if out is not None:
            return out
        slot = self.scratch.take((v.aval.shape[self.axes :], v.aval.dtype))
        live.begin(v, slot)
        return self.scratch.name(slot, self.names)

    def _several(self, e: Equation, inputs: Sequence[str], dying: Sequence[Var], live: _Lives) -> list[str]:
        """The logarithm of a sum of exponentials, and the softmax, which is written into an array."""
        total, weights = e.outvars
        text = self._lowered(e, inputs, self._target(weights, live))
        live.end(dying, self.scratch)
        escapes = total in self.local
        name = self.names.fresh(self.names[total]) if escapes else self.local.setdefault(total, self.names[total])
        rest = self.names.fresh("_") if weights in self.local else self.local.setdefault(weights, self.names[weights])
        lines = [f"{name}, {rest} = {text}"]
        return [*lines, f"{self.local[total]}[...] = {name}"] if escapes else lines

    def _lowered(self, e: Equation, inputs: Sequence[str], out: str | None) -> str:
        params = dict(e.params)
        if "axes" in params:
            inner = [a - self.axes + 1 for a in params["axes"] if a >= self.axes]
            axes = params["axes"] = tuple([0, *inner] if is_total(e) else inner)
            if e.primitive is reduce_sum:  # its own source is for arrays whose shape is known
                if sums_by_einsum(self.writer.avals[0], axes):
                    return row_sums_source(inputs[0], out)
                given = f", out={out}" if out else ""
                return f"np.add.reduce({inputs[0]}, axis={axes[0] if len(axes) == 1 else axes}{given})"
        return e.primitive.lower(self.writer, inputs, out, **params)

    def _viewed(self, e: Equation, inputs: Sequence[str]) -> str:
        inner = e.outvars[0].aval.shape[self.axes :]
        if e.primitive.name == "reshape":
            return f"np.reshape({inputs[0]}, {(-1, *inner)})"
        given = "".join(f", {n}" for n in inner) or ","
        return f"np.broadcast_to({inputs[0]}, ({self.stop} - {self.start}{given}))"

    def _tile_aval(self, a: Atom, e: Equation) -> ShapedArray:
        if type(a) is Literal or not self._in_tile(a, e):
            return a.aval
        # Sizes decide how some operations are written: those of a tile.
        return ShapedArray((self.step, *a.aval.shape[self.axes :]), a.aval.dtype)

    def _in_tile(self, a: Atom, e: Equation) -> bool:
        return a in self.local and (
            e.primitive.name == "reshape" or is_rowwise(a.aval.shape, _frame_shape(e), self.axes)
        )

    def _operand(self, a: Atom, e: Equation) -> str:
        if type(a) is Literal:
            text = self.writer.constant(a.value, "number")
            return f"({text})" if text.startswith("-") else text
        if self._in_tile(a, e):
            return self.local[a]  # type: ignore[index]
        name = self.names[a]  # type: ignore[index]
        extra = a.aval.ndim - (len(_frame_shape(e)) - self.axes)
        if extra <= 0:
            return name
        return f"np.reshape({name}, {a.aval.shape[extra:]})"


def _step(body: Jaxpr, size: int, axes: int) -> int:
    """How many rows a tile has: fewer, where many arrays are in use at once, that all of them may stay in a cache.

    Args:
        body: the group.
        size: elements of the longest row.
        axes: how many axes the rows are.
    """
    width = max([v.aval.dtype.itemsize for e in body.eqns for v in e.outvars])
    live = most = 0
    made = {v for e in body.eqns for v in e.outvars if not is_total(e) and not e.primitive.is_view(**e.params)}
    for e, dying in zip(body.eqns, body.last_uses, strict=True):
        live += sum([_row_bytes(v, axes) for v in e.outvars if v in made])
        most = max(most, live)
        live -= sum([_row_bytes(v, axes) for v in dying if v in made])
    row = width * size
    least, wanted = limits.tile // 64, limits.cache * row // max(most, row)
    return max(1, min(limits.tile, max(least, wanted)) // row)


def _row_bytes(v: Var, axes: int) -> int:
    return math.prod(v.aval.shape[axes:]) * v.aval.dtype.itemsize


def _frame_shape(eqn: Equation) -> Shape:
    return eqn.invars[0].aval.shape if "axes" in eqn.params else eqn.outvars[0].aval.shape


def is_total(eqn: Equation) -> bool:
    """Whether an equation of a group reduces over all rows."""
    return (eqn.primitive is reduce_sum or isinstance(eqn.primitive, Reduction)) and 0 in eqn.params["axes"]


def _ufunc(eqn: Equation, writer: Writer) -> str:
    primitive = eqn.primitive
    return writer.constant(primitive.ufunc, primitive.name) if isinstance(primitive, Reduction) else "np.add"


class _Scratch:
    """The arrays that a tile works in; one that is free again is given to the next result of its type."""

    def __init__(self) -> None:
        self.types: list[Type] = []
        self.free: dict[Type, list[int]] = {}
        self._names: list[str] = []

    def take(self, kind: Type) -> int:
        free = self.free.get(kind)
        if free:
            return free.pop()
        self.types.append(kind)
        return len(self.types) - 1

    def give(self, slot: int) -> None:
        self.free.setdefault(self.types[slot], []).append(slot)

    def name(self, slot: int, names: Names) -> str:
        return self.names(names)[slot]

    def names(self, names: Names) -> list[str]:
        while len(self._names) < len(self.types):
            self._names.append(names.fresh(f"buffer_{len(self._names)}"))
        return self._names


class _Lives:
    """Which scratch array each value of a tile lies in, and how many values lie in each."""

    def __init__(self, body: Jaxpr) -> None:
        self.slot: dict[Atom, int] = {}
        self.count: dict[int, int] = {}

    def begin(self, v: Var, slot: int) -> None:
        self.slot[v] = slot
        self.count[slot] = 1

    def share(self, v: Var, source: Atom) -> None:
        """A view lies where its source lies."""
        slot = self.slot.get(source)
        if slot is not None:
            self.slot[v] = slot
            self.count[slot] += 1

    def end(self, dying: Sequence[Var], scratch: _Scratch) -> None:
        for v in dying:
            slot = self.slot.pop(v, None)
            if slot is not None:
                self.count[slot] -= 1
                if not self.count[slot]:
                    scratch.give(slot)
