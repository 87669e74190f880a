"""The scatter family: values, every rule, repeated positions, ties and zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.core import ShapedArray
from fgrad.core.primitive import Primitive
from fgrad.errors import ShapeError
from fgrad.primitives.index_keys import ARRAY, FULL, indexed_shape, to_index
from fgrad.primitives.joining import unstack
from fgrad.primitives.scattering import scatter, scatter_add, scatter_max, scatter_min, scatter_mul
from fgrad.primitives.shape import reduce_sum
from fgrad.transforms.stage import trace
from tests.primitives.index_strategies import Indexed, indexed
from tests.primitives.rules import check_rules, check_second, check_transpose

FAMILY = [scatter, scatter_add, scatter_mul, scatter_min, scatter_max]
UFUNCS = {scatter_add: np.add, scatter_mul: np.multiply, scatter_min: np.minimum, scatter_max: np.maximum}
REPEATED = {"key": (ARRAY,), "unique": False}


def total(x: Any) -> Any:
    return reduce_sum(x, axes=tuple(range(x.ndim)))


def one_by_one(primitive: Primitive, x: Any, v: Any, x_index: Any) -> Any:
    """What the primitive means: the values in C order, each on its position."""
    out = np.array(x)
    cells = np.arange(x.size).reshape(x.shape)[x_index]
    for cell, value in zip(np.ravel(cells), np.ravel(v), strict=True):
        where = np.unravel_index(cell, x.shape)
        out[where] = value if primitive is scatter else UFUNCS[primitive](out[where], value)
    return out


def distinct(shape: tuple[int, ...], rng: np.random.Generator, low: float) -> Any:
    """Numbers far enough apart that no order changes under a small perturbation."""
    size = int(np.prod(shape))
    return rng.permutation(low + 0.01 * np.arange(size)).reshape(shape)


def operands(x: Indexed, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    taken = indexed_shape(x.shape, x.key, [a.shape for a in x.arrays])
    return distinct(x.shape, rng, 0.5), distinct(taken, rng, 0.503)


def repeats(x: Indexed) -> bool:
    cells = np.arange(int(np.prod(x.shape))).reshape(x.shape)[to_index(x.key, x.arrays)]
    return len(np.unique(cells)) < cells.size


@pytest.mark.parametrize("primitive", FAMILY, ids=str)
@given(x=indexed(), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_values(primitive: Primitive, x: Indexed, seed: int) -> None:
    values, v = operands(x, seed)
    expected = one_by_one(primitive, values, v, to_index(x.key, x.arrays))
    for unique in {False, not repeats(x)}:
        found = primitive(values, v, *x.arrays, key=x.key, unique=unique)
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("primitive", FAMILY, ids=str)
@given(x=indexed(max_ndim=3), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_rules(primitive: Primitive, x: Indexed, seed: int) -> None:
    params = {"key": x.key, "unique": not repeats(x)}
    check_rules(primitive, [*operands(x, seed), *x.arrays], params, seed)


@pytest.mark.parametrize("primitive", FAMILY, ids=str)
def test_samples(primitive: Primitive) -> None:
    for sample in primitive.samples:
        check_rules(primitive, sample.draw(np.random.default_rng(0)), sample.params)


@pytest.mark.parametrize("layout", ["C", "F", "reversed"])
def test_the_last_value_stays_whatever_the_memory_layout(layout: str) -> None:
    index, v = np.array([[0, 1, 0], [1, 0, 1]]), np.arange(6.0).reshape(2, 3)
    if layout == "F":
        index, v = np.asfortranarray(index), np.asfortranarray(v)
    if layout == "reversed":
        index = np.ascontiguousarray(index[::-1, ::-1])[::-1, ::-1]
    x = np.zeros(2)
    assert scatter(x, v, index, **REPEATED).tolist() == [4, 5]
    gradient = fgrad.grad(lambda v: total(scatter(x, v, index, **REPEATED) * np.array([10.0, 20.0])))(v)
    assert gradient.tolist() == [[0, 0, 0], [0, 10, 20]]


def test_the_derivative_goes_to_the_value_that_stays() -> None:
    index = np.array([2, 0, 2, 2])
    x, v = np.arange(4.0), np.array([5.0, 6.0, 7.0, 8.0])

    def loss(x: Any, v: Any) -> Any:
        return total(scatter(x, v, index, **REPEATED) ** 2)

    by_x, by_v = fgrad.grad(loss, argnums=(0, 1))(x, v)
    assert by_x.tolist() == [0, 2, 0, 6]
    assert by_v.tolist() == [0, 12, 0, 16]


def test_products_with_zeros_have_exact_derivatives() -> None:
    """d²/dvᵢdvⱼ of x·Πv, with one, two and three zeros among the values of a position."""
    index = np.array([0, 0, 0, 1, 1, 2])
    for zeros in ([], [0], [0, 1], [0, 1, 2], [3, 4]):
        v = np.array([2.0, 3.0, 5.0, 7.0, 11.0, 13.0])
        v[zeros] = 0.0
        x = np.array([1.5, 2.5, 0.0])

        def product(v: Any, x: Any = x) -> Any:
            return total(scatter_mul(x, v, index, **REPEATED))

        def plain(v: Any, x: Any = x) -> Any:
            a, b, c, d, e, f = unstack(v, axis=0)
            return x[0] * a * b * c + x[1] * d * e + x[2] * f

        np.testing.assert_allclose(fgrad.grad(product)(v), fgrad.grad(plain)(v), rtol=1e-14)
        np.testing.assert_allclose(fgrad.hessian(product)(v), fgrad.hessian(plain)(v), rtol=1e-14)


def test_products_over_slices_between_index_arrays() -> None:
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(2, 3, 2)), rng.normal(size=(4, 3))
    v[1] = 0.0
    index = np.array([1, 0, 1, 1])

    def product(x: Any, v: Any) -> list[Any]:
        return [scatter_mul(x, v, index, key=(ARRAY, FULL, 1), unique=False)]

    check_transpose(product, [x, v], rng)
    check_second(product, [x, v], rng)


@pytest.mark.parametrize(("primitive", "v"), [(scatter_min, 1.0), (scatter_max, 1.0)])
def test_ties_share_the_derivative(primitive: Primitive, v: float) -> None:
    index = np.array([0, 0, 1])

    def loss(x: Any, v: Any) -> Any:
        return total(primitive(x, v, index, **REPEATED) * np.array([6.0, 1.0, 1.0]))

    by_x, by_v = fgrad.grad(loss, argnums=(0, 1))(np.ones(3), np.array([v, v, v]))
    assert by_x.tolist() == [2, 0.5, 1]
    assert by_v.tolist() == [2, 2, 0.5]


@pytest.mark.parametrize("primitive", [scatter_min, scatter_max], ids=str)
def test_nan_wins_and_takes_the_derivative(primitive: Primitive) -> None:
    x, v, index = np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0]), np.array([0, 1])
    out, pull = fgrad.vjp(lambda x, v: primitive(x, v, index, **REPEATED), x, v)
    assert np.isnan(out).tolist() == [True, True, False]
    by_x, by_v = pull(np.ones(3))
    assert by_x.tolist() == [0, 1, 1]
    assert by_v.tolist() == [1, 0]


def test_an_infinite_tangent_of_a_loser_does_no_harm() -> None:
    index = np.array([0])
    _, t = fgrad.jvp(
        lambda x, v: scatter_max(x, v, index, **REPEATED),
        (np.array([5.0]), np.array([1.0])),
        (np.array([1.0]), np.array([np.inf])),
    )
    assert t.tolist() == [1.0]


@pytest.mark.parametrize("primitive", FAMILY, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int16, np.uint8, np.bool_])
def test_dtypes_are_kept(primitive: Primitive, dtype: Any) -> None:
    x, v = np.array([0, 1, 1]).astype(dtype), np.array([1, 1]).astype(dtype)
    found = primitive(x, v, np.array([0, 0]), **REPEATED)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, one_by_one(primitive, x, v, np.array([0, 0])))


@pytest.mark.parametrize("primitive", FAMILY, ids=str)
def test_lowered_code_writes_in_place_only_into_what_is_its_own(primitive: Primitive) -> None:
    aval, i, j = ShapedArray((300,), np.dtype(float)), np.array([0, 2, 0]), np.array([0, 1, 0])

    def twice(x: Any, v: Any) -> list[Any]:
        first = primitive(x, v, i, **REPEATED)
        return [primitive(first, v, j, **REPEATED)]

    compiled = compile_jaxpr(trace(twice, [aval, ShapedArray((3,), np.dtype(float))]))
    assert compiled.text.count("copy=False") == 1
    x, v = np.linspace(0, 1, 300), np.array([2.0, 0.5, -1.0])
    (found,) = compiled.function(x, v)
    np.testing.assert_array_equal(found, one_by_one(primitive, one_by_one(primitive, x, v, i), v, j))
    np.testing.assert_array_equal(x, np.linspace(0, 1, 300))


def test_lowered_code_that_reads_what_it_writes() -> None:
    """The same array is indexed and is the value: it must not be overwritten on the way."""

    def f(x: Any) -> list[Any]:
        y = x * 2.0
        return [scatter(y, y, np.array([3, 0, 1, 2]), key=(ARRAY,), unique=True)]

    compiled = compile_jaxpr(trace(f, [ShapedArray((4,), np.dtype(float))]))
    assert compiled.function(np.arange(4.0))[0].tolist() == [2, 4, 6, 0]


def test_values_that_do_not_fit() -> None:
    x = ShapedArray((3,), np.dtype(float))
    with pytest.raises(ShapeError, match=r"takes values f64\[2\], got f64\[3\]"):
        scatter.shape(x, x, ShapedArray((2,), np.dtype(int)), key=(ARRAY,), unique=True)
    with pytest.raises(ShapeError, match=r"takes values f64\[3\], got f32\[3\]"):
        scatter_add.shape(x, ShapedArray((3,), np.dtype(np.float32)), key=(FULL,), unique=True)


@pytest.mark.parametrize("primitive", FAMILY, ids=str)
@pytest.mark.parametrize("width", [1, 300])
def test_outside_the_axis(primitive: Primitive, width: int) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        primitive(np.ones((3, width)), np.ones((2, width)), np.array([0, 3]), key=(ARRAY, FULL), unique=False)


@pytest.mark.parametrize(
    ("shape", "key"), [((2**19,), np.s_[1:]), ((300, 1000), np.s_[:, 5:]), ((3, 2**18), np.s_[1:])]
)
def test_large_parts_are_added_to_on_threads(shape: tuple[int, ...], key: Any) -> None:
    x = np.ones(shape, np.float32)
    f = fgrad.jit(lambda x: fnp.at(x * 2.0)[key].add(np.sin(x[key])))
    assert "run=_run" in f.lower(x).as_text()
    expected = x * 2.0
    expected[key] += np.sin(x[key])
    with fgrad.config.using(num_threads=3):
        np.testing.assert_allclose(f(x), expected, rtol=1e-6)
