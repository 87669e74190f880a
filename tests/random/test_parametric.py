"""Distributions with parameters: what is drawn has the distribution, and the derivatives that it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import random
from fgrad.errors import ArgumentError

stats = pytest.importorskip("scipy.stats")

KEY = random.key(3)
COUNT = (4_000,)
DRAWN: dict[str, tuple[Callable[..., Any], tuple[float, ...], Callable[..., Any]]] = {
    "lognormal": (random.lognormal, (0.7,), stats.lognorm),
    "rayleigh": (random.rayleigh, (2.0,), lambda s: stats.rayleigh(scale=s)),
    "weibull_min": (random.weibull_min, (2.0, 1.5), lambda s, c: stats.weibull_min(c, scale=s)),
    "pareto": (random.pareto, (3.0,), stats.pareto),
    "triangular": (random.triangular, (-1.0, 0.5, 3.0), lambda a, c, b: stats.triang((c - a) / (b - a), a, b - a)),
    "wald": (random.wald, (2.0,), lambda m: stats.invgauss(m, scale=1.0)),
    "double_sided_maxwell": (random.double_sided_maxwell, (1.0, 2.0), stats.maxwell),
}


@pytest.mark.parametrize("name", [name for name in DRAWN if name != "double_sided_maxwell"])
def test_distributions(name: str) -> None:
    draw, parameters, distribution = DRAWN[name]
    assert stats.kstest(draw(KEY, *parameters, COUNT), distribution(*parameters).cdf).pvalue > 0.01


def test_maxwell() -> None:
    assert stats.kstest(random.maxwell(KEY, COUNT), stats.maxwell.cdf).pvalue > 0.01
    x = random.double_sided_maxwell(KEY, 1.0, 2.0, COUNT)
    assert stats.kstest(np.abs(x - 1.0) / 2.0, stats.maxwell.cdf).pvalue > 0.01
    assert abs(np.mean(x > 1.0) - 0.5) < 0.03


def test_geometric() -> None:
    x = random.geometric(KEY, 0.3, COUNT)
    assert x.dtype == np.int64
    frequencies = np.bincount(x, minlength=8)[1:8] / COUNT[0]
    np.testing.assert_allclose(frequencies, 0.3 * 0.7 ** np.arange(7), atol=0.025)
    np.testing.assert_array_equal(random.geometric(KEY, [1.0, 1.0]), [1, 1])
    assert random.geometric(KEY, 1e-300, dtype=np.int32) == np.iinfo(np.int32).max // 2


@pytest.mark.parametrize("method", ["cholesky", "eigh", "svd"])
def test_normal_vectors(method: str) -> None:
    mean, cov = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
    x = random.multivariate_normal(KEY, mean, cov, COUNT, method=method)
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.1)
    jacobian = fgrad.jacobian(lambda m: random.multivariate_normal(KEY, m, cov, method=method))(mean)
    np.testing.assert_array_equal(jacobian, np.eye(2))
    assert random.multivariate_normal(KEY, np.zeros((3, 2)), cov, dtype=np.float32, method=method).dtype == np.float32


@pytest.mark.parametrize("name", DRAWN)
def test_derivatives(name: str) -> None:
    draw, parameters, _ = DRAWN[name]

    def at(*given: Any) -> Any:
        return draw(KEY, *given, (5,))

    for i, value in enumerate(parameters):
        tangents = [float(i == j) for j in range(len(parameters))]
        step = 1e-6
        moved = [[p + sign * step * t for p, t in zip(parameters, tangents, strict=True)] for sign in (1, -1)]
        numeric = (at(*moved[0]) - at(*moved[1])) / (2 * step)
        out, slope = fgrad.jvp(at, parameters, tuple(tangents))
        np.testing.assert_allclose(slope, numeric, rtol=1e-6, atol=1e-8, err_msg=str(value))
        np.testing.assert_allclose(fgrad.jit(at)(*parameters), out, rtol=1e-14)


def test_shapes_and_rows() -> None:
    keys = random.split(KEY, 3)
    scales = np.array([1.0, 2.0, 3.0])
    rows = fgrad.vmap(random.rayleigh)(keys, scales)
    np.testing.assert_allclose(rows, [random.rayleigh(k, s) for k, s in zip(keys, scales, strict=True)])
    assert random.pareto(KEY, np.ones((2, 1)), dtype=np.float32).dtype == np.float32
    assert random.weibull_min(KEY, np.ones((2, 1)), np.ones(3)).shape == (2, 3)


def test_keys_are_arrays() -> None:
    np.testing.assert_array_equal(random.wrap_key_data(random.key_data(KEY)), KEY)
    np.testing.assert_array_equal(random.wrap_key_data([1, 2]), np.array([1, 2], np.uint64))
    np.testing.assert_array_equal(random.clone(KEY), KEY)
    for function in (random.clone, random.wrap_key_data):
        with pytest.raises(ArgumentError, match=rf"random.{function.__name__}: `key` must be uint64 of shape \(2,\)"):
            function(np.zeros(3))


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        (
            lambda: random.rayleigh(KEY, np.ones(3), (2,)),
            r"random.rayleigh: `scale` of shape \(3,\) does not broadcast",
        ),
        (lambda: random.wald(KEY, 1.0, dtype=int), "random.wald: `dtype` is i64"),
        (lambda: random.geometric(KEY, 0.5, dtype=float), "random.geometric: `dtype` is float64"),
        (lambda: random.pareto(0, 1.0), "random.pareto: `key` must be a key, got 0"),
        (
            lambda: random.multivariate_normal(KEY, np.zeros(2), np.eye(3)),
            r"`mean` has shape \(2,\) and `cov` \(3, 3\)",
        ),
        (lambda: random.multivariate_normal(KEY, np.zeros(2), np.eye(2), method="qr"), "`method` is 'qr'"),
    ],
)
def test_arguments(draw: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        draw()
