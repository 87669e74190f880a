"""Line searches: how far to go along the updates, by values of the loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad import lax, tree
from fgrad.api.grad import grad as gradient
from fgrad.api.grad import value_and_grad
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.check import check_params, check_state
from fgrad.optim.hyper import FIRST_STEP, Hyper, check_hyper, first, following
from fgrad.optim.leaves import cast, scaled, zeros
from fgrad.optim.transformation import GradientTransformation
from fgrad.optim.zoom import Point, Search, begin, next_search, trial_step

__all__ = [
    "BacktrackingHyper",
    "LinesearchInfo",
    "ScaleByBacktrackingLinesearchState",
    "ScaleByZoomLinesearchState",
    "ZoomHyper",
    "scale_by_backtracking_linesearch",
    "scale_by_zoom_linesearch",
    "value_and_grad_from_state",
]


class LinesearchInfo(NamedTuple):
    """How many values were computed, and how far the conditions are from being met (0: they are)."""

    num_linesearch_steps: Array
    decrease_error: Array
    curvature_error: Array


class BacktrackingHyper(NamedTuple):
    """The hyperparameters of the next search."""

    slope_rtol: Array
    decrease_factor: Array
    increase_factor: Array
    max_learning_rate: Array
    atol: Array
    rtol: Array


class ZoomHyper(NamedTuple):
    """The hyperparameters of the next search; `None` for what is not asked for."""

    tol: Array
    increase_factor: Array
    slope_rtol: Array
    curv_rtol: Array
    stepsize_precision: Array
    approx_dec_rtol: Array | None = None
    max_learning_rate: Array | None = None


class ScaleByBacktrackingLinesearchState(NamedTuple):
    """The step found last, value and gradient there (`None` unless asked for), and the hyperparameters."""

    count: Array
    learning_rate: Array
    value: Array
    grad: Any
    info: LinesearchInfo
    hyper: BacktrackingHyper


class ScaleByZoomLinesearchState(NamedTuple):
    """The step found last, value and gradient there, and the hyperparameters."""

    count: Array
    learning_rate: Array
    value: Array
    grad: Any
    info: LinesearchInfo
    hyper: ZoomHyper


@public
def scale_by_backtracking_linesearch(
    max_backtracking_steps: int,
    slope_rtol: Hyper = 1e-4,
    decrease_factor: Hyper = 0.8,
    increase_factor: Hyper = 1.5,
    max_learning_rate: Hyper = 1.0,
    atol: Hyper = 0.0,
    rtol: Hyper = 0.0,
    store_grad: bool = False,
) -> GradientTransformation:
    """Shortens the step until the loss falls enough (Armijo).

    That is, f(p + s·u) ≤ (1 + rtol)·f(p) + s·slope_rtol·⟨∇f, u⟩ + atol.
    A search begins at the step found last times `increase_factor`. Where every value is infinite or NaN the step is 0.

    Args:
        max_backtracking_steps: how often the step is shortened at most.
        slope_rtol: which share of the fall that the slope promises is enough; a number, or a schedule; so for the next.
        decrease_factor: by what the step is multiplied, less than 1.
        increase_factor: by what the first step of a search is longer than the last one of the search before.
        max_learning_rate: the longest step.
        atol: how much may be missing.
        rtol: how much may be missing, in units of the value.
        store_grad: whether the gradient at the new point goes into the state, for `value_and_grad_from_state`.

    Returns:
        The pair (init, update), to follow a direction downhill in a `chain`:
        `update(grads, state, params, value=value, grad=grads, value_fn=f)`; further arguments go to `f`.

    Raises:
        ArgumentError: an argument is not what it should be, or is missing in `update`.

    >>> from fgrad.optim import chain, sgd
    >>> opt = chain(sgd(1.0), scale_by_backtracking_linesearch(10, decrease_factor=0.5))
    >>> f = lambda x: 2 * x**2
    >>> updates, state = opt.update(4.0, opt.init(1.0), 1.0, value=2.0, grad=4.0, value_fn=f)
    >>> float(updates)
    -1.0

    Source: Armijo, "Minimization of functions having Lipschitz continuous first partial derivatives" (1966); Nocedal &
    Wright, "Numerical optimization" (2006), algorithm 3.1.
    """
    where = "scale_by_backtracking_linesearch"
    _check_steps(where, max_backtracking_steps=max_backtracking_steps)
    given = BacktrackingHyper(slope_rtol, decrease_factor, increase_factor, max_learning_rate, atol, rtol)
    check_hyper(where, given)

    def init(params: Any) -> ScaleByBacktrackingLinesearchState:
        return ScaleByBacktrackingLinesearchState(FIRST_STEP, *_begin(params, store_grad), first(given))

    def update(
        updates: Any,
        state: ScaleByBacktrackingLinesearchState,
        params: Any = None,
        *,
        value: Any = None,
        grad: Any = None,
        value_fn: Any = None,
        **extra: Any,
    ) -> tuple[Any, ScaleByBacktrackingLinesearchState]:
        check_state(f"{where}.update", state, ScaleByBacktrackingLinesearchState, given)
        _check_given(f"{where}.update", updates, params, value, grad, value_fn)
        f, h, like = partial(value_fn, **extra), state.hyper, state.value
        value = cast(value, like)
        slope = _slope(grad, updates)
        enough = (1 + h.rtol) * value

        def goes_on(carry: Any) -> Array:
            n, _, _, error = carry
            return (error > h.atol) & (n <= max_backtracking_steps)

        def shorter(carry: Any) -> Any:
            n, step, _, _ = carry
            step = cast(fnp.where(n > 0, h.decrease_factor * step, step), like)
            reached = cast(f(_moved(params, step, updates)), like)
            error = reached - enough - h.slope_rtol * step * slope
            return n + 1, step, reached, cast(_lack(error), like)

        longest = cast(fnp.minimum(h.increase_factor * state.learning_rate, h.max_learning_rate), like)
        n, step, reached, error = lax.while_loop(goes_on, shorter, (FIRST_STEP, longest, value, _infinity(like)))
        lost = fnp.isinf(error)
        step, reached = fnp.where(lost, 0 * step, step), fnp.where(lost, value, reached)
        there = gradient(f)(_moved(params, step, updates)) if store_grad else None
        info = LinesearchInfo(n, error, state.info.curvature_error)
        count = state.count + 1
        new = (count, step, reached, there, info, following(h, given, count))
        return tree.map(lambda u: scaled(step, u), updates), ScaleByBacktrackingLinesearchState(*new)

    return GradientTransformation(init, public(update))


@public
def scale_by_zoom_linesearch(
    max_linesearch_steps: int,
    max_learning_rate: Hyper | None = None,
    tol: Hyper = 0.0,
    increase_factor: Hyper = 2.0,
    slope_rtol: Hyper = 1e-4,
    curv_rtol: Hyper = 0.9,
    approx_dec_rtol: Hyper | None = 1e-6,
    stepsize_precision: Hyper = 1e-5,
    initial_guess_strategy: Literal["keep", "one"] = "keep",
) -> GradientTransformation:
    """A step that meets the strong Wolfe conditions: the loss falls enough, and its slope is much flatter there.

    f(p + s·u) ≤ f(p) + s·slope_rtol·⟨∇f(p), u⟩ and |⟨∇f(p + s·u), u⟩| ≤ curv_rtol·|⟨∇f(p), u⟩|. First an interval that
    holds such a step is found, by longer and longer steps; then it is narrowed, by cubic and quadratic interpolation.
    If there is no time for that, the step is the best one at which the loss fell enough.

    Args:
        max_linesearch_steps: how many values are computed at most.
        max_learning_rate: the longest step; a number, or a schedule; `None` for no limit.
        tol: how much of the conditions may be missing; a number, or a schedule; so for the next ones.
        increase_factor: by what steps get longer.
        slope_rtol: which share of the fall that the slope promises is enough.
        curv_rtol: how much of the slope may be left.
        approx_dec_rtol: near a minimum, where differences of values are rounding errors, a slope that has turned as
            much as that of a parabola will do, if the value is not larger by this share; `None` to do without.
        stepsize_precision: how narrow the interval gets at most, if any good step has been found.
        initial_guess_strategy: begin at the step found last ("keep"), or at 1 ("one", for Newton-like directions).

    Returns:
        The pair (init, update), to follow a direction downhill in a `chain`:
        `update(grads, state, params, value=value, grad=grads, value_fn=f)`; further arguments go to `f`.

    Raises:
        ArgumentError: an argument is not what it should be, or is missing in `update`.

    >>> from fgrad.optim import chain, sgd
    >>> opt = chain(sgd(1.0), scale_by_zoom_linesearch(20))
    >>> f = lambda x: 2 * x**2
    >>> updates, state = opt.update(4.0, opt.init(1.0), 1.0, value=2.0, grad=4.0, value_fn=f)
    >>> float(updates)
    -1.0

    Source: Nocedal & Wright, "Numerical optimization" (2006), algorithms 3.5 and 3.6; Hager & Zhang, "A new conjugate
    gradient method with guaranteed descent and an efficient line search" (2005), for the approximate decrease.
    """
    where = "scale_by_zoom_linesearch"
    _check_steps(where, max_linesearch_steps=max_linesearch_steps)
    if initial_guess_strategy not in ("keep", "one"):
        what = f'{where}: `initial_guess_strategy` must be "keep" or "one", got {initial_guess_strategy!r:.60}.'
        raise ArgumentError(message(what))
    given = ZoomHyper(
        tol, increase_factor, slope_rtol, curv_rtol, stepsize_precision, approx_dec_rtol, max_learning_rate
    )
    check_hyper(where, given)

    def init(params: Any) -> ScaleByZoomLinesearchState:
        return ScaleByZoomLinesearchState(FIRST_STEP, *_begin(params, True), first(given))

    def update(
        updates: Any,
        state: ScaleByZoomLinesearchState,
        params: Any = None,
        *,
        value: Any = None,
        grad: Any = None,
        value_fn: Any = None,
        **extra: Any,
    ) -> tuple[Any, ScaleByZoomLinesearchState]:
        check_state(f"{where}.update", state, ScaleByZoomLinesearchState, given)
        _check_given(f"{where}.update", updates, params, value, grad, value_fn)
        f, h, like = value_and_grad(partial(value_fn, **extra)), state.hyper, state.value
        start = Point(zeros(like), cast(value, like), cast(_slope(grad, updates), like))
        guess = state.learning_rate if initial_guess_strategy == "keep" else zeros(like) + 1

        def one_more(search: Search) -> Search:
            step = cast(trial_step(h, search, guess), like)
            reached, there = f(_moved(params, step, updates))
            trial = Point(step, cast(reached, like), cast(_slope(there, updates), like))
            return next_search(h, max_linesearch_steps, start, search, trial, there)

        goes_on: Callable[[Search], Array] = lambda search: ~(search.done | search.failed)  # noqa: E731
        found = lax.while_loop(goes_on, one_more, begin(start, grad))
        fell_back = found.failed & ((found.safe.step > 0) | fnp.isinf(found.decrease_error))
        step, reached = (fnp.where(fell_back, x, y) for x, y in zip(found.safe[:2], found.trial[:2], strict=True))
        there = tree.map(lambda x, y: fnp.where(fell_back, x, y), found.safe_grad, found.grad)
        count = state.count + 1
        info = LinesearchInfo(found.n, found.decrease_error, found.curvature_error)
        new = (count, step, reached, there, info, following(h, given, count))
        return tree.map(lambda u: scaled(step, u), updates), ScaleByZoomLinesearchState(*new)

    return GradientTransformation(init, public(update))


@public
def value_and_grad_from_state(value_fn: Callable[..., Array]) -> Callable[..., tuple[Array, Any]]:
    """`value_and_grad` that takes what the line search of the step before has computed already.

    Args:
        value_fn: the loss that the line search was given: `value_fn(params, *args, **kwargs)`, with the same arguments.

    Returns:
        `f(params, *args, state=state, **kwargs) -> (value, grad)`, with the state of an optimizer with a line search.

    Raises:
        ArgumentError: in the call: there is no line search in the state, or it keeps no gradient.

    >>> from fgrad.optim import apply_updates, lbfgs
    >>> f = lambda x: (x - 3.0) ** 2
    >>> opt, x = lbfgs(), 0.0
    >>> state = opt.init(x)
    >>> for _ in range(3):
    ...     value, slope = value_and_grad_from_state(f)(x, state=state)
    ...     updates, state = opt.update(slope, state, x, value=value, grad=slope, value_fn=f)
    ...     x = apply_updates(x, updates)
    >>> round(float(x), 6)
    3.0
    """

    def of_state(params: Any, *args: Any, state: Any, **kwargs: Any) -> tuple[Array, Any]:
        kinds = (ScaleByBacktrackingLinesearchState, ScaleByZoomLinesearchState)
        inside = tree.leaves(state, is_leaf=lambda x: isinstance(x, kinds))
        found = [x for x in inside if isinstance(x, kinds) and x.grad is not None]
        if not found:
            cure = "Use lbfgs(), or scale_by_backtracking_linesearch(…, store_grad=True)."
            what = "value_and_grad_from_state: there is no line search in the state that keeps a gradient."
            raise ArgumentError(message(what, cure=cure))
        known = found[0]

        def computed() -> tuple[Array, Any]:
            value, there = value_and_grad(value_fn)(params, *args, **kwargs)
            return cast(value, known.value), tree.map(cast, there, known.grad)

        value, there = lax.cond(fnp.isfinite(known.value), lambda: (known.value, known.grad), computed)
        return value, there

    return public(of_state)


def _begin(params: Any, with_grad: bool) -> tuple[Array, Array, Any, LinesearchInfo]:
    """What a first state says of the search before: nothing. A value that is infinite is not known yet."""
    dtypes = [fnp.result_type(fnp.real(p)) for p in tree.leaves(params)]
    like = np.dtype(dtypes[0] if dtypes else float).type
    infinity = like(np.inf)
    info = LinesearchInfo(FIRST_STEP, infinity, infinity)
    return like(1), infinity, tree.map(zeros, params) if with_grad else None, info


def _moved(params: Any, step: Array, updates: Any) -> Any:
    return tree.map(lambda p, u: cast(p + scaled(step, u), p), params, updates)


def _slope(grad: Any, updates: Any) -> Array:
    """The derivative along the updates, Re Σ g·u."""
    pairs = zip(tree.leaves(grad), tree.leaves(updates), strict=True)
    return sum([fnp.real(fnp.sum(g * u)) for g, u in pairs], 0.0)


def _lack(error: Array) -> Array:
    """What is missing; infinity for NaN."""
    return fnp.where(fnp.isnan(error), np.inf, fnp.maximum(error, 0.0))


def _infinity(like: Array) -> Array:
    return fnp.result_type(like).type(np.inf)


def _check_steps(where: str, **steps: Any) -> None:
    for name, n in steps.items():
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ArgumentError(message(f"{where}: `{name}` must be an integer of at least 1, got {n!r:.60}."))


def _check_given(where: str, updates: Any, params: Any, value: Any, grad: Any, value_fn: Any) -> None:
    check_params(where, params, updates, "from which the search begins")
    missing = [name for name, x in (("value", value), ("grad", grad), ("value_fn", value_fn)) if x is None]
    if missing:
        cure = "Call opt.update(grads, state, params, value=value, grad=grads, value_fn=loss)."
        raise ArgumentError(message(f"{where} needs {', '.join(f'`{name}`' for name in missing)}.", cure=cure))
