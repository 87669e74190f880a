"""Distributions of one variable: values against SciPy, derivatives, transforms, and what is outside."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import scipy.stats as reference

import fgrad
import fgrad.numpy as fnp
import fgrad.scipy.stats as stats
from fgrad.errors import ArgumentError, ShapeError
from fgrad.testing import check_grads

INF = float("inf")
QUANTILES = ("ppf", "isf")
PROBABILITIES = ("cdf", "logcdf", "sf", "logsf")


class Case(NamedTuple):
    """A distribution: its shapes, points inside the support of the standard member, other values of shapes."""

    name: str
    shapes: tuple[float, ...]
    inside: tuple[float, ...]
    invalid: tuple[float, ...] = ()

    @property
    def ours(self) -> Any:
        return getattr(stats, self.name)

    @property
    def theirs(self) -> Any:
        return getattr(reference, self.name)

    def functions(self, *, of: str = "xq") -> list[str]:
        """Those of the variable, or of a probability."""
        wanted = {"x": lambda f: f not in QUANTILES, "q": lambda f: f in QUANTILES, "xq": lambda f: True}[of]
        return [f for f in self.ours.functions if f != "entropy" and self.ours.has(f) and wanted(f)]


LINE = (-3.2, -0.4, 0.3, 1.9)
HALF = (0.2, 1.1, 3.4)
UNIT = (0.15, 0.5, 0.8)
CONTINUOUS = [
    Case("beta", (1.4, 2.2), UNIT, (-1.0, 1.0)),
    Case("cauchy", (), LINE),
    Case("chi2", (3.1,), HALF, (0.0,)),
    Case("expon", (), HALF),
    Case("gamma", (2.3,), HALF, (-2.0,)),
    Case("gennorm", (1.6,), (-1.3, -0.4, 0.3, 1.1), (0.0,)),
    Case("gumbel_l", (), LINE),
    Case("gumbel_r", (), LINE),
    Case("laplace", (), LINE),
    Case("logistic", (), LINE),
    Case("norm", (), LINE),
    Case("pareto", (2.5,), (1.1, 2.0, 5.0), (-1.0,)),
    Case("t", (3.2,), LINE, (0.0,)),
    Case("truncnorm", (-0.7, 1.9), (-0.5, 0.3, 1.2), (1.0, 0.0)),
    Case("uniform", (), UNIT),
    Case("vonmises", (1.7,), (-2.0, 0.3, 1.9), (-1.0,)),
    Case("wrapcauchy", (0.4,), (0.3, 2.9, 5.0), (1.5,)),
]
DISCRETE = [
    Case("bernoulli", (0.3,), (0, 1), (1.5,)),
    Case("betabinom", (7, 1.3, 2.2), (0, 2, 7), (2.5, 1.0, 1.0)),
    Case("binom", (7, 0.3), (0, 2, 7), (-1.0, 0.5)),
    Case("geom", (0.3,), (1, 2, 9), (0.0,)),
    Case("nbinom", (2.4, 0.6), (0, 1, 6), (2.0, 0.0)),
    Case("poisson", (3.3,), (0, 1, 9), (-1.0,)),
]
WHOLE = {"betabinom": 1, "binom": 1}
"""How many of the shapes are whole numbers."""

LOC, SCALE = 0.3, 1.7
ENDS = np.array([-INF, -50.0, -2.0, 0.0, 1.0, 2.0, 40.0, INF])
K = np.array([-INF, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 7.0, 8.0, 22.0, INF, np.nan])
Q = np.array([0.0, 1e-6, 1e-3, 0.2, 0.5, 0.8, 0.999, 1.0, 1.5, -0.5, np.nan])

STEEP = [
    Case("beta", (0.4, 0.6), UNIT),
    Case("beta", (1.0, 1.0), UNIT),
    Case("chi2", (0.7,), HALF),
    Case("gamma", (0.5,), HALF),
    Case("gamma", (1.0,), HALF),
    Case("gennorm", (0.7,), (-0.4, 1.1)),
    Case("truncnorm", (-INF, 0.5), (-2.0, 0.3)),
    Case("truncnorm", (0.5, INF), (0.7, 9.0)),
    Case("vonmises", (0.0,), (0.5,)),
]
"""Shapes for which the density is infinite or jumps at an end, or where there is no end."""

continuous = pytest.mark.parametrize("case", CONTINUOUS, ids=lambda case: case.name)
discrete = pytest.mark.parametrize("case", DISCRETE, ids=lambda case: case.name)
everything = pytest.mark.parametrize("case", CONTINUOUS + DISCRETE, ids=lambda case: case.name)


def variable(case: Case) -> Any:
    return LOC + SCALE * np.concatenate([case.inside, ENDS, [np.nan]])


def agree(got: Any, expected: Any) -> None:
    """Equal, but where SciPy has a NaN in place of a limit."""
    known = ~np.isnan(expected)
    np.testing.assert_allclose(np.asarray(got)[known], expected[known], rtol=2e-10)


@continuous
def test_values_of_continuous_distributions(case: Case) -> None:
    for function in case.functions():
        x = Q if function in QUANTILES else variable(case)
        with np.errstate(all="ignore"):
            expected = getattr(case.theirs, function)(x, *case.shapes, LOC, SCALE)
        got = getattr(case.ours, function)(x, *case.shapes, LOC, SCALE)
        agree(got, expected)
        assert np.isnan(got[-1])


@discrete
def test_values_of_discrete_distributions(case: Case) -> None:
    for function in case.functions():
        x = Q if function in QUANTILES else K + 2
        with np.errstate(all="ignore"):
            expected = getattr(case.theirs, function)(x, *case.shapes, 2)
        got = getattr(case.ours, function)(x, *case.shapes, 2)
        known = ~np.isnan(expected)
        rounding = 1e-16 if function.startswith("log") else 0.0  # SciPy takes logarithms of what is next to 1
        np.testing.assert_allclose(np.asarray(got)[known], expected[known], rtol=2e-10, atol=rounding)
        assert np.isnan(got[-1])


def at_once(case: Case, of: str) -> Callable[..., Any]:
    """All functions of a distribution, to be checked together."""
    return lambda x, *parameters: [getattr(case.ours, f)(x, *parameters) for f in case.functions(of=of)]


@continuous
def test_derivatives_by_every_argument(case: Case) -> None:
    x = LOC + SCALE * np.array(case.inside)
    parameters = *case.shapes, LOC, SCALE
    check_grads(at_once(case, "x"), (x, *parameters), order=1, rtol=1e-6, atol=1e-7)
    check_grads(case.ours.logpdf, (x, *parameters), order=2, modes=("rev",), rtol=1e-5, atol=1e-6)
    if case.functions(of="q"):
        check_grads(at_once(case, "q"), (np.array([0.2, 0.65]), *parameters), order=1, rtol=1e-6, atol=1e-7)


@discrete
def test_derivatives_by_shapes(case: Case) -> None:
    whole = WHOLE.get(case.name, 0)
    fixed, moving = case.shapes[:whole], case.shapes[whole:]
    k = np.array([2, 3] if case.name != "bernoulli" else [0])
    functions = case.functions(of="x")

    def f(*parameters: Any) -> Any:
        return [getattr(case.ours, name)(k, *fixed, *parameters) for name in functions]

    check_grads(f, moving, order=1, rtol=1e-6, atol=1e-7)
    check_grads(lambda *p: case.ours.logpmf(k, *fixed, *p), moving, order=2, modes=("rev",), rtol=1e-5, atol=1e-6)


@everything
def test_transforms_agree(case: Case) -> None:
    x = np.array([1.3, 0.4, 2.0]) if case in CONTINUOUS else np.array([1.0, 0.0, 3.0])
    affine = (LOC, SCALE) if case in CONTINUOUS else (0.0,)
    parameters = [np.array([v, v, v]) for v in (*case.shapes, *affine)]
    for of in "xq":
        f, argument = at_once(case, of), x if of == "x" else np.array([0.2, 0.5, 0.9])
        if not case.functions(of=of):
            continue
        eager = f(argument, *parameters)
        for got in (fgrad.jit(f)(argument, *parameters), fgrad.vmap(f)(argument, *parameters)):
            np.testing.assert_allclose(got, eager, rtol=1e-12)


@pytest.mark.parametrize("case", STEEP, ids=lambda case: f"{case.name}{case.shapes}")
def test_values_at_steep_ends(case: Case) -> None:
    test_values_of_continuous_distributions(case)


@pytest.mark.parametrize("case", CONTINUOUS + DISCRETE + STEEP, ids=lambda case: f"{case.name}{case.shapes}")
def test_no_nan_in_derivatives(case: Case) -> None:
    loc = 0.3 if case not in DISCRETE else 2.0
    affine = (loc, 1.7) if case not in DISCRETE else (loc,)
    x = variable(case)[:-1] if case not in DISCRETE else K[:-1] + 2
    if case in CONTINUOUS + STEEP:
        ends = [loc + end * 1.7 for end in case.theirs.support(*case.shapes) if np.isfinite(end)]
        x = np.concatenate([x, ends])
    numbers = tuple(np.float64(v) for v in (*case.shapes, *affine))
    for function in case.functions():
        at = Q[1:7] if function in QUANTILES else x

        def elements(x: Any, *parameters: Any, function: str = function) -> Any:
            return getattr(case.ours, function)(x, *parameters)

        def pullback(*arguments: Any, elements: Callable[..., Any] = elements) -> Any:
            out, f_vjp = fgrad.vjp(elements, *arguments)
            return f_vjp(fnp.ones_like(out))

        for gradient in (pullback(at, *numbers), fgrad.jit(pullback)(at, *numbers)):
            assert not any(np.isnan(part).any() for part in fgrad.tree.leaves(gradient)), function
        _, tangent = fgrad.jvp(elements, (at, *numbers), (np.ones_like(at), *[np.float64(1.0)] * len(numbers)))
        assert not np.isnan(tangent).any(), function


@everything
def test_outside_of_the_support(case: Case) -> None:
    """The logarithm of the density is −∞, and no derivative is other than 0."""
    function = "logpdf" if case in CONTINUOUS else "logpmf"
    lengths = {"loc": 0.0, "scale": 1.0} if case in CONTINUOUS else {"loc": 0.0}
    low, high = case.theirs.support(*case.shapes)
    outside = [x for x in (low - 0.5, high + 0.5) if np.isfinite(x)] or [-INF, INF]
    if case in DISCRETE:
        outside.append(0.5)

    def f(x: Any, shapes: Any, affine: Any) -> Any:
        return getattr(case.ours, function)(x, *shapes, **affine)

    for x in outside:
        value, gradients = fgrad.value_and_grad(f, (0, 1, 2))(
            np.float64(x), [np.float64(s) for s in case.shapes], lengths
        )
        assert value == -INF
        assert not any(np.any(g) for g in fgrad.tree.leaves(gradients)[:-1])
        if np.isfinite(x) and case in DISCRETE:
            assert fgrad.tree.leaves(gradients)[-1] == 0


@everything
def test_single_precision_stays(case: Case) -> None:
    parameters = [float(v) for v in case.shapes] + ([LOC, SCALE] if case in CONTINUOUS else [1])
    for function in case.functions():
        q = np.float32([0.2, 0.5, 1.0])
        x = q if function in QUANTILES else np.float32(LOC + SCALE * np.array([*case.inside, -1.0, 9.0]))
        for f in (getattr(case.ours, function), fgrad.jit(getattr(case.ours, function))):
            out = f(x, *parameters)
            assert out.dtype == np.float32, function
        expected = getattr(case.ours, function)(x.astype(float), *parameters)
        np.testing.assert_allclose(out, expected, rtol=2e-4, atol=1e-6)
        assert getattr(case.ours, function)(np.array([1, 0]), *parameters).dtype == np.float64


@everything
def test_parameters_out_of_their_domain_give_nan(case: Case) -> None:
    density = "logpdf" if case in CONTINUOUS else "logpmf"
    if case.invalid:
        assert np.isnan(getattr(case.ours, density)(1.0, *case.invalid))
        mixed = [np.array([good, bad]) for good, bad in zip(case.shapes, case.invalid, strict=True)]
        out = fgrad.jit(getattr(case.ours, density))(case.inside[1], *mixed)
        assert list(np.isnan(out)) == [False, True]
    if case in CONTINUOUS:
        assert np.isnan(case.ours.pdf(0.5, *case.shapes, scale=-1.0))


@everything
def test_functions_are_in_the_module_of_the_distribution(case: Case) -> None:
    module = importlib.import_module(f"fgrad.scipy.stats.{case.name}")
    for function in case.functions():
        assert getattr(module, function) == getattr(case.ours, function)


def test_shapes_broadcast_as_in_scipy() -> None:
    x, a = np.linspace(0.5, 2, 3), np.array([[1.0], [2.0]])
    np.testing.assert_allclose(stats.gamma.logpdf(x, a, 0.1), reference.gamma.logpdf(x, a, 0.1))
    assert stats.gamma.logpdf(x, a=a, scale=np.ones((5, 1, 1))).shape == (5, 2, 3)


def test_a_number_gives_a_number() -> None:
    assert type(stats.norm.logpdf(0.5)) is np.float64
    assert type(fgrad.grad(stats.norm.logpdf)(0.5)) is np.float64


TAILS = [
    ("norm", "logsf", 40.0, lambda x: mpmath.log(mpmath.erfc(x / mpmath.sqrt(2)) / 2)),
    ("norm", "logcdf", 9.0, lambda x: mpmath.log1p(-mpmath.erfc(x / mpmath.sqrt(2)) / 2)),
    ("logistic", "logcdf", -800.0, lambda x: -mpmath.log1p(mpmath.exp(-x))),
    ("logistic", "logcdf", 60.0, lambda x: -mpmath.log1p(mpmath.exp(-x))),
    ("gumbel_r", "logsf", 50.0, lambda x: mpmath.log(-mpmath.expm1(-mpmath.exp(-x)))),
    ("gumbel_l", "logsf", 5.0, lambda x: -mpmath.exp(x)),
    ("cauchy", "cdf", -1e12, lambda x: mpmath.mpf(1) / 2 + mpmath.atan(x) / mpmath.pi),
    ("laplace", "logsf", 900.0, lambda x: -x - mpmath.log(2)),
    ("expon", "logcdf", 1e-9, lambda x: mpmath.log(-mpmath.expm1(-x))),
    ("expon", "logcdf", 60.0, lambda x: mpmath.log(-mpmath.expm1(-x))),
]


@pytest.mark.parametrize(("name", "function", "x", "exact"), TAILS)
def test_tails_are_accurate(name: str, function: str, x: float, exact: Callable[[Any], Any]) -> None:
    with mpmath.workdps(80):
        value, slope = float(exact(mpmath.mpf(x))), float(mpmath.diff(exact, mpmath.mpf(x)))
    f = getattr(getattr(stats, name), function)
    np.testing.assert_allclose(f(x), value, rtol=1e-13)
    np.testing.assert_allclose(fgrad.grad(f)(x), slope, rtol=1e-11)


@pytest.mark.parametrize(
    ("function", "x", "a"),
    [
        ("logsf", 1000.0, 2.0),
        ("logsf", 800.0, 0.3),
        ("logsf", 1.45e4, 1e4),
        ("logcdf", 1e-4, 100.0),
        ("logcdf", 5e3, 1e4),
    ],
)
def test_tails_of_gamma_where_the_probability_is_too_small_for_a_number(function: str, x: float, a: float) -> None:
    def exact(x: Any, a: Any) -> Any:
        bounds = (x, mpmath.inf) if function == "logsf" else (0, x)
        return mpmath.log(mpmath.gammainc(a, *bounds, regularized=True))

    with mpmath.workdps(50):
        point = mpmath.mpf(x), mpmath.mpf(a)
        value = float(exact(*point))
        slopes = [float(mpmath.diff(exact, point, order)) for order in ((1, 0), (0, 1))]
    f = getattr(stats.gamma, function)
    np.testing.assert_allclose(f(x, a), value, rtol=1e-13)
    np.testing.assert_allclose(fgrad.grad(f, (0, 1))(x, a), slopes, rtol=1e-10)
    np.testing.assert_allclose(fgrad.jit(f)(x, a), value, rtol=1e-13)


@pytest.mark.parametrize("a", [-40.0, -1e-9, 3.0, 30.0, -INF])
def test_truncated_tails(a: float) -> None:
    """The mass between bounds that are close, or far out, without cancellation."""
    b = a + 1e-3 if np.isfinite(a) else -2.0
    middle = a + 4e-4 if np.isfinite(a) else -3.0

    def mass(a: Any, b: Any) -> Any:
        return (mpmath.erfc(-b / mpmath.sqrt(2)) - mpmath.erfc(-a / mpmath.sqrt(2))) / 2

    with mpmath.workdps(400):
        expected = float(mpmath.log(mass(mpmath.mpf(a), mpmath.mpf(middle)) / mass(mpmath.mpf(a), mpmath.mpf(b))))
    np.testing.assert_allclose(stats.truncnorm.logcdf(middle, a, b), expected, rtol=1e-9)


def test_symmetric_distributions_are_smooth_in_the_middle() -> None:
    for f, density in ((stats.t.cdf, stats.t.pdf), (stats.gennorm.cdf, stats.gennorm.pdf)):
        slope, by_shape = fgrad.grad(f, (0, 1))(0.0, 1.7)
        np.testing.assert_allclose([slope, by_shape], [density(0.0, 1.7), 0], atol=1e-12)
        mixed = fgrad.grad(fgrad.grad(f, 0), 1)(0.0, 1.7)
        np.testing.assert_allclose(mixed, fgrad.grad(density, 1)(0.0, 1.7), rtol=1e-9)


def test_densities_at_the_end_of_the_support() -> None:
    assert fgrad.grad(stats.gamma.logpdf)(0.0, 1.0) == -1
    assert [float(stats.gamma.pdf(0.0, a)) for a in (0.5, 1.0, 2.0)] == [INF, 1.0, 0.0]
    for a in (0.5, 2.0):
        gradients = fgrad.grad(stats.gamma.logpdf, (0, 1, 3))(0.0, a, 0.0, 2.0)
        assert np.isfinite(gradients).all()
    assert fgrad.grad(stats.uniform.pdf, (0, 1))(0.0, 0.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("f", "p", "expected"),
    [
        (lambda p: stats.binom.pmf(np.arange(4.0), 3, p), 0.0, [[1, 0, 0, 0], [-3, 3, 0, 0], [6, -12, 6, 0]]),
        (lambda p: stats.binom.pmf(np.arange(4.0), 3, p), 1.0, [[0, 0, 0, 1], [0, 0, -3, 3], [0, 6, -12, 6]]),
        (lambda p: stats.geom.pmf(np.arange(1.0, 4.0), p), 1.0, [[1, 0, 0], [1, -1, 0], [0, -2, 2]]),
        (lambda p: stats.poisson.pmf(np.arange(3.0), p), 0.0, [[1, 0, 0], [-1, 1, 0], [1, -2, 1]]),
        (lambda p: stats.bernoulli.pmf(np.arange(2.0), p), 0.0, [[1, 0], [-1, 1], [0, 0]]),
    ],
    ids=["binom0", "binom1", "geom", "poisson", "bernoulli"],
)
def test_probabilities_at_the_edges_of_parameters(f: Any, p: float, expected: Any) -> None:
    slope = fgrad.jacfwd(f)
    np.testing.assert_allclose([f(p), slope(p), fgrad.jacrev(slope)(p)], expected, atol=1e-14)


@pytest.mark.parametrize("mu", [0.0, 0.3, 12.0, 199.0, 201.0, 1e6])
def test_entropy_of_poisson(mu: float) -> None:
    k = np.arange(max(0, int(mu - 40 * mu**0.5)), int(mu + 40 * mu**0.5) + 60)
    p = reference.poisson.pmf(k, mu)
    expected = -np.sum(p * np.log(np.where(p > 0, p, 1)))
    np.testing.assert_allclose(stats.poisson.entropy(mu), expected, rtol=1e-9, atol=1e-12)
    assert np.isfinite(fgrad.grad(stats.poisson.entropy)(mu))


def test_errors_name_the_argument() -> None:
    with pytest.raises(ArgumentError, match=r"norm\.logpdf has no parameter `sigma`(.|\n)*x, loc, scale"):
        stats.norm.logpdf(0.0, sigma=1.0)
    with pytest.raises(ArgumentError, match=r"gamma\.cdf needs the argument `a`"):
        stats.gamma.cdf(0.0)
    with pytest.raises(ArgumentError, match=r"got `loc` twice"):
        stats.norm.pdf(0.0, 1.0, loc=2.0)
    with pytest.raises(ArgumentError, match=r"takes 3 arguments at most, got 4"):
        stats.norm.pdf(0.0, 1.0, 1.0, 1.0)
    with pytest.raises(ShapeError, match=r"norm\.pdf takes real numbers; `loc` is c128"):
        stats.norm.pdf(0.0, 1j)
    with pytest.raises(ShapeError, match=r"do not broadcast: `x` of shape \(2,\), `scale` of shape \(3,\)"):
        stats.norm.pdf(np.ones(2), 0.0, np.ones(3))
    with pytest.raises(AttributeError, match=r"vonmises has no `cdf`(.|\n)*It has pdf, logpdf"):
        stats.vonmises.cdf(0.0, 1.0)
