"""What type checkers see: signatures survive transforms. Nothing here runs; mypy and pyright read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, assert_type

import numpy as np

import fgrad

Vector = np.ndarray[Any, np.dtype[np.float64]]


class Params(NamedTuple):
    weight: Vector
    bias: float


def loss(params: Params, x: Vector, *, scale: float = 1.0) -> np.float64:
    raise AssertionError


def predict(params: Params, x: Vector) -> Vector:
    raise AssertionError


def transformed(params: Params, x: Vector) -> None:
    """Arguments and results keep their types."""
    assert_type(fgrad.jit(predict)(params, x), Vector)
    assert_type(fgrad.vmap(predict)(params, x), Vector)
    assert_type(fgrad.checkpoint(predict)(params, x), Vector)
    assert_type(fgrad.jit(fgrad.vmap(predict))(params, x), Vector)
    assert_type(fgrad.jit(loss)(params, x, scale=2.0), np.float64)
    value, gradient = fgrad.value_and_grad(loss)(params, x, scale=2.0)
    assert_type(value, np.float64)
    assert_type(gradient, Any)
    value, _ = fgrad.jit(fgrad.value_and_grad(loss))(params, x)
    assert_type(value, np.float64)
    assert_type(fgrad.grad(loss)(params, x, scale=3.0), Any)


@fgrad.jit
def decorated(x: Vector, count: int) -> Vector:
    raise AssertionError


@fgrad.jit(static_argnums=1)
def with_options(x: Vector, count: int) -> Vector:
    raise AssertionError


def decorators(x: Vector) -> None:
    """Decorated functions keep their signatures, and have the methods of compiled ones."""
    assert_type(decorated(x, 3), Vector)
    assert_type(with_options(x, 3), Vector)
    assert_type(decorated.lower(x, 3).as_text(), str)
    assert_type(decorated.clear_cache(), None)


def mistakes(params: Params, x: Vector) -> None:
    """Calls that are wrong are seen to be so: unused `ignore`s are errors."""
    fgrad.jit(predict)(params)  # type: ignore[call-arg]
    fgrad.vmap(predict)(x, params)  # type: ignore[arg-type]
    fgrad.grad(loss)(params, x, factor=2.0)  # type: ignore[call-arg]
    with_options(x, "three")  # type: ignore[arg-type]


def of_any_function(f: Callable[..., Any]) -> None:
    """Functions without types are taken, too."""
    assert_type(fgrad.grad(f)(1.0), Any)
    assert_type(fgrad.jit(f)(1.0, key="word"), Any)
