"""Shapes, axes, new arrays."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import lax
from fgrad.errors import ArgumentError, ShapeError
from tests.lax.modes import check_modes, normal

X = normal(2, 3)


def padded(x: Any, value: Any, config: list[tuple[int, int, int]]) -> Any:
    """`pad` by its definition: elements apart, then numbers around them, then a part of that."""
    for axis, (low, high, between) in enumerate(config):
        n = x.shape[axis]
        size = n + between * max(n - 1, 0)
        spread = np.full((*x.shape[:axis], size, *x.shape[axis + 1 :]), value, x.dtype)
        spread[(slice(None),) * axis + (slice(None, None, between + 1),)] = x
        widths = [(max(low, 0), max(high, 0)) if a == axis else (0, 0) for a in range(x.ndim)]
        x = np.pad(spread, widths, constant_values=value)
        cut = slice(max(-low, 0), x.shape[axis] - max(-high, 0))
        x = x[(slice(None),) * axis + (cut,)]
    return x


def fits(n: int, low: int, high: int, between: int) -> bool:
    return low + high + n + between * max(n - 1, 0) >= 0 and all(
        -v <= n + between * max(n - 1, 0) + max(w, 0) for v, w in ((low, high), (high, low))
    )


def test_padding_of_every_kind() -> None:
    for n in (0, 1, 4):
        x = np.arange(1.0, n + 1)
        for low, high, between in itertools.product(range(-5, 4), range(-5, 4), range(3)):
            if fits(n, low, high, between):
                for value in (0.0, 7.0):
                    expected = padded(x, value, [(low, high, between)])
                    np.testing.assert_array_equal(lax.pad(x, value, [(low, high, between)]), expected)


def test_padding_of_several_axes() -> None:
    config = [(1, -1, 2), (-1, 2, 1)]
    expected = padded(X, 5.0, config)
    np.testing.assert_array_equal(lax.pad(X, 5.0, config), expected)
    check_modes(lambda x, v: lax.pad(x * x, v * v, config), X, np.float64(5.0))
    check_modes(lambda x: lax.pad(x, 0.0, config), X)
    with pytest.raises(ShapeError, match=r"lax.pad of an array of shape \(2, 3\) by .* takes away more"):
        lax.pad(X, 0.0, [(-2, -1, 0), (0, 0, 0)])
    with pytest.raises(ArgumentError, match=r"padding_config is \[\(1, 1, 0\)\]"):
        lax.pad(X, 0.0, [(1, 1, 0)])
    with pytest.raises(ArgumentError, match=r"puts in one number, got an array of shape \(1,\)"):
        lax.pad(X, np.zeros(1), [(1, 1, 0)] * 2)


def test_other_shapes() -> None:
    np.testing.assert_array_equal(lax.reshape(X, (3, 2)), X.reshape(3, 2))
    np.testing.assert_array_equal(lax.reshape(X, (6,), (1, 0)), X.T.ravel())
    np.testing.assert_array_equal(lax.transpose(X, (1, 0)), X.T)
    np.testing.assert_array_equal(lax.rev(X, (0, 1)), X[::-1, ::-1])
    np.testing.assert_array_equal(lax.tile(X, (2, 3)), np.tile(X, (2, 3)))
    np.testing.assert_array_equal(lax.broadcast(X, (4,)), np.broadcast_to(X, (4, 2, 3)))
    np.testing.assert_array_equal(lax.broadcast_in_dim(X, (2, 5, 3), (0, 2)), np.broadcast_to(X[:, None], (2, 5, 3)))
    np.testing.assert_array_equal(lax.broadcast_in_dim(1.5, (2,), ()), [1.5, 1.5])
    assert lax.broadcast_like(np.ones(3), X).shape == (2, 3)
    assert lax.broadcast_to_rank(X, 4).shape == (1, 1, 2, 3)
    assert lax.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    assert lax.squeeze(X[None], (0,)).shape == (2, 3)
    assert lax.expand_dims(X, (0, 2)).shape == (1, 2, 1, 3)
    assert lax.collapse(X[None], 1).shape == (1, 6)
    assert lax.dtype(1) == np.int64
    np.testing.assert_array_equal(lax.shape_as_value((2, 3)), [2, 3])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: lax.reshape(x, (6,), (1, 0)),
        lambda x: lax.rev(x, (1,)),
        lambda x: lax.tile(x, (2, 2)),
        lambda x: lax.broadcast_in_dim(x, (2, 2, 3), (1, 2)),
        lambda x: lax.expand_dims(lax.collapse(x, 0), (0,)),
        lambda x: lax.concatenate([x, x * x], 1),
        lambda x: lax.stack(lax.unstack(x, 1), 0),
        lambda x: lax.split(x, (1, 2), 1)[1],
    ],
)
def test_derivatives(f: Any) -> None:
    check_modes(f, X)


def test_joining_and_parting() -> None:
    np.testing.assert_array_equal(lax.concatenate([X, X], 0), np.concatenate([X, X]))
    np.testing.assert_array_equal(lax.stack([X, X], 1), np.stack([X, X], 1))
    first, second = lax.split(X, (1, 2), 1)
    np.testing.assert_array_equal(first, X[:, :1])
    np.testing.assert_array_equal(second, X[:, 1:])
    assert [part.shape for part in lax.unstack(X, 1)] == [(2,)] * 3
    with pytest.raises(ShapeError, match=r"lax\.concatenate takes arguments of one dtype, got float64, float32"):
        lax.concatenate([X, X.astype(np.float32)], 0)
    with pytest.raises(ArgumentError, match=r"lax\.concatenate takes at least one array"):
        lax.concatenate([], 0)
    with pytest.raises(ArgumentError, match=r"lax\.stack takes at least one array"):
        lax.stack([])


def test_new_arrays() -> None:
    assert lax.full((2,), 1).dtype == np.int64
    np.testing.assert_array_equal(lax.full((2,), 1.7, int), [1, 1])
    np.testing.assert_array_equal(lax.full_like(np.arange(3), 2.7), [2, 2, 2])
    np.testing.assert_array_equal(lax.full_like(X, 1, shape=(2,)), [1.0, 1.0])
    np.testing.assert_array_equal(lax.iota(np.float32, 3), np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(lax.broadcasted_iota(int, (2, 3), 0), [[0] * 3, [1] * 3])
    np.testing.assert_array_equal(lax.empty((2,), np.int8), np.zeros(2))
    check_modes(lambda v: lax.full((2, 2), v * v), np.float64(3.0))
    out = fgrad.jit(lambda v: lax.full((2,), v, np.float32))(3.0)
    assert out.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: lax.full((2,), X), r"lax.full fills with one number, got an array of shape \(2, 3\)"),
        (lambda: lax.broadcasted_iota(int, (2, -3), 0), "a length is negative"),
        (lambda: lax.broadcast_in_dim(X, (2, 3, 4), (1, 0)), r"broadcast_dimensions are \(1, 0\)"),
        (lambda: lax.broadcast_in_dim(X, (2, 4), (0, 1)), r"shape \(2, 3\) does not fit into the axes \(0, 1\)"),
        (lambda: lax.broadcast_to_rank(X, 1), "has more than 1 axes"),
        (lambda: lax.broadcast_shapes((2,), (3,)), r"shapes \(2,\) and \(3,\) do not broadcast"),
        (lambda: lax.reshape(X, (-1,)), "a length is negative"),
        (lambda: lax.reshape(X, (5,)), "cannot reshape"),
        (lambda: lax.squeeze(X, (0,)), r"lax.squeeze of the axes \(0,\) of an array of shape \(2, 3\)"),
        (lambda: lax.collapse(X, 1, 1), "There must be at least one"),
        (lambda: lax.tile(X, (2,)), "Give one number for each axis"),
        (lambda: lax.rev(X, (2,)), "there is no axis 2 in an array of 2 axes"),
        (lambda: lax.rev(X, (0, -2)), "an axis comes twice"),
        (lambda: lax.transpose(X, (0, 0)), "not a permutation"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=what):
        call()
