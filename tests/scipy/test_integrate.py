"""odeint against closed forms and SciPy, its derivatives in every argument, and sums over samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, NonDifferentiableError, ShapeError, TreeStructureError
from fgrad.scipy import integrate
from fgrad.scipy.integrate import odeint
from fgrad.scipy.linalg import expm

RNG = np.random.default_rng(2)
A = RNG.normal(size=(3, 3))
Y0 = RNG.normal(size=3)
TS = np.array([0.0, 0.3, 1.0, 1.7])
WEIGHT = RNG.normal(size=(4, 3))
EXACT = {"rtol": 1e-11, "atol": 1e-12}


def linear(y: Any, t: Any, a: Any) -> Any:
    return a @ y


def solved(y0: Any, ts: Any, a: Any) -> Any:
    return fnp.sum(odeint(linear, y0, ts, a, **EXACT) * WEIGHT)


def closed_form(y0: Any, ts: Any, a: Any) -> Any:
    return sum(fnp.sum(expm(a * (ts[i] - ts[0])) @ y0 * WEIGHT[i]) for i in range(4))


def test_linear_equations_and_their_derivatives() -> None:
    assert solved(Y0, TS, A) == pytest.approx(closed_form(Y0, TS, A), rel=1e-10)
    everything = (0, 1, 2)
    expected = fgrad.grad(closed_form, everything)(Y0, TS, A)
    for run in (fgrad.grad(solved, everything), fgrad.jit(fgrad.grad(solved, everything))):
        for x, y in zip(run(Y0, TS, A), expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-10)
    t = (Y0[::-1], TS**2, A.T)
    assert fgrad.jvp(solved, (Y0, TS, A), t)[1] == pytest.approx(fgrad.jvp(closed_form, (Y0, TS, A), t)[1], rel=1e-9)


def test_second_derivatives() -> None:
    t = (Y0[::-1], TS**2, A.T)
    for mode in (
        lambda f: fgrad.jvp(fgrad.grad(f, (0, 1, 2)), (Y0, TS, A), t)[1],
        lambda f: fgrad.grad(lambda *xs: fgrad.jvp(f, xs, t)[1], (0, 1, 2))(Y0, TS, A),
    ):
        for x, y in zip(mode(solved), mode(closed_form), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-9)


def van_der_pol(y: Any, t: Any, mu: Any) -> Any:
    return {"x": y["v"], "v": mu * (1 - y["x"] ** 2) * y["v"] - y["x"]}


def test_pytrees_against_scipy() -> None:
    scipy = pytest.importorskip("scipy.integrate")
    ts = np.array([0.0, 3.0, 5.0])
    got = odeint(van_der_pol, {"x": 2.0, "v": 0.0}, ts, 5.0, **EXACT)
    found = scipy.solve_ivp(
        lambda t, y: [y[1], 5 * (1 - y[0] ** 2) * y[1] - y[0]], (0, 5), [2.0, 0.0], "DOP853", ts, rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(got["x"], found.y[0], rtol=1e-9)
    np.testing.assert_allclose(got["v"], found.y[1], rtol=1e-8)


def test_gradients_of_a_nonlinear_equation_by_differences() -> None:
    def f(x: Any, mu: Any) -> Any:
        out = odeint(van_der_pol, {"x": x, "v": 0.0}, np.array([0.0, 1.0, 2.0]), mu, **EXACT)
        return fnp.sum(out["x"] ** 2 + out["v"])

    found = fgrad.grad(f, (0, 1))(2.0, 1.5)
    for i, step in enumerate(np.eye(2) * 1e-5):
        ahead, behind = (f(2.0 + s * step[0], 1.5 + s * step[1]) for s in (1, -1))
        assert found[i] == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


def test_tolerances_are_kept() -> None:
    ts = np.linspace(0.0, 10.0, 30)
    for tol in (1e-4, 1e-7, 1e-10):
        got = odeint(lambda y, t: np.array([[0.0, 1.0], [-1.0, 0.0]]) @ y, np.array([0.0, 1.0]), ts, rtol=tol, atol=tol)
        assert np.abs(got[:, 0] - np.sin(ts)).max() < 30 * tol


def test_times_may_go_back_and_repeat() -> None:
    there = odeint(linear, Y0, TS, A, **EXACT)
    back = odeint(linear, there[-1], TS[::-1].copy(), A, **EXACT)
    np.testing.assert_allclose(back[::-1], there, rtol=1e-8)
    decay = lambda y, t: -y  # noqa: E731
    np.testing.assert_allclose(odeint(decay, 1.0, np.array([0, 0, 1, 1])), np.exp([0.0, 0, -1, -1]), rtol=1e-7)
    np.testing.assert_array_equal(odeint(decay, Y0, np.array([2.0])), Y0[None])
    g = fgrad.grad(lambda y, ts: odeint(decay, y, ts, **EXACT)[-1], (0, 1))(1.0, np.array([1.0, 0.5, -1.0]))
    np.testing.assert_allclose(g[0], np.exp(2.0), rtol=1e-9)
    np.testing.assert_allclose(g[1], [np.exp(2.0), 0.0, -np.exp(2.0)], rtol=1e-9, atol=1e-9)


def test_what_a_function_closes_over_is_differentiated() -> None:
    def f(k: Any, n: Any) -> Any:
        return odeint(lambda y, t, n: -k * y**n * fnp.cos(t), 1.0, np.array([0.0, 1.0]), n, **EXACT)[-1]

    for run in (fgrad.grad(f), fgrad.jit(fgrad.grad(f)), lambda k, n: fgrad.jvp(lambda k: f(k, n), (k,), (1.0,))[1]):
        assert run(0.7, 1) == pytest.approx(-np.sin(1.0) * np.exp(-0.7 * np.sin(1.0)), rel=1e-8)
    rates = np.array([0.7, 2.0])
    batched = fgrad.vmap(fgrad.grad(f), (0, None))(rates, 1)
    np.testing.assert_allclose(batched, -np.sin(1.0) * np.exp(-rates * np.sin(1.0)), rtol=1e-8)


def test_rows_stop_by_themselves() -> None:
    y0 = np.array([1.0, 2.0, 3.0])
    rates = np.array([0.1, 5.0, 50.0])
    got = fgrad.vmap(lambda y, k: odeint(lambda y, t: -k * y, y, TS, **EXACT))(y0, rates)
    np.testing.assert_allclose(got, y0[:, None] * np.exp(-rates[:, None] * TS), rtol=1e-8, atol=1e-11)


def test_complex_and_single_precision() -> None:
    f = lambda y, t, w: 1j * w * y  # noqa: E731
    got = odeint(f, np.array([1.0 + 0j]), TS, 2.0, **EXACT)
    np.testing.assert_allclose(got[:, 0], np.exp(2j * TS), rtol=1e-9)
    slope = fgrad.grad(lambda w: odeint(f, np.array([1.0 + 0j]), TS, w, **EXACT)[-1, 0].real)(2.0)
    assert slope == pytest.approx(-TS[-1] * np.sin(2 * TS[-1]), rel=1e-8)
    single = odeint(lambda y, t: -y, np.float32(1), TS.astype(np.float32), rtol=1e-5, atol=1e-6)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, np.exp(-TS), rtol=1e-4)


def test_times_may_be_more_precise_than_values() -> None:
    """Every argument keeps its dtype, in its derivatives, too."""
    for y0, k in ((np.float32(1), 2.0), ({"a": np.float32(1), "b": np.array([1.0, 2.0])}, np.float32(2))):

        def f(y0: Any, ts: Any, k: Any) -> Any:
            out = odeint(lambda y, t, k: fgrad.tree.map(lambda x: -k * x, y), y0, ts, k, rtol=1e-5, atol=1e-5)
            return sum(fnp.sum(x[-1]) for x in fgrad.tree.leaves(out))

        xs = (y0, TS, k)
        slopes = fgrad.grad(f, (0, 1, 2))(*xs)
        assert [x.dtype for x in fgrad.tree.leaves(slopes)] == [np.asarray(x).dtype for x in fgrad.tree.leaves(xs)]
        along = sum(np.sum(g * x) for g, x in zip(fgrad.tree.leaves(slopes), fgrad.tree.leaves(xs), strict=True))
        assert fgrad.jvp(f, xs, xs)[1] == pytest.approx(along, rel=1e-3)
        curve = fgrad.jvp(fgrad.grad(f, (0, 1, 2)), xs, xs)[1]
        assert all(np.isfinite(x).all() for x in fgrad.tree.leaves(curve))


def test_singularities_and_limits_give_nan() -> None:
    np.testing.assert_allclose(
        odeint(lambda y, t: y * y, 1.0, np.array([0.0, 0.5, 2.0])), [1.0, 2.0, np.nan], rtol=1e-7
    )
    assert np.isnan(odeint(lambda y, t: y * np.nan, 1.0, TS)[1:]).all()
    few = odeint(lambda y, t: fnp.cos(20 * t) * y, 1.0, np.array([0.0, 10.0]), mxstep=5)
    assert np.isnan(few[1])
    assert np.isfinite(odeint(lambda y, t: fnp.cos(20 * t) * y, 1.0, np.array([0.0, 10.0]), hmax=0.01)).all()


def test_the_signatures_of_scipy_and_autograd() -> None:
    expected = odeint(linear, Y0, TS, A)
    np.testing.assert_array_equal(odeint(linear, Y0, TS, args=(A,)), expected)
    np.testing.assert_array_equal(odeint(linear, Y0, TS, A, mxstep=0, hmax=0.0), expected)
    np.testing.assert_array_equal(odeint(lambda t, y, a: a @ y, Y0, TS, A, tfirst=True), expected)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: odeint(3, Y0, TS), ArgumentError, "odeint expects a function"),
        (lambda: odeint(linear, 1, TS, A), NonDifferentiableError, "odeint solves for real or complex numbers, but y0"),
        (lambda: odeint(linear, Y0, 3.0, A), ArgumentError, "t of odeint must be a vector of times"),
        (lambda: odeint(linear, Y0, np.array([0.0, 2.0, 1.0]), A), ArgumentError, "must increase, or decrease"),
        (lambda: odeint(linear, Y0, TS, A, rtol=-1), ArgumentError, "rtol of odeint must be a number that is not neg"),
        (lambda: odeint(linear, Y0, TS, A, rtol=0, atol=0), ArgumentError, "rtol and atol of odeint are both 0"),
        (lambda: odeint(linear, Y0, TS), ArgumentError, "missing 1 required positional argument: 'a'"),
        (lambda: odeint(lambda y, t: (y, y), Y0, TS), TreeStructureError, "func of odeint must return something like"),
        (lambda: odeint(lambda y, t: y[:2], Y0, TS), ShapeError, "func of odeint must return something like y0"),
        (lambda: integrate.cumulative_trapezoid(Y0, initial=1), ArgumentError, "initial must be None or 0"),
        (lambda: integrate.simpson(Y0, TS), ArgumentError, r"x of shape \(4,\) does not fit 3 samples"),
    ],
)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("name", ["trapezoid", "cumulative_trapezoid", "simpson"])
@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_sums_over_samples(name: str, count: int) -> None:
    scipy = pytest.importorskip("scipy.integrate")
    ours, theirs = getattr(integrate, name), getattr(scipy, name)
    y, x = RNG.normal(size=(2, count)), np.cumsum(RNG.uniform(0.1, 1, count))
    for options in ({}, {"dx": 0.3}, {"x": x}, {"x": np.stack([x, x**2])}):
        np.testing.assert_allclose(ours(y, **options), theirs(y, **options), rtol=1e-12)
    np.testing.assert_allclose(ours(y.T, x=x, axis=0), theirs(y.T, x=x, axis=0), rtol=1e-12)
    for f in (lambda y: ours(y, x=x), lambda x: ours(y, x=x)):
        slope = fgrad.jvp(f, (x,), (x**2,))[1]
        np.testing.assert_allclose(slope, (f(x + 1e-6 * x**2) - f(x - 1e-6 * x**2)) / 2e-6, rtol=1e-6, atol=1e-7)


def test_the_names_of_jax_and_autograd_are_there() -> None:
    assert {"odeint", "trapezoid"} <= set(integrate.__all__)
    jax = pytest.importorskip("jax.scipy.integrate")
    assert {name for name in dir(jax) if not name.startswith("_")} <= set(integrate.__all__)
