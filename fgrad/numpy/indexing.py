"""Indexing, selection and positions: NumPy's chapter "Indexing routines".

Given only concrete arrays a function is NumPy's own, except that `put_along_axis` and `fill_diagonal` give a new array.
"""

from __future__ import annotations

import math
import operator
from contextlib import nullcontext
from itertools import accumulate
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, install, origin
from fgrad.errors import (
    ArgumentError,
    InvalidIndexError,
    NonConcreteBooleanIndexError,
    ShapeError,
    TracerUseError,
    message,
)
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.numpy.index_expressions import concrete_mask
from fgrad.numpy.parts import flat, outside_transforms, strong, taken
from fgrad.numpy.updates import At, at, getitem
from fgrad.primitives.comparison import eq, maximum, minimum, ne
from fgrad.primitives.comparison import select as choose_between
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, Key, lead, slice_entry
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.joining import stack, unstack
from fgrad.primitives.positions import first_nonzeros, ravel_positions, unravel_positions
from fgrad.primitives.rounding import remainder
from fgrad.primitives.scattering import scatter
from fgrad.primitives.shape import broadcast_to, convert_element_type, reshape, transpose

__all__ = [
    "argwhere",
    "at",
    "choose",
    "compress",
    "diag",
    "diag_indices",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "extract",
    "fill_diagonal",
    "flatnonzero",
    "indices",
    "ix_",
    "nonzero",
    "put_along_axis",
    "ravel_multi_index",
    "select",
    "take",
    "take_along_axis",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
    "where",
]

_INTP = np.dtype(np.intp)

diag_indices = np.diag_indices
indices = np.indices
tril_indices = np.tril_indices
triu_indices = np.triu_indices


def _rows(x: Tracer) -> Any:
    if not x.shape:
        what = f"iteration over a traced array without axes, {x.aval}."
        raise TracerUseError(
            message(what, cure="Only arrays with axes have items: leave out the loop, or x.reshape(-1).")
        )
    return iter(unstack(x, axis=0))


install(__getitem__=getitem, __iter__=_rows, at=property(lambda x: At(strong(x))))


def _truth(x: Array) -> Array:
    return x if aval_of(x).dtype.kind == "b" else ne(x, 0)


