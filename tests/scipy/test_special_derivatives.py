"""Derivatives of fgrad.scipy.special against arbitrary precision: small and large arguments, zeros, close to poles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import fgrad
import fgrad.scipy.special as fsp

EPS = float(np.finfo(np.float64).eps)
DIGITS = 85
STEP = mp.mpf(10) ** -20
"""Of the difference quotients in so many digits, relative to the argument: they are right to double precision."""


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    with mp.workdps(DIGITS):
        yield


def nth(f: Callable[..., Any], orders: tuple[int, ...]) -> Callable[..., Any]:
    for position, n in enumerate(orders):
        for _ in range(n):
            f = fgrad.grad(f, position)
    return f


SLOW = {"y0", "y1", "k0", "k1", "k0e", "k1e", "yn", "kn", "expn", "owens_t"}
"""Functions that take mpmath long, in many digits. At arguments around 1 it chooses the step itself, with fewer."""


def exact_derivative(f: Callable[..., Any], xs: tuple[float, ...], orders: tuple[int, ...], name: str = "") -> Any:
    given = [mp.mpf(x) for x in xs]
    if not any(orders):
        return mp.re(f(*given))
    if name in SLOW:
        with mp.workdps(20):
            return mp.re(mp.diff(f, tuple(given), orders) if len(xs) > 1 else mp.diff(f, given[0], orders[0]))
    step = STEP * min([abs(x) for x in given if x], default=1)
    return mp.re(mp.diff(f, tuple(given), orders, h=step) if len(xs) > 1 else mp.diff(f, given[0], orders[0], h=step))


def check(name: str, exact: Callable[..., Any], xs: tuple[float, ...], orders: tuple[int, ...], ulps: float) -> None:
    expected = exact_derivative(exact, xs, orders, name)
    got = float(nth(getattr(fsp, name), orders)(*xs))
    if abs(expected) < mp.mpf(10) ** -12:  # a zero of an odd or even function: nothing is relative to it
        assert abs(got - expected) < 1e-14, (name, xs, orders, got, float(expected))
    else:
        error = abs(got / expected - 1) / EPS
        assert error < ulps, (
            f"derivative {orders} of {name} at {xs}: {got}, not {mp.nstr(expected, 17)}; {error:.3g} ulp"
        )


def ndtr(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def scaled(f: Callable[..., Any], n: int, sign: int) -> Callable[[Any], Any]:
    return lambda x: f(n, x) * mp.exp(sign * abs(x))


def of_order(f: Callable[..., Any], n: int) -> Callable[[Any], Any]:
    return lambda x: f(n, x)


def log_gamma(x: Any) -> Any:
    return mp.log(abs(mp.gamma(x)))


def dawson(x: Any) -> Any:
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


FEW = (64.0, 64.0, 64.0, 64.0)
"""Units in the last place that value and first three derivatives may be wrong by."""

ONE: dict[str, tuple[Callable[[Any], Any], tuple[float, ...], tuple[float, ...]]] = {
    "gamma": (mp.gamma, (1e-8, 0.5, 1.4616, 10.5, 170.0, -1 + 1e-6, -20.3), FEW),
    "gammaln": (log_gamma, (1e-8, 0.5, 1.0, 2.0, 10.5, 1e5, -2.5), FEW),
    "loggamma": (mp.loggamma, (1e-8, 1.0, 2.0, 10.5), FEW),
    "rgamma": (mp.rgamma, (0.0, 1e-8, 0.5, 0.51, 10.5, 100.0, -1.0, -2.0, -2 + 1e-9, -20.3), FEW),
    "digamma": (mp.digamma, (1e-8, 1.0, 10.5, 1e5, -2.5), FEW),
    "zeta": (mp.zeta, (1 + 1e-6, 1.5, 0.5, 1e-9, -2.0, -9.5), (64, 64, 64, 256)),
    "erf": (mp.erf, (-5.0, -1e-10, 0.0, 0.3, 6.0), FEW),
    "erfc": (mp.erfc, (-5.0, -1e-10, 0.0, 0.3, 6.0, 25.0), FEW),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), (-5.0, 0.0, 0.3, 0.99, 1.01, 25.0, 1e4), FEW),
    "erfi": (mp.erfi, (-5.0, -1e-10, 0.3, 25.0), FEW),
    "erfinv": (mp.erfinv, (-0.999, 1e-10, 0.3, 0.9999999), FEW),
    "erfcinv": (lambda x: mp.erfinv(1 - x), (1e-10, 0.3, 1.1, 1.99), (64, 64, 64, 128)),
    "dawsn": (dawson, (0.0, 1e-8, 0.5, 3.0, 7.0, 100.0), (64, 64, 4096, 131072)),
    "ndtr": (ndtr, (-30.0, -5.0, 0.0, 1e-8, 8.0), (512, 64, 64, 64)),
    "ndtri": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), (1e-10, 0.3, 0.9), FEW),
    "log_ndtr": (lambda x: mp.log(ndtr(x)), (-1e4, -40.0, -5.0, 0.0, 1e-8, 5.0, 30.0), FEW),
    "j0": (of_order(mp.besselj, 0), (0.0, 1e-8, 0.5, 50.0), FEW),
    "j1": (of_order(mp.besselj, 1), (0.0, 1e-8, 0.5, 50.0), FEW),
    "y0": (of_order(mp.bessely, 0), (0.5,), FEW),
    "y1": (of_order(mp.bessely, 1), (2.0,), FEW),
    "i0": (of_order(mp.besseli, 0), (-3.0, 0.0, 1e-8, 700.0), FEW),
    "i1": (of_order(mp.besseli, 1), (-3.0, 0.0, 1e-8, 700.0), FEW),
    "k0": (of_order(mp.besselk, 0), (0.5, 500.0), FEW),
    "k1": (of_order(mp.besselk, 1), (500.0,), FEW),
    "i0e": (scaled(mp.besseli, 0, -1), (-3.0, 1e-8, 10.0, 35.0, 1e4), (64, 64, 256, 2048)),
    "i1e": (scaled(mp.besseli, 1, -1), (-3.0, 1e-8, 10.0, 35.0, 1e4), (64, 64, 256, 4096)),
    "k0e": (scaled(mp.besselk, 0, 1), (0.5, 35.0), (64, 64, 512, 4096)),
    "k1e": (scaled(mp.besselk, 1, 1), (5.0,), (64, 64, 512, 4096)),
    "exp1": (mp.e1, (1e-10, 0.5, 50.0, 600.0), FEW),
    "expi": (mp.ei, (-50.0, 1e-10, 0.372, 5.0, 600.0), FEW),
    "exprel": (lambda x: mp.expm1(x) / x if x else mp.mpf(1), (-700.0, -40.0, 1e-10, 0.5, 5.0, 700.0), FEW),
    "spence": (lambda x: mp.polylog(2, 1 - x), (1e-10, 0.3, 1 - 1e-9, 1 + 1e-9, 1.5, 30.0), FEW),
    "logit": (lambda x: mp.log(x / (1 - x)), (1e-100, 1e-10, 0.3, 1 - 1e-10), FEW),
    "log_expit": (lambda x: -mp.log1p(mp.exp(-x)), (-40.0, 1e-9, 10.0), FEW),
    "entr": (lambda x: -x * mp.log(x), (1e-100, 1e-10, 0.7, 1.0, 1e10), FEW),
}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number(name: str) -> None:
    exact, points, allowed = ONE[name]
    for x, (order, ulps) in itertools.product(points, enumerate(allowed)):
        check(name, exact, (x,), (order,), ulps)


def test_pairs_of_integrals() -> None:
    """sici and fresnel, whose derivatives are elementary but for the removable singularity of sin(t)/t."""
    functions = {("sici", 0): mp.si, ("sici", 1): mp.ci, ("fresnel", 0): mp.fresnels, ("fresnel", 1): mp.fresnelc}
    for (name, position), exact in functions.items():
        for x, order in itertools.product((1e-9, 0.7, 3.9, 19.3), range(4)):
            expected = exact_derivative(exact, (x,), (order,))
            got = nth(lambda t, name=name, i=position: getattr(fsp, name)(t)[i], (order,))(x)
            assert float(abs(got - expected)) <= 1e-13 * float(abs(expected)) + 1e-15


def test_bessel_functions_far_out() -> None:
    """Where SciPy's functions of higher order give up, they come from those of order 0 and 1."""
    for name, exact in (("j0", mp.besselj), ("y0", mp.bessely)):
        expected = (exact(2, 1e7) - exact(0, 1e7)) / 2
        assert nth(getattr(fsp, name), (2,))(1e7) == pytest.approx(float(expected), rel=1e-8)
        assert abs(nth(getattr(fsp, name), (2,))(1e10)) < 1e-5
    assert nth(fsp.j0, (2,))(1e-200) == -0.5


