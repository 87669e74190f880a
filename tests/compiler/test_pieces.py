"""Sums of pieces that lie side by side are joined."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import optimize
from fgrad.compiler.pieces import joined_pieces
from fgrad.core import aval_of, check_jaxpr
from fgrad.primitives.index_keys import FULL, slice_entry
from fgrad.primitives.indexing import place
from fgrad.primitives.scattering import scatter_add
from fgrad.transforms.stage import trace

X = np.arange(12.0).reshape(3, 4)


def names(f: Any, *args: Any) -> list[str]:
    return [eqn.primitive.name for eqn in optimize(fgrad.make_jaxpr(fgrad.grad(f))(*args)).eqns]


@pytest.mark.parametrize(
    ("f", "join"),
    [
        (lambda x: (fnp.sin(x[:, :1]) * fnp.exp(x[:, 1:3]) * fnp.cos(x[:, 3:])).sum(), "concatenate"),
        (lambda x: (fnp.sin(x[0]) * fnp.exp(x[2]) * fnp.cos(x[1])).sum(), "stack"),
        (lambda x: (fnp.sin(x[:, 0]) * fnp.exp(x[:, 2]) * fnp.cos(x[:, 1]) * x[:, 3] ** 2).sum(), "stack"),
    ],
)
def test_a_gradient_of_parts_is_joined(f: Any, join: str) -> None:
    found = names(f, X)
    assert join in found
    assert not {"place", "scatter_add"} & set(found)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(X), fgrad.grad(f)(X), rtol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (fnp.sin(x[0]) * fnp.exp(x[2])).sum(),  # a gap
        lambda x: (fnp.sin(x[:2]) * fnp.exp(x[1:])).sum(),  # an overlap
        lambda x: fnp.sin(x[0]).sum() + fnp.exp(x[1:]).sum(),  # one position, and several
        lambda x: fnp.sin(x[:, :2]).sum() + fnp.exp(x[1:]).sum(),  # along two axes
        lambda x: fnp.sin(x[::2]).sum() + fnp.exp(x[1]).sum(),  # not side by side
    ],
)
def test_other_sums_stay(f: Any) -> None:
    found = names(f, X)
    assert "place" in found
    assert not {"concatenate", "stack"} & set(found)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(X), fgrad.grad(f)(X), rtol=1e-14)


@given(st.data())
def test_random_pieces(data: Any) -> None:
    """Slices and positions along one axis or another, in any order; sums on the way may be used."""
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))
    rng = np.random.default_rng(0)
    start = data.draw(st.sampled_from([0, 0, 0, 1]))

    def entry(axis: int) -> Any:
        if data.draw(st.booleans()):
            return data.draw(st.integers(0, shape[axis] - 1))
        return slice_entry(slice(*sorted(data.draw(st.integers(0, shape[axis])) for _ in range(2))), shape[axis])

    keys = []
    for _ in range(data.draw(st.integers(1, 5))):
        axis = data.draw(st.sampled_from([0, 0, 0, 1]))
        keys.append((entry(0), FULL) if axis == 0 else (FULL, entry(1)))
    if data.draw(st.booleans()):
        cuts = sorted({0, shape[0], *(data.draw(st.integers(0, shape[0])) for _ in range(2))})
        keys = [(slice_entry(slice(a, b), shape[0]), FULL) for a, b in pairwise(cuts)]
        keys = data.draw(st.permutations(keys))
    vs = [
        rng.normal(size=np.empty(shape)[tuple(slice(*e[1:]) if type(e) is tuple else e for e in k)].shape) for k in keys
    ]

    def f(*vs: Any) -> list[Any]:
        totals = [place(vs[0], key=keys[0], unique=True, shape=shape)]
        for v, key in zip(vs[1:], keys[1:], strict=True):
            totals.append(scatter_add(totals[-1], v, key=key, unique=True))
        return totals[-1:] if start == 0 else [totals[-1], totals[len(totals) // 2]]

    closed = trace(f, [aval_of(v) for v in vs])
    done = joined_pieces(closed)
    check_jaxpr(done.jaxpr)
    for a, b in zip(done(*vs), f(*vs), strict=True):
        np.testing.assert_array_equal(a, b)
