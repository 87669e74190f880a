"""Gradients of linear algebra against JAX, where it is installed: its conventions for complex matrices above all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp

jax = pytest.importorskip("jax")

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(3, 3)) + np.diag([4.0, 8.0, 12.0])
COMPLEX = REAL + 1j * RNG.normal(size=(3, 3))
HERMITIAN = COMPLEX + COMPLEX.conj().T
TALL = RNG.normal(size=(4, 3)) + 1j * RNG.normal(size=(4, 3))
WEIGHT = RNG.normal(size=(3, 3))


def sizes(n: Any, x: Any) -> Any:
    """A real number that depends on all elements of a matrix."""
    return n.sum(n.abs(x[:3, :3] + 1) ** 2 * WEIGHT)


def spectrum(n: Any, a: Any) -> Any:
    w, v = n.linalg.eigh(a, symmetrize_input=True)
    return n.sum(n.abs(v) ** 2 * WEIGHT) + n.sum(w**3)


def singular(n: Any, a: Any) -> Any:
    u, s, vh = n.linalg.svd(a, full_matrices=False)
    return n.sum(n.abs(u[:3]) ** 2 * WEIGHT) + n.sum(s**3) + n.sum(n.abs(vh) ** 2 * WEIGHT)


CASES: dict[str, tuple[Any, Any]] = {
    "solve": (lambda n, a: sizes(n, n.linalg.solve(a, WEIGHT)), COMPLEX),
    "inv": (lambda n, a: sizes(n, n.linalg.inv(a)), COMPLEX),
    "det": (lambda n, a: n.abs(n.linalg.det(a) + 1), COMPLEX),
    "slogdet": (lambda n, a: n.linalg.slogdet(a)[1] + n.real(n.linalg.slogdet(a)[0]), COMPLEX),
    "cholesky": (lambda n, a: sizes(n, n.linalg.cholesky(a, symmetrize_input=True)), HERMITIAN + 9 * np.eye(3)),
    "eigh": (spectrum, HERMITIAN),
    "eigvals": (lambda n, a: n.sum(n.abs(n.linalg.eigvals(a) + 1j)), COMPLEX),
    "svd": (singular, TALL),
    "q": (lambda n, a: sizes(n, n.linalg.qr(a)[0]), TALL),
    "r": (lambda n, a: sizes(n, n.linalg.qr(a)[1]), TALL),
    "pinv": (lambda n, a: sizes(n, n.linalg.pinv(a)), TALL),
    "cond": (lambda n, a: n.linalg.cond(a) + n.linalg.cond(a, 1), REAL),
    "lstsq": (lambda n, a: n.sum(n.linalg.lstsq(a, WEIGHT)[0] ** 2), REAL),
    "matrix_power": (lambda n, a: sizes(n, n.linalg.matrix_power(a, -3)), REAL),
    "multi_dot": (lambda n, a: n.sum(n.linalg.multi_dot([a, WEIGHT, a, WEIGHT[0]])), REAL),
    "tensorinv": (lambda n, a: n.sum(n.linalg.tensorinv(a.reshape(3, 3, 1), 1)[:, 0] * WEIGHT), REAL),
    "tensorsolve": (lambda n, a: n.sum(n.linalg.tensorsolve(a.reshape(3, 3, 1), WEIGHT[0]) ** 3), REAL),
    **{f"norm {p}": (lambda n, a, p=p: n.linalg.norm(a, p), TALL) for p in (None, "nuc", 1, 2, -2, np.inf, -np.inf)},
    **{f"{p}-norm": (lambda n, a, p=p: n.linalg.norm(a, p, axis=0).sum(), REAL) for p in (3, 2.5, 1, 0.5, -1, np.inf)},
}


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    f, x = CASES[name]
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        expected = np.asarray(jax.grad(lambda a: f(jax.numpy, a))(jax.numpy.asarray(x)))
    gradient = fgrad.grad(lambda a: f(fnp, a))
    for found in (gradient(x), fgrad.jit(gradient)(x)):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
