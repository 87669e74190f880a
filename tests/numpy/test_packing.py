"""Bits in bytes, joined pieces, updates that give new arrays: NumPy's values, dtypes and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError
from tests.numpy.against_numpy import agree, check, gradients, online, rows, staged

BITS = np.random.default_rng(0).integers(0, 2, (3, 11))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, 2])
@pytest.mark.parametrize("bitorder", ["big", "little", "middle"])
def test_bits(axis: Any, bitorder: str) -> None:
    for x in (BITS, BITS.astype(bool), BITS.astype(np.uint8) * 3):
        check(fnp.packbits, np.packbits, x, axis=axis, bitorder=bitorder)
    packed = np.packbits(BITS, 1)
    for count in (None, 5, -2, 30):
        check(fnp.unpackbits, np.unpackbits, packed, axis=axis, bitorder=bitorder, count=count)
    if axis == 0 and bitorder == "big":
        both = fgrad.vmap(lambda x: fnp.unpackbits(fnp.packbits(x), count=11))(BITS)
        np.testing.assert_array_equal(both, BITS)


def test_joined_pieces() -> None:
    x = np.array([1.0, 2.0])
    for of in (lambda m, x: m.r_[x, 0, 1:4, [5, 6]], lambda m, x: m.c_[x, x * 2], lambda m, x: m.r_[1:3, x[0]]):

        def ours(x: Any, of: Any = of) -> Any:
            return of(fnp, x)

        check(ours, lambda x, of=of: of(np, x), x)
        gradients(ours, x)
    assert repr(fnp.r_) == "fgrad.numpy.r_"


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_put_and_place(mode: str) -> None:
    x, positions = np.arange(6.0).reshape(2, 3), np.array([4, 0, 2]) + (0 if mode == "raise" else 5)
    for v in (np.array(7.0), np.array([1.0, 2.0]), np.array([])):
        expected = x.copy()
        np.put(expected, positions, v, mode)
        for run in (staged, online):
            agree(expected, run(lambda x, v: fnp.put(x, positions, v, mode), x, v))
        agree(expected, fnp.put(x, positions, v, mode))
    gradients(lambda x, v: fnp.put(x, positions, v, mode), x, np.array([1.0, 2.0]))
    rows(lambda x, v: fnp.put(x, positions, v, mode), x, np.array([1.0, 2.0]))
    expected = x.copy()
    np.place(expected, x > 2, [1.0, 2.0])
    agree(expected, online(lambda x: fnp.place(x, x > 2, [1.0, 2.0]), x))


def test_where_a_mask_leaves_elements() -> None:
    for mine, theirs in ((fnp.triu, np.triu), (np.tril, np.tril)):
        for got, expected in zip(fnp.mask_indices(3, mine, 1), np.mask_indices(3, theirs, 1), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_whole_arrays_compared() -> None:
    x, y = np.array([1.0, np.nan]), np.array([1.0, 1.0 + 1e-9])
    for name in ("allclose", "array_equal"):
        for options in ({}, {"equal_nan": True}):
            for a, b in ((x, x), (y, y[::-1].copy()), (x, y)):
                check(getattr(fnp, name), getattr(np, name), a, b, **options)
    check(fnp.array_equiv, np.array_equiv, y[:1], np.ones((2, 1)))
    assert not fgrad.jit(lambda a: fnp.array_equiv(a, np.ones(3)))(x)
    assert not fgrad.jit(lambda a: fnp.array_equal(a, np.ones(3)))(x)
    for z in (np.array([1.0 + 1e-20j]), np.array([1.0 + 1j]), x):
        agree(np.real_if_close(z), online(fnp.real_if_close, z))


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="`bitorder` is 'up'"):
        staged(lambda x: fnp.packbits(x, bitorder="up"), BITS)
    with pytest.raises(TypeError, match="truth values or integers"):
        staged(fnp.packbits, np.ones(3))
    with pytest.raises(TypeError, match="takes bytes"):
        staged(fnp.unpackbits, BITS)
    with pytest.raises(ArgumentError, match="no directive such as 'r'"):
        staged(lambda x: fnp.r_["r", x], BITS)
    with pytest.raises(ArgumentError, match="`mode` is 'drop'"):
        fnp.put(np.ones(3), [0], 1.0, "drop")
    with pytest.raises(ArgumentError, match="does not write into its argument"):
        fnp.place(np.ones(3), [True, False, True], 1.0, inplace=True)
