"""Steps whose length is set for every leaf by the length of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.adam import AdamHyper, AdamState, adamw_rule
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import cast, length, real_zeros, root_mean_square, scaled, zeros
from fgrad.optim.rule import HyperState, Leaf, LeafRule, decayed, leafwise
from fgrad.optim.transformation import GradientTransformation

__all__ = [
    "BlockHyper",
    "LarsHyper",
    "LarsState",
    "TrustHyper",
    "lamb",
    "lars",
    "scale_by_param_block_norm",
    "scale_by_param_block_rms",
    "scale_by_trust_ratio",
]

LENGTH = "whose length sets that of the step"


class TrustHyper(NamedTuple):
    """The hyperparameters of the next update."""

    min_norm: Array
    trust_coefficient: Array
    eps: Array


class BlockHyper(NamedTuple):
    """The hyperparameter of the next update."""

    min_scale: Array


@public
def lamb(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-6,
    eps_root: float = 0.0,
    weight_decay: Hyper = 0.0,
    mask: Any = None,
) -> GradientTransformation:
    """Adam whose step is, for every leaf, as long as its parameters times the learning rate.

    With d the direction of `adam` plus weight_decay·p, the update is −learning_rate·(‖p‖ / ‖d‖)·d; the ratio is 1
    where a norm is 0.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.
        weight_decay: a number, or a schedule.
        mask: which parameters decay, as in `adamw`.

    Returns:
        The pair (init, update), of which update needs `params`; its state is an `AdamState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> opt = lamb(0.1)
    >>> updates, state = opt.update(np.array([1.0, 1.0]), opt.init(np.zeros(2)), np.array([3.0, 4.0]))
    >>> float(np.linalg.norm(updates).round(6))
    0.5

    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (ICLR 2020),
    algorithm 2.
    """
    hyper = AdamHyper(learning_rate, b1, b2, eps, weight_decay)
    uphill = adamw_rule(eps_root, nesterov=False)

    def rule(h: AdamHyper, count: Array) -> LeafRule:
        direction, rate = uphill(h._replace(learning_rate=None), count), -h.learning_rate

        def leaf(x: Leaf, m: Array, n: Array) -> tuple[Any, ...]:
            d, m, n = direction(x, m, n)
            return scaled(rate * trust_ratio(x.p, d), d), m, n

        return leaf

    return leafwise("lamb", AdamState, hyper, rule, [zeros, real_zeros], params_for=LENGTH, masks=[mask])


class LarsHyper(NamedTuple):
    """The hyperparameters of the next update."""

    learning_rate: Array
    weight_decay: Array
    trust_coefficient: Array
    eps: Array
    momentum: Array


class LarsState(NamedTuple):
    """The number of updates done, the decaying sum of updates, and the hyperparameters."""

    count: Array
    trace: Any
    hyper: LarsHyper


@public
def lars(
    learning_rate: Hyper,
    weight_decay: Hyper = 0.0,
    weight_decay_mask: Any = True,
    trust_coefficient: Hyper = 0.001,
    eps: Hyper = 0.0,
    trust_ratio_mask: Any = True,
    momentum: Hyper = 0.9,
    nesterov: bool = False,
) -> GradientTransformation:
    """Momentum on steps that are, for every leaf, as long as a share of its parameters.

    With d = g + weight_decay·p, the step is s = −learning_rate·trust_coefficient·‖p‖ / (‖d‖ + eps)·d (the ratio is 1
    where a norm is 0); m ← s + momentum·m is the update.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for all other numbers.
        weight_decay: how much of the parameters is added to the gradients.
        weight_decay_mask: which parameters decay, as `mask` in `adamw`.
        trust_coefficient: by how much a step may change its parameters, before the learning rate.
        eps: added to the denominator.
        trust_ratio_mask: for which parameters the length is set; the others take gradients as they are.
        momentum: decay of the sum of steps.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update), of which update needs `params`; its state is a `LarsState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> opt = lars(1.0, trust_coefficient=0.1)
    >>> updates, state = opt.update(np.array([1.0, 1.0]), opt.init(np.zeros(2)), np.array([3.0, 4.0]))
    >>> float(np.linalg.norm(updates).round(6))
    0.5

    Source: You, Gitman & Ginsburg, "Large batch training of convolutional networks" (2017), algorithm 1.
    """

    def rule(h: LarsHyper, count: Array) -> LeafRule:
        rate, decay = -h.learning_rate, h.momentum

        def leaf(x: Leaf, m: Array) -> tuple[Any, ...]:
            d = decayed(x.g, x, h.weight_decay)
            ratio = trust_ratio(x.p, d, h.trust_coefficient, h.eps) if x.adapts else 1.0
            step = scaled(rate * ratio, d)
            m = cast(step + scaled(decay, m), m)
            return step + scaled(decay, m) if nesterov else m, m

        return leaf

    hyper = LarsHyper(learning_rate, weight_decay, trust_coefficient, eps, momentum)
    masks = [weight_decay_mask, trust_ratio_mask]
    return leafwise("lars", LarsState, hyper, rule, [zeros], params_for=LENGTH, masks=masks)


@public
def scale_by_trust_ratio(
    min_norm: Hyper = 0.0, trust_coefficient: Hyper = 1.0, eps: Hyper = 0.0
) -> GradientTransformation:
    """Multiplies the updates of every leaf by trust_coefficient·‖p‖ / (‖u‖ + eps).

    Args:
        min_norm: no norm is taken to be less than this; a number, or a schedule; so for the next two.
        trust_coefficient: how long the result is, in units of ‖p‖.
        eps: added to the denominator.

    Returns:
        The pair (init, update), of which update needs `params`. The ratio is 1 where a norm is 0.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> piece = scale_by_trust_ratio()
    >>> float(piece.update(2.0, piece.init(5.0), 5.0)[0])
    5.0

    Source: You et al., "Large batch optimization for deep learning" (ICLR 2020), section 3.
    """

    def rule(h: TrustHyper, count: Array) -> LeafRule:
        def leaf(x: Leaf) -> tuple[Any, ...]:
            return (scaled(trust_ratio(x.p, x.g, h.trust_coefficient, h.eps, h.min_norm), x.g),)

        return leaf

    hyper = TrustHyper(min_norm, trust_coefficient, eps)
    return leafwise("scale_by_trust_ratio", HyperState, hyper, rule, params_for=LENGTH)


@public
def scale_by_param_block_norm(min_scale: Hyper = 1e-3) -> GradientTransformation:
    """Multiplies the updates of every leaf by the length of its parameters, at least `min_scale`.

    Args:
        min_scale: a number, or a schedule.

    Raises:
        ArgumentError: `min_scale` is neither a number nor a function.

    >>> piece = scale_by_param_block_norm()
    >>> float(piece.update(2.0, piece.init(5.0), -5.0)[0])
    10.0
    """
    return _by_size("scale_by_param_block_norm", min_scale, length)


@public
def scale_by_param_block_rms(min_scale: Hyper = 1e-3) -> GradientTransformation:
    """Multiplies the updates of every leaf by the root of the mean of its squared parameters, at least `min_scale`.

    Args:
        min_scale: a number, or a schedule.

    Raises:
        ArgumentError: `min_scale` is neither a number nor a function.

    >>> piece = scale_by_param_block_rms()
    >>> float(piece.update(2.0, piece.init(5.0), -5.0)[0])
    10.0

    Source: Shazeer & Stern, "Adafactor" (ICML 2018), section 8.
    """
    return _by_size("scale_by_param_block_rms", min_scale, root_mean_square)


def _by_size(name: str, min_scale: Hyper, size: Callable[[Array], Array]) -> GradientTransformation:
    def rule(h: BlockHyper, count: Array) -> LeafRule:
        return lambda x: (scaled(fnp.maximum(size(x.p), h.min_scale), x.g),)

    return leafwise(name, HyperState, BlockHyper(min_scale), rule, params_for=LENGTH)


def trust_ratio(p: Array, d: Array, coefficient: Array = 1.0, eps: Array = 0.0, least: Array = 0.0) -> Array:
    """How long parameters are in units of a direction; 1 where a length is 0."""
    p_norm, d_norm = fnp.maximum(length(p), least), fnp.maximum(length(d), least)
    zero = (p_norm == 0) | (d_norm == 0)
    return fnp.where(zero, 1.0, coefficient * p_norm / (fnp.where(zero, 1.0, d_norm) + eps))
