"""Calls of a compiled function with one signature, from arguments to results, as one function that is written for it.

It takes the arguments apart, compares their types, runs the program, and puts the results together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from fgrad.tree import PyTreeDef
from fgrad.tree.source import MAX_DEPTH, TreeSource
from fgrad.tree.treedef import expanded_nodes

__all__ = ["MISSED", "Entry", "compile_entry"]

Entry = Callable[[Any], Any]

MISSED: Final = object()
"""What an entry returns for arguments of another signature."""

_MOST = 1000  # leaves and containers; more make source that takes too long to compile


def compile_entry(called: Any, treedef: PyTreeDef, outdef: PyTreeDef, leaves: Sequence[Any]) -> Entry | None:
    """The entry for arguments like these; `None` if there is none for them.

    Args:
        called: has the `function` from leaves to leaves, and counts the calls in `hits`.
        treedef: the structure of the arguments.
        outdef: the structure of the results.
        leaves: arguments.
    """
    given, results = expanded_nodes(treedef, MAX_DEPTH), expanded_nodes(outdef, MAX_DEPTH)
    if given is None or results is None or len(given) + len(results) > _MOST:
        return None
    source = TreeSource("return missed")
    source.names.update(missed=MISSED, called=called, run=called.function, ndarray=np.ndarray)
    names = source.taken_apart(given, "x0")
    for name, x in zip(names, leaves, strict=True):
        check = _differs(name, x, source)
        if check is None:
            return None
        source.lines.append(f"if {check}: return missed")
    outs = [f"y{i}" for i in range(outdef.num_leaves)]
    source.lines.append("called.hits += 1")
    run = f"run({', '.join(names)})"
    source.lines.append(f"{', '.join(outs)}, = {run}" if outs else run)
    source.lines.append(f"return {source.built(results, outs)}")
    entry: Entry = source.compiled("x0")
    return entry


def _differs(name: str, x: Any, source: TreeSource) -> str | None:
    """True if what is named has another type than a leaf; `None` if there is no quick way to tell."""
    kind = type(x)
    if kind is np.ndarray:
        if x.dtype is not np.dtype(x.dtype.type):
            return None  # dtypes of this kind are not always the same object
        dtype = source.constant(x.dtype)
        return f"type({name}) is not ndarray or {name}.dtype is not {dtype} or {name}.shape != {x.shape}"
    if kind in (float, int, bool, complex) or issubclass(kind, (np.number, np.bool_)):
        return f"type({name}) is not {source.constant(kind)}"
    return None