def boxcox(x: Any, power: Any) -> Any:
    return mp.expm1(power * mp.log(x)) / power


def owens_t(h: Any, a: Any) -> Any:
    return mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi)


def gamma_quantile(a: Any, p: Any) -> Any:
    return mp.findroot(lambda x: mp.gammainc(a, 0, x, regularized=True) - p, fsp.gammaincinv(float(a), float(p)))


def beta_quantile(a: Any, b: Any, p: Any) -> Any:
    start = fsp.betaincinv(float(a), float(b), float(p))
    return mp.findroot(lambda x: mp.betainc(a, b, 0, x, regularized=True) - p, start)


def relative_entropy(x: Any, y: Any) -> Any:
    return x * mp.log(x / y)


SEVERAL: dict[str, tuple[Callable[..., Any], tuple[tuple[float, ...], ...], int, float]] = {
    "beta": (mp.beta, ((0.5, 0.5), (2.0, 3.0), (30.0, 0.2)), 3, 1024),
    "betaln": (lambda a, b: mp.log(mp.beta(a, b)), ((0.5, 0.5), (2.0, 3.0), (30.0, 0.2)), 3, 512),
    "betainc": (lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), ((0.5, 2.0, 0.3),), 2, 64),
    "betaincc": (lambda a, b, x: mp.betainc(a, b, x, 1, regularized=True), ((3.0, 2.0, 0.9),), 2, 64),
    "betaincinv": (beta_quantile, ((0.7, 2.0, 0.3),), 2, 512),
    "gammainc": (lambda a, x: mp.gammainc(a, 0, x, regularized=True), ((0.5, 2.0), (3.0, 0.1), (10.0, 15.0)), 2, 64),
    "gammaincc": (lambda a, x: mp.gammainc(a, x, regularized=True), ((0.5, 2.0), (3.0, 0.1), (10.0, 15.0)), 2, 64),
    "gammaincinv": (gamma_quantile, ((0.7, 0.3), (5.0, 0.9)), 2, 512),
    "gammainccinv": (lambda a, q: gamma_quantile(a, 1 - q), ((0.7, 0.75),), 2, 512),
    "poch": (mp.rf, ((0.5, 2.0), (-2.0, 4.5), (-0.5, 0.3), (0.0, 2.0), (-1.0, 3.0)), 2, 64),
    "binom": (mp.binomial, ((5.0, 2.0), (3.0, 3.0), (2.0, 4.0), (3.0, -1.0), (4.5, 6.2)), 2, 64),
    "zeta": (mp.zeta, ((1.5, 0.3), (20.0, 1.0)), 2, 64),
    "hyp1f1": (mp.hyp1f1, ((1.0, 2.0, 0.5), (0.3, 1.5, -5.0), (2.5, 0.7, 30.0)), 2, 512),
    "hyp2f1": (mp.hyp2f1, ((1.0, 2.0, 3.0, 0.5), (0.3, 1.5, 0.7, -5.0), (0.5, 0.5, 1.5, 0.9)), 2, 512),
    "xlogy": (lambda x, y: x * mp.log(y), ((2.0, 3.0), (1e-5, 1e-10)), 2, 8),
    "xlog1py": (lambda x, y: x * mp.log1p(y), ((2.0, 3.0), (1e-5, 1e-12)), 2, 8),
    "rel_entr": (relative_entropy, ((2.0, 3.0), (0.5, 0.5 + 1e-9), (1e-5, 1e5)), 2, 8),
    "kl_div": (lambda x, y: relative_entropy(x, y) - x + y, ((2.0, 3.0), (1e-5, 1e5)), 2, 8),
    "boxcox": (boxcox, ((2.0, 0.5), (0.3, 1e-12), (5.0, -2.0)), 3, 8),
    "boxcox1p": (lambda x, k: mp.expm1(k * mp.log1p(x)) / k, ((2.0, 0.5), (-0.3, 1e-12), (1e-9, -2.0)), 3, 8),
    "inv_boxcox": (lambda y, k: (1 + k * y) ** (1 / k), ((2.0, 0.5), (-0.3, 1e-12), (0.2, -2.0)), 3, 8),
    "inv_boxcox1p": (lambda y, k: (1 + k * y) ** (1 / k) - 1, ((2.0, 0.5), (-0.3, 1e-12), (0.2, -2.0)), 3, 8),
    "owens_t": (owens_t, ((1.0, 0.5),), 2, 64),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_functions_of_several_numbers(name: str) -> None:
    exact, points, highest, ulps = SEVERAL[name]
    for xs in points:
        for orders in itertools.product(range(highest + 1), repeat=len(xs)):
            if sum(orders) <= highest:
                check(name, exact, xs, orders, ulps)


