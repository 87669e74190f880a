"""Products with logarithms, where 0·log 0 = 0; logits; the transform of Box and Cox. They work without SciPy.

Values are those of `scipy.special`, in the precision of the arguments; integers are taken as float64.
"""

from __future__ import annotations

from typing import Any

from fgrad.core.aval import Array
from fgrad.errors import public
from fgrad.primitives import special_entropy
from fgrad.primitives.exponential import logaddexp, logistic
from fgrad.scipy.special.operands import floating, real, reals

__all__ = [
    "boxcox",
    "boxcox1p",
    "entr",
    "expit",
    "inv_boxcox",
    "inv_boxcox1p",
    "kl_div",
    "log_expit",
    "logit",
    "rel_entr",
    "softplus",
    "xlog1py",
    "xlogy",
]


@public
def expit(x: Any) -> Array:
    """`expit(x)`: the logistic function 1/(1 + e⁻ˣ).

    >>> float(expit(1.0).round(6))
    0.731059
    """
    return logistic(floating(x))


@public
def log_expit(x: Any) -> Array:
    """`log_expit(x)`: log expit(x), accurate where that is tiny.

    >>> float(log_expit(1.0).round(6))
    -0.313262
    """
    return -logaddexp(0, -floating(x))


@public
def logit(x: Any) -> Array:
    """`logit(x)`: log(x/(1 − x)), the inverse of `expit`.

    >>> float(logit(0.75).round(6))
    1.098612
    """
    return special_entropy.logit(real(x))


@public
def softplus(x: Any) -> Array:
    """`softplus(x)`: log(1 + eˣ), without overflow.

    >>> float(softplus(1.0).round(6))
    1.313262
    """
    return logaddexp(0, floating(x))


@public
def xlogy(x: Any, y: Any) -> Array:
    """`xlogy(x, y)`: x·log y; 0 where x is 0, unless y is NaN.

    >>> float(xlogy(2.0, 3.0).round(6))
    2.197225
    """
    return special_entropy.xlogy(*reals(x, y))


@public
def xlog1py(x: Any, y: Any) -> Array:
    """`xlog1py(x, y)`: x·log(1 + y); 0 where x is 0, unless y is NaN.

    >>> float(xlog1py(2.0, 3.0).round(6))
    2.772589
    """
    return special_entropy.xlog1py(*reals(x, y))


@public
def entr(x: Any) -> Array:
    """`entr(x)`: −x·log x; 0 at 0, and −∞ where x is negative.

    >>> float(entr(0.5).round(6))
    0.346574
    """
    return special_entropy.entr(real(x))


@public
def rel_entr(x: Any, y: Any) -> Array:
    """`rel_entr(x, y)`: x·log(x/y); 0 where x = 0 ≤ y, and ∞ outside x ≥ 0, y > 0.

    >>> float(rel_entr(0.5, 0.25).round(6))
    0.346574
    """
    return special_entropy.rel_entr(*reals(x, y))


@public
def kl_div(x: Any, y: Any) -> Array:
    """`kl_div(x, y)`: x·log(x/y) − x + y; y where x = 0 ≤ y, and ∞ outside x ≥ 0, y > 0.

    >>> float(kl_div(0.5, 0.25).round(6))
    0.096574
    """
    return special_entropy.kl_div(*reals(x, y))


@public
def boxcox(x: Any, lmbda: Any) -> Array:
    """`boxcox(x, lmbda)`: (xᵏ − 1)/k for k = lmbda, and log x for k = 0; x ≥ 0.

    >>> float(boxcox(4.0, 0.5).round(6))
    2.0
    """
    return special_entropy.boxcox(*reals(x, lmbda))


@public
def boxcox1p(x: Any, lmbda: Any) -> Array:
    """`boxcox1p(x, lmbda)`: `boxcox(1 + x, lmbda)`, accurate where x is small.

    >>> float(boxcox1p(3.0, 0.5).round(6))
    2.0
    """
    return special_entropy.boxcox1p(*reals(x, lmbda))


@public
def inv_boxcox(y: Any, lmbda: Any) -> Array:
    """`inv_boxcox(y, lmbda)`: the x whose `boxcox(x, lmbda)` is y.

    >>> float(inv_boxcox(2.0, 0.5).round(6))
    4.0
    """
    return special_entropy.inv_boxcox(*reals(y, lmbda))


@public
def inv_boxcox1p(y: Any, lmbda: Any) -> Array:
    """`inv_boxcox1p(y, lmbda)`: the x whose `boxcox1p(x, lmbda)` is y.

    >>> float(inv_boxcox1p(2.0, 0.5).round(6))
    3.0
    """
    return special_entropy.inv_boxcox1p(*reals(y, lmbda))
