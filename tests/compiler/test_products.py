"""Sums of broadcast products become products of matrices, and nothing else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import optimize
from fgrad.compiler.products import sums_of_products
from fgrad.compiler.simplify import simplify
from fgrad.core.checker import check_jaxpr
from fgrad.transforms.stage import trace


def names(f: Any, *args: Any) -> list[str]:
    closed = optimize(fgrad.make_jaxpr(f)(*args))
    return [eqn.primitive.name for eqn in closed.eqns]


A, B, V = np.ones((20, 30)), np.ones((30, 40)), np.ones(30)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda a, b: (a[:, :, None] * b).sum(1), (A, B)),
        (lambda a, b: (b * a[:, :, None]).sum(axis=1), (A, B)),
        (lambda a, v: (a * v).sum(1), (A, V)),
        (lambda b, v: (v[:, None] * b).sum(0), (B, V)),
        (lambda a, b: (a[:, :, None] * b[None]).sum((1,), keepdims=True), (A, B)),
        (lambda a, b: (a[:, None, :] * a[None]).sum(-1), (A, B)),
        (lambda a, b: fnp.sum(a.T[:, :, None, None] * b[:, None, None], (0, 2)), (A, B)),
    ],
)
def test_a_sum_of_a_broadcast_product_is_a_product(f: Any, args: Any) -> None:
    rng = np.random.default_rng(0)
    args = [rng.normal(size=x.shape) for x in args]
    found = set(names(f, *args))
    assert "dot_general" in found
    assert not {"mul", "reduce_sum"} & found
    np.testing.assert_allclose(fgrad.jit(f)(*args), f(*args), rtol=1e-13, atol=1e-13)


def test_the_source_is_one_line() -> None:
    text = fgrad.jit(lambda v, b: (v[:, None] * b).sum(0)).lower(V, B).as_text()
    assert "np.dot(" in text
    assert len(text.splitlines()) <= 4


@pytest.mark.parametrize(
    "f",
    [
        lambda a: (a * a).sum(1),  # nothing is broadcast
        lambda a: (a * 2.0).sum(0),
        lambda a: (a * a[:, :1]).sum(1),  # one factor does not run along
        lambda a: ((p := a * a[0]).sum(1), p),  # the terms are wanted, too
        lambda a: (fnp.astype(a, np.int64) * fnp.arange(30)).sum(1),
        lambda a: (a * fnp.astype(a[0], np.float32)).sum(1),  # would have to be converted
    ],
)
def test_others_stay(f: Any) -> None:
    assert "dot_general" not in names(f, A)


def test_long_sums_in_pairs_stay() -> None:
    x = np.ones((3, 5000))
    assert "dot_general" not in names(lambda x: (x * x[0]).sum(1), x)
    assert "dot_general" in names(lambda x: (x * x[:, :1]).sum(0), x.T.copy())


@given(st.data())
def test_random_axes(data: Any) -> None:
    """Any shapes that broadcast, any axes."""
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    shapes = [[n if data.draw(st.booleans()) else 1 for n in shape] for _ in range(2)]
    shapes[1] = shapes[1][data.draw(st.integers(0, len(shape) - 1)) :]
    full = np.broadcast_shapes(*map(tuple, shapes))
    axes = tuple(i for i in range(len(full)) if data.draw(st.booleans()))
    dtype = data.draw(st.sampled_from([np.float32, np.complex128]))
    rng = np.random.default_rng(0)
    xs = [rng.integers(-4, 5, s).astype(dtype) for s in shapes]
    closed = trace(lambda x, y: [fnp.sum(x * y, axis=axes)], [fgrad.core.aval_of(x) for x in xs])
    done = sums_of_products(simplify(closed))
    check_jaxpr(done.jaxpr)
    (out,) = done(*xs)
    expected = np.sum(xs[0] * xs[1], axis=axes)
    np.testing.assert_array_equal(out, expected)
    assert np.asarray(out).dtype == expected.dtype


def test_sums_over_the_leading_axes_of_tall_arrays_are_products_with_ones() -> None:
    rng = np.random.default_rng(0)
    for shape, axes in [((64, 32), 0), ((4, 16, 32), (0, 1)), ((64, 4, 8), 0)]:
        for dtype in (np.float32, np.float64):
            x = rng.integers(-9, 9, shape).astype(dtype)
            program = fgrad.jit(lambda x, axes=axes: fnp.sum(x, axis=axes))
            assert "np.dot(np.ones(" in program.lower(x).as_text()
            np.testing.assert_array_equal(program(x), x.sum(axes))
            assert program(x).dtype == dtype


@pytest.mark.parametrize(
    ("f", "x", "y"),
    [
        (np.multiply.outer, (3,), (4,)),
        (lambda x, y: np.multiply.outer(x, y).T, (3,), (4,)),
        (lambda x, y: fnp.einsum("ni,nj->nij", x, y), (5, 3), (5, 4)),
        (lambda x, y: fnp.einsum("ni,jn->jin", x, y), (5, 3), (4, 5)),
        (lambda x, y: fnp.einsum("ij,kl->kjli", x, y), (2, 3), (4, 5)),
        (lambda x, y: fnp.einsum("nij,nk->kjin", x, y), (2, 3, 4), (2, 5)),
        (lambda x, y: fnp.einsum(",ij->ji", x, y), (), (4, 5)),
        (lambda x, y: fnp.einsum("ij,jk->ijk", x, y), (0, 3), (3, 2)),
    ],
)
def test_products_that_sum_nothing_are_elementwise(f: Any, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    given = rng.normal(size=x), rng.normal(size=y)

    def followed(x: Any, y: Any) -> Any:
        return np.sin(f(x, y))

    program = optimize(fgrad.make_jaxpr(followed)(*given))
    names = [eqn.primitive.name for eqn in program.eqns]
    assert "dot_general" not in names
    assert names.count("mul") == 1
    np.testing.assert_array_equal(fgrad.jit(followed)(*given), followed(*given))
    np.testing.assert_array_equal(fgrad.jit(f)(*given), f(*given))


def test_a_product_that_sums_nothing_is_computed_with_what_follows() -> None:
    x, y = np.linspace(0.0, 1.0, 300), np.linspace(1.0, 2.0, 400)
    text = fgrad.jit(lambda x, y: np.sin(np.multiply.outer(x, y))).lower(x, y).as_text()
    assert text.count("_empty(") == 1
