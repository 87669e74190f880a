"""L-BFGS and line searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import optim, tree
from fgrad.errors import ArgumentError

START = {"a": np.array([-1.2, 1.0, 0.5]), "b": np.array([2.0, -0.3])}


def rosenbrock(p: Any, lib: Any = fnp) -> Any:
    x = lib.concatenate([p["a"], p["b"]])
    return lib.sum((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2)


def bowl(x: Any) -> Any:
    return 0.5 * fnp.sum(fnp.array([1.0, 10.0, 100.0]) * (x - 1) ** 2)


def minimize(f: Any, opt: optim.GradientTransformation, x: Any, steps: int, compiled: bool = True) -> tuple[Any, Any]:
    def step(x: Any, state: Any) -> Any:
        value, grad = fgrad.value_and_grad(f)(x)
        updates, state = opt.update(grad, state, x, value=value, grad=grad, value_fn=f)
        return optim.apply_updates(x, updates), state

    state, run = opt.init(x), fgrad.jit(step) if compiled else step
    for _ in range(steps):
        x, state = run(x, state)
    return x, state


SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "zoom": ("scale_by_zoom_linesearch", {"max_linesearch_steps": 20, "initial_guess_strategy": "one"}),
    "kept zoom": ("scale_by_zoom_linesearch", {"max_linesearch_steps": 15, "approx_dec_rtol": None}),
    "short zoom": ("scale_by_zoom_linesearch", {"max_linesearch_steps": 5, "max_learning_rate": 0.5}),
    "backtracking": ("scale_by_backtracking_linesearch", {"max_backtracking_steps": 30, "store_grad": True}),
}
every = pytest.mark.parametrize("name", SEARCHES)


def search(name: str, library: Any = optim) -> Any:
    function, options = SEARCHES[name]
    return getattr(library, function)(**options)


@every
def test_agrees_with_optax(name: str) -> None:
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    double = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        for make in (
            lambda lib: lib.lbfgs(memory_size=4, linesearch=search(name, lib)),
            lambda lib: lib.chain(lib.sgd(1e-3), search(name, lib)),
        ):
            ours, theirs = make(optim), make(optax)
            value_fn = lambda q: rosenbrock(q, jax.numpy)  # noqa: E731

            @jax.jit
            def their_step(q: Any, state: Any, theirs: Any = theirs, f: Any = value_fn) -> Any:
                value, grad = jax.value_and_grad(f)(q)
                updates, state = theirs.update(grad, state, q, value=value, grad=grad, value_fn=f)
                return optax.apply_updates(q, updates), state

            q = jax.tree.map(jax.numpy.asarray, START)
            their_state = theirs.init(q)
            for _ in range(15):
                q, their_state = their_step(q, their_state)
            p, _ = minimize(rosenbrock, ours, START, 15)
            for x, y in zip(tree.leaves(p), jax.tree.leaves(q), strict=True):
                np.testing.assert_allclose(x, np.asarray(y), rtol=1e-9)
    finally:
        jax.config.update("jax_enable_x64", double)


@every
def test_reaches_a_minimum(name: str) -> None:
    x, state = minimize(rosenbrock, optim.lbfgs(linesearch=search(name)), START, 60)
    slope = fgrad.grad(rosenbrock)(x)
    assert optim.global_norm(slope) < 2e-3
    assert state[-1].value <= rosenbrock(START)
    np.testing.assert_allclose(state[-1].value, rosenbrock(x), rtol=1e-10)
    for a, b in zip(tree.leaves(state[-1].grad), tree.leaves(slope), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)


@every
def test_eager_and_compiled(name: str) -> None:
    opt = optim.lbfgs(memory_size=3, linesearch=search(name))
    (x, state), (y, other) = (minimize(rosenbrock, opt, START, 4, compiled) for compiled in (False, True))
    assert tree.structure(state) == tree.structure(other) == tree.structure(opt.init(START))
    for a, b in zip(tree.leaves((x, state)), tree.leaves((y, other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def textbook_direction(grads: list[Any], points: list[Any]) -> Any:
    """The gradient times the inverse Hessian that BFGS would have, out of its formula for full matrices."""
    pairs = [(b - a, h - g) for a, b, g, h in zip(points, points[1:], grads, grads[1:], strict=False)]
    s, y = pairs[-1]
    inverse = np.eye(s.size) * (s @ y) / (y @ y)
    for s, y in pairs:
        rho = 1 / (s @ y)
        side = np.eye(s.size) - rho * np.outer(s, y)
        inverse = side @ inverse @ side.T + rho * np.outer(s, s)
    return inverse @ grads[-1]


def test_the_direction_is_that_of_bfgs() -> None:
    rng = np.random.default_rng(0)
    piece = optim.scale_by_lbfgs(memory_size=3)
    points = [rng.normal(size=3) for _ in range(6)]
    grads = [np.array([1.0, 10.0, 100.0]) * (x - 1) for x in points]
    state = piece.init(points[0])
    for n, (x, g) in enumerate(zip(points, grads, strict=True), 1):
        direction, state = piece.update(g, state, x)
        if n == 1:
            np.testing.assert_allclose(direction, g / max(1.0, np.linalg.norm(g)), rtol=1e-14)
        else:
            expected = textbook_direction(grads[max(0, n - 4) : n], points[max(0, n - 4) : n])
            np.testing.assert_allclose(direction, expected, rtol=1e-10)


def test_wolfe_conditions_hold() -> None:
    """Of the step found, by their definition."""
    opt = optim.chain(optim.sgd(1.0), optim.scale_by_zoom_linesearch(30, approx_dec_rtol=None))
    x = np.array([3.0, -2.0, 0.5])
    slope = fgrad.grad(bowl)
    for c in (1e-3, 1.0, 50.0):
        g = slope(x) * c
        updates, state = opt.update(g, opt.init(x), x, value=bowl(x), grad=slope(x), value_fn=bowl)
        step, start = state[-1].learning_rate, slope(x) @ -g
        assert bowl(x + updates) <= bowl(x) + 1e-4 * step * start
        assert abs(slope(x + updates) @ -g) <= 0.9 * abs(start)
        np.testing.assert_allclose(updates, -step * g)
        assert (state[-1].info.decrease_error, state[-1].info.curvature_error) == (0, 0)


def test_backtracking() -> None:
    """f = 50 x² from 1 along −100: a step s gives 50 (1 − 100 s)², which is small enough up to 0.02."""
    f = lambda x: 50.0 * x**2  # noqa: E731
    piece = optim.scale_by_backtracking_linesearch(20, decrease_factor=0.5, increase_factor=2.0)
    updates, state = piece.update(-100.0, piece.init(1.0), 1.0, value=50.0, grad=100.0, value_fn=f)
    assert (state.learning_rate, updates, state.info.num_linesearch_steps) == (2**-6, -100 * 2**-6, 7)
    assert state.value == f(1.0 + updates)
    _, again = piece.update(-100.0, state, 1.0, value=50.0, grad=100.0, value_fn=f)
    assert (again.learning_rate, again.info.num_linesearch_steps) == (2**-6, 2)  # it began at twice of that


def test_further_arguments_go_to_the_loss() -> None:
    f = lambda x, target: (x - target) ** 2  # noqa: E731
    opt = optim.lbfgs()
    updates, state = opt.update(-4.0, opt.init(0.0), 0.0, value=4.0, grad=-4.0, value_fn=f, target=2.0)
    value, grad = optim.value_and_grad_from_state(f)(0.0 + updates, target=2.0, state=state)
    np.testing.assert_allclose([value, grad], [f(updates, 2.0), 2 * (updates - 2.0)], atol=1e-12)


def test_what_the_search_computed_is_not_computed_again() -> None:
    calls = []

    def f(x: Any) -> Any:
        fgrad.debug.callback(lambda v: calls.append(float(v)), x)
        return (x - 3.0) ** 2

    opt, known = optim.lbfgs(), optim.value_and_grad_from_state(f)
    state = opt.init(0.0)
    assert [float(v) for v in known(0.0, state=state)] == [9.0, -6.0]
    assert len(calls) == 1
    updates, state = opt.update(-6.0, state, 0.0, value=9.0, grad=-6.0, value_fn=f)
    calls.clear()
    value, grad = fgrad.jit(lambda x, s: known(x, state=s))(0.0 + updates, state)
    assert calls == []
    np.testing.assert_allclose([value, grad], [(updates - 3.0) ** 2, 2 * (updates - 3.0)], atol=1e-12)


@every
def test_where_every_value_is_lost_nothing_moves(name: str) -> None:
    piece = search(name)
    x = np.array([1.0, 2.0])
    nowhere = lambda x: fnp.sum(x) * np.nan  # noqa: E731
    updates, state = piece.update(-x, piece.init(x), x, value=1.0, grad=x, value_fn=nowhere)
    assert np.array_equal(updates, 0 * x)
    assert (state.learning_rate, state.value) == (0.0, 1.0)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_dtypes(name: str, dtype: Any) -> None:
    x = np.array([1.0, -2.0, 3.0]).astype(dtype)
    f = lambda z: fnp.sum(fnp.abs(z - 1) ** 2 * np.array([1, 2, 3], x.real.dtype))  # noqa: E731
    downhill = optim.stateless(lambda grads, _: tree.map(lambda g: -0.1 * fnp.conj(g), grads))
    x, (_, state) = minimize(f, optim.chain(downhill, search(name)), x, 40)
    assert x.dtype == dtype
    assert state.learning_rate.dtype == state.value.dtype == x.real.dtype
    np.testing.assert_allclose(x, 1, atol=2e-3)


def test_many_searches_at_once() -> None:
    piece = optim.scale_by_zoom_linesearch(20)

    def one(x: Any) -> Any:
        value, grad = fgrad.value_and_grad(bowl)(x)
        return piece.update(-grad, piece.init(x), x, value=value, grad=grad, value_fn=bowl)[0]

    xs = np.array([[3.0, -2.0, 0.5], [0.0, 1.1, 0.9]])
    np.testing.assert_allclose(fgrad.vmap(one)(xs), [one(x) for x in xs], rtol=1e-12)


def test_bad_input() -> None:
    zoom, x = optim.scale_by_zoom_linesearch(5), np.ones(2)
    with pytest.raises(ArgumentError, match=r"needs `value`, `value_fn`(?s:.*)value_fn=loss"):
        zoom.update(x, zoom.init(x), x, grad=x)
    with pytest.raises(ArgumentError, match="needs `params`, from which the search begins"):
        zoom.update(x, zoom.init(x))
    with pytest.raises(ArgumentError, match=r"scale_by_zoom_linesearch\.update: `state` must be ScaleByZoomLinesearch"):
        zoom.update(x, optim.sgd(0.1).init(x), x)
    with pytest.raises(ArgumentError, match="`max_linesearch_steps` must be an integer of at least 1, got 0"):
        optim.scale_by_zoom_linesearch(0)
    with pytest.raises(ArgumentError, match="`max_backtracking_steps` must be an integer of at least 1"):
        optim.scale_by_backtracking_linesearch(1.5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match='must be "keep" or "one", got "two"'.replace('"two"', "'two'")):
        optim.scale_by_zoom_linesearch(5, initial_guess_strategy="two")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="decrease_factor must be a real number"):
        optim.scale_by_backtracking_linesearch(5, decrease_factor="a")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="`memory_size` must be an integer of at least 1, got 0"):
        optim.lbfgs(memory_size=0)
    with pytest.raises(ArgumentError, match="no line search in the state that keeps a gradient"):
        optim.value_and_grad_from_state(bowl)(x, state=optim.sgd(0.1).init(x))
    with pytest.raises(ArgumentError, match=r"scale_by_lbfgs\.update: `state` must be ScaleByLbfgsState"):
        optim.scale_by_lbfgs().update(x, optim.sgd(0.1).init(x), x)
