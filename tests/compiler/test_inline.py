"""Inlining of nested compiled functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.compiler.compiled import optimize
from fgrad.compiler.inline import inline
from fgrad.core import ClosedJaxpr, check_jaxpr

X = np.array([1.0, 2.0, 3.0])
CONSTANT = np.array([10.0, 20.0, 30.0])


def inlined(f: Any, *args: Any) -> ClosedJaxpr:
    closed = fgrad.make_jaxpr(f)(*args)
    flat = inline(closed)
    check_jaxpr(flat)
    assert all(eqn.primitive.name != "jit" for eqn in flat.eqns)
    for got, expected in zip(flat(*args), closed(*args), strict=True):
        np.testing.assert_array_equal(got, expected)
    return flat


def names(closed: ClosedJaxpr) -> list[str]:
    return [eqn.primitive.name for eqn in closed.eqns]


def test_a_program_without_calls_is_returned_as_it_is() -> None:
    closed = fgrad.make_jaxpr(np.sin)(X)
    assert inline(closed) is closed


def test_calls_at_every_depth() -> None:
    f = fgrad.jit(lambda x: fgrad.jit(lambda y: fgrad.jit(np.sin)(y) * 2.0)(x) + x)
    assert names(inlined(lambda x: np.exp(f(x)), X)) == ["sin", "mul", "add", "exp"]


def test_a_body_called_twice_gets_variables_of_its_own() -> None:
    f = fgrad.jit(lambda x: np.sin(x) * 2.0)
    assert names(inlined(lambda x: f(f(x)) + f(x), X)).count("sin") == 3


@pytest.mark.parametrize(
    "body",
    [
        lambda x: x,
        lambda x: (x, x),
        lambda x: (2.0, x * 3.0),
        lambda x: CONSTANT,
        lambda x: (CONSTANT, CONSTANT * x),
        lambda x: (),
        fgrad.jit(lambda y: (y, CONSTANT)),
    ],
)
def test_outputs_that_are_arguments_numbers_or_constants(body: Any) -> None:
    inlined(lambda x: (fgrad.jit(body)(x), fgrad.jit(body)(x * 2.0)), X)


def test_constants_are_carried_along() -> None:
    flat = inlined(fgrad.jit(lambda y: y + CONSTANT), X)
    assert any(c is CONSTANT for c in flat.consts)


def test_bodies_of_checkpoints_stand_behind_barriers() -> None:
    again = fgrad.checkpoint(fgrad.jit(lambda x: np.sin(x) + CONSTANT))
    flat = inlined(lambda x: (again(x), again(x)), X)
    assert names(flat) == ["optimization_barrier", "optimization_barrier", "sin", "add"] * 2
    assert len({eqn.params["region"] for eqn in flat.eqns if "region" in eqn.params}) == 2
    merged = fgrad.checkpoint(np.sin, prevent_cse=False)
    assert names(inlined(merged, X)) == ["sin"]


def test_what_is_behind_a_barrier_is_computed_again() -> None:
    again = fgrad.checkpoint(np.sin)
    program = optimize(fgrad.make_jaxpr(lambda x: (np.sin(x), again(x), again(x)))(X))
    assert names(program) == ["sin"] * 3
    merged = fgrad.checkpoint(np.sin, prevent_cse=False)
    assert names(optimize(fgrad.make_jaxpr(lambda x: (np.sin(x), merged(x), merged(x)))(X))) == ["sin"]


def test_barriers_are_taken_out_one_behind_the_other() -> None:
    identity = fgrad.checkpoint(lambda x: (x, 2.0, CONSTANT))
    program = optimize(fgrad.make_jaxpr(lambda x: identity(identity(x)[0]))(X))
    assert names(program) == []
    assert program.jaxpr.outvars[0] is program.jaxpr.invars[0]


def test_equations_keep_their_lines() -> None:
    flat = inlined(fgrad.jit(np.sin), X)
    source = flat.eqns[0].source
    assert source is not None
    assert source.filename == __file__
