"""The rules, written down once more in plain NumPy as the papers have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fgrad import optim
from tests.optim.cases import Case

START = np.array([[4.0, -2.0, 0.3], [1.5, 0.2, -0.7]])
STEPS = 100
Gradient = Callable[[Any], Any]


def slope(x: Any) -> Any:
    return np.array([1.0, 3.0, 10.0]) * (x - 1) + np.sin(3 * x)


def norm(x: Any) -> Any:
    return np.sqrt(np.sum(x**2))


def rms(x: Any) -> Any:
    return np.sqrt(np.mean(x**2))


def means(x: Any, b1: float = 0.9, b2: float = 0.999) -> Iterator[tuple[int, Any, Any, Any]]:
    """Step, gradient and the unbiased means of Adam; it is sent the next point."""
    m, v, t = 0 * x, 0 * x, 0
    while True:
        t += 1
        g = slope(x)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        x = yield t, g, m / (1 - b1**t), v / (1 - b2**t)  # type: ignore[misc]


def adam_like(direction: Callable[..., Any], rate: float = 0.05, **decays: float) -> Any:
    x, rule = START, means(START, **decays)
    t, g, m, v = next(rule)
    for _ in range(STEPS):
        x = x - rate * direction(t, g, m, v, x)
        t, g, m, v = rule.send(x)
    return x


def adagrad() -> Any:
    x, s = START, np.full_like(START, 0.1)
    for _ in range(STEPS):
        s = s + slope(x) ** 2
        x = x - 0.5 * slope(x) / np.sqrt(s + 1e-7)
    return x


def rmsprop() -> Any:
    x, v = START, 0 * START
    for _ in range(STEPS):
        v = 0.9 * v + 0.1 * slope(x) ** 2
        x = x - 0.02 * slope(x) / np.sqrt(v + 1e-8)
    return x


def centered_rmsprop() -> Any:
    x, v, m, move = START, 0 * START, 0 * START, 0 * START
    for _ in range(STEPS):
        g = slope(x)
        v, m = 0.9 * v + 0.1 * g**2, 0.9 * m + 0.1 * g
        move = 0.5 * move - 0.01 * g / np.sqrt(v - m**2 + 1e-4)
        x = x + move
    return x


def adadelta() -> Any:
    x, squares, moves = START, 0 * START, 0 * START
    for _ in range(STEPS):
        g = slope(x) + 0.1 * x
        squares = 0.9 * squares + 0.1 * g**2
        move = -np.sqrt(moves + 1e-6) / np.sqrt(squares + 1e-6) * g
        moves = 0.9 * moves + 0.1 * move**2
        x = x + move
    return x


def adamax() -> Any:
    x, m, u = START, 0 * START, 0 * START
    for t in range(1, STEPS + 1):
        g = slope(x)
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g) + 1e-8)
        x = x - 0.05 / (1 - 0.9**t) * m / u
    return x


def nadam() -> Any:
    def direction(t: int, g: Any, m: Any, v: Any, x: Any) -> Any:
        ahead = 0.9 * m * (1 - 0.9**t) / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
        return ahead / (np.sqrt(v) + 1e-8)

    return adam_like(direction)


def amsgrad() -> Any:
    largest = [0 * START]

    def direction(t: int, g: Any, m: Any, v: Any, x: Any) -> Any:
        largest[0] = np.maximum(largest[0], v)
        return m / (np.sqrt(largest[0]) + 1e-8)

    return adam_like(direction)


def radam() -> Any:
    def direction(t: int, g: Any, m: Any, v: Any, x: Any) -> Any:
        most = 2 / (1 - 0.95) - 1
        rho = most - 2 * t * 0.95**t / (1 - 0.95**t)
        if rho < 5:
            return m
        return np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) * m / (np.sqrt(v) + 1e-8)

    return adam_like(direction, 0.05, b2=0.95)


def adabelief() -> Any:
    x, m, s = START, 0 * START, 0 * START
    for t in range(1, STEPS + 1):
        g = slope(x)
        m = 0.9 * m + 0.1 * g
        s = 0.999 * s + 0.001 * (g - m) ** 2 + 1e-16
        x = x - 0.05 * m / (1 - 0.9**t) / (np.sqrt(s / (1 - 0.999**t)) + 1e-16)
    return x


def lamb() -> Any:
    def direction(t: int, g: Any, m: Any, v: Any, x: Any) -> Any:
        d = m / (np.sqrt(v) + 1e-6) + 0.1 * x
        return norm(x) / norm(d) * d

    return adam_like(direction, 0.01)


def lars() -> Any:
    x, move = START, 0 * START
    for _ in range(STEPS):
        d = slope(x) + 0.1 * x
        move = 0.5 * move - 0.1 * 0.05 * norm(x) / norm(d) * d
        x = x + move
    return x


def lion() -> Any:
    x, m = START, 0 * START
    for _ in range(STEPS):
        g = slope(x)
        x, m = x - 0.01 * (np.sign(0.9 * m + 0.1 * g) + 0.1 * x), 0.99 * m + 0.01 * g
    return x


def sign_sgd() -> Any:
    x = START
    for _ in range(STEPS):
        x = x - 0.01 * np.sign(slope(x))
    return x


def adafactor() -> Any:
    """The means over rows and columns are those of the longer and of the shorter axis."""
    x, row, column = START, np.zeros(2), np.zeros(3)
    for t in range(1, STEPS + 1):
        g, decay = slope(x), 1 - t**-0.8
        squares = g**2 + 1e-30
        row = decay * row + (1 - decay) * squares.mean(axis=1)
        column = decay * column + (1 - decay) * squares.mean(axis=0)
        d = g / np.sqrt(np.outer(row, column) / row.mean())
        d = d / max(1.0, rms(d))
        x = x - 0.05 * max(rms(x), 1e-3) * d
    return x


def full_adafactor() -> Any:
    x, v, mean = START, 0 * START, 0 * START
    for t in range(1, STEPS + 1):
        g, decay = slope(x), 1 - t**-0.8
        v = decay * v + (1 - decay) * (g**2 + 1e-30)
        mean = 0.5 * mean + 0.5 * 0.02 * g / np.sqrt(v)
        x = x - (mean + 0.001 * x)
    return x


RULES: dict[str, tuple[Callable[[], Any], optim.GradientTransformation]] = {
    "adagrad": (adagrad, optim.adagrad(0.5)),
    "rmsprop": (rmsprop, optim.rmsprop(0.02)),
    "centered rmsprop": (centered_rmsprop, optim.rmsprop(0.01, eps=1e-4, centered=True, momentum=0.5)),
    "adadelta": (adadelta, optim.adadelta(weight_decay=0.1)),
    "adamax": (adamax, optim.adamax(0.05)),
    "nadam": (nadam, optim.nadam(0.05)),
    "amsgrad": (amsgrad, optim.amsgrad(0.05)),
    "radam": (radam, optim.radam(0.05, b2=0.95)),
    "adabelief": (adabelief, optim.adabelief(0.05)),
    "lamb": (lamb, optim.lamb(0.01, weight_decay=0.1)),
    "lars": (lars, optim.lars(0.1, weight_decay=0.1, trust_coefficient=0.05, momentum=0.5)),
    "lion": (lion, optim.lion(0.01, weight_decay=0.1)),
    "sign_sgd": (sign_sgd, optim.sign_sgd(0.01)),
    "adafactor": (adafactor, optim.adafactor(0.05, min_dim_size_to_factor=2)),
    "full adafactor": (
        full_adafactor,
        optim.adafactor(
            0.02,
            factored=False,
            multiply_by_parameter_scale=False,
            clipping_threshold=None,
            momentum=0.5,
            weight_decay_rate=0.001,
        ),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_the_papers(name: str) -> None:
    reference, opt = RULES[name]
    x, state = START, opt.init(START)
    for _ in range(STEPS):
        updates, state = opt.update(slope(x), state, x)
        x = optim.apply_updates(x, updates)
    np.testing.assert_allclose(x, reference(), rtol=1e-8)
    assert state.count == STEPS


PIECES: dict[str, tuple[str, dict[str, Any]]] = {
    "scale_by_adam": ("adam", {}),
    "scale_by_amsgrad": ("amsgrad", {}),
    "scale_by_adamax": ("adamax", {}),
    "scale_by_radam": ("radam", {}),
    "scale_by_belief": ("adabelief", {}),
    "scale_by_rss": ("adagrad", {}),
    "scale_by_rms": ("rmsprop", {}),
    "scale_by_stddev": ("rmsprop", {"centered": True}),
    "scale_by_adadelta": ("adadelta", {}),
    "scale_by_lion": ("lion", {"weight_decay": 0.0}),
    "scale_by_factored_rms": ("adafactor", {"clipping_threshold": None, "multiply_by_parameter_scale": False}),
}


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_and_a_learning_rate_make_the_optimizer(name: str) -> None:
    whole, options = PIECES[name]
    one = getattr(optim, whole)(0.05, **options)
    parts = optim.chain(getattr(optim, name)(), optim.scale_by_learning_rate(0.05))
    x, state, parts_state = START, one.init(START), parts.init(START)
    for _ in range(3):
        updates, state = one.update(slope(x), state, x)
        others, parts_state = parts.update(slope(x), parts_state, x)
        np.testing.assert_allclose(updates, others, rtol=1e-13)
        x = x + updates


def first(piece: optim.GradientTransformation, g: Any, p: Any = None) -> Any:
    return piece.update(g, piece.init(g if p is None else p), p)[0]


def test_pieces() -> None:
    g, p = np.array([[3.0, -4.0], [0.0, 2.0]]), np.array([[1.0, 2.0], [2.0, -4.0]])
    assert np.array_equal(first(optim.scale(-0.5), g), -0.5 * g)
    assert np.array_equal(first(optim.scale_by_schedule(lambda step: 2.0 + step), g), 2 * g)
    assert np.array_equal(first(optim.scale_by_learning_rate(0.5, flip_sign=False), g), 0.5 * g)
    assert np.array_equal(first(optim.add_decayed_weights(0.5), g, p), g + 0.5 * p)
    assert np.array_equal(first(optim.add_decayed_weights(0.5, mask=False), g, p), g)
    assert np.array_equal(first(optim.scale_by_sign(), g), np.sign(g))
    assert np.array_equal(first(optim.set_to_zero(), g), 0 * g)
    assert np.array_equal(first(optim.identity(), g), g)
    assert np.array_equal(first(optim.centralize(), g), g - g.mean(axis=1, keepdims=True))
    assert np.array_equal(first(optim.centralize(), g[0]), g[0])
    assert np.array_equal(first(optim.zero_nans(), np.array([np.nan, np.inf])), [0.0, np.inf])
    assert np.array_equal(first(optim.clip(2.5), g), np.clip(g, -2.5, 2.5))
    assert np.array_equal(first(optim.clip_by_block_rms(100.0), g), g)
    np.testing.assert_allclose(first(optim.clip_by_block_rms(0.5), g), 0.5 * g / rms(g), rtol=1e-15)
    np.testing.assert_allclose(first(optim.scale_by_trust_ratio(), g, p), norm(p) / norm(g) * g, rtol=1e-15)
    assert np.array_equal(first(optim.scale_by_trust_ratio(), g, 0 * p), g)
    np.testing.assert_allclose(first(optim.scale_by_param_block_norm(), g, p), norm(p) * g, rtol=1e-15)
    np.testing.assert_allclose(first(optim.scale_by_param_block_rms(10.0), g, p), 10.0 * g, rtol=1e-15)
    np.testing.assert_allclose(first(optim.normalize_by_update_norm(2.0, 0.0), g), 2 * g / norm(g), rtol=1e-15)
    np.testing.assert_allclose(first(optim.ema(0.9), g), g, rtol=1e-14)
    np.testing.assert_allclose(first(optim.ema(0.9, debias=False), g), 0.1 * g, rtol=1e-14)
    assert np.array_equal(first(optim.trace(0.5, nesterov=True), g), 1.5 * g)
    assert np.array_equal(first(optim.stateless(lambda g, p: g + p), g, p), g + p)


def test_pieces_agree_with_optax() -> None:
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    cases = [Case(name) for name in [*PIECES, "scale_by_trust_ratio", "scale_by_param_block_norm", "scale_by_sign"]]
    cases += [Case(name) for name in ("scale_by_param_block_rms", "centralize", "zero_nans", "set_to_zero", "identity")]
    cases += [Case("clip", 0.5), Case("clip_by_block_rms", 0.5), Case("adaptive_grad_clip", 0.5), Case("ema", 0.9)]
    cases += [Case("trace", 0.9, True), Case("ema", 0.9, False), Case("normalize_by_update_norm"), Case("scale", 0.5)]
    cases += [Case("scale_by_schedule", lambda step: 1 / (1 + step)), Case("add_decayed_weights", 0.1)]
    x = START.astype(np.float32)
    for case in cases:
        ours, theirs = case(), case.of(optax)
        state, their_state = ours.init(x), theirs.init(jax.numpy.asarray(x))
        for g in (slope(x), slope(0.5 * x), slope(0.25 * x)):
            g = g.astype(np.float32)
            updates, state = ours.update(g, state, x)
            expected, their_state = theirs.update(jax.numpy.asarray(g), their_state, jax.numpy.asarray(x))
            np.testing.assert_allclose(updates, np.asarray(expected), rtol=1e-5, atol=1e-6, err_msg=case.name)


@pytest.mark.parametrize(
    ("shape", "over"), [((4,), (0,)), ((4, 3), (0,)), ((2, 4, 3), (0,)), ((2, 2, 4, 3), (0, 1, 2))]
)
def test_adaptive_clipping_by_units(shape: tuple[int, ...], over: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    g, p = rng.normal(size=shape), rng.normal(size=shape)
    most = 0.5 * np.maximum(np.sqrt(np.sum(p**2, axis=over, keepdims=True)), 1e-3)
    length = np.sqrt(np.sum(g**2, axis=over, keepdims=True))
    expected = np.where(length > most, g * most / length, g)
    assert not np.array_equal(expected, g)
    np.testing.assert_allclose(first(optim.adaptive_grad_clip(0.5), g, p), expected, rtol=1e-14)
    np.testing.assert_allclose(first(optim.adaptive_grad_clip(0.5, axis=over), g, p), expected, rtol=1e-14)
    assert np.array_equal(first(optim.adaptive_grad_clip(0.5), 0 * g, p), 0 * g)
    assert first(optim.adaptive_grad_clip(0.5), 3.0, 2.0) == 1.0


def test_noise_fades_away() -> None:
    noise = optim.add_noise(1.0, 1.0, key=3)
    zero = {"a": np.zeros(4000), "b": np.zeros(4000, np.float32)}
    state, deviations, before = noise.init(zero), [], None
    for _ in range(4):
        updates, state = noise.update(zero, state)
        assert updates["b"].dtype == np.float32
        assert not np.array_equal(updates["a"], before)
        before = updates["a"]
        deviations.append((np.std(updates["a"]), np.std(updates["b"])))
    np.testing.assert_allclose(deviations, np.outer(1 / np.sqrt([1, 2, 3, 4]), [1, 1]), rtol=0.05)
    again, _ = noise.update(zero, noise.init(zero))
    assert np.array_equal(again["a"], noise.update(zero, noise.init(zero))[0]["a"])
    plain, noisy = optim.sgd(0.1), optim.noisy_sgd(0.1, eta=0.0)
    assert np.array_equal(first(noisy, np.ones(3)), first(plain, np.ones(3)))
    assert np.array_equal(first(optim.gradient_descent(0.1), np.ones(3)), first(plain, np.ones(3)))


def test_slow_copies_of_parameters() -> None:
    new, old = {"w": np.array([3.0, 5.0])}, {"w": np.array([1.0, 1.0], np.float32)}
    got = optim.incremental_update(new, old, 0.25)["w"]
    assert got.dtype == np.float32
    assert got.tolist() == [1.5, 2.0]
    assert optim.periodic_update(new, old, 4, 2)["w"].tolist() == [3.0, 5.0]
    assert optim.periodic_update(new, old, 5, 2)["w"].tolist() == [1.0, 1.0]
