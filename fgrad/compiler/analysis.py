"""What a planned program takes: memory, and work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fgrad.compiler.fuse import fuse, fused
from fgrad.compiler.plan import Plan, Step, plan
from fgrad.compiler.source import can_write
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, inner_jaxprs
from fgrad.primitives.choice import LARGE
from fgrad.primitives.elementwise import Elementwise
from fgrad.transforms.invariant import split_invariant

__all__ = ["CostAnalysis", "MemoryAnalysis", "Work", "analyse_cost", "analyse_memory"]

Optimize = Callable[[ClosedJaxpr], ClosedJaxpr]


@dataclass(frozen=True)
class MemoryAnalysis:
    """The memory that a compiled program takes, in bytes: the elements of arrays, without Python's own objects.

    Attributes:
        argument_size_in_bytes: the arguments.
        output_size_in_bytes: the results, each of which owns its memory.
        constant_size_in_bytes: the arrays that the program closes over, each counted once.
        temp_size_in_bytes: what is needed besides arguments, constants and results.
        peak_memory_in_bytes: the most that is held at once besides arguments and constants: what memory grows by while
            the program runs.
    """

    argument_size_in_bytes: int
    output_size_in_bytes: int
    constant_size_in_bytes: int
    temp_size_in_bytes: int
    peak_memory_in_bytes: int

    @property
    def peak_size(self) -> int:
        """`peak_memory_in_bytes`."""
        return self.peak_memory_in_bytes


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and bytes that are read and written."""

    flops: int
    bytes_accessed: int


@dataclass(frozen=True)
class CostAnalysis:
    """The work that a compiled program does.

    A program that is run in a loop counts once for every turn that is known, and once where the number of turns is not
    known; what does not vary in a loop counts once. Of several branches the dearest counts, for every row that chooses.

    Attributes:
        flops: floating-point operations: one per element of an element-wise operation, two per term of a product of
            matrices, one per element that is reduced.
        bytes_accessed: the sizes of the operands and results of all operations that touch their elements.
        primitives: the same for each primitive, by name.
    """

    flops: int
    bytes_accessed: int
    primitives: dict[str, Work] = field(default_factory=dict)


def analyse_memory(closed: ClosedJaxpr, optimize: Optimize) -> MemoryAnalysis:
    """The memory that an optimized program takes.

    Args:
        closed: the program.
        optimize: the passes that the programs in its equations go through.
    """
    jaxpr = closed.jaxpr
    outputs = sum(_size(a.aval) for a in jaxpr.outvars)
    peak = max(_Memory(fuse(closed).jaxpr, optimize).run(), outputs)
    constants = {id(c): v.aval for v, c in zip(jaxpr.constvars, closed.consts, strict=True)}
    return MemoryAnalysis(
        argument_size_in_bytes=sum(_size(v.aval) for v in jaxpr.invars),
        output_size_in_bytes=outputs,
        constant_size_in_bytes=sum(map(_size, constants.values())),
        temp_size_in_bytes=peak - outputs,
        peak_memory_in_bytes=peak,
    )