BY_ARGUMENT: dict[str, tuple[Callable[..., Any], tuple[tuple[float, float], ...], float]] = {
    "jv": (mp.besselj, ((0.5, 1.0), (2, 1e-8), (0, 0.5), (3.3, 20.0), (-1.5, 2.0)), 128),
    "yv": (mp.bessely, ((0.5, 1.0), (3.3, 20.0)), 64),
    "yn": (mp.bessely, ((1, 2.0),), 64),
    "iv": (mp.besseli, ((0.5, 1.0), (2, 1e-8), (0, 0.5), (3.3, 20.0)), 64),
    "kv": (mp.besselk, ((0.5, 1.0), (3.3, 20.0)), 64),
    "kn": (mp.besselk, ((1, 2.0),), 64),
    "ive": (lambda v, x: mp.besseli(v, x) * mp.exp(-abs(x)), ((0.5, 1.0), (3.3, 20.0)), 16384),
    "kve": (lambda v, x: mp.besselk(v, x) * mp.exp(x), ((0.5, 1.0), (3.3, 20.0)), 512),
    "expn": (mp.expint, ((0, 0.5), (1, 0.5), (2, 1e-5), (3, 5.0), (7, 50.0)), 64),
    "polygamma": (mp.psi, ((0, 0.5), (1, 1e-5), (2, 30.0)), 64),
    "eval_gegenbauer": (lambda n, x: mp.gegenbauer(n, 1.5, x), ((0, 0.3), (1, 0.3), (4, -0.9), (5, 1.0)), 64),
}


