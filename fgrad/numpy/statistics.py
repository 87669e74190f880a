"""Covariances, counts and histograms. Given only concrete arrays each function is NumPy's own.

Counts do not depend smoothly on what is counted; weighted ones are differentiable in the weights.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy import indexing, reductions, ufuncs
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.creation import linspace
from fgrad.numpy.cumulative import diff
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.dtypes import result_type
from fgrad.numpy.joining import concatenate
from fgrad.numpy.manipulation import transpose
from fgrad.numpy.parts import flat, operand, part, taken, value_of
from fgrad.numpy.products import dot
from fgrad.numpy.sorting import searchsorted
from fgrad.numpy.updates import at
from fgrad.primitives.comparison import eq, ge, gt, le, logical_and, lt, select
from fgrad.primitives.families import shape_of
from fgrad.primitives.positions import ravel_positions
from fgrad.primitives.root import root
from fgrad.primitives.shape import reshape

__all__ = [
    "bincount",
    "corrcoef",
    "cov",
    "digitize",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
]


def cov(
    m: Any,
    y: Any = None,
    rowvar: Any = True,
    bias: Any = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Array:
    """`cov(m)`: the covariances of the rows of m, Σₖ wₖ (xᵢₖ − x̄ᵢ)·conj(xⱼₖ − x̄ⱼ) / (n − ddof).

    Args:
        m: variables in rows, observations in columns; one row where it has one axis.
        y: more variables.
        rowvar: false: variables are in columns.
        bias: divide by n, not by n − 1.
        ddof: what to take off n, in place of what `bias` says.
        fweights: how often each observation was made; whole numbers.
        aweights: the weight of each observation.
        dtype: of the result.

    >>> cov([[0.0, 2.0], [0.0, 4.0]])
    array([[2., 4.],
           [4., 8.]])
    """
    if not is_traced(m, y, fweights, aweights):
        return np.cov(m, y, rowvar, bias, ddof, fweights, aweights, dtype=dtype)
    if ddof is not None and ddof != int(ddof):
        raise ArgumentError(message(f"`ddof` is {ddof!r}, not a whole number."))
    x = operand(m)
    variables = [_variables(x, "m", rowvar)]
    if y is not None and 0 not in shape_of(operand(y)):
        variables.append(_variables(operand(y), "y", rowvar))
    kinds = [aval_of(v).dtype for v in variables]
    dtype = np.result_type(*kinds, np.float64) if dtype is None else np.dtype(dtype)
    x = concatenate([as_dtype(v, dtype) for v in variables], 0)
    out = as_dtype(_covariance(x, fweights, aweights, bias, ddof), dtype)
    rows = shape_of(out)[0]
    return reshape(out, shape=()) if rows == 1 else out


def _variables(x: Array, name: str, rowvar: Any) -> Array:
    shape = shape_of(x)
    if len(shape) > 2:
        raise ShapeError(message(f"cov: `{name}` has the shape {shape}.", cure="It may have two axes at most."))
    if len(shape) < 2:
        return reshape(x, shape=(1, *(shape or (1,))))
    return x if rowvar or (shape[0] == 1 and name == "y") else transpose(x)


def _weights(weights: Any, name: str, count: int) -> Array:
    w = operand(weights)
    if shape_of(w) != (count,):
        raise ShapeError(message(f"cov: `{name}` has the shape {shape_of(w)}, for {count} observations."))
    return as_dtype(w, np.float64)


def _covariance(x: Array, fweights: Any, aweights: Any, bias: Any, ddof: Any) -> Array:
    count = shape_of(x)[1]
    ddof = (0 if bias else 1) if ddof is None else int(ddof)
    w: Any = None
    if fweights is not None:
        w = _weights(fweights, "fweights", count)
    if aweights is not None:
        a = _weights(aweights, "aweights", count)
        w = a if w is None else w * a
    if w is None:
        total: Any = count
        freedom: Any = count - ddof
        mean = reductions.mean(x, 1, keepdims=True)
    else:
        total = reductions.sum(w)
        mean = reductions.sum(x * w, 1, keepdims=True) / total
        freedom = total - ddof
        if ddof and aweights is not None:
            freedom = total - ddof * reductions.sum(w * a) / total
    centered = x - mean
    other = transpose(centered if w is None else centered * w)
    freedom = np.float64(max(freedom, 0)) if w is None else select(gt(freedom, 0), freedom, 0.0)
    return dot(centered, ufuncs.conjugate(other)) / freedom


def corrcoef(x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None, **ignored: Any) -> Array:
    """`corrcoef(x)`: the correlations of the rows of x, cᵢⱼ / √(cᵢᵢ cⱼⱼ) for the covariances c.

    >>> corrcoef([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    if not is_traced(x, y):
        return np.corrcoef(x, y, rowvar, dtype=dtype, **ignored)
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return c / c
    deviation = root(ufuncs.real(indexing.diagonal(c)))
    n = shape_of(deviation)[0]
    c = c / reshape(deviation, shape=(n, 1)) / reshape(deviation, shape=(1, n))
    if aval_of(c).dtype.kind == "c":
        return ufuncs.clip(ufuncs.real(c), -1, 1) + 1j * ufuncs.clip(ufuncs.imag(c), -1, 1)
    return ufuncs.clip(c, -1, 1)


def bincount(x: Any, /, weights: Any = None, minlength: Any = 0, *, length: Any = None) -> Array:
    """`bincount(x, weights)`: how often each number from 0 on stands in x, or the sum of the weights where it does.

    Args:
        x: a row of whole numbers that are not negative.
        weights: one for each; the result is differentiable in them.
        minlength: how many numbers to count at least.
        length: how many numbers to count; what is greater is left out. Needed where `x` has no value.

    >>> bincount(np.array([0, 2, 2]))
    array([1, 0, 2])
    """
    if length is None and not is_traced(x, weights):
        return np.bincount(x, weights, operator.index(minlength))
    a = operand(x)
    aval = aval_of(a)
    if aval.dtype.kind not in "iub" or aval.ndim != 1:
        raise TypeError(message(f"bincount counts a row of whole numbers, got {aval}."))
    if weights is not None and aval_of(as_operand(weights)).dtype.kind == "c":
        raise TypeError(message("bincount takes weights that are real, got complex ones.", cure="Count both parts."))
    if length is None:
        value = np.asarray(value_of(a, "bincount", "Say how many numbers to count: bincount(x, length=n)."))
        if value.size and value.min() < 0:
            raise ArgumentError(message(f"bincount counts from 0 on, got {value.min()}."))
        length = max(int(value.max()) + 1 if value.size else 0, operator.index(minlength))
    return _counted(a, None if weights is None else operand(weights), operator.index(length))


def _counted(positions: Array, weights: Array | None, length: int) -> Array:
    """What falls on each position; what is beyond the last, or negative, is left out."""
    w = np.ones(shape_of(positions), np.intp) if weights is None else as_dtype(weights, np.float64)
    if shape_of(w) != shape_of(positions):
        raise ShapeError(message(f"bincount: {shape_of(positions)} numbers have weights of shape {shape_of(w)}."))
    inside = logical_and(ge(positions, 0), lt(positions, length))
    place = as_dtype(select(inside, positions, length), np.intp)
    sums = at(np.zeros(length + 1, aval_of(w).dtype))[place].add(w)
    return part(sums, 0, slice(None, -1))


def digitize(x: Any, bins: Any, right: Any = False) -> Array:
    """`digitize(x, bins)`: in which of the intervals between `bins`, ascending or descending, each x lies.

    >>> digitize([0.5, 2.5], [0.0, 1.0, 2.0])
    array([1, 3])
    """
    if not is_traced(x, bins):
        return np.digitize(x, bins, right)
    a, edges = operand(x), operand(bins)
    if len(shape_of(edges)) != 1:
        raise ShapeError(message(f"digitize: `bins` has the shape {shape_of(edges)}.", cure="It is a row of edges."))
    if aval_of(a).dtype.kind == "c":
        raise TypeError(message(f"digitize takes real numbers, got {aval_of(a)}."))
    n = shape_of(edges)[0]
    side = "left" if right else "right"
    if not is_traced(edges):
        steps = np.diff(edges)
        if (steps >= 0).all():
            return searchsorted(edges, a, side)
        if (steps <= 0).all():
            return n - searchsorted(edges[::-1], a, side)
        raise ArgumentError(message("digitize: `bins` neither ascends nor descends.", cure="Sort it."))
    if n < 2:
        return searchsorted(edges, a, side)
    first, last = (taken(edges, np.asarray(k), 0) for k in (0, n - 1))
    down = n - searchsorted(part(edges, 0, slice(None, None, -1)), a, side)
    return select(le(first, last), searchsorted(edges, a, side), down)


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Array:
    """`histogram_bin_edges(a, bins, range)`: the edges of the bins that `histogram` counts in.

    >>> histogram_bin_edges([0.0, 1.0], 2)
    array([0. , 0.5, 1. ])
    """
    if not is_traced(a, bins, range, weights):
        return np.histogram_bin_edges(a, bins, range, weights)
    if isinstance(bins, str):
        cure = "Give the number of bins, or their edges."
        return np.histogram_bin_edges(value_of(a, "histogram", cure), bins, range)
    edges = operand(bins)
    if shape_of(edges):
        if len(shape_of(edges)) > 1:
            raise ArgumentError(message(f"histogram: `bins` has the shape {shape_of(edges)}, it is one row of edges."))
        return edges
    count = operator.index(bins)
    if count < 1:
        raise ArgumentError(message(f"histogram: `bins` is {count}, it must be positive."))
    low, high = _outer_edges(operand(a), range)
    dtype = result_type(low, high, a)
    return linspace(low, high, count + 1, dtype=np.result_type(dtype, np.float64) if dtype.kind in "biu" else dtype)


def _outer_edges(x: Array, limits: Any) -> tuple[Array, Array]:
    if limits is not None:
        low, high = (as_operand(v) for v in limits)
        if not is_traced(low, high) and low > high:
            raise ArgumentError(message(f"histogram: `range` is {limits}.", cure="The greater limit comes second."))
    elif 0 in shape_of(x):
        low, high = 0.0, 1.0
    else:
        x = as_dtype(x, np.uint8) if aval_of(x).dtype.kind == "b" else x
        low, high = reductions.min(x), reductions.max(x)
    if not is_traced(low, high):
        return (low - 0.5, high + 0.5) if low == high else (low, high)
    same = eq(low, high)
    return select(same, low - 0.5, low), select(same, high + 0.5, high)


def _bins_of(x: Array, edges: Array) -> Array:
    """The bin of each number, the last one closed; −1 or the number of bins outside."""
    n = shape_of(edges)[0] - 1
    found = searchsorted(edges, x, "right") - 1
    last = taken(edges, np.asarray(n), 0)
    found = select(eq(x, last), n - 1, found)
    return select(logical_and(ge(x, taken(edges, np.asarray(0), 0)), le(x, last)), found, -1)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array]:
    """`histogram(a, bins)`: how many numbers lie in each of several bins, and the edges of these.

    Args:
        a: numbers.
        bins: how many bins of one width, or all their edges; by name, as NumPy has it, where `a` has a value.
        range: the lower and the upper end, by default those of `a`.
        density: the result is the mean density in each bin: its integral is 1.
        weights: one for each number, which is counted so often; the result is differentiable in them.

    >>> histogram([0.5, 1.5, 1.6], [0.0, 1.0, 2.0])
    (array([1, 2]), array([0., 1., 2.]))
    """
    if not is_traced(a, bins, range, weights):
        return np.histogram(a, bins, range, density, weights)
    x = operand(a)
    edges = histogram_bin_edges(x, bins, range, weights)
    w = None if weights is None else operand(weights)
    if w is not None and shape_of(w) != shape_of(x):
        raise ArgumentError(message(f"histogram: weights of shape {shape_of(w)} for numbers of shape {shape_of(x)}."))
    counts = _counted(_bins_of(flat(x), edges), None if w is None else flat(w), shape_of(edges)[0] - 1)
    if w is not None:
        counts = as_dtype(counts, aval_of(w).dtype)
    if density:
        counts = counts / diff(edges) / reductions.sum(counts)
    return counts, edges


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Any]:
    """`histogramdd(sample, bins)`: how many points lie in each cell of a grid, and the edges along each axis.

    Args:
        sample: points in rows, or a list of their coordinates along each axis.
        bins: how many bins, or for each axis how many, or its edges.
        range: for each axis the lower and the upper end.
        density: the result is the mean density in each cell.
        weights: one for each point; the result is differentiable in them.

    >>> histogramdd(np.array([[0.0, 0.0], [1.0, 1.0]]), 2)[0]
    array([[1., 0.],
           [0., 1.]])
    """
    if not is_traced(sample, bins, range, weights):
        return np.histogramdd(sample, bins, range, density, weights)
    columns = _columns(sample)
    count = len(columns)
    of_axes = list(bins) if isinstance(bins, (list, tuple)) else [bins] * count
    limits = [None] * count if range is None else list(range)
    if len(of_axes) != count or len(limits) != count:
        raise ArgumentError(message(f"histogramdd: {len(of_axes)} bins, {len(limits)} ranges for {count} axes."))
    edges = [histogram_bin_edges(x, b, r) for x, b, r in zip(columns, of_axes, limits, strict=True)]
    shape = tuple([shape_of(e)[0] - 1 for e in edges])
    found = [_bins_of(x, e) for x, e in zip(columns, edges, strict=True)]
    inside = ge(found[0], 0)
    for f in found[1:]:
        inside = logical_and(inside, ge(f, 0))
    places = ravel_positions(*[select(inside, f, 0) for f in found], shape=shape, mode="raise", order="C")
    size = int(np.prod(shape))
    counts = _counted(select(inside, places, -1), None if weights is None else operand(weights), size)
    out = reshape(as_dtype(counts, np.float64), shape=shape)
    return (_densities(out, edges) if density else out), edges


