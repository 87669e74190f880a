"""fgrad.numpy.linalg against NumPy: values, dtypes, stacks, modes, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, MatrixError, ShapeError
from tests.numpy.against_numpy import agree, check, online, rows, staged

RNG = np.random.default_rng(3)
SQUARE = RNG.normal(size=(3, 3)) + np.diag([3.0, 4.0, 5.0])
STACK = np.stack([SQUARE, SQUARE.T + 1.0])
COMPLEX = SQUARE + 1j * RNG.normal(size=(3, 3))
POSITIVE = SQUARE @ SQUARE.T
HERMITIAN = COMPLEX @ COMPLEX.conj().T
WIDE, TALL = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 4, 3))
INTEGERS = np.array([[2, 1], [1, 3]])

MATRICES = [SQUARE, STACK, COMPLEX, SQUARE.astype(np.float32), COMPLEX.astype(np.complex64), INTEGERS, np.zeros((0, 0))]
ANY = [*MATRICES, WIDE, TALL, np.zeros((0, 3)), np.zeros((2, 3, 0))]
SYMMETRIC = [POSITIVE, np.stack([POSITIVE, 2 * POSITIVE]), HERMITIAN, POSITIVE.astype(np.float32), INTEGERS]


def part(name: str, i: int, **options: Any) -> tuple[Any, Any]:
    """One result of a function of several, ours and NumPy's."""
    ours, numpys = getattr(fnp.linalg, name), getattr(np.linalg, name)
    return lambda x: ours(x, **options)[i], lambda x: numpys(x, **options)[i]


def test_every_function_of_numpy_is_there() -> None:
    assert set(np.linalg.__all__) <= set(dir(fnp.linalg))


@pytest.mark.parametrize("name", ["inv", "det"])
@pytest.mark.parametrize("x", MATRICES)
def test_of_square_matrices(name: str, x: Any) -> None:
    check(getattr(fnp.linalg, name), getattr(np.linalg, name), x)


@pytest.mark.parametrize("x", MATRICES)
def test_slogdet(x: Any) -> None:
    for i in range(2):
        check(*part("slogdet", i), x)
    sign, log = fgrad.jit(fnp.linalg.slogdet)(SQUARE)
    assert sign * np.exp(log) == pytest.approx(np.linalg.det(SQUARE))


@pytest.mark.parametrize("x", ANY)
@pytest.mark.parametrize("full", [False, True])
def test_svd(x: Any, full: bool) -> None:
    for i in range(3):
        check(*part("svd", i, full_matrices=full), x)
    check(fnp.linalg.svdvals, np.linalg.svdvals, x)
    check(fnp.linalg.svd, np.linalg.svd, x, compute_uv=False)


@pytest.mark.parametrize("x", [*SYMMETRIC, SQUARE + SQUARE.T - 12 * np.eye(3)])
def test_svd_of_hermitian_matrices(x: Any) -> None:
    check(fnp.linalg.svd, np.linalg.svd, x, compute_uv=False, hermitian=True)
    for i in range(3):
        check(*part("svd", i, hermitian=True), x)


@pytest.mark.parametrize("x", ANY)
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_qr(x: Any, mode: Any) -> None:
    if mode == "r":
        check(fnp.linalg.qr, np.linalg.qr, x, mode=mode)
        return
    for i in range(2):
        check(*part("qr", i, mode=mode), x)


@pytest.mark.parametrize("x", SYMMETRIC)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(x: Any, upper: bool) -> None:
    check(fnp.linalg.cholesky, np.linalg.cholesky, x, upper=upper)


@pytest.mark.parametrize("x", [*SYMMETRIC, SQUARE, COMPLEX])
@pytest.mark.parametrize("UPLO", ["L", "U"])
def test_eigh_reads_one_triangle(x: Any, UPLO: str) -> None:
    for i in range(2):
        check(*part("eigh", i, UPLO=UPLO), x)
    check(fnp.linalg.eigvalsh, np.linalg.eigvalsh, x, UPLO=UPLO)


@pytest.mark.parametrize("x", [np.array([[0.0, 1.0], [-2.0, 0.5]]), COMPLEX, COMPLEX.astype(np.complex64)])
def test_eig(x: Any) -> None:
    for i in range(2):
        check(*part("eig", i), x)
    check(fnp.linalg.eigvals, np.linalg.eigvals, x)


def test_traced_eigenvalues_are_complex() -> None:
    for f in (fnp.linalg.eigvals, lambda x: fnp.linalg.eig(x)[0]):
        agree(np.linalg.eigvals(SQUARE).astype(complex), staged(f, SQUARE))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (SQUARE, SQUARE[0]),
        (SQUARE, WIDE.T),
        (STACK, WIDE.T),
        (STACK, SQUARE[0]),
        (SQUARE, STACK),
        (COMPLEX, WIDE.T),
        (SQUARE.astype(np.float32), SQUARE[0]),
        (INTEGERS, np.array([1, 2])),
        (np.zeros((0, 0)), np.zeros((0, 2))),
    ],
)
def test_solve(a: Any, b: Any) -> None:
    check(fnp.linalg.solve, np.linalg.solve, a, b)


