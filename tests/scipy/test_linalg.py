"""fgrad.scipy.linalg against SciPy: values on concrete and traced arrays, options, errors, names."""

from __future__ import annotations

import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.scipy.linalg as linalg
from fgrad.core.aval import aval_of
from fgrad.errors import ConcretizationTypeError, FgradError, MissingExtraError, NonDifferentiableError
from fgrad.primitives import linalg_triangular, scipy_modules
from fgrad.transforms.stage import trace
from fgrad.tree import leaves
from tests.numpy.against_numpy import online

scipy_linalg = pytest.importorskip("scipy.linalg")

RNG = np.random.default_rng(3)
A = RNG.normal(size=(4, 4)) + 4 * np.eye(4)
P = A @ A.T
H = P + 0.3j * (A - A.T)
Z = A + 1j * RNG.normal(size=(4, 4))
B = RNG.normal(size=(4, 2))
V = RNG.normal(size=4)
SKEW = np.triu(np.ones((4, 4)), 1)  # what stands in a triangle that is not read

_WRITES = "it changes a factorization that is given; compute it anew"
_BANDED = "matrices in the storage of bands are SciPy's; `solve` with assume_a='tridiagonal' takes whole ones"
_CHOICE = "a factorization by choices (of order, of basis) without a derivative"
_PREDICATE = "it says something about values, which a tracer has not"
_LAPACK = "it is about LAPACK, BLAS or SciPy itself"

LEFT_OUT = {
    **dict.fromkeys(["qr_delete", "qr_insert", "qr_update"], _WRITES),
    **dict.fromkeys(["cho_solve_banded", "cholesky_banded", "eig_banded", "eigvals_banded"], _BANDED),
    **dict.fromkeys(["solveh_banded", "eigvalsh_tridiagonal"], _BANDED),
    **dict.fromkeys(["cossin", "ldl", "ordqz", "qz", "cdf2rdf", "rq", "matrix_balance"], _CHOICE),
    **dict.fromkeys(["null_space", "orth", "subspace_angles", "orthogonal_procrustes"], _CHOICE),
    **dict.fromkeys(["bandwidth", "ishermitian", "issymmetric", "expm_cond"], _PREDICATE),
    **dict.fromkeys(["find_best_blas_type", "get_blas_funcs", "get_lapack_funcs", "LinAlgWarning", "test"], _LAPACK),
    **dict.fromkeys(["bandwidth", "clarkson_woodruff_transform"], "it draws random numbers, or counts"),
    **dict.fromkeys(["solve_continuous_are", "solve_discrete_are"], "Riccati's equations: fgrad.implicit.root"),
    **dict.fromkeys(["solve_lyapunov"], "SciPy's old name of solve_continuous_lyapunov"),
    **dict.fromkeys(["diagsvd", "matmul_toeplitz", "pinvh"], "a line of fgrad.numpy: a diagonal, a product, `pinv`"),
    **dict.fromkeys(["inv_lapack", "set_blas"], _LAPACK),
}
"""What SciPy has and `fgrad.scipy.linalg` has not, with the reason."""


def names(module: types.ModuleType) -> set[str]:
    return {n for n in dir(module) if not n.startswith("_") and not isinstance(getattr(module, n), types.ModuleType)}


def test_every_function_of_scipy_is_there_or_left_out_for_a_reason() -> None:
    missing = {n for n in names(scipy_linalg) if not hasattr(linalg, n)}
    assert missing <= set(LEFT_OUT), sorted(missing - set(LEFT_OUT))
    assert not {n for n in LEFT_OUT if hasattr(linalg, n)}


def test_every_function_of_jax_is_there() -> None:
    jax = pytest.importorskip("jax.scipy.linalg")
    assert not {n for n in names(jax) if not hasattr(linalg, n)}


AUTOGRAD = ["sqrtm", "solve_banded", "solve_sylvester", "solve_triangular"]


def test_every_function_that_autograd_differentiates_is_there() -> None:
    assert not {n for n in AUTOGRAD if not hasattr(linalg, n)}


