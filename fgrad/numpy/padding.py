"""Padding: arrays made larger at their edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy import reductions
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.parts import part, strong, taken
from fgrad.numpy.quantiles import median
from fgrad.primitives import joining
from fgrad.primitives.families import shape_of
from fgrad.primitives.rounding import floor, rint
from fgrad.primitives.shape import broadcast_to, convert_element_type

__all__ = ["pad"]

Widths = tuple[tuple[int, int], ...]

_OPTIONS: dict[str, dict[str, Any]] = {
    "constant": {"constant_values": 0},
    "edge": {},
    "empty": {},
    "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None},
    "mean": {"stat_length": None},
    "median": {"stat_length": None},
    "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "wrap": {},
}


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """`pad(array, pad_width, mode)`: an array with more elements before and behind it along each axis.

    Args:
        array: an array.
        pad_width: how many: a number, a pair (before, behind), a pair for each axis, or a dict from axes to these.
        mode: "constant" (`constant_values=`, 0 by default), "edge", "linear_ramp" (`end_values=`), "maximum", "mean",
            "median", "minimum" (`stat_length=`), "reflect", "symmetric" (`reflect_type=` "even" or "odd"), "wrap",
            "empty"; for concrete arrays also a function, as NumPy has it.
        **kwargs: what the mode takes. Constants and end values may be traced.

    >>> pad([1, 2], (1, 2), constant_values=9)
    array([9, 1, 2, 9, 9])
    >>> pad([1, 2, 3], 2, "reflect")
    array([3, 2, 1, 2, 3, 2, 1])
    """
    if not is_traced(array, *kwargs.values()):
        return np.pad(array, pad_width, mode, **kwargs)
    if mode not in _OPTIONS:
        known = ", ".join(_OPTIONS)
        raise ArgumentError(message(f"pad: mode={mode!r} is none of those for traced arrays: {known}."))
    for name in kwargs:
        if name not in _OPTIONS[mode]:
            raise ArgumentError(message(f"pad: mode {mode!r} takes no argument `{name}`."))
    x = strong(as_operand(array))
    widths = _pairs(pad_width, len(shape_of(x)), "pad_width")
    if any([n < 0 for pair in widths for n in pair]):
        raise ShapeError(message(f"pad: widths are not negative, got {pad_width}."))
    return _MODES[mode](x, widths, **{**_OPTIONS[mode], **kwargs})


def _pairs(given: Any, ndim: int, name: str) -> tuple[tuple[Any, Any], ...]:
    """A number, a pair, or a pair for each axis, as a pair for each axis."""
    if isinstance(given, dict):
        full = [(0, 0)] * ndim
        for axis, widths in given.items():
            full[axis] = (widths, widths) if np.ndim(widths) == 0 else tuple(widths)
        given = full
    if is_traced(given):
        return _traced_pairs(given, ndim, name)
    try:
        table = np.broadcast_to(np.asarray(given), (ndim, 2))
    except ValueError:
        raise ShapeError(message(f"pad: {name}={given} does not give a pair for each of {ndim} axes.")) from None
    return tuple([(low, high) for low, high in table.tolist()])


def _traced_pairs(given: Any, ndim: int, name: str) -> tuple[tuple[Any, Any], ...]:
    table = as_operand(given)
    try:
        np.broadcast_shapes(shape_of(table), (ndim, 2))
    except ValueError:
        what = f"pad: {name} of shape {shape_of(table)} does not give a pair for each of {ndim} axes."
        raise ShapeError(message(what)) from None
    rows = joining.unstack(broadcast_to(strong(table), shape=(ndim, 2)), axis=0)
    return tuple([tuple(joining.unstack(row, axis=0)) for row in rows])


def _constant(x: Array, widths: Widths, constant_values: Any) -> Array:
    dtype = aval_of(x).dtype
    for axis, ((low, high), (first, last)) in enumerate(
        zip(widths, _pairs(constant_values, len(widths), "constant_values"), strict=True)
    ):
        if not is_traced(first, last) and not first and not last:
            x = joining.pad(x, widths=tuple([(low, high) if i == axis else (0, 0) for i in range(len(widths))]))
        else:
            x = _joined(_filled(x, axis, low, first, dtype), x, _filled(x, axis, high, last, dtype), axis)
    return x


def _filled(x: Array, axis: int, count: int, value: Any, dtype: np.dtype[Any]) -> Array:
    shape = shape_of(x)
    value = convert_element_type(as_operand(value), dtype=dtype)
    return broadcast_to(value, shape=(*shape[:axis], count, *shape[axis + 1 :]))


def _joined(before: Array, x: Array, behind: Array, axis: int) -> Array:
    parts = [p for p in (before, x, behind) if shape_of(p)[axis] or p is x]
    return joining.concatenate(*parts, axis=axis) if len(parts) > 1 else x


def _mapped(mode: str) -> Callable[..., Array]:
    """A mode in which every new element is one of the old: NumPy itself says which, on the positions."""

    def padded(x: Array, widths: Widths) -> Array:
        for axis, pair in enumerate(widths):
            if any(pair):
                positions = np.pad(np.arange(shape_of(x)[axis]), pair, mode)  # type: ignore[call-overload]
                x = taken(x, positions, axis)
        return x

    return padded


def _reflected(mode: str) -> Callable[..., Array]:
    def padded(x: Array, widths: Widths, reflect_type: str) -> Array:
        if reflect_type == "even":
            return _mapped(mode)(x, widths)
        if reflect_type != "odd":
            raise ArgumentError(message(f"pad: reflect_type={reflect_type!r} is neither 'even' nor 'odd'."))
        for axis, pair in enumerate(widths):
            if any(pair):
                x = _odd(x, axis, pair, mode)
        return x

    return padded


def _odd(x: Array, axis: int, pair: tuple[int, int], mode: str) -> Array:
    """The odd reflection: f = σ·x[r] + a·x[0] + b·x[n−1] for every position.

    r and the sign σ come from the even reflection of positions; a and b from what the odd reflection does to constants
    (it keeps them: σ + a + b = 1) and to the positions themselves.
    """
    shape = shape_of(x)
    n = shape[axis]
    if n == 1:
        return _mapped("edge")(x, tuple([pair if i == axis else (0, 0) for i in range(len(shape))]))
    source = np.pad(np.arange(n), pair, mode)  # type: ignore[call-overload]
    line = np.pad(np.arange(float(n)), pair, mode, reflect_type="odd")  # type: ignore[call-overload]
    period = n - 1 if mode == "reflect" else n
    sign = np.where((np.arange(n + sum(pair)) - pair[0]) // period % 2 == 0, 1, -1)
    sign = np.where(source == line, 1, sign)
    last = np.rint((line - sign * source) / (n - 1)).astype(np.int64)
    first = 1 - sign - last

    def weights(w: Any) -> Any:
        column = w.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return column.astype(aval_of(x).dtype)

    ends = (part(x, axis, slice(1)) * weights(first), part(x, axis, slice(n - 1, n)) * weights(last))
    return taken(x, source, axis) * weights(sign) + ends[0] + ends[1]


def _ramp(x: Array, widths: Widths, end_values: Any) -> Array:
    dtype = aval_of(x).dtype
    ends = _pairs(end_values, len(widths), "end_values")
    for axis, ((low, high), (first, last)) in enumerate(zip(widths, ends, strict=True)):
        n = shape_of(x)[axis]
        before = _ramp_from(first, part(x, axis, slice(1)), low, axis, dtype)
        behind = _ramp_from(last, part(x, axis, slice(n - 1, n)), high, axis, dtype)
        if behind is not None:
            behind = part(behind, axis, slice(None, None, -1))
        parts = [p for p in (before, x, behind) if p is not None]
        x = joining.concatenate(*parts, axis=axis) if len(parts) > 1 else x
    return x


def _ramp_from(end: Any, edge: Array, count: int, axis: int, dtype: np.dtype[Any]) -> Array | None:
    """Evenly spaced from an end value up to, but without, the edge."""
    if not count:
        return None
    ndim = len(shape_of(edge))
    steps = (np.arange(count) / count).reshape([-1 if i == axis else 1 for i in range(ndim)])
    if dtype.kind in "iub":
        out = floor(as_operand(end) + (edge - as_operand(end)) * steps)
    else:
        end = convert_element_type(as_operand(end), dtype=dtype)
        out = end + (edge - end) * steps.astype(dtype)
    return out if aval_of(out).dtype == dtype else convert_element_type(out, dtype=dtype)


def _statistic(function: Callable[..., Array]) -> Callable[..., Array]:
    def padded(x: Array, widths: Widths, stat_length: Any) -> Array:
        lengths = _pairs(stat_length, len(widths), "stat_length")
        for axis, ((low, high), (first, last)) in enumerate(zip(widths, lengths, strict=True)):
            n, dtype = shape_of(x)[axis], aval_of(x).dtype
            before = _spread(function, part(x, axis, slice(first)), low, axis, dtype)
            behind = _spread(
                function, part(x, axis, slice(0 if last is None else max(0, n - last), n)), high, axis, dtype
            )
            x = _joined(before, x, behind, axis)
        return x

    return padded


def _spread(function: Any, part: Array, count: int, axis: int, dtype: np.dtype[Any]) -> Array:
    value = function(part, axis=axis, keepdims=True)
    if dtype.kind in "iu" and aval_of(value).dtype.kind == "f":
        value = rint(value)
    shape = shape_of(value)
    value = value if aval_of(value).dtype == dtype else convert_element_type(value, dtype=dtype)
    return broadcast_to(value, shape=(*shape[:axis], count, *shape[axis + 1 :]))


_MODES: dict[str, Callable[..., Array]] = {
    "constant": _constant,
    "edge": _mapped("edge"),
    "empty": lambda x, widths: joining.pad(x, widths=widths),
    "linear_ramp": _ramp,
    "maximum": _statistic(reductions.max),
    "mean": _statistic(reductions.mean),
    "median": _statistic(median),
    "minimum": _statistic(reductions.min),
    "reflect": _reflected("reflect"),
    "symmetric": _reflected("symmetric"),
    "wrap": _mapped("wrap"),
}
