"""Special functions: error, gamma, beta, zeta, Bessel. Their values are SciPy's.

SciPy is imported when a value is needed for the first time. Without it erf, erfc and lgamma are Python's own, and
erf_inv is made of the quantiles of `statistics.NormalDist`.
"""

from __future__ import annotations

import importlib
import math
import statistics
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.errors import MissingExtraError, NonDifferentiableError, ShapeError, message
from fgrad.primitives.comparison import eq, gt, is_inf, logical_or, select
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.exponential import exp, log, log1p, pow, square
from fgrad.primitives.families import draw, floats
from fgrad.primitives.rounding import absolute
from fgrad.primitives.special_quotients import scaled_bessel_derivative
from fgrad.primitives.special_series import beta_derivative, gamma_derivative, zeta_derivative

__all__ = [
    "Special",
    "bell",
    "bessel_ie",
    "betainc",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "gamma_density",
    "igamma",
    "igammac",
    "lgamma",
    "polygamma",
    "scipy_function",
    "without_scipy",
    "zeta",
]

_FALLBACKS: dict[str, Callable[..., Any]] = {}
"""What stands for a function of `scipy.special` where SciPy is missing, for arrays."""


@cache
def scipy_function(name: str) -> Any:
    """A function of `scipy.special`, or what stands for it where SciPy is not installed.

    Raises:
        MissingExtraError: nothing does.
    """
    try:
        return getattr(importlib.import_module("scipy.special"), name)
    except ImportError:
        fallback = _FALLBACKS.get(name)
        if fallback is None:
            what = f"this function needs scipy.special.{name}, and SciPy is not installed."
            raise MissingExtraError(message(what, cure="Install it: pip install 'fgrad[scipy]'.")) from None
        return fallback
    except AttributeError:
        what = f"this function needs scipy.special.{name}, which the SciPy that is installed is too old for."
        raise MissingExtraError(message(what, cure="Upgrade it: pip install -U scipy.")) from None


def without_scipy(**functions: Callable[..., Any]) -> None:
    """Tells what stands for functions of `scipy.special` where SciPy is missing; they take arrays."""
    _FALLBACKS.update(functions)


def _mapped(f: Callable[[float], float], x: Any) -> Any:
    return np.array([f(v) for v in np.ravel(x).tolist()], np.float64).reshape(np.shape(x))


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # poles, and beyond the largest number
        return math.inf


def _erf_inv(x: float) -> float:
    if abs(x) < 1:
        return statistics.NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2)
    return math.copysign(math.inf, x) if abs(x) == 1 else math.nan


without_scipy(
    erf=partial(_mapped, math.erf),
    erfc=partial(_mapped, math.erfc),
    gammaln=partial(_mapped, _lgamma),
    erfinv=partial(_mapped, _erf_inv),
)


class Special(Elementwise):
    """An element-wise function of real numbers, computed in single or double precision."""

    function: str
    """The name of the function in `scipy.special`."""

    whole: tuple[str, ...] = ()
    """The names of its first arguments, where they tell which function it is: whole numbers, as a rule."""

    def impl(self, *xs: Array, **params: Any) -> Array:
        first = xs[0]
        if not params and type(first) is np.ndarray and _one_precision([getattr(x, "dtype", None) for x in xs]):
            ufunc = self._ufunc()
            if ufunc is not None:
                return ufunc(*xs)
        dtype = self._dtype([type(x) if type(x) in _PYTHON else np.asarray(x).dtype for x in xs])
        computed = np.dtype(np.float32) if dtype.char == "e" else dtype
        given = [_wide(np.asarray(x), computed) for x in xs]
        return np.asarray(self.compute(*given, **params)).astype(dtype, copy=False)[()]

    def compute(self, *xs: Any, **params: Any) -> Any:
        """The values at arrays of floating-point numbers, all in one precision, or of integers."""
        return scipy_function(self.function)(*xs)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return self._dtype(keys)

    def _dtype(self, keys: Sequence[Any]) -> np.dtype[Any]:
        named = len(self.whole)
        keys = [*[key for key in keys[:named] if not _is_whole(key)], *keys[named:]]
        dtype = np.result_type(*[key(0) if isinstance(key, type) else key for key in keys])
        if dtype.kind == "c":
            cure = "It takes real numbers."
            raise ShapeError(message(f"`{self.name}` is not defined for {dtype}.", cure=cure))
        return dtype if dtype.kind == "f" else np.dtype(np.float64)

    def jvp(self, *args: Any, **params: Any) -> Array | Zero:
        for name, t in zip(self.whole, args[2], strict=False):
            if t is not ZERO:
                what = f"fgrad has no derivative of {self.described(params)} by {name}."
                raise NonDifferentiableError(message(what, cure=f"Keep it constant, or stop_gradient({name})."))
        return super().jvp(*args, **params)

    def described(self, params: dict[str, Any]) -> str:
        """The name of the function that users know it by."""
        return self.function

    def lower(self, *args: Any, **params: Any) -> str:
        write, names, out = args
        if not params and _one_precision([aval.dtype for aval in write.avals]):
            ufunc = self._ufunc()
            if ufunc is not None:
                return f"{write.constant(ufunc, self.name)}({', '.join(names)}{f', out={out}' if out else ''})"
        return super().lower(*args, **params)

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return not params and _one_precision([aval.dtype for aval in avals]) and self._ufunc() is not None

    def _ufunc(self) -> Any:
        """The ufunc of SciPy that is the whole function for numbers of single or double precision, if there is one."""
        if type(self).compute is not Special.compute:
            return None
        try:
            found = scipy_function(self.function)
        except MissingExtraError:  # it is told when the function is called
            return None
        return found if isinstance(found, np.ufunc) and found.nout == 1 else None


