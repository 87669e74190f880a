"""SciPy's solvers driven by fgrad: pytrees, derivatives, bounds, constraints, implicit derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import (
    ArgumentError,
    ConcretizationTypeError,
    NonDifferentiableError,
    NonScalarOutputError,
    TreeStructureError,
)
from fgrad.scipy.optimize import least_squares, minimize, root

scipy_optimize = pytest.importorskip("scipy.optimize")

START = {"x": np.array([-1.0, 2.0, 0.5]), "s": 1.0}


def rosenbrock(p: Any, a: Any) -> Any:
    x = p["x"]
    return fnp.sum((a - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2) + p["s"] ** 2


GRADIENT = ["CG", "BFGS", "L-BFGS-B", "SLSQP", None]
CURVED = ["Newton-CG", "trust-constr", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"]
OPTIONS = {"TNC": {"maxfun": 2000}, "L-BFGS-B": {"ftol": 1e-15, "gtol": 1e-9}, "SLSQP": {"ftol": 1e-15}}


@pytest.mark.parametrize("method", [*GRADIENT, *CURVED, "TNC"])
def test_methods(method: Any) -> None:
    calls = 0

    def counted(p: Any, a: Any) -> Any:
        nonlocal calls
        calls += 1
        return rosenbrock(p, a)

    found = minimize(counted, START, (1.0,), method, options=OPTIONS.get(method))
    np.testing.assert_allclose(found.x["x"], 1.0, atol=2e-3)
    assert abs(found.x["s"]) < 2e-3
    assert isinstance(found.x["s"], np.float64)
    assert found.fun < 1e-5
    if "jac" in found and method != "trust-constr":
        assert found.jac["x"].shape == (3,)
    assert calls <= 4  # it is traced, once for each derivative that the method takes


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "COBYLA"])
def test_methods_without_derivatives(method: str) -> None:
    found = minimize(lambda p, c: (p["a"] - c) ** 2 + p["b"] ** 2, {"a": 0.0, "b": 1.0}, 2.0, method)
    assert found.x["a"] == pytest.approx(2.0, abs=1e-3)
    assert "jac" not in found


def test_single_arrays_and_dtypes() -> None:
    found = minimize(lambda x: fnp.sum((x - np.arange(4.0).reshape(2, 2)) ** 2), np.zeros((2, 2), np.float32))
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, np.arange(4.0).reshape(2, 2), atol=1e-5)
    assert found.jac.shape == (2, 2)
    assert found.hess_inv.shape == (4, 4)


def test_functions_that_decide_by_values() -> None:
    def f(x: Any) -> Any:
        return (x - 3.0) ** 2 if x > 0 else x**2 + 9.0

    with pytest.raises(ConcretizationTypeError):
        minimize(f, 1.0)
    assert minimize(f, 1.0, jit=False).x == pytest.approx(3.0)


def quartic(x: Any, c: Any) -> Any:
    return fnp.sum((x - c) ** 4) + fnp.sum(x**2)


C = np.array([1.0, 2.0])


@pytest.mark.parametrize("bounds", [[(0, 0.3), (None, 0.2)], (0.0, np.array([0.3, 0.2])), (None, np.array([0.3, 0.2]))])
def test_bounds(bounds: Any) -> None:
    np.testing.assert_allclose(minimize(quartic, np.zeros(2), (C,), bounds=bounds).x, [0.3, 0.2])


def test_bounds_of_pytrees() -> None:
    found = minimize(rosenbrock, START, 1.0, bounds=({"x": -1, "s": 0.5}, {"x": np.array([0.1, 1, 2]), "s": 2})).x
    assert found["x"][0] == pytest.approx(0.1)
    assert found["s"] == 0.5
    same = minimize(quartic, np.zeros(2), (C,), bounds=scipy_optimize.Bounds(0.0, [0.3, 0.2])).x
    np.testing.assert_allclose(same, [0.3, 0.2])


def test_constraints() -> None:
    level = {"type": "eq", "fun": lambda p, v: p["x"][0] - v, "args": 0.5}
    for given in (level, [level]):
        assert minimize(rosenbrock, START, 1.0, constraints=given).x["x"][0] == pytest.approx(0.5)
    above = {"type": "ineq", "fun": lambda p: p["s"] - 0.25}
    assert minimize(rosenbrock, START, 1.0, constraints=[above]).x["s"] == pytest.approx(0.25)
    near = {"x": np.array([0.4, 0.2, 0.1]), "s": 0.0}
    square = scipy_optimize.NonlinearConstraint(lambda p: p["x"][0] ** 2, 0.25, 0.25)
    found = minimize(rosenbrock, near, 1.0, "trust-constr", constraints=square)
    assert found.x["x"][0] == pytest.approx(0.5, abs=1e-5)
    plane = scipy_optimize.LinearConstraint(np.ones((1, 2)), 1.0, 1.0)
    assert minimize(quartic, np.zeros(2), (C,), "SLSQP", constraints=plane).x.sum() == pytest.approx(1.0)


def test_callbacks_get_pytrees() -> None:
    seen: list[Any] = []
    minimize(rosenbrock, START, 1.0, "BFGS", callback=seen.append)
    assert seen[0]["x"].shape == (3,)
    results: list[Any] = []

    def told(intermediate_result: Any) -> None:
        results.append(intermediate_result)
        if len(results) == 3:
            raise StopIteration

    minimize(rosenbrock, START, 1.0, "BFGS", callback=told)
    assert len(results) == 3
    assert set(results[0].x) == {"x", "s"}


def test_minima_are_differentiable() -> None:
    def at(c: Any) -> Any:
        return minimize(quartic, np.zeros(2), (c,), tol=1e-13).x

    x = at(C)
    expected = np.diag(12 * (x - C) ** 2 / (12 * (x - C) ** 2 + 2))
    for jacobian in (fgrad.jacrev, fgrad.jacfwd):
        np.testing.assert_allclose(jacobian(at)(C), expected, rtol=1e-5, atol=1e-7)
    # The envelope theorem: at a minimum only the explicit part counts.
    value = fgrad.grad(lambda c: minimize(lambda x: quartic(x, c), np.zeros(2), tol=1e-13).fun)(C)
    np.testing.assert_allclose(value, -4 * (x - C) ** 3, rtol=1e-5)
    np.testing.assert_array_equal(fgrad.grad(lambda x0: minimize(quartic, x0, (C,)).x.sum())(np.zeros(2)), 0)
    second = fgrad.jacfwd(fgrad.grad(lambda c: at(c).sum()))(C)
    step = np.array([1e-4, 0.0])
    slope = fgrad.grad(lambda c: at(c).sum())
    np.testing.assert_allclose(second[0], (slope(C + step) - slope(C - step)) / 2e-4, rtol=1e-3, atol=1e-5)


def test_least_squares_and_roots() -> None:
    found = least_squares(lambda p, b: {"u": p["x"] - b, "v": p["s"]}, START, 1.0, bounds=(-2, 3))
    np.testing.assert_allclose(found.x["x"], 1.0, atol=1e-6)
    assert found.grad["x"].shape == (3,)
    for method in ("hybr", "lm", "broyden1"):
        zero = root(
            lambda p: {"x": p["x"] ** 3 - 1, "s": p["s"] - p["x"][0]}, {"x": np.full(2, 1.1), "s": 1.0}, method=method
        )
        np.testing.assert_allclose(zero.x["x"], 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: minimize(3, 1.0), ArgumentError, "expects a function"),
        (lambda: minimize(quartic, C, (C,), "foo"), ArgumentError, "method of scipy.optimize.minimize must be one of"),
        (lambda: minimize(quartic, {"a": 1}, (C,)), NonDifferentiableError, r"but x0\['a'\] is"),
        (lambda: minimize(quartic, C + 0j, (C,)), NonDifferentiableError, "takes real unknowns, but x0 is c128"),
        (lambda: minimize(lambda x: x, C), NonScalarOutputError, "must be a scalar|scalar"),
        (lambda: minimize(quartic, C, (C,), bounds=3), ArgumentError, r"bounds .* must be a pair \(lower, upper\)"),
        (
            lambda: minimize(quartic, C, (C,), bounds=(0, {"a": 1})),
            TreeStructureError,
            r"bounds\[1\] .* must be like x0",
        ),
        (
            lambda: minimize(quartic, C, (C,), bounds=(0, np.ones(3))),
            ArgumentError,
            r"bounds\[1\] .* does not broadcast",
        ),
        (lambda: minimize(quartic, C, (C,), constraints=3), ArgumentError, "constraints .* 3 is none"),
        (lambda: minimize(quartic, C, (C,), constraints={"type": "eq"}), ArgumentError, "constraints .* is none"),
        (
            lambda: fgrad.jit(lambda c: minimize(quartic, C, (c,)).x)(C),
            ConcretizationTypeError,
            "runs SciPy, which needs",
        ),
        (
            lambda: fgrad.vmap(lambda c: minimize(quartic, C, (c,)).x)(np.stack([C, C])),
            ConcretizationTypeError,
            "fgrad.implicit.root, which works there",
        ),
        (
            lambda: fgrad.grad(lambda c: minimize(quartic, C, (c,), bounds=(0, 1)).fun)(C),
            NonDifferentiableError,
            "not differentiated with bounds or constraints",
        ),
        (lambda: fgrad.grad(lambda c: root(lambda x: x - c, 1.0).x)(2.0), ConcretizationTypeError, "root runs SciPy"),
        (lambda: root(lambda x: x, 1.0, method="foo"), ArgumentError, "method of scipy.optimize.root must be one of"),
        (
            lambda: root(lambda x: (x, x), 1.0),
            TreeStructureError,
            "the result of fun of scipy.optimize.root must be like x0",
        ),
    ],
)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