def same(got: Any, expected: Any) -> None:
    for x, y in zip(leaves(got), leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[(n, (A,), {}) for n in ("det", "inv", "expm", "sqrtm", "logm", "signm", "svdvals")],
    *[(n, (x,), {}) for n in ("cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm") for x in (A / 2, Z / 2)],
    ("expm", (Z * 30,), {}),
    ("expm_frechet", (A, P), {}),
    ("expm_frechet", (A, P), {"compute_expm": False}),
    ("fractional_matrix_power", (P, 0.3), {}),
    *[("cholesky", (x,), {"lower": low}) for x in (P, H) for low in (False, True)],
    *[("solve_triangular", (Z, V), {"trans": t, "lower": low}) for t in (0, 1, 2, "C") for low in (False, True)],
    ("solve_triangular", (A, B), {"unit_diagonal": True}),
    *[
        ("solve", (P + SKEW.T, B), {"assume_a": f})
        for f in ("gen", "general", "upper triangular", "lower triangular", "diagonal", "tridiagonal")
    ],
    *[("solve", (P + SKEW.T, V), {"assume_a": f}) for f in ("sym", "her", "pos")],
    *[("solve", (P + SKEW, V), {"assume_a": f, "lower": True}) for f in ("sym", "her", "pos")],
    *[("solve", (H + SKEW, B), {"assume_a": f, "lower": True}) for f in ("sym", "her", "pos")],
    ("solve", (A, V), {"transposed": True}),
    *[("lu", (x,), {"permute_l": f}) for x in (A, A[:, :2], A[:2], Z) for f in (False, True)],
    ("lu_factor", (Z,), {}),
    *[("qr", (x,), {"mode": m}) for x in (A[:, :2], A[:2]) for m in ("full", "economic", "r")],
    ("qr", (A,), {"pivoting": True}),
    *[("polar", (x,), {"side": s}) for x in (A[:, :2], A[:2], Z) for s in ("right", "left")],
    ("svd", (A[:2],), {"compute_uv": False}),
    ("eigh", (P + SKEW,), {"eigvals_only": True}),
    *[("eigh", (P + SKEW, H), {"eigvals_only": True, "type": k}) for k in (1, 2, 3)],
    ("eigh", (P, P[::-1, ::-1]), {"eigvals_only": True, "lower": False, "subset_by_index": (1, 2)}),
    ("eigvalsh", (P,), {}),
    ("eigh_tridiagonal", (V, V[1:]), {"eigvals_only": True}),
    ("eigh_tridiagonal", (V, V[1:]), {"eigvals_only": True, "select": "i", "select_range": (1, 2)}),
    ("hessenberg", (A,), {"calc_q": True}),
    ("schur", (A,), {}),
    ("schur", (A,), {"output": "complex"}),
    ("solve_sylvester", (A, P, P - A), {}),
    ("solve_continuous_lyapunov", (Z, P), {}),
    ("solve_discrete_lyapunov", (Z / 20, P), {}),
    ("solve_toeplitz", (V + np.array([5, 0, 0, 0]), B), {}),
    ("solve_toeplitz", ((V, V[::-1] * 2), V), {}),
    ("solve_circulant", (V, B), {}),
    *[("solve_banded", (bands, A[: sum(bands) + 1], x), {}) for bands in ((1, 1), (0, 2), (2, 0)) for x in (V, B)],
    ("block_diag", (A, 3.0, V), {}),
    *[("toeplitz", xs, {}) for xs in ((V,), (V, B[:3, 0]), (Z[0],))],
    *[("hankel", xs, {}) for xs in ((V,), (V, B[:3, 0]))],
    *[(n, (V,), {}) for n in ("circulant", "companion", "fiedler", "fiedler_companion")],
    ("fiedler_companion", (np.arange(1.0, 9.0),), {}),
    ("fiedler_companion", (V[:2],), {}),
    ("leslie", (V, V[1:]), {}),
    ("khatri_rao", (A, B @ B.T), {}),
    *[("convolution_matrix", (V, n), {"mode": m}) for n in (2, 4, 6) for m in ("full", "same", "valid")],
]


@pytest.mark.parametrize(("name", "xs", "options"), CASES, ids=lambda x: x if isinstance(x, str) else "")
def test_values_are_those_of_scipy(name: str, xs: Any, options: dict[str, Any]) -> None:
    """On concrete arrays, on tracers with values, and on tracers without."""
    expected = getattr(scipy_linalg, name)(*xs, **options)
    arrays = [i for i, x in enumerate(xs) if isinstance(x, np.ndarray)]

    def f(*given: Any) -> Any:
        full = list(xs)
        for i, x in zip(arrays, given, strict=True):
            full[i] = x
        return getattr(linalg, name)(*full, **options)

    given = [xs[i] for i in arrays]
    same(f(*given), expected)
    same(fgrad.jit(f)(*given), expected)
    if name not in ("schur", "hessenberg"):
        same(fgrad.linearize(f, *given)[0], expected)


