"""Slow parameters that follow fast ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.check import check_kind
from fgrad.optim.hyper import FIRST_STEP, Hyper, check_hyper, first, following
from fgrad.optim.leaves import cast, scaled
from fgrad.optim.transformation import GradientTransformation, check_transformation

__all__ = ["LookaheadHyper", "LookaheadParams", "LookaheadState", "lookahead"]


class LookaheadParams(NamedTuple):
    """Two sets of parameters: `fast` ones, for which gradients are taken, and `slow` ones, the result."""

    fast: Any
    slow: Any

    @classmethod
    def init_synced(cls, params: Any) -> LookaheadParams:
        """Both the same."""
        return cls(params, params)


class LookaheadHyper(NamedTuple):
    """The hyperparameter of the next update."""

    slow_step_size: Array


class LookaheadState(NamedTuple):
    """The number of updates done, the state of the fast optimizer, and the hyperparameters."""

    count: Array
    fast_state: Any
    hyper: LookaheadHyper


@public
def lookahead(
    fast_optimizer: GradientTransformation, sync_period: int, slow_step_size: Hyper, reset_state: bool = False
) -> GradientTransformation:
    """Every `sync_period` steps slow parameters go a part of the way to fast ones, which then go on from there.

    Args:
        fast_optimizer: what `adam` and the like return.
        sync_period: how many steps of the fast parameters make one of the slow ones.
        slow_step_size: how much of the way, 0 to 1; a number, or a schedule `step -> number`.
        reset_state: whether the fast optimizer begins anew then.

    Returns:
        The pair (init, update): parameters and updates are `LookaheadParams`, gradients those of the fast parameters.

    Raises:
        ArgumentError: an argument is not what it should be; parameters are not `LookaheadParams`.

    >>> from fgrad.optim import apply_updates, sgd
    >>> opt = lookahead(sgd(1.0), sync_period=1, slow_step_size=0.5)
    >>> params = LookaheadParams.init_synced(0.0)
    >>> updates, state = opt.update(-2.0, opt.init(params), params)
    >>> [float(p) for p in apply_updates(params, updates)]
    [1.0, 1.0]

    Source: Zhang et al., "Lookahead optimizer: k steps forward, 1 step back" (NeurIPS 2019), algorithm 1.
    """
    check_transformation("lookahead", "`fast_optimizer`", fast_optimizer)
    if isinstance(sync_period, bool) or not isinstance(sync_period, int) or sync_period < 1:
        what = f"lookahead: `sync_period` must be an integer of at least 1, got {sync_period!r:.60}."
        raise ArgumentError(message(what))
    given = LookaheadHyper(slow_step_size)
    check_hyper("lookahead", given)

    def init(params: Any) -> LookaheadState:
        _check_params("lookahead.init", params)
        return LookaheadState(FIRST_STEP, fast_optimizer.init(params.fast), first(given))

    def update(grads: Any, state: LookaheadState, params: Any = None, **extra: Any) -> tuple[Any, LookaheadState]:
        check_kind("lookahead.update", state, LookaheadState)
        _check_params("lookahead.update", params)
        fast, fast_state = fast_optimizer.update(grads, state.fast_state, params.fast, **extra)
        count = state.count + 1
        due = count % sync_period == 0
        step = fnp.where(due, state.hyper.slow_step_size, 0.0)
        back = fnp.where(due, 1 - state.hyper.slow_step_size, 0.0)
        ahead = tree.map(lambda p, u, s: cast(p + u - s, s), params.fast, fast, params.slow)
        updates = LookaheadParams(
            tree.map(lambda u, d: u - scaled(back, d), fast, ahead), tree.map(lambda d: scaled(step, d), ahead)
        )
        if reset_state:
            fast_state = tree.map(lambda new, x: fnp.where(due, new, x), fast_optimizer.init(params.fast), fast_state)
        return updates, LookaheadState(count, fast_state, following(state.hyper, given, count))

    return GradientTransformation(public(init), public(update))


def _check_params(where: str, params: Any) -> None:
    if not isinstance(params, LookaheadParams):
        what = f"{where}: `params` must be LookaheadParams(fast, slow), got {params!r:.60}."
        raise ArgumentError(message(what, cure="Begin with LookaheadParams.init_synced(params)."))