@pytest.mark.parametrize("name", BY_ARGUMENT)
def test_functions_with_an_order(name: str) -> None:
    exact, points, ulps = BY_ARGUMENT[name]
    function = getattr(fsp, name)
    for (n, x), order in itertools.product(points, range(4)):
        parameters = (int(n), 1.5) if name == "eval_gegenbauer" else (n,)
        expected = exact_derivative(lambda t, n=n: exact(n, t), (x,), (order,), name)
        got = float(nth(lambda t, p=parameters: function(*p, t), (order,))(x))
        assert abs(got - expected) <= ulps * EPS * abs(expected) + 1e-300, (n, x, order, got, float(expected))


@pytest.mark.parametrize(("m", "v"), [(0, 3), (1, 3), (2, 3), (3, 3), (4, 3), (-1, 2), (-2, 4)])
def test_legendre_functions(m: int, v: int) -> None:
    """Against derivatives of polynomials: P₍ᵥ₎ᵐ(x) = (−1)ᵐ(1 − x²)^(m/2)·dᵐ/dxᵐ Pᵥ(x)."""
    size = abs(m)
    polynomial = np.polynomial.Legendre.basis(v).convert(kind=np.polynomial.Polynomial).deriv(size).coef
    factor = (-1.0) ** size if m >= 0 else math.factorial(v - size) / math.factorial(v + size)

    def exact(x: Any) -> Any:
        return factor * (1 - x * x) ** (mp.mpf(size) / 2) * sum(float(c) * x**k for k, c in enumerate(polynomial))

    for x, order in itertools.product((-0.9, 0.0, 0.4), range(4)):
        got = nth(lambda t: fsp.lpmv(m, v, t), (order,))(x)
        expected = float(exact_derivative(exact, (x,), (order,)))
        assert got == pytest.approx(expected, rel=1e-13, abs=1e-13)
    if size != 1:  # of order 1 the slope is infinite there
        ends = [fgrad.grad(lambda t: fsp.lpmv(m, v, t))(x) for x in (-1.0, 1.0)]
        at_one = 6.0 if m == 0 else float(-2 * factor * np.sum(polynomial)) if size == 2 else 0.0
        assert ends[1] == pytest.approx(at_one, rel=1e-14, abs=1e-14)
        assert abs(ends[0]) == pytest.approx(abs(at_one), rel=1e-14, abs=1e-14)


