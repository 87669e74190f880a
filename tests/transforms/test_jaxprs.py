"""The transforms of whole jaxprs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core import ClosedJaxpr, eval_jaxpr
from fgrad.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, linearize_jaxpr, tangent_jaxpr, transpose_jaxpr

X, Y, T = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0]), np.array([1.0, 0.0, -1.0])
WEIGHTS = np.arange(9.0).reshape(3, 3)


def program(x: Any, y: Any) -> Any:
    return np.sin(x) * y, y * 2.0, WEIGHTS @ x


CLOSED: ClosedJaxpr = fgrad.make_jaxpr(program)(X, Y)


def run(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    return eval_jaxpr(closed.jaxpr, closed.consts, *args)


def test_values_and_tangents() -> None:
    pushed, nz = jvp_jaxpr(CLOSED, (True, False))
    assert nz == (True, False, True)
    outs = run(pushed, X, Y, T)
    assert len(outs) == 5
    np.testing.assert_array_equal(outs[0], np.sin(X) * Y)
    np.testing.assert_allclose(outs[3], np.cos(X) * T * Y)
    np.testing.assert_allclose(outs[4], WEIGHTS @ T)


def test_tangents_alone() -> None:
    tangents, nz = tangent_jaxpr(CLOSED, (False, True))
    assert nz == (True, True, False)
    np.testing.assert_allclose(run(tangents, X, Y, T)[0], np.sin(X) * T)


@pytest.mark.parametrize("inner", [fgrad.jit, fgrad.checkpoint, lambda f: f])
def test_tangents_are_separate_from_values_and_can_be_transposed(inner: Any) -> None:
    # The value of the inner call is a coefficient of the outer product: it must not become part of the linear map.
    def f(x: Any) -> Any:
        return x * inner(lambda y: np.sin(x) * y)(x)

    tangents, _ = tangent_jaxpr(fgrad.make_jaxpr(f)(X), (True,))
    transposed = transpose_jaxpr(tangents, (True, False), (True,))
    slope = 2 * X * np.sin(X) + X * X * np.cos(X)
    np.testing.assert_allclose(run(transposed, X, T)[0], slope * T)


def test_linearization_keeps_residuals_once() -> None:
    halves = linearize_jaxpr(CLOSED, (True, True))
    assert halves.nz_out == (True, True, True)
    results = run(halves.forward, X, Y)
    np.testing.assert_array_equal(results[0], np.sin(X) * Y)
    known = [(X, Y)[i] if place == "in" else results[i] for place, i in halves.residuals]
    tangents = run(halves.linear, *known, T, Y)
    np.testing.assert_allclose(tangents[0], np.cos(X) * T * Y + np.sin(X) * Y)
    np.testing.assert_allclose(tangents[1], 2 * Y)
    np.testing.assert_allclose(tangents[2], WEIGHTS @ T)


def test_residuals_that_are_arguments_outputs_or_constants_are_not_returned_again() -> None:
    halves = linearize_jaxpr(fgrad.make_jaxpr(lambda x, y: (np.exp(x), x * y, WEIGHTS @ x))(X, Y), (True, True))
    assert len(halves.forward.out_avals) == 3
    assert sorted(set(halves.residuals)) == [("in", 0), ("in", 1), ("out", 0)]
    assert [c.shape for c in halves.linear.consts if np.ndim(c)] == [(3, 3)]


def test_transposition() -> None:
    closed = fgrad.make_jaxpr(lambda a, t, u: (a * t + u, np.sum(t)))(X, Y, T)
    transposed = transpose_jaxpr(closed, (True, False, False), (True, True))
    t, u = run(transposed, X, Y, 2.0)
    np.testing.assert_array_equal(t, X * Y + 2)
    np.testing.assert_array_equal(u, Y)
    t, u = run(transpose_jaxpr(closed, (True, False, False), (False, True)), X, 2.0)
    np.testing.assert_array_equal(t, [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(u, [0.0, 0.0, 0.0])


def test_batching() -> None:
    rows = np.stack([X, Y])
    batched, dims = batch_jaxpr(CLOSED, 2, (0, None))
    outs = run(batched, rows, Y)
    assert dims[1] is None
    for out, dim, n in zip(outs, dims, range(3), strict=True):
        expected = [program(row, Y)[n] for row in rows]
        np.testing.assert_allclose(
            out if dim is None else np.moveaxis(out, dim, 0), expected[0] if dim is None else expected
        )
    other, _ = batch_jaxpr(CLOSED, 2, (1, None))
    assert other.in_avals[0].shape == (3, 2)


def test_results_are_remembered_as_long_as_the_program_lives() -> None:
    closed = fgrad.make_jaxpr(program)(X, Y)
    assert jvp_jaxpr(closed, (True, False)) is jvp_jaxpr(closed, (True, False))
    assert jvp_jaxpr(closed, (True, True)) is not jvp_jaxpr(closed, (True, False))
    made = weakref.ref(linearize_jaxpr(closed, (True, True)).forward)
    gc.collect()
    assert made() is not None
    del closed
    gc.collect()
    assert made() is None
