"""Schedules: pure functions `step -> value` of the number of updates done before, with the names of optax.

A schedule may be given wherever an optimizer takes a number. Steps may be traced, and arrays of steps give arrays of
values (to draw a schedule, call it with `numpy.arange(1000)`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import pi
from typing import Any

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.hyper import Schedule

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]


@public
def constant_schedule(value: Any) -> Schedule:
    """The same value at every step.

    Args:
        value: a number.

    >>> constant_schedule(0.1)(1000)
    0.1
    """
    return lambda step: value


@public
def linear_schedule(init_value: Any, end_value: Any, transition_steps: int, transition_begin: int = 0) -> Schedule:
    """From one value to another along a straight line.

    Args:
        init_value: the value until `transition_begin`.
        end_value: the value from `transition_begin + transition_steps` on.
        transition_steps: how many steps the way takes.
        transition_begin: when it begins.

    Raises:
        ArgumentError: a number of steps is not what it should be.

    >>> float(linear_schedule(1.0, 0.0, 10)(3))
    0.7
    """
    _check("linear_schedule", least=1, transition_steps=transition_steps)
    _check("linear_schedule", transition_begin=transition_begin)
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


@public
def polynomial_schedule(
    init_value: Any, end_value: Any, power: Any, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """(init − end)·(1 − t)ᵖ + end, where t goes from 0 to 1.

    Args:
        init_value: the value until `transition_begin`.
        end_value: the value from `transition_begin + transition_steps` on.
        power: p.
        transition_steps: how many steps the way takes.
        transition_begin: when it begins.

    Raises:
        ArgumentError: a number of steps is not what it should be.

    >>> polynomial_schedule(1.0, 0.0, 2, 10)(5)
    np.float64(0.25)
    """
    _check("polynomial_schedule", least=1, transition_steps=transition_steps)
    _check("polynomial_schedule", transition_begin=transition_begin)

    def schedule(step: Array) -> Array:
        left = 1 - _share(step, transition_begin, transition_steps)
        return (init_value - end_value) * left**power + end_value

    return schedule


@public
def exponential_decay(
    init_value: Any,
    transition_steps: int,
    decay_rate: Any,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: Any = None,
) -> Schedule:
    """init·rateᵗ, where t is 1 after `transition_steps` steps, 2 after twice as many, and so on.

    Args:
        init_value: the value until `transition_begin`.
        transition_steps: after how many steps the value is multiplied by the rate.
        decay_rate: the rate; above 1 the value grows.
        transition_begin: when it begins.
        staircase: whether t is cut to whole numbers.
        end_value: where it stops: the least value (of a rate above 1, the largest).

    Raises:
        ArgumentError: a number of steps is not what it should be.

    >>> exponential_decay(1.0, 10, 0.5)(20)
    np.float64(0.25)
    """
    _check("exponential_decay", least=1, transition_steps=transition_steps)
    _check("exponential_decay", transition_begin=transition_begin)

    def schedule(step: Array) -> Array:
        t = fnp.maximum(step - transition_begin, 0) / transition_steps
        value = init_value * fnp.power(decay_rate, fnp.floor(t) if staircase else t)
        if end_value is None:
            return value
        return fnp.where(decay_rate < 1, fnp.maximum(value, end_value), fnp.minimum(value, end_value))

    return schedule


@public
def cosine_decay_schedule(init_value: Any, decay_steps: int, alpha: Any = 0.0, exponent: Any = 1.0) -> Schedule:
    """init·((1 − α)·(½·(1 + cos πt))ᵖ + α), where t goes from 0 to 1 in `decay_steps` steps.

    Args:
        init_value: the first value.
        decay_steps: how many steps it takes to the last one.
        alpha: α: the last value as a share of the first.
        exponent: p.

    Raises:
        ArgumentError: the number of steps is not positive.

    >>> cosine_decay_schedule(1.0, 10)(5).round(6)
    np.float64(0.5)

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts" (ICLR 2017), equation 5.
    """
    _check("cosine_decay_schedule", least=1, decay_steps=decay_steps)

    def schedule(step: Array) -> Array:
        cosine = 0.5 * (1 + fnp.cos(pi * _share(step, 0, decay_steps)))
        return init_value * ((1 - alpha) * cosine**exponent + alpha)

    return schedule


@public
def piecewise_constant_schedule(init_value: Any, boundaries_and_scales: Mapping[int, float] | None = None) -> Schedule:
    """A value that is multiplied by a factor at certain steps.

    Args:
        init_value: the first value.
        boundaries_and_scales: a factor for each step after which it holds.

    Raises:
        ArgumentError: a step is negative.

    >>> schedule = piecewise_constant_schedule(1.0, {10: 0.1, 20: 0.5})
    >>> [float(schedule(step)) for step in (9, 10, 20)]
    [1.0, 0.1, 0.05]
    """
    places = dict(boundaries_and_scales or {})
    for place in places:
        _check("piecewise_constant_schedule", boundary=place)

    def schedule(step: Array) -> Array:
        value = init_value * fnp.ones_like(step, dtype=float)
        for place, scale in places.items():
            value = value * fnp.where(fnp.asarray(step) >= place, scale, 1.0)
        return value

    return schedule


@public
def piecewise_interpolate_schedule(
    interpolate_type: str, init_value: Any, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """A value that reaches, at certain steps, what the factors up to there make of it, along lines or cosines.

    Args:
        interpolate_type: `"linear"` or `"cosine"`.
        init_value: the first value.
        boundaries_and_scales: a factor for each step.

    Raises:
        ArgumentError: there is no such way, or a step is negative.

    >>> schedule = piecewise_interpolate_schedule("linear", 1.0, {10: 0.5, 20: 0.5})
    >>> [float(schedule(step)) for step in (0, 5, 10, 15, 30)]
    [1.0, 0.75, 0.5, 0.375, 0.25]
    """
    name = "piecewise_interpolate_schedule"
    if interpolate_type not in ("linear", "cosine"):
        what = f'{name}: `interpolate_type` must be "linear" or "cosine", got {interpolate_type!r:.60}.'
        raise ArgumentError(message(what))
    places, values = [0], [init_value]
    for place, scale in sorted((boundaries_and_scales or {}).items()):
        _check(name, boundary=place)
        places.append(place)
        values.append(values[-1] * scale)

    def schedule(step: Array) -> Array:
        value = values[0] * fnp.ones_like(step, dtype=float)
        for (first, last), (before, after) in zip(pairwise(places), pairwise(values), strict=True):
            t = _share(step, first, last - first)
            way = t if interpolate_type == "linear" else 0.5 * (1 - fnp.cos(pi * t))
            value = fnp.where(fnp.asarray(step) >= first, before + (after - before) * way, value)
        return value

    return schedule


@public
def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """One schedule after the other; each counts its steps from 0.

    Args:
        schedules: some schedules.
        boundaries: the steps at which the second, the third, … begins, in order.

    Raises:
        ArgumentError: there is not one boundary less than there are schedules.

    >>> schedule = join_schedules([constant_schedule(1.0), linear_schedule(1.0, 0.0, 10)], [5])
    >>> float(schedule(4)), float(schedule(10))
    (1.0, 0.5)
    """
    schedules, boundaries = list(schedules), list(boundaries)
    if not schedules or len(boundaries) != len(schedules) - 1:
        what = f"join_schedules: {len(schedules)} schedules need {max(len(schedules) - 1, 0)} boundaries"
        raise ArgumentError(message(f"{what}, got {len(boundaries)}."))

    def schedule(step: Array) -> Array:
        value = schedules[0](step)
        for begin, following in zip(boundaries, schedules[1:], strict=True):
            value = fnp.where(fnp.asarray(step) < begin, value, following(fnp.maximum(step - begin, 0)))
        return value

    return schedule


@public
def warmup_constant_schedule(init_value: Any, peak_value: Any, warmup_steps: int) -> Schedule:
    """Up along a line, then constant.

    Args:
        init_value: the first value.
        peak_value: the last value.
        warmup_steps: how many steps the way up takes.

    Raises:
        ArgumentError: the number of steps is not positive.

    >>> float(warmup_constant_schedule(0.0, 1.0, 10)(5))
    0.5
    """
    return linear_schedule(init_value, peak_value, warmup_steps)


@public
def warmup_cosine_decay_schedule(
    init_value: Any,
    peak_value: Any,
    warmup_steps: int,
    decay_steps: int,
    end_value: Any = 0.0,
    exponent: Any = 1.0,
) -> Schedule:
    """Up along a line, then down along a cosine.

    Args:
        init_value: the first value.
        peak_value: the largest value.
        warmup_steps: how many steps the way up takes.
        decay_steps: how many steps both ways take.
        end_value: the last value.
        exponent: as in `cosine_decay_schedule`.

    Raises:
        ArgumentError: `decay_steps` is not more than `warmup_steps`.

    >>> schedule = warmup_cosine_decay_schedule(0.0, 1.0, 10, 30)
    >>> [round(float(schedule(step)), 6) for step in (5, 10, 20, 30)]
    [0.5, 1.0, 0.5, 0.0]
    """
    _check("warmup_cosine_decay_schedule", least=1, warmup_steps=warmup_steps)
    _check("warmup_cosine_decay_schedule", least=warmup_steps + 1, decay_steps=decay_steps)
    alpha = fnp.where(peak_value == 0, 0.0, end_value / fnp.where(peak_value == 0, 1.0, peak_value))
    down = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, alpha, exponent)
    return join_schedules([linear_schedule(init_value, peak_value, warmup_steps), down], [warmup_steps])


@public
def warmup_exponential_decay_schedule(
    init_value: Any,
    peak_value: Any,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: Any,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: Any = None,
) -> Schedule:
    """Up along a line, then down by `exponential_decay`.

    Args:
        init_value: the first value.
        peak_value: the largest value.
        warmup_steps: how many steps the way up takes.
        transition_steps: after how many steps the value is multiplied by the rate.
        decay_rate: the rate.
        transition_begin: how long after the way up the decay begins.
        staircase: whether it goes down in steps.
        end_value: where it stops.

    Raises:
        ArgumentError: a number of steps is not what it should be.

    >>> float(warmup_exponential_decay_schedule(0.0, 1.0, 10, 5, 0.5)(15))
    0.5
    """
    down = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return join_schedules([linear_schedule(init_value, peak_value, warmup_steps), down], [warmup_steps])


@public
def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: Any,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Once up and down again, along cosines.

    Args:
        transition_steps: how many steps it takes.
        peak_value: the largest value.
        pct_start: the share of the steps on the way up.
        div_factor: the first value is the largest divided by this.
        final_div_factor: the last value is the first divided by this.

    Raises:
        ArgumentError: the number of steps is not positive.

    >>> float(cosine_onecycle_schedule(100, 1.0)(30))
    1.0

    Source: Smith & Topin, "Super-convergence" (2018).
    """
    _check("cosine_onecycle_schedule", least=1, transition_steps=transition_steps)
    places = {int(pct_start * transition_steps): div_factor, transition_steps: 1.0 / (div_factor * final_div_factor)}
    return piecewise_interpolate_schedule("cosine", peak_value / div_factor, places)


