"""Hypergeometric functions, Legendre functions and spherical harmonics.

Values are those of `scipy.special`, in the precision of the arguments; integers are taken as float64.
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, message, public
from fgrad.primitives import special_hypergeometric
from fgrad.scipy.special.operands import reals

__all__ = ["eval_gegenbauer", "hyp1f1", "hyp2f1", "lpmv", "sph_harm_y"]


@public
def hyp1f1(a: Any, b: Any, x: Any) -> Array:
    """`hyp1f1(a, b, x)`: Kummer's function M(a, b, x) = Σ (a)ₖ/((b)ₖ k!)·xᵏ.

    It has derivatives of every order by all three arguments; by a and b while |x| < 709.

    >>> float(hyp1f1(1.0, 2.0, 0.5).round(6))
    1.297443
    """
    return special_hypergeometric.hyp1f1(*reals(a, b, x), order=(0, 0))


@public
def hyp2f1(a: Any, b: Any, c: Any, z: Any) -> Array:
    """`hyp2f1(a, b, c, z)`: Gauss' function F(a, b; c; z) = Σ (a)ₖ(b)ₖ/((c)ₖ k!)·zᵏ.

    It has derivatives of every order by all four arguments; by a, b and c where z < 1.

    >>> float(hyp2f1(1.0, 2.0, 3.0, 0.5).round(6))
    1.545177
    """
    return special_hypergeometric.hyp2f1(*reals(a, b, c, z), order=(0, 0, 0))


@public
def eval_gegenbauer(n: Any, alpha: Any, x: Any) -> Array:
    """`eval_gegenbauer(n, alpha, x)`: the Gegenbauer polynomial of degree n. It has a derivative by x alone.

    >>> float(eval_gegenbauer(3, 1.0, 0.5).round(6))
    -1.0
    """
    return special_hypergeometric.gegenbauer(*reals(n, alpha, x))


@public
def lpmv(m: Any, v: Any, x: Any) -> Array:
    """`lpmv(m, v, x)`: the associated Legendre function of whole order m and degree v, |x| ≤ 1.

    It has a derivative by x alone, at the ends x = ±1 too.

    >>> float(lpmv(1, 2, 0.5).round(6))
    -1.299038
    """
    return special_hypergeometric.lpmv(*reals(m, v, x))


@public
def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, diff_n: None = None, n_max: int | None = None) -> Array:
    """`sph_harm_y(n, m, theta, phi)`: the spherical harmonic of degree n and order m, a complex number.

    Args:
        n: degrees, integers from 0 on.
        m: orders, integers.
        theta: polar angles, from 0 to π.
        phi: azimuths.
        diff_n: not taken: differentiate, by `theta` and `phi`.
        n_max: as in JAX, where it bounds the degrees; nothing depends on it here.

    >>> complex(sph_harm_y(1, 0, 0.0, 0.0).round(6))
    (0.488603+0j)
    """
    if diff_n is not None:
        what = "sph_harm_y does not take `diff_n`."
        raise ArgumentError(message(what, cure="Differentiate by theta and phi: fgrad.jvp, fgrad.jacfwd."))
    xs = reals(n, m, theta, phi)
    for name, x in zip("nm", xs, strict=False):
        if aval_of(x).dtype.kind not in "biu":
            raise ArgumentError(message(f"sph_harm_y: {name} is {aval_of(x)}.", cure="It takes whole numbers there."))
    return special_hypergeometric.sph_harm_y(*xs)
