"""Collectives against their definitions on whole arrays, inside and outside of all transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.control import collectives as lax
from fgrad.control.cond import cond
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop
from fgrad.errors import ArgumentError, AxesError, ShapeError
from fgrad.transforms.batch import AxisSize

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 3, 4))
ROWS = np.arange(3.0)[:, None, None]


def _sent(x: Any, pairs: list[tuple[int, int]]) -> Any:
    return np.stack([next((x[s] for s, d in pairs if d == i), 0.0 * x[0]) for i in range(len(x))])


PAIRS = [(0, 1), (1, 2)]

# Each on one row, and on all rows at once.
PROGRAMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "psum": (
        lambda x: np.sin(lax.psum(x * x, "i")) * x,
        lambda x: np.sin((x * x).sum(0)) * x,
    ),
    "psum of a tree": (
        lambda x: lax.psum({"a": x, "b": [x * x]}, "i")["b"][0] * x,
        lambda x: (x * x).sum(0) * x,
    ),
    "pmean": (
        lambda x: lax.pmean(np.sin(x), "i") ** 2 * x,
        lambda x: np.sin(x).mean(0) ** 2 * x,
    ),
    "pmax": (
        lambda x: lax.pmax(np.sin(x), "i") * x,
        lambda x: np.sin(x).max(0) * x,
    ),
    "pmin": (
        lambda x: lax.pmin(np.sin(x), "i") * x,
        lambda x: np.sin(x).min(0) * x,
    ),
    "all_gather": (
        lambda x: (lax.all_gather(np.sin(x), "i", axis=1) * lax.axis_index("i")).sum(1) * x,
        lambda x: np.sin(x).sum(0) * ROWS * x,
    ),
    "all_gather, tiled": (
        lambda x: lax.all_gather(np.sin(x), "i", axis=-1, tiled=True)[:, 2:6] * x,
        lambda x: np.concatenate(list(np.sin(x)), axis=1)[:, 2:6] * x,
    ),
    "psum_scatter": (
        lambda x: lax.psum_scatter(np.sin(x), "i") * x,
        lambda x: np.sin(x).sum(0)[:, None] * x,
    ),
    "ppermute": (
        lambda x: lax.ppermute(np.sin(x), "i", PAIRS) * x,
        lambda x: _sent(np.sin(x), PAIRS) * x,
    ),
    "pshuffle": (
        lambda x: lax.pshuffle(np.sin(x), "i", [2, 0, 1]) * x,
        lambda x: np.stack([np.sin(x[2]), np.sin(x[0]), np.sin(x[1])]) * x,
    ),
    "all_to_all": (
        lambda x: (lax.all_to_all(np.sin(x), "i", 0, 1) @ x)[:3],
        lambda x: (np.transpose(np.sin(x), (1, 2, 0)) @ x)[:, :3],
    ),
    "pswapaxes": (
        lambda x: lax.pswapaxes(np.sin(x), "i", 0) * x,
        lambda x: np.transpose(np.sin(x), (1, 0, 2)) * x,
    ),
    "axis_size": (
        lambda x: x / lax.axis_size("i"),
        lambda x: x / 3,
    ),
    "what is the same for all rows": (
        lambda x: lax.psum(2.0, "i") * lax.all_gather(3.0, "i")[:, None] * x + lax.psum_scatter(np.ones(3), "i"),
        lambda x: 18.0 * x + 3.0,
    ),
    "in jit": (
        lambda x: fgrad.jit(lambda y: lax.psum(y, "i") * lax.axis_index("i"))(x) * x,
        lambda x: x.sum(0) * ROWS * x,
    ),
    "in jit, of nothing mapped": (
        lambda x: fgrad.jit(lambda y: y * lax.axis_index("i"))(2.0) * x,
        lambda x: 2.0 * ROWS * x,
    ),
    "in checkpoint": (
        fgrad.checkpoint(lambda y: lax.psum(np.sin(y), "i") * y),
        lambda x: np.sin(x).sum(0) * x,
    ),
    "in scan": (
        lambda x: scan(lambda c, _: (0.5 * lax.pmean(c, "i") * c + lax.axis_index("i"), None), x, None, length=2)[0],
        lambda x: _twice(lambda c: 0.5 * c.mean(0) * c + ROWS, x),
    ),
    "in a branch": (
        lambda x: cond(lax.psum(1.0, "i") > 2.0, lambda y: lax.psum(y, "i") * y, lambda y: y, x),
        lambda x: x.sum(0) * x,
    ),
    "in a branch of some rows": (
        lambda x: cond(lax.axis_index("i") > 0, lambda y: lax.psum(y, "i") * y, lambda y: y * y, x),
        lambda x: np.where(ROWS > 0, x.sum(0) * x, x * x),
    ),
    "gradient inside": (
        fgrad.grad(lambda y: (np.sin(lax.psum(y * y, "i")) * y * lax.axis_index("i")).sum()),
        fgrad.grad(lambda y: (np.sin((y * y).sum(0)) * y * ROWS).sum()),
    ),
    "gradient inside, of all_gather": (
        fgrad.grad(lambda y: (lax.all_gather(np.sin(y), "i") ** 2 * lax.axis_index("i")).sum()),
        fgrad.grad(lambda y: 3.0 * (np.sin(y) ** 2).sum()),
    ),
    "gradient inside, of rows sent": (
        fgrad.grad(lambda y: (lax.ppermute(np.sin(y), "i", PAIRS) * y).sum()),
        fgrad.grad(lambda y: (_sent(np.sin(y), PAIRS) * y).sum()),
    ),
    "gradient inside, of all_to_all": (
        fgrad.grad(lambda y: (lax.all_to_all(np.sin(y), "i", 0, 1) ** 2 * lax.axis_index("i")).sum()),
        fgrad.grad(lambda y: (np.transpose(np.sin(y), (1, 2, 0)) ** 2 * ROWS).sum()),
    ),
    "gradient inside, of psum_scatter": (
        fgrad.grad(lambda y: (lax.psum_scatter(np.sin(y), "i") ** 2 * lax.axis_index("i")).sum()),
        fgrad.grad(lambda y: (np.sin(y).sum(0) ** 2 * ROWS[:, 0]).sum()),
    ),
    "gradient inside, of a maximum": (
        fgrad.grad(lambda y: (lax.pmax(np.sin(y), "i") * y).sum()),
        fgrad.grad(lambda y: (np.sin(y).max(0) * y).sum()),
    ),
}


def _twice(f: Callable[[Any], Any], x: Any) -> Any:
    return f(f(x))


def _close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_collective_under_every_transform(name: str) -> None:
    row, whole = PROGRAMS[name]
    rows = fgrad.vmap(row, axis_name="i")
    _close(rows(X), whole(X))
    _close(fgrad.jit(rows)(X), whole(X))
    _close(fgrad.vmap(row, in_axes=1, out_axes=2, axis_name="i")(np.moveaxis(X, 0, 1)), np.moveaxis(whole(X), 0, 2))
    weight = RNG.normal(size=X.shape)
    gradient = fgrad.grad(lambda x: (np.cos(whole(x)) * weight).sum())(X)
    loss = lambda x: (np.cos(rows(x)) * weight).sum()  # noqa: E731
    _close(fgrad.grad(loss)(X), gradient)
    _close(fgrad.jit(fgrad.grad(loss))(X), gradient)
    _close(fgrad.grad(fgrad.jit(loss))(X), gradient)
    _close(fgrad.jvp(rows, (X,), (weight,))[1], fgrad.jvp(whole, (X,), (weight,))[1])


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("outer", [None, "j"])
def test_other_mapped_axes_around_and_inside(name: str, outer: Any) -> None:
    row, whole = PROGRAMS[name]
    both = np.stack([X, 0.5 * X])
    expected = np.stack([whole(x) for x in both])
    around = fgrad.vmap(fgrad.vmap(row, axis_name="i"), axis_name=outer)
    _close(around(both), expected)
    _close(fgrad.jit(around)(both), expected)
    inside = fgrad.vmap(fgrad.vmap(row, axis_name=outer), in_axes=1, out_axes=1, axis_name="i")
    _close(inside(both), expected)
    _close(fgrad.jit(inside)(both), expected)


def test_several_names() -> None:
    x = RNG.normal(size=(2, 3, 4))

    def rows(f: Callable[[Any], Any]) -> Any:
        return fgrad.vmap(fgrad.vmap(f, axis_name="i"), axis_name="j")(x)

    _close(rows(lambda r: lax.psum(r, ("i", "j"))), np.broadcast_to(x.sum((0, 1)), x.shape))
    _close(rows(lambda r: lax.pmean(r, ("i", "j"))), np.broadcast_to(x.mean((0, 1)), x.shape))
    _close(rows(lambda r: lax.pmax(r, ("j", "i"))), np.broadcast_to(x.max((0, 1)), x.shape))
    _close(rows(lambda r: lax.axis_index(("j", "i"))), np.arange(6).reshape(2, 3))
    _close(rows(lambda r: lax.axis_index(("i", "j"))), np.arange(6).reshape(3, 2).T)
    _close(rows(lambda r: lax.axis_size(("i", "j"))), np.full((2, 3), 6))
    _close(rows(lambda r: lax.all_gather(r, ("j", "i"))), np.broadcast_to(x.reshape(6, 4), (2, 3, 6, 4)))
    _close(rows(lambda r: lax.psum(r, "j")), np.broadcast_to(x.sum(0), x.shape))


def test_the_innermost_axis_of_a_name_counts() -> None:
    out = fgrad.vmap(fgrad.vmap(lambda x: lax.psum(x, "i"), axis_name="i"), axis_name="i")(np.ones((2, 3)))
    np.testing.assert_array_equal(out, np.full((2, 3), 3.0))


def test_tiled_blocks() -> None:
    x = RNG.normal(size=(2, 6, 3))
    out = fgrad.vmap(lambda r: lax.all_to_all(r, "i", 0, 1, tiled=True), axis_name="i")(x)
    _close(out, np.stack([np.concatenate([x[0, 3 * i : 3 * i + 3], x[1, 3 * i : 3 * i + 3]], axis=1) for i in (0, 1)]))
    out = fgrad.vmap(lambda r: lax.psum_scatter(r, "i", tiled=True), axis_name="i")(x)
    _close(out, x.sum(0).reshape(2, 3, 3))


def test_rows_that_tie_share_the_derivative() -> None:
    slopes = fgrad.grad(fgrad.vmap(lambda r: lax.pmax(r, "i"), axis_name="i", out_axes=None))
    np.testing.assert_array_equal(slopes(np.array([1.0, 3.0, 3.0])), [0.0, 0.5, 0.5])


def test_results_that_are_the_same_for_all_rows_are_not_mapped() -> None:
    for f in (lambda x: lax.psum(x, "i"), lambda x: lax.all_gather(x, "i").sum(), lambda x: lax.psum(1, "i") + 3.0):
        assert fgrad.vmap(f, axis_name="i", out_axes=None)(np.ones(3)) in (3.0, 6.0)


def test_integers_and_dtypes() -> None:
    x = np.ones(3, np.float32)
    assert fgrad.vmap(lambda r: lax.psum(r, "i"), axis_name="i")(x).dtype == np.float32
    assert fgrad.vmap(lambda r: lax.psum(r > 0, "i"), axis_name="i")(x).tolist() == [3, 3, 3]
    assert fgrad.vmap(lambda r: lax.axis_index("i"), axis_name="i")(x).dtype == np.int64


def test_known_values_decide() -> None:
    def f(x: Any) -> Any:
        if lax.psum(1, "i") == 3:
            return x * lax.axis_size("i")
        return x

    np.testing.assert_array_equal(fgrad.vmap(f, axis_name="i")(np.ones(3)), [3.0, 3.0, 3.0])


def test_a_loop_of_rows_that_stop_by_themselves_sees_all_rows() -> None:
    def row(x: Any) -> Any:
        return while_loop(lambda c: c < 10.0, lambda c: c + lax.psum(c + 1.0, "i"), x)

    def whole(x: Any) -> Any:
        while (x < 10.0).any():
            x = np.where(x < 10.0, x + (x + 1.0).sum(0), x)
        return x

    x = np.array([2.0, 0.5, 3.0])
    _close(fgrad.vmap(row, axis_name="i")(x), whole(x))
    _close(fgrad.jit(fgrad.vmap(row, axis_name="i"))(x), whole(x))
    gradient = fgrad.grad(lambda x: whole(x).sum())(x)
    _close(fgrad.grad(lambda x: fgrad.vmap(row, axis_name="i")(x).sum())(x), gradient)
    _close(fgrad.vmap(fgrad.vmap(row, axis_name="i"))(x[None]), whole(x)[None])
    _close(fgrad.vmap(fgrad.vmap(row), in_axes=1, out_axes=1, axis_name="i")(x[None]), whole(x)[None])


def test_rows_of_a_choice_see_the_rows_of_another_axis() -> None:
    def row(x: Any) -> Any:
        return cond(x > 0.0, lambda y: lax.psum(y, "i"), lambda y: 0.0 * y, x)

    x = RNG.normal(size=(2, 3))
    expected = np.where(x > 0.0, x.sum(0), 0.0)
    _close(fgrad.vmap(fgrad.vmap(row), axis_name="i")(x), expected)
    _close(fgrad.jit(fgrad.vmap(fgrad.vmap(row), axis_name="i"))(x), expected)


def test_custom_rules_inside() -> None:
    @fgrad.custom_jvp
    def centred(x: Any) -> Any:
        return x - lax.pmean(x, "i")

    centred.defjvps(lambda t, out, x: 2.0 * (t - lax.pmean(t, "i")))

    @fgrad.custom_vjp
    def averaged(x: Any) -> Any:
        return lax.pmean(x, "i")

    averaged.defvjp(lambda x: (lax.pmean(x, "i"), None), lambda res, ct: (lax.psum(ct, "i"),))
    x = np.array([1.0, 2.0, 6.0])
    for wrap in (lambda f: f, fgrad.jit):
        _close(wrap(fgrad.vmap(centred, axis_name="i"))(x), x - 3.0)
        row = fgrad.vmap(fgrad.grad(lambda r: centred(r) ** 2), axis_name="i")
        _close(wrap(row)(x), 2.0 * 2.0 * (x - 3.0))
        _close(wrap(fgrad.vmap(fgrad.grad(averaged), axis_name="i"))(x), [3.0, 3.0, 3.0])
        total = fgrad.grad(lambda x: fgrad.vmap(averaged, axis_name="i")(x).sum())
        _close(wrap(total)(x), [3.0, 3.0, 3.0])


def test_jit_is_traced_for_each_axis() -> None:
    f = fgrad.jit(lambda x: lax.psum(x, "i"))
    for size in (2, 5, 2):
        np.testing.assert_array_equal(fgrad.vmap(f, axis_name="i")(np.ones(size)), np.full(size, float(size)))
    with pytest.raises(AxesError, match="'i'"):
        f(1.0)
    with pytest.raises(AxesError, match="'i'"):
        fgrad.vmap(f)(np.ones(2))


def test_a_name_goes_along_with_its_size() -> None:
    size = AxisSize(3, "rows")
    assert size == 3
    assert hash(size) == hash(3)
    assert size.name == "rows"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: lax.psum(x, "k"), AxesError, r"(?s)psum names the axis 'k'.*The named axes here: 'i'\."),
        (lambda x: lax.axis_index(["k"]), AxesError, "axis_index names the axis 'k'"),
        (lambda x: lax.psum(x, {}), AxesError, "takes the name of an axis"),
        (lambda x: lax.ppermute(x, ("i", "i"), []), AxesError, "between the rows of one axis"),
        (lambda x: lax.ppermute(x, "i", [(0, 3)]), ArgumentError, "has the destination 3, but the axis has 3 rows"),
        (lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)]), ArgumentError, "has the source 0 twice"),
        (lambda x: lax.ppermute(x, "i", 3), ArgumentError, "must be pairs"),
        (lambda x: lax.pshuffle(x, "i", [0, 0, 1]), ArgumentError, "every row number from 0 to 2 once"),
        (lambda x: lax.all_gather(x, "i", axis=2), AxesError, "asks for axis 2, but there are 2 axes"),
        (lambda x: lax.psum_scatter(x, "i"), ShapeError, "must have the length 3"),
        (lambda x: lax.psum_scatter(x, "i", tiled=True), ShapeError, "a multiple of 3"),
        (lambda x: lax.psum("x", "i"), ArgumentError, "argument x of psum"),
    ],
)
def test_misuse(call: Callable[[Any], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        fgrad.vmap(call, axis_name="i")(np.ones((3, 4)))


def test_names_of_vmap() -> None:
    with pytest.raises(AxesError, match="axis_name of vmap must be one name"):
        fgrad.vmap(np.sin, axis_name=("i", "j"))
    with pytest.raises(AxesError, match="axis_name of vmap must be one name"):
        fgrad.vmap(np.sin, axis_name=[])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="collectives need all rows at once"):
        fgrad.vmap(np.sin, axis_name="i", chunk_size=2)
    with pytest.raises(AxesError, match=r"(?s)no vmap around it has one of that name.*vmap\(f, axis_name='i'\)"):
        lax.psum(1.0, "i")
