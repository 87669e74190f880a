"""Losses: their formulas, derivatives, extremes, masks, and what they refuse."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import nn
from fgrad.errors import ArgumentError, ShapeError
from fgrad.nn import losses
from fgrad.testing import check_grads, check_jit, check_vmap

RNG = np.random.default_rng(0)
P, T = RNG.normal(size=(4, 5)) * 2, RNG.normal(size=(4, 5))
Y = RNG.dirichlet(np.ones(5), size=4)
SIGNS = np.sign(T)
D = P - T


def log_softmax(z: Any) -> Any:
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


CASES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "squared_error": ((P, T), D**2),
    "l2_loss": ((P, T), D**2 / 2),
    "half_mean_squares": ((P, T), (D**2).sum() / 8),
    "huber_loss": ((P, T), np.where(abs(D) <= 1, D**2 / 2, abs(D) - 0.5)),
    "log_cosh": ((P, T), np.log(np.cosh(D))),
    "hinge_loss": ((P, SIGNS), np.maximum(0, 1 - P * SIGNS)),
    "sigmoid_binary_cross_entropy": (
        (P, Y),
        -Y * np.log(1 / (1 + np.exp(-P))) - (1 - Y) * np.log(1 - 1 / (1 + np.exp(-P))),
    ),
    "softmax_cross_entropy": ((P, Y), -(Y * log_softmax(P)).sum(-1)),
    "safe_softmax_cross_entropy": ((P, Y), -(Y * log_softmax(P)).sum(-1)),
    "kl_divergence": ((log_softmax(P), Y), (Y * (np.log(Y) - log_softmax(P))).sum(-1)),
    "cosine_similarity": ((P, T), (P * T).sum(-1) / np.linalg.norm(P, axis=-1) / np.linalg.norm(T, axis=-1)),
    "cosine_distance": ((P, T), 1 - (P * T).sum(-1) / np.linalg.norm(P, axis=-1) / np.linalg.norm(T, axis=-1)),
    "smooth_labels": ((Y, 0.1), 0.9 * Y + 0.02),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str) -> None:
    f: Callable[..., Any] = getattr(losses, name)
    args, expected = CASES[name]
    np.testing.assert_allclose(f(*args), expected, rtol=1e-12)
    check_grads(f, args, order=2)
    check_jit(f, args)
    check_vmap(f, args if name != "smooth_labels" else (Y, np.full(4, 0.1)))
    single = [np.asarray(x, np.float32) for x in args]
    assert f(*single).dtype == np.float32
    if np.shape(args[1]):
        with pytest.raises(ShapeError, match=rf"{name}: `\w+` must have the shape of `\w+`, \(4, 5\), got \(4, 4\)"):
            f(args[0], args[1][:, :4])


def test_targets_may_be_left_out() -> None:
    for name in ("squared_error", "l2_loss", "huber_loss", "log_cosh"):
        f = getattr(losses, name)
        np.testing.assert_array_equal(f(P), f(P, np.zeros_like(P)))


def test_integer_labels_are_one_hot_ones() -> None:
    k = np.array([0, 3, 4, 3])
    expected = losses.softmax_cross_entropy(P, nn.one_hot(k, 5))
    np.testing.assert_allclose(losses.softmax_cross_entropy_with_integer_labels(P, k), expected)
    np.testing.assert_allclose(losses.softmax_cross_entropy_with_integer_labels(P.T, k, axis=0), expected)
    gradient = fgrad.grad(lambda z: losses.softmax_cross_entropy_with_integer_labels(z, k).sum())(P)
    np.testing.assert_allclose(gradient, np.exp(log_softmax(P)) - nn.one_hot(k, 5))
    check_grads(lambda z: losses.softmax_cross_entropy_with_integer_labels(z, k), (P,), order=2)
    with pytest.raises(ArgumentError, match=r"(?s)must be integers, got dtype float64.*there is softmax_cross_entropy"):
        losses.softmax_cross_entropy_with_integer_labels(P, k * 1.0)
    with pytest.raises(ShapeError, match=r"`labels` must have shape \(4,\), that of `logits` without its axis"):
        losses.softmax_cross_entropy_with_integer_labels(P, k[:3])
    with pytest.raises(IndexError):
        losses.softmax_cross_entropy_with_integer_labels(P, k + 1)


def test_large_logits() -> None:
    z = np.array([-1000.0, 0.0, 1000.0])
    np.testing.assert_array_equal(losses.sigmoid_binary_cross_entropy(z, np.array([1, 0.5, 1]))[[0, 2]], [1000, 0])
    gradient = fgrad.grad(lambda z: losses.sigmoid_binary_cross_entropy(z, np.array([1.0, 0.0, 0.0])).sum())(z)
    np.testing.assert_array_equal(gradient, [-1.0, 0.5, 1.0])
    np.testing.assert_array_equal(losses.softmax_cross_entropy(z, np.array([0.0, 0.0, 1.0])), 0)
    np.testing.assert_array_equal(losses.log_cosh(z), np.abs(z) - np.where(z, np.log(2), 0))


def test_absent_classes() -> None:
    where = np.array([True, True, False, True, True])
    y = np.where(where, Y, 0)
    expected = losses.softmax_cross_entropy(P[:, where], y[:, where])
    np.testing.assert_allclose(losses.softmax_cross_entropy(P, Y, where=where), expected)
    z = np.where(where, P, -np.inf)
    np.testing.assert_allclose(losses.safe_softmax_cross_entropy(z, y), expected)
    gradient = fgrad.grad(lambda z: losses.safe_softmax_cross_entropy(z, y).sum())(z)
    assert np.isfinite(gradient).all()
    assert not gradient[:, 2].any()
    np.testing.assert_allclose(
        losses.kl_divergence(z, y), (y * np.log(np.where(y, y, 1)) - y * np.where(y, z, 0)).sum(1)
    )


def test_kinks_and_zeros() -> None:
    assert fgrad.grad(losses.hinge_loss)(1.0, 1.0) == 0
    assert fgrad.grad(losses.huber_loss)(1.0) == 1
    assert fgrad.grad(losses.huber_loss)(0.0) == 0
    zero = fgrad.grad(lambda p: losses.cosine_similarity(p, np.ones(3)))(np.zeros(3))
    np.testing.assert_array_equal(zero, np.zeros(3))
    assert losses.cosine_similarity([1e-3, 0.0], [1.0, 0.0], epsilon=1.0) == 1e-3


def test_sequences_of_different_length() -> None:
    values = np.array([[1.0, 2.0, np.nan], [4.0, np.nan, np.inf], [np.nan] * 3])
    mask = np.arange(3) < np.array([2, 1, 0])[:, None]
    np.testing.assert_array_equal(losses.masked_mean(values, mask, axis=1), [1.5, 4.0, 0.0])
    assert losses.masked_mean(values, mask) == 7 / 3
    gradient = fgrad.grad(lambda v: losses.masked_mean(v, mask))(values)
    np.testing.assert_allclose(gradient, mask / 3)
    with pytest.raises(ShapeError, match=r"`mask`, of shape \(2,\), does not broadcast to `values`, of \(3, 3\)"):
        losses.masked_mean(values, mask[0, :2])
    with pytest.raises(ArgumentError, match="`mask` must be booleans, got dtype float64"):
        losses.masked_mean(values, mask * 1.0)


def test_l2_regularization_is_curved_at_zero() -> None:
    hessian = fgrad.hessian(losses.l2_regularization)
    np.testing.assert_allclose(hessian(np.zeros(2), 0.3), 0.3 * np.eye(2))
    assert losses.l2_regularization(np.array([3 + 4j]), 0.5) == 6.25


def test_l2_regularization_decays_weights() -> None:
    params = {"w": P, "b": T}
    gradient = fgrad.grad(losses.l2_regularization)(params, 0.3)
    np.testing.assert_allclose(gradient["w"], 0.3 * P)
    np.testing.assert_allclose(gradient["b"], 0.3 * T)
    gradient = fgrad.grad(lambda p: losses.l2_regularization(p, 0.3, {"w": True, "b": False}))(params)
    assert not gradient["b"].any()


def brute_force_ctc(p: Any, labels: tuple[int, ...]) -> float:
    """−log of the sum over all alignments, one by one."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if tuple(c for c in merged if c) == labels:
            total += np.prod(p[np.arange(len(p)), path])
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize(
    ("labels", "steps"), [((1,), 2), ((1, 2), 4), ((1, 1), 4), ((2, 1, 2), 5), ((), 3), ((1, 1), 3), ((1, 1), 2)]
)
def test_ctc_is_the_sum_over_all_alignments(labels: tuple[int, ...], steps: int) -> None:
    logits = np.random.default_rng(steps).normal(size=(1, steps + 2, 3))
    padding = np.arange(steps + 2)[None] >= steps
    k = np.array([[*labels, *[2] * (4 - len(labels))]])
    absent = np.arange(4)[None] >= len(labels)

    def f(z: Any) -> Any:
        return losses.ctc_loss(z, padding, k, absent)

    expected = brute_force_ctc(np.exp(log_softmax(logits[0, :steps])), labels)
    np.testing.assert_allclose(f(logits), [expected], rtol=1e-12)
    np.testing.assert_allclose(fgrad.jit(f)(logits), [expected], rtol=1e-12)
    if np.isfinite(expected):
        check_grads(f, (logits,), order=1)
    gradient = fgrad.grad(lambda z: f(z).sum())(logits)
    assert np.isfinite(gradient).all()
    assert not gradient[:, steps:].any()


