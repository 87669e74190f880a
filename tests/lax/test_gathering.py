"""`gather` and `scatter` in their general form, against XLA's definition of them, element by element."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad import lax
from fgrad.errors import ArgumentError, OutOfBoundsError, ShapeError
from tests.lax.modes import check_modes, normal


class Case(NamedTuple):
    """Arguments of `gather`; those of `scatter` are the same windows."""

    shape: tuple[int, ...]
    indices: Any
    numbers: lax.GatherDimensionNumbers
    sizes: tuple[int, ...]

    @property
    def operand(self) -> Any:
        return normal(*self.shape)

    @property
    def updates(self) -> Any:
        return normal(*result_shape(self), seed=1)

    @property
    def scattering(self) -> lax.ScatterDimensionNumbers:
        return lax.ScatterDimensionNumbers(*self.numbers)


def result_shape(case: Case) -> tuple[int, ...]:
    numbers = case.numbers
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    window = iter([n for d, n in enumerate(case.sizes) if d not in dropped])
    rows = iter(case.indices.shape[:-1])
    ndim = len(case.sizes) - len(dropped) + case.indices.ndim - 1
    return tuple([next(window) if a in numbers.offset_dims else next(rows) for a in range(ndim)])


def places(case: Case, clip: bool) -> Iterator[tuple[tuple[int, ...], tuple[int, ...] | None]]:
    """For every element of the result that of the operand, or `None` where its window lies outside."""
    numbers = case.numbers
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [d for d in range(len(case.shape)) if d not in dropped]
    for at in np.ndindex(*result_shape(case)):
        row = tuple([i for a, i in enumerate(at) if a not in numbers.offset_dims])
        offset = [i for a, i in enumerate(at) if a in numbers.offset_dims]
        start = [0] * len(case.shape)
        for k, d in enumerate(numbers.start_index_map):
            start[d] = int(case.indices[row][k])
        limits = [n - size for n, size in zip(case.shape, case.sizes, strict=True)]
        if clip:
            start = [min(max(s, 0), limit) for s, limit in zip(start, limits, strict=True)]
        inside = all(0 <= s <= limit for s, limit in zip(start, limits, strict=True))
        for d, b in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True):
            start[d] = row[b]
        for d, i in zip(kept, offset, strict=True):
            start[d] += i
        yield at, tuple(start) if inside else None


def gathered(case: Case, clip: bool, fill: float = np.nan) -> Any:
    out = np.empty(result_shape(case))
    for at, place in places(case, clip):
        out[at] = fill if place is None else case.operand[place]
    return out


def scattered(case: Case, combine: Callable[[Any, Any], Any], clip: bool) -> Any:
    out, updates = case.operand, case.updates
    for at, place in places(case, clip):
        if place is not None:
            out[place] = combine(out[place], updates[at])
    return out


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=0, max_size=3)))
    ndim = len(shape)
    axes = list(range(ndim))
    rows = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    batching: list[tuple[int, int]] = []
    if ndim and rows and draw(st.booleans()):
        d, b = draw(st.sampled_from(axes)), draw(st.sampled_from(range(len(rows))))
        rows = tuple([shape[d] if i == b else n for i, n in enumerate(rows)])
        batching = [(d, b)]
    free = [d for d in axes if d not in [d for d, _ in batching]]
    mapped = tuple(draw(st.permutations(free))[: draw(st.integers(0, len(free)))]) if free else ()
    collapsed = tuple([d for d in free if draw(st.booleans())])
    dropped = {*collapsed, *[d for d, _ in batching]}
    sizes = tuple([1 if d in dropped else draw(st.integers(0 if n > 2 else 1, n)) for d, n in enumerate(shape)])
    windowed = ndim - len(dropped)
    offsets = tuple(sorted(draw(st.permutations(range(windowed + len(rows))))[:windowed]))
    count = int(np.prod(rows)) * len(mapped)
    indices = np.array(draw(st.lists(st.integers(-2, 5), min_size=count, max_size=count)), np.int64)
    numbers = lax.GatherDimensionNumbers(
        offsets, collapsed, mapped, tuple([d for d, _ in batching]), tuple([b for _, b in batching])
    )
    return Case(shape, indices.reshape(*rows, len(mapped)), numbers, sizes)


COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "scatter": lambda x, v: v,
    "scatter_add": lambda x, v: x + v,
    "scatter_sub": lambda x, v: x - v,
    "scatter_mul": lambda x, v: x * v,
    "scatter_min": min,
    "scatter_max": max,
}


@given(cases())
def test_gather_is_what_it_is_defined_as(case: Case) -> None:
    args = (case.operand, case.indices, case.numbers, case.sizes)
    np.testing.assert_array_equal(lax.gather(*args), gathered(case, clip=True))
    np.testing.assert_array_equal(lax.gather(*args, mode="clip"), gathered(case, clip=True))
    np.testing.assert_array_equal(lax.gather(*args, mode="fill"), gathered(case, clip=False))
    np.testing.assert_array_equal(lax.gather(*args, mode="fill", fill_value=7), gathered(case, False, 7))
    np.testing.assert_array_equal(lax.gather(*args, mode="one_hot"), gathered(case, False, 0))

    def traced(x: Any, indices: Any) -> Any:
        return lax.gather(x, indices, case.numbers, case.sizes, mode="fill")

    np.testing.assert_array_equal(fgrad.jit(traced)(*args[:2]), gathered(case, clip=False))


@pytest.mark.parametrize("name", COMBINE)
@given(case=cases())
def test_scatters_are_what_they_are_defined_as(name: str, case: Case) -> None:
    scatter = getattr(lax, name)
    args = (case.operand, case.indices, case.updates, case.scattering)
    dropped = scattered(case, COMBINE[name], clip=False)
    np.testing.assert_allclose(scatter(*args), dropped, rtol=1e-12)
    np.testing.assert_allclose(scatter(*args, mode="clip"), scattered(case, COMBINE[name], clip=True), rtol=1e-12)

    def traced(x: Any, indices: Any, updates: Any) -> Any:
        return scatter(x, indices, updates, case.scattering)

    np.testing.assert_allclose(fgrad.jit(traced)(*args[:3]), dropped, rtol=1e-12)


WINDOWS = Case(
    (4, 3, 2),
    np.array([[[0, 1], [3, 0]], [[2, 2], [-1, 1]]]),
    lax.GatherDimensionNumbers((1, 3), (1,), (1, 0)),
    (2, 1, 2),
)
ROWS = Case((4, 3), np.array([[3], [0], [3]]), lax.GatherDimensionNumbers((1,), (0,), (0,)), (1, 3))
SIDE_BY_SIDE = Case(
    (3, 4),
    np.array([[[3], [1]], [[0], [0]], [[9], [2]]]),
    lax.GatherDimensionNumbers((), (1,), (1,), (0,), (0,)),
    (1, 1),
)


@pytest.mark.parametrize("case", [WINDOWS, ROWS, SIDE_BY_SIDE])
@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_derivatives_of_gather(case: Case, mode: str) -> None:
    check_modes(
        lambda x: lax.gather(x * x, case.indices, case.numbers, case.sizes, mode=mode, fill_value=0.0), case.operand
    )


@pytest.mark.parametrize("case", [WINDOWS, ROWS, SIDE_BY_SIDE])
@pytest.mark.parametrize("mode", ["clip", "drop"])
@pytest.mark.parametrize("name", COMBINE)
def test_derivatives_of_scatters(case: Case, name: str, mode: str) -> None:
    scatter = getattr(lax, name)
    check_modes(
        lambda x, v: scatter(x * x, case.indices, v * v + 2 * v, case.scattering, mode=mode), case.operand, case.updates
    )


def test_positions_that_differ_from_row_to_row() -> None:
    x, indices = normal(5, 4, 3), np.random.default_rng(0).integers(-1, 5, (5, 6, 1))
    updates = normal(5, 6, 3)
    for mode in ("clip", "fill"):

        def read(x: Any, i: Any, mode: str = mode) -> Any:
            return lax.gather(x, i, ROWS.numbers, ROWS.sizes, mode=mode)

        def write(x: Any, i: Any, v: Any, mode: str = mode) -> Any:
            return lax.scatter_add(x, i, v, ROWS.scattering, mode=mode)

        np.testing.assert_array_equal(
            fgrad.vmap(read)(x, indices), [read(*row) for row in zip(x, indices, strict=True)]
        )
        np.testing.assert_allclose(
            fgrad.vmap(write, (None, 0, 0))(x[0], indices, updates),
            [write(x[0], *row) for row in zip(indices, updates, strict=True)],
        )


def test_what_is_left_out_has_no_derivative() -> None:
    indices = np.array([[0], [9]])
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    for name in COMBINE:

        def f(x: Any, v: Any, name: str = name) -> Any:
            return getattr(lax, name)(x, indices, v, numbers).sum()

        by_x, by_v = fgrad.grad(f, (0, 1))(np.array([1.0, 2.0]), np.array([3.0, np.inf]))
        assert np.isfinite(by_x).all()
        assert by_v[1] == 0


def test_a_function_applied_in_place() -> None:
    x = np.array([1.0, 2.0, 3.0])
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))

    def doubled(x: Any, indices: Any, **options: Any) -> Any:
        return lax.scatter_apply(x, indices, lambda v: v * 2, numbers, update_shape=indices.shape[:-1], **options)

    indices = np.array([[0], [2], [0], [7], [0]])
    np.testing.assert_array_equal(doubled(x, indices), [8, 2, 6])
    np.testing.assert_array_equal(fgrad.jit(doubled)(x, indices), [8, 2, 6])
    np.testing.assert_array_equal(doubled(x, indices[1:3], unique_indices=True), [2, 2, 6])
    check_modes(lambda x: lax.scatter_apply(x, indices, lambda v: v * v, numbers, update_shape=(5,)), x)
    with pytest.raises(ShapeError, match=r"`func` made f64\[\] of f64\[5\](.|\n)*keep the shape"):
        lax.scatter_apply(x, indices, lambda v: v.sum(), numbers, update_shape=(5,))


def test_a_promise_is_checked() -> None:
    with pytest.raises(OutOfBoundsError):
        lax.gather(ROWS.operand, np.array([[7]]), ROWS.numbers, ROWS.sizes, mode="promise_in_bounds")
    inside = np.array([[1], [2]])
    np.testing.assert_array_equal(
        lax.gather(ROWS.operand, inside, ROWS.numbers, ROWS.sizes, mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS),
        ROWS.operand[1:3],
    )


def test_dtypes_and_fill_values() -> None:
    indices = np.array([[9]])
    numbers = lax.GatherDimensionNumbers((), (0,), (0,))
    fills = {np.float32: np.nan, np.int8: -128, np.uint8: 255, np.bool_: True}
    for dtype, fill in fills.items():
        out = lax.gather(np.zeros(3, dtype), indices, numbers, (1,), mode="fill")
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, [fill])


def test_known_positions_inside_cost_no_check() -> None:
    text = str(
        fgrad.make_jaxpr(lambda x: lax.scatter_add(x, ROWS.indices, ROWS.updates, ROWS.scattering))(ROWS.operand)
    )
    assert text.count("scatter_add") == 1
    assert "select" not in text
    assert "pad" not in text


def wrong(**changes: Any) -> Any:
    numbers = ROWS.numbers._replace(**changes)
    return lambda: lax.gather(ROWS.operand, ROWS.indices, numbers, ROWS.sizes)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (wrong(offset_dims=(0, 1)), r"\(0, 1\) are not, in ascending order, 1 axes of the windows"),
        (wrong(offset_dims=(5,)), r"\(5,\) are not, in ascending order, 1 axes of the windows"),
        (wrong(start_index_map=(2,)), r"start_index_map \(2,\) names no axes"),
        (wrong(start_index_map=(0, 1)), r"start positions of shape \(3, 1\) do not hold 2 numbers each"),
        (wrong(collapsed_slice_dims=(0, 0)), r"windows cannot do without the axes \(0, 0\)"),
        (wrong(operand_batching_dims=(1,)), "an axis that runs along|axes of the windows"),
        (lambda: lax.gather(ROWS.operand, ROWS.indices, ROWS.numbers, (1,)), r"slice_sizes \(1,\) are not one"),
        (lambda: lax.gather(ROWS.operand, ROWS.indices, ROWS.numbers, (2, 3)), r"a window of sizes \(2, 3\) of"),
        (lambda: lax.gather(ROWS.operand, ROWS.indices, ROWS.numbers, (1, 4)), r"a window of sizes \(1, 4\) of"),
        (lambda: lax.gather(ROWS.operand, ROWS.indices * 1.0, ROWS.numbers, (1, 3)), "lax.gather takes integer"),
        (lambda: lax.gather(ROWS.operand, ROWS.indices, ROWS.numbers, (1, 3), mode="wrap"), "mode='wrap' is none of"),
        (lambda: lax.scatter(ROWS.operand, ROWS.indices, np.ones((2, 3)), ROWS.scattering),
         r"lax.scatter: updates of shape \(2, 3\), where \(3, 3\) is needed"),
        (lambda: lax.scatter(ROWS.operand, ROWS.indices, np.ones(3), ROWS.scattering),
         r"update_window_dims \(1,\) of updates of shape \(3,\)"),
        (lambda: lax.scatter_add(ROWS.operand, ROWS.indices, np.ones((3, 3), int), ROWS.scattering),
         "lax.scatter_add takes arguments of one dtype, got float64, int64"),
        (lambda: lax.gather(np.ones((3, 4)), SIDE_BY_SIDE.indices[:2], SIDE_BY_SIDE.numbers, (1, 1)),
         r"axis 0 of \(3, 4\) runs along with axis 0 of the starts \(2, 2, 1\)"),
    ],
)  # fmt: skip
def test_errors(call: Any, what: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=what):
        call()


def test_every_combination_of_axes_of_a_window() -> None:
    """Index arrays that stand together, apart, in front: NumPy puts their axes in different places."""
    for indexed in itertools.chain.from_iterable(itertools.combinations(range(4), k) for k in range(5)):
        sizes = tuple([2 if d in indexed else 3 for d in range(4)])
        starts = np.array([[1] * len(indexed), [0] * len(indexed)], np.int64)
        case = Case((3, 3, 3, 3), starts, lax.GatherDimensionNumbers((0, 2, 3, 4), (), indexed), sizes)
        out = lax.gather(case.operand, case.indices, case.numbers, case.sizes)
        np.testing.assert_array_equal(out, gathered(case, clip=True))
