"""convolution: its value by the definition, its rules, and what its derivatives are."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ShapeError
from fgrad.primitives import convolution_kernels as kernels
from fgrad.primitives.convolution import convolution, flipped
from tests.primitives.convolutions import Case, cases, naive
from tests.primitives.rules import check_rules

PLAIN = (1, 0, 0, 1, 1)
IMAGES: dict[str, Any] = {"dimension_numbers": (((1,), (1,)), ((), ()), ((2, 3), (2, 3)))}
GROUPED: dict[str, Any] = {"dimension_numbers": (((2,), (2,)), ((0,), (0,)), ((3,), (3,)))}


def draw(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@given(cases(), st.sampled_from([1, 300, 2000, 2**23]), st.sampled_from([1, 64]))
@settings(max_examples=200)
def test_kernel_is_the_definition(case: Case, part: int, image: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_PART", part)
        patch.setattr(kernels, "_IMAGE", image)
        patch.setattr(kernels, "_RUN", min(image, 8))
        patch.setattr(kernels, "_PIECES", 2)
        out = kernels.convolved(*case)
    np.testing.assert_array_equal(out, naive(*case))


@pytest.mark.parametrize("features", [1, 20])
@pytest.mark.parametrize("features_last", [False, True])
def test_gradient_by_the_weights_of_large_images(features: int, features_last: bool) -> None:
    """The "kernel" is the cotangent then: one channel for each image, a tap for each position."""
    rng = np.random.default_rng(0)
    x, w = (
        rng.integers(-3, 4, (1, 3, 2, 40, 41)).astype(float),
        rng.integers(-3, 4, (1, features, 2, 38, 37)).astype(float),
    )
    if features_last:
        w = np.moveaxis(np.ascontiguousarray(np.moveaxis(w, 1, -1)), -1, 1)
    seen = np.lib.stride_tricks.sliding_window_view(x, (38, 37), (3, 4))
    expected = np.einsum("gncyxkl,gockl->gnoyx", seen, w)
    np.testing.assert_array_equal(kernels.convolved(x, w, (PLAIN,) * 2), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.complex64, np.complex128, np.int32, np.int8])
def test_kernel_keeps_the_dtype(dtype: Any) -> None:
    x, w = np.arange(24).reshape(1, 2, 2, 6).astype(dtype) - 5, np.arange(12).reshape(1, 2, 2, 3).astype(dtype) - 4
    window = ((1, 1, 1, 1, 1),)
    out = kernels.convolved(x, w, window)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, naive(x, w, window))


@pytest.mark.parametrize(
    "window", [PLAIN, (1, 1, 0, 1, 1), (1, 2, 1, 1, 1), (1, 1, 2, 1, 2), (1, -1, 0, 1, 1), (1, 0, -2, 1, 1)]
)
@pytest.mark.parametrize(
    ("way", "x", "w"),
    [
        ("_pointwise", (1, 2, 3, 5), (1, 4, 3, 1)),
        ("_along_groups", (8, 2, 1, 9), (8, 1, 1, 3)),
        ("_scattered", (1, 2, 8, 9), (1, 2, 8, 3)),
        ("_gathered", (1, 2, 3, 9), (1, 4, 3, 3)),
        ("_correlated", (1, 2, 3, 15), (1, 4, 3, 10)),
        ("_by_image", (1, 2, 3, 150), (1, 4, 3, 3)),
        ("_by_channel", (1, 2, 3, 75), (1, 4, 3, 70)),
    ],
)
def test_ways_to_compute(way: str, x: Any, w: Any, window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if way in ("_correlated", "_by_channel"):
        window = (*window[:4], 1)
    taken = []
    compute = getattr(kernels, way)
    monkeypatch.setattr(kernels, way, lambda *args: taken.append(way) or compute(*args))
    out = kernels.convolved(draw(*x), draw(*w, seed=1), (window,))
    assert taken == [way]
    np.testing.assert_allclose(out, naive(draw(*x), draw(*w, seed=1), (window,)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("x", "w"),
    [((1, 5, 3, 20, 9), (1, 8, 3, 3, 2)), ((2, 5, 8, 9, 9), (2, 3, 8, 3, 3)), ((1, 2, 7, 9, 9), (1, 3, 7, 8, 8))],
)
def test_the_result_does_not_depend_on_who_does_the_pieces(x: Any, w: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_PART", 9000)
    numbers: list[int] = []

    def backwards(work: Any, count: int) -> None:
        numbers.append(count)
        for number in reversed(range(count)):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            thread.join()

    window = ((1, 1, 1, 1, 1),) * 2
    given = draw(*x, dtype=np.float32), draw(*w, seed=1, dtype=np.float32), window
    expected = kernels.convolved(*given)
    out = np.empty_like(expected) if kernels.fills(x, w, window) else None
    np.testing.assert_array_equal(kernels.convolved(*given, out, backwards), expected)
    assert numbers[0] > 1
    np.testing.assert_allclose(expected, naive(*given), rtol=1e-5, atol=1e-5)


def test_products_are_cut_such_that_blas_starts_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[Any] = []
    product = np.matmul
    monkeypatch.setattr(kernels.np, "matmul", lambda x, y, out: shapes.append((x.shape, y.shape)) or product(x, y, out))
    x, y = draw(64, 100), draw(2, 100, 240, seed=1)
    out = np.empty((2, 64, 240))
    kernels._multiply(x, y, out)
    np.testing.assert_allclose(out, product(x, y))
    assert shapes == [((1, 64, 100), (2, 3, 100, 80))]


def test_taps_that_see_nothing_but_padding() -> None:
    """With padding longer than the image some taps never meet it."""
    x, w = draw(1, 1, 2, 3, 2), draw(1, 1, 2, 5, 1, seed=1)
    window = ((1, 4, 0, 1, 1), PLAIN)
    np.testing.assert_allclose(kernels.convolved(x, w, window), naive(x, w, window), rtol=1e-12)


def test_products_for_which_blas_starts_threads_are_made_one_after_the_other() -> None:
    assert kernels._at_once(print, 32, 144, 784) is print  # type: ignore[arg-type]
    assert kernels._at_once(print, 512, 4608, 784) is kernels.one_by_one  # type: ignore[arg-type]
    assert kernels._at_once(print, 32, 144, 3011) is kernels.one_by_one  # type: ignore[arg-type]


def test_a_compiled_convolution_takes_kept_memory_and_threads() -> None:
    @fgrad.jit
    def loss(x: Any, w: Any) -> Any:
        return (fgrad.lax.conv_general_dilated(x, w, (1, 1), "SAME") ** 2).sum()

    x, w = draw(8, 8, 24, 24), draw(32, 8, 3, 3, seed=1)
    text = loss.lower(x, w).as_text()
    assert "out=_empty((8, 32, 24, 24)" in text
    assert "run=_run" in text
    np.testing.assert_allclose(loss(x, w), (fgrad.lax.conv_general_dilated(x, w, (1, 1), "SAME") ** 2).sum())


def test_a_stretched_input_is_not_filled_with_zeros() -> None:
    plan = kernels._plan((8, 8), (3, 3), ((1, 1, 1, 2, 1),) * 2)
    taps = [len(range(*part.taps[0].indices(3))) * len(range(*part.taps[1].indices(3))) for part in plan.parts]
    assert sorted(taps) == [1, 2, 2, 4]
    assert [part.strides for part in plan.parts] == [(1, 1)] * 4


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.sampled_from([None, 1, 3]))
def test_parts_cover_all_and_fit(outer: int, first: int, unit: int, most: int | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_PART", 20)
        parts = list(kernels._parts((outer, first), unit, most))
    table = np.zeros((outer, first), int)
    for i, j in parts:
        table[i, j] += 1
        assert table[i, j].size * unit <= max(20, unit)
        assert len(table[i]) <= (most or outer)
    assert (table == 1).all()
    rows = min(20 // (first * unit), most or outer)
    fewest = -(-outer // rows) if rows else outer * -(-first // max(20 // unit, 1))
    assert len(parts) == fewest


@pytest.mark.parametrize("contract", [((1, 3), (2, 0)), ((3, 1), (0, 2))])
def test_several_contracted_axes_in_another_order(contract: Any) -> None:
    numbers = (contract, ((), ()), ((2,), (1,)))
    x, y = draw(2, 2, 4, 3), draw(3, 2, 2, seed=1)
    check_rules(convolution, [x, y], {"dimension_numbers": numbers, "window": ((1, 1, 0, 1, 1),)})


def test_results_lie_with_features_last() -> None:
    out = kernels.convolved(draw(1, 2, 3, 6, 6), draw(1, 5, 3, 3, 3), (PLAIN,) * 2)
    assert out.shape == (1, 2, 5, 4, 4)
    assert np.moveaxis(out, 2, -1).flags.c_contiguous


@given(cases(small_and_filled=True), st.data())
@settings(max_examples=25)
def test_rules_hold(case: Case, data: Any) -> None:
    """With the axes of each operand in any order."""
    x_order, w_order = (data.draw(st.permutations(range(a.ndim))) for a in (case.x, case.w))
    x, w = (a[()].transpose(order) for a, order in ((case.x, x_order), (case.w, w_order)))
    at = [tuple(order.index(a) for a in range(3)) for order in (x_order, w_order)]
    along = [tuple(order.index(a) for a in range(3, len(order))) for order in (x_order, w_order)]
    numbers = (((at[0][2],), (at[1][2],)), ((at[0][0],), (at[1][0],)), tuple(along))
    params = {"dimension_numbers": numbers, "window": case.window}
    np.testing.assert_array_equal(convolution(x, w, **params), naive(*case))
    check_rules(convolution, [x / 4, w / 4], params)


@pytest.mark.parametrize("window", list(itertools.product([1, 2, 3], [-1, 0, 2], [-1, 0, 1], [1, 2], [1, 2])), ids=str)
def test_derivatives_along_one_axis(window: Any) -> None:
    """The two transposes against the definition: out is linear in either operand."""
    x, w = draw(1, 1, 1, 6), draw(1, 1, 1, 3, seed=1)
    params = {**GROUPED, "window": (window,)}
    jacobians = fgrad.jacrev(lambda x, w: convolution(x, w, **params), (0, 1))(x, w)
    for at, (jacobian, operand) in enumerate(zip(jacobians, (x, w), strict=True)):
        units = np.eye(operand.size).reshape(-1, *operand.shape)
        columns = [naive(*((unit, w) if at == 0 else (x, unit)), (window,)).ravel() for unit in units]
        np.testing.assert_allclose(jacobian.reshape(-1, operand.size), np.stack(columns, -1), atol=1e-14)


def test_derivatives_are_convolutions() -> None:
    def loss(x: Any, w: Any) -> Any:
        return np.sum(convolution(x, w, **IMAGES, window=((2, 1, 1, 1, 1),) * 2) ** 2)

    gradient = fgrad.make_jaxpr(fgrad.grad(loss, (0, 1)))(draw(2, 3, 6, 6), draw(4, 3, 3, 3))
    names = [eqn.primitive.name for eqn in gradient.eqns]
    assert names.count("convolution") == 3
    assert not {"pad", "place", "dot_general"} & set(names)


def test_batching_needs_no_loop() -> None:
    x, w = draw(5, 2, 3, 6, 6), draw(5, 4, 3, 3, 3)

    def f(x: Any, w: Any) -> Any:
        return convolution(x, w, **IMAGES, window=(PLAIN,) * 2)

    for axes in ((0, 0), (0, None), (None, 0)):
        args = [v if a == 0 else v[0] for v, a in zip((x, w), axes, strict=True)]
        jaxpr = fgrad.make_jaxpr(fgrad.vmap(f, axes))(*args)
        assert [eqn.primitive.name for eqn in jaxpr.eqns if eqn.primitive.name != "transpose"] == ["convolution"]
        rows = [f(*[v[i] if a == 0 else v for v, a in zip(args, axes, strict=True)]) for i in range(5)]
        np.testing.assert_allclose(fgrad.vmap(f, axes)(*args), np.stack(rows), rtol=1e-12)


def test_nothing_seen_gives_zeros() -> None:
    far = ((1, 9, -8, 1, 1),)
    x, w = draw(1, 2, 1, 3), draw(1, 2, 1, 2)
    out, pull = fgrad.vjp(lambda x, w: convolution(x, w, **GROUPED, window=far), x, w)
    np.testing.assert_array_equal(out, np.zeros((1, 2, 2, 3)))
    np.testing.assert_array_equal(pull(np.ones_like(out))[0], np.zeros_like(x))
    np.testing.assert_array_equal(pull(np.ones_like(out))[1], np.zeros_like(w))


def test_flipping() -> None:
    x = draw(2, 1, 3)
    np.testing.assert_array_equal(flipped(x, (0, 2)), x[::-1, :, ::-1])
    assert flipped(x, (1,)) is x
    assert flipped(x, ()) is x


@pytest.mark.parametrize(
    ("args", "params", "told"),
    [
        ((draw(1, 2, 5), draw(1, 2, 3, dtype=np.float32)), GROUPED, "dtypes differ"),
        ((draw(1, 2, 5, 5), draw(1, 3, 2, 2)), IMAGES, "pairs axis 1 of length 2 with axis 1 of length 3"),
        ((draw(1, 2, 5), draw(1, 2, 3)), {"dimension_numbers": (((1,), (1,)), ((), ()), ((3,), (2,)))}, "not distinct"),
        (
            (draw(1, 2, 5), draw(1, 2, 3)),
            {"dimension_numbers": (((1,), ()), ((), ()), ((2,), (2,)))},
            "cannot be paired",
        ),
    ],
)
def test_refused(args: Any, params: Any, told: str) -> None:
    with pytest.raises(ShapeError, match=told):
        fgrad.eval_shape(
            lambda x, y: convolution(x, y, **params, window=(PLAIN,) * len(params["dimension_numbers"][2][0])), *args
        )


def test_strides_are_positive() -> None:
    with pytest.raises(ShapeError, match="must be positive"):
        fgrad.eval_shape(
            lambda x, y: convolution(x, y, **GROUPED, window=((0, 0, 0, 1, 1),)), draw(1, 2, 3, 5), draw(1, 2, 3, 3)
        )


def test_many_threads_call_one_convolution() -> None:
    """Each thread has memory of its own for what it multiplies."""

    @fgrad.jit
    def gradient(x: Any, w: Any) -> Any:
        def loss(x: Any, w: Any) -> Any:
            return (fgrad.lax.conv_general_dilated(x, w, (1, 1), "SAME") ** 2).sum()

        return fgrad.grad(loss, argnums=(0, 1))(x, w)

    w = draw(16, 8, 3, 3, seed=1)
    inputs = [draw(8, 8, 24, 24, seed=k) for k in range(16)]
    expected = [gradient(x, w) for x in inputs]
    right: list[bool] = []

    def call(k: int) -> None:
        with fgrad.config.using(num_threads=3):
            held = [gradient(inputs[k], w) for _ in range(3)]
        right.append(all(np.array_equal(a, b) for out in held for a, b in zip(out, expected[k], strict=True)))

    threads = [threading.Thread(target=call, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert right == [True] * 16
