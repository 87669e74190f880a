"""Functions of matrices: exponential, roots, logarithm, trigonometric ones, and any function by eigenvalues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.control.capture import captured_tracers
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable
from fgrad.errors import ArgumentError, NonDifferentiableError, message, public
from fgrad.numpy.linalg.operands import same_dtype
from fgrad.primitives.families import shape_of
from fgrad.primitives.linalg_functions import EXPM_RADIUS, matrix_function, matrix_function_slope
from fgrad.primitives.linalg_stacks import product
from fgrad.primitives.rounding import imag, real
from fgrad.scipy.linalg.operands import check_option, square_matrix
from fgrad.scipy.linalg.spectral import spectral

__all__ = [
    "coshm",
    "cosm",
    "expm",
    "expm_frechet",
    "fractional_matrix_power",
    "funm",
    "logm",
    "signm",
    "sinhm",
    "sinm",
    "sqrtm",
    "tanhm",
    "tanm",
]


@public
def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int | None = None) -> Array:
    """`expm(A)`: the matrix exponential e^A = 1 + A + A²/2! + …

    Its derivative along T is ∫ e^{(1−s)A}·T·e^{sA} ds, the upper right block of the exponential of [[A, T], [0, A]];
    those of higher order likewise.

    Args:
        A: of shape (…, n, n).
        upper_triangular: without effect: A is upper triangular.
        max_squarings: NaN for a matrix whose norm asks for more of them; no limit by default.

    Raises:
        LinAlgError: a matrix is not square.

    >>> expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])

    Source: Higham, "The scaling and squaring method for the matrix exponential revisited" (2005).
    """
    x = square_matrix(A, "expm", check_finite=False)
    out = matrix_function(x, name="expm")
    if max_squarings is None:
        return out
    size = fnp.max(fnp.sum(fnp.abs(x), axis=-2), axis=-1, initial=0)[..., None, None]
    return fnp.where(size > EXPM_RADIUS * 2.0**max_squarings, np.nan, out)


@public
def expm_frechet(A: Any, E: Any, *, method: str | None = None, compute_expm: bool = True) -> Any:
    """`expm_frechet(A, E)`: e^A and its derivative along E, or, unless `compute_expm`, the derivative alone.

    Args:
        A: of shape (…, n, n).
        E: of the same shape.
        method: without effect: by the exponential of a block matrix.

    Raises:
        LinAlgError: a matrix is not square.
        ValueError: the shapes differ.

    >>> expm_frechet(np.zeros((2, 2)), np.eye(2), compute_expm=False)
    array([[1., 0.],
           [0., 1.]])

    Source: Van Loan, "Computing integrals involving the matrix exponential" (1978).
    """
    check_option("expm_frechet", "method", method, (None, "SPS", "blockEnlarge"))
    x, t = same_dtype(square_matrix(A, "expm_frechet"), square_matrix(E, "expm_frechet"))
    if shape_of(x) != shape_of(t):
        what = f"scipy.linalg.expm_frechet: expected A and E to be the same shape, got {aval_of(x)} and {aval_of(t)}."
        raise ArgumentError(message(what))
    slope = matrix_function_slope(x, t, name="expm")
    return (matrix_function(x, name="expm"), slope) if compute_expm else slope


@public
def sqrtm(A: Any, blocksize: int = 1, *, hermitian: bool = False) -> Array:
    """`sqrtm(A)`: the principal square root X, X·X = A, whose eigenvalues have positive real parts.

    dX solves Sylvester's equation X·dX + dX·X = dA, also where eigenvalues coincide.

    Args:
        A: of shape (…, n, n), without eigenvalues on the negative real axis and 0, where it has no derivative.
        blocksize: without effect.
        hermitian: take the Hermitian part of A, which is positive definite; by its eigenvalues.

    Returns:
        The root: complex, as it is for other matrices than are expected here often enough; of the dtype of A, if it is
        `hermitian`.

    Raises:
        LinAlgError: a matrix is not square.
        MissingExtraError: SciPy is not installed (not needed if `hermitian`).

    >>> sqrtm(np.array([[5.0, 4.0], [4.0, 5.0]]), hermitian=True).round(12)
    array([[2., 1.],
           [1., 2.]])
    >>> sqrtm(np.diag([4.0, 9.0]))
    array([[2.+0.j, 0.+0.j],
           [0.+0.j, 3.+0.j]])

    Source: Higham, "Functions of Matrices" (2008), chapter 6.
    """
    x = square_matrix(A, "sqrtm")
    return spectral(x, fun=np.sqrt, hermitian=True) if hermitian else matrix_function(x, name="sqrtm")


@public
def logm(A: Any, disp: bool = True, *, hermitian: bool = False) -> Array:
    """`logm(A)`: the principal logarithm L, e^L = A, whose eigenvalues have imaginary parts between −π and π.

    Args:
        A: of shape (…, n, n), without eigenvalues on the negative real axis and 0.
        disp: without effect.
        hermitian: take the Hermitian part of A, which is positive definite; by its eigenvalues.

    Returns:
        The logarithm: complex; of the dtype of A, if it is `hermitian`.

    Raises:
        LinAlgError: a matrix is not square.
        MissingExtraError: SciPy is not installed (not needed if `hermitian`).

    >>> logm(np.eye(2), hermitian=True)
    array([[0., 0.],
           [0., 0.]])

    Source: Al-Mohy, Higham and Relton, "Computing the Fréchet derivative of the matrix logarithm" (2013).
    """
    x = square_matrix(A, "logm")
    return spectral(x, fun=np.log, hermitian=True) if hermitian else matrix_function(x, name="logm")


@public
def funm(A: Any, func: Callable[[Any], Any], disp: bool = True, *, hermitian: bool = False) -> Any:
    """`funm(A, func)`: the function V·g(Λ)·V⁻¹ of diagonalizable matrices A = V·Λ·V⁻¹, for any g.

    Derivatives of every order have the divided differences of g at the eigenvalues as coefficients, which are exact
    where eigenvalues coincide (the vectors are not differentiated). With `hermitian` it is the function of the
    Hermitian part (A + Aᴴ)/2, so that gradients are symmetric: the gradient of tr g(A) is g′(A).

    Args:
        A: of shape (…, n, n). A matrix without a full set of eigenvectors has no good result; without `hermitian`.
        func: g, a function of every element of an array, as NumPy's ufuncs, that fgrad can differentiate.
        disp: return the matrix alone; otherwise also an estimate of its relative error, eps times the condition of V.
        hermitian: A is Hermitian: V is unitary, and real for real A.

    Returns:
        The matrices: complex, unless `hermitian`.

    Raises:
        LinAlgError: a matrix is not square.
        TypeError: `func` is not a function of every element.
        NonDifferentiableError: `func` closes over values that are being differentiated.

    >>> funm(np.array([[2.0, 1.0], [1.0, 2.0]]), lambda w: w**2, hermitian=True).round(12)
    array([[5., 4.],
           [4., 5.]])

    Source: Daleckii and Krein (1965); Higham, "Functions of Matrices" (2008), theorem 3.11.
    """
    check_callable(func, "scipy.linalg.funm", "funm(A, func)")
    if captured_tracers(func):
        what = "func of scipy.linalg.funm closes over a traced value: funm is differentiated by A alone."
        cure = "Scale or combine matrices outside of it, or write V * g(w) @ V.T with fgrad.numpy.linalg.eigh."
        raise NonDifferentiableError(message(what, cure=cure))
    x = square_matrix(A, "funm")
    out = spectral(x, fun=func, hermitian=hermitian)
    if disp:
        return out
    eps = np.finfo(aval_of(x).dtype).eps
    return out, eps if hermitian else eps * fnp.linalg.cond(fnp.linalg.eig(x)[1])


def _is_complex(x: Array) -> bool:
    return aval_of(x).dtype.kind == "c"


def _exponentials(A: Any, name: str, factor: complex) -> tuple[Array, Array, Array]:
    """A, e^{cA} and e^{−cA}."""
    x = square_matrix(A, name)
    scaled = x * aval_of(x).dtype.type(1) * (factor if factor.imag else factor.real)
    dtype = np.result_type(aval_of(x).dtype, np.complex64) if factor.imag else aval_of(x).dtype
    scaled = fnp.astype(scaled, dtype)
    return x, matrix_function(scaled, name="expm"), matrix_function(-scaled, name="expm")


@public
def cosm(A: Any) -> Array:
    """`cosm(A)`: the cosine (e^{iA} + e^{−iA})/2.

    >>> cosm(np.zeros((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    x, ahead, back = _exponentials(A, "cosm", 1j)
    return 0.5 * (ahead + back) if _is_complex(x) else real(ahead)


@public
def sinm(A: Any) -> Array:
    """`sinm(A)`: the sine (e^{iA} − e^{−iA})/2i.

    >>> sinm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    x, ahead, back = _exponentials(A, "sinm", 1j)
    return -0.5j * (ahead - back) if _is_complex(x) else imag(ahead)


@public
def tanm(A: Any) -> Array:
    """`tanm(A)`: the tangent, cos(A)⁻¹·sin(A).

    >>> tanm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    return fnp.linalg.solve(cosm(A), sinm(A))


@public
def coshm(A: Any) -> Array:
    """`coshm(A)`: the hyperbolic cosine (e^A + e^{−A})/2.

    >>> coshm(np.zeros((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    _, ahead, back = _exponentials(A, "coshm", 1 + 0j)
    return 0.5 * (ahead + back)


@public
def sinhm(A: Any) -> Array:
    """`sinhm(A)`: the hyperbolic sine (e^A − e^{−A})/2.

    >>> sinhm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    _, ahead, back = _exponentials(A, "sinhm", 1 + 0j)
    return 0.5 * (ahead - back)


@public
def tanhm(A: Any) -> Array:
    """`tanhm(A)`: the hyperbolic tangent, cosh(A)⁻¹·sinh(A).

    >>> tanhm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    return fnp.linalg.solve(coshm(A), sinhm(A))


@public
def signm(A: Any) -> Array:
    """`signm(A)`: A·(A²)^(−½), complex: the eigenvalues become 1 right of the imaginary axis and −1 left of it.

    >>> signm(np.diag([-2.0, 3.0])).real
    array([[-1.,  0.],
           [ 0.,  1.]])

    Source: Higham, "Functions of Matrices" (2008), chapter 5.
    """
    x = square_matrix(A, "signm")
    return fnp.linalg.solve(matrix_function(product(x, x), name="sqrtm"), x)


@public
def fractional_matrix_power(A: Any, t: Any) -> Array:
    """`fractional_matrix_power(A, t)`: Aᵗ = e^{t·log A}, complex; differentiable in A and in t.

    Args:
        A: of shape (…, n, n), without eigenvalues on the negative real axis and 0.
        t: a number.

    >>> fractional_matrix_power(np.diag([4.0, 9.0]), 0.5).real.round(12)
    array([[2., 0.],
           [0., 3.]])
    """
    return matrix_function(matrix_function(square_matrix(A, "fractional_matrix_power"), name="logm") * t, name="expm")
