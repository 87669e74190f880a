"""Functions of matrices, such as the exponential, and Sylvester's equation.

The derivative of a function f of matrices along T is the upper right block of f([[A, T], [0, A]]), and that of a
derivative likewise: so every order is a function of larger matrices, and needs no eigenvalues that are apart.

Sources: Higham, "Functions of Matrices" (2008), theorem 3.6; Higham, "The scaling and squaring method for the matrix
exponential revisited" (2005); Mathias, "A chain rule for matrix functions and applications" (1996).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Sample
from fgrad.errors import ShapeError, message
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.joining import concatenate
from fgrad.primitives.linalg_solve import regular
from fgrad.primitives.linalg_stacks import Stacked, columns, matrix_transpose, product, square
from fgrad.primitives.scipy_modules import scipy_module
from fgrad.primitives.shape import convert_element_type, fit

__all__ = ["EXPM_RADIUS", "matrix_function", "matrix_function_slope", "sylvester"]

_COEFFICIENTS = {
    5: (30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0),
    9: (17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0, 3960.0, 90.0, 1.0),
    13: (
        64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
        10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
    ),
}  # fmt: skip
"""Of the Padé approximants, by degree."""

EXPM_RADIUS = 5.371920351148152
"""The norm up to which the approximant of degree 13 is right to double precision."""

_RADII = {5: 0.2539398330063230, 9: 2.097847961257068}  # those of lower degrees
_SLOPE_RADIUS = 4.74  # and that of its derivative


def _expm(a: Array) -> Array:
    """The exponential by a Padé approximant of A/2ˢ, squared s times; every matrix has its own s."""
    if not a.size:
        return a.copy()
    size = _norms(a)
    for degree in (5, 9):
        if (size <= _RADII[degree]).all():
            return _ratio(*_small(a, degree))
    squarings = _squarings(size, EXPM_RADIUS)
    out = _ratio(*_parts(_scaled(a, squarings), None)[:2])
    for k in range(squarings.max()):
        left = squarings > k
        if left.all():
            out = out @ out
        else:
            out[left] = out[left] @ out[left]
    return out


def _expm_slope(a: Array, t: Array) -> Array:
    """The derivative of the exponential along T: that of the same approximant, and of the squarings.

    Source: Al-Mohy and Higham, "Computing the Fréchet derivative of the matrix exponential, with an application to
    condition number estimation" (2009), algorithm 6.4.
    """
    if not a.size:
        return t.copy()
    squarings = _squarings(_norms(a), _SLOPE_RADIUS)
    odd, even, by_odd, by_even = _parts(_scaled(a, squarings), _scaled(t, squarings))
    below = even - odd
    out = np.linalg.solve(below, odd + even)
    slope = np.linalg.solve(below, by_odd + by_even + (by_odd - by_even) @ out)
    for k in range(squarings.max(initial=0)):
        left = squarings > k
        if left.all():
            slope, out = out @ slope + slope @ out, out @ out
        else:
            x, y = out[left], slope[left]
            slope[left], out[left] = x @ y + y @ x, x @ x
    return slope


def _norms(a: Array) -> Array:
    """The largest column sums; 0 of what is not finite."""
    size = np.abs(a).sum(-2).max(-1)
    return np.where(np.isfinite(size), size, 0)


def _squarings(size: Array, radius: float) -> Array:
    out: Array = np.ceil(np.log2(np.maximum(size / radius, 1))).astype(int)
    return out


def _scaled(a: Array, squarings: Array) -> Array:
    return a * np.ldexp(a.real.dtype.type(1), -squarings)[..., None, None] if squarings.any() else a


def _ratio(odd: Array, even: Array) -> Array:
    """The approximant from the odd and the even part of its numerator."""
    return np.linalg.solve(even - odd, even + odd)


def _small(a: Array, degree: int) -> tuple[Array, Array]:
    """The odd and the even part of the numerator, of low degree."""
    b = [a.real.dtype.type(c) for c in _COEFFICIENTS[degree]]
    one, squared = np.eye(a.shape[-1], dtype=a.dtype), a @ a
    odd, even, power = b[1] * one, b[0] * one, squared
    for k in range(2, degree, 2):
        odd, even = odd + b[k + 1] * power, even + b[k] * power
        if k + 2 < degree:
            power = power @ squared
    return a @ odd, even


def _parts(a: Array, t: Array | None) -> tuple[Array, ...]:
    """The odd and the even part of the numerator of degree 13; and, unless it is `None`, their derivatives along t."""
    b = [a.real.dtype.type(c) for c in _COEFFICIENTS[13]]
    one = np.eye(a.shape[-1], dtype=a.dtype)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    high_odd, high_even = b[13] * a6 + b[11] * a4 + b[9] * a2, b[12] * a6 + b[10] * a4 + b[8] * a2
    rest = a6 @ high_odd + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one
    even = a6 @ high_even + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    if t is None:
        return a @ rest, even
    t2 = a @ t + t @ a
    t4 = a2 @ t2 + t2 @ a2
    t6 = a4 @ t2 + t4 @ a2
    by_rest = a6 @ (b[13] * t6 + b[11] * t4 + b[9] * t2) + t6 @ high_odd + b[7] * t6 + b[5] * t4 + b[3] * t2
    by_even = a6 @ (b[12] * t6 + b[10] * t4 + b[8] * t2) + t6 @ high_even + b[6] * t6 + b[4] * t4 + b[2] * t2
    return a @ rest, even, a @ by_rest + t @ rest, by_even


def _each(name: str) -> Callable[[Array], Array]:
    """A function of SciPy's of one matrix, for stacks; complex, as whether the result is real depends on the values.

    It computes in double precision, as the block matrices of derivatives are badly scaled.
    """

    def run(a: Array) -> Array:
        function = getattr(scipy_module("linalg"), name)
        out = np.empty(a.shape, np.result_type(a.dtype, np.complex64))
        if a.size:
            wide = a.astype(np.result_type(a.dtype, np.float64), copy=False)
            with warnings.catch_warnings():
                # Of the logarithm SciPy says so wherever its exponential is ill-conditioned: of most block matrices.
                warnings.filterwarnings("ignore", "logm result may be inaccurate", RuntimeWarning)
                for row in np.ndindex(a.shape[:-2]):
                    out[row] = function(wide[row])
        return out

    return run


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {"expm": _expm, "sqrtm": _each("sqrtm"), "logm": _each("logm")}


def _blocks(a: Array, t: Array) -> Array:
    """[[A, T], [0, A]]."""
    return np.concatenate([np.concatenate([a, t], -1), np.concatenate([np.zeros_like(a), a], -1)], -2)


def _corner(x: Array) -> Array:
    """The upper right block of [[A, T], [0, A]]."""
    n = shape_of(x)[-1] // 2
    return columns(columns(x, n, 2 * n), 0, n, axis=-2)


class MatrixFunction(Stacked):
    """`matrix_function(a, name=)`: e^A ("expm"), √A ("sqrtm") or log A ("logm"), the latter two principal, and complex.

    The derivative along T is `matrix_function_slope(a, t, name=)`.
    """

    samples = (
        Sample(regular((3, 3)), name="expm"),
        Sample(draw(-1, 1, (2, 2, 2)), name="expm"),
        Sample(np.zeros((0, 0)), name="expm"),
        Sample(draw(-1, 1, (2, 2), np.complex128), name="expm"),
        Sample(regular((3, 3)), name="sqrtm"),
        Sample(regular((2, 2, 2), np.complex128), name="sqrtm"),
        Sample(regular((1, 1)), name="logm"),
    )

    def impl(self, a: Array, *, name: str) -> Array:
        return _FUNCTIONS[name](a)

    def shape(self, a: ShapedArray, *, name: str) -> ShapedArray:
        square(name, a)
        return a if name == "expm" else ShapedArray(a.shape, np.result_type(a.dtype, np.complex64))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, name: str) -> Array:
        return matrix_function_slope(xs[0], ts[0], name=name)


class MatrixFunctionSlope(Stacked):
    """`matrix_function_slope(a, t, name=)`: the derivative of a function of matrices along T; linear in T."""

    samples = (
        Sample(regular((3, 3)), draw(-1, 1, (3, 3)), name="expm"),
        Sample(draw(-1, 1, (2, 2, 2), np.complex128), draw(-1, 1, (2, 2, 2), np.complex128), name="expm"),
        Sample(np.zeros((0, 0)), np.zeros((0, 0)), name="expm"),
        Sample(regular((2, 2)), draw(-1, 1, (2, 2)), name="sqrtm"),
    )

    def impl(self, a: Array, t: Array, *, name: str) -> Array:
        if name == "sqrtm" and a.size:  # X·X = A gives X·dX + dX·X = dA
            x = _FUNCTIONS[name](a)
            return sylvester.impl(x, x, t.astype(x.dtype))
        n = a.shape[-1]
        dtype = np.result_type(a.dtype, t.dtype)
        a, t = a.astype(dtype, copy=False), t.astype(dtype, copy=False)
        if name == "expm":
            return _expm_slope(a, t)
        found: Array = _FUNCTIONS[name](_blocks(a, t))
        return found[..., :n, n:]

    def shape(self, a: ShapedArray, t: ShapedArray, *, name: str) -> ShapedArray:
        square(name, a)
        if a.shape != t.shape:
            raise ShapeError(message(f"the derivative of `{name}` at {a} along {t}: they must have one shape."))
        dtype = np.result_type(a.dtype, t.dtype)
        return ShapedArray(a.shape, dtype if name == "expm" else np.result_type(dtype, np.complex64))

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[0]

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, name: str) -> Array:
        by_a, by_t = ts
        along = ZERO if by_t is ZERO else matrix_function_slope(xs[0], by_t, name=name)
        if by_a is ZERO:
            return along
        still = np.zeros(shape_of(by_a), aval_of(by_a).dtype)
        wide = matrix_function_slope(_beside(*xs), _beside(by_a, still), name=name)
        curve = _corner(wide)
        return curve if along is ZERO else along + curve

    def transpose(self, ct: Array, a: Any, t: Any, *, name: str) -> Sequence[Array | None]:
        return None, fit(matrix_function_slope(matrix_transpose(a), ct, name=name), t)


def _beside(a: Array, t: Array) -> Array:
    """[[A, T], [0, A]], of traced arrays."""
    dtype = np.result_type(aval_of(a).dtype, aval_of(t).dtype)
    a, t = (x if aval_of(x).dtype == dtype else convert_element_type(x, dtype=dtype) for x in (a, t))
    last = len(shape_of(a)) - 1
    below = concatenate(np.zeros(shape_of(a), dtype), a, axis=last)
    return concatenate(concatenate(a, t, axis=last), below, axis=last - 1)


class Sylvester(Stacked):
    """`sylvester(a, b, c)`: the X with A·X + X·B = C; linear in C. dX solves A·dX + dX·B = dC − dA·X − X·dB."""

    samples = (
        Sample(regular((3, 3)), regular((2, 2)), draw(-1, 1, (3, 2))),
        Sample(regular((2, 2, 2)), regular((2, 2, 2)), draw(-1, 1, (2, 2, 2))),
        Sample(np.zeros((0, 0)), regular((2, 2)), np.zeros((0, 2))),
        Sample(regular((2, 2), np.complex128), regular((2, 2), np.complex128), draw(-1, 1, (2, 2), np.complex128)),
    )

    def impl(self, a: Array, b: Array, c: Array) -> Array:
        out = np.empty_like(c)
        if c.size:
            solve = scipy_module("linalg").solve_sylvester
            for row in np.ndindex(c.shape[:-2]):
                out[row] = solve(a[row], b[row], c[row])
        return out

    def shape(self, a: ShapedArray, b: ShapedArray, c: ShapedArray) -> ShapedArray:
        rows, m = square("solve_sylvester", a)
        rows_b, n = square("solve_sylvester", b)
        if rows != rows_b or c.shape != (*rows, m, n) or not a.dtype == b.dtype == c.dtype:
            what = f"`solve_sylvester` of {a}, {b} and {c}: shapes (m, m), (n, n) and (m, n), of one dtype, are needed."
            raise ShapeError(message(what))
        return c

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not (varying[0] or varying[1])

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        by_a, by_b, by_c = ts
        right = by_c
        if by_a is not ZERO:
            moved = product(by_a, out)
            right = -moved if right is ZERO else right - moved
        if by_b is not ZERO:
            moved = product(out, by_b)
            right = -moved if right is ZERO else right - moved
        return sylvester(xs[0], xs[1], right)

    def transpose(self, ct: Array, a: Any, b: Any, c: Any) -> Sequence[Array | None]:
        return None, None, sylvester(matrix_transpose(a), matrix_transpose(b), ct)


matrix_function = MatrixFunction()
matrix_function_slope = MatrixFunctionSlope()
sylvester = Sylvester()
