"""Recording: every operation in the extent of a closed stage becomes an equation, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fgrad.core import ShapedArray, Tracer, Var
from fgrad.core.interpreter import current
from fgrad.errors import UnexpectedTracerError
from fgrad.primitives.elementwise import add
from fgrad.transforms.stage import Stage, trace

F64 = ShapedArray((3,), np.dtype(np.float64))
WEAK = ShapedArray((), np.dtype(np.float64), True)
X = np.array([1.0, 2.0, 3.0])


def names(closed: Any) -> list[str]:
    return [eqn.primitive.name for eqn in closed.eqns]


def test_operations_are_recorded_in_order() -> None:
    closed = trace(lambda x, y: [np.sin(x) * y, -x], [F64, F64])
    assert names(closed) == ["sin", "mul", "neg"]
    np.testing.assert_array_equal(closed(X, X)[0], np.sin(X) * X)


def test_a_closed_stage_records_operations_on_constants_too() -> None:
    assert names(trace(lambda x: [add(1.0, 2.0)], [F64])) == ["add"]


def test_an_open_stage_records_what_depends_on_its_inputs() -> None:
    stage = Stage("test", closed=False)
    t = stage.input(F64)
    with stage:
        y = np.sin(X)
        out = t * y
        assert add(1.0, 2.0) == 3.0
    assert type(y) is np.ndarray
    assert type(out) is Tracer
    assert [eqn.primitive.name for eqn in stage.eqns] == ["mul"]


def test_python_is_run_once_per_trace() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        for _ in range(3):
            x = x + 1.0
        return [x]

    assert names(trace(f, [F64])) == ["add"] * 3
    assert calls == [1]


def test_outputs_may_be_arguments_constants_and_numbers() -> None:
    closed = trace(lambda x: [x, X, 2.0, x], [F64])
    assert names(closed) == []
    assert closed.jaxpr.outvars[0] is closed.jaxpr.outvars[3] is closed.jaxpr.invars[0]
    outs = closed(X)
    assert outs[1] is X
    assert outs[2] == 2.0


def test_weak_types_follow_python() -> None:
    closed = trace(lambda x, n: [n * 2.0, n * x], [F64, WEAK])
    assert closed.out_avals[0].weak_type
    assert not closed.out_avals[1].weak_type
    narrow = ShapedArray((3,), np.dtype(np.float32))
    assert trace(lambda x, n: [n * x], [narrow, WEAK]).out_avals[0].dtype == np.float32


def test_tracers_of_outer_stages_become_constants() -> None:
    inner: list[Any] = []

    def f(x: Any) -> Any:
        inner.append(trace(lambda y: [x * y + x], [F64]))
        return [x]

    trace(f, [F64])
    assert names(inner[0]) == ["mul", "add"]
    assert len(inner[0].consts) == 1
    assert type(inner[0].consts[0]) is Tracer


def test_a_leaked_tracer_names_the_function_and_the_line() -> None:
    leaked: list[Any] = []

    def leaky(x: Any) -> Any:
        leaked.append(np.sin(x))
        return [x]

    trace(leaky, [F64], "jit", leaky)
    with pytest.raises(UnexpectedTracerError) as caught:
        leaked[0] + 1.0
    text = str(caught.value)
    assert "jit of `leaky`" in text
    assert f"test_stage.py:{leaky.__code__.co_firstlineno + 1}" in text
    with pytest.raises(UnexpectedTracerError, match="leaky"):
        trace(lambda x: [x + leaked[0]], [F64])
    assert current.get() is None


def test_the_line_that_computed_a_variable() -> None:
    stage = Stage("test", closed=True)
    x = stage.input(F64)
    with stage:
        y = np.sin(x)
    assert stage.source_of(y.state).line == test_the_line_that_computed_a_variable.__code__.co_firstlineno + 4
    assert stage.source_of(x.state) is None
    assert type(x.state) is Var
