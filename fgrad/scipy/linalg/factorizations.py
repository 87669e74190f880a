"""Factorizations: QR, singular values, eigenvalues, polar; and those that have no derivative here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.control.custom_jvp import custom_jvp
from fgrad.control.rows import concrete
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.errors import ArgumentError, ConcretizationTypeError, NonDifferentiableError, message, public
from fgrad.numpy.linalg.operands import same_dtype
from fgrad.primitives import linalg_factors, linalg_spectra, linalg_triangular
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_stacks import adjoint, from_triangle, product
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.scipy.linalg.operands import check_option, matrix, on_host, square_matrix

__all__ = [
    "eig",
    "eigh",
    "eigh_tridiagonal",
    "eigvals",
    "eigvalsh",
    "hessenberg",
    "polar",
    "qr",
    "qr_multiply",
    "rsf2csf",
    "schur",
    "svd",
    "svdvals",
]


@public
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """`qr(a)`: Q with orthonormal columns and the upper triangle R, a = Q·R; with `pivoting`, a[:, p] = Q·R.

    The derivative is that of `fgrad.numpy.linalg.qr`, for columns in a constant order.

    Args:
        a: of shape (…, m, n).
        overwrite_a: without effect, as is `lwork`.
        mode: "full" for square Q, "economic" for min(m, n) columns, "r" for R alone.
        pivoting: order the columns such that the diagonal of R does not grow.
        check_finite: refuse infinities and NaN, where values are known.

    Returns:
        `(Q, R)`, `(R,)` for mode "r"; and p, with `pivoting`.

    Raises:
        ValueError: there is no such mode, or values are not finite.
        LinAlgError: differentiated at a matrix whose leading columns are dependent.
        MissingExtraError: SciPy, which finds the order of columns, is not installed.

    >>> qr(np.array([[3.0], [4.0]]), mode="r")
    (array([[-5.],
           [ 0.]]),)

    Source: Walter and Lehmann (2010), section 3.
    """
    check_option("qr", "mode", mode, ("full", "economic", "r"))
    x = matrix(a, "qr", check_finite)
    order = None
    if pivoting:
        order = _column_order(x)
        x = fnp.take_along_axis(x, fnp.broadcast_to(order[..., None, :], shape_of(x)), axis=-1)
    q, r = linalg_factors.qr(x, complete=mode != "economic")
    out = (r,) if mode == "r" else (q, r)
    return out if order is None else (*out, order)


def _column_order(x: Array) -> Array:
    shape = shape_of(x)

    def find(a: Any) -> tuple[Any]:
        out = np.empty((*a.shape[:-2], a.shape[-1]), np.int32)
        for row in np.ndindex(a.shape[:-2]):
            out[row] = scipy_module("linalg").qr(a[row], mode="r", pivoting=True)[-1]
        return (out,)

    return on_host(find, [ShapedArray((*shape[:-2], shape[-1]), np.dtype(np.int32))], x)[0]


@public
def qr_multiply(
    a: Any,
    c: Any,
    mode: str = "right",
    pivoting: bool = False,
    conjugate: bool = False,
    overwrite_a: bool = False,
    overwrite_c: bool = False,
) -> tuple[Array, ...]:
    """`qr_multiply(a, c)`: the product c·Q of a matrix with the factor Q of a, and R; Q·c with mode "left".

    Args:
        a: a matrix of shape (m, n).
        c: a matrix, or a vector, which becomes a row of one (a column, with mode "left").
        mode: "right" or "left".
        pivoting: as in `qr`: p is returned, too.
        conjugate: with the conjugate of Q.
        overwrite_a: without effect, as is `overwrite_c`.

    >>> cq, r = qr_multiply(np.array([[3.0], [4.0]]), np.array([[3.0, 4.0]]))
    >>> cq
    array([[-5.]])
    """
    check_option("qr_multiply", "mode", mode, ("left", "right"))
    q, *rest = qr(a, mode="economic", pivoting=pivoting)
    y = fnp.asarray(c)
    vector = len(shape_of(y)) == 1
    q = fnp.conj(q) if conjugate else q
    m, k = shape_of(q)[-2:]
    if mode == "right":
        out = fnp.matmul(y, q)
        return (out, *rest)
    rows = shape_of(y)[0]
    if rows != k:
        what = f"scipy.linalg.qr_multiply: Q has {k} columns, and c has {rows} rows (a is of shape {(m, k)})."
        raise ArgumentError(message(what, cure='Take mode="right", or a c with as many rows.'))
    out = fnp.matmul(q, y[:, None] if vector else y)
    return (out[:, 0] if vector else out, *rest)


@public
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """`svd(a)`: U, s, Vᴴ with a = U·diag(s)·Vᴴ; or s alone. See `fgrad.numpy.linalg.svd`, also for repeated values.

    Args:
        a: of shape (…, m, n).
        full_matrices: complete U and V to square matrices.
        compute_uv: return the vectors, too.
        overwrite_a: without effect, as is `lapack_driver`.
        check_finite: refuse infinities and NaN, where values are known.

    >>> svd(np.diag([1.0, 3.0]), compute_uv=False)
    array([3., 1.])
    """
    out = fnp.linalg.svd(matrix(a, "svd", check_finite), full_matrices, compute_uv)
    return tuple(out) if compute_uv else out


@public
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`svdvals(a)`: the singular values, descending.

    >>> svdvals(np.diag([1.0, 3.0]))
    array([3., 1.])
    """
    return fnp.linalg.svdvals(matrix(a, "svdvals", check_finite))