@pytest.mark.parametrize("x", [x for x in ANY if x.size])
def test_pinv(x: Any) -> None:
    for options in ({}, {"rcond": 0.3}, {"rtol": None}, {"rtol": 1e-3}):
        if x.dtype.kind != "i" or "rtol" not in options:  # NumPy asks for the precision of the integers
            check(fnp.linalg.pinv, np.linalg.pinv, x, **options)


def test_pinv_of_hermitian_matrices_and_tolerances_for_each() -> None:
    check(fnp.linalg.pinv, np.linalg.pinv, HERMITIAN, hermitian=True)
    check(fnp.linalg.pinv, np.linalg.pinv, TALL, rcond=np.array([0.5, 1e-9]))


@pytest.mark.parametrize(("m", "n"), [(4, 3), (3, 3), (2, 3)])
@pytest.mark.parametrize("k", [None, 2])
def test_lstsq(m: int, n: int, k: int | None) -> None:
    a, b = RNG.normal(size=(m, n)), RNG.normal(size=(m,) if k is None else (m, k))
    for i in range(4):
        ours, numpys = (lambda a, b, f=f, i=i: f(a, b)[i] for f in (fnp.linalg.lstsq, np.linalg.lstsq))
        check(ours, numpys, a, b)


def test_lstsq_of_lower_rank() -> None:
    a = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    found = fgrad.jvp(lambda a: fnp.linalg.lstsq(a, np.ones(3))[:2], (a,), (a,))[0]
    expected = np.linalg.lstsq(a, np.ones(3))
    agree(expected[0], found[0])
    assert found[1].shape == (0,)


NORMS = [None, 0, 1, 2, 3, 2.5, 0.5, -1, -2.5, np.inf, -np.inf]


@pytest.mark.parametrize("order", NORMS)
@pytest.mark.parametrize(
    "x", [SQUARE, COMPLEX, SQUARE.astype(np.float32), np.array([[1.0, 0.0], [-2.0, 0.0]]), INTEGERS]
)
def test_norms_of_vectors(order: Any, x: Any) -> None:
    for axis in (0, -1):
        check(fnp.linalg.norm, np.linalg.norm, x, ord=order, axis=axis)
    check(fnp.linalg.norm, np.linalg.norm, x[0], ord=order, keepdims=True)
    if order is not None:
        for axis in (None, 1, (0, 1), (1, 0)):
            check(fnp.linalg.vector_norm, np.linalg.vector_norm, x, ord=order, axis=axis, keepdims=True)


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
@pytest.mark.parametrize("x", [SQUARE, COMPLEX, TALL, SQUARE.astype(np.float32)])
def test_norms_of_matrices(order: Any, x: Any) -> None:
    for axis in ((-2, -1), (-1, 0), (0, -1)):
        check(fnp.linalg.norm, np.linalg.norm, x, ord=order, axis=axis)
        check(fnp.linalg.norm, np.linalg.norm, x, ord=order, axis=axis, keepdims=True)
    check(fnp.linalg.norm, np.linalg.norm, x, ord=order)
    if order is not None:
        check(fnp.linalg.matrix_norm, np.linalg.matrix_norm, x, ord=order, keepdims=True)


@pytest.mark.parametrize("order", ["fro", "nuc", "odd", 3])
def test_orders_that_are_none(order: Any) -> None:
    check(fnp.linalg.norm, np.linalg.norm, SQUARE, ord=order, axis=0) if isinstance(order, str) else None
    check(fnp.linalg.norm, np.linalg.norm, SQUARE, ord="odd" if order in ("fro", "nuc") else order)
    for axis in ((0, 0), (0, 1, 2), 5):
        check(fnp.linalg.norm, np.linalg.norm, TALL, axis=axis)


