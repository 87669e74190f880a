"""Sets: NumPy's values and dtypes where arrays have values; `size` where they have none; derivatives; batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ConcretizationTypeError
from tests.numpy.against_numpy import agree, check, gradients, online, rows, staged

numbers = st.lists(st.sampled_from([-1.5, 0.0, 2.0, 3.0, 7.5, np.nan]), max_size=8).map(np.array)
FLAGS = ("return_index", "return_inverse", "return_counts")
TWO = ["union1d", "setdiff1d", "setxor1d", "intersect1d"]


@given(x=numbers, flags=st.lists(st.sampled_from(FLAGS), unique=True), equal_nan=st.booleans())
def test_unique_of_arrays_with_values(x: Any, flags: Any, equal_nan: bool) -> None:
    options = {**dict.fromkeys(flags, True), "equal_nan": equal_nan}
    expected = np.unique(x, **options)
    got = online(lambda x: fgrad.numpy.concatenate([np.ravel(o) * 1.0 for o in _list(fnp.unique(x, **options))]), x)
    agree(np.concatenate([np.ravel(o) * 1.0 for o in _list(expected)]), got)


def _list(outs: Any) -> list[Any]:
    return list(outs) if isinstance(outs, tuple) else [outs]


@given(x=numbers, size=st.integers(0, 9), fill=st.sampled_from([None, -9.0]))
def test_unique_of_a_given_size(x: Any, size: int, fill: Any) -> None:
    x = np.asarray(x, float)
    values, index, inverse, counts = np.unique(x, True, True, True)
    n = min(size, len(values))
    first = values[:1] if fill is None else np.array([fill])
    padded = np.concatenate([values[:n], np.repeat(first if len(first) else np.zeros(1), size - n)])
    options = {"return_index": True, "return_inverse": True, "return_counts": True, "size": size, "fill_value": fill}
    for run in (staged, online):
        agree(padded, run(lambda x: fnp.unique(x, **options)[0], x))
        agree(index[:n], run(lambda x: fnp.unique(x, **options)[1][:n], x))
        agree(inverse, run(lambda x: fnp.unique(x, **options)[2], x))
        agree(np.concatenate([counts[:n], np.zeros(size - n, int)]), run(lambda x: fnp.unique(x, **options)[3], x))
    agree(padded, fnp.unique(x, size=size, fill_value=fill))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_unique_parts(axis: int) -> None:
    x = np.array([[1.0, 2.0, 1.0], [0.0, 2.0, 0.0], [1.0, 2.0, 1.0]])
    agree(np.unique(x, axis=axis), online(lambda x: fnp.unique(x, axis=axis), x))
    agree(np.unique(x, axis=axis), staged(lambda x: fnp.unique(x, axis=axis, size=2), x))


def test_unique_forms() -> None:
    x = np.array([[3.0, 1.0], [3.0, 2.0]])
    for name, fields in {"unique_all": 4, "unique_counts": 2, "unique_inverse": 2}.items():
        expected = getattr(np, name)(x)
        for k in range(fields):
            agree(expected[k], staged(lambda x, k=k, name=name: getattr(fnp, name)(x, size=3)[k], x))
            agree(expected[k], getattr(fnp, name)(x)[k])
        assert staged(lambda x, name=name: getattr(fnp, name)(x, size=3).values, x).tolist() == [1.0, 2.0, 3.0]
    agree(np.array([1.0, 2.0, 3.0]), staged(lambda x: fnp.unique_values(x, size=3), x))


@given(x=numbers, y=numbers, invert=st.booleans())
def test_isin(x: Any, y: Any, invert: bool) -> None:
    check(lambda x, y: fnp.isin(x, y, invert=invert), lambda x, y: np.isin(x, y, invert=invert), x, y)


@pytest.mark.parametrize("name", TWO)
@given(x=st.lists(st.integers(-3, 3), max_size=6), y=st.lists(st.integers(-3, 3), max_size=6))
def test_two_sets(name: str, x: Any, y: Any) -> None:
    a, b = np.array(x, float), np.array(y, float)
    ours, expected = getattr(fnp, name), getattr(np, name)(a, b)
    agree(expected, online(ours, a, b))
    padded = np.concatenate([expected, np.full(14 - len(expected), 9.0)])
    agree(padded, staged(lambda a, b: ours(a, b, size=14, fill_value=9), a, b))


def test_where_common_elements_stand() -> None:
    a, b = np.array([3.0, 1.0, 2.0, 3.0]), np.array([2.0, 5.0, 3.0])
    for k, expected in enumerate(np.intersect1d(a, b, return_indices=True)):
        agree(expected, online(lambda a, b, k=k: fnp.intersect1d(a, b, return_indices=True)[k], a, b))
        got = staged(lambda a, b, k=k: fnp.intersect1d(a, b, False, True, size=3, fill_value=-1)[k], a, b)
        agree(np.append(expected, [-1.0, 4, 3][k]).astype(expected.dtype), got)


def test_distinct_elements_that_were_assumed_so() -> None:
    a = np.array([3.0, 1.0, 2.0])
    agree(np.setdiff1d(a, [1.0], True), online(lambda a: fnp.setdiff1d(a, np.array([1.0]), True), a))


def test_gradients_and_rows() -> None:
    x = np.array([3.0, 1.0, 2.0, 5.0])
    gradients(fnp.unique, x)
    gradients(lambda x: fnp.union1d(x, x + 0.5), x)
    gradients(lambda x: fnp.unique(x, size=6), x)
    rows(lambda x: fnp.unique(x, size=5), x)
    rows(fnp.isin, x, np.array([2.0, 3.5]))
    np.testing.assert_array_equal(fgrad.grad(lambda x: np.unique(x)[0])(x), [0, 1, 0, 0])


@pytest.mark.parametrize("name", ["unique", *TWO])
def test_without_a_value_a_size_is_needed(name: str) -> None:
    count = 1 if name == "unique" else 2
    with pytest.raises(ConcretizationTypeError, match=rf"{name}\(…, size=n\)"):
        fgrad.jit(getattr(fnp, name))(*[np.ones(3)] * count)


def test_nothing_in_common_of_a_given_size() -> None:
    assert fnp.intersect1d(np.array([3, 1]), np.array([2]), size=2).tolist() == [3, 3]
    assert fnp.intersect1d(np.array([3, 1]), np.array([2]), size=2, fill_value=-1).tolist() == [-1, -1]