@public
def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    turbo: bool = True,
    eigvals: None = None,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: tuple[int, int] | None = None,
) -> Any:
    """`eigh(a, b)`: the w, ascending, and v with a·v = w·b·v, of Hermitian a and positive definite b (1 by default).

    Vectors are orthonormal with respect to b. One triangle of a and of b is read, and the derivative by the other
    is 0. Where eigenvalues coincide, vectors are a choice, as in `fgrad.numpy.linalg.eigh`.

    Args:
        a: of shape (…, n, n).
        b: of shape (…, n, n).
        lower: read the lower triangles.
        eigvals_only: return w alone.
        overwrite_a: without effect, as are `overwrite_b` and `turbo`.
        eigvals: gone from SciPy, too: `subset_by_index`.
        type: 1; 2 for a·b·v = w·v, 3 for b·a·v = w·v.
        check_finite: refuse infinities and NaN, where values are known.
        subset_by_index: the first and the last of those wanted.

    Raises:
        LinAlgError: a matrix is not square, or b is not positive definite.
        ValueError: no such type, or values are not finite.

    >>> eigh(np.diag([3.0, 1.0]), np.diag([1.0, 4.0]), eigvals_only=True)
    array([0.25, 3.  ])

    Source: Golub and Van Loan, "Matrix Computations" (2013), section 8.7.
    """
    check_option("eigh", "type", type, (1, 2, 3))
    check_option("eigh", "eigvals", eigvals, (None,))
    x = square_matrix(a, "eigh", check_finite)
    factor = None
    if b is not None:
        x, y = same_dtype(x, square_matrix(b, "eigh", check_finite))
        factor = linalg_factors.cholesky(y, upper=not lower)
        factor = factor if lower else adjoint(factor)
        x, lower = _reduced(from_triangle(x, bool(lower)), factor, type), True
    if eigvals_only:
        return _chosen(linalg_spectra.eigvalsh(x, lower=bool(lower)), subset_by_index)
    w, v = linalg_spectra.eigh(x, lower=bool(lower))
    if factor is not None:
        v = product(factor, v) if type == 3 else _left_solve(adjoint(factor), v, lower=False)
    return _chosen(w, subset_by_index), _chosen(v, subset_by_index)


def _left_solve(factor: Array, x: Array, lower: bool = True) -> Array:
    return linalg_triangular.triangular_solve(factor, x, lower=lower, unit=False)


def _reduced(a: Array, factor: Array, type: int) -> Array:
    """The matrix whose eigenvalues are those of the pair: L⁻¹·A·L⁻ᴴ, or Lᴴ·A·L."""
    if type != 1:
        return product(adjoint(factor), a, factor)
    return _left_solve(factor, adjoint(_left_solve(factor, a)))


def _chosen(x: Array, subset: tuple[int, int] | None) -> Array:
    return x if subset is None else x[..., subset[0] : subset[1] + 1]


@public
def eigvalsh(
    a: Any, b: Any = None, lower: bool = True, check_finite: bool = True, subset_by_index: Any = None, type: int = 1
) -> Array:
    """`eigvalsh(a, b)`: the eigenvalues of `eigh`, ascending.

    >>> eigvalsh(np.diag([3.0, 1.0]))
    array([1., 3.])
    """
    out: Array = eigh(
        a, b, lower, eigvals_only=True, type=type, check_finite=check_finite, subset_by_index=subset_by_index
    )
    return out


