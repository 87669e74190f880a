"""Padding of traced arrays in every mode, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError, ShapeError
from fgrad.numpy import padding
from tests.numpy.against_numpy import agree, check, gradients, online, staged

X = np.random.default_rng(0).normal(size=(3, 4))

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("constant", {}),
    ("constant", {"constant_values": 2.5}),
    ("constant", {"constant_values": (1, 2)}),
    ("constant", {"constant_values": ((1, 2), (3, 4))}),
    ("edge", {}),
    ("linear_ramp", {}),
    ("linear_ramp", {"end_values": ((1.0, 2.0), (-3.0, 4.0))}),
    *[(mode, options) for mode in ("maximum", "mean", "median", "minimum") for options in ({}, {"stat_length": 2})],
    ("mean", {"stat_length": ((1, 3), (2, 9))}),
    *[(mode, {"reflect_type": kind}) for mode in ("reflect", "symmetric") for kind in ("even", "odd")],
    ("wrap", {}),
]


@pytest.mark.parametrize(("mode", "options"), OPTIONS)
@pytest.mark.parametrize("widths", [0, 1, (2, 0), ((1, 2), (0, 3)), ((9, 5), (7, 11)), {1: 2, 0: (0, 1)}])
def test_every_mode(mode: Any, options: Any, widths: Any) -> None:
    def ours(x: Any) -> Any:
        return padding.pad(x, widths, mode, **options)

    def numpys(x: Any) -> Any:  # widths by axis came with NumPy 2.2
        given = [widths.get(axis, 0) for axis in range(x.ndim)] if isinstance(widths, dict) else widths
        pairs = [(w, w) if isinstance(w, int) else w for w in given] if isinstance(widths, dict) else widths
        return np.pad(x, pairs, mode, **options)

    for run in (staged, online):
        agree(numpys(X), run(ours, X))
    gradients(lambda x: ours(1.0 * x) if type(x) is not np.ndarray else numpys(x), X)
    rows = np.stack([X, -X])
    agree(np.stack([numpys(row) for row in rows]), fgrad.vmap(ours)(rows))


ORDERED = ("maximum", "minimum", "median")


@pytest.mark.parametrize(
    ("mode", "options", "dtype"),
    [(*o, d) for o in OPTIONS for d in ("f4", "i4", "c8") if d != "c8" or o[0] not in ORDERED],
)
def test_dtypes(mode: Any, options: Any, dtype: str) -> None:
    x = (8 * X).astype(dtype)
    check(lambda x: padding.pad(x, 2, mode, **options), lambda x: np.pad(x, 2, mode, **options), x)


@given(
    st.sampled_from(["reflect", "symmetric", "wrap", "edge"]), st.integers(1, 5), st.integers(0, 17), st.integers(0, 17)
)
@settings(max_examples=150)
def test_several_reflections(mode: Any, n: int, low: int, high: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    check(lambda x: padding.pad(x, (low, high), mode), lambda x: np.pad(x, (low, high), mode), x)
    if mode in ("reflect", "symmetric"):
        odd = {"mode": mode, "reflect_type": "odd"}
        check(lambda x: padding.pad(x, (low, high), **odd), lambda x: np.pad(x, (low, high), **odd), x)


def test_constants_and_ends_may_be_traced() -> None:
    check(
        lambda x, c: padding.pad(x, 1, constant_values=c),
        lambda x, c: np.pad(x, 1, constant_values=c),
        X,
        np.array([[1.0, 2.0], [3.0, 4.0]]),
    )
    gradients(lambda x, c: padding.pad(x, 2, constant_values=c), X, np.array(2.0))
    gradients(lambda x, c: padding.pad(x, 2, "linear_ramp", end_values=c), X, np.array([1.0, 2.0]))
    agree(np.pad(X, 1, constant_values=3.0), fgrad.jit(lambda c: padding.pad(X, 1, constant_values=c))(3.0))


def test_empty_is_of_the_shape_that_numpy_gives() -> None:
    assert fgrad.jit(lambda x: padding.pad(x, (1, 2), "empty"))(X).shape == np.pad(X, (1, 2), "empty").shape


def test_arrays_without_elements_or_axes() -> None:
    check(lambda x: padding.pad(x, 1), lambda x: np.pad(x, 1), np.zeros((0, 2)))
    check(lambda x: padding.pad(x, ()), lambda x: np.pad(x, ()), np.float64(2.0))


@pytest.mark.parametrize(
    ("args", "options", "text"),
    [
        ((1, "wild"), {}, "mode='wild' is none of those for traced arrays: constant, edge"),
        ((1, lambda *a: None), {}, "none of those for traced arrays"),
        ((1, "edge"), {"constant_values": 1}, "mode 'edge' takes no argument `constant_values`"),
        ((-1,), {}, "widths are not negative"),
        (((1, 2, 3),), {}, "pad_width=.1, 2, 3. does not give a pair for each of 2 axes"),
        ((1, "reflect"), {"reflect_type": "x"}, "reflect_type='x' is neither"),
        ((1,), {"constant_values": [1, 2, 3]}, "constant_values"),
    ],
)
def test_errors(args: Any, options: Any, text: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=text):
        fgrad.jit(lambda x: padding.pad(x, *args, **options))(X)


def test_traced_constants_of_a_wrong_shape() -> None:
    with pytest.raises(ShapeError, match=r"constant_values of shape \(3,\) does not give a pair"):
        fgrad.jit(lambda x, c: padding.pad(x, 1, constant_values=c))(X, np.ones(3))


def test_functions_pad_concrete_arrays() -> None:
    def ends(row: Any, widths: Any, axis: Any, kwargs: Any) -> None:
        row[: widths[0]] = kwargs["with_"]

    agree(np.pad(X, 1, ends, with_=7), padding.pad(X, 1, ends, with_=7))
    assert fgrad.numpy.pad is padding.pad
