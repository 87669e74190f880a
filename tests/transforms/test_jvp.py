"""Forward mode and linearization of flat functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fgrad.core import ZERO, Tracer
from fgrad.core.aval import aval_of
from fgrad.core.interpreter import current
from fgrad.transforms.jvp import Jvp, jvp, linearize, record_linear

X, Y, T = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0]), np.array([1.0, 0.0, -1.0])


def test_values_and_tangents() -> None:
    outs, tangents = jvp(lambda x, y: [x * y, np.sin(x)], [X, Y], [T, ZERO])
    np.testing.assert_array_equal(outs[0], X * Y)
    np.testing.assert_array_equal(tangents[0], T * Y)
    np.testing.assert_array_equal(tangents[1], T * np.cos(X))


def test_arguments_without_a_tangent_are_not_traced() -> None:
    seen: list[Any] = []
    _, tangents = jvp(lambda x, y: [seen.append(type(y)) or x, y * 2.0], [X, Y], [T, ZERO])
    assert seen == [np.ndarray]
    assert tangents[1] is ZERO


def test_zero_tangents_stay_symbolic() -> None:
    _, tangents = jvp(lambda x: [np.floor(x), np.sign(x) * 2.0, x > 1, X * 2.0], [X], [T])
    assert all(t is ZERO for t in tangents)


def test_operations_on_zero_tangents_are_not_pushed() -> None:
    pushed: list[str] = []

    class Watched(Jvp):
        def step(self, primitive: Any, states: Any, params: Any) -> Any:
            if any(t is not ZERO for _, t in states):
                pushed.append(primitive.name)
            return super().step(primitive, states, params)

    interpreter = Watched("jvp")
    with interpreter:
        x = Tracer(interpreter, (X, T))
        np.exp(np.floor(x)) * 2.0 + x
    assert pushed == ["floor", "add"]


def test_control_flow_by_values() -> None:
    outs, tangents = jvp(lambda x: [x * x if x > 1 else x], [np.float64(2)], [np.float64(1)])
    assert (outs, tangents) == ([4.0], [4.0])


def test_linearization_computes_values_at_once_and_records_the_rest() -> None:
    outs, program = linearize(lambda x, y: [np.sin(x) * y, np.exp(y)], [X, Y])
    np.testing.assert_array_equal(outs[0], np.sin(X) * Y)
    assert {eqn.primitive.name for eqn in program.eqns} <= {"mul", "add"}
    tangents = program.apply([T, T])
    np.testing.assert_allclose(tangents[0], np.cos(X) * Y * T + np.sin(X) * T)
    np.testing.assert_allclose(tangents[1], np.exp(Y) * T)


def test_only_marked_arguments_have_tangents() -> None:
    _, program = linearize(lambda x, y: [x * y, y * 2.0], [X, Y], [True, False])
    assert len(program.invars) == 1
    assert program.outs[1] is ZERO
    np.testing.assert_array_equal(program.apply([T])[0], T * Y)


def test_outputs_that_do_not_vary() -> None:
    _, program = linearize(lambda x: [X * 2.0, np.floor(x), x > 0, x], [X])
    assert program.outs[:3] == [ZERO, ZERO, ZERO]
    assert program.outs[3] is program.invars[0]


def test_linearizing_inside_another_transform_leaves_values_to_it() -> None:
    outs, tangents = jvp(lambda x: [linearize(lambda y: [y * x], [X])[1].apply([T])[0]], [Y], [X])
    np.testing.assert_array_equal(outs[0], T * Y)
    np.testing.assert_array_equal(tangents[0], T * X)


def test_recording_a_linear_function() -> None:
    program = record_linear(lambda x: [x * 2.0 + x[::-1], X], [aval_of(X)], None)
    np.testing.assert_array_equal(program.apply([T])[0], 2 * T + T[::-1])
    assert program.outs[1] is ZERO


@pytest.mark.parametrize("run", [lambda f: jvp(f, [X], [T]), lambda f: linearize(f, [X])])
def test_no_interpreter_is_left_open(run: Any) -> None:
    run(lambda x: [x * 2.0])
    assert current.get() is None
    with pytest.raises(ZeroDivisionError):
        run(lambda x: [x * (1 / 0)])
    assert current.get() is None
