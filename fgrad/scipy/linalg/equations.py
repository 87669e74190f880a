"""Linear equations, by factors that are kept, and of matrices of a known form."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.errors import ArgumentError, message, public
from fgrad.numpy.linalg import det as _det
from fgrad.numpy.linalg import inv as _inv
from fgrad.numpy.linalg.operands import same_dtype
from fgrad.primitives import linalg_factors, linalg_functions, linalg_solve, linalg_triangular
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_stacks import adjoint, matrix_transpose, product
from fgrad.primitives.rounding import conj
from fgrad.scipy.linalg.operands import check_option, matrix, on_host, right_hand_side, square_matrix, triangle_of
from fgrad.scipy.linalg.special_matrices import circulant, toeplitz

__all__ = [
    "cho_factor",
    "cho_solve",
    "cholesky",
    "det",
    "inv",
    "lu",
    "lu_factor",
    "lu_solve",
    "solve",
    "solve_circulant",
    "solve_continuous_lyapunov",
    "solve_discrete_lyapunov",
    "solve_sylvester",
    "solve_toeplitz",
    "solve_triangular",
]


@public
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`cholesky(a)`: the upper triangle U with a = Uᴴ·U, of positive definite matrices; `lower`: L with a = L·Lᴴ.

    As in SciPy, and in `fgrad.numpy.linalg.cholesky`, one triangle of a is read, that of the result; the derivative by
    the other is 0.

    Args:
        a: of shape (…, n, n).
        lower: read the lower triangle and return the lower factor.
        overwrite_a: without effect.
        check_finite: refuse infinities and NaN, where values are known.

    Raises:
        LinAlgError: a matrix is not positive definite, or not square.
        ValueError: it is not finite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]), lower=True)
    array([[2., 0.],
           [1., 2.]])

    Source: Murray (2016), equation 8.
    """
    return linalg_factors.cholesky(square_matrix(a, "cholesky", check_finite), upper=not lower)


@public
def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, bool]:
    """`cho_factor(a)`: the factor of `cholesky`, and `lower`, as `cho_solve` takes them; zeros in the other triangle.

    >>> c, low = cho_factor(np.array([[4.0, 2.0], [2.0, 5.0]]))
    >>> cho_solve((c, low), np.array([8.0, 9.0]))
    array([1.375, 1.25 ])
    """
    return cholesky(a, lower, overwrite_a, check_finite), lower


@public
def cho_solve(c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Array:
    """`cho_solve((c, lower), b)`: the x with a·x = b, from the factor of a.

    Args:
        c_and_lower: what `cho_factor` returned; of c the triangle that `lower` names is read.
        b: of shape (n,) or (…, n, k).

    >>> cho_solve((2 * np.eye(2), True), np.array([4.0, 8.0]))
    array([1., 2.])
    """
    c, lower = c_and_lower
    factor, y, vector = right_hand_side(square_matrix(c, "cho_solve", check_finite), b, "cho_solve", check_finite)
    out = _by_factor(factor, y, bool(lower))
    return out[..., 0] if vector else out


def _by_factor(factor: Array, b: Array, lower: bool) -> Array:
    first, second = (factor, adjoint(factor)) if lower else (adjoint(factor), factor)
    half = linalg_triangular.triangular_solve(first, b, lower=True, unit=False)
    return linalg_triangular.triangular_solve(second, half, lower=False, unit=False)


@public
def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    debug: Any = None,
    check_finite: bool = True,
) -> Array:
    """`solve_triangular(a, b)`: the x with T·x = b, where T is one triangle of a.

    The other triangle is not read (nor the diagonal, if it is taken to be 1), and the derivative by it is 0.

    Args:
        a: of shape (…, n, n).
        b: of shape (n,) or (…, n, k).
        trans: 0 or "N" for T, 1 or "T" for its transpose, 2 or "C" for its conjugate transpose.
        lower: read the lower triangle.
        unit_diagonal: take the diagonal to be 1.
        overwrite_b: without effect, as is `debug`.
        check_finite: refuse infinities and NaN, where values are known.

    Raises:
        LinAlgError: a matrix is singular, or not square.
        ValueError: shapes do not fit, or `trans` is none of these.

    >>> solve_triangular(np.array([[2.0, 9.0], [1.0, 4.0]]), np.array([2.0, 9.0]), lower=True)
    array([1., 2.])

    Source: Giles (2008), section 2.3.1.
    """
    check_option("solve_triangular", "trans", trans, (0, 1, 2, "N", "T", "C"))
    x, y, vector = right_hand_side(
        square_matrix(a, "solve_triangular", check_finite), b, "solve_triangular", check_finite
    )
    kind = {"N": 0, "T": 1, "C": 2}.get(trans, trans)  # type: ignore[arg-type]
    if kind:
        x = adjoint(x) if kind == 2 else matrix_transpose(x)
    out = linalg_triangular.triangular_solve(x, y, lower=bool(lower) != bool(kind), unit=bool(unit_diagonal))
    return out[..., 0] if vector else out


