"""The methods and attributes of NumPy's arrays on tracers: the same names, arguments and results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core import Tracer
from fgrad.errors import ArgumentError, ImmutableTracerError, ShapeError, TracerAttributeError
from tests.numpy.against_numpy import agree, online, staged

X = np.random.default_rng(0).normal(size=(3, 4))
Z = X + 1j * X[::-1]

METHODS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("all", (), {}),
    ("any", (0,), {"keepdims": True}),
    ("argmax", (1,), {}),
    ("argmin", (), {}),
    ("argpartition", (1,), {"axis": 1}),
    ("argsort", (0,), {}),
    ("argsort", (), {"axis": -1, "kind": "stable"}),
    ("astype", (np.float32,), {}),
    ("astype", (int,), {"copy": False}),
    ("clip", (-0.5, 0.5), {}),
    ("clip", (), {"min": 0.0}),
    ("clip", (None, 0.5), {}),
    ("compress", ([True, False, True], 0), {}),
    ("conj", (), {}),
    ("conjugate", (), {}),
    ("copy", (), {}),
    ("cumprod", (1,), {}),
    ("cumsum", (), {}),
    ("diagonal", (1,), {}),
    ("dot", (X.T,), {}),
    ("flatten", (), {}),
    ("flatten", ("F",), {}),
    ("max", (), {"axis": 0}),
    ("mean", (1,), {"keepdims": True}),
    ("min", (), {}),
    ("prod", (0,), {}),
    ("ravel", (), {}),
    ("ravel", ("F",), {}),
    ("repeat", (2,), {"axis": 1}),
    ("reshape", (4, 3), {}),
    ("reshape", ((2, -1),), {}),
    ("reshape", (-1,), {}),
    ("reshape", (4, 3), {"order": "F"}),
    ("round", (1,), {}),
    ("squeeze", (), {}),
    ("std", (), {"axis": 0, "ddof": 1}),
    ("sum", (0,), {}),
    ("sum", (), {"axis": 1, "dtype": np.float32}),
    ("swapaxes", (0, 1), {}),
    ("take", ([0, 2],), {"axis": 0}),
    ("trace", (), {}),
    ("transpose", (), {}),
    ("transpose", (1, 0), {}),
    ("transpose", ((1, 0),), {}),
    ("transpose", (None,), {}),
    ("var", (), {}),
]
PROPERTIES = ["T", "mT", "real", "imag", "itemsize", "nbytes", "device", "shape", "ndim", "size", "dtype"]


@pytest.mark.parametrize(("name", "args", "options"), METHODS)
def test_methods(name: str, args: Any, options: Any) -> None:
    expected = getattr(X, name)(*args, **options)
    for run in (staged, online):
        agree(expected, run(lambda x: getattr(x, name)(*args, **options), X))


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties(name: str) -> None:
    for x in (X, Z, X.astype(np.float32)):
        seen = []
        fgrad.make_jaxpr(lambda x, s=seen: s.append(getattr(x, name)) or x)(x)
        expected = getattr(x, name)
        if isinstance(expected, np.ndarray):
            agree(expected, fgrad.jit(lambda x: getattr(x, name))(x))
        else:
            assert seen[0] == expected


def test_every_public_name_of_ndarray_is_there() -> None:
    names = [name for name in dir(np.ndarray) if not name.startswith("_")]
    missing = [name for name in names if not hasattr(Tracer, name)]
    assert missing == []


def test_methods_that_take_other_arrays() -> None:
    v = np.sort(X[0])
    agree(v.searchsorted([0.0, 1.0]), fgrad.jit(lambda v: v.searchsorted([0.0, 1.0]))(v))
    which, a, b = np.array([0, 1]), X[0, :2], X[1, :2]
    agree(which.choose([a, b]), fgrad.jit(lambda i, a, b: i.choose([a, b]))(which, a, b))
    agree(X[0].nonzero()[0], fgrad.vjp(lambda x: (x, x[0].nonzero()[0]), X)[0][1])
    agree(X.max() - X.min(), fgrad.jit(lambda x: x.ptp())(X))


def test_gradients_go_through_methods() -> None:
    def f(x: Any) -> Any:
        return (x.T.reshape(2, 6).clip(-1, 1).ravel().astype(np.float64) ** 2).mean()

    agree(np.where(np.abs(X) < 1, X / 6, 0), fgrad.grad(f)(X))


def test_casting() -> None:
    agree(X.astype(np.float32), fgrad.jit(lambda x: x.astype("float32", casting="same_kind"))(X))
    with pytest.raises(ShapeError, match="cannot be cast to int64 by the rule 'safe'"):
        fgrad.jit(lambda x: x.astype(int, casting="safe"))(X)


def test_membership() -> None:
    found = []
    fgrad.vjp(lambda x: found.extend([X[1, 1] in x, 99.0 in x]) or x, X)
    assert found == [True, False]


def test_the_namespace() -> None:
    found = []

    def f(x: Any) -> Any:
        xp = x.__array_namespace__()
        found.append(xp)
        return xp.sum(xp.exp(x))

    agree(np.exp(X), fgrad.grad(f)(X))
    assert found[0] is fgrad.numpy
    fgrad.make_jaxpr(lambda x: x.__array_namespace__(api_version="2023.12").sin(x))(X)
    with pytest.raises(ArgumentError, match="version '1999' of the array API"):
        fgrad.make_jaxpr(lambda x: x.__array_namespace__(api_version="1999").sin(x))(X)


def test_devices() -> None:
    agree(X, fgrad.jit(lambda x: x.to_device("cpu"))(X))
    with pytest.raises(ArgumentError, match="on the device 'cpu' only, got 'gpu'"):
        fgrad.jit(lambda x: x.to_device("gpu"))(X)


@pytest.mark.parametrize("name", ["fill", "partition", "put", "resize", "setfield", "setflags", "sort"])
def test_methods_that_write(name: str) -> None:
    with pytest.raises(
        ImmutableTracerError, match=rf"\.{name}\(\) would write into a traced f64\[3,4\], in jit of"
    ) as raised:
        fgrad.jit(lambda x: getattr(x, name)(0))(X)
    assert "test_methods.py" in str(raised.value)
    assert str(raised.value).splitlines()[-1].endswith(".")


@pytest.mark.parametrize("name", ["base", "data", "flags", "flat", "strides", "tobytes", "view", "ctypes", "byteswap"])
def test_attributes_of_memory(name: str) -> None:
    with pytest.raises(TracerAttributeError, match=rf"has no \.{name}, since it has no memory, in jit of"):
        fgrad.jit(lambda x: getattr(x, name))(X)
    seen = []
    fgrad.make_jaxpr(lambda x: seen.append(hasattr(x, name)) or x)(X)
    assert seen == [False]


def test_augmented_assignment_makes_a_new_value() -> None:
    def f(x: Any) -> Any:
        y = x
        y += 1.0
        y *= 2.0
        return y.sum() + 0 * x.sum()

    agree(np.full_like(X, 2.0), fgrad.grad(f)(X))


def test_item_assignment_after_reading() -> None:
    def f(x: Any) -> Any:
        x[0] += 1.0
        return x

    with pytest.raises(ImmutableTracerError, match=r"x\.at\[index\]\.set"):
        fgrad.jit(f)(X)


def test_rounding_by_python() -> None:
    x = np.float64(2.567)
    for run in (staged, online):
        agree(round(x, 1), run(lambda x: round(x, 1), x))
        got = run(round, x)
        assert got == 3
        assert np.asarray(got).dtype == np.int64
    with pytest.raises(TypeError, match=r"round\(\) takes a single number, not a traced f64\[3\]"):
        staged(round, np.ones(3))
