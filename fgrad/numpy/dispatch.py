"""Telling traced arguments from concrete ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.core.aval import Array
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message

__all__ = ["as_operand", "check_device", "is_traced", "refuse", "set_stack"]

_stack: list[Callable[..., Array]] = []


def is_traced(*args: Any) -> bool:
    """Whether any argument is a tracer, or a list or tuple that holds one at any depth."""
    for x in args:
        kind = type(x)
        if kind is ndarray:
            continue
        if kind is Tracer or ((kind is list or kind is tuple) and is_traced(*x)):
            return True
    return False


def as_operand(x: Any) -> Array:
    """An argument as what primitives take: a tracer, an array or a scalar. Nested lists become one array."""
    if type(x) is Tracer or isinstance(x, (np.ndarray, np.generic, bool, int, float, complex)):
        return x
    if type(x) in (list, tuple) and is_traced(x):
        return _stack[0]([as_operand(item) for item in x])
    return np.asarray(x)


def set_stack(stack: Callable[..., Array]) -> None:
    """Tells what joins the items of a list that holds tracers (`fgrad.numpy.stack`)."""
    _stack[:] = [stack]


def check_device(device: Any) -> None:
    """Refuses a device that is not there, with NumPy's class of error."""
    if device is not None and device != "cpu":
        raise ArgumentError(message(f'`device` must be "cpu" or None, got {device!r}.', cure="Arrays are on the CPU."))


def refuse(function: str, **arguments: Any) -> None:
    """Refuses arguments that mean nothing for a traced array, such as `out=`."""
    for name, value in arguments.items():
        if value is not None and value is not np._NoValue:
            what = f"fgrad.numpy.{function} does not take `{name}` when an argument is traced."
            raise ArgumentError(message(what, cure=f"Leave `{name}` out; traced arrays are immutable values."))
