"""Identities of calculus: they hold of what is right, and each finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, CheckError
from fgrad.primitives.elementwise import Sub
from fgrad.testing import (
    check_chain_rule,
    check_homogeneous,
    check_invariance,
    check_inverse,
    check_modes,
    check_product_rule,
    check_second_order,
    check_sum_rule,
    check_symmetry,
)
from tests.control.ruled import ruled

X, Z = np.array([0.3, 1.2, -0.7]), np.array([1 + 2j, 0.5 - 1j])
PARAMS = {"w": np.linspace(-1, 1, 6).reshape(2, 3), "b": np.array([0.1, -0.2])}


def loss(params: dict[str, Any], scale: float, steps: int) -> dict[str, Any]:
    hidden = np.tanh(params["w"] @ X + params["b"])
    return {"value": scale * (hidden * hidden), "steps": steps}


def wrong(f: Callable[..., Any], slope: Callable[..., Any], kind: str = "custom_vjp") -> Callable[..., Any]:
    """A function of one argument with a wrong derivative."""
    return ruled(kind, lambda x: f(x) * 1.0, lambda x: (slope(x),))


def test_modes() -> None:
    check_modes(loss, PARAMS, 1.5, 3)
    check_modes(lambda z: z * np.conj(z) * z, Z)
    check_modes(np.cumprod, np.linspace(0.5, 2, 40))
    rule = fgrad.custom_rule(
        lambda x: {"y": x["a"] ** 2},
        jvp=lambda xs, ts: ({"y": xs[0]["a"] ** 2}, {"y": 2 * xs[0]["a"] * ts[0]["a"]}),
        vjp=(lambda x: ({"y": x["a"] ** 2}, x["a"]), lambda a, ct: ({"a": 2 * a * ct["y"][::-1]},)),
    )
    with pytest.raises(CheckError, match=r"another derivative than forward mode.\n  at x\['a'\]\[0\]: expected .* got"):
        check_modes(rule, {"a": X})


def test_modes_at_some_of_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sub, "transpose", lambda self, ct, x, y: (ct, ct))
    with pytest.raises(CheckError, match=r"at y\[\d+, \d+\]: expected"):
        check_modes(lambda x, y: x - y, np.ones((20, 3)), np.ones((20, 3)))


def test_the_chain_rule() -> None:
    check_chain_rule(lambda y: y["value"] * 2.0, loss, PARAMS, 1.5, 3)
    check_chain_rule(fgrad.jit(np.sum), fgrad.checkpoint(np.exp), X)
    check_chain_rule(np.real, np.exp, Z)
    with pytest.raises(CheckError, match=r"`<lambda>∘sin`: the chain rule fails in forward mode.\n  at output"):
        check_chain_rule(switching(), np.sin, X)


def test_the_product_rule() -> None:
    check_product_rule(np.sin, np.exp, X)
    check_product_rule(lambda x, y: x @ y, lambda x, y: x, np.ones((3, 3)), X)
    check_product_rule(lambda z: z * z, np.conj, Z)
    with pytest.raises(CheckError, match=r"`sin·<lambda>`: the product rule fails in forward mode"):
        check_product_rule(np.sin, switching(), X)
    with pytest.raises(ArgumentError, match="must return one array of floats"):
        check_product_rule(np.sin, lambda x: (x, x), X)


def switching() -> Callable[[Any], Any]:
    """A function whose derivative is another each time that it is taken."""
    calls = []

    def slope(x: Any) -> Any:
        calls.append(1)
        return x * 0 + len(calls)

    return wrong(lambda x: 2.0 * x, slope, "custom_jvp")


def test_the_sum_rule() -> None:
    check_sum_rule([loss, loss], PARAMS, 1.5, 3)
    check_sum_rule([np.sin, np.cos, lambda x: x * x], X)
    with pytest.raises(CheckError, match="not the sum of the derivatives, in forward mode"):
        check_sum_rule([np.sin, switching()], X)
    with pytest.raises(ArgumentError, match="at least one function"):
        check_sum_rule([], X)


def test_inverse_functions() -> None:
    check_inverse(lambda p: {"q": np.exp(p["a"])}, lambda q: {"a": np.log(q["q"])}, {"a": X})
    ill = np.vander(np.linspace(0.5, 1.5, 6))
    check_inverse(lambda x: ill @ x, lambda y: np.linalg.solve(ill, y), np.ones(6))
    with pytest.raises(CheckError, match=r"g does not undo f.\n  at x\[2\]: expected -0.7, got 0.7"):
        check_inverse(np.square, np.sqrt, np.abs(X) * [1, 1, -1])
    with pytest.raises(CheckError, match=r"does not undo f\.\n  it returns "):
        check_inverse(lambda x: (x, x), lambda y: y, X)
    with pytest.raises(CheckError, match=r"does not undo that of f, in forward mode.\n  at x\[\d\]"):
        check_inverse(np.exp, wrong(np.log, lambda y: -1 / y), X)


def test_symmetry_of_second_derivatives() -> None:
    check_symmetry(loss, PARAMS, 1.5, 3)
    check_symmetry(lambda z: z * z * np.conj(z), Z)
    check_symmetry(lambda x, y: np.sin(x) @ np.exp(y), X, X)

    twisted = fgrad.custom_vjp(lambda x: x.sum())
    # (y, -x) is the gradient of no function.
    twisted.defvjp(lambda x: (x.sum(), x), lambda x, ct: (ct * fgrad.numpy.stack([x[1], -x[0]]),))
    with pytest.raises(
        CheckError, match=r"the second derivative is not symmetric.\n  at <t, H·u>: expected .*\n.*<u, H"
    ):
        check_symmetry(twisted, X[:2])


def test_ways_to_second_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    both = fgrad.custom_rule(
        lambda x: x**3,
        jvp=lambda xs, ts: (xs[0] ** 3, fgrad.stop_gradient(3 * xs[0] ** 2) * ts[0]),
        vjp=(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,)),
    )
    with pytest.raises(
        CheckError, match=r"by reverse over forward mode is not that by forward over reverse mode.\n  at x"
    ):
        check_symmetry(both, X)


def test_second_order() -> None:
    check_second_order(loss, (PARAMS, 1.5, 3))
    frozen = lambda x: fgrad.stop_gradient(x) * x - fgrad.stop_gradient(x * x / 2)  # noqa: E731
    with pytest.raises(CheckError, match=r"check_second_order of `jvp\(<lambda>\)`: the tangent is wrong"):
        check_second_order(frozen, (X,))
    with pytest.raises(CheckError, match=r"check_second_order of `.*kink"):
        check_second_order(lambda x: x * abs(x), (np.array([0.0, 1.0]),))


def test_homogeneous_functions() -> None:
    check_homogeneous(np.linalg.norm, 1, X)
    check_homogeneous(lambda x, n: x**3 * n, 3, X, 2)
    check_homogeneous(lambda x, y: x @ y / np.sqrt((x @ x) * (y @ y)), 0, X, X[::-1])
    check_homogeneous(lambda z: z * np.conj(z), 2, Z)
    check_homogeneous(np.cbrt, 1 / 3, np.abs(X))
    with pytest.raises(
        CheckError, match=r"not homogeneous of degree 1.\n  at output.*\n  f\(2·x\) against 2\^1·f\(x\)"
    ):
        check_homogeneous(lambda x: x + 1.0, 1, X)
    with pytest.raises(CheckError, match=r"Euler's identity J·x = 2·f\(x\) fails in forward mode.\n  at output\[\d\]"):
        check_homogeneous(wrong(np.square, lambda x: x), 2, X)


def test_invariances() -> None:
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    check_invariance(np.linalg.norm, lambda x: rotation @ x, X[:2])
    check_invariance(lambda x, y: ((x - y) ** 2).sum(), lambda x, y: (y, x), X, X + 1)
    check_invariance(np.sin, lambda x: -x, X, output=lambda y: -y)
    with pytest.raises(CheckError, match=r"not equivariant: f\(T\(x\)\) is not S\(f\(x\)\)"):
        check_invariance(np.cos, lambda x: -x, X, output=lambda y: -y)
    with pytest.raises(CheckError, match=r"the derivative of f does not have the symmetry of f.*\n  at output\[\d\]"):
        check_invariance(wrong(np.cos, lambda x: 1 - np.sin(x)), lambda x: -x, X)
    with pytest.raises(ArgumentError, match="must return 2 arguments"):
        check_invariance(lambda x, y: x @ y, lambda x, y: x, X, X)


def test_tolerances() -> None:
    rough = wrong(np.square, lambda x: 2 * x * (1 + 1e-6))
    check_homogeneous(rough, 2, X, rtol=1e-4)
    with pytest.raises(CheckError):
        check_homogeneous(rough, 2, X)
