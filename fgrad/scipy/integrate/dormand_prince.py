"""Dormand and Prince's pair of Runge–Kutta methods of orders 5 and 4, with step size control and dense output.

Sources: Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980); Hairer, Nørsett and Wanner, "Solving
Ordinary Differential Equations I" (1993), sections II.4 and II.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop
from fgrad.core.aval import Array

__all__ = ["Tolerance", "solve"]

Field = Callable[[Array, Array], Array]
"""f(y, t) of vectors: the right-hand side of y′ = f(y, t)."""

_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_DENSE = (
    -12715105075 / 11282082432, 0.0, 87487479700 / 32700410799, -10690763975 / 1880347072,
    701980252875 / 199316789632, -1453857185 / 822651844, 69997945 / 29380423,
)  # fmt: skip
_SAFETY, _SMALLEST, _LARGEST = 0.9, 0.2, 10.0  # factors from one step to the next


class Tolerance(NamedTuple):
    """How exact a solution is to be, and what it may cost.

    Attributes:
        rtol: the error of a step, relative to the values.
        atol: the same, absolute.
        mxstep: how many steps are allowed from one time of the output to the next; no limit if infinite.
        hmax: the longest step.
    """

    rtol: float
    atol: float
    mxstep: float
    hmax: float


class _State(NamedTuple):
    """Where a solution has arrived, and the step that led there.

    Attributes:
        y: the values.
        slope: their derivative.
        t: the time.
        step: how far to go next.
        last: the time before.
        dense: the five coefficients of the interpolation in between; nothing where steps end at times of the output.
        count: steps since the last time of the output.
    """

    y: Array
    slope: Array
    t: Array
    step: Array
    last: Array
    dense: Any
    count: Array


def _combined(weights: tuple[float, ...], slopes: list[Array]) -> Array:
    """Σ wᵢ·kᵢ."""
    terms = [k if w == 1 else w * k for w, k in zip(weights, slopes, strict=False) if w]
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return out


def _attempt(f: Field, y: Array, slope: Array, t: Array, step: Array, dense: bool) -> tuple[Array, Array, Array, Any]:
    """One step: the values at its end, their slope, the error, and, if asked for, the coefficients of the dense
    output."""
    h, slopes = _like(step, y), [slope]
    for node, weights in zip(_NODES[1:], _STAGES[1:], strict=True):
        end = y + h * _combined(weights, slopes)
        slopes.append(f(end, t + node * step))
    error = h * _combined(_ERROR, slopes)
    if not dense:
        return end, slopes[-1], error, ()
    change = end - y
    first = h * slopes[0] - change
    second = change - h * slopes[-1] - first
    return end, slopes[-1], error, fnp.stack([y, change, first, second, h * _combined(_DENSE, slopes)])


def _like(t: Array, y: Array) -> Array:
    """A time, or a part of one, in the precision of the values."""
    return fnp.astype(t, np.zeros(0, y.dtype).real.dtype)


def _interpolated(dense: Array, where: Array) -> Array:
    """The dense output at a part of a step between 0 and 1."""
    y, change, first, second, third = dense
    rest = 1 - where
    return y + where * (change + rest * (first + where * (second + rest * third)))


def _size(x: Array, scale: Array) -> Array:
    """The root mean square of x / scale."""
    return fnp.sqrt(fnp.mean(fnp.abs(x / scale) ** 2))


def _first_step(f: Field, y: Array, slope: Array, t: Array, span: Array, tol: Tolerance) -> Array:
    """A step that is short enough, as far as two values of f tell (Hairer et al., section II.4)."""
    scale = tol.atol + tol.rtol * fnp.abs(y)
    d0, d1 = _size(y, scale), _size(slope, scale)
    d0, d1 = fnp.astype(d0, span.dtype), fnp.astype(d1, span.dtype)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = fnp.where(small, 1e-6, 0.01 * d0 / fnp.where(small, 1.0, d1))
    h0 = fnp.minimum(h0, span)
    turn = _size(f(y + _like(h0, y) * slope, t + h0) - slope, scale)
    curved = fnp.maximum(d1, turn / fnp.where(h0 > 0, h0, 1.0))
    flat = curved <= 1e-15
    h1 = fnp.where(flat, fnp.maximum(1e-6, h0 * 1e-3), (0.01 / fnp.where(flat, 1.0, curved)) ** 0.2)
    return fnp.astype(fnp.minimum(fnp.minimum(100 * h0, h1), tol.hmax), span.dtype)


def solve(f: Field, y0: Array, ts: Array, tol: Tolerance) -> Array:
    """The solution of y′ = f(y, t), y(ts[0]) = y0, at all times `ts`, which do not decrease.

    Where a step becomes too short to change t, because f is not finite or has a singularity, or where `mxstep`
    do not suffice, the rest is NaN.

    Args:
        f: a function of a vector of length n and a number that returns such a vector.
        y0: of shape (n,).
        ts: of shape (m,).
        tol: tolerances.

    Returns:
        An array of shape (m, n).
    """
    dense = ts.shape[0] > 2
    slope, count = f(y0, ts[0]), np.zeros((), np.int64)
    step = _first_step(f, y0, slope, ts[0], ts[-1] - ts[0], tol)
    coefficients = fnp.stack([y0, *[fnp.zeros_like(y0)] * 4]) if dense else ()
    start = _State(y0, slope, ts[0], step, ts[0], coefficients, count)

    def unfinished(carry: tuple[_State, Array]) -> Array:
        state, target = carry
        moving = state.t + state.step > state.t  # False of NaN, too
        return (state.t < target) & (state.count < tol.mxstep) & moving

    def advance(carry: tuple[_State, Array]) -> tuple[_State, Array]:
        state, target = carry
        rest = target - state.t
        step = state.step if dense else fnp.minimum(state.step, rest)
        end = state.t + step if dense else fnp.where(state.step < rest, state.t + step, target)
        y, slope, error, coefficients = _attempt(f, state.y, state.slope, state.t, step, dense)
        ratio = _size(error, tol.atol + tol.rtol * fnp.maximum(fnp.abs(state.y), fnp.abs(y)))
        ratio = fnp.astype(ratio, state.t.dtype)
        fine = ratio <= 1
        following = _State(
            fnp.where(fine, y, state.y),
            fnp.where(fine, slope, state.slope),
            fnp.where(fine, end, state.t),
            fnp.astype(fnp.minimum(step * _factor(ratio, fine), tol.hmax), state.t.dtype),
            fnp.where(fine, state.t, state.last),
            fnp.where(fine, coefficients, state.dense) if dense else (),
            state.count + 1,
        )
        return following, target

    def until(state: _State, target: Array) -> tuple[_State, Array]:
        state, _ = while_loop(unfinished, advance, (state._replace(count=count), target))
        reached = state.t >= target
        if not dense:
            return state, fnp.where(reached, state.y, np.nan)
        width = state.t - state.last
        where = (target - state.last) / fnp.where(width > 0, width, 1.0)
        return state, fnp.where(reached, _interpolated(state.dense, _like(where, y0)), np.nan)

    _, ys = scan(until, start, ts[1:])
    return fnp.concatenate([y0[None], ys])


def _factor(ratio: Array, fine: Array) -> Array:
    """What the next step is to be longer by, from the error in units of what is allowed."""
    factor = _SAFETY * fnp.where(ratio > 0, ratio, 1e-10) ** -0.2
    # A step from which there is no return, over a pole, has an error that is not finite.
    return fnp.where(fnp.isfinite(ratio), fnp.clip(factor, _SMALLEST, fnp.where(fine, _LARGEST, 1.0)), _SMALLEST)