@pytest.mark.parametrize("p", [None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc"])
def test_cond(p: Any) -> None:
    for x in (SQUARE, STACK, COMPLEX):
        check(fnp.linalg.cond, np.linalg.cond, x, p=p)
    if p not in (None, 2, -2):
        singular = np.stack([np.array([[1.0, 2.0], [2.0, 4.0]]), np.eye(2)])
        check(fnp.linalg.cond, np.linalg.cond, singular, p=p)
        check(fnp.linalg.cond, np.linalg.cond, singular[0], p=p)


@pytest.mark.parametrize("x", [SQUARE, np.ones((3, 3)), TALL, np.zeros((2, 2)), np.zeros(3), np.ones(2), COMPLEX])
def test_matrix_rank(x: Any) -> None:
    for options in ({}, {"tol": 0.1}, {"rtol": 0.9}):
        expected = np.asarray(np.linalg.matrix_rank(x, **options))
        for run in (staged, online):
            agree(expected, run(lambda x, options=options: fnp.linalg.matrix_rank(x, **options), x))


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 3, 5, 8])
def test_matrix_power(n: int) -> None:
    for x in (SQUARE, STACK, COMPLEX):
        check(fnp.linalg.matrix_power, np.linalg.matrix_power, x, n=n)
    if n >= 0:
        check(fnp.linalg.matrix_power, np.linalg.matrix_power, INTEGERS, n=n)


@pytest.mark.parametrize(
    "sizes", [(2, 3), (2, 3, 4), (10, 2, 30, 3, 5), (None, 3, 4, None), (2, 9, None), (None, 3, 1)]
)
def test_multi_dot(sizes: Any) -> None:
    shapes = [tuple(n for n in pair if n) for pair in itertools.pairwise(sizes)]
    xs = [RNG.normal(size=shape) for shape in shapes]
    if len(xs) == 1:
        xs.append(RNG.normal(size=(3, 2)))
    check(lambda *xs: fnp.linalg.multi_dot(xs), lambda *xs: np.linalg.multi_dot(xs), *xs)


def test_the_order_of_a_chain_is_the_cheapest() -> None:
    a, b, c = np.ones((10, 100)), np.ones((100, 5)), np.ones((5, 50))
    jaxpr = fgrad.make_jaxpr(lambda *xs: fnp.linalg.multi_dot(xs))(a, b, c)
    shapes = [eqn.outvars[0].aval.shape for eqn in jaxpr.jaxpr.eqns]
    assert shapes == [(10, 5), (10, 50)]


def test_tensor_equations() -> None:
    a, b = RNG.normal(size=(2, 3, 6)), RNG.normal(size=(2, 3))
    check(fnp.linalg.tensorsolve, np.linalg.tensorsolve, a, b)
    check(fnp.linalg.tensorsolve, np.linalg.tensorsolve, np.moveaxis(a, 2, 0), b, axes=(0,))
    check(fnp.linalg.tensorinv, np.linalg.tensorinv, a, ind=2)
    check(fnp.linalg.tensorinv, np.linalg.tensorinv, a.reshape(6, 2, 3), ind=1)
    check(fnp.linalg.tensorinv, np.linalg.tensorinv, a, ind=0)
    check(fnp.linalg.tensorinv, np.linalg.tensorinv, a, ind=1)
    check(fnp.linalg.tensorsolve, np.linalg.tensorsolve, a, b[:1])


def test_products() -> None:
    for name, xs, options in [
        ("cross", (SQUARE, SQUARE[0]), {"axis": -1}),
        ("cross", (WIDE.T, WIDE.T), {"axis": 0}),
        ("cross", (WIDE.T, WIDE.T), {}),
        ("outer", (SQUARE[0], WIDE[0]), {}),
        ("outer", (SQUARE, WIDE[0]), {}),
        ("vecdot", (COMPLEX, SQUARE), {"axis": 0}),
        ("matmul", (STACK, SQUARE), {}),
        ("tensordot", (STACK, STACK), {"axes": 2}),
        ("tensordot", (STACK, SQUARE), {"axes": ((2,), (0,))}),
        ("trace", (TALL,), {"offset": 1}),
        ("trace", (TALL,), {"dtype": np.float32}),
        ("diagonal", (TALL,), {"offset": -1}),
        ("matrix_transpose", (TALL,), {}),
        ("matrix_transpose", (SQUARE[0],), {}),
    ]:
        check(getattr(fnp.linalg, name), getattr(np.linalg, name), *xs, **options)


def test_numpys_functions_take_tracers() -> None:
    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a + a.T)
        u, s, vh = np.linalg.svd(a)
        return np.linalg.norm(np.linalg.solve(a, v)) + w[0] + s[1] * u[0, 0] * vh[0, 0] + np.linalg.slogdet(a)[1]

    for g in (f, fgrad.jit(f)):
        assert g(SQUARE) == pytest.approx(f(SQUARE))
    assert np.isfinite(fgrad.grad(f)(SQUARE)).all()


def test_results_have_numpys_names() -> None:
    for name in ("svd", "eigh", "eig", "qr", "slogdet"):
        found = fgrad.jit(getattr(fnp.linalg, name))(POSITIVE)
        assert type(found) is type(getattr(np.linalg, name)(POSITIVE))


