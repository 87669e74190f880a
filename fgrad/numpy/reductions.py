"""Sums, products, extrema, means, and other functions that reduce over axes.

Given only concrete arrays each is NumPy's own. `axis` is an integer, a tuple of them, or `None` for all axes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.control.stop_gradient import stop_gradient
from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message
from fgrad.numpy.axes import as_dtype, count_items, given, kept, mask_of, masked, one_axis, reduced_axes
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.primitives import reductions
from fgrad.primitives.comparison import eq, logical_or, lt, maximum, minimum, ne, select
from fgrad.primitives.elementwise import mul
from fgrad.primitives.exponential import exp, log, square
from fgrad.primitives.families import shape_of
from fgrad.primitives.reductions import reduce_and, reduce_max, reduce_min, reduce_or, reduce_prod
from fgrad.primitives.root import root
from fgrad.primitives.rounding import absolute, imag, real, sign
from fgrad.primitives.shape import broadcast_to, reduce_sum, reshape, transpose
from fgrad.primitives.softmax import reduce_logsumexp

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]

_ABSENT: Any = np._NoValue


def _accumulated(
    primitive: Any, combine: Any, a: Any, axis: Any, dtype: Any, keepdims: Any, initial: Any, where: Any
) -> Array:
    """A sum or a product, with all that NumPy lets one ask of it."""
    x = as_operand(a)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape), of_numbers=True)
    mask = mask_of(where, shape)
    x = masked(x, mask, 1 if primitive is reduce_prod else 0)
    if dtype is not None:
        x = as_dtype(x, dtype)
    out = primitive(x, axes=axes)
    if dtype is not None:
        out = as_dtype(out, dtype)
    if given(initial):
        out = combine(out, as_dtype(as_operand(initial), aval_of(out).dtype))
    return kept(out, shape, axes, keepdims)


def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`sum(a, axis)`: Σ a. Small integers and booleans are summed as 64-bit integers.

    Args:
        a: an array.
        axis: the axes to sum over.
        dtype: the dtype to sum in.
        out: refused for traced arrays.
        keepdims: leave the reduced axes, with length 1.
        initial: a number to start from.
        where: a mask of the elements to sum, which broadcasts against `a`.

    >>> sum([[1, 2], [3, 4]], axis=0)
    array([4, 6])
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.sum(a, axis, dtype, out, keepdims, initial, where)
    refuse("sum", out=out)
    return _accumulated(reduce_sum, _plus, a, axis, dtype, keepdims, initial, where)


def _plus(x: Array, y: Array) -> Array:
    return x + y


def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`prod(a, axis)`: Π a. The derivative by an element is the product of the others: exact also where some are 0.

    >>> prod([1, 2, 3])
    np.int64(6)
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.prod(a, axis, dtype, out, keepdims, initial, where)
    refuse("prod", out=out)
    return _accumulated(reduce_prod, mul, a, axis, dtype, keepdims, initial, where)


def _extremum(name: str, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any) -> Array:
    primitive, pick = (reduce_max, maximum) if name == "maximum" else (reduce_min, minimum)
    x = as_operand(a)
    aval = aval_of(x)
    axes = reduced_axes(axis, aval.ndim, of_numbers=True)
    mask = mask_of(where, aval.shape)
    if given(initial):
        initial = as_dtype(as_operand(initial), aval.dtype)
    elif mask is not None:
        what = f"reduction operation '{name}' does not have an identity, so to use a `where` mask give `initial` too."
        raise ArgumentError(message(what))
    if mask is not None:
        x = masked(x, mask, initial)
    if given(initial) and math.prod(aval.shape[i] for i in axes) == 0:
        out = broadcast_to(initial, shape=tuple(n for i, n in enumerate(aval.shape) if i not in axes))
    else:
        out = primitive(x, axes=axes)
        out = pick(out, initial) if given(initial) else out
    return kept(out, aval.shape, axes, keepdims)


def max(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`max(a, axis)`: the largest element, NaN if there is one. Elements that tie share the derivative evenly.

    >>> max([[1, 5], [3, 2]], axis=1)
    array([5, 3])
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.max(a, axis, out, keepdims, initial, where)
    refuse("max", out=out)
    return _extremum("maximum", a, axis, keepdims, initial, where)


def min(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    initial: Any = _ABSENT,
    where: Any = _ABSENT,
) -> Array:
    """`min(a, axis)`: the smallest element, NaN if there is one. Elements that tie share the derivative evenly.

    >>> min([[1, 5], [3, 2]], axis=1)
    array([1, 2])
    """
    if type(a) is not Tracer and not is_traced(a, initial, where):
        return np.min(a, axis, out, keepdims, initial, where)
    refuse("min", out=out)
    return _extremum("minimum", a, axis, keepdims, initial, where)


amax = max
amin = min


def _truth(primitive: Any, a: Any, axis: Any, keepdims: Any, where: Any, neutral: bool) -> Array:
    x = as_operand(a)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape), of_numbers=True)
    mask = mask_of(where, shape)
    if mask is not None:
        x = masked(ne(x, 0), mask, neutral)
    return kept(primitive(x, axes=axes), shape, axes, keepdims)


def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _ABSENT, *, where: Any = _ABSENT) -> Array:
    """`any(a, axis)`: whether an element is true (not 0).

    >>> any([[True, False], [False, False]], axis=1)
    array([ True, False])
    """
    if type(a) is ndarray and out is None and keepdims is where is _ABSENT:
        return np.any(a, axis)
    if not is_traced(a, where):
        return np.any(a, axis, out, keepdims, where=where)
    refuse("any", out=out)
    return _truth(reduce_or, a, axis, keepdims, where, False)


def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _ABSENT, *, where: Any = _ABSENT) -> Array:
    """`all(a, axis)`: whether all elements are true (not 0).

    >>> all([[True, False], [True, True]], axis=1)
    array([False,  True])
    """
    if type(a) is ndarray and out is None and keepdims is where is _ABSENT:
        return np.all(a, axis)
    if not is_traced(a, where):
        return np.all(a, axis, out, keepdims, where=where)
    refuse("all", out=out)
    return _truth(reduce_and, a, axis, keepdims, where, True)


def _position(primitive: Any, a: Any, axis: Any, keepdims: Any) -> Array:
    whole = as_operand(a)
    shape = shape_of(whole)
    x, along = one_axis(whole, axis)
    axes = tuple(range(len(shape))) if axis is None or not shape else (along,)
    return kept(primitive(x, axis=along), shape, axes, keepdims)


def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _ABSENT) -> Array:
    """`argmax(a, axis)`: where the largest element is; the first of several, or the first NaN.

    >>> argmax([1, 5, 5])
    np.int64(1)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.argmax(a, axis, out, keepdims=keepdims)
    refuse("argmax", out=out)
    return _position(reductions.argmax, a, axis, keepdims)


