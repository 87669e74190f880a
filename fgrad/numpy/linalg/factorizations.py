"""Cholesky, QR, singular values, eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, message
from fgrad.numpy.dispatch import is_traced
from fgrad.numpy.linalg.operands import inexact, lower_of, symmetrized
from fgrad.primitives import linalg_factors, linalg_singular, linalg_spectra
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_stacks import across, adjoint
from fgrad.primitives.rounding import absolute, sign
from fgrad.primitives.shape import broadcast_to
from fgrad.primitives.sorting import argsort, permute, sort

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]

_QRResult: Any = type(np.linalg.qr(np.eye(1)))
_SVDResult: Any = type(np.linalg.svd(np.eye(1)))
_EigResult: Any = type(np.linalg.eig(np.eye(1)))
_EighResult: Any = type(np.linalg.eigh(np.eye(1)))


def cholesky(a: Any, /, *, upper: bool = False, symmetrize_input: bool = False) -> Array:
    """`cholesky(a)`: the lower triangle L with a = L·Lᴴ, of positive definite matrices; `upper`: Lᴴ.

    As in NumPy one triangle of a is read, the lower one unless `upper`, and the derivative is that of this very
    function: 0 by the other triangle. A step along the gradient therefore need not be symmetric. With
    `symmetrize_input` it is a function of (a + aᴴ)/2, and gradients are symmetric.

    Args:
        a: of shape (…, n, n).
        upper: read the upper triangle and return the upper factor.
        symmetrize_input: take the mean of both triangles first (JAX does so by default).

    Raises:
        LinAlgError: a matrix is not positive definite, or not square.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])

    Source: Murray (2016), equation 8.
    """
    if symmetrize_input:
        a = symmetrized(a)
    if not is_traced(a):
        return np.linalg.cholesky(a, upper=upper)
    return linalg_factors.cholesky(inexact(a), upper=bool(upper))


def qr(a: Any, mode: str = "reduced") -> Any:
    """`qr(a)`: Q with orthonormal columns and the upper triangle R, a = Q·R.

    The derivative asks for independent columns (the leading ones, of a wide matrix). Of the columns that complete Q
    (mode "complete") it is that of a basis which does not turn within their space.

    Args:
        a: of shape (…, m, n).
        mode: "reduced", "complete", or "r" for R alone; "raw" is for concrete arrays only.

    Returns:
        The pair `(Q, R)`, or R.

    Raises:
        LinAlgError: differentiated at a matrix whose leading columns are dependent.

    >>> qr(np.array([[3.0], [4.0]]), mode="r")
    array([[-5.]])

    Source: Walter and Lehmann (2010), section 3.
    """
    if not is_traced(a):
        return np.linalg.qr(a, mode)  # type: ignore[call-overload]
    if mode not in ("reduced", "complete", "r"):
        what = f"qr of a traced array has the modes 'reduced', 'complete' and 'r', not {mode!r}."
        raise ArgumentError(message(what, cure="Reflectors (mode 'raw') have no derivative rule."))
    q, r = linalg_factors.qr(inexact(a), complete=mode == "complete")
    return r if mode == "r" else _QRResult(q, r)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """`svd(a)`: U, s, Vᴴ with a = U·diag(s)·Vᴴ, s descending; or s alone.

    Where singular values coincide, vectors are a choice, and taken not to turn within their space: right for what does
    not depend on the choice to first order, such as functions Σ g(s), projectors on whole spaces and the polar factor
    U·Vᴴ; where a gradient asks for more, a `fgrad.errors.DegenerateWarning` says so. Of vectors for the value 0 the
    same holds. The product U·diag(s)·Vᴴ itself needs values that are apart: differentiate a instead.

    Args:
        a: of shape (…, m, n).
        full_matrices: complete U and V to square matrices; the added columns do not turn among themselves.
        compute_uv: return the vectors, too.
        hermitian: a is Hermitian, and its lower triangle is read.

    Returns:
        The triple `(U, S, Vh)`, or S.

    >>> svd(np.diag([1.0, 3.0]), compute_uv=False)
    array([3., 1.])

    Source: Townsend (2016).
    """
    if not is_traced(a):
        return np.linalg.svd(a, full_matrices, compute_uv, hermitian)  # type: ignore[call-overload]
    x = inexact(a)
    if hermitian:
        return _hermitian_svd(x, compute_uv)
    if not compute_uv:
        return linalg_singular.svdvals(x)
    return _SVDResult(*linalg_singular.svd(x, full=bool(full_matrices)))


def _hermitian_svd(x: Array, compute_uv: bool) -> Any:
    last = len(shape_of(x)) - 2
    if not compute_uv:
        return _reversed(sort(absolute(linalg_spectra.eigvalsh(x, lower=True)), axis=last))
    w, v = linalg_spectra.eigh(x, lower=True)
    order = argsort(-absolute(w), axis=last)
    u = permute(v, broadcast_to(across(order), shape=shape_of(v)), axis=last + 1)
    turned = u * across(sign(permute(w, order, axis=last)))
    return _SVDResult(u, permute(absolute(w), order, axis=last), adjoint(turned))


def _reversed(x: Array) -> Array:
    return x[..., ::-1]


def svdvals(x: Any, /) -> Array:
    """`svdvals(x)`: the singular values, descending. ds = Re diag(Uᴴ·dx·V).

    Args:
        x: of shape (…, m, n).

    >>> svdvals(np.diag([1.0, 3.0]))
    array([3., 1.])
    """
    return linalg_singular.svdvals(inexact(x)) if is_traced(x) else np.linalg.svdvals(x)


def eigh(a: Any, UPLO: str = "L", symmetrize_input: bool = False) -> Any:
    """`eigh(a)`: eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices.

    One triangle is read, as in `cholesky`, and the derivative by the other is 0. Where eigenvalues coincide,
    eigenvectors are a choice, and taken not to turn within their eigenspace: right for what does not depend on the
    choice to first order, such as symmetric functions of the eigenvalues and projectors on whole eigenspaces; where a
    gradient asks for more, a `fgrad.errors.DegenerateWarning` says so. Functions V·g(Λ)·Vᴴ of the matrix depend on the
    choice in this sense (an eigenvalue that splits turns the basis), but symmetrically, so that no warning can tell:
    their derivative lacks what is off the diagonal within an eigenspace. `fgrad.scipy.linalg.funm` with
    `hermitian=True` computes them with derivatives that are right there, too.

    Args:
        a: of shape (…, n, n).
        UPLO: the triangle to read, "L" or "U".
        symmetrize_input: take the mean of both triangles first (JAX does so by default).

    Returns:
        The pair `(eigenvalues, eigenvectors)`.

    Raises:
        LinAlgError: a matrix is not square, or the eigenvalues were not found.

    >>> eigh(np.diag([3.0, 1.0])).eigenvalues
    array([1., 3.])

    Source: Giles (2008), section 3.1.
    """
    if symmetrize_input:
        a = symmetrized(a)
    if not is_traced(a):
        return np.linalg.eigh(a, UPLO)  # type: ignore[call-overload]
    return _EighResult(*linalg_spectra.eigh(inexact(a), lower=lower_of(UPLO)))


def eigvalsh(a: Any, UPLO: str = "L", *, symmetrize_input: bool = False) -> Array:
    """`eigvalsh(a)`: the eigenvalues of Hermitian matrices, ascending; see `eigh`.

    Args:
        a: of shape (…, n, n).
        UPLO: the triangle to read, "L" or "U".
        symmetrize_input: take the mean of both triangles first (JAX does so by default).

    >>> eigvalsh(np.diag([3.0, 1.0]))
    array([1., 3.])
    """
    if symmetrize_input:
        a = symmetrized(a)
    if not is_traced(a):
        return np.linalg.eigvalsh(a, UPLO)  # type: ignore[call-overload]
    return linalg_spectra.eigvalsh(inexact(a), lower=lower_of(UPLO))


def eig(a: Any) -> Any:
    """`eig(a)`: eigenvalues, and eigenvectors of length 1 whose largest component is real.

    Of traced arrays both are complex in any case. Equal eigenvalues are treated as in `eigh`; a matrix without a full
    set of eigenvectors has no derivative.

    Args:
        a: of shape (…, n, n).

    Returns:
        The pair `(eigenvalues, eigenvectors)`.

    Raises:
        LinAlgError: a matrix is not square, or, when it is differentiated, its eigenvectors are dependent.

    >>> eig(np.array([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues
    array([0.+1.j, 0.-1.j])

    Source: Boeddeker et al. (2017), section 4.
    """
    return _EigResult(*linalg_spectra.eig(inexact(a))) if is_traced(a) else np.linalg.eig(a)


def eigvals(a: Any) -> Array:
    """`eigvals(a)`: the eigenvalues, complex in any case for traced arrays. dw = diag(V⁻¹·da·V).

    Args:
        a: of shape (…, n, n).

    >>> eigvals(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    array([0.+1.j, 0.-1.j])
    """
    return linalg_spectra.eigvals(inexact(a)) if is_traced(a) else np.linalg.eigvals(a)
