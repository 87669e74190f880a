"""`gather` and `place`: values, types and every rule, against NumPy's own indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.core import ShapedArray, aval_of, format_jaxpr
from fgrad.errors import InvalidIndexError, OutOfBoundsError, ShapeError
from fgrad.primitives.index_kernels import accumulated, combined, placed
from fgrad.primitives.index_keys import ARRAY, FULL, index_source, indexed_shape, slice_entry, to_index
from fgrad.primitives.indexing import gather, place
from fgrad.transforms.stage import trace
from tests.primitives.index_strategies import Indexed, indexed
from tests.primitives.rules import check_rules


def uniform(shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def repeats(x: Indexed) -> bool:
    """Whether a position comes twice."""
    cells = np.arange(int(np.prod(x.shape))).reshape(x.shape)[to_index(x.key, x.arrays)]
    return len(np.unique(cells)) < cells.size


@given(indexed())
@settings(max_examples=400, deadline=None)
def test_gather_is_numpys_indexing(x: Indexed) -> None:
    values = uniform(x.shape, 0)
    expected = values[to_index(x.key, x.arrays)]
    found = gather(values, *x.arrays, key=x.key, unique=False)
    np.testing.assert_array_equal(found, expected)
    assert type(found) is type(expected) or found.ndim == 0
    assert indexed_shape(x.shape, x.key, [a.shape for a in x.arrays]) == expected.shape


@given(indexed(max_ndim=3), st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_rules_of_gather(x: Indexed, seed: int) -> None:
    check_rules(gather, [uniform(x.shape, seed), *x.arrays], {"key": x.key, "unique": not repeats(x)}, seed)


@given(indexed(max_ndim=3), st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_rules_of_place(x: Indexed, seed: int) -> None:
    values = uniform(indexed_shape(x.shape, x.key, [a.shape for a in x.arrays]), seed)
    params = {"key": x.key, "unique": not repeats(x), "shape": x.shape}
    check_rules(place, [values, *x.arrays], params, seed)


@pytest.mark.parametrize("sample", range(len(gather.samples)))
def test_samples_of_gather(sample: int) -> None:
    drawn = gather.samples[sample]
    check_rules(gather, drawn.draw(np.random.default_rng(0)), drawn.params)


@pytest.mark.parametrize("sample", range(len(place.samples)))
def test_samples_of_place(sample: int) -> None:
    drawn = place.samples[sample]
    check_rules(place, drawn.draw(np.random.default_rng(0)), drawn.params)


@given(
    st.builds(slice, *[st.none() | st.integers(-7, 7)] * 2, st.none() | st.sampled_from([-3, -1, 1, 2])),
    st.integers(0, 5),
)
def test_canonical_slices_take_the_same_positions(s: slice, size: int) -> None:
    entry = slice_entry(s, size)
    taken = list(range(size))
    assert taken[slice(*entry[1:])] == taken[s]
    if not taken[s]:
        assert entry == ("slice", 0, 0, None)


def test_a_step_backwards_to_the_first_position() -> None:
    assert slice_entry(slice(None, None, -1), 4) == ("slice", None, None, -1)
    assert slice_entry(slice(2, 0, -1), 4) == ("slice", 2, 0, -1)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ((("slice", 1, None, None), None, ARRAY), "1:, None, i"),
        ((FULL, 2, FULL), ":, 2"),
        ((FULL,), ":"),
        ((("slice", None, -1, 2),), ":-1:2"),
        ((), "()"),
        ((ARRAY, "...", ARRAY), "i, ..., i"),
    ],
)
def test_the_source_of_a_key(key: Any, text: str) -> None:
    assert index_source(key, ["i", "i"]) == text


def test_lowered_code_reads_as_numpy_does() -> None:
    closed = trace(
        lambda x, i: [gather(x, i, key=(("slice", 1, None, None), None, ARRAY), unique=False)],
        [ShapedArray((4, 3), np.dtype(float)), ShapedArray((2,), np.dtype(int))],
    )
    compiled = compile_jaxpr(closed, arguments=["x", "i"])
    assert "x[1:, None, i]" in compiled.text
    assert "gather" in format_jaxpr(closed)


def test_an_integer_outside_its_axis() -> None:
    with pytest.raises(OutOfBoundsError, match="index 4 is out of bounds for axis 1 of shape"):
        gather.shape(ShapedArray((2, 4), np.dtype(float)), key=(FULL, 4), unique=True)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("index", [[0, 5], [-6, 1]])
def test_an_index_array_outside_its_axis(compiled: bool, index: list[int]) -> None:
    x, i = np.arange(5.0), np.array(index)

    def take(x: Any, i: Any) -> list[Any]:
        return [gather(x, i, key=(ARRAY,), unique=False)]

    run = compile_jaxpr(trace(take, [aval_of(x), aval_of(i)])).function if compiled else take
    with pytest.raises(IndexError, match="out of bounds"):
        run(x, i)


@pytest.mark.parametrize("width", [1, 200])
def test_placing_outside_the_axis(width: int) -> None:
    v, index = np.ones((width, 3, 2)), np.array([1, 4, 1])
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 1 with size 4"):
        place(v, index, key=(FULL, ARRAY, FULL), unique=False, shape=(width, 4, 2))


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(InvalidIndexError, match="do not broadcast together"):
        indexed_shape((4, 4), (ARRAY, ARRAY), [(2,), (3,)])
    with pytest.raises(ShapeError, match="does not index an array of shape"):
        indexed_shape((4, 4), (0,), [])
    with pytest.raises(ShapeError, match="takes index arrays of integers"):
        gather.shape(ShapedArray((4,), np.dtype(float)), ShapedArray((1,), np.dtype(float)), key=(ARRAY,), unique=False)
    with pytest.raises(ShapeError, match="takes values of that shape"):
        place.shape(ShapedArray((4,), np.dtype(float)), key=(0, FULL), unique=True, shape=(3, 3))


@given(indexed(max_ndim=4, basic=False), st.integers(1, 40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_accumulated_is_add_at(x: Indexed, factor: int, behind: bool) -> None:
    """Also above the size where rows are added in one go."""
    shape, key = ((*x.shape, 20 * factor), (*x.key, FULL)) if behind else ((20 * factor, *x.shape), (FULL, *x.key))
    index = to_index(key, x.arrays)
    v = uniform(indexed_shape(shape, key, [a.shape for a in x.arrays]), factor)
    expected = np.zeros(shape)
    np.add.at(expected, index, v)
    np.testing.assert_allclose(accumulated(v, index, shape), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64, np.int32, np.bool_])
@pytest.mark.parametrize(("rows", "taken"), [(7, 900), (20000, 300), (5000, 40)])
def test_accumulated_keeps_the_dtype(dtype: Any, rows: int, taken: int) -> None:
    rng = np.random.default_rng(0)
    index = rng.integers(-rows, rows, taken)
    v = rng.integers(0, 3, (taken, 8)).astype(dtype)
    expected = np.zeros((rows, 8), dtype)
    np.add.at(expected, index, v)
    found = accumulated(v, index, (rows, 8))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    assert found.flags.writeable


def test_placed_is_fresh() -> None:
    v = np.ones(3)
    out = placed(v, np.s_[:], (3,))
    out[:] = 2
    assert v.tolist() == [1, 1, 1]
    assert isinstance(placed(np.float64(2.0), (), ()), np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
@pytest.mark.parametrize("shape", [(600,), (40,), (600, 20), (40, 20), (100_000, 3), (20, 30, 4)])
@pytest.mark.parametrize("most", [4, 20])
def test_many_values_are_added_at_their_positions(shape: tuple[int, ...], most: int, dtype: Any) -> None:
    """Every way in which values that meet are added up."""
    rng = np.random.default_rng(0)
    flat = np.concatenate([rng.integers(0, most, 100), -1 - rng.permutation(min(shape[0], 400))])
    v = rng.integers(-9, 9, (flat.size, *shape[1:])).astype(dtype)
    for index, values in (((flat,), v), ((flat[:0],), v[:0]), ((np.unique(flat),), v[: np.unique(flat).size])):
        expected = np.zeros(shape, dtype)
        np.add.at(expected, index, values)
        found = accumulated(values, index, shape)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == dtype
        start = rng.integers(-9, 9, shape).astype(dtype)
        np.testing.assert_array_equal(combined(np.add, start, index, values, False), start + expected)
        largest = start.copy()
        if dtype is not np.complex128:
            np.maximum.at(largest, index, values)
            np.testing.assert_array_equal(combined(np.maximum, start, index, values, False), largest)


@pytest.mark.parametrize("index", [np.array([[1, -1], [0, 1]]), np.array([1], np.uint64), np.zeros(0, np.int64), 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_taken_as_by_indexing(index: Any, order: Any) -> None:
    x = np.asarray(np.arange(12.0).reshape(4, 3), order=order)
    index = np.asarray(index)
    for f in (lambda x, i: x[i], fgrad.jit(lambda x, i: x[i])):
        np.testing.assert_array_equal(f(x, index), x[index])
    found = gather(x, index, key=(ARRAY, FULL), unique=False)
    np.testing.assert_array_equal(found, x[index])
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 0 with size 4"):
        gather(x, np.array([4]), key=(ARRAY, FULL), unique=False)
