"""The representation: evaluating, calling and pickling programs, and closing what was recorded."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core import (
    ClosedJaxpr,
    Equation,
    Jaxpr,
    Literal,
    ShapedArray,
    Tracer,
    Var,
    check_jaxpr,
    eval_jaxpr,
    jaxpr_as_fun,
)
from fgrad.core.jaxpr import inline_literals
from fgrad.primitives.elementwise import add, mul, neg
from fgrad.primitives.trigonometric import sin

F64 = ShapedArray((3,), np.dtype(np.float64))
X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0])
CONSTANT = np.array([10.0, 20.0, 30.0])


def program(x: Any, y: Any) -> Any:
    return np.sin(x) * y + CONSTANT, -x


CLOSED: ClosedJaxpr = fgrad.make_jaxpr(program)(X, Y)


def test_evaluation() -> None:
    outs = eval_jaxpr(CLOSED.jaxpr, CLOSED.consts, X, Y)
    for got, expected in zip(outs, program(X, Y), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(jaxpr_as_fun(CLOSED)(X, Y)[0], outs[0])


def test_evaluation_of_tracers() -> None:
    def f(x: Any) -> Any:
        return np.sum(eval_jaxpr(CLOSED.jaxpr, CLOSED.consts, x, Y)[0])

    np.testing.assert_allclose(fgrad.grad(f)(X), np.cos(X) * Y)
    np.testing.assert_allclose(fgrad.jit(f)(X), f(X))


def test_evaluation_needs_all_arguments() -> None:
    with pytest.raises(ValueError, match="zip"):
        eval_jaxpr(CLOSED.jaxpr, CLOSED.consts, X)


def test_types() -> None:
    assert CLOSED.in_avals == [F64, F64]
    assert CLOSED.out_avals == [F64, F64]
    assert [eqn.primitive.name for eqn in CLOSED.eqns] == ["sin", "mul", "add", "neg"]


def test_constants_are_held_by_reference_and_once() -> None:
    assert CLOSED.consts[0] is CONSTANT
    twice: ClosedJaxpr = fgrad.make_jaxpr(lambda x: (x + CONSTANT) * CONSTANT)(X)
    assert len(twice.consts) == 1


def test_pickles() -> None:
    again = pickle.loads(pickle.dumps(CLOSED))
    check_jaxpr(again)
    assert str(again) == str(CLOSED)
    assert [eqn.primitive for eqn in again.eqns] == [eqn.primitive for eqn in CLOSED.eqns]
    np.testing.assert_array_equal(jaxpr_as_fun(again)(X, Y)[0], program(X, Y)[0])


def test_pickles_of_nested_programs() -> None:
    closed = fgrad.make_jaxpr(fgrad.grad(lambda x: np.sum(fgrad.jit(np.sin)(x) * fgrad.checkpoint(np.cos)(x))))(X)
    again = pickle.loads(pickle.dumps(closed))
    check_jaxpr(again)
    assert str(again) == str(closed)
    np.testing.assert_allclose(jaxpr_as_fun(again)(X)[0], np.cos(2 * X))


def test_pickled_programs_remember_the_lines() -> None:
    again = pickle.loads(pickle.dumps(CLOSED))
    assert [str(eqn.source) for eqn in again.eqns] == [str(eqn.source) for eqn in CLOSED.eqns]


def test_equations_remember_the_line() -> None:
    for eqn in CLOSED.eqns:
        assert eqn.source is not None
        assert eqn.source.filename == __file__
        assert eqn.source.function == "program"
    assert CLOSED.eqns[0].source.line == program.__code__.co_firstlineno + 1


def test_last_uses() -> None:
    x, y, z, unused, out = (Var(F64) for _ in range(5))
    eqns = [
        Equation(sin, [x], [y], {}, None),
        Equation(neg, [y], [unused], {}, None),
        Equation(mul, [y, Literal(2.0)], [z], {}, None),
        Equation(add, [z, z], [out], {}, None),
    ]
    jaxpr = Jaxpr([], [x], [out, x], eqns)
    assert [set(dying) for dying in jaxpr.last_uses] == [set(), {unused}, {y}, {z}]


def test_values_are_dropped_after_their_last_use() -> None:
    alive: list[int] = []
    sizes: list[Any] = []

    class Watched(np.ndarray):
        def __array_finalize__(self, obj: Any) -> None:
            alive.append(id(self))

        def __del__(self) -> None:
            alive.remove(id(self))
            sizes.append(len(alive))

    closed = fgrad.make_jaxpr(lambda x: np.sin(np.sin(np.sin(np.sin(x)))))(X)
    interpreted = eval_jaxpr(closed.jaxpr, closed.consts, X.view(Watched))
    assert len(interpreted) == 1
    assert max(sizes, default=0) <= 4


def test_closing_a_recorded_program() -> None:
    x, out = Var(F64), Var(F64)
    value = np.ones(3)
    eqn = Equation(add, [x, Literal(value)], [out], {}, None)
    closed = inline_literals([x], [out, Literal(value), Literal(1.5)], [eqn])
    check_jaxpr(closed)
    assert closed.consts == [value]
    assert closed.jaxpr.eqns[0].invars[1] is closed.jaxpr.constvars[0]
    assert closed.jaxpr.outvars[1] is closed.jaxpr.constvars[0]
    assert type(closed.jaxpr.outvars[2]) is Literal
    assert eqn.invars[1].value is value  # what was recorded stays as it was


def test_tracers_of_outer_transforms_become_constants() -> None:
    seen: list[ClosedJaxpr] = []

    def f(x: Any) -> Any:
        seen.append(fgrad.make_jaxpr(lambda y: x * y)(2.0))
        return x

    fgrad.grad(f)(3.0)
    assert type(seen[0].consts[0]) is Tracer


def test_programs_are_callable() -> None:
    closed = fgrad.make_jaxpr(lambda x: x * 2.0)(X)
    np.testing.assert_array_equal(closed(X)[0], X * 2)
