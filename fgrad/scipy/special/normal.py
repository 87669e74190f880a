"""The error function and its kin, and the normal distribution.

Values are those of `scipy.special`, in the precision of the arguments; integers are taken as float64.
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives import special, special_normal
from fgrad.scipy.special.operands import real, reals

__all__ = ["dawsn", "erf", "erfc", "erfcinv", "erfcx", "erfi", "erfinv", "log_ndtr", "ndtr", "ndtri", "owens_t", "wofz"]


@public
def erf(x: Any) -> Array:
    """`erf(x)`: 2/√π·∫₀ˣ exp(−t²) dt.

    >>> float(erf(0.5).round(6))
    0.5205
    """
    return special.erf(real(x))


@public
def erfc(x: Any) -> Array:
    """`erfc(x)`: 1 − erf(x), accurate where that is small.

    >>> float(erfc(0.5).round(6))
    0.4795
    """
    return special.erfc(real(x))


@public
def erfcx(x: Any) -> Array:
    """`erfcx(x)`: exp(x²)·erfc(x), without underflow; its derivatives keep all digits.

    >>> float(erfcx(10.0).round(6))
    0.056141
    """
    return special_normal.erfcx(real(x), order=0)


@public
def erfi(x: Any) -> Array:
    """`erfi(x)`: −i·erf(ix) = 2/√π·∫₀ˣ exp(t²) dt.

    >>> float(erfi(0.5).round(6))
    0.614952
    """
    return special_normal.erfi(real(x))


@public
def erfinv(x: Any) -> Array:
    """`erfinv(x)`: the number whose `erf` is x.

    >>> float(erfinv(0.5).round(6))
    0.476936
    """
    return special.erf_inv(real(x))


@public
def erfcinv(x: Any) -> Array:
    """`erfcinv(x)`: the number whose `erfc` is x.

    >>> float(erfcinv(0.5).round(6))
    0.476936
    """
    return special_normal.erfcinv(real(x))


@public
def dawsn(x: Any) -> Array:
    """`dawsn(x)`: Dawson's integral exp(−x²)·∫₀ˣ exp(t²) dt.

    >>> float(dawsn(1.0).round(6))
    0.53808
    """
    return special_normal.dawsn(real(x), order=0)


@public
def ndtr(x: Any) -> Array:
    """`ndtr(x)`: the probability that a standard normal number is below x.

    >>> float(ndtr(1.0).round(6))
    0.841345
    """
    return special_normal.ndtr(real(x))


@public
def ndtri(p: Any) -> Array:
    """`ndtri(p)`: the quantile of the standard normal distribution, the inverse of `ndtr`.

    >>> float(ndtri(0.75).round(6))
    0.67449
    """
    return special_normal.ndtri(real(p))


@public
def log_ndtr(x: Any) -> Array:
    """`log_ndtr(x)`: log ndtr(x), accurate where that is tiny, as its derivatives are.

    >>> float(log_ndtr(-40.0).round(6))
    -804.608442
    """
    return special_normal.log_ndtr(real(x))


@public
def owens_t(h: Any, a: Any) -> Array:
    """`owens_t(h, a)`: Owen's T, ∫₀ᵃ exp(−h²(1 + t²)/2)/(1 + t²) dt / 2π.

    >>> float(owens_t(1.0, 0.5).round(6))
    0.043065
    """
    return special_normal.owens_t(*reals(h, a))


@public
def wofz(z: Any) -> Array:
    """`wofz(z)`: the Faddeeva function exp(−z²)·erfc(−iz), of complex numbers.

    >>> wofz(0j)
    np.complex128(1+0j)
    """
    return special_normal.wofz(as_operand(z))
