"""Schedules: their values by hand, on arrays of steps, compiled, in optimizers, and against optax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import optim
from fgrad.errors import ArgumentError

STEPS = np.arange(60)
CYCLES = [
    {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 5, "decay_steps": 15},
    {"init_value": 0.0, "peak_value": 0.5, "warmup_steps": 5, "decay_steps": 25},
]
CASES: dict[str, list[tuple[tuple[Any, ...], dict[int, float]]]] = {
    "constant_schedule": [((0.3,), {0: 0.3, 59: 0.3})],
    "linear_schedule": [((1.0, 0.0, 20, 5), {0: 1, 5: 1, 10: 0.75, 25: 0, 40: 0})],
    "polynomial_schedule": [((1.0, 0.5, 2, 20, 5), {0: 1, 15: 0.625, 25: 0.5, 40: 0.5})],
    "exponential_decay": [
        ((1.0, 10, 0.25), {0: 1, 5: 0.5, 10: 0.25, 20: 0.0625}),
        ((1.0, 10, 0.25, 3, True, 0.1), {0: 1, 12: 1, 13: 0.25, 23: 0.1, 59: 0.1}),
        ((1.0, 10, 4.0, 0, False, 3.0), {0: 1, 5: 2, 10: 3, 20: 3}),
    ],
    "cosine_decay_schedule": [
        ((2.0, 30), {0: 2, 10: 1.5, 15: 1, 30: 0, 50: 0}),
        ((1.0, 30, 0.5, 2.0), {0: 1, 15: 0.625, 30: 0.5}),
    ],
    "piecewise_constant_schedule": [((1.0, {20: 0.5, 10: 0.5}), {9: 1, 10: 0.5, 19: 0.5, 20: 0.25}), ((1.0,), {5: 1})],
    "piecewise_interpolate_schedule": [
        (("linear", 1.0, {10: 0.5, 20: 0.5}), {0: 1, 5: 0.75, 10: 0.5, 15: 0.375, 20: 0.25, 59: 0.25}),
        (("cosine", 1.0, {10: 0.5}), {0: 1, 5: 0.75, 10: 0.5, 30: 0.5}),
    ],
    "warmup_constant_schedule": [((0.0, 1.0, 20), {0: 0, 5: 0.25, 20: 1, 30: 1})],
    "warmup_cosine_decay_schedule": [((0.0, 1.0, 10, 30, 0.5), {0: 0, 5: 0.5, 10: 1, 20: 0.75, 30: 0.5, 50: 0.5})],
    "warmup_exponential_decay_schedule": [((0.0, 1.0, 10, 5, 0.5), {5: 0.5, 10: 1, 15: 0.5, 20: 0.25})],
    "cosine_onecycle_schedule": [((50, 1.0), {0: 0.04, 15: 1, 50: 4e-6})],
    "linear_onecycle_schedule": [((20, 1.0, 0.5, 0.75), {0: 0.04, 5: 0.52, 10: 1, 15: 0.04, 20: 4e-6})],
    "sgdr_schedule": [((CYCLES,), {0: 0, 5: 1, 15: 0, 20: 0.5, 40: 0})],
}
ALL = [(name, args, values) for name, cases in CASES.items() for args, values in cases]


@pytest.mark.parametrize(("name", "args", "values"), ALL)
def test_values(name: str, args: tuple[Any, ...], values: dict[int, float]) -> None:
    schedule = getattr(optim, name)(*args)
    for step, value in values.items():
        assert schedule(step) == pytest.approx(value, abs=1e-15), step
    each = [schedule(step) for step in STEPS]
    np.testing.assert_array_equal(schedule(STEPS) * np.ones(60), each)
    np.testing.assert_allclose([fgrad.jit(schedule)(step) for step in STEPS[::7]], each[::7], rtol=1e-14)


def test_schedules_one_after_the_other() -> None:
    schedule = optim.join_schedules([lambda step: step * 1.0, lambda step: -1.0 * step, lambda step: 7.0], [3, 5])
    np.testing.assert_array_equal(schedule(np.arange(7)), [0, 1, 2, 0, -1, 7, 7])


def test_an_optimizer_follows() -> None:
    opt = optim.sgd(optim.linear_schedule(1.0, 0.0, 4))
    state, steps = opt.init(0.0), []
    for _ in range(6):
        assert state.hyper.learning_rate == max(1 - state.count / 4, 0)
        update, state = fgrad.jit(opt.update)(1.0, state)
        steps.append(float(update))
    assert steps == [-1.0, -0.75, -0.5, -0.25, 0.0, 0.0]


def test_schedules_are_differentiable_in_their_numbers() -> None:
    peak = fgrad.grad(lambda peak: optim.warmup_cosine_decay_schedule(0.0, peak, 10, 30)(20))(2.0)
    assert peak == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("polynomial_schedule", (1.0, 0.0, 1, 0), "`transition_steps` must be an integer of at least 1, got 0"),
        ("exponential_decay", (1.0, 5, 0.5, -1), "`transition_begin` must be an integer of at least 0, got -1"),
        ("cosine_decay_schedule", (1.0, 2.5), r"`decay_steps` must be an integer of at least 1, got 2\.5"),
        ("warmup_cosine_decay_schedule", (0.0, 1.0, 10, 10), "`decay_steps` must be an integer of at least 11, got 10"),
        ("piecewise_interpolate_schedule", ("cubic", 1.0), "`interpolate_type` must be .*, got 'cubic'"),
        ("join_schedules", ([abs, abs], []), "2 schedules need 1 boundaries, got 0"),
    ],
)
def test_mistakes(name: str, args: tuple[Any, ...], text: str) -> None:
    with pytest.raises(ArgumentError, match=f"{name}: {text}"):
        getattr(optim, name)(*args)


@pytest.mark.parametrize(("name", "args", "values"), ALL)
def test_values_of_optax(name: str, args: tuple[Any, ...], values: dict[int, float]) -> None:
    optax = pytest.importorskip("optax")
    theirs = getattr(optax, name)(*args)
    np.testing.assert_allclose(
        getattr(optim, name)(*args)(STEPS) * np.ones(60), [theirs(step) for step in STEPS], rtol=1e-5, atol=1e-6
    )
