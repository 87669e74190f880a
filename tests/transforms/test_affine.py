"""Bodies of numbers that are affine in what they carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.numpy as fnp
from fgrad.core import aval_of, check_jaxpr
from fgrad.transforms.affine import BLOCKS, affine_in_blocks
from fgrad.transforms.stage import trace

W, H, X = np.float64(0.7), np.float64(0.3), np.float64(2.0)


def found(f: Any, *args: Any, consts: int = 1, carry: int = 2) -> Any:
    return affine_in_blocks(trace(f, [aval_of(a) for a in args]), consts, carry)


def turn(w: Any, a: Any, b: Any, x: Any) -> list[Any]:
    return [a * x - b * fnp.sin(w), a + b / x, b]


def test_the_matrix_and_the_step_of_all_blocks() -> None:
    affine = found(turn, W, H, H, X)
    assert affine is not None
    assert affine.is_linear
    check_jaxpr(affine.matrix.jaxpr)
    check_jaxpr(affine.step.jaxpr)
    rng = np.random.default_rng(0)
    units, x = rng.normal(size=(2, 2, BLOCKS)), rng.normal(size=BLOCKS)
    for k in range(2):
        whole = affine.step(W, *units[:, k], x)
        for y, z in zip(affine.matrix(W, *units, x), whole, strict=False):
            np.testing.assert_array_equal(y[k], z)
    np.testing.assert_array_equal(affine.step(W, *units[:, 0], x), turn(W, *units[:, 0], x))


@pytest.mark.parametrize(
    ("step", "linear"),
    [
        (lambda w, a, b, x: [w * a + x, -b], False),
        (lambda w, a, b, x: [w * a - 1.0, b], False),
        (lambda w, a, b, x: [fnp.where(x > w, a, b), a - b], True),
        (lambda w, a, b, x: [fnp.where(x > w, a, 1.0), b], False),
        (lambda w, a, b, x: [a, b], True),
    ],
)
def test_offsets(step: Any, linear: bool) -> None:
    affine = found(step, W, H, H, X)
    if affine is None:
        assert step(1.0, 2.0, 3.0, 4.0) == [2.0, 3.0]  # nothing to compute
    else:
        assert affine.is_linear == linear


@pytest.mark.parametrize(
    "step",
    [
        lambda w, a, b, x: [a * b, b],
        lambda w, a, b, x: [fnp.sin(a), b],
        lambda w, a, b, x: [fnp.floor(a), b],
        lambda w, a, b, x: [fnp.where(a > 0.0, a, b), b],
        lambda w, a, b, x: [w / a, b],
        lambda w, a, b, x: [x, a + b],
        lambda w, a, b, x: [fnp.maximum(a, 0.0), b],
    ],
)
def test_what_is_not_affine(step: Any) -> None:
    assert found(step, W, H, H, X) is None


def test_other_types_and_too_many_carries() -> None:
    assert found(lambda h, x: [h * x], np.float32(1), np.float32(2), consts=0, carry=1) is None
    assert found(lambda h, x: [h + x], 1, np.int64(2), consts=0, carry=1) is None
    assert found(lambda h, x: [h * x], np.ones(3), X, consts=0, carry=1) is None
    assert found(lambda *hs: [h * 2.0 for h in hs], *[H] * 5, consts=0, carry=5) is None
    assert found(lambda *hs: [h * 2.0 for h in hs], *[H] * 4, consts=0, carry=4) is not None
