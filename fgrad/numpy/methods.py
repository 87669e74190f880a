"""The methods and attributes of NumPy's arrays, for tracers.

What writes into an array, or looks at its memory, is an error that says what to write instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, install
from fgrad.errors import (
    ArgumentError,
    ImmutableTracerError,
    ShapeError,
    TracerArrayConversionError,
    TracerAttributeError,
    message,
)
from fgrad.numpy import cumulative, dtypes, indexing, manipulation, products, rearranging, reductions, sorting, ufuncs
from fgrad.primitives.shape import copy as copy_array

__all__ = ["namespace_of"]


def _reshape(self: Tracer, /, *shape: Any, order: str = "C", copy: bool | None = None) -> Array:
    """The same elements in another shape, given as one tuple or as numbers; see `fgrad.numpy.reshape`."""
    return manipulation.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def _transpose(self: Tracer, /, *axes: Any) -> Array:
    """The axes in another order, given as one tuple or as numbers; see `fgrad.numpy.transpose`."""
    if not axes or axes == (None,):
        return manipulation.transpose(self)
    return manipulation.transpose(self, axes[0] if len(axes) == 1 and np.ndim(axes[0]) else axes)


def _flatten(self: Tracer, order: str = "C") -> Array:
    """The elements in a row."""
    return manipulation.ravel(self, order)


def _copy(self: Tracer, order: str = "C") -> Array:
    """An array of its own."""
    return copy_array(self)


def _astype(
    self: Tracer, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> Array:
    """The same values under another dtype; see `fgrad.numpy.astype`."""
    if not np.can_cast(self.dtype, dtype, casting):
        what = f"an array of dtype {self.dtype} cannot be cast to {np.dtype(dtype)} by the rule '{casting}'."
        raise ShapeError(message(what))
    return dtypes.astype(self, dtype, copy=copy)


def _compress(self: Tracer, condition: Any, axis: Any = None, out: Any = None) -> Array:
    """The parts along an axis for which a condition holds; see `fgrad.numpy.compress`."""
    return indexing.compress(condition, self, axis, out)


def _rounded(self: Tracer, ndigits: Any = None) -> Array:
    """`round(x)`, an integer, or `round(x, ndigits)`, of a number without axes: NumPy's arrays have no others."""
    aval = aval_of(self)
    if aval.ndim:
        what = f"round() takes a single number, not a traced {aval}."
        raise TypeError(message(what, cure="Write x.round(decimals)."))
    out = ufuncs.round(self, ndigits or 0)
    return dtypes.astype(out, np.int64) if ndigits is None else out


def _contains(self: Tracer, value: Any) -> bool:
    return bool(reductions.any(self == value))


def _dlpack(self: Tracer, **options: Any) -> Any:
    what = f"a traced {self.aval} has no memory to share by DLPack, in {self.interpreter.describe()}."
    cure = "Stay with functions of fgrad.numpy, or hand the values out: fgrad.pure_callback."
    raise TracerArrayConversionError(message(what, cure=cure))


def _to_device(self: Tracer, device: str, /, *, stream: Any = None) -> Tracer:
    """The array itself: every array is on the CPU."""
    if device != "cpu" or stream is not None:
        raise ArgumentError(message(f"arrays are on the device 'cpu' only, got {device!r}, stream={stream!r}."))
    return self


def namespace_of(self: Tracer, /, *, api_version: str | None = None) -> Any:
    """The module with the functions of the Python array API standard: `fgrad.numpy`."""
    known = ("2021.12", "2022.12", "2023.12", "2024.12")
    if api_version is not None and api_version not in known:
        what = f"version {api_version!r} of the array API is none of {', '.join(known)}."
        raise ArgumentError(message(what))
    return sys.modules["fgrad.numpy"]


def _itemsize(self: Tracer) -> int:
    """Bytes of one element."""
    return int(self.dtype.itemsize)


def _nbytes(self: Tracer) -> int:
    """Bytes of all elements."""
    return int(self.dtype.itemsize) * self.size


def _device(self: Tracer) -> str:
    """Where the array is: "cpu"."""
    return "cpu"


