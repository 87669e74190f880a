"""Shapes and axes of traced arrays against NumPy: values, dtypes, gradients, rows, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError, ConcretizationTypeError, FgradError
from fgrad.numpy import manipulation
from tests.numpy.against_numpy import agree, check, gradients

Case = tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]]

CASES: list[Case] = [
    *[
        ("reshape", (2, 6), (s,), {})
        for s in ((3, 4), -1, (4, -1), [2, 2, 3], 12, (np.int64(3), 4), (2, 6), (-1, 1, 12))
    ],
    *[("reshape", (2, 3, 2), (s,), {"order": "F"}) for s in ((3, 4), -1, (4, -1, 1))],
    *[
        ("reshape", (2, 3), ((3, 2),), {"order": "A"}),
        ("reshape", (), ((1, 1),), {}),
        ("reshape", (0, 3), ((3, 0),), {}),
    ],
    *[("ravel", s, (order,), {}) for s in ((2, 3), (), (0, 2), (2, 3, 2)) for order in "CFAK"],
    *[("transpose", (2, 3, 4), (a,), {}) for a in (None, (1, 0, 2), [2, 0, 1], (-1, 0, 1))],
    ("permute_dims", (2, 3), ((1, 0),), {}),
    ("matrix_transpose", (2, 3, 4), (), {}),
    *[("moveaxis", (2, 3, 4), a, {}) for a in ((0, -1), (-1, 0), ((0, 1), (1, 2)), ([0, 2], [-1, 0]), ((), ()))],
    *[("rollaxis", (2, 3, 4), a, {}) for a in ((2,), (0, 3), (1, 2), (2, 1), (-1, -2))],
    *[("swapaxes", (2, 3, 4), a, {}) for a in ((0, 1), (-1, 0), (1, 1))],
    *[("squeeze", (1, 3, 1), (a,), {}) for a in (None, 0, -1, (0, 2), ())],
    *[("expand_dims", (2, 3), (a,), {}) for a in (0, -1, 1, (0, -1), [1, 2])],
    *[("broadcast_to", (1, 3), (s,), {}) for s in ((2, 3), (4, 2, 3), [1, 3])],
    ("broadcast_to", (), (3,), {}),
    *[(f"atleast_{n}d", s, (), {}) for n in (1, 2, 3) for s in ((), (2,), (2, 3), (1, 2, 3), (1, 2, 1, 2))],
    ("copy", (2, 3), (), {}),
]


def values(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(("name", "shape", "args", "options"), CASES)
def test_against_numpy(name: str, shape: tuple[int, ...], args: Any, options: Any) -> None:
    ours, numpys = getattr(manipulation, name), getattr(np, name)
    x = values(shape)
    for dtype in (np.float64, np.float32, np.int16, np.bool_):
        check(lambda x: ours(x, *args, **options), lambda x: numpys(x, *args, **options), x.astype(dtype))
    gradients(lambda x: ours(x, *args, **options), x)
    rows = np.stack([x, -x])
    agree(
        np.stack([numpys(row, *args, **options) for row in rows]), fgrad.vmap(lambda x: ours(x, *args, **options))(rows)
    )


ERRORS: list[tuple[str, tuple[int, ...], tuple[Any, ...], str]] = [
    ("reshape", (2, 3), ((4, 2),), r"cannot reshape an array of shape \(2, 3\) \(6 elements\) into \(4, 2\)"),
    ("reshape", (2, 3), ((4, -1),), "cannot reshape"),
    ("reshape", (0, 3), ((0, -1),), "cannot reshape"),
    ("reshape", (2, 3), ((-1, -1),), "one length may be unknown"),
    ("reshape", (2, 3), ((-2, 3),), "one length may be unknown"),
    ("reshape", (2, 3), ((3, 2), "K"), "order='K' is none of"),
    ("transpose", (2, 3), ((0,),), "all must be named"),
    ("transpose", (2, 3), ((0, 0),), "repeated axis"),
    ("matrix_transpose", (3,), (), "two axes or more"),
    ("moveaxis", (2, 3), (0, (0, 1)), "cannot go to 2 places"),
    ("moveaxis", (2, 3), (2, 0), "out of bounds"),
    ("swapaxes", (2, 3), (0, 2), "out of bounds"),
    ("squeeze", (1, 3), (1,), "takes axes of length 1, got axis 1 of an array of shape"),
    ("expand_dims", (3,), ((0, 0),), "repeated axis"),
    ("broadcast_to", (2, 3), ((3, 3),), "does not broadcast to"),
]


@pytest.mark.parametrize(("name", "shape", "args", "text"), ERRORS)
def test_errors(name: str, shape: tuple[int, ...], args: Any, text: str) -> None:
    x = values(shape)
    if "unknown" not in text:  # NumPy takes any negative length for unknown
        with pytest.raises((ValueError, TypeError)):
            getattr(np, name)(x, *args)
    with pytest.raises((FgradError, np.exceptions.AxisError, ValueError), match=text):
        fgrad.jit(lambda x: getattr(manipulation, name)(x, *args))(x)


@given(st.permutations([0, 1, 2]), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_transpose_and_back(order: list[int], lengths: list[int]) -> None:
    x = values(tuple(lengths))

    def there_and_back(x: Any) -> Any:
        return manipulation.transpose(manipulation.transpose(x, order), np.argsort(order))

    agree(x, fgrad.jit(there_and_back)(x))


def test_broadcast_arrays() -> None:
    x, y = values((3, 1)), values((2,))
    for run in (lambda f: f, fgrad.jit):
        for found, expected in zip(run(manipulation.broadcast_arrays)(x, y), np.broadcast_arrays(x, y), strict=True):
            agree(expected, found)
    assert manipulation.broadcast_shapes is np.broadcast_shapes


def test_several_arrays_of_at_least_some_axes() -> None:
    first, second = fgrad.jit(manipulation.atleast_2d)(1.0, np.ones(3))
    assert first.shape == (1, 1)
    assert second.shape == (1, 3)


def test_numbers_become_arrays() -> None:
    for f in (manipulation.ravel, manipulation.copy, manipulation.atleast_1d, lambda x: manipulation.reshape(x, (1,))):
        closed = fgrad.make_jaxpr(f)(2.0)
        assert not closed.out_avals[0].weak_type


def test_nested_lists_of_traced_numbers() -> None:
    agree([[1.0, 3.0], [2.0, 4.0]], fgrad.jit(lambda x: manipulation.transpose([[x, 2 * x], [3 * x, 4.0]]))(1.0))


def test_a_shape_must_be_static() -> None:
    for f in (lambda x, n: manipulation.reshape(x, (n, 3)), lambda x, n: manipulation.broadcast_to(x[0, 0], n)):
        with pytest.raises(
            ConcretizationTypeError, match=r"a shape needs values for its lengths, got a traced i64\[\]"
        ):
            fgrad.jit(f)(values((2, 3)), 2)
    agree(
        np.ones((2, 3)),
        fgrad.grad(lambda x: manipulation.reshape(x, (int(x[0] * 0) + 2, 3)).sum())(np.ones(6)).reshape(2, 3),
    )


def test_what_changes_nothing_costs_nothing() -> None:
    for f in (lambda x: manipulation.reshape(x, (2, 3)), manipulation.atleast_2d):
        assert len(fgrad.make_jaxpr(f)(values((2, 3))).eqns) == 0


@pytest.mark.parametrize("name", manipulation.__all__)
def test_every_function_is_exported_and_tested(name: str) -> None:
    assert getattr(fgrad.numpy, name) is getattr(manipulation, name)
    assert name in {case[0] for case in CASES} | {"broadcast_arrays", "broadcast_shapes"}


def test_concrete_arguments_go_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original: Callable[..., Any] = np.reshape
    monkeypatch.setattr(np, "reshape", lambda *a, **k: seen.append((a, k)) or original(*a, **k))
    manipulation.reshape(np.ones(4), (2, 2), "F")
    assert seen[0][0][1:] == ((2, 2), "F")
    with pytest.raises(ArgumentError, match="none of"):
        fgrad.jit(lambda x: manipulation.reshape(x, (2, 2), "K"))(np.ones(4))
