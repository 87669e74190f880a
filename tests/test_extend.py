"""Primitives made of functions that fgrad does not look into."""

from __future__ import annotations

import doctest
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import extend
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError
from fgrad.testing import check_grads

MODES = [lambda f: f, fgrad.jit]


def opaque(f: Any) -> Any:
    """A function that no tracer comes through."""

    def strict(*xs: Any) -> Any:
        assert not any(isinstance(x, fgrad.core.Tracer) for x in xs)
        return f(*xs)

    return strict


sine = extend.primitive(opaque(np.sin), elementwise=True, derivative=lambda out, x: cosine(x), name="sine")
cosine = extend.primitive(opaque(np.cos), elementwise=True, derivative=lambda out, x: -sine(x), name="cosine")
power = extend.primitive(
    opaque(np.float_power),
    elementwise=True,
    derivative=[lambda out, x, n: n * power(x, n - 1), None],
    name="power",
)


@extend.primitive(elementwise=True, derivative=lambda out, x: 1 / x)
def logarithm(x: Any) -> Any:
    return np.vectorize(math.log, otypes=[float])(x)


@extend.primitive(
    jvp=lambda y, xs, ts: solve(xs[0], ts[1] - ts[0] @ y),
    vjp=lambda y, xs, ct: solve_pullback(y, xs[0], ct),
    shape=lambda A, b: fgrad.ShapeDtypeStruct(b.shape, np.result_type(A.dtype, b.dtype)),
)
def solve(A: Any, b: Any) -> Any:
    assert type(A) is np.ndarray
    return np.linalg.solve(A, b)


@extend.primitive(vjp=lambda y, xs, ct: (-inverse(xs[0]).T @ ct @ inverse(xs[0]).T,))
def inverse(A: Any) -> Any:
    return np.linalg.inv(A)


def solve_pullback(y: Any, A: Any, ct: Any) -> tuple[Any, Any]:
    back = solve(A.T, ct)
    return -fnp.outer(back, y), back


X = np.array([[0.3, -1.0, 2.0], [0.0, 0.5, 1.0]])
A = np.array([[3.0, 1.0], [0.5, 2.0]])
B = np.array([1.0, -2.0])


@pytest.mark.parametrize("wrap", MODES, ids=["eager", "jit"])
def test_elementwise_under_every_transform(wrap: Any) -> None:
    ones = np.ones_like(X)
    np.testing.assert_allclose(wrap(sine)(X), np.sin(X))
    np.testing.assert_allclose(wrap(fgrad.grad(lambda x: sine(x).sum()))(X), np.cos(X))
    np.testing.assert_allclose(wrap(lambda x: fgrad.jvp(sine, (x,), (ones,))[1])(X), np.cos(X))
    np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.vmap(fgrad.grad(fgrad.grad(sine)))))(X), -np.sin(X), atol=1e-16)
    np.testing.assert_allclose(wrap(fgrad.vmap(lambda x, y: sine(x) * y, (1, 0)))(X, np.arange(3.0)).shape, (3, 2))


def test_elementwise_broadcasts_batches_and_promotes() -> None:
    n = np.array([2.0, 3.0])
    np.testing.assert_allclose(fgrad.vmap(power, (0, None))(X, np.float64(2)), X**2)
    np.testing.assert_allclose(fgrad.vmap(power, (1, 0))(X[:, :2], n[:, None] + [0, 1, 2][:2]).shape, (2, 2))
    np.testing.assert_allclose(fgrad.grad(lambda x: power(x[:, None], n).sum())(B), 2 * B + 3 * B**2)
    assert fgrad.jit(sine)(np.float32(1)).dtype == sine(np.float32(1)).dtype == np.float32
    assert fgrad.jit(lambda x: logarithm(x) * 2)(2.0) == 2 * math.log(2)


def test_taylor_series_and_higher_derivatives() -> None:
    check_grads(lambda x: sine(x) * x, (X,), order=3)
    _, terms = fgrad.jet(sine, (0.5,), ([1.0, 0.0, 0.0],))
    np.testing.assert_allclose(terms, [np.cos(0.5), -np.sin(0.5), -np.cos(0.5)])


@pytest.mark.parametrize("wrap", MODES, ids=["eager", "jit"])
def test_arrays_to_arrays_under_every_transform(wrap: Any) -> None:
    np.testing.assert_allclose(wrap(solve)(A, B), np.linalg.solve(A, B))
    gradient = fgrad.grad(lambda A, b: (solve(A, b) ** 2).sum(), (0, 1))
    reference = fgrad.grad(lambda A, b: (fnp.linalg.solve(A, b) ** 2).sum(), (0, 1))
    for got, wanted in zip(wrap(gradient)(A, B), reference(A, B), strict=True):
        np.testing.assert_allclose(got, wanted)
    rows = np.stack([B, 2 * B])
    np.testing.assert_allclose(wrap(fgrad.vmap(solve, (None, 0)))(A, rows)[1], 2 * np.linalg.solve(A, B))
    np.testing.assert_allclose(wrap(fgrad.jacfwd(inverse))(A), fgrad.jacfwd(fnp.linalg.inv)(A))
    np.testing.assert_allclose(wrap(fgrad.jacrev(inverse))(A), fgrad.jacfwd(fnp.linalg.inv)(A))


