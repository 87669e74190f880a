"""Gradients: which arguments, which structure, which types."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
from fgrad import grad, value_and_grad
from fgrad.api.common import float0
from fgrad.errors import ArgumentError, NonDifferentiableError, NonScalarOutputError

X = np.array([1.0, 2.0, 3.0])


def f(x: Any, y: Any, *, scale: Any = 1.0) -> Any:
    """A weighted sum of squares."""
    return scale * np.sum(x * x * y)


DX, DY = 2 * X * 5.0, X**2


def test_value_and_gradient() -> None:
    value, gradient = value_and_grad(f)(X, np.full(3, 5.0))
    assert value == f(X, 5.0)
    assert type(value) is np.float64
    np.testing.assert_array_equal(gradient, DX)


@pytest.mark.parametrize("argnums", [1, -1, "y", np.int64(1)])
def test_another_argument(argnums: Any) -> None:
    np.testing.assert_array_equal(grad(f, argnums=argnums)(X, np.full(3, 5.0)), DY)


@pytest.mark.parametrize("argnums", [(1, 0), [1, 0], (-1, -2), ("y", "x"), ("y", 0)])
def test_several_arguments_in_the_order_asked_for(argnums: Any) -> None:
    gradient = grad(f, argnums=argnums)(X, np.full(3, 5.0))
    assert type(gradient) is tuple
    np.testing.assert_array_equal(gradient[0], DY)
    np.testing.assert_array_equal(gradient[1], DX)


def test_a_tuple_of_one() -> None:
    (gradient,) = grad(f, argnums=(0,))(X, np.full(3, 5.0))
    np.testing.assert_array_equal(gradient, DX)


def test_arguments_given_by_name() -> None:
    np.testing.assert_array_equal(grad(f)(X, y=np.full(3, 5.0), scale=2.0), 2 * DX)
    np.testing.assert_array_equal(grad(f, argnums="x")(x=X, y=np.full(3, 5.0)), DX)
    assert grad(f, argnums="scale")(X, 1.0, scale=3.0) == np.sum(X * X)
    by_name = grad(f, argnums=("scale", "x"))(X, np.ones(3), scale=3.0)
    np.testing.assert_array_equal(by_name[1], 6 * X)


def test_arguments_of_functions_that_take_any() -> None:
    assert grad(lambda *args: args[0] * args[2], argnums=2)(3.0, 0.0, 5.0) == 3.0
    assert grad(lambda **kwargs: kwargs["a"] ** 2, argnums="a")(a=3.0) == 6.0


class Point(NamedTuple):
    x: Any
    y: Any


@fgrad.tree.register_dataclass
@dataclass
class Layer:
    w: Any
    b: Any


@pytest.mark.parametrize(
    "tree",
    [
        {"b": X, "a": {"c": 2.0}},
        [X, (2.0, [X])],
        Point(X, 2.0),
        Layer(X, 2.0),
        OrderedDict(z=X, a=2.0),
        defaultdict(list, z=X, a=2.0),
        (X, None, 2.0),
        {1: X, "a": 2.0},
        np.float32(3),
        3.0,
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_pytrees(tree: Any) -> None:
    def total(tree: Any) -> Any:
        out = 0.0
        for leaf in fgrad.tree.leaves(tree):
            out = out + np.sum(leaf * leaf)
        return out

    for g in (grad(total), fgrad.jit(grad(total))):
        gradient = g(tree)
        assert fgrad.tree.structure(gradient) == fgrad.tree.structure(tree)
        assert type(gradient) is (np.float64 if type(tree) is float else type(tree))
        for got, x in zip(fgrad.tree.leaves(gradient), fgrad.tree.leaves(tree), strict=True):
            np.testing.assert_array_equal(got, 2 * np.asarray(x))
            assert np.asarray(got).dtype == np.asarray(x).dtype


def test_the_order_of_keys_is_kept() -> None:
    assert list(grad(lambda p: p["z"] * p["a"])({"z": 1.0, "a": 2.0})) == ["z", "a"]


def test_auxiliary_output() -> None:
    def g(x: Any) -> Any:
        return np.sum(x * x), {"x": x, "double": 2 * x, "text": 1, "none": None}

    gradient, aux = grad(g, has_aux=True)(X)
    np.testing.assert_array_equal(gradient, 2 * X)
    np.testing.assert_array_equal(aux["double"], 2 * X)
    assert type(aux["x"]) is np.ndarray
    assert aux["none"] is None
    (value, aux), gradient = value_and_grad(g, has_aux=True)(X)
    assert value == 14.0
    np.testing.assert_array_equal(aux["x"], X)


def test_auxiliary_output_of_nested_gradients() -> None:
    def outer(x: Any) -> Any:
        gradient, aux = grad(lambda y: (x * y * y, y * x), has_aux=True)(3.0)
        return gradient + aux

    assert grad(outer)(2.0) == 9.0


def test_auxiliary_output_must_be_a_pair() -> None:
    with pytest.raises((ArgumentError, TypeError), match="pair"):
        grad(np.sum, has_aux=True)(X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_gradients_have_the_dtype_of_the_argument(dtype: Any) -> None:
    assert grad(lambda x: np.sum(x * x * 2.0))(X.astype(dtype)).dtype == dtype
    assert grad(lambda x: x * x)(dtype(3)).dtype == dtype


def test_mixed_dtypes() -> None:
    narrow, wide = grad(lambda a, b: np.sum(a * b), argnums=(0, 1))(X.astype(np.float32), X)
    assert (narrow.dtype, wide.dtype) == (np.float32, np.float64)


def test_results_without_axes_are_scalars() -> None:
    value, gradient = value_and_grad(lambda x: x * x)(np.float64(3))
    assert (type(value), type(gradient)) == (np.float64, np.float64)
    value, gradient = value_and_grad(lambda x: x * x)(3.0)
    assert (type(value), type(gradient)) == (float, np.float64)
    gradient = grad(lambda x: x[()] * 2.0)(np.array(3.0))
    assert isinstance(gradient, np.float64)


def test_integers_are_refused_unless_allowed() -> None:
    with pytest.raises(NonDifferentiableError, match="x"):
        grad(lambda x: x * 1.0)(3)
    with pytest.raises(NonDifferentiableError):
        grad(lambda x: np.sum(x * 1.0))(np.arange(3))
    gradient = grad(lambda p: p["x"] * p["n"], allow_int=True)({"x": 2.0, "n": 3})
    assert gradient["x"] == 3.0
    assert gradient["n"].dtype == float0
    assert gradient["n"].shape == ()


def test_integer_arguments_that_are_not_differentiated() -> None:
    assert grad(lambda x, n: x**n)(2.0, 3) == 12.0
    np.testing.assert_array_equal(grad(lambda n, x: np.sum(x * n), argnums=1)(np.arange(3), X), [0.0, 1.0, 2.0])


def test_holomorphic_functions() -> None:
    z = 1.0 + 2.0j
    assert grad(lambda z: z**3, holomorphic=True)(z) == pytest.approx(3 * z**2)
    assert grad(np.exp, holomorphic=True)(z) == pytest.approx(np.exp(z))
    w = np.array([1 + 1j, 2 - 1j])
    np.testing.assert_allclose(grad(lambda z: np.sum(np.sin(z)), holomorphic=True)(w), np.cos(w))
    with pytest.raises(NonDifferentiableError, match="holomorphic"):
        grad(lambda z: z**2, holomorphic=True)(1.0)
    with pytest.raises(NonScalarOutputError, match="holomorphic"):
        grad(np.abs, holomorphic=True)(z)


def test_real_functions_of_complex_arguments() -> None:
    # ∂f/∂Re z − i ∂f/∂Im z, so that z − η·conj(grad) goes downhill.
    z = np.array([1 + 2j, -0.5 + 1j])
    gradient = grad(lambda z: np.sum(np.abs(z) ** 2))(z)
    np.testing.assert_allclose(gradient, 2 * np.conj(z))
    target = 0.3 - 0.1j

    def distance(z: Any) -> Any:
        return np.sum(np.abs(z - target) ** 2)

    assert distance(z - 0.1 * np.conj(grad(distance)(z))) < distance(z)
    with pytest.raises(NonScalarOutputError, match="holomorphic"):
        grad(lambda z: np.sum(z * z))(z)


def test_functions_keep_their_names() -> None:
    for g in (grad(f), value_and_grad(f)):
        assert g.__name__ == "f"
        assert "A weighted sum of squares." in (g.__doc__ or "")
        assert g.__wrapped__ is f  # type: ignore[attr-defined]


def test_methods_and_callable_objects() -> None:
    class Model:
        def __init__(self, scale: float) -> None:
            self.scale = scale

        def loss(self, x: Any) -> Any:
            return self.scale * np.sum(x * x)

        def __call__(self, x: Any) -> Any:
            return self.loss(x)

        slope = grad(lambda self, x: self.scale * x * x, argnums=1)

    model = Model(2.0)
    np.testing.assert_array_equal(grad(model.loss)(X), 4 * X)
    np.testing.assert_array_equal(grad(model)(X), 4 * X)
    np.testing.assert_array_equal(grad(Model.loss, argnums=1)(model, X), 4 * X)
    assert model.slope(3.0) == 12.0


def test_gradients_of_what_does_not_depend_on_the_argument() -> None:
    np.testing.assert_array_equal(grad(lambda x: 3.0)(X), [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(grad(lambda x: np.sum(np.floor(x)))(X), [0.0, 0.0, 0.0])
    assert grad(lambda x, y: y * 1.0)(2.0, 3.0) == 0.0


def test_arrays_of_no_elements() -> None:
    assert grad(np.sum)(np.zeros((0, 3))).shape == (0, 3)


def test_it_is_a_decorator() -> None:
    @grad
    def slope(x: Any) -> Any:
        return x**3

    assert slope(2.0) == 12.0
