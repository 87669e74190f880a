"""Groups: which equations are run together, and that their order is one in which everything is there in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import optimize
from fgrad.compiler.fuse import fuse, limits
from fgrad.compiler.tiles import in_several_tiles
from fgrad.core import check_jaxpr
from fgrad.core.jaxpr import ClosedJaxpr
from tests.compiler.tiling import forced_tiles

X = np.linspace(-1.0, 2.0, 24).reshape(6, 4)
ROW = np.linspace(0.5, 1.5, 4)


def let(*values: Any) -> Any:
    """`let(x, y, f)` is f(x, y): names for values inside an expression."""
    return values[-1](*values[:-1])


def fused(f: Any, *args: Any) -> ClosedJaxpr:
    with forced_tiles():
        program = fuse(optimize(fgrad.make_jaxpr(f)(*args)))
    check_jaxpr(program)
    for out, expected in zip(program(*args), fgrad.make_jaxpr(f)(*args)(*args), strict=True):
        np.testing.assert_allclose(out, expected, rtol=1e-12)
    return program


def groups(f: Any, *args: Any) -> list[list[str] | str]:
    """The equations by name; those of a group in a list."""
    return [
        [e.primitive.name for e in eqn.params["jaxpr"].eqns] if eqn.primitive.name == "fused" else eqn.primitive.name
        for eqn in fused(f, *args).eqns
    ]


def test_a_chain_is_one_group() -> None:
    assert groups(lambda x: fnp.tanh(np.exp(np.sin(x)) * 2.0), X) == [["sin", "exp", "mul", "tanh"]]


def test_reductions_end_in_the_group_and_what_needs_all_rows_stays_outside() -> None:
    def loss(x: Any) -> Any:
        total = np.sum(np.sin(x))
        return np.cos(x) / total

    assert groups(loss, X) == [["sin", "reduce_sum", "cos"], ["div"]]


def test_reductions_of_rows_go_on_in_the_group() -> None:
    def normalized(x: Any) -> Any:
        centred = x - np.mean(x, axis=1, keepdims=True)
        return centred * ROW

    (group,) = groups(normalized, X)
    assert group == ["reduce_sum", "mul", "reshape", "sub", "mul"]


def test_the_rows_are_the_axes_that_all_have() -> None:
    def axes(f: Any, *args: Any) -> int:
        (eqn,) = fused(f, *args).eqns
        found: int = eqn.params["axes"]
        return found

    assert axes(lambda x: np.exp(np.sin(x)), X) == 2
    assert axes(lambda x: np.exp(np.sin(x)) * ROW, X) == 1
    assert axes(lambda x: np.sum(np.sin(x), axis=1), X) == 1
    assert axes(lambda x: np.sum(np.sin(x), axis=0), X) == 1
    assert axes(lambda x: np.sum(np.sin(x)), X) == 2
    assert axes(lambda x: np.exp(np.sin(x)), X.reshape(2, 3, 4)) == 3
    assert axes(lambda x: np.exp(np.sin(x)) * ROW[:3, None], X.reshape(2, 3, 4)) == 1


def test_neighbours_with_the_same_shape_share_a_group() -> None:
    assert groups(lambda x, y: (np.sin(x), np.cos(y)), X, X) == [["sin", "cos"]]


def test_a_group_waits_for_what_it_needs() -> None:
    """The product stands between the two halves of what could be one group: it must not come after, or before."""

    def f(x: Any) -> Any:
        y = np.sin(x)
        z = np.exp(y)
        return z + np.cos(y @ fnp.ones((4, 4)))

    assert groups(f, X) == [["sin", "exp"], "dot_general", ["cos", "add"]]


def test_nothing_is_moved_past_an_effect() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        fgrad.debug.callback(lambda v: None, y)
        return np.exp(y), np.cos(x)

    names = groups(f, X)
    assert names[1] == "debug_callback"
    assert [set(names[0]), set(names[2])] == [{"sin"}, {"exp", "cos"}]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: fnp.cumsum(np.sin(x), axis=0) * 2.0,
        lambda x: np.sin(x)[::2] + np.cos(x)[1::2],
        lambda x: np.sin(x).T + 1.0,
        lambda x: fnp.sort(np.sin(x), axis=1),
        lambda x: fnp.broadcast_to(np.sum(x, axis=0), (6, 4)) + np.sin(x),
        lambda x: let(np.sin(x), lambda y: (y, y.T, np.sum(y), y)),
        lambda x: fnp.reshape(np.sin(x), (4, 6)) + 1.0,
        lambda x: fnp.reshape(np.sin(x), (6, 2, 2)) + 1.0,
        lambda x: fnp.logsumexp(np.sin(x), axis=1) + np.max(x, axis=1),
        fgrad.grad(lambda x: np.sum(fnp.logsumexp(np.sin(x), axis=1) * x[:, 0])),
        lambda x: np.sin(x).astype(np.float32).astype(np.int64) * 2,
        lambda x: np.where(x > 0.0, np.sin(x), 0.0),
        lambda x: np.sum(np.sin(x), axis=(0, 1)) + np.sum(x),
        lambda x: np.sin(x) + np.sin(x[0]) + np.sin(x[:, :1]),
        lambda x: np.sin(x[:4]) + x[:4, 0],  # a square: rows on one side, columns on the other
    ],
)
def test_values(f: Any) -> None:
    fused(f, X)
    with forced_tiles():
        for x in (X, np.asfortranarray(X), np.tile(X, 2)[:, ::2], X[::-1]):
            outs = fgrad.tree.leaves(fgrad.jit(f)(x))
            for out, expected in zip(outs, fgrad.make_jaxpr(f)(x)(x), strict=True):
                np.testing.assert_allclose(out, expected, rtol=1e-6)
                assert (out.dtype, out.shape) == (expected.dtype, expected.shape)
                assert not np.shares_memory(out, x)


def test_no_rows_and_one_row() -> None:
    for x in (X[:0], X[:1], X[:, :0], X[0], X[0, 0]):
        with forced_tiles():
            out = fgrad.jit(lambda x: np.sum(np.exp(np.sin(x)) * 2.0) + x)(x)
        np.testing.assert_allclose(out, np.sum(np.exp(np.sin(x)) * 2.0) + x)
        assert type(out) is type(np.sin(x))


def test_small_programs_stay_as_they_are() -> None:
    program = optimize(fgrad.make_jaxpr(lambda x: np.exp(np.sin(x)))(X))
    assert fuse(program) is program
    cheap = optimize(fgrad.make_jaxpr(lambda x: x + 1.0)(np.ones(limits.elements)))
    assert fuse(cheap) is cheap


def test_powers_are_products() -> None:
    x = np.array([-2.0, -0.0, 0.5, np.inf, -np.inf, np.nan])
    for n in (3, 4):
        assert "power" not in fgrad.jit(lambda x, n=n: x**n).lower(x).as_text()
        np.testing.assert_allclose(fgrad.jit(lambda x, n=n: x**n)(x), x**n)


def test_a_group_that_makes_one_tile_is_written_as_it_is() -> None:
    def f(x: Any) -> Any:
        return np.exp(np.sin(x)) * 2.0

    (group,) = fused(f, X).eqns
    with forced_tiles(tile=X.nbytes):
        single = in_several_tiles(fused(f, X))
        text = fgrad.jit(f).lower(X).as_text()
    assert [e.primitive.name for e in single.eqns] == ["sin", "exp", "mul"]
    check_jaxpr(single)
    assert "def rows" not in text
    np.testing.assert_array_equal(single(X)[0], f(X))
    with forced_tiles(tile=X.nbytes // 2):
        assert in_several_tiles(fused(f, X)).eqns[0].params.keys() == group.params.keys()
        assert "def rows" in fgrad.jit(f).lower(X).as_text()
