"""Gradients that are not finite, gradients of several steps, slow parameters, hyperparameters of any state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import optim, tree
from fgrad.errors import ArgumentError, NonFiniteError, TreeStructureError
from tests.optim.cases import OPTIMIZERS, params

P = params()
G = tree.map(lambda x: x + 1.0, P)
BAD = {**G, "scale": np.nan}
both = pytest.mark.parametrize("run", [lambda f: f, fgrad.jit], ids=["eager", "jit"])


def same(x: Any, y: Any) -> bool:
    pairs = zip(tree.leaves(x), tree.leaves(y), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


@both
def test_steps_that_are_not_finite_are_left_out(run: Any) -> None:
    opt = optim.apply_if_finite(optim.adam(0.1), max_consecutive_errors=2)
    update, state = run(opt.update), opt.init(P)
    updates, state = update(G, state, P)
    plain, adam_state = optim.adam(0.1).update(G, optim.adam(0.1).init(P), P)
    for a, b in zip(tree.leaves(updates), tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-15)
    for n in (1, 2):
        updates, after = update(BAD, state, P)
        assert all(not np.any(u) for u in tree.leaves(updates))
        assert same(after.inner_state, state.inner_state)
        state = after
        assert (state.notfinite_count, state.total_notfinite, state.last_finite) == (n, n, False)
    assert adam_state.count == state.inner_state.count == 1
    _, good = update(G, state, P)
    assert (good.notfinite_count, good.total_notfinite, good.last_finite) == (0, 2, True)
    assert good.inner_state.count == 2
    updates, state = update(BAD, state, P)  # the third in a row
    assert state.notfinite_count == 3
    assert np.isnan(updates["scale"])


@both
def test_too_many_errors_in_a_row_are_one(run: Any) -> None:
    opt = optim.apply_if_finite(optim.sgd(0.1), 1, then="raise")
    update, state = run(opt.update), opt.init(P)
    _, state = update(BAD, state, P)
    _, fine = update(G, state, P)
    _, fine = update(BAD, fine, P)
    with pytest.raises(NonFiniteError, match=r"grads\['scale'\] is not finite; 2 steps in a row were not, 1 may be"):
        update(BAD, fine, P)


def test_agrees_with_optax_on_nan() -> None:
    optax = pytest.importorskip("optax")
    ours, theirs = (lib.apply_if_finite(lib.sgd(0.1, 0.9), 1) for lib in (optim, optax))
    x = np.float32(1.0)
    state, their_state = ours.init(x), theirs.init(x)
    for g in (1.0, np.inf, 2.0, np.nan, np.nan, 1.0):
        updates, state = ours.update(np.float32(g), state)
        their_updates, their_state = theirs.update(np.float32(g), their_state)
        np.testing.assert_allclose(updates, np.asarray(their_updates), rtol=1e-6)
        assert state.total_notfinite == their_state.total_notfinite


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "lamb", "adafactor", "lion"])
def test_a_nan_goes_nowhere_else(name: str) -> None:
    """Without a guard the NaN of one entry stays in its leaf; those that have no common factor keep it in its entry."""
    opt = OPTIMIZERS[name]()
    updates, _ = opt.update(BAD, opt.init(P), P)
    assert np.isnan(updates["scale"])
    assert np.all(np.isfinite(updates["layers"][0].weight))


@both
@pytest.mark.parametrize("mean", [True, False])
def test_gradients_of_several_steps(run: Any, mean: bool) -> None:
    opt = optim.MultiSteps(optim.adam(0.1), 3, use_grad_mean=mean)
    update, state = run(opt.update), opt.init(P)
    grads = [tree.map(lambda x, i=i: x * (1.0 + i), G) for i in range(3)]
    for g in grads[:2]:
        updates, state = update(g, state, P)
        assert all(not np.any(u) for u in tree.leaves(updates))
        assert not opt.has_updated(state)
    updates, state = update(grads[2], state, P)
    assert opt.has_updated(state)
    assert (state.mini_step, state.gradient_step) == (0, 1)
    total = tree.map(lambda *xs: sum(xs) / (3 if mean else 1), *grads)
    expected, inner = optim.adam(0.1).update(total, optim.adam(0.1).init(P), P)
    for a, b in zip(tree.leaves((updates, state.inner_opt_state)), tree.leaves((expected, inner)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    pair = opt.gradient_transformation()
    assert same(pair.init(P), opt.init(P))


def test_how_many_steps_is_a_schedule() -> None:
    opt = optim.MultiSteps(optim.sgd(1.0), lambda step: 1 + step)
    state, done = opt.init(0.0), []
    for _ in range(6):
        updates, state = opt.update(1.0, state)
        done.append(float(updates))
    assert done == [-1.0, 0.0, -1.0, 0.0, 0.0, -1.0]


@both
@pytest.mark.parametrize("reset", [False, True])
def test_lookahead(run: Any, reset: bool) -> None:
    opt = optim.lookahead(optim.sgd(0.1, 0.9), sync_period=2, slow_step_size=0.25, reset_state=reset)
    p = optim.LookaheadParams.init_synced(np.array([1.0, -2.0]))
    update, state = run(opt.update), opt.init(p)
    fast = slow = p.fast
    trace = 0 * fast
    for step in range(1, 7):
        updates, state = update(2 * p.fast, state, p)
        p = optim.apply_updates(p, updates)
        trace = 0.9 * trace + 2 * fast
        fast = fast - 0.1 * trace
        if step % 2 == 0:
            fast = slow = slow + 0.25 * (fast - slow)
            trace = 0 * trace if reset else trace
        np.testing.assert_allclose(p.fast, fast, rtol=1e-13)
        np.testing.assert_allclose(p.slow, slow, rtol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_shows_its_learning_rate(name: str) -> None:
    opt = optim.chain(optim.clip(1.0), optim.apply_if_finite(OPTIMIZERS[name](), 3))
    state = opt.init(P)
    rate = optim.lr_at(state)
    assert rate == next(x for x in (0.05, 0.02, 0.5, 0.005, 20.0, 0.01, 5.0) if x == rate)
    halved = optim.set_hyperparams(state, learning_rate=rate / 2)
    assert optim.lr_at(halved) == rate / 2
    assert tree.structure(halved) == tree.structure(state)
    assert [type(x) for x in tree.leaves(halved)] == [type(x) for x in tree.leaves(state)]


def test_hyperparameters_of_any_state() -> None:
    opt = optim.multi_transform({"scale": optim.adam(0.1), "*": optim.adamw(lambda step: 0.2 / (1 + step))})
    state = opt.init(P)
    assert optim.hyperparams(state, "*/b1") == {
        "inner_states/scale/hyper/b1": 0.9,
        "inner_states/*/hyper/b1": 0.9,
    }
    assert optim.lr_at(state, "*scale*") == 0.1
    with pytest.raises(ArgumentError, match=r"several learning rates: inner_states/\*/hyper/learning_rate, "):
        optim.lr_at(state)
    changed = optim.set_hyperparams(state, "*scale*", learning_rate=1, b1=np.float64(0.5))
    assert optim.lr_at(changed, "*scale*") == 1.0
    assert sorted(optim.hyperparams(changed, "*/b1").values()) == [0.5, 0.9]
    _, state = opt.update(G, state, P)
    assert optim.lr_at(state, "*[*]*") == 0.1  # what the schedule says of the second update
    with pytest.raises(ArgumentError, match="no learning rate"):
        optim.lr_at(optim.clip(1.0).init(P))
    with pytest.raises(ArgumentError, match=r"has no momentum to be set; there is hyper/max_delta"):
        optim.set_hyperparams(optim.clip(1.0).init(P), momentum=0.9)
    named_so = {"hyper": {"learning_rate": 3.0}}  # parameters, not hyperparameters
    assert list(optim.hyperparams(optim.adam(0.1).init(named_so))) == [
        f"hyper/{name}" for name in ("learning_rate", "b1", "b2", "eps")
    ]


def test_a_hyperparameter_set_in_a_compiled_loop() -> None:
    opt, traces = optim.chain(optim.clip(1.0), optim.sgd(lambda step: 0.5)), []

    @fgrad.jit
    def step(p: Any, state: Any) -> Any:
        traces.append(1)
        updates, state = opt.update(G, state, p)
        return optim.apply_updates(p, updates), state

    p, state = P, opt.init(P)
    for rate in (1, 0.25, np.float32(0.125)):
        _, state = step(p, optim.set_hyperparams(state, learning_rate=rate))
    assert len(traces) == 1

    def loss(rate: Any) -> Any:
        updates, _ = opt.update(G, optim.set_hyperparams(state, learning_rate=rate), P)
        return updates["scale"]

    assert fgrad.grad(loss)(0.5) == -1.0


def test_bad_arguments() -> None:
    sgd = optim.sgd(0.1)
    for make, what in (
        (lambda: optim.apply_if_finite(3, 1), "apply_if_finite: `inner` is not"),  # type: ignore[arg-type]
        (lambda: optim.apply_if_finite(sgd, 1.5), "`max_consecutive_errors` must be an integer"),  # type: ignore[arg-type]
        (lambda: optim.apply_if_finite(sgd, 1, then="skip"), '`then` must be "apply" or "raise"'),  # type: ignore[arg-type]
        (lambda: optim.MultiSteps(sgd, 0), "`every_k_schedule` must be an integer of at least 1 or a function, got 0"),
        (lambda: optim.MultiSteps(None, 1), "MultiSteps: `opt` is not"),  # type: ignore[arg-type]
        (lambda: optim.lookahead(sgd, 0, 0.5), "`sync_period` must be an integer of at least 1, got 0"),
        (lambda: optim.lookahead(sgd, 1, "a"), "slow_step_size must be a real number or a schedule"),  # type: ignore[arg-type]
        (lambda: optim.lookahead(sgd, 1, 0.5).init(P), r"must be LookaheadParams(?s:.*)init_synced"),
        (lambda: optim.adam(None), "learning_rate must be a real number"),  # type: ignore[arg-type]
        (lambda: optim.scale_by_learning_rate(None), "learning_rate must be a real number"),  # type: ignore[arg-type]
        (lambda: optim.MultiSteps(sgd, 1).update(G, sgd.init(P)), "`state` must be MultiStepsState"),
        (lambda: optim.apply_if_finite(sgd, 1).update(G, sgd.init(P)), "`state` must be ApplyIfFiniteState"),
    ):
        with pytest.raises(ArgumentError, match=what):
            make()
    with pytest.raises(TreeStructureError, match="`grads` does not have the structure of the state"):
        optim.MultiSteps(sgd, 1).update({}, optim.MultiSteps(sgd, 1).init(P))


@pytest.mark.parametrize(
    "piece",
    [
        optim.lamb(0.1),
        optim.lars(0.1),
        optim.lion(0.1),
        optim.adafactor(),
        optim.adadelta(),
        optim.nadamw(0.1),
        optim.adamaxw(0.1),
        optim.scale_by_lbfgs(),
        optim.scale_by_trust_ratio(),
        optim.scale_by_param_block_rms(),
        optim.adaptive_grad_clip(0.1),
        optim.add_decayed_weights(0.1),
    ],
)
def test_what_needs_parameters_says_so(piece: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"\.update needs `params`, (which|whose) (?s:.*)opt\.update\(grads, state, params\)"
    ):
        piece.update(G, piece.init(P))
    with pytest.raises(TreeStructureError, match="`params` does not have the structure of grads"):
        piece.update(G, piece.init(P), {"scale": 1.0})
