"""Initializers: distributions, fans, dtypes, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import random
from fgrad.errors import ArgumentError, ShapeError
from fgrad.nn import initializers as init

KEY = random.key(3)
SHAPE = (300, 200)
DEVIATIONS: dict[str, float] = {
    "glorot_normal": math.sqrt(2 / 500),
    "glorot_uniform": math.sqrt(2 / 500),
    "xavier_normal": math.sqrt(2 / 500),
    "xavier_uniform": math.sqrt(2 / 500),
    "he_normal": math.sqrt(2 / 300),
    "he_uniform": math.sqrt(2 / 300),
    "kaiming_normal": math.sqrt(2 / 300),
    "kaiming_uniform": math.sqrt(2 / 300),
    "lecun_normal": math.sqrt(1 / 300),
    "lecun_uniform": math.sqrt(1 / 300),
}


@pytest.mark.parametrize("name", DEVIATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_published_variances(name: str, dtype: Any) -> None:
    make: Callable[..., Any] = getattr(init, name)
    x = make()(KEY, SHAPE, dtype)
    assert x.shape == SHAPE
    assert x.dtype == dtype
    assert abs(x.mean()) < 4 * DEVIATIONS[name] / math.sqrt(x.size)
    assert abs(x.std() / DEVIATIONS[name] - 1) < 0.02
    if name.endswith("uniform"):
        assert abs(x).max() <= math.sqrt(3) * DEVIATIONS[name]
    else:
        assert abs(x).max() <= 2 * DEVIATIONS[name] / 0.87962 * 1.0001
    np.testing.assert_array_equal(fgrad.jit(lambda key: make(dtype=dtype)(key, SHAPE))(KEY), x)


@pytest.mark.parametrize(
    ("shape", "axes", "inputs", "outputs"),
    [
        ((3, 5, 8, 16), {}, 120, 240),
        ((16, 8, 3, 5), {"in_axis": 1, "out_axis": 0}, 120, 240),
        ((7, 8, 16), {"batch_axis": 0}, 8, 16),
        ((4, 2, 16), {"in_axis": (0, 1), "out_axis": 2}, 8, 16),
    ],
)
def test_fans(shape: tuple[int, ...], axes: dict[str, Any], inputs: int, outputs: int) -> None:
    for mode, fan in (("fan_in", inputs), ("fan_out", outputs), ("fan_avg", (inputs + outputs) / 2)):
        x = init.variance_scaling(3.0, mode, "uniform", **axes)(KEY, shape)
        numbers = 2 * random.uniform(KEY, shape) - 1
        np.testing.assert_allclose(x, numbers * math.sqrt(9 / fan), rtol=1e-14)


def test_simple_ones() -> None:
    np.testing.assert_array_equal(init.zeros(KEY, (2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(init.ones(KEY, (2,), np.float32), np.ones(2, np.float32))
    np.testing.assert_array_equal(init.constant([1.0, 2.0])(KEY, (3, 2)), [[1, 2]] * 3)
    x = init.uniform(0.5, np.float32)(KEY, (1000,))
    assert x.dtype == np.float32
    assert 0 <= x.min() < 0.01 < 0.49 < x.max() < 0.5
    assert abs(init.normal(0.1)(KEY, (10_000,)).std() - 0.1) < 0.003
    x = init.truncated_normal(2.0, lower=-1.0, upper=0.5)(KEY, (10_000,))
    assert -2 <= x.min() < -1.99 < 0.99 < x.max() <= 1


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("axis", [-1, 0])
def test_orthogonal(shape: tuple[int, ...], axis: int) -> None:
    x = init.orthogonal(2.0, column_axis=axis)(KEY, shape)
    assert x.shape == shape
    matrix = np.moveaxis(x, axis, -1).reshape(x.size // max(shape[axis], 1), shape[axis])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(min(matrix.shape)), atol=1e-12)


def test_orthogonal_is_uniform() -> None:
    keys = random.split(KEY, 400)
    corner = fgrad.vmap(lambda key: init.orthogonal()(key, (2, 2)))(keys)[:, 0, 0]
    assert abs((corner > 0).mean() - 0.5) < 0.1
    assert abs(np.mean(corner**2) - 0.5) < 0.06


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("field", [(3,), (3, 4), (2, 1, 5)])
def test_delta_orthogonal_keeps_lengths(field: tuple[int, ...], axis: int) -> None:
    channels = (2, 4) if axis == -1 else (4, 2)
    x = init.delta_orthogonal(column_axis=axis)(KEY, (*field, *channels))
    middle = tuple([(n - 1) // 2 for n in field])
    matrix = x[middle] if axis == -1 else x[middle].T
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)
    x = x.copy()
    x[middle] = 0
    assert not x.any()


def test_truncated_normals_and_orthogonal_matrices_of_random() -> None:
    x = random.truncated_normal(KEY, np.array([-1.0, 0.0]), 3.0, (5000, 2))
    assert (x >= [-1, 0]).all()
    assert (x <= 3).all()
    assert abs(x[:, 1].mean() - 0.7911) < 0.05
    gradient = fgrad.grad(lambda low: random.truncated_normal(KEY, low, 2.0))(-1.0)
    step = 1e-6
    difference = random.truncated_normal(KEY, -1 + step, 2.0) - random.truncated_normal(KEY, -1 - step, 2.0)
    assert abs(gradient - difference / (2 * step)) < 1e-6
    q = random.orthogonal(KEY, 3, (2,), np.complex128)
    np.testing.assert_allclose(q @ np.conj(np.swapaxes(q, -1, -2)), np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: init.variance_scaling(1.0, "fan", "normal"),
            ArgumentError,
            r"`mode` must be one of fan_in, fan_out, fan_avg, got 'fan'",
        ),
        (
            lambda: init.variance_scaling(1.0, "fan_in", "cauchy"),
            ArgumentError,
            r"`distribution` must be one of truncated_normal, normal, uniform, got 'cauchy'",
        ),
        (lambda: init.he_normal()(KEY, (3,)), ShapeError, r"two axes or more, for inputs and outputs, got \(3,\)"),
        (lambda: init.he_normal()(KEY, ()), ShapeError, r"(?s)got \(\).*A bias has no fan: initialise it with `zeros`"),
        (
            lambda: init.he_normal(in_axis=-1)(KEY, (3, 4)),
            ShapeError,
            r"must be different axes of the shape \(3, 4\), got -1, -1 and \(\)",
        ),
        (lambda: init.he_normal(in_axis=2)(KEY, (3, 4)), ShapeError, r"`in_axis`=\(2,\) are not axes"),
        (lambda: init.orthogonal()(KEY, (3,)), ShapeError, r"orthogonal: `shape` must have two axes or more"),
        (lambda: init.delta_orthogonal()(KEY, (3, 4, 2)), ShapeError, r"no more inputs than outputs, got \(3, 4, 2\)"),
    ],
)
def test_mistakes(make: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
