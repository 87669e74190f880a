"""Derivatives of linear algebra: numerical references, identities, special and degenerate matrices."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import DegenerateWarning
from fgrad.primitives.linalg_solve import inverse
from tests.numpy.against_numpy import gradients

RNG = np.random.default_rng(5)
SQUARE = RNG.normal(size=(3, 3)) + np.diag([3.0, 5.0, 8.0])
POSITIVE = SQUARE @ SQUARE.T
TALL, WIDE = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3))
STACK = np.stack([SQUARE, SQUARE.T + 1.0])
COMPLEX = SQUARE + 1j * RNG.normal(size=(3, 3))
WEIGHT = RNG.normal(size=(3, 3))
Q = np.linalg.qr(RNG.normal(size=(3, 3)))[0]


@pytest.mark.parametrize(
    ("f", "xs"),
    [
        (fnp.linalg.solve, (SQUARE, SQUARE[0])),
        (fnp.linalg.solve, (STACK, WIDE.T)),
        (fnp.linalg.inv, (STACK,)),
        (fnp.linalg.det, (STACK,)),
        (lambda x: fnp.linalg.slogdet(x)[1], (STACK,)),
        (fnp.linalg.pinv, (TALL,)),
        (fnp.linalg.pinv, (WIDE,)),
        (lambda a, b: fnp.linalg.lstsq(a, b)[0], (TALL, TALL[:, 0] ** 2)),
        (lambda a, b: fnp.linalg.lstsq(a, b)[1], (TALL, TALL[:, 0] ** 2)),
        (fnp.linalg.cholesky, (POSITIVE,)),
        (lambda x: fnp.linalg.cholesky(x, upper=True), (POSITIVE,)),
        (lambda x: fnp.linalg.qr(x)[0], (TALL,)),
        (lambda x: fnp.linalg.qr(x)[1], (WIDE,)),
        (lambda x: fnp.linalg.svd(x, full_matrices=False)[0], (TALL,)),
        (lambda x: fnp.linalg.svd(x)[0], (TALL,)),
        (lambda x: fnp.linalg.svd(x)[2], (WIDE,)),
        (lambda x: fnp.linalg.svd(x, hermitian=True)[2], (SQUARE + SQUARE.T - 9 * np.eye(3),)),
        (fnp.linalg.svdvals, (STACK,)),
        (lambda x: fnp.linalg.eigh(x)[1], (POSITIVE,)),
        (lambda x: fnp.linalg.eigh(x, "U")[1], (SQUARE,)),
        (fnp.linalg.eigvalsh, (STACK,)),
        (lambda x: fnp.abs(fnp.linalg.eig(x)[1]), (SQUARE,)),
        (lambda x: fnp.real(fnp.linalg.eigvals(x)), (SQUARE,)),
        (lambda x: fnp.linalg.matrix_power(x, -3), (SQUARE,)),
        (lambda x: fnp.linalg.matrix_power(x, 5) / 1e4, (SQUARE,)),
        (lambda a, b: fnp.linalg.multi_dot([a, b, a]), (SQUARE, WEIGHT)),
        (lambda x: fnp.linalg.tensorinv(x.reshape(3, 1, 3), 2), (SQUARE,)),
        (lambda a, b: fnp.linalg.tensorsolve(a.reshape(3, 3, 1), b), (SQUARE, SQUARE[0])),
        (fnp.linalg.cond, (SQUARE,)),
        (lambda x: fnp.linalg.cond(x, 1), (SQUARE,)),
        *[(lambda x, p=p: fnp.linalg.norm(x, p, axis=1), (SQUARE,)) for p in (None, 1, 3, 2.5, 0.5, -1, np.inf)],
        *[(lambda x, p=p: fnp.linalg.norm(x, p), (SQUARE,)) for p in ("fro", "nuc", 2, -2, 1, np.inf)],
    ],
)
def test_first_and_second_derivatives(f: Any, xs: Any) -> None:
    gradients(f, *xs)


def central(f: Any, x: Any, t: Any, step: float = 1e-6) -> Any:
    return (f(x + step * t) - f(x - step * t)) / (2 * step)


HERMITIAN = COMPLEX + COMPLEX.conj().T + 20 * np.eye(3)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: fnp.abs(fnp.linalg.eigh(x)[1]), HERMITIAN),
        (lambda x: fnp.linalg.eigvalsh(x, "U"), COMPLEX),
        (lambda x: fnp.abs(fnp.linalg.svd(x)[0]), COMPLEX),
        (lambda x: fnp.abs(fnp.linalg.svd(x)[2]), COMPLEX),
        (fnp.linalg.svdvals, COMPLEX),
        (lambda x: fnp.linalg.qr(x)[0], COMPLEX),
        (lambda x: fnp.linalg.qr(x)[1], COMPLEX[:2]),
        (fnp.linalg.cholesky, HERMITIAN),
        (lambda x: fnp.linalg.cholesky(x, upper=True), HERMITIAN),
        (lambda x: fnp.linalg.eig(x)[0], COMPLEX),
        (lambda x: fnp.linalg.eig(x)[1], COMPLEX),
        (lambda x: fnp.linalg.slogdet(x)[0], COMPLEX),
        (fnp.linalg.pinv, COMPLEX[:2]),
        (lambda x: fnp.linalg.norm(x, 3), COMPLEX[0]),
        (lambda x: fnp.linalg.norm(x, "nuc"), COMPLEX),
    ],
)
def test_complex_tangents(f: Any, x: Any) -> None:
    t = RNG.normal(size=x.shape) + 1j * RNG.normal(size=x.shape)
    np.testing.assert_allclose(fgrad.jvp(f, (x,), (t,))[1], central(f, x, t), rtol=1e-6, atol=1e-8)


def test_complex_gradients_descend() -> None:
    """z − lr·conj(grad) lowers a real function of complex matrices."""
    for f in (
        lambda z: fnp.linalg.norm(fnp.linalg.inv(z)),
        lambda z: fnp.linalg.norm(z, "nuc"),
        lambda z: fnp.abs(fnp.linalg.det(z)),
    ):
        slope = fgrad.grad(f)(COMPLEX)
        step = 1e-6
        lower = f(COMPLEX - step * slope.conj())
        assert f(COMPLEX) - lower == pytest.approx(step * np.sum(np.abs(slope) ** 2), rel=1e-3)


def rebuilt(u: Any, s: Any, vh: Any) -> Any:
    return u[:, : len(s)] * s @ vh


def rebuilt_symmetric(w: Any, v: Any) -> Any:
    return v * w @ v.T


def of_leading_vectors(u: Any, s: Any, vh: Any) -> Any:
    return (u[:, :1] @ vh[:1] * WEIGHT).sum() + (s**2).sum()


def test_factors_multiply_to_the_matrix() -> None:
    """The products of factors have the derivative of what they factor: the identity map."""
    t = RNG.normal(size=(4, 3))
    for f in (
        lambda x: fnp.matmul(*fnp.linalg.qr(x)),
        lambda x: fnp.matmul(*fnp.linalg.qr(x, "complete")),
        lambda x: rebuilt(*fnp.linalg.svd(x, full_matrices=False)),
        lambda x: rebuilt(*fnp.linalg.svd(x)),
    ):
        np.testing.assert_allclose(fgrad.jvp(f, (TALL,), (t,))[1], t, atol=1e-12)
        np.testing.assert_allclose(fgrad.vjp(f, TALL)[1](t)[0], t, atol=1e-12)
    symmetric = WEIGHT + WEIGHT.T
    for g in (
        lambda x: rebuilt_symmetric(*fnp.linalg.eigh(x)),
        lambda x: fnp.linalg.cholesky(x) @ fnp.linalg.cholesky(x).T,
    ):
        np.testing.assert_allclose(fgrad.jvp(g, (POSITIVE,), (symmetric,))[1], symmetric, atol=1e-12)


def test_columns_stay_orthonormal() -> None:
    def gram(x: Any) -> Any:
        u = fnp.linalg.svd(x)[0]
        q = fnp.linalg.qr(x, "complete")[0]
        return u.T @ u + q.T @ q

    np.testing.assert_allclose(fgrad.jvp(gram, (TALL,), (RNG.normal(size=(4, 3)),))[1], 0, atol=1e-12)


def test_the_derivative_of_the_logarithm_of_the_determinant() -> None:
    inverse = np.linalg.inv(POSITIVE)
    np.testing.assert_allclose(fgrad.grad(lambda a: fnp.linalg.slogdet(a)[1])(POSITIVE), inverse.T, rtol=1e-10)


def by_cholesky(a: Any, **options: Any) -> Any:
    return 2 * fnp.log(fnp.linalg.diagonal(fnp.linalg.cholesky(a, **options))).sum()


def test_one_triangle_is_read() -> None:
    inverse = np.linalg.inv(POSITIVE)
    expected = 2 * np.tril(inverse) - np.diag(np.diag(inverse))
    np.testing.assert_allclose(fgrad.grad(by_cholesky)(POSITIVE), expected, rtol=1e-10)
    np.testing.assert_allclose(fgrad.grad(lambda a: by_cholesky(a, upper=True))(POSITIVE), expected.T, rtol=1e-10)
    for f in (fnp.linalg.eigvalsh, lambda a: fnp.linalg.eigh(a)[1]):
        assert not np.triu(fgrad.grad(lambda a, f=f: f(a)[0].sum())(POSITIVE), 1).any()


def test_symmetric_gradients() -> None:
    inverse = np.linalg.inv(POSITIVE)
    found = fgrad.grad(lambda a: by_cholesky(a, symmetrize_input=True))(POSITIVE)
    np.testing.assert_allclose(found, inverse, rtol=1e-10)
    for f in (
        lambda a: fnp.log(fnp.linalg.eigvalsh(a, symmetrize_input=True)).sum(),
        lambda a: fnp.log(fnp.linalg.eigh(a, symmetrize_input=True)[0]).sum(),
    ):
        np.testing.assert_allclose(fgrad.grad(f)(POSITIVE), inverse, rtol=1e-10)
    np.testing.assert_array_equal(fnp.linalg.cholesky(POSITIVE, symmetrize_input=True), np.linalg.cholesky(POSITIVE))


REPEATED = [np.eye(3), Q * np.array([2.0, 2.0, 5.0]) @ Q.T, np.zeros((3, 3)) + np.diag([1.0, 1.0, 4.0])]


@pytest.mark.parametrize("a", REPEATED)
def test_functions_of_repeated_eigenvalues(a: Any) -> None:
    """tr √A has the derivative A^(−1/2) / 2."""
    w, v = np.linalg.eigh(a)
    expected = v / (2 * np.sqrt(w)) @ v.T
    for f in (
        lambda a: fnp.sqrt(fnp.linalg.eigh(a, symmetrize_input=True)[0]).sum(),
        lambda a: fnp.sqrt(fnp.linalg.svd(a)[1]).sum(),
        lambda a: fnp.sqrt(fnp.real(fnp.linalg.eig(a)[0])).sum(),
    ):
        np.testing.assert_allclose(fgrad.grad(f)(a), expected, rtol=1e-7, atol=1e-10)


def test_projectors_on_whole_eigenspaces() -> None:
    def projector(a: Any) -> Any:
        v = fnp.linalg.eigh(a)[1][:, :2]
        return v @ v.T

    a, t = REPEATED[1], WEIGHT + WEIGHT.T
    apart = central(projector, a, t)
    np.testing.assert_allclose(fgrad.jvp(projector, (a,), (t,))[1], apart, atol=1e-8)
    found = fgrad.grad(lambda a: (projector((a + a.T) / 2) * WEIGHT).sum())(a)
    np.testing.assert_allclose((found * t).sum(), (apart * WEIGHT).sum(), atol=1e-8)


@pytest.mark.parametrize("a", [np.eye(3), Q, Q * np.array([2.0, 2.0, 5.0])])
def test_polar_factors_at_repeated_singular_values(a: Any) -> None:
    def polar(a: Any) -> Any:
        u, _, vh = fnp.linalg.svd(a)
        return u @ vh

    t = RNG.normal(size=(3, 3))
    slope = central(polar, a, t)
    np.testing.assert_allclose(fgrad.jvp(polar, (a,), (t,))[1], slope, atol=1e-8)
    pulled = fgrad.vjp(polar, a)[1](WEIGHT)[0]
    assert (pulled * t).sum() == pytest.approx((WEIGHT * slope).sum(), abs=1e-8)


@pytest.mark.parametrize("jit", [False, True])
def test_what_depends_on_the_choice_of_eigenvectors_is_told(jit: bool) -> None:
    def f(a: Any) -> Any:
        return fnp.linalg.eigh(a)[1][0, 1] + fnp.linalg.eigh(a)[1][2, 2]

    g = fgrad.jit(fgrad.grad(f)) if jit else fgrad.grad(f)
    with pytest.warns(DegenerateWarning, match="eigenvectors .* of a repeated value are being differentiated"):
        assert np.isfinite(g(np.eye(3))).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g(POSITIVE)


def test_no_nan_at_matrices_of_lower_rank() -> None:
    low = np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 1.0])
    for f in (
        lambda a: of_leading_vectors(*fnp.linalg.svd(a)),
        lambda a: fnp.linalg.norm(a, "nuc"),
        lambda a: fnp.linalg.norm(a, 2),
    ):
        for x in (low, np.zeros((3, 3))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DegenerateWarning)
                assert np.isfinite(fgrad.grad(f)(x)).all()


SINGULAR = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])


def cofactor(a: Any, i: int, j: int) -> Any:
    return (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))


@pytest.mark.parametrize("a", [SINGULAR, np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]), np.zeros((3, 3)), np.eye(3)])
def test_determinants_of_singular_matrices(a: Any) -> None:
    cofactors = np.array([[cofactor(a, i, j) for j in range(3)] for i in range(3)])
    slope = fgrad.grad(fnp.linalg.det)
    np.testing.assert_allclose(slope(a), cofactors, atol=1e-12)
    t = RNG.normal(size=(3, 3))
    curve = central(lambda x: np.array([[cofactor(x, i, j) for j in range(3)] for i in range(3)]), a, t)
    np.testing.assert_allclose(fgrad.jvp(slope, (a,), (t,))[1], curve, atol=1e-7)


def test_third_derivatives_of_the_determinant() -> None:
    f = fgrad.nth_derivative(lambda s: fnp.linalg.det(SQUARE + s * WEIGHT), 3)
    assert f(0.0) == pytest.approx(6 * np.linalg.det(WEIGHT), rel=1e-9)


@pytest.mark.parametrize("p", [None, 2, 3, 1.5, 1, 0.5, np.inf, -np.inf, "fro", "nuc"])
def test_norms_at_zero(p: Any) -> None:
    x = np.zeros((2, 2)) if isinstance(p, str) else np.zeros(3)
    for g in (fgrad.grad(lambda x: fnp.linalg.norm(x, p)), fgrad.jit(fgrad.grad(lambda x: np.linalg.norm(x, p)))):
        np.testing.assert_array_equal(g(x), np.zeros_like(x))


def test_norms_beside_zeros() -> None:
    x = np.array([0.0, 3.0, -4.0])
    for p, expected in [(None, [0, 0.6, -0.8]), (1, [0, 1, -1]), (np.inf, [0, 0, -1])]:
        np.testing.assert_allclose(fgrad.grad(lambda x, p=p: fnp.linalg.norm(x, p))(x), expected)
    cubic = fgrad.grad(lambda x: fnp.linalg.norm(x, 3))(x)
    np.testing.assert_allclose(cubic, np.sign(x) * x**2 / np.sum(np.abs(x) ** 3) ** (2 / 3))
    assert np.isfinite(fgrad.hessian(lambda x: fnp.linalg.norm(x, 3))(x)).all()


def test_sensitivities_of_solutions() -> None:
    a, b, ct = SQUARE, SQUARE[0], WEIGHT[0]
    by_a, by_b = fgrad.vjp(fnp.linalg.solve, a, b)[1](ct)
    x, adjoint = np.linalg.solve(a, b), np.linalg.solve(a.T, ct)
    np.testing.assert_allclose(by_b, adjoint, rtol=1e-12)
    np.testing.assert_allclose(by_a, -np.outer(adjoint, x), rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (31, 31), (2, 70, 70), (0, 5, 5), (0, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_inverse_of_a_lower_triangle(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    n = shape[-1]
    a = (rng.uniform(-1, 1, shape) + n * np.eye(n)).astype(dtype)
    a += np.triu(np.full(shape, np.nan, dtype), 1)  # is not read
    out = inverse(a, lower=True)
    assert out.dtype == dtype
    np.testing.assert_array_equal(np.triu(out, 1), 0)
    np.testing.assert_allclose(out @ np.tril(a), np.broadcast_to(np.eye(n), shape), atol=1e-5)
