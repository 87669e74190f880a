"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

from fgrad import tree
from fgrad.core import Array
from fgrad.optim.check import check_state, check_tree
from fgrad.optim.hyper import FIRST_STEP, Hyper, check_hyper, first, following
from fgrad.optim.leaves import cast, scaled, zeros
from fgrad.optim.transformation import GradientTransformation

__all__ = ["SgdHyper", "SgdState", "sgd"]


class SgdHyper(NamedTuple):
    """The hyperparameters of the next update; `momentum` is `None` where there is none."""

    learning_rate: Array
    momentum: Array | None


class SgdState(NamedTuple):
    """The number of updates done, the decaying sum of gradients (`None` without momentum), and the hyperparameters."""

    count: Array
    trace: Any
    hyper: SgdHyper


def sgd(learning_rate: Hyper, momentum: Hyper | None = None, nesterov: bool = False) -> GradientTransformation:
    """Gradient descent, with momentum if asked for.

    With gradient g, m ← g + momentum·m, and the update is −learning_rate·m; with `nesterov` it is
    −learning_rate·(g + momentum·m); without momentum it is −learning_rate·g.

    Args:
        learning_rate: a number, or a schedule `step -> number`.
        momentum: a number, or a schedule; `None` for none.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update).

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> opt = sgd(0.5)
    >>> updates, state = opt.update(np.array([1.0, -2.0]), opt.init(np.zeros(2)))
    >>> updates
    array([-0.5,  1. ])

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964); Sutskever et al., "On the
    importance of initialization and momentum in deep learning" (ICML 2013), for Nesterov's form.
    """
    check_hyper("sgd", learning_rate=learning_rate, momentum=momentum)
    given = (learning_rate, momentum)

    def init(params: Any) -> SgdState:
        trace = None if momentum is None else tree.map(zeros, params)
        return SgdState(FIRST_STEP, trace, first(SgdHyper, given))

    def update(grads: Any, state: SgdState, params: Any = None) -> tuple[Any, SgdState]:
        check_state("sgd.update", state, SgdState, SgdHyper)
        rate, decay = state.hyper
        trace, direction = state.trace, grads
        if decay is not None:
            check_tree("sgd.update", "grads", grads, "the state", trace)
            trace = tree.map(lambda g, m: cast(g + scaled(decay, m), m), grads, trace)
            direction = tree.map(lambda g, m: g + scaled(decay, m), grads, trace) if nesterov else trace
        count = state.count + 1
        updates = tree.map(lambda d: scaled(-rate, d), direction)
        return updates, SgdState(count, trace, following(state.hyper, given, count))

    return GradientTransformation(init, update)
