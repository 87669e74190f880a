"""Looking at a function without running it: its jaxpr, the shapes of its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.common import wrap
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import call, check_callable, flat_outputs, parameter_names, place_of
from fgrad.core.interpreter import Tracer, reachable
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.errors import ArgumentError, message, public
from fgrad.transforms.stage import trace
from fgrad.tree import PyTreeDef, flatten
from fgrad.tree.table import describe

__all__ = ["ShapeDtypeStruct", "eval_shape", "make_jaxpr"]


class ShapeDtypeStruct:
    """The shape and dtype of an array, to stand for one where no values are needed.

    >>> ShapeDtypeStruct((2, 3), np.float32)
    ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    __slots__ = ("aval",)

    def __init__(self, shape: Sequence[int], dtype: Any, weak_type: bool = False) -> None:
        self.aval = ShapedArray(tuple(int(n) for n in shape), np.dtype(dtype), weak_type)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def size(self) -> int:
        return self.aval.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self.aval == other.aval

    def __hash__(self) -> int:
        return hash(self.aval)

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.aval.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak})"


@public
def make_jaxpr(
    fun: Callable[..., Any], static_argnums: int | Sequence[int] = (), return_shape: bool = False
) -> Callable[..., Any]:
    """A function that returns the jaxpr of `fun` for the shapes and dtypes of its arguments.

    Args:
        fun: the function to trace.
        static_argnums: positions of arguments that are passed on as they are, untraced.
        return_shape: return `(jaxpr, shapes)`, the second a pytree of `ShapeDtypeStruct` like the output.

    >>> import fgrad, numpy as np
    >>> fgrad.make_jaxpr(lambda x: np.sin(x) * 2.0)(1.0)
    { lambda ; a:f64[] . let
        b:f64[] = sin a
        c:f64[] = mul b 2.0
      in (c,) }
    """
    check_callable(fun, "make_jaxpr")
    static = {static_argnums} if isinstance(static_argnums, int) else set(static_argnums)

    @wrap(fun, "make_jaxpr", "The jaxpr of the function.")
    @public
    def make(*args: Any, **kwargs: Any) -> Any:
        closed, outdef = trace_call(fun, args, kwargs, static, "make_jaxpr")
        if not return_shape:
            return closed
        return closed, outdef.unflatten([_struct(a) for a in closed.out_avals])

    return make


@public
def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of what `fun` returns, without computing anything.

    Args:
        fun: the function.
        args: its arguments; arrays, `ShapeDtypeStruct`, or pytrees of these.
        kwargs: its keyword arguments.

    >>> import fgrad, numpy as np
    >>> fgrad.eval_shape(lambda a, b: a @ b, np.ones((2, 3)), fgrad.ShapeDtypeStruct((3, 4), np.float32))
    ShapeDtypeStruct(shape=(2, 4), dtype=float64)
    """
    check_callable(fun, "eval_shape", "eval_shape(f, x)")
    closed, outdef = trace_call(fun, args, kwargs, set(), "eval_shape")
    return outdef.unflatten([_struct(a) for a in closed.out_avals])


def trace_call(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: set[int], verb: str
) -> tuple[ClosedJaxpr, PyTreeDef]:
    """The jaxpr of a call, and the structure of its output."""
    static = {i % len(args) for i in static} if args else set()
    traced = [i for i in range(len(args)) if i not in static]
    names = parameter_names(fun, len(args))
    trees = (*[args[i] for i in traced], *kwargs.values())
    leaves, treedef = flatten(trees)
    avals = [_aval(x, trees, [*[names[i] for i in traced], *kwargs], i, verb) for i, x in enumerate(leaves)]
    outdef: Any = None

    def flat(*xs: Array) -> list[Array]:
        nonlocal outdef
        values = treedef.unflatten(xs)
        positional = list(args)
        for i, value in zip(traced, values, strict=False):
            positional[i] = value
        out = call(fun, positional, dict(zip(kwargs, values[len(traced) :], strict=True)), verb)
        outs, outdef = flat_outputs(out, verb, fun)
        return outs

    return trace(flat, avals, verb, fun), outdef


def _aval(x: Any, trees: Any, names: Any, index: int, verb: str) -> ShapedArray:
    if type(x) is Tracer:
        x = reachable(x)
    try:
        return aval_of(x)
    except TypeError:
        shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
        if shape is not None and dtype is not None:
            return ShapedArray(tuple(shape), np.dtype(dtype))
        what = f"argument {place_of(trees, names, index)} of {verb} is {describe(x)}: not an array of numbers."
        cure = "Arguments are arrays, numbers and ShapeDtypeStruct, in pytrees; let the function close over others."
        raise ArgumentError(message(what, cure=cure)) from None


def _struct(aval: ShapedArray) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(aval.shape, aval.dtype, aval.weak_type)
