"""`concatenate`, `split`, `stack`, `unstack`, `pad`: values, every rule, lowered code, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.core import ShapedArray
from fgrad.core.primitive import Primitive
from fgrad.errors import ShapeError
from fgrad.primitives.joining import concatenate, pad, split, stack, unstack
from fgrad.transforms.stage import trace
from tests.primitives.rules import check_rules

F64 = np.dtype(float)
shapes = st.lists(st.integers(0, 3), min_size=1, max_size=3)


def uniform(shape: Any, seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


@pytest.mark.parametrize("primitive", [concatenate, split, stack, unstack, pad], ids=str)
def test_samples(primitive: Primitive) -> None:
    for sample in primitive.samples:
        check_rules(primitive, sample.draw(np.random.default_rng(0)), sample.params)


@given(shapes, st.data())
@settings(max_examples=80, deadline=None)
def test_concatenate(shape: list[int], data: Any) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    xs = [uniform([*shape[:axis], n, *shape[axis + 1 :]], i) for i, n in enumerate(lengths)]
    np.testing.assert_array_equal(concatenate(*xs, axis=axis), np.concatenate(xs, axis))
    check_rules(concatenate, xs, {"axis": axis})


@given(shapes, st.data())
@settings(max_examples=80, deadline=None)
def test_split(shape: list[int], data: Any) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    x = uniform([*shape[:axis], sum(sizes), *shape[axis + 1 :]], 0)
    parts = split(x, axis=axis, sizes=tuple(sizes))
    for part, expected in zip(parts, np.split(x, np.cumsum(sizes)[:-1], axis), strict=True):
        np.testing.assert_array_equal(part, expected)
    check_rules(split, [x], {"axis": axis, "sizes": tuple(sizes)})


@given(st.lists(st.integers(0, 3), max_size=2), st.integers(1, 3), st.data())
@settings(max_examples=80, deadline=None)
def test_stack_and_unstack(shape: list[int], count: int, data: Any) -> None:
    axis = data.draw(st.integers(0, len(shape)))
    xs = [uniform(shape, i) for i in range(count)]
    out = stack(*xs, axis=axis)
    np.testing.assert_array_equal(out, np.stack(xs, axis))
    for part, x in zip(unstack(out, axis=axis), xs, strict=True):
        np.testing.assert_array_equal(part, x)
    check_rules(stack, xs, {"axis": axis})
    check_rules(unstack, [out], {"axis": axis})


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=3), st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_pad(axes: list[tuple[int, int, int]], seed: int) -> None:
    x = uniform([n for n, _, _ in axes], seed)
    widths = tuple((low, high) for _, low, high in axes)
    np.testing.assert_array_equal(pad(x, widths=widths), np.pad(x, widths) if axes else x)
    check_rules(pad, [x], {"widths": widths})


def test_unstack_along_an_axis_without_positions() -> None:
    assert unstack(np.zeros((0, 3)), axis=0) == []


@pytest.mark.parametrize("used", [[1], [0, 2], [0, 1, 2]])
def test_cotangents_of_the_parts_that_are_used(used: list[int]) -> None:
    x = np.arange(12.0).reshape(4, 3)

    def by_split(x: Any) -> Any:
        parts = split(x, axis=0, sizes=(1, 2, 1))
        return concatenate(*[parts[i] * (i + 1.0) for i in used], axis=0)

    def by_unstack(x: Any) -> Any:
        parts = unstack(x, axis=1)
        return stack(*[parts[i] * (i + 1.0) for i in used], axis=0)

    scale = np.array([1, 2, 2, 3]) * np.isin([0, 1, 1, 2], used)
    out, pull = fgrad.vjp(by_split, x)
    np.testing.assert_array_equal(pull(np.ones(out.shape))[0], np.repeat(scale[:, None], 3, 1))
    out, pull = fgrad.vjp(by_unstack, x)
    scale = np.array([1, 2, 3]) * np.isin([0, 1, 2], used)
    np.testing.assert_array_equal(pull(np.ones(out.shape))[0], np.repeat(scale[None], 4, 0))


def test_lowered_code() -> None:
    aval = ShapedArray((2, 3), F64)

    def f(x: Any, y: Any) -> list[Any]:
        both = concatenate(x, y, axis=1)
        left, right = split(both, axis=1, sizes=(2, 4))
        return [left, right, stack(x, y, axis=0), *unstack(x, axis=1), pad(x, widths=((0, 0), (1, 2)))]

    compiled = compile_jaxpr(trace(f, [aval, aval]), arguments=["x", "y"])
    for line in (
        "np.concatenate((x, y), axis=1)",
        "[:, :2]",
        "[:, 2:]",
        "np.array((x, y))",
        "np.moveaxis(x, 1, 0)",
        "_padded(x, ((0, 0), (1, 2)))",
    ):
        assert line in compiled.text


def test_results_of_compiled_code_share_no_memory() -> None:
    def f(x: Any) -> list[Any]:
        return [*split(x, axis=0, sizes=(1, 2)), *unstack(x, axis=1)]

    x = np.arange(6.0).reshape(3, 2)
    outs = compile_jaxpr(trace(f, [ShapedArray((3, 2), F64)])).function(x)
    for out in outs:
        assert not np.shares_memory(out, x)
        out[:] = -1
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int8, np.bool_])
def test_dtypes_are_kept(dtype: Any) -> None:
    x = np.array([[0, 1], [1, 1]]).astype(dtype)
    for y in (concatenate(x, x, axis=0), stack(x, x, axis=1), pad(x, widths=((1, 0), (0, 0))), *unstack(x, axis=0)):
        assert y.dtype == dtype


@pytest.mark.parametrize(
    ("primitive", "avals", "params", "text"),
    [
        (concatenate, [((2, 3), F64), ((2, 4), F64)], {"axis": 0}, "shapes .2, 3., .2, 4. cannot be concatenated"),
        (concatenate, [((2,), F64), ((2, 4), F64)], {"axis": 0}, "cannot be concatenated along axis 0"),
        (concatenate, [((2,), F64), ((2,), np.dtype(int))], {"axis": 0}, "takes arrays of one dtype"),
        (concatenate, [((), F64)], {"axis": 0}, "along axis 0 takes"),
        (concatenate, [], {"axis": 0}, "got nothing"),
        (stack, [((2,), F64), ((3,), F64)], {"axis": 0}, "the shapes must be the same"),
        (split, [((4,), F64)], {"axis": 0, "sizes": (1, 2)}, "cannot be split along axis 0"),
        (unstack, [((4,), F64)], {"axis": 1}, "cannot be unstacked along axis 1"),
        (pad, [((4,), F64)], {"widths": ((-1, 0),)}, "padded by 1 pairs of numbers that are not negative"),
        (pad, [((4,), F64)], {"widths": ()}, "padded by 1 pairs"),
    ],
)
def test_arguments_that_do_not_fit(primitive: Primitive, avals: Any, params: Any, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        primitive.shape(*[ShapedArray(*a) for a in avals], **params)
