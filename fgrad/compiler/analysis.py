"""What a planned program takes: memory, and work."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fgrad.compiler.plan import Plan, Step, plan
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, inner_jaxprs
from fgrad.primitives.choice import LARGE
from fgrad.primitives.elementwise import Elementwise

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
    known; of several branches the dearest counts.

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
    planned = plan(jaxpr)
    outputs = sum(_size(a.aval) for a in jaxpr.outvars)
    peak = max(_Memory(jaxpr, optimize).run(planned), outputs)
    constants = {id(c): v.aval for v, c in zip(jaxpr.constvars, closed.consts, strict=True)}
    return MemoryAnalysis(
        argument_size_in_bytes=sum(_size(v.aval) for v in jaxpr.invars),
        output_size_in_bytes=outputs,
        constant_size_in_bytes=sum(map(_size, constants.values())),
        temp_size_in_bytes=peak - outputs,
        peak_memory_in_bytes=peak,
    )


class _Memory:
    """Runs a plan on sizes alone. A block of memory lives as long as a name refers to it or to a view of it."""

    def __init__(self, jaxpr: Jaxpr, optimize: Optimize) -> None:
        self.jaxpr, self.optimize = jaxpr, optimize
        self.block: dict[Var, Var] = {}
        self.names: Counter[Var] = Counter()
        self.scattered: set[Var] = set()  # views whose elements do not lie in order
        self.live = self.peak = 0

    def run(self, planned: Plan) -> int:
        """The most bytes that are held at once."""
        last = len(planned.steps) - 1
        for number, step in enumerate(planned.steps):
            workspace = _workspace(step.eqn, self.optimize)
            self._bind(step)
            self.peak = max(self.peak, self.live + workspace)
            taken = step.eqn.invars[step.overwrite] if step.overwrite is not None else None
            if number != last:
                self._drop([v for v in step.drop if v is not taken])
        for atom, copied in zip(self.jaxpr.outvars, planned.copies, strict=True):
            self.live += _size(atom.aval) if copied else 0
        return max(self.peak, self.live)

    def _bind(self, step: Step) -> None:
        eqn = step.eqn
        for v in eqn.outvars:
            source = self._shared(step, v)
            if source is None:
                self.block[v] = v
                self.live += _size(v.aval)
            elif source in self.block:
                self.block[v] = self.block[source]
                if step.overwrite is not None:
                    self.names[self.block[v]] -= 1  # the name of the operand is that of the result
            else:
                continue  # an argument or a constant
            self.names[self.block[v]] += 1

    def _shared(self, step: Step, out: Var) -> Var | None:
        """The operand in whose memory a result is, if it is in that of one."""
        eqn = step.eqn
        if step.overwrite is None and not eqn.primitive.is_view(**eqn.params):
            if _is_ordered(eqn, out, self.scattered):
                return None
            self.scattered.add(out)
            return None
        atom = eqn.invars[step.overwrite or 0]
        if type(atom) is not Var:
            return None if step.overwrite is not None else out
        if step.overwrite is None:
            if eqn.primitive.name == "reshape":
                return None if atom in self.scattered else atom
            if atom in self.scattered or eqn.primitive.name in _SCATTERING:
                self.scattered.add(out)
        return atom

    def _drop(self, variables: Sequence[Var]) -> None:
        for v in variables:
            block = self.block.get(v)
            if block is None:
                continue
            self.names[block] -= 1
            if not self.names[block]:
                self.live -= _size(block.aval)


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
    if eqn.primitive.name == "select":
        return _choosing(*[a.aval for a in eqn.invars])
    if not inner:
        return _COPYING.get(eqn.primitive.name, 0) * _size(eqn.invars[0].aval) if eqn.invars else 0
    return max(_peak(program, optimize) for program in inner)


def _choosing(condition: ShapedArray, x: ShapedArray, y: ShapedArray) -> int:
    """What choosing by bits takes: the condition as numbers, and the bits in which two arrays differ."""
    out = max(x.dtype.itemsize, y.dtype.itemsize) * condition.size
    if condition.size < LARGE or any(z.shape and z.shape != condition.shape for z in (x, y)):
        return 0
    return max(condition.size, out if x.shape and y.shape else 0)


def _peak(program: Jaxpr | ClosedJaxpr, optimize: Optimize) -> int:
    """The most that one run of a program in an equation takes."""
    closed = program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, [None] * len(program.constvars))
    jaxpr = optimize(closed).jaxpr
    return _Memory(jaxpr, optimize).run(plan(jaxpr))


def analyse_cost(closed: ClosedJaxpr, optimize: Optimize) -> CostAnalysis:
    """The work that an optimized program does."""
    counted = _counted(closed.jaxpr, optimize)
    flops, touched = (sum(work[i] for work in counted.values()) for i in (0, 1))
    return CostAnalysis(flops, touched, {name: Work(*work) for name, work in sorted(counted.items())})


_Counts = dict[str, tuple[int, int]]


def _counted(jaxpr: Jaxpr, optimize: Optimize) -> _Counts:
    counts: _Counts = {}
    for eqn in jaxpr.eqns:
        for name, (flops, touched) in _work(eqn, optimize).items():
            before = counts.get(name, (0, 0))
            counts[name] = before[0] + flops, before[1] + touched
    return counts


def _work(eqn: Equation, optimize: Optimize) -> _Counts:
    """Operations and bytes of one equation, by primitive."""
    inner = [p for _, p in inner_jaxprs(eqn.params)]
    if inner:
        closed = [p if isinstance(p, ClosedJaxpr) else ClosedJaxpr(p, [None] * len(p.constvars)) for p in inner]
        counted = [_counted(optimize(p).jaxpr, optimize) for p in closed]
        dearest = max(counted, key=lambda counts: sum(work[1] for work in counts.values()))
        turns = eqn.params.get("length", 1)
        return {name: (turns * flops, turns * touched) for name, (flops, touched) in dearest.items()}
    if eqn.primitive.is_view(**eqn.params):
        return {}
    touched = sum(a.aval.size * a.aval.dtype.itemsize for a in _arrays([*eqn.invars, *eqn.outvars]))
    return {eqn.primitive.name: (_flops(eqn), touched)}


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
        return 2 * out.size * math.prod(x[a] for a in contracted) * math.prod(y[a] for a in taps)
    if isinstance(eqn.primitive, Elementwise):
        return out.size
    operand: ShapedArray = eqn.invars[0].aval
    return operand.size if name.startswith(("reduce_", "cum")) else 0