_FORMS = {
    "gen": "gen",
    "general": "gen",
    "sym": "sym",
    "symmetric": "sym",
    "her": "her",
    "hermitian": "her",
    "pos": "pos",
    "positive definite": "pos",
    "upper triangular": "upper",
    "lower triangular": "lower",
    "diagonal": "diagonal",
    "tridiagonal": "tridiagonal",
}


@public
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    debug: bool = False,
    check_finite: bool = True,
    assume_a: str = "gen",
    transposed: bool = False,
) -> Array:
    """`solve(a, b)`: the x with a·x = b, for matrices of a known form.

    Only that part of a is read which its form needs, as in SciPy, and the derivative by the rest is 0: of symmetric,
    Hermitian and positive definite matrices one triangle. On symmetric directions this is the derivative −a⁻¹·da·x of
    `fgrad.numpy.linalg.solve` and of `fgrad.implicit.linear_solve`, which read the whole matrix.

    Args:
        a: of shape (…, n, n).
        b: of shape (n,) or (…, n, k).
        lower: of these forms, read the lower triangle.
        overwrite_a: without effect, as are `overwrite_b` and `debug`.
        check_finite: refuse infinities and NaN, where values are known.
        assume_a: "gen", "sym", "her", "pos", or as long names "general", "symmetric", "hermitian", "positive definite";
            "upper triangular", "lower triangular", "diagonal", "tridiagonal".
        transposed: solve with the transpose of a.

    Raises:
        LinAlgError: a matrix is singular, not square, or not positive definite where that is assumed.
        ValueError: shapes do not fit, or there is no such form.

    >>> solve(np.array([[2.0, 1.0], [7.0, 3.0]]), np.array([4.0, 7.0]), assume_a="pos")
    array([1., 2.])
    """
    check_option("solve", "assume_a", assume_a, tuple(_FORMS))
    x, y, vector = right_hand_side(square_matrix(a, "solve", check_finite), b, "solve", check_finite)
    form = _FORMS[assume_a]
    if transposed:
        x = matrix_transpose(x)
        lower = not lower
        form = {"upper": "lower", "lower": "upper"}.get(form, form)
    out = _solve_form(x, y, form, lower)
    return out[..., 0] if vector else out


def _solve_form(a: Array, b: Array, form: str, lower: bool) -> Array:
    if form == "pos":
        return _by_factor(linalg_factors.cholesky(a, upper=not lower), b, lower)
    if form in ("upper", "lower"):
        return linalg_triangular.triangular_solve(a, b, lower=form == "lower", unit=False)
    if form in ("sym", "her"):
        a = triangle_of(a, lower, conjugate=form == "her")
    elif form in ("diagonal", "tridiagonal"):
        i = np.arange(shape_of(a)[-1])
        a = fnp.where(abs(i - i[:, None]) <= (form == "tridiagonal"), a, 0)
    return linalg_solve.solve(a, b)


