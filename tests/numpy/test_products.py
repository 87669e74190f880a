"""Products of vectors, matrices and tensors: NumPy's values, dtypes and errors, and derivatives."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.core import ShapedArray
from fgrad.errors import ArgumentError, ShapeError
from fgrad.numpy import products
from fgrad.transforms.stage import trace
from tests.numpy.against_numpy import agree, check, gradients, online, rows, staged
from tests.numpy.test_reductions import DTYPES, elements

BOTH = ["matmul", "dot", "inner", "outer", "vdot", "vecdot", "kron"]
NEWER = [name for name in ("matvec", "vecmat") if hasattr(np, name)]


@st.composite
def pairs(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of stacks of matrices or vectors, which fit together more often than not."""
    m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
    rows = draw(st.lists(st.integers(1, 3), max_size=2))
    other = [1 if draw(st.integers(0, 3)) == 0 else r for r in rows][draw(st.integers(0, len(rows))) :]
    left = draw(st.sampled_from([(k,), (m, k), (*rows, m, k), (*rows, k), (k, m), ()]))
    right = draw(st.sampled_from([(k,), (k, n), (*other, k, n), (*other, k), (n, k), ()]))
    return (left, right) if draw(st.booleans()) else (right, left)


@pytest.mark.parametrize("name", [*BOTH, *NEWER])
@given(shapes=pairs(), dtypes=st.tuples(st.sampled_from(DTYPES), st.sampled_from(DTYPES)))
def test_products_of_two(name: str, shapes: Any, dtypes: Any) -> None:
    x, y = (elements(shape, dtype, i) for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)))
    check(getattr(products, name), getattr(np, name), x, y)


