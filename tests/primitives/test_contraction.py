"""dot_general: its rules, its lowering, and how the products of its rules are laid out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgrad.core import ShapedArray, aval_of
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError
from fgrad.primitives.contraction import DimensionNumbers, dot_general
from fgrad.transforms.batch import batch
from fgrad.transforms.jvp import linearize
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose
from tests.primitives.rules import check_rules

MATRICES: DimensionNumbers = (((1,), (0,)), ((), ()))


class Product(NamedTuple):
    """Two shapes and how their axes are paired; `subscripts` says the same in Einstein's notation."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    numbers: DimensionNumbers
    subscripts: str


@st.composite
def products(draw: Any) -> Product:
    """Random groups of axes, in random places."""
    sizes = draw(st.lists(st.integers(0, 3), max_size=6)) or [2]
    kinds = [draw(st.sampled_from(["batch", "contract", "left", "right"])) for _ in sizes]
    letters = "abcdef"[: len(sizes)]
    groups = {k: [c for c, kind in zip(letters, kinds, strict=True) if kind == k] for k in set(kinds)}
    paired = groups.get("batch", []) + groups.get("contract", [])
    left = draw(st.permutations(paired + groups.get("left", [])))
    right = draw(st.permutations(paired + groups.get("right", [])))
    lengths = dict(zip(letters, sizes, strict=True))
    contract, rows = (
        (tuple(left.index(c) for c in group), tuple(right.index(c) for c in group))
        for group in (groups.get("contract", []), groups.get("batch", []))
    )
    free = [c for c in left if c not in paired] + [c for c in right if c not in paired]
    result = "".join(groups.get("batch", [])) + "".join(free)
    return Product(
        tuple(lengths[c] for c in left),
        tuple(lengths[c] for c in right),
        (contract, rows),
        f"{''.join(left)},{''.join(right)}->{result}",
    )


def operands(product: Product, seed: int, dtype: Any = np.float64) -> list[Any]:
    """Arrays of those shapes, in C order, in Fortran order, or with gaps between their elements."""
    rng = np.random.default_rng(seed)
    xs = []
    for shape in (product.left, product.right):
        x = rng.integers(-4, 5, shape).astype(dtype)
        layout = rng.integers(3)
        if layout == 1:
            x = np.asarray(x, order="F")
        elif layout == 2 and shape:
            x = np.repeat(x, 2, axis=-1)[..., ::2]
        xs.append(x)
    return xs


@given(
    products(), st.integers(0, 99), st.sampled_from([np.float64, np.float32, np.int64, np.int8, bool, np.complex128])
)
def test_value_is_that_of_einsum(product: Product, seed: int, dtype: Any) -> None:
    x, y = operands(product, seed, dtype)
    out = dot_general(x, y, dimension_numbers=product.numbers)
    expected = np.einsum(product.subscripts, x, y)
    assert np.asarray(out).dtype == expected.dtype
    np.testing.assert_array_equal(out, expected)
    aval = dot_general.shape(aval_of(x), aval_of(y), dimension_numbers=product.numbers)
    assert (aval.shape, aval.dtype) == (expected.shape, expected.dtype)


@given(products(), st.integers(0, 99))
def test_rules(product: Product, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=product.left), rng.normal(size=product.right)]
    check_rules(dot_general, xs, {"dimension_numbers": product.numbers}, seed)


@given(products(), st.integers(0, 99))
def test_source_computes_the_same(product: Product, seed: int) -> None:
    x, y = operands(product, seed)
    write = Writer()
    write.avals = [aval_of(x), aval_of(y)]
    source = dot_general.lower(write, ["x", "y"], None, dimension_numbers=product.numbers)
    out = eval(source, {**write.namespace, "x": x, "y": y})
    expected = dot_general(x, y, dimension_numbers=product.numbers)
    assert type(out) is type(expected)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("left", "right", "numbers", "source"),
    [
        ((2, 3), (3, 4), MATRICES, "np.dot(x, w)"),
        ((3, 2), (3, 4), (((0,), (0,)), ((), ())), "np.dot(x.T, w)"),
        ((2, 3), (4, 3), (((1,), (1,)), ((), ())), "np.dot(x, w.T)"),
        ((3,), (3,), (((0,), (0,)), ((), ())), "np.dot(x, w)"),
        ((5, 2, 3), (3, 4), (((2,), (0,)), ((), ())), "np.reshape(np.dot(np.reshape(x, (10, 3)), w), (5, 2, 4))"),
        ((5, 2, 3), (5, 3, 4), (((2,), (1,)), ((0,), (0,))), "np.matmul(x, w)"),
        ((5, 2, 3), (5, 4, 3), (((2,), (2,)), ((0,), (0,))), "np.matmul(x, np.transpose(w, (0, 2, 1)))"),
        ((5, 3), (5, 3), (((1,), (1,)), ((0,), (0,))), "np.vecdot(x, w)"),
        ((2,), (3,), (((), ()), ((), ())), "np.multiply(np.reshape(x, (2, 1)), np.reshape(w, (1, 3)))"),
        ((2, 3), (5, 3, 4), (((1,), (1,)), ((), ())), "np.transpose(np.matmul(x, w), (1, 0, 2))"),
        ((3,), (5, 3, 4), (((0,), (1,)), ((), ())), "np.matmul(x, w)"),
        (
            (2, 3, 5),
            (5, 3, 4),
            (((1,), (1,)), ((2,), (0,))),
            "np.matmul(np.ascontiguousarray(np.transpose(x, (2, 0, 1))), w)",
        ),
        ((64, 8, 1), (64, 1, 32), (((2,), (1,)), ((0,), (0,))), "np.multiply(x, w)"),
        ((8, 6, 64), (64, 6), (((1,), (1,)), ((2,), (0,))), "np.einsum('abc,cb->ca', x, w)"),
        ((3, 3, 64), (3, 3, 64), (((1,), (0,)), ((2,), (2,))), "np.einsum('abc,bec->cae', x, w)"),
        (
            (64, 3, 3),
            (64, 3, 3),
            (((2,), (2,)), ((0,), (0,))),
            "np.matmul(x, np.ascontiguousarray(np.transpose(w, (0, 2, 1))))",
        ),
    ],
)
def test_source_is_readable(left: Any, right: Any, numbers: DimensionNumbers, source: str) -> None:
    write = Writer()
    write.avals = [ShapedArray(shape, np.dtype(np.float64)) for shape in (left, right)]
    assert dot_general.lower(write, ["x", "w"], None, dimension_numbers=numbers) == source


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.complex128])
@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("m", [0, 1, 3, 20])
@pytest.mark.parametrize("n", [1, 3, 20])
@pytest.mark.parametrize("layouts", ["bmk,bkn", "mkb,knb", "bmk,bnk", "mbk,knb", "mkb,bkn", "bkm,nkb"])
def test_stacks_of_matrices(layouts: str, m: int, n: int, count: int, dtype: Any) -> None:
    """Every way in which a stack is multiplied."""
    rng = np.random.default_rng(m + 10 * n + 100 * count)
    sizes = {"b": 33, "m": m, "n": n, "k": count}
    left, right = layouts.split(",")
    x, y = (rng.integers(-4, 5, [sizes[c] for c in term]).astype(dtype) for term in (left, right))
    numbers = (((left.index("k"),), (right.index("k"),)), ((left.index("b"),), (right.index("b"),)))
    out = dot_general(x, y, dimension_numbers=numbers)
    np.testing.assert_array_equal(out, np.einsum(f"{layouts}->bmn", x, y))
    assert out.dtype == dtype


