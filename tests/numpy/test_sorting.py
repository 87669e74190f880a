"""Sorting and searching: NumPy's values and dtypes, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError, ShapeError
from fgrad.numpy import sorting
from tests.numpy.against_numpy import agree, check, gradients, staged
from tests.numpy.test_reductions import DTYPES, elements, shapes


@given(shape=shapes, dtype=st.sampled_from(DTYPES), axis=st.none() | st.integers(-3, 2), missing=st.booleans())
def test_sort(shape: Any, dtype: Any, axis: Any, missing: bool) -> None:
    check(sorting.sort, np.sort, elements(shape, dtype, 0, missing), axis=axis)


@given(shape=shapes, dtype=st.sampled_from(DTYPES), axis=st.none() | st.integers(-3, 2), missing=st.booleans())
def test_argsort(shape: Any, dtype: Any, axis: Any, missing: bool) -> None:
    check(sorting.argsort, np.argsort, elements(shape, dtype, 0, missing), axis=axis, stable=True)


@given(shape=shapes.filter(len), dtype=st.sampled_from(DTYPES))
def test_sort_complex(shape: Any, dtype: Any) -> None:
    check(sorting.sort_complex, np.sort_complex, elements(shape, dtype, 0))


@given(shape=shapes, axis=st.integers(-2, 1), count=st.integers(1, 3))
def test_lexsort(shape: Any, axis: int, count: int) -> None:
    keys = [elements(shape, np.int64, i) for i in range(count)]
    if not -len(shape) <= axis < len(shape):
        return
    expected = np.lexsort(keys, axis)
    agree(expected, staged(lambda *ks: sorting.lexsort(ks, axis), *keys))
    agree(expected, staged(lambda k: sorting.lexsort(k, axis), np.array(keys)))
    agree(expected, sorting.lexsort(keys, axis))


@given(shape=shapes, dtype=st.sampled_from([np.float64, np.int8]), axis=st.none() | st.integers(-2, 1), data=st.data())
def test_partition(shape: Any, dtype: Any, axis: Any, data: Any) -> None:
    x = elements(shape, dtype, 0)
    if not shape or not x.size or (axis is not None and not -len(shape) <= axis < len(shape)):
        return
    size = x.size if axis is None else shape[axis]
    kth = data.draw(st.integers(-size, size - 1) | st.lists(st.integers(0, size - 1), min_size=1, max_size=2))
    for run in (
        sorting.partition,
        lambda x, *a: np.take_along_axis(
            x if axis is not None else x.ravel(), staged(lambda v: sorting.argpartition(v, *a), x), axis or 0
        ),
    ):
        found = staged(lambda v: sorting.partition(v, kth, axis), x) if run is sorting.partition else run(x, kth, axis)
        along = 0 if axis is None else axis
        ordered = np.sort(x, axis)
        np.testing.assert_array_equal(np.take(found, kth, along), np.take(ordered, kth, along))
        np.testing.assert_array_equal(np.sort(found, along), ordered)


@given(size=st.integers(0, 5), shape=shapes, side=st.sampled_from(["left", "right"]), sort=st.booleans())
def test_searchsorted(size: int, shape: Any, side: str, sort: bool) -> None:
    a, v = np.sort(elements((size,), np.float64, 0)), elements(shape, np.float64, 1)
    sorter = np.arange(size) if sort else None
    check(lambda a, v: sorting.searchsorted(a, v, side, sorter), lambda a, v: np.searchsorted(a, v, side, sorter), a, v)


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.int64, np.float64), (np.int8, np.int64)])
def test_searchsorted_promotes(dtypes: Any) -> None:
    a, v = np.array([1, 2, 3], dtypes[0]), np.array([0, 2, 7], dtypes[1])
    check(sorting.searchsorted, np.searchsorted, a, v)


def test_gradients() -> None:
    x = np.random.default_rng(0).permutation(np.linspace(-1, 2, 12)).reshape(3, 4)
    gradients(lambda v: sorting.sort(v, 0), x)
    gradients(lambda v: sorting.sort(v, None) ** 2, x)
    gradients(lambda v: sorting.partition(v, 1) ** 2, x)
    assert fgrad.grad(lambda v: fgrad.numpy.sum(sorting.searchsorted(v, np.ones(2)) * v[0]))(np.arange(3.0))[0] == 2.0


def test_rows_of_a_batch() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(fgrad.vmap(sorting.sort)(x), np.sort(x))
    np.testing.assert_array_equal(fgrad.vmap(sorting.sort, in_axes=1)(x), np.sort(x.T))
    found = fgrad.vmap(sorting.searchsorted)(np.sort(x), x[:, :2])
    np.testing.assert_array_equal(found, [np.searchsorted(np.sort(r), r[:2]) for r in x])


def test_bad_arguments() -> None:
    with pytest.raises(ShapeError, match="arrays of one axis"):
        staged(lambda a: sorting.searchsorted(a, 1.0), np.ones((2, 2)))
    with pytest.raises(ArgumentError, match="`side` is 'middle'"):
        staged(lambda a: sorting.searchsorted(a, 1.0, "middle"), np.ones(2))
    with pytest.raises(ArgumentError, match="out of bounds for 3 elements"):
        staged(lambda a: sorting.partition(a, 3), np.ones(3))
    with pytest.raises(ArgumentError, match="does not take `order`"):
        staged(lambda a: sorting.sort(a, order="x"), np.ones(3))
    with pytest.raises(ShapeError, match="keys of one shape"):
        staged(lambda a: sorting.lexsort((a, np.ones(2))), np.ones(3))
