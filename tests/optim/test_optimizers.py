"""Optimizers: the published update rules, over pytrees, through every transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import optim, random, tree
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError
from tests.optim.cases import OPTIMIZERS, Case, Layer, params, schedule


def quadratic(p: Any) -> Any:
    """A loss whose curvature differs from entry to entry; its minimum is at 1."""
    return sum(fnp.sum((x - 1) ** 2 * (1 + fnp.arange(fnp.size(x)).reshape(fnp.shape(x)))) for x in tree.leaves(p))


def train(opt: optim.GradientTransformation, p: Any, steps: int, compiled: bool = True) -> tuple[Any, Any]:
    def step(p: Any, state: Any) -> tuple[Any, Any]:
        updates, state = opt.update(fgrad.grad(quadratic)(p), state, p)
        return optim.apply_updates(p, updates), state

    state = opt.init(p)
    run = fgrad.jit(step) if compiled else step
    for _ in range(steps):
        p, state = run(p, state)
    return p, state


every = pytest.mark.parametrize("name", OPTIMIZERS)


# The rules, written down once more as the papers have them


def textbook_sgd(x: Any, g: Callable[[Any], Any], rate: float, momentum: float, nesterov: bool, steps: int) -> Any:
    v = np.zeros_like(x)
    for _ in range(steps):
        v = momentum * v + g(x)
        x = x - rate * (g(x) + momentum * v if nesterov else v)
    return x


def textbook_adam(
    x: Any,
    g: Callable[[Any], Any],
    rate: float,
    b1: float,
    b2: float,
    eps: float,
    root: float,
    decay: float,
    steps: int,
) -> Any:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        m, v = b1 * m + (1 - b1) * g(x), b2 * v + (1 - b2) * g(x) ** 2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        x = x - rate * (m_hat / (np.sqrt(v_hat + root) + eps) + decay * x)
    return x


def follow(opt: optim.GradientTransformation, x: Any, g: Callable[[Any], Any], steps: int) -> Any:
    state = opt.init(x)
    for _ in range(steps):
        updates, state = opt.update(g(x), state, x)
        x = optim.apply_updates(x, updates)
    return x


def slope(x: Any) -> Any:
    return np.array([1.0, 3.0, 10.0]) * (x - 1) + np.sin(3 * x)


START = np.array([4.0, -2.0, 0.3])


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.8, False), (0.8, True)])
def test_sgd_is_the_textbooks(momentum: float, nesterov: bool) -> None:
    expected = textbook_sgd(START, slope, 0.05, momentum, nesterov, 100)
    got = follow(optim.sgd(0.05, momentum, nesterov), START, slope, 100)
    np.testing.assert_allclose(got, expected, rtol=1e-13)
    if not momentum:
        np.testing.assert_array_equal(follow(optim.sgd(0.05), START, slope, 100), got)


@pytest.mark.parametrize("options", [{}, {"b1": 0.5, "b2": 0.9, "eps": 1e-2, "eps_root": 1e-3}, {"b1": 0.0}])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_adam_is_the_papers(options: dict[str, float], decay: float) -> None:
    given = {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 0.0, **options}
    expected = textbook_adam(START, slope, 0.1, *given.values(), decay, 100)
    opt = optim.adamw(0.1, **options, weight_decay=decay) if decay else optim.adam(0.1, **options)
    np.testing.assert_allclose(follow(opt, START, slope, 100), expected, rtol=1e-13)


def test_nadam_looks_one_step_ahead() -> None:
    opt = optim.adam(0.1, nesterov=True)
    updates, _ = opt.update(np.array([2.0, -1.0]), opt.init(np.zeros(2)))
    expected = 0.9 * 0.1 / (1 - 0.9**2) + 0.1 / (1 - 0.9)  # of g, over √g²
    np.testing.assert_allclose(updates, [-0.1 * expected, 0.1 * expected], rtol=1e-7)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate() -> None:
    opt = optim.adam(0.1)
    updates, state = opt.update(np.array([1e-3, -50.0]), opt.init(np.zeros(2)))
    np.testing.assert_allclose(updates, [-0.1, 0.1], rtol=1e-4)
    assert state.count == 1


@every
def test_agrees_with_optax(name: str) -> None:
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    ours, theirs, p, q = OPTIMIZERS[name](), OPTIMIZERS[name].of(optax), params(), params()
    double = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        q = jax.tree.map(jax.numpy.asarray, q)
        state, their_state = ours.init(p), theirs.init(q)
        for _ in range(100):
            updates, state = ours.update(fgrad.grad(quadratic)(p), state, p)
            p = optim.apply_updates(p, updates)
            their_grads = jax.tree.map(jax.numpy.asarray, fgrad.grad(quadratic)(jax.tree.map(np.asarray, q)))
            their_updates, their_state = theirs.update(their_grads, their_state, q)
            q = optax.apply_updates(q, their_updates)
    finally:
        jax.config.update("jax_enable_x64", double)
    # adafactor's decay is computed in single precision there
    tolerance = 1e-5 if "adafactor" in name else 1e-11
    for x, y in zip(tree.leaves(p), jax.tree.leaves(q), strict=True):
        np.testing.assert_allclose(x, np.asarray(y), rtol=tolerance, atol=tolerance)


# Pytrees, dtypes, transforms


@every
def test_training_reaches_the_minimum(name: str) -> None:
    p, state = train(OPTIMIZERS[name](), params(), 300)
    slow = {"scheduled adam": 15.0, "adadelta": 1.0, "radam": 1.0, "lion": 0.5, "adamaxw": 0.2, "lamb": 0.1}
    reached = slow.get(name, 1e-2)
    assert quadratic(p) < reached < quadratic(params())
    assert tree.structure(p) == tree.structure(params())
    assert tree.leaves(state)[0] == 300


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_compiled_and_eager_steps_agree_and_keep_dtypes(name: str, dtype: Any) -> None:
    opt = OPTIMIZERS[name]()
    eager, eager_state = train(opt, params(dtype), 3, compiled=False)
    compiled, state = train(opt, params(dtype), 3)
    assert tree.structure(state) == tree.structure(eager_state)
    for x, y in zip(tree.leaves((eager, eager_state)), tree.leaves((compiled, state)), strict=True):
        assert type(x) is type(y)
        np.testing.assert_allclose(x, y, rtol=8 * np.finfo(dtype).eps)
    assert all(fnp.result_type(x) == dtype for x in tree.leaves(compiled))
    moments = [x for x in tree.leaves(state) if np.ndim(x)]
    assert all(x.dtype == dtype for x in moments)


@every
def test_a_wide_learning_rate_does_not_promote(name: str) -> None:
    opt, p = OPTIMIZERS[name](), params(np.float32)
    state = opt.init(p)
    wide = tree.map(lambda x: np.float64(x) if type(x) is float else x, state)
    grads = fgrad.grad(quadratic)(p)
    updates, following = opt.update(grads, wide, p)
    expected, _ = opt.update(grads, state, p)
    for u, e in zip(tree.leaves(updates), tree.leaves(expected), strict=True):
        assert u.dtype == np.float32
        np.testing.assert_allclose(u, e, rtol=1e-6)  # the same, but where a float32 factor comes out of the data
    assert all(x.dtype == np.float32 for x in tree.leaves(following) if np.ndim(x))


@every
def test_a_training_step_is_traced_once(name: str) -> None:
    opt, traces = OPTIMIZERS[name](), []

    @fgrad.jit
    def step(p: Any, state: Any) -> Any:
        traces.append(1)
        updates, state = opt.update(fgrad.grad(quadratic)(p), state, p)
        return optim.apply_updates(p, updates), state

    p, state = params(), opt.init(params())
    for _ in range(3):
        p, state = step(p, state)
    assert len(traces) == 1


@every
def test_init_under_jit(name: str) -> None:
    opt = OPTIMIZERS[name]()
    ours, eager = fgrad.jit(opt.init)(params(np.float32)), opt.init(params(np.float32))
    assert tree.structure(ours) == tree.structure(eager)
    for x, y in zip(tree.leaves(ours), tree.leaves(eager), strict=True):
        assert type(x) is type(y)
        np.testing.assert_array_equal(x, y)


@every
def test_nothing_given_is_written_into(name: str) -> None:
    opt, p = OPTIMIZERS[name](), params()
    state, grads = opt.init(p), fgrad.grad(quadratic)(p)
    copies = tree.map(np.copy, (p, grads, state))
    updates, following = opt.update(grads, state, p)
    optim.apply_updates(p, updates)
    for before, after in zip(tree.leaves(copies), tree.leaves((p, grads, state)), strict=True):
        np.testing.assert_array_equal(before, after)
    for x in tree.leaves((updates, following)):
        assert not any(np.shares_memory(x, y) for y in tree.leaves((p, grads, state)) if np.ndim(x) and np.ndim(y))


def hyper_of(state: Any) -> Any:
    return state[-1].hyper if type(state) is tuple else state.hyper


def with_rate(state: Any, rate: Any) -> Any:
    if type(state) is tuple:
        return (*state[:-1], with_rate(state[-1], rate))
    return state._replace(hyper=state.hyper._replace(learning_rate=rate))


@every
def test_hyperparameters_are_read_and_set_without_another_trace(name: str) -> None:
    opt, p, traces = OPTIMIZERS[name](), params(), []

    @fgrad.jit
    def update(grads: Any, state: Any, p: Any) -> Any:
        traces.append(1)
        return opt.update(grads, state, p)

    grads, state = fgrad.grad(quadratic)(p), opt.init(p)
    rate = hyper_of(state).learning_rate
    updates, _ = update(grads, state, p)
    halved, following = update(grads, with_rate(state, rate / 2), p)
    if "weight_decay_rate" not in OPTIMIZERS[name].options:  # which does not depend on the learning rate
        for u, h in zip(tree.leaves(updates), tree.leaves(halved), strict=True):
            np.testing.assert_allclose(u, 2 * h, rtol=1e-14)
    assert len(traces) == 1
    scheduled = name == "scheduled adam"
    assert hyper_of(following).learning_rate == (schedule(1) if scheduled else rate / 2)


def test_schedules() -> None:
    seen = []
    opt = optim.adamw(schedule, weight_decay=lambda step: 0.1 / (1 + step))
    p, state = params(), opt.init(params())
    for _ in range(4):
        seen.append((float(state.hyper.learning_rate), float(state.hyper.weight_decay)))
        _, state = opt.update(fgrad.grad(quadratic)(p), state, p)
    assert seen == [(schedule(i), 0.1 / (1 + i)) for i in range(4)]


@every
def test_a_constant_schedule_is_the_constant_bit_for_bit(name: str) -> None:
    case = OPTIMIZERS[name]
    if name == "clipped":
        case = Case("sgd", 0.05, 0.9)
    rate = 0.03 if callable(case.args[0]) else case.args[0]
    given = Case(case.name, rate, *case.args[1:], **case.options)
    scheduled = Case(case.name, lambda step: rate, *case.args[1:], **case.options)
    for compiled, steps in ((False, 3), (True, 20)):
        p, state = train(given(), params(np.float32), steps, compiled)
        q, other = train(scheduled(), params(np.float32), steps, compiled)
        for x, y in zip(tree.leaves((p, state)), tree.leaves((q, other)), strict=True):
            np.testing.assert_array_equal(x, y)


@every
def test_empty_leaves_scalars_and_nothing(name: str) -> None:
    opt = OPTIMIZERS[name]()
    if "mask" in str(OPTIMIZERS[name].options):
        return  # the masks are those of other parameters
    p = {"empty": np.zeros((0, 3)), "scalar": 2.0, "none": None, "single": np.ones((1, 1), np.float32)}
    g = {"empty": np.zeros((0, 3)), "scalar": np.float64(0.5), "none": None, "single": np.ones((1, 1), np.float32)}
    updates, state = opt.update(g, opt.init(p), p)
    q = optim.apply_updates(p, updates)
    assert [np.shape(x) for x in tree.leaves(q)] == [(0, 3), (), (1, 1)]
    assert q["scalar"] < 2.0
    assert q["single"].dtype == np.float32
    again, _ = fgrad.jit(opt.update)(g, opt.init(p), p)
    np.testing.assert_allclose(again["scalar"], updates["scalar"], rtol=1e-14)
    assert tree.structure(state) == tree.structure(opt.init(p))
    assert opt.update({}, opt.init({}), {})[0] == {}


@every
def test_a_sweep_over_hyperparameters(name: str) -> None:
    opt, p = OPTIMIZERS[name](), params()
    state, grads = opt.init(p), fgrad.grad(quadratic)(p)

    def one(rate: Any) -> Any:
        return opt.update(grads, optim.set_hyperparams(state, learning_rate=rate), p)[0]

    rates = np.array([0.01, 0.1])
    got = fgrad.vmap(one)(rates)
    for i, rate in enumerate(rates):
        for x, y in zip(tree.leaves(got), tree.leaves(one(rate)), strict=True):
            np.testing.assert_allclose(x[i], y, rtol=1e-12)


@every
def test_training_is_differentiable_in_the_learning_rate(name: str) -> None:
    opt, start = OPTIMIZERS[name](), params()

    def final(rate: Any) -> Any:
        p, state = start, opt.init(start)
        for _ in range(3):
            updates, state = opt.update(fgrad.grad(quadratic)(p), with_rate(state, rate), p)
            p = optim.apply_updates(p, updates)
        return quadratic(p)

    for run in (final, fgrad.jit(final)):
        expected = (final(0.02 + 1e-6) - final(0.02 - 1e-6)) / 2e-6
        assert fgrad.grad(run)(0.02) == pytest.approx(expected, rel=1e-6)
        assert fgrad.jvp(run, (0.02,), (1.0,))[1] == pytest.approx(expected, rel=1e-6)


def test_a_traced_learning_rate() -> None:
    def one_step(rate: Any) -> Any:
        opt = optim.sgd(rate)
        return opt.update(np.array([2.0, 3.0]), opt.init(np.zeros(2)))[0]

    assert fgrad.jacrev(one_step)(0.5).tolist() == [-2.0, -3.0]
    assert fgrad.vmap(one_step)(np.array([0.5, 1.0])).tolist() == [[-1.0, -1.5], [-2.0, -3.0]]


@every
def test_many_models_at_once(name: str) -> None:
    opt = OPTIMIZERS[name]()
    rows = 3
    stacked = tree.map(lambda x: np.stack([x * (i + 1) for i in range(rows)]), params())

    def step(p: Any, state: Any) -> Any:
        updates, state = opt.update(fgrad.grad(quadratic)(p), state, p)
        return optim.apply_updates(p, updates), state

    p, state = stacked, fgrad.vmap(opt.init)(stacked)
    for _ in range(2):
        p, state = fgrad.jit(fgrad.vmap(step))(p, state)
    for i in range(rows):
        q = tree.map(lambda x, i=i: x[i], stacked)
        q, _ = train(opt, q, 2, compiled=False)
        for x, y in zip(tree.leaves(p), tree.leaves(q), strict=True):
            np.testing.assert_allclose(x[i], y, rtol=1e-13)


def test_a_sweep_over_learning_rates() -> None:
    opt, rates = optim.adam(0.1), np.array([0.01, 0.1, 1.0])
    p = np.array([3.0, -1.0], np.float32)

    def one(rate: Any) -> Any:
        updates, _ = opt.update(p, with_rate(opt.init(p), rate))
        return updates

    got = fgrad.vmap(one)(rates)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.outer(-rates, [1, -1]), rtol=1e-5)


def test_complex_parameters() -> None:
    p = np.array([1 + 2j, -3j], np.complex64)
    opt = optim.adam(0.1)
    updates, state = opt.update(p, opt.init(p))
    assert (updates.dtype, state.mu.dtype, state.nu.dtype) == (np.complex64, np.complex64, np.float32)
    np.testing.assert_allclose(updates, -0.1 * p / np.abs(p), rtol=1e-5)


def test_python_numbers_as_parameters() -> None:
    opt = optim.adam(0.1)
    updates, state = opt.update({"x": 2.0}, opt.init({"x": 1.0}))
    assert optim.apply_updates({"x": 1.0}, updates)["x"] == pytest.approx(0.9)
    assert type(state.mu["x"]) is np.float64


def test_apply_updates_keeps_the_dtype_of_parameters() -> None:
    got = optim.apply_updates([np.float32(1), np.ones(2, np.float16)], [np.float64(0.5), np.ones(2)])
    assert [x.dtype for x in got] == [np.float32, np.float16]
    assert got[0] == 1.5


# Gradients of limited length


def test_global_norm() -> None:
    x = {"a": np.array([1.0, 2.0]), "b": (np.array([[2.0]]), 4.0)}
    assert optim.global_norm(x) == 5.0
    assert optim.global_norm(np.array([3 + 4j])) == 5.0
    assert optim.global_norm({}) == 0.0
    np.testing.assert_allclose(fgrad.grad(optim.global_norm)(np.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-15)
    assert np.array_equal(fgrad.grad(optim.global_norm)(np.zeros(2)), [0.0, 0.0])


@pytest.mark.parametrize("run", [lambda f: f, fgrad.jit])
def test_clipping(run: Any) -> None:
    clip = optim.clip_by_global_norm(2.5)
    state = clip.init(np.zeros(2))
    for grads, expected in (
        ([3.0, 4.0], [1.5, 2.0]),
        ([1.5, 2.0], [1.5, 2.0]),
        ([0.1, 0.0], [0.1, 0.0]),
        ([0.0, 0.0], [0.0, 0.0]),
    ):
        for dtype in (np.float32, np.float64):
            got, following = run(clip.update)(np.array(grads, dtype), state)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, np.array(expected, dtype), rtol=1e-6)
            assert following.count == 1
    slope = fgrad.jacrev(lambda g: clip.update(g, state)[0])
    assert np.allclose(slope(np.zeros(2)), np.eye(2))
    assert np.allclose(slope(np.array([0.0, 5.0])), [[0.5, 0.0], [0.0, 0.0]])


# Bad input


@every
def test_gradients_of_another_structure_are_refused(name: str) -> None:
    opt, p = OPTIMIZERS[name](), params()
    bad = {"layers": [Layer(p["layers"][0].weight, None)], "scale": 1.0}
    if name in ("sgd", "sign_sgd"):
        with pytest.raises(
            TreeStructureError, match=r"`updates` does not have the structure of params, at \['layers'\]\[0\]"
        ):
            optim.apply_updates(p, opt.update(bad, opt.init(p))[0])
        return
    with pytest.raises(
        TreeStructureError, match=r"does not have the structure of (the state|grads), at \['layers'\]\[0\]\.bias"
    ):
        opt.update(bad, opt.init(p), p)


def test_gradients_of_another_shape_are_refused() -> None:
    p = params()
    bad = {**p, "layers": [Layer(np.ones((2, 3)), np.ones(2))]}
    for opt in (optim.adam(0.1), optim.sgd(0.1, 0.9)):
        with pytest.raises(
            ShapeError, match=r"grads\['layers'\]\[0\]\.weight has shape \(2, 3\), but the state has \(3, 2\)"
        ):
            opt.update(bad, opt.init(p))
    with pytest.raises(
        ShapeError, match=r"updates\['layers'\]\[0\]\.weight has shape \(2, 3\), but params has \(3, 2\)"
    ):
        optim.apply_updates(p, bad)


def test_weight_decay_needs_params() -> None:
    opt, p = optim.adamw(0.1), params()
    with pytest.raises(ArgumentError, match=r"adamw\.update needs `params`(?s:.*)opt\.update\(grads, state, params\)"):
        opt.update(p, opt.init(p))
    with pytest.raises(TreeStructureError, match="`params` does not have the structure of grads"):
        opt.update(p, opt.init(p), {"layers": []})


def test_the_state_of_another_optimizer_is_refused() -> None:
    p = params()
    for opt, other in (
        (optim.adam(0.1), optim.sgd(0.1)),
        (optim.adamw(0.1), optim.adam(0.1)),
        (optim.sgd(0.1), optim.clip_by_global_norm(1.0)),
        (optim.chain(optim.sgd(0.1)), optim.sgd(0.1)),
    ):
        with pytest.raises(ArgumentError, match=r"update: `state` must be (?s:.*)Pass the state that init"):
            opt.update(p, other.init(p), p)


@pytest.mark.parametrize("bad", ["0.1", [0.1], np.ones(2), 1j])
def test_hyperparameters_must_be_numbers_or_schedules(bad: Any) -> None:
    for make in (optim.sgd, optim.adam, optim.adamw, optim.clip_by_global_norm):
        with pytest.raises(ArgumentError, match=r"(learning_rate|max_norm) must be a real number or a schedule"):
            make(bad)
    with pytest.raises(ArgumentError, match="b2 must be a real number"):
        optim.adam(0.1, b2=[0.9])


def test_integers_are_not_trained() -> None:
    with pytest.raises(ArgumentError, match=r"params\['n'\] has dtype int64(?s:.*)x\.astype\(float\)"):
        optim.apply_updates({"n": np.arange(2)}, {"n": np.ones(2)})


def test_chain_takes_transformations() -> None:
    with pytest.raises(ArgumentError, match="chain: argument 1 is not a gradient transformation"):
        optim.chain(optim.sgd(0.1), 0.1)  # type: ignore[arg-type]


# A model


def test_a_small_network_learns() -> None:
    keys = random.split(random.key(0), 3)
    x = random.normal(keys[0], (64, 2), np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.float32)
    p = {
        "w": random.normal(keys[1], (2, 16), np.float32),
        "v": random.normal(keys[2], (16,), np.float32) * np.float32(0.3),
    }
    opt = optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(0.05))

    def loss(p: Any) -> Any:
        score = fnp.maximum(x @ p["w"], 0) @ p["v"]
        return fnp.mean(fnp.logaddexp(0.0, -(2 * y - 1) * score))

    @fgrad.jit
    def step(p: Any, state: Any) -> Any:
        value, grads = fgrad.value_and_grad(loss)(p)
        updates, state = opt.update(grads, state, p)
        return optim.apply_updates(p, updates), state, value

    state, values = opt.init(p), []
    for _ in range(150):
        p, state, value = step(p, state)
        values.append(float(value))
    assert values[-1] < 0.15 < 0.5 < values[0]