def where(condition: Any, x: Any = None, y: Any = None, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """`where(condition, x, y)`: x where the condition holds, y elsewhere. `where(condition)` is `nonzero(condition)`.

    Args:
        condition: truth values.
        x: values where it holds.
        y: values elsewhere; all three broadcast together.
        size: of the result of `where(condition)`, see `nonzero`.
        fill_value: see `nonzero`.

    >>> where(np.array([True, False]), 1.0, np.array([5.0, 6.0]))
    array([1., 6.])
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise ArgumentError(message("fgrad.numpy.where takes a condition alone, or with both x and y."))
    if size is not None or fill_value is not None:
        raise ArgumentError(message("`size` and `fill_value` go with fgrad.numpy.where(condition) alone."))
    if type(condition) is ndarray is type(x) is type(y) or not is_traced(condition, x, y):
        return np.where(condition, x, y)
    return choose_between(_truth(as_operand(condition)), as_operand(x), as_operand(y))


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    """`select(conditions, choices, default)`: of the choices that whose condition is the first to hold.

    >>> x = np.arange(5)
    >>> select([x < 2, x > 3], [x, 10 * x], -1)
    array([ 0,  1, -1, -1, 40])
    """
    if not is_traced(condlist, choicelist, default):
        return np.select(condlist, choicelist, default)
    if len(condlist) != len(choicelist) or not len(condlist):
        what = f"fgrad.numpy.select takes as many conditions as choices, got {len(condlist)} and {len(choicelist)}."
        raise ArgumentError(message(what))
    choices = [as_operand(c) for c in choicelist]
    out = as_operand(default)
    dtype = np.result_type(*[_kind(c) for c in (*choices, out)])
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        out = choose_between(_truth(as_operand(condition)), choice, out)
    return convert_element_type(out, dtype=dtype) if aval_of(out).dtype != dtype else out


def _kind(x: Array) -> Any:
    key = aval_of(x).key
    return key(0) if isinstance(key, type) else key


def nonzero(a: Any, *, size: Any = None, fill_value: Any = None) -> tuple[Array, ...]:
    """`nonzero(a)`: for each axis the positions of the elements that are not 0, in C order.

    Args:
        a: an array. A traced one must have a value, unless `size` is given.
        size: how many positions to give: the first ones.
        fill_value: what stands in for positions where there are fewer (0 by default); a number, or one for each axis.

    Raises:
        NonConcreteBooleanIndexError: without `size` the length of the result is unknown.

    >>> nonzero(np.array([0, 3, 0, 4]))
    (array([1, 3]),)
    >>> nonzero(np.array([0, 3, 0, 4]), size=3, fill_value=-1)
    (array([ 1,  3, -1]),)
    """
    if size is None:
        return np.nonzero(a if type(a) is ndarray else _value(a, "nonzero"))
    with nullcontext() if is_traced(a, fill_value) else outside_transforms():
        return _first_positions(as_operand(a), operator.index(size), 0 if fill_value is None else fill_value)


def _first_positions(x: Array, size: int, fill_value: Any) -> tuple[Array, ...]:
    shape = shape_of(x)
    count = math.prod(shape)
    if not shape:
        raise ShapeError(message("nonzero of an array without axes: use fgrad.numpy.atleast_1d(a)."))
    fills = fill_value if isinstance(fill_value, tuple) else (fill_value,) * len(shape)
    position = first_nonzeros(flat(x), size=size)
    missing = eq(position, count)
    found = [position] * len(shape)
    if count:
        found = unravel_positions(choose_between(missing, 0, position), shape=shape, order="C")
    return tuple([choose_between(missing, as_operand(f), p) for f, p in zip(fills, found, strict=True)])


def _value(a: Any, name: str) -> Any:
    """The value of an array whose number of nonzero elements decides a shape."""
    x = as_operand(a)
    if type(x) is not Tracer:
        return x
    value = x.concrete
    if value is None:
        what = f"the length of {name} of a traced {x.aval} is unknown: it has no value in "
        cure = f"Give the length (fgrad.numpy.{name}(a, size=n)), or select with fgrad.numpy.where(condition, x, y)."
        raise NonConcreteBooleanIndexError(message(f"{what}{x.interpreter.describe()}.{origin(x)}", cure=cure))
    return value


def flatnonzero(a: Any, *, size: Any = None, fill_value: Any = None) -> Array:
    """`flatnonzero(a)`: the positions of the elements of `a`, in a row, that are not 0; see `nonzero`.

    >>> flatnonzero([[0, 1], [1, 0]])
    array([1, 2])
    """
    return nonzero(_raveled(a), size=size, fill_value=fill_value)[0]


def _raveled(a: Any) -> Array:
    return flat(as_operand(a)) if type(a) is not ndarray and is_traced(a) else np.ravel(a)


def argwhere(a: Any, *, size: Any = None, fill_value: Any = None) -> Array:
    """`argwhere(a)`: one row of positions for every element that is not 0; see `nonzero`.

    >>> argwhere([[0, 1], [1, 0]])
    array([[0, 1],
           [1, 0]])
    """
    if size is None:
        return np.argwhere(_value(a, "argwhere"))
    positions = nonzero(a, size=size, fill_value=fill_value)
    if not is_traced(*positions):
        return np.stack(positions, 1)
    return stack(*[convert_element_type(p, dtype=_INTP) for p in positions], axis=1)


def _positions(x: Any, function: str) -> Array:
    """Integer positions; truth values count as 0 and 1, as in NumPy."""
    i = as_operand(x)
    aval = aval_of(i)
    if aval.dtype.kind == "b":
        return convert_element_type(i, dtype=_INTP) if type(i) is Tracer else np.asarray(i, _INTP)
    if aval.size == 0 and type(x) is list:
        return np.asarray(i, _INTP)
    if aval.dtype.kind not in "iu":
        cure = "Convert them with .astype(int)."
        raise InvalidIndexError(message(f"{function} takes positions that are integers, got {aval}.", cure=cure))
    return i


def _axis_first(a: Any, axis: Any) -> tuple[Array, int]:
    """An array and the axis to work along: all elements in a row where none is named."""
    x = strong(as_operand(a))
    if axis is None:
        return flat(x), 0
    axis = normalize_axis_index(axis, max(1, len(shape_of(x))))
    return (x, axis) if shape_of(x) else (flat(x), 0)


def take(
    a: Any,
    indices: Any,
    axis: Any = None,
    out: Any = None,
    mode: str = "raise",
    *,
    fill_value: Any = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
) -> Array:
    """`take(a, indices, axis)`: the elements of `a` at positions along an axis (of all in a row, by default).

    Args:
        a: an array.
        indices: positions, an array of any shape.
        axis: the axis; `None` for all elements in a row.
        out: refused for traced arrays.
        mode: "raise" an IndexError for positions outside, "wrap" or "clip" them (negative ones, too), or "fill".
        fill_value: what "fill" gives for positions outside: by default NaN, the lowest integer, or the highest
            unsigned one.
        unique_indices: a promise that no position comes twice, which makes the derivative faster.
        indices_are_sorted: has no effect.

    >>> take(np.array([10, 20, 30]), [2, 0])
    array([30, 10])
    """
    if mode != "fill" and (type(a) is ndarray is type(indices) or not is_traced(a, indices)):
        return np.take(a, indices, axis, out, mode)  # type: ignore[call-overload]
    refuse("take", out=out)
    if mode not in ("raise", "wrap", "clip", "fill", "promise_in_bounds"):
        raise ArgumentError(message(f"take: mode={mode!r} is none of 'raise', 'wrap', 'clip', 'fill'."))
    i = _positions(indices, "take")
    if mode == "fill":
        x = as_operand(a) if is_traced(a) else np.asarray(a)
        x, along = (x, axis) if axis is not None else (_raveled(x), 0)
        along = normalize_axis_index(along, aval_of(x).ndim)
        chosen = at(x)[(*[slice(None)] * along, i)]
        return chosen.get(mode="fill", fill_value=fill_value, unique_indices=unique_indices)
    x, along = _axis_first(a, axis)
    n = shape_of(x)[along]
    if mode == "wrap":
        i = remainder(i, n)
    elif mode == "clip":
        i = maximum(minimum(i, n - 1), 0)
    return taken(x, i, along, unique_indices)


def _beside(x: Array, i: Array, axis: int) -> tuple[list[Array], Key]:
    """Index arrays for positions along one axis that depend on those along all others."""
    shape, ndim = shape_of(x), len(shape_of(x))
    arrays = [
        i if d == axis else np.arange(n).reshape([n if k == d else 1 for k in range(ndim)]) for d, n in enumerate(shape)
    ]
    return arrays, (ARRAY,) * ndim


def _along_axis(name: str, arr: Any, indices: Any, axis: Any) -> tuple[Array, Array, int]:
    x, along = _axis_first(arr, axis)
    i = _positions(indices, name)
    if len(shape_of(i)) != len(shape_of(x)):
        what = f"{name}: indices of shape {shape_of(i)} need as many axes as the array of shape {shape_of(x)}."
        raise ShapeError(message(what))
    return x, i, along


def take_along_axis(arr: Any, indices: Any, axis: Any = -1, mode: str | None = None, fill_value: Any = None) -> Array:
    """`take_along_axis(arr, indices, axis)`: along an axis the elements at positions that differ from row to row.

    Args:
        arr: an array.
        indices: positions along the axis; along the others its lengths are those of `arr`, or 1.
        axis: the axis; `None` for all elements in a row.
        mode: see `x.at[...]`; an IndexError for positions outside, by default.
        fill_value: see `x.at[...].get`.

    >>> take_along_axis(np.array([[3, 1], [5, 9]]), np.array([[1], [0]]), axis=1)
    array([[1],
           [5]])
    """
    if mode is None and not is_traced(arr, indices):
        return np.take_along_axis(arr, indices, axis)
    x, i, along = _along_axis("take_along_axis", arr, indices, axis)
    arrays, key = _beside(x, i, along)
    if mode is None:
        return gather(x, *arrays, key=key, unique=False)
    return at(x)[tuple(arrays)].get(mode=mode, fill_value=fill_value)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any, *, mode: str | None = None) -> Array:
    """`put_along_axis(arr, indices, values, axis)`: a new array with values put along an axis, see `take_along_axis`.

    NumPy's function writes into `arr`; this one leaves it as it is.

    >>> put_along_axis(np.array([[3, 1], [5, 9]]), np.array([[1], [0]]), 0, axis=1)
    array([[3, 0],
           [0, 9]])
    """
    x, i, along = _along_axis("put_along_axis", arr, indices, axis)
    whole = as_operand(arr)
    arrays, _ = _beside(x, i, along)
    out = at(x)[tuple(arrays)].set(values, mode=mode)
    return out if shape_of(out) == shape_of(whole) else _reshaped(out, shape_of(whole))


def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    return reshape(x, shape=shape) if type(x) is Tracer else np.reshape(x, shape)


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Array:
    """`choose(a, choices)`: at every position the element there of the choice that `a` names.

    >>> choose([0, 1, 0], [[1, 2, 3], [10, 20, 30]])
    array([ 1, 20,  3])
    """
    if type(a) is ndarray is type(choices) or not is_traced(a, choices):
        return np.choose(a, choices, out, mode)  # type: ignore[call-overload]
    refuse("choose", out=out)
    i = _positions(a, "choose")
    parts = [as_operand(c) for c in (unstack(choices, axis=0) if type(choices) is Tracer else choices)]
    dtype = np.result_type(*[_kind(p) for p in parts])
    shape = np.broadcast_shapes(shape_of(i), *[shape_of(p) for p in parts])
    parts = [broadcast_to(convert_element_type(p, dtype=dtype), shape=shape) for p in parts]
    return take_along_axis(stack(*parts, axis=0), _choice(i, len(parts), shape, mode), 0)[0]


def _choice(i: Array, count: int, shape: tuple[int, ...], mode: str) -> Array:
    if mode == "wrap":
        i = remainder(i, count)
    elif mode == "clip":
        i = maximum(minimum(i, count - 1), 0)
    elif mode == "raise":
        i = ravel_positions(i, shape=(count,), mode=mode, order="C")
    else:
        raise ArgumentError(message(f"choose: mode={mode!r} is none of 'raise', 'wrap', 'clip'."))
    return broadcast_to(i, shape=(1, *shape))


def compress(
    condition: Any, a: Any, axis: Any = None, out: Any = None, *, size: Any = None, fill_value: Any = 0
) -> Array:
    """`compress(condition, a, axis)`: the parts of `a` along an axis for which the condition holds.

    Args:
        condition: truth values along the axis. Traced ones must have a value, unless `size` is given.
        a: an array.
        axis: the axis; `None` for all elements in a row.
        out: refused for traced arrays.
        size: how many parts to give: the first ones.
        fill_value: what the rest is where there are fewer.

    >>> compress([True, False, True], [1, 2, 3])
    array([1, 3])
    """
    if size is None and not is_traced(condition, a):
        return np.compress(condition, a, axis, out)
    refuse("compress", out=out)
    mask = as_operand(condition)
    if len(shape_of(mask)) != 1:
        raise ShapeError(message(f"compress takes a condition of one axis, got one of shape {shape_of(mask)}."))
    x, along = _axis_first(a, axis)
    n = shape_of(x)[along]
    if size is None:
        return taken(x, np.flatnonzero(concrete_mask(mask)), along, unique=True)
    length = min(shape_of(mask)[0], n)
    kept = mask[:length]
    positions = flatnonzero(kept, size=size, fill_value=n)
    return at(x)[(*[slice(None)] * along, positions)].get(mode="fill", fill_value=fill_value)


def extract(condition: Any, arr: Any, *, size: Any = None, fill_value: Any = 0) -> Array:
    """`extract(condition, arr)`: the elements for which the condition holds, in a row; see `compress`.

    >>> extract([[True, False], [False, True]], [[1, 2], [3, 4]])
    array([1, 4])
    """
    return compress(_raveled(condition), _raveled(arr), size=size, fill_value=fill_value)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """`diagonal(a, offset)`: the elements at (i, i + offset) of two axes, along a last axis.

    >>> diagonal(np.arange(9).reshape(3, 3), 1)
    array([1, 5])
    """
    if type(a) is ndarray or not is_traced(a):
        return np.diagonal(a, offset, axis1, axis2)
    x = as_operand(a)
    shape, ndim = shape_of(x), len(shape_of(x))
    if ndim < 2:
        raise ShapeError(message(f"diagonal takes an array of two axes or more, got one of shape {shape}."))
    first, second = normalize_axis_index(axis1, ndim), normalize_axis_index(axis2, ndim)
    if first == second:
        raise ArgumentError(message(f"diagonal: axis1 and axis2 are the same axis {first}."))
    i, j = _diagonal_positions(shape[first], shape[second], offset)
    key: Key = tuple(ARRAY if d in (first, second) else FULL for d in range(ndim))
    out = gather(x, *((i, j) if first < second else (j, i)), key=key, unique=True)
    front = lead(key)
    return transpose(out, axes=(*[d for d in range(ndim - 1) if d != front], front))


def _diagonal_positions(rows: int, columns: int, offset: int) -> tuple[Any, Any]:
    start, skip = (max(0, -offset), max(0, offset))
    i = np.arange(max(0, min(rows - start, columns - skip)))
    places = i + start, i + skip
    for array in places:
        array.flags.writeable = False  # the compiler may rely on what they are
    return places


def diag(v: Any, k: int = 0) -> Array:
    """`diag(v, k)`: of a vector the matrix with it on the k-th diagonal, of a matrix that diagonal.

    >>> diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    if type(v) is ndarray or not is_traced(v):
        return np.diag(v, k)
    x = as_operand(v)
    shape = shape_of(x)
    if len(shape) == 2:
        return diagonal(x, k)
    if len(shape) != 1:
        raise ShapeError(message(f"diag takes a vector or a matrix, got an array of shape {shape}."))
    n = shape[0] + abs(k)
    i, j = _diagonal_positions(n, n, k)
    return place(x, i, j, key=(ARRAY, ARRAY), unique=True, shape=(n, n))


def diagflat(v: Any, k: int = 0) -> Array:
    """`diagflat(v, k)`: the matrix with the elements of `v`, in a row, on the k-th diagonal.

    >>> diagflat([[1, 2]], 1)
    array([[0, 1, 0],
           [0, 0, 2],
           [0, 0, 0]])
    """
    return diag(_raveled(v), k) if type(v) is not ndarray and is_traced(v) else np.diagflat(v, k)


def _triangle(m: Any, k: int, lower: bool) -> Array:
    x = strong(as_operand(m))
    shape = shape_of(x)
    if len(shape) == 1:
        shape = (shape[0], shape[0])
    if len(shape) < 2:
        raise ShapeError(message("tril and triu take an array of one axis or more, got one of none."))
    mask = np.tri(shape[-2], shape[-1], k if lower else k - 1, np.bool_)
    zero = aval_of(x).dtype.type(0)
    return choose_between(mask, x, zero) if lower else choose_between(mask, zero, x)


def tril(m: Any, k: int = 0) -> Array:
    """`tril(m, k)`: the matrices `m` with zeros above the k-th diagonal.

    >>> tril(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    return _triangle(m, k, True) if type(m) is not ndarray and is_traced(m) else np.tril(m, k)


def triu(m: Any, k: int = 0) -> Array:
    """`triu(m, k)`: the matrices `m` with zeros below the k-th diagonal.

    >>> triu(np.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    return _triangle(m, k, False) if type(m) is not ndarray and is_traced(m) else np.triu(m, k)


def _template(arr: Any) -> Any:
    """An array of the shape of another that takes no memory; a concrete array itself."""
    return arr if type(arr) is ndarray else np.broadcast_to(np.empty(()), shape_of(as_operand(arr)))


def diag_indices_from(arr: Any) -> tuple[Array, ...]:
    """`diag_indices_from(arr)`: the positions of the main diagonal of an array whose axes are equally long."""
    return np.diag_indices_from(_template(arr))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Array, ...]:
    """`tril_indices_from(arr, k)`: the positions of a matrix up to its k-th diagonal."""
    return np.tril_indices_from(_template(arr), k)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Array, ...]:
    """`triu_indices_from(arr, k)`: the positions of a matrix from its k-th diagonal on."""
    return np.triu_indices_from(_template(arr), k)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> Array:
    """`fill_diagonal(a, val)`: a new array with `val` on the main diagonal of `a`.

    NumPy's function writes into `a`; this one leaves it as it is.

    Args:
        a: an array of two axes or more; more than two must be equally long.
        val: values, repeated as often as there is room.
        wrap: go on below a tall matrix, after a row that is left out.

    >>> fill_diagonal(np.zeros((2, 2)), 5.0)
    array([[5., 0.],
           [0., 5.]])
    """
    x = as_operand(a)
    if type(x) is ndarray is type(val) or not is_traced(x, val):
        out = np.array(x)
        np.fill_diagonal(out, val, wrap)
        return out
    aval = aval_of(x)
    if aval.ndim < 2 or (aval.ndim > 2 and len(set(aval.shape)) > 1):
        what = f"fill_diagonal takes a matrix, or an array of equally long axes, got one of shape {aval.shape}."
        raise ShapeError(message(what))
    step, end = 1 + sum(accumulate(aval.shape[1:], operator.mul)), aval.size
    if aval.ndim == 2 and not wrap:
        end = min(end, aval.shape[1] * aval.shape[1])
    entry = slice_entry(slice(None, end, step), aval.size)
    count = len(range(0, end, step))
    value = flat(as_operand(val))
    if shape_of(value) != (count,):
        value = taken(value, np.arange(count) % max(1, shape_of(value)[0]), 0)
    value = convert_element_type(value, dtype=aval.dtype)
    return reshape(scatter(flat(x), value, key=(entry,), unique=True), shape=aval.shape)


