"""A jaxpr made into a Python function: the passes in order, and the cache of what they made."""

from __future__ import annotations

import linecache
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fgrad.compiler.analysis import CostAnalysis, MemoryAnalysis, analyse_cost, analyse_memory
from fgrad.compiler.barriers import without_barriers
from fgrad.compiler.bound import bound
from fgrad.compiler.buffers import Buffers
from fgrad.compiler.diagonals import products_with_diagonals
from fgrad.compiler.failures import forget_lines, register_lines
from fgrad.compiler.fuse import fuse
from fgrad.compiler.inline import inline
from fgrad.compiler.loops import Loop
from fgrad.compiler.pieces import joined_pieces
from fgrad.compiler.plain import is_plain, may_be_plain, plain_numbers, plain_program, typed_numbers
from fgrad.compiler.plan import Plan, is_large, plan, without_buffers
from fgrad.compiler.products import outer_products, sums_of_products
from fgrad.compiler.scatters import scatter_into_sums
from fgrad.compiler.simplify import simplify
from fgrad.compiler.source import Source, write_source
from fgrad.compiler.tiles import in_several_tiles
from fgrad.compiler.weights import scaled_weights
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import ClosedJaxpr

__all__ = [
    "Compiled",
    "body_function",
    "compile_jaxpr",
    "compiled_function",
    "loop_function",
    "loop_stacks",
    "optimize",
]

_number = count(1)


class Compiled:
    """A compiled program.

    Attributes:
        jaxpr: the program after simplification.
        source: the generated source.
        function: takes flat arrays, returns a tuple of arrays.
        buffers: the memory that it keeps between calls.
    """

    __slots__ = ("buffers", "function", "jaxpr", "source")

    def __init__(self, jaxpr: ClosedJaxpr, source: Source) -> None:
        self.jaxpr = jaxpr
        self.source = source
        filename = f"<fgrad {source.name} {next(_number)}>"
        linecache.cache[filename] = (len(source.text), None, source.text.splitlines(True), filename)
        register_lines(filename, source.lines)
        code, found = bound(source.code)
        namespace = {**source.namespace, **found}
        exec(compile(code, filename, "exec"), namespace)
        empty = namespace.get("_empty")
        self.buffers: Buffers | None = empty.__self__ if empty is not None else None
        # Taken out of its own globals: no cycle keeps constants alive until the collector runs.
        self.function: Callable[..., tuple[Any, ...]] = namespace.pop(source.name)
        weakref.finalize(self.function, _forget, filename).atexit = False

    @property
    def text(self) -> str:
        """The generated source as it is shown."""
        return self.source.text

    def memory_analysis(self) -> MemoryAnalysis:
        """The memory that the program takes."""
        return analyse_memory(self.jaxpr, optimize)

    def cost_analysis(self) -> CostAnalysis:
        """The work that the program does."""
        return analyse_cost(self.jaxpr, optimize)


def _forget(filename: str) -> None:
    """Lets go of what is kept about the source of a compiled function that is no more."""
    linecache.cache.pop(filename, None)
    forget_lines(filename)


