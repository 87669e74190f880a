"""Bessel functions. Derivatives are by the argument; by a real order fgrad has none.

Values are those of `scipy.special`, in the precision of the arguments; integers are taken as float64.
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.numpy.joining import stack
from fgrad.primitives import special
from fgrad.primitives.special_bessel import bessel, bessel_ke, bessel_of_order
from fgrad.scipy.special.operands import real, reals

__all__ = [
    "bessel_jn",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kn",
    "kv",
    "kve",
    "y0",
    "y1",
    "yn",
    "yv",
]


@public
def j0(x: Any) -> Array:
    """`j0(x)`: J₀(x), the Bessel function of the first kind, of order 0.

    >>> float(j0(1.0).round(6))
    0.765198
    """
    return bessel_of_order(real(x), kind="j", order=0)


@public
def j1(x: Any) -> Array:
    """`j1(x)`: J₁(x), the Bessel function of the first kind, of order 1.

    >>> float(j1(1.0).round(6))
    0.440051
    """
    return bessel_of_order(real(x), kind="j", order=1)


@public
def y0(x: Any) -> Array:
    """`y0(x)`: Y₀(x), the Bessel function of the second kind, of order 0.

    >>> float(y0(1.0).round(6))
    0.088257
    """
    return bessel_of_order(real(x), kind="y", order=0)


@public
def y1(x: Any) -> Array:
    """`y1(x)`: Y₁(x), the Bessel function of the second kind, of order 1.

    >>> float(y1(1.0).round(6))
    -0.781213
    """
    return bessel_of_order(real(x), kind="y", order=1)


@public
def i0(x: Any) -> Array:
    """`i0(x)`: I₀(x), the modified Bessel function of the first kind, of order 0.

    >>> float(i0(1.0).round(6))
    1.266066
    """
    return bessel_of_order(real(x), kind="i", order=0)


@public
def i1(x: Any) -> Array:
    """`i1(x)`: I₁(x), the modified Bessel function of the first kind, of order 1.

    >>> float(i1(1.0).round(6))
    0.565159
    """
    return bessel_of_order(real(x), kind="i", order=1)


@public
def i0e(x: Any) -> Array:
    """`i0e(x)`: e^−|x|·I₀(x).

    >>> float(i0e(1.0).round(6))
    0.46576
    """
    return special.bessel_ie(real(x), order=0)


@public
def i1e(x: Any) -> Array:
    """`i1e(x)`: e^−|x|·I₁(x).

    >>> float(i1e(1.0).round(6))
    0.20791
    """
    return special.bessel_ie(real(x), order=1)


@public
def k0(x: Any) -> Array:
    """`k0(x)`: K₀(x), the modified Bessel function of the second kind, of order 0.

    >>> float(k0(1.0).round(6))
    0.421024
    """
    return bessel_of_order(real(x), kind="k", order=0)


@public
def k1(x: Any) -> Array:
    """`k1(x)`: K₁(x), the modified Bessel function of the second kind, of order 1.

    >>> float(k1(1.0).round(6))
    0.601907
    """
    return bessel_of_order(real(x), kind="k", order=1)


@public
def k0e(x: Any) -> Array:
    """`k0e(x)`: eˣ·K₀(x).

    >>> float(k0e(1.0).round(6))
    1.144463
    """
    return bessel_ke(real(x), order=0)


@public
def k1e(x: Any) -> Array:
    """`k1e(x)`: eˣ·K₁(x).

    >>> float(k1e(1.0).round(6))
    1.636153
    """
    return bessel_ke(real(x), order=1)


@public
def jv(v: Any, z: Any) -> Array:
    """`jv(v, z)`: Jᵥ(z), the Bessel function of the first kind, of real order.

    It has no derivative by v.

    >>> float(jv(0.5, 1.0).round(6))
    0.671397
    """
    return bessel(*reals(v, z), kind="j")


@public
def yv(v: Any, z: Any) -> Array:
    """`yv(v, z)`: Yᵥ(z), the Bessel function of the second kind, of real order.

    It has no derivative by v.

    >>> float(yv(0.5, 1.0).round(6))
    -0.431099
    """
    return bessel(*reals(v, z), kind="y")


@public
def iv(v: Any, z: Any) -> Array:
    """`iv(v, z)`: Iᵥ(z), the modified Bessel function of the first kind, of real order.

    It has no derivative by v.

    >>> float(iv(0.5, 1.0).round(6))
    0.937675
    """
    return bessel(*reals(v, z), kind="i")


@public
def ive(v: Any, z: Any) -> Array:
    """`ive(v, z)`: e^−|z|·Iᵥ(z).

    It has no derivative by v.

    >>> float(ive(0.5, 1.0).round(6))
    0.344951
    """
    return bessel(*reals(v, z), kind="ie")


@public
def kv(v: Any, z: Any) -> Array:
    """`kv(v, z)`: Kᵥ(z), the modified Bessel function of the second kind, of real order.

    It has no derivative by v.

    >>> float(kv(0.5, 1.0).round(6))
    0.461069
    """
    return bessel(*reals(v, z), kind="k")


@public
def kve(v: Any, z: Any) -> Array:
    """`kve(v, z)`: eᶻ·Kᵥ(z).

    It has no derivative by v.

    >>> float(kve(0.5, 1.0).round(6))
    1.253314
    """
    return bessel(*reals(v, z), kind="ke")


@public
def yn(n: Any, x: Any) -> Array:
    """`yn(n, x)`: Yₙ(x), for whole n.

    It has no derivative by n.

    >>> float(yn(2, 1.0).round(6))
    -1.650683
    """
    return bessel(*reals(n, x), kind="yn")


@public
def kn(n: Any, x: Any) -> Array:
    """`kn(n, x)`: Kₙ(x), for whole n.

    It has no derivative by n.

    >>> float(kn(2, 1.0).round(6))
    1.624839
    """
    return bessel(*reals(n, x), kind="kn")


jn = jv


@public
def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Array:
    """`bessel_jn(z, v=)`: J₀(z), …, Jᵥ(z), stacked along a new first axis.

    Args:
        z: an array.
        v: the last order.
        n_iter: as in JAX, where it is the length of a recurrence; nothing depends on it here.

    >>> bessel_jn([0.0, 1.0], v=1).round(6)
    array([[1.      , 0.765198],
           [0.      , 0.440051]])
    """
    x = real(z)
    return stack([bessel_of_order(x, kind="j", order=n) for n in range(v + 1)])