@public
def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: Any,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Once up and down again, along lines, and then to almost nothing.

    Args:
        transition_steps: how many steps it takes.
        peak_value: the largest value.
        pct_start: the share of the steps on the way up.
        pct_final: the share of the steps after which it is down again.
        div_factor: the first value is the largest divided by this.
        final_div_factor: the last value is the first divided by this.

    Raises:
        ArgumentError: the number of steps is not positive.

    >>> float(linear_onecycle_schedule(100, 1.0)(30))
    1.0

    Source: Smith & Topin, "Super-convergence" (2018).
    """
    _check("linear_onecycle_schedule", least=1, transition_steps=transition_steps)
    places = {
        int(pct_start * transition_steps): div_factor,
        int(pct_final * transition_steps): 1.0 / div_factor,
        transition_steps: 1.0 / final_div_factor,
    }
    return piecewise_interpolate_schedule("linear", peak_value / div_factor, places)


@public
def sgdr_schedule(cosine_kwargs: Sequence[Mapping[str, Any]]) -> Schedule:
    """`warmup_cosine_decay_schedule` again and again.

    Args:
        cosine_kwargs: the arguments of each.

    Raises:
        ArgumentError: there are none, or an argument is not what it should be.

    >>> cycle = dict(init_value=0.0, peak_value=1.0, warmup_steps=5, decay_steps=10)
    >>> float(sgdr_schedule([cycle, cycle])(15))
    1.0

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts" (ICLR 2017).
    """
    ends = [0]
    for given in cosine_kwargs:
        ends.append(ends[-1] + given["decay_steps"])
    return join_schedules([warmup_cosine_decay_schedule(**given) for given in cosine_kwargs], ends[1:-1])


def _share(step: Array, begin: int, steps: int) -> Array:
    """How much of a way is gone, 0 to 1."""
    return fnp.clip((fnp.asarray(step) - begin) / max(steps, 1), 0.0, 1.0)


def _check(function: str, least: int = 0, **numbers: Any) -> None:
    """Refuses what is not a whole number from `least` on."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
            what = f"{function}: `{name}` must be an integer of at least {least}, got {value!r:.60}."
            raise ArgumentError(message(what))