def optimize(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The passes from jaxpr to jaxpr."""
    program = scaled_weights(joined_pieces(simplify(inline(closed))))
    return without_barriers(scatter_into_sums(outer_products(products_with_diagonals(sums_of_products(program)))))


def compile_jaxpr(closed: ClosedJaxpr, name: str = "program", arguments: Sequence[str] | None = None) -> Compiled:
    """Compiles a jaxpr.

    Args:
        closed: the program; its constants are plain arrays.
        name: what the generated function is called.
        arguments: names for its arguments.
    """
    program = optimize(closed)
    given = arguments or [f"x{i}" for i in range(len(program.jaxpr.invars))]
    tiled = in_several_tiles(fuse(program))
    return Compiled(program, write_source(tiled, plan(tiled.jaxpr), name, given))


_functions: WeakKeyDictionary[ClosedJaxpr, Compiled] = WeakKeyDictionary()


def compiled_function(closed: ClosedJaxpr, name: str = "program") -> Callable[..., tuple[Any, ...]]:
    """The compiled function of a jaxpr, made once."""
    known = _functions.get(closed)
    if known is None:
        known = _functions[closed] = compile_jaxpr(closed, name)
    return known.function


_WARM = 24
"""After so many runs the compilation of a body, which costs about as much as so many interpreted runs, pays."""


class _Body:
    """What runs a program, and how often it was asked to."""

    __slots__ = ("buffers", "function", "loop", "runs", "stacked")

    def __init__(self) -> None:
        self.buffers: Buffers | None = None
        self.stacked: Sequence[ShapedArray] = ()
        self.function: Callable[..., Sequence[Any]] | None = None
        self.loop: Callable[..., Sequence[Any]] | None = None
        self.runs = 0


_bodies: WeakKeyDictionary[ClosedJaxpr, _Body] = WeakKeyDictionary()


def _body(closed: ClosedJaxpr, runs: int) -> _Body:
    body = _bodies.get(closed)
    if body is None:
        body = _bodies[closed] = _Body()
    body.runs += runs
    return body


def body_function(closed: ClosedJaxpr, runs: int = 1) -> Callable[..., Sequence[Any]]:
    """What runs a program as a branch or a step: interpreted at first, compiled once it is run often.

    Its results may share memory with the arguments and with each other.

    Args:
        closed: the program; its constants are plain arrays.
        runs: how often it is about to be run.
    """
    body = _body(closed, runs)
    if body.function is None:
        if body.runs < _WARM:
            return closed
        body.function = _compile_part(optimize(closed))
    return body.function


def loop_function(closed: ClosedJaxpr, runs: int, loop: Loop) -> Callable[..., Sequence[Any]] | None:
    """What runs a program as the body of a loop, the loop written out; `None` as long as it does not pay.

    Args:
        closed: the body; its constants are plain arrays.
        runs: how many steps are about to be made.
        loop: writes the loop; the same for all uses of the body.
    """
    body = _body(closed, runs)
    # Plain numbers differ from NumPy's in the last bit: so that no result depends on how often a loop has run, they are
    # used from the first run on.
    if body.loop is None and (body.runs >= _WARM or may_be_plain(closed)):
        program = optimize(closed)
        if body.runs >= _WARM or is_plain(program):
            body.loop = _compile_loop(program, loop)
    return body.loop


def loop_stacks(closed: ClosedJaxpr, avals: Sequence[ShapedArray]) -> list[Any]:
    """Arrays, not yet set, for what all steps of a loop return; the memory of large ones is kept for the next run.

    Args:
        closed: the body.
        avals: the types of the arrays.
    """
    if not any(map(is_large, avals)):
        return [np.empty(a.shape, a.dtype) for a in avals]
    body = _body(closed, 0)
    buffers = body.buffers
    if buffers is None or body.stacked != avals:
        if buffers is not None:
            buffers.clear()
        numbers = Counter((a.shape, a.dtype) for a in avals)
        buffers = body.buffers = Buffers({key: n + 1 for key, n in numbers.items()})
        body.stacked = avals
    return [buffers.empty(a.shape, a.dtype) if is_large(a) else np.empty(a.shape, a.dtype) for a in avals]


def _compile_loop(program: ClosedJaxpr, loop: Loop) -> Callable[..., Sequence[Any]]:
    given = _arguments(program)
    if not is_plain(program):
        return Compiled(program, loop.write(program, without_buffers(_shared(program)), given)).function
    source = loop.write_plain(plain_program(program), given, _plain_step(program))
    return loop.adapted(Compiled(program, source).function, program.in_avals)


def _plain_step(program: ClosedJaxpr) -> Callable[..., list[Any]]:
    """The program with NumPy's scalars, from and to Python's numbers; it is compiled when it is needed."""
    made: list[Callable[..., Sequence[Any]]] = []

    def step(*args: Any) -> list[Any]:
        if not made:
            made.append(_compile_part(program))
        return plain_numbers(made[0](*typed_numbers(args, program.in_avals)))

    return step


def _compile_part(program: ClosedJaxpr) -> Callable[..., Sequence[Any]]:
    tiled = in_several_tiles(fuse(program))
    return Compiled(program, write_source(tiled, _shared(tiled), "body", _arguments(program))).function


def _shared(program: ClosedJaxpr) -> Plan:
    """A plan whose results may share memory with the arguments."""
    planned = plan(program.jaxpr)
    return planned._replace(copies=[False] * len(planned.copies))


def _arguments(program: ClosedJaxpr) -> list[str]:
    return [f"x{i}" for i in range(len(program.jaxpr.invars))]
