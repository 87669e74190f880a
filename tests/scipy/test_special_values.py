"""fgrad.scipy.special has the values of SciPy, to the last bit, in every mode, and the names of JAX and of autograd."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

import fgrad
import fgrad.scipy.special as fsp
from fgrad.errors import ArgumentError, MissingExtraError, NonDifferentiableError, ShapeError
from fgrad.primitives import special
from tests.lax.modes import check_modes

ROOT = Path(__file__).resolve().parents[2]

U = np.array([0.1, 0.3, 0.5, 0.625, 0.9])
P = np.array([0.3, 1.0, 2.5, 7.0, 0.01])
X = np.array([-2.5, -0.3, 0.0, 0.7, 4.0])
N = np.array([0, 1, 2, 3, 2])

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        ["gamma", "gammaln", "gammasgn", "rgamma", "digamma", "psi", "exp1", "entr", "y0", "y1", "sici"], (P,)
    ),
    **dict.fromkeys(["loggamma", "k0", "k1", "k0e", "k1e", "spence", "zeta"], (P + 1,)),
    **dict.fromkeys(["erf", "erfc", "erfcx", "erfi", "dawsn", "ndtr", "log_ndtr", "j0", "j1", "i0", "i1"], (X,)),
    **dict.fromkeys(["i0e", "i1e", "expi", "exprel", "fresnel", "log_expit", "softplus"], (X,)),
    **dict.fromkeys(["erfinv", "erfcinv", "ndtri", "logit"], (U,)),
    **dict.fromkeys(["beta", "betaln", "binom", "poch", "gammainc", "gammaincc", "jv", "jn", "yv"], (P[::-1], P)),
    **dict.fromkeys(["iv", "ive", "kv", "kve", "rel_entr", "kl_div"], (P[::-1], P)),
    **dict.fromkeys(["gammaincinv", "gammainccinv"], (P, U)),
    **dict.fromkeys(["betainc", "betaincc", "betaincinv"], (P, P[::-1], U)),
    **dict.fromkeys(["owens_t", "xlogy"], (X, P)),
    **dict.fromkeys(["polygamma", "expn", "yn", "kn"], (N, P)),
    **dict.fromkeys(["boxcox", "boxcox1p"], (P, X)),
    **dict.fromkeys(["inv_boxcox", "inv_boxcox1p"], (P, P[::-1])),
    "xlog1py": (X, P),
    "factorial": (P,),
    "comb": (P, N.astype(float)),
    "hyp1f1": (P, P[::-1], X),
    "hyp2f1": (P, P[::-1], P + 1, -U),
    "eval_gegenbauer": (N, P, U),
    "lpmv": (N[::-1], N, U),
    "sph_harm_y": (N, N[::-1], P, X),
    "wofz": (X + 1j * P,),
    "multigammaln": (P + 1, 2),
    "bernoulli": (6,),
}
"""Arguments that SciPy takes too."""

CONSTANT = {"bernoulli", "gammasgn"}
WHOLE = {"polygamma", "expn", "yn", "kn", "eval_gegenbauer", "lpmv", "sph_harm_y", "multigammaln"}
"""Functions whose first arguments are whole numbers, which have no derivative."""
BY_ORDER = {"jv", "jn", "yv", "iv", "ive", "kv", "kve"}

JAX = (
    "bernoulli bessel_jn beta betainc betaln boxcox boxcox1p comb dawsn digamma entr erf erfc erfcx erfinv exp1 expi "
    "expit expn factorial fresnel gamma gammainc gammaincc gammaln gammasgn hyp1f1 hyp2f1 i0 i0e i1 i1e kl_div "
    "log_ndtr log_softmax loggamma logit logsumexp multigammaln ndtr ndtri owens_t poch polygamma rel_entr sici "
    "softmax spence sph_harm_y wofz xlog1py xlogy zeta lpmn lpmn_values sph_harm"
)
"""The public names of jax.scipy.special 0.10, and those that it had until 0.9."""

AUTOGRAD = (
    "beta betainc betaln digamma erf erfc erfcinv erfinv expit gamma gammainc gammaincc gammaln gammasgn i0 i1 iv ive "
    "j0 j1 jn logit logsumexp multigammaln polygamma psi rgamma y0 y1 yn"
)
"""What autograd.scipy.special 1.8 differentiates."""

LEFT_OUT = {
    "lpmn": "SciPy 1.17 and JAX have taken it away: lpmv has broadcasting and every derivative by x",
    "lpmn_values": "JAX has taken it away: lpmv has broadcasting and every derivative by x",
    "sph_harm": "SciPy 1.17 and JAX have taken it away for sph_harm_y",
}


def test_coverage() -> None:
    names = {*JAX.split(), *AUTOGRAD.split()}
    assert {name for name in names if not hasattr(fsp, name)} == set(LEFT_OUT)
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())
    elsewhere = {"expit", "bessel_jn", "logsumexp", "softmax", "log_softmax"}  # tested apart
    ours = {name for name in dir(fsp) if getattr(getattr(fsp, name), "__doc__", "") and name.islower()}
    chapters = {"bessel", "entropy", "gamma_", "hypergeometric", "integrals", "normal", "operands"}
    ours = {name for name in ours - chapters if callable(getattr(fsp, name)) and not name.startswith("_")}
    assert ours == {*ARGUMENTS, *elsewhere}


def test_the_rooms_are_imported_when_they_are_used() -> None:
    code = (
        "import sys, fgrad\n"
        "assert 'fgrad.scipy' not in sys.modules\n"
        "fgrad.scipy.special.gamma\n"
        "assert 'scipy' not in sys.modules and 'special' in dir(fgrad.scipy)\n"
        "fgrad.scipy.special.gamma(2.0)\n"
        "assert 'scipy.special' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match=r"module 'fgrad.scipy' has no attribute 'spam'"):
        _ = fgrad.scipy.spam


def as_list(out: Any) -> list[Any]:
    return list(out) if isinstance(out, tuple) else [out]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_values_are_those_of_scipy(name: str) -> None:
    xs = ARGUMENTS[name]
    f = getattr(fsp, name)
    whole = tuple(np.arange(1, 5) for _ in xs) if name not in WHOLE | CONSTANT | {"wofz"} else xs
    for given in (xs, whole):
        with np.errstate(all="ignore"):
            expected = as_list(getattr(scipy.special, name)(*given))
            for x, y in zip(as_list(f(*given)), expected, strict=True):
                assert x.dtype == np.asarray(y).dtype
                # logaddexp is NumPy's; SciPy's log_expit and softplus are others
                check = np.testing.assert_array_equal
                if name in ("log_expit", "softplus", "multigammaln"):
                    check = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-15)  # noqa: E731
                check(x, y)


@pytest.mark.parametrize("name", sorted(set(ARGUMENTS) - {"bernoulli"}))
def test_single_precision_stays(name: str) -> None:
    def narrow(x: Any, dtype: Any) -> Any:
        kind = np.asarray(x).dtype.kind
        return x if kind in "iu" else x.astype(np.complex64 if kind == "c" else dtype)

    for dtype in (np.float32, np.float16):
        xs = [narrow(x, dtype) for x in ARGUMENTS[name]]
        expected = {"wofz": np.complex64, "sph_harm_y": np.complex64}.get(name, dtype)
        with np.errstate(all="ignore"):
            for out in as_list(getattr(fsp, name)(*xs)):
                assert out.dtype == expected
            for out in as_list(fgrad.jit(getattr(fsp, name), static_argnums=(1,) * (name == "multigammaln"))(*xs)):
                assert out.dtype == expected


@pytest.mark.parametrize(
    "name", ["gammaln", "erf", "beta", "hyp1f1", "betainc", "lpmv", "jv", "sici", "comb", "boxcox"]
)
def test_every_mode(name: str) -> None:
    """The walk over the primitives tries every rule; here it is the functions that are made of them."""
    xs = ARGUMENTS[name]
    fixed = {"lpmv": 2, "jv": 1, "comb": 1}.get(name, 0)
    if name == "comb":
        check_modes(lambda n: fsp.comb(n, N), xs[0] + 3.2, order=1)
    else:
        shift = 1e-3 if name == "boxcox" else 0.0
        check_modes(
            lambda *ys: as_list(getattr(fsp, name)(*xs[:fixed], *ys))[0], *[x + shift for x in xs[fixed:]], order=1
        )


def test_compiled_functions_call_scipy_in_place() -> None:
    f = fgrad.jit(lambda x: 2.0 * fsp.gammaln(fsp.erf(x) + 1.0))
    x = np.linspace(0.1, 3, 5)
    np.testing.assert_array_equal(f(x), 2.0 * scipy.special.gammaln(scipy.special.erf(x) + 1.0))
    source = f.lower(x).as_text()
    assert "_erf(x)" in source
    assert "_lgamma(a, out=a)" in source


def test_expit_is_the_logistic_function() -> None:
    x = np.linspace(-40, 40, 1001)
    np.testing.assert_allclose(fsp.expit(x), scipy.special.expit(x), rtol=5e-16)
    assert fsp.expit(0) == 0.5
    assert fsp.expit(np.float32(1)).dtype == np.float32


def test_bessel_jn_stacks_orders() -> None:
    z = np.array([[0.0, 1.0, 7.5]])
    out = fsp.bessel_jn(z, v=3, n_iter=10)
    np.testing.assert_allclose(out, np.stack([scipy.special.jv(n, z) for n in range(4)]), atol=1e-16)
    np.testing.assert_array_equal(fgrad.jit(lambda z: fsp.bessel_jn(z, v=3))(z), out)


def test_sums() -> None:
    x = np.array([[0.0, -np.inf, 1.0], [2.0, 2.0, 5.0]])
    for axis in (None, 0, (0, 1)):
        np.testing.assert_allclose(fsp.softmax(x, axis=axis), scipy.special.softmax(x, axis=axis), rtol=1e-15)
        np.testing.assert_allclose(fsp.log_softmax(x, axis=axis), scipy.special.log_softmax(x, axis=axis), rtol=1e-14)
        np.testing.assert_allclose(fsp.logsumexp(x, axis=axis), scipy.special.logsumexp(x, axis=axis), rtol=1e-15)
    with_sign = fsp.logsumexp(x[1], b=[1.0, -3.0, 0.1], return_sign=True)
    np.testing.assert_allclose(with_sign, scipy.special.logsumexp(x[1], b=[1.0, -3.0, 0.1], return_sign=True))


def test_combinatorics() -> None:
    n, k = np.array([5, 5, 3, -2, 4]), np.array([2, 6, 3, 1, -1])
    np.testing.assert_array_equal(fsp.comb(n, k), [10, 0, 1, 0, 0])
    np.testing.assert_array_equal(fsp.comb(5, k, repetition=True), scipy.special.comb(5, k, repetition=True))
    assert fsp.comb(60, 30, exact=True) == 118264581564861424
    assert fsp.factorial(25, exact=True) == 15511210043330985984000000
    np.testing.assert_array_equal(fsp.factorial(np.array([0.0, -1.0, 4.0])), [1, 0, 24])
    for f in (lambda n: fsp.comb(n, 2, exact=True), lambda n: fsp.factorial(n, exact=True)):
        with pytest.raises(
            ArgumentError, match=r"\(exact=True\) computes with integers, not with traced(.|\n)*Leave `ex"
        ):
            fgrad.jit(f)(3)


def test_arguments_that_mean_nothing() -> None:
    with pytest.raises(ShapeError, match=r"a special function was given str32\[\](.|\n)*It takes numbers"):
        fsp.gamma("a")
    with pytest.raises(ShapeError, match=r"`gamma` is not defined for complex128(.|\n)*It takes real numbers"):
        fsp.gamma(1j)
    with pytest.raises(ShapeError, match=r"shapes \(2,\) and \(3,\) do not broadcast together in `beta`"):
        fgrad.jit(fsp.beta)(np.ones(2), np.ones(3))
    with pytest.raises(ArgumentError, match=r"multigammaln: d is 1.5(.|\n)*It is a dimension"):
        fsp.multigammaln(2.0, 1.5)
    with pytest.raises(ValueError, match=r"a is not above \(d − 1\)/2 = 1.0 everywhere"):
        fsp.multigammaln([2.0, 1.0], 3)
    with pytest.raises(ArgumentError, match=r"sph_harm_y does not take `diff_n`(.|\n)*Differentiate by theta and phi"):
        fsp.sph_harm_y(1, 0, 0.0, 0.0, diff_n=1)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"sph_harm_y: m is f64\[\](.|\n)*It takes whole numbers there"):
        fsp.sph_harm_y(1, 0.5, 0.0, 0.0)


@pytest.mark.parametrize("name", sorted(BY_ORDER | (WHOLE - {"multigammaln", "polygamma", "sph_harm_y"})))
def test_parameters_without_a_derivative(name: str) -> None:
    """As they are whole, or, of Bessel functions, have a derivative that fgrad does not know."""
    rest = [x.astype(float)[1] for x in ARGUMENTS[name]]
    function = "jv" if name == "jn" else name
    with pytest.raises(NonDifferentiableError, match=rf"fgrad has no derivative of {function} by(.|\n)*stop_gradient"):
        fgrad.jacfwd(lambda first: getattr(fsp, name)(first, *rest[1:]))(rest[0])


@pytest.fixture
def without_scipy(monkeypatch: pytest.MonkeyPatch) -> Any:
    imported = importlib.import_module

    def refused(name: str) -> Any:
        if name.partition(".")[0] == "scipy":
            raise ImportError(name)
        return imported(name)

    special.scipy_function.cache_clear()
    monkeypatch.setattr(importlib, "import_module", refused)
    yield
    special.scipy_function.cache_clear()


INDEPENDENT = {
    *("logit", "xlogy", "xlog1py", "entr", "rel_entr", "kl_div", "boxcox", "boxcox1p", "inv_boxcox", "inv_boxcox1p"),
    *("exprel", "erf", "erfc", "erfinv", "gammaln", "log_expit", "softplus"),
}


@pytest.mark.usefixtures("without_scipy")
@pytest.mark.parametrize("name", sorted(INDEPENDENT))
def test_what_works_without_scipy(name: str) -> None:
    xs = [*ARGUMENTS[name]]
    expected = getattr(scipy.special, name)(*xs)
    np.testing.assert_allclose(getattr(fsp, name)(*xs), expected, rtol=2e-14)
    np.testing.assert_allclose(fgrad.jit(getattr(fsp, name))(*xs), expected, rtol=2e-14)
    if len(xs) == 2:
        edges = [x.ravel() for x in np.meshgrid([-1.0, 0.0, 1.0, np.nan, 2.0], [-1.0, 0.0, 1.0, np.nan, 0.5])]
        with np.errstate(all="ignore"):
            got, expected = getattr(fsp, name)(*edges), getattr(scipy.special, name)(*edges)
        ours = edges[0] >= (-1 if name == "boxcox1p" else 0)
        keep = ours if "boxcox" in name else slice(None)
        np.testing.assert_allclose(got[keep], expected[keep], rtol=1e-14)


@pytest.mark.usefixtures("without_scipy")
@pytest.mark.parametrize(("name", "function"), [("gamma", "gamma"), ("sici", "sici"), ("j0", "j0"), ("lpmv", "lpmv")])
def test_what_needs_scipy_says_so(name: str, function: str) -> None:
    for f in (getattr(fsp, name), fgrad.jit(getattr(fsp, name))):
        with pytest.raises(MissingExtraError, match=rf"needs scipy\.special\.{function}, and SciPy is not installed"):
            f(*ARGUMENTS[name])


def test_scipy_may_be_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    special.scipy_function.cache_clear()
    monkeypatch.delattr(scipy.special, "sph_harm_y")
    with pytest.raises(
        MissingExtraError, match=r"sph_harm_y, which the SciPy that is installed is too old for(.|\n)*Upgrade"
    ):
        fsp.sph_harm_y(1, 0, 0.1, 0.2)
    special.scipy_function.cache_clear()
