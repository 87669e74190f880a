"""What functions that take arrays apart share."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, current, origin
from fgrad.errors import ConcretizationTypeError, ShapeError, message
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.shape import convert_element_type, reshape

__all__ = ["flat", "operand", "outside_transforms", "part", "rank_of", "static_shape", "strong", "taken", "value_of"]


@contextmanager
def outside_transforms() -> Iterator[None]:
    """Runs primitives by NumPy, also where a function is being traced: for arguments that are all concrete."""
    token = current.set(None)
    try:
        yield
    finally:
        current.reset(token)


def strong(x: Array) -> Array:
    """An array of the dtype of a weakly typed number; anything else as it is."""
    aval = aval_of(x)
    return convert_element_type(x, dtype=aval.dtype) if aval.weak_type else x


def operand(a: Any) -> Array:
    """An argument as an array or a tracer that is not weakly typed."""
    return strong(as_operand(a))


def static_shape(shape: Any) -> tuple[int, ...]:
    """A shape given as a number or a sequence of numbers.

    Raises:
        ConcretizationTypeError: a length is traced and has no value.
    """
    single = isinstance(shape, int) or getattr(shape, "ndim", 1) == 0
    return tuple([_length(n) for n in ((shape,) if single else shape)])


def _length(n: Any) -> int:
    if type(n) is Tracer and n.concrete is None:
        what = f"a shape needs values for its lengths, got a traced {n.aval} without one, in "
        cure = "Take lengths from x.shape, or mark the argument static (jit's static_argnums)."
        raise ConcretizationTypeError(message(f"{what}{n.interpreter.describe()}.{origin(n)}", cure=cure))
    return operator.index(n)


def flat(x: Array) -> Array:
    """The elements in a row."""
    shape = shape_of(x)
    return x if len(shape) == 1 else reshape(x, shape=(math.prod(shape),))


def part(x: Array, axis: int, s: slice) -> Array:
    """`x[s]` along one axis."""
    shape = shape_of(x)
    key = (*[FULL] * axis, slice_entry(s, shape[axis]), *[FULL] * (len(shape) - axis - 1))
    return gather(x, key=key, unique=True)


def taken(x: Array, positions: Array, axis: int, unique: bool = False) -> Array:
    """`x[positions]` along one axis, for an index array; `unique` says that none comes twice."""
    key = (*[FULL] * axis, ARRAY, *[FULL] * (len(shape_of(x)) - axis - 1))
    return gather(x, positions, key=key, unique=unique)


def rank_of(x: Array, least: int, name: str) -> int:
    """How many axes an array has.

    Raises:
        ShapeError: fewer than a function of a given name needs.
    """
    shape = shape_of(x)
    if len(shape) < least:
        raise ShapeError(message(f"{name} takes an array of at least {least} axes, got one of shape {shape}."))
    return len(shape)


def value_of(x: Any, name: str, cure: str) -> Any:
    """The value of what decides a shape.

    Raises:
        ConcretizationTypeError: it is traced and has none.
    """
    x = as_operand(x)
    if type(x) is not Tracer:
        return x
    value = x.concrete
    if value is None:
        what = f"the shape of the result of {name} depends on a traced {x.aval}, which has no value in "
        raise ConcretizationTypeError(message(f"{what}{x.interpreter.describe()}.", cure=cure))
    return value
