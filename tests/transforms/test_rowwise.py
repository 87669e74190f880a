"""What a loop computes with rows alone is computed for all rows before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.control import scan_run
from fgrad.core import aval_of, check_jaxpr
from fgrad.transforms.rowwise import over_rows, split_rows
from fgrad.transforms.stage import trace

RNG = np.random.default_rng(0)
U, W, XS, H = (RNG.normal(size=s) * 0.3 for s in ((20, 30), (30, 30), (12, 4, 20), (4, 30)))


def body(u: Any, w: Any, h: Any, x: Any) -> list[Any]:
    h = fnp.tanh(fnp.sin(x) @ u + h @ w + x.sum())
    return [h, h * x[0, 0], x]


def traced(f: Any, *args: Any) -> Any:
    return trace(f, [aval_of(a) for a in args])


def test_products_of_rows_leave_the_loop() -> None:
    closed = traced(body, U, W, H, XS[0])
    split = split_rows(closed, 2, 1)
    assert split is not None
    assert sum(eqn.primitive.name == "dot_general" for eqn in split.rows.eqns) == 1
    assert [eqn.primitive.name for eqn in split.inner.eqns].count("dot_general") == 1
    assert "sin" not in [eqn.primitive.name for eqn in split.inner.eqns]
    assert split.used == [0]
    check_jaxpr(split.inner.jaxpr)
    program = over_rows(split.rows, 2, len(XS))
    check_jaxpr(program.jaxpr)
    passed = program(U, W, XS)
    for i, x in enumerate(XS):
        expected = closed(U, W, H, x)
        for a, b in zip(split.inner(U, W, H, *[p[i] for p in passed], x), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_programs_for_few_lengths_are_kept() -> None:
    split = split_rows(traced(body, U, W, H, XS[0]), 2, 1)
    assert split is not None
    first = over_rows(split.rows, 2, 5)
    assert over_rows(split.rows, 2, 5) is first
    for length in range(6, 30):
        over_rows(split.rows, 2, length)
    assert over_rows(split.rows, 2, 5) is not first


@pytest.mark.parametrize(
    "f",
    [
        lambda u, w, h, x: [h @ w + x @ w[:20], h],  # the matrix is taken from a constant: hoisted as such
        lambda u, w, h, x: [h + (x * 2.0).sum(), x],  # no product
        lambda u, w, h, x: [h + (x.T @ x).sum(), x],  # rows with themselves
        lambda u, w, h, x: [h + x @ u * 0.0, fnp.sin(h)],
    ],
)
def test_results_are_those_of_the_loop(f: Any) -> None:
    def run(u: Any, w: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h, y = f(u, w, h, x)
            return h, y

        last, ys = fgrad.lax.scan(step, H, xs, reverse=True)
        return fnp.sum(last**2) + fnp.sum(ys)

    def python(u: Any, w: Any, xs: Any) -> Any:
        h, total = H, 0.0
        for x in xs[::-1]:
            h, y = f(u, w, h, x)
            total = total + fnp.sum(y)
        return fnp.sum(h**2) + total

    for take in (lambda f: f, lambda f: fgrad.grad(f, (0, 1, 2)), lambda f: fgrad.jit(fgrad.grad(f, 2))):
        found, expected = take(run)(U, W, XS), take(python)(U, W, XS)
        for a, b in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_there_is_a_bound_on_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_rows(traced(body, U, W, H, XS[0]), 2, 1)
    assert split is not None
    assert split.size >= 8 * (4 * 30 + 4 * 20)
    assert split.fits(1000)
    assert not split.fits(2**26 // split.size + 1)

    def no(*args: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr("fgrad.transforms.rowwise._MOST", 0)
    monkeypatch.setattr(scan_run, "over_rows", no)
    fgrad.lax.scan(lambda h, x: (fnp.tanh(x @ U + h @ W), None), H, XS)


def test_rows_of_python_numbers_stay_weak() -> None:
    """What is promoted by a number of Python's is not promoted by an array of them."""
    u = np.ones((3, 2), np.float32)

    def step(h: Any, x: Any) -> Any:
        row, number = x
        return h + (row * number) @ u, (row * 2.0) @ u

    closed = trace(
        lambda u, h, row, number: [h + (row * number) @ u],
        [aval_of(u), aval_of(np.ones(2, np.float32)), aval_of(np.ones(3, np.float32)), aval_of(2.0)],
    )
    assert split_rows(closed, 1, 1) is None
    xs = (np.ones((9, 3), np.float32), np.arange(9, dtype=np.float32))
    last, ys = fgrad.lax.scan(step, np.zeros(2, np.float32), xs)
    assert last.dtype == ys.dtype == np.float32
    np.testing.assert_array_equal(last, [108.0, 108.0])
