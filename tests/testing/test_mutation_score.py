"""Planted faults: all are caught by checks that are good, and those that are not show what they do not look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import extend
from fgrad.errors import ArgumentError, CheckError
from fgrad.testing import check_grads, check_rule, mutation_score
from tests.control.ruled import KINDS, ruled

X, Y, Z = np.array([0.3, 1.2, -0.7]), np.array([2.0, 0.5, 1.5]), np.array([1 + 2j, 0.5 - 1j, 2j])


def product(x: Any, y: Any) -> Any:
    return np.sin(x) * y


def slopes(x: Any, y: Any) -> Any:
    return np.cos(x) * y, np.sin(x)


@pytest.mark.parametrize("kind", KINDS)
def test_check_rule_catches_everything(kind: str) -> None:
    f = ruled(kind, product, slopes)
    found = mutation_score(f, [lambda: check_rule(f, X, Y), lambda: check_rule(f, Z, Y + 1j)])
    assert found.score == 1.0
    assert not found.missed
    faults = {m.fault for m in found.mutants}
    for what in ("wrong sign", "a factor of 2", "forgotten", "dropped conjugate"):
        assert {f"{what}, x", f"{what}, y"} <= faults
    assert "swapped, x and y" in faults
    assert any(fault.startswith("stale residual") for fault in faults)
    check_rule(f, X, Y)  # nothing is left behind


def test_sums_and_axes() -> None:
    f = fgrad.custom_vjp(lambda A, b: A @ A.T + b)
    f.defvjp(
        lambda A, b: (A @ A.T + b, A),
        lambda A, ct: ((ct + ct.T) @ A, np.sum(ct, axis=0)),
    )
    A, b = np.arange(6.0).reshape(2, 3), np.ones(2)
    found = mutation_score(f, {"by differences": lambda: check_grads(f, (A, b), order=1)})
    assert {"missing broadcast sum, b", "transposed axes, A"} <= {m.fault for m in found.mutants}
    assert found.score == 1.0
    assert all(m.by.startswith("by differences: check_grads of `<lambda>`: the ") for m in found.mutants)
    g = fgrad.custom_jvp(lambda x, b: x + b)
    g.defjvp(lambda xs, ts: (xs[0] + xs[1], ts[0] + ts[1]))
    found = mutation_score(g, lambda: check_rule(g, A, np.ones(3)))
    assert "missing broadcast sum, b" in {m.fault for m in found.mutants if m.verdict == "caught"}
    # A rule that does not use them is not spoiled by stale ones.
    assert {m.fault for m in found.mutants if m.verdict == "no effect"} == {"stale residual, x", "stale residual, b"}


def test_weak_checks_are_shown_for_what_they_are() -> None:
    f = ruled("both rules", product, slopes)

    def only_x_and_only_backwards() -> None:
        np.testing.assert_allclose(fgrad.grad(lambda x: f(x, Y).sum())(X), np.cos(X) * Y)

    found = mutation_score(f, only_x_and_only_backwards)
    assert 0 < found.score < 1
    missed = {m.fault: m.verdict for m in found.missed}
    assert missed["wrong sign, y"] == "survived"
    assert "wrong sign, x" not in missed
    assert {m.rule for m in found.mutants} == {"vjp"}
    told = str(found).splitlines()
    assert told[0] == "mutation score 67%: 6 of 9 faults caught."
    assert told[1].split() == ["verdict", "function", "rule", "fault", "by"]
    assert "  caught    product   vjp   wrong sign, x           only_x_and_only_backwards: AssertionError:" in told[2]


def test_a_compiled_function_that_was_traced_before() -> None:
    f = ruled("custom_vjp", product, slopes)
    slope = fgrad.jit(fgrad.grad(lambda x: f(x, Y).sum()))

    def compiled() -> None:
        np.testing.assert_allclose(slope(X), np.cos(X) * Y)

    def check() -> None:
        compiled()
        fgrad.jit(fgrad.grad(lambda x: f(x, Y).sum()))

    found = mutation_score(f, compiled)
    assert {m.verdict for m in found.mutants} == {"not run"}
    assert "was traced before" in str(found).splitlines()[-1]
    with pytest.raises(ArgumentError, match="no check calls a rule of `product`"):
        mutation_score(f, check)

    def compiled_anew() -> bool:
        return np.allclose(fgrad.jit(fgrad.grad(lambda x: f(x, Y).sum()))(X), np.cos(X) * Y)

    found = mutation_score(f, compiled_anew)
    assert {m.by for m in found.mutants if m.verdict == "caught"} == {"compiled_anew: returned False"}
    assert {"wrong sign, x", "forgotten, x"} <= {m.fault for m in found.mutants if m.verdict == "caught"}


def test_primitives_of_ones_own() -> None:
    power = extend.primitive(
        np.float_power,
        elementwise=True,
        derivative=[lambda out, x, y: y * x ** (y - 1), lambda out, x, y: out * np.log(x)],
    )
    found = mutation_score(power, lambda: check_grads(power, (Y, Y + 1), order=1))
    assert found.score == 1.0
    assert {m.rule for m in found.mutants} == {"derivative"}
    check_grads(power, (Y, Y + 1), order=1)
    inverse = extend.primitive(np.linalg.inv, vjp=lambda out, xs, ct: (-out.T @ ct @ out.T,), shape=lambda A: A)
    A = np.array([[2.0, 0.5], [1.0, 3.0]])
    assert mutation_score([inverse, power], [
        lambda: check_grads(inverse, (A,), order=1, modes=("rev",)),
        lambda: check_grads(power, (Y, 2.0), order=1),
    ]).score == 1.0  # fmt: skip


def test_requests_that_cannot_be_met() -> None:
    f = ruled("custom_vjp", product, lambda x, y: (np.cos(x), np.sin(x)))
    with pytest.raises(
        CheckError, match="a check fails without any fault: check_rule of `product`: the cotangent of x"
    ):
        mutation_score(f, lambda: check_rule(f, X, Y))
    with pytest.raises(ArgumentError, match="expects functions with rules of their own, got a function"):
        mutation_score(product, lambda: None)
    with pytest.raises(ArgumentError, match="checks of mutation_score must be functions without arguments"):
        mutation_score(f, 3)
    with pytest.raises(ArgumentError, match="no check calls a rule of `product`"):
        mutation_score(f, lambda: f(X, Y))
