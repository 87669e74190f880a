"""Functions written anew are traced again, and not compiled again; never is a stale program run."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import lax
from fgrad.compiler import shared
from fgrad.errors import OutOfBoundsError

X = np.arange(4.0)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a name when a program is compiled."""
    found: list[str] = []
    compile_jaxpr = shared.compile_jaxpr

    def counting(closed: Any, name: str, arguments: Any) -> Any:
        found.append(name)
        return compile_jaxpr(closed, name, arguments)

    monkeypatch.setattr(shared, "compile_jaxpr", counting)
    monkeypatch.setattr(shared, "_known", type(shared._known)())
    return found


def scaled(factor: Any) -> Any:
    return fgrad.jit(lambda x: np.sin(x) * factor + 1)


def test_a_function_made_anew_is_not_compiled_again(compilations: list[str]) -> None:
    for _ in range(3):
        np.testing.assert_array_equal(scaled(2.0)(X), np.sin(X) * 2 + 1)
    assert len(compilations) == 1
    assert scaled(2.0).lower(X).as_text() == scaled(2.0).lower(X).as_text()


def test_other_values_are_other_programs(compilations: list[str]) -> None:
    for factor in (2.0, 3.0, 2, np.float64(2.0), np.float32(2.0), -0.0, 0.0, True, 2.0):
        found, expected = scaled(factor)(X), np.sin(X) * factor + 1
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert len(compilations) == 8


def test_constants_are_compared_by_identity(compilations: list[str]) -> None:
    w, v = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 5.0])
    for factor in (w, v, w, v):
        np.testing.assert_array_equal(scaled(factor)(X), np.sin(X) * factor + 1)
    assert len(compilations) == 2
    w[0] = 7.0  # held by reference
    np.testing.assert_array_equal(scaled(w)(X), np.sin(X) * w + 1)
    both = [fgrad.jit(lambda x, a=a, b=b: x * a + b)(X) for a, b in ((w, v), (v, w), (w, w))]
    for found, (a, b) in zip(both, ((w, v), (v, w), (w, w)), strict=True):
        np.testing.assert_array_equal(found, X * a + b)


def test_an_array_in_the_place_of_one_that_is_no_more() -> None:
    for k in range(50):  # memory is used again, and so are identities
        factor = np.full(4, float(k))
        np.testing.assert_array_equal(scaled(factor)(X), np.sin(X) * k + 1)
        del factor


def test_constants_are_not_kept_alive(compilations: list[str]) -> None:
    w = np.ones(4)
    held = weakref.ref(w)
    for _ in range(2):
        f = scaled(w)
        f(X)
    assert len(compilations) == 1
    del f, w
    gc.collect()
    assert held() is None


def test_gradients_loops_and_nested_functions(compilations: list[str]) -> None:
    def make(w: Any) -> Any:
        inner = fgrad.jit(lambda h, x: np.tanh(h * w[0] + x))
        loss = lambda x: lax.scan(lambda h, y: (inner(h, y), None), 0.0, x)[0]  # noqa: E731
        return fgrad.jit(fgrad.grad(loss))

    w = np.array([0.5])
    first, second = make(w)(X), make(w)(X)
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(make(np.array([2.0]))(X), first)


def test_names_are_part_of_the_program(compilations: list[str]) -> None:
    assert "def program_lambda(x)" in fgrad.jit(lambda x: x * 2).lower(X).as_text()
    assert "(y)" in fgrad.jit(lambda y: y * 2).lower(X).as_text()


def test_errors_are_told_at_the_users_line_as_long_as_any_function_lives() -> None:
    def make() -> Any:
        return fgrad.jit(lambda x, i: x[i] * W)

    f, i = make(), np.array([9])
    g = make()
    f(X, i * 0), g(X, i * 0)
    del f
    gc.collect()
    with pytest.raises(OutOfBoundsError, match=r"test_shared\.py"):
        g(X, i)


W = np.array([2.0])


def test_what_is_kept_is_bounded() -> None:
    for k in range(shared._KEPT + 10):
        scaled(k + 0.5)(1.0)
    assert len(shared._known) <= shared._KEPT
