"""Tracers, and how an operation finds the interpreter that gives it its meaning."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core import Interpreter, ShapedArray, Tracer, aval_of, interpret
from fgrad.core.interpreter import current, dispatch, replayed
from fgrad.errors import (
    ConcretizationTypeError,
    ImmutableTracerError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
)
from fgrad.primitives.elementwise import add, mul
from fgrad.primitives.joining import split
from fgrad.primitives.trigonometric import sin

X = np.array([1.0, 2.0, 3.0])


class Count(Interpreter[Any]):
    """Computes values, and remembers the operations."""

    def __init__(self, *, closed: bool = False) -> None:
        super().__init__("count", count_operations, closed=closed)
        self.seen: list[str] = []
        self.around: list[Any] = []

    def step(self, primitive: Any, states: Any, params: Any) -> Any:
        self.seen.append(primitive.name)
        self.around.append(current.get())
        return dispatch(primitive, tuple(states), params)

    def lift(self, value: Any) -> Any:
        return value

    def aval(self, state: Any) -> ShapedArray:
        return aval_of(state)

    def value(self, state: Any) -> Any:
        return state


def count_operations() -> None:
    """What the interpreter above names as the user's function."""


def test_operations_on_owned_values_go_to_the_owner() -> None:
    with Count() as outer:
        x = Tracer(outer, X)
        with Count() as inner:
            y = Tracer(inner, X)
            np.sin(x)
            np.cos(y)
            x * y
            np.sin(X)
    assert outer.seen == ["sin", "mul"]  # the product is the inner's, whose step multiplies the outer's value
    assert inner.seen == ["cos", "mul"]


def test_a_closed_interpreter_takes_everything() -> None:
    with Count() as outer, Count(closed=True) as inner:
        x = Tracer(outer, X)
        sin(x)
        add(1.0, 2.0)
    assert inner.seen == ["sin", "add"]
    assert outer.seen == ["sin"]


def test_during_a_step_the_parent_is_current() -> None:
    with Count() as outer, Count() as inner:
        np.sin(Tracer(inner, X))
        assert current.get() is inner
    assert inner.around == [outer]
    assert inner.parent is outer
    assert current.get() is None


def test_an_exception_in_a_step_restores_the_current_interpreter() -> None:
    class Broken(Count):
        def step(self, primitive: Any, states: Any, params: Any) -> Any:
            raise ValueError("broken")

    with Broken() as interpreter:
        with pytest.raises(ValueError, match="broken"):
            np.sin(Tracer(interpreter, X))
        assert current.get() is interpreter
    assert current.get() is None


def test_several_results() -> None:
    with Count() as interpreter:
        parts = split(Tracer(interpreter, X), axis=0, sizes=(1, 2))
    assert [type(y) for y in parts] == [Tracer, Tracer]
    assert [y.shape for y in parts] == [(1,), (2,)]


def test_driving_an_interpreter_by_a_program() -> None:
    closed = fgrad.make_jaxpr(lambda x: np.sin(x) * X)(X)
    interpreter = Count()
    (out,) = interpret(interpreter, closed.jaxpr, closed.consts, [X])
    np.testing.assert_array_equal(out, np.sin(X) * X)
    assert interpreter.seen == ["sin", "mul"]
    assert replayed.get() is None


def test_leaks_are_refused() -> None:
    with Count() as interpreter:
        x = Tracer(interpreter, X)
    with pytest.raises(UnexpectedTracerError, match=r"count of `count_operations`.*test_interpreter.py"):
        x * 2.0
    with Count(), pytest.raises(UnexpectedTracerError, match="leaked"):
        x * 2.0
    with Count() as other, pytest.raises(UnexpectedTracerError, match="leaked"):
        mul(x, Tracer(other, X))


def test_a_tracer_of_an_inner_level_cannot_be_used_by_an_outer_one() -> None:
    with Count() as outer:
        x = Tracer(outer, X)
        with Count() as inner:
            y = Tracer(inner, X)
        with pytest.raises(UnexpectedTracerError, match="leaked"):
            x * y


def traced(x: Any, transform: Any = fgrad.jit) -> Any:
    """The tracer that a transform hands to a function."""
    seen: list[Any] = []
    transform(lambda x: (seen.append(x), x)[1])(x)
    return seen[0]


def test_attributes() -> None:
    x = traced(np.ones((2, 3), np.float32))
    assert (x.shape, x.dtype, x.ndim, x.size, len(x)) == ((2, 3), np.float32, 2, 6, 2)
    assert x.concrete is None
    assert repr(x) == "Tracer<f32[2,3], jit>"
    assert hash(type(x))
    with pytest.raises(TypeError, match="cannot be hashed"):
        hash(x)
    with pytest.raises(TypeError, match="has no length"):
        len(traced(1.0))


def test_weak_types() -> None:
    assert traced(1.0).weak_type
    assert not traced(np.float64(1.0)).weak_type


def test_concrete_values_show() -> None:
    shown: list[str] = []

    def f(x: Any) -> Any:
        shown.extend([repr(x), str(x), f"{x:.2f}"])
        return x * 2.0

    fgrad.grad(f)(1.5)
    assert shown == ["Tracer<f64[], grad, value=1.5>", "1.5", "1.50"]


@pytest.mark.parametrize(
    ("use", "error", "what"),
    [
        (bool, TracerBoolConversionError, "truth value"),
        (float, ConcretizationTypeError, "Python float"),
        (complex, ConcretizationTypeError, "Python complex"),
        (int, TracerIntegerConversionError, "Python int"),
        (range, TracerIntegerConversionError, "Python integer"),
        (lambda x: [1, 2][x], TracerIntegerConversionError, "Python integer"),
        (lambda x: x.item(), ConcretizationTypeError, "Python scalar"),
        (lambda x: x.tolist(), ConcretizationTypeError, "list"),
        (np.asarray, TracerArrayConversionError, "NumPy array"),
    ],
)
def test_values_where_there_are_none(use: Any, error: type[Exception], what: str) -> None:
    def user_function(x: Any) -> Any:
        return use(x * 2)

    with pytest.raises(error) as caught:
        fgrad.jit(user_function)(1)
    text = str(caught.value)
    assert what in text
    assert "jit of `user_function`" in text
    assert "test_interpreter.py" in text


def test_values_where_there_are_some() -> None:
    def f(x: Any) -> Any:
        assert bool(x > 1)
        assert float(x) == 2.0
        assert int(x) == 2
        assert complex(x) == 2
        return x * x

    assert fgrad.grad(f)(2.0) == 4.0
    assert fgrad.grad(fgrad.grad(f))(2.0) == 2.0
    assert fgrad.vmap(lambda x, y: y * f(x), in_axes=(None, 0))(2.0, X).shape == (3,)


def test_assignment_is_refused() -> None:
    def f(x: Any) -> Any:
        x[0] = 1.0
        return x

    with pytest.raises(ImmutableTracerError, match=r"x\.at\[index\]\.set\(value\)"):
        fgrad.jit(f)(X)


def test_copies_and_pickles() -> None:
    x = traced(X)
    assert copy.copy(x) is x
    assert copy.deepcopy(x) is x
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(x)


def test_functions_without_a_name_are_described() -> None:
    class Callable:
        def __call__(self, x: Any) -> Any:
            return bool(x > 0)

    with pytest.raises(TracerBoolConversionError, match="jit of `Callable`"):
        fgrad.jit(Callable())(1.0)
