"""Choice between functions without the NaN of the one that is not taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.lax import select_fn
from fgrad.testing import check_grads


def guarded(x: Any) -> Any:
    return select_fn(x < 1, lambda x: x, np.sqrt, x)


X = np.array([[0.0, -2.0, 4.0], [9.0, 0.5, 1.0]])
VALUE = np.where(X < 1, X, np.sqrt(np.maximum(X, 1)))
SLOPE = np.where(X < 1, 1, 0.5 / np.sqrt(np.maximum(X, 1)))
BEND = np.where(X < 1, 0, -0.25 * np.maximum(X, 1) ** -1.5)


def test_the_side_not_taken_leaves_no_nan() -> None:
    assert fgrad.grad(guarded)(0.0) == 1.0
    assert fgrad.grad(guarded)(4.0) == 0.25
    assert fgrad.grad(fgrad.grad(guarded))(0.0) == 0.0
    assert fgrad.jit(fgrad.grad(guarded))(0.0) == 1.0
    assert fgrad.vmap(fgrad.grad(guarded))(np.array([0.0, 4.0])).tolist() == [1.0, 0.25]


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_every_mode(wrap: Any) -> None:
    first = wrap(fgrad.grad(lambda x: guarded(x).sum()))
    np.testing.assert_allclose(wrap(guarded)(X), VALUE)
    np.testing.assert_allclose(first(X), SLOPE)
    np.testing.assert_allclose(wrap(lambda x: fgrad.jvp(guarded, (x,), (np.ones_like(x),))[1])(X), SLOPE)
    np.testing.assert_allclose(wrap(fgrad.vmap(guarded))(X), VALUE)
    np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.grad(lambda x: guarded(x).sum())))(X), SLOPE)
    np.testing.assert_allclose(wrap(fgrad.grad(lambda x: fgrad.grad(lambda x: guarded(x).sum())(x).sum()))(X), BEND)


def test_broadcasting_pytrees_and_captured_arrays() -> None:
    w = np.array([1.0, 2.0])

    def f(p: Any) -> Any:
        def divided(q: Any) -> Any:
            return {"y": q["a"] / q["b"], "w": w * q["a"]}

        return select_fn(p["b"] != 0, divided, lambda q: {"y": q["a"] * 0.0, "w": w}, p)

    p = {"a": np.array([1.0, 2.0]), "b": np.array([[0.0], [2.0], [4.0]])}
    out = f(p)
    assert out["y"].tolist() == [[0, 0], [0.5, 1], [0.25, 0.5]]
    assert out["w"].shape == (3, 2, 2)
    ct = fgrad.grad(lambda p: f(p)["y"].sum())(p)
    assert ct["b"].tolist() == [[0], [-0.75], [-0.1875]]
    check_grads(lambda b: f({"a": p["a"], "b": b})["w"].sum(), (p["b"][1:],), order=1)


def test_numbers_choose_and_numbers_are_chosen() -> None:
    assert select_fn(np.array([0, 2]), lambda x: x, lambda x: 0.0, 3.0).tolist() == [0, 3]
    assert select_fn([True, False], lambda x, y: x + y, lambda x, y: x * y, np.float32(2), np.float32(5)).dtype == "f4"


def test_no_elements() -> None:
    assert guarded(np.zeros((0, 2))).shape == (0, 2)
    assert fgrad.grad(lambda x: guarded(x).sum())(np.zeros((0, 2))).shape == (0, 2)


def test_no_warning_of_what_is_not_taken() -> None:
    with np.errstate(all="raise"):
        fgrad.grad(lambda x: select_fn(x > 0, fnp.log, lambda x: x, x).sum())(np.array([-1.0, 0.0, 2.0]))


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"select_fn: x has shape \(3,\), which does not broadcast with \(2,\)"):
        select_fn(np.array([True, False]), lambda x: x, lambda x: -x, np.zeros(3))
    with pytest.raises(ArgumentError, match=r"chooses by truth values, but pred is"):
        select_fn(np.array(["a"]), lambda x: x, lambda x: -x, 1.0)
    with pytest.raises(TypeError, match="select_fn"):
        select_fn(True, 1.0, lambda x: -x, 1.0)  # type: ignore[arg-type]