@public
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """`lu_factor(a)`: L and U in one array, and pivots, as `lu_solve` takes them.

    Args:
        a: of shape (…, m, n).

    Returns:
        `(lu, piv)`: L below the diagonal, without its ones, and U; row i was exchanged with row piv[i].

    >>> lu_factor(np.array([[1.0, 2.0], [4.0, 4.0]]))
    (array([[4.  , 4.  ],
           [0.25, 1.  ]]), array([1, 1], dtype=int32))

    Source: de Hoog, Anderssen and Lukas (2011).
    """
    packed, pivots, _ = linalg_triangular.lu(matrix(a, "lu_factor", check_finite))
    return packed, pivots


@public
def lu_solve(
    lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """`lu_solve((lu, piv), b)`: the x with a·x = b, from what `lu_factor` returned.

    Args:
        lu_and_piv: factors and pivots.
        b: of shape (n,) or (…, n, k).
        trans: 0 for a, 1 for its transpose, 2 for its conjugate transpose.

    Raises:
        LinAlgError: the matrix is singular, or not square.
        ValueError: shapes do not fit, or `trans` is none of these.

    >>> lu_solve(lu_factor(np.array([[1.0, 2.0], [4.0, 4.0]])), np.array([5.0, 12.0]))
    array([1., 2.])
    """
    check_option("lu_solve", "trans", trans, (0, 1, 2))
    packed, pivots = lu_and_piv
    x, y, vector = right_hand_side(square_matrix(packed, "lu_solve", check_finite), b, "lu_solve", check_finite)
    order = fnp.broadcast_to(_order(fnp.asarray(pivots), shape_of(x)[-1]), shape_of(x)[:-1])[..., None]
    if trans == 0:
        y = fnp.take_along_axis(y, order, axis=-2)
        half = linalg_triangular.triangular_solve(x, y, lower=True, unit=True)
        out = linalg_triangular.triangular_solve(x, half, lower=False, unit=False)
    else:
        turned = adjoint(x) if trans == 2 else matrix_transpose(x)
        half = linalg_triangular.triangular_solve(turned, y, lower=True, unit=False)
        half = linalg_triangular.triangular_solve(turned, half, lower=False, unit=True)
        out = fnp.take_along_axis(half, fnp.argsort(order, axis=-2), axis=-2)
    return out[..., 0] if vector else out


def _order(pivots: Array, m: int) -> Array:
    """The order of rows after exchanges."""
    result = ShapedArray((*shape_of(pivots)[:-1], m), np.dtype(np.int64))
    return on_host(lambda rows: (linalg_triangular.order_of(rows, m),), [result], pivots)[0]


@public
def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, ...]:
    """`lu(a)`: P, L and U with a = P·L·U: a permutation, a triangle with ones on its diagonal, and an upper triangle.

    The derivative takes the permutation to be constant; the leading columns (rows) must be independent.

    Args:
        a: of shape (…, m, n).
        permute_l: return the pair P·L and U.

    >>> p, l, u = lu(np.array([[1.0, 2.0], [4.0, 4.0]]))
    >>> p @ l @ u
    array([[1., 2.],
           [4., 4.]])

    Source: de Hoog, Anderssen and Lukas (2011).
    """
    x = matrix(a, "lu", check_finite)
    packed, _, order = linalg_triangular.lu(x)
    m, n = shape_of(x)[-2:]
    k = min(m, n)
    dtype = aval_of(x).dtype
    low = fnp.where(np.tri(m, k, -1, dtype=bool), packed[..., :k], np.eye(m, k, dtype=dtype))
    up = linalg_triangular.upper_triangle(packed[..., :k, :])
    moved = fnp.astype(np.arange(m)[:, None] == order[..., None, :], dtype)
    return (product(moved, low), up) if permute_l else (moved, low, up)


