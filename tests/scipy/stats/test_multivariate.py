"""Distributions of several variables: values against SciPy, derivatives, transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats as reference

import fgrad
import fgrad.scipy.stats as stats
from fgrad.errors import ShapeError
from fgrad.scipy.stats.dirichlet import logpdf as dirichlet_logpdf
from fgrad.scipy.stats.multinomial import logpmf as multinomial_logpmf
from fgrad.scipy.stats.multivariate_normal import logpdf as normal_logpdf
from fgrad.testing import check_grads

RNG = np.random.default_rng(0)
X, MEAN = RNG.normal(size=(4, 3)), RNG.normal(size=3)
ROOT = RNG.normal(size=(3, 3))
COV = ROOT @ ROOT.T + np.eye(3)
ALPHA = np.array([1.0, 2.0, 3.5])
SIMPLEX = RNG.dirichlet(ALPHA, 5).T
CHANCES = np.array([0.2, 0.3, 0.5])
COUNTS = RNG.multinomial(6, CHANCES, size=4)

normal = stats.multivariate_normal


@pytest.mark.parametrize("cov", [COV, 2.0, np.array([1.0, 2.0, 0.5])], ids=["matrix", "number", "row"])
def test_normal_against_scipy(cov: Any) -> None:
    np.testing.assert_allclose(normal.logpdf(X, MEAN, cov), reference.multivariate_normal.logpdf(X, MEAN, cov))
    np.testing.assert_allclose(normal.pdf(X[0], MEAN, cov), reference.multivariate_normal.pdf(X[0], MEAN, cov))
    np.testing.assert_allclose(normal.entropy(MEAN, cov), reference.multivariate_normal.entropy(MEAN, cov))
    check_grads(normal.logpdf, (X, MEAN, cov), order=2, modes=("rev",))
    np.testing.assert_allclose(fgrad.jit(normal.logpdf)(X, MEAN, cov), normal.logpdf(X, MEAN, cov))


def test_normal_without_a_mean_and_in_one_dimension() -> None:
    np.testing.assert_allclose(normal.logpdf(X, None, COV), reference.multivariate_normal.logpdf(X, None, COV))
    x = np.array([1.0, 2.0])
    for mean, cov in ((0.5, 2.0), ([0.5], [[2.0]])):
        expected = reference.multivariate_normal.logpdf(x, mean, cov)
        np.testing.assert_allclose(normal.logpdf(x, mean, cov), expected)
    np.testing.assert_allclose(normal.logpdf(x), reference.multivariate_normal.logpdf(x))
    np.testing.assert_allclose(normal.entropy(), reference.multivariate_normal.entropy())


def test_normal_of_stacks() -> None:
    means, covs = np.stack([MEAN, -MEAN]), np.stack([COV, 2 * COV])
    expected = [reference.multivariate_normal.logpdf(X[0], m, c) for m, c in zip(means, covs, strict=True)]
    np.testing.assert_allclose(normal.logpdf(X[0], means, covs), expected)
    np.testing.assert_allclose(fgrad.vmap(normal.logpdf, (None, 0, 0))(X[0], means, covs), expected)


def test_gradient_by_a_covariance_is_symmetric() -> None:
    gradient = fgrad.grad(lambda cov: normal.logpdf(X[0], MEAN, cov))(COV)
    inverse = np.linalg.inv(COV)
    y = inverse @ (X[0] - MEAN)
    np.testing.assert_allclose(gradient, 0.5 * (np.outer(y, y) - inverse), rtol=1e-9)


def test_singular_covariances() -> None:
    root = RNG.normal(size=(3, 2))
    cov, inside = root @ root.T, (root @ RNG.normal(size=(2, 3))).T
    points = np.concatenate([inside, [[1.0, 2.0, 3.0]]])
    expected = reference.multivariate_normal.logpdf(points, np.zeros(3), cov, allow_singular=True)
    np.testing.assert_allclose(normal.logpdf(points, np.zeros(3), cov, allow_singular=True), expected)
    assert expected[-1] == -np.inf
    full = normal.logpdf(X, MEAN, COV, allow_singular=True)
    np.testing.assert_allclose(full, normal.logpdf(X, MEAN, COV))
    with pytest.raises(np.linalg.LinAlgError):
        normal.logpdf(X, MEAN, -COV)


def test_single_precision_stays() -> None:
    x, mean, cov = (v.astype(np.float32) for v in (X, MEAN, COV))
    assert normal.logpdf(x, mean, cov).dtype == np.float32
    assert normal.logpdf(x, mean, 2).dtype == np.float32
    assert normal.logpdf(x[:, 0]).dtype == np.float32
    assert stats.dirichlet.logpdf(np.float32(SIMPLEX), np.float32(ALPHA)).dtype == np.float32
    assert stats.multinomial.logpmf(COUNTS, 6, np.float32(CHANCES)).dtype == np.float64  # COUNTS are integers
    assert stats.multinomial.logpmf(np.float32(COUNTS), 6, np.float32(CHANCES)).dtype == np.float32


def test_dirichlet() -> None:
    for x in (SIMPLEX, SIMPLEX[:-1], SIMPLEX[:, 0]):
        np.testing.assert_allclose(stats.dirichlet.logpdf(x, ALPHA), reference.dirichlet.logpdf(x, ALPHA))
        np.testing.assert_allclose(stats.dirichlet.pdf(x, ALPHA), reference.dirichlet.pdf(x, ALPHA))
        np.testing.assert_allclose(fgrad.jit(stats.dirichlet.logpdf)(x, ALPHA), stats.dirichlet.logpdf(x, ALPHA))
    np.testing.assert_allclose(stats.dirichlet.entropy(ALPHA), reference.dirichlet.entropy(ALPHA))
    check_grads(stats.dirichlet.logpdf, (SIMPLEX[:-1], ALPHA), order=2, modes=("rev",))
    check_grads(stats.dirichlet.entropy, (ALPHA,), order=1)
    rows = fgrad.vmap(stats.dirichlet.logpdf, (None, 0))(SIMPLEX, np.stack([ALPHA, 2 * ALPHA]))
    np.testing.assert_allclose(rows[1], stats.dirichlet.logpdf(SIMPLEX, 2 * ALPHA))


def test_dirichlet_outside() -> None:
    value, gradients = fgrad.value_and_grad(stats.dirichlet.logpdf, (0, 1))(np.array([0.2, 0.3, 0.6]), ALPHA)
    assert value == -np.inf
    assert not np.any(gradients[0])
    assert not np.any(gradients[1])
    assert np.isnan(stats.dirichlet.logpdf(SIMPLEX[:, 0], -ALPHA))
    assert np.isnan(stats.dirichlet.logpdf([np.nan, 0.5, 0.5], ALPHA))
    with pytest.raises(ShapeError, match=r"x of shape \(4,\) and alpha of shape \(3,\)(.|\n)*fgrad.vmap"):
        stats.dirichlet.logpdf(np.ones(4), ALPHA)


def test_multinomial() -> None:
    for f, g in (
        (stats.multinomial.logpmf, reference.multinomial.logpmf),
        (stats.multinomial.pmf, reference.multinomial.pmf),
    ):
        np.testing.assert_allclose(f(COUNTS, 6, CHANCES), g(COUNTS, 6, CHANCES))
        np.testing.assert_allclose(f(COUNTS, [6, 6, 6, 5], CHANCES), g(COUNTS, [6, 6, 6, 5], CHANCES))
    check_grads(lambda p: stats.multinomial.logpmf(COUNTS, 6, p), (CHANCES,), order=2, modes=("rev",))
    np.testing.assert_allclose(
        fgrad.jit(stats.multinomial.logpmf)(COUNTS, 6, CHANCES), stats.multinomial.logpmf(COUNTS, 6, CHANCES)
    )


def test_multinomial_outside() -> None:
    assert stats.multinomial.logpmf([1, 2, 0], 2, CHANCES) == -np.inf
    assert stats.multinomial.logpmf([0.5, 1.5, 0], 2, CHANCES) == -np.inf
    assert np.isnan(stats.multinomial.logpmf([1, 1, 0], 2, [0.5, 0.6, -0.1]))
    value, gradient = fgrad.value_and_grad(lambda p: stats.multinomial.pmf(np.array([1, 1, 0]), 2, p))(
        np.array([0.2, 0.8, 0.0])
    )
    np.testing.assert_allclose(value, 0.32)
    np.testing.assert_allclose(gradient, [1.6, 0.4, 0.0])
    with pytest.raises(ShapeError, match="numbered by the last axis"):
        stats.multinomial.logpmf(2, 2, 1.0)


def test_functions_are_in_modules_of_their_own() -> None:
    assert dirichlet_logpdf is stats.dirichlet.logpdf
    assert multinomial_logpmf is stats.multinomial.logpmf
    assert normal_logpdf is normal.logpdf


def test_errors_of_the_normal_distribution() -> None:
    with pytest.raises(ShapeError, match=r"points of shape \(2,\) in 3 dimensions"):
        normal.logpdf(np.ones(2), MEAN, COV)
    with pytest.raises(ShapeError, match=r"mean of shape \(3,\) and a covariance of shape \(2, 2\)"):
        normal.logpdf(X, MEAN, np.eye(2))
    with pytest.raises(ShapeError, match=r"takes real numbers; `x` is c128"):
        normal.logpdf(X * 1j, MEAN, COV)
