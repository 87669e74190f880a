"""Special functions, of floating-point arrays of one dtype. Derivatives of every order are exact.

SciPy computes the values; it is imported at the first use. Without it there are erf, erfc, erf_inv and lgamma.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message, public
from fgrad.lax.operands import check_kinds, matched, operand, unary
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives import special

__all__ = [
    "bessel_i0e",
    "bessel_i1e",
    "betainc",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "igamma",
    "igamma_grad_a",
    "igammac",
    "lgamma",
    "polygamma",
    "random_gamma_grad",
    "zeta",
]

erf = unary("erf", special.erf, "f")
erfc = unary("erfc", special.erfc, "f")
erf_inv = unary("erf_inv", special.erf_inv, "f")
lgamma = unary("lgamma", special.lgamma, "f")
digamma = unary("digamma", special.digamma, "f")


@public
def igamma(a: Any, x: Any) -> Array:
    """`igamma(a, x)`: P(a, x) = ∫₀ˣ tᵃ⁻¹e⁻ᵗ dt / Γ(a). It has derivatives by both arguments.

    >>> float(igamma(1.0, 0.5).round(6))
    0.393469
    """
    return special.igamma(*matched("igamma", a, x, kinds="f"), order=0)


@public
def igammac(a: Any, x: Any) -> Array:
    """`igammac(a, x)`: Q(a, x) = 1 − P(a, x), accurate where that is small. It has derivatives by both arguments.

    >>> float(igammac(1.0, 0.5).round(6))
    0.606531
    """
    return special.igammac(*matched("igammac", a, x, kinds="f"))


@public
def igamma_grad_a(a: Any, x: Any) -> Array:
    """`igamma_grad_a(a, x)`: the derivative of `igamma` by a.

    >>> float(igamma_grad_a(1.0, 0.5).round(6))
    -0.489458
    """
    return special.igamma(*matched("igamma_grad_a", a, x, kinds="f"), order=1)


@public
def random_gamma_grad(a: Any, x: Any) -> Array:
    """`random_gamma_grad(a, x)`: how a sample x of the gamma distribution moves with its parameter a.

    At a fixed quantile P(a, x), dx/da = −∂P/∂a / ∂P/∂x.

    >>> float(random_gamma_grad(1.0, 0.5).round(6))
    0.806979

    Source: Figurnov, Mohamed, Mnih, "Implicit reparameterization gradients" (2018), equation 7.
    """
    a, x = matched("random_gamma_grad", a, x, kinds="f")
    return -special.igamma(a, x, order=1) / special.gamma_density(a, x)


@public
def betainc(a: Any, b: Any, x: Any) -> Array:
    """`betainc(a, b, x)`: I(x; a, b) = ∫₀ˣ tᵃ⁻¹(1 − t)ᵇ⁻¹ dt / B(a, b). It has derivatives by all three arguments.

    >>> float(betainc(1.0, 2.0, 0.5))
    0.75
    """
    return special.betainc(*matched("betainc", a, b, x, kinds="f"), order=(0, 0))


@public
def polygamma(m: Any, x: Any) -> Array:
    """`polygamma(m, x)`: the m-th derivative of the digamma function at x, for whole numbers m from 0 on.

    It has no derivative by m.

    >>> float(polygamma(1.0, 1.0).round(6))
    1.644934
    """
    order, value = as_operand(m), as_operand(x)
    if aval_of(order).dtype.kind in "iu":
        value = operand(x)
        check_kinds("polygamma", aval_of(value), "f")
        return special.polygamma(order, value)
    order, value = matched("polygamma", m, x, kinds="f")
    if type(order) is not Tracer:
        if np.any(order != np.floor(order)) or np.any(order < 0):
            raise ArgumentError(message(f"lax.polygamma: m is {order}.", cure="It is 0, 1, 2, …"))
        order = as_dtype(order, np.int64)
    return special.polygamma(order, value)


@public
def zeta(x: Any, q: Any) -> Array:
    """`zeta(x, q)`: Hurwitz' ζ(x, q) = Σ (q + k)⁻ˣ for x > 1. It has derivatives by both arguments.

    >>> float(zeta(2.0, 1.0).round(6))
    1.644934
    """
    return special.zeta(*matched("zeta", x, q, kinds="f"), order=0)


@public
def bessel_i0e(x: Any) -> Array:
    """`bessel_i0e(x)`: e^−|x|·I₀(x), the modified Bessel function of order 0, scaled.

    >>> float(bessel_i0e(0.0))
    1.0
    """
    x = operand(x)
    check_kinds("bessel_i0e", aval_of(x), "f")
    return special.bessel_ie(x, order=0)


@public
def bessel_i1e(x: Any) -> Array:
    """`bessel_i1e(x)`: e^−|x|·I₁(x), the modified Bessel function of order 1, scaled.

    >>> float(bessel_i1e(0.0))
    0.0
    """
    x = operand(x)
    check_kinds("bessel_i1e", aval_of(x), "f")
    return special.bessel_ie(x, order=1)