_PYTHON = frozenset({bool, int, float, complex})


def _is_whole(key: Any) -> bool:
    return key in (bool, int) if isinstance(key, type) else key.kind in "iub"


_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def _one_precision(dtypes: Sequence[Any]) -> bool:
    first = dtypes[0]
    return (first is _DOUBLE or first is _SINGLE) and all([dtype is first for dtype in dtypes])


def _wide(x: Any, computed: np.dtype[Any]) -> Any:
    """A number as SciPy is to see it, which computes with short integers in single precision."""
    if x.dtype.kind not in "iub":
        return x.astype(computed, copy=False)
    return x.astype(np.float64) if x.dtype.char in "LQ" else x.astype(np.int64, copy=False)


def bell(x: Array) -> Array:
    """exp(−x²), whose derivatives are 0 where it is: no product of 0 with an infinite x."""
    return exp(-square(select(gt(absolute(x), _FAR), _FAR, x)))


_FAR = 64.0
"""exp(−x²) is 0 in every floating-point format from far less on."""


class Erf(Special):
    """`erf(x)`: 2/√π·∫₀ˣ exp(−t²) dt."""

    function, samples = "erf", floats(-3, 3, hard=(0.0, -0.0, 5.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return (2 / math.sqrt(math.pi)) * bell(x)


class Erfc(Special):
    """`erfc(x)`: 1 − erf(x), accurate where that is small."""

    function, samples = "erfc", floats(-3, 3, hard=(0.0, -0.0, 5.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return (-2 / math.sqrt(math.pi)) * bell(x)


class ErfInv(Special):
    """`erf_inv(x)`: the number whose `erf` is x."""

    function, samples = "erfinv", floats(-0.9, 0.9, hard=(0.0, -0.5))

    def derivative(self, out: Array, x: Array) -> Array:
        return (math.sqrt(math.pi) / 2) * exp(square(out))


class Lgamma(Special):
    """`lgamma(x)`: log |Γ(x)|."""

    function, samples = "gammaln", floats(0.5, 5, hard=(1.0, 2.0, -0.5, 30.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return digamma(x)


class Digamma(Special):
    """`digamma(x)`: ψ(x) = Γ′(x)/Γ(x)."""

    function, samples = "digamma", floats(0.5, 5, hard=(1.0, 2.0, -0.5, 30.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return polygamma(1, x)


class Polygamma(Special):
    """`polygamma(n, x)`: the n-th derivative of ψ at x, for integers n from 0 on; it has no derivative by n."""

    function, whole = "polygamma", ("n",)
    samples = (
        Sample(np.array([0, 1, 2, 3]), draw(0.5, 5, (4,))),
        Sample(np.int64(1), draw(0.5, 5, (2, 3))),
        Sample(np.int64(2), draw(0.5, 5)),
        Sample(np.int64(1), draw(0.5, 5, (0,))),
        Sample(np.int64(1), np.array([-0.5, 1.0, 30.0])),
    )

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array | Zero:
        if ts[0] is not ZERO:
            what = "polygamma(n, x) has no derivative by n: it is defined for integers."
            raise NonDifferentiableError(message(what, cure="Take integers, or stop_gradient(n)."))
        return super().jvp(out, xs, ts)

    def derivative(self, out: Array, n: Array, x: Array) -> Any:
        return 0.0, lambda: polygamma(n + 1, x)


class Zeta(Special):
    """`zeta(x, q, order=)`: Hurwitz' ζ(x, q) = Σ (q + k)⁻ˣ, for x > 1; its derivative by x of a given order."""

    function = "zeta"
    samples = (
        *[Sample(draw(1.5, 5, (2, 3)), draw(0.5, 4, (2, 3)), order=n) for n in (0, 1, 2)],
        Sample(draw(2, 4), draw(0.5, 4, (3,)), order=0),
        Sample(draw(2, 4), draw(1, 4), order=0),
        Sample(draw(2, 4, (0,)), draw(1, 4), order=1),
    )

    def compute(self, *xs: Any, order: int = 0) -> Any:
        return zeta_derivative(xs[0], xs[1], order) if order else super().compute(*xs)

    def derivative(self, out: Array, x: Array, q: Array, *, order: int = 0) -> Any:
        def by_q() -> Array:
            further = x * zeta(x + 1, q, order=order)
            return -(further + order * zeta(x + 1, q, order=order - 1)) if order else -further

        return lambda: zeta(x, q, order=order + 1), by_q


class Igamma(Special):
    """`igamma(a, x, order=)`: P(a, x) = ∫₀ˣ tᵃ⁻¹e⁻ᵗ dt / Γ(a); its derivative by a of a given order."""

    function = "gammainc"
    samples = (
        *[Sample(draw(0.5, 4, (2, 3)), draw(0.2, 8, (2, 3)), order=n) for n in (0, 1, 2)],
        Sample(draw(1, 4), draw(0.5, 4, (3,)), order=0),
        Sample(draw(1, 4), draw(1, 4), order=0),
        Sample(draw(1, 4, (0,)), draw(1, 4), order=1),
    )

    def compute(self, *xs: Any, order: int = 0) -> Any:
        if not order:
            return super().compute(*xs)
        return gamma_derivative(xs[0], xs[1], order, scipy_function("gammaln"), scipy_function("polygamma"))

    def derivative(self, out: Array, a: Array, x: Array, *, order: int = 0) -> Any:
        return lambda: igamma(a, x, order=order + 1), lambda: gamma_density(a, x, order)


class Igammac(Special):
    """`igammac(a, x)`: Q(a, x) = 1 − P(a, x), accurate where that is small."""

    function = "gammaincc"
    samples = (
        Sample(draw(0.5, 4, (2, 3)), draw(0.2, 8, (2, 3))),
        Sample(draw(1, 4), draw(0.5, 4, (3,))),
        Sample(draw(1, 4), draw(1, 4)),
        Sample(draw(1, 4, (0,)), draw(1, 4)),
    )

    def derivative(self, out: Array, a: Array, x: Array) -> Any:
        return lambda: -igamma(a, x, order=1), lambda: -gamma_density(a, x)


class Betainc(Special):
    """`betainc(a, b, x, order=)`: I(x; a, b) = ∫₀ˣ tᵃ⁻¹(1 − t)ᵇ⁻¹ dt / B(a, b); its derivative of orders by a and b."""

    function = "betainc"
    samples = (
        Sample(draw(0.5, 4, (2, 3)), draw(0.5, 4, (2, 3)), draw(0.1, 0.9, (2, 3)), order=(0, 0)),
        *[Sample(draw(0.5, 4, (2,)), draw(0.5, 4), draw(0.1, 0.9), order=order) for order in ((1, 0), (0, 1))],
        Sample(draw(1, 4), draw(1, 4), draw(0.1, 0.9, (3,)), order=(0, 0)),
        Sample(draw(1, 4), draw(1, 4), draw(0.1, 0.9), order=(0, 0)),
        Sample(draw(1, 4, (0,)), draw(1, 4), draw(0.1, 0.9), order=(0, 1)),
    )

    def compute(self, *xs: Any, order: tuple[int, int] = (0, 0)) -> Any:
        if order == (0, 0):
            return super().compute(*xs)
        return beta_derivative(xs[0], xs[1], xs[2], order, scipy_function("gammaln"), scipy_function("polygamma"))

    def derivative(self, out: Array, a: Array, b: Array, x: Array, *, order: tuple[int, int] = (0, 0)) -> Any:
        i, j = order
        return (
            lambda: betainc(a, b, x, order=(i + 1, j)),
            lambda: betainc(a, b, x, order=(i, j + 1)),
            lambda: beta_density(a, b, x, order),
        )


class BesselIe(Special):
    """`bessel_ie(x, order=, times=)`: e^−|x|·Iₙ(x), the modified Bessel function of an integer order n, scaled.

    `times` is how often it is derived. The derivative of e^−|x| at 0 is 0.
    """

    function = "ive"
    samples = tuple(
        Sample(*s.args, order=n, times=k)
        for n, k in ((0, 0), (1, 0), (2, 0), (0, 1))
        for s in floats(0.5, 5, hard=(-3.0, 1e-3, 35.0))
    )

    def compute(self, *xs: Any, order: int, times: int = 0) -> Any:
        (x,) = xs
        if times:
            odd = np.where(x < 0, (-1) ** (order + times), 1)
            return odd * scaled_bessel_derivative(lambda n, x: self.compute(x, order=n), np.abs(x), order, times, 1)
        if order < 2:
            return scipy_function(f"i{order}e")(x)
        out = np.array(scipy_function("ive")(order, x))
        large = np.abs(x) > _LARGE
        if np.any(large):
            out[large] = _upwards(x[large], order)
        return out

    def derivative(self, out: Array, x: Array, *, order: int, times: int = 0) -> Array:
        return bessel_ie(x, order=order, times=times + 1)


_LARGE = 1e6
"""From here on SciPy's functions of higher order lose digits, and fail in the end."""


def _upwards(x: Any, order: int) -> Any:
    """The recurrence Iₖ₊₁ = Iₖ₋₁ − (2k/x)·Iₖ, which is stable where x is larger than the order."""
    below, current = scipy_function("i0e")(x), scipy_function("i1e")(x)
    for k in range(1, order):
        below, current = current, below - 2 * k / x * current
    return current


erf = Erf()
erfc = Erfc()
erf_inv = ErfInv()
lgamma = Lgamma()
digamma = Digamma()
polygamma = Polygamma()
zeta = Zeta()
igamma = Igamma()
igammac = Igammac()
betainc = Betainc()
bessel_ie = BesselIe()


def gamma_density(a: Array, x: Array, order: int = 0) -> Array:
    """The derivative of some order by a of xᵃ⁻¹e⁻ˣ/Γ(a), the derivative of `igamma` by x."""
    at_zero = eq(x, 0)
    log_x = log(select(logical_or(at_zero, is_inf(x)), 1.0, x))  # e⁻ˣ outweighs it there
    density = select(
        at_zero,
        pow(select(at_zero, x, 1.0), a - 1) * exp(-lgamma(a)),
        exp((a - 1) * log_x - x - lgamma(a)),
    )
    slopes = {(i, 0): -polygamma(i - 1, a) for i in range(1, order + 1)}
    if order:
        slopes[1, 0] = log_x + slopes[1, 0]
    return density * _exponential_factor(slopes, (order, 0)) if order else density


def beta_density(a: Array, b: Array, x: Array, order: tuple[int, int] = (0, 0)) -> Array:
    """The derivative of some orders by a and b of xᵃ⁻¹(1 − x)ᵇ⁻¹/B(a, b), the derivative of `betainc` by x."""
    ends = eq(x, 0), eq(x, 1)
    log_x, log_y = log(select(ends[0], 1.0, x)), log1p(-select(ends[1], 0.0, x))
    powers = [
        select(end, pow(select(end, v, 1.0), c - 1), exp((c - 1) * log_v))
        for end, v, c, log_v in ((ends[0], x, a, log_x), (ends[1], 1 - x, b, log_y))
    ]
    density = powers[0] * powers[1] * exp(lgamma(a + b) - lgamma(a) - lgamma(b))
    if order == (0, 0):
        return density
    slopes: dict[tuple[int, int], Array] = {}
    for i in range(order[0] + 1):
        for j in range(order[1] + 1):
            if i + j:
                slope = polygamma(i + j - 1, a + b)
                slope = slope if j else slope - polygamma(i - 1, a)
                slopes[i, j] = slope if i else slope - polygamma(j - 1, b)
    if order[0]:
        slopes[1, 0] = slopes[1, 0] + log_x
    if order[1]:
        slopes[0, 1] = slopes[0, 1] + log_y
    return density * _exponential_factor(slopes, order)


def _exponential_factor(slopes: dict[tuple[int, int], Array], order: tuple[int, int]) -> Array:
    """What a derivative of e^g is to be divided by e^g for, given those of g: by the product rule, order by order."""
    known: dict[tuple[int, int], Array] = {(0, 0): 1.0}
    for i in range(order[0] + 1):
        for j in range(order[1] + 1):
            if not i + j:
                continue
            p_range, q_range, step = (range(i), range(j + 1), (1, 0)) if i else (range(1), range(j), (0, 1))
            total: Any = 0.0
            for p in p_range:
                for q in q_range:
                    weight = math.comb(i - step[0], p) * math.comb(j - step[1], q)
                    rest = (i - step[0] - p, j - step[1] - q)
                    total = total + weight * known[rest] * slopes[p + step[0], q + step[1]]
            known[i, j] = total
    return known[order]