def ix_(*args: Any) -> tuple[Array, ...]:
    """`ix_(*args)`: index arrays that take every combination of the given positions.

    >>> [i.shape for i in ix_([0, 2], [1, 3, 4])]
    [(2, 1), (1, 3)]
    """
    if not is_traced(*args):
        return np.ix_(*args)
    out = []
    for d, arg in enumerate(args):
        i = as_operand(arg)
        if len(shape_of(i)) != 1:
            raise ShapeError(message(f"ix_ takes arrays of one axis, got one of shape {shape_of(i)}."))
        if aval_of(i).dtype.kind == "b":
            i = np.flatnonzero(concrete_mask(i))
        out.append(reshape(i, shape=(*[1] * d, shape_of(i)[0], *[1] * (len(args) - d - 1))))
    return tuple(out)


def unravel_index(indices: Any, shape: Any, order: Any = "C") -> tuple[Array, ...]:
    """`unravel_index(indices, shape)`: for each axis of a shape the positions of flat positions.

    >>> unravel_index(np.array([5, 2]), (2, 3))
    (array([1, 0]), array([2, 2]))
    """
    if type(indices) is ndarray or not is_traced(indices):
        return np.unravel_index(indices, shape, order)
    lengths = (int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
    return tuple(unravel_positions(_positions(indices, "unravel_index"), shape=lengths, order=order))


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Array:
    """`ravel_multi_index(multi_index, dims)`: flat positions of positions along each axis of a shape.

    >>> ravel_multi_index((np.array([1, 0]), np.array([2, 2])), (2, 3))
    array([5, 2])
    """
    if not is_traced(multi_index):
        return np.ravel_multi_index(multi_index, dims, mode, order)
    rows = unstack(multi_index, axis=0) if type(multi_index) is Tracer else multi_index
    positions = [_positions(i, "ravel_multi_index") for i in rows]
    common = np.broadcast_shapes(*[shape_of(i) for i in positions])
    positions = [broadcast_to(i, shape=common) for i in positions]
    modes = mode if isinstance(mode, str) else tuple(mode)
    return ravel_positions(*positions, shape=tuple(int(n) for n in dims), mode=modes, order=order)
