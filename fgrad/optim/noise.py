"""Noise that is added to gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import random, tree
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.check import check_state
from fgrad.optim.hyper import FIRST_STEP, Hyper, check_hyper, first, following
from fgrad.optim.leaves import scaled
from fgrad.optim.transformation import GradientTransformation

__all__ = ["AddNoiseState", "NoiseHyper", "add_noise"]


class NoiseHyper(NamedTuple):
    """The hyperparameters of the next update."""

    eta: Array
    gamma: Array


class AddNoiseState(NamedTuple):
    """The number of updates done, the random key of the next one, and the hyperparameters."""

    count: Array
    key: Any
    hyper: NoiseHyper


@public
def add_noise(eta: Hyper, gamma: Hyper, key: Any = 0) -> GradientTransformation:
    """Adds normal noise of variance eta / t^gamma to gradients, t = 1, 2, …

    Args:
        eta: a number, or a schedule `step -> number`.
        gamma: a number, or a schedule.
        key: a random key, or an integer to make one of.

    Returns:
        The pair (init, update); its state, an `AddNoiseState`, holds the key of the next update.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> noise = add_noise(1.0, 0.55, key=1)
    >>> updates, state = noise.update(np.zeros(1000), noise.init(np.zeros(1000)))
    >>> bool(0.9 < np.std(updates) < 1.1)
    True

    Source: Neelakantan et al., "Adding gradient noise improves learning for very deep networks" (2015).
    """
    given = NoiseHyper(eta, gamma)
    check_hyper("add_noise", given)
    begin = random.key(key) if isinstance(key, int) else key

    def init(params: Any) -> AddNoiseState:
        return AddNoiseState(FIRST_STEP, begin, first(given))

    def update(grads: Any, state: AddNoiseState, params: Any = None, **extra: Any) -> tuple[Any, AddNoiseState]:
        check_state("add_noise.update", state, AddNoiseState, given)
        count = state.count + 1
        leaves, structure = tree.flatten(grads)
        following_key, *keys = random.split(state.key, len(leaves) + 1)
        deviation = fnp.sqrt(state.hyper.eta / count**state.hyper.gamma)
        noisy = [
            g + scaled(deviation, random.normal(k, fnp.shape(g), fnp.result_type(g)))
            for g, k in zip(leaves, keys, strict=True)
        ]
        return structure.unflatten(noisy), AddNoiseState(count, following_key, following(state.hyper, given, count))

    return GradientTransformation(init, public(update))
