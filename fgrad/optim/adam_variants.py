"""Adam with another denominator."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.adam import DECAY, AdamHyper, AdamState, direction_of, looking_ahead
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import in_precision, mixed, real_zeros, scaled, square, zeros
from fgrad.optim.rule import Leaf, LeafRule, decayed, leafwise, length_of_step
from fgrad.optim.transformation import GradientTransformation

__all__ = [
    "AmsgradState",
    "adabelief",
    "adamax",
    "adamaxw",
    "amsgrad",
    "radam",
    "scale_by_adamax",
    "scale_by_amsgrad",
    "scale_by_belief",
    "scale_by_radam",
]


class AmsgradState(NamedTuple):
    """As `AdamState`, with the largest mean of squares so far."""

    count: Array
    mu: Any
    nu: Any
    nu_max: Any
    hyper: AdamHyper


@public
def adamax(learning_rate: Hyper, b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-8) -> GradientTransformation:
    """Adam in the maximum norm: ν ← max(b2·ν, |g| + eps), and the update is −learning_rate·μ̂ / ν.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of their maximum.
        eps: added to the absolute value of gradients.

    Returns:
        The pair (init, update); its state is an `AdamState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = adamax(0.1)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 6)
    -0.1

    Source: Kingma & Ba, "Adam: a method for stochastic optimization" (ICLR 2015), algorithm 2.
    """
    return _adamax("adamax", AdamHyper(learning_rate, b1, b2, eps))


@public
def adamaxw(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-8,
    weight_decay: Hyper = 1e-4,
    mask: Any = None,
) -> GradientTransformation:
    """`adamax` whose parameters also decay, by learning_rate·weight_decay·params.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of their maximum.
        eps: added to the absolute value of gradients.
        weight_decay: a number, or a schedule.
        mask: which parameters decay, as in `adamw`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = adamaxw(0.1, weight_decay=0.5)
    >>> float(opt.update(0.0, opt.init(2.0), 2.0)[0])
    -0.1
    """
    return _adamax("adamaxw", AdamHyper(learning_rate, b1, b2, eps, weight_decay), mask, DECAY)


@public
def scale_by_adamax(b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-8) -> GradientTransformation:
    """The direction of `adamax`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_adamax()
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    1.0
    """
    return _adamax("scale_by_adamax", AdamHyper(None, b1, b2, eps))


def _adamax(name: str, hyper: AdamHyper, mask: Any = None, params_for: str | None = None) -> GradientTransformation:
    def rule(h: AdamHyper, count: Array) -> LeafRule:
        step = length_of_step(h)
        ahead, now = looking_ahead(h, count, step, nesterov=False)
        decay = None if h.weight_decay is None else step * h.weight_decay

        def leaf(x: Leaf, m: Array, n: Array) -> tuple[Any, ...]:
            m = mixed(h.b1, m, x.g)
            n = fnp.maximum(scaled(h.b2, n), fnp.abs(x.g) + in_precision(h.eps, n))
            return decayed(direction_of(ahead, now, m, x.g) / n, x, decay), m, n

        return leaf

    return leafwise(name, AdamState, hyper, rule, [zeros, real_zeros], params_for=params_for, masks=[mask])


@public
def amsgrad(
    learning_rate: Hyper, b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-8, eps_root: float = 0.0
) -> GradientTransformation:
    """Adam whose denominator never shrinks: it takes the largest ν̂ so far.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.

    Returns:
        The pair (init, update); its state is an `AmsgradState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = amsgrad(0.1)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 6)
    -0.1

    Source: Reddi, Kale & Kumar, "On the convergence of Adam and beyond" (ICLR 2018), algorithm 2, with Adam's
    corrections of the means.
    """
    return _amsgrad("amsgrad", AdamHyper(learning_rate, b1, b2, eps), eps_root)


@public
def scale_by_amsgrad(
    b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-8, eps_root: float = 0.0
) -> GradientTransformation:
    """The direction of `amsgrad`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_amsgrad()
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    1.0
    """
    return _amsgrad("scale_by_amsgrad", AdamHyper(None, b1, b2, eps), eps_root)


def _amsgrad(name: str, hyper: AdamHyper, eps_root: float) -> GradientTransformation:
    def rule(h: AdamHyper, count: Array) -> LeafRule:
        ahead, now = looking_ahead(h, count, length_of_step(h), nesterov=False)
        correction = 1 / (1 - h.b2**count)

        def leaf(x: Leaf, m: Array, n: Array, largest: Array) -> tuple[Any, ...]:
            m, n = mixed(h.b1, m, x.g), mixed(h.b2, n, square(x.g))
            largest = fnp.maximum(largest, scaled(correction, n))
            inside = largest + in_precision(eps_root, n) if eps_root else largest
            return direction_of(ahead, now, m, x.g) / (fnp.sqrt(inside) + in_precision(h.eps, n)), m, n, largest

        return leaf

    return leafwise(name, AmsgradState, hyper, rule, [zeros, real_zeros, real_zeros])


@public
def radam(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-8,
    eps_root: float = 0.0,
    threshold: float = 5.0,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam that waits with its denominator until there are enough gradients to estimate it.

    With ρ∞ = 2 / (1 − b2) − 1 and ρ = ρ∞ − 2t·b2ᵗ / (1 − b2ᵗ), the update is −learning_rate·μ̂ while ρ < threshold, and
    Adam's times √((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ)) from then on.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.
        threshold: from which ρ on the denominator is used, at least 4.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update); its state is an `AdamState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = radam(0.1)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 6)
    -0.2

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond" (ICLR 2020), algorithm 2.
    """
    return _radam("radam", AdamHyper(learning_rate, b1, b2, eps), eps_root, threshold, nesterov)


