"""Colourings: valid for any pattern, best for common ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fgrad.errors import ArgumentError
from fgrad.sparse.coloring import as_colors, color_columns, color_symmetric, lower_bound, mirrored
from fgrad.sparse.matrix import Pattern

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)


def pattern_of(dense: Any) -> Pattern:
    return Pattern.of(*np.nonzero(dense), np.shape(dense))  # type: ignore[arg-type]


def banded(n: int, width: int) -> Pattern:
    return pattern_of(np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= width)


def number(colors: Any) -> int:
    return int(colors.max(initial=-1)) + 1


@given(hnp.arrays(np.bool_, SHAPES))
def test_columns_of_one_color_share_no_row(dense: Any) -> None:
    colors = color_columns(pattern_of(dense))
    assert colors.shape == (dense.shape[1],)
    for color in range(number(colors)):
        assert (dense[:, colors == color].sum(1) <= 1).all()
    assert number(colors) >= lower_bound(pattern_of(dense))


@given(hnp.arrays(np.bool_, st.integers(0, 9).map(lambda n: (n, n))))
def test_symmetric_entries_can_be_read(dense: Any) -> None:
    dense = dense | dense.T
    pattern, n = pattern_of(dense), len(dense)
    colors = color_symmetric(pattern)
    swap = mirrored(pattern, colors)
    for (row, column), swapped in zip(pattern.indices.tolist(), swap.tolist(), strict=True):
        row, column = (column, row) if swapped else (row, column)
        assert [j for j in range(n) if dense[row, j] and colors[j] == colors[column]] == [column]
    assert number(colors) <= max(number(color_columns(pattern)), 1)


@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_banded_matrices_meet_the_lower_bound(width: int) -> None:
    assert number(color_columns(banded(40, width))) == 2 * width + 1


def test_symmetry_saves_passes() -> None:
    arrow = np.eye(20, dtype=bool)
    arrow[-1] = arrow[:, -1] = True
    assert number(color_columns(pattern_of(arrow))) == 20
    assert number(color_symmetric(pattern_of(arrow))) == 2
    assert number(color_symmetric(pattern_of(arrow[::-1, ::-1]))) == 2


def test_largest_first_is_better_where_order_misleads() -> None:
    """A crown in the order that defeats first fit: each new pair of columns takes a new colour."""
    pairs = 6
    rows = [(2 * i, 2 * j + 1) for i in range(pairs) for j in range(pairs) if i != j]
    dense = np.zeros((len(rows), 2 * pairs), bool)
    for row, both in enumerate(rows):
        dense[row, both] = True
    assert number(color_columns(pattern_of(dense))) <= pairs


def test_grids_in_any_order_of_their_points() -> None:
    """First fit takes 9 or 10 colours, incidence degree and smallest last take 6 or 7."""
    line = banded(20, 1).todense()
    grid = np.kron(line, np.eye(20, dtype=bool)) | np.kron(np.eye(20, dtype=bool), line)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(400)
        assert number(color_columns(pattern_of(grid[order][:, order]))) <= 7
        assert number(color_symmetric(pattern_of(grid[order][:, order]))) <= 7


def test_block_diagonal_and_grid() -> None:
    blocks = np.kron(np.eye(10, dtype=bool), np.ones((3, 4), bool))
    assert number(color_columns(pattern_of(blocks))) == 4
    assert number(color_columns(pattern_of(blocks.T))) == 3
    line = banded(12, 1).todense()
    grid = np.kron(line, np.eye(12, dtype=bool)) | np.kron(np.eye(12, dtype=bool), line)
    assert number(color_columns(pattern_of(grid))) == 5  # in turn, since 12 % 5 == 2: a knight's move
    assert number(color_symmetric(pattern_of(grid))) <= 6


def test_dense_and_empty() -> None:
    assert number(color_columns(pattern_of(np.ones((3, 5))))) == 5
    assert number(color_columns(pattern_of(np.zeros((3, 5))))) == 1
    assert number(color_columns(pattern_of(np.zeros((3, 0))))) == 0
    assert number(color_symmetric(pattern_of(np.ones((5, 5))))) == 5


def test_colors_that_are_given_are_checked() -> None:
    pattern = banded(6, 1)
    np.testing.assert_array_equal(as_colors([0, 1, 2, 0, 1, 2], pattern, "sparse_jacobian", False), [0, 1, 2] * 2)
    with pytest.raises(ArgumentError, match=r"gives columns 0 and 2 the same colour, but both have entries in row 1"):
        as_colors([0, 1, 0, 1, 0, 1], pattern, "sparse_jacobian", False)
    for wrong in ([0, 1], [0.0] * 6, [-1] * 6):
        with pytest.raises(ArgumentError, match=r"must be one integer from 0 on for each of 6 columns, got .*\n.*\n"):
            as_colors(wrong, pattern, "sparse_jacobian", False)
    with pytest.raises(ArgumentError, match=r"coloring of sparse_hessian hides entry \(0, 0\): another entry"):
        mirrored(pattern, np.zeros(6, np.int64))
