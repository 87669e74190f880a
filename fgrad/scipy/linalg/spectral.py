"""Functions of matrices by their eigenvalues, V·g(Λ)·V⁻¹, and their derivatives of every order.

The derivative of order k along T₁ … Tₖ has, in the basis V, the divided differences g[λ₀, …, λₖ] as its coefficients.
They are continuous, and the derivatives are exact where eigenvalues coincide: the eigenvectors are not differentiated.

Sources: Daleckii and Krein, "Integration and differentiation of functions of Hermitian operators" (1965); Higham,
"Functions of Matrices" (2008), theorem 3.11; de Boor, "Divided differences" (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.api.jet import jet
from fgrad.api.jit import jit
from fgrad.api.linear import jvp
from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Sample, is_linear_input
from fgrad.errors import OutputTypeError, ShapeError, message
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.linalg_factors import positive
from fgrad.primitives.linalg_solve import regular
from fgrad.primitives.linalg_stacks import Stacked, adjoint, matrix_transpose, square
from fgrad.primitives.shape import fit
from fgrad.transforms.stage import trace

__all__ = ["spectral"]

_TERMS = 8  # of the Taylor series that stands for a divided difference of close points
_CLOSE = 0.2  # of the largest eigenvalue: from this distance on no series is tried
_FAIR = 64  # units in the last place: a quotient with an error of no more is kept

Fun = Callable[[Any], Any]


class Spectral(Stacked):
    """`spectral(a, *ts, fun=, hermitian=)`: fun of the matrices A, or its derivative along as many directions T.

    It is linear in each T, and all its derivatives are of the same form. A is diagonalizable; if `hermitian`, it is the
    Hermitian part of `a`, while the directions need not be Hermitian.
    """

    samples = (
        Sample(positive((3, 3)), fun=np.sqrt, hermitian=True),
        Sample(positive((2, 2, 2)), draw(-1, 1, (2, 2, 2)), fun=np.log, hermitian=True),
        Sample(np.diag([2.0, 2.0, 1.0]), draw(-1, 1, (3, 3)), draw(-1, 1, (3, 3)), fun=np.exp, hermitian=True),
        Sample(regular((3, 3)), fun=np.sin, hermitian=False),
        Sample(np.zeros((0, 0)), fun=np.sin, hermitian=True),
        Sample(regular((2, 2), np.complex128), draw(-1, 1, (2, 2), np.complex128), fun=np.exp, hermitian=False),
    )

    def impl(self, a: Array, *ts: Array, fun: Fun, hermitian: bool) -> Array:
        w, v = np.linalg.eigh(0.5 * (a + np.conj(np.swapaxes(a, -1, -2)))) if hermitian else np.linalg.eig(a)
        if not hermitian:
            w, v = (x.astype(np.result_type(x.dtype, np.complex64)) for x in (w, v))
        back = np.conj(np.swapaxes(v, -1, -2)) if hermitian else np.linalg.inv(v)
        if not ts:
            return np.matmul(v * _values(fun, w)[..., None, :], back)
        weights = _divided_differences(fun, w, len(ts))
        turned = [back @ t @ v for t in ts]
        if len(ts) == 1:
            return v @ (weights * turned[0]) @ back
        letters = "abcdefghijklmnopqrstuvwxyz"[: len(ts) + 1]
        pairs = ",".join(f"...{x}{y}" for x, y in pairwise(letters))
        formula = f"...{letters},{pairs}->...{letters[0]}{letters[-1]}"
        middle = sum(np.einsum(formula, weights, *order) for order in permutations(turned))
        return v @ middle @ back

    def shape(self, a: ShapedArray, *ts: ShapedArray, fun: Fun, hermitian: bool) -> ShapedArray:
        rows, n = square("funm", a)
        if any(t.shape != a.shape for t in ts):
            raise ShapeError(message(f"the derivative of funm at {a} along {ts}: they must have one shape."))
        at = ShapedArray((*rows, n), np.dtype(a.dtype.char.lower() if hermitian else np.result_type(a.dtype, 1j)))
        found = trace(lambda w: [fun(w)], [at]).out_avals[0]
        _check_shape(found.shape, at.shape)
        return ShapedArray(a.shape, np.result_type(found.dtype, at.dtype, a.dtype, *[t.dtype for t in ts]))

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[0] and sum(varying) == 1

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        slope = ZERO
        if ts[0] is not ZERO:
            slope = spectral(*xs, _hermitian_part(ts[0]) if params["hermitian"] else ts[0], **params)
        for i, t in enumerate(ts[1:], 1):
            if t is not ZERO:
                along = spectral(*xs[:i], t, *xs[i + 1 :], **params)
                slope = along if slope is ZERO else slope + along
        return slope

    def transpose(self, ct: Array, a: Any, *ts: Any, **params: Any) -> Sequence[Array | None]:
        # tr(C·f(A; T, …)) is symmetric in C and all T.
        given = [matrix_transpose(ct) if is_linear_input(t) else t for t in ts]
        found = matrix_transpose(spectral(a, *given, **params))
        return [None, *[fit(found, t) if is_linear_input(t) else None for t in ts]]


def _hermitian_part(x: Array) -> Array:
    return 0.5 * (x + adjoint(x))


def _check_shape(got: tuple[int, ...], needed: tuple[int, ...]) -> None:
    if got != needed:
        what = f"func of funm must be a function of every element, but of an array of shape {needed} it made {got}."
        raise OutputTypeError(message(what, cure="Write it as NumPy's ufuncs are: funm(a, np.exp)."))


def _values(fun: Fun, x: Array) -> Array:
    out = np.asarray(fun(x))
    _check_shape(shape_of(out), shape_of(x))
    return out


def _divided_differences(fun: Fun, w: Array, order: int) -> Array:
    """g[wᵢ, wⱼ, …] for all combinations of order + 1 points, along as many axes.

    By recursion where points are apart, by a Taylor series where they are close: whichever has the smaller error.
    """
    eps = np.finfo(w.dtype).eps
    lead = w.ndim - 1
    value = _values(fun, w)
    error = eps * np.abs(value)
    for k in range(1, order + 1):
        points = [np.expand_dims(w, tuple(lead + j for j in range(k + 1) if j != i)) for i in range(k + 1)]
        value, error, gap = _quotients(points, value, error, eps, lead)
        reach = _CLOSE * np.abs(w).max(-1, initial=0).reshape(*w.shape[:-1], *(1,) * (k + 1))
        equal = gap == 0
        close = (gap <= reach) & ~equal & ~(error <= _FAIR * eps * np.abs(value))
        for where, terms in ((equal, 0), (close, _TERMS)):
            if where.any():
                chosen = np.stack([np.broadcast_to(x, value.shape)[where] for x in points])
                series, series_error = _taylor(fun, chosen, eps, terms)
                better = series_error < error[where]
                value = value.astype(np.result_type(value, series), copy=False)
                value[where] = np.where(better, series, value[where])
                error[where] = np.where(better, series_error, error[where])
    return value


def _quotients(points: Sequence[Array], value: Array, error: Array, eps: Any, lead: int) -> tuple[Array, Array, Array]:
    """Divided differences from those of one order less, with their errors, by the two points that are farthest
    apart."""
    n, k = points[0].shape[lead], len(points) - 1
    shape = (*points[0].shape[:lead], *(n,) * (k + 1))
    out, bound, gap = np.zeros(shape, value.dtype), np.full(shape, np.inf), np.zeros(shape, error.dtype)
    for p, q in combinations(range(k + 1), 2):
        step = np.broadcast_to(points[q] - points[p], shape)
        farther = np.abs(step) > gap
        safe = np.where(farther, step, 1)
        ahead, behind = np.expand_dims(value, lead + p), np.expand_dims(value, lead + q)
        rounding = eps * (np.abs(ahead) + np.abs(behind))
        errors = np.expand_dims(error, lead + p) + np.expand_dims(error, lead + q) + rounding
        out = np.where(farther, (ahead - behind) / safe, out)
        bound = np.where(farther, errors / np.abs(safe), bound)
        gap = np.where(farther, np.abs(step), gap)
    return out, np.where(np.isnan(bound), np.inf, bound), gap


def _taylor(fun: Fun, points: Array, eps: Any, count: int) -> tuple[Array, Array]:
    """Divided differences of close points, one along the first axis after the other, from the Taylor series at their
    mean: Σ cₖ₊ₘ·hₘ, with the complete homogeneous polynomials hₘ of what the points differ from the mean by, for m up
    to `count`; 0 is enough for equal points."""
    k, center = len(points) - 1, points.mean(0) if count else points[0]
    symmetric = [np.ones_like(center), *[np.zeros_like(center) for _ in range(count)]]
    for x in points - center:
        for m in range(1, count + 1):
            symmetric[m] = symmetric[m] + x * symmetric[m - 1]
    with np.errstate(all="ignore"):  # where the function is not smooth, the quotient is taken
        derivatives = _derivatives(fun, center, k + count)
        terms = [derivatives[k + m - 1] / math.factorial(k + m) * symmetric[m] for m in range(count + 1)]
        out = sum(reversed(terms[:-1]), terms[-1])
        error = eps * np.abs(out)
        if count:
            error = error + np.abs(terms[-1]) + np.abs(terms[-2])
    return out, np.where(np.isfinite(error), error, np.inf)


def _derivatives(fun: Fun, x: Array, order: int) -> Sequence[Array]:
    """Those of a function of every element, from the first on."""
    if order == 1:
        return [_slope(fun)(x)]
    directions = [np.ones_like(x), *[np.zeros_like(x)] * (order - 1)]
    found: Sequence[Array] = jet(fun, (x,), (directions,))[1]
    return found


@lru_cache(maxsize=64)
def _slope(fun: Fun) -> Fun:
    """The derivative at the eigenvalues, which is asked for most often, and always of as many."""
    slope: Fun = jit(lambda x: jvp(fun, (x,), (fnp.ones_like(x),))[1])
    return slope


spectral = Spectral()