def test_mapped_over_rows() -> None:
    rows(fnp.linalg.inv, SQUARE)
    rows(fnp.linalg.det, SQUARE)
    rows(fnp.linalg.svdvals, WIDE)
    rows(fnp.linalg.solve, SQUARE, WIDE.T)
    rows(lambda a, b: fnp.linalg.lstsq(a, b)[0], WIDE.T, SQUARE)
    rows(fnp.linalg.pinv, WIDE)
    rows(lambda x: fnp.linalg.norm(x, "nuc"), SQUARE)
    rows(fnp.linalg.eigvalsh, SQUARE)


def test_a_batch_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []
    numpys = np.linalg.solve

    def counted(a: Any, b: Any) -> Any:
        calls.append((a.shape, b.shape))  # type: ignore[arg-type]
        return numpys(a, b)

    monkeypatch.setattr(np.linalg, "solve", counted)
    fgrad.vmap(fnp.linalg.solve, in_axes=(None, 0))(SQUARE, RNG.normal(size=(5, 3)))
    fgrad.vmap(fnp.linalg.solve)(STACK, RNG.normal(size=(2, 3)))
    assert calls == [((3, 3), (3, 5)), ((2, 3, 3), (2, 3, 1))]


SINGULAR = np.ones((2, 2))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("f", "x", "text"),
    [
        (fnp.linalg.inv, SINGULAR, "Singular matrix"),
        (fnp.linalg.inv, WIDE, "square matrices"),
        (fnp.linalg.det, np.ones(3), "in the last two axes"),
        (lambda a: fnp.linalg.solve(a, np.ones(2)), SINGULAR, "Singular matrix"),
        (lambda a: fnp.linalg.solve(a, np.ones((2, 2))), SINGULAR[0], "in the last two axes"),
        (fnp.linalg.cholesky, -np.eye(2), "not positive definite"),
        (fnp.linalg.eigh, WIDE, "square matrices"),
        (fnp.linalg.eig, WIDE, "square matrices"),
        (fnp.linalg.svd, np.ones(3), "in the last two axes"),
        (fnp.linalg.pinv, np.ones(3), "in the last two axes"),
        (fnp.linalg.cond, np.ones((0, 0)), "empty matrices"),
        (lambda a: fnp.linalg.matrix_power(a, 2), WIDE, "square matrices"),
        (lambda a: fnp.linalg.multi_dot([a, a, a]), np.ones(3), "multi_dot takes matrices"),
        (lambda a: fnp.linalg.lstsq(a, np.ones(5)), WIDE, "of as many rows"),
        (fnp.linalg.tensorinv, WIDE, "no square matrix"),
        (fnp.linalg.trace, np.ones(3), "takes matrices"),
    ],
)
def test_linalg_errors(f: Any, x: Any, text: str, jit: bool) -> None:
    run = fgrad.jit(f) if jit else lambda x: fgrad.jvp(f, (x,), (x,))
    with pytest.raises(np.linalg.LinAlgError, match=text):
        run(x)


def test_other_errors() -> None:
    with pytest.raises(TypeError, match="single or double precision, not in float16"):
        fgrad.jit(fnp.linalg.inv)(np.eye(2, dtype=np.float16))
    with pytest.raises(ArgumentError, match="not 'raw'"):
        fgrad.jit(lambda x: fnp.linalg.qr(x, "raw"))(SQUARE)
    with pytest.raises(ValueError, match="UPLO"):
        fgrad.jit(lambda x: fnp.linalg.eigh(x, "X"))(SQUARE)
    with pytest.raises(TypeError, match="exponent must be an integer"):
        fgrad.jit(lambda x: fnp.linalg.matrix_power(x, 1.5))(SQUARE)
    with pytest.raises(ArgumentError, match="two arrays or more"):
        fgrad.jit(lambda x: fnp.linalg.multi_dot([x]))(SQUARE)
    with pytest.raises(ArgumentError, match="`rtol` and `rcond` are the same"):
        fgrad.jit(lambda x: fnp.linalg.pinv(x, 0.1, rtol=0.1))(SQUARE)
    with pytest.raises(ArgumentError, match="one of `tol` and `rtol`"):
        fgrad.jit(lambda x: fnp.linalg.matrix_rank(x, 0.1, rtol=0.1))(SQUARE)
    with pytest.raises(ShapeError, match="`solve` of"):
        fgrad.jit(fnp.linalg.solve)(SQUARE, np.ones((2, 2)))
    with pytest.raises(MatrixError, match="one argument is"):
        fgrad.jit(fnp.linalg.solve)(SQUARE, np.float64(1.0))
    with pytest.raises(ShapeError, match="outer takes two vectors"):
        fgrad.jit(fnp.linalg.outer)(SQUARE, SQUARE)
    with pytest.raises(ShapeError, match="vectors of three components"):
        fgrad.jit(fnp.linalg.cross)(WIDE.T, WIDE.T)
