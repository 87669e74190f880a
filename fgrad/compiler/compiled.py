"""A jaxpr made into a Python function: the passes in order, and the cache of what they made."""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from fgrad.compiler.failures import forget_lines, register_lines
from fgrad.compiler.inline import inline
from fgrad.compiler.plan import plan
from fgrad.compiler.simplify import simplify
from fgrad.compiler.source import Source, write_source
from fgrad.core.jaxpr import ClosedJaxpr

__all__ = ["Compiled", "compile_jaxpr", "compiled_function", "optimize"]

_number = count(1)


class Compiled:
    """A compiled program.

    Attributes:
        jaxpr: the program after simplification.
        text: the generated source.
        function: takes flat arrays, returns a tuple of arrays.
    """

    __slots__ = ("function", "jaxpr", "text")

    def __init__(self, jaxpr: ClosedJaxpr, source: Source) -> None:
        self.jaxpr = jaxpr
        self.text = source.text
        filename = f"<fgrad {source.name} {next(_number)}>"
        linecache.cache[filename] = (len(source.text), None, source.text.splitlines(True), filename)
        register_lines(filename, source.lines)
        namespace = dict(source.namespace)
        exec(compile(source.text, filename, "exec"), namespace)
        # Taken out of its own globals: no cycle keeps constants alive until the collector runs.
        self.function: Callable[..., tuple[Any, ...]] = namespace.pop(source.name)
        weakref.finalize(self.function, _forget, filename).atexit = False


def _forget(filename: str) -> None:
    """Lets go of what is kept about the source of a compiled function that is no more."""
    linecache.cache.pop(filename, None)
    forget_lines(filename)


def optimize(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The passes from jaxpr to jaxpr."""
    return simplify(inline(closed))


def compile_jaxpr(closed: ClosedJaxpr, name: str = "program", arguments: Sequence[str] | None = None) -> Compiled:
    """Compiles a jaxpr.

    Args:
        closed: the program; its constants are plain arrays.
        name: what the generated function is called.
        arguments: names for its arguments.
    """
    program = optimize(closed)
    given = arguments or [f"x{i}" for i in range(len(program.jaxpr.invars))]
    return Compiled(program, write_source(program, plan(program.jaxpr), name, given))


_functions: WeakKeyDictionary[ClosedJaxpr, Compiled] = WeakKeyDictionary()


def compiled_function(closed: ClosedJaxpr, name: str = "program") -> Callable[..., tuple[Any, ...]]:
    """The compiled function of a jaxpr, made once."""
    known = _functions.get(closed)
    if known is None:
        known = _functions[closed] = compile_jaxpr(closed, name)
    return known.function
