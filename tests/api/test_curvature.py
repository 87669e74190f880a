"""Products with Gauss-Newton and Fisher matrices, against the matrices themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import fisher_vp, ggn_vp, hessian, hvp, jacrev, jit, vmap
from fgrad.errors import ArgumentError, NonDifferentiableError, NonScalarOutputError, TreeStructureError
from fgrad.flatten_util import ravel_pytree
from fgrad.testing import check_grads

RNG = np.random.default_rng(0)
PARAMS = {"w": RNG.normal(size=(3, 4)) * 0.5, "b": RNG.normal(size=4), "v": RNG.normal(size=(4, 3))}
DIRECTION = fgrad.tree.map(lambda x: RNG.normal(size=x.shape), PARAMS)
X, LABELS = RNG.normal(size=(5, 3)), RNG.integers(0, 3, 5)


def model(params: Any) -> Any:
    return np.tanh(X @ params["w"] + params["b"]) @ params["v"]


def cross_entropy(logits: Any) -> Any:
    return (fnp.logsumexp(logits, axis=1) - logits[np.arange(5), LABELS]).sum()


def matrix_product(fun: Any, inner: Any) -> Any:
    """Jᵀ·B·J·t with both matrices formed, as a vector."""
    vector, unravel = ravel_pytree(PARAMS)
    jacobian = jacrev(lambda v: fnp.ravel(fun(unravel(v))))(vector)
    return jacobian.T @ (inner(fnp.ravel(fun(PARAMS))) @ (jacobian @ ravel_pytree(DIRECTION)[0]))


def flat(tree: Any) -> Any:
    return ravel_pytree(tree)[0]


def test_gauss_newton_is_its_definition() -> None:
    expected = matrix_product(model, hessian(lambda z: cross_entropy(z.reshape(5, 3))))
    found = ggn_vp(model, cross_entropy, (PARAMS,), (DIRECTION,))
    assert fgrad.tree.structure(found) == fgrad.tree.structure(PARAMS)
    np.testing.assert_allclose(flat(found), expected, rtol=1e-12)
    compiled = jit(lambda p, t: ggn_vp(model, cross_entropy, (p,), (t,)))(PARAMS, DIRECTION)
    np.testing.assert_allclose(flat(compiled), expected, rtol=1e-12)


def test_it_is_the_hessian_for_linear_models_only() -> None:
    def loss(p: Any) -> Any:
        return cross_entropy(model(p))

    curved = flat(hvp(loss, (PARAMS,), (DIRECTION,)))
    assert not np.allclose(flat(ggn_vp(model, cross_entropy, (PARAMS,), (DIRECTION,))), curved)

    def last(v: Any) -> Any:
        return np.tanh(X @ PARAMS["w"] + PARAMS["b"]) @ v

    v, t = PARAMS["v"], DIRECTION["v"]
    linear = hvp(lambda v: cross_entropy(last(v)), (v,), (t,))
    np.testing.assert_allclose(ggn_vp(last, cross_entropy, (v,), (t,)), linear, rtol=1e-12)


def test_several_arguments_and_outputs() -> None:
    def two(x: Any, y: Any) -> Any:
        return {"a": x * y, "b": (x.sum(), y**2)}

    def loss(out: Any) -> Any:
        return (out["a"] ** 2).sum() * 0.5 + out["b"][0] ** 4 + np.exp(out["b"][1]).sum()

    args, ts = (np.array([1.0, 2.0]), np.array([0.5, -1.0])), (np.array([1.0, 0.3]), np.array([-2.0, 0.1]))
    found = ggn_vp(two, loss, args, ts)
    assert isinstance(found, tuple)
    pulled = fgrad.vjp(two, *args)[1]
    out, pushed = fgrad.jvp(two, args, ts)
    wanted = pulled(hvp(loss, (out,), (pushed,)))
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-13)


def test_the_model_is_evaluated_once() -> None:
    calls: list[int] = []

    def counted(params: Any) -> Any:
        calls.append(1)
        return model(params)

    ggn_vp(counted, cross_entropy, (PARAMS,), (DIRECTION,))
    assert len(calls) == 1


def test_over_many_directions_and_differentiated() -> None:
    eye = np.eye(4)

    def product(b: Any, t: Any) -> Any:
        return ggn_vp(lambda b: model({**PARAMS, "b": b}), cross_entropy, (b,), (t,))

    matrix = vmap(lambda t: product(PARAMS["b"], t))(eye)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-14)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12
    check_grads(lambda b: product(b, eye[0]), (PARAMS["b"],), order=1)


FAMILIES: dict[str, Any] = {
    "categorical": lambda p: np.diag(p) - np.outer(p, p),
    "bernoulli": lambda p: np.diag(p * (1 - p)),
    "poisson": np.diag,
    "gaussian": lambda p: np.eye(len(p)),
}
MEANS: dict[str, Any] = {
    "categorical": lambda z: np.exp(z) / np.exp(z).sum(),
    "bernoulli": lambda z: 1 / (1 + np.exp(-z)),
    "poisson": np.exp,
    "gaussian": lambda z: z,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_fisher_is_the_covariance_of_the_sufficient_statistics(family: str) -> None:
    def inner(z: Any) -> Any:
        blocks = [FAMILIES[family](MEANS[family](row)) for row in z.reshape(5, 3)]
        out = np.zeros((15, 15))
        for i, block in enumerate(blocks):
            out[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = block
        return out

    found = fisher_vp(model, family, (PARAMS,), (DIRECTION,))
    np.testing.assert_allclose(flat(found), matrix_product(model, inner), rtol=1e-11, atol=1e-13)


def test_fisher_is_the_expectation_over_the_labels_of_the_model() -> None:
    """Of log-likelihood gradients, for a model with one example and three classes."""

    def logits(b: Any) -> Any:
        return model({**PARAMS, "b": b})[0]

    def log_likelihood(b: Any, label: int) -> Any:
        z = logits(b)
        return z[label] - fnp.logsumexp(z)

    b, t = PARAMS["b"], DIRECTION["b"]
    scores = [fgrad.grad(log_likelihood)(b, label) for label in range(3)]
    chances = [np.exp(log_likelihood(b, label)) for label in range(3)]
    expected = sum(p * s * (s @ t) for p, s in zip(chances, scores, strict=True))
    np.testing.assert_allclose(fisher_vp(logits, "categorical", (b,), (t,)), expected, rtol=1e-12)


def test_empirical_fisher_is_a_sum_of_outer_products() -> None:
    def likelihoods(params: Any) -> Any:
        logits = model(params)
        return logits[np.arange(5), LABELS] - fnp.logsumexp(logits, axis=1)

    vector, unravel = ravel_pytree(PARAMS)
    scores = jacrev(lambda v: likelihoods(unravel(v)))(vector)
    expected = sum(s * (s @ flat(DIRECTION)) for s in scores)
    found = fisher_vp(likelihoods, "empirical", (PARAMS,), (DIRECTION,))
    np.testing.assert_allclose(flat(found), expected, rtol=1e-12)


def test_other_families_by_their_log_partition() -> None:
    by_hand = fisher_vp(model, lambda z: np.exp(z).sum(), (PARAMS,), (DIRECTION,))
    named = fisher_vp(model, "poisson", (PARAMS,), (DIRECTION,))
    np.testing.assert_allclose(flat(by_hand), flat(named), rtol=1e-13)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"family of fisher_vp must be one of categorical, .*, got 'normal'"):
        fisher_vp(model, "normal", (PARAMS,), (DIRECTION,))
    with pytest.raises(ArgumentError, match="family of fisher_vp must be a name or a log-partition function, got"):
        fisher_vp(model, 3, (PARAMS,), (DIRECTION,))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"ggn_vp expects a function.*\n.*\n  Write ggn_vp\(model, loss"):
        ggn_vp(3, cross_entropy, (PARAMS,), (DIRECTION,))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="ggn_vp expects a function"):
        ggn_vp(model, 3, (PARAMS,), (DIRECTION,))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="primals of ggn_vp must be a tuple"):
        ggn_vp(model, cross_entropy, PARAMS, (DIRECTION,))  # type: ignore[arg-type]
    with pytest.raises(NonDifferentiableError, match=r"ggn_vp needs real or complex inputs, but x is i64\[2\]"):
        ggn_vp(lambda x: x * 1.0, np.sum, (np.arange(2),), (np.ones(2),))
    with pytest.raises(NonScalarOutputError):
        ggn_vp(model, lambda z: z, (PARAMS,), (DIRECTION,))
    with pytest.raises(TreeStructureError, match="tangents must have the structure of the primals"):
        ggn_vp(model, cross_entropy, (PARAMS,), (DIRECTION, DIRECTION))
