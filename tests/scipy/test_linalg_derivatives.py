"""Derivatives of scipy.linalg: numerical references, hard places, and what of a matrix is read."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
import fgrad.scipy.linalg as linalg
from fgrad.implicit import linear_solve
from tests.numpy.against_numpy import gradients

pytest.importorskip("scipy")

RNG = np.random.default_rng(8)
A = RNG.normal(size=(3, 3)) + np.diag([3.0, 5.0, 8.0])
P = A @ A.T
S = A + A.T
TALL, WIDE = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3))
STACK = np.stack([A, A.T + 1.0])
B, V = RNG.normal(size=(3, 2)), RNG.normal(size=3)
Z = A + 1j * RNG.normal(size=(3, 3))
WEIGHT = RNG.normal(size=(3, 3))


@pytest.mark.parametrize(
    ("f", "xs"),
    [
        (lambda a: linalg.expm(a / 5), (STACK,)),
        (lambda a, e: linalg.expm_frechet(a / 5, e, compute_expm=False), (A, WEIGHT)),
        (lambda a: linalg.sqrtm(a).real, (P,)),
        (lambda a: linalg.logm(a).real, (P,)),
        (lambda a: linalg.cosm(a / 5), (A,)),
        (lambda a: linalg.tanhm(a / 9), (A,)),
        (lambda a: linalg.signm(a - 4 * np.eye(3)).real, (np.diag([1.0, 5.0, 8.0]) + WEIGHT / 9,)),
        (lambda a, t: linalg.fractional_matrix_power(a, t[0]).real, (P, np.array([0.3]))),
        (lambda a: linalg.funm(a, fnp.sin).real, (A,)),
        (lambda a: linalg.funm(a, np.sqrt, hermitian=True), (P,)),
        (lambda a: linalg.lu_factor(a)[0], (STACK,)),
        (lambda a: linalg.lu(a, permute_l=True)[0], (TALL,)),
        (lambda a: linalg.lu(a)[2], (WIDE,)),
        (lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, 1), (A, V)),
        (lambda a, b: linalg.solve_triangular(a, b, lower=True), (STACK, B)),
        (lambda a, b: linalg.solve_triangular(a, b, trans=1, unit_diagonal=True), (A, B)),
        (lambda a, b: linalg.solve(a, b, assume_a="pos"), (P, B)),
        (lambda a, b: linalg.solve(a, b, assume_a="sym", lower=True), (A, B)),
        (lambda a, b: linalg.solve(a, b, assume_a="tridiagonal"), (A, B)),
        (lambda a, b: linalg.cho_solve(linalg.cho_factor(a), b), (P, V)),
        (linalg.solve_sylvester, (A, P, WEIGHT)),
        (lambda a, q: linalg.solve_discrete_lyapunov(a / 20, q), (A, WEIGHT)),
        (lambda c, r, b: linalg.solve_toeplitz((c, r), b), (V + np.array([5.0, 0.0, 0.0]), V[::-1].copy(), B)),
        (lambda a, b: linalg.solve_banded((1, 0), a, b), (A[:2] + 3, B)),
        (lambda a, b: linalg.solve_banded((1, 1), a, b), (A[::-1] + 3, V)),
        (lambda a: linalg.qr(a, pivoting=True)[1], (TALL,)),
        (lambda a: linalg.polar(a)[1], (TALL,)),
        (lambda a: linalg.polar(a, "left")[0], (A,)),
        (lambda a, b: linalg.eigh(a, b)[1], (P, S + 20 * np.eye(3))),
        (lambda a, b: linalg.eigh(a, b, type=3, lower=False, eigvals_only=True), (P, S + 20 * np.eye(3))),
        (lambda d, e: linalg.eigh_tridiagonal(d, e)[1], (np.array([1.0, 4.0, 9.0]), V[:2])),
        (linalg.toeplitz, (V, B[:, 0])),
        (linalg.companion, (V + 3,)),
        (lambda x, y: linalg.block_diag(x, y[0], y), (A, V)),
    ],
)
def test_first_and_second_derivatives(f: Any, xs: Any) -> None:
    gradients(f, *xs)


def central(f: Any, x: Any, t: Any, step: float = 1e-6) -> Any:
    return (f(x + step * t) - f(x - step * t)) / (2 * step)


HERMITIAN = Z + Z.conj().T + 20 * np.eye(3)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda a: linalg.expm(a / 5), Z),
        (linalg.sqrtm, Z),
        (linalg.logm, Z),
        (lambda a: linalg.lu(a)[2], Z),
        (lambda a: linalg.solve_triangular(a, B, trans=2), Z),
        (lambda a: linalg.solve_sylvester(a, a, B @ B.T), Z),
        (lambda a: linalg.funm(a, np.sqrt, hermitian=True), HERMITIAN),
        (lambda a: linalg.solve(a, B, assume_a="her"), HERMITIAN),
        (lambda a: linalg.solve(a, B, assume_a="sym", lower=True), HERMITIAN),
        (lambda a: linalg.cho_solve(linalg.cho_factor(a), B), HERMITIAN),
        (lambda a: linalg.polar(a)[0], Z),
    ],
)
def test_complex_tangents_and_their_transposes(f: Any, x: Any) -> None:
    t = RNG.normal(size=x.shape) + 1j * RNG.normal(size=x.shape)
    slope = fgrad.jvp(f, (x,), (t,))[1]
    np.testing.assert_allclose(slope, central(f, x, t), rtol=1e-6, atol=1e-8)
    ct = RNG.normal(size=slope.shape) + 1j * RNG.normal(size=slope.shape)
    pulled = fgrad.vjp(f, x)[1](ct)[0]
    assert np.sum(pulled * t).real == pytest.approx(np.sum(ct * slope).real)


def test_third_derivatives_of_matrix_functions() -> None:
    t = WEIGHT
    for f, at in ((linalg.expm, A / 5), (lambda a: linalg.sqrtm(a).real, P)):

        def second(a: Any, f: Any = f) -> Any:
            return fgrad.jvp(lambda a: fgrad.jvp(f, (a,), (t,))[1], (a,), (t,))[1]

        third = fgrad.jvp(second, (at,), (t,))[1]
        np.testing.assert_allclose(third, central(second, at, t, 1e-5), rtol=1e-5, atol=1e-8)


Q = np.linalg.qr(WEIGHT)[0]
REPEATED = [np.eye(3), 2 * np.eye(3), Q @ np.diag([2.0, 2.0, 5.0]) @ Q.T, np.diag([1.0, 1.0 + 1e-9, 3.0])]


@pytest.mark.parametrize("a", REPEATED)
@pytest.mark.parametrize("g", [np.sqrt, np.log, np.exp, lambda w: 1 / w, lambda w: w**3 - w])
def test_functions_of_hermitian_matrices_at_repeated_eigenvalues(a: Any, g: Any) -> None:
    """In every direction, to second order; `eigh` alone loses what is off the diagonal within an eigenspace."""

    def f(a: Any) -> Any:
        return linalg.funm(a, g, hermitian=True)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t, u = S / 9, WEIGHT + WEIGHT.T
        slope = fgrad.jvp(f, (a,), (t,))[1]
        np.testing.assert_allclose(slope, central(f, a, t), rtol=1e-6, atol=1e-8)
        pulled = fgrad.grad(lambda a: (f(a) * WEIGHT).sum())(a)
        np.testing.assert_allclose(pulled, pulled.T, atol=1e-12)
        assert (pulled * t).sum() == pytest.approx((WEIGHT * slope).sum(), abs=1e-9)

        def first(a: Any) -> Any:
            return fgrad.jvp(f, (a,), (t,))[1]

        curve = fgrad.jvp(first, (a,), (u,))[1]
        np.testing.assert_allclose(curve, central(first, a, u), rtol=1e-5, atol=1e-6)
        swapped = fgrad.jvp(lambda a: fgrad.jvp(f, (a,), (u,))[1], (a,), (t,))[1]
        np.testing.assert_allclose(curve, swapped, rtol=1e-9, atol=1e-9)


def test_divided_differences_between_apart_and_equal() -> None:
    """exp[w, w + d] = eʷ·expm1(d)/d, to a few digits less than all, at every distance."""
    for d in 10.0 ** np.arange(-16, 1):
        for w in (0.0, 1.0, 1e-3):
            got = fgrad.jvp(
                lambda a: linalg.funm(a, np.exp, hermitian=True),
                (np.diag([w, w + d, 3.0]),),
                (np.ones((3, 3)),),
            )[1][0, 1]
            apart = (w + d) - w
            expected = np.exp(w) * (np.expm1(apart) / apart if apart else 1.0)
            assert got == pytest.approx(expected, rel=1e-11), (w, d)


def test_the_gradient_of_a_trace_is_the_derivative() -> None:
    for a in (P, np.eye(3)):
        slope = fgrad.grad(lambda a: fnp.trace(linalg.funm(a, np.log, hermitian=True)))(a)
        np.testing.assert_allclose(slope, np.linalg.inv(a), rtol=1e-10, atol=1e-12)
        root = fgrad.grad(lambda a: fnp.trace(linalg.sqrtm(a).real))(a)
        np.testing.assert_allclose(root, np.linalg.inv(linalg.sqrtm(a).real) / 2, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("a", [np.eye(3), Q @ np.diag([2.0, 2.0, 5.0]) @ Q.T])
def test_general_functions_agree_with_spectral_ones_at_repeated_eigenvalues(a: Any) -> None:
    t = WEIGHT + WEIGHT.T
    for general, g in ((linalg.sqrtm, np.sqrt), (linalg.logm, np.log), (linalg.expm, np.exp)):
        expected = fgrad.jvp(lambda a, g=g: linalg.funm(a, g, hermitian=True), (a,), (t,))[1]
        np.testing.assert_allclose(fgrad.jvp(general, (a,), (t,))[1].real, expected, rtol=1e-9, atol=1e-10)


def test_polar_factors_at_repeated_singular_values() -> None:
    for a in (np.eye(3), Q * np.array([2.0, 2.0, 5.0])):
        for i in range(2):
            slope = fgrad.jvp(lambda a, i=i: linalg.polar(a)[i], (a,), (WEIGHT,))[1]
            np.testing.assert_allclose(slope, central(lambda a, i=i: linalg.polar(a)[i], a, WEIGHT), atol=1e-8)


LOWER, UPPER = np.tril(np.ones((3, 3))), np.triu(np.ones((3, 3)))

READERS = [
    (lambda a: linalg.cholesky(a, lower=True), LOWER),
    (linalg.cholesky, UPPER),
    (fnp.linalg.cholesky, LOWER),
    (lambda a: fnp.linalg.cholesky(a, upper=True), UPPER),
    (lambda a: linalg.cho_factor(a, lower=True)[0], LOWER),
    (lambda a: linalg.solve(a, V, assume_a="pos"), UPPER),
    (lambda a: linalg.solve(a, V, assume_a="pos", lower=True), LOWER),
    (lambda a: linalg.solve(a, V, assume_a="sym"), UPPER),
    (lambda a: linalg.solve(a, V, assume_a="her", lower=True), LOWER),
    (lambda a: linalg.eigh(a, eigvals_only=True), LOWER),
    (lambda a: linalg.eigh(a, a @ a, lower=False, eigvals_only=True), np.ones((3, 3))),
    (fnp.linalg.eigvalsh, LOWER),
    (lambda a: linalg.solve_triangular(a, V), UPPER),
    (lambda a: linalg.solve_triangular(a, V, trans=1, lower=True), LOWER),
    (lambda a: linalg.solve_triangular(a, V, unit_diagonal=True), UPPER - np.eye(3)),
]


@pytest.mark.parametrize(("f", "read"), READERS)
def test_what_is_not_read_has_the_derivative_0(f: Any, read: Any) -> None:
    slope = fgrad.grad(lambda a: fnp.sum(f(a) ** 3))(P)
    assert ((slope != 0) == (read != 0)).all()
    if not read.all():
        np.testing.assert_array_equal(f(P), f(P + (read == 0) * 7.0))


def test_symmetric_systems_have_one_derivative_on_symmetric_directions() -> None:
    """Whatever is read: NumPy's solve, SciPy's of every form, and the implicit one."""
    t = WEIGHT + WEIGHT.T
    solvers = [
        fnp.linalg.solve,
        linear_solve,
        lambda a, b: linear_solve(a, b, positive=True),
        lambda a, b: linear_solve(a, b, symmetric=True, solve="cg"),
        *[
            lambda a, b, form=form, low=low: linalg.solve(a, b, assume_a=form, lower=low)
            for form in ("gen", "sym", "her", "pos")
            for low in (False, True)
        ],
        lambda a, b: linalg.cho_solve(linalg.cho_factor(a), b),
        lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b),
        lambda a, b: linalg.inv(a) @ b,
    ]
    expected = -np.linalg.solve(P, t @ np.linalg.solve(P, V))
    for solve in solvers:
        np.testing.assert_allclose(fgrad.jvp(lambda a, s=solve: s(a, V), (P,), (t,))[1], expected, rtol=1e-8)
        pulled = fgrad.grad(lambda a, s=solve: fnp.sum(s(a, V) * V))(P)
        assert (pulled * t).sum() == pytest.approx((expected * V).sum())
    whole = fgrad.grad(lambda a: fnp.sum(linear_solve(a, V, positive=True) * B[:, 0]))(P)
    np.testing.assert_allclose(whole, -np.outer(np.linalg.solve(P, B[:, 0]), np.linalg.solve(P, V)), rtol=1e-8)


def test_log_determinants_by_the_factor() -> None:
    """On symmetric directions the derivative is the inverse, whichever triangle is read."""
    t = WEIGHT + WEIGHT.T
    for lower in (False, True):
        f = lambda a, low=lower: 2 * fnp.sum(fnp.log(fnp.diagonal(linalg.cholesky(a, lower=low))))  # noqa: E731
        assert (fgrad.grad(f)(P) * t).sum() == pytest.approx((np.linalg.inv(P) * t).sum())
