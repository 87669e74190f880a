"""The gamma function and its kin, ζ, and combinatorics.

Values are those of `scipy.special`, in the precision of the arguments; integers are taken as float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.numpy.dispatch import is_traced
from fgrad.primitives import special, special_gamma, special_inverse
from fgrad.primitives.comparison import gt, logical_or, lt, select
from fgrad.scipy.special.operands import real, reals

__all__ = [
    "bernoulli",
    "beta",
    "betainc",
    "betaincc",
    "betaincinv",
    "betaln",
    "binom",
    "comb",
    "digamma",
    "factorial",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gammaln",
    "gammasgn",
    "loggamma",
    "multigammaln",
    "poch",
    "polygamma",
    "psi",
    "rgamma",
    "zeta",
]


@public
def gamma(x: Any) -> Array:
    """`gamma(x)`: Γ(x) = ∫₀^∞ tˣ⁻¹e⁻ᵗ dt, continued to negative x.

    >>> float(gamma(4.0).round(6))
    6.0
    """
    return special_gamma.gamma(real(x))


@public
def gammaln(x: Any) -> Array:
    """`gammaln(x)`: log |Γ(x)|.

    >>> float(gammaln(4.0).round(6))
    1.791759
    """
    return special.lgamma(real(x))


@public
def loggamma(x: Any) -> Array:
    """`loggamma(x)`: log Γ(x), for real x ≥ 0; NaN for negative ones.

    >>> float(loggamma(4.0).round(6))
    1.791759
    """
    return special_gamma.loggamma(real(x))


@public
def gammasgn(x: Any) -> Array:
    """`gammasgn(x)`: the sign of Γ(x); its derivative is 0.

    >>> float(gammasgn(-0.5).round(6))
    -1.0
    """
    return special_gamma.gammasgn(real(x))


@public
def rgamma(x: Any) -> Array:
    """`rgamma(x)`: 1/Γ(x), which is 0 at 0, −1, −2, …; its derivatives are exact there.

    >>> float(rgamma(3.0).round(6))
    0.5
    """
    return special_gamma.rgamma(real(x))


@public
def digamma(x: Any) -> Array:
    """`digamma(x)`: ψ(x) = Γ′(x)/Γ(x).

    >>> float(digamma(1.0).round(6))
    -0.577216
    """
    return special.digamma(real(x))


@public
def polygamma(n: Any, x: Any) -> Array:
    """`polygamma(n, x)`: the n-th derivative of ψ at x, for n = 0, 1, 2, …

    It has no derivative by n.

    >>> float(polygamma(1, 1.0).round(6))
    1.644934
    """
    return special.polygamma(*reals(n, x))


@public
def poch(z: Any, m: Any) -> Array:
    """`poch(z, m)`: Pochhammer's symbol Γ(z + m)/Γ(z), the rising factorial.

    >>> float(poch(3.0, 2.0).round(6))
    12.0
    """
    return special_gamma.poch(*reals(z, m))


@public
def beta(a: Any, b: Any) -> Array:
    """`beta(a, b)`: B(a, b) = Γ(a)Γ(b)/Γ(a + b).

    >>> float(beta(2.0, 3.0).round(6))
    0.083333
    """
    return special_gamma.beta(*reals(a, b))


@public
def betaln(a: Any, b: Any) -> Array:
    """`betaln(a, b)`: log |B(a, b)|.

    >>> float(betaln(2.0, 3.0).round(6))
    -2.484907
    """
    return special_gamma.betaln(*reals(a, b))


@public
def betainc(a: Any, b: Any, x: Any) -> Array:
    """`betainc(a, b, x)`: I(x; a, b) = ∫₀ˣ tᵃ⁻¹(1 − t)ᵇ⁻¹ dt / B(a, b).

    It has derivatives of every order by all three arguments.

    >>> float(betainc(1.0, 2.0, 0.5).round(6))
    0.75
    """
    return special.betainc(*reals(a, b, x), order=(0, 0))


@public
def betaincc(a: Any, b: Any, x: Any) -> Array:
    """`betaincc(a, b, x)`: 1 − I(x; a, b), accurate where that is small.

    >>> float(betaincc(1.0, 2.0, 0.5).round(6))
    0.25
    """
    return special_inverse.betaincc(*reals(a, b, x))


@public
def betaincinv(a: Any, b: Any, y: Any) -> Array:
    """`betaincinv(a, b, y)`: the x for which `betainc(a, b, x)` is y.

    >>> float(betaincinv(1.0, 2.0, 0.75).round(6))
    0.5
    """
    return special_inverse.betaincinv(*reals(a, b, y))


@public
def gammainc(a: Any, x: Any) -> Array:
    """`gammainc(a, x)`: P(a, x) = ∫₀ˣ tᵃ⁻¹e⁻ᵗ dt / Γ(a).

    It has derivatives of every order by both arguments.

    >>> float(gammainc(1.0, 0.5).round(6))
    0.393469
    """
    return special.igamma(*reals(a, x), order=0)


@public
def gammaincc(a: Any, x: Any) -> Array:
    """`gammaincc(a, x)`: Q(a, x) = 1 − P(a, x), accurate where that is small.

    >>> float(gammaincc(1.0, 0.5).round(6))
    0.606531
    """
    return special.igammac(*reals(a, x))


@public
def gammaincinv(a: Any, y: Any) -> Array:
    """`gammaincinv(a, y)`: the x for which `gammainc(a, x)` is y.

    >>> float(gammaincinv(2.0, 0.5).round(6))
    1.678347
    """
    return special_inverse.gammaincinv(*reals(a, y))


@public
def gammainccinv(a: Any, y: Any) -> Array:
    """`gammainccinv(a, y)`: the x for which `gammaincc(a, x)` is y.

    >>> float(gammainccinv(2.0, 0.25).round(6))
    2.692635
    """
    return special_inverse.gammainccinv(*reals(a, y))


@public
def binom(n: Any, k: Any) -> Array:
    """`binom(n, k)`: n over k, Γ(n + 1)/(Γ(k + 1)Γ(n − k + 1)), for real numbers.

    >>> float(binom(5.0, 2.0).round(6))
    10.0
    """
    return special_gamma.binom(*reals(n, k))


psi = digamma


@public
def zeta(x: Any, q: Any = None) -> Array:
    """`zeta(x, q)`: Hurwitz' ζ(x, q) = Σ (q + k)⁻ˣ for x > 1; without q, Riemann's ζ(x), continued to x < 1.

    It has derivatives of every order by both arguments.

    >>> float(zeta(2.0).round(6)), float(zeta(2.0, 2.0).round(6))
    (1.644934, 0.644934)
    """
    if q is None:
        return special_gamma.riemann_zeta(real(x), order=0)
    return special.zeta(*reals(x, q), order=0)


@public
def multigammaln(a: Any, d: Any) -> Array:
    """`multigammaln(a, d)`: the logarithm of the multivariate gamma function of dimension d.

    It is d(d − 1)/4·log π + Σ log Γ(a − (j − 1)/2), over j from 1 to d.

    Args:
        a: above (d − 1)/2.
        d: a positive integer.

    Raises:
        ValueError: d is not an integer, or an `a` whose value is known is too small.

    >>> float(multigammaln(3.0, 2).round(6))
    1.550195
    """
    dimension = int(d)
    if dimension != d:
        raise ArgumentError(message(f"multigammaln: d is {d}.", cure="It is a dimension: 1, 2, 3, …"))
    x = real(a)
    if not is_traced(x) and np.any(np.less_equal(x, 0.5 * (dimension - 1))):
        what = f"multigammaln: a is not above (d − 1)/2 = {0.5 * (dimension - 1)} everywhere."
        raise ArgumentError(message(what, cure="The function is defined for such a alone."))
    total = special_gamma.loggamma(x)
    for j in range(2, dimension + 1):
        total = total + special_gamma.loggamma(x - (j - 1) / 2)
    return total + dimension * (dimension - 1) * 0.25 * math.log(math.pi)


@public
def factorial(n: Any, exact: bool = False) -> Any:
    """`factorial(n)`: Γ(n + 1), and 0 for negative n.

    Args:
        n: numbers; integers where the result is exact.
        exact: compute with integers; there is no derivative then, and no tracer may be given.

    >>> float(factorial(5)), factorial(25, exact=True)
    (120.0, 15511210043330985984000000)
    """
    if exact:
        return _exact("factorial", n)
    x = real(n)
    negative = lt(x, 0)
    return select(negative, 0.0, special_gamma.gamma(select(negative, 0.0, x) + 1.0))


@public
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """`comb(N, k)`: the number of ways to choose k of N things; 0 outside 0 ≤ k ≤ N.

    Args:
        N: numbers of things.
        k: numbers of those taken.
        exact: compute with integers; there is no derivative then, and no tracer may be given.
        repetition: a thing may be taken again.

    >>> float(comb(5, 2)), float(comb(5, 2, repetition=True)), comb(100, 50, exact=True) % 1000
    (10.0, 15.0, 256)
    """
    if exact:
        return _exact("comb", N, k, repetition=repetition)
    n, m = reals(N, k)
    if repetition:
        n = n + m - 1
    outside = logical_or(logical_or(gt(m, n), lt(n, 0)), lt(m, 0))
    return select(outside, 0.0, special_gamma.binom(select(outside, 1.0, n), select(outside, 1.0, m)))


@public
def bernoulli(n: int) -> Array:
    """`bernoulli(n)`: Bernoulli's numbers B₀, …, Bₙ.

    >>> [float(b) for b in bernoulli(2).round(6)]
    [1.0, -0.5, 0.166667]
    """
    return special.scipy_function("bernoulli")(n)


def _exact(name: str, *xs: Any, **options: Any) -> Any:
    if is_traced(*xs):
        what = f"{name}(exact=True) computes with integers, not with traced values."
        raise ArgumentError(message(what, cure="Leave `exact` out."))
    return special.scipy_function(name)(*xs, exact=True, **options)
