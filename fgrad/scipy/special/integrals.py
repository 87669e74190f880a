"""Integrals of elementary functions.

Values are those of `scipy.special`, in the precision of the arguments; integers are taken as float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.primitives import special_integrals
from fgrad.primitives.special import scipy_function
from fgrad.scipy.special.operands import real, reals

__all__ = ["exp1", "expi", "expn", "exprel", "fresnel", "sici", "spence"]


@public
def exp1(x: Any) -> Array:
    """`exp1(x)`: E₁(x) = ∫ₓ^∞ e⁻ᵗ/t dt, for x > 0.

    >>> float(exp1(1.0).round(6))
    0.219384
    """
    return special_integrals.exp1(real(x))


@public
def expi(x: Any) -> Array:
    """`expi(x)`: Ei(x), the principal value of ∫ eᵗ/t dt from −∞ to x.

    >>> float(expi(1.0).round(6))
    1.895118
    """
    return special_integrals.expi(real(x))


@public
def expn(n: Any, x: Any) -> Array:
    """`expn(n, x)`: Eₙ(x) = ∫₁^∞ e⁻ˣᵗ/tⁿ dt, for n = 0, 1, 2, … and x ≥ 0.

    It has no derivative by n.

    >>> float(expn(2, 1.0).round(6))
    0.148496
    """
    return special_integrals.expn(*reals(n, x))


@public
def exprel(x: Any) -> Array:
    """`exprel(x)`: (eˣ − 1)/x, which is 1 at 0.

    >>> float(exprel(1.0).round(6))
    1.718282
    """
    return special_integrals.exprel(real(x), order=0)


@public
def spence(x: Any) -> Array:
    """`spence(x)`: the dilogarithm Li₂(1 − x) = −∫₁ˣ log(t)/(t − 1) dt, for x ≥ 0.

    >>> float(spence(0.5).round(6))
    0.582241
    """
    return special_integrals.spence(real(x))


@public
def fresnel(x: Any) -> tuple[Array, Array]:
    """`fresnel(x)`: Fresnel's integrals S(x) = ∫₀ˣ sin(πt²/2) dt and C(x) = ∫₀ˣ cos(πt²/2) dt.

    >>> [float(v.round(6)) for v in fresnel(1.0)]
    [0.438259, 0.779893]
    """
    if _computed(x):
        return scipy_function("fresnel")(x)  # type: ignore[no-any-return]
    x = real(x)
    return special_integrals.fresnel_s(x), special_integrals.fresnel_c(x)


@public
def sici(x: Any) -> tuple[Array, Array]:
    """`sici(x)`: the sine integral ∫₀ˣ sin(t)/t dt and the cosine integral −∫ₓ^∞ cos(t)/t dt, for real x.

    >>> [float(v.round(6)) for v in sici(1.0)]
    [0.946083, 0.337404]
    """
    if _computed(x):
        return scipy_function("sici")(x)  # type: ignore[no-any-return]
    x = real(x)
    return special_integrals.sine_integral(x), special_integrals.cosine_integral(x)


def _computed(x: Any) -> bool:
    """Whether SciPy computes both results at once: nothing is traced, and it has the precision."""
    return type(x) is np.ndarray and x.dtype.char in "fd"
