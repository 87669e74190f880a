"""Choosing by bits gives what `numpy.where` gives, bit for bit."""

import numpy as np
import pytest

from fgrad.primitives.choice import LARGE, choose

SPECIAL = np.array([0.0, -0.0, 1.5, np.nan, np.inf, -np.inf, 5e-324])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.float16, np.complex128, np.bool_])
@pytest.mark.parametrize("scalar", ["none", "left", "right", "both", "zero left", "zero right", "minus zero"])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "broadcast"])
def test_equals_where(dtype, scalar, layout):
    rng = np.random.default_rng(0)
    shape = (LARGE // 8, 16)
    kind = np.dtype(dtype).kind
    values = rng.choice(SPECIAL if kind in "fc" else np.arange(-3, 4), (2, *shape))
    with np.errstate(all="ignore"):
        x, y = values.astype(dtype)
    condition = rng.random(shape) > 0.5
    if layout == "F":
        x, condition = np.asfortranarray(x), np.asfortranarray(condition)
    elif layout == "strided":
        x, y, condition = x[::2], y[::2], condition[::2]
    elif layout == "broadcast":
        y = y[0]
    number = np.dtype(dtype).type
    x = {"left": number(1), "both": number(1), "zero left": number(0), "minus zero": -0.0}.get(scalar, x)
    y = {"right": number(1), "both": number(0), "zero right": 0}.get(scalar, y)
    expected, got = np.where(condition, x, y), choose(condition, x, y)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()
    for out in (np.empty_like(expected), x, y):
        if type(out) is np.ndarray and (out.shape, out.dtype) == (expected.shape, expected.dtype):
            target = out.copy()
            given = [target if z is out else z for z in (x, y)]
            assert choose(condition, *given, target).tobytes() == expected.tobytes()
            assert target.tobytes() == expected.tobytes()


def test_small_and_scalar_conditions():
    assert choose(np.True_, 1.0, 2.0) == 1.0
    assert choose(False, np.arange(3), np.ones(3)).tolist() == [1.0, 1.0, 1.0]
    assert choose(np.arange(2 * LARGE), 1, 2)[0] == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize(
    "zero", [0, 0.0, -0.0, False, 0j, np.float32(0), np.float64(0), np.float32(-0.0), np.complex64(0), np.int8(0)]
)
def test_a_zero_of_another_kind_decides_the_dtype(dtype, zero):
    condition, x = np.arange(2 * LARGE) % 3 == 0, np.arange(2 * LARGE).astype(dtype)
    for given in ((zero, x), (x, zero)):
        expected, got = np.where(condition, *given), choose(condition, *given)
        assert got.dtype == expected.dtype
        assert got.tobytes() == expected.tobytes()
