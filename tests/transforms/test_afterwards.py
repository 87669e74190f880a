"""What a loop computes only to stack it is computed for all steps at once, after the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.simplify import simplify
from fgrad.control import scan_run
from fgrad.core import aval_of, check_jaxpr
from fgrad.transforms.afterwards import Afterwards, split_afterwards
from fgrad.transforms.stage import trace

RNG = np.random.default_rng(0)
W, H, XS = (RNG.normal(size=s) * 0.3 for s in ((3, 3), (3,), (12, 3)))


def split(f: Any, *args: Any, consts: int = 0, carry: int = 1) -> Afterwards | None:
    found = split_afterwards(simplify(trace(f, [aval_of(a) for a in args])), consts, carry)
    if found is not None:
        check_jaxpr(found.loop.jaxpr)
        check_jaxpr(found.rest.jaxpr)
    return found


def names(closed: Any) -> list[str]:
    return [eqn.primitive.name for eqn in closed.eqns]


def cell(w: Any, h: Any, x: Any) -> list[Any]:
    a = w @ h
    out = fnp.tanh(a + x)
    return [out, 1 - fnp.exp(out), h, fnp.cos(x) * a, out, w[0]]


def test_what_the_carry_does_not_need_is_moved() -> None:
    found = split(cell, W, H, XS[0], consts=1)
    assert found is not None
    assert sorted(names(found.loop)) == ["add", "dot_general", "gather", "tanh"]
    assert sorted(names(found.rest)) == ["cos", "exp", "mul", "sub"]
    assert found.before == [(0, 0)]  # the carry before each step is the one after the step before
    assert [place for place, _ in found.places] == ["rest", "before", "rest", "loop", "loop"]


def test_stacks_do_not_grow() -> None:
    def step(h: Any, x: Any) -> list[Any]:
        a, b = fnp.sin(h), fnp.cos(h)
        return [a * b + x, fnp.exp(a) * fnp.exp(b)]

    found = split(step, H, XS[0])
    assert found is None  # both factors would have to be stacked
    found = split(lambda h, x: [fnp.sin(h), (x * h).sum(), h * 2.0], H, XS[0])
    assert found is not None
    assert names(found.loop) == ["sin", "mul", "reduce_sum"]  # a row would be stacked for its sum


@pytest.mark.parametrize(
    "step",
    [
        lambda h, x: [h * x, fgrad.debug.print("{}", x) or x],
        lambda h, x: [h * x],
        lambda h, x: [h * x, h * x],
    ],
    ids=["effects", "no results", "the carry itself"],
)
def test_nothing_to_move(step: Any) -> None:
    assert split(step, H, XS[0]) is None


def test_long_rows_stay_in_the_loop() -> None:
    big = np.ones(5000)
    assert split(lambda h, x: [h * x, fnp.cos(x)], big, big) is None


def test_python_numbers_are_not_stacked_among_other_types() -> None:
    assert split(lambda h, x: [h * 0.5, h * x], 1.0, np.float32(2.0)) is None
    assert split(lambda h, x: [h * 0.5, fnp.cos(h) * x], 1.0, np.float64(2.0)) is not None


def by_steps(monkeypatch: Any) -> None:
    monkeypatch.setattr(scan_run, "split_afterwards", lambda *args: None)


@pytest.mark.parametrize("length", [0, 3, 9, 40])
@pytest.mark.parametrize("reverse", [False, True])
def test_results_are_those_of_the_loop(reverse: bool, length: int, monkeypatch: Any) -> None:
    xs = RNG.normal(size=(length, 3))

    def f(h: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            out, *ys = cell(W, h, x)
            return out, (*ys, h, out * 2.0, out * 2.0)

        return fgrad.lax.scan(step, h, xs, reverse=reverse)

    last, ys = f(H, xs)
    grad = fgrad.grad(lambda h, xs: sum((y * y).sum() for y in f(h, xs)[1]))
    slope = grad(H, xs)
    for i, y in enumerate(ys):
        for z in (*ys[:i], last, H, xs):
            assert not np.shares_memory(y, z)
    by_steps(monkeypatch)
    plain, rows = f(H, xs)
    np.testing.assert_allclose(last, plain, rtol=1e-14)
    for a, b in zip(ys, rows, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    np.testing.assert_allclose(slope, grad(H, xs), rtol=1e-12)


def test_two_carries_that_become_one() -> None:
    def step(c: Any, x: Any) -> Any:
        a, b = c
        out = a * x + b
        return (out, out), (a, b, out)

    (a, b), ys = fgrad.lax.scan(step, (H, 2 * H), XS)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(ys[0][0], H)
    np.testing.assert_array_equal(ys[1][0], 2 * H)
    np.testing.assert_array_equal(ys[0][1:], ys[2][:-1])
    np.testing.assert_array_equal(ys[1][1:], ys[2][:-1])


def test_numbers(monkeypatch: Any) -> None:
    def f(theta: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            theta, n = c
            out = theta + 0.1 * fnp.sin(theta)
            return (out, n + 1), (fnp.cos(theta) / n, theta, out, n * 2)

        return fgrad.lax.scan(step, (theta, 1), None, length=50)

    for theta in (0.3, np.float64(0.3)):
        last, ys = f(theta)
        with monkeypatch.context() as patched:
            by_steps(patched)
            plain, rows = f(theta)
        assert [type(x) for x in last] == [type(x) for x in plain]
        np.testing.assert_array_equal(last, plain)
        for a, b in zip(ys, rows, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-15)
