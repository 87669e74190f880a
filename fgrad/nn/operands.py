"""What the functions of this room take: real floating-point arrays, and whole numbers as such."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import ArgumentError, AxesError, ShapeError, message

__all__ = ["axis_of", "check_shape", "floating", "positive"]


def floating(function: str, name: str, x: Any, *, real: bool = True) -> Array:
    """An array of floating-point numbers; integers and booleans become float64, as NumPy's functions make them.

    Raises:
        ArgumentError: x is complex (where it must be `real`), or holds no numbers.
    """
    x = fnp.asarray(x)
    kind = x.dtype.kind
    if kind == "f" or (kind == "c" and not real):
        return x
    if kind in "biu":
        return fnp.astype(x, np.float64)
    cure = "Pass abs(x), or the real and the imaginary part apart." if kind == "c" else ""
    raise ArgumentError(message(f"{function}: `{name}` must hold real numbers, got dtype {x.dtype}.", cure=cure))


def axis_of(function: str, x: Array, axis: Any, name: str = "x") -> int:
    """An axis counted from the front.

    Raises:
        AxesError: x has no such axis.
    """
    ndim = fnp.ndim(x)
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        what = f"{function}: `axis` must be one of the {ndim} axes of `{name}`, of shape {fnp.shape(x)}; got {axis!r}."
        raise AxesError(message(what))
    return int(axis) % ndim


def check_shape(function: str, name: str, x: Array, shape: tuple[int | None, ...], meaning: str) -> None:
    """Refuses an array of another shape; `None` stands for any length.

    Raises:
        ShapeError: the shape is another one.
    """
    got = fnp.shape(x)
    if len(got) != len(shape) or any(want is not None and n != want for n, want in zip(got, shape, strict=True)):
        raise ShapeError(message(f"{function}: `{name}` must have shape {meaning}, got {got}."))


def positive(function: str, **values: Any) -> None:
    """Refuses what is not a whole number above 0.

    Raises:
        ArgumentError: a value is not.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ArgumentError(message(f"{function}: `{name}` must be a positive integer, got {value!r:.60}."))