@public
def scale_by_radam(
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-8,
    eps_root: float = 0.0,
    threshold: float = 5.0,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """The direction of `radam`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_radam()
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    2.0
    """
    return _radam("scale_by_radam", AdamHyper(None, b1, b2, eps), eps_root, threshold, nesterov)


def _radam(name: str, hyper: AdamHyper, eps_root: float, threshold: float, nesterov: bool) -> GradientTransformation:
    def rule(h: AdamHyper, count: Array) -> LeafRule:
        decay = h.b2**count
        most = 2 / (1 - h.b2) - 1
        rho = most - 2 * count * decay / (1 - decay)
        known = rho >= threshold
        rho = fnp.where(known, rho, most)  # what is not known has no root, and no derivative
        ratio = fnp.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        root = fnp.sqrt(1 - decay)
        step = length_of_step(h) * fnp.where(known, ratio * root, 1.0)
        ahead, now = looking_ahead(h, count, step, nesterov)
        eps, inner = h.eps * root, eps_root * (1 - decay)

        def leaf(x: Leaf, m: Array, n: Array) -> tuple[Any, ...]:
            m, n = mixed(h.b1, m, x.g), mixed(h.b2, n, square(x.g))
            inside = n + in_precision(inner, n) if eps_root else n
            below = fnp.where(known, fnp.sqrt(inside) + in_precision(eps, n), in_precision(1.0, n))
            return direction_of(ahead, now, m, x.g) / below, m, n

        return leaf

    return leafwise(name, AdamState, hyper, rule, [zeros, real_zeros])


@public
def adabelief(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-16,
    eps_root: float = 1e-16,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam that divides by how far gradients are from their mean: ν ← b2·ν + (1 − b2)·|g − μ|² + eps_root.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of squares.
        eps: added to the denominator.
        eps_root: added to the mean of squares at every step.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update); its state is an `AdamState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = adabelief(0.1)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 6)
    -0.111111

    Source: Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients" (NeurIPS 2020),
    algorithm 2.
    """
    return _belief("adabelief", AdamHyper(learning_rate, b1, b2, eps), eps_root, nesterov)


@public
def scale_by_belief(
    b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-16, eps_root: float = 1e-16, *, nesterov: bool = False
) -> GradientTransformation:
    """The direction of `adabelief`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_belief()
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    1.111111
    """
    return _belief("scale_by_belief", AdamHyper(None, b1, b2, eps), eps_root, nesterov)


def _belief(name: str, hyper: AdamHyper, eps_root: float, nesterov: bool) -> GradientTransformation:
    def rule(h: AdamHyper, count: Array) -> LeafRule:
        root = fnp.sqrt(1 - h.b2**count)
        ahead, now = looking_ahead(h, count, length_of_step(h) * root, nesterov)

        def leaf(x: Leaf, m: Array, n: Array) -> tuple[Any, ...]:
            m = mixed(h.b1, m, x.g)
            n = mixed(h.b2, n, square(x.g - m)) + in_precision(eps_root, n)
            return direction_of(ahead, now, m, x.g) / (fnp.sqrt(n) + in_precision(h.eps * root, n)), m, n

        return leaf

    return leafwise(name, AdamState, hyper, rule, [zeros, real_zeros])
