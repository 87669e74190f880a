"""Gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import cast, mixed, scaled, zeros
from fgrad.optim.noise import add_noise
from fgrad.optim.rule import HyperState, Leaf, LeafRule, decayed, leafwise, length_of_step
from fgrad.optim.transformation import GradientTransformation, chain

__all__ = [
    "LionHyper",
    "LionState",
    "SgdHyper",
    "SgdState",
    "gradient_descent",
    "lion",
    "noisy_sgd",
    "scale_by_lion",
    "sgd",
    "sign_sgd",
]


class SgdHyper(NamedTuple):
    """The hyperparameters of the next update; `momentum` is `None` where there is none."""

    learning_rate: Array
    momentum: Array | None = None


class SgdState(NamedTuple):
    """The number of updates done, the decaying sum of gradients (`None` without momentum), and the hyperparameters."""

    count: Array
    trace: Any
    hyper: SgdHyper


class LionHyper(NamedTuple):
    """The hyperparameters of the next update; `learning_rate` is `None` in `scale_by_lion`."""

    learning_rate: Array
    b1: Array
    b2: Array
    weight_decay: Array | None = None


class LionState(NamedTuple):
    """The number of updates done, the running mean of gradients, and the hyperparameters."""

    count: Array
    mu: Any
    hyper: LionHyper


@public
def sgd(learning_rate: Hyper, momentum: Hyper | None = None, nesterov: bool = False) -> GradientTransformation:
    """Gradient descent, with momentum if asked for.

    With gradient g, m ← g + momentum·m, and the update is −learning_rate·m; with `nesterov` it is
    −learning_rate·(g + momentum·m); without momentum it is −learning_rate·g.

    Args:
        learning_rate: a number, or a schedule `step -> number`.
        momentum: a number, or a schedule; `None` for none.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update); its state is an `SgdState`.

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

    def rule(h: SgdHyper, count: Array) -> LeafRule:
        rate, decay = -h.learning_rate, h.momentum

        def leaf(x: Leaf, m: Array) -> tuple[Any, ...]:
            if decay is None:
                return scaled(rate, x.g), None
            m = cast(x.g + scaled(decay, m), m)
            return scaled(rate, x.g + scaled(decay, m) if nesterov else m), m

        return leaf

    slot = None if momentum is None else zeros
    return leafwise("sgd", SgdState, SgdHyper(learning_rate, momentum), rule, [slot])


@public
def gradient_descent(learning_rate: Hyper) -> GradientTransformation:
    """Gradient descent as it is: `sgd` without momentum.

    Args:
        learning_rate: a number, or a schedule `step -> number`.

    Raises:
        ArgumentError: the learning rate is neither a number nor a function.

    >>> opt = gradient_descent(0.5)
    >>> opt.update(3.0, opt.init(0.0))[0]
    -1.5
    """
    return sgd(learning_rate)


@public
def noisy_sgd(learning_rate: Hyper, eta: Hyper = 0.01, gamma: Hyper = 0.55, key: Any = 0) -> GradientTransformation:
    """Gradient descent whose gradients carry noise that fades away: `add_noise`, then `sgd`.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next two.
        eta: the variance of the noise at the first step.
        gamma: at step t the variance is eta / t^gamma.
        key: a random key, or an integer to make one of.

    Returns:
        The pair (init, update); its state is that of a `chain`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = noisy_sgd(0.5, eta=0.0)
    >>> float(opt.update(3.0, opt.init(0.0))[0])
    -1.5

    Source: Neelakantan et al., "Adding gradient noise improves learning for very deep networks" (2015).
    """
    return chain(add_noise(eta, gamma, key), sgd(learning_rate))


class SignHyper(NamedTuple):
    """The hyperparameter of the next update."""

    learning_rate: Array


@public
def sign_sgd(learning_rate: Hyper) -> GradientTransformation:
    """Steps of one length along every coordinate: the update is −learning_rate·sign(g).

    Args:
        learning_rate: a number, or a schedule `step -> number`.

    Raises:
        ArgumentError: the learning rate is neither a number nor a function.

    >>> opt = sign_sgd(0.5)
    >>> float(opt.update(3.0, opt.init(0.0))[0])
    -0.5

    Source: Bernstein et al., "signSGD: compressed optimisation for non-convex problems" (ICML 2018).
    """

    def rule(h: SignHyper, count: Array) -> LeafRule:
        return lambda x: (scaled(-h.learning_rate, fnp.sign(x.g)),)

    return leafwise("sign_sgd", HyperState, SignHyper(learning_rate), rule)


@public
def lion(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.99,
    *,
    weight_decay: Hyper = 1e-3,
    mask: Any = None,
) -> GradientTransformation:
    """Steps along the sign of a mean of gradients, with decoupled weight decay.

    The direction is sign(b1·μ + (1 − b1)·g), after which μ ← b2·μ + (1 − b2)·g; the update is
    −learning_rate·(direction + weight_decay·params).

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next two. A third to a tenth of Adam's.
        b1: weight of the mean in the direction.
        b2: decay of the mean.
        weight_decay: a number, or a schedule.
        mask: which parameters decay, as in `adamw`.

    Returns:
        The pair (init, update), of which update needs `params`; its state is a `LionState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = lion(0.1, weight_decay=0.0)
    >>> float(opt.update(3.0, opt.init(1.0), 1.0)[0])
    -0.1

    Source: Chen et al., "Symbolic discovery of optimization algorithms" (NeurIPS 2023), algorithm 2.
    """
    return _lion("lion", LionHyper(learning_rate, b1, b2, weight_decay), mask, "which decay towards 0")


@public
def scale_by_lion(b1: Hyper = 0.9, b2: Hyper = 0.99) -> GradientTransformation:
    """The direction of `lion`: uphill, of length 1 in every coordinate, and without weight decay.

    Args:
        b1: weight of the mean in the direction.
        b2: decay of the mean.

    >>> piece = scale_by_lion()
    >>> float(piece.update(3.0, piece.init(1.0))[0])
    1.0
    """
    return _lion("scale_by_lion", LionHyper(None, b1, b2))


def _lion(name: str, hyper: LionHyper, mask: Any = None, params_for: str | None = None) -> GradientTransformation:
    def rule(h: LionHyper, count: Array) -> LeafRule:
        step = length_of_step(h)
        decay = None if h.weight_decay is None else step * h.weight_decay

        def leaf(x: Leaf, m: Array) -> tuple[Any, ...]:
            direction = scaled(step, fnp.sign(mixed(h.b1, m, x.g)))
            return decayed(direction, x, decay), mixed(h.b2, m, x.g)

        return leaf

    return leafwise(name, LionState, hyper, rule, [zeros], params_for=params_for, masks=[mask])
