"""Transposition of linear programs."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from fgrad.core import ZERO
from fgrad.core.aval import aval_of
from fgrad.transforms.jvp import linearize, record_linear
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose, transpose_eqns

X, CT = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0])


def transposed(f: Any, *xs: Any) -> Any:
    program = record_linear(f, [aval_of(x) for x in xs], None)
    return lambda *cts: transpose(program, cts)


def test_a_value_used_several_times_accumulates() -> None:
    (ct,) = transposed(lambda x: [x * 2.0 + x + x[::-1]], X)(CT)
    np.testing.assert_array_equal(ct, 3 * CT + CT[::-1])


def test_an_argument_that_is_returned_several_times() -> None:
    (ct,) = transposed(lambda x: [x, x, x * 2.0], X)(CT, CT, CT)
    np.testing.assert_array_equal(ct, 4 * CT)


def test_an_argument_that_is_not_used() -> None:
    x, y = transposed(lambda x, y: [x * 2.0], X, X)(CT)
    np.testing.assert_array_equal(x, 2 * CT)
    assert y is ZERO


def test_zero_cotangents_cost_nothing() -> None:
    program = record_linear(lambda x: [x * 2.0, np.sin(X) * x], [aval_of(X)], None)
    assert transpose(program, [ZERO, ZERO]) == [ZERO]
    np.testing.assert_array_equal(transpose(program, [CT, ZERO])[0], 2 * CT)


def test_transposing_twice() -> None:
    def f(x: Any) -> Any:
        return [np.cumsum(x * X)]

    once = transposed(f, X)
    twice = transposed(lambda ct: [once(ct)[0]], X)
    np.testing.assert_allclose(twice(CT)[0], f(CT)[0])


def test_consuming_frees_residuals_on_the_way() -> None:
    class Residual(np.ndarray):
        """An array that can be watched."""

    _, program = linearize(lambda x: [np.sin(x * np.cos(X).view(Residual))], [X])
    watched = [
        weakref.ref(a.value)
        for eqn in program.eqns
        for a in eqn.invars
        if isinstance(getattr(a, "value", None), Residual)
    ]
    assert watched
    transpose(program, [CT], consume=True)
    assert program.eqns == []
    assert all(ref() is None for ref in watched)


def test_a_pending_program_can_be_transposed_again() -> None:
    _, program = linearize(lambda x: [np.sin(x) * x], [X])
    np.testing.assert_array_equal(transpose(program, [CT])[0], transpose(program, [CT])[0])


def test_programs_with_known_arguments() -> None:
    closed = trace(lambda a, t: [np.sin(a) * t, a * 2.0], [aval_of(X), aval_of(X)])
    known, linear = transpose_eqns(closed, {0: X}, [CT, ZERO])
    assert known is None
    np.testing.assert_allclose(linear, np.sin(X) * CT)


def test_a_function_that_is_not_linear_is_refused() -> None:
    program = record_linear(lambda x: [np.sin(x)], [aval_of(X)], None)
    with pytest.raises(NotImplementedError, match="`sin` declares no `transpose`"):
        transpose(program, [CT])