def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _ABSENT) -> Array:
    """`argmin(a, axis)`: where the smallest element is; the first of several, or the first NaN.

    >>> argmin([3, 1, 1])
    np.int64(1)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.argmin(a, axis, out, keepdims=keepdims)
    refuse("argmin", out=out)
    return _position(reductions.argmin, a, axis, keepdims)


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _ABSENT) -> Array:
    """`ptp(a, axis)`: max(a) − min(a), "peak to peak".

    >>> ptp([1, 5, 3])
    np.int64(4)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.ptp(a, axis, out, keepdims)
    refuse("ptp", out=out)
    return max(a, axis, None, keepdims) - min(a, axis, None, keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Array:
    """`count_nonzero(a, axis)`: how many elements are not 0.

    >>> count_nonzero([[0, 1], [2, 3]], axis=0)
    array([1, 2])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.count_nonzero(a, axis, keepdims=keepdims) if keepdims else np.count_nonzero(a, axis)
    return sum(ne(as_operand(a), 0), axis, keepdims=keepdims)


def _working_dtype(dtype: Any, x: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that means are taken in: integers as float64, unless another one is asked for."""
    return np.dtype(dtype) if dtype is not None else np.dtype(np.float64) if x.kind in "biu" else x


def mean_over(x: Array, axes: tuple[int, ...], dtype: Any, mask: Array | None) -> Array:
    """The mean over axes of those elements that a mask leaves; NaN where it leaves none."""
    aval = aval_of(x)
    result = _working_dtype(dtype, aval.dtype)
    wide = dtype is None and aval.dtype == np.float16
    total = reduce_sum(as_dtype(masked(x, mask, 0), np.float32 if wide else result), axes=axes)
    return as_dtype(_over_count(total, count_items(mask, aval.shape, axes)), result)


def _over_count(total: Array, count: Array) -> Array:
    """total / count: without a warning NaN where a mask leaves nothing to count."""
    if type(count) is int:
        return total / count
    dtype = aval_of(total).dtype
    if dtype.kind not in "fc":
        return total / count
    empty = eq(count, 0)
    return select(empty, np.nan, total / as_dtype(select(empty, 1, count), dtype))


def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _ABSENT,
    *,
    where: Any = _ABSENT,
) -> Array:
    """`mean(a, axis)`: Σ a / n. Integers are averaged in float64, float16 in float32.

    >>> mean([[1, 2], [3, 4]], axis=1)
    array([1.5, 3.5])
    """
    if type(a) is not Tracer and not is_traced(a, where):
        return np.mean(a, axis, dtype, out, keepdims, where=where)
    refuse("mean", out=out)
    x = as_operand(a)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    return kept(mean_over(x, axes, dtype, mask_of(where, shape)), shape, axes, keepdims)


