"""Limiting the length of gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.optim.check import check_state
from fgrad.optim.hyper import FIRST_STEP, Hyper, check_hyper, first, following
from fgrad.optim.leaves import scaled, square
from fgrad.optim.transformation import GradientTransformation

__all__ = ["ClipHyper", "ClipState", "clip_by_global_norm", "global_norm"]


class ClipHyper(NamedTuple):
    """The hyperparameters of the next update."""

    max_norm: Array


class ClipState(NamedTuple):
    """The number of updates done, and the hyperparameters."""

    count: Array
    hyper: ClipHyper


def global_norm(updates: Any) -> Array:
    """The length of a pytree as one vector: √(Σ |x|²). Its derivative at 0 is 0.

    Args:
        updates: a pytree of arrays.

    Returns:
        A real scalar.

    >>> float(global_norm({"a": 3.0, "b": [4.0, 0.0]}))
    5.0
    """
    total = sum([fnp.sum(square(x)) for x in tree.leaves(updates)], 0.0)
    zero = total == 0
    return fnp.where(zero, 0.0, fnp.sqrt(fnp.where(zero, 1.0, total)))


def clip_by_global_norm(max_norm: Hyper) -> GradientTransformation:
    """Shortens gradients, all by the same factor, to a global norm of at most `max_norm`.

    Args:
        max_norm: a number, or a schedule `step -> number`.

    Returns:
        The pair (init, update).

    Raises:
        ArgumentError: `max_norm` is neither a number nor a function.

    >>> clip = clip_by_global_norm(1.0)
    >>> updates, state = clip.update({"a": 3.0, "b": 4.0}, clip.init({"a": 0.0, "b": 0.0}))
    >>> float(updates["a"]), float(updates["b"])
    (0.6000000000000001, 0.8)

    Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks" (ICML 2013),
        algorithm 1.
    """
    check_hyper("clip_by_global_norm", max_norm=max_norm)

    def init(params: Any) -> ClipState:
        return ClipState(FIRST_STEP, first(ClipHyper, (max_norm,)))

    def update(grads: Any, state: ClipState, params: Any = None) -> tuple[Any, ClipState]:
        check_state("clip_by_global_norm.update", state, ClipState, ClipHyper)
        limit, norm = state.hyper.max_norm, global_norm(grads)
        long = norm > limit
        factor = fnp.where(long, limit / fnp.where(long, norm, 1.0), 1.0)
        count = state.count + 1
        return tree.map(lambda g: scaled(factor, g), grads), ClipState(
            count, following(state.hyper, (max_norm,), count)
        )

    return GradientTransformation(init, update)