def test_constant_matrices_are_those_of_scipy() -> None:
    for name in ("dft", "hadamard", "helmert", "hilbert", "invhilbert", "invpascal", "pascal"):
        np.testing.assert_array_equal(getattr(linalg, name)(4), getattr(scipy_linalg, name)(4))
        assert getattr(linalg, name).__name__ == name


def test_eigenvectors_of_pairs() -> None:
    """Orthonormal with respect to b, as SciPy says for each type."""
    for kind, f in ((1, lambda v, w: P @ v - H @ v * w), (2, lambda v, w: P @ H @ v - v * w)):
        w, v = linalg.eigh(P, H, type=kind)
        np.testing.assert_allclose(f(v, w), 0, atol=1e-9)
        np.testing.assert_allclose(v.conj().T @ H @ v, np.eye(4), atol=1e-10)
    w, v = linalg.eigh(P, H, type=3, lower=False)
    np.testing.assert_allclose(H @ P @ v, v * w, atol=1e-9)
    w, v = linalg.eigh_tridiagonal(V, V[1:], select="v", select_range=(-1.0, 2.0))
    same(w, scipy_linalg.eigh_tridiagonal(V, V[1:], select="v", select_range=(-1.0, 2.0))[0])
    assert v.shape == (4, len(w))


@pytest.mark.parametrize("trans", [0, 1, 2])
def test_systems_by_factors(trans: int) -> None:
    same(linalg.lu_solve(linalg.lu_factor(Z), V, trans), scipy_linalg.lu_solve(scipy_linalg.lu_factor(Z), V, trans))
    solved = fgrad.jit(lambda z, b: linalg.lu_solve(linalg.lu_factor(z), b, trans))(Z, B)
    same(solved, np.linalg.solve([Z, Z.T, Z.conj().T][trans], B))
    for lower in (False, True):
        same(linalg.cho_solve(linalg.cho_factor(H, lower), B), np.linalg.solve(H, B))


def test_stacks_of_matrices() -> None:
    stack = np.stack([A, A + 1])
    for name in ("expm", "sqrtm", "logm", "signm", "det", "inv", "lu", "lu_factor", "polar", "cosm", "schur"):
        got = getattr(linalg, name)(stack)
        for i in range(2):
            same([x[i] for x in leaves(got)], leaves(getattr(scipy_linalg, name)(stack[i])))
    same(linalg.solve(stack, B), np.linalg.solve(stack, B))
    same(linalg.lu_solve(linalg.lu_factor(stack), V), np.linalg.solve(stack, np.stack([V, V])[..., None])[..., 0])
    same(linalg.toeplitz(B)[1], scipy_linalg.toeplitz(B[1]))
    same(linalg.qr(stack, pivoting=True)[1][1], scipy_linalg.qr(A + 1, pivoting=True)[1])


def test_vmap_is_a_loop() -> None:
    stack = np.stack([A, P, A + 1])
    for f in (
        lambda a: linalg.expm(a / 3),
        lambda a: linalg.lu(a)[2],
        lambda a: linalg.lu_solve(linalg.lu_factor(a), V),
        lambda a: linalg.qr(a, pivoting=True)[1],
        lambda a: linalg.schur(a)[0],
        lambda a: linalg.solve(a, B, assume_a="upper triangular"),
        lambda a: linalg.funm(a, np.exp),
    ):
        for run in (fgrad.vmap(f), fgrad.jit(fgrad.vmap(f))):
            same(run(stack), np.stack([f(a) for a in stack]))


def test_dtypes() -> None:
    single = P.astype(np.float32)
    for f, kind in (
        (linalg.expm, "f"),
        (linalg.sqrtm, "F"),
        (linalg.logm, "F"),
        (lambda a: linalg.sqrtm(a, hermitian=True), "f"),
        (lambda a: linalg.funm(a, np.sin), "F"),
        (lambda a: linalg.lu_factor(a)[0], "f"),
        (lambda a: linalg.solve_triangular(a, a), "f"),
        (lambda a: linalg.solve_sylvester(a, a, a), "f"),
    ):
        assert f(single).dtype.char == kind
        assert fgrad.jit(f)(single).dtype.char == kind
        assert trace(lambda a, f=f: [f(a)], [aval_of(single)]).out_avals[0].dtype.char == kind
    assert linalg.expm(np.zeros((2, 2), int)).dtype == np.float64


