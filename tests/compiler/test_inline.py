"""Inlining of nested compiled functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
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


def test_checkpoints_stay_calls() -> None:
    flat = inlined(fgrad.checkpoint(fgrad.jit(np.sin)), X)
    assert names(flat) == ["checkpoint"]


def test_equations_keep_their_lines() -> None:
    flat = inlined(fgrad.jit(np.sin), X)
    source = flat.eqns[0].source
    assert source is not None
    assert source.filename == __file__
