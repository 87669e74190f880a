"""Hyperparameters: numbers, or schedules that give a number for every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import ArgumentError, message

__all__ = ["FIRST_STEP", "Hyper", "Schedule", "check_hyper", "first", "following", "plain"]

Schedule: TypeAlias = Callable[[Array], Array]
"""A function of the number of updates done before: `step -> value`."""

Hyper: TypeAlias = float | Array | Schedule

FIRST_STEP = np.int64(0)

H = TypeVar("H", bound=tuple[Any, ...])


def check_hyper(optimizer: str, hyper: Any) -> None:
    """Refuses hyperparameters that are neither real numbers nor functions; those that default to None may be None.

    What is called `scale_by_…` is an optimizer without a learning rate.
    """
    piece = optimizer.startswith("scale_by_")
    for name, value in hyper._asdict().items():
        if callable(value) or isinstance(value, (int, float)):
            continue
        optional = name in hyper._field_defaults or (name == "learning_rate" and len(hyper) > 1 and piece)
        if value is None and optional:
            continue
        if hasattr(value, "dtype") and fnp.ndim(value) == 0 and value.dtype.kind in "iuf":
            continue
        got = f"{value!r:.60} of type {type(value).__name__}"
        what = f"{optimizer}: {name} must be a real number or a schedule, got {got}."
        raise ArgumentError(message(what, cure="A schedule is a function of the step: step -> number."))


def first(given: H) -> H:
    """The hyperparameters of the first update."""
    return type(given)(*[_scalar(value(FIRST_STEP)) if callable(value) else plain(value) for value in given])


def following(old: H, given: H, step: Array) -> H:
    """The hyperparameters of a later update: those of the state, except where a schedule gives new ones."""
    values = [_scalar(value(step)) if callable(value) else kept for value, kept in zip(given, old, strict=True)]
    return type(old)(*values)


def plain(value: Hyper | None) -> Any:
    """A number as a Python float, which takes the dtype of what it meets.

    It is also what a user sets later on, and so the types of a state stay the same.
    """
    return float(value) if isinstance(value, (int, np.ndarray, np.generic)) else value


def _scalar(value: Array) -> Array:
    """A 0-d array as the NumPy scalar that compiled code returns."""
    return value[()] if isinstance(value, np.ndarray) else value
