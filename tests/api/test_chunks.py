"""Work in pieces: `chunk_size` of vmap and of the Jacobians; flat Jacobians."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad import hessian, jacfwd, jacrev, jit, make_jaxpr, vmap
from fgrad.errors import ArgumentError
from fgrad.flatten_util import ravel_pytree

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 3)), RNG.normal(size=(3, 7))
SIZES = [1, 2, 3, 7, 100]


@pytest.mark.parametrize("chunk", SIZES)
@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["eager", "jit"])
def test_vmap(chunk: int, wrap: Any) -> None:
    def f(x: Any, y: Any, c: Any) -> Any:
        return {"dot": x @ y, "outer": np.outer(x, y) * c, "same": c * 2.0}

    axes = {"in_axes": (0, 1, None), "out_axes": {"dot": 0, "outer": 2, "same": None}}
    expected = vmap(f, **axes)(X, Y, 3.0)
    got = wrap(vmap(f, **axes, chunk_size=chunk))(X, Y, 3.0)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-14)
    assert got["outer"].shape == (3, 3, 7)


def test_vmap_of_nothing_mapped_and_of_no_rows() -> None:
    np.testing.assert_array_equal(vmap(lambda x: x + 1, in_axes=None, axis_size=5, chunk_size=2)(1.0), np.full(5, 2.0))
    np.testing.assert_array_equal(vmap(lambda x, y: y, (0, None), chunk_size=2)(X, 4.0), np.full(7, 4.0))
    assert vmap(np.sin, chunk_size=2)(np.zeros((0, 3))).shape == (0, 3)


def test_vmap_never_maps_more_rows_at_once_than_asked() -> None:
    rows: list[int] = []

    @fgrad.custom_jvp
    def seen(x: Any) -> Any:
        rows.append(1)
        return x

    seen.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
    vmap(seen, chunk_size=3)(X)
    assert len(rows) == 3  # 3 + 3 + 1 rows


def test_vmap_in_chunks_is_differentiable_and_nests() -> None:
    def total(x: Any, chunk: int | None) -> Any:
        return vmap(lambda r: np.sin(r).sum() ** 2, chunk_size=chunk)(x).sum()

    np.testing.assert_allclose(fgrad.grad(total)(X, 2), fgrad.grad(total)(X, None), rtol=1e-14)
    twice = vmap(vmap(lambda x, y: x * y, (0, None), chunk_size=2), (None, 0), chunk_size=4)
    np.testing.assert_allclose(twice(X[:, 0], X[:, 1]), np.outer(X[:, 1], X[:, 0]))


TREE = {"a": np.float64(0.3), "b": RNG.normal(size=(2, 2)), "e": np.zeros((0, 2))}


def tree_function(p: Any) -> Any:
    s = np.sin(p["b"]) @ p["b"] * p["a"]
    return {"s": s[0], "t": (np.tanh(s).sum(), np.ones(2), p["e"])}


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 50])
@pytest.mark.parametrize("jac", [jacfwd, jacrev])
@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["eager", "jit"])
def test_jacobians(chunk: int, jac: Any, wrap: Any) -> None:
    expected = jac(tree_function)(TREE)
    got = wrap(jac(tree_function, chunk_size=chunk))(TREE)
    for x, y in zip(fgrad.tree.leaves(got), fgrad.tree.leaves(expected), strict=True):
        assert x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=1e-14)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 5))
def test_matrices_of_any_shape(m: int, n: int, chunk: int) -> None:
    a = np.arange(float(m * n)).reshape(m, n)
    for jac in (jacfwd, jacrev):
        np.testing.assert_array_equal(jac(lambda x: a @ x, chunk_size=chunk)(np.ones(n)), a)


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_hessians(chunk: int) -> None:
    def f(p: Any) -> Any:
        return (np.sin(p["b"]) @ p["b"]).sum() * p["a"] ** 2

    expected, got = hessian(f)(TREE), hessian(f, chunk_size=chunk)(TREE)
    for x, y in zip(fgrad.tree.leaves(got), fgrad.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-13, atol=1e-15)


def test_results_own_their_memory_and_aux_is_passed_on() -> None:
    got, aux = jacfwd(lambda x: (x**2, "tag"), has_aux=True, chunk_size=2)(np.arange(3.0))
    assert aux == "tag"
    assert got.base is None
    assert got.flags.writeable


@pytest.mark.parametrize("chunk", [0, -3, 1.5, True, "all"])
@pytest.mark.parametrize("transform", [vmap, jacfwd, jacrev, hessian])
def test_refused_chunk_sizes(transform: Callable[..., Any], chunk: Any) -> None:
    wanted = (
        rf"chunk_size of {transform.__name__} must be a positive number of rows, or None, got .*\n.*\n  Leave it out"
    )
    with pytest.raises(ArgumentError, match=wanted):
        transform(np.sin, chunk_size=chunk)


def peak(call: Callable[[], Any]) -> int:
    call()
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_follows_the_chunk() -> None:
    x = np.linspace(0, 1, 100)

    def f(x: Any) -> Any:
        y = np.outer(x, x)  # 80 kB a row, which is much against the results
        return np.tanh(y).sum(1)[:5]

    def g(x: Any) -> Any:
        return f(x).sum()

    rows = RNG.normal(size=(64, 100))
    cases: list[Callable[..., Callable[[], Any]]] = [
        lambda **k: lambda: jacfwd(f, **k)(x),
        lambda **k: lambda: hessian(g, **k)(x),
        lambda **k: lambda: vmap(f, **k)(rows),
    ]
    for case in cases:
        small, large = peak(case(chunk_size=4)), peak(case(chunk_size=16))
        assert small < 0.5 * large
    assert peak(cases[2](chunk_size=4)) < 0.15 * peak(cases[2]())


def test_unit_directions_are_made_when_they_are_needed() -> None:
    """All of them would take 128 MB, the result 64 kB."""
    x = np.ones(4000)
    assert peak(lambda: jacfwd(lambda x: x.reshape(2, 2000).sum(1), chunk_size=10)(x)) < 3e6
    assert peak(lambda: jacrev(lambda x: np.broadcast_to(x[:2], (2000, 2)) * 1.0, chunk_size=10)(x[:4])) < 3e6


def test_flat() -> None:
    tree = {"a": np.float64(0.3), "b": RNG.normal(size=(2, 2))}
    vector, unravel = ravel_pytree(tree)

    def f(p: Any) -> Any:
        return {"s": np.sin(p["b"]) * p["a"], "t": p["a"] ** 2}

    def g(p: Any) -> Any:
        return (f(p)["s"] ** 2).sum() * p["a"]

    wanted = jacfwd(lambda v: ravel_pytree(f(unravel(v)))[0])(vector)
    for chunk in (None, 2):
        for jac in (jacfwd, jacrev):
            np.testing.assert_allclose(jac(f, flat=True, chunk_size=chunk)(tree), wanted, rtol=1e-14)
        matrix = hessian(g, flat=True, chunk_size=chunk)(tree)
        np.testing.assert_allclose(matrix, hessian(lambda v: g(unravel(v)))(vector), rtol=1e-13, atol=1e-14)
        assert matrix.base is None
    two = hessian(lambda p: p["b"] ** 3 * p["a"], flat=True)(tree)
    assert two.shape == (2, 2, 5, 5)
    both = hessian(lambda x, y: (x * y).sum(), argnums=(0, 1), flat=True)(np.ones(2), np.ones(2))
    np.testing.assert_array_equal(both, np.kron([[0, 1], [1, 0]], np.eye(2)))


def test_many_pieces_are_a_loop_in_a_traced_program() -> None:
    """The program does not grow with them, nor does it hold all unit directions."""
    x = np.linspace(0, 1, 50)

    def f(x: Any) -> Any:
        return {"a": np.sin(x) * x[::-1], "c": (x[:2], 3.0)}

    for transform in (jacfwd, jacrev):
        function = transform(f, chunk_size=4, flat=True)
        np.testing.assert_allclose(jit(function)(x), jacfwd(f, flat=True)(x), rtol=1e-14)
        closed = make_jaxpr(function)(x)
        assert len(closed.eqns) < 80
        assert all(np.size(c) <= 4 * 53 for c in closed.consts)  # one piece of them
    aux = jit(jacfwd(lambda x: (np.sin(x), x * 2), has_aux=True, chunk_size=3))(x)
    np.testing.assert_allclose(aux[1], x * 2)
    second = jit(hessian(lambda p: (p["b"] ** 3).sum() * p["a"], chunk_size=3, flat=True))
    tree = {"a": 2.0, "b": x}
    np.testing.assert_allclose(
        second(tree), hessian(lambda p: (p["b"] ** 3).sum() * p["a"], flat=True)(tree), atol=1e-14
    )

    def rows(x: Any, y: Any) -> Any:
        return x * y.sum(), 2.0 * y[0], y

    axes = {"in_axes": (0, None), "out_axes": (1, None, 0)}
    args = np.outer(x, x[:3]), x
    function = vmap(rows, **axes, chunk_size=4)
    for found, wanted in zip(jit(function)(*args), vmap(rows, **axes)(*args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert len(make_jaxpr(function)(*args).eqns) < 30
    gradient = jit(fgrad.grad(lambda a, x: (vmap(rows, (0, None), chunk_size=4)(a, x)[0] ** 2).sum()))
    np.testing.assert_allclose(gradient(*args), 2 * args[0] * x.sum() ** 2, rtol=1e-13)
