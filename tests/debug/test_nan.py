"""Finding the operation that a NaN or an infinity comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import debug
from fgrad.control.cond import cond
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop
from fgrad.errors import ArgumentError, ConvergenceError


def loss(x: Any) -> Any:
    return np.sum(np.log(x - 1.0) / x)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit, fgrad.checkpoint, lambda f: fgrad.jit(fgrad.checkpoint(f))])
def test_forward(wrap: Callable[..., Any]) -> None:
    found = debug.explain_nan(wrap(loss), np.array([2.0, 1.0]))
    assert found is not None
    assert (found.operation, found.phase) == ("log", "forward")
    np.testing.assert_array_equal(found.operands[0], [1.0, 0.0])
    np.testing.assert_array_equal(found.result, [0.0, -np.inf])
    assert found.source is not None
    assert found.source.function == "loss"
    assert "np.log(x - 1.0)" in str(found)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit])
def test_derivative(wrap: Callable[..., Any]) -> None:
    f = wrap(lambda x: np.where(x > 0.0, np.sqrt(x), 0.0) * 2.0)
    found = debug.explain_nan(f, 0.0)
    assert found is not None
    assert (found.operation, found.phase, found.operands) == ("sqrt", "derivative", (0.0,))
    assert "the derivative of `sqrt`" in str(found)


def test_the_way_back() -> None:
    @fgrad.custom_vjp
    def square(x: Any) -> Any:
        return x * x

    def bwd(x: Any, ct: Any) -> Any:
        return (ct / (x - x),)

    square.defvjp(lambda x: (x * x, x), bwd)
    found = debug.explain_nan(square, 3.0)
    assert found is not None
    assert (found.operation, found.phase) == ("div", "transpose")
    assert found.source is not None
    assert "the way back" in str(found)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit])
def test_loops(wrap: Callable[..., Any]) -> None:
    f = wrap(lambda x: scan(lambda c, _: (np.log(c), c), x, None, length=5)[0])
    found = debug.explain_nan(f, 10.0)
    assert found is not None
    assert (found.operation, found.steps) == ("log", ("step 3 of scan",))
    assert found.operands[0] == pytest.approx(np.log(np.log(np.log(10.0))))
    f = wrap(lambda x: scan(lambda c, r: (c, 1.0 / r), 1.0, x, reverse=True)[1])
    found = debug.explain_nan(f, np.array([1.0, 0.0, 2.0]))
    assert found is not None
    assert (found.operation, found.steps) == ("div", ("step 1 of scan",))
    f = wrap(lambda x: while_loop(lambda c: c < 1e300, np.exp, x))
    found = debug.explain_nan(f, 1.0)
    assert found is not None
    assert (found.operation, found.steps) == ("exp", ("step 3 of while_loop",))
    assert "in step 3 of while_loop" in str(found)


def test_branches_rows_and_custom_rules() -> None:
    found = debug.explain_nan(lambda x: cond(x > 0.0, lambda x: 1.0 / (x - 2.0), np.log, x), 2.0)
    assert found is not None
    assert found.operation == "div"
    found = debug.explain_nan(fgrad.vmap(lambda r: 1.0 / r), np.array([1.0, 0.0]))
    assert found is not None
    assert found.operation == "div"

    @fgrad.custom_jvp
    def logarithm(x: Any) -> Any:
        return np.log(x)

    logarithm.defjvps(lambda t, out, x: t / x)
    found = debug.explain_nan(lambda x: logarithm(x) * 2.0, 0.0)
    assert found is not None
    assert found.operation == "log"


def test_what_is_left_out_does_not_count() -> None:
    def guarded(x: Any) -> Any:
        return np.where(x > 0.0, x, np.log(0.0 * fgrad.stop_gradient(x)))

    assert debug.explain_nan(lambda x: fgrad.numpy.maximum(np.log(x), -5.0) * 0.0 + x, 2.0) is None
    assert debug.explain_nan(np.sin, 1.0) is None
    assert debug.explain_nan(lambda n, x: n * x, 3, x=2.0) is None
    assert debug.explain_nan(guarded, 1.0) is None
    assert debug.explain_nan(guarded, -1.0) is not None


def test_arguments() -> None:
    found = debug.explain_nan(lambda p: p["a"], {"a": np.array([1.0, np.nan])})
    assert found is not None
    assert (found.operation, found.steps) == ("argument", ("p['a']",))
    assert str(found) == "p['a'] is not finite: [ 1., nan]"
    with pytest.raises(ArgumentError, match=r"debug\.explain_nan expects a function"):
        debug.explain_nan(3, 1.0)  # type: ignore[arg-type]


def test_large_operands_are_summed_up() -> None:
    text = str(debug.explain_nan(lambda x: np.sum(1.0 / x), np.arange(20.0)))
    assert "operand 1: f64[20] from 0.0 to 19.0" in text
    assert "result: f64[20], 1 of 20 not finite, the first at (0,): inf" in text


def test_solvers_that_meet_what_is_not_finite() -> None:
    def f(a: Any) -> Any:
        return np.sqrt(fgrad.implicit.root(lambda x: x - a, 0.0))

    found = debug.explain_nan(f, 0.0)
    assert found is not None
    assert (found.operation, found.phase) == ("sqrt", "derivative")
    with pytest.raises(ConvergenceError):
        debug.explain_nan(lambda a: fgrad.implicit.root(lambda x: x**2 + a, 1.0), 1.0)
