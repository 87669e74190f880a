"""Vectorization: which axes, of which arguments, into which axes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
from fgrad import vmap
from fgrad.errors import AxesError

ROWS = np.arange(6.0).reshape(2, 3)
X = np.array([1.0, 2.0, 3.0])


def test_rows() -> None:
    np.testing.assert_array_equal(vmap(np.sum)(ROWS), [3.0, 12.0])
    np.testing.assert_array_equal(vmap(lambda x, y: x @ y, in_axes=(0, None))(ROWS, X), ROWS @ X)


@pytest.mark.parametrize(
    ("in_axes", "args"),
    [
        (0, (ROWS, ROWS)),
        ((0, 0), (ROWS, ROWS)),
        ([0, 1], (ROWS, ROWS.T)),
        ((1, -1), (ROWS.T, ROWS.T)),
        ((0, None), (ROWS, ROWS[1])),
        ({"x": 0, "y": 1}, (ROWS, ROWS.T)),
        ({"x": 0}, (ROWS, ROWS[1])),
    ],
)
def test_axes_of_arguments(in_axes: Any, args: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        assert x.shape == y.shape == (3,)
        return x * y

    got = vmap(f, in_axes=in_axes)(*args)
    np.testing.assert_array_equal(got[1], ROWS[1] * ROWS[1])


class Pair(NamedTuple):
    a: Any
    b: Any


@pytest.mark.parametrize(
    ("in_axes", "tree"),
    [
        (0, {"a": ROWS, "b": ROWS}),
        (({"a": 0, "b": None},), {"a": ROWS, "b": X}),
        (({"a": 0, "b": 1},), {"a": ROWS, "b": ROWS.T}),
        ((Pair(0, None),), Pair(ROWS, X)),
        (([0, None],), [ROWS, X]),
        (((0, {"c": None}),), (ROWS, {"c": X})),
    ],
)
def test_axes_of_pytrees(in_axes: Any, tree: Any) -> None:
    def f(tree: Any) -> Any:
        x, y = fgrad.tree.leaves(tree)
        return x + y

    got = vmap(f, in_axes=in_axes)(tree)
    other = fgrad.tree.leaves(tree)[1]
    row = X if other is X else ROWS[1]
    np.testing.assert_array_equal(got[1], ROWS[1] + row)


def test_keyword_arguments() -> None:
    got = vmap(lambda x, *, y: x + y)(ROWS, y=ROWS)
    np.testing.assert_array_equal(got, 2 * ROWS)
    got = vmap(lambda x, *, y: x + y, in_axes={"x": 0, "y": None})(ROWS, y=X)
    np.testing.assert_array_equal(got, ROWS + X)
    got = vmap(lambda x, y=1.0: x + y, in_axes=(0,))(ROWS, y=ROWS[:, 0])
    np.testing.assert_array_equal(got, ROWS + ROWS[:, :1])


def test_axes_of_results() -> None:
    np.testing.assert_array_equal(vmap(lambda x: x * 2, out_axes=1)(ROWS), 2 * ROWS.T)
    np.testing.assert_array_equal(vmap(lambda x: x * 2, out_axes=-1)(ROWS), 2 * ROWS.T)
    a, b, c = vmap(lambda x: (x, np.sum(x), X), out_axes=(1, 0, None))(ROWS)
    np.testing.assert_array_equal(a, ROWS.T)
    np.testing.assert_array_equal(b, [3.0, 12.0])
    np.testing.assert_array_equal(c, X)
    tree = vmap(lambda x: {"u": [x], "v": x}, out_axes={"u": 1, "v": 0})(ROWS)
    assert tree["u"][0].shape == (3, 2)


def test_results_that_do_not_depend_on_the_rows() -> None:
    got = vmap(lambda x: X)(ROWS)
    np.testing.assert_array_equal(got, [X, X])
    np.testing.assert_array_equal(vmap(lambda x: 1.5)(ROWS), [1.5, 1.5])
    assert vmap(lambda x: X, out_axes=1)(ROWS).shape == (3, 2)


def test_the_size_where_nothing_is_mapped() -> None:
    got = vmap(lambda x: x * 2, in_axes=None, axis_size=4)(X)
    np.testing.assert_array_equal(got, np.tile(2 * X, (4, 1)))
    assert vmap(lambda: 1.0, axis_size=3)().shape == (3,)
    assert vmap(lambda x: x, axis_size=2)(ROWS).shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: vmap(lambda x: x)(1.0), "x"),
        (lambda: vmap(lambda x: x, in_axes=2)(ROWS), "axis 2"),
        (lambda: vmap(lambda x, y: x)(ROWS, ROWS.T), "y"),
        (lambda: vmap(lambda x: x, axis_size=3)(ROWS), "axis_size"),
        (lambda: vmap(lambda x: x, in_axes=None)(ROWS), "nothing to map"),
        (lambda: vmap(lambda x, y: x, in_axes=(0,))(ROWS, ROWS), "in_axes"),
        (lambda: vmap(lambda x: x, in_axes="0")(ROWS), "in_axes"),
        (lambda: vmap(lambda x: x, in_axes=0.0)(ROWS), "in_axes"),
        (lambda: vmap(lambda x: x, out_axes=None)(ROWS), "out_axes"),
        (lambda: vmap(lambda x: x, out_axes=5)(ROWS), "out_axes"),
        (lambda: vmap(lambda x: x, in_axes={"z": 0})(ROWS), "z"),
    ],
)
def test_axes_that_do_not_fit(call: Any, says: str) -> None:
    with pytest.raises(AxesError, match=says):
        call()


def test_no_rows() -> None:
    assert vmap(np.sum)(np.zeros((0, 3))).shape == (0,)
    assert vmap(np.sin)(np.zeros((0,))).shape == (0,)


def test_dtypes() -> None:
    assert vmap(lambda x, n: x * n)(ROWS.astype(np.float32), np.array([1, 2], np.int8)).dtype == np.float32
    assert vmap(lambda x: x * 2.0)(ROWS.astype(np.float32)).dtype == np.float32
    assert vmap(lambda x: x > 1)(ROWS).dtype == bool


def test_nesting() -> None:
    table = vmap(vmap(lambda x, y: x * y, in_axes=(None, 0)), in_axes=(0, None))(X, ROWS[1])
    np.testing.assert_array_equal(table, np.outer(X, ROWS[1]))
    np.testing.assert_array_equal(vmap(lambda x: vmap(lambda y: x + y)(X))(X), X[:, None] + X)


def test_names() -> None:
    def scale(x: Any) -> Any:
        """Twice."""
        return 2 * x

    assert vmap(scale).__name__ == "scale"
    assert "Twice." in (vmap(scale).__doc__ or "")
    assert vmap(scale).__wrapped__ is scale  # type: ignore[attr-defined]


def test_methods() -> None:
    class Model:
        def __init__(self) -> None:
            self.scale = 2.0

        def apply(self, x: Any) -> Any:
            return self.scale * np.sum(x)

    np.testing.assert_array_equal(vmap(Model().apply)(ROWS), [6.0, 24.0])


def test_python_scalars_are_not_rows() -> None:
    got = vmap(lambda x, s: x * s, in_axes=(0, None))(ROWS.astype(np.float32), 2.0)
    assert got.dtype == np.float32
