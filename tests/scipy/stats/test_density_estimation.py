"""Kernel density estimates against SciPy's, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats as reference

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.scipy.stats import gaussian_kde
from fgrad.testing import check_grads

RNG = np.random.default_rng(0)
WEIGHTS = RNG.random(20)


@pytest.mark.parametrize(
    ("d", "bandwidth", "weights"),
    [(1, None, None), (2, "silverman", WEIGHTS), (2, 0.5, None), (1, lambda kde: 2 * kde.scotts_factor(), WEIGHTS)],
)
def test_values(d: int, bandwidth: Any, weights: Any) -> None:
    samples, points = RNG.normal(size=(d, 20)), RNG.normal(size=(d, 7))
    ours, theirs = gaussian_kde(samples, bandwidth, weights), reference.gaussian_kde(samples, bandwidth, weights)
    for name in ("factor", "covariance", "inv_cov", "neff"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_allclose(ours(points), theirs(points))
    np.testing.assert_allclose(ours.pdf(points), theirs.pdf(points))
    np.testing.assert_allclose(ours.logpdf(points), theirs.logpdf(points))
    mean, cov = np.full(d, 0.2), 0.7 * np.eye(d)
    np.testing.assert_allclose(ours.integrate_gaussian(mean, cov), theirs.integrate_gaussian(mean, cov))
    np.testing.assert_allclose(ours.integrate_kde(ours), theirs.integrate_kde(theirs))
    if d == 1:
        np.testing.assert_allclose(ours.integrate_box_1d(-1, 0.5), theirs.integrate_box_1d(-1, 0.5))


def test_it_is_a_pytree_and_a_smooth_function_of_everything() -> None:
    samples, points, weights = RNG.normal(size=(2, 6)), RNG.normal(size=(2, 3)), WEIGHTS[:6]
    check_grads(lambda x, w, p: gaussian_kde(x, weights=w).logpdf(p), (samples, weights, points), order=1)
    kde = gaussian_kde(samples)
    np.testing.assert_allclose(fgrad.jit(lambda kde, points: kde(points))(kde, points), kde(points))
    gradient = fgrad.grad(lambda kde: fnp.sum(kde(points)))(kde)
    assert gradient.dataset.shape == (2, 6)
    narrow = fgrad.vmap(lambda h: gaussian_kde(samples, h)(points))(np.array([0.5, 1.0]))
    np.testing.assert_allclose(narrow[1], gaussian_kde(samples, 1.0)(points))


def test_far_from_all_samples() -> None:
    kde = gaussian_kde(np.array([0.0, 1.0, 2.0]))
    assert kde.logpdf(1e3)[0] < -1e5
    assert np.isfinite(fgrad.grad(lambda x: kde.logpdf(x)[0])(1e3))


def test_random_samples_are_of_the_density() -> None:
    kde = gaussian_kde(np.array([[0.0, 1.0, 4.0], [0.0, -1.0, 1.0]]), 0.3)
    drawn = kde.resample(fgrad.random.key(0), (4000,))
    assert drawn.shape == (2, 4000)
    np.testing.assert_allclose(drawn.mean(1), kde.dataset.mean(1), atol=0.15)
    spread = np.cov(kde.dataset, ddof=0) + kde.covariance
    np.testing.assert_allclose(np.cov(drawn), spread, atol=0.3)
    assert kde.resample(fgrad.random.key(1)).shape == (2,)


def test_errors() -> None:
    kde = gaussian_kde(RNG.normal(size=(2, 5)))
    with pytest.raises(ShapeError, match=r"samples of shape \(1, 1\)"):
        gaussian_kde([1.0])
    with pytest.raises(ShapeError, match=r"5 samples, and weights of shape \(3,\)"):
        gaussian_kde(np.arange(5.0), weights=np.ones(3))
    with pytest.raises(ShapeError, match="`dataset` is c128"):
        gaussian_kde([1j, 2.0])
    with pytest.raises(ArgumentError, match=r"`bw_method` of gaussian_kde is 'wide'"):
        gaussian_kde([1.0, 2.0], "wide")
    with pytest.raises(ShapeError, match=r"points of shape \(3, 4\) for samples in 2 dimensions"):
        kde(np.ones((3, 4)))
    with pytest.raises(ShapeError, match="a density in 2 dimensions"):
        kde.integrate_box_1d(0, 1)
    with pytest.raises(ShapeError, match="a mean of shape"):
        kde.integrate_gaussian(np.ones(3), np.eye(3))
    with pytest.raises(ShapeError, match="densities in 2 and 1 dimensions"):
        kde.integrate_kde(gaussian_kde([1.0, 2.0]))
    with pytest.raises(ShapeError, match="must be numbers"):
        gaussian_kde([1.0, 2.0]).integrate_box_1d(np.zeros(2), 1)