@pytest.mark.parametrize("name", ["matvec", "vecmat"])
def test_newer_functions_on_any_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are there also where NumPy does not have them yet."""
    monkeypatch.delattr(np, name, raising=False)
    a, v = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    found = products.matvec(a, v) if name == "matvec" else products.vecmat(v, a.T)
    np.testing.assert_array_equal(found, a @ v)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_vecdot_along_an_axis(axis: int) -> None:
    x, y = elements((3, 3), np.complex128, 0), elements((3, 3), np.complex128, 1)
    check(lambda x, y: products.vecdot(x, y, axis=axis), lambda x, y: np.vecdot(x, y, axis=axis), x, y)


@pytest.mark.parametrize(
    ("left", "right", "axes"),
    [
        ((2, 3), (3, 4), 1),
        ((2, 3), (2, 3), 2),
        ((2, 3), (4,), 0),
        ((2, 3, 4), (4, 3, 2), ([1, 2], [1, 0])),
        ((2, 3), (3, 2), (1, 0)),
        ((2, 3), (2, 3), ((-1,), (1,))),
        ((2, 3), (2, 3), 1),
        ((2, 3), (2, 3), 3),
        ((2, 3), (2, 3), ([0], [0, 1])),
    ],
)
def test_tensordot(left: Any, right: Any, axes: Any) -> None:
    x, y = elements(left, np.float64, 0), elements(right, np.float32, 1)
    check(lambda x, y: products.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes), x, y)


@pytest.mark.parametrize("shapes", list(itertools.product([(3,), (2,), (4, 3), (4, 1, 3), (4, 2)], repeat=2)))
def test_cross(shapes: Any) -> None:
    x, y = (elements(shape, np.float64, i) for i, shape in enumerate(shapes))
    check(products.cross, np.cross, x, y)


def test_cross_along_other_axes() -> None:
    x, y = elements((3, 4), np.float64, 0), elements((4, 3), np.float64, 1)
    check(lambda x, y: products.cross(x, y, 0, 1, 0), lambda x, y: np.cross(x, y, 0, 1, 0), x, y)
    check(lambda x: products.cross(x, x + 1, axis=0), lambda x: np.cross(x, x + 1, axis=0), x)


@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=3).map(tuple),
    offset=st.integers(-4, 4),
    axes=st.sampled_from([(0, 1), (1, 0), (-1, 0), (1, 2), (0, 0)]),
    dtype=st.sampled_from(DTYPES),
)
def test_trace(shape: Any, offset: int, axes: Any, dtype: Any) -> None:
    check(lambda x: products.trace(x, offset, *axes), lambda x: np.trace(x, offset, *axes), elements(shape, dtype, 0))


def test_trace_in_a_dtype() -> None:
    check(products.trace, np.trace, elements((3, 3), np.int64, 0), dtype=np.float32)


SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((4, 1, 2, 3), (5, 3, 1)),
    ((3,), (5, 3, 2)),
]


PRODUCTS = [
    *[("matmul", *shapes) for shapes in SHAPES],
    ("dot", (2, 3), (4, 3, 2)),
    ("inner", (2, 3), (4, 3)),
    ("outer", (2,), (2, 2)),
    ("vdot", (2, 3), (6,)),
    ("vecdot", (2, 3), (3,)),
    ("matvec", (4, 2, 3), (3,)),
    ("vecmat", (3,), (4, 3, 2)),
    ("kron", (2, 3), (2,)),
    ("cross", (4, 3), (3,)),
    ("tensordot", (2, 3, 4), (3, 4, 2)),
]


@pytest.mark.parametrize(("name", "left", "right"), PRODUCTS)
def test_gradients(name: str, left: Any, right: Any) -> None:
    rng = np.random.default_rng(0)
    gradients(getattr(products, name), rng.normal(size=left), rng.normal(size=right))


@pytest.mark.parametrize(("name", "left", "right"), PRODUCTS)
def test_rows(name: str, left: Any, right: Any) -> None:
    rng = np.random.default_rng(0)
    rows(getattr(products, name), rng.normal(size=left), rng.normal(size=right))


def test_gradient_of_trace() -> None:
    gradients(lambda x: products.trace(x, 1, 0, 2), np.random.default_rng(0).normal(size=(3, 2, 3)))


def test_complex_products_differentiate_without_conjugation() -> None:
    """For a holomorphic function the derivative is the complex one; vdot is not holomorphic in its first argument."""
    x, y = np.array([1 + 2j, 3 - 1j]), np.array([2 - 1j, 1j])
    np.testing.assert_array_equal(fgrad.grad(lambda x: products.dot(x, y), holomorphic=True)(x), y)
    np.testing.assert_array_equal(fgrad.grad(lambda y: products.vdot(x, y), holomorphic=True)(y), x.conj())


class TestOperators:
    """`@` between traced and concrete arrays, from either side."""

    x = np.arange(6.0).reshape(2, 3)
    y = np.arange(12.0).reshape(3, 4)

    def test_both_traced(self) -> None:
        agree(self.x @ self.y, staged(lambda x, y: x @ y, self.x, self.y))

    @pytest.mark.parametrize("run", [staged, online])
    def test_one_traced(self, run: Any) -> None:
        agree(self.x @ self.y, run(lambda x: x @ self.y, self.x))
        agree(self.x @ self.y, run(lambda y: self.x @ y, self.y))

    def test_a_list(self) -> None:
        agree(self.x @ self.y, staged(lambda y: self.x.tolist() @ y, self.y))
        agree(self.x @ self.y, staged(lambda x: x @ self.y.tolist(), self.x))

    def test_anything_else(self) -> None:
        with pytest.raises(TypeError, match="unsupported operand"):
            staged(lambda x: x @ "y", self.x)

    def test_numpys_function(self) -> None:
        agree(self.x @ self.y, staged(lambda y: np.matmul(self.x, y), self.y))
        agree(np.vecdot(self.x, self.x), staged(lambda x: np.vecdot(self.x, x), self.x))


def equations(f: Any, *shapes: tuple[int, ...]) -> list[str]:
    closed = trace(lambda *xs: [f(*xs)], [ShapedArray(shape, np.dtype(np.float64)) for shape in shapes])
    return [eqn.primitive.name for eqn in closed.eqns]


@pytest.mark.parametrize(("left", "right"), [s for s in SHAPES if s != ((2, 3), (5, 3, 4))])
def test_a_product_is_one_product(left: Any, right: Any) -> None:
    names = equations(products.matmul, left, right)
    assert names.count("dot_general") == 1
    assert set(names) <= {"dot_general", "reshape", "transpose"}
    if len(left) <= 2 and len(right) <= 2:
        assert names == ["dot_general"]


@pytest.mark.parametrize(
    ("f", "shapes", "words"),
    [
        (products.matmul, [(2, 3), (4, 5)], r"matmul of arrays of shapes \(2, 3\) and \(4, 5\): 3 and 4 elements"),
        (products.matmul, [(), (3,)], r"matmul .* too few axes"),
        (products.matmul, [(3,), ()], r"matmul .* too few axes"),
        (products.matmul, [(2, 2, 3), (5, 3, 4)], r"\(2,\) and \(5,\) do not broadcast together"),
        (products.dot, [(2, 3), (4, 5)], r"dot of arrays of shapes"),
        (products.vdot, [(2, 3), (5,)], r"vdot of arrays of shapes"),
        (products.vecdot, [(), (3,)], r"vecdot .* too few axes"),
        (products.tensordot, [(2, 3), (4, 5)], r"tensordot of arrays of shapes"),
        (products.cross, [(4,), (3,)], r"vectors of 2 or 3 components"),
    ],
)
def test_what_does_not_fit_is_refused(f: Any, shapes: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        staged(f, *[np.ones(shape) for shape in shapes])


def test_ufunc_arguments_are_refused_by_name() -> None:
    x = np.ones((2, 2))
    with pytest.raises(ArgumentError, match="matmul does not take `dtype`"):
        staged(lambda x: products.matmul(x, x, dtype=np.float32), x)
    with pytest.raises(ArgumentError, match="matmul does not take `out`"):
        staged(lambda x: products.matmul(x, x, x), x)
    with pytest.raises(ArgumentError, match="dot does not take `out`"):
        staged(lambda x: products.dot(x, x, out=x), x)


def test_python_numbers_are_float64() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agree(np.dot(2.0, np.ones(2, np.float32)), staged(lambda x: products.dot(2.0, x), np.ones(2, np.float32)))
        agree(np.outer(2, [3]), staged(lambda x: products.outer(2, x), np.array([3])))
