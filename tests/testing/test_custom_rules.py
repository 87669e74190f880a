"""Rules held against the functions that they belong to: wrong ones are found, and the guilty argument is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, CheckError
from fgrad.testing import check_rule
from tests.control.ruled import KINDS, ruled

X, Y = np.array([0.3, 1.2, -0.7]), np.array([2.0, 0.5, 1.5])


def product(x: Any, y: Any) -> Any:
    return np.sin(x) * y


@pytest.mark.parametrize("kind", KINDS)
def test_right_rules(kind: str) -> None:
    f = ruled(kind, product, lambda x, y: (np.cos(x) * y, np.sin(x)))
    report = check_rule(f, X, Y)
    assert report.name == "product"
    assert report.notes == ()
    assert report.compared >= 6
    for dtype in (np.float32, np.complex128):
        assert check_rule(f, X.astype(dtype), Y.astype(dtype)).notes == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("slopes", "guilty"),
    [
        (lambda x, y: (-np.cos(x) * y, np.sin(x)), "x"),
        (lambda x, y: (np.cos(x) * y, 2 * np.sin(x)), "y"),
        (lambda x, y: (np.cos(x) * y, np.sin(x) * (1 + 1e-6)), "y"),
        (lambda x, y: (np.cos(y) * x, np.sin(x)), "x"),
    ],
    ids=["wrong sign", "factor 2", "six digits", "swapped residuals"],
)
def test_wrong_rules(kind: str, slopes: Callable[..., Any], guilty: str) -> None:
    f = ruled(kind, product, slopes)
    with pytest.raises(CheckError, match=rf"(at|with respect to) {guilty}\b.*expected .* got .*: relative error"):
        check_rule(f, X, Y)


def test_a_missing_sum_over_what_was_broadcast() -> None:
    f = fgrad.custom_vjp(lambda x, b: x + b)
    f.defvjp(lambda x, b: (x + b, None), lambda res, ct: (ct, ct))
    with pytest.raises(CheckError, match=r"the reverse-mode rule fails.\n.* a cotangent f64\[3\] for b, which is f64"):
        check_rule(f, X, 2.0)
    f.defvjp(lambda x, b: (x + b, None), lambda res, ct: (ct, ct[:1]))
    with pytest.raises(CheckError, match=r"the cotangent of b is wrong.\n  at b\[0\]: expected"):
        check_rule(f, X, np.array([2.0]))


def test_the_place_in_a_pytree() -> None:
    f = fgrad.custom_vjp(lambda p, n: {"out": p["w"][0] * p["w"][1] * n})
    f.defvjp(
        lambda p, n: ({"out": p["w"][0] * p["w"][1] * n}, (p["w"], n)),
        lambda res, ct: ({"w": [ct["out"] * res[0][1] * res[1], ct["out"] * res[1]]}, None),
    )
    with pytest.raises(CheckError, match=r"check_rule of `<lambda>`: the cotangent of p\['w'\]\[1\] is wrong"):
        check_rule(f, {"w": [X, Y]}, 2)


def test_rules_that_are_not_linear_are_found() -> None:
    f = fgrad.custom_vjp(lambda x: 2.0 * x)
    f.defvjp(lambda x: (2.0 * x, None), lambda res, ct: (np.clip(2.0 * ct, -100.0, 100.0),))
    with pytest.raises(CheckError, match="the cotangent of x is wrong"):
        check_rule(f, 1.0)


def test_rules_that_return_another_value() -> None:
    by_vjp = fgrad.custom_vjp(lambda x: x * x)
    by_vjp.defvjp(lambda x: (x * x + 1e-3, x), lambda x, ct: (2 * x * ct,))
    with pytest.raises(CheckError, match=r"the reverse-mode rule returns another value.\n  at output: expected 9, got"):
        check_rule(by_vjp, 3.0)
    by_jvp = fgrad.custom_jvp(lambda x: x * x)
    by_jvp.defjvp(lambda xs, ts: (2 * xs[0], 2 * xs[0] * ts[0]))
    with pytest.raises(CheckError, match="the forward-mode rule returns another value"):
        check_rule(by_jvp, 3.0)


def test_the_mode_whose_rule_is_wrong() -> None:
    f = fgrad.custom_rule(
        lambda x, y: x * y,
        jvp=lambda xs, ts: (xs[0] * xs[1], ts[0] * xs[1] + 3 * xs[0] * ts[1]),
        vjp=(lambda x, y: (x * y, (x, y)), lambda res, ct: (ct * res[1], ct * res[0])),
    )
    with pytest.raises(CheckError, match=r"the tangent is wrong.\n  at output: (.|\n)*with respect to y: at output"):
        check_rule(f, 2.0, 5.0)
    f.defjvps(lambda t, out, x, y: t * y, lambda t, out, x, y: x * t)
    check_rule(f, 2.0, 5.0)
    f.defvjp(lambda x, y: (x * y, (x, y)), lambda res, ct: (ct * res[0], ct * res[1]))
    with pytest.raises(CheckError, match="the cotangent of x is wrong"):
        check_rule(f, 2.0, 5.0)


def test_kinks_are_reported() -> None:
    f = fgrad.custom_jvp(np.abs)
    f.defjvp(lambda xs, ts: (np.abs(xs[0]), np.where(xs[0] >= 0, 1.0, -1.0) * ts[0]))
    report = check_rule(f, np.array([1.0, 0.0, -2.0]))
    assert any(note.startswith("the function has a kink at x[1]: the rule says") for note in report.notes)
    assert "the function has a kink: at output[1]." in report.notes
    f.defjvp(lambda xs, ts: (np.abs(xs[0]), ts[0]))
    with pytest.raises(CheckError, match="with respect to x"):
        check_rule(f, np.array([1.0, 0.0, -2.0]))


def test_a_rule_that_is_right_where_the_operations_are_not() -> None:
    def plain(x: Any) -> Any:
        return np.sqrt(x) ** 4  # x², whose operations have an infinite slope at 0

    f = fgrad.custom_vjp(plain)
    f.defvjp(lambda x: (plain(x), x), lambda x, ct: (2 * x * ct,))
    with np.errstate(all="ignore"):
        report = check_rule(f, np.array([0.0, 1.0]))
    assert len(report.notes) >= 1
    assert all("x[0]" in note or "output[0]" in note for note in report.notes)


def test_static_arguments_names_and_methods() -> None:
    f = fgrad.custom_vjp(lambda x, kind, *, scale: x * scale * len(kind), nondiff_argnums="kind")
    f.defvjp(
        lambda x, kind, *, scale: (x * scale * len(kind), (x, scale)),
        lambda kind, res, ct: (ct * res[1] * len(kind), ct * res[0]),
    )
    with pytest.raises(CheckError, match="the cotangent of scale is wrong"):
        check_rule(f, 2.0, "ab", scale=3.0)

    class Scaled:
        factor = 3.0
        scale = ruled("custom_jvp", lambda self, x: self.factor * x, lambda self, x: (self.factor,), (0,))

    assert check_rule(Scaled().scale, 2.0).compared > 0
    g = fgrad.custom_gradient(lambda x: (x * x, lambda ct: 2 * x * ct))
    assert check_rule(g, 3.0).notes == ()


def test_messages() -> None:
    with pytest.raises(ArgumentError, match="check_rule expects a function with a rule of its own, got a function"):
        check_rule(lambda x: x, 1.0)
    f = fgrad.custom_jvp(lambda x: x)
    f.defjvp(lambda xs, ts: (xs[0], ts[0]))
    with pytest.raises(ArgumentError, match="no argument is a floating-point or complex array"):
        check_rule(f, 3)
