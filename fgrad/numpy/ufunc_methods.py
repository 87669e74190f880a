"""The methods of NumPy's ufuncs, given tracers: `np.add.reduce(x)` is `np.sum(x, axis=0)` where x is traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ImmutableTracerError, message
from fgrad.numpy import cumulative, nanfunctions, reductions
from fgrad.numpy.axes import as_dtype, kept, one_axis, reduced_axes
from fgrad.numpy.dispatch import refuse
from fgrad.numpy.parts import operand, taken, value_of
from fgrad.numpy.updates import at
from fgrad.primitives import bits
from fgrad.primitives import cumulative as running
from fgrad.primitives.families import shape_of
from fgrad.primitives.operators import ufunc_methods, ufuncs
from fgrad.primitives.shape import reshape

__all__: list[str] = []

_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: reductions.sum,
    np.multiply: reductions.prod,
    np.maximum: reductions.max,
    np.minimum: reductions.min,
    np.fmax: nanfunctions.nanmax,
    np.fmin: nanfunctions.nanmin,
    np.logical_and: reductions.all,
    np.logical_or: reductions.any,
    np.logaddexp: reductions.logsumexp,
}
_BITS: dict[np.ufunc, Callable[..., Any]] = {
    np.bitwise_and: bits.reduce_bitwise_and,
    np.bitwise_or: bits.reduce_bitwise_or,
    np.bitwise_xor: bits.reduce_bitwise_xor,
}
_RUNNING: dict[np.ufunc, Callable[..., Any]] = {
    np.maximum: running.cummax,
    np.minimum: running.cummin,
    np.logaddexp: running.cumlogsumexp,
}
_UPDATES: dict[np.ufunc, str] = {np.add: "add", np.multiply: "multiply", np.maximum: "max", np.minimum: "min"}


def _reduce(
    ufunc: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> Any:
    refuse(f"{ufunc.__name__}.reduce", out=out)
    function = _REDUCTIONS.get(ufunc)
    if function is None:
        return _reduced_bits(ufunc, array, axis, keepdims, initial, where)
    x = operand(array)
    options: dict[str, Any] = {"keepdims": keepdims, "initial": initial, "where": where}
    if where is True:
        del options["where"]
    options = {name: value for name, value in options.items() if value is not np._NoValue}
    if ufunc in (np.add, np.multiply):
        return function(x, axis, dtype, None, **options)
    return function(x if dtype is None else as_dtype(x, dtype), axis, **options)


def _reduced_bits(ufunc: np.ufunc, array: Any, axis: Any, keepdims: Any, initial: Any, where: Any) -> Any:
    plain = where in (True, np._NoValue) and initial is np._NoValue
    if ufunc not in _BITS or not plain:
        return NotImplemented
    x = operand(array)
    axes = reduced_axes(axis, len(shape_of(x)))
    return kept(_BITS[ufunc](x, axes=axes), shape_of(x), axes, keepdims)


def _accumulate(ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    refuse(f"{ufunc.__name__}.accumulate", out=out)
    x = operand(array)
    if ufunc in (np.add, np.multiply):
        return (cumulative.cumsum if ufunc is np.add else cumulative.cumprod)(x, axis, dtype)
    if ufunc not in _RUNNING:
        return NotImplemented
    x, along = one_axis(x if dtype is None else as_dtype(x, dtype), axis, of_numbers=False)
    return _RUNNING[ufunc](x, axis=along)


def _outer(ufunc: np.ufunc, a: Any, b: Any, **options: Any) -> Any:
    if ufunc not in ufuncs:
        return NotImplemented
    refuse(f"{ufunc.__name__}.outer", **options)
    x, y = operand(a), operand(b)
    return ufuncs[ufunc](reshape(x, shape=(*shape_of(x), *[1] * len(shape_of(y)))), y)


def _reduceat(ufunc: np.ufunc, array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """Each part from an index up to the next one; the element at the index, where the next is not greater."""
    refuse(f"{ufunc.__name__}.reduceat", out=out)
    if ufunc not in _UPDATES:
        return NotImplemented
    cure = "Give indices that are not traced, or use x.at[index].add(values)."
    starts = np.asarray(value_of(indices, f"{ufunc.__name__}.reduceat", cure))
    x, along = one_axis(operand(array), axis, of_numbers=False)
    x = _widened(x, ufunc) if dtype is None else as_dtype(x, dtype)
    n = shape_of(x)[along]
    if starts.size and (starts.min() < 0 or starts.max() >= n):
        raise IndexError(message(f"{ufunc.__name__}.reduceat: indices from 0 to {n - 1}, got {starts.tolist()}."))
    ends = np.append(starts[1:], n)
    rest = np.maximum(ends - starts - 1, 0)
    part = np.repeat(np.arange(len(starts)), rest)
    offset = np.arange(len(part)) - np.repeat(np.cumsum(rest) - rest, rest)
    first = taken(x, starts, along)
    index = (*[slice(None)] * along, part)
    return getattr(at(first)[index], _UPDATES[ufunc])(taken(x, starts[part] + offset + 1, along))


def _widened(x: Array, ufunc: np.ufunc) -> Array:
    """NumPy adds and multiplies small integers as wide ones."""
    dtype = aval_of(x).dtype
    return as_dtype(x, ufunc.reduce(np.ones(1, dtype)).dtype) if dtype.kind in "biu" else x


def _at(ufunc: np.ufunc, *args: Any) -> Any:
    what = f"numpy.{ufunc.__name__}.at writes into its first argument, and traced arrays are immutable values."
    name = _UPDATES.get(ufunc, "apply")
    values = "numpy." + ufunc.__name__ if name == "apply" else "values"
    raise ImmutableTracerError(message(what, cure=f"Write x = fgrad.numpy.at(x)[indices].{name}({values})."))


ufunc_methods.update(reduce=_reduce, accumulate=_accumulate, outer=_outer, reduceat=_reduceat, at=_at)
