"""Long loops of a few numbers whose step is affine run in blocks, with the results of the loop."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.control import scan_run
from fgrad.transforms.affine import BLOCKS

LENGTH = 3 * BLOCKS + 17


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Which of the loops that might have run in blocks have."""
    found: list[bool] = []
    kept = scan_run._run_blocks

    def run(*args: Any) -> Any:
        outs = kept(*args)
        found.append(outs is not None)
        return outs

    monkeypatch.setattr(scan_run, "_MANY_STEPS", LENGTH)
    monkeypatch.setattr(scan_run, "_run_blocks", run)
    return found


def both(f: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The results in blocks, and step by step."""
    found = f()
    monkeypatch.setattr(scan_run, "_MANY_STEPS", 10**9)
    return found, f()


def agree(found: Any, expected: Any) -> None:
    for a, b in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14 * np.max(np.abs(b)))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("init", [0.5, np.float64(0.5)])
def test_averages(init: Any, reverse: bool, runs: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    xs = np.random.default_rng(0).normal(size=LENGTH)

    def f() -> Any:
        return fgrad.lax.scan(lambda h, x: (0.9 * h + 0.1 * x, (h, h - x)), init, xs, reverse=reverse)

    agree(*both(f, monkeypatch))
    assert runs == [True]


def test_gradients(runs: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    def angle(theta: Any, damping: Any, xs: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            theta, omega = c
            omega = omega - 0.01 * (fnp.sin(theta) + damping * omega + x)
            return (theta + 0.01 * omega, omega), theta * omega

        (theta, _), ys = fgrad.lax.scan(step, (theta, 0.5), xs)
        return theta + ys.sum()

    xs = np.random.default_rng(0).normal(size=LENGTH)
    agree(*both(lambda: fgrad.value_and_grad(angle, argnums=(0, 1, 2))(1.0, 0.01, xs), monkeypatch))
    assert runs == [True]


@pytest.mark.parametrize("factor", [1.5, np.nan, np.inf])
def test_numbers_too_large_for_blocks(factor: float, runs: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step there is no overflow: 0 stays 0."""
    xs = np.full(LENGTH, factor)

    def f() -> Any:
        return fgrad.lax.scan(lambda h, x: (h * x, h), 0.0, xs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not np.isfinite(factor) else "error")
        found, expected = both(f, monkeypatch)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert runs == [np.isfinite(factor) and factor ** (LENGTH // BLOCKS) < 1e300]


def test_overflow_in_blocks(runs: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    xs = np.full(LENGTH, 1e200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        last, ys = fgrad.lax.scan(lambda h, x: (h * x, h), 0.0, xs)
    assert runs == [False]
    assert last == 0.0
    assert not ys.any()


def test_memory_is_bounded(runs: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_run, "_MOST", 8 * LENGTH - 1)
    fgrad.lax.scan(lambda h, x: (h * x, None), 1.0, np.ones(LENGTH))
    assert runs == []
