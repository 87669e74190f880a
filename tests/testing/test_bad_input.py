"""What cannot be checked says so, and says why: it neither passes nor fails at random."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, CheckError, OutputTypeError
from fgrad.testing import (
    check_adjoint,
    check_all,
    check_grads,
    check_homogeneous,
    check_modes,
    check_pure,
    check_second_order,
    check_symmetry,
    check_tangent_linearity,
)

X = np.array([0.3, -1.2, 0.8])


def writes(x: Any) -> Any:
    x[1] = 0.0
    return x * 2.0


CHECKS: dict[str, Callable[..., Any]] = {
    "check_grads": lambda f, x: check_grads(f, (x,), order=1),
    "check_second_order": lambda f, x: check_second_order(f, (x,)),
    "check_adjoint": lambda f, x: check_adjoint(f, (x,)),
    "check_tangent_linearity": lambda f, x: check_tangent_linearity(f, (x,)),
    "check_modes": check_modes,
    "check_symmetry": check_symmetry,
    "check_homogeneous": lambda f, x: check_homogeneous(f, 1, x),
    "check_all": check_all,
}

BAD: dict[str, tuple[Callable[..., Any], Any, type[Exception], str]] = {
    "writes": (
        writes,
        X,
        CheckError,
        r"not pure: it writes into its argument.\n  x\[1\] was -1.2 before the call, and is 0",
    ),
    "draws": (lambda x: x * np.random.rand(), X, CheckError, "not deterministic.*(.|\n)*draws from the global random"),  # noqa: NPY002
    "NaN": (np.log, X, CheckError, r"output is not finite here.*: output\[1\] is nan.\n  .*explain_nan"),
    "inf argument": (
        lambda x: 2.0 * x,
        np.array([1.0, np.inf]),
        CheckError,
        r"the argument x\[1\] is inf.\n  .*finite",
    ),
    "integers": (lambda x: 2.0 * x, np.arange(3), ArgumentError, r"no argument is a floating.* \(got x: i64\[3\]\)"),
    "booleans": (lambda x: x > 0, X, ArgumentError, r"no output is a floating.* \(got output: bool\[3\]\)"),
    "nothing": (lambda x: None, X, ArgumentError, r"no output is a floating.* \(got nothing\)"),
    "text": (lambda x: {"loss": "low"}, X, OutputTypeError, r"returned a str 'low' in check_\w+, at output\['loss'\]"),
    "no function": (3.0, X, ArgumentError, "expects a function, got a float 3.0"),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("bad", BAD)
def test_every_check_says_what_is_wrong_with_a_function(check: str, bad: str) -> None:
    f, x, error, says = BAD[bad]
    with np.errstate(all="ignore"), pytest.raises(error, match=says) as caught:
        CHECKS[check](f, x)
    assert len(str(caught.value).splitlines()) <= 4
    np.testing.assert_array_equal(X, [0.3, -1.2, 0.8])  # what is written is put back


def test_arguments_that_are_not_in_a_tuple() -> None:
    for check in (check_adjoint, check_second_order, lambda f, args: check_grads(f, args, order=1)):
        with pytest.raises(ArgumentError, match=r"must be a tuple or list of arguments, got an array (.|\n)*\(x,\), …"):
            check(np.sin, X)


def test_another_structure_each_time() -> None:
    calls: list[int] = []

    def growing(x: Any) -> Any:
        calls.append(1)
        return [x] * len(calls)

    with pytest.raises(CheckError, match=r"returned another structure.\n  first .*, then "):
        check_grads(growing, (X,), order=1)


def test_a_state_between_calls() -> None:
    state = {"count": 0}

    def counting(x: Any) -> Any:
        state["count"] += 1
        return x * state["count"]

    with pytest.raises(CheckError, match=r"at output\[0\]: first 0.3, then 0.6\n  it keeps a state between calls"):
        check_grads(counting, (X,), order=1)


HISTORY: list[float] = []


def remembers_in_a_global(x: Any) -> Any:
    HISTORY.append(1.0)
    return x * 2.0


def remembers_in_a_default(x: Any, seen: Any = {}) -> Any:  # noqa: B006
    seen[len(seen)] = 1
    return x * 2.0


class Model:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x * 2.0

    def method(self, x: Any) -> Any:
        return self(x)


def remembers_in_a_cell() -> Callable[[Any], Any]:
    last = np.zeros(3)

    def f(x: Any) -> Any:
        last[:] = 1.0
        return x * 2.0

    return f


def draws_to_no_purpose(x: Any) -> Any:
    random.random()
    return x * 2.0


def keeps_a_tracer() -> Callable[[Any], Any]:
    cache: dict[str, Any] = {"x": X}

    def f(x: Any) -> Any:
        cache["x"] = x if not isinstance(x, np.ndarray) else X
        return x * 2.0

    return f


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (
            remembers_in_a_global,
            r"a call changes `HISTORY`, a global.\n  it was \[.*\], and is \[1.0.*\] after two calls",
        ),
        (remembers_in_a_default, r"a call changes its default argument 0"),
        (Model(), "a call changes its attribute `calls`.\n  it was 0, and is 2 after two calls"),
        (Model().method, "a call changes its attribute `calls`"),
        (fgrad.checkpoint(remembers_in_a_global), "a call changes `HISTORY`, a global"),
        (functools.partial(remembers_in_a_default, seen={}), "a call changes the argument 'seen' of its partial"),
        (remembers_in_a_cell(), "a call changes `last`, which it closes over.\n  it was array"),
        (draws_to_no_purpose, "it draws from the global random generator"),
        (keeps_a_tracer(), r"it keeps a traced value in `cache`, which it closes over.\n  there is a traced"),
        (writes, "it writes into its argument|a call changes"),
    ],
)
def test_what_is_not_pure(f: Callable[..., Any], says: str) -> None:
    with pytest.raises(CheckError, match=says):
        check_pure(f, X.copy())


def test_what_is_pure() -> None:
    weights = {"w": np.ones(3), "n": [1, 2], "nan": float("nan")}
    for f in (np.sin, lambda x: x @ weights["w"], fgrad.jit(np.cos), functools.partial(np.multiply, 2.0), abs):
        check_pure(f, X[0] if f is abs else X)
    check_pure(lambda n: n + 1, 3)


def test_an_infinite_derivative() -> None:
    for check in (check_modes, check_symmetry):
        with pytest.raises(CheckError, match=r"the derivative is not finite here, though the function is\."):
            check(np.cbrt, np.array([0.0, 1.0]))
    with np.errstate(all="ignore"), pytest.raises(CheckError, match=r"cotangent of x\[0\] is inf"):
        check_modes(np.sqrt, np.array([0.0, 1.0]))


def test_kinks_are_named_with_the_element_at_which_they_are() -> None:
    with pytest.raises(CheckError, match=r"kink here(.|\n)*along p\['b'\]\[1\], which is 0.0\n") as caught:
        check_grads(lambda p: abs(p["a"] * p["b"]), ({"a": X[:2], "b": np.array([1.0, 0.0])},), order=1)
    assert "from below -" in str(caught.value)
