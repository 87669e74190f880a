"""Where the largest elements are: both ways to find them agree."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
from fgrad.errors import ShapeError
from fgrad.primitives.selection import _selected, _sorted, top_positions


@pytest.mark.parametrize("values", [2, 5, 1000])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_selecting_gives_what_sorting_gives(values: int, k: int) -> None:
    x = np.random.default_rng(values).integers(0, values, (7, 64))
    for dtype in (np.int64, np.uint8, np.float32):
        rows = x.astype(dtype)
        np.testing.assert_array_equal(_selected(rows, k), _sorted(rows)[:, :k])


def test_errors() -> None:
    with pytest.raises(
        ShapeError, match=r"the 4 largest elements along the last axis of f64\[3\](.|\n)*at least as many"
    ):
        fgrad.make_jaxpr(lambda x: top_positions(x, k=4))(np.zeros(3))