def test_empty_matrices() -> None:
    empty = np.zeros((0, 0))
    for f in (linalg.expm, linalg.sqrtm, linalg.logm, linalg.cholesky, lambda a: linalg.funm(a, np.exp)):
        assert f(empty).shape == (0, 0)
    assert [x.shape for x in linalg.lu(np.zeros((0, 3)))] == [(0, 0), (0, 0), (0, 3)]
    assert linalg.block_diag().shape == (1, 0)


def test_exponentials_of_extreme_matrices() -> None:
    big = np.array([[-1e5, 1.0], [0.0, -2e5]])
    np.testing.assert_allclose(linalg.expm(big), 0)
    assert np.isnan(linalg.expm(big, max_squarings=3)).all()
    assert np.isnan(linalg.expm(np.full((2, 2), np.nan))).all()
    nilpotent = np.triu(np.ones((5, 5)), 1)
    expected = sum(np.linalg.matrix_power(nilpotent, k) / np.prod(np.arange(1.0, k + 1)) for k in range(5))
    np.testing.assert_allclose(linalg.expm(nilpotent), expected, rtol=1e-14)
    rotation = linalg.expm(np.array([[0.0, -1e3], [1e3, 0.0]]))
    np.testing.assert_allclose(rotation, [[np.cos(1e3), -np.sin(1e3)], [np.sin(1e3), np.cos(1e3)]], atol=1e-12)


def test_elimination_without_scipy_is_that_of_lapack() -> None:
    for shape in ((5, 5), (5, 3), (3, 5), (2, 3, 4, 4)):
        a = RNG.normal(size=shape)
        packed, pivots = linalg_triangular._eliminated(a)
        same([packed, pivots], list(linalg.lu_factor(a)))


@pytest.fixture
def without_scipy(monkeypatch: pytest.MonkeyPatch) -> Any:
    def refuse(name: str) -> Any:
        raise ImportError(name)

    scipy_modules.scipy_module.cache_clear()
    monkeypatch.setattr(scipy_modules.importlib, "import_module", refuse)
    yield
    scipy_modules.scipy_module.cache_clear()


@pytest.mark.usefixtures("without_scipy")
def test_what_needs_no_scipy_works_without_it() -> None:
    large = RNG.normal(size=(60, 60)) + 60 * np.eye(60)
    same(linalg.solve_triangular(large, large), np.linalg.solve(np.triu(large), large))
    same(linalg.lu_solve(linalg.lu_factor(A), V), np.linalg.solve(A, V))
    same(linalg.funm(P, np.sqrt, hermitian=True) @ linalg.sqrtm(P, hermitian=True), P)
    same(linalg.expm(linalg.logm(P, hermitian=True)), P)
    with pytest.raises(
        MissingExtraError, match=r"computes with scipy.linalg, and SciPy is not installed(.|\n)*fgrad\["
    ):
        linalg.sqrtm(P)
    with pytest.raises(MissingExtraError):
        linalg.hilbert(3)


