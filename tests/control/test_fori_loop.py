"""Loops over a range of integers: equal to Python's, with bounds that are known and bounds that are traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError
from fgrad.lax.control import fori_loop
from tests.control.agreement import Pair, assert_agree, equations


def product(lower: Any, upper: Any, **options: Any) -> Pair:
    def control(w: Any) -> Any:
        end = upper(w) if callable(upper) else upper
        return fori_loop(lower, end, lambda i, v: np.sin(v * w) * (i + 1) + w, w, **options)

    def python(w: Any) -> Any:
        v = w
        for i in range(lower, upper(w) if callable(upper) else upper):
            v = np.sin(v * w) * (i + 1) + w
        return v if v is not w else w * 1.0

    return Pair(control, python)


@pytest.mark.parametrize(
    "options",
    [{}, {"unroll": 2}, {"unroll": True}, {"checkpoint": "sqrt"}, {"checkpoint": "binomial"}, {"checkpoint": 2}],
    ids=str,
)
@pytest.mark.parametrize(("lower", "upper"), [(0, 5), (-3, 3), (2, 2), (np.int64(1), np.array(4))], ids=str)
def test_known_bounds(lower: Any, upper: Any, options: dict[str, Any]) -> None:
    assert_agree(product(lower, upper, **options))


@pytest.mark.parametrize("checkpoint", [None, "binomial"])
def test_bounds_that_depend_on_the_argument(checkpoint: str | None) -> None:
    def control(w: Any) -> Any:
        last = fgrad.numpy.floor(w * 10).astype(np.int64)
        return fori_loop(last - 4, last, lambda i, v: np.sin(v * w) + i * w, w, checkpoint=checkpoint)

    def python(w: Any) -> Any:
        v = w
        for i in range(2, 6):  # at 0.61
            v = np.sin(v * w) + i * w
        return v

    assert_agree(Pair(control, python), 0.61)


def test_an_empty_range_gives_the_first_value() -> None:
    assert fori_loop(5, 2, lambda i, v: v * 2, 3.0) == 3.0
    assert fgrad.jit(lambda n: fori_loop(5, n, lambda i, v: v * 2, 3.0))(2) == 3.0
    assert fgrad.grad(lambda x: fori_loop(5, 2, lambda i, v: v * 2, x))(3.0) == 1.0


def test_bounds_of_rows() -> None:
    ends = np.array([0, 3, 1, 5])
    f = lambda n, x: fori_loop(0, n, lambda i, v: v * x + i, x)  # noqa: E731
    expected = [fgrad.grad(f, 1)(int(n), 0.7) for n in ends]
    for wrap in (lambda g: g, fgrad.jit):
        np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.grad(f, 1), (0, None)))(ends, 0.7), expected)


def test_the_index_is_an_integer_of_python() -> None:
    assert fori_loop(0, 5, lambda i, v: v + i, 0) == 10
    assert fori_loop(0, 5, lambda i, v: v + i, np.float32(0)).dtype == np.float32
    assert fori_loop(0, 5, lambda i, v: v + i, np.int8(0)).dtype == np.int8
    table = fgrad.numpy.arange(5.0)
    assert fgrad.jit(lambda t: fori_loop(0, 5, lambda i, v: v + t[i] * i, 0.0))(table) == 30.0


def test_a_linear_loop_keeps_nothing_but_what_multiplies() -> None:
    closed = fgrad.make_jaxpr(fgrad.grad(lambda x: fori_loop(0, 9, lambda i, v: 2.0 * v, x)))(1.0)
    assert all(len(eqn.outvars) == eqn.params["num_carry"] for eqn in equations(closed, "scan"))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fori_loop(0.0, 3, lambda i, v: v, 1.0), ArgumentError, "fori_loop counts by integers, but lower is"),
        (lambda: fori_loop(0, True, lambda i, v: v, 1.0), ArgumentError, "fori_loop counts by integers, but upper is"),
        (
            lambda: fori_loop(0, np.arange(2), lambda i, v: v, 1.0),
            ArgumentError,
            "fori_loop counts by integers, but upper is",
        ),
        (
            lambda: fgrad.jit(lambda x: fori_loop(0, x, lambda i, v: v, 1.0))(1.5),
            ArgumentError,
            "fori_loop counts by integers, but upper is f64[].",
        ),
        (
            lambda: fgrad.jit(lambda n: fori_loop(0, n, lambda i, v: v, 1.0, unroll=2))(3),
            ArgumentError,
            "fori_loop cannot unroll a loop whose bounds are traced.",
        ),
        (lambda: fori_loop(0, 3, 1.0, lambda i, v: v), ArgumentError, "fori_loop expects a function, got"),
        (lambda: fori_loop(0, 3, lambda i, v: v, "no"), ArgumentError, "argument init_val of fori_loop is"),
        (
            lambda: fori_loop(0, 3, lambda i, v: {"h": v["h"][:1]}, {"h": np.ones(2)}),
            ShapeError,
            "fori_loop: value['h'] goes into `<lambda>` as f64[2], but comes out as f64[1].",
        ),
        (
            lambda: fgrad.jit(lambda n: fori_loop(0, n, lambda i, v: (v[0], v[1][:1]), (1.0, np.ones(2))))(3),
            ShapeError,
            "fori_loop: value[1] goes into `<lambda>` as f64[2], but comes out as f64[1].",
        ),
        (
            lambda: fori_loop(0, 3, lambda i, v: (v, v), 1.0),
            TreeStructureError,
            "fori_loop: `<lambda>` returned a value that has not the structure of the one it was given,",
        ),
        (lambda: fori_loop(0, 3, lambda i, v: v, 1.0, checkpoint="no"), ArgumentError, "checkpoint does not know 'no'"),
        (
            lambda: fori_loop(0, 3, lambda i, v: v, 1.0, unroll=-1),
            ArgumentError,
            "fori_loop: unroll must be a number of",
        ),
    ],
    ids=range(12),
)
def test_mistakes_are_told(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as info:
        call()
    assert words in str(info.value)
