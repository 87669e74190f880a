"""Linear algebra as people write it."""

from __future__ import annotations

import numpy as np


def gram_schmidt(a):
    basis = []
    for v in a.T:
        for q in basis:
            v = v - (q @ v) * q
        basis.append(v / np.linalg.norm(v))
    return np.stack(basis, axis=1)


def householder(a):
    """The triangular factor, by reflections."""
    n = a.shape[1]
    for k in range(n):
        x = a[k:, k]
        e = np.zeros(x.shape)
        e[0] = 1.0
        v = x + np.sign(x[0]) * np.linalg.norm(x) * e
        v = v / np.linalg.norm(v)
        reflected = a[k:] - 2 * np.outer(v, v @ a[k:])
        a = np.vstack([a[:k], reflected])
    return np.triu(a[:n])


def power_iteration(a):
    v = np.ones(a.shape[0])
    for _ in range(60):
        v = a @ v
        v = v / np.sqrt(v.dot(v))
    return v @ a @ v


def conjugate_gradients(a, b):
    x = np.zeros_like(b)
    r = b - a @ x
    p = r
    for _ in range(b.shape[0]):
        step = (r @ r) / (p @ a @ p)
        x = x + step * p
        new = r - step * (a @ p)
        p = new + (new @ new) / (r @ r) * p
        r = new
    return x


def jacobi(a, b):
    d = np.diag(a)
    rest = a - np.diagflat(d)
    x = np.zeros(len(b))
    for _ in range(60):
        x = (b - rest @ x) / d
    return x


def matrix_exponential(a):
    """Scaling, Taylor's series, squaring."""
    scaled = a / 2**6
    total, term = np.identity(len(a)), np.identity(len(a))
    for k in range(1, 8):
        term = term @ scaled / k
        total = total + term
    return np.linalg.matrix_power(total, 2**6)


def newton_schulz_inverse(a):
    x = a.T / (np.linalg.norm(a, 1) * np.linalg.norm(a, np.inf))
    for _ in range(25):
        x = x @ (2 * np.eye(a.shape[0]) - a @ x)
    return x


def square_root(a):
    w, v = np.linalg.eigh(a)
    return (v * np.sqrt(w)) @ v.T


def log_determinant(a):
    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(a))))


def characteristic_polynomial(a):
    """Faddeev's and LeVerrier's recursion."""
    n = a.shape[0]
    m, c = np.zeros((n, n)), [1.0]
    for k in range(1, n + 1):
        m = a @ m + c[-1] * np.eye(n)
        c.append(-np.trace(a @ m) / k)
    return np.stack(c[1:])


def kronecker_solve(a, b, c):
    """Sylvester's equation a·x + x·b = c."""
    n, m = a.shape[0], b.shape[0]
    k = np.kron(np.eye(m), a) + np.kron(b.T, np.eye(n))
    return np.linalg.solve(k, c.T.reshape(-1)).reshape(m, n).T


def low_rank(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (u[:, :2] * s[:2]) @ vt[:2]


def polar_angle_of_rotation(a):
    u, _, vt = np.linalg.svd(a[:2, :2])
    r = u @ vt
    return np.arctan2(r[1, 0], r[0, 0])


def nuclear_and_spectral(a):
    return np.linalg.norm(a, "nuc"), np.linalg.norm(a, 2), np.linalg.norm(a)


def pairwise_distances(x):
    squares = np.sum(x * x, axis=1)
    d2 = squares[:, None] + squares[None, :] - 2 * x @ x.T
    i, j = np.triu_indices(len(x), k=1)
    return np.sqrt(d2[i, j])


def bilinear_form(a, x, y):
    return np.einsum("i,ij,j", x, a, y) + np.inner(x, y) + np.vdot(x, y) + np.tensordot(x, a, axes=1).max()


A = np.array([[3.0, 0.4, -0.2], [0.4, 2.1, 0.3], [-0.2, 0.3, 1.4]])
C = np.array([[1.0, 0.5, -0.3], [0.2, 1.7, 0.6], [-0.9, 0.3, 2.2]])
T = np.array([[1.0, 0.2], [0.4, 1.5], [-0.7, 0.3], [0.9, -1.1]])
B = np.array([1.0, -0.5, 0.3])

CASES = [
    (gram_schmidt, (C,)),
    (householder, (T,)),
    (power_iteration, (A,)),
    (conjugate_gradients, (A, B)),
    (jacobi, (A, B)),
    (matrix_exponential, (C,)),
    (newton_schulz_inverse, (C,)),
    (square_root, (A,)),
    (log_determinant, (A,)),
    (characteristic_polynomial, (C,)),
    (kronecker_solve, (A, C[:2, :2], T[:3])),
    (low_rank, (C,)),
    (polar_angle_of_rotation, (C,)),
    (nuclear_and_spectral, (C,)),
    (pairwise_distances, (T,)),
    (bilinear_form, (C, B, B[::-1].copy())),
]
