"""Transposition of linear programs."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import fgrad
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


def test_parts_of_an_array_are_added_up_in_place() -> None:
    """A loop over the elements of an array takes linear time: no part is placed in zeros of its own but the first."""

    def f(x: Any) -> Any:
        total = x[0] * x[1:3].sum()
        for k in range(4):
            total = total + x[k] * x[-1] ** 2
        return total + (x[np.array([1, 1, 3])] * x[:3]).sum()

    x = np.array([1.0, -2.0, 0.5, 3.0])
    closed = fgrad.make_jaxpr(fgrad.grad(f))(x)
    names = [eqn.primitive.name for eqn in closed.eqns]
    assert names.count("place") == 1
    assert names.count("scatter_add") == 11
    expected = [
        (f(x + 1e-6 * e) - f(x - 1e-6 * e)) / 2e-6 for e in np.eye(4)
    ]  # fmt: skip
    np.testing.assert_allclose(fgrad.grad(f)(x), expected, rtol=1e-7)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(x), expected, rtol=1e-7)
    np.testing.assert_allclose(closed(x)[0], expected, rtol=1e-7)
    hessian = fgrad.hessian(f)(x)
    np.testing.assert_allclose(hessian, fgrad.jit(fgrad.jacfwd(fgrad.grad(f)))(x))
    np.testing.assert_allclose(hessian, hessian.T)


def test_what_is_added_up_in_place_is_nobody_elses() -> None:
    """The cotangent that comes in, and one that goes to two values, are left as they are."""

    def f(x: Any) -> Any:
        y = x * 1.0
        z = y + 0.0
        return y + z, z[1], y[1:], y[1]

    x = np.arange(3.0)
    _, pullback = fgrad.vjp(f, x)
    cts = (np.ones(3), np.float64(1.0), np.ones(2), np.float64(1.0))
    for _ in range(2):
        (ct,) = pullback(cts)
        np.testing.assert_array_equal(ct, [2.0, 5.0, 3.0])
    np.testing.assert_array_equal(cts[0], np.ones(3))
    np.testing.assert_array_equal(cts[2], np.ones(2))
