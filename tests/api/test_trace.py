"""make_jaxpr, eval_shape, ShapeDtypeStruct."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import ShapeDtypeStruct, eval_shape, make_jaxpr
from fgrad.errors import ArgumentError, OutputTypeError

X = np.array([1.0, 2.0, 3.0])


def test_the_program_of_a_function() -> None:
    closed = make_jaxpr(lambda p, n: {"y": p["x"] * n})({"x": X}, 2)
    assert [str(a) for a in closed.in_avals] == ["f64[3]", "i64[]"]
    np.testing.assert_array_equal(closed(X, 2)[0], 2 * X)


def test_static_arguments() -> None:
    closed = make_jaxpr(lambda x, n: x**n if n > 1 else x, static_argnums=1)(X, 2)
    assert len(closed.in_avals) == 1
    assert len(closed.eqns) == 1
    assert len(make_jaxpr(lambda n, x: x * n, static_argnums=(0,))(3, X).in_avals) == 1


def test_shapes_of_the_results() -> None:
    closed, shape = make_jaxpr(lambda x: {"y": x[0], "z": (x, 1)}, return_shape=True)(X)
    assert len(closed.out_avals) == 3
    assert shape["z"][0] == ShapeDtypeStruct((3,), np.float64)


def test_keyword_arguments() -> None:
    assert len(make_jaxpr(lambda x, *, y: x + y)(X, y=X).in_avals) == 2


def test_shapes_without_values() -> None:
    seen: list[int] = []

    def f(a: Any, b: Any) -> Any:
        seen.append(1)
        return {"product": a @ b, "large": np.sum(a)}

    struct = ShapeDtypeStruct((10**6, 10**6), np.float32)
    out = eval_shape(f, struct, ShapeDtypeStruct((10**6, 2), np.float32))
    assert out["product"] == ShapeDtypeStruct((10**6, 2), np.float32)
    assert out["large"].shape == ()
    assert seen == [1]
    assert eval_shape(lambda x, *, y: x + y, X, y=2.0).shape == (3,)


def test_shapes_under_transforms() -> None:
    got = eval_shape(fgrad.grad(lambda x: np.sum(x * x)), ShapeDtypeStruct((4,), np.float32))
    assert got == ShapeDtypeStruct((4,), np.float32)
    assert eval_shape(fgrad.vmap(np.sum), ShapeDtypeStruct((4, 5), np.float64)).shape == (4,)
    assert eval_shape(fgrad.hessian(np.sum), X).shape == (3, 3)


def test_structs() -> None:
    struct = ShapeDtypeStruct([2, 3], "float32")
    assert (struct.shape, struct.dtype, struct.ndim, struct.size) == ((2, 3), np.float32, 2, 6)
    assert struct == ShapeDtypeStruct((2, 3), np.float32)
    assert hash(struct) == hash(ShapeDtypeStruct((2, 3), np.float32))
    assert struct != ShapeDtypeStruct((2, 3), np.float64)
    assert struct != (2, 3)
    assert repr(struct) == "ShapeDtypeStruct(shape=(2, 3), dtype=float32)"


def test_bad_arguments_and_results() -> None:
    with pytest.raises(ArgumentError, match="x"):
        make_jaxpr(lambda x: x)("text")
    with pytest.raises(OutputTypeError):
        make_jaxpr(lambda x: "text")(X)
    with pytest.raises(ArgumentError):
        make_jaxpr(3)
