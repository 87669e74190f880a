"""Control flow that runs as Python, where `disable_jit` asks for it and the values are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.core.modes import runs_as_python
from fgrad.primitives.joining import stack
from fgrad.primitives.shape import convert_element_type
from fgrad.tree import PyTreeDef, flatten

__all__ = ["known_value", "python_scan", "python_while"]

Step = Callable[[Any, Any], tuple[Any, Any]]


def known_value(x: Array) -> Any:
    """The value that decides, where control flow runs as Python; `None` where it does not, or the value is unknown."""
    if not runs_as_python():
        return None
    return x.concrete if type(x) is Tracer else x


def python_scan(
    step: Step, carry: Any, rows: Sequence[Array], rowsdef: PyTreeDef, length: int, reverse: bool
) -> tuple[Any, Any]:
    """The carry after all steps, and the results of the steps, of which there is at least one, stacked."""
    collected: list[list[Array]] = []
    outdef: Any = None
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = step(carry, rowsdef.unflatten([x[i] for x in rows]))
        ys, outdef = flatten(y)
        collected.append(ys)
    if reverse:
        collected.reverse()
    return carry, outdef.unflatten([_stacked(column) for column in zip(*collected, strict=True)])


def _stacked(column: Sequence[Array]) -> Array:
    dtype = np.result_type(*[aval_of(y).dtype for y in column])
    return stack(*[y if aval_of(y).dtype == dtype else convert_element_type(y, dtype=dtype) for y in column], axis=0)


def python_while(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], value: Any) -> tuple[Any, bool]:
    """Steps as long as the condition is known; returns the value, and whether the loop has come to its end."""
    while True:
        known = known_value(cond_fun(value))
        if known is None:
            return value, False
        if not known:
            return value, True
        value = body_fun(value)
