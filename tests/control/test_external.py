"""Opaque functions of NumPy arrays in traced code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import ShapeDtypeStruct
from fgrad.control.external import io_callback, pure_callback
from fgrad.control.scan import scan
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError, TreeStructureError


def sort(x: Any) -> Any:
    return pure_callback(np.sort, x, x)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit])
def test_values(wrap: Callable[..., Any]) -> None:
    x = np.array([3.0, 1.0, 2.0])
    np.testing.assert_array_equal(wrap(sort)(x), [1.0, 2.0, 3.0])
    rows = np.array([[2.0, 1.0], [0.0, 3.0]])
    np.testing.assert_array_equal(wrap(fgrad.vmap(sort))(rows), [[1.0, 2.0], [0.0, 3.0]])
    np.testing.assert_array_equal(wrap(fgrad.vmap(sort, in_axes=1))(rows), [[0.0, 2.0], [1.0, 3.0]])
    out = wrap(lambda y: scan(lambda c, _: (sort(c) * -1.0, None), y, None, length=2)[0])(x)
    np.testing.assert_array_equal(out, [3.0, 2.0, 1.0])


def test_pytrees_and_static_arguments() -> None:
    def divide(p: Any, how: str, *, by: int) -> Any:
        assert how == "exactly"
        return {"q": p["x"] // by, "r": p["x"] % by}

    shapes = {"q": ShapeDtypeStruct((2,), np.int64), "r": ShapeDtypeStruct((2,), np.int64)}
    out = fgrad.jit(lambda x: pure_callback(divide, shapes, {"x": x}, "exactly", by=3))(np.array([7, 9]))
    np.testing.assert_array_equal(out["q"], [2, 3])
    np.testing.assert_array_equal(out["r"], [1, 0])


@pytest.mark.parametrize(("method", "shapes"), [("broadcast_all", (3, 3)), ("expand_dims", (3, 1))])
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit])
def test_all_rows_at_once(wrap: Callable[..., Any], method: str, shapes: tuple[int, int]) -> None:
    calls: list[Any] = []

    def scale(x: Any, factor: Any) -> Any:
        calls.append((x.shape, factor.shape))
        return x * factor[..., None]

    f = fgrad.vmap(lambda x, c: pure_callback(scale, x, x, c, vmap_method=method), (0, None))
    x = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(wrap(f)(x, np.float64(2.0)), 2.0 * x)
    assert calls == [((3, 2), (shapes[1],))]
    calls.clear()
    nested = fgrad.vmap(f, (0, None))
    np.testing.assert_array_equal(wrap(nested)(np.stack([x, x]), np.float64(2.0)), 2.0 * np.stack([x, x]))
    assert len(calls) == 1


def test_pure_calls_that_nobody_needs_are_dropped() -> None:
    calls: list[float] = []

    @fgrad.jit
    def f(x: Any) -> Any:
        pure_callback(lambda v: calls.append(v) or v, x, x)
        return x

    assert f(1.0) == 1.0
    assert calls == []


def test_io_calls_happen_once_and_in_order() -> None:
    stream = iter(range(100))

    def read() -> Any:
        return np.int64(next(stream))

    @fgrad.jit
    def f(x: Any) -> Any:
        a = io_callback(read, ShapeDtypeStruct((), np.int64))
        io_callback(read, ShapeDtypeStruct((), np.int64))
        b = io_callback(read, ShapeDtypeStruct((), np.int64), ordered=True)
        return x + a * 10 + b

    assert f(0) == 2
    assert f(0) == 35
    rows = fgrad.vmap(lambda x: io_callback(lambda v: v + next(stream), x, x))(np.array([100, 200]))
    np.testing.assert_array_equal(rows, [106, 207])


def test_derivatives() -> None:
    def f(x: Any) -> Any:
        return pure_callback(np.sin, x, x)

    cure = "is opaque.*fgrad.custom_jvp"
    with pytest.raises(NonDifferentiableError, match=f"(?s)`sin`, called by pure_callback, {cure}"):
        fgrad.grad(f)(1.0)
    with pytest.raises(NonDifferentiableError, match="is opaque"):
        fgrad.grad(fgrad.jit(f))(1.0)
    with pytest.raises(NonDifferentiableError, match="called by io_callback"):
        fgrad.grad(lambda x: io_callback(np.sin, x, x))(1.0)
    sine = fgrad.custom_jvp(f)
    sine.defjvps(lambda t, out, x: t * pure_callback(np.cos, x, x))
    assert fgrad.grad(sine)(0.5) == np.cos(0.5)
    assert fgrad.jit(fgrad.grad(sine))(0.5) == np.cos(0.5)
    assert fgrad.grad(lambda x: x * f(fgrad.stop_gradient(x)))(0.5) == np.sin(0.5)
    count = lambda x: pure_callback(np.int64, ShapeDtypeStruct((), np.int64), x)  # noqa: E731
    assert fgrad.grad(lambda x: x * count(x))(3.5) == 3.0


def test_arguments_cannot_be_written_into() -> None:
    def spoil(x: Any) -> Any:
        x[0] = 1.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        pure_callback(spoil, np.zeros(2), np.zeros(2))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: pure_callback(3, 1.0), ArgumentError, "pure_callback expects a function"),
        (lambda: io_callback(3, 1.0), ArgumentError, "io_callback expects a function"),
        (lambda: pure_callback(np.sin, 1.0, 1.0, vmap_method="all"), ArgumentError, "must be one of sequential"),
        (lambda: pure_callback(np.sin, "f8", 1.0), ArgumentError, "it has no shape and dtype"),
        (lambda: pure_callback(np.sin, np.ones(3), 1.0), ShapeError, r"is f64\[\], but result_shape_dtypes announced"),
        (lambda: pure_callback(np.sin, np.ones((), int), 1.0), ShapeError, "Announce what is returned"),
        (lambda: pure_callback(np.sin, (1.0, 1.0), 1.0), TreeStructureError, "not like result_shape_dtypes"),
        (lambda: pure_callback(lambda: "text", 1.0), OutputTypeError, "result of `<lambda>`, called by pure_callback"),
    ],
)
def test_misuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
