"""Loops as NumPy code: what a step stacks is computed in place."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler import compiled
from fgrad.compiler.loops import CountedLoop
from fgrad.compiler.plan import plan
from fgrad.core import aval_of
from fgrad.transforms.stage import trace

X = np.array([0.5, -1.0, 2.0])


def source(f: Any, *args: Any, carry: int = 1) -> list[str]:
    closed = compiled.optimize(trace(f, [aval_of(a) for a in args]))
    text = CountedLoop(0, carry).write(closed, plan(closed.jaxpr), ["h", "x"][: len(args)]).text
    return [line.split("  #")[0].strip() for line in text.splitlines()[1:]]


def test_results_are_written_where_they_are_stacked() -> None:
    def step(h: Any, x: Any) -> list[Any]:
        h = np.tanh(h * x + 1.0)
        return [h, h, h * h, x]

    assert source(step, X, X) == [
        "for i, x, y0, y1 in zip(order, x_rows[::order.step], y0_rows[::order.step], y1_rows[::order.step]):",
        "a = np.multiply(h, x)",
        "a = np.add(a, 1.0, out=a)",
        "b = np.tanh(a, out=y0)",
        "c = np.square(b, out=y1)",
        "y2_rows[i] = x",
        "h = b",
        "return (h,)",
    ]


def test_products_and_joined_pieces_are_written_where_they_are_stacked() -> None:
    a = np.arange(9.0).reshape(3, 3) / 9
    lines = source(lambda h, x: [fnp.concatenate((x, h))[:3], x @ x.T, fnp.concatenate((h, x), axis=1)], a, a)
    assert any(line.startswith("d = np.dot(x, ") and line.endswith(", out=y0)") for line in lines)
    assert any(line.endswith("= np.concatenate((h, x), axis=1, out=y1)") for line in lines)

    def step(h: Any, x: Any) -> Any:
        out = fnp.tanh(h @ x)
        return out, (h @ x.T, fnp.concatenate((h, out), axis=1), x @ x[0])

    xs = np.random.default_rng(0).normal(size=(30, 3, 3))
    _, ys = fgrad.lax.scan(step, a, xs)
    h: Any = a
    for i, x in enumerate(xs):
        h, rows = step(h, x)
        for stack, row in zip(ys, rows, strict=True):
            np.testing.assert_allclose(stack[i], row, rtol=1e-12)


def test_a_result_that_is_stacked_twice() -> None:
    lines = source(lambda h, x: [h, fnp.sin(x), x + 1.0, fnp.sin(x)], X, X)
    assert lines == [
        "for i, x, y2, y1 in zip(order, x_rows[::order.step], y2_rows[::order.step], y1_rows[::order.step]):",
        "a = np.sin(x, out=y2)",
        "b = np.add(x, 1.0, out=y1)",
        "y0_rows[i] = a",
        "return (h,)",
    ]
    last, ys = fgrad.lax.scan(lambda h, x: (np.sin(h), (np.sin(h), np.sin(h))), X, None, length=40)
    np.testing.assert_array_equal(ys[0], ys[1])
    np.testing.assert_array_equal(ys[0][-1], last)
    assert not np.shares_memory(ys[0], ys[1])
    assert not np.shares_memory(ys[0], last)


def test_what_is_stacked_is_not_overwritten_by_later_steps() -> None:
    def step(h: Any, x: Any) -> Any:
        a = h + x
        b = a * 2.0
        return np.exp(-b * b), (a, b[::-1], b, np.sin(a[0]))

    xs = np.arange(90.0).reshape(30, 3) / 50
    for reverse in (False, True):
        last, ys = fgrad.lax.scan(step, X, xs, reverse=reverse)
        h: Any = X
        for i in range(30)[:: -1 if reverse else 1]:
            h, rows = step(h, xs[i])
            for stack, row in zip(ys, rows, strict=True):
                np.testing.assert_array_equal(stack[i], row)
        np.testing.assert_array_equal(last, h)


def test_rows_that_no_step_needs_are_not_read() -> None:
    assert source(lambda h, x: [fnp.sin(h)], X, X) == [
        "for i in _repeat(None, len(order)):",
        "a = np.sin(h)",
        "h = a",
        "return (h,)",
    ]


def test_products_with_vectors_are_written_where_they_are_stacked() -> None:
    w = np.arange(9.0).reshape(3, 3) / 9
    lines = source(lambda h, x: [h @ w, w @ h + x, w @ x], X, X)
    assert lines[0].startswith("for x, y0, y1 in zip(")
    assert any(line.endswith(", x, out=y1)") for line in lines)
    last, ys = fgrad.lax.scan(lambda h, x: (h @ w, w @ h), X, None, length=30)
    h = X
    for y in ys:
        np.testing.assert_allclose(y, w @ h)
        h = h @ w
    np.testing.assert_allclose(last, h)


def test_a_step_that_does_nothing() -> None:
    assert source(lambda h, x: [h], X, X) == ["for i in _repeat(None, len(order)):", "pass", "return (h,)"]
    np.testing.assert_array_equal(fgrad.lax.scan(lambda h, x: (h, None), X, np.ones(40))[0], X)