def test_spherical_harmonics() -> None:
    def exact(n: int, m: int, theta: Any, phi: Any) -> Any:
        c, s = mp.cos(theta), mp.sin(theta)
        known = {
            (1, 1): -mp.sqrt(3 / (8 * mp.pi)) * s * mp.expj(phi),
            (2, 1): -mp.sqrt(15 / (8 * mp.pi)) * s * c * mp.expj(phi),
            (2, -2): mp.sqrt(15 / (32 * mp.pi)) * s * s * mp.expj(-2 * phi),
            (3, 0): mp.sqrt(7 / (16 * mp.pi)) * (5 * c**3 - 3 * c),
        }
        return known[n, m]

    for (n, m), theta in itertools.product([(1, 1), (2, 1), (2, -2), (3, 0)], [0.0, 1e-9, 0.7, math.pi]):
        for orders in [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]:
            for part, exact_part in ((np.real, mp.re), (np.imag, mp.im)):
                got = nth(lambda t, u, n=n, m=m, part=part: part(fsp.sph_harm_y(n, m, t, u)), orders)(theta, 0.4)
                value = lambda t, u, n=n, m=m, part=exact_part: part(exact(n, m, t, u))  # noqa: E731
                expected = (
                    mp.diff(value, (mp.mpf(theta), mp.mpf(0.4)), orders, h=STEP) if any(orders) else value(theta, 0.4)
                )
                assert float(got) == pytest.approx(float(expected), rel=1e-13, abs=1e-14)


def test_the_faddeeva_function_is_holomorphic() -> None:
    z = 0.7 + 0.4j
    w = lambda z: mp.exp(-z * z) * mp.erfc(-1j * z)  # noqa: E731
    first = fgrad.grad(fsp.wofz, holomorphic=True)
    second = fgrad.grad(first, holomorphic=True)
    for f, order in ((first, 1), (second, 2)):
        assert complex(f(z)) == pytest.approx(complex(mp.diff(w, mp.mpc(z), order)), rel=1e-13)


NAN_FREE = {
    **dict.fromkeys(
        ["erf", "erfc", "erfcx", "ndtr", "log_ndtr", "dawsn", "expit", "log_expit", "softplus", "exprel"], ""
    ),
    **dict.fromkeys(["j0", "j1", "i0e", "i1e"], "finite"),
    "rgamma": "right",
    **dict.fromkeys(["k0", "k1", "k0e", "k1e", "exp1", "zeta"], "above"),
}
POINTS = (0.0, -0.0, 5e-324, 1e-300, 1.0, -1.0, 40.0, -40.0, 700.0, -700.0, 1e10, -1e10, 1e300, -1e300, np.inf, -np.inf)


