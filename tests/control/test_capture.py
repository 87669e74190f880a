"""Finding the values of outer transforms that a function closes over, and giving them other values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.control.capture import captured_tracers, with_captured
from fgrad.core.interpreter import Tracer

KEPT: list[Any] = []


class Plain:
    def __init__(self, w: Any) -> None:
        self.w = {"w": [w]}

    def method(self) -> Any:
        return self.w


class Slotted:
    __slots__ = ("empty", "w")

    def __init__(self, w: Any) -> None:
        self.w = w


def by_default(w: Any) -> Any:
    def function(x: Any = w) -> Any:
        return x

    return function


def by_keyword_default(w: Any) -> Any:
    def function(*, x: Any = w) -> Any:
        return x

    return function


def by_inner_function(w: Any) -> Any:
    def inner() -> Any:
        return w

    return lambda: inner()  # noqa: PLW0108 (a function in the closure of a function)


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "closure": lambda w: lambda: w,
    "inner function": by_inner_function,
    "default": by_default,
    "default by name": by_keyword_default,
    "partial": lambda w: partial(max, w),
    "partial by name": lambda w: partial(dict, w=w),
    "bound method": lambda w: Plain(w).method,
    "instance": Plain,
    "slots": Slotted,
    "containers": lambda w: {"a": [(w,)], "b": {1, 2}},
    "compiled function": lambda w: fgrad.jit(lambda: w),
    "custom function": lambda w: fgrad.custom_jvp(lambda x: x * w),
    "gradient": lambda w: fgrad.grad(lambda x: x * w),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_found(holder: str) -> None:
    found: list[Any] = []

    def loss(w: Any) -> Any:
        found.append([x is w for x in captured_tracers(HOLDERS[holder](w))])
        return w

    fgrad.grad(loss)(2.0)
    assert found == [[True]]


def test_each_is_found_once_in_order_and_only_what_is_open() -> None:
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            z = x * y
            found = captured_tracers(lambda: (y, x), lambda: (z, y))
            assert {id(t) for t in found} == {id(x), id(y), id(z)}
            assert len(found) == 3
            KEPT.append(y)
            return z

        out = fgrad.grad(inner)(x)
        ended = KEPT.pop()
        assert captured_tracers(lambda: (ended, x)) == [x]
        return out

    assert fgrad.grad(outer)(2.0) == 1.0


def test_globals_are_not_searched_and_nothing_is_found_outside() -> None:
    def loss(w: Any) -> Any:
        KEPT.append(w)
        assert captured_tracers(lambda: KEPT) == []
        return w

    fgrad.grad(loss)(2.0)
    ended = KEPT.pop()
    assert captured_tracers(lambda: ended) == []


def test_other_values_stand_for_what_is_captured() -> None:
    def loss(w: Any) -> Any:
        def function(x: Any) -> list[Any]:
            assert float(w) == 10.0
            inner = fgrad.grad(lambda y: y * w)(x)
            assert fgrad.jit(lambda y: y * w)(x) == 30.0
            return [w * x, w, x, np.sin(x), inner]

        opened = with_captured(captured_tracers(function), function)
        out = opened(10.0, 3.0)
        assert not any(type(y) is Tracer for y in out)
        assert out == [30.0, 10.0, 3.0, np.sin(3.0), 10.0]
        product, value, *_ = opened(5.0 * w, 3.0)
        return product + value

    assert fgrad.value_and_grad(loss)(2.0) == (40.0, 20.0)
