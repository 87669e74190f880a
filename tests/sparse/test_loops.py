"""Patterns of programs with control flow, convolutions and windows, step by step and all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import hessian, jacfwd, lax, vmap
from fgrad.sparse import hessian_sparsity, jacobian_sparsity, loops, sparse_hessian, sparse_jacobian

X = np.random.default_rng(0).uniform(0.5, 1.5, 12)
KERNEL = np.array([1.0, -2.0, 0.5])


def running(x: Any) -> Any:
    return lax.scan(lambda c, r: (c * 0.5 + r, np.sin(c) + r[::-1]), np.zeros(3), x.reshape(4, 3))


def backwards(x: Any) -> Any:
    return lax.scan(lambda c, r: (c + r, c * r), 0.0, x, reverse=True)[1]


def by_positions(x: Any) -> Any:
    return lax.fori_loop(1, 4, lambda i, y: fnp.at(y)[i].set(y[i] * x[i - 1]), x)


def by_dynamic_slices(x: Any) -> Any:
    def body(i: Any, y: Any) -> Any:
        part = lax.dynamic_slice(x, (2 * i,), (3,))
        return lax.dynamic_update_slice(y, part.sum()[None] * part[:1], (i,))

    return lax.fori_loop(0, 4, body, np.zeros(5))


def convolved(x: Any, **options: Any) -> Any:
    return lax.conv_general_dilated(x.reshape(1, 1, 12), KERNEL.reshape(1, 1, 3), **options)


EXACT: dict[str, Callable[[Any], Any]] = {
    "scan": running,
    "scan backwards": backwards,
    "loop over positions": by_positions,
    "loop over parts": by_dynamic_slices,
    "map": lambda x: lax.map(lambda r: np.sin(r).sum() * r, x.reshape(4, 3)),
    "jitted scan": fgrad.jit(running),
    "known choice": lambda x: lax.cond(True, lambda x: x[::-1], lambda x: x * 2, x),
    "scan over rows": vmap(lambda x: lax.scan(lambda c, r: (c + r, c * r), 0.0, x)[1], in_axes=0),
    "convolution": lambda x: convolved(x, window_strides=(1,), padding="SAME"),
    "strides": lambda x: convolved(x, window_strides=(2,), padding=[(2, 0)]),
    "dilations": lambda x: convolved(x, window_strides=(1,), padding="VALID", rhs_dilation=(3,)),
    "transposed convolution": lambda x: convolved(x, window_strides=(1,), padding=[(1, 1)], lhs_dilation=(2,)),
    "two axes": lambda x: lax.conv_general_dilated(
        x.reshape(1, 1, 3, 4), np.ones((2, 1, 2, 2)), window_strides=(1, 1), padding="SAME"
    ),
    "channels": lambda x: lax.conv_general_dilated(
        x.reshape(1, 2, 6), np.ones((4, 1, 2)), window_strides=(1,), padding="VALID", feature_group_count=2
    ),
    "kernel": lambda x: lax.conv_general_dilated(
        np.ones((1, 2, 9)), x[:8].reshape(2, 2, 2), window_strides=(1,), padding="VALID"
    ),
    "window sums": lambda x: lax.reduce_window(x.reshape(3, 4), 0.0, lax.add, (2, 2), (1, 2), "VALID"),
    "tapped": lambda x: fgrad.debug.tap_grad(x[::-1], lambda ct: None) * x,
    "named": lambda x: fgrad.checkpoint_name(x[::-1], "y") * x,
}
MAPPED = {"scan over rows"}

LOOSE: dict[str, Callable[[Any], Any]] = {
    "choice": lambda x: lax.cond(x[0] > 1, lambda x: x[::-1], lambda x: x * 2, x),
    "choice in rows": lambda x: vmap(lambda r: lax.cond(r[0] > 1, lambda r: r[::-1], lambda r: r**2, r))(
        x.reshape(4, 3)
    ),
    "switch": lambda x: lax.switch(fnp.astype(x[0], int), [lambda x: x, lambda x: x[::-1], lambda x: np.roll(x, 1)], x),
    "while": lambda x: lax.while_loop(lambda y: y[0] < 20, lambda y: np.append(y[1:], y[-1] * 2) + y, x),
    "while in rows": lambda x: vmap(lambda r: lax.while_loop(lambda y: y[0] < 9, lambda y: y * 1.5 + y[::-1], r))(
        x.reshape(4, 3)
    ),
    "position from values": lambda x: lax.dynamic_slice(x, (fnp.astype(x[0], int),), (3,)),
    "window maxima": lambda x: lax.reduce_window(x, -np.inf, lax.max, (3,), (2,), "VALID"),
    "sorted steps": lambda x: lax.scan(lambda c, r: (np.sort(c) * r, c[0]), x[:3], x)[1],
}


@pytest.fixture(params=["step by step", "all at once"])
def _loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "all at once":
        monkeypatch.setattr(loops, "_STEPS", -1)
    return request.param == "step by step"


def numeric(f: Callable[..., Any], x: Any) -> Any:
    found = sum(np.abs(jacfwd(f, flat=True)(x * (1 + 0.37 * k))) for k in range(3))
    return found != 0


@pytest.mark.parametrize("name", EXACT)
def test_exact_patterns(name: str, _loops: bool) -> None:  # noqa: PT019 (its value is used)
    f, x = EXACT[name], X.reshape(3, 4) if name in MAPPED else X
    found, wanted = jacobian_sparsity(f, x).todense(), numeric(f, x)
    assert (found | ~wanted).all()
    if _loops or ("scan" not in name and "loop" not in name):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(sparse_jacobian(f)(x).todense(), jacfwd(f, flat=True)(x), atol=1e-13)


@pytest.mark.parametrize("name", LOOSE)
@pytest.mark.usefixtures("_loops")
def test_patterns_are_never_too_small(name: str) -> None:
    f = LOOSE[name]
    found = jacobian_sparsity(f, X).todense()
    for seed in range(4):
        x = np.random.default_rng(seed).permutation(X)
        assert (found | (jacfwd(f, flat=True)(x) == 0)).all()
    np.testing.assert_allclose(sparse_jacobian(f)(X).todense(), jacfwd(f, flat=True)(X), atol=1e-13)


def test_rows_stay_apart() -> None:
    blocks = np.kron(np.eye(4), np.ones((3, 3))) > 0
    for name in ("choice in rows", "while in rows"):
        found = jacobian_sparsity(LOOSE[name], X).todense()
        assert (found <= blocks).all()


def test_window_maxima_depend_on_their_windows_alone() -> None:
    found = jacobian_sparsity(LOOSE["window maxima"], X).todense()
    expected = [[j in range(2 * i, 2 * i + 3) for j in range(12)] for i in range(5)]
    np.testing.assert_array_equal(found, expected)


def total_of_steps(x: Any) -> Any:
    def step(c: Any, r: Any) -> Any:
        return np.sin(r), (c - r) ** 2

    return lax.scan(step, 1.0, x)[1].sum()


HESSIANS: dict[str, Callable[[Any], Any]] = {
    "scan": total_of_steps,
    "loop": lambda x: (by_positions(x) ** 2).sum(),
    "convolution": lambda x: (convolved(x, window_strides=(1,), padding="VALID") ** 2).sum(),
    "pooling": lambda x: (lax.reduce_window(x, -np.inf, lax.max, (2,), (2,), "VALID") ** 2).sum(),
    "choice": lambda x: (lax.cond(x[0] > 0, lambda x: x[1:] * x[:-1], lambda x: x[1:], x)).sum(),
    "while": lambda x: (lax.while_loop(lambda y: y[0] < 20, lambda y: y * 2, x) ** 2).sum(),
}


@pytest.mark.parametrize("name", HESSIANS)
@pytest.mark.usefixtures("_loops")
def test_hessians(name: str) -> None:
    f = HESSIANS[name]
    dense = hessian(f)(X)
    assert (hessian_sparsity(f, X).todense() | (dense == 0)).all()
    np.testing.assert_allclose(sparse_hessian(f)(X).todense(), dense, rtol=1e-11, atol=1e-11)


def test_the_hessian_of_a_scan_is_tridiagonal() -> None:
    apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_array_equal(hessian_sparsity(total_of_steps, X).todense(), apart <= 1)
    assert sparse_hessian(total_of_steps).plan(X).passes == 3


def test_long_maps_are_taken_all_at_once() -> None:
    x = np.linspace(0, 1, 30_000)
    pattern = jacobian_sparsity(lambda x: lax.map(np.sin, x), x)
    np.testing.assert_array_equal(pattern.indices, np.stack([np.arange(30_000)] * 2, 1))
