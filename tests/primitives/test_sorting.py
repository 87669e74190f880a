"""Sorting, permutations, and positions in sorted arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.core import ShapedArray
from fgrad.errors import ShapeError
from fgrad.primitives.sorting import argpartition, argsort, permute, searchsorted, sort
from fgrad.transforms.batch import batch
from fgrad.transforms.stage import trace
from tests.primitives.rules import as_flat, check_jvp, check_rules, check_trace, check_transpose, restricted
from tests.primitives.test_cumulative import along
from tests.primitives.test_reductions import distinct


@pytest.mark.parametrize("primitive", [sort, argsort])
@given(case=along(), seed=st.integers(0, 99))
def test_rules(primitive: Any, case: Any, seed: int) -> None:
    shape, axis = case
    check_rules(primitive, [distinct(shape, seed)], {"axis": axis}, seed)


@given(case=along(), seed=st.integers(0, 99), inverse=st.booleans())
def test_rules_of_permute(case: Any, seed: int, inverse: bool) -> None:
    shape, axis = case
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.normal(size=shape), axis=axis)
    x = rng.normal(size=shape)
    params = {"axis": axis, "inverse": inverse}
    np.testing.assert_array_equal(permute(permute(x, order, **params), order, axis=axis, inverse=not inverse), x)
    check_trace(as_flat(permute, params), [x, order])
    g = restricted(as_flat(permute, params), [x, order], [0])
    check_jvp(g, [x], rng)
    check_transpose(g, [x], rng)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("dims", [(0, None), (None, 0), (1, 0), (2, 2), (None, 1)])
def test_permuted_rows(inverse: bool, dims: Any) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3, 4) if d is None else (*(3, 4)[:d], 5, *(3, 4)[d:]) for d in dims]
    axes = [1 if d is None else 1 + (d <= 1) for d in dims]
    x, order = rng.normal(size=shapes[0]), np.argsort(rng.normal(size=shapes[1]), axis=axes[1])
    (out,), (dim,) = batch(lambda x, order: [permute(x, order, axis=1, inverse=inverse)], 5, [x, order], dims)
    for i in range(5):
        rows = [v if d is None else np.take(v, i, d) for v, d in zip((x, order), dims, strict=True)]
        np.testing.assert_array_equal(np.take(out, i, dim), permute(*rows, axis=1, inverse=inverse))


def test_ties_keep_their_order() -> None:
    x = np.array([1.0, 0.0, 1.0, 0.0])
    jacobian = fgrad.jacrev(lambda v: sort(v, axis=0))(x)
    np.testing.assert_array_equal(jacobian, np.eye(4)[[1, 3, 0, 2]])
    np.testing.assert_array_equal(fgrad.jacfwd(lambda v: sort(v, axis=0))(x), jacobian)


def test_nans_come_last_with_their_derivatives() -> None:
    x = np.array([np.nan, 2.0, 1.0])
    value, pullback = fgrad.vjp(lambda v: sort(v, axis=0), x)
    np.testing.assert_array_equal(value, [1, 2, np.nan])
    np.testing.assert_array_equal(pullback(np.array([10.0, 20.0, 30.0]))[0], [30, 20, 10])


@given(case=along(), seed=st.integers(0, 99))
def test_argpartition(case: Any, seed: int) -> None:
    shape, axis = case
    if not shape[axis]:
        return
    x = distinct(shape, seed)
    kth = seed % shape[axis]
    order = argpartition(x, axis=axis, kth=(kth,))
    found = np.take_along_axis(x, order, axis)
    np.testing.assert_array_equal(np.take(found, kth, axis), np.take(np.sort(x, axis), kth, axis))
    check_rules(argpartition, [x], {"axis": axis, "kth": (kth,)}, seed)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("mapped", [(True, False), (False, True), (True, True)])
def test_searchsorted_over_rows(side: str, mapped: tuple[bool, bool]) -> None:
    rng = np.random.default_rng(0)
    a = np.sort(rng.integers(0, 9, (5, 7)), axis=1)
    v = rng.integers(0, 9, (5, 2, 3))
    xs = [x if m else x[0] for x, m in zip((a, v), mapped, strict=True)]
    dims = [0 if m else None for m in mapped]
    (out,), (dim,) = batch(lambda a, v: [searchsorted(a, v, side=side)], 5, xs, dims)
    for i in range(5):
        expected = np.searchsorted(a[i * mapped[0]], v[i * mapped[1]], side)
        np.testing.assert_array_equal(np.take(out, i, dim), expected)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_searchsorted_over_many_rows_at_once(side: Any, dtype: Any, n: int) -> None:
    rng = np.random.default_rng(0)
    a = np.sort(rng.integers(0, 9, (200, n)).astype(dtype), axis=1)
    v = rng.integers(0, 10, (200, 3)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        a[:50, -2:], v[::3, 1], v[::5, 0], v[::7, 2] = np.nan, np.nan, np.inf, -np.inf
    expected = [np.searchsorted(x, y, side) for x, y in zip(a, v, strict=True)]
    np.testing.assert_array_equal(searchsorted(a, v, side=side), expected)


@pytest.mark.parametrize(
    ("primitive", "shapes", "params"),
    [
        (sort, [(2, 3)], {"axis": 2}),
        (permute, [(2, 3), (2, 3)], {"axis": 0}),
        (searchsorted, [(2, 3), (3, 2)], {"side": "left"}),
        (searchsorted, [(3,), (2,)], {"side": "middle"}),
    ],
)
def test_what_does_not_fit_is_refused(primitive: Any, shapes: Any, params: Any) -> None:
    with pytest.raises(ShapeError, match=f"`{primitive.name}`"):
        trace(lambda *xs: [primitive(*xs, **params)], [ShapedArray(s, np.dtype(np.float64)) for s in shapes])
