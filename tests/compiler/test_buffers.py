"""Buffers: memory is taken again only when nobody can see it, and no more is kept than allowed."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.buffers import LARGE_BYTES, Buffers, held_bytes

N = LARGE_BYTES // 8
F64 = np.dtype(np.float64)
KEY = ((N,), F64)


def address(x: Any) -> int:
    found: int = x.ctypes.data
    return found


@pytest.fixture
def buffers() -> Buffers:
    return Buffers({KEY: 2})


def test_what_nobody_refers_to_is_taken_again(buffers: Buffers) -> None:
    first = address(buffers.empty(*KEY))
    assert address(buffers.empty(*KEY)) == first


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x,
        lambda x: x[::2],
        lambda x: x.reshape(2, -1).T,
        memoryview,
        lambda x: np.asarray(memoryview(x))[3:],
        lambda x: x.ravel().view(np.int64),
        iter,
        lambda x: [{"x": (x,)}],
    ],
)
def test_what_somebody_holds_is_not(buffers: Buffers, hold: Any) -> None:
    x = buffers.empty(*KEY)
    start = address(x)
    held = hold(x)
    del x
    others = [buffers.empty(*KEY) for _ in range(3)]
    assert start not in [address(y) for y in others]
    del held


def test_what_was_changed_or_is_watched_is_not(buffers: Buffers) -> None:
    x = buffers.empty(*KEY)
    x.flags.writeable = False
    frozen = address(x)
    del x
    y = buffers.empty(*KEY)
    watched, seen = weakref.ref(y), address(y)
    del y
    z = buffers.empty(*KEY)
    assert address(z) not in (frozen, seen)
    assert watched() is None or address(watched()) == seen


def test_no_more_is_kept_than_reserved(buffers: Buffers) -> None:
    before = held_bytes()
    held = [buffers.empty(*KEY) for _ in range(10)]
    assert held_bytes() - before == 2 * LARGE_BYTES
    del held
    buffers.clear()
    assert held_bytes() == before


def test_the_bound_holds_for_all_together() -> None:
    with fgrad.config.using(buffer_bytes=3 * LARGE_BYTES):
        owners = [Buffers({KEY: 2}) for _ in range(5)]
        for owner in owners:
            held = [owner.empty(*KEY) for _ in range(2)]
            del held
            assert held_bytes() <= 3 * LARGE_BYTES
        whole = owners[0].empty((10 * N,), F64)
        assert held_bytes() <= 3 * LARGE_BYTES
        assert whole.nbytes == 10 * LARGE_BYTES


def test_what_is_kept_goes_with_the_function() -> None:
    gc.collect()
    before = held_bytes()
    f = fgrad.jit(lambda x: np.sin(x) @ x)
    x = np.ones((256, 256))
    f(x)
    assert held_bytes() > before
    f.clear_cache()
    assert held_bytes() == before
    f(x)
    del f
    gc.collect()
    assert held_bytes() == before


def test_results_are_never_overwritten() -> None:
    f = fgrad.jit(fgrad.value_and_grad(lambda x: np.sum(fnp.tanh(x @ x) ** 2), has_aux=False))
    inputs = [np.random.default_rng(k).normal(size=(128, 128)) / 12 for k in range(6)]
    held = [(f(x)[1], f(x)[1].T[3:]) for x in inputs]
    for x, (whole, view) in zip(inputs, held, strict=True):
        expected = fgrad.grad(lambda x: np.sum(fnp.tanh(x @ x) ** 2))(x)
        np.testing.assert_allclose(whole, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(view, expected.T[3:], rtol=1e-10, atol=1e-12)


def test_a_result_may_be_the_next_argument() -> None:
    step = fgrad.jit(lambda x, v: (x + 0.1 * v, v - 0.1 * np.sin(x)))
    state = expected = (np.linspace(0.0, 1.0, 4 * N), np.zeros(4 * N))
    for _ in range(6):
        state = step(*state)
        x, v = expected
        expected = (x + 0.1 * v, v - 0.1 * np.sin(x))
        np.testing.assert_allclose(state, expected, rtol=1e-12)


def test_memory_is_flat_over_many_calls() -> None:
    f = fgrad.jit(lambda x: (np.sin(x) @ x, np.cos(x)))
    x = np.ones((128, 128))
    for _ in range(3):
        out = f(x)
    before = held_bytes()
    for _ in range(200):
        out = f(x)
    assert held_bytes() == before
    assert len(out) == 2


def test_callbacks_may_keep_what_they_see() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        y = np.sin(x)
        fgrad.debug.callback(seen.append, y)
        return np.exp(y) + 1.0

    g = fgrad.jit(f)
    for k in range(4):
        g(np.full(2 * N, float(k)))
    for k, y in enumerate(seen):
        np.testing.assert_allclose(y, np.sin(float(k)))


def test_many_calls_leave_nothing_behind() -> None:
    f = fgrad.jit(fgrad.value_and_grad(lambda p: np.sum(np.sin(p["a"]) * p["b"])))
    p = {"a": np.arange(10.0), "b": np.arange(10.0)}

    def blocks(calls: int) -> int:
        for _ in range(calls):
            f(p)
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks(200)
    assert blocks(100_000) - before < 100
