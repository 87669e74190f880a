"""Derivatives that wait for values: recorded under `jit`, computed when it runs, in every order of transforms."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.lax.control import cond, while_loop
from tests.control.agreement import counts, equations
from tests.control.transforms import jvp_at


def trips(w: Any, end: float = 6.0) -> Any:
    """A loop whose number of steps depends on the argument: none at 10."""
    return while_loop(lambda v: v < end, lambda v: v * (1 + w) + np.sin(w), w)


def python(w: Any, end: float = 6.0) -> Any:
    v = w
    while v < end:
        v = v * (1 + w) + np.sin(w)
    return v * 1.0


POINTS = np.array([0.3, 0.7, 1.9, 10.0])
STEPS: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "grad": fgrad.grad,
    "jvp": lambda f: lambda x: jvp_at(f, x),
    "jit": fgrad.jit,
}


@pytest.mark.parametrize("word", [w for n in (1, 2, 3) for w in itertools.product(STEPS, repeat=n)], ids="-".join)
def test_all_words(word: tuple[str, ...]) -> None:
    f, expected = trips, python
    for name in word:
        f = STEPS[name](f)
        expected = expected if name == "jit" else fgrad.grad(expected)
    values = [expected(x) for x in POINTS]
    np.testing.assert_allclose([f(x) for x in POINTS], values, rtol=1e-9)
    for mapped in (fgrad.vmap(f), fgrad.jit(fgrad.vmap(f)), fgrad.vmap(fgrad.jit(f))):
        np.testing.assert_allclose(mapped(POINTS), values, rtol=1e-9)
    total = fgrad.jit(fgrad.grad(lambda xs: fgrad.vmap(f)(xs).sum()))
    np.testing.assert_allclose(total(POINTS), [fgrad.grad(expected)(x) for x in POINTS], rtol=1e-9)


def test_it_is_recorded_once() -> None:
    closed = fgrad.make_jaxpr(fgrad.grad(trips))(0.7)
    assert [eqn.primitive.name for eqn in closed.eqns].count("deferred") == 1
    assert counts(fgrad.make_jaxpr(lambda x: jvp_at(trips, x))(0.7))["while_loop"] == 1
    assert counts(fgrad.make_jaxpr(trips)(0.7))["deferred"] == 0


def test_one_compiled_gradient_serves_all_numbers_of_trips() -> None:
    traced = 0

    @fgrad.jit
    @fgrad.grad
    def derivative(w: Any) -> Any:
        nonlocal traced
        traced += 1
        return trips(w)

    np.testing.assert_allclose([derivative(x) for x in POINTS], [fgrad.grad(python)(x) for x in POINTS], rtol=1e-10)
    assert traced == 1


def test_dtypes_and_integers_beside() -> None:
    def f(w: Any, n: Any) -> Any:
        return while_loop(lambda c: c[1] < n, lambda c: (np.sin(c[0] * w), c[1] + 1), (w, 0))[0]

    g = fgrad.jit(fgrad.grad(f))
    out = g(np.float32(0.7), 5)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, fgrad.grad(f)(0.7, 5), rtol=1e-5)
    assert g(np.float64(0.7), 0) == 1.0
    np.testing.assert_allclose(
        fgrad.jit(fgrad.vmap(fgrad.grad(f), (None, 0)))(0.7, np.array([0, 5])), [1.0, fgrad.grad(f)(0.7, 5)]
    )


def test_a_mapped_choice_waits_too() -> None:
    def f(w: Any, p: Any) -> Any:
        return cond(p, lambda w: np.sin(w) * w, lambda w: w**3, w)

    def total(w: Any, ps: Any) -> Any:
        return fgrad.vmap(f, (None, 0))(w, ps).sum()

    ps = np.array([True, False, True])
    python_total = lambda w: 2 * np.sin(w) * w + w**3  # noqa: E731
    assert len(equations(fgrad.make_jaxpr(fgrad.grad(total))(0.7, ps), "deferred")) == 1
    expected = python_total
    derivative: Any = total
    for _ in range(3):
        expected, derivative = fgrad.grad(expected), fgrad.grad(derivative)
        for g in (derivative, fgrad.jit(derivative)):
            np.testing.assert_allclose(g(0.7, ps), expected(0.7), rtol=1e-10)


def test_it_runs_in_threads() -> None:
    derivative = fgrad.jit(fgrad.grad(trips))
    expected = [fgrad.grad(python)(x) for x in POINTS]
    failures: list[Any] = []

    def work() -> None:
        for _ in range(10):
            found = [derivative(x) for x in POINTS]
            if not np.allclose(found, expected, rtol=1e-10):
                failures.append(found)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
