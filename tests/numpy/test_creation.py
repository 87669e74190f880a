"""Making arrays: NumPy's own where nothing is traced; of traced values the same arrays, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ConcretizationTypeError, ShapeError, TracerIntegerConversionError
from fgrad.numpy import creation
from tests.numpy.against_numpy import agree, check, gradients, online, staged

X = np.array([[1.5, -2.0, 3.0], [0.0, 5.0, -6.5]])


CONCRETE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "arange": [((5,), {}), ((1, 9, 2), {}), ((0.0, 1.0, 0.25), {"dtype": np.float32}), ((3,), {"stop": 7})],
    "array": [(([[1, 2], [3, 4]],), {}), ((X,), {"dtype": np.float32, "order": "F"}), ((3.0,), {"ndmin": 2})],
    "asanyarray": [((X,), {}), (([1, 2.5],), {}), ((X, np.float32), {"order": "F"})],
    "asarray_chkfinite": [((X,), {}), (([1, 2.5],), {})],
    "ascontiguousarray": [((X.T,), {}), ((2,), {})],
    "asfortranarray": [((X,), {}), ((2,), {})],
    "asarray": [((X,), {}), (([1, 2.5],), {}), ((X, np.float32), {"order": "F"}), ((2,), {"copy": True})],
    "eye": [((3,), {}), ((2, 3), {"k": 1, "dtype": int})],
    "frombuffer": [((b"\x01\x02",), {"dtype": np.uint8})],
    "fromfunction": [((lambda i, j: i * j, (2, 3)), {}), ((lambda i: i, (2,)), {"dtype": int})],
    "full": [((3, 2.5), {}), (((2, 3), [1, 2, 3]), {"dtype": np.float32, "order": "F"})],
    "full_like": [((X, 7), {}), (([1, 2], 2.5), {"dtype": float, "shape": (3,)}), ((X, 1.0), {"order": "F"})],
    "geomspace": [((1, 1000, 4), {}), ((-1.0, -8.0, 3), {"endpoint": False})],
    "identity": [((3,), {"dtype": np.int8})],
    "linspace": [((0, 1, 5), {}), (([0, 1], 2.0, 3), {"axis": 1, "retstep": False}), ((0, 9, 4), {"dtype": int})],
    "logspace": [((0, 3, 4), {}), ((0, 1, 3), {"base": [2.0, 3.0, 4.0], "axis": 0})],
    "ones": [((3,), {}), (((2, 2), np.int8), {"order": "F"})],
    "ones_like": [((X,), {}), (([1, 2],), {"dtype": float}), ((X,), {"order": "F"}), ((2.0,), {"shape": (2, 1)})],
    "tri": [((3,), {}), ((2, 3, 1), {})],
    "vander": [(([1, 2, 3],), {}), (([1.0, 2.0], 3), {"increasing": True})],
    "zeros": [((3,), {}), (((2, 2), np.complex64), {})],
    "zeros_like": [((X,), {}), (([1, 2],), {"dtype": float}), ((X,), {"order": "F"}), ((2.0,), {"shape": (2, 1)})],
}


@pytest.mark.parametrize("name", CONCRETE)
def test_concrete_arguments_go_to_numpy(name: str) -> None:
    for args, options in CONCRETE[name]:
        if name == "arange" and "stop" in options:
            expected = np.arange(*args, options["stop"])
        else:
            expected = getattr(np, name)(*args, **options)
        got = getattr(creation, name)(*args, **options)
        agree(expected, got, rtol=0)
        assert type(got) is type(expected)
        assert got.flags.f_contiguous == expected.flags.f_contiguous


def test_every_function_is_tested() -> None:
    assert set(creation.__all__) == set(CONCRETE) | {"empty", "empty_like", "fromiter", "meshgrid"}


def test_uninitialised_arrays() -> None:
    assert creation.empty((2, 3), np.int8).shape == (2, 3)
    assert creation.empty_like(X, np.float32).dtype == np.float32
    got = fgrad.jit(lambda x: creation.empty_like(x, shape=(4,)))(X)
    assert (got.shape, got.dtype) == ((4,), X.dtype)
    assert creation.fromiter(iter(range(3)), int).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [None, np.float32, complex, int])
@pytest.mark.parametrize("x", [X, X.astype(np.float32), np.arange(3), np.array([True, False]), np.float64(2.5)])
def test_array_of_a_traced_array(x: Any, dtype: Any) -> None:
    check(creation.array, np.array, x, dtype=dtype, ndmin=2)
    check(creation.asarray, np.asarray, x, dtype=dtype)
    check(creation.full_like, np.full_like, x, fill_value=2, dtype=dtype)
    for name in ("zeros_like", "ones_like"):
        check(getattr(creation, name), getattr(np, name), x, dtype=dtype)
        check(getattr(creation, name), getattr(np, name), x, dtype=dtype, shape=(2, 2))


def test_lists_of_traced_values() -> None:
    def nested(x: Any, y: Any) -> Any:
        return creation.array([[x, 2.0], [y, x * y]])

    got = fgrad.jit(nested)(3.0, 4.0)
    agree(np.array([[3.0, 2.0], [4.0, 12.0]]), got, rtol=0)
    slope = fgrad.grad(lambda x: np.sum(creation.asarray((x, [x, 1.0][0])) * np.array([1.0, 10.0])))(2.0)
    assert slope == 11.0
    assert fgrad.jit(lambda x: creation.array([x, 1], dtype=np.float32))(2.5).dtype == np.float32


def test_array_copies_and_asarray_does_not() -> None:
    closed = fgrad.make_jaxpr(creation.asarray)(X)
    assert not closed.eqns
    closed = fgrad.make_jaxpr(creation.array)(X)
    assert [eqn.primitive.name for eqn in closed.eqns] == ["copy"]


def test_keywords_that_mean_nothing_for_traced_arrays_are_refused() -> None:
    for f in (creation.array, creation.asarray):
        with pytest.raises(ArgumentError, match="does not take `order`"):
            fgrad.jit(lambda x, f=f: f(x, order="F"))(X)
    with pytest.raises(ArgumentError, match="does not take `order`"):
        fgrad.jit(lambda x: creation.full((2,), x, order="F"))(1.0)


def test_full() -> None:
    check(lambda x: creation.full((2, 3), x), lambda x: np.full((2, 3), x), np.arange(3))
    check(lambda x: creation.full(4, x, np.float32), lambda x: np.full(4, x, np.float32), np.float64(2.5))
    check(creation.full_like, np.full_like, np.arange(3), np.float64(2.7))
    gradients(lambda x: creation.full((2, 3), x), np.arange(3.0))
    with pytest.raises(ShapeError, match="does not broadcast"):
        fgrad.jit(lambda x: creation.full((2, 2), x))(np.arange(3))
    with pytest.raises(TracerIntegerConversionError):
        fgrad.jit(lambda n: creation.full((n,), n))(3)


def test_shapes_may_be_traced_numbers_with_a_value() -> None:
    assert fgrad.jvp(lambda x: creation.full(x.astype(int), x), (np.float64(3),), (1.0,))[1].tolist() == [1.0, 1.0, 1.0]


def test_arange() -> None:
    assert fgrad.grad(lambda x: np.sum(creation.arange(int(x)) * x))(4.0) == 6.0
    assert fgrad.jvp(lambda x: creation.arange(0, x, 0.5), (1.5,), (1.0,))[0].tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(ConcretizationTypeError, match=r"arange needs values for its bounds(?s:.*)linspace"):
        fgrad.jit(creation.arange)(3)


SPANS: list[tuple[Any, Any]] = [
    (0.0, 1.0),
    (3, -5),
    (np.float64(0.1), np.float64(0.1)),
    (np.array([0.0, 1.0]), np.array([[2.0], [3.0]])),
    (np.float32(0), np.float32(1)),
    (np.int8(1), np.int64(7)),
    (np.array([1 + 1j, 2.0]), np.array([0.5, 1j])),
]


@pytest.mark.parametrize(("start", "stop"), SPANS)
def test_linspace(start: Any, stop: Any) -> None:
    for num in (0, 1, 2, 7):
        for options in ({}, {"endpoint": False}, {"axis": -1}):
            check(creation.linspace, np.linspace, start, stop, num=num, **options)
            expected = np.linspace(start, stop, num, retstep=True, **options)
            got = fgrad.jit(lambda x, y, n=num, o=options: creation.linspace(x, y, n, retstep=True, **o))(start, stop)
            agree(expected[0], got[0])
            np.testing.assert_allclose(got[1], expected[1], rtol=1e-6)
    got = fgrad.jit(lambda x, y: creation.linspace(x, y, 9))(start, stop)
    assert np.array_equal(got[0], np.broadcast_to(start, got[0].shape).astype(got.dtype))
    assert np.array_equal(got[-1], np.broadcast_to(stop, got[0].shape).astype(got.dtype))


def test_linspace_of_traced_and_python_numbers() -> None:
    got = fgrad.jit(lambda x: creation.linspace(0.0, x, 3))(np.float32(1))
    agree(np.linspace(0.0, np.float32(1), 3), got, rtol=0)
    agree(np.linspace(-2, 2, 4, dtype=int), fgrad.jit(lambda x: creation.linspace(x, 2, 4, dtype=int))(-2), rtol=0)
    with pytest.raises(ArgumentError, match="number of samples must not be negative, got -1"):
        fgrad.jit(lambda x: creation.linspace(x, 2, -1))(0.0)


def test_logspace() -> None:
    check(creation.logspace, np.logspace, 0.0, 3.0, num=4)
    check(creation.logspace, np.logspace, np.array([0.0, 1.0]), 2.0, num=3, base=2.0, axis=1)
    base = np.array([2.0, 3.0])
    check(lambda x, b: creation.logspace(x, 2.0, 3, base=b), lambda x, b: np.logspace(x, 2.0, 3, base=b), 1.0, base)
    gradients(lambda x, y, b: creation.logspace(x, y, 4, base=b), np.array(0.5), np.array(1.5), np.array([2.0, 3.0]))


def test_geomspace() -> None:
    check(creation.geomspace, np.geomspace, 1.0, 1000.0, num=4)
    check(creation.geomspace, np.geomspace, 1, 1000, num=4, dtype=int)
    check(creation.geomspace, np.geomspace, np.array([1.0, -2.0]), np.array([8.0, -32.0]), num=4, axis=1)
    check(creation.geomspace, np.geomspace, 2.0, 32.0, num=4, endpoint=False)
    got = fgrad.jit(lambda x, y: creation.geomspace(x, y, 7))(0.3, 0.7)
    assert (got[0], got[-1]) == (0.3, 0.7)


@pytest.mark.parametrize("f", [creation.linspace, creation.geomspace])
def test_spaces_have_gradients(f: Callable[..., Any]) -> None:
    gradients(lambda x, y: f(x, y, 5), np.array([0.5, 1.5]), np.array([2.0, 4.0]))
    gradients(lambda x, y: f(x, y, 4, endpoint=False, axis=1), np.array([0.5, 1.5]), np.array([2.0, 4.0]))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sparse", [False, True])
def test_meshgrid(indexing: str, sparse: bool) -> None:
    vectors = (np.arange(3.0), np.array([5, 6]), np.float32(7))
    for count in (1, 2, 3):
        options = {"indexing": indexing, "sparse": sparse}
        expected = np.meshgrid(*vectors[:count], **options)
        for got in (
            creation.meshgrid(*vectors[:count], **options),
            fgrad.jit(lambda *xs, o=options: creation.meshgrid(*xs, **o))(*vectors[:count]),
        ):
            assert len(got) == len(expected)
            for g, e in zip(got, expected, strict=True):
                agree(e, g, rtol=0)
    gradients(lambda x, y: creation.meshgrid(x, y, **options)[0] + 0.0, np.arange(3.0), np.arange(2.0))


def test_meshgrid_refuses_other_orders() -> None:
    with pytest.raises(ArgumentError, match="indexing must be 'xy' or 'ij', got 'yx'"):
        fgrad.jit(lambda x: creation.meshgrid(x, indexing="yx"))(np.ones(2))


@pytest.mark.parametrize("count", [None, 0, 2, 5])
@pytest.mark.parametrize("increasing", [False, True])
def test_vander(count: int | None, increasing: bool) -> None:
    for x in (np.array([0.0, 2.0, -1.5]), np.arange(3), np.array([True, False]), np.ones(0), np.ones(2, np.float32)):
        check(creation.vander, np.vander, x, N=count, increasing=increasing)
    check(creation.vander, np.vander, X, N=count, increasing=increasing)
    if count == 5:
        gradients(lambda x: creation.vander(x, 5, increasing=increasing), np.array([0.0, 2.0, -1.5]))


def test_functions_of_numpy_take_tracers() -> None:
    for f in (np.zeros_like, np.ones_like, lambda x: np.full_like(x, 3), lambda x: np.linspace(x, 2 * x, 3)):
        agree(f(X), fgrad.jit(f)(X))


@pytest.mark.parametrize("name", ["asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite"])
def test_layouts_mean_nothing_for_traced_arrays(name: str) -> None:
    f, numpys = getattr(fnp, name), getattr(np, name)
    for x in (np.arange(6.0).reshape(2, 3), np.float64(2.0)):
        for run in (staged, online):
            agree(numpys(x, np.float32), run(lambda x: f(x, np.float32), x))
        agree(np.ones_like(x), fgrad.grad(lambda x: f(x).sum())(x))
    assert type(f([1.0, 2.0])) is np.ndarray


def test_what_is_not_finite_is_refused_where_it_is_seen() -> None:
    with pytest.raises(ValueError, match="asarray_chkfinite: the array has infinities or NaNs"):
        fgrad.grad(lambda x: fnp.asarray_chkfinite(x).sum())(np.array([1.0, np.inf]))
