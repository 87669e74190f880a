"""Elements of traced arrays in another order, repeated, added and removed, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ConcretizationTypeError, FgradError, ShapeError
from fgrad.numpy import rearranging
from tests.numpy.against_numpy import agree, check, gradients

CASES: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = [
    *[("flip", (2, 3, 2), (axis,)) for axis in (None, 0, -1, (0, 2), ())],
    ("flip", (), ()),
    *[(name, (2, 3), ()) for name in ("fliplr", "flipud")],
    ("flipud", (3,), ()),
    *[("rot90", (2, 3), (k,)) for k in range(-1, 5)],
    *[("rot90", (2, 3, 4), (1, axes)) for axes in ((1, 2), (2, 0), (0, -1))],
    *[("roll", (3, 4), (shift,)) for shift in (0, 1, -2, 13, (1, 2))],
    *[("roll", (3, 4), (shift, axis)) for shift in (0, 1, -5) for axis in (0, 1, -1)],
    *[("roll", (3, 4), args) for args in (((1, 2), (0, 1)), ((1, 2), (0, 0)), (1, (0, 1)), ((1, 2), 1), ((), ()))],
    ("roll", (0, 3), (1, 0)),
    *[("tile", (2, 3), (reps,)) for reps in (2, (2, 1), (1, 2, 2), [3], 0, ())],
    *[("tile", (), (reps,)) for reps in (2, (2, 3))],
    *[("repeat", (2, 3), args) for args in ((2,), (2, 0), (3, 1), (0, 1), ([1, 2], 0), ([0, 2, 1], -1))],
    ("repeat", (2, 3), ([1, 2, 0, 1, 1, 3],)),
    ("repeat", (), (3,)),
    *[
        ("delete", (4, 3), (obj, 0))
        for obj in (1, -1, [0, 2], slice(1, 3), [], [0, 0], np.array([True, False, True, False]))
    ],
    ("delete", (4, 3), ([5, 6],)),
    *[("insert", (4, 3), (obj, 9.0, 0)) for obj in (1, -1, 4, [0, 2], [3, 1, 1], slice(0, 3, 2), [2])],
    *[("insert", (4, 3), (obj, np.arange(4.0), 1)) for obj in (0, 3)],
    ("insert", (4, 3), (1, np.arange(8.0).reshape(2, 4), 1)),
    ("insert", (4, 3), ([1], np.arange(8.0).reshape(4, 2), 1)),
    ("insert", (4, 3), ([0, 2], [[1.0, 2.0]], 1)),
    ("insert", (4,), ([1, 1, 3], [7.0, 8.0, 9.0])),
    ("insert", (2, 2), (1, 5.5)),
    *[("resize", (2, 3), (shape,)) for shape in (4, (2, 2), (3, 5), (0,), ())],
    ("resize", (0,), ((2, 2),)),
]


def values(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(("name", "shape", "args"), CASES)
def test_against_numpy(name: str, shape: tuple[int, ...], args: Any) -> None:
    ours, numpys = getattr(rearranging, name), getattr(np, name)
    x = values(shape)
    for dtype in (np.float64, np.float32, np.int16):
        check(lambda x: ours(x, *args), lambda x: numpys(x, *args), x.astype(dtype))
    gradients(lambda x: ours(x, *args), x)
    rows = np.stack([x, -x])
    agree(np.stack([numpys(row, *args) for row in rows]), fgrad.vmap(lambda x: ours(x, *args))(rows))


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: rearranging.flip(x, 2), "out of bounds"),
        (lambda x: rearranging.fliplr(x[0]), "fliplr takes an array of at least 2 axes"),
        (lambda x: rearranging.flipud(x[0, 0]), "flipud takes an array of at least 1 axes"),
        (lambda x: rearranging.rot90(x, 1, (0, 0)), "repeated axis"),
        (lambda x: rearranging.roll(x, (1, 2, 3), (0, 1)), "3 shifts do not go with 2 axes"),
        (lambda x: rearranging.repeat(x, [1, 2, 3], 0), "broadcast"),
        (lambda x: rearranging.delete(x, 7, 0), "out of bounds"),
        (lambda x: rearranging.insert(x, 7, 1.0, 0), "out of bounds"),
        (lambda x: rearranging.insert(x, [0, 1], [1.0, 2.0, 3.0, 4.0], 1), "broadcast"),
        (lambda x: rearranging.resize(x, (-1,)), "lengths are not negative"),
    ],
)
def test_errors(f: Any, text: str) -> None:
    with pytest.raises((ValueError, IndexError), match=text):
        fgrad.jit(f)(values((2, 3)))


def test_traced_values_are_inserted() -> None:
    x, v = values((4,)), values((2,))
    check(lambda x, v: rearranging.insert(x, [1, 3], v), lambda x, v: np.insert(x, [1, 3], v), x, v)
    gradients(lambda x, v: rearranging.insert(x, [1, 3], v), x, v)
    agree(np.insert(x, 2, v), fgrad.jit(lambda v: rearranging.insert(x, 2, v))(v))


def test_a_traced_shift() -> None:
    x = values((3, 4))
    agree(np.roll(x, 2, 1), fgrad.jit(lambda x, n: rearranging.roll(x, n, 1))(x, 2))
    agree(np.roll(x, -7), fgrad.jit(rearranging.roll)(x, -7))
    agree(np.roll(x, (1, 3), (0, 1)), fgrad.jit(lambda x, m, n: rearranging.roll(x, (m, n), (0, 1)))(x, 1, 3))
    agree(np.stack([np.roll(x[0], k) for k in range(3)]), fgrad.vmap(lambda k: rearranging.roll(x[0], k))(np.arange(3)))


def test_repeats_that_are_traced() -> None:
    x, counts = values((3,)), np.array([2, 0, 1])
    expected = np.repeat(x, counts)
    agree(expected, fgrad.vjp(lambda x: rearranging.repeat(x, fgrad.numpy.astype(x * 0 + counts, int)), x)[0])
    agree(expected, fgrad.jit(lambda x, n: rearranging.repeat(x, n, total_repeat_length=3))(x, counts))
    agree(expected[:2], fgrad.jit(lambda x, n: rearranging.repeat(x, n, total_repeat_length=2))(x, counts))
    agree([*expected, x[2]], fgrad.jit(lambda x, n: rearranging.repeat(x, n, total_repeat_length=4))(x, counts))
    agree(expected, rearranging.repeat(x, counts, total_repeat_length=3))
    with pytest.raises(
        ConcretizationTypeError, match=r"shape of the result of repeat depends(.|\n)*total_repeat_length="
    ):
        fgrad.jit(rearranging.repeat)(x, counts)


@pytest.mark.parametrize("trim", ["fb", "f", "b", "F"])
def test_trim_zeros(trim: Any) -> None:
    for values_ in ([0, 0, 1, 0, 2, 0], [0, 0], [3], []):
        x = np.array(values_, float)
        agree(np.trim_zeros(x, trim), fgrad.vjp(lambda x: rearranging.trim_zeros(x, trim), x)[0])
        agree(np.trim_zeros(x, trim), rearranging.trim_zeros(x, trim))
    with pytest.raises(ConcretizationTypeError, match="trim_zeros"):
        fgrad.jit(rearranging.trim_zeros)(np.ones(3))


def test_positions_without_values() -> None:
    for f in (rearranging.delete, lambda x, i: rearranging.insert(x, i, 1.0)):
        with pytest.raises(FgradError, match="plain integers"):
            fgrad.jit(f)(np.ones(3), 1)


def test_resize_needs_a_static_shape() -> None:
    with pytest.raises(ConcretizationTypeError, match="a shape needs values for its lengths"):
        fgrad.jit(rearranging.resize)(np.ones(3), 2)
    with pytest.raises(ShapeError):
        fgrad.jit(lambda x: rearranging.resize(x, -1))(np.ones(3))


@pytest.mark.parametrize("name", rearranging.__all__)
def test_every_function_is_exported_and_tested(name: str) -> None:
    assert getattr(fgrad.numpy, name) is getattr(rearranging, name)
    assert name in {case[0] for case in CASES} | {"trim_zeros"}
