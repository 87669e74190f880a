"""Arguments of distributions: which parameters there are, what values they take, and of which dtype all are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.primitives.families import shape_of

__all__ = [
    "ANY",
    "COUNT",
    "INSIDE_UNIT",
    "NOT_NEGATIVE",
    "POSITIVE",
    "POSITIVE_PROBABILITY",
    "PROBABILITY",
    "Domain",
    "arguments",
    "both",
    "everywhere",
    "nowhere",
    "numbers",
    "parameters",
    "real_dtype",
    "scalar",
]


class Domain(NamedTuple):
    """The values that a parameter may have.

    Attributes:
        holds: whether a value is one of them, element by element.
        stand_in: one of them, which is computed with where the parameter has another: the result is NaN there.
    """

    holds: Callable[[Array], Array]
    stand_in: float


POSITIVE = Domain(lambda v: v > 0, 1.0)
NOT_NEGATIVE = Domain(lambda v: v >= 0, 1.0)
PROBABILITY = Domain(lambda v: fnp.logical_and(v >= 0, v <= 1), 0.5)
POSITIVE_PROBABILITY = Domain(lambda v: fnp.logical_and(v > 0, v <= 1), 0.5)
INSIDE_UNIT = Domain(lambda v: fnp.logical_and(v > 0, v < 1), 0.5)
COUNT = Domain(lambda v: fnp.logical_and(v >= 0, fnp.floor(v) == v), 1.0)
ANY = Domain(lambda v: v == v, 0.0)


def parameters(**domains: Domain) -> Mapping[str, Domain]:
    """The shapes of a family of distributions, in the order of its functions' arguments."""
    return MappingProxyType(domains)


def arguments(
    place: str, names: Sequence[str], defaults: Mapping[str, float], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    """The arguments of a call in the order of the names.

    Raises:
        ArgumentError: one is missing, comes twice, or is unknown.
    """
    cure = f"Its parameters are {', '.join(names)}."
    if len(args) > len(names):
        raise ArgumentError(message(f"{place} takes {len(names)} arguments at most, got {len(args)}.", cure=cure))
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            raise ArgumentError(message(f"{place} has no parameter `{name}`.", cure=cure))
        if name in given:
            raise ArgumentError(message(f"{place} got `{name}` twice, by its place and by its name.", cure=cure))
        given[name] = value
    missing = [name for name in names if name not in given and name not in defaults]
    if missing:
        raise ArgumentError(message(f"{place} needs the argument `{missing[0]}`.", cure=cure))
    return [given.get(name, defaults.get(name)) for name in names]


def numbers(place: str, names: Sequence[str], values: Sequence[Any]) -> list[Array]:
    """Real numbers of one floating-point dtype: that of the arrays among them, float64 for integers.

    Raises:
        ShapeError: a value is not real, or the shapes do not broadcast.
    """
    given = [as_operand(v) for v in values]
    dtype = real_dtype(place, names, given)
    shapes = [shape_of(v) for v in given]
    if len(set(shapes)) > 1:
        _check_shapes(place, names, shapes)
    return [as_dtype(v, dtype) if is_traced(v) or np.ndim(v) else dtype.type(v) for v in given]


def real_dtype(place: str, names: Sequence[str], values: Sequence[Any]) -> np.dtype[Any]:
    """The floating-point dtype that real numbers promote to; Python's own give way to that of arrays.

    Raises:
        ShapeError: one is not real.
    """
    avals = [aval_of(as_operand(v)) for v in values]
    for name, aval in zip(names, avals, strict=False):
        if aval.dtype.kind not in "biuf":
            raise ShapeError(message(f"{place} takes real numbers; `{name}` is {aval}."))
    dtype = np.result_type(*[aval.key(0) if isinstance(aval.key, type) else aval.key for aval in avals])
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _check_shapes(place: str, names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> None:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        told = ", ".join(f"`{name}` of shape {shape}" for name, shape in zip(names, shapes, strict=True) if shape)
        raise ShapeError(message(f"{place}: the shapes do not broadcast: {told}.")) from None


def everywhere(condition: Any) -> bool:
    """Whether a condition is known to hold for all elements; not, where it is traced."""
    return not is_traced(condition) and bool(np.all(condition))


def nowhere(condition: Any) -> bool:
    """Whether a condition is known to hold for no element; not, where it is traced."""
    return not is_traced(condition) and not np.any(condition)


def both(one: Any, other: Any) -> Any:
    """Where two conditions hold; `None` holds everywhere."""
    if one is None or other is None:
        return one if other is None else other
    return fnp.logical_and(one, other)


def scalar(out: Array) -> Array:
    """A result without axes as a NumPy scalar, as functions of NumPy have it."""
    return out[()] if isinstance(out, np.ndarray) and not out.ndim else out
