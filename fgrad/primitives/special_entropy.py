"""Products with logarithms, with the limit 0·log 0 = 0; the logit; and the transform of Box and Cox.

Values are SciPy's where it is installed, and NumPy's otherwise, which may differ in the last digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.primitive import Sample
from fgrad.primitives.comparison import eq, ge, gt, logical_and, lt, select
from fgrad.primitives.exponential import exp, log, log1p, pow, square
from fgrad.primitives.families import floats
from fgrad.primitives.rounding import absolute
from fgrad.primitives.special import Special, without_scipy
from fgrad.primitives.special_integrals import exprel, log1p_quotient
from fgrad.primitives.special_quotients import exprel_derivative

__all__ = [
    "boxcox",
    "boxcox1p",
    "entr",
    "inv_boxcox",
    "inv_boxcox1p",
    "kl_div",
    "logit",
    "rel_entr",
    "xlog1py",
    "xlogy",
]


class Logit(Special):
    """`logit(x)`: log(x/(1 − x))."""

    function, samples = "logit", floats(0.1, 0.9, hard=(0.6, 1e-6))

    def derivative(self, out: Array, x: Array) -> Array:
        return 1 / x + 1 / (1 - x)


class Xlogy(Special):
    """`xlogy(x, y)`: x·log y; 0 where x is 0, unless y is NaN."""

    function, samples = "xlogy", (*floats(0.5, 4, 2), Sample(np.array([0.0, -2.0]), np.array([2.0, 0.5])))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return lambda: log(y), lambda: x / select(logical_and(eq(x, 0), eq(y, 0)), 1.0, y)


class Xlog1py(Special):
    """`xlog1py(x, y)`: x·log(1 + y); 0 where x is 0, unless y is NaN."""

    function, samples = "xlog1py", (*floats(0.5, 4, 2), Sample(np.array([0.0, -2.0]), np.array([2.0, -0.5])))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return lambda: log1p(y), lambda: x / (1 + select(logical_and(eq(x, 0), eq(y, -1)), 0.0, y))


class Entr(Special):
    """`entr(x)`: −x·log x; 0 at 0, and −∞ where x is negative."""

    function, samples = "entr", floats(0.2, 4, hard=(1e-3, 1.0))

    def derivative(self, out: Array, x: Array) -> Array:
        outside = lt(x, 0)
        return select(outside, 0.0, -1 - log(select(outside, 1.0, x)))


class RelEntr(Special):
    """`rel_entr(x, y)`: x·log(x/y); 0 where x = 0 ≤ y, and ∞ outside x ≥ 0, y > 0."""

    function, samples = "rel_entr", (*floats(0.5, 4, 2), Sample(np.array([-1.0, 2.0]), np.array([2.0, 2.0])))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        inside = logical_and(ge(x, 0), gt(y, 0))
        p, q = select(inside, x, 1.0), select(inside, y, 1.0)
        return (
            lambda: select(inside, 1 + _log_ratio(p, q), 0.0),
            lambda: select(inside, -p / q, 0.0),
        )


class KlDiv(Special):
    """`kl_div(x, y)`: x·log(x/y) − x + y; y where x = 0 ≤ y, and ∞ outside x ≥ 0, y > 0."""

    function, samples = "kl_div", (*floats(0.5, 4, 2), Sample(np.array([-1.0, 2.0]), np.array([2.0, 2.0])))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        inside = logical_and(ge(x, 0), gt(y, 0))
        p, q = select(inside, x, 1.0), select(inside, y, 1.0)
        both_zero = logical_and(eq(x, 0), eq(y, 0))
        return (
            lambda: select(inside, _log_ratio(p, q), 0.0),
            lambda: select(both_zero, 1.0, select(inside, select(lt(p, q / 2), 1 - p / q, (q - p) / q), 0.0)),
        )


def _log_ratio(x: Array, y: Array) -> Array:
    """log(x/y), accurate where they are close, and without overflow where they are not."""
    close = lt(absolute(x - y), 0.5 * y)
    near, far = select(close, x, y), select(close, y, x)
    return select(close, log1p((near - y) / y), log(far) - log(y))


class Boxcox(Special):
    """`boxcox(x, lmbda)`: (xᵏ − 1)/k for k = lmbda, and log x for k = 0; for x ≥ 0."""

    function, samples = "boxcox", (*floats(0.2, 3, 2), Sample(np.array([0.5, 1.0, 3.0]), np.array([0.0, 2.0, -1e-9])))

    def derivative(self, out: Array, x: Array, lmbda: Array) -> Any:
        def by_lmbda() -> Array:
            zero = eq(x, 0)
            return _by_power(zero, log(select(zero, 1.0, x)), lmbda)

        return lambda: pow(x, lmbda - 1), by_lmbda


class Boxcox1p(Special):
    """`boxcox1p(x, lmbda)`: `boxcox(1 + x, lmbda)`, accurate where x is small."""

    function = "boxcox1p"
    samples = (*floats(0.2, 3, 2), Sample(np.array([-0.5, 0.0, 3.0]), np.array([0.0, 2.0, -1e-9])))

    def derivative(self, out: Array, x: Array, lmbda: Array) -> Any:
        def by_lmbda() -> Array:
            zero = eq(x, -1)
            return _by_power(zero, log1p(select(zero, 0.0, x)), lmbda)

        def by_x() -> Array:  # 1 + x rounds
            small = lt(absolute(x), 0.5)
            near, far = select(small, x, 0.0), select(small, 0.0, x)
            return select(small, exp((lmbda - 1) * log1p(near)), pow(1 + far, lmbda - 1))

        return by_x, by_lmbda


def _by_power(at_zero: Array, height: Array, power: Array) -> Array:
    """The derivative of (eʰᵖ − 1)/p by p; 1/p² where h is −∞."""
    ended = logical_and(at_zero, gt(power, 0))
    return select(ended, 1 / square(select(ended, power, 1.0)), square(height) * exprel(height * power, order=1))


class InvBoxcox(Special):
    """`inv_boxcox(y, lmbda)`: the x whose `boxcox(x, lmbda)` is y."""

    function, samples = "inv_boxcox", (*floats(0.2, 3, 2), Sample(np.array([-0.3, 1.0]), np.array([0.0, 1e-9])))

    def derivative(self, out: Array, y: Array, lmbda: Array) -> Any:
        return lambda: out / (1 + lmbda * y), lambda: out * square(y) * log1p_quotient(lmbda * y, order=1)


class InvBoxcox1p(Special):
    """`inv_boxcox1p(y, lmbda)`: the x whose `boxcox1p(x, lmbda)` is y."""

    function, samples = "inv_boxcox1p", (*floats(0.2, 3, 2), Sample(np.array([-0.3, 1.0]), np.array([0.0, 1e-9])))

    def derivative(self, out: Array, y: Array, lmbda: Array) -> Any:
        u = lmbda * y
        return (
            lambda: exp(y * log1p_quotient(u, order=0)) / (1 + u),
            lambda: exp(y * log1p_quotient(u, order=0)) * square(y) * log1p_quotient(u, order=1),
        )


logit = Logit()
xlogy = Xlogy()
xlog1py = Xlog1py()
entr = Entr()
rel_entr = RelEntr()
kl_div = KlDiv()
boxcox = Boxcox()
boxcox1p = Boxcox1p()
inv_boxcox = InvBoxcox()
inv_boxcox1p = InvBoxcox1p()


def _logit(x: Any) -> Any:
    middle = 2 * (x - 0.5)
    central = np.abs(middle) < 0.3
    return np.where(central, np.log1p(middle) - np.log1p(-middle), np.log(x / (1 - x)))


def _with_logarithm(logarithm: Any) -> Any:
    return lambda x, y: np.where((x == 0) & ~np.isnan(y), 0.0, x * logarithm(y))


def _rel_entr(x: Any, y: Any, *, more: bool = False) -> Any:
    inside = (x > 0) & (y > 0)
    p, q = np.where(inside, x, 1.0), np.where(inside, y, 1.0)
    value = p * np.log(p / q) + ((q - p) if more else 0.0)
    edge = np.where((x == 0) & (y >= 0), y if more else 0.0, np.inf)
    return np.where(inside, value, np.where(np.isnan(x) | np.isnan(y), np.nan, edge))


def _quietly(f: Any) -> Any:
    def quiet(*xs: Any) -> Any:
        with np.errstate(all="ignore"):
            return f(*xs)

    return quiet


def _boxcox_of(log_x: Any, lmbda: Any) -> Any:
    return log_x * exprel_derivative(lmbda * log_x, 0)


_FALLBACKS = {
    "logit": _logit,
    "xlogy": _with_logarithm(np.log),
    "xlog1py": _with_logarithm(np.log1p),
    "entr": lambda x: np.where(x < 0, -np.inf, np.where(x == 0, 0.0, -x * np.log(x))),
    "rel_entr": _rel_entr,
    "kl_div": lambda x, y: _rel_entr(x, y, more=True),
    "boxcox": lambda x, k: np.where(x == 0, np.where(k > 0, -1 / k, -np.inf + 0 * k), _boxcox_of(np.log(x), k)),
    "boxcox1p": lambda x, k: np.where(x == -1, np.where(k > 0, -1 / k, -np.inf + 0 * k), _boxcox_of(np.log1p(x), k)),
    "inv_boxcox": lambda y, k: np.where(k == 0, np.exp(y), np.exp(np.log1p(k * y) / k)),
    "inv_boxcox1p": lambda y, k: np.where(k == 0, np.expm1(y), np.expm1(np.log1p(k * y) / k)),
}
without_scipy(**{name: _quietly(f) for name, f in _FALLBACKS.items()})
