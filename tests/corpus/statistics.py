"""Statistics and probability: estimators, likelihoods, tests, kernels."""

from __future__ import annotations

import numpy as np


def standardize(x):
    return (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)


def skewness_and_kurtosis(x):
    z = (x - np.mean(x)) / np.std(x)
    return np.stack([np.mean(z**3), np.mean(z**4) - 3])


def weighted_moments(x, w):
    mean = np.average(x, weights=w)
    return mean, np.sqrt(np.average((x - mean) ** 2, weights=w))


def pearson(x, y):
    return np.corrcoef(x, y)[0, 1]


def welch_t(x, y):
    vx, vy = x.var(ddof=1) / x.size, y.var(ddof=1) / y.size
    return (x.mean() - y.mean()) / np.sqrt(vx + vy)


def gaussian_log_likelihood(x, mean, factor):
    """With the covariance L·Lᵀ."""
    covariance = factor @ factor.T + np.eye(len(mean))
    _, logdet = np.linalg.slogdet(covariance)
    r = x - mean
    mahalanobis = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covariance), r)
    return -0.5 * np.sum(mahalanobis + logdet + len(mean) * np.log(2 * np.pi))


def kernel_density(x, data, width):
    z = (x[:, np.newaxis] - data) / width
    return np.exp(-0.5 * z**2).sum(axis=-1) / (data.size * width * np.sqrt(2 * np.pi))


def logistic_regression(w, features, labels):
    logits = features @ w
    return np.mean(np.logaddexp(0, -labels * logits)) + 0.1 * np.dot(w, w)


def mixture_log_likelihood(x, logits, means, log_scales):
    weights = np.exp(logits - logits.max())
    weights = weights / weights.sum()
    z = (x[:, None] - means) * np.exp(-log_scales)
    densities = weights * np.exp(-0.5 * z**2 - log_scales) / np.sqrt(2 * np.pi)
    return np.log(densities.sum(axis=1)).sum()


def least_squares(a, b):
    solution, *_ = np.linalg.lstsq(a, b, rcond=None)
    return solution


def ridge(a, b, strength):
    n = a.shape[1]
    return np.linalg.solve(a.T @ a + strength * np.eye(n), a.T @ b)


def principal_variances(x):
    centred = x - x.mean(axis=0, keepdims=True)
    return np.linalg.svd(centred, compute_uv=False) ** 2 / (len(x) - 1)


def median_absolute_deviation(x):
    return np.median(np.abs(x - np.median(x)))


def interquartile_range(x):
    low, high = np.percentile(x, [25, 75])
    return high - low


def trimmed_mean(x):
    return np.sort(x)[1:-1].mean()


def gini(x):
    x = np.sort(x)
    n = x.shape[0]
    return 2 * np.sum(np.arange(1, n + 1) * x) / (n * x.sum()) - (n + 1) / n


def exponential_smoothing(x, alpha):
    level, levels = x[0], []
    for value in x[1:]:
        level = alpha * value + (1 - alpha) * level
        levels.append(level)
    return np.hstack(levels)


def autocorrelation(x):
    x = x - x.mean()
    full = np.correlate(x, x, mode="full")
    half = full[x.size - 1 :]
    return half / half[0]


def entropy(logits):
    p = np.exp(logits) / np.exp(logits).sum()
    return -(p * np.log(p)).sum()


def huber(r):
    a = abs(r)
    return np.where(a < 1, 0.5 * r**2, a - 0.5).sum()


def gaussian_process(x, y, length):
    k = np.exp(-0.5 * np.subtract.outer(x, x) ** 2 / length**2) + 0.1 * np.eye(len(x))
    factor = np.linalg.cholesky(k)
    alpha = np.linalg.solve(factor.T, np.linalg.solve(factor, y))
    return -0.5 * y @ alpha - np.log(np.diagonal(factor)).sum()


X = np.array([0.4, -1.2, 2.2, 0.9, 1.7, -0.3])
Y = np.array([1.0, -0.6, 2.5, 1.4, 0.3, -0.8])
W = np.array([1.0, 0.5, 2.0, 1.5, 0.7, 0.9])
A = np.array([[1.0, 0.2], [0.4, 1.5], [-0.7, 0.3], [0.9, -1.1]])
B = np.array([1.0, -0.5, 0.3, 0.8])

CASES = [
    (standardize, (A,)),
    (skewness_and_kurtosis, (X,)),
    (weighted_moments, (X, W)),
    (pearson, (X, Y)),
    (welch_t, (X, Y)),
    (gaussian_log_likelihood, (A, np.array([0.1, 0.3]), np.array([[1.0, 0.0], [0.4, 0.8]]))),
    (kernel_density, (np.array([0.0, 1.0]), X, np.float64(0.7))),
    (logistic_regression, (np.array([0.3, -0.6]), A, np.array([1.0, -1.0, 1.0, -1.0]))),
    (mixture_log_likelihood, (X, np.array([0.1, 0.4]), np.array([0.0, 1.0]), np.array([0.2, -0.3]))),
    (least_squares, (A, B)),
    (ridge, (A, B, np.float64(0.3))),
    (principal_variances, (A,)),
    (median_absolute_deviation, (X,)),
    (interquartile_range, (X,)),
    (trimmed_mean, (X,)),
    (gini, (W,)),
    (exponential_smoothing, (X, np.float64(0.3))),
    (autocorrelation, (X,)),
    (entropy, (X,)),
    (huber, (X,)),
    (gaussian_process, (X, Y, np.float64(0.9))),
]
