"""Dtypes, and what is known of an array without its numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.numpy import dtypes
from tests.numpy.against_numpy import agree

DTYPES = [np.dtype(t) for t in ("?", "i1", "i4", "i8", "u1", "u2", "u8", "f2", "f4", "f8", "c8", "c16")]
VALUES = [True, 2, 2.5, 2.5 + 1j, *[np.ones(2, d) for d in DTYPES], *[d.type(1) for d in DTYPES], [1, 2.5]]


def while_traced(f: Any, *xs: Any) -> Any:
    """What a function says of its traced arguments; it returns no array."""
    said = []
    fgrad.make_jaxpr(lambda *ts: said.append(f(*ts)) or ts)(*xs)
    return said[0]


def test_names_are_numpys() -> None:
    assert set(dtypes.__all__) <= set(dir(np))
    assert dtypes.can_cast(np.float32, np.float64)
    assert dtypes.issubdtype(np.int8, np.integer)
    assert dtypes.promote_types(np.int8, np.uint8) == np.int16


def test_result_type_is_numpys() -> None:
    arrays = [x for x in VALUES if type(x) is not list]
    for x, y in itertools.product(arrays, arrays):
        expected = np.result_type(x, y)
        assert dtypes.result_type(x, y) == expected
        assert while_traced(dtypes.result_type, x, y) == expected
        assert while_traced(lambda t, y=y: dtypes.result_type(t, y), x) == expected
        assert while_traced(lambda t, y=y: dtypes.result_type(t, np.asarray(y).dtype), x) == np.result_type(
            x, np.asarray(y).dtype
        )


def test_facts_about_arrays() -> None:
    for x in VALUES:
        for name in ("shape", "ndim", "size", "iscomplexobj", "isrealobj"):
            f = getattr(dtypes, name)
            expected = getattr(np, name)(x)
            assert f(x) == expected
            if type(x) is not list:
                assert while_traced(f, x) == expected
    x = np.ones((2, 3))
    assert dtypes.size(x, 1) == while_traced(lambda t: dtypes.size(t, 1), x) == 3
    assert dtypes.size(x, axis=-2) == while_traced(lambda t: dtypes.size(t, axis=-2), x) == 2
    assert while_traced(lambda t: dtypes.shape([[t, t], [t, t]]), 1.0) == (2, 2)


def test_scalars() -> None:
    assert dtypes.isscalar(2.5)
    assert not dtypes.isscalar(np.ones(1))
    assert while_traced(dtypes.isscalar, 2.5)
    assert not while_traced(dtypes.isscalar, np.ones(1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_astype(dtype: np.dtype[Any]) -> None:
    for x in [v for v in VALUES if type(v) is not list]:
        plain = np.asarray(x)
        expected = (plain.real if plain.dtype.kind == "c" and dtype.kind not in "cb" else plain).astype(dtype)
        got = fgrad.jit(lambda t: dtypes.astype(t, dtype))(x)
        agree(expected, got, rtol=0)
        assert isinstance(got, np.ndarray) == bool(np.ndim(x))
        if not (plain.dtype.kind == "c" and dtype.kind not in "cb"):
            concrete = dtypes.astype(x, dtype)
            agree(expected, concrete, rtol=0)
            assert isinstance(concrete, np.ndarray) == isinstance(x, np.ndarray)


def test_astype_copies_unless_told_otherwise() -> None:
    x = np.ones(2)
    assert dtypes.astype(x, float) is not x
    assert dtypes.astype(x, float, copy=False) is x
    assert fgrad.make_jaxpr(lambda t: dtypes.astype(t, float, copy=False))(x).eqns == []


def test_astype_has_a_gradient() -> None:
    slope = fgrad.grad(lambda t: np.sum(dtypes.astype(t, np.float32) * np.float32(3)))(np.ones(2))
    assert slope.dtype == np.float64
    assert np.array_equal(slope, [3, 3])
    assert np.array_equal(fgrad.grad(lambda t: np.sum(t * dtypes.astype(t, int)))(np.array([2.5, -1.5])), [2, -1])