class _Block:
    """Memory that lives as long as a name refers to it, or to a view of it."""

    __slots__ = ("names", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.names = 0


class _Memory:
    """Runs a plan on sizes alone."""

    def __init__(self, jaxpr: Jaxpr, optimize: Optimize) -> None:
        self.jaxpr, self.optimize = jaxpr, optimize
        self.planned: Plan = plan(jaxpr)
        self.block: dict[Var, _Block] = {}
        self.scattered: set[Var] = set()  # views whose elements do not lie in order
        self.stacked: set[Var] = set()  # computed in arrays that are there anyway
        self.live = self.peak = 0

    def run(self) -> int:
        """The most bytes that are held at once, copies of results included."""
        self._turn(ends=True)
        for atom, copied in zip(self.jaxpr.outvars, self.planned.copies, strict=True):
            self.live += _size(atom.aval) if copied else 0
        return max(self.peak, self.live)

    def _overwrites(self, step: Step) -> bool:
        return step.overwrite is not None and step.eqn.outvars[0] not in self.stacked

    def branch(self) -> int:
        """The most bytes that are held at once where results are copied after all else has been let go."""
        self._turn(ends=True)
        blocks = {id(b): b for b in (self.block.get(a) for a in self.jaxpr.outvars if type(a) is Var) if b is not None}
        copies = [a.aval for a, copied in zip(self.jaxpr.outvars, self.planned.copies, strict=True) if copied]
        return max(self.peak, sum(b.size for b in blocks.values()) + sum(map(_size, copies)))

    def loop(self, carry: Sequence[Var]) -> int:
        """The most bytes that a loop holds at once whose body is the program, with a carry of its own.

        Every turn finds the names that the one before has left. What is stacked is computed in place, where it can be.
        """
        ys = {a for a in self.jaxpr.outvars[len(carry) :] if type(a) is Var}
        self.stacked = {v for eqn in self.jaxpr.eqns if can_write(eqn) for v in eqn.outvars if v in ys}
        for _ in range(3):
            self._turn(ends=False)
            new = [self.block.get(a) if type(a) is Var else None for a in self.jaxpr.outvars[: len(carry)]]
            for v, block in zip(carry, new, strict=True):
                self._name(v, block)
        return self.peak

    def _turn(self, ends: bool) -> None:
        last = len(self.planned.steps) - 1 if ends else -1
        for number, step in enumerate(self.planned.steps):
            workspace = _workspace(step.eqn, self.optimize)
            for v in step.eqn.outvars:
                self._bind(step, v)
            self.peak = max(self.peak, self.live + workspace)
            taken = step.eqn.invars[step.overwrite] if self._overwrites(step) else None  # type: ignore[index]
            if number != last:
                for v in step.drop:
                    if v is not taken:
                        self._name(v, None)

    def _bind(self, step: Step, v: Var) -> None:
        if v in self.stacked:
            self._name(v, None)
            return
        if step.overwrite is not None:  # the name of the operand is that of the result
            atom = step.eqn.invars[step.overwrite]
            block = self.block.pop(atom, None)  # type: ignore[arg-type]
            self._name(v, None)  # what it referred to in the turn before
            if block is not None:
                self.block[v] = block
            return
        shared, source = self._source(step.eqn, v)
        if not shared:
            block = _Block(_size(v.aval))
            self.live += block.size
            self.peak = max(self.peak, self.live)  # before an older value of the same name is let go
            self._name(v, block)
        else:
            self._name(v, self.block.get(source) if source is not None else None)

    def _name(self, v: Var, block: _Block | None) -> None:
        """Lets a name refer to a block, instead of to what it referred to."""
        if block is not None:
            block.names += 1
        old = self.block.pop(v, None)
        if old is not None:
            old.names -= 1
            if not old.names:
                self.live -= old.size
        if block is not None:
            self.block[v] = block

    def _source(self, eqn: Equation, out: Var) -> tuple[bool, Var | None]:
        """Whether a result is a view, and of which variable: `None` for one of a number."""
        if not eqn.primitive.is_view(**eqn.params):
            if not _is_ordered(eqn, out, self.scattered):
                self.scattered.add(out)
            return False, None
        atom = eqn.invars[0]
        if type(atom) is not Var:
            return True, None
        if eqn.primitive.name == "reshape":
            return atom not in self.scattered, atom
        if atom in self.scattered or eqn.primitive.name in _SCATTERING:
            self.scattered.add(out)
        return True, atom


_SCATTERING = frozenset({"transpose", "broadcast_to", "gather", "slice", "split"})


def _is_ordered(eqn: Equation, out: Var, scattered: set[Var]) -> bool:
    """Whether the elements of a new array lie in order: ufuncs keep the order of their operands."""
    if not isinstance(eqn.primitive, Elementwise):
        return True
    return not any(a in scattered and a.aval.shape == out.aval.shape for a in eqn.invars)


def _size(aval: ShapedArray) -> int:
    return aval.size * aval.dtype.itemsize if aval.shape else 0


_COPYING = {"reduce_logsumexp": 1, "argmax": 1, "argmin": 1}
"""Primitives whose NumPy functions take memory of their own: how many times the size of the first operand."""


def _workspace(eqn: Equation, optimize: Optimize) -> int:
    """What an operation takes besides its operands and results."""
    inner = [program for _, program in inner_jaxprs(eqn.params)]
    if eqn.primitive is fused:
        return 0  # tiles are worked at in memory that every thread has for all programs
    if eqn.primitive.name == "select":
        return _choosing(*[a.aval for a in eqn.invars])
    if not inner:
        return _COPYING.get(eqn.primitive.name, 0) * _size(eqn.invars[0].aval) if eqn.invars else 0
    if {"length", "num_consts", "num_carry"} <= eqn.params.keys():
        return _loop(eqn, optimize)
    if "cond_jaxpr" in eqn.params:
        return _endless_loop(eqn, optimize)
    rows = _rows(eqn)
    return max(_within(_body(program, optimize), optimize, rows) for program in inner)


def _within(body: Jaxpr, optimize: Optimize, rows: int | None) -> int:
    """What a program takes whose results are those of the equation that runs it, or rows of them."""
    held = _Memory(body, optimize).branch()
    return held - sum(_size(a.aval) for a in body.outvars) if rows is None else held * rows


def _rows(eqn: Equation) -> int | None:
    """For how many rows an equation runs a program of one row; `None` where it runs it as it stands."""
    if eqn.primitive.name not in ("cond_rows", "while_rows"):
        return None
    return eqn.outvars[0].aval.shape[0] if eqn.outvars else 1


def _endless_loop(eqn: Equation, optimize: Optimize) -> int:
    """What a loop that ends by a condition takes besides its operands and results."""
    cond, body = (_body(eqn.params[key], optimize) for key in ("cond_jaxpr", "body_jaxpr"))
    carry = body.invars[eqn.params["num_body"] :]
    held = max(_Memory(body, optimize).loop(carry), _Memory(cond, optimize).run())
    rows = _rows(eqn) or 1
    return max(0, rows * held - sum(_size(v.aval) for v in eqn.outvars))


def _loop(eqn: Equation, optimize: Optimize) -> int:
    """What a scan takes besides its operands and results; its last carry is a result."""
    body = _body(eqn.params["jaxpr"], optimize)
    start, count = eqn.params["num_consts"], eqn.params["num_carry"]
    held = _Memory(body, optimize).loop(body.invars[start : start + count])
    return max(0, held - sum(_size(v.aval) for v in eqn.outvars[:count]))


def _choosing(condition: ShapedArray, x: ShapedArray, y: ShapedArray) -> int:
    """What choosing by bits takes: the condition as numbers, and the bits in which two arrays differ."""
    out = max(x.dtype.itemsize, y.dtype.itemsize) * condition.size
    if condition.size < LARGE or any(z.shape and z.shape != condition.shape for z in (x, y)):
        return 0
    return max(condition.size, out if x.shape and y.shape else 0)


def _body(program: Jaxpr | ClosedJaxpr, optimize: Optimize) -> Jaxpr:
    """A program in an equation, as it is run."""
    closed = program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, [None] * len(program.constvars))
    return optimize(closed).jaxpr