@public
def eigh_tridiagonal(
    d: Any,
    e: Any,
    *,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: tuple[float, float] | None = None,
    tol: float | None = None,
    check_finite: bool = True,
) -> Any:
    """`eigh_tridiagonal(d, e)`: eigenvalues, ascending, and eigenvectors of the real tridiagonal matrix of d and e.

    Args:
        d: the diagonal, of shape (…, n).
        e: what is beside it, of shape (…, n − 1).
        eigvals_only: return the eigenvalues alone.
        select: "a" for all, "i" for those from index to index, "v" for those in an interval, min < w ≤ max (of values
            that are known only, as so is their number).
        select_range: the indices, first and last, or the interval.
        tol: without effect.
        check_finite: refuse infinities and NaN, where values are known.

    Raises:
        ValueError: shapes do not fit, or `select` or `select_range` is wrong.
        ConcretizationTypeError: `select="v"` of values that are not known.

    >>> eigh_tridiagonal(np.array([1.0, 1.0]), np.array([2.0]), eigvals_only=True)
    array([-1.,  3.])
    """
    check_option("eigh_tridiagonal", "select", select, ("a", "i", "v"))
    if (select == "a") != (select_range is None):
        raise ArgumentError(message(f"scipy.linalg.eigh_tridiagonal: select={select!r} with range {select_range!r}."))
    x = _tridiagonal(fnp.asarray(d), fnp.asarray(e), check_finite)
    if eigvals_only:
        w, v = linalg_spectra.eigvalsh(x, lower=True), None
    else:
        w, v = linalg_spectra.eigh(x, lower=True)
    if select_range is not None:
        first, last = select_range if select == "i" else _interval(w, *select_range)
        w, v = w[..., int(first) : int(last) + 1], None if v is None else v[..., int(first) : int(last) + 1]
    return w if eigvals_only else (w, v)


def _tridiagonal(d: Array, e: Array, check_finite: bool) -> Array:
    n = shape_of(d)[-1] if shape_of(d) else 0
    if not n or shape_of(e) != (*shape_of(d)[:-1], n - 1) or any(aval_of(x).dtype.kind == "c" for x in (d, e)):
        what = f"scipy.linalg.eigh_tridiagonal takes real d of shape (…, n) and e of shape (…, n − 1), got {aval_of(d)}"
        raise ArgumentError(message(f"{what} and {aval_of(e)}."))
    i, pad = np.arange(n), [(0, 0)] * (len(shape_of(e)) - 1)
    beside = fnp.pad(e, [*pad, (1, 0)])  # the lower triangle is the one that is read
    x = fnp.where(i == i[:, None], d[..., None], fnp.where(i == i[:, None] - 1, beside[..., None], 0.0))
    return square_matrix(x, "eigh_tridiagonal", check_finite)


def _interval(w: Array, low: float, high: float) -> tuple[int, int]:
    known = concrete(w)
    if known is None or np.ndim(known) != 1:
        what = 'scipy.linalg.eigh_tridiagonal with select="v": how many eigenvalues there are depends on their values.'
        raise ConcretizationTypeError(message(what, cure='Take select="i", or all, and mask them.'))
    return int(np.searchsorted(known, low, "right")), int(np.searchsorted(known, high, "right")) - 1


@public
def eig(a: Any) -> tuple[Array, Array]:
    """`eig(a)`: eigenvalues and right eigenvectors, both complex; see `fgrad.numpy.linalg.eig`.

    >>> eig(np.diag([1.0, 2.0]))[0]
    array([1.+0.j, 2.+0.j])
    """
    w, v = linalg_spectra.eig(square_matrix(a, "eig"))
    return w, v


@public
def eigvals(a: Any) -> Array:
    """`eigvals(a)`: the eigenvalues, complex.

    >>> eigvals(np.diag([1.0, 2.0]))
    array([1.+0.j, 2.+0.j])
    """
    return linalg_spectra.eigvals(square_matrix(a, "eigvals"))


@public
def polar(
    a: Any, side: str = "right", *, method: str = "svd", eps: float | None = None, max_iterations: int | None = None
) -> tuple[Array, Array]:
    """`polar(a)`: U with orthonormal columns or rows and the positive semidefinite P, a = U·P; "left": a = P·U.

    The derivative exists where a has full rank, also where singular values coincide.

    Args:
        a: of shape (…, m, n).
        side: "right" or "left".
        method: without effect, as are `eps` and `max_iterations`: by singular values.

    >>> polar(np.diag([-2.0, 3.0]))
    (array([[-1.,  0.],
           [ 0.,  1.]]), array([[2., 0.],
           [0., 3.]]))

    Source: Higham, "Functions of Matrices" (2008), chapter 8.
    """
    check_option("polar", "side", side, ("left", "right"))
    x = matrix(a, "polar")
    u, _, vh = fnp.linalg.svd(x, full_matrices=False)
    u = product(u, vh)
    p = product(adjoint(u), x) if side == "right" else product(x, adjoint(u))
    return u, 0.5 * (p + adjoint(p))


