"""Bessel functions, of real order and of a whole one. Their values are SciPy's.

Derivatives are by the argument, and never divide by it: they are exact at 0.
Source: NIST Digital Library of Mathematical Functions, 10.6.1, 10.29.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.primitive import Sample
from fgrad.primitives.families import draw, floats
from fgrad.primitives.rounding import sign
from fgrad.primitives.special import Special, scipy_function
from fgrad.primitives.special_quotients import scaled_bessel_derivative

__all__ = ["bessel", "bessel_ke", "bessel_of_order"]

_KINDS = ("j", "y", "i", "k")
"""Of the first and second kind, and modified of the first and second kind."""

_GENERAL = {"j": "jv", "y": "yv", "i": "iv", "k": "kv", "ie": "ive", "ke": "kve", "yn": "yn", "kn": "kn"}
"""SciPy's functions of real order; "ie" and "ke" are scaled by e^−|x| and eˣ, yn and kn are programs for whole ones."""

_SINGLE = {"j": "j{}", "y": "y{}", "i": "i{}", "k": "k{}"}


def _slope(kind: str, out: Array, x: Array, near: Callable[[int], Array]) -> Array:
    """The derivative by x, given the functions whose orders are one less and one more."""
    below, above = near(-1), near(1)
    if kind in ("j", "y", "yn"):
        return 0.5 * (below - above)
    mean = 0.5 * (below + above)
    if kind == "ie":
        return mean - sign(x) * out
    return mean if kind == "i" else out - mean if kind == "ke" else -mean


class Bessel(Special):
    """`bessel(v, x, kind=)`: a Bessel function of real order v; it has a derivative by x."""

    whole = ("v",)

    samples = tuple(
        sample
        for kind in _GENERAL
        for sample in (
            Sample(np.array([[0], [3]]), draw(0.5, 4, (2, 3)), kind=kind),
            Sample(np.int64(2), draw(0.5, 4), kind=kind),
            Sample(np.array([0, 1, 3]), np.array([0.01, 2.0, 20.0]), kind=kind),
        )
    )

    def compute(self, *xs: Any, kind: str) -> Any:
        return scipy_function(_GENERAL[kind])(*xs)

    def described(self, params: dict[str, Any]) -> str:
        return _GENERAL[params["kind"]]

    def derivative(self, out: Array, v: Array, x: Array, *, kind: str) -> Any:
        return 0.0, lambda: _slope(kind, out, x, lambda step: bessel(v + step, x, kind=kind))


_LARGE = 1e6
"""From here on SciPy's functions of higher order lose digits, and fail in the end."""

_TINY = 1e-160
"""Up to here a function of order 2 and more, of the first kind, is 0; SciPy's fail."""


def _upwards(kind: str, x: Any, order: int) -> Any:
    """From the orders 0 and 1 on, which is stable where x is larger than the order (DLMF 10.6.1, 10.29.1)."""
    below, current = [scipy_function(_SINGLE[kind].format(n))(x) for n in (0, 1)]
    turn = 1 if kind == "k" else -1
    for n in range(1, order):
        below, current = current, turn * below + (2 * n / x) * current
    return current


class BesselOfOrder(Special):
    """`bessel_of_order(x, kind=, order=)`: a Bessel function of a whole order."""

    samples = tuple(
        Sample(*sample.args, kind=kind, order=order)
        for kind in _KINDS
        for order in (0, 1)
        for sample in floats(0.5, 4, hard=(0.01, 20.0))[1:]
    )

    def compute(self, *xs: Any, kind: str, order: int) -> Any:
        if order in (0, 1):
            return scipy_function(_SINGLE[kind].format(order))(*xs)
        x = np.asarray(xs[0])
        if kind in ("j", "i"):
            x = np.where(np.abs(x) < _TINY, 0, x)
        out = np.asarray(scipy_function(_GENERAL[kind])(order, x))
        large = np.abs(x) > _LARGE
        if order > 1 and kind != "i" and large.any():
            out[large] = _upwards(kind, x[large], order)
        return out

    def derivative(self, out: Array, x: Array, *, kind: str, order: int) -> Array:
        def near(step: int) -> Array:
            return bessel_of_order(x, kind=kind, order=order + step)

        if order == 0:
            following = near(1)
            return following if kind == "i" else -following
        return _slope(kind, out, x, near)


class BesselKe(Special):
    """`bessel_ke(x, order=, times=)`: eˣ·Kₙ(x), of a whole order n; `times` is how often it is derived."""

    samples = tuple(
        Sample(*s.args, order=n, times=k) for n, k in ((0, 0), (1, 0), (0, 1)) for s in floats(0.5, 5, hard=(0.1, 35.0))
    )

    def compute(self, *xs: Any, order: int, times: int = 0) -> Any:
        (x,) = xs
        if times:
            return scaled_bessel_derivative(lambda n, x: self.compute(x, order=n), x, order, times, -1)
        return scipy_function(f"k{order}e")(x) if order < 2 else scipy_function("kve")(order, x)

    def derivative(self, out: Array, x: Array, *, order: int, times: int = 0) -> Array:
        return bessel_ke(x, order=order, times=times + 1)


bessel_ke = BesselKe()
bessel = Bessel()
bessel_of_order = BesselOfOrder()