install(
    all=reductions.all,
    any=reductions.any,
    argmax=reductions.argmax,
    argmin=reductions.argmin,
    argpartition=sorting.argpartition,
    argsort=sorting.argsort,
    astype=_astype,
    choose=indexing.choose,
    clip=ufuncs.clip,
    compress=_compress,
    conj=ufuncs.conjugate,
    conjugate=ufuncs.conjugate,
    copy=_copy,
    cumprod=cumulative.cumprod,
    cumsum=cumulative.cumsum,
    diagonal=indexing.diagonal,
    dot=products.dot,
    flatten=_flatten,
    max=reductions.max,
    mean=reductions.mean,
    min=reductions.min,
    nonzero=indexing.nonzero,
    prod=reductions.prod,
    ptp=reductions.ptp,
    ravel=manipulation.ravel,
    repeat=rearranging.repeat,
    reshape=_reshape,
    round=ufuncs.round,
    searchsorted=sorting.searchsorted,
    squeeze=manipulation.squeeze,
    std=reductions.std,
    sum=reductions.sum,
    swapaxes=manipulation.swapaxes,
    take=indexing.take,
    to_device=_to_device,
    trace=products.trace,
    transpose=_transpose,
    var=reductions.var,
    __array_namespace__=namespace_of,
    __contains__=_contains,
    __round__=_rounded,
    __dlpack__=_dlpack,
    __dlpack_device__=_dlpack,
)
install(
    T=property(manipulation.transpose, doc="The array with its axes in reverse order."),
    mT=property(manipulation.matrix_transpose, doc="The array with its last two axes swapped."),
    device=property(_device),
    imag=property(ufuncs.imag, doc="The imaginary part."),
    itemsize=property(_itemsize),
    nbytes=property(_nbytes),
    real=property(ufuncs.real, doc="The real part."),
)


def _writes(name: str, cure: str) -> Callable[..., Any]:
    """A method that NumPy's arrays have, and that would write into this one."""

    def refused(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        what = f".{name}() would write into a traced {aval_of(self)}, in {self.interpreter.describe()}."
        raise ImmutableTracerError(message(what, cure=cure))

    refused.__name__ = refused.__qualname__ = name
    refused.__doc__ = f"Refused: it writes into the array. {cure}"
    return refused


def _memory(name: str, cure: str) -> Callable[[Tracer], Any]:
    """An attribute that NumPy's arrays have, and that tells of memory."""

    def refused(self: Tracer) -> Any:
        what = f"a traced {aval_of(self)} has no .{name}, since it has no memory, in {self.interpreter.describe()}."
        raise TracerAttributeError(message(what, cure=cure))

    return refused


_WRITING = {
    "fill": "Write x = fgrad.numpy.full_like(x, value).",
    "partition": "Write x = fgrad.numpy.partition(x, kth).",
    "put": "Write x = x.at[indices].set(values).",
    "resize": "Write x = fgrad.numpy.resize(x, shape).",
    "setfield": "Write x = x.at[index].set(value).",
    "setflags": "Traced arrays are immutable values.",
    "sort": "Write x = fgrad.numpy.sort(x).",
}
_OF_MEMORY = {
    "base": "Traced arrays are values: none is a view of another.",
    "byteswap": "Traced arrays are values in the machine's own byte order.",
    "ctypes": "Pass the result of the transformed function to foreign code, not the traced value.",
    "data": "Pass the result of the transformed function to foreign code, not the traced value.",
    "dump": "Save the result of the transformed function, not the traced value.",
    "dumps": "Save the result of the transformed function, not the traced value.",
    "flags": "Traced arrays are immutable values.",
    "flat": "Use x.ravel(), and x.at[index].set(value) to update.",
    "getfield": "Use x.real, x.imag, or x.astype(dtype).",
    "strides": "Traced arrays are values: use reshape, transpose and indexing.",
    "tobytes": "Use the result of the transformed function, not the traced value.",
    "tofile": "Use the result of the transformed function, not the traced value.",
    "view": "Use x.astype(dtype) to convert values, x.real and x.imag for complex parts, x.reshape for shapes.",
}
install(**{name: _writes(name, cure) for name, cure in _WRITING.items()})
install(**{name: property(_memory(name, cure)) for name, cure in _OF_MEMORY.items()})
