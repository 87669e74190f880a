"""Constant factors that a loop reads against their order are laid in order before it."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad
from fgrad.control import scan_run
from fgrad.core import aval_of, check_jaxpr
from fgrad.transforms.stage import trace
from fgrad.transforms.turned import turned_factors

RNG = np.random.default_rng(0)
W, V, H, XS = (RNG.normal(size=s) * 0.3 for s in ((5, 4), (4, 4), (3, 4), (12, 3, 4)))


def traced(f: Any, *args: Any) -> Any:
    return trace(f, [aval_of(a) for a in args])


def body(w: Any, v: Any, h: Any) -> list[Any]:
    return [np.tanh((h @ w.T) @ w + h @ v.T + (v.T @ h.T).T)]


def flips(closed: Any) -> int:
    """How many constants are read transposed."""
    texts = [eqn.params.get("dimension_numbers") for eqn in closed.eqns if eqn.invars[-1] in closed.jaxpr.invars]
    return sum(numbers == (((1,), (1,)), ((), ())) for numbers in texts)


def test_transposed_constants_become_constants() -> None:
    def straight(w: Any, v: Any, h: Any) -> list[Any]:
        numbers = {"dimension_numbers": (((1,), (1,)), ((), ()))}
        a = fgrad.primitives.contraction.dot_general(h, w, **numbers)
        return [fgrad.primitives.contraction.dot_general(a @ w, v, **numbers)]

    closed = traced(straight, W, V, H)
    assert flips(closed) == 2
    turned = turned_factors(closed, 2)
    assert turned is not None
    assert turned.turned == [0, 1]
    check_jaxpr(turned.jaxpr.jaxpr)
    assert flips(turned.jaxpr) == 0
    consts = turned.constants([W, V])
    assert all(c.flags.c_contiguous for c in consts)
    np.testing.assert_allclose(turned.jaxpr(*consts, H)[0], closed(W, V, H)[0], rtol=1e-14)


def test_first_factors_and_vectors() -> None:
    def transposed(v: Any, h: Any) -> list[Any]:
        return [fgrad.primitives.contraction.dot_general(v, h, dimension_numbers=(((0,), (0,)), ((), ())))]

    closed = traced(transposed, V, H[0])
    turned = turned_factors(closed, 1)
    assert turned is not None
    np.testing.assert_allclose(turned.jaxpr(*turned.constants([V]), H[0])[0], V.T @ H[0], rtol=1e-14)


def test_what_lies_well_or_varies_is_left_alone() -> None:
    assert turned_factors(traced(lambda w, h: [h @ w.T @ w], V, H), 0) is None
    assert turned_factors(traced(lambda w, h: [h @ w], V, H), 1) is None


def test_gradients_through_loops(monkeypatch: Any) -> None:
    def loss(w: Any, v: Any) -> Any:
        return (fgrad.lax.scan(lambda h, x: (body(w, v, h)[0] + x, h), H, XS)[0] ** 2).sum()

    used = []
    kept = scan_run.turned_factors
    monkeypatch.setattr(scan_run, "turned_factors", lambda *args: used.append(kept(*args)) or used[-1])
    found = fgrad.grad(loss, argnums=(0, 1))(W, V)
    assert any(t is not None for t in used)
    monkeypatch.setattr(scan_run, "turned_factors", lambda *args: None)
    for a, b in zip(found, fgrad.grad(loss, argnums=(0, 1))(W, V), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