@public
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`det(a)`: the determinants of square matrices; see `fgrad.numpy.linalg.det`.

    >>> float(round(det(np.array([[1.0, 2.0], [3.0, 4.0]])), 12))
    -2.0
    """
    return _det(square_matrix(a, "det", check_finite))


@public
def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`inv(a)`: the inverse of square matrices; see `fgrad.numpy.linalg.inv`.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _inv(square_matrix(a, "inv", check_finite))


@public
def solve_sylvester(A: Any, B: Any, C: Any, *, method: str = "schur", tol: float = 1e-8) -> Array:
    """`solve_sylvester(A, B, C)`: the X with A·X + X·B = C, for A and −B without a common eigenvalue.

    Linear in C; dX solves the equation for dC − dA·X − X·dB.

    Args:
        A: of shape (…, m, m).
        B: of shape (…, n, n).
        C: of shape (…, m, n).
        method: without effect, as is `tol`: by Schur's form.

    Raises:
        LinAlgError: A or B is not square.
        ValueError: the shapes do not fit.
        MissingExtraError: SciPy is not installed.

    >>> solve_sylvester(np.diag([1.0, 2.0]), np.eye(1), np.array([[2.0], [6.0]]))
    array([[1.],
           [2.]])

    Source: Bartels and Stewart, "Solution of the matrix equation AX + XB = C" (1972).
    """
    a, b = same_dtype(square_matrix(A, "solve_sylvester"), square_matrix(B, "solve_sylvester"))
    a, c = same_dtype(a, matrix(C, "solve_sylvester"))
    b, c = same_dtype(b, c)
    rows = np.broadcast_shapes(*[shape_of(x)[:-2] for x in (a, b, c)])
    return linalg_functions.sylvester(*[fnp.broadcast_to(x, (*rows, *shape_of(x)[-2:])) for x in (a, b, c)])


@public
def solve_continuous_lyapunov(a: Any, q: Any) -> Array:
    """`solve_continuous_lyapunov(a, q)`: the X with a·X + X·aᴴ = q.

    >>> solve_continuous_lyapunov(np.diag([1.0, 2.0]), 4 * np.eye(2))
    array([[2., 0.],
           [0., 1.]])
    """
    return solve_sylvester(a, adjoint(square_matrix(a, "solve_continuous_lyapunov")), q)


@public
def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Array:
    """`solve_discrete_lyapunov(a, q)`: the X with a·X·aᴴ − X + q = 0, by the equations for all entries of X.

    Args:
        a: a matrix of shape (n, n).
        q: of the same shape.
        method: without effect: "direct".

    >>> solve_discrete_lyapunov(np.diag([0.5, 0.0]), 3 * np.eye(2))
    array([[4., 0.],
           [0., 3.]])
    """
    x, y = same_dtype(square_matrix(a, "solve_discrete_lyapunov"), square_matrix(q, "solve_discrete_lyapunov"))
    n = shape_of(x)[-1]
    conjugate = conj(x) if aval_of(x).dtype.kind == "c" else x
    system = np.eye(n * n) - fnp.kron(x, conjugate)
    return fnp.reshape(fnp.linalg.solve(system, fnp.ravel(y)), (n, n))


@public
def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Array:
    """`solve_toeplitz(c, b)`: the x with toeplitz(c)·x = b; of a pair (c, r), with toeplitz(c, r).

    >>> solve_toeplitz((np.array([2.0, 1.0]), np.array([2.0, 0.0])), np.array([2.0, 5.0]))
    array([1., 2.])
    """
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    return solve(toeplitz(c, r), b, check_finite=check_finite)


@public
def solve_circulant(c: Any, b: Any) -> Array:
    """`solve_circulant(c, b)`: the x with circulant(c)·x = b.

    Args:
        c: the first column, of shape (n,).
        b: of shape (n,) or (n, k).

    Raises:
        LinAlgError: the matrix is singular.
        ValueError: shapes do not fit.

    >>> solve_circulant(np.array([2.0, 0.0, 0.0]), np.array([2.0, 4.0, 6.0]))
    array([1., 2., 3.])
    """
    x, y = same_dtype(c, b)
    if len(shape_of(x)) != 1 or shape_of(y)[:1] != shape_of(x):
        what = f"scipy.linalg.solve_circulant: incompatible dimensions {aval_of(x)} and {aval_of(y)}."
        raise ArgumentError(message(what, cure="It needs shapes (n,) and (n,) or (n, k)."))
    return fnp.linalg.solve(circulant(x), y)
