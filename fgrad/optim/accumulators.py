"""Optimizers that divide by the root of what squares of gradients have added up to."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import cast, filled, in_precision, mixed, real_zeros, scaled, square, zeros
from fgrad.optim.rule import Leaf, LeafRule, decayed, leafwise, length_of_step
from fgrad.optim.transformation import GradientTransformation

__all__ = [
    "AdadeltaHyper",
    "AdadeltaState",
    "AdagradHyper",
    "AdagradState",
    "RmspropHyper",
    "RmspropState",
    "adadelta",
    "adagrad",
    "rmsprop",
    "scale_by_adadelta",
    "scale_by_rms",
    "scale_by_rss",
    "scale_by_stddev",
]


class AdagradHyper(NamedTuple):
    """The hyperparameters of the next update; `learning_rate` is `None` in `scale_by_rss`."""

    learning_rate: Array
    eps: Array


class AdagradState(NamedTuple):
    """The number of updates done, the sums of squared gradients, and the hyperparameters."""

    count: Array
    sum_of_squares: Any
    hyper: AdagradHyper


@public
def adagrad(learning_rate: Hyper, initial_accumulator_value: float = 0.1, eps: Hyper = 1e-7) -> GradientTransformation:
    """Steps that shrink with the sum of all squared gradients: s ← s + |g|², and −learning_rate·g / √(s + eps).

    Args:
        learning_rate: a number, or a schedule `step -> number`.
        initial_accumulator_value: what s is at first.
        eps: added under the root; a number, or a schedule.

    Returns:
        The pair (init, update); its state is an `AdagradState`. While s is 0 the update is 0.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = adagrad(0.1, initial_accumulator_value=0.0)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 6)
    -0.1

    Source: Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (JMLR
    2011).
    """
    return _adagrad("adagrad", AdagradHyper(learning_rate, eps), initial_accumulator_value)


@public
def scale_by_rss(initial_accumulator_value: float = 0.1, eps: Hyper = 1e-7) -> GradientTransformation:
    """The direction of `adagrad`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_rss(0.0)
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    1.0
    """
    return _adagrad("scale_by_rss", AdagradHyper(None, eps), initial_accumulator_value)


def _adagrad(name: str, hyper: AdagradHyper, start: float) -> GradientTransformation:
    def rule(h: AdagradHyper, count: Array) -> LeafRule:
        step = length_of_step(h)

        def leaf(x: Leaf, s: Array) -> tuple[Any, ...]:
            s = s + square(x.g)
            some = s > 0
            below = fnp.sqrt(fnp.where(some, s + in_precision(h.eps, s), in_precision(1.0, s)))
            return fnp.where(some, scaled(step, x.g) / below, 0 * x.g), s

        return leaf

    return leafwise(name, AdagradState, hyper, rule, [filled(start)])


class RmspropHyper(NamedTuple):
    """The hyperparameters of the next update; `learning_rate` is `None` in `scale_by_…`."""

    learning_rate: Array
    decay: Array
    eps: Array
    momentum: Array | None = None


class RmspropState(NamedTuple):
    """The number of updates done, the running means and the decaying sum of updates, and the hyperparameters.

    `nu` is the mean of squared gradients, `mu` that of gradients (`None` where not centered), `trace` the sum of
    updates (`None` without momentum).
    """

    count: Array
    nu: Any
    mu: Any
    trace: Any
    hyper: RmspropHyper


@public
def rmsprop(
    learning_rate: Hyper,
    decay: Hyper = 0.9,
    eps: Hyper = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: Hyper | None = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> GradientTransformation:
    """Steps over the root of the mean squared gradient.

    ν ← decay·ν + (1 − decay)·|g|², and the update is −learning_rate·g / √(ν + eps).

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next two.
        decay: decay of the means.
        eps: added under the root.
        initial_scale: what ν is at first.
        eps_in_sqrt: whether eps is added under the root (as here) or to the root (as PyTorch does).
        centered: take the variance ν − |μ|², with μ the running mean of gradients.
        momentum: decay of a sum of updates, which then is the update; a number, or a schedule.
        nesterov: look one step ahead.
        bias_correction: divide the means by 1 − decayᵗ.

    Returns:
        The pair (init, update); its state is an `RmspropState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = rmsprop(0.1, decay=0.75)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 6)
    -0.2

    Source: Tieleman & Hinton, "Lecture 6.5: rmsprop" (2012); Graves, "Generating sequences with recurrent neural
    networks" (2013), for the centered form.
    """
    hyper = RmspropHyper(learning_rate, decay, eps, momentum)
    return _rmsprop("rmsprop", hyper, initial_scale, eps_in_sqrt, centered, bias_correction, nesterov)


@public
def scale_by_rms(
    decay: Hyper = 0.9,
    eps: Hyper = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> GradientTransformation:
    """The direction of `rmsprop`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_rms(decay=0.75)
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    2.0
    """
    hyper = RmspropHyper(None, decay, eps)
    return _rmsprop("scale_by_rms", hyper, initial_scale, eps_in_sqrt, False, bias_correction)


@public
def scale_by_stddev(
    decay: Hyper = 0.9,
    eps: Hyper = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> GradientTransformation:
    """The direction of the centered `rmsprop`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_stddev(decay=0.5)
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    2.0
    """
    hyper = RmspropHyper(None, decay, eps)
    return _rmsprop("scale_by_stddev", hyper, initial_scale, eps_in_sqrt, True, bias_correction)


def _rmsprop(
    name: str,
    hyper: RmspropHyper,
    start: float,
    eps_in_sqrt: bool,
    centered: bool,
    bias_correction: bool,
    nesterov: bool = False,
) -> GradientTransformation:
    def rule(h: RmspropHyper, count: Array) -> LeafRule:
        step = length_of_step(h)
        correction = 1 / (1 - h.decay**count) if bias_correction else None

        def root(n: Array, m: Array | None) -> Array:
            inside = n if correction is None else scaled(correction, n)
            if m is not None:
                inside = inside - square(m if correction is None else scaled(correction, m))
            eps = in_precision(h.eps, n)
            return fnp.sqrt(inside + eps) if eps_in_sqrt else fnp.sqrt(inside) + eps

        def leaf(x: Leaf, n: Array, m: Array | None, sum_: Array | None) -> tuple[Any, ...]:
            n, m = mixed(h.decay, n, square(x.g)), None if m is None else mixed(h.decay, m, x.g)
            update = scaled(step, x.g) / root(n, m)
            if sum_ is None:
                return update, n, m, None
            sum_ = cast(update + scaled(h.momentum, sum_), sum_)
            return update + scaled(h.momentum, sum_) if nesterov else sum_, n, m, sum_

        return leaf

    slots = [filled(start), zeros if centered else None, None if hyper.momentum is None else zeros]
    return leafwise(name, RmspropState, hyper, rule, slots)


class AdadeltaHyper(NamedTuple):
    """The hyperparameters of the next update; `learning_rate` is `None` where there is none, which means 1."""

    rho: Array
    eps: Array
    learning_rate: Array | None = None
    weight_decay: Array | None = None


class AdadeltaState(NamedTuple):
    """The number of updates done, the running means of squared gradients and of squared updates, hyperparameters."""

    count: Array
    e_g: Any
    e_x: Any
    hyper: AdadeltaHyper


@public
def adadelta(
    learning_rate: Hyper | None = None,
    rho: Hyper = 0.9,
    eps: Hyper = 1e-6,
    weight_decay: Hyper = 0.0,
    weight_decay_mask: Any = None,
) -> GradientTransformation:
    """Steps in the units of the parameters: −learning_rate·g·√(X + eps) / √(G + eps).

    G and X are running means (decay rho) of squared gradients and of squared updates.

    Args:
        learning_rate: a number, or a schedule `step -> number`; `None` for 1.
        rho: decay of the means; a number, or a schedule; so for the next two.
        eps: added under the roots.
        weight_decay: how much of the parameters is added to the gradients.
        weight_decay_mask: which parameters decay, as `mask` in `adamw`.

    Returns:
        The pair (init, update), of which update needs `params`; its state is an `AdadeltaState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = adadelta(rho=0.75, eps=0.0001)
    >>> round(float(opt.update(2.0, opt.init(0.0), 0.0)[0]), 5)
    -0.02

    Source: Zeiler, "ADADELTA: an adaptive learning rate method" (2012), algorithm 1.
    """
    hyper = AdadeltaHyper(rho, eps, learning_rate, weight_decay)
    return _adadelta("adadelta", hyper, -1.0, weight_decay_mask, "which decay towards 0")


@public
def scale_by_adadelta(rho: Hyper = 0.9, eps: Hyper = 1e-6) -> GradientTransformation:
    """The direction of `adadelta`, uphill and without weight decay, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_adadelta(rho=0.75, eps=0.0001)
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 5)
    0.02
    """
    return _adadelta("scale_by_adadelta", AdadeltaHyper(rho, eps), 1.0)


def _adadelta(
    name: str, hyper: AdadeltaHyper, sign: float, mask: Any = None, params_for: str | None = None
) -> GradientTransformation:
    def rule(h: AdadeltaHyper, count: Array) -> LeafRule:
        step = sign if h.learning_rate is None else sign * h.learning_rate

        def leaf(x: Leaf, squares: Array, moves: Array) -> tuple[Any, ...]:
            g = decayed(x.g, x, h.weight_decay)
            squares, eps = mixed(h.rho, squares, square(g)), in_precision(h.eps, squares)
            direction = fnp.sqrt((moves + eps) / (squares + eps)) * g
            return scaled(step, direction), squares, mixed(h.rho, moves, square(direction))

        return leaf

    return leafwise(name, AdadeltaState, hyper, rule, [real_zeros, real_zeros], params_for=params_for, masks=[mask])
