"""Special functions: values of SciPy, derivatives against arbitrary precision, and life without SciPy."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import fgrad
from fgrad import lax
from fgrad.errors import ArgumentError, MissingExtraError, NonDifferentiableError, ShapeError
from fgrad.primitives import special
from tests.lax.modes import check_modes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def digits() -> Any:
    with mpmath.workdps(50):
        yield


def close(got: Any, expected: Any, rtol: float = 1e-11) -> None:
    assert float(got) == pytest.approx(float(expected), rel=rtol, abs=1e-60)


def nth(f: Callable[[Any], Any], n: int) -> Callable[[Any], Any]:
    for _ in range(n):
        f = fgrad.grad(f)
    return f


ONE: dict[str, tuple[Callable[[Any], Any], tuple[float, ...]]] = {
    "erf": (mpmath.erf, (-3.0, -0.1, 0.0, 0.5, 6.0)),
    "erfc": (mpmath.erfc, (-3.0, 0.0, 0.5, 6.0, 20.0)),
    "erf_inv": (mpmath.erfinv, (-0.99, -0.1, 1e-9, 0.5, 0.999)),
    "lgamma": (lambda x: mpmath.log(abs(mpmath.gamma(x))), (0.1, 1.0, 2.0, 7.5, -0.5)),
    "digamma": (mpmath.digamma, (0.1, 1.0, 7.5, 40.0, -0.5)),
    "bessel_i0e": (lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), (-4.0, 0.3, 2.0, 30.0)),
    "bessel_i1e": (lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x), (-4.0, 0.3, 2.0, 30.0)),
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("order", range(4))
def test_functions_of_one_number(name: str, order: int) -> None:
    exact, points = ONE[name]
    for x in points:
        expected = exact(mpmath.mpf(x)) if order == 0 else mpmath.diff(exact, x, order)
        close(nth(getattr(lax, name), order)(x), expected, 1e-9)


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number_in_every_mode(name: str) -> None:
    check_modes(getattr(lax, name), np.array([0.2, 0.7, 0.9]))
    assert getattr(lax, name)(np.float32(0.5)).dtype == np.float32
    assert getattr(lax, name)(np.float16(0.5)).dtype == np.float16
    with pytest.raises(ShapeError, match=rf"lax\.{name} takes floating-point arrays, got i64"):
        getattr(lax, name)(1)


def test_bessel_functions_at_zero() -> None:
    """I₁(x)/x has the limit ½ there: no rule divides by x."""
    assert [nth(lax.bessel_i1e, n)(0.0) for n in (0, 1, 3)] == pytest.approx([0.0, 0.5, 0.375])
    assert fgrad.grad(lax.bessel_i0e)(0.0) == 0.0
    close(fgrad.grad(lax.bessel_i0e)(1e-300), -1.0)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("a", [0.05, 1.0, 3.5, 40.0])
@pytest.mark.parametrize("ratio", [0.01, 0.5, 1.0, 1.3, 3.0])
def test_incomplete_gamma_by_its_parameter(order: int, a: float, ratio: float) -> None:
    x = a * ratio
    expected = mpmath.diff(lambda t: mpmath.gammainc(t, 0, x, regularized=True), a, order)
    if abs(expected) > 1e-20:
        close(nth(lambda t: lax.igamma(t, x), order)(a), expected, 1e-9)
        close(nth(lambda t: lax.igammac(t, x), order)(a), (order == 0) - expected, 1e-9)


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2.0, 3.0), (30.0, 4.0), (0.1, 20.0)])
@pytest.mark.parametrize("x", [1e-3, 0.3, 0.5, 0.9])
def test_incomplete_beta_by_its_parameters(order: tuple[int, int], a: float, b: float, x: float) -> None:
    expected = mpmath.diff(lambda p, q: mpmath.betainc(p, q, 0, x, regularized=True), (a, b), order)
    if abs(expected) > 1e-12:
        close(nth(lambda p: nth(lambda q: lax.betainc(p, q, x), order[1])(b), order[0])(a), expected, 1e-9)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_zeta_by_its_exponent(order: int) -> None:
    for s in (1.001, 1.5, 3.0, 20.0):
        for q in (0.01, 1.0, 30.0):
            close(nth(lambda t, q=q: lax.zeta(t, q), order)(s), mpmath.zeta(s, q, order), 1e-10)


def test_mixed_derivatives() -> None:
    check_modes(lax.igamma, np.array([0.5, 2.0]), np.array([0.7, 1.5]))
    check_modes(lax.igammac, np.array([0.5, 2.0]), np.array([0.7, 1.5]))
    check_modes(lax.zeta, np.array([1.5, 3.0]), np.array([0.7, 2.0]))
    check_modes(lax.betainc, np.array([0.5, 2.0]), np.array([0.7, 2.0]), np.array([0.2, 0.8]))
    check_modes(lambda x: lax.polygamma(np.array([0, 2]), x), np.array([0.7, 2.0]))
    check_modes(lambda x: lax.polygamma(np.array([1.0, 2.0]), x), np.array([0.7, 2.0]))


def test_at_the_ends() -> None:
    assert fgrad.grad(lambda x: lax.igamma(1.0, x))(0.0) == 1.0
    assert fgrad.grad(lambda x: lax.igamma(2.0, x))(0.0) == 0.0
    assert fgrad.grad(fgrad.grad(lambda x: lax.igamma(2.0, x)))(0.0) == 1.0
    assert fgrad.grad(lambda a: lax.igamma(a, 0.0))(2.0) == 0.0
    assert fgrad.grad(lambda x: lax.betainc(1.0, 2.0, x))(0.0) == 2.0
    assert fgrad.grad(lambda x: lax.betainc(1.0, 2.0, x))(1.0) == 0.0
    assert fgrad.grad(lambda a: lax.betainc(a, 2.0, 1.0))(3.0) == 0.0
    assert fgrad.grad(lax.igamma, (0, 1))(3.0, np.inf) == (0.0, 0.0)
    assert math.isnan(lax.igamma_grad_a(-1.0, 2.0))
    assert lax.erf_inv(1.0) == np.inf


@pytest.mark.parametrize("name", ["erf", "erfc", "bessel_i0e", "bessel_i1e"])
def test_far_out_all_is_flat(name: str) -> None:
    for x in (1e155, 1e300, np.inf, -1e155, -np.inf):
        for order in (1, 2, 3):
            assert abs(nth(getattr(lax, name), order)(x)) < 1e-70
    assert math.isnan(fgrad.grad(getattr(lax, name))(np.nan))


def test_bessel_functions_of_higher_order() -> None:
    for x in (1e5, 1e7, -3e8):
        for n in (2, 3, 5):
            expected = mpmath.exp(-abs(x)) * mpmath.besseli(n, x)
            close(special.bessel_ie(x, order=n), expected, 1e-13)


def test_samples_of_the_gamma_distribution_move_with_its_parameter() -> None:
    def quantile(a: Any) -> Any:  # of P(a, x) = ½, by Newton's method in many digits
        return mpmath.findroot(lambda x: mpmath.gammainc(a, 0, x, regularized=True) - 0.5, float(a))

    close(lax.random_gamma_grad(3.0, float(quantile(3.0))), mpmath.diff(quantile, 3.0), 1e-7)
    assert lax.igamma_grad_a(2.0, 1.5) == fgrad.grad(lax.igamma)(2.0, 1.5)


def test_polygamma_has_no_derivative_by_its_order() -> None:
    with pytest.raises(NonDifferentiableError, match=r"polygamma\(n, x\) has no derivative by n(.|\n)*stop_gradient"):
        fgrad.grad(lambda m: lax.polygamma(m, 2.0))(1.0)
    with pytest.raises(NonDifferentiableError, match="has no derivative by n"):
        fgrad.jit(fgrad.grad(lambda m: lax.polygamma(m, 2.0)))(1.0)
    np.testing.assert_allclose(
        fgrad.vmap(lambda m: lax.polygamma(m, 2.0))(np.arange(3.0)),
        [float(mpmath.polygamma(m, 2)) for m in range(3)],
    )
    with pytest.raises(ArgumentError, match=r"lax.polygamma: m is 1.5(.|\n)*It is 0, 1, 2"):
        lax.polygamma(1.5, 2.0)
    close(fgrad.jit(lambda m: lax.polygamma(m, 2.0))(1.0), mpmath.polygamma(1, 2))


def test_one_dtype() -> None:
    with pytest.raises(ShapeError, match=r"lax\.igamma takes arguments of one dtype, got float32, float64"):
        lax.igamma(np.float32(1), np.float64(2))
    assert lax.igamma(np.float32(1), 2.0).dtype == np.float32
    assert fgrad.grad(lax.igamma)(np.float32(1), np.float32(2)).dtype == np.float32


def test_scipy_is_imported_at_the_first_use() -> None:
    code = (
        "import sys, fgrad\n"
        "assert not any(name.split('.')[0] == 'scipy' for name in sys.modules)\n"
        "fgrad.lax.erf(1.0)\n"
        "assert 'scipy.special' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture
def without_scipy(monkeypatch: pytest.MonkeyPatch) -> Any:
    def refused(name: str) -> Any:
        raise ImportError(name)

    special.scipy_function.cache_clear()
    monkeypatch.setattr(importlib, "import_module", refused)
    yield
    special.scipy_function.cache_clear()


@pytest.mark.usefixtures("without_scipy")
def test_what_there_is_without_scipy() -> None:
    x = np.array([[-0.9, 0.1], [0.5, 0.99]])
    for name, exact in (("erf", mpmath.erf), ("erfc", mpmath.erfc), ("erf_inv", mpmath.erfinv)):
        out = getattr(lax, name)(x)
        np.testing.assert_allclose(out, np.vectorize(lambda v, f=exact: float(f(v)))(x), rtol=1e-13)
        assert getattr(lax, name)(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(lax.erf_inv(np.array([-1.0, 1.0, 2.0])), [-np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(lax.lgamma(np.array([0.0, -2.0, 1.0, 1e308])), [np.inf, np.inf, 0.0, np.inf])
    close(fgrad.grad(lax.erf)(0.3), mpmath.diff(mpmath.erf, 0.3))


@pytest.mark.usefixtures("without_scipy")
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: lax.digamma(1.0), "digamma"),
        (lambda: lax.igamma(1.0, 2.0), "gammainc"),
        (lambda: lax.igamma_grad_a(1.0, 2.0), "polygamma"),
        (lambda: lax.betainc(1.0, 2.0, 0.5), "betainc"),
        (lambda: lax.zeta(2.0, 1.0), "zeta"),
        (lambda: lax.bessel_i0e(1.0), "i0e"),
        (lambda: fgrad.grad(lax.lgamma)(2.0), "digamma"),
    ],
)
def test_what_is_missing_without_scipy(call: Any, name: str) -> None:
    with pytest.raises(MissingExtraError, match=rf"(?s)needs scipy\.special\.{name}, .*pip install 'fgrad\[scipy\]'"):
        call()


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(ShapeError, match="`erf` is not defined for complex128"):
        special.erf(np.array(1j))