def test_arrays_to_arrays_to_higher_order() -> None:
    check_grads(solve, (A, B), order=2)
    check_grads(inverse, (A,), order=2)


def test_an_unknown_function_of_tangents_has_no_transpose() -> None:
    @extend.primitive(jvp=lambda y, xs, ts: doubled(ts[0]))
    def doubled(x: Any) -> Any:
        return 2 * x

    assert fgrad.jvp(doubled, (B,), (B,))[1].tolist() == [2, -4]
    with pytest.raises(NonDifferentiableError, match=r"`doubled`, .* is applied to a tangent"):
        fgrad.grad(lambda x: doubled(x).sum())(B)


def test_pytrees_and_many_rows_at_once() -> None:
    calls = []

    @extend.primitive(jvp=lambda out, xs, ts: {"sum": ts[0]["a"] + ts[0]["b"]}, vmap_method="broadcast_all")
    def total(p: Any) -> Any:
        calls.append(p["a"].shape)
        return {"sum": p["a"] + p["b"]}

    p = {"a": np.arange(3.0), "b": np.ones(3)}
    out = fgrad.vmap(total)(p)
    assert out["sum"].tolist() == [1, 2, 3]
    assert calls[-1] == (3,)
    assert fgrad.grad(lambda p: total(p)["sum"].sum())(p)["b"].tolist() == [1, 1, 1]


def test_a_program_that_holds_one_is_pickled() -> None:
    copy = pickle.loads(pickle.dumps(logarithm.primitive))
    assert copy is logarithm.primitive


def test_missing_derivatives_are_named() -> None:
    plain = extend.primitive(np.tan, elementwise=True)
    assert plain(0.0) == 0
    with pytest.raises(NonDifferentiableError, match="`tan` has no derivative: it was made a primitive without one"):
        fgrad.grad(plain)(0.0)
    with pytest.raises(NonDifferentiableError, match="`power` has no derivative by its argument 1"):
        fgrad.grad(power, 1)(2.0, 3.0)
    whole = extend.primitive(np.cumsum)
    assert fgrad.jit(whole)(B).tolist() == [1, -1]
    with pytest.raises(NonDifferentiableError, match=r"`cumsum` has no derivative.*\n.*\n.*jvp=…, or vjp=…|vjp=…"):
        fgrad.grad(lambda x: whole(x).sum())(B)


def test_wrong_shapes_are_named() -> None:
    halves = extend.primitive(lambda x: x[:1], elementwise=True, name="halves")
    with pytest.raises(ShapeError, match=r"`halves` of arrays of shapes \(2,\) returned f64\[1\]"):
        halves(B)
    wrong = extend.primitive(np.exp, elementwise=True, derivative=lambda out, x: np.zeros((3, 1)), name="wrong")
    with pytest.raises(ShapeError, match=r"the derivative of `wrong` by its argument 0 has shape \(3, 1\), its result"):
        fgrad.grad(lambda x: wrong(x).sum())(B)
    lying = extend.primitive(lambda x: x[:1], shape=lambda x: x, name="lying")
    with pytest.raises(ShapeError, match=r"result_shape_dtypes announced f64\[2\]"):
        fgrad.jit(lying)(B)
    with pytest.raises(OutputTypeError, match=r"`text` returned .*: that is not an array"):
        fgrad.jit(extend.primitive(lambda x: {"a": object()}, name="text"))(B)
    with pytest.raises(TypeError, match="`power` takes 2 arguments, those it has derivatives for, but was given 1"):
        power(2.0)


def test_what_cannot_be_seen_by_a_call_must_be_said() -> None:
    def picky(x: Any) -> Any:
        raise ValueError("not these")

    with pytest.raises(ArgumentError, match=r"`picky` was called with arbitrary numbers .* ValueError: not these"):
        fgrad.jit(extend.primitive(picky))(B)
    with pytest.raises(ArgumentError, match=r"extend.primitive\(…, dtype=np.float64\)"):
        fgrad.jit(extend.primitive(picky, elementwise=True))(B)
    said = extend.primitive(lambda x: np.asarray(x) * 2, elementwise=True, dtype=np.float32)
    assert fgrad.jit(said)(B).dtype == np.float32


def test_options_that_do_not_go_together() -> None:
    with pytest.raises(ArgumentError, match="`vjp` means nothing for `sin`, an element-wise function"):
        extend.primitive(np.sin, elementwise=True, vjp=lambda *a: a)
    with pytest.raises(
        ArgumentError, match="`derivative` means nothing for `sin`, a function that is not element-wise"
    ):
        extend.primitive(np.sin, derivative=lambda out, x: out)
    with pytest.raises(ArgumentError, match="derivative of `sin` by its argument 0 must be a function, got"):
        extend.primitive(np.sin, elementwise=True, derivative=[2.0])
    with pytest.raises(TypeError, match="a function"):
        extend.primitive(3.0)


def test_the_tutorial_runs() -> None:
    guide = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
    found = doctest.testfile(str(guide), module_relative=False)
    assert found.attempted > 10
    assert not found.failed
