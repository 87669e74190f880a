"""Convolutions and correlations against SciPy's, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal as reference

import fgrad
import fgrad.scipy.signal as ours
from fgrad.errors import ArgumentError, ShapeError
from fgrad.testing import check_grads

SHAPES = [((7,), (3,)), ((3,), (7,)), ((6,), (4,)), ((5, 6), (2, 3)), ((2, 3), (5, 6)), ((5, 2), (3, 4)), ((), ())]
MODES = ("full", "same", "valid")


def drawn(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 9
    return np.asarray(x + 1j * rng.normal(size=shape) if dtype is complex else x).astype(dtype)


def fit(shapes: Any, mode: str) -> bool:
    """Whether one lies in the other, where that is needed."""
    pairs = list(zip(*shapes, strict=True))
    return mode != "valid" or all(n >= m for n, m in pairs) or all(n <= m for n, m in pairs)


def agree(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, atol=1e-11)
    assert got.dtype == expected.dtype


@pytest.mark.parametrize("dtype", [float, complex, int])
@pytest.mark.parametrize("shapes", SHAPES)
def test_values(shapes: Any, dtype: Any) -> None:
    x, y = drawn(shapes[0], dtype, 0), drawn(shapes[1], dtype, 1)
    for mode in MODES:
        if not fit(shapes, mode):
            continue
        for name in ("convolve", "correlate"):
            for method in ("direct", "fft", "auto"):
                expected = getattr(reference, name)(x, y, mode, method)
                agree(getattr(ours, name)(x, y, mode, method), expected)
        agree(ours.fftconvolve(x, y, mode), reference.fftconvolve(x, y, mode))


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("shapes", [shapes for shapes in SHAPES if len(shapes[0]) == 2])
def test_values_in_two_dimensions(shapes: Any, boundary: str) -> None:
    x, y = drawn(shapes[0], float, 0), drawn(shapes[1], float, 1)
    for mode in MODES:
        for fillvalue in (0, 2) if boundary == "fill" else (0,):
            for name in ("convolve2d", "correlate2d"):
                if fit(shapes, mode):
                    expected = getattr(reference, name)(x, y, mode, boundary, fillvalue)
                    agree(getattr(ours, name)(x, y, mode, boundary, fillvalue), expected)


def test_correlation_conjugates_the_second_array() -> None:
    x, y = drawn((5, 4), complex, 0), drawn((2, 3), complex, 1)
    agree(ours.correlate2d(x, y), reference.correlate2d(x, y))


def test_axes_that_are_not_convolved_broadcast() -> None:
    x, y = drawn((2, 7, 3), float, 0), drawn((2, 4, 1), float, 1)
    agree(ours.fftconvolve(x, y, "same", axes=1), reference.fftconvolve(x, y, "same", axes=1))


def test_axes_in_pairs() -> None:
    """As a bank of filters: some axes are convolved, some summed along, the others stay."""
    x, filters = drawn((2, 7, 3), float, 0), drawn((4, 3, 2), float, 1)
    out = ours.convolve(x, filters, axes=([1], [2]), dot_axes=([2], [1]))
    assert out.shape == (2, 4, 8)
    expected = sum(np.convolve(x[1, :, c], filters[3, c]) for c in range(3))
    np.testing.assert_allclose(out[1, 3], expected, atol=1e-12)
    swapped = ours.convolve(filters, x, axes=([2], [1]), dot_axes=([1], [2]), mode="valid")
    expected = ours.convolve(x, filters, axes=([1], [2]), dot_axes=([2], [1]), mode="valid")
    np.testing.assert_allclose(np.swapaxes(swapped, 0, 1), expected, atol=1e-12)


def test_long_signals_are_transformed() -> None:
    x, y = drawn((3000,), float, 0), drawn((2000,), float, 1)
    assert "fft" in str(fgrad.make_jaxpr(ours.convolve)(x, y))
    assert "fft" not in str(fgrad.make_jaxpr(ours.convolve)(x, y[:9]))
    np.testing.assert_allclose(ours.convolve(x, y), np.convolve(x, y), atol=1e-9)


FUNCTIONS = {
    "direct": lambda x, y: ours.convolve(x, y, "same"),
    "fft": lambda x, y: ours.convolve(x, y, "full", "fft"),
    "correlate": lambda x, y: ours.correlate(x, y, "valid"),
    "fftconvolve": lambda x, y: ours.fftconvolve(x, y, "same"),
    "wrapped": lambda x, y: ours.convolve2d(x.reshape(4, 5), y[:4].reshape(2, 2), "same", "wrap"),
    "mirrored": lambda x, y: ours.correlate2d(x.reshape(4, 5), y[:4].reshape(2, 2), "full", "symm"),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_derivatives_and_transforms(f: Any) -> None:
    x, y = drawn((20,), float, 0), drawn((5,), float, 1)
    check_grads(f, (x, y), order=2)
    np.testing.assert_allclose(fgrad.jit(f)(x, y), f(x, y), atol=1e-11)
    rows = fgrad.vmap(f)(np.stack([x, x + 1]), np.stack([y, 2 * y]))
    np.testing.assert_allclose(rows[1], f(x + 1, 2 * y), atol=1e-11)


def test_errors() -> None:
    x, y = np.ones(4), np.ones((2, 2))
    with pytest.raises(ShapeError, match=r"convolve takes arrays of as many axes, got the shapes \(4,\) and \(2, 2\)"):
        ours.convolve(x, y)
    with pytest.raises(ShapeError, match="arrays that are not empty"):
        ours.convolve(x, x[:0])
    with pytest.raises(ArgumentError, match=r"`mode` is 'half'(.|\n)*'full', 'same', 'valid'"):
        ours.convolve(x, x, "half")
    with pytest.raises(ArgumentError, match="`method` is 'slow'"):
        ours.convolve(x, x, method="slow")
    with pytest.raises(ShapeError, match="neither lies in the other"):
        ours.convolve(np.ones((2, 3)), np.ones((3, 2)), "valid")
    with pytest.raises(ShapeError, match="convolve2d takes arrays of two axes"):
        ours.convolve2d(x, x)
    with pytest.raises(ArgumentError, match="`boundary` is 'mirror'"):
        ours.convolve2d(y, y, boundary="mirror")
    with pytest.raises(ShapeError, match="differ along axis 0"):
        ours.fftconvolve(np.ones((2, 3)), np.ones((3, 3)), axes=1)
    with pytest.raises(ArgumentError, match="`axes` is empty"):
        ours.fftconvolve(y, y, axes=())
    with pytest.raises(ArgumentError, match=r"the axes \(0, 0\) of an array of 2 axes"):
        ours.fftconvolve(y, y, axes=(0, 0))
    with pytest.raises(ArgumentError, match="must pair axes"):
        ours.convolve(y, y, axes=([0], [0, 1]))
