"""The same calls of `jax.lax` and `fgrad.lax` give the same arrays, where JAX is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fgrad import lax

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
Y = RNG.uniform(0.1, 1, (3, 4))
Z = X + 1j * Y
I = RNG.integers(-99, 99, (3, 4))  # noqa: E741
K = RNG.integers(1, 70, (3, 4))
WIDE = [np.int8, np.int32, np.int64, np.uint8, np.uint32]


@pytest.fixture(scope="module")
def jax_lax() -> Iterator[Any]:
    jax = importlib.import_module("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax.lax
    jax.config.update("jax_enable_x64", before)


def calls() -> Iterator[tuple[Any, ...]]:
    for name in ("neg", "abs", "sign", "exp", "exp2", "expm1", "sin", "cos", "tan", "asinh", "sinh", "cosh", "tanh",
                 "atan", "logistic", "square", "reciprocal", "floor", "ceil", "is_finite", "round", "cbrt",
                 "conj"):  # fmt: skip
        yield name, X
    for name in (
        "log",
        "log1p",
        "sqrt",
        "rsqrt",
        "asin",
        "acos",
        "atanh",
        "erf",
        "erfc",
        "erf_inv",
        "lgamma",
        "digamma",
    ):
        yield name, Y
    for name in ("add", "sub", "mul", "div", "rem", "pow", "atan2", "max", "min", "nextafter", "eq", "ne", "lt", "le",
                 "gt", "ge", "complex", "igamma", "igammac", "igamma_grad_a"):  # fmt: skip
        yield name, Y, np.abs(X)
    for name in ("real", "imag", "conj", "exp", "log", "sin", "sqrt", "abs", "sign", "tanh"):
        yield name, Z
    for dtype in WIDE:
        a, b = I.astype(dtype), K.astype(dtype)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "shift_left", "shift_right_logical",
                     "shift_right_arithmetic", "div", "rem", "max", "add", "sub", "mul"):  # fmt: skip
            yield name, a, b
        for name in ("bitwise_not", "clz", "population_count", "neg", "sign"):
            yield name, a
    yield "bessel_i0e", X
    yield "bessel_i1e", X
    yield "zeta", Y + 1.5, Y
    yield "betainc", Y, Y * 2, Y / 2
    yield "polygamma", np.ones_like(Y), Y
    yield "clamp", -0.5, X, 0.5
    yield "select_n", K % 3, X, Y, X * 2
    yield "reduce_precision", X * 1e3, 5, 4
    yield "reduce_precision", X * 1e-5, 5, 10
    for config in (
        [(1, 2, 0), (0, 0, 1)],
        [(-1, 2, 1), (3, -2, 2)],
        [(-2, -1, 0), (-1, -3, 0)],
        [(-4, 4, 1), (0, -9, 3)],
    ):
        yield "pad", X, np.float64(7.0), config
    for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min"):
        for axes in ((0,), (0, 1), ()):
            yield name, X, axes
            yield name, I.astype(np.int32), axes
    for name in ("reduce_and", "reduce_or", "reduce_xor"):
        yield name, I, (0,)
        yield name, I > 0, (1,)
    for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
        for axis in (0, 1):
            yield name, X, axis, axis == 0
    for start in ((0, 0), (-1, -2), (5, 9), (2, -9)):
        yield "dynamic_slice", X, start, (2, 2)
        yield "dynamic_update_slice", X, Y[:2, :2], start
    for start in (0, 2, -1, 7):
        yield "dynamic_slice_in_dim", X, start, 2, 1
        yield "dynamic_index_in_dim", X, start, 1, False
        yield "dynamic_update_slice_in_dim", X, Y[:, :2], start, 1
        yield "dynamic_update_index_in_dim", X, Y[:, 0], start, 1
    yield "sort", X
    yield "sort", (I // 20, X), 0, True, 2
    yield "sort_key_val", X, Y, 0
    yield "top_k", I // 30, 3
    yield "argmax", X, 1, np.int32
    yield "reshape", X, (4, 3), (1, 0)
    yield "broadcast_in_dim", X[:, :1], (3, 5), (0, 1)
    yield "slice", X, (0, 1), (3, 4), (2, 2)
    yield "slice_in_dim", X, 1, -1, 2, 1
    yield "bitcast_convert_type", X, np.int16
    yield "index_take", X, (np.array([0, 2]), np.array([1, 1])), (0, 1)
    yield "dot_general", X, Y, (((1,), (1,)), ((0,), (0,)))
    yield "full_like", I, 2.7
    yield "associative_scan", np.multiply, X


@pytest.mark.parametrize("call", list(calls()), ids=lambda call: str(call[0]))
def test_the_same_arrays(jax_lax: Any, call: tuple[Any, ...]) -> None:
    name, *args = call
    expected = getattr(jax_lax, name)(*args)
    got = getattr(lax, name)(*args)
    pairs = zip(expected, got, strict=True) if isinstance(got, tuple) else [(expected, got)]
    for theirs, ours in pairs:
        theirs = np.asarray(theirs)
        assert np.asarray(ours).dtype.kind == theirs.dtype.kind
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


WINDOWS = (np.array([[[0, 1], [3, 0]], [[2, 2], [-1, 1]]]), (1, 3), (1,), (1, 0))


@pytest.mark.parametrize("mode", [None, "clip", "fill", "drop"])
@pytest.mark.parametrize("name", ["gather", "scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max"])
def test_windows(jax_lax: Any, name: str, mode: str | None) -> None:
    x, v = RNG.normal(size=(4, 3, 2)), RNG.normal(size=(2, 2, 2, 2))
    indices, *numbers = WINDOWS

    def run(module: Any) -> Any:
        if name == "gather":
            return module.gather(x, indices, module.GatherDimensionNumbers(*numbers), (2, 1, 2), mode=mode)
        return getattr(module, name)(x, indices, v, module.ScatterDimensionNumbers(*numbers), mode=mode)

    np.testing.assert_allclose(run(lax), run(jax_lax), rtol=1e-12)


def test_scatter_apply_counts_windows_that_meet(jax_lax: Any) -> None:
    def run(module: Any) -> Any:
        numbers = module.ScatterDimensionNumbers((), (0,), (0,))
        return module.scatter_apply(np.ones(3), np.array([[0], [0], [5]]), lambda v: v * 2, numbers, update_shape=(3,))

    np.testing.assert_array_equal(run(lax), run(jax_lax))