@pytest.mark.parametrize("scipy_is_there", [True, False])
def test_singular_triangles(scipy_is_there: bool, request: pytest.FixtureRequest) -> None:
    if not scipy_is_there:
        request.getfixturevalue("without_scipy")
    for n in (3, 60):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            linalg.solve_triangular(np.zeros((n, n)), np.ones(n))


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: linalg.cholesky(-np.eye(2)), np.linalg.LinAlgError, "[Pp]ositive"),
    (lambda: linalg.cholesky(np.ones((2, 3))), np.linalg.LinAlgError, "takes square matrices, got f64"),
    (lambda: linalg.expm(np.ones(3)), np.linalg.LinAlgError, "takes matrices, in the last two axes"),
    (lambda: linalg.inv(np.array([[np.nan]])), ValueError, "must not contain infs or NaNs"),
    (lambda: linalg.solve(A, np.full(4, np.inf)), ValueError, "must not contain infs or NaNs"),
    (lambda: linalg.solve(np.zeros((2, 2)), np.ones(2)), np.linalg.LinAlgError, "[Ss]ingular"),
    (lambda: linalg.solve(A, np.ones(3)), ValueError, "incompatible dimensions"),
    (lambda: linalg.solve(A, V, assume_a="odd"), ValueError, "assume_a must be one of 'gen'"),
    (lambda: linalg.solve_triangular(A, V, trans="H"), ValueError, "trans must be one of 0, 1, 2"),
    (lambda: linalg.lu_solve((A, np.arange(4)), V, 3), ValueError, "trans must be one of"),
    (lambda: linalg.qr(A, mode="raw"), ValueError, "mode must be one of 'full'"),
    (lambda: linalg.qr_multiply(A[:, :2], A, "left"), ValueError, "Q has 2 columns, and c has 4 rows"),
    (lambda: linalg.polar(A, "up"), ValueError, "side must be one of"),
    (lambda: linalg.schur(A, "imaginary"), ValueError, "output must be one of"),
    (lambda: linalg.eigh(A, type=4), ValueError, "type must be one of 1, 2, 3"),
    (lambda: linalg.eigh_tridiagonal(V, V), ValueError, r"takes real d of shape \(…, n\)"),
    (lambda: linalg.eigh_tridiagonal(V, V[1:], select="i"), ValueError, "select='i' with range None"),
    (lambda: linalg.solve_sylvester(A, A, B), ValueError, r"shapes \(m, m\), \(n, n\) and \(m, n\)"),
    (lambda: linalg.expm_frechet(A, np.eye(3)), ValueError, "expected A and E to be the same shape"),
    (lambda: linalg.solve_circulant(V, V[1:]), ValueError, "incompatible dimensions"),
    (lambda: linalg.companion(V[:1]), ValueError, "vectors of at least 2 numbers"),
    (lambda: linalg.leslie(V, V), ValueError, "s must have one number less"),
    (lambda: linalg.convolution_matrix(V, 0), ValueError, "n must be a positive integer, got 0"),
    (lambda: linalg.solve_banded((1, 1), A, V), ValueError, r"needs \(l, u\), shape \(l \+ u \+ 1, n\)"),
    (lambda: linalg.khatri_rao(A, B), ValueError, "two matrices of as many columns"),
    (lambda: linalg.funm(A, 3), TypeError, "expects a function"),
    (lambda: linalg.funm(A, np.sum), TypeError, "must be a function of every element"),
    (lambda: fgrad.jit(lambda a: linalg.funm(a, np.sum))(A), TypeError, "must be a function of every element"),
    (
        lambda: fgrad.grad(lambda c: linalg.funm(P, lambda w: w * c, hermitian=True).sum())(2.0),
        NonDifferentiableError,
        "closes over a traced value",
    ),
    (lambda: fgrad.grad(lambda a: linalg.schur(a)[0].sum())(A), NonDifferentiableError, "schur has no derivative here"),
    (lambda: fgrad.jvp(linalg.hessenberg, (A,), (A,)), NonDifferentiableError, "hessenberg has no derivative here"),
    (
        lambda: fgrad.jit(lambda d: linalg.eigh_tridiagonal(d, d[1:], select="v", select_range=(0, 1)))(V),
        ConcretizationTypeError,
        "how many eigenvalues there are depends on their values",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_errors_are_of_the_classes_of_scipy() -> None:
    for name, xs in (("cholesky", (-np.eye(2),)), ("inv", (np.ones((2, 3)),)), ("solve", (A, np.ones(3)))):
        try:
            getattr(scipy_linalg, name)(*xs)
        except (ValueError, np.linalg.LinAlgError) as error:
            expected = error
        with pytest.raises((ValueError, np.linalg.LinAlgError)) as caught:
            getattr(linalg, name)(*xs)
        same_class = isinstance(caught.value, type(expected)) and isinstance(
            caught.value, FgradError | np.linalg.LinAlgError
        )
        assert same_class, (name, expected, caught.value)


def test_nothing_warns_at_sane_arguments() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        online(linalg.logm, P)
        fgrad.grad(lambda a: linalg.logm(a).real.sum())(P)


def test_banded_systems_in_rows() -> None:
    many = np.stack([A[:3], A[1:] + 2, A[:3] * 3])
    for f in (lambda ab: linalg.solve_banded((1, 1), ab, B), lambda ab: linalg.solve_banded((1, 1), ab, ab[1])):
        same(fgrad.vmap(f)(many), np.stack([f(ab) for ab in many]))
        same(
            fgrad.jit(fgrad.vmap(fgrad.grad(lambda ab, f=f: f(ab).sum())))(many)[1],
            fgrad.grad(lambda ab, f=f: f(ab).sum())(many[1]),
        )


def test_scipy_is_imported_when_it_is_needed() -> None:
    rooms = "linalg, integrate, optimize"
    code = f"from fgrad.scipy import {rooms}\nimport sys\nassert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(linalg.__file__).parents[3], check=True)
