"""Parts of fixed size at places that are values: what is refused, what is shared, what is written in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ShapeError
from fgrad.primitives.dynamic import dynamic_slice, dynamic_update_slice

X = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda x: dynamic_slice(x, 0, sizes=(2, 2)), r"`dynamic_slice` of f64\[4,3\] takes 2 starts, .* got i64\[\]"),
        (lambda x: dynamic_slice(x, np.arange(2), 0, sizes=(2, 2)), r"takes 2 starts, .* got i64\[2\], i64\[\]"),
        (lambda x: dynamic_slice(x, 0.5, 0, sizes=(2, 2)), r"`dynamic_slice` takes index arrays of integers, got f64"),
        (lambda x: dynamic_slice(x, 0, 0, sizes=(5, 2)), r"a part of shape \(5, 2\) does not fit into .* \(4, 3\)"),
        (lambda x: dynamic_slice(x, 0, 0, sizes=(5,)), r"a part of shape \(5,\) does not fit into"),
        (
            lambda x: dynamic_update_slice(x, np.ones((1, 1), int), 0, 0),
            r"i64\[1,1\] does not fit into f64\[4,3\], the",
        ),
        (lambda x: dynamic_update_slice(x, np.ones((1, 4)), 0, 0), r"`dynamic_update_slice`: a part of shape \(1, 4\)"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises(ShapeError, match=what):
        fgrad.make_jaxpr(call)(X)


def test_a_part_is_a_view_until_it_leaves_a_transform() -> None:
    assert np.shares_memory(dynamic_slice(X, 1, 0, sizes=(2, 3)), X)
    out = fgrad.jit(lambda x, i: dynamic_slice(x, i, 0, sizes=(2, 3)))(X, 1)
    assert not np.shares_memory(out, X)


def test_updates_of_what_is_not_needed_any_more_are_in_place() -> None:
    def f(x: Any, i: Any) -> Any:
        for k in range(4):
            x = dynamic_update_slice(x, np.full((1, 3), float(k)), i + k, 0)
        return x

    text = fgrad.jit(f).lower(X, 0).as_text()
    assert text.count("_updated(") == 4
    assert text.count("copy=False") == 3
    np.testing.assert_array_equal(fgrad.jit(f)(X, 0), np.repeat(np.arange(4.0)[:, None], 3, 1))
    np.testing.assert_array_equal(X, np.arange(12.0).reshape(4, 3))


def test_starts_that_make_no_difference_stay_one_slice() -> None:
    """Along an axis that is taken as a whole there is nowhere to move."""
    starts = np.array([0, 5, -3])
    jaxpr = fgrad.make_jaxpr(fgrad.vmap(lambda s: dynamic_slice(X, 1, s, sizes=(2, 3))))(starts)
    assert [eqn.primitive.name for eqn in jaxpr.eqns] == ["dynamic_slice", "broadcast_to"]
    updated = fgrad.vmap(lambda x, s: dynamic_update_slice(x, np.ones((1, 3)), 2, s))
    names = [eqn.primitive.name for eqn in fgrad.make_jaxpr(updated)(np.stack([X] * 3), starts).eqns]
    assert "dynamic_update_slice" in names
    assert "scatter" not in names
