"""Batching: the interpreter whose states are pairs of a value and the axis of it that is mapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, lift
from fgrad.core.primitive import Primitive

__all__ = ["Batch", "batch"]

Mapped: TypeAlias = tuple[Array, int | None]


class Batch(Interpreter[Mapped]):
    """Runs every operation over one more axis.

    Attributes:
        size: the length of the mapped axis.
    """

    def __init__(self, size: int, verb: str = "vmap", function: Callable[..., Any] | None = None) -> None:
        super().__init__(verb, function)
        self.size = size

    def step(self, primitive: Primitive, states: list[Mapped], params: dict[str, Any]) -> Any:
        xs = [x for x, _ in states]
        dims = [dim for _, dim in states]
        if all(dim is None for dim in dims):
            out = primitive.bind(*xs, **params)
            return [(y, None) for y in out] if primitive.multiple else (out, None)
        try:
            out, dim = primitive.batch(self.size, xs, dims, **params)
        except Exception as error:  # the user knows the shapes of a row, not those of all rows
            primitive.explain(error, [self.aval(state) for state in states], params)
            raise
        return list(zip(out, dim, strict=True)) if primitive.multiple else (out, dim)

    def lift(self, value: Array) -> Mapped:
        return value, None

    def aval(self, state: Mapped) -> ShapedArray:
        x, dim = state
        aval = aval_of(x)
        if dim is None:
            return aval
        return ShapedArray(aval.shape[:dim] + aval.shape[dim + 1 :], aval.dtype)

    def value(self, state: Mapped) -> Array:
        return state[0] if state[1] is None else None

    constant = value

    def argument(self, x: Array, dim: int | None) -> Array:
        """What the traced function is given. Unmapped arrays are traced as well, so that a mapped value may be their
        index."""
        plain = dim is None and (type(x) is not np.ndarray or not x.ndim)
        return x if plain else Tracer(self, (x, dim))

    def mapped(self, x: Array) -> Mapped:
        """What an output of the traced function is: the value over all rows, and its mapped axis."""
        if type(x) is Tracer and x.interpreter is self:
            return x.state  # type: ignore[no-any-return]
        return lift(self, x)


def batch(
    f: Callable[..., Sequence[Array]],
    size: int,
    xs: Sequence[Array],
    dims: Sequence[int | None],
    function: Any = None,
) -> tuple[list[Array], list[int | None]]:
    """Maps a flat function over an axis of each argument; the results with the axis that is mapped in each."""
    interpreter = Batch(size, function=function or f)
    with interpreter:
        outs = f(*[interpreter.argument(x, dim) for x, dim in zip(xs, dims, strict=True)])
        mapped = [interpreter.mapped(y) for y in outs]
    return [y for y, _ in mapped], [dim for _, dim in mapped]