def test_mistakes_in_ctc() -> None:
    z, done, k, absent = np.zeros((2, 5, 3)), np.zeros((2, 5)), np.ones((2, 2), int), np.zeros((2, 2))
    with pytest.raises(ShapeError, match=r"ctc_loss: `logits` must have shape \(batch, steps, classes\), got \(5, 3\)"):
        losses.ctc_loss(z[0], done, k, absent)
    with pytest.raises(
        ShapeError, match=r"`logit_paddings` must have shape \(2, 5\), that of steps in `logits`, got \(2,"
    ):
        losses.ctc_loss(z, done[:, :4], k, absent)
    with pytest.raises(ShapeError, match=r"`label_paddings` must have shape \(2, 2\), that of `labels`, got \(2, 1\)"):
        losses.ctc_loss(z, done, k, absent[:, :1])
    with pytest.raises(ArgumentError, match="`labels` must be integers, got dtype float64"):
        losses.ctc_loss(z, done, k * 1.0, absent)
    with pytest.raises(ArgumentError, match="`blank_id` must be one of the 3 classes, got 3"):
        losses.ctc_loss(z, done, k, absent, blank_id=3)


def test_names_and_values_of_optax() -> None:
    optax = pytest.importorskip("optax")
    for name, (args, _) in CASES.items():
        if hasattr(optax.losses, name):
            expected = getattr(optax.losses, name)(*[np.asarray(x, np.float32) for x in args])
            np.testing.assert_allclose(getattr(losses, name)(*args), expected, rtol=2e-4, atol=1e-5)
