"""Quantiles: the inverses of the incomplete gamma and beta functions. Their values are SciPy's.

A quantile x(p) obeys P(x(p)) = p: its derivatives are those of P, by the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.core.aval import Array
from fgrad.core.primitive import Sample
from fgrad.primitives.comparison import gt, logical_and, lt, select
from fgrad.primitives.families import draw
from fgrad.primitives.special import Special, beta_density, betainc, gamma_density, igamma

__all__ = ["betaincc", "betaincinv", "gammainccinv", "gammaincinv"]


class Betaincc(Special):
    """`betaincc(a, b, x)`: 1 − I(x; a, b), accurate where that is small."""

    function = "betaincc"
    samples = (
        Sample(draw(0.5, 4, (2, 1)), draw(0.5, 4), draw(0.1, 0.9, (2, 2))),
        Sample(draw(1, 4), draw(1, 4), draw(0.1, 0.9)),
        Sample(draw(1, 4, (0,)), draw(1, 4), draw(0.1, 0.9)),
    )

    def derivative(self, out: Array, a: Array, b: Array, x: Array) -> Any:
        return (
            lambda: -betainc(a, b, x, order=(1, 0)),
            lambda: -betainc(a, b, x, order=(0, 1)),
            lambda: -beta_density(a, b, x),
        )


def _implicit(inside: Array, slope: Callable[[Array], Array], out: Array, inner: float) -> Array:
    """A slope, computed where `inside` holds; the ends of the range do not move."""
    return select(inside, slope(select(inside, out, inner)), 0.0)


class Gammaincinv(Special):
    """`gammaincinv(a, p)`: the x for which `gammainc(a, x)` is p."""

    function, sign = "gammaincinv", 1
    samples = (
        Sample(draw(0.5, 4, (2, 1)), draw(0.1, 0.9, (2, 3))),
        Sample(draw(1, 4), draw(0.1, 0.9)),
        Sample(draw(1, 4, (0,)), draw(0.1, 0.9)),
    )

    def derivative(self, out: Array, a: Array, p: Array) -> Any:
        inside = logical_and(gt(out, 0), lt(out, float("inf")))
        return (
            lambda: _implicit(inside, lambda x: -igamma(a, x, order=1) / gamma_density(a, x), out, 1.0),
            lambda: self.sign / gamma_density(a, out),
        )


class Gammainccinv(Gammaincinv):
    """`gammainccinv(a, q)`: the x for which `gammaincc(a, x)` is q."""

    function, sign = "gammainccinv", -1


class Betaincinv(Special):
    """`betaincinv(a, b, p)`: the x for which `betainc(a, b, x)` is p."""

    function = "betaincinv"
    samples = (
        Sample(draw(0.5, 4, (2, 1)), draw(0.5, 4), draw(0.1, 0.9, (2, 2))),
        Sample(draw(1, 4), draw(1, 4), draw(0.1, 0.9)),
        Sample(draw(1, 4, (0,)), draw(1, 4), draw(0.1, 0.9)),
    )

    def derivative(self, out: Array, a: Array, b: Array, p: Array) -> Any:
        inside = logical_and(gt(out, 0), lt(out, 1))

        def by(order: tuple[int, int]) -> Array:
            return _implicit(inside, lambda x: -betainc(a, b, x, order=order) / beta_density(a, b, x), out, 0.5)

        return lambda: by((1, 0)), lambda: by((0, 1)), lambda: 1 / beta_density(a, b, out)


betaincc = Betaincc()
gammaincinv = Gammaincinv()
gammainccinv = Gammainccinv()
betaincinv = Betaincinv()