def squares_over(
    x: Array, axes: tuple[int, ...], dtype: Any, mask: Array | None, center: Array | None = None
) -> tuple[Array, Array]:
    """Σ |x − x̄|² over axes, for those elements that a mask leaves, and how many these are."""
    aval = aval_of(x)
    work = _working_dtype(dtype, aval.dtype)
    count = count_items(mask, aval.shape, axes)
    if center is None:
        total = reduce_sum(as_dtype(masked(x, mask, 0), work), axes=axes)
        center = kept(_over_count(total, count), aval.shape, axes, True)
    deviation = masked(x, mask, 0) - center
    if aval_of(deviation).dtype.kind == "c":
        squares = square(real(deviation)) + square(imag(deviation))
    else:
        squares = square(deviation)
    if dtype is not None or aval.dtype.kind != "c":
        squares = as_dtype(squares, work)
    return reduce_sum(masked(squares, mask, 0), axes=axes), count


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real part."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _variance(
    name: str, a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any, where: Any, center: Any, correction: Any
) -> Array:
    if given(correction):
        if ddof != 0:
            raise ArgumentError(message(f"fgrad.numpy.{name}: `ddof` and `correction` are the same; give one of them."))
        ddof = correction
    x = as_operand(a)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    middle = as_operand(center) if given(center) else None
    total, count = squares_over(x, axes, dtype, mask_of(where, shape), middle)
    dtype = aval_of(total).dtype
    freedom = count - ddof
    if type(freedom) not in (int, float):
        freedom = as_dtype(maximum(freedom, 0), real_dtype(dtype))
    elif freedom < 0:
        freedom = 0
    return kept(as_dtype(total / freedom, dtype), shape, axes, keepdims)


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = _ABSENT,
    *,
    where: Any = _ABSENT,
    mean: Any = _ABSENT,
    correction: Any = _ABSENT,
) -> Array:
    """`var(a, axis)`: the variance, Σ |a − ā|² / (n − ddof).

    >>> var([1.0, 2.0, 3.0], ddof=1)
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, where, mean):
        return np.var(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)
    refuse("var", out=out)
    return _variance("var", a, axis, dtype, ddof, keepdims, where, mean, correction)


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = _ABSENT,
    *,
    where: Any = _ABSENT,
    mean: Any = _ABSENT,
    correction: Any = _ABSENT,
) -> Array:
    """`std(a, axis)`: the standard deviation, √var(a). Where all elements are equal its derivative is 0.

    >>> std([1.0, 2.0, 3.0], ddof=1)
    np.float64(1.0)
    """
    if type(a) is not Tracer and not is_traced(a, where, mean):
        return np.std(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)
    refuse("std", out=out)
    return root(_variance("std", a, axis, dtype, ddof, keepdims, where, mean, correction))


def average(a: Any, axis: Any = None, weights: Any = None, returned: Any = False, *, keepdims: Any = _ABSENT) -> Any:
    """`average(a, axis, weights)`: Σ w·a / Σ w.

    Args:
        a: an array.
        axis: the axes to average over.
        weights: of the shape of `a`, or of the lengths of the given axes.
        returned: give back the pair of the average and the sum of the weights.
        keepdims: leave the reduced axes, with length 1.

    >>> average([1.0, 2.0], weights=[1.0, 3.0])
    np.float64(1.75)
    """
    if type(a) is not Tracer and not is_traced(a, weights):
        return np.average(a, axis, weights, returned, keepdims=keepdims)
    x = as_operand(a)
    aval = aval_of(x)
    axes = reduced_axes(axis, aval.ndim)
    if weights is None:
        out = mean(x, axis, keepdims=keepdims)
        total: Array = as_dtype(np.asarray(count_items(None, aval.shape, axes)), aval_of(out).dtype)
    else:
        w = aligned_weights(as_operand(weights), aval.shape, axis)
        dtype = np.result_type(aval.dtype, aval_of(w).dtype, *([np.float64] if aval.dtype.kind in "biu" else []))
        w = broadcast_to(as_dtype(w, dtype), shape=aval.shape)
        total = sum(w, axis, keepdims=keepdims)
        out = sum(as_dtype(x, dtype) * w, axis, keepdims=keepdims) / total
    return (out, broadcast_to(total, shape=shape_of(out))) if returned else out


def aligned_weights(w: Array, shape: tuple[int, ...], axis: Any) -> Array:
    """Weights of the given axes alone, as weights that broadcast against the array."""
    if shape_of(w) == shape:
        return w
    if axis is None:
        raise TypeError(message(f"weights of shape {shape_of(w)} for an array of shape {shape} need an `axis`."))
    axes = reduced_axes(axis, len(shape))
    order = [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    if shape_of(w) != tuple(shape[a] for a in order):
        lengths = tuple(shape[a] for a in order)
        raise ArgumentError(message(f"weights of shape {shape_of(w)} for axes of lengths {lengths}."))
    w = transpose(w, axes=tuple(order.index(a) for a in axes))
    return reshape(w, shape=tuple(n if i in axes else 1 for i, n in enumerate(shape)))


def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """`logsumexp(a, axis, b)`: log Σ b·eᵃ, without overflow; its gradient is the softmax.

    Infinities are taken as limits: elements that are all −∞ give −∞ with gradient 0, and no warning.

    Args:
        a: an array; integers are taken as float64.
        axis: the axes to sum over.
        b: factors, which broadcast against `a`.
        keepdims: leave the reduced axes, with length 1.
        return_sign: give back the pair of log |Σ b·eᵃ| and the sign of the sum. Otherwise a negative sum gives NaN.
        where: a mask of the elements to sum.

    >>> logsumexp([1000.0, 1000.0])
    np.float64(1000.6931471805599)
    """
    x = as_operand(a)
    factors = None if b is None else as_operand(b)
    dtype = np.result_type(*[_inexact(v) for v in (x, factors) if v is not None])
    x = as_dtype(x, dtype)
    if factors is not None:
        shape = np.broadcast_shapes(shape_of(x), shape_of(factors))
        x, factors = broadcast_to(x, shape=shape), broadcast_to(as_dtype(factors, dtype), shape=shape)
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    x = masked(x, mask_of(where, shape), -np.inf)
    if factors is None and (dtype.kind == "f" or not return_sign):
        out = reduce_logsumexp(x, axes=axes)
        signs = as_dtype(select(eq(out, -np.inf), 0, 1), dtype) if return_sign else None
    else:
        out, signs = _signed_logsumexp(x, factors, axes)
        if not return_sign:
            out = select(lt(signs, 0), np.nan, out) if dtype.kind == "f" else out + log(select(eq(signs, 0), 1, signs))
    out = kept(out, shape, axes, keepdims)
    return (out, kept(signs, shape, axes, keepdims)) if return_sign else out


def _inexact(x: Array) -> Any:
    dtype = aval_of(x).dtype
    return dtype if dtype.kind in "fc" else np.float64


def _signed_logsumexp(x: Array, b: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """log |Σ b·eˣ| and the sign of the sum; a term with b = 0 or x = −∞ is nothing at all."""
    height = real(x)
    nothing = eq(height, -np.inf) if b is None else logical_or(eq(height, -np.inf), eq(b, 0))
    top = _extremum("maximum", select(nothing, -np.inf, stop_gradient(height)), axes, True, -np.inf, None)
    top = select(eq(top, -np.inf), 0, top)
    infinite = eq(top, np.inf)
    relative = select(logical_or(nothing, infinite), 0, x) - select(infinite, 0, top)
    powers = select(infinite, select(eq(height, np.inf), 1, 0), exp(relative))
    total = reduce_sum(select(nothing, 0, powers if b is None else powers * b), axes=axes)
    size = absolute(total)
    gone = eq(size, 0)
    out = select(gone, -np.inf, log(select(gone, 1, size)) + reshape(top, shape=shape_of(size)))
    return out, sign(total)
