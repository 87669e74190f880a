"""Rematerialization: the same values and derivatives, nothing kept but the arguments, everything computed again."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core.jaxpr import ClosedJaxpr
from tests.control.transforms import FIRST, SECOND


def f(x: Any) -> Any:
    return np.sin(np.sin(x) * x)


def counts(jaxpr: ClosedJaxpr) -> Counter[str]:
    """How often each primitive stands in a program, calls looked into."""
    found: Counter[str] = Counter()
    for eqn in jaxpr.eqns:
        found[eqn.primitive.name] += 1
        for value in eqn.params.values():
            if isinstance(value, ClosedJaxpr):
                found += counts(value)
    return found


@pytest.mark.parametrize("way", FIRST)
def test_first_derivatives(way: str) -> None:
    expected = fgrad.grad(f)(0.7)
    np.testing.assert_allclose(FIRST[way](fgrad.checkpoint(f), 0.7), expected, rtol=1e-12)
    nested = fgrad.checkpoint(lambda x: fgrad.checkpoint(f)(x) + fgrad.checkpoint(f)(2 * x))
    expected = fgrad.grad(lambda x: f(x) + f(2 * x))(0.7)
    np.testing.assert_allclose(FIRST[way](nested, 0.7), expected, rtol=1e-12)


@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives(way: str) -> None:
    expected = fgrad.grad(fgrad.grad(f))(0.7)
    np.testing.assert_allclose(SECOND[way](fgrad.checkpoint(f), 0.7), expected, rtol=1e-12)


@pytest.mark.parametrize("way", FIRST)
def test_closing_over_what_is_differentiated(way: str) -> None:
    def loss(w: Any) -> Any:
        return fgrad.checkpoint(lambda x: np.sin(w * x) * w)(w) + fgrad.checkpoint(lambda x: w * x)(3.0)

    expected = fgrad.grad(lambda w: np.sin(w * w) * w + w * 3.0)(0.7)
    np.testing.assert_allclose(FIRST[way](loss, 0.7), expected, rtol=1e-12)


def test_values_name_doc_and_signature() -> None:
    @fgrad.checkpoint
    def scaled(x: Any, *, by: Any = 2.0) -> Any:
        """Scales."""
        return x * by

    assert scaled(3.0) == 6.0
    assert scaled(3.0, by=5.0) == 15.0
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "Scales."
    assert fgrad.grad(lambda by: scaled(3.0, by=by))(5.0) == 3.0
    assert fgrad.jit(fgrad.grad(lambda by: scaled(3.0, by=by)))(5.0) == 3.0
    assert fgrad.remat is fgrad.checkpoint


def test_pytrees_and_integers_in_and_out() -> None:
    @fgrad.checkpoint
    def layer(p: Any, n: Any) -> Any:
        return {"out": np.tanh(p["w"] * n).sum(), "n": n + 1, "none": None}

    p = {"w": np.array([0.1, 0.2])}
    for wrap in (lambda g: g, fgrad.jit):
        out = wrap(layer)(p, 3)
        assert out["n"] == 4
        assert out["none"] is None
        (gradient,) = wrap(fgrad.grad(lambda p: layer(p, 3)["out"]))(p).values()
        np.testing.assert_allclose(gradient, 3 * (1 - np.tanh(3 * p["w"]) ** 2))
        pushed = wrap(lambda p: fgrad.jvp(lambda q: layer(q, 3)["out"], (p,), (p,))[1])(p)
        np.testing.assert_allclose(pushed, (gradient * p["w"]).sum())


def test_python_control_flow_on_values() -> None:
    """Under `grad` alone the function runs on values, and runs again when it is differentiated."""
    runs = []

    @fgrad.checkpoint
    def root(x: Any) -> Any:
        runs.append(float(x))
        y = x
        while abs(y * y - x) > 1e-12:
            y = (y + x / y) / 2
        return y

    assert fgrad.grad(root)(4.0) == pytest.approx(0.25)
    assert runs == [4.0, 4.0]
    assert fgrad.jvp(root, (4.0,), (1.0,))[1] == pytest.approx(0.25)
    assert fgrad.grad(fgrad.grad(root))(4.0) == pytest.approx(-1 / 32)


def test_the_recomputation_shows_in_the_jaxpr() -> None:
    jaxpr = fgrad.make_jaxpr(fgrad.grad(fgrad.checkpoint(f)))(0.7)
    forward, backward = jaxpr.eqns
    assert counts(forward.params["jaxpr"]) == {"sin": 2, "mul": 1}
    again = counts(backward.params["jaxpr"])
    assert again["cos"] == 2
    assert again["sin"] == 1  # what the derivative needs of the way to the result, and no more
    assert counts(fgrad.make_jaxpr(fgrad.grad(f))(0.7))["sin"] == 2


def test_residuals_are_the_arguments_alone() -> None:
    jaxpr = fgrad.make_jaxpr(lambda x: fgrad.vjp(fgrad.checkpoint(f), x)[1](1.0))(0.7)
    forward, backward = jaxpr.eqns
    (argument,) = jaxpr.jaxpr.invars
    assert list(forward.invars) == [argument]
    assert backward.invars[0] is argument
    assert not set(backward.invars) & set(forward.outvars)


def test_jit_does_not_undo_it() -> None:
    step = fgrad.jit(fgrad.value_and_grad(fgrad.checkpoint(f)))
    assert counts(step.lower(0.7).compile().jaxpr)["sin"] == 3
    plain = fgrad.jit(fgrad.value_and_grad(f))
    assert counts(plain.lower(0.7).compile().jaxpr)["sin"] == 2
    np.testing.assert_allclose(step(0.7), plain(0.7), rtol=1e-12)


def peak(run: Callable[[], Any]) -> int:
    """The most memory that a call takes, in bytes."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BLOCKS, STEPS, SIZE = 8, 10, 20_000


def chain(wrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A deep element-wise chain, block by block."""

    def block(x: Any) -> Any:
        for _ in range(STEPS):
            x = np.tanh(x) * x
        return x

    def loss(x: Any) -> Any:
        for _ in range(BLOCKS):
            x = wrap(block)(x)
        return x.sum()

    return loss


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_peak_memory_falls(compiled: bool) -> None:
    x = np.linspace(0.5, 1.0, SIZE)
    finish = fgrad.jit if compiled else lambda g: g
    plain, checkpointed = (finish(fgrad.grad(chain(wrap))) for wrap in (lambda g: g, fgrad.checkpoint))
    np.testing.assert_allclose(checkpointed(x), plain(x), rtol=1e-12)
    used, saved = (peak(lambda run=run: run(x)) / x.nbytes for run in (checkpointed, plain))
    assert saved > 2 * BLOCKS * STEPS  # two arrays a step
    # One array a block, and what one block and its derivative need: a few arrays a step.
    assert used < BLOCKS + 6 * STEPS
