"""Long programs: no pass recurses, and the time of each grows with the length, not faster."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.compiler.inline import inline
from fgrad.compiler.plan import plan
from fgrad.compiler.simplify import simplify
from fgrad.compiler.source import write_source
from fgrad.core import ClosedJaxpr, check_jaxpr, eval_jaxpr, format_jaxpr
from fgrad.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, linearize_jaxpr, transpose_jaxpr

MEDIUM = 20_000
LENGTHS = [MEDIUM, pytest.param(100_000, marks=pytest.mark.slow)]


def chain(length: int) -> Callable[[Any], Any]:
    """sin applied over and over."""

    def f(x: Any) -> Any:
        for _ in range(length):
            x = np.sin(x)
        return x

    return f


def iterated(x: float, length: int) -> tuple[float, float]:
    """Value and derivative of the chain, by hand."""
    slope = 1.0
    for _ in range(length):
        slope *= np.cos(x)
        x = np.sin(x)
    return x, slope


def traced(length: int) -> ClosedJaxpr:
    closed: ClosedJaxpr = fgrad.make_jaxpr(chain(length))(0.5)
    assert len(closed.eqns) == length
    return closed


@pytest.mark.parametrize("length", LENGTHS)
def test_gradient_of_running_python(length: int) -> None:
    assert fgrad.value_and_grad(chain(length))(0.5) == pytest.approx(iterated(0.5, length), rel=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_linearizing_and_transposing(length: int) -> None:
    value, slope = iterated(0.5, length)
    halves = linearize_jaxpr(traced(length), (True,))
    results = halves.forward(0.5)
    known = [0.5 if place == "in" else results[i] for place, i in halves.residuals]
    assert results[0] == pytest.approx(value, rel=1e-9)
    transposed = transpose_jaxpr(halves.linear, (*[True] * len(known), False), (True,))
    assert transposed(*known, 1.0) == pytest.approx([slope], rel=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_compilation(length: int) -> None:
    compiled = compile_jaxpr(traced(length))
    assert compiled.text.count("np.sin") == length
    assert compiled.function(0.5)[0] == pytest.approx(iterated(0.5, length)[0], rel=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_text_and_pickles(length: int) -> None:
    closed = traced(length)
    assert format_jaxpr(closed).count("] = sin ") == length
    again = pickle.loads(pickle.dumps(closed))
    check_jaxpr(again)
    assert again(0.5)[0] == pytest.approx(iterated(0.5, length)[0], rel=1e-9)


def test_other_transforms() -> None:
    value, slope = iterated(0.5, MEDIUM)
    f, closed = chain(MEDIUM), traced(MEDIUM)
    assert fgrad.jvp(f, (0.5,), (1.0,)) == pytest.approx((value, slope), rel=1e-9)
    assert fgrad.linearize(f, 0.5)[1](1.0) == pytest.approx(slope, rel=1e-9)
    assert fgrad.vmap(f)(np.array([0.5]))[0] == pytest.approx(value, rel=1e-9)
    pushed, nz = jvp_jaxpr(closed, (True,))
    assert nz == (True,)
    assert pushed(0.5, 1.0) == pytest.approx([value, slope], rel=1e-9)
    batched, dims = batch_jaxpr(closed, 2, (0,))
    assert dims == [0]
    assert batched(np.array([0.5, 0.5]))[0][1] == pytest.approx(value, rel=1e-9)


def test_compiled_gradients() -> None:
    # The gradient of n sines has about 4n equations.
    slope = iterated(0.5, MEDIUM // 4)[1]
    f = chain(MEDIUM // 4)
    assert fgrad.jit(fgrad.grad(f))(0.5) == pytest.approx(slope, rel=1e-9)
    assert fgrad.grad(fgrad.jit(f))(0.5) == pytest.approx(slope, rel=1e-9)
    assert fgrad.grad(fgrad.checkpoint(f))(0.5) == pytest.approx(slope, rel=1e-9)


def test_calls_nested_deeply() -> None:
    f = fgrad.jit(np.sin)
    for _ in range(20):
        f = fgrad.jit(lambda x, f=f: f(x) * 1.5)
    assert f(0.5) == pytest.approx(np.sin(0.5) * 1.5**20)
    assert fgrad.grad(f)(0.5) == pytest.approx(np.cos(0.5) * 1.5**20)


def test_a_value_used_very_often() -> None:
    def f(x: Any) -> Any:
        total = x
        for _ in range(20_000):
            total = total + x
        return total

    assert fgrad.grad(f)(2.0) == 20_001.0
    assert fgrad.jit(fgrad.grad(f))(2.0) == 20_001.0


def test_a_function_of_thousands_of_arguments() -> None:
    tree = {f"w{i}": np.float64(i) for i in range(5_000)}

    def f(p: dict[str, Any]) -> Any:
        total = 0.0
        for x in p.values():
            total = total + x * x
        return total

    for g in (fgrad.grad(f), fgrad.jit(fgrad.grad(f))):
        found = g(tree)
        assert list(found) == list(tree)
        assert found["w4999"] == 2 * 4999.0


PASSES: dict[str, Callable[[ClosedJaxpr], Any]] = {
    "check": check_jaxpr,
    "inline": inline,
    "simplify": simplify,
    "plan": lambda closed: plan(closed.jaxpr),
    "source": lambda closed: write_source(closed, plan(closed.jaxpr), "f", ["x"]),
    "print": format_jaxpr,
    "jvp": lambda closed: jvp_jaxpr(closed, (True,)),
    "linearize": lambda closed: linearize_jaxpr(closed, (True,)),
    "batch": lambda closed: batch_jaxpr(closed, 2, (0,)),
    "eval": lambda closed: eval_jaxpr(closed.jaxpr, closed.consts, 0.5),
}


@pytest.mark.parametrize("name", PASSES)
def test_passes_take_time_in_proportion(name: str) -> None:
    def seconds(length: int) -> float:
        best = float("inf")
        for _ in range(2):
            closed = traced(length)
            start = time.thread_time()
            PASSES[name](closed)
            best = min(best, time.thread_time() - start)
        return best

    # Ten times the length takes a hundred times as long if a pass is quadratic.
    assert seconds(5_000) < 40 * seconds(500) + 0.05