def primitives_of(f: Any, *shapes: tuple[int, ...]) -> list[str]:
    closed = trace(f, [ShapedArray(shape, np.dtype(np.float64)) for shape in shapes])
    return [eqn.primitive.name for eqn in closed.eqns]


@pytest.mark.parametrize(
    ("numbers", "left", "right"),
    [
        (MATRICES, (2, 3), (3, 4)),
        ((((0,), (0,)), ((), ())), (3, 2), (3, 4)),
        ((((1,), (1,)), ((), ())), (2, 3), (4, 3)),
        ((((0,), (1,)), ((), ())), (3, 2), (4, 3)),
        ((((1,), (0,)), ((), ())), (2, 3), (3,)),
        ((((2,), (0,)), ((), ())), (5, 2, 3), (3, 4)),
        ((((2,), (1,)), ((0,), (0,))), (5, 2, 3), (5, 3, 4)),
    ],
)
def test_cotangents_lie_as_the_operands_do(numbers: DimensionNumbers, left: Any, right: Any) -> None:
    """No product of a rule is transposed afterwards, so nothing is copied."""

    def pullback(x: Any, y: Any, ct: Any) -> Any:
        _, program = linearize(lambda x, y: [dot_general(x, y, dimension_numbers=numbers)], [x, y])
        return transpose(program, [ct])

    out = dot_general(np.zeros(left), np.zeros(right), dimension_numbers=numbers)
    assert set(primitives_of(pullback, left, right, out.shape)) == {"dot_general"}
    x_bar, y_bar = pullback(np.ones(left), np.ones(right), np.ones(out.shape))
    assert x_bar.flags.c_contiguous
    assert y_bar.flags.c_contiguous


@pytest.mark.parametrize("dims", [(0, None), (1, None), (2, None), (None, 0), (None, 1), (None, 2)])
def test_unmapped_weights_make_one_product(dims: Any) -> None:
    shapes = [(2, 3), (3, 4)]
    mapped = [s if d is None else (*s[:d], 7, *s[d:]) for s, d in zip(shapes, dims, strict=True)]

    def f(*xs: Any) -> Any:
        return batch(lambda x, y: [dot_general(x, y, dimension_numbers=MATRICES)], 7, xs, dims)[0]

    closed = trace(f, [ShapedArray(s, np.dtype(np.float64)) for s in mapped])
    (eqn,) = closed.eqns
    assert eqn.params["dimension_numbers"][1] == ((), ())


@pytest.mark.parametrize(
    ("left", "right", "numbers", "words"),
    [
        ((2, 3), (4, 5), MATRICES, "axis 1 of length 3 with axis 0 of length 4"),
        ((2, 3), (3, 4), (((2,), (0,)), ((), ())), "are not distinct axes"),
        ((2, 3), (3, 4), (((1, 1), (0, 1)), ((), ())), "are not distinct axes"),
        ((2, 3), (3, 4), (((1,), ()), ((), ())), "cannot be paired"),
    ],
)
def test_what_does_not_fit_is_refused(left: Any, right: Any, numbers: DimensionNumbers, words: str) -> None:
    avals = [ShapedArray(shape, np.dtype(np.float64)) for shape in (left, right)]
    with pytest.raises(ShapeError, match=words):
        trace(lambda x, y: [dot_general(x, y, dimension_numbers=numbers)], avals)


def test_dtypes_must_be_the_same() -> None:
    avals = [ShapedArray((2, 2), np.dtype(t)) for t in (np.float32, np.float64)]
    with pytest.raises(ShapeError, match="the dtypes differ"):
        trace(lambda x, y: [dot_general(x, y, dimension_numbers=MATRICES)], avals)


def test_python_numbers() -> None:
    out = dot_general(2.0, 3.0, dimension_numbers=(((), ()), ((), ())))
    assert out == 6.0