@pytest.mark.parametrize("name", NAN_FREE)
def test_no_nan_out_of_sane_code(name: str) -> None:
    where = NAN_FREE[name]
    for x in POINTS:
        skipped = {
            "finite": np.isinf(x),  # Bessel functions oscillate, or SciPy's value is NaN
            "right": x < -40,  # 1/Γ(x) overflows between the integers
            "above": x < 1e-200 or (name == "zeta" and x <= 1),
        }
        if skipped.get(where, False):
            continue
        with np.errstate(all="ignore"):
            found = [nth(getattr(fsp, name), (n,))(x) for n in range(4)]
        assert not np.isnan(found).any(), (name, x, found)


def test_conventions_at_the_edges() -> None:
    """Where a derivative is infinite, it says so; where a function is constant, it is 0."""
    with np.errstate(all="ignore"):
        assert fgrad.grad(fsp.entr)(0.0) == np.inf
        assert fgrad.grad(fsp.entr)(-1.0) == 0.0
        assert fgrad.grad(fsp.logit)(0.0) == fgrad.grad(fsp.logit)(1.0) == np.inf
        assert fgrad.grad(fsp.xlogy, (0, 1))(0.0, 2.0) == (math.log(2.0), 0.0)
        assert fgrad.grad(fsp.xlogy, (0, 1))(0.0, 0.0) == (-np.inf, 0.0)
        assert fgrad.grad(fgrad.grad(fsp.xlogy, 1), 0)(0.0, 2.0) == 0.5
        assert fgrad.grad(fsp.xlog1py, (0, 1))(0.0, -1.0) == (-np.inf, 0.0)
        assert fgrad.grad(fsp.rel_entr, (0, 1))(0.0, 2.0) == (-np.inf, 0.0)
        assert fgrad.grad(fsp.rel_entr, (0, 1))(-1.0, 2.0) == (0.0, 0.0)
        assert fgrad.grad(fsp.kl_div, (0, 1))(0.0, 2.0) == (-np.inf, 1.0)
        assert fgrad.grad(fsp.kl_div, 1)(0.0, 0.0) == 1.0
        assert fgrad.grad(fsp.boxcox, 1)(0.0, 2.0) == fgrad.grad(fsp.boxcox1p, 1)(-1.0, 2.0) == 0.25
        assert fgrad.grad(fsp.boxcox, 1)(1.0, 0.0) == 0.0
        assert fgrad.grad(fsp.erfinv)(1.0) == fgrad.grad(fsp.ndtri)(0.0) == np.inf
        assert fgrad.grad(fsp.gammaincinv)(2.0, 0.0) == fgrad.grad(fsp.gammaincinv)(2.0, 1.0) == 0.0
        assert fgrad.grad(fsp.betaincinv, 1)(2.0, 3.0, 0.0) == 0.0
        assert fgrad.grad(fsp.gamma)(0.0) == -np.inf
        assert fgrad.grad(fsp.spence)(0.0) == -np.inf
    assert fgrad.grad(fsp.gammasgn)(-0.5) == 0.0
    assert fgrad.grad(fsp.factorial)(-2.5) == 0.0
    assert fgrad.grad(lambda k: fsp.comb(5.0, k))(6.0) == 0.0
    assert fgrad.grad(lambda p: np.sum(fsp.entr(p)))(np.array([0.5, 0.25])).tolist() == [
        -1 + math.log(2),
        -1 + math.log(4),
    ]


def test_taylor_series() -> None:
    out, terms = fgrad.jet(fsp.gamma, (1.5,), ((1.0, 0.0, 0.0),))
    for order, term in enumerate([out, *terms]):
        assert float(term) == pytest.approx(float(mp.diff(mp.gamma, 1.5, order)), rel=1e-12)


@pytest.mark.parametrize("x", [-8.0, 7.1, 8.4])
def test_high_derivatives_of_dawsn_where_its_asymptotic_series_begins(x: float) -> None:
    found, order = fgrad.scipy.special.dawsn, 4
    for _ in range(order):
        found = fgrad.grad(found)
    with mp.workdps(60):
        exact = float(mp.diff(dawson, mp.mpf(x), order))
    assert found(x) == pytest.approx(exact, rel=1e-13)
