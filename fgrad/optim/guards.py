"""Updates that are done only now and then: gradients that are not finite, and gradients of several steps together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad import debug, lax, tree
from fgrad.core import Array
from fgrad.errors import ArgumentError, NonFiniteError, message, public
from fgrad.optim.check import check_kind, check_tree
from fgrad.optim.hyper import FIRST_STEP
from fgrad.optim.leaves import cast, in_precision, zeros
from fgrad.optim.transformation import GradientTransformation, check_transformation

__all__ = ["ApplyIfFiniteState", "MultiSteps", "MultiStepsState", "apply_if_finite"]


class ApplyIfFiniteState(NamedTuple):
    """How many gradients in a row, and how many in all, were not finite; whether the last one was; the inner state."""

    notfinite_count: Array
    last_finite: Array
    total_notfinite: Array
    inner_state: Any


@public
def apply_if_finite(
    inner: GradientTransformation, max_consecutive_errors: int, then: Literal["apply", "raise"] = "apply"
) -> GradientTransformation:
    """Leaves out updates whose gradients hold NaN or infinity: the update is 0, and the inner state stays as it is.

    Args:
        inner: what `adam` and the like return.
        max_consecutive_errors: how many such gradients in a row are left out. Any finite gradient begins the count
            again.
        then: what is done with one more: "apply" it after all (as optax does, so that the NaN is seen), or "raise" an
            error, under `jit` too.

    Returns:
        A transformation; its state is an `ApplyIfFiniteState`.

    Raises:
        ArgumentError: an argument is not what it should be.
        NonFiniteError: in `update`, with `then="raise"`: there were more errors in a row than allowed.

    >>> from fgrad.optim import sgd
    >>> opt = apply_if_finite(sgd(0.5), max_consecutive_errors=2)
    >>> updates, state = opt.update(float("nan"), opt.init(0.0))
    >>> float(updates), int(state.notfinite_count)
    (0.0, 1)
    """
    check_transformation("apply_if_finite", "`inner`", inner)
    if isinstance(max_consecutive_errors, bool) or not isinstance(max_consecutive_errors, int):
        got = f"{max_consecutive_errors!r:.60}"
        raise ArgumentError(message(f"apply_if_finite: `max_consecutive_errors` must be an integer, got {got}."))
    if then not in ("apply", "raise"):
        raise ArgumentError(message(f'apply_if_finite: `then` must be "apply" or "raise", got {then!r:.60}.'))

    def init(params: Any) -> ApplyIfFiniteState:
        return ApplyIfFiniteState(FIRST_STEP, np.bool_(True), FIRST_STEP, inner.init(params))

    def update(grads: Any, state: ApplyIfFiniteState, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        check_kind("apply_if_finite.update", state, ApplyIfFiniteState)
        paths = [(tree.keystr(path), fnp.all(fnp.isfinite(g))) for path, g in tree.leaves_with_path(grads)]
        finite = np.bool_(True)
        for _, each in paths:
            finite = finite & each
        count = fnp.where(finite, 0, state.notfinite_count + 1)
        if then == "raise":
            debug.callback(_refuse(max_consecutive_errors), count, dict(paths))

        def apply() -> tuple[Any, Any]:
            return inner.update(grads, state.inner_state, params, **extra)

        def leave() -> tuple[Any, Any]:
            return _no_updates(grads), state.inner_state

        updates, inner_state = lax.cond(finite | (count > max_consecutive_errors), apply, leave)
        total = state.total_notfinite + fnp.where(finite, 0, 1)
        return updates, ApplyIfFiniteState(count, finite, total, inner_state)

    return GradientTransformation(init, public(update))


def _refuse(limit: int) -> Callable[[Any, dict[str, Any]], None]:
    def check(count: Any, finite: dict[str, Any]) -> None:
        if count > limit:
            where = ", ".join(f"grads{path}" for path, each in finite.items() if not each)
            what = f"apply_if_finite.update: {where} is not finite; {int(count)} steps in a row were not"
            cure = "Lower the learning rate, clip gradients, or find the cause with fgrad.debug.explain_nan(f, *args)."
            raise NonFiniteError(message(f"{what}, {limit} may be.", cure=cure))

    return check


class MultiStepsState(NamedTuple):
    """How many gradients are gathered, how many updates are done, the inner state, and the mean or sum so far."""

    mini_step: Array
    gradient_step: Array
    inner_opt_state: Any
    acc_grads: Any


class MultiSteps:
    """One update for the gradients of several steps, their mean or sum; in between updates are 0.

    Args:
        opt: what `adam` and the like return.
        every_k_schedule: of how many gradients an update is made: an integer, or a function from the number of updates
            done before to one.
        use_grad_mean: the mean of gradients; else their sum.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> from fgrad.optim import sgd
    >>> opt = MultiSteps(sgd(1.0), every_k_schedule=2)
    >>> first, state = opt.update(1.0, opt.init(0.0))
    >>> second, state = opt.update(3.0, state)
    >>> float(first), float(second), bool(opt.has_updated(state))
    (0.0, -2.0, True)
    """

    @public
    def __init__(
        self, opt: GradientTransformation, every_k_schedule: int | Callable[[Array], Array], use_grad_mean: bool = True
    ) -> None:
        check_transformation("MultiSteps", "`opt`", opt)
        if not callable(every_k_schedule) and (not isinstance(every_k_schedule, int) or every_k_schedule < 1):
            what = "MultiSteps: `every_k_schedule` must be an integer of at least 1 or a function"
            raise ArgumentError(message(f"{what}, got {every_k_schedule!r:.60}."))
        self.inner_opt = opt
        self.every_k_schedule = every_k_schedule
        self.use_grad_mean = use_grad_mean

    @public
    def init(self, params: Any) -> MultiStepsState:
        """The first state."""
        return MultiStepsState(FIRST_STEP, FIRST_STEP, self.inner_opt.init(params), tree.map(zeros, params))

    @public
    def update(
        self, grads: Any, state: MultiStepsState, params: Any = None, **extra: Any
    ) -> tuple[Any, MultiStepsState]:
        """The update, 0 unless the gradients are complete, and the next state."""
        check_kind("MultiSteps.update", state, MultiStepsState)
        check_tree("MultiSteps.update", "grads", grads, "the state", state.acc_grads)
        every = self.every_k_schedule
        k = every(state.gradient_step) if callable(every) else every
        mini_step = state.mini_step + 1
        gathered = tree.map(lambda g, mean: self._gather(g, mean, mini_step), grads, state.acc_grads)

        def apply() -> tuple[Any, MultiStepsState]:
            updates, inner = self.inner_opt.update(gathered, state.inner_opt_state, params, **extra)
            nothing = tree.map(zeros, gathered)
            return updates, MultiStepsState(FIRST_STEP, state.gradient_step + 1, inner, nothing)

        def wait() -> tuple[Any, MultiStepsState]:
            waiting = state._replace(mini_step=mini_step, acc_grads=gathered)
            return _no_updates(gathered), waiting

        updates, following = lax.cond(mini_step >= k, apply, wait)
        return updates, following

    def _gather(self, g: Array, mean: Array, n: Array) -> Array:
        return cast(mean + (g - mean) / in_precision(n, mean) if self.use_grad_mean else mean + g, mean)

    @staticmethod
    def has_updated(state: MultiStepsState) -> Array:
        """Whether the last update was one, of the gradients gathered up to there."""
        return (state.mini_step == 0) & (state.gradient_step > 0)

    def gradient_transformation(self) -> GradientTransformation:
        """The pair (init, update)."""
        return GradientTransformation(self.init, self.update)


def _no_updates(grads: Any) -> Any:
    return tree.map(zeros, grads)
