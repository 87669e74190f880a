"""Powers, roots, exponentials and logarithms; sigmoid curves. Derivatives: Abramowitz & Stegun, chapter 4."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, Sample
from fgrad.primitives.coefficients import (
    Coefficient,
    Constant,
    Series,
    Slopes,
    composed,
    difference,
    exponential,
    half_square,
    integral,
    logarithm,
    real_power,
    square_term,
    times,
)
from fgrad.primitives.comparison import eq, is_inf, logical_and, select
from fgrad.primitives.elementwise import Elementwise, grown, over
from fgrad.primitives.families import complexes, draw, floats

__all__ = [
    "cbrt",
    "exp",
    "exp2",
    "expm1",
    "float_power",
    "ldexp",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logistic",
    "logistic_slope",
    "pow",
    "sqrt",
    "square",
    "tanh",
]


class Exp(Elementwise):
    """`exp(x)`: eˣ."""

    impl, samples = np.exp, (*floats(-3, 3, hard=(0.0, -0.0, -40.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return out

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return exponential(x, out)


class Exp2(Elementwise):
    """`exp2(x)`: 2ˣ."""

    impl, samples = np.exp2, (*floats(-3, 3), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return out * math.log(2)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return exponential(x, out, math.log(2))


class Expm1(Elementwise):
    """`expm1(x)`: eˣ − 1, accurate near 0."""

    impl, samples = np.expm1, (*floats(-3, 3, hard=(0.0, 1e-9, -40.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return exp(x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return exponential(x, exp(x[0]))


class Log(Elementwise):
    """`log(x)`: the natural logarithm."""

    impl, samples = np.log, (*floats(0.5, 3), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return logarithm(x, x[0])


class Log2(Elementwise):
    """`log2(x)`: the logarithm to base 2."""

    impl, samples = np.log2, (*floats(0.5, 3), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, x * math.log(2))

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return logarithm(x, x[0], 1 / math.log(2))


class Log10(Elementwise):
    """`log10(x)`: the logarithm to base 10."""

    impl, samples = np.log10, (*floats(0.5, 3), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, x * math.log(10))

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return logarithm(x, x[0], 1 / math.log(10))


class Log1p(Elementwise):
    """`log1p(x)`: log(1 + x), accurate near 0."""

    impl, samples = np.log1p, (*floats(-0.5, 3, hard=(0.0, 1e-9)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, 1 + x)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return logarithm(x, 1 + x[0])


class Sqrt(Elementwise):
    """`sqrt(x)`: the principal square root. The derivative at 0 is infinite."""

    impl, samples = np.sqrt, (*floats(0.5, 3), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return 0.5 / out

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        y: list[Any] = [out]
        for k in count(1):
            rest = difference(times(x[k], 0.5), half_square(y, k, 1))
            y.append(rest if rest is ZERO else rest / out)
            yield y[k]


class Cbrt(Elementwise):
    """`cbrt(x)`: the real cube root."""

    impl, samples = np.cbrt, floats(0.5, 3, hard=(-2.0, -1.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return over(1, 3 * square(out))


class Square(Elementwise):
    """`square(x)`: x²."""

    impl, samples = np.square, (*floats(-3, 3, hard=(0.0, -0.0)), *complexes())

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return (ts[0] * xs[0]) * 2  # as in Mul

    def derivative(self, out: Array, x: Array) -> Array:
        return 2 * x

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return (square_term(x, k) for k in count(1))


class Tanh(Elementwise):
    """`tanh(x)`: the hyperbolic tangent."""

    impl, samples = np.tanh, (*floats(-3, 3, hard=(0.0, 25.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return 1 - square(out)

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        # y′ = ((1 − y²) / −2)·(−2·x)′: no factor is left for the coefficients of the square.
        y: list[Any] = [out]
        rate: list[Any] = [self.derivative(out, x[0]) * -0.5]
        slopes = Slopes(x, -2.0)
        for k in count(1):
            y.append(integral(slopes, rate, k))
            yield y[k]
            rate.append(half_square(y, k))


class Logistic(Elementwise):
    """`logistic(x)`: 1 / (1 + e⁻ˣ), without overflow; its derivative is `logistic_slope(x)`."""

    samples = floats(-3, 3, hard=(0.0, 30.0, -30.0))

    def impl(self, x: Array, out: Any = None) -> Array:
        dtype = getattr(x, "dtype", None)
        if type(x) is complex or (dtype is not None and dtype.kind == "c"):
            return 1 / (1 + np.exp(-x))
        if dtype is not None and (dtype.kind != "f" or dtype.itemsize < 4):
            narrow = np.exp.resolve_dtypes((dtype, None))[1]
            return self.impl(x.astype(np.result_type(narrow, np.float32))).astype(narrow)
        # eˣ / (1 + eˣ) keeps all digits of small results. From 50 on it is 1 to the last bit, and eˣ may not overflow.
        y = np.minimum(x, 50, out=out)
        if type(y) is not np.ndarray:
            y = np.exp(y)
            return y / (1 + y)
        np.exp(y, out=y)
        return np.divide(y, y + 1, out=y)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return exp.result_dtype(keys, avals)

    def derivative(self, out: Array, x: Array) -> Array:
        return logistic_slope(x)

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return out.dtype.kind == "f" and out.dtype.itemsize >= 4 and avals[0].dtype == out.dtype

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        y: list[Any] = [out]
        rate: list[Any] = [out * logistic(-x[0])]  # y·(1 − y)
        slopes, slant = Slopes(x), 1 - 2 * out
        for k in count(1):
            y.append(integral(slopes, rate, k))
            yield y[k]
            rate.append(difference(times(y[k], slant), times(half_square(y, k, 1), 2.0)))


class LogisticSlope(Elementwise):
    """`logistic_slope(x)`: logistic(x)·logistic(−x) = e⁻ˣ / (1 + e⁻ˣ)², the slope of the logistic curve.

    Its derivative is −logistic_slope(x)·tanh(x/2): no difference of nearly equal numbers arises next to 0.
    """

    samples = floats(-3, 3, hard=(0.0, -0.0, 9.0))

    def impl(self, x: Array, out: Any = None) -> Array:
        if type(x) is not np.ndarray or x.dtype.kind != "f" or not x.shape:
            power = np.exp(-x if np.iscomplexobj(x) else -np.abs(x))
            return power / np.square(1 + power)
        y = np.abs(x, out=out)
        np.exp(np.negative(y, out=y), out=y)
        total = y + 1
        return np.divide(y, np.square(total, out=total), out=y)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return exp.result_dtype(keys, avals)

    def derivative(self, out: Array, x: Array) -> Array:
        return -out * tanh(0.5 * x)

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return out.dtype.kind == "f" and avals[0].dtype == out.dtype


class Pow(Elementwise):
    """`pow(x, y)`: xʸ. ∂x = y·xʸ⁻¹ (0 where both are 0); ∂y = xʸ·log x (0 where x is 0).

    Where both are 0 so are the derivatives of every order."""

    impl, preserves_weak = np.power, True
    samples = (*floats(0.5, 2, 2), *complexes(2), Sample(draw(0.5, 2, (3,)), np.array([0.0, 1.0, 2.0])))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        def by_base() -> Array:
            if type(y) is not Tracer and np.all(y):
                return y * pow(x, y - 1)
            undefined = logical_and(eq(x, 0), eq(y, 0))
            return select(undefined, 0.0, y) * pow(select(undefined, 1.0, x), y - 1)

        def by_exponent() -> Array:
            return log(select(eq(x, 0), 1.0, x)) * out

        return by_base, by_exponent

    def series(self, out: Array, x: Series, y: Series) -> Iterator[Coefficient] | None:
        if not isinstance(y, Constant):
            return None
        base, exponent = x[0], y.value
        value = base.concrete if type(base) is Tracer else base
        if value is not None and np.all(value):
            return (grown(t, out) for t in real_power(x, exponent, out))

        binomials: list[Any] = [1.0]

        def derivative(n: int) -> Coefficient:
            binomials.append(binomials[-1] * ((exponent - (n - 1)) / n))
            ended = eq(binomials[n], 0)  # of an integer power: no power of 0 is taken then
            return binomials[n] * pow(select(ended, 1.0, base), exponent - n)

        return (grown(t, out) for t in composed(x, derivative))


class FloatPower(Pow):
    """`float_power(x, y)`: xʸ in float64 at least; derivatives as those of `pow`."""

    impl: Any = np.float_power
    preserves_weak = False


class Ldexp(Elementwise):
    """`ldexp(x, n)`: x·2ⁿ for integers n."""

    impl = np.ldexp
    samples = (Sample(draw(-3, 3, (2, 3)), np.array([-1, 0, 2])), Sample(np.array([0.0, -0.0]), np.int64(3)))

    def derivative(self, out: Array, x: Array, n: Array) -> Any:
        return lambda: ldexp(1.0, n), 0.0


class Logaddexp(Elementwise):
    """`logaddexp(x, y)`: log(eˣ + eʸ), without overflow."""

    samples = floats(-3, 3, 2, hard=(0.0, 2.0))

    def impl(self, x: Array, y: Array, out: Any = None) -> Array:
        return _large_logaddexp(x, y, out) if np.size(x) + np.size(y) >= _LARGE else np.logaddexp(x, y, out=out)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return np.logaddexp.resolve_dtypes((*[np.dtype(bool) if k is bool else k for k in keys], None))[-1]

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return lambda: _weight(x, y), lambda: _weight(y, x)

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return True


class Logaddexp2(Elementwise):
    """`logaddexp2(x, y)`: log₂(2ˣ + 2ʸ), without overflow."""

    impl = np.logaddexp2
    samples = floats(-3, 3, 2, hard=(0.0, 2.0))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return lambda: _weight(x, y, math.log(2)), lambda: _weight(y, x, math.log(2))


_LARGE = 512
"""From so many elements on, vectorised steps beat `numpy.logaddexp`, which takes 15 ns for each."""


def _large_logaddexp(x: Array, y: Array, out: Any) -> Any:
    if np.result_type(x, y) not in (np.float32, np.float64):
        return np.logaddexp(x, y, out=out)
    with np.errstate(invalid="ignore", under="ignore"):
        gap = np.subtract(x, y)
        np.negative(np.abs(gap, out=gap), out=gap)
        np.log1p(np.exp(gap, out=gap), out=gap)
        same = np.isnan(np.maximum.reduce(gap, axis=None))
    if same:  # the same infinity, or NaN
        return np.logaddexp(x, y, out=out)
    return np.add(np.maximum(x, y, out=out), gap, out=gap if out is None else out)


def _weight(x: Array, y: Array, scale: float = 1.0) -> Array:
    """eˢˣ / (eˢˣ + eˢʸ), also where both are the same infinity: each has half the weight there."""
    if _is_finite_number(x) or _is_finite_number(y):
        gap = x - y
    else:
        same = logical_and(is_inf(x), eq(x, y))
        gap = select(same, 0.0, x) - select(same, 0.0, y)
    return logistic(gap if scale == 1 else scale * gap)


def _is_finite_number(x: Array) -> bool:
    return isinstance(x, (int, float)) and math.isfinite(x)


exp = Exp()
exp2 = Exp2()
expm1 = Expm1()
log = Log()
log2 = Log2()
log10 = Log10()
log1p = Log1p()
sqrt = Sqrt()
cbrt = Cbrt()
square = Square()
tanh = Tanh()
logistic = Logistic()
logistic_slope = LogisticSlope()
pow = Pow()
float_power = FloatPower()
ldexp = Ldexp()
logaddexp = Logaddexp()
logaddexp2 = Logaddexp2()
