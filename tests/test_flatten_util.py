"""Pytrees as vectors and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad import tree
from fgrad.errors import ShapeError
from fgrad.flatten_util import ravel_pytree


class Layer(NamedTuple):
    weight: Any
    bias: Any


def model() -> dict[str, Any]:
    return {"layers": [Layer(np.arange(6.0).reshape(2, 3), np.array([6.0, 7.0, 8.0]))], "scale": 9.0, "nothing": None}


DTYPES = [np.dtype(t) for t in ("f4", "f8", "i4", "i8", "?", "c16")]
ARRAYS = st.builds(
    lambda shape, dtype, seed: np.random.default_rng(seed).integers(0, 2, shape).astype(dtype)[()],
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.sampled_from(DTYPES),
    st.integers(0, 9),
)
TREES = st.recursive(
    ARRAYS | st.none() | st.floats(-5, 5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from("abc"), children, max_size=3),
    max_leaves=6,
)


@given(x=TREES)
def test_there_and_back(x: Any) -> None:
    flat, unravel = ravel_pytree(x)
    leaves = tree.leaves(x)
    assert flat.ndim == 1
    assert flat.size == sum(np.size(leaf) for leaf in leaves)
    if leaves:
        assert flat.dtype == np.result_type(*[np.asarray(leaf).dtype for leaf in leaves])
    back = unravel(flat)
    assert tree.structure(back) == tree.structure(x)
    for got, leaf in zip(tree.leaves(back), leaves, strict=True):
        assert got.dtype == np.asarray(leaf).dtype
        assert np.array_equal(got, leaf)
        assert isinstance(got, np.ndarray) == bool(np.ndim(leaf))


def test_the_order_is_that_of_the_leaves() -> None:
    flat, unravel = ravel_pytree(model())
    assert flat.tolist() == list(range(10))
    assert unravel(2 * flat)["layers"][0].bias.tolist() == [12.0, 14.0, 16.0]


def test_nothing_is_shared() -> None:
    x = np.arange(3.0)
    flat, unravel = ravel_pytree(x)
    assert not np.shares_memory(flat, x)
    back = unravel(flat)
    back[0] = 7.0
    assert flat.tolist() == x.tolist() == [0.0, 1.0, 2.0]
    parts = ravel_pytree([x, x])[1](np.arange(6.0))
    assert parts[0].base is None


def test_leaves_of_one_dtype_take_that_of_the_vector() -> None:
    flat, unravel = ravel_pytree(model())
    assert all(x.dtype == np.float32 for x in tree.leaves(unravel(flat.astype(np.float32))))


def test_leaves_of_several_dtypes_get_their_own_back() -> None:
    flat, unravel = ravel_pytree({"n": np.arange(2), "x": np.float32(2.5), "z": 1 + 2j})
    assert flat.dtype == complex
    back = unravel(flat * 2)
    assert [x.dtype for x in tree.leaves(back)] == [np.int64, np.float32, complex]
    assert (back["n"].tolist(), back["x"], back["z"]) == ([0, 2], 5.0, 2 + 4j)


@pytest.mark.parametrize("x", [model(), [np.arange(3), np.float32([1.5, 2.5])], (), {"a": np.zeros((2, 0))}])
def test_in_compiled_functions(x: Any) -> None:
    flat, _ = ravel_pytree(x)
    got = fgrad.jit(lambda t: ravel_pytree(t)[0])(x)
    assert got.dtype == flat.dtype
    assert np.array_equal(got, flat)
    back = fgrad.jit(lambda t: ravel_pytree(t)[1](ravel_pytree(t)[0]))(x)
    assert tree.structure(back) == tree.structure(x)
    for y, leaf in zip(tree.leaves(back), tree.leaves(x), strict=True):
        assert y.dtype == np.asarray(leaf).dtype
        assert np.array_equal(y, leaf)


def loss(p: Any) -> Any:
    out = fnp.tanh(np.ones(2) @ p["layers"][0].weight + p["layers"][0].bias)
    return fnp.sum(out * p["scale"])


def test_gradients_of_vectors_are_vectors_of_gradients() -> None:
    flat, unravel = ravel_pytree(model())
    vector = fgrad.grad(lambda v: loss(unravel(v)))(flat)
    np.testing.assert_allclose(vector, ravel_pytree(fgrad.grad(loss)(model()))[0])
    hessian = fgrad.hessian(lambda v: loss(unravel(v)))(flat)
    assert hessian.shape == (10, 10)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-15)


def test_derivatives_go_through_ravel() -> None:
    weights = np.arange(10.0)
    slope = fgrad.grad(lambda p: ravel_pytree(p)[0] @ weights)(model())
    assert ravel_pytree(slope)[0].tolist() == weights.tolist()
    mixed = fgrad.grad(lambda x: fnp.sum(ravel_pytree([x, 2.0])[0] ** 2))(np.float32([1.0, 3.0]))
    assert mixed.dtype == np.float32
    assert mixed.tolist() == [2.0, 6.0]


def test_row_by_row() -> None:
    flat, unravel = ravel_pytree(model())
    rows = np.stack([flat, flat + 1, flat * 2])
    trees = fgrad.vmap(unravel)(rows)
    assert trees["layers"][0].weight.shape == (3, 2, 3)
    assert np.array_equal(fgrad.vmap(lambda t: ravel_pytree(t)[0])(trees), rows)


def test_bad_vectors_are_refused() -> None:
    _, unravel = ravel_pytree(model())
    for bad, got in ((np.zeros(9), r"float64\[9\]"), (np.zeros((10, 1)), r"float64\[10, 1\]"), (1.0, r"float64\[\]")):
        with pytest.raises(ShapeError, match=rf"unravel takes a vector of 10 numbers, got {got}"):
            unravel(bad)
    _, unravel = ravel_pytree([np.float32(1), 2.0])
    with pytest.raises(ShapeError, match=r"unravel takes float64\[2\], got float32\[2\](?s:.*)several dtypes"):
        unravel(np.zeros(2, np.float32))
    with pytest.raises(ShapeError, match=r"got float64\[3\](?s:.*)test_flatten_util\.py"):
        fgrad.jit(unravel)(np.zeros(3))
