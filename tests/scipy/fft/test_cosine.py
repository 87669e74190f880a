"""Cosine and sine transforms against SciPy's, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft as reference

import fgrad
import fgrad.scipy.fft as ours
from fgrad.errors import ArgumentError, ShapeError
from fgrad.testing import check_grads

ONE = ("dct", "idct", "dst", "idst")
MANY = ("dctn", "idctn", "dstn", "idstn")
KINDS = (1, 2, 3, 4)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("kind", KINDS)
def test_values(name: str, kind: int) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 4, 5, 9):
        if n == 1 and kind == 1 and "dct" in name:
            continue
        x = rng.normal(size=(2, n))
        for norm in (None, "ortho", "forward", "backward"):
            expected = getattr(reference, name)(x, kind, norm=norm)
            np.testing.assert_allclose(getattr(ours, name)(x, kind, norm=norm), expected, atol=1e-12)
    for n in (3, 8):
        expected = getattr(reference, name)(x, kind, n, 1)
        np.testing.assert_allclose(getattr(ours, name)(x, kind, n, 1), expected, atol=1e-12)
    assert getattr(ours, name)(x.astype(np.float32), kind, norm="ortho").dtype == np.float32
    assert getattr(ours, name)(np.arange(4), kind).dtype == np.float64


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("given", [{}, {"axes": (0, 2)}, {"s": (3, 7), "axes": (1, -1)}, {"s": (3, 7)}, {"type": 3}])
def test_values_along_many_axes(name: str, given: dict[str, Any]) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4, 5))
    np.testing.assert_allclose(getattr(ours, name)(x, **given), getattr(reference, name)(x, **given), atol=1e-12)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_linear_and_orthogonal(name: str, kind: int) -> None:
    x = np.random.default_rng(2).normal(size=5)

    def f(x: Any) -> Any:
        return getattr(ours, name)(x, kind, norm="ortho")

    check_grads(f, (x,), order=1)
    matrix = fgrad.jit(fgrad.jacrev(f))(x)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(fgrad.jacfwd(f)(x), matrix, atol=1e-12)
    np.testing.assert_allclose(fgrad.vmap(f)(np.stack([x, 2 * x]))[1], 2 * f(x), atol=1e-12)


def test_fourier_transforms_are_there() -> None:
    x = np.random.default_rng(3).normal(size=(4, 3))
    np.testing.assert_allclose(ours.rfft2(x), reference.rfft2(x), atol=1e-12)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="`type` is 5"):
        ours.dct(np.ones(3), 5)
    with pytest.raises(ArgumentError, match="`norm` is 'unit'"):
        ours.dct(np.ones(3), norm="unit")
    with pytest.raises(ArgumentError, match="type 1 of one point"):
        ours.dct(np.ones(1), 1)
    with pytest.raises(ArgumentError, match="dct of 0 points"):
        ours.dct(np.ones(3), n=0)
    with pytest.raises(ShapeError, match=r"dct takes real numbers(.|\n)*x.real"):
        ours.dct(np.ones(3) * 1j)
    with pytest.raises(ArgumentError, match=r"dctn along the axes \(0, 0\)"):
        ours.dctn(np.ones((2, 2)), axes=(0, 0))
    with pytest.raises(np.exceptions.AxisError):
        ours.dct(np.ones(3), axis=1)
