"""Calls of Python functions that the library knows nothing of, from programs it traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fgrad.core.aval import Array, ShapedArray, is_inexact
from fgrad.core.primitive import ZERO, Primitive, Zero, instantiate, is_linear_input
from fgrad.errors import NonDifferentiableError, message
from fgrad.primitives.shape import move_axis, reshape
from fgrad.transforms.jaxprs import to_front

__all__ = ["Rows", "debug_callback", "io_call", "pure_call", "recomputation", "tap"]

_recomputing: ContextVar[bool] = ContextVar("fgrad_recomputing", default=False)


@contextmanager
def recomputation() -> Iterator[None]:
    """While values are computed once more that were computed before: what has an effect had it then."""
    token = _recomputing.set(True)
    try:
        yield
    finally:
        _recomputing.reset(token)


class Rows(NamedTuple):
    """One mapped axis around a call, which is made for one row after the other.

    Attributes:
        size: the number of rows.
        dims: the mapped axis of each argument, `None` where it is the same for all rows.
    """

    size: int
    dims: tuple[int | None, ...]

    def select(self, xs: Sequence[Array], row: int) -> list[Array]:
        return [x if d is None else np.take(x, row, axis=d)[()] for x, d in zip(xs, self.dims, strict=True)]


Levels = tuple[Rows, ...]
"""Mapped axes, the outermost first."""


def _each_row(function: Callable[..., Sequence[Array]], xs: Sequence[Array], rows: Levels) -> Iterator[Sequence[Array]]:
    """Calls a function for every row of every axis, in order."""
    if not rows:
        yield function(*xs)
        return
    for row in range(rows[0].size):
        yield from _each_row(function, rows[0].select(xs, row), rows[1:])


class Callback(Primitive):
    """`callback(*xs, function=, avals=, rows=)`: for each row `function(*xs)`, arrays of the types `avals`."""

    multiple, opaque = True, True

    def impl(
        self, *xs: Array, function: Callable[..., Sequence[Array]], avals: tuple[ShapedArray, ...], rows: Levels
    ) -> list[Array]:
        if not rows:
            return list(function(*xs))
        found = list(_each_row(function, xs, rows))
        sizes = tuple(level.size for level in rows)
        columns = [np.empty((len(found), *a.shape), a.dtype) for a in avals]
        for i, outs in enumerate(found):
            for column, y in zip(columns, outs, strict=True):
                column[i] = y
        return [c.reshape(*sizes, *a.shape) for c, a in zip(columns, avals, strict=True)]

    def shape(self, *xs: ShapedArray, avals: tuple[ShapedArray, ...], rows: Levels, **params: Any) -> list[ShapedArray]:
        sizes = tuple(level.size for level in rows)
        return [ShapedArray((*sizes, *a.shape), a.dtype) for a in avals]

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Array | Zero], **params: Any) -> list[Zero]:
        if any(is_inexact(a.dtype) for a in params["avals"]):
            self._refuse(params["function"])
        return [ZERO for _ in out]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, rows: Levels, **params: Any
    ) -> tuple[list[Array], list[int]]:
        outs = self.bind(*xs, rows=(Rows(int(size), tuple(dims)), *rows), **params)
        return outs, [0] * len(outs)

    def _refuse(self, function: Any) -> NoReturn:
        name = getattr(function, "described", "a function")
        what = f"{name} is opaque: nothing is known of the derivative of what it returns."
        cure = "Give it one by fgrad.custom_jvp, or make it a constant: fgrad.stop_gradient of the arguments."
        raise NonDifferentiableError(message(what, cure=cure))


class DebugCallback(Callback):
    """`debug_callback(*xs, function=, avals=(), rows=)`: a call for its effect alone."""

    effect = True

    def bind(self, *args: Array, **params: Any) -> Any:
        return [] if _recomputing.get() else super().bind(*args, **params)

    __call__ = bind

    def impl(
        self, *xs: Array, function: Callable[..., Any], avals: tuple[ShapedArray, ...], rows: Levels
    ) -> list[Array]:
        for _ in () if _recomputing.get() else _each_row(function, xs, rows):
            pass
        return []


class PureCallback(Callback):
    """`pure_callback(*xs, function=, avals=, rows=, vmap_method=, lead=)`: a function without an effect.

    Where `vmap_method` is not "sequential" it is called once for all rows, which stand along its first axes: `lead`
    are their sizes, in results and arguments (1 for what is the same for all rows, unless it is "broadcast_all").
    """

    def shape(
        self, *xs: ShapedArray, avals: tuple[ShapedArray, ...], rows: Levels, lead: tuple[int, ...] = (), **params: Any
    ) -> list[ShapedArray]:
        sizes = (*[level.size for level in rows], *lead)
        return [ShapedArray((*sizes, *a.shape), a.dtype) for a in avals]

    def transpose(self, ct: Any, *xs: Any, function: Callable[..., Any], **params: Any) -> list[Any]:
        name = getattr(function, "described", "a function")
        what = f"{name} is applied to a tangent by a rule for forward mode: reverse mode cannot transpose it."
        cure = "Give a rule for reverse mode, too (vjp=…); or write that of forward mode with functions of fgrad."
        raise NonDifferentiableError(message(what, cure=cure))

    def impl(
        self,
        *xs: Array,
        function: Callable[..., Sequence[Array]],
        avals: tuple[ShapedArray, ...],
        rows: Levels,
        vmap_method: str = "sequential",
        lead: tuple[int, ...] = (),
    ) -> list[Array]:
        def all_rows(*args: Array) -> Sequence[Array]:
            return function(*args, lead=lead)

        stacked = tuple(ShapedArray((*lead, *a.shape), a.dtype) for a in avals)
        return super().impl(*xs, function=all_rows, avals=stacked, rows=rows)

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        vmap_method: str = "sequential",
        lead: tuple[int, ...] = (),
        **params: Any,
    ) -> tuple[list[Array], list[int]]:
        if vmap_method == "sequential":
            return super().batch(size, xs, dims, vmap_method=vmap_method, lead=lead, **params)
        if vmap_method == "broadcast_all":
            given = [to_front(x, d, size) for x, d in zip(xs, dims, strict=True)]
        else:
            given = [_expanded(x) if d is None else move_axis(x, d, 0) for x, d in zip(xs, dims, strict=True)]
        outs = self.bind(*given, vmap_method=vmap_method, lead=(int(size), *lead), **params)
        return outs, [0] * len(outs)


class IoCallback(Callback):
    """`io_callback(*xs, function=, avals=, rows=)`: a function with an effect, called once for each row."""

    effect = True

    def bind(self, *args: Array, **params: Any) -> Any:
        return [] if _recomputing.get() and not params["avals"] else super().bind(*args, **params)

    __call__ = bind

    def impl(self, *xs: Array, **params: Any) -> list[Array]:
        return [] if _recomputing.get() and not params["avals"] else super().impl(*xs, **params)


class TapGrad(Primitive):
    """`tap_grad(*xs, function=, rows=)`: the values themselves; `function` is called with the cotangents of all."""

    multiple, opaque = True, True

    def impl(self, *xs: Array, function: Callable[..., Any], rows: Levels) -> list[Array]:
        return list(xs)

    def shape(self, *xs: ShapedArray, **params: Any) -> list[ShapedArray]:
        return list(xs)

    def jvp(self, out: Sequence[Array], xs: Sequence[Array], ts: Sequence[Array | Zero], **params: Any) -> list[Any]:
        full = self.bind(*[instantiate(t, x) for t, x in zip(ts, xs, strict=True)], **params)
        return [ZERO if t is ZERO else f for t, f in zip(ts, full, strict=True)]

    def transpose(self, ct: Sequence[Array | Zero], *xs: Any, function: Callable[..., Any], rows: Levels) -> list[Any]:
        debug_callback(
            *[instantiate(c, x) for c, x in zip(ct, xs, strict=True)], function=function, avals=(), rows=rows
        )
        return [c if is_linear_input(x) else None for c, x in zip(ct, xs, strict=True)]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, rows: Levels, **params: Any
    ) -> tuple[list[Array], Sequence[int | None]]:
        # Every row has a cotangent of its own, also of what is the same for all rows.
        given = [to_front(x, d, size) for x, d in zip(xs, dims, strict=True)]
        outs = self.bind(*given, rows=(Rows(int(size), (0,) * len(xs)), *rows), **params)
        return outs, [0] * len(outs)


def _expanded(x: Array) -> Array:
    shape = np.shape(x) if not hasattr(x, "shape") else x.shape
    return reshape(x, shape=(1, *shape))


debug_callback = DebugCallback()
pure_call = PureCallback()
io_call = IoCallback()
tap = TapGrad()
