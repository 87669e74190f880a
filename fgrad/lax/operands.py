"""What the functions of `fgrad.lax` share: they take arrays of one dtype, of shapes that fit without thought."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Tracer, dispatch
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand

__all__ = [
    "NUMBERS",
    "axis_index",
    "axis_tuple",
    "binary",
    "check_kinds",
    "integers",
    "matched",
    "operand",
    "same_dtype",
    "unary",
]

NUMBERS = "iufc"
_PYTHON = frozenset({bool, int, float, complex})
_HOLDING: dict[type, str] = {bool: "b", int: "iufc", float: "fc", complex: "c"}
"""The kinds of dtypes that a Python number takes without loss of its own kind."""
_KINDS = {"b": "boolean", "i": "integer", "u": "unsigned", "f": "floating-point", "c": "complex"}


def operand(x: Any) -> Array:
    """An argument as an array or a tracer; a Python number becomes one of NumPy, which is not weakly typed."""
    if type(x) in _PYTHON:
        return np.asarray(x)[()]
    x = as_operand(x)
    return as_dtype(x, x.dtype) if type(x) is Tracer and x.weak_type else x


def check_kinds(name: str, aval: ShapedArray, kinds: str, cure: str = "") -> None:
    """Refuses arrays of a dtype that an operation is not defined for."""
    if aval.dtype.kind not in kinds:
        needed = ", ".join(_KINDS[kind] for kind in kinds)
        raise ShapeError(message(f"lax.{name} takes {needed} arrays, got {aval}.", cure=cure))


def _promoting(name: str) -> str:
    return f"Convert: x.astype(float); the functions of fgrad.numpy do so by themselves (lax.{name} does not promote)."


def unary(name: str, primitive: Primitive, kinds: str) -> Callable[[Any], Array]:
    """The function of a name that applies an element-wise primitive to arrays of some kinds."""

    @public
    def function(x: Any) -> Array:
        if type(x) is not np.ndarray:
            x = operand(x)
        if x.dtype.kind not in kinds:
            check_kinds(name, aval_of(x), kinds, _promoting(name))
        return dispatch(primitive, (x,), {})

    function.__name__ = function.__qualname__ = name
    function.__doc__ = primitive.__doc__
    return function


def binary(name: str, primitive: Primitive, kinds: str, *, telling: bool = False) -> Callable[[Any, Any], Array]:
    """The function of a name that applies an element-wise primitive to two arrays of one dtype.

    With `telling`, a Python number beside an array stays one: it tells the primitive that this is a constant.
    """

    @public
    def function(x: Any, y: Any) -> Array:
        xs = matched(name, x, y, kinds=kinds)
        if telling and (type(x) in _PYTHON) != (type(y) in _PYTHON):
            xs = (x if type(x) in _PYTHON else xs[0], y if type(y) in _PYTHON else xs[1])
        return dispatch(primitive, xs, {})

    function.__name__ = function.__qualname__ = name
    function.__doc__ = primitive.__doc__
    return function


def matched(name: str, *xs: Any, kinds: str = NUMBERS + "b") -> tuple[Array, ...]:
    """Operands of an element-wise operation.

    All have the same dtype; a Python number takes that of the arrays. Their shapes are the same, but for axes of
    length 1, or empty.

    Raises:
        ShapeError: they do not fit together.
    """
    quickly = _fitting(xs, kinds)
    if quickly is not None:
        return quickly
    given = same_dtype(name, *xs)
    avals = [aval_of(x) for x in given]
    for aval in avals:
        check_kinds(name, aval, kinds, _promoting(name) if kinds in ("f", "fc") else "")
    ranks = {aval.ndim for aval in avals if aval.ndim}
    if len(ranks) > 1:
        shapes = " and ".join(str(aval.shape) for aval in avals)
        cure = "Add axes with lax.broadcast_in_dim or x[None]; the functions of fgrad.numpy do so by themselves."
        raise ShapeError(message(f"lax.{name} takes arrays of as many axes, got shapes {shapes}.", cure=cure))
    return given


def _fitting(xs: tuple[Any, ...], kinds: str) -> tuple[Array, ...] | None:
    """The operands, where a look at each tells that they fit: arrays of one dtype and shape, perhaps with numbers."""
    first: Any = None
    for x in xs:
        if type(x) in _PYTHON:
            continue
        if not isinstance(x, (np.ndarray, np.generic)) and (type(x) is not Tracer or x.weak_type):
            return None
        if first is None or (not first.shape and x.dtype == first.dtype):
            first = x
        elif x.dtype != first.dtype or x.shape not in ((), first.shape):
            return None
    if first is None or first.dtype.kind not in kinds:
        return None
    dtype = first.dtype
    if not all([type(x) not in _PYTHON or dtype.kind in _HOLDING[type(x)] for x in xs]):
        return None
    return tuple([dtype.type(x) if type(x) in _PYTHON else x for x in xs])


def same_dtype(name: str, *xs: Any) -> tuple[Array, ...]:
    """Arguments as arrays of one dtype; a Python number takes that of the arrays.

    Raises:
        ShapeError: the dtypes differ.
    """
    given = [as_operand(x) for x in xs]
    avals = [aval_of(x) for x in given]
    dtypes = {aval.dtype for aval in avals if not aval.weak_type}
    common = np.result_type(*[a.key(0) if isinstance(a.key, type) else a.key for a in avals])
    if not dtypes:
        dtypes = {common}
    if dtypes != {common}:
        got = ", ".join(str(aval.dtype) for aval in avals)
        cure = "Convert: x.astype(dtype); the functions of fgrad.numpy promote by themselves."
        raise ShapeError(message(f"lax.{name} takes arguments of one dtype, got {got}.", cure=cure))
    return tuple([np.asarray(x, common)[()] if type(x) in _PYTHON else as_dtype(x, common) for x in given])


def integers(name: str, x: Any) -> Array:
    """An argument that must hold integers."""
    x = operand(x)
    check_kinds(name, aval_of(x), "iu")
    return x


def axis_index(name: str, axis: Any, ndim: int) -> int:
    """An axis, counted from the end where it is negative, as a number that is not.

    Raises:
        ArgumentError: there is no such axis.
    """
    given = operator.index(axis)
    if not -ndim <= given < ndim:
        raise ArgumentError(message(f"lax.{name}: there is no axis {given} in an array of {ndim} axes."))
    return given % ndim


def axis_tuple(name: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes in ascending order, none named twice.

    Raises:
        ArgumentError: there is no such axis, or one comes twice.
    """
    given: Sequence[Any] = (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
    found = sorted(axis_index(name, a, ndim) for a in given)
    if len(set(found)) != len(found):
        raise ArgumentError(message(f"lax.{name}: an axis comes twice in {tuple(given)}."))
    return tuple(found)
