"""Fourier transforms: NumPy's values, dtypes and errors; derivatives, batching, plain NumPy's functions on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from tests.numpy.against_numpy import check, rows, staged

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
DTYPES = [np.float64, np.float32, np.complex128, np.complex64, np.int8, bool]
NORMS = st.sampled_from([None, "backward", "ortho", "forward", "wrong"])


def signal(shape: Any, dtype: Any) -> Any:
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * 3
    return (x + 1j * rng.normal(size=shape)).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


@pytest.mark.parametrize("name", ONE)
@given(
    shape=st.sampled_from([(5,), (4, 3), (1,), (0, 2), (2, 3, 4), ()]),
    dtype=st.sampled_from(DTYPES),
    n=st.none() | st.integers(0, 7),
    axis=st.integers(-3, 2),
    norm=NORMS,
)
def test_one_axis(name: str, shape: Any, dtype: Any, n: Any, axis: int, norm: Any) -> None:
    check(getattr(fnp.fft, name), getattr(np.fft, name), signal(shape, dtype), n=n, axis=axis, norm=norm)


@pytest.mark.parametrize("name", MANY)
@given(
    shape=st.sampled_from([(4, 3), (1, 5), (2, 3, 4)]),
    dtype=st.sampled_from(DTYPES),
    form=st.sampled_from(
        [
            {},
            {"axes": (0,)},
            {"axes": (-1, 0)},
            {"s": (3, 5), "axes": (1, 0)},
            {"s": (2, -1), "axes": (0, 1)},
            {"axes": (0, 5)},
        ]
    ),
    norm=NORMS,
)
def test_several_axes(name: str, shape: Any, dtype: Any, form: Any, norm: Any) -> None:
    check(getattr(fnp.fft, name), getattr(np.fft, name), signal(shape, dtype), norm=norm, **form)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, (0, 1), -1, 3])
def test_shifts(name: str, axes: Any) -> None:
    check(getattr(fnp.fft, name), getattr(np.fft, name), signal((4, 3), np.float64), axes=axes)


@pytest.mark.parametrize("name", ONE + MANY)
@pytest.mark.parametrize("shape", [(3, 4), (2, 5)])
def test_gradients(name: str, shape: Any) -> None:
    """Of a real function of real and imaginary parts, against differences; and its derivative."""
    f = getattr(fnp.fft, name)
    rng = np.random.default_rng(1)
    x, y, s, t = rng.normal(size=(4, *shape))
    real = name in ("rfft", "rfft2", "rfftn", "ihfft")
    w, v = rng.normal(size=(2, *np.shape(f(x))))

    def scalar(x: Any, y: Any) -> Any:
        out = f(x if real else x + 1j * y)
        return fnp.sum(w * fnp.real(out) ** 3 + v * fnp.imag(out) ** 2)

    gx, gy = fgrad.grad(scalar, (0, 1))(x, y)
    h = 1e-6
    expected = (scalar(x + h * s, y + h * t) - scalar(x - h * s, y - h * t)) / (2 * h)
    np.testing.assert_allclose(np.sum(gx * s + gy * t), expected, rtol=1e-6)
    np.testing.assert_allclose(fgrad.jvp(scalar, (x, y), (s, t))[1], expected, rtol=1e-6)
    second = fgrad.jvp(fgrad.grad(scalar, (0, 1)), (x, y), (s, t))[1]
    ahead, behind = (fgrad.grad(scalar, (0, 1))(x + k * h * s, y + k * h * t) for k in (1, -1))
    for got, a, b in zip(second, ahead, behind, strict=True):
        np.testing.assert_allclose(got, (a - b) / (2 * h), rtol=1e-5, atol=1e-5)


def test_cotangents_are_not_conjugated() -> None:
    """The transpose of the transform is its matrix, as it is: what JAX gives."""
    z = signal((4,), np.complex128)
    ct = signal((4,), np.complex128)[::-1].copy()
    matrix = np.fft.fft(np.eye(4))
    np.testing.assert_allclose(fgrad.vjp(fnp.fft.fft, z)[1](ct)[0], ct @ matrix, rtol=1e-12)
    half = np.fft.rfft(np.eye(4))
    ct = ct[:3]
    np.testing.assert_allclose(fgrad.vjp(fnp.fft.rfft, z.real)[1](ct)[0], (half @ ct).real, rtol=1e-12)
    back = fgrad.vjp(lambda z: fnp.fft.irfft(z, 4), z[:3])[1](z.real)[0]
    np.testing.assert_allclose(back, [0.25, 0.5, 0.25] * np.conj(half.T @ z.real), rtol=1e-12)


@pytest.mark.parametrize("name", ONE)
def test_batches(name: str) -> None:
    rows(getattr(fnp.fft, name), signal((5,), np.float64))
    rows(lambda x: getattr(fnp.fft, name)(x, 3, 0), signal((2, 5), np.float64))


def test_plain_numpy() -> None:
    x = signal((3, 4), np.float64)

    def power(x: Any) -> Any:
        return np.sum(np.abs(np.fft.rfftn(x)) ** 2) + np.sum(np.fft.fftshift(x) ** 3)

    t, h = signal((3, 4), np.float64)[::-1], 1e-6
    slope = (power(x + h * t) - power(x - h * t)) / (2 * h)
    np.testing.assert_allclose(np.sum(fgrad.grad(power)(x) * t), slope, rtol=1e-6)
    np.testing.assert_allclose(fgrad.jit(power)(x), power(x))
    z = fgrad.grad(lambda x: np.fft.irfft(np.fft.rfft(x) * 2, 4).sum())(x)
    np.testing.assert_allclose(z, np.full((3, 4), 2.0))


def test_source_is_plain_numpy() -> None:
    assert "np.fft.rfft(" in fgrad.jit(fnp.fft.rfft).lower(np.ones(4)).as_text()


def test_refusals() -> None:
    x = np.ones(4)
    with pytest.raises(ArgumentError, match="`norm` is 'wrong'"):
        staged(lambda x: fnp.fft.fft(x, norm="wrong"), x)
    with pytest.raises(ShapeError, match="Fourier transform of 0 points"):
        staged(lambda x: fnp.fft.fft(x, 0), x)
    with pytest.raises(TypeError, match="takes real numbers"):
        staged(fnp.fft.rfft, x * 1j)
    with pytest.raises(ArgumentError, match="along 1 axes with 2 lengths"):
        staged(lambda x: fnp.fft.fftn(x, (2, 2), (0,)), x)
    with pytest.raises(ArgumentError, match="does not take `out`"):
        staged(lambda x: fnp.fft.fft(x, out=np.ones(4, complex)), x)
    with pytest.raises(ShapeError, match="at least one axis"):
        staged(lambda x: fnp.fft.rfftn(x, axes=()), x)


@pytest.mark.parametrize(
    "transform",
    [fnp.fft.rfft, lambda x: fnp.fft.irfft(x + 0j), lambda x: fnp.fft.fft2(x.reshape(2, -1) + 0j, norm="ortho")],
)
def test_large_results_are_written_into_kept_memory(transform: Any) -> None:
    x = np.sin(np.arange(2.0**15))
    compiled = fgrad.jit(transform)
    assert "out=_empty(" in compiled.lower(x).as_text()
    np.testing.assert_allclose(compiled(x), transform(x), rtol=1e-12, atol=1e-12)
