"""Polynomials: NumPy's values and dtypes; derivatives; batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.testing import check_grads
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


class TestRoots:
    P = np.array([1.0, -6.0, 11.0, -6.0])

    def test_values(self) -> None:
        np.testing.assert_allclose(fgrad.jit(fnp.roots)(self.P), np.roots(self.P))
        assert fnp.roots(self.P).dtype == np.float64  # concrete: NumPy's own
        assert fgrad.jit(fnp.roots)(np.array([2.0])).shape == (0,)

    def test_derivatives(self) -> None:
        jacobian = fgrad.jacfwd(lambda p: fnp.roots(p).real)(self.P)
        zeros = np.roots(self.P)
        wanted = [[-(r**k) / np.polyval(np.polyder(self.P), r) for k in (3, 2, 1, 0)] for r in zeros]
        np.testing.assert_allclose(jacobian, wanted, rtol=1e-9)
        check_grads(lambda p: fnp.roots(p).real.max(), (self.P,), order=2)
        check_grads(lambda p: abs(fnp.roots(p)), (np.array([1.0, 1.0, 3.0]),), order=2)

    def test_leading_zeros_are_left_out_where_they_are_seen(self) -> None:
        padded = np.concatenate([[0.0, 0.0], self.P])
        gradient = fgrad.grad(lambda p: fnp.roots(p).real.max())(padded)
        np.testing.assert_allclose(gradient, [0, 0, *fgrad.grad(lambda p: fnp.roots(p).real.max())(self.P)])
        assert fgrad.grad(lambda p: fnp.roots(p).real.sum())(np.zeros(2)).tolist() == [0, 0]

    def test_rows(self) -> None:
        rows = np.stack([self.P, self.P * [1, 1, 1, 0.5]])
        batched = fgrad.jit(fgrad.vmap(fgrad.grad(lambda p: fnp.roots(p).real.max())))(rows)
        np.testing.assert_allclose(batched[1], fgrad.grad(lambda p: fnp.roots(p).real.max())(rows[1]))


class TestPolyfit:
    X = np.array([0.0, 1.0, 2.0, 3.5, 4.0])
    Y = np.array([1.0, 2.0, 0.0, 5.0, 7.0])
    W = np.array([1.0, 0.5, 2.0, 1.0, 1.5])

    @pytest.mark.parametrize("options", [{}, {"cov": True}, {"cov": "unscaled"}, {"full": True}])
    @pytest.mark.parametrize("columns", [False, True])
    def test_values(self, options: Any, columns: bool) -> None:
        y = np.stack([self.Y, self.Y**2], 1) if columns else self.Y
        wanted = np.polyfit(self.X, y, 2, w=self.W, **options)
        got = fgrad.jit(lambda x, y, w: fnp.polyfit(x, y, 2, w=w, **options))(self.X, y, self.W)
        if not options:
            wanted, got = (wanted,), (got,)
        for a, b in zip(got, wanted, strict=True):
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(a, b, rtol=1e-8)

    def test_derivatives(self) -> None:
        check_grads(lambda x, y, w: fnp.polyfit(x, y, 2, w=w), (self.X, self.Y, self.W), order=1)
        check_grads(lambda x, y: fnp.polyfit(x, y, 1, cov=True)[1], (self.X, self.Y), order=1)
        check_grads(lambda y: np.polyfit(self.X, y, 1), (self.Y,), order=2)

    def test_refusals(self) -> None:
        with pytest.raises(TypeError, match=r"polyfit: x has shape \(5,\) and y \(4,\)"):
            fgrad.jit(lambda y: fnp.polyfit(self.X, y, 1))(self.Y[:4])
        with pytest.raises(TypeError, match=r"polyfit: w has shape \(4,\), x \(5,\)"):
            fgrad.jit(lambda y: fnp.polyfit(self.X, y, 1, w=self.W[:4]))(self.Y)
        with pytest.raises(ValueError, match="polyfit: 2 points for 2 coefficients leave nothing"):
            fgrad.jit(lambda y: fnp.polyfit(self.X[:2], y, 1, cov=True))(self.Y[:2])
        with pytest.raises(ValueError, match="the order is -1"):
            fgrad.jit(lambda y: fnp.polyfit(self.X, y, -1))(self.Y)
