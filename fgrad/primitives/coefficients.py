"""Arithmetic of Taylor coefficients.

A series is anything whose entry `k` is the normalised coefficient yₖ = y⁽ᵏ⁾(0) / k! of a value that depends on a
parameter: the value itself for k = 0, `ZERO` where a higher one is known to vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Protocol, TypeAlias

from fgrad.core.aval import Array
from fgrad.core.primitive import ZERO

__all__ = [
    "Coefficient",
    "Constant",
    "Series",
    "Slopes",
    "composed",
    "convolution",
    "coupled",
    "difference",
    "divided",
    "exponential",
    "half_square",
    "integral",
    "logarithm",
    "power",
    "quotient",
    "real_power",
    "square_term",
    "times",
    "total",
]

Coefficient: TypeAlias = Any
"""An array, or `ZERO`."""


class Series(Protocol):
    """The coefficients of a value."""

    def __getitem__(self, k: int, /) -> Any: ...


class Constant:
    """The series of a value that does not vary."""

    __slots__ = ("value",)

    def __init__(self, value: Array) -> None:
        self.value = value

    def __getitem__(self, k: int) -> Any:
        return ZERO if k else self.value


def total(a: Coefficient, b: Coefficient) -> Coefficient:
    """a + b."""
    return b if a is ZERO else a if b is ZERO else a + b


def difference(a: Coefficient, b: Coefficient) -> Coefficient:
    """a − b."""
    return a if b is ZERO else -b if a is ZERO else a - b


def times(a: Coefficient, factor: Any) -> Coefficient:
    """a·factor for a number or an array."""
    if a is ZERO or (type(factor) is float and factor == 1):
        return a
    return -a if type(factor) is float and factor == -1 else a * factor


def convolution(x: Series, y: Series, k: int, low: int = 0, high: int | None = None) -> Coefficient:
    """The sum of xⱼ·yₖ₋ⱼ for j from `low` to `high` (k by default)."""
    out: Any = ZERO
    for j in range(low, (k if high is None else high) + 1):
        a = x[j]
        if a is not ZERO:
            b = y[k - j]
            if b is not ZERO:
                out = a * b if out is ZERO else out + a * b
    return out


def half_square(x: Series, k: int, low: int = 0) -> Coefficient:
    """Half the sum of xⱼ·xₖ₋ⱼ for j from `low` to k − `low`: every pair is multiplied once."""
    out = convolution(x, x, k, low, (k - 1) // 2)
    middle: Any = ZERO if k % 2 or k // 2 < low else x[k // 2]
    return out if middle is ZERO else total(out, middle * (0.5 * middle))


def square_term(x: Series, k: int) -> Coefficient:
    """The k-th coefficient of x²."""
    return times(half_square(x, k), 2.0)


class Slopes:
    """The series factor·k·xₖ, whose entries are computed once: that of factor·t·x′(t)."""

    __slots__ = ("_factor", "_known", "_x")

    def __init__(self, x: Series, factor: float = 1.0) -> None:
        self._x, self._factor = x, factor
        self._known: list[Coefficient] = [ZERO]

    def __getitem__(self, k: int) -> Coefficient:
        known = self._known
        while len(known) <= k:
            n = len(known)
            known.append(times(self._x[n], self._factor * n))
        return known[k]


def divided(a: Coefficient, n: int) -> Coefficient:
    """a / n."""
    return a if n == 1 or a is ZERO else a / n


def integral(slopes: Series, rate: Series, k: int) -> Coefficient:
    """The coefficient yₖ of the y with y′ = rate·x′, where `slopes` are those of x."""
    return times(convolution(slopes, rate, k, 1), 1 / k)


def exponential(x: Series, initial: Array, scale: float = 1.0) -> Iterator[Coefficient]:
    """The coefficients, from the first on, of the y with y′ = scale·y·x′ and y₀ = `initial`.

    Source: Griewank and Walther, Evaluating Derivatives (2008), table 13.2, as all recurrences of this kind.
    """
    y: list[Any] = [initial]
    slopes = Slopes(x, scale)
    for k in count(1):
        y.append(integral(slopes, y, k))
        yield y[k]


def logarithm(x: Series, x0: Array, scale: float = 1.0) -> Iterator[Coefficient]:
    """The coefficients, from the first on, of the y with y′ = scale·x′ / (x0 − x₀ + x)."""
    slopes: list[Any] = [ZERO]
    for k in count(1):
        above = difference(times(x[k], scale), times(convolution(slopes, x, k, 1, k - 1), 1 / k))
        y = above if above is ZERO else above / x0
        slopes.append(times(y, float(k)))
        yield y


def quotient(x: Series, y: Series, out: Array) -> Iterator[Coefficient]:
    """The coefficients, from the first on, of x / y, which is `out` at first."""
    q: list[Any] = [out]
    for k in count(1):
        above = difference(x[k], convolution(y, q, k, 1))
        q.append(above if above is ZERO else above / y[0])
        yield q[k]


def power(x: Series, n: int) -> Series:
    """The series of xⁿ for n ≥ 1, by repeated squaring: exact everywhere, 0 included."""
    out: Series = x
    for bit in bin(n)[3:]:
        out = Product(out, out)
        if bit == "1":
            out = Product(x, out)
    return out


class Product:
    """The series of x·y, whose entries are computed once."""

    __slots__ = ("_known", "_x", "_y")

    def __init__(self, x: Series, y: Series) -> None:
        self._x, self._y = x, y
        self._known: list[Coefficient] = []

    def __getitem__(self, k: int) -> Coefficient:
        known = self._known
        while len(known) <= k:
            n = len(known)
            known.append(square_term(self._x, n) if self._x is self._y else convolution(self._x, self._y, n))
        return known[k]


class Variation:
    """The series of x − x₀."""

    __slots__ = ("_x",)

    def __init__(self, x: Series) -> None:
        self._x = x

    def __getitem__(self, k: int) -> Coefficient:
        return self._x[k] if k else ZERO


def composed(x: Series, derivative: Callable[[int], Coefficient]) -> Iterator[Coefficient]:
    """The coefficients, from the first on, of f(x), where `derivative(n)` is f⁽ⁿ⁾(x₀)/n!; cubic in the order.

    Source: Faà di Bruno, "Note sur une nouvelle formule de calcul différentiel", 1857.
    """
    variation = Variation(x)
    powers: list[Series] = [variation]
    factors: list[Coefficient] = []
    for k in count(1):
        factors.append(derivative(k))
        out: Coefficient = ZERO
        for factor, power_of_x in zip(factors, powers, strict=True):
            term = ZERO if factor is ZERO else power_of_x[k]
            out = total(out, ZERO if term is ZERO else factor * term)
        yield out
        powers.append(Product(powers[-1], variation))


def real_power(x: Series, exponent: Any, out: Array) -> Iterator[Coefficient]:
    """The coefficients, from the first on, of x to a constant exponent, which is `out` at first; x₀ is not 0."""
    y: list[Any] = [out]
    slopes, rises = Slopes(x), Slopes(y)
    for k in count(1):
        above = difference(times(convolution(slopes, y, k, 1), exponent), convolution(x, rises, k, 1, k - 1))
        y.append(above if above is ZERO else above / (k * x[0]))
        yield y[k]


def coupled(x: Series, first: Array, second: Array, sign: int) -> Iterator[tuple[Coefficient, Coefficient]]:
    """The coefficients, from the first on, of the u and v with u′ = v·x′ and v′ = sign·u·x′: (co)sines."""
    u: list[Any] = [first]
    v: list[Any] = [second]
    slopes = Slopes(x)
    for k in count(1):
        rises = integral(slopes, v, k), times(integral(slopes, u, k), float(sign))
        u.append(rises[0])
        v.append(rises[1])
        yield rises
