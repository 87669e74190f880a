"""`np.add.reduce` and its like on tracers: NumPy's values, dtypes and errors; derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, ConcretizationTypeError, ImmutableTracerError, TracerArrayConversionError
from tests.numpy.against_numpy import check, gradients, rows, staged

X = np.random.default_rng(0).normal(size=(4, 3))
REDUCED = [
    np.add,
    np.multiply,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.logical_and,
    np.logical_or,
    np.logaddexp,
]
RUNNING = [np.add, np.multiply, np.maximum, np.minimum, np.logaddexp]
OPTIONS: list[dict[str, Any]] = [{}, {"axis": 1}, {"axis": None}, {"axis": (0, 1), "keepdims": True}, {"axis": 5}]


def method(ufunc: Any, name: str, *rest: Any, **options: Any) -> Any:
    return lambda x, *more: getattr(ufunc, name)(x, *more, *rest, **options)


@pytest.mark.parametrize("ufunc", REDUCED, ids=lambda u: u.__name__)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_reduce(ufunc: Any, options: Any) -> None:
    if ufunc is np.logaddexp and isinstance(options.get("axis", 0), (tuple, type(None))):
        options = {"axis": 0, "keepdims": True}  # NumPy takes one axis here
    f = method(ufunc, "reduce", **options)
    check(f, f, X)


def test_reduce_with_more() -> None:
    for options in ({"initial": 2.0}, {"where": X > 0, "initial": 1.0}, {"dtype": np.float32}, {"where": True}):
        f = method(np.add, "reduce", **options)
        check(f, f, X)
    for ufunc in (np.bitwise_and, np.bitwise_or, np.bitwise_xor):
        f = method(ufunc, "reduce", axis=1, keepdims=True)
        check(f, f, np.array([[12, 7], [5, 1]]))


@pytest.mark.parametrize("ufunc", RUNNING, ids=lambda u: u.__name__)
@pytest.mark.parametrize("axis", [0, -1, 3])
def test_accumulate(ufunc: Any, axis: int) -> None:
    f = method(ufunc, "accumulate", axis=axis)
    check(f, f, X)
    if axis == 0:
        gradients(f, X)


@pytest.mark.parametrize("ufunc", [np.multiply, np.subtract, np.arctan2, np.maximum], ids=lambda u: u.__name__)
def test_outer(ufunc: Any) -> None:
    f = method(ufunc, "outer")
    check(f, f, X, X[0] + 0.3)
    gradients(f, X, X[0] + 0.3)
    rows(f, X[:2], X[0])


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum], ids=lambda u: u.__name__)
@pytest.mark.parametrize("indices", [[0, 2], [1, 3, 0, 0], [3], [2, 2, 4], [-1]])
def test_reduceat(ufunc: Any, indices: Any) -> None:
    f = method(ufunc, "reduceat", np.array(indices))
    check(f, f, X)
    f = method(ufunc, "reduceat", np.array(indices), axis=1)
    check(f, f, X)
    f = method(ufunc, "reduceat", np.array(indices))
    check(f, f, np.array([1, 2, 3, 4], np.int8))


def test_gradients() -> None:
    for ufunc in (np.add, np.multiply, np.maximum):
        gradients(method(ufunc, "reduceat", np.array([0, 2])), X)
        gradients(method(ufunc, "reduce", axis=1), X)
    assert fgrad.grad(lambda x: np.add.reduce(np.add.reduce(x)))(X).tolist() == np.ones((4, 3)).tolist()


def test_refusals() -> None:
    def add_at(x: Any) -> Any:
        np.add.at(x, [0], 1.0)

    def hypot_at(x: Any) -> Any:
        np.negative.at(x, [0])

    with pytest.raises(ImmutableTracerError, match=r"fgrad.numpy.at\(x\)\[indices\].add\(values\)"):
        fgrad.jit(add_at)(X)
    with pytest.raises(ImmutableTracerError, match=r"numpy.negative.at writes .*"):
        fgrad.jit(hypot_at)(X)
    with pytest.raises(TracerArrayConversionError, match=r"numpy.hypot.reduce has no counterpart"):
        staged(np.hypot.reduce, X)
    with pytest.raises(TracerArrayConversionError, match=r"numpy.hypot.accumulate has no counterpart"):
        staged(np.hypot.accumulate, X)
    with pytest.raises(TracerArrayConversionError, match=r"numpy.hypot.reduceat has no counterpart"):
        staged(lambda x: np.hypot.reduceat(x, [0]), X)
    with pytest.raises(ArgumentError, match=r"add.reduce does not take `out`"):
        staged(lambda x: np.add.reduce(x, out=np.zeros(3)), X)
    with pytest.raises(ConcretizationTypeError, match="indices that are not traced"):
        staged(lambda i: np.add.reduceat(i, i), np.array([0, 1]))
    with pytest.raises(IndexError, match="indices from 0 to 3"):
        staged(lambda x: np.add.reduceat(x, [4]), X)