def _columns(sample: Any) -> list[Array]:
    if isinstance(sample, (list, tuple)):
        return [operand(x) for x in sample]
    x = operand(sample)
    if len(shape_of(x)) != 2:
        x = reshape(flat(x), shape=(aval_of(x).size, 1))
    return [taken(x, np.asarray(k), 1) for k in np.arange(shape_of(x)[1])]


def _densities(counts: Array, edges: list[Array]) -> Array:
    out = counts / reductions.sum(counts)
    for axis, e in enumerate(edges):
        width = diff(e)
        shape = [1] * len(edges)
        shape[axis] = shape_of(width)[0]
        out = out / reshape(width, shape=tuple(shape))
    return out


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array, Array]:
    """`histogram2d(x, y, bins)`: how many points (x, y) lie in each cell of a grid, and its edges; see `histogramdd`.

    >>> histogram2d([0.0, 1.0], [0.0, 1.0], 2)[0]
    array([[1., 0.],
           [0., 1.]])
    """
    if not is_traced(x, y, bins, range, weights):
        return np.histogram2d(x, y, bins, range, density, weights)
    if not (isinstance(bins, (list, tuple)) and len(bins) == 2) and not np.isscalar(bins):
        bins = [bins, bins]
    counts, (across, along) = histogramdd([x, y], bins, range, density, weights)
    return counts, across, along