def _without_derivative(name: str, run: Callable[..., Any]) -> Any:
    """A function of arrays that is computed by SciPy, and refuses to be differentiated."""
    function: Any = custom_jvp(run)

    @function.defjvp  # type: ignore[untyped-decorator]
    def refuse(primals: Any, tangents: Any) -> Any:
        what = f"scipy.linalg.{name} has no derivative here: its result is one of many, with no smooth choice in sight."
        cure = "Differentiate what does not depend on the choice: eigvals, eigh, expm, sqrtm, funm, solve_sylvester."
        raise NonDifferentiableError(message(what, cure=cure))

    return function


def _each(run: Callable[..., tuple[Any, ...]], avals: list[ShapedArray], *args: Array) -> Any:
    """What a function of SciPy's returns for every matrix of some stacks."""

    def all_rows(*stacks: Any) -> tuple[Any, ...]:
        lead = stacks[0].shape[:-2]
        outs = tuple(np.empty((*lead, *a.shape[len(a.shape) - 2 :]), a.dtype) for a in avals)
        for row in np.ndindex(lead):
            for out, y in zip(outs, run(*[x[row] for x in stacks]), strict=True):
                out[row] = y
        return outs

    return on_host(all_rows, avals, *args)


def _run_schur(a: Array, output: str) -> Any:
    kind = np.dtype(np.result_type(aval_of(a).dtype, np.complex64)) if output == "complex" else aval_of(a).dtype
    result = ShapedArray(shape_of(a), kind)
    return _each(lambda x: scipy_module("linalg").schur(x, output=output), [result, result], a)


_schur = {
    "real": _without_derivative("schur", lambda a: _run_schur(a, "real")),
    "complex": _without_derivative("schur", lambda a: _run_schur(a, "complex")),
}


@public
def schur(a: Any, output: str = "real") -> tuple[Array, Array]:
    """`schur(a)`: a triangle T, of real matrices with blocks of two on its diagonal, and a unitary Z, a = Z·T·Zᴴ.

    It has no derivative: use what does not depend on the order of eigenvalues.

    Args:
        a: of shape (…, n, n).
        output: "real", or "complex" for a triangle in any case.

    Raises:
        LinAlgError: a matrix is not square.
        NonDifferentiableError: it is differentiated.
        MissingExtraError: SciPy is not installed.

    >>> schur(np.array([[2.0, 1.0], [0.0, 3.0]]))[0]
    array([[2., 1.],
           [0., 3.]])
    """
    check_option("schur", "output", output, ("real", "complex"))
    t, z = _schur[output](square_matrix(a, "schur"))
    return t, z


def _run_rsf2csf(t: Array, z: Array) -> Any:
    kind = np.dtype(np.result_type(aval_of(t).dtype, aval_of(z).dtype, np.complex64))
    result = ShapedArray(shape_of(t), kind)
    return _each(lambda x, y: scipy_module("linalg").rsf2csf(x, y), [result, result], t, z)


_rsf2csf = _without_derivative("rsf2csf", _run_rsf2csf)


@public
def rsf2csf(T: Any, Z: Any, check_finite: bool = True) -> tuple[Array, Array]:
    """`rsf2csf(T, Z)`: the complex Schur form of a real one. It has no derivative.

    >>> t, z = rsf2csf(*schur(np.array([[0.0, 1.0], [-1.0, 0.0]])))
    >>> np.diag(t).imag
    array([ 1., -1.])
    """
    t, z = _rsf2csf(square_matrix(T, "rsf2csf", check_finite), square_matrix(Z, "rsf2csf", check_finite))
    return t, z


def _run_hessenberg(a: Array) -> Any:
    result = ShapedArray(shape_of(a), aval_of(a).dtype)
    return _each(lambda x: scipy_module("linalg").hessenberg(x, calc_q=True), [result, result], a)


_hessenberg = _without_derivative("hessenberg", _run_hessenberg)


@public
def hessenberg(a: Any, *, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """`hessenberg(a)`: H, with zeros below the first subdiagonal, and, with `calc_q`, the unitary Q, a = Q·H·Qᴴ.

    It has no derivative.

    Args:
        a: of shape (…, n, n).
        calc_q: return the pair (H, Q).
        overwrite_a: without effect.
        check_finite: refuse infinities and NaN, where values are known.

    >>> hessenberg(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    h, q = _hessenberg(square_matrix(a, "hessenberg", check_finite))
    return (h, q) if calc_q else h