def analyse_cost(closed: ClosedJaxpr, optimize: Optimize) -> CostAnalysis:
    """The work that an optimized program does."""
    counted = _counted(closed.jaxpr, optimize)
    flops, touched = (sum(work[i] for work in counted.values()) for i in (0, 1))
    return CostAnalysis(flops, touched, {name: Work(*work) for name, work in sorted(counted.items())})


_Counts = dict[str, tuple[int, int]]


def _counted(jaxpr: Jaxpr, optimize: Optimize) -> _Counts:
    return _sum([_work(eqn, optimize) for eqn in jaxpr.eqns])


def _work(eqn: Equation, optimize: Optimize) -> _Counts:
    """Operations and bytes of one equation, by primitive."""
    inner = [p for _, p in inner_jaxprs(eqn.params)]
    if {"length", "num_consts", "num_carry"} <= eqn.params.keys():
        return _loop_work(eqn, optimize)
    if inner:
        counted = [_counted(_body(p, optimize), optimize) for p in inner]
        if "cond_jaxpr" in eqn.params:
            return _times(_rows(eqn) or 1, _sum(counted))
        return _times(_rows(eqn) or 1, max(counted, key=lambda counts: sum(work[1] for work in counts.values())))
    if eqn.primitive.is_view(**eqn.params):
        return {}
    touched = sum(a.aval.size * a.aval.dtype.itemsize for a in _arrays([*eqn.invars, *eqn.outvars]))
    return {eqn.primitive.name: (_flops(eqn), touched)}


def _loop_work(eqn: Equation, optimize: Optimize) -> _Counts:
    """The work of a scan: its body in every turn, what does not vary once, and rows of results written to stacks."""
    params = eqn.params
    num_carry, length = params["num_carry"], params["length"]
    split = split_invariant(params["jaxpr"], params["num_consts"], num_carry) if length else None
    outer, inner = (None, params["jaxpr"]) if split is None else (split.outer, split.inner)
    stacked = sum(_size(v.aval) for v in eqn.outvars[num_carry:])
    parts = [_times(length, _counted(_body(inner, optimize), optimize))]
    if outer is not None:
        parts.append(_counted(_body(outer, optimize), optimize))
    if stacked:
        parts.append({eqn.primitive.name: (0, 2 * stacked)})
    return _sum(parts)


def _times(count: int, counts: _Counts) -> _Counts:
    return {name: (count * flops, count * touched) for name, (flops, touched) in counts.items()}


def _sum(parts: Sequence[_Counts]) -> _Counts:
    total: _Counts = {}
    for counts in parts:
        for name, (flops, touched) in counts.items():
            before = total.get(name, (0, 0))
            total[name] = before[0] + flops, before[1] + touched
    return total


def _arrays(atoms: Sequence[Atom]) -> list[Atom]:
    return [a for a in atoms if type(a) is not Literal]


def _flops(eqn: Equation) -> int:
    """Floating-point operations of one equation, as far as they can be told from shapes."""
    name: str = eqn.primitive.name
    out: ShapedArray | None = eqn.outvars[0].aval if eqn.outvars else None
    if out is None or not any(a.aval.dtype.kind in "fc" for a in eqn.invars):
        return 0
    if name in ("dot_general", "convolution"):
        (contracted, _), *others = eqn.params["dimension_numbers"]
        x, y = (a.aval.shape for a in eqn.invars)
        taps: tuple[int, ...] = others[1][1] if name == "convolution" else ()
        terms: int = math.prod(x[a] for a in contracted) * math.prod(y[a] for a in taps)
        return 2 * out.size * terms
    if isinstance(eqn.primitive, Elementwise):
        return out.size
    operand: ShapedArray = eqn.invars[0].aval
    return operand.size if name.startswith(("reduce_", "cum")) else 0
