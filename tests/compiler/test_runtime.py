"""Tiles on threads: the same bits whatever their number, errors and warnings as without, no deadlock."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.runtime import Tiling, run_tiles
from tests.compiler.tiling import forced_tiles

X = np.random.default_rng(0).normal(size=(500, 12))


def loss(x: Any) -> Any:
    y = fnp.tanh(x - np.mean(x, axis=1, keepdims=True)) * np.sum(np.sin(x), axis=0)
    return np.sum(fnp.logsumexp(y, axis=1)) + np.sum(y * y)


def compiled(f: Any, *args: Any) -> Any:
    with forced_tiles(tile=960):
        g = fgrad.jit(f)
        assert "_run_tiles(" in g.lower(*args).as_text()
        g(*args)
    return g


def test_every_tile_is_run_once() -> None:
    for rows, step in ((1, 1), (7, 3), (9, 3), (100, 1)):
        seen: list[tuple[int, int, int]] = []
        with fgrad.config.using(num_threads=4):
            run_tiles(lambda k, i, j, s=seen: s.append((k, i, j)), Tiling(rows, step, 4))
        assert sorted(seen) == [(k, i, min(i + step, rows)) for k, i in enumerate(range(0, rows, step))]


def test_scratch_has_the_rows_of_the_tile() -> None:
    shapes: list[Any] = []

    def tile(k: int, start: int, stop: int, a: Any, b: Any) -> None:
        assert not np.shares_memory(a, b)
        shapes.append((stop - start, a.shape, b.shape, a.dtype, b.ctypes.data % 64))

    kinds = (((3,), np.dtype(np.float32)), ((), np.dtype(np.int64)))
    run_tiles(tile, Tiling(5, 2, 1, kinds))
    assert shapes == [(n, (n, 3), (n,), np.float32, 0) for n in (2, 2, 1)]


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    f = compiled(fgrad.value_and_grad(loss), X)
    results = []
    for threads in (1, 2, 4):
        with fgrad.config.using(num_threads=threads):
            value, slope = f(X)
            results.append((value.tobytes(), slope.tobytes()))
    assert results[0] == results[1] == results[2]
    np.testing.assert_allclose(f(X)[1], fgrad.grad(loss)(X), rtol=1e-10)


def test_many_threads_call_one_function() -> None:
    f = compiled(fgrad.value_and_grad(loss), X)
    inputs = [X + k for k in range(16)]
    expected = [f(x)[1].copy() for x in inputs]
    wrong: list[int] = []

    def call(k: int) -> None:
        with fgrad.config.using(num_threads=3):
            held = [f(inputs[k])[1] for _ in range(5)]
        if not all(np.array_equal(h, expected[k]) for h in held):
            wrong.append(k)

    threads = [threading.Thread(target=call, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_tile_may_run_tiles() -> None:
    seen: list[int] = []

    def outer(k: int, start: int, stop: int, a: Any) -> None:
        a[...] = k
        run_tiles(lambda i, *_: seen.append(10 * k + i), Tiling(2, 1, 4, (((), np.dtype(float)),)))
        assert (a == k).all()

    with fgrad.config.using(num_threads=4):
        run_tiles(outer, Tiling(4, 1, 4, (((2,), np.dtype(float)),)))
    assert sorted(seen) == [10 * k + i for k in range(4) for i in range(2)]


def test_errors_of_any_thread_are_raised() -> None:
    def tile(k: int, start: int, stop: int) -> None:
        if k == 3:
            raise KeyError("three")

    for _ in range(20):
        with fgrad.config.using(num_threads=4), pytest.raises(KeyError, match="three"):
            run_tiles(tile, Tiling(50, 1, 4))


def test_what_errstate_says_holds_in_every_thread() -> None:
    f = compiled(lambda x: np.exp(np.sqrt(x)), np.abs(X))
    with fgrad.config.using(num_threads=4):
        with np.errstate(invalid="ignore"):
            assert np.isnan(f(X)).any()
        with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
            f(X)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_starts_threads_of_its_own() -> None:
    f = compiled(fgrad.grad(loss), X)
    with fgrad.config.using(num_threads=3):
        expected = f(X).copy()
        child = os.fork()
        if not child:
            os._exit(0 if np.array_equal(f(X), expected) else 1)
        assert os.waitpid(child, 0)[1] == 0
