"""Functional updates: `x.at[index].set(values)` and its kin give a new array and leave `x` as it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypedDict, Unpack

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, dispatch
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, ImmutableTracerError, ShapeError, message, public
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.index_expressions import Index, parse_index, static_slice
from fgrad.numpy.parts import outside_transforms, strong
from fgrad.primitives.comparison import ge, logical_and, lt, maximum, minimum, select
from fgrad.primitives.elementwise import div, neg
from fgrad.primitives.exponential import pow
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import (
    ARRAY,
    FULL,
    GAP,
    Key,
    broadcast_arrays_shape,
    indexed_shape,
    lead,
    slice_entry,
)
from fgrad.primitives.indexing import gather
from fgrad.primitives.joining import pad
from fgrad.primitives.rounding import remainder
from fgrad.primitives.scattering import scatter, scatter_add, scatter_max, scatter_min, scatter_mul
from fgrad.primitives.shape import broadcast_to, convert_element_type, reshape

__all__ = ["At", "at", "getitem"]


class Options(TypedDict, total=False):
    """What every update takes besides its values; see `Updates`."""

    mode: str | None
    unique_indices: bool
    indices_are_sorted: bool


MODES = ("raise", "promise_in_bounds", "clip", "wrap", "fill", "drop")


def getitem(x: Array, index: Any) -> Array:
    """`x[index]`, as NumPy has it; for a tracer `x`, or an index that holds tracers."""
    aval = aval_of(x)
    shape = aval.shape
    kind = type(index)
    if shape and kind is not tuple:  # short ways for what is common
        rest = (FULL,) * (len(shape) - 1)
        if kind is int and -shape[0] <= index < shape[0]:
            position = index + shape[0] if index < 0 else index
            return dispatch(gather, (x,), {"key": (position, *rest), "unique": True})
        if kind is slice:
            entry = slice_entry(static_slice(index), shape[0])
            return x if entry == FULL else dispatch(gather, (x,), {"key": (entry, *rest), "unique": True})
        if kind is np.ndarray and index.ndim and index.dtype.kind in "iu":
            return dispatch(gather, (x, index), {"key": (ARRAY, *rest), "unique": index.size <= 1})
    parsed = parse_index(shape, index)
    if parsed.key == (FULL,) * len(shape) and not aval.weak_type:
        return x
    return _gathered(strong(x), parsed)


def _gathered(x: Array, index: Index) -> Array:
    if index.shape != shape_of(x):
        x = reshape(x, shape=index.shape)
    return gather(x, *index.arrays, key=index.key, unique=index.unique)


def at(x: Any) -> At:
    """Functional updates of an array, traced or not: `at(x)[index].set(values)` is a new array.

    Args:
        x: an array of any shape and dtype; it is left as it is.

    Returns:
        What takes the index in brackets; the result has the methods `get`, `set`, `add`, `subtract`, `multiply`,
        `divide`, `power`, `min`, `max` and `apply`. Values broadcast to the shape of `x[index]`; they are converted to
        the dtype of `x`, which is refused where it loses more than precision (floats into an array of integers, say).
        Where an index takes a position twice, `set` leaves the last value, and the others combine all of them.

    >>> import numpy as np
    >>> x = np.zeros(3)
    >>> at(x)[[0, 2, 2]].add(1.0)
    array([1., 0., 2.])
    >>> x
    array([0., 0., 0.])
    """
    return At(strong(as_operand(x)) if is_traced(x) else np.asarray(x))


class At:
    """What `x.at` is: takes an index in brackets."""

    __slots__ = ("_x",)

    def __init__(self, x: Array) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Updates:
        return Updates(self._x, index)

    @public
    def __setitem__(self, index: Any, value: Any) -> None:
        what = "x.at[index] = value writes nowhere: .at makes a new array."
        raise ImmutableTracerError(message(what, cure="Write x = x.at[index].set(value)."))

    def __repr__(self) -> str:
        return f"at({self._x!r})"


class Updates:
    """What `x.at[index]` is. Every method gives a new array.

    All take `mode`, which says what happens with an index outside its axis:

    - `None`, "raise" or "promise_in_bounds": an IndexError, as everywhere in NumPy;
    - "clip": the nearest position; "wrap": the position modulo the length of the axis;
    - "drop" or "fill": an update is left out, `get` gives `fill_value`.

    `unique_indices=True` promises that no position is taken twice, which is faster; `indices_are_sorted` has no effect.
    """

    __slots__ = ("_index", "_x")

    def __init__(self, x: Array, index: Any) -> None:
        self._x = x
        self._index = index

    def __repr__(self) -> str:
        return f"at({self._x!r})[{self._index!r}]"

    @public
    def get(
        self,
        *,
        mode: str | None = None,
        fill_value: Any = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """`x[index]`; where `mode` is "fill", `fill_value` for what lies outside.

        By default that is NaN, the lowest integer, the highest unsigned one, or true.
        """
        index = self._parsed(mode, unique_indices)
        if mode not in ("fill", "drop"):
            return self._run(lambda x: _gathered(x, _bounded(index, mode)), fill_value)
        return self._run(lambda x: _filled(x, index, fill_value), fill_value)

    @public
    def set(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` with `x[index] = values`; where a position comes twice, the last value (in C order) stays."""
        return self._scattered("set", scatter, values, options)

    @public
    def add(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` with `values` added at the index; where a position comes twice, all of its values are."""
        return self._scattered("add", scatter_add, values, options)

    @public
    def subtract(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` with `values` subtracted at the index; where a position comes twice, all of its values are."""

        def subtracted(x: Array, v: Array, *arrays: Array, **params: Any) -> Array:
            return scatter_add(x, neg(v), *arrays, **params)

        return self._scattered("subtract", subtracted, values, options)

    @public
    def multiply(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` multiplied by `values` at the index; where a position comes twice, by all of its values."""
        return self._scattered("multiply", scatter_mul, values, options)

    @public
    def divide(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` divided by `values` at the index; where a position comes twice, by all of its values."""
        if aval_of(self._x).dtype.kind not in "fc":
            what = f"the quotients do not fit into an array of dtype {aval_of(self._x).dtype}."
            raise ShapeError(message(what, cure="Convert it first: x.astype(float).at[index].divide(values)."))
        return self._scattered("divide", _combining(div), values, options)

    @public
    def power(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` to the power of `values` at the index; where a position comes twice, of the product of its values."""
        return self._scattered("power", _combining(pow), values, options)

    @public
    def min(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` with the smallest of itself and `values` at the index; those that tie share the derivative evenly."""
        return self._scattered("min", scatter_min, values, options)

    @public
    def max(self, values: Any, **options: Unpack[Options]) -> Array:
        """`x` with the largest of itself and `values` at the index; those that tie share the derivative evenly."""
        return self._scattered("max", scatter_max, values, options)

    @public
    def apply(self, function: Callable[[Array], Array], **options: Unpack[Options]) -> Array:
        """`x` with `function(x[index])` at the index: it is applied once, also to a position that comes twice."""
        _check_options("apply", options)
        part = self.get(mode=options.get("mode"), unique_indices=options.get("unique_indices", False))
        return self.set(function(part), **options)

    def _parsed(self, mode: str | None, unique: bool) -> Index:
        if mode is not None and mode not in MODES:
            raise ArgumentError(message(f"mode={mode!r} is none of {', '.join(map(repr, MODES))}."))
        bounded = mode in (None, "raise", "promise_in_bounds")
        index = parse_index(shape_of(self._x), self._index, bounded=bounded)
        return index._replace(unique=True) if unique else index

    def _run(self, function: Callable[[Array], Array], *others: Any) -> Array:
        """Applies a function to the array: outside of every transform where nothing is traced."""
        with nullcontext() if is_traced(self._x, self._index, *others) else outside_transforms():
            return function(self._x)

    def _scattered(self, name: str, primitive: Any, values: Any, options: Options) -> Array:
        _check_options(name, options)
        if _selects(self._x, self._index, values):
            return self._masked(name, primitive, values)
        mode = options.get("mode")
        index = self._parsed(mode, options.get("unique_indices", False))

        def update(x: Array) -> Array:
            v = _fitted(values, x, index, name)
            if mode in ("fill", "drop"):
                return _dropping(primitive, x, v, index)
            return _scatter(primitive, x, v, _bounded(index, mode))

        return self._run(update, values)

    def _masked(self, name: str, primitive: Any, values: Any) -> Array:
        """The update by a mask: everywhere, and then chosen from."""
        rank = len(shape_of(self._x))
        mask = reshape(self._index, shape=(*self._index.shape, *[1] * (rank - self._index.ndim)))
        # What is not selected must not spoil derivatives: every power of 1 has one.
        x = as_dtype(select(mask, self._x, 1), aval_of(self._x).dtype) if name == "power" else self._x
        return select(mask, Updates(x, ...)._scattered(name, primitive, values, {}), self._x)


def _selects(x: Array, index: Any, values: Any) -> bool:
    """Whether an index is a mask without a value, and the values are the same wherever it holds: then no length is
    needed."""
    if type(index) is not Tracer or index.dtype.kind != "b" or not index.ndim or index.concrete is not None:
        return False
    shape = shape_of(x)
    return shape[: index.ndim] == index.shape and len(shape_of(as_operand(values))) <= len(shape) - index.ndim


def _check_options(name: str, options: Options) -> None:
    for option in options:
        if option not in Options.__annotations__:
            known = ", ".join(Options.__annotations__)
            raise ArgumentError(message(f"x.at[index].{name} takes no argument `{option}`, but {known}."))


def _scatter(primitive: Any, x: Array, v: Array, index: Index) -> Array:
    shape = shape_of(x)
    whole = x if index.shape == shape else reshape(x, shape=index.shape)
    out = primitive(whole, v, *index.arrays, key=index.key, unique=index.unique)
    return out if index.shape == shape else reshape(out, shape=shape)


def _combining(operation: Primitive) -> Callable[..., Array]:
    """Combines an array with the product of all values that fall on a position: (x/a)/b = x/(ab), (xᵃ)ᵇ = xᵃᵇ."""

    def combined(x: Array, v: Array, *arrays: Array, key: Key, unique: bool) -> Array:
        if not unique:
            ones = np.ones(shape_of(x), aval_of(x).dtype)
            v = gather(scatter_mul(ones, v, *arrays, key=key, unique=False), *arrays, key=key, unique=False)
        values = operation(gather(x, *arrays, key=key, unique=unique), v)
        return scatter(x, values, *arrays, key=key, unique=unique)

    return combined


def _fitted(values: Any, x: Array, index: Index, name: str) -> Array:
    """Values in the dtype of the array and the shape of its part at the index."""
    dtype = aval_of(x).dtype
    shape = indexed_shape(index.shape, index.key, [shape_of(a) for a in index.arrays])
    v = _converted(as_operand(values), dtype, name)
    given = shape_of(v)
    try:
        if np.broadcast_shapes(given, shape) != shape:
            while len(given) > len(shape) and given[0] == 1:  # an assignment drops them, as NumPy's does
                given = given[1:]
            np.broadcast_to(np.empty(given), shape)
            v = reshape(v, shape=given)
    except ValueError:
        what = f"x.at[index].{name}: values of shape {shape_of(v)} do not broadcast to the shape {shape} of x[index]."
        cure = "Give one value, or values of the shape of what is replaced."
        raise ShapeError(message(what, cure=cure)) from None
    return v if shape_of(v) == shape else broadcast_to(v, shape=shape)


def _converted(v: Array, dtype: np.dtype[Any], name: str) -> Array:
    aval = aval_of(v)
    if aval.dtype == dtype and not aval.weak_type:
        return v
    fits = np.can_cast(aval.dtype, dtype, "same_kind") or {aval.dtype.kind, dtype.kind} <= set("iu")
    if not fits:
        what = f"x.at[index].{name}: values of dtype {aval.dtype} cannot be put into an array of dtype {dtype}."
        cure = f"Convert the array (x.astype({aval.dtype})), or the values (values.astype({dtype}))."
        raise ShapeError(message(what, cure=cure))
    if type(v) is Tracer:
        return convert_element_type(v, dtype=dtype)
    return np.asarray(v, dtype)


def _axis_lengths(index: Index) -> list[int]:
    """The lengths of the axes that the index arrays take positions of."""
    return [n for e, n in _axes_of(index) if e == ARRAY]


def _wrapped(a: Array, n: int) -> Array:
    """Negative positions counted from the end."""
    return select(lt(a, 0), a + n, a)


def _bounded(index: Index, mode: str | None) -> Index:
    """The index with positions outside taken in, by the modes that do that."""
    if mode not in ("clip", "wrap"):
        return index
    arrays = []
    for a, n in zip(index.arrays, _axis_lengths(index), strict=True):
        a = convert_element_type(a, dtype=np.dtype(np.intp))
        arrays.append(remainder(a, n) if mode == "wrap" else maximum(minimum(_wrapped(a, n), n - 1), 0))
    single = all([shape_of(a) == () for a in arrays])
    return index._replace(arrays=tuple(arrays), unique=single or index.unique)


def _validity(index: Index) -> tuple[list[Array], list[Array]]:
    """Positions that are not negative, and where each lies within its axis."""
    lengths = _axis_lengths(index)
    arrays = [
        _wrapped(convert_element_type(a, dtype=np.dtype(np.intp)), n)
        for a, n in zip(index.arrays, lengths, strict=True)
    ]
    return arrays, [logical_and(ge(a, 0), lt(a, n)) for a, n in zip(arrays, lengths, strict=True)]


def _all_valid(valid: list[Array]) -> Array:
    everything = valid[0]
    for v in valid[1:]:
        everything = logical_and(everything, v)
    return everything


def _filled(x: Array, index: Index, fill_value: Any) -> Array:
    """`x[index]`, and the fill value where the index lies outside."""
    if not index.arrays:
        return _gathered(x, index)
    dtype = aval_of(x).dtype
    fill = _default_fill(dtype) if fill_value is None else _converted(as_operand(fill_value), dtype, "get")
    if 0 in _axis_lengths(index):
        return broadcast_to(fill, shape=indexed_shape(index.shape, index.key, [shape_of(a) for a in index.arrays]))
    arrays, valid = _validity(index)
    inside = [select(v, a, 0) for a, v in zip(arrays, valid, strict=True)]
    out = _gathered(x, index._replace(arrays=tuple(inside), unique=False))
    return select(_beside_values(_all_valid(valid), index, out), out, fill)


def _beside_values(valid: Array, index: Index, v: Array) -> Array:
    """Truth values for the positions of an index, in a shape that broadcasts against the values there."""
    depth = broadcast_arrays_shape([shape_of(a) for a in index.arrays])
    behind = len(shape_of(v)) - lead(index.key) - len(depth)
    return reshape(valid, shape=(*shape_of(valid), *(1,) * behind)) if behind else valid


def _default_fill(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "fc":
        return dtype.type(np.nan)
    if dtype.kind == "b":
        return np.True_
    return dtype.type(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max)


def _dropping(primitive: Any, x: Array, v: Array, index: Index) -> Array:
    """The update without what lies outside: that goes to one more position of an axis, which is cut off again."""
    if not index.arrays:
        return _scatter(primitive, x, v, index)
    if 0 in _axis_lengths(index):
        return x
    shape = shape_of(x)
    axis, n = next((i, m) for i, (e, m) in enumerate(_axes_of(index)) if e == ARRAY)
    arrays, valid = _validity(index)
    inside = [select(v, a, 0) for a, v in zip(arrays, valid, strict=True)]
    everything = _all_valid(valid)
    inside[0] = select(everything, inside[0], n)
    # What is left out is combined too: as a one it has no infinite derivative, and the choice takes its own to be 0.
    v = select(_beside_values(everything, index, v), v, aval_of(x).dtype.type(1))
    widths = tuple((0, int(i == axis)) for i in range(len(index.shape)))
    whole = pad(x if index.shape == shape else reshape(x, shape=index.shape), widths=widths)
    out = primitive(whole, v, *inside, key=index.key, unique=False)
    key = tuple(slice_entry(slice(m), m + (i == axis)) for i, m in enumerate(index.shape))
    out = gather(out, key=key, unique=True)
    return out if index.shape == shape else reshape(out, shape=shape)


def _axes_of(index: Index) -> list[tuple[Any, int]]:
    """The entry and the length of every axis."""
    entries = [e for e in index.key if e is not None and e != GAP]
    return list(zip(entries, index.shape, strict=True))
