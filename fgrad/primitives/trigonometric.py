"""Circular and hyperbolic functions and their inverses. Derivatives: Abramowitz & Stegun, 4.3.105 to 4.6.46."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.primitives.coefficients import Coefficient, Series, coupled
from fgrad.primitives.comparison import eq, select
from fgrad.primitives.elementwise import Elementwise, over
from fgrad.primitives.exponential import sqrt, square, tanh
from fgrad.primitives.families import complexes, floats

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


class Sin(Elementwise):
    """`sin(x)`: the sine of x in radians."""

    impl, samples = np.sin, (*floats(-3, 3, hard=(0.0, -0.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return cos(x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return (s for s, _ in coupled(x, out, cos(x[0]), -1))


class Cos(Elementwise):
    """`cos(x)`: the cosine of x in radians."""

    impl, samples = np.cos, (*floats(-3, 3, hard=(0.0, -0.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return -sin(x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return (c for _, c in coupled(x, sin(x[0]), out, -1))


class Tan(Elementwise):
    """`tan(x)`: the tangent of x in radians."""

    impl, samples = np.tan, (*floats(-1, 1, hard=(0.0, -0.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return 1 + square(out)


class Arcsin(Elementwise):
    """`arcsin(x)`: the inverse sine, in radians."""

    impl, samples = np.arcsin, (*floats(-0.8, 0.8, hard=(0.0,)), *complexes(scale=0.5))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, sqrt(1 - square(x)))


class Arccos(Elementwise):
    """`arccos(x)`: the inverse cosine, in radians."""

    impl, samples = np.arccos, (*floats(-0.8, 0.8, hard=(0.0,)), *complexes(scale=0.5))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(-1, sqrt(1 - square(x)))


class Arctan(Elementwise):
    """`arctan(x)`: the inverse tangent, in radians."""

    impl, samples = np.arctan, (*floats(-3, 3, hard=(0.0,)), *complexes(scale=0.5))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, 1 + square(x))


class Sinh(Elementwise):
    """`sinh(x)`: the hyperbolic sine."""

    impl, samples = np.sinh, (*floats(-3, 3, hard=(0.0,)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return cosh(x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return (s for s, _ in coupled(x, out, cosh(x[0]), 1))


class Cosh(Elementwise):
    """`cosh(x)`: the hyperbolic cosine."""

    impl, samples = np.cosh, (*floats(-3, 3, hard=(0.0,)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return sinh(x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return (c for c, _ in coupled(x, out, sinh(x[0]), 1))


class Arcsinh(Elementwise):
    """`arcsinh(x)`: the inverse hyperbolic sine."""

    impl, samples = np.arcsinh, (*floats(-3, 3, hard=(0.0,)), *complexes(scale=0.5))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, sqrt(1 + square(x)))


class Arccosh(Elementwise):
    """`arccosh(x)`: the inverse hyperbolic cosine."""

    impl, samples = np.arccosh, (*floats(1.5, 3), *complexes(scale=2))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, sqrt(x - 1) * sqrt(x + 1))


class Arctanh(Elementwise):
    """`arctanh(x)`: the inverse hyperbolic tangent."""

    impl, samples = np.arctanh, (*floats(-0.8, 0.8, hard=(0.0,)), *complexes(scale=0.5))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, (1 - x) * (1 + x))


class Arctan2(Elementwise):
    """`arctan2(y, x)`: the angle of the point (x, y). At the origin the derivatives of every order are 0."""

    impl = np.arctan2
    samples = floats(0.5, 3, 2, hard=(-1.0, 2.0))

    def derivative(self, out: Array, y: Array, x: Array) -> Any:
        def radius_squared() -> Array:
            r2 = square(x) + square(y)
            return select(eq(r2, 0), math.inf, r2)

        return lambda: x / radius_squared(), lambda: -y / radius_squared()


class Hypot(Elementwise):
    """`hypot(x, y)`: √(x² + y²), without overflow. At the origin the derivatives of every order are 0."""

    impl = np.hypot
    samples = floats(0.5, 3, 2, hard=(-1.0, 2.0))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        radius = select(eq(out, 0), math.inf, out)
        return lambda: x / radius, lambda: y / radius


class Deg2rad(Elementwise):
    """`deg2rad(x)`: degrees as radians."""

    impl, samples = np.deg2rad, floats(-180, 180)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def derivative(self, out: Array, x: Array) -> float:
        return math.pi / 180


class Rad2deg(Elementwise):
    """`rad2deg(x)`: radians as degrees."""

    impl, samples = np.rad2deg, floats(-3, 3)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def derivative(self, out: Array, x: Array) -> float:
        return 180 / math.pi


sin = Sin()
cos = Cos()
tan = Tan()
arcsin = Arcsin()
arccos = Arccos()
arctan = Arctan()
sinh = Sinh()
cosh = Cosh()
arcsinh = Arcsinh()
arccosh = Arccosh()
arctanh = Arctanh()
arctan2 = Arctan2()
hypot = Hypot()
deg2rad = Deg2rad()
rad2deg = Rad2deg()
