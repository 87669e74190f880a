"""What in a program depends on some of its inputs: masks, and the two halves of a program."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.core.aval import aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.transforms.invariant import dependent, split_invariant
from fgrad.transforms.stage import trace

X = np.array([0.5, -0.3])


def program(f: Callable[..., list[Any]], *xs: Any) -> ClosedJaxpr:
    return trace(f, [aval_of(x) for x in xs])


def names(closed: ClosedJaxpr) -> list[str]:
    return [eqn.primitive.name for eqn in closed.eqns]


def joined(closed: ClosedJaxpr, count: int, keep: int, xs: list[Any]) -> list[Any]:
    """The results of a program by way of its halves."""
    split = split_invariant(closed, count, keep)
    if split is None:
        return closed(*xs)
    fixed = split.outer(*xs[:count])
    passed = len(split.inner.jaxpr.invars) - len(xs)
    found = split.inner(*fixed[:passed], *xs)
    return [fixed[i] if taken_out else found[i] for taken_out, i in split.places]


def test_dependence_is_followed_through_equations() -> None:
    closed = program(lambda x, y, z: [x * y, np.sin(z), np.sin(x) + z, y, 1.0 + 0.0 * np.cos(y)], X, X, X)
    assert dependent(closed, (True, False, False)) == (True, False, True, False, False)
    assert dependent(closed, (False, True, False)) == (True, False, False, True, True)
    assert dependent(closed, (False, False, True)) == (False, True, True, False, False)
    assert dependent(closed, (False, False, False)) == (False,) * 5


def test_what_does_not_vary_goes_outside() -> None:
    closed = program(lambda w, x: [np.sin(w) @ x, np.cos(w), x], np.eye(2), X)
    split = split_invariant(closed, 1)
    assert split is not None
    assert sorted(names(split.outer)) == ["cos", "sin"]
    assert names(split.inner) == ["dot_general"]
    assert [taken_out for taken_out, _ in split.places] == [False, True, False]


def test_outputs_that_are_kept_stay_inside() -> None:
    closed = program(lambda w, x: [np.sin(w), x * w, np.sin(w)], X, X)
    split = split_invariant(closed, 1, 2)
    assert split is not None
    assert [taken_out for taken_out, _ in split.places] == [False, False, True]
    for y, expected in zip(joined(closed, 1, 2, [X, X]), closed(X, X), strict=True):
        np.testing.assert_array_equal(y, expected)


def test_nothing_to_take_out() -> None:
    assert split_invariant(program(lambda w, x: [w * x, np.sin(x)], X, X), 1) is None
    assert split_invariant(program(lambda w, x: [w, x], X, X), 1, 2) is None


def test_an_input_that_is_an_output_is_taken_out() -> None:
    split = split_invariant(program(lambda w, x: [x, w], X, X), 1, 1)
    assert split is not None
    assert [taken_out for taken_out, _ in split.places] == [False, True]


def test_effects_stay_where_they_are() -> None:
    def f(w: Any, x: Any) -> list[Any]:
        fgrad.debug.callback(lambda v: None, w)
        return [np.sin(w) * x]

    split = split_invariant(program(f, X, X), 1)
    assert split is not None
    assert names(split.outer) == ["sin"]
    assert len(names(split.inner)) == 2


def test_constants_of_the_program_do_not_vary() -> None:
    table = np.arange(2.0)
    closed = program(lambda w, x: [(np.exp(table) * w) * x], X, X)
    split = split_invariant(closed, 1)
    assert split is not None
    assert names(split.inner) == ["mul"]
    np.testing.assert_allclose(joined(closed, 1, 0, [X, X])[0], np.exp(table) * X * X)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=8),
    st.integers(0, 3),
    st.integers(0, 4),
)
def test_the_halves_make_the_whole(steps: list[tuple[int, int, int]], count: int, keep: int) -> None:
    def f(*xs: Any) -> list[Any]:
        values = list(xs)
        for op, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append([np.sin(a), a * b, a + b, np.negative(b)][op])
        return values[-4:]

    xs = [X, X * 2, X - 1]
    closed = program(f, *xs)
    for y, expected in zip(joined(closed, count, keep, xs), f(*xs), strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-14)
    for mask in itertools.product((False, True), repeat=3):
        moved = [x + 0.25 if m else x for x, m in zip(xs, mask, strict=True)]
        for y, z, varies in zip(f(*xs), f(*moved), dependent(closed, mask), strict=True):
            assert varies or np.array_equal(y, z)
