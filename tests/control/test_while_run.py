"""How loops that end by a condition are run: as code of their own, also over rows, and what does not vary once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.control import while_run
from fgrad.control.while_loop import while_loop

SHAPED = fgrad.ShapeDtypeStruct((), np.float64)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each loop has taken in one go; those of single steps are left out."""
    found: list[int] = []
    kept = while_run.loop_function

    def loop_function(*args: Any) -> Any:
        loop = kept(*args)

        def counted(*given: Any) -> Any:
            assert loop is not None
            outs = loop(*given)
            found.append(outs[-1])
            return outs

        return None if loop is None else counted

    monkeypatch.setattr(while_run, "loop_function", loop_function)
    return found


def test_what_does_not_vary_is_computed_once_and_not_without_steps() -> None:
    calls: list[float] = []

    def measured(w: Any) -> Any:
        calls.append(float(w))
        return 2 * w

    def f(w: Any, n: Any) -> Any:
        def body(c: Any) -> Any:
            return c[0] - 1, c[1] + fgrad.pure_callback(measured, SHAPED, w)

        return while_loop(lambda c: c[0] > 0, body, (n, 0.0))[1]

    assert f(np.float64(3.0), 5) == 30.0
    assert calls == [3.0]
    assert f(np.float64(3.0), 0) == 0.0
    assert calls == [3.0]


def row(x: Any, trips: Any) -> Any:
    return while_loop(lambda c: c[1] < trips, lambda c: (np.sin(c[0]) + 0.1 * x, c[1] + 1.0), (x, 0.0))


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_rows_step_in_one_loop_until_one_of_them_stops(wrap: Any, runs: list[int]) -> None:
    x = np.linspace(0.1, 1.0, 12).reshape(4, 3)
    trips = np.array([120.0, 2.0, 60.0, 120.0])
    f = wrap(fgrad.vmap(row))
    for _ in range(2):
        runs.clear()
        last, counts = f(x, trips)
        np.testing.assert_array_equal(counts, trips)
        for i in range(4):
            np.testing.assert_allclose(last[i], row(x[i], trips[i])[0], rtol=1e-14)
    assert runs[:2] == [58, 60]  # of three rows, then of two; two steps of all four do not pay to compile


def test_the_last_row_runs_as_a_loop_of_its_own(runs: list[int]) -> None:
    def f(x: Any) -> Any:
        return while_loop(lambda v: v > 1.0, lambda v: v - 0.5 * np.sqrt(v), x)

    x = np.array([0.5, 1e4, 0.2])
    last = fgrad.vmap(f)(x)
    np.testing.assert_array_equal(last[[0, 2]], x[[0, 2]])
    assert len(runs) == 1
    assert runs[0] > 100
    assert last[1] == f(1e4)
    np.testing.assert_allclose(fgrad.vmap(fgrad.grad(f))(x), [1.0, fgrad.grad(f)(1e4), 1.0])


def test_what_is_collected_keeps_its_memory_between_calls() -> None:
    x = np.linspace(0.1, 1.0, 2000)

    def loss(x: Any, n: Any) -> Any:
        return while_loop(lambda c: c[1] < n, lambda c: (np.sin(c[0]) * x, c[1] + 1), (x, 0))[0].sum()

    def by_hand(n: int) -> Any:
        return fgrad.grad(lambda x: fgrad.lax.fori_loop(0, n, lambda _, y: np.sin(y) * x, x).sum())(x)

    for f in (fgrad.grad(loss), fgrad.jit(fgrad.grad(loss))):
        for n in (30, 30, 50, 3, 30, 30):  # more and fewer steps than the last time
            np.testing.assert_allclose(f(x, n), by_hand(n), rtol=1e-12)
        held = [f(x, 30) for _ in range(3)]
        f(x + 1.0, 30)
        for found in held:
            np.testing.assert_allclose(found, by_hand(30), rtol=1e-12)
