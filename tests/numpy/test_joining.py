"""Joining and splitting of traced arrays against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError, FgradError, ShapeError
from fgrad.numpy import joining
from tests.numpy.against_numpy import agree, check, gradients

A, B = np.random.default_rng(0).normal(size=(2, 2, 3))
VECTORS = (A[0], B[1])
SCALARS = (np.float64(1.5), np.float64(-2.0))

JOINS = [
    *[("concatenate", (A, B), {"axis": axis}) for axis in (0, 1, -1, None)],
    ("concat", (A, B), {"axis": 1}),
    ("concatenate", (A, B.astype(np.float32)), {"dtype": np.float32}),
    ("concatenate", (A, np.arange(3)[None]), {}),
    ("concatenate", (A, np.zeros((0, 3), np.float32)), {}),
    ("concatenate", SCALARS, {"axis": None}),
    *[("stack", (A, B), {"axis": axis}) for axis in (0, 1, 2, -1, -3)],
    ("stack", SCALARS, {}),
    ("stack", (A, np.ones((2, 3), np.int8)), {"dtype": np.float32}),
    *[(name, xs, {}) for name in ("vstack", "hstack", "dstack", "column_stack") for xs in ((A, B), VECTORS, SCALARS)],
    ("column_stack", (A, A[:, 0]), {}),
    ("vstack", (A, B[0]), {"dtype": np.float32}),
]


@pytest.mark.parametrize(("name", "xs", "options"), JOINS)
def test_joins(name: str, xs: Any, options: Any) -> None:
    ours, numpys = getattr(joining, name), getattr(np, name)
    check(lambda *xs: ours(xs, **options), lambda *xs: numpys(xs, **options), *xs)
    check(lambda x: ours([x, *xs[1:]], **options), lambda x: numpys([x, *xs[1:]], **options), xs[0])
    real = [np.asarray(x, float) for x in xs]
    if "dtype" not in options:
        gradients(lambda *xs: ours(xs, **options), *real)
    out = fgrad.vmap(lambda x: ours([x, *xs[1:]], **options))(np.stack([xs[0], -xs[0]]))
    agree(np.stack([numpys([x, *xs[1:]], **options) for x in (xs[0], -xs[0])]), out)


def test_rows_of_one_array_are_joined() -> None:
    cube = np.random.default_rng(1).normal(size=(3, 2, 2))
    for name in ("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack"):
        agree(getattr(np, name)(cube), fgrad.jit(getattr(joining, name))(cube))


@given(st.lists(st.sampled_from(["?", "i1", "u2", "i8", "f2", "f4", "f8", "c8"]), min_size=1, max_size=3))
def test_dtypes_are_promoted(dtypes: list[str]) -> None:
    xs = [np.ones(2, d) for d in dtypes]
    check(lambda *xs: joining.concatenate(xs), lambda *xs: np.concatenate(xs), *xs)
    check(lambda *xs: joining.stack(xs), lambda *xs: np.stack(xs), *xs)


def test_python_numbers_are_not_weak_where_they_are_joined() -> None:
    agree(np.stack([np.float32(1), 2.0]), fgrad.jit(lambda x: joining.stack([x, 2.0]))(np.float32(1)))
    agree(np.array([[1.0, 2.0], [3.0, 1.0]]), fgrad.jit(lambda x: fgrad.numpy.asarray([[x, 2.0], [3, x]]))(1.0))


BLOCKS: list[Any] = [
    [A, B],
    [[A, B], [B, A]],
    [[A, np.zeros((2, 1))], [np.ones((1, 4))]],
    [[A[0], 1.0], [2.0, A[1]]],
    [[[A]], [[B]]],
    A,
]


@pytest.mark.parametrize("blocks", BLOCKS)
def test_block(blocks: Any) -> None:
    def traced(x: Any, part: Any) -> Any:
        return [traced(x, p) for p in part] if isinstance(part, list) else x if part is A else part

    check(lambda x: joining.block(traced(x, blocks)), lambda x: np.block(traced(x, blocks)), A)
    gradients(lambda x: joining.block([[x, B]]), A)


def test_blocks_that_are_nested_unevenly() -> None:
    for blocks in ([A, [B]], [[]]):
        with pytest.raises(ArgumentError, match="nested equally deep"):
            fgrad.jit(lambda x, b=blocks: joining.block([*b, [x]] if b == [[]] else [x, [B]]))(A)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_append(axis: Any) -> None:
    check(lambda x, y: joining.append(x, y, axis), lambda x, y: np.append(x, y, axis), A, B)
    gradients(lambda x, y: joining.append(x, y, axis), A, B)


def test_errors_of_joins() -> None:
    cases: list[tuple[Any, str]] = [
        (lambda x: joining.concatenate([x, x.T]), r"arrays of shapes \(2, 3\), \(3, 2\) cannot be concatenated"),
        (lambda x: joining.concatenate([x, x[0]]), "cannot be concatenated"),
        (lambda x: joining.concatenate([x[0, 0], x[0, 0]]), "without axes cannot be concatenated"),
        (lambda x: joining.concatenate([x, x], axis=2), "out of bounds"),
        (lambda x: joining.concatenate([x, x], dtype=int), "cannot be cast to int64 by the rule 'same_kind'"),
        (lambda x: joining.concatenate([x, x], out=A), "does not take `out`"),
        (lambda x: joining.stack([x, x.T]), "the shapes must be the same"),
        (lambda x: joining.stack(x[:0]), "at least one array"),
    ]
    for f, text in cases:
        with pytest.raises((FgradError, np.exceptions.AxisError), match=text):
            fgrad.jit(f)(A)
    agree(
        np.concatenate([A, A], dtype=int, casting="unsafe"),
        fgrad.jit(lambda x: joining.concatenate([x, x], dtype=int, casting="unsafe"))(A),
    )


SPLITS = [
    *[("split", (6, 4), (n, 0)) for n in (1, 2, 3, [2], [1, 4], (0, 3), [2, 2, 9], [4, 2], [-1], np.array([1, 3]))],
    *[("array_split", (5, 3), (n, axis)) for n in (1, 2, 3, 7, [1, 2]) for axis in (0, 1, -1)],
    ("split", (4, 6), (2, 1)),
    ("hsplit", (4, 6), (3,)),
    ("hsplit", (6,), (3,)),
    ("vsplit", (4, 6), ([1, 2],)),
    ("dsplit", (2, 3, 4), (2,)),
    ("array_split", (0,), (2,)),
]


@pytest.mark.parametrize(("name", "shape", "args"), SPLITS)
def test_splits(name: str, shape: tuple[int, ...], args: Any) -> None:
    ours, numpys = getattr(joining, name), getattr(np, name)
    x = np.random.default_rng(0).normal(size=shape)
    expected = numpys(x, *args)
    for found in (fgrad.jit(lambda x: ours(x, *args))(x), fgrad.vjp(lambda x: ours(x, *args), x)[0], ours(x, *args)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            agree(b, a)
    gradients(lambda x: sum(k * fgrad.numpy.sum(p**2) for k, p in enumerate(ours(x, *args))), x)
    mapped = fgrad.vmap(lambda x: ours(x, *args))(np.stack([x, -x]))
    for k, part in enumerate(mapped):
        agree(np.stack([numpys(y, *args)[k] for y in (x, -x)]), part)


def test_a_split_is_one_equation() -> None:
    closed = fgrad.make_jaxpr(lambda x: joining.split(x, 3))(np.ones(6))
    assert [e.primitive.name for e in closed.eqns] == ["split"]


def test_unstack() -> None:
    for axis in (0, 1, -1):
        expected = [np.take(A, i, axis) for i in range(A.shape[axis])]
        for found in (joining.unstack(A, axis=axis), fgrad.jit(lambda x, axis=axis: joining.unstack(x, axis=axis))(A)):
            assert type(found) is tuple
            for a, b in zip(found, expected, strict=True):
                agree(b, a)


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: joining.split(x, 4), "an axis of length 2 cannot be split into 4 equal parts"),
        (lambda x: joining.array_split(x, 0), "there must be at least one"),
        (lambda x: joining.vsplit(x[0], 1), "vsplit takes an array of at least 2 axes"),
        (lambda x: joining.dsplit(x, 1), "dsplit takes an array of at least 3 axes"),
        (lambda x: joining.hsplit(x[0, 0], 1), "hsplit takes an array of at least 1 axes"),
        (lambda x: joining.unstack(x[0, 0]), "out of bounds"),
    ],
)
def test_errors_of_splits(f: Any, text: str) -> None:
    with pytest.raises((ShapeError, ArgumentError, np.exceptions.AxisError), match=text):
        fgrad.jit(f)(A)


@pytest.mark.parametrize("name", joining.__all__)
def test_every_function_is_exported(name: str) -> None:
    assert getattr(fgrad.numpy, name) is getattr(joining, name)
