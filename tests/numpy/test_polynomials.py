"""Polynomials: NumPy's values and dtypes; derivatives; batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from tests.numpy.against_numpy import agree, check, gradients, rows, staged

P, Q = np.array([2.0, -1.0, 0.5, 3.0]), np.array([1.5, 2.0])
DTYPES = [np.float64, np.float32, np.complex128, np.int32]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_polyval(dtype: Any, shape: Any) -> None:
    x = np.full(shape, 1.5).astype(dtype)
    check(fnp.polyval, np.polyval, P.astype(dtype), x)
    check(lambda p: fnp.polyval(p, 2), lambda p: np.polyval(p, 2), P.astype(dtype))


@pytest.mark.parametrize("name", ["polyadd", "polysub", "polymul"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic(name: str, dtype: Any) -> None:
    for p, q in ((P, Q), (Q, P), (P, P), (P, np.array(3.0))):
        check(getattr(fnp, name), getattr(np, name), p.astype(dtype), q.astype(dtype))
    gradients(getattr(fnp, name), P, Q)
    rows(getattr(fnp, name), P, Q)


@pytest.mark.parametrize("m", [0, 1, 3, 5])
def test_calculus(m: int) -> None:
    for dtype in DTYPES:
        check(lambda p: fnp.polyder(p, m), lambda p: np.polyder(p, m), P.astype(dtype))
        check(lambda p: fnp.polyint(p, m), lambda p: np.polyint(p, m), P.astype(dtype))
    check(lambda p: fnp.polyint(p, m, 2.0), lambda p: np.polyint(p, m, 2.0), P)
    check(lambda p, k: fnp.polyint(p, 2, k), lambda p, k: np.polyint(p, 2, k), P, Q)
    gradients(lambda p: fnp.polyint(p, m), P)


def test_division() -> None:
    for p, q in ((P, Q), (Q, P), (P, np.array([2.0])), (P, P)):
        quotient, rest = np.polydiv(p, q)
        agree(quotient, staged(lambda p, q: fnp.polydiv(p, q)[0], p, q))
        got = staged(lambda p, q: fnp.polydiv(p, q)[1], p, q)
        agree(rest, got[len(got) - len(rest) :])
        np.testing.assert_allclose(np.polyadd(np.polymul(quotient, q), got)[-len(p) :], p)
    gradients(lambda p, q: fnp.concatenate(fnp.polydiv(p, q)), P, Q)
    rows(lambda p, q: fnp.polydiv(p, q)[0], P, Q)


def test_zeros() -> None:
    check(fnp.poly, np.poly, np.array([1.0, -2.0, 3.0]))
    check(fnp.poly, np.poly, np.array([1.0 + 2j, 3.0]))
    gradients(fnp.poly, P)
    rows(fnp.poly, P)


def test_gradients_of_values() -> None:
    gradients(np.polyval, P, np.array([0.0, -1.5]))
    rows(fnp.polyval, P, np.array([0.0, -1.5]))


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="coefficients are a row"):
        staged(lambda p: fnp.polyval(p, 1.0), np.ones((2, 2)))
    with pytest.raises(ArgumentError, match="the order is -1"):
        staged(lambda p: fnp.polyder(p, -1), P)
    with pytest.raises(ArgumentError, match="2 constants for an integral of order 3"):
        staged(lambda p: fnp.polyint(p, 3, Q), P)
