"""Batching of flat functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fgrad.core.interpreter import current
from fgrad.transforms.batch import batch

ROWS = np.arange(6.0).reshape(2, 3)
X = np.array([1.0, 2.0, 3.0])


def test_rows_along_any_axis() -> None:
    for xs, dim in ((ROWS, 0), (ROWS.T, 1)):
        (out,), (where,) = batch(lambda x: [np.sum(x * X)], 2, [xs], [dim])
        assert where == 0
        np.testing.assert_array_equal(out, ROWS @ X)


def test_what_is_not_mapped_stays_so() -> None:
    seen: list[Any] = []

    def f(x: Any, y: Any) -> Any:
        seen.append(float(y[0]))
        return [y * 2.0, x * y]

    outs, dims = batch(f, 2, [ROWS, X], [0, None])
    assert seen == [1.0]
    assert dims[0] is None
    np.testing.assert_array_equal(outs[0], 2 * X)
    np.testing.assert_array_equal(np.moveaxis(outs[1], dims[1], 0), ROWS * X)


def test_rows_have_the_shape_of_one() -> None:
    shapes: list[Any] = []
    batch(lambda x: [shapes.append((x.shape, x.ndim, len(x))) or x], 2, [ROWS], [0])
    assert shapes == [((3,), 1, 3)]


def test_values_that_are_not_mapped_are_known() -> None:
    outs, _ = batch(lambda x, n: [x * n if n > 1 else x], 2, [ROWS, 2.0], [0, None])
    np.testing.assert_array_equal(outs[0], 2 * ROWS)


def test_rows_of_no_elements_and_of_no_rows() -> None:
    (out,), (dim,) = batch(lambda x: [np.sum(x)], 2, [np.zeros((2, 0))], [0])
    np.testing.assert_array_equal(out, [0.0, 0.0])
    (out,), (dim,) = batch(lambda x: [np.sin(x)], 0, [np.zeros((0, 3))], [0])
    assert dim == 0
    assert out.shape == (0, 3)


def test_no_interpreter_is_left_open() -> None:
    with pytest.raises(ZeroDivisionError):
        batch(lambda x: [x * (1 / 0)], 2, [ROWS], [0])
    assert current.get() is None
