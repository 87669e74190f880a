"""Batching: the interpreter whose states are pairs of a value and the axis of it that is mapped."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Self, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, current, lift
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr, inner_jaxprs
from fgrad.core.modes import watched
from fgrad.core.primitive import Primitive

__all__ = ["AxisSize", "Batch", "batch", "named_axes", "uses_axis"]

Mapped: TypeAlias = tuple[Array, int | None]


class AxisSize(int):
    """The length of a mapped axis that has a name. Rules that map a program hand it on, and so the name.

    Attributes:
        name: what collectives call the axis.
    """

    name: Hashable

    def __new__(cls, size: int, name: Hashable) -> Self:
        self = super().__new__(cls, size)
        self.name = name
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return AxisSize, (int(self), self.name)


def named_axes() -> tuple[tuple[Hashable, int], ...]:
    """The named axes that are being mapped around here, the innermost first, and their lengths."""
    found: dict[Hashable, int] = {}
    interpreter = current.get()
    while interpreter is not None:
        if isinstance(interpreter, Batch) and interpreter.name is not None:
            found.setdefault(interpreter.name, interpreter.size)
        interpreter = interpreter.parent
    return tuple(found.items())


_FUNCTIONS = ("fun", "rule", "bwd", "solve")
"""Parameters that hold functions of the user's, which may use any axis."""

_names: WeakKeyDictionary[Jaxpr, frozenset[Hashable]] = WeakKeyDictionary()


def _axes_of(jaxpr: Jaxpr) -> frozenset[Hashable]:
    """The names of the axes that the collectives in a program are over."""
    known = _names.get(jaxpr)
    if known is None:
        known = _names[jaxpr] = frozenset().union(*[_axes_of_params(eqn.params) for eqn in jaxpr.eqns])
    return known


def _axes_of_params(params: dict[str, Any]) -> frozenset[Hashable]:
    names = {params["axis_name"]} if "axis_name" in params else set()
    inner = [p.jaxpr if isinstance(p, ClosedJaxpr) else p for _, p in inner_jaxprs(params)]
    return frozenset(names).union(*map(_axes_of, inner))


def uses_axis(size: int, *programs: ClosedJaxpr) -> bool:
    """Whether collectives in some programs are over the axis of this length: it has a name, and they name it."""
    return isinstance(size, AxisSize) and any(size.name in _axes_of(p.jaxpr) for p in programs)


class Batch(Interpreter[Mapped]):
    """Runs every operation over one more axis.

    One with a name is closed: also operations on plain values may ask for the index of their row.

    Attributes:
        size: the length of the mapped axis.
        name: what collectives call it; `None` if it has no name.
    """

    def __init__(self, size: int, verb: str = "vmap", function: Callable[..., Any] | None = None) -> None:
        self.name = size.name if isinstance(size, AxisSize) else None
        super().__init__(verb, function, closed=self.name is not None)
        self.size = int(size)

    def step(self, primitive: Primitive, states: list[Mapped], params: dict[str, Any]) -> Any:
        xs = [x for x, _ in states]
        dims = [dim for _, dim in states]
        size = self.size
        if self.name is not None:
            if "axis_name" in params and params["axis_name"] == self.name:
                return primitive.over_axis(size, xs, dims, **params)
            size = AxisSize(size, self.name) if primitive.multiple else size
        if all(dim is None for dim in dims) and not self._asked_for(params):
            out = primitive.bind(*xs, **params)
            return [(y, None) for y in out] if primitive.multiple else (out, None)
        try:
            out, dim = primitive.batch(size, xs, dims, **params)
        except Exception as error:  # the user knows the shapes of a row, not those of all rows
            primitive.explain(error, [self.aval(state) for state in states], params)
            raise
        return list(zip(out, dim, strict=True)) if primitive.multiple else (out, dim)

    def _asked_for(self, params: dict[str, Any]) -> bool:
        """Whether a program among some parameters has, or may have, collectives over this axis."""
        if self.name is None:
            return False
        return any(key in params for key in _FUNCTIONS) or self.name in _axes_of_params(params)

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
    extent = watched(xs)
    if extent is not None:
        xs = extent.xs
    interpreter = Batch(size, function=function or f)
    with interpreter:
        outs = f(*[interpreter.argument(x, dim) for x, dim in zip(xs, dims, strict=True)])
        mapped = [interpreter.mapped(y) for y in outs]
    ys = [y for y, _ in mapped]
    return ys if extent is None else extent.values(ys), [dim for _, dim in mapped]
