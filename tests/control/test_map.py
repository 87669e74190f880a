"""Applying a function to row after row: `vmap` in the memory of one row, or of some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError
from fgrad.lax import control as lax
from tests.control.agreement import Pair, assert_agree

XS = np.array([0.3, -0.2, 0.5, 0.9, 0.1, -0.7, 0.2])


@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 7, 100])
def test_it_agrees_with_python(batch_size: int | None) -> None:
    def control(w: Any) -> Any:
        return (lax.map(lambda x: np.sin(x * w) * w, XS * w, batch_size=batch_size) * XS).sum()

    assert_agree(Pair(control, lambda w: (np.sin(XS * w * w) * w * XS).sum()))


@pytest.mark.parametrize("batch_size", [None, 2, 5])
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_it_is_vmap(batch_size: int | None, wrap: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    xs = {"a": rng.normal(size=(5, 3)), "b": [rng.normal(size=5), np.arange(5)]}

    def f(x: Any) -> Any:
        return {"sum": x["a"].sum() * x["b"][0], "n": (x["b"][1] + 1, None, 2.0), "row": np.exp(x["a"])}

    found, expected = wrap(lambda xs: lax.map(f, xs, batch_size=batch_size))(xs), fgrad.vmap(f)(xs)
    for y, e in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(y, e, rtol=1e-12)
        assert y.dtype == e.dtype
    nested = fgrad.vmap(lambda a: lax.map(lambda r: r @ a, xs["a"], batch_size=batch_size))
    np.testing.assert_allclose(wrap(nested)(xs["a"]), (xs["a"] @ xs["a"].T).T, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_no_rows(batch_size: int | None) -> None:
    assert lax.map(np.sin, np.zeros((0, 3)), batch_size=batch_size).shape == (0, 3)


def test_rows_are_worked_through_in_groups() -> None:
    sizes: list[int] = []

    def seen(v: Any) -> Any:
        sizes.append(np.shape(v)[0])
        return v

    def f(x: Any) -> Any:
        return fgrad.pure_callback(seen, fgrad.ShapeDtypeStruct((), np.float64), x, vmap_method="expand_dims")

    np.testing.assert_array_equal(lax.map(f, XS, batch_size=3), XS)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: lax.map(3, XS), ArgumentError, "map expects a function, got"),
        (lambda: lax.map(np.sin, XS, batch_size=0), ArgumentError, "map: batch_size must be a number of rows, got"),
        (lambda: lax.map(np.sin, XS, batch_size=2.5), ArgumentError, "map: batch_size must be a number of rows, got"),
        (lambda: lax.map(np.sin, XS, batch_size=True), ArgumentError, "map: batch_size must be a number of rows, got"),
        (lambda: lax.map(np.sin, "no"), ArgumentError, "argument xs of map is"),
        (lambda: lax.map(np.sin, (XS, np.ones(3))), ShapeError, "7 for xs[0], 3 for xs[1]"),
        (lambda: lax.map(np.sin, (XS, np.ones(3)), batch_size=2), ShapeError, "7 for xs[0], 3 for xs[1]"),
        (lambda: lax.map(np.sin, 1.0, batch_size=2), ShapeError, "none for xs"),
        (lambda: lax.map(np.sin, 1.0), ShapeError, "none for xs"),
        (lambda: lax.map(lambda x: "no", XS), OutputTypeError, "`<lambda>` returned"),
        (lambda: lax.map(lambda x: "no", XS, batch_size=2), OutputTypeError, "`<lambda>` returned"),
    ],
    ids=range(11),
)
def test_mistakes_are_told(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as info:
        call()
    assert words in str(info.value)


def test_a_map_without_arrays_asks_for_them() -> None:
    with pytest.raises((ArgumentError, ShapeError)) as info:
        lax.map(lambda x: 1.0, None)
    text = str(info.value)
    assert "xs" in text
    assert "Give length" not in text  # map has no such argument
