"""The gallery: inference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fgrad.flatten_util import ravel_pytree
from tests.examples.loading import load

Run = Callable[..., dict[str, list[float]]]


def test_gaussian_process(run: Run) -> None:
    found = run("gaussian_process")
    assert found["gradient against the formula"][0] < 1e-13
    at_first, learnt = found["log marginal likelihood"]
    assert at_first == -378.15
    assert learnt == pytest.approx(-325.84, abs=0.02)
    assert found["Gaussian process"][0] == pytest.approx(0.707, abs=0.002)
    assert found["linear model"] == [0.7219]
    assert 0.9 < found["inside the"][1] / 100 < 0.98


def test_gaussian_process_agrees_with_scikit_learn() -> None:
    module = load("gaussian_process")
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    train, _ = module.load()
    hyper = module.Hyper(np.array(0.2), np.linspace(0.5, 2, 10), np.array(-0.3))
    kernel = kernels.ConstantKernel(np.exp(0.4)) * kernels.RBF(np.exp(hyper.lengths))
    kernel += kernels.WhiteKernel(np.exp(-0.6))
    process = pytest.importorskip("sklearn.gaussian_process").GaussianProcessRegressor(kernel, alpha=0, optimizer=None)
    wanted = process.fit(train.x, train.y).log_marginal_likelihood_value_
    assert float(module.log_likelihood(hyper, train)) == pytest.approx(wanted, rel=1e-10)


def test_logistic_regression_newton(run: Run) -> None:
    found = run("logistic_regression_newton", "--steps", "2000")
    assert found["Newton"][1] < 1e-14
    assert found["gradient descent"][1] > 1e-4
    assert 0 < found["gradient descent"][2] < 1e-3
    assert found["accuracy"][0] == 95.8
    assert found["curvatures at the start"] == [0.001, 3.52]


def test_newton_agrees_with_scikit_learn() -> None:
    module = load("logistic_regression_newton")
    linear_model = pytest.importorskip("sklearn.linear_model")
    train, _ = module.load()
    zeros, unravel = ravel_pytree(module.nn.layers.DenseParams(np.zeros((30, 1)), np.zeros(1)))
    theta, lengths = module.newton(zeros, lambda theta: module.loss(unravel(theta), train), 12)
    reference = linear_model.LogisticRegression(C=1 / (module.STRENGTH * len(train.y)), tol=1e-10, max_iter=1000)
    reference.fit(train.x, train.y)
    np.testing.assert_allclose(unravel(theta).weight[:, 0], reference.coef_[0], atol=1e-4)
    digits = -np.log10(lengths[6:10])
    assert (digits[1:] > 1.7 * digits[:-1] - 1).all()  # the number of right digits doubles


def test_bayesian_regression_laplace() -> None:
    module = load("bayesian_regression_laplace")
    patients, tumours = module.load_patients(), module.load_tumours()
    for alpha in (1.0, 20.5571):
        exact = module.exact_linear_evidence(patients, alpha)
        assert float(module.laplace(module.linear, patients, alpha)[2]) == pytest.approx(exact, rel=1e-12)
    w, hessian, evidence = module.laplace(module.logistic, tumours, 1.0)
    deviations = np.sqrt(np.diag(np.linalg.inv(hessian)))
    _, _, exact = module.on_a_grid(module.logistic, tumours, 1.0, w, deviations)
    assert float(evidence) == pytest.approx(-19.5922, abs=1e-4)
    assert exact == pytest.approx(-19.5740, abs=1e-4)


def test_the_learnt_prior_has_the_greatest_evidence(run: Run) -> None:
    found = run("bayesian_regression_laplace")
    assert found["linear regression"][0] == pytest.approx(20.557, abs=0.01)
    assert found["linear regression"][1] == pytest.approx(-125.8034, abs=1e-4)
    assert found["logistic regression"][0] == pytest.approx(0.1478, abs=0.001)
    module = load("bayesian_regression_laplace")
    patients = module.load_patients()
    best, *others = (module.exact_linear_evidence(patients, alpha) for alpha in (20.557, 15.0, 28.0))
    assert best > max(others)


def test_hmc(run: Run) -> None:
    found, module = run("hmc", "--chains", "100", "--samples", "300"), load("hmc")
    for name, (_, exact) in module.MOMENTS.items():
        wanted, sampled, error = found[name]
        assert wanted == pytest.approx(exact, abs=1e-4)
        assert 0 < error < 0.06
        assert abs(sampled - exact) < 4 * error
    start = np.array([0.3, -0.2]), np.array([1.0, 0.5])
    q, p = module.leapfrog(*start)
    back, turned = module.leapfrog(q, -p)  # reversible
    np.testing.assert_allclose(back, start[0], rtol=1e-10)
    np.testing.assert_allclose(-turned, start[1], rtol=1e-10)
