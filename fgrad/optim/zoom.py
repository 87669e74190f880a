"""The search for a step that meets the strong Wolfe conditions, one trial at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.optim.hyper import FIRST_STEP

__all__ = ["Point", "Search", "begin", "next_search", "trial_step"]


class Point(NamedTuple):
    """A step, the value there, and the slope along the step."""

    step: Array
    value: Array
    slope: Array


class Search(NamedTuple):
    """What is known after n trials.

    Attributes:
        trial: the last trial, and `grad` its gradient.
        found: whether an interval is known that holds a good step: between `low` and `high`, of which `low` has the
            smaller value; `ref` is the end that was given up last.
        safe: the best step that meets the condition on values (step 0 if there is none), and `safe_grad` its gradient.
    """

    n: Array
    trial: Point
    grad: Any
    found: Array
    done: Array
    failed: Array
    low: Point
    high: Point
    ref: Point
    safe: Point
    safe_grad: Any
    decrease_error: Array
    curvature_error: Array


def begin(start: Point, grad: Any) -> Search:
    """Nothing is known but where it starts."""
    no, infinity = np.bool_(False), fnp.result_type(start.value).type(np.inf)
    return Search(FIRST_STEP, start, grad, no, no, no, start, start, start, start, grad, infinity, infinity)


def trial_step(h: Any, search: Search, guess: Array) -> Array:
    """The next step to try: a longer one, or one inside of the interval."""
    longer = fnp.where(search.n == 0, guess, h.increase_factor * search.trial.step)
    if h.max_learning_rate is not None:
        longer = fnp.minimum(longer, h.max_learning_rate)
    low, high = search.low, search.high
    width = fnp.abs(high.step - low.step)
    left, right = fnp.minimum(low.step, high.step), fnp.maximum(low.step, high.step)
    step = (low.step + high.step) / 2
    for minimum, margin in ((_parabola(low, high), 0.1), (_cubic(low, high, search.ref), 0.2)):
        inside = (minimum > left + margin * width) & (minimum < right - margin * width)
        step = fnp.where(inside, minimum, step)
    return fnp.where(search.found, step, longer)


def next_search(h: Any, most: int, start: Point, search: Search, trial: Point, grad: Any) -> Search:
    """What is known after one more trial."""
    decrease, curvature = _errors(h, start, trial)
    met = fnp.maximum(decrease, curvature) <= h.tol
    falls = decrease <= h.tol
    found, n, low, high = search.found, search.n + 1, search.low, search.high
    # what the trial is compared with: the low end of the interval, before there is one the trial before
    base = _choose(found, low, search.trial)
    too_high = (decrease > 0) | ((trial.value >= base.value) & (found | (search.n > 0)))
    width = high.step - low.step
    beyond = ~too_high & fnp.where(found, trial.slope * width >= 0, trial.slope >= 0)
    new_low = _choose(fnp.where(found, ~too_high, beyond), trial, base)
    new_high = _choose(too_high, trial, _choose(beyond, base, _choose(found, high, trial)))
    ref = _choose(found, _choose(too_high | beyond, high, low), new_low)
    better = falls & (~found | (trial.value < search.safe.value))
    now_found = found | too_high | beyond | met
    capped = False if h.max_learning_rate is None else ~now_found & (trial.step >= h.max_learning_rate)
    done = met | capped
    narrow = found & (fnp.abs(width) <= h.stepsize_precision)
    safe = _choose(better, trial, search.safe)
    failed = ~done & ((n >= most) | (narrow & (safe.step > 0)))
    safe_grad = tree.map(lambda x, y: fnp.where(better, x, y), grad, search.safe_grad)
    return Search(n, trial, grad, now_found, done, failed, new_low, new_high, ref, safe, safe_grad, decrease, curvature)


def _choose(condition: Array, x: Point, y: Point) -> Point:
    return Point(*[fnp.where(condition, a, b) for a, b in zip(x, y, strict=True)])


def _errors(h: Any, start: Point, trial: Point) -> tuple[Array, Array]:
    """How much of the two conditions is missing; infinity for NaN."""
    gain = trial.value - start.value
    decrease = gain - h.slope_rtol * trial.step * start.slope
    if h.approx_dec_rtol is not None:
        turned = trial.slope - (2 * h.slope_rtol - 1) * start.slope
        decrease = fnp.minimum(fnp.maximum(turned, gain - h.approx_dec_rtol * fnp.abs(start.value)), decrease)
    curvature = fnp.abs(trial.slope) - h.curv_rtol * fnp.abs(start.slope)
    return tuple(
        fnp.astype(fnp.where(fnp.isnan(x), np.inf, fnp.maximum(x, 0.0)), fnp.result_type(start.value))
        for x in (decrease, curvature)
    )


def _parabola(a: Point, b: Point) -> Array:
    """The minimum of the parabola through two points with the slope of the first; NaN if there is none."""
    d = b.step - a.step
    bend = _divided(b.value - a.value - a.slope * d, d * d)
    return a.step - _divided(a.slope, 2 * bend)


def _cubic(a: Point, b: Point, c: Point) -> Array:
    """The minimum of the cubic through three points with the slope of the first; NaN if there is none."""
    db, dc = b.step - a.step, c.step - a.step
    rest_b, rest_c = b.value - a.value - a.slope * db, c.value - a.value - a.slope * dc
    below = (db * dc) ** 2 * (db - dc)
    third = _divided(dc**2 * rest_b - db**2 * rest_c, below)
    second = _divided(db**3 * rest_c - dc**3 * rest_b, below)
    inside = second**2 - 3 * third * a.slope
    real = inside >= 0
    root = fnp.sqrt(fnp.where(real, inside, 0.0))
    return fnp.where(real, a.step + _divided(root - second, 3 * third), np.nan)


def _divided(x: Array, y: Array) -> Array:
    """x / y, NaN where y is 0: no interval holds it."""
    zero = y == 0
    return fnp.where(zero, np.nan, x / fnp.where(zero, 1.0, y))
