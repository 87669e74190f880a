"""What a primitive's lowering rule writes into: it names the constants of the generated source."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import ShapedArray

__all__ = ["Writer"]


class Writer:
    """Collects the objects that generated source refers to, each under one name.

    Nothing but identifiers made here and literals of plain numbers, booleans and `None` ever enters the source, so no
    name, shape or value of the user's can inject code.

    Attributes:
        namespace: the objects by name.
        avals: the abstract values of the arguments of the equation that is being written.
        run: `run(work, count)` calls `work` with every number below `count` on the threads that there are; `None` where
            there are none.
    """

    def __init__(self, run: Callable[[Callable[[int], None], int], None] | None = None) -> None:
        self.avals: Sequence[ShapedArray] = ()
        self.run = run
        self.namespace: dict[str, Any] = {"np": np}
        self._names: dict[int, str] = {}

    def constant(self, value: Any, hint: str = "c") -> str:
        """Source for a value: a literal for plain scalars and tuples of them, a name for anything else."""
        literal = _literal(value)
        if literal is not None:
            return literal
        name = self._names.get(id(value))
        if name is None:
            ufunc = getattr(value, "__name__", "") if isinstance(value, np.ufunc) else ""
            if ufunc and getattr(np, ufunc, None) is value:
                return f"np.{ufunc}"
            name = self.fresh(hint)
            self._names[id(value)] = name
            self.namespace[name] = value
        return name

    def stand_in(self, text: str, value: Any) -> str:
        """Source for what is shown as `text`; a writer of code that is executed may have it use `value` there."""
        return text

    def fresh(self, hint: str) -> str:
        """A new identifier that resembles `hint`."""
        stem = re.sub(r"\W", "_", hint, flags=re.ASCII) or "c"
        name = stem = f"_{stem}" if not stem.startswith("_") else stem
        count = 1
        while name in self.namespace:
            count += 1
            name = f"{stem}{count}"
        self.namespace[name] = None
        return name


def _literal(value: Any) -> str | None:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return repr(value)
    if kind is float and math.isfinite(value):
        return repr(value)
    if kind is tuple:
        parts = [_literal(v) for v in value]
        if all(p is not None for p in parts):
            return (
                "(" + "".join(f"{p}, " for p in parts).removesuffix(" ") + ")"
                if len(parts) == 1
                else ("(" + ", ".join(p for p in parts if p is not None) + ")")
            )
    return None
